//! A lattice of voxels placed in the patient.

use nalgebra::{Point3, Vector3};
use serde::{Deserialize, Serialize};

use super::{Affine, AffineError, Orientation, VoxelBox};

/// Why a grid cannot exist.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GridError {
    /// An axis has no voxels.
    #[error("the image has a size of {dims:?} voxels; every axis needs at least one")]
    Empty {
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
    /// The number of voxels does not fit the address space.
    #[error("the image claims {dims:?} voxels, more than this machine can address")]
    TooLarge {
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
    /// The voxel-to-world map is not usable.
    #[error(transparent)]
    Affine(#[from] AffineError),
}

/// Size and place of a volume: `dims` voxels along `(x, y, z)` and their map to LPS millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    dims: [usize; 3],
    affine: Affine,
}

impl Grid {
    /// A grid of `dims` voxels along `(x, y, z)`.
    ///
    /// # Errors
    /// [`GridError`] for an axis without voxels or a voxel count beyond `usize`.
    pub fn new(dims: [usize; 3], affine: Affine) -> Result<Self, GridError> {
        if dims.contains(&0) {
            return Err(GridError::Empty { dims });
        }
        let count = dims[0].checked_mul(dims[1]).and_then(|n| n.checked_mul(dims[2]));
        if count.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(GridError::TooLarge { dims });
        }
        Ok(Self { dims, affine })
    }

    /// An axis-aligned grid at the world's origin.
    ///
    /// # Errors
    /// As [`Grid::new`], and for an unusable spacing.
    pub fn from_spacing(dims: [usize; 3], spacing_mm: [f64; 3]) -> Result<Self, GridError> {
        Self::new(dims, Affine::from_spacing(spacing_mm)?)
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// The map from voxel indices to LPS millimetres.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Number of voxels.
    pub fn voxel_count(&self) -> usize {
        self.dims[0] * self.dims[1] * self.dims[2]
    }

    /// Distance in mm between neighbouring voxels along x, y, z.
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.affine.spacing_mm()
    }

    /// Edge lengths of the whole grid in mm along x, y, z.
    pub fn extent_mm(&self) -> [f64; 3] {
        let spacing = self.spacing_mm();
        [0, 1, 2].map(|a| spacing[a] * self.dims[a] as f64)
    }

    /// Whether only one slice along z exists, as for photographs.
    pub fn is_flat(&self) -> bool {
        self.dims[2] == 1
    }

    /// Which patient direction each voxel axis follows best.
    pub fn orientation(&self) -> Orientation {
        Orientation::from_affine(&self.affine)
    }

    /// Index of a voxel in an array `[z, y, x]`. The voxel must lie inside.
    pub fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        debug_assert!(x < self.dims[0] && y < self.dims[1] && z < self.dims[2]);
        (z * self.dims[1] + y) * self.dims[0] + x
    }

    /// The voxel at an array index.
    pub fn voxel(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.dims;
        [index % nx, index / nx % ny, index / (nx * ny)]
    }

    /// The voxel whose cell holds a continuous voxel coordinate, if it lies in the grid.
    pub fn voxel_at(&self, point: Point3<f64>) -> Option<[usize; 3]> {
        let mut voxel = [0; 3];
        for axis in 0..3 {
            let rounded = (point[axis] + 0.5).floor();
            if !(rounded >= 0.0 && rounded < self.dims[axis] as f64) {
                return None;
            }
            voxel[axis] = rounded as usize;
        }
        Some(voxel)
    }

    /// The voxel at a world position, if it lies in the grid.
    pub fn voxel_at_world(&self, world: Point3<f64>) -> Option<[usize; 3]> {
        self.voxel_at(self.affine.voxel_from_world(world))
    }

    /// World position of a voxel's centre.
    pub fn world_of(&self, [x, y, z]: [usize; 3]) -> Point3<f64> {
        self.affine.world_from_voxel(Point3::new(x as f64, y as f64, z as f64))
    }

    /// World position of the middle of the grid.
    pub fn center_world(&self) -> Point3<f64> {
        let middle = Vector3::from_fn(|a, _| (self.dims[a] - 1) as f64 / 2.0);
        self.affine.world_from_voxel(Point3::from(middle))
    }

    /// The box of all voxels.
    pub fn full_box(&self) -> VoxelBox {
        VoxelBox::new([0; 3], self.dims)
    }

    /// The grid of a box of voxels, in its place.
    ///
    /// # Errors
    /// [`GridError::Empty`] for an empty box.
    pub fn sub_grid(&self, region: VoxelBox) -> Result<Self, GridError> {
        let start = region.start();
        let shift = Vector3::new(start[0] as f64, start[1] as f64, start[2] as f64);
        Self::new(region.size(), self.affine.shifted(shift))
    }

    /// Whether two grids have the same voxels in the same places, within a thousandth of a voxel.
    pub fn matches(&self, other: &Self) -> bool {
        let finest = self.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        self.dims == other.dims && self.affine.agrees_with(&other.affine, self.dims, 1e-3 * finest.max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn empty_and_overflowing_sizes_are_refused() {
        assert!(matches!(Grid::from_spacing([3, 0, 2], [1.0; 3]), Err(GridError::Empty { .. })));
        let huge = [usize::MAX / 2, 3, 1];
        assert!(matches!(Grid::from_spacing(huge, [1.0; 3]), Err(GridError::TooLarge { .. })));
    }

    #[test]
    fn voxel_cells_are_half_open_around_their_centres() {
        let grid = Grid::from_spacing([5, 7, 9], [0.5, 1.0, 2.0]).unwrap();
        assert_eq!(grid.voxel_at(Point3::new(-0.5, 0.0, 0.0)), Some([0, 0, 0]));
        assert_eq!(grid.voxel_at(Point3::new(-0.51, 0.0, 0.0)), None);
        assert_eq!(grid.voxel_at(Point3::new(4.49, 6.4, 8.2)), Some([4, 6, 8]));
        assert_eq!(grid.voxel_at(Point3::new(4.5, 6.0, 8.0)), None);
        assert_eq!(grid.voxel_at(Point3::new(f64::NAN, 0.0, 0.0)), None);
    }

    #[test]
    fn a_sub_grid_keeps_every_voxel_in_place() {
        let grid = Grid::from_spacing([5, 7, 9], [0.5, 1.0, 2.0]).unwrap();
        let sub = grid.sub_grid(VoxelBox::new([1, 2, 3], [4, 7, 8])).unwrap();
        assert_eq!(sub.dims(), [3, 5, 5]);
        assert_eq!(sub.world_of([0, 0, 0]), grid.world_of([1, 2, 3]));
        assert_eq!(sub.world_of([2, 4, 4]), grid.world_of([3, 6, 7]));
    }

    proptest! {
        #[test]
        fn index_and_voxel_are_inverse(x in 0usize..5, y in 0usize..7, z in 0usize..9) {
            let grid = Grid::from_spacing([5, 7, 9], [1.0; 3]).unwrap();
            prop_assert_eq!(grid.voxel(grid.index([x, y, z])), [x, y, z]);
        }
    }
}
