//! `hilum deidentify`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use hilum_core::io::dicom::deidentify::{
    Dates, Deidentify, DeidentifyOptions, DeidentifyReport, PseudonymKey,
};
use serde::Serialize;

use super::output::{Console, Progress, Report};

/// Copies DICOM files without what identifies the patient: the Basic Profile of DICOM PS3.15, annex E.
///
/// UIDs, names and dates are exchanged by a secret key, so that what was together stays together, over any number of
/// exports with the same key. Text that is burned into pixels stays; where it seems to be there, a warning says so.
#[derive(Debug, Args)]
pub struct DeidentifyCommand {
    /// A DICOM file, or a folder with files at any depth.
    input: PathBuf,
    /// Folder for the copies; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The secret key; made where it is not there yet. Default: the name of the folder for the copies and `.key.json`.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Only the objects of this series.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Take dates out instead of moving all of a patient's back by the same number of days.
    #[arg(long)]
    remove_dates: bool,
    /// Keep sex, age, size, weight and pregnancy.
    #[arg(long)]
    keep_characteristics: bool,
}

impl DeidentifyCommand {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let key_path = self.key.clone().unwrap_or_else(|| key_beside(&self.out));
        let key = PseudonymKey::open_or_create(&key_path)?;
        let dates = if self.remove_dates { Dates::Removed } else { Dates::Moved };
        let options = DeidentifyOptions { dates, keep_characteristics: self.keep_characteristics };
        let progress = Progress::start("de-identifying");
        let wanted = Deidentify {
            source: &self.input,
            only_series: self.series.as_deref(),
            target: &self.out,
            key: &key,
            options,
        };
        let report = wanted.run(&progress)?;
        drop(progress);
        console.report(&Deidentified::of(report, self.out.clone(), key_path))
    }
}

/// The key of a folder lies beside it, not in it: it must not be passed on with the copies.
fn key_beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or("copies".as_ref()).to_owned();
    name.push(".key.json");
    folder.with_file_name(name)
}

#[derive(Serialize)]
struct Deidentified {
    written: usize,
    /// Files of each patient, by pseudonym.
    patients: BTreeMap<String, usize>,
    removed_private: usize,
    cleaned_texts: usize,
    left_out: Vec<LeftOut>,
    warnings: Vec<String>,
    out: PathBuf,
    key: PathBuf,
}

#[derive(Serialize)]
struct LeftOut {
    path: PathBuf,
    reason: String,
}

impl Deidentified {
    fn of(report: DeidentifyReport, out: PathBuf, key: PathBuf) -> Self {
        let left_out = report.left_out.into_iter().map(|(path, reason)| LeftOut { path, reason });
        Self {
            written: report.written,
            patients: report.patients,
            removed_private: report.removed_private,
            cleaned_texts: report.cleaned,
            left_out: left_out.collect(),
            warnings: report.warnings,
            out,
            key,
        }
    }
}

impl Report for Deidentified {
    fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "wrote {} files of {} patients: {}",
                self.written,
                self.patients.len(),
                self.out.display()
            ),
            format!(
                "read back: pixels as before, no name or number of a patient found; {} private elements removed, {} texts \
                 emptied because a name stood in them",
                self.removed_private, self.cleaned_texts
            ),
            format!("keep the key with the originals, never with the copies: {}", self.key.display()),
        ];
        lines.extend(
            self.left_out.iter().map(|file| format!("left out ({}): {}", file.reason, file.path.display())),
        );
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.join("\n")
    }
}
