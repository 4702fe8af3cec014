//! Making a version again from its record, to see that it is what it says.

use std::collections::BTreeSet;

use hilum_core::job::Observer;
use hilum_core::worklist::CaseImage as ImageFile;
use serde::Serialize;

use super::case::LoadedCase;
use super::finetune::guarded;
use super::material::Assembly;
use super::options::{TeachEvent, TeachOptions};
use super::record::CaseRecord;
use super::version::Version;
use super::{CaseImage, CaseLabels, TeachError, TeachingCase};
use crate::catalog::{Catalog, Model};
use crate::checkpoint::{FloatFormat, StateDict};
use crate::device::OpenDevice;
use crate::train::trainer::Position;

/// Largest difference of a weight that a graphics adapter may make, relative to the largest weight of its tensor: its
/// sums are taken in another order each time.
const DEVICE_TOLERANCE: f32 = 1e-2;

/// How what was made again agrees with what was kept.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The version.
    pub id: String,
    /// Steps made.
    pub steps: usize,
    /// Whether all weights are the same bit for bit.
    pub is_identical: bool,
    /// Largest difference of a weight, relative to the largest of its tensor.
    pub largest_difference: f32,
    /// What is allowed: nothing where both were trained on the CPU.
    pub tolerance: f32,
    /// Whether the difference is allowed.
    pub agrees: bool,
}

/// Trains a version again from its record and compares the weights.
///
/// # Errors
/// [`TeachError`] if parent, images or labels are missing or are not those of the record, or the device fails.
pub fn replay(
    version: &Version,
    catalog: &Catalog,
    device: &OpenDevice,
    observer: &dyn Observer,
    on_event: &mut dyn FnMut(&TeachEvent),
) -> Result<ReplayReport, TeachError> {
    let record = &version.record;
    let parent = catalog.find(&record.parent.id)?;
    if parent.card.weights_sha256 != record.parent.weights_sha256 {
        return Err(TeachError::Unsuitable(format!(
            "the weights of {} are not those that {} was made of",
            record.parent.id, record.id
        )));
    }
    let cases: Vec<TeachingCase> =
        record.cases.iter().map(|case| case_of(version, case)).collect::<Result<_, _>>()?;
    let check = |case: &LoadedCase| {
        let known = record.cases.iter().find(|known| known.id == case.case.id);
        let is_same = known.is_some_and(|known| {
            (&case.image_sha256, &case.labels_sha256) == (&known.image_sha256, &known.labels_sha256)
        });
        if is_same {
            return Ok(());
        }
        Err(TeachError::Unsuitable(format!(
            "image or labels of the case {} have changed since {} was made",
            case.case.id, record.id
        )))
    };
    let kept = Model::read(&version.folder)?.weights()?;
    let options = TeachOptions::default();
    let again = guarded(|| {
        let assembly = Assembly {
            catalog,
            parent,
            recipe: record.recipe.clone(),
            replay: (record.replay, record.replay_share),
            options: &options,
            device,
            // The record names what was read.
            memory_limit_bytes: None,
            check: &check,
        };
        let ready = assembly.of(&cases, observer, on_event)?;
        let mut trainer = ready.trainer()?;
        for step in 0..record.steps_done {
            observer.wait_while_paused();
            if observer.is_cancelled() {
                return Err(hilum_core::job::Cancelled.into());
            }
            let loss = trainer.step(Position::at(step))?;
            on_event(&TeachEvent::Step { step: step + 1, of: record.steps_done, loss, seconds: 0.0 });
        }
        Ok(trainer.network()?.weights(FloatFormat::F32)?)
    })?;
    let largest_difference = largest_difference(&kept, &again);
    let tolerance = if record.is_cpu && device.is_cpu { 0.0 } else { DEVICE_TOLERANCE };
    Ok(ReplayReport {
        id: record.id.clone(),
        steps: record.steps_done,
        is_identical: is_identical(&kept, &again),
        largest_difference,
        tolerance,
        agrees: largest_difference <= tolerance,
    })
}

fn case_of(version: &Version, record: &CaseRecord) -> Result<TeachingCase, TeachError> {
    let image = record.image.clone().ok_or_else(|| {
        TeachError::Unsuitable(format!("the image of the case {} was in memory alone", record.id))
    })?;
    let labels = record.labels.as_ref().map(|path| CaseLabels::File(version.folder.join(path)));
    let image = ImageFile { path: image, selection: record.selection.clone() };
    Ok(TeachingCase {
        id: record.id.clone(),
        image: CaseImage::File(image),
        labels: labels.unwrap_or(CaseLabels::None),
        purpose: record.purpose,
    })
}

fn is_identical(a: &StateDict, b: &StateDict) -> bool {
    a.iter().count() == b.iter().count()
        && a.iter().all(|(name, tensor)| b.get(name).is_some_and(|other| other.bytes() == tensor.bytes()))
}

/// Infinite where a name or a size differs.
fn largest_difference(a: &StateDict, b: &StateDict) -> f32 {
    let names = |dict: &StateDict| dict.iter().map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>();
    if names(a) != names(b) {
        return f32::INFINITY;
    }
    let mut largest: f32 = 0.0;
    for (name, tensor) in a.iter() {
        let (Some(a), Some(b)) = (tensor.to_f32(), b.get(name).and_then(|t| t.to_f32())) else { continue };
        if a.len() != b.len() {
            return f32::INFINITY;
        }
        let scale = a.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
        for (a, b) in a.iter().zip(&b) {
            let difference = (a - b).abs() / scale;
            // One that is no number agrees with nothing.
            largest = largest.max(if difference.is_nan() { f32::INFINITY } else { difference });
        }
    }
    largest
}
