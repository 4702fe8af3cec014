//! `hilum cdr`.

mod case;
mod csv;
mod page;
mod pairs;
mod propose;
mod reference;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hilum_core::fundus::{Laterality, patient_from_name};
use hilum_core::job::Observer as _;
use hilum_core::measure::cdr::{DiscLabels, Motion, Perturbation, Shift};

use super::convert::check_target;
use super::output::{Console, Progress};
use case::Case;
pub(crate) use csv::quoted;
pub(crate) use page::today;
use report::{CaseReport, Failure, FolderReport};
pub(crate) use report::{cells, eye_text, interval};

/// Arguments of `cdr`.
///
/// The vertical cup-to-disc ratio is the number of image rows from the first to the last of the cup over that of the
/// disc (rim and cup together). Every interval is that of both outlines moved by the shift along their normal.
#[derive(Debug, Args)]
pub struct Cdr {
    /// A photograph of the fundus, or a folder of them.
    image: PathBuf,
    /// Mask of rim and cup, or a folder of masks with the names of the photographs.
    #[arg(long, value_name = "MASK")]
    mask: Option<PathBuf>,
    /// Where the mask goes as it was measured, as .png, .nii or .nii.gz; with a folder of photographs, a folder.
    #[arg(long, value_name = "MASK")]
    out: Option<PathBuf>,
    /// Where a table with one row a photograph goes.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Where a page for the record goes, as PDF; with a folder of photographs, a folder that gets one PDF a patient (file
    /// names that differ only in the word for the eye belong to one patient).
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A table (CSV with a column `id` or `image`) whose numeric columns named cdr… are compared with the vertical ratio.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Which eye, instead of what header, name and picture say.
    #[arg(long, value_name = "EYE")]
    eye: Option<Eye>,
    /// How far the outlines may be wrong: pixels, or percent of the disc's vertical diameter.
    #[arg(long, value_name = "PX|%", default_value = "2%", value_parser = shift)]
    shift: Shift,
    /// Move both outlines together, as one reader's habit does, instead of each on its own.
    #[arg(long)]
    together: bool,
    /// Label of the rim in the mask.
    #[arg(long, value_name = "L", default_value_t = DiscLabels::default().rim)]
    rim: u16,
    /// Label of the cup in the mask.
    #[arg(long, value_name = "L", default_value_t = DiscLabels::default().cup)]
    cup: u16,
    /// With --json, all 360 rays of the rim too.
    #[arg(long)]
    profile: bool,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// An eye on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Eye {
    /// Right eye.
    #[value(alias = "OD", alias = "right", alias = "R")]
    Od,
    /// Left eye.
    #[value(alias = "OS", alias = "left", alias = "L")]
    Os,
}

/// Reads `3`, `3px` or `2%`.
fn shift(text: &str) -> Result<Shift, String> {
    let refuse = || format!("\"{text}\" is neither pixels (3) nor percent of the disc (2%), from 0 on");
    let number = |part: &str| {
        part.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(refuse)
    };
    match text.strip_suffix('%') {
        Some(percent) => Ok(Shift::ShareOfDisc(number(percent)? / 100.0)),
        None => Ok(Shift::Pixels(number(text.strip_suffix("px").unwrap_or(text))?)),
    }
}

