//! Margins and shells.

use serde::{Deserialize, Serialize};

use super::{EditBasis, OperationError, go_on, replaced};
use crate::job::Observer;
use crate::label::BoxMask;
use crate::measure::distance::squared_mm_watched;

/// Where the shell of a hollow label lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shell {
    /// Within the label: its surface becomes the shell's outer one.
    #[default]
    Inside,
    /// Around the label: its surface becomes the shell's inner one.
    Outside,
    /// Half within, half around.
    Middle,
}

impl Shell {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Inside, "Inside"), (Self::Middle, "Middle"), (Self::Outside, "Outside")];
}

/// Distances are computed with 32-bit squares: a voxel this share beyond the limit still counts.
const ROUNDING: f64 = 1e-5;

/// The active label grown by a distance, or shrunk by a negative one.
pub(super) fn margin(
    basis: &EditBasis,
    distance_mm: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    if distance_mm > 0.0 {
        let mask = basis.mask_grown(distance_mm)?;
        return grown(&mask, basis, distance_mm, observer);
    }
    shrunk(&basis.mask_grown(f64::MIN_POSITIVE)?, basis, -distance_mm, observer)
}

/// The active label as a shell, at least one voxel thick.
pub(super) fn hollow(
    basis: &EditBasis,
    thickness_mm: f64,
    shell: Shell,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let (inside_mm, outside_mm) = match shell {
        Shell::Inside => (thickness_mm, 0.0),
        Shell::Middle => (thickness_mm / 2.0, thickness_mm / 2.0),
        Shell::Outside => (0.0, thickness_mm),
    };
    let mask = basis.mask_grown(outside_mm.max(f64::MIN_POSITIVE))?;
    let core = match shell {
        Shell::Outside => mask.clone(),
        _ => shrunk(&mask, basis, inside_mm, observer)?,
    };
    let hull = if outside_mm > 0.0 { grown(&mask, basis, outside_mm, observer)? } else { mask.clone() };
    // Across thick slices a shell thinner than a voxel would have holes: what touches the surface always belongs.
    let surface = |index: usize| mask.inside()[index] != (shell == Shell::Outside) && touches(&mask, index);
    let both = hull.inside().iter().zip(core.inside()).enumerate();
    let inside = both.map(|(index, (hull, core))| (*hull && !core) || surface(index)).collect();
    Ok(replaced(&mask, inside))
}

/// Whether a voxel of the box shares a face with one of the other kind.
fn touches(mask: &BoxMask, index: usize) -> bool {
    let size = mask.region().size();
    let (inside, mut stride) = (mask.inside(), 1);
    (0..3).any(|axis| {
        let (at, step) = (index / stride % size[axis], stride);
        stride *= size[axis];
        (at > 0 && inside[index - step] != inside[index])
            || (at + 1 < size[axis] && inside[index + step] != inside[index])
    })
}

/// Voxels of the mask's box within a distance of the mask.
pub(super) fn grown(
    mask: &BoxMask,
    basis: &EditBasis,
    distance_mm: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let spacing_mm = basis.grid().spacing_mm();
    let squared = squared_mm_watched(mask.inside(), mask.region().size(), spacing_mm, observer)?;
    let limit = (distance_mm * distance_mm * (1.0 + ROUNDING)) as f32;
    Ok(replaced(mask, squared.iter().map(|d| *d <= limit).collect()))
}

/// Voxels of the mask further than a distance from every voxel outside it.
fn shrunk(
    mask: &BoxMask,
    basis: &EditBasis,
    distance_mm: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let outside: Vec<bool> = mask.inside().iter().map(|inside| !inside).collect();
    go_on(observer, "measuring distances", 0, 1)?;
    let spacing_mm = basis.grid().spacing_mm();
    let squared = squared_mm_watched(&outside, mask.region().size(), spacing_mm, observer)?;
    let limit = (distance_mm * distance_mm * (1.0 + ROUNDING)) as f32;
    Ok(replaced(mask, squared.iter().map(|d| *d > limit).collect()))
}
