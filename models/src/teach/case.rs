//! A case to learn from, wherever its image and labels are.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::io::{self, LabelTarget, OpenOptions};
use hilum_core::label::LabelMap;
use hilum_core::project::ImageReference;
use hilum_core::volume::Volume;
use serde::{Deserialize, Serialize};

use super::TeachError;
use crate::catalog::{DenseTask, Region, sha256_hex};

/// What a case is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseUse {
    /// A person corrected it: what is to be learned.
    Corrected,
    /// Learned before: shown again so that it is not forgotten.
    Earlier,
    /// Never learned from: decides whether new weights are better.
    SetAside,
    /// Without labels of a person: the present model's own answer on it may be kept.
    Unlabelled,
}

/// Where an image is.
#[derive(Clone, Debug)]
pub enum CaseImage {
    /// In a file or folder.
    File(PathBuf),
    /// In memory.
    Memory(Arc<Volume>),
}

/// Where the labels of a case are, on its image's grid.
#[derive(Clone, Debug)]
pub enum CaseLabels {
    /// Nowhere.
    None,
    /// In a file.
    File(PathBuf),
    /// In memory.
    Memory(Arc<LabelMap>),
}

/// A case to learn from.
#[derive(Clone, Debug)]
pub struct TeachingCase {
    /// Unique among the cases.
    pub id: String,
    /// Its image.
    pub image: CaseImage,
    /// Its labels, with the values of the model's regions.
    pub labels: CaseLabels,
    /// What it is for.
    pub purpose: CaseUse,
}

/// A case in memory, with what identifies it.
#[derive(Clone, Debug)]
pub(crate) struct LoadedCase {
    pub(crate) case: TeachingCase,
    pub(crate) volume: Arc<Volume>,
    /// `[z, y, x]`.
    pub(crate) labels: Option<Vec<u16>>,
    pub(crate) image_sha256: String,
    pub(crate) labels_sha256: Option<String>,
}

impl TeachingCase {
    /// A case of files.
    pub fn files(id: &str, image: PathBuf, labels: Option<PathBuf>, purpose: CaseUse) -> Self {
        let labels = labels.map_or(CaseLabels::None, CaseLabels::File);
        Self { id: id.to_owned(), image: CaseImage::File(image), labels, purpose }
    }

    /// A case in memory.
    pub fn memory(id: &str, image: Arc<Volume>, labels: Option<Arc<LabelMap>>, purpose: CaseUse) -> Self {
        let labels = labels.map_or(CaseLabels::None, CaseLabels::Memory);
        Self { id: id.to_owned(), image: CaseImage::Memory(image), labels, purpose }
    }

    /// SHA-256 of its labels, if they are in memory.
    pub(super) fn labels_sha256(&self) -> Option<String> {
        match &self.labels {
            CaseLabels::Memory(map) => Some(hash_of(map.voxels())),
            CaseLabels::None | CaseLabels::File(_) => None,
        }
    }

    /// Reads what is not in memory, and fingerprints both.
    ///
    /// # Errors
    /// [`TeachError`] naming the case whose file cannot be read, or whose labels are missing or do not fit.
    pub(crate) fn load(&self) -> Result<LoadedCase, TeachError> {
        let open = |path: &PathBuf| io::open(path, &OpenOptions::default(), &()).map(|opened| opened.volume);
        let volume = match &self.image {
            CaseImage::File(path) => Arc::new(open(path)?),
            CaseImage::Memory(volume) => volume.clone(),
        };
        let labels = match &self.labels {
            CaseLabels::None => None,
            CaseLabels::File(path) => {
                let target = LabelTarget { grid: volume.grid(), source: &volume.meta().source };
                Some(io::open_labels_for(path, target)?.labels)
            }
            CaseLabels::Memory(map) => Some(map.voxels().to_vec()),
        };
        if labels.is_none() && self.purpose != CaseUse::Unlabelled {
            return Err(TeachError::Unsuitable(format!("the case {} has no labels to learn from", self.id)));
        }
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != volume.voxels().len()) {
            return Err(TeachError::Unsuitable(format!(
                "the labels of the case {} have {} voxels, its image has {}",
                self.id,
                labels.len(),
                volume.voxels().len()
            )));
        }
        Ok(LoadedCase {
            image_sha256: ImageReference::of(&volume).voxels_sha256,
            labels_sha256: labels.as_deref().map(hash_of),
            case: self.clone(),
            volume,
            labels,
        })
    }
}

/// SHA-256 of labels as 16-bit numbers, little endian.
fn hash_of(labels: &[u16]) -> String {
    sha256_hex(&labels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// Which voxels lie in each region of a task: a part of a region, as the cup of the disc, lies in it too. Where a task
/// has a single region, every value but 0 is it.
pub(crate) fn regions_of(task: &DenseTask, labels: &[u16]) -> Vec<Vec<bool>> {
    let values_of = |region: &Region| -> Vec<u16> {
        task.regions.iter().filter(|other| is_within(task, other, &region.name)).map(|r| r.label).collect()
    };
    let is_single = task.regions.len() == 1;
    let inside = |region: &Region| {
        let values = values_of(region);
        labels.iter().map(|value| if is_single { *value != 0 } else { values.contains(value) }).collect()
    };
    task.regions.iter().map(inside).collect()
}

/// Whether a region is `name` or a part of it, at any depth.
fn is_within(task: &DenseTask, region: &Region, name: &str) -> bool {
    let mut at = Some(region);
    // A task has at most 16 regions; a circle of them ends here.
    for _ in 0..=task.regions.len() {
        let Some(region) = at else { return false };
        if region.name == name {
            return true;
        }
        at = region.within.as_ref().and_then(|whole| task.regions.iter().find(|r| r.name == *whole));
    }
    false
}
