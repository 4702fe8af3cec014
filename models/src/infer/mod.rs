//! From clicks to a mask.

mod answer;
mod clicks;
mod clock;
mod dense;
mod fine;
mod one_click;
mod simulate;
mod stage;
mod window;

pub use dense::{
    Dense, DenseAnswer, DenseError, PictureParts, StripAnswer, extent_of, labels, probabilities,
};
pub(crate) use fine::FineStage;
pub use one_click::{ClickRequest, ClickResult, Intermediates, OneClick};
pub(crate) use simulate::Clicker;
pub use simulate::{SimulatedClick, simulate_clicks};
pub(crate) use window::{MAX_WINDOWS, WINDOW_GROWTH, WINDOW_SHARE};

use crate::device::DeviceError;
pub use crate::device::{DeviceChoice, DeviceInfo, list_devices};

/// Why there is no mask.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// Nothing was clicked.
    #[error("there is no positive click; click inside the lesion")]
    NoClick,
    /// A click lies outside the image.
    #[error("the click at voxel {voxel:?} lies outside the image of {dims:?} voxels")]
    Outside {
        /// The click.
        voxel: [usize; 3],
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
    /// The image has a single slice.
    #[error(
        "the image has a single slice of {} × {} pixels, and the network that answers clicks needs a volume; label it with \
         a model for pictures instead (\"Label image\" in the window, --model ID on the command line)",
        dims[0], dims[1]
    )]
    Flat {
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
    /// There is nothing to see at the clicks.
    #[error(
        "every voxel within {reach_mm} mm of the click has the same value ({value}), so there is no object to find; click \
         inside the body, or look whether the right image is open"
    )]
    Blank {
        /// The value; not a number where no voxel has one.
        value: f32,
        /// How far was looked along each axis.
        reach_mm: f64,
    },
    /// The model is not known or cannot be read.
    #[error(transparent)]
    Model(#[from] crate::catalog::CatalogError),
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device failed during the work, and so did the CPU.
    #[error("the network failed on {device}: {cause}")]
    Failed {
        /// Where it ran.
        device: String,
        /// What it said.
        cause: String,
    },
    /// The watcher asked to stop.
    #[error(transparent)]
    Cancelled(#[from] hilum_core::job::Cancelled),
}
