//! Images of the patient: voxels with their place and meaning.

mod meta;
mod sample;
mod voxels;

use std::sync::OnceLock;

pub use meta::{ImageMeta, Modality, PicturePart, Source};
pub(crate) use voxels::luma;
pub use voxels::{Voxels, VoxelsError};

use crate::geometry::{Grid, VoxelBox};

/// A scalar or colour image on a [`Grid`]. Its voxels are real values (HU, SUV, grey level): whatever scaling
/// a file asked for has been applied.
#[derive(Debug)]
pub struct Volume {
    grid: Grid,
    voxels: Voxels,
    meta: ImageMeta,
    range: OnceLock<ValueRange>,
    central: OnceLock<Option<(f32, f32)>>,
}

/// Smallest and largest finite value of a volume, and the central 99 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    /// Smallest finite value.
    pub min: f32,
    /// Largest finite value.
    pub max: f32,
    /// 0.5th percentile of a regular sample of the voxels.
    pub low: f32,
    /// 99.5th percentile of a regular sample of the voxels.
    pub high: f32,
}

/// Samples taken for the percentiles of a [`ValueRange`].
const RANGE_SAMPLES: usize = 200_000;

impl Volume {
    /// Joins voxels with their grid.
    ///
    /// # Errors
    /// [`VoxelsError::Count`] if their number differs from the grid's.
    pub fn new(grid: Grid, voxels: Voxels, meta: ImageMeta) -> Result<Self, VoxelsError> {
        if voxels.len() != grid.voxel_count() {
            return Err(VoxelsError::Count { found: voxels.len(), dims: grid.dims() });
        }
        Ok(Self { grid, voxels, meta, range: OnceLock::new(), central: OnceLock::new() })
    }

    /// Size and place.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The values, `[z, y, x]`.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// What the file said about the image.
    pub fn meta(&self) -> &ImageMeta {
        &self.meta
    }

    /// The value of a voxel; of a colour image its luma. `None` outside.
    pub fn value(&self, voxel: [usize; 3]) -> Option<f32> {
        self.grid.full_box().contains(voxel).then(|| self.voxels.value(self.grid.index(voxel)))
    }

    /// Range and percentiles of the values, computed once.
    pub fn range(&self) -> ValueRange {
        *self.range.get_or_init(|| {
            let (min, max) = self.voxels.finite_min_max().unwrap_or_default();
            let (low, high) = self.central().unwrap_or((min, max));
            ValueRange { min, max, low, high }
        })
    }

    /// [`ValueRange::low`] and [`ValueRange::high`] alone, from a sample of the voxels, which takes a millisecond where the
    /// whole range takes a tenth of a second. `None` if no value of the sample is finite.
    pub fn central(&self) -> Option<(f32, f32)> {
        *self.central.get_or_init(|| central(&self.voxels))
    }

    /// Copies a box of voxels as `f32`, `[z, y, x]`; colour becomes luma. The box must lie in the grid.
    pub fn box_values(&self, region: VoxelBox) -> Vec<f32> {
        let mut values = Vec::with_capacity(region.voxel_count());
        for (y, z) in region.rows() {
            let start = self.grid.index([region.start()[0], y, z]);
            self.voxels.extend_f32(start..start + region.size()[0], &mut values);
        }
        values
    }
}

fn central(voxels: &Voxels) -> Option<(f32, f32)> {
    let step = voxels.len().div_ceil(RANGE_SAMPLES).max(1);
    let mut sample: Vec<f32> =
        (0..voxels.len()).step_by(step).map(|i| voxels.value(i)).filter(|v| v.is_finite()).collect();
    sample.sort_unstable_by(f32::total_cmp);
    let last = sample.len().checked_sub(1)? as f64;
    let at = |share: f64| sample[(share * last).round() as usize];
    Some((at(0.005), at(0.995)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_needs_as_many_voxels_as_its_grid() {
        let grid = Grid::from_spacing([2, 3, 4], [1.0; 3]).unwrap();
        let error = Volume::new(grid, Voxels::U8(vec![0; 23]), ImageMeta::default()).unwrap_err();
        assert_eq!(error, VoxelsError::Count { found: 23, dims: [2, 3, 4] });
    }

    #[test]
    fn the_range_ignores_values_that_are_not_finite() {
        let grid = Grid::from_spacing([4, 1, 1], [1.0; 3]).unwrap();
        let voxels = Voxels::F32(vec![f32::NAN, -3.0, f32::INFINITY, 7.0]);
        let range = Volume::new(grid, voxels, ImageMeta::default()).unwrap().range();
        assert_eq!((range.min, range.max), (-3.0, 7.0));
    }

    #[test]
    fn a_box_of_values_is_cut_row_by_row() {
        let grid = Grid::from_spacing([3, 4, 5], [1.0; 3]).unwrap();
        let voxels = Voxels::I16((0..60).collect());
        let volume = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        let values = volume.box_values(VoxelBox::new([1, 2, 3], [3, 4, 4]));
        assert_eq!(values, [43.0, 44.0, 46.0, 47.0]);
    }
}
