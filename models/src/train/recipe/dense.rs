//! Recipes of networks that label every voxel of an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RecipeError, positive};
use crate::catalog::{DenseTask, Region};
use crate::train::optimizer::OptimizerRule;
use crate::transform::frame::ImageInput;

/// Which values of a mask are a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum LabelAt {
    /// These values; of colours their luma.
    Values {
        /// The values.
        values: Vec<i32>,
    },
    /// A colour channel (0 red, 1 green, 2 blue) at `min` or above: masks painted in colours, also lossy ones.
    Channel {
        /// The channel.
        channel: usize,
        /// The least value.
        min: u8,
    },
}

/// Images with masks, paired by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseSource {
    /// Folder of the images.
    pub images: PathBuf,
    /// End of an image's file name; what stands before it is the case.
    pub image_suffix: String,
    /// Folder of the masks; the images' if absent.
    #[serde(default)]
    pub masks: Option<PathBuf>,
    /// End of a mask's file name.
    pub mask_suffix: String,
    /// Where the regions that these masks show are found. A region that is not named is *unknown* in these images, not
    /// absent.
    pub regions: BTreeMap<String, LabelAt>,
    /// Share of samples, relative to the other sources.
    pub weight: f64,
    /// Which cases, in name order: the first `train` for training, then `validate` for validation. The last fifth
    /// validates if both are absent.
    #[serde(default)]
    pub train: Option<usize>,
    /// See `train`.
    #[serde(default)]
    pub validate: Option<usize>,
}

impl DenseSource {
    /// How many of `cases` train and how many validate.
    pub fn split(&self, cases: usize) -> (usize, usize) {
        let train = self.train.unwrap_or_else(|| match self.validate {
            Some(validate) => cases.saturating_sub(validate),
            None => cases - cases / 5,
        });
        let train = train.min(cases);
        (train, self.validate.unwrap_or(cases).min(cases - train))
    }
}

/// What part of an image a sample shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Framing {
    /// A patch from anywhere.
    Patches {
        /// Share of patches centred in one of the known regions, each as often.
        foreground: f64,
    },
    /// The square around a region that another network will have found, with that network's errors.
    Around {
        /// The region.
        region: String,
        /// Side over the region's larger extent.
        side: f64,
        /// Standard deviation of the centre's error, in extents.
        shift: f64,
        /// Standard deviation of the logarithm of the extent's error.
        stretch: f64,
    },
}

/// Changes that a network must not mind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DenseAugment {
    /// Largest rotation in the plane, degrees.
    pub rotation_degrees: f64,
    /// Largest factor of size, either way.
    pub scale: f64,
    /// Axes that are mirrored at random: 0 = x, 1 = y, 2 = z.
    pub flips: Vec<usize>,
    /// Strength of changes of brightness, contrast, colour, noise and sharpness; 1 is usual, 0 is none.
    pub intensity: f64,
    /// Largest local stretch by smooth random waves; 0 is none.
    pub elastic: f64,
    /// How far rings inside the region that samples lie `around` move in or out while its edge stays, below 1; 0 is
    /// none.
    pub concentric: f64,
}

impl Default for DenseAugment {
    fn default() -> Self {
        Self {
            rotation_degrees: 15.0,
            scale: 1.2,
            flips: Vec::new(),
            intensity: 1.0,
            elastic: 0.0,
            concentric: 0.0,
        }
    }
}

/// Weights of the losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DenseLoss {
    /// Weight of the binary cross-entropy of each region.
    pub cross_entropy: f64,
    /// Weight of the Dice loss of each region over the batch.
    pub dice: f64,
    /// Weight of every head below the finest, relative to the one above.
    pub head_decay: f64,
}

impl Default for DenseLoss {
    fn default() -> Self {
        Self { cross_entropy: 1.0, dice: 1.0, head_decay: 0.5 }
    }
}

/// A discriminator trained against the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdversaryRecipe {
    /// Weight of deceiving it, relative to the other losses.
    pub weight: f64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// Channels of its first block.
    pub width: usize,
    /// How it learns.
    #[serde(skip_serializing_if = "super::is_default")]
    pub optimizer: OptimizerRule,
}

