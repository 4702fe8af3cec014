//! Where voxels lie in the patient: affine maps, grids, orientation, boxes of voxels and resampling.

mod affine;
mod grid;
mod lattice;
mod orientation;
mod region;

pub use affine::{Affine, AffineError};
pub use grid::{Grid, GridError};
pub use lattice::Lattice;
pub use orientation::{AnatomicalPlane, Orientation, PatientDirection};
pub use region::VoxelBox;

/// A point in LPS millimetres.
pub type WorldPoint = nalgebra::Point3<f64>;
/// A point in continuous voxel coordinates `(x, y, z)`; integers are voxel centres.
pub type VoxelPoint = nalgebra::Point3<f64>;
