//! Numbers that a clinician or researcher reads off a mask.
//!
//! Masks are `[z, y, x]` arrays of `bool` on a [`Grid`](crate::geometry::Grid); lengths come back in mm, volumes
//! in ml, positions in voxel coordinates `(x, y, z)` or LPS mm.

mod agreement;
mod area;
mod auc;
mod bootstrap;
pub mod cdr;
mod consensus;
pub mod distance;
mod object;
mod overlap;
mod percentile;
mod recist;
mod scale;
mod statistics;
mod surface_distance;
mod volume;

pub use agreement::{Agreement, agreement};
pub use area::{surface_area_error, surface_area_mm2};
pub use auc::roc_auc;
pub use bootstrap::{Summary, summarize};
pub use consensus::{ConsensusError, MAX_RATERS, RaterQuality, Staple, Votes};
pub use object::{Interval, ObjectMeasure, measure_object};
pub use overlap::Confusion;
pub use percentile::percentile_of_sorted;
pub use recist::{Axis, Recist, recist};
pub use scale::Scale;
pub use statistics::{MaskStatistics, mask_statistics};
pub use surface_distance::{SurfaceDistance, surface_distance};
pub use volume::{MaskVolume, mask_volume};

/// Why two masks or a mask and an image cannot be measured together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// The number of voxels differs.
    #[error(
        "{found} voxels cannot be measured on a grid of {expected}; resample one to the grid of the other"
    )]
    VoxelCount {
        /// Voxels of the mask.
        found: usize,
        /// Voxels of the grid or of the other mask.
        expected: usize,
    },
}

fn check_count(found: usize, expected: usize) -> Result<(), MeasureError> {
    if found == expected { Ok(()) } else { Err(MeasureError::VoxelCount { found, expected }) }
}