impl Default for AdversaryRecipe {
    fn default() -> Self {
        Self { weight: 0.05, learning_rate: 0.0001, width: 8, optimizer: OptimizerRule::default() }
    }
}

/// What a network that labels images is shown and taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseRecipe {
    /// What for, if the program has a place for it: `disc`, `disc_cup`, `vessels`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// How an image becomes an input.
    pub input: ImageInput,
    /// What is labelled, in the order of the network's channels.
    pub regions: Vec<Region>,
    /// Size of a sample, `[z, y, x]`; at inference the size of a tile.
    pub patch: [usize; 3],
    /// What part of an image a sample shows.
    pub framing: Framing,
    /// For `around`: the model that finds the region.
    #[serde(default)]
    pub locator: Option<String>,
    /// Axes mirrored at inference, the answers averaged: 0 = x, 1 = y, 2 = z.
    #[serde(default)]
    pub average_flips: Vec<usize>,
    /// Changes of the samples.
    #[serde(default)]
    pub augment: DenseAugment,
    /// Losses.
    #[serde(default)]
    pub loss: DenseLoss,
    /// A discriminator to deceive.
    #[serde(default)]
    pub adversary: Option<AdversaryRecipe>,
    /// Where samples come from.
    pub data: Vec<DenseSource>,
}

impl DenseRecipe {
    /// What the trained network is for.
    pub fn task(&self) -> DenseTask {
        DenseTask {
            purpose: self.purpose.clone(),
            input: self.input.clone(),
            regions: self.regions.clone(),
            tile: self.patch,
            average_flips: self.average_flips.clone(),
            around: match (&self.framing, &self.locator) {
                (Framing::Around { region, side, .. }, Some(model)) => {
                    Some(crate::catalog::Around { model: model.clone(), region: region.clone(), side: *side })
                }
                _ => None,
            },
        }
    }

    /// Position of a region.
    pub fn region(&self, name: &str) -> Option<usize> {
        self.regions.iter().position(|region| region.name == name)
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for source in &mut self.data {
            source.images = folder.join(&source.images);
            source.masks.iter_mut().for_each(|masks| *masks = folder.join(&*masks));
        }
    }

    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let refuse = |text: String| Err(RecipeError::Value(text));
        if self.regions.is_empty() || self.regions.len() > 16 {
            return refuse(format!("there are {} regions; there must be 1 to 16", self.regions.len()));
        }
        for name in self.data.iter().flat_map(|source| source.regions.keys()) {
            if self.region(name).is_none() {
                return refuse(format!("data name a region \"{name}\" that the task does not have"));
            }
        }
        if let Some(within) =
            self.regions.iter().filter_map(|r| r.within.as_ref()).find(|w| self.region(w).is_none())
        {
            return refuse(format!("a region lies within \"{within}\", which the task does not have"));
        }
        if let Framing::Around { region, side, .. } = &self.framing {
            if self.region(region).is_none() {
                return refuse(format!("samples lie around \"{region}\", which the task does not have"));
            }
            positive("side", *side)?;
        }
        if let Some(axis) = self.augment.flips.iter().chain(&self.average_flips).find(|axis| **axis > 2) {
            return refuse(format!("axis {axis} cannot be mirrored; axes are 0 (x), 1 (y), 2 (z)"));
        }
        if self.augment.scale < 1.0 {
            return refuse(format!("augment.scale is {}; it must be 1 or more", self.augment.scale));
        }
        if let Some(adversary) = &self.adversary {
            adversary.optimizer.check().map_err(RecipeError::Value)?;
        }
        for (name, value) in [("elastic", self.augment.elastic), ("concentric", self.augment.concentric)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(format!("augment.{name} is {value}; it must be 0 or more and below 1"));
            }
        }
        for size in self.patch {
            positive("patch", size as f64)?;
        }
        self.input.check().map_err(RecipeError::Value)?;
        positive("the sum of the data weights", self.data.iter().map(|source| source.weight).sum())
    }
}
