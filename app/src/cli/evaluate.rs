//! `hilum evaluate`.

mod folders;
mod report;
mod scores;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::job::Observer as _;

use super::args;
use super::masks::{Mask, check_same_grid};
use super::output::{Console, Progress, warnings_json};
use folders::pair_by_stem;
use report::{CaseReport, FolderReport, summaries};
use scores::LabelScores;

/// Arguments of `evaluate`.
///
/// A ratio whose denominator is zero is 1 if prediction and truth are both empty, else 0. Distances are those of
/// surface voxels (mask voxels with a face neighbour outside), both directions pooled; they are not defined if
/// either mask is empty. Folders pair files of the same name up to the ending; their summary counts the cases in
/// which a label occurs in the prediction or the truth, and for distances those in which it occurs in both.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The mask to judge, or a folder of masks.
    #[arg(long, value_name = "P")]
    pred: PathBuf,
    /// The true mask, or a folder of masks.
    #[arg(long, value_name = "T")]
    truth: PathBuf,
    /// Only this label.
    #[arg(long, value_name = "L")]
    label: Option<u16>,
    /// The value in the prediction that stands for --label, if it is another.
    #[arg(long, value_name = "L", requires = "label")]
    pred_label: Option<u16>,
    /// Distance of voxels in mm, instead of what the files say about their geometry.
    #[arg(long, value_name = "X,Y,Z", value_parser = args::spacing_mm)]
    spacing: Option<[f64; 3]>,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Evaluate {
    /// Compares two masks or two folders of masks.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match (self.pred.is_dir(), self.truth.is_dir()) {
            (true, true) => self.run_folders(console),
            (false, false) => {
                let progress = Progress::start("comparing");
                let case = self.case("", &self.pred, &self.truth)?;
                drop(progress);
                case.warnings_text().iter().for_each(|text| console.warn(text));
                console.report(&case)
            }
            (true, false) => bail!("--pred is a folder and --truth a file; give two of a kind"),
            (false, true) => bail!("--truth is a folder and --pred a file; give two of a kind"),
        }
    }

    fn run_folders(&self, console: &Console) -> anyhow::Result<()> {
        let pairs = pair_by_stem(&self.pred, &self.truth)?;
        let total = pairs.matched.len() as u64;
        let progress = Progress::start("comparing");
        let mut cases = Vec::new();
        for (done, (name, pred, truth)) in pairs.matched.iter().enumerate() {
            progress.progress(name, done as u64, total);
            cases.push(self.case(name, pred, truth).with_context(|| format!("case {name}"))?);
        }
        drop(progress);
        for (side, names) in [("prediction", &pairs.only_truth), ("truth", &pairs.only_pred)] {
            if !names.is_empty() {
                console.warn(&format!("no {side} for {}; left out", names.join(", ")));
            }
        }
        for (case, text) in
            cases.iter().flat_map(|c| c.warnings_text().into_iter().map(move |w| (&c.name, w)))
        {
            console.warn(&format!("{case}: {text}"));
        }
        console.report(&FolderReport {
            pred: self.pred.clone(),
            truth: self.truth.clone(),
            summary: summaries(&cases, self.seed),
            cases,
            only_pred: pairs.only_pred,
            only_truth: pairs.only_truth,
        })
    }

    fn case(&self, name: &str, pred: &Path, truth: &Path) -> anyhow::Result<CaseReport> {
        let (mut prediction, mut reference) = (Mask::open(pred)?, Mask::open(truth)?);
        if let Some(spacing) = self.spacing {
            let (p, t) = (prediction.grid.dims(), reference.grid.dims());
            if p != t {
                bail!("the prediction has {p:?} voxels and the truth {t:?}; resample one to the other");
            }
            prediction = prediction.with_spacing(spacing)?;
            reference = reference.with_spacing(spacing)?;
        } else {
            let hint = "resample the prediction, or give --spacing if only the headers are wrong";
            check_same_grid(pred, &prediction.grid, truth, &reference.grid, hint)?;
        }
        let scores = self
            .labels(&prediction, &reference)
            .into_iter()
            .map(|(label, pred_label)| LabelScores::of(&prediction, pred_label, &reference, label))
            .collect::<anyhow::Result<_>>()?;
        let mut warnings = warnings_json(&prediction.warnings);
        warnings.extend(warnings_json(&reference.warnings));
        // Both files usually say the same.
        warnings.dedup();
        Ok(CaseReport {
            name: name.to_owned(),
            pred: pred.to_owned(),
            truth: truth.to_owned(),
            spacing_mm: reference.grid.spacing_mm(),
            has_physical_spacing: reference.has_physical_spacing,
            labels: scores,
            warnings,
        })
    }

    /// Labels of the truth, each with the label of the prediction that stands for it.
    fn labels(&self, prediction: &Mask, truth: &Mask) -> Vec<(u16, u16)> {
        if let Some(label) = self.label {
            return vec![(label, self.pred_label.unwrap_or(label))];
        }
        let mut labels = truth.used_labels();
        labels.extend(prediction.used_labels());
        labels.sort_unstable();
        labels.dedup();
        if labels.is_empty() {
            // Two empty masks agree, and that is worth saying.
            labels.push(1);
        }
        labels.into_iter().map(|label| (label, label)).collect()
    }
}
