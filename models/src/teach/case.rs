//! A case to learn from, wherever its image and labels are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::geometry::Grid;
use hilum_core::io::{self, LabelTarget, OpenOptions};
use hilum_core::label::{LabelMap, RunLengths};
use hilum_core::project::{self, ImageReference};
use hilum_core::volume::{Source, Volume};
use hilum_core::worklist::CaseImage as ImageFile;
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
    /// In a file or folder, with the series and the time point in it; its path is not relative to a worklist.
    File(ImageFile),
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
    /// In a project, read when they are needed: many cases' labels are more than memory holds.
    Project {
        /// Its folder.
        folder: PathBuf,
        /// The model's value for each value of the project; others are background.
        values: BTreeMap<u16, u16>,
    },
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

/// What is remembered of a case while a network learns: not its image, and its labels packed.
#[derive(Clone, Debug)]
pub(crate) struct LoadedCase {
    pub(crate) case: TeachingCase,
    pub(crate) grid: Grid,
    pub(crate) source: Source,
    pub(crate) labels: Option<RunLengths>,
    pub(crate) image_sha256: String,
    pub(crate) labels_sha256: Option<String>,
}

/// A case in memory.
#[derive(Clone, Debug)]
pub(crate) struct OpenedCase {
    pub(crate) id: String,
    pub(crate) volume: Arc<Volume>,
    /// `[z, y, x]`; empty without labels.
    pub(crate) labels: Vec<u16>,
}

impl TeachingCase {
    /// A case of files.
    pub fn files(id: &str, image: PathBuf, labels: Option<PathBuf>, purpose: CaseUse) -> Self {
        let labels = labels.map_or(CaseLabels::None, CaseLabels::File);
        Self { id: id.to_owned(), image: CaseImage::File(ImageFile::at(image)), labels, purpose }
    }

    /// A case in memory.
    pub fn memory(id: &str, image: Arc<Volume>, labels: Option<Arc<LabelMap>>, purpose: CaseUse) -> Self {
        let labels = labels.map_or(CaseLabels::None, CaseLabels::Memory);
        Self { id: id.to_owned(), image: CaseImage::Memory(image), labels, purpose }
    }

    /// SHA-256 of its labels, unless they are in a file, where nobody changes them here.
    pub(super) fn labels_sha256(&self) -> Option<String> {
        match &self.labels {
            CaseLabels::Memory(map) => Some(hash_of(&map.to_voxels())),
            CaseLabels::Project { .. } => self.read_labels(None).ok().flatten().as_deref().map(hash_of),
            CaseLabels::None | CaseLabels::File(_) => None,
        }
    }

    /// Its labels, on the grid of its image where that is needed to read them.
    fn read_labels(&self, image: Option<&Volume>) -> Result<Option<Vec<u16>>, TeachError> {
        Ok(match (&self.labels, image) {
            (CaseLabels::File(path), Some(image)) => {
                let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
                Some(io::open_labels_for(path, target)?.labels)
            }
            (CaseLabels::None | CaseLabels::File(_), _) => None,
            (CaseLabels::Memory(map), _) => Some(map.to_voxels()),
            (CaseLabels::Project { folder, values }, _) => {
                let of_case = |error: hilum_core::project::StoreError| {
                    TeachError::Unsuitable(format!("the case {}: {error}", self.id))
                };
                let state = project::read(folder).and_then(project::Saved::into_state).map_err(of_case)?.0;
                let mut labels = state.labels().to_voxels();
                labels.iter_mut().for_each(|label| *label = values.get(label).copied().unwrap_or(0));
                Some(labels)
            }
        })
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`TeachError`] naming the case whose file cannot be read, or whose labels are missing or do not fit.
    pub(crate) fn open(&self) -> Result<OpenedCase, TeachError> {
        let volume = match &self.image {
            CaseImage::File(image) => {
                Arc::new(io::open(&image.path, &OpenOptions::from(image.selection.clone()), &())?.volume)
            }
            CaseImage::Memory(volume) => volume.clone(),
        };
        let labels = self.read_labels(Some(&volume))?;
        if labels.is_none() && self.purpose != CaseUse::Unlabelled {
            return Err(TeachError::Unsuitable(format!("the case {} has no labels to learn from", self.id)));
        }
        let labels = labels.unwrap_or_default();
        if !labels.is_empty() && labels.len() != volume.voxels().len() {
            return Err(TeachError::Unsuitable(format!(
                "the labels of the case {} have {} voxels, its image has {}",
                self.id,
                labels.len(),
                volume.voxels().len()
            )));
        }
        Ok(OpenedCase { id: self.id.clone(), volume, labels })
    }
}

impl OpenedCase {
    /// What is kept of it, with what identifies image and labels.
    pub(crate) fn remember(&self, case: &TeachingCase) -> LoadedCase {
        let labels = Some(&self.labels).filter(|labels| !labels.is_empty());
        LoadedCase {
            case: case.clone(),
            grid: *self.volume.grid(),
            source: self.volume.meta().source.clone(),
            labels: labels.map(|labels| RunLengths::encode(labels)),
            image_sha256: ImageReference::of(&self.volume).voxels_sha256,
            labels_sha256: labels.map(|labels| hash_of(labels)),
        }
    }
}

/// SHA-256 of labels as 16-bit numbers, little endian.
pub(super) fn hash_of(labels: &[u16]) -> String {
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
