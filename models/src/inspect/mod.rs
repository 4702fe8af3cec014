//! Where a network looked: its attention maps with their place in the patient, what any one pixel looks at, the share
//! of attention on the classes of a mask, and checks that say how far a map may be believed.
//!
//! A [`Subject`] is a network with what it is given of an image, made by [`crate::infer::Dense::subject`] or
//! [`crate::infer::OneClick::subjects`]. Looking into it runs the network once and yields a [`Look`], which answers
//! everything else from what that pass left behind.

mod channels;
mod checks;
mod field_map;
mod judge;
mod look;
mod mass;
mod meaning;
mod occlusion;
mod placed;

use burn::tensor::Device;
use hilum_core::geometry::{Grid, GridError, WorldPoint};

use crate::catalog::Region;
use crate::nets::{AnyNetwork, NetError};
use judge::Judge;

pub use channels::ChannelMap;
pub use checks::{agreement, spearman};
pub use field_map::{FieldMap, map_grid};
pub use look::{Density, Look};
pub use mass::{ClassMass, HISTOGRAM_BINS, MassHistogram, QueryClass};
pub use occlusion::{Occluded, Occlusion};

/// A network with what it is given of an image.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Identity of the model.
    pub(crate) model: String,
    /// Its place in the work: `coarse`, `fine` or `labels`.
    pub(crate) stage: String,
    pub(crate) network: AnyNetwork,
    pub(crate) device: Device,
    /// Where the samples of the input lie.
    pub(crate) grid: Grid,
    /// `[channel, z, y, x]`.
    pub(crate) input: Vec<f32>,
    /// The channels made of the image's values; the others tell of clicks and masks.
    pub(crate) image_channels: Vec<usize>,
    /// What the channels of the answer are; `None`: the object that was clicked.
    pub(crate) regions: Option<Vec<Region>>,
    /// A discriminator that is looked into in the network's place, at the network's answer.
    pub(crate) judge: Option<Judge>,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The network does not take the input.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// A map has no place in the patient.
    #[error("the place of an attention map cannot be told: {0}")]
    Place(#[from] GridError),
    /// A point beside the network's input.
    #[error(
        "the point {:.1},{:.1},{:.1} mm (LPS) lies outside what the network saw; choose one inside the part it looks at",
        at.x, at.y, at.z
    )]
    Outside {
        /// The point.
        at: WorldPoint,
    },
    /// Weights that are no discriminator for this network's answer.
    #[error("the discriminator cannot judge this network's answer: {0}")]
    Discriminator(String),
    /// A mask of another size.
    #[error("a mask of {found} voxels for a grid of {expected}")]
    Mask {
        /// Voxels of the mask.
        found: usize,
        /// Voxels of its grid.
        expected: usize,
    },
}

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod tests;