impl Cdr {
    /// Measures one photograph or a folder of them.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        if self.rim == self.cup || self.rim == 0 || self.cup == 0 {
            bail!("--rim {} and --cup {} must be two labels above 0", self.rim, self.cup);
        }
        if let Some(path) = &self.csv {
            check_target(path)?;
        }
        if self.image.is_dir() { self.run_folder(console) } else { self.run_one(console) }
    }

    fn run_one(&self, console: &Console) -> anyhow::Result<()> {
        if let Some(path) = &self.out {
            case::check_mask_target(path)?;
        }
        if let Some(mask) = self.mask.as_ref().filter(|mask| mask.is_dir()) {
            bail!("the photograph is a file and --mask a folder; give two of a kind: {}", mask.display());
        }
        if let Some(path) = &self.report {
            page::check_target(path)?;
        }
        let progress = Progress::start("measuring");
        let case = self.case(console, &self.image, self.mask.as_deref())?;
        if let Some(path) = &self.out {
            case.save_mask(path, self.labels())?;
        }
        if let Some(path) = &self.report {
            page::write(path, &patient_from_name(&self.image), std::slice::from_ref(&case))?;
        }
        drop(progress);
        let report = CaseReport::of(&case, self.out.as_deref(), self.profile);
        self.write_csv(std::slice::from_ref(&report))?;
        report.warnings_text().iter().for_each(|text| console.warn(text));
        let compared = self.compared(std::slice::from_ref(&report))?;
        console.report(&report.with_reference(compared))
    }

    fn run_folder(&self, console: &Console) -> anyhow::Result<()> {
        if let Some(mask) = self.mask.as_ref().filter(|mask| !mask.is_dir()) {
            bail!("the photographs are a folder and --mask a file; give two of a kind: {}", mask.display());
        }
        let pairs = pairs::pair(&self.image, self.mask.as_deref())?;
        for folder in [&self.out, &self.report].into_iter().flatten() {
            let cannot = || format!("cannot make the folder: {}", folder.display());
            std::fs::create_dir_all(folder).with_context(cannot)?;
        }
        let progress = Progress::start("measuring");
        let (mut cases, mut failed) = (Vec::new(), Vec::new());
        for (done, (patient, members)) in pairs.by_patient().into_iter().enumerate() {
            progress.progress(&patient, done as u64, pairs.matched.len() as u64);
            self.patient(console, &patient, &members, &mut cases, &mut failed)?;
        }
        drop(progress);
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        if cases.is_empty() {
            let first = failed.first().map_or("", |failure| failure.error.as_str());
            bail!("none of {} photographs could be measured; the first: {first}", failed.len());
        }
        for failure in &failed {
            console.warn(&format!("{}: {}", failure.name, failure.error));
        }
        for side in pairs.left_out.iter() {
            console.warn(side);
        }
        self.write_csv(&cases)?;
        let compared = self.compared(&cases)?;
        console.report(&FolderReport::new(&self.image, cases, failed, pairs.left_out, compared, self.seed))
    }

    /// The photographs of one patient of a folder.
    fn patient(
        &self,
        console: &Console,
        patient: &str,
        members: &[&pairs::Pair],
        reports: &mut Vec<CaseReport>,
        failed: &mut Vec<Failure>,
    ) -> anyhow::Result<()> {
        let mut cases = Vec::new();
        for pair in members {
            match self.case(console, &pair.image, pair.mask.as_deref()) {
                Ok(case) => {
                    cases.push((case, self.out.as_ref().map(|f| f.join(format!("{}.png", pair.name)))))
                }
                Err(error) => failed.push(Failure::new(&pair.name, &error)),
            }
        }
        for (case, out) in &cases {
            if let Some(path) = out {
                case.save_mask(path, self.labels())?;
            }
            reports.push(CaseReport::of(case, out.as_deref(), self.profile));
        }
        let cases: Vec<Case> = cases.into_iter().map(|(case, _)| case).collect();
        match &self.report {
            Some(folder) if !cases.is_empty() => {
                page::write(&folder.join(format!("{patient}.pdf")), patient, &cases)
            }
            _ => Ok(()),
        }
    }

    fn case(&self, console: &Console, image: &Path, mask: Option<&Path>) -> anyhow::Result<Case> {
        let eye = self.eye.map(|eye| if eye == Eye::Od { Laterality::Right } else { Laterality::Left });
        let motion = if self.together { Motion::Together } else { Motion::Apart };
        let perturbation = Perturbation { shift: self.shift, motion };
        Case::read(console, image, mask, self.labels(), eye, perturbation)
    }

    fn labels(&self) -> DiscLabels {
        DiscLabels { rim: self.rim, cup: self.cup }
    }

    fn write_csv(&self, cases: &[CaseReport]) -> anyhow::Result<()> {
        let Some(path) = &self.csv else { return Ok(()) };
        csv::write(path, cases).context("the table was not written")
    }

    fn compared(&self, cases: &[CaseReport]) -> anyhow::Result<Vec<reference::Comparison>> {
        let Some(path) = &self.reference else { return Ok(Vec::new()) };
        let found: Vec<(String, f64)> =
            cases.iter().filter_map(|case| Some((case.name.clone(), case.vertical()?))).collect();
        reference::compare(path, &found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_pixels_or_percent() {
        assert_eq!(shift("3"), Ok(Shift::Pixels(3.0)));
        assert_eq!(shift("0.5px"), Ok(Shift::Pixels(0.5)));
        assert_eq!(shift("2 %"), Ok(Shift::ShareOfDisc(0.02)));
        for wrong in ["", "-1", "nan", "inf%", "x", "%", "1mm"] {
            assert!(shift(wrong).is_err(), "{wrong}");
        }
    }
}
