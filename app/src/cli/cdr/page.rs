//! The page for the record.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use hilum_core::calendar::Moment;
use hilum_core::fundus::Picture;
use hilum_core::io::replace_file;
use hilum_core::report::{EyeEntry, EyeReport, eye_report_pdf};

use super::case::Case;

/// Refuses a target that is no PDF or cannot be written.
pub fn check_target(path: &Path) -> anyhow::Result<()> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("pdf")) {
        bail!("the page for the record must end in .pdf: {}", path.display());
    }
    crate::cli::convert::check_target(path)
}

/// Writes the page of a patient.
pub fn write(path: &Path, patient: &str, cases: &[Case]) -> anyhow::Result<()> {
    let pictures: Vec<Picture<'_>> = cases
        .iter()
        .map(|case| Picture::of(case.volume()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("a picture is too small for a page: {}", path.display()))?;
    let names: Vec<String> = cases
        .iter()
        .map(|c| c.image.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let mut order: Vec<usize> = (0..cases.len()).collect();
    // The right eye comes first, as on paper.
    order.sort_by_key(|i| (cases[*i].laterality.map(|guess| guess.laterality), *i));
    let standings: Vec<String> = cases.iter().map(|case| case.source.standing()).collect();
    let eyes = order.into_iter().map(|i| EyeEntry {
        standing: &standings[i],
        name: &names[i],
        picture: &pictures[i],
        mask: cases[i].mask(),
        reading: &cases[i].reading,
        laterality: cases[i].laterality,
    });
    let made = format!("Made with Hilum {} on {}", env!("CARGO_PKG_VERSION"), today());
    let pdf = eye_report_pdf(&EyeReport { patient, made: &made, eyes: eyes.collect() });
    replace_file(path, |out| out.write_all(&pdf)).context("the page was not written")
}

/// The date in Greenwich, `YYYY-MM-DD`.
pub fn today() -> String {
    Moment::now().date()
}
