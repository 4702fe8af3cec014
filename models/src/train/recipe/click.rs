//! Recipes of the networks that answer clicks.

use std::path::{Path, PathBuf};

use hilum_core::volume::Modality;
use serde::{Deserialize, Serialize};

use super::{RecipeError, positive};
use crate::catalog::ClickTask;
use crate::transform::channels::Channel;

/// Which of the two networks of the pipeline is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// Stage 1: a generous window of fixed millimetres around the click.
    Coarse {
        /// Edge length of the window.
        window_mm: f64,
    },
    /// Stage 2: a cube cut from the coarse answer (networks.md D12).
    Fine {
        /// Side over the longest axis.
        margin: f64,
        /// Shortest side.
        min_side_mm: f64,
    },
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSource {
    /// Images with masks of the object, paired by name.
    Pairs {
        /// Folder of the images.
        images: PathBuf,
        /// End of an image's file name; what stands before it is the case.
        image_suffix: String,
        /// Folder of the masks; the images' if absent.
        #[serde(default)]
        masks: Option<PathBuf>,
        /// End of a mask's file name.
        mask_suffix: String,
        /// How the images were made.
        modality: Modality,
        /// Share of samples, relative to the other sources.
        weight: f64,
        /// Which cases, in name order: the first `train` for training, then `validate` for validation.
        #[serde(default)]
        train: Option<usize>,
        /// See `train`; all the rest if absent.
        #[serde(default)]
        validate: Option<usize>,
    },
    /// Synthetic lesions planted into real images, whose own lesions are left alone.
    Planted {
        /// Image files or DICOM folders.
        hosts: Vec<PathBuf>,
        /// Share of samples.
        weight: f64,
        /// Images of other patients for validation, each with `validation_lesions` lesions of 8 to 60 mm in turn.
        #[serde(default)]
        validation_hosts: Vec<PathBuf>,
        /// See `validation_hosts`.
        #[serde(default = "default_validation_lesions")]
        validation_lesions: usize,
    },
    /// Lesions in scenes of random shapes and textures.
    Scenes {
        /// Share of samples.
        weight: f64,
    },
}

fn default_validation_lesions() -> usize {
    2
}

impl DataSource {
    /// Share of samples, relative to the other sources.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Pairs { weight, .. } | Self::Planted { weight, .. } | Self::Scenes { weight } => *weight,
        }
    }

    /// Takes relative paths from `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        let absolute = |path: &mut PathBuf| *path = folder.join(&*path);
        match self {
            Self::Pairs { images, masks, .. } => {
                absolute(images);
                masks.iter_mut().for_each(absolute);
            }
            Self::Planted { hosts, validation_hosts, .. } => {
                hosts.iter_mut().chain(validation_hosts).for_each(absolute);
            }
            Self::Scenes { .. } => {}
        }
    }
}

/// Weights and readings of the losses (networks.md D7–D9).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossRecipe {
    /// Weight of the cross-entropy.
    pub alpha: f64,
    /// Weight of the Dice loss.
    pub beta: f64,
    /// Weight of the positive term inside the cross-entropy, 0..=1.
    pub gamma: f64,
    /// Weight of every head below the finest, relative to it; 1 in the paper.
    pub head_decay: f64,
}

impl Default for LossRecipe {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, gamma: 0.5, head_decay: 1.0 }
    }
}

/// What a network of the one-click pipeline is shown and taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickRecipe {
    /// Input channels in order.
    pub channels: Vec<Channel>,
    /// Voxels along each edge of the input cube.
    pub size: usize,
    /// Which network of the pipeline.
    pub stage: Stage,
    /// Where samples come from.
    pub data: Vec<DataSource>,
    /// Losses.
    #[serde(default)]
    pub loss: LossRecipe,
    /// Share of samples that carry a second or third click and the network's own previous answer.
    #[serde(default)]
    pub refine_share: f64,
    /// For a second stage: the first stage that cuts its cube.
    #[serde(default)]
    pub coarse: Option<String>,
    /// Whether it is taken when nobody chose.
    #[serde(default)]
    pub is_default: bool,
}

impl ClickRecipe {
    /// What a model of this recipe says of itself.
    pub fn task(&self) -> ClickTask {
        ClickTask {
            channels: self.channels.clone(),
            size: self.size,
            stage: self.stage,
            coarse: self.coarse.clone(),
            is_default: self.is_default,
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        self.data.iter_mut().for_each(|source| source.resolve(folder));
    }

    pub(super) fn check(&self) -> Result<(), RecipeError> {
        positive("size", self.size as f64)?;
        positive("the sum of the data weights", self.data.iter().map(DataSource::weight).sum())?;
        if !self.channels.contains(&Channel::Positive) {
            return Err(RecipeError::Value(
                "channels lack \"positive\"; the network would not see the click".into(),
            ));
        }
        if !(0.0..=1.0).contains(&self.refine_share) {
            return Err(RecipeError::Value(format!(
                "refine_share is {}; it must lie in 0..1",
                self.refine_share
            )));
        }
        Ok(())
    }
}
