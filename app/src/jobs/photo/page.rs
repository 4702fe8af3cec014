//! The page of a patient for the record.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use hilum_core::fundus::{Laterality, Picture, patient_from_name};
use hilum_core::io::{self, OpenOptions, replace_file};
use hilum_core::label::LabelMap;
use hilum_core::report::{EyeEntry, EyeReport, eye_report_pdf};
use hilum_core::volume::Volume;

use super::{OpenedPhoto, PhotoFacts, PhotoReading, ReviewState, measure};

/// A page to be written.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Where to.
    pub path: PathBuf,
    /// File of the picture that is open.
    pub image: PathBuf,
    /// The picture that is open.
    pub volume: Arc<Volume>,
    /// What it tells.
    pub facts: Arc<PhotoFacts>,
    /// Its labels.
    pub labels: Arc<LabelMap>,
    /// The eye, if a person said.
    pub eye: Option<Laterality>,
    /// How far a person is with it.
    pub state: ReviewState,
    /// The models that proposed.
    pub models: Vec<String>,
    /// Further pictures of the same patient, whose labels are kept.
    pub others: Vec<PathBuf>,
    /// Where labels are kept.
    pub store: Option<PathBuf>,
}

struct Eye {
    name: String,
    volume: Arc<Volume>,
    reading: PhotoReading,
    standing: String,
}

/// Who or what outlined a picture, and whether a person has looked.
pub fn standing(state: ReviewState, models: &[String]) -> String {
    let by = match models.last() {
        Some(model) => format!("outlined by {model}"),
        None => "outlined by hand".to_owned(),
    };
    match state {
        ReviewState::Open | ReviewState::Proposed => format!("Not looked at by a person yet; {by}"),
        ReviewState::Corrected if models.is_empty() => "Outlined by a person".to_owned(),
        ReviewState::Corrected => format!("Corrected by a person; {by} at first"),
        ReviewState::Reviewed => format!("Reviewed by a person; {by} at first"),
    }
}

/// Writes the page: the open picture and, of the others, those that have an outlined disc.
///
/// # Errors
/// If the open picture has no disc, or the file cannot be written.
pub fn write(request: &PageRequest) -> anyhow::Result<()> {
    let reading = measure(&request.facts, &request.labels, request.eye);
    if let Err(error) = &reading.disc {
        bail!("there is nothing to put on a page: {error}");
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut eyes = vec![Eye {
        name: name(&request.image),
        volume: Arc::clone(&request.volume),
        reading,
        standing: standing(request.state, &request.models),
    }];
    for path in &request.others {
        let opened = io::open(path, &OpenOptions::default(), &())?.volume;
        let Some(photo) = OpenedPhoto::of(&opened, Some(path), request.store.as_deref()) else { continue };
        let Some(kept) = photo.kept else { continue };
        let reading = measure(&photo.facts, &kept.labels, kept.record.eye);
        if reading.disc.is_ok() {
            let standing = standing(kept.record.state, &kept.record.models);
            eyes.push(Eye { name: name(path), volume: Arc::new(opened), reading, standing });
        }
    }
    // The right eye comes first, as on paper.
    eyes.sort_by_key(|eye| eye.reading.eye.map(|guess| guess.laterality));
    let pictures: Vec<Picture<'_>> =
        eyes.iter().map(|eye| Picture::of(&eye.volume)).collect::<Result<_, _>>()?;
    let entries = eyes.iter().zip(&pictures).filter_map(|(eye, picture)| {
        let (mask, reading) = eye.reading.disc.as_ref().ok()?.as_ref();
        let (laterality, standing) = (eye.reading.eye, eye.standing.as_str());
        Some(EyeEntry { name: &eye.name, picture, mask, reading, laterality, standing })
    });
    let made = format!("Made with Hilum {} on {}", env!("CARGO_PKG_VERSION"), crate::cli::cdr::today());
    let patient = patient_from_name(&request.image);
    let pdf = eye_report_pdf(&EyeReport { patient: &patient, made: &made, eyes: entries.collect() });
    replace_file(&request.path, |out| out.write_all(&pdf)).context("the page was not written")
}
