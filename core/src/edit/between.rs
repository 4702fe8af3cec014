//! Shapes between labelled slices.

use super::shape::{Raster, Shape};
use super::{EditBasis, OperationError, go_on};
use crate::geometry::VoxelBox;
use crate::job::Observer;
use crate::label::BoxMask;

/// The two in-plane axes of a slice and their size in the box that is worked in.
struct Frame {
    axis: usize,
    plane: [usize; 2],
    region: VoxelBox,
    raster: Raster,
}

/// The active label with the empty slices between labelled ones filled.
pub(super) fn fill(
    basis: &EditBasis,
    axis: usize,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    basis.slice_box(axis, 0)?;
    let mask = basis.mask()?;
    let frame = Frame::new(basis, axis, mask.region());
    let (first, last) = (mask.region().start()[axis], mask.region().end()[axis]);
    let labelled: Vec<usize> = (first..last).filter(|slice| frame.has_voxels(&mask, *slice)).collect();
    let gaps: Vec<[usize; 2]> =
        labelled.windows(2).map(|pair| [pair[0], pair[1]]).filter(|[a, b]| b - a > 1).collect();
    if gaps.is_empty() {
        return Err(OperationError::NoGap);
    }
    let mut inside = mask.inside().to_vec();
    for (done, [low, high]) in gaps.iter().copied().enumerate() {
        go_on(observer, "interpolating", done, gaps.len())?;
        let ends = [frame.shape(&mask, low), frame.shape(&mask, high)];
        for slice in low + 1..high {
            go_on(observer, "interpolating", done, gaps.len())?;
            let share = (slice - low) as f64 / (high - low) as f64;
            for [u, v] in frame.raster.pixels() {
                if frame.raster.is_between(&ends, share, [u as f64, v as f64]) {
                    inside[mask.index_of(frame.voxel([u, v], slice))] = true;
                }
            }
        }
    }
    Ok(super::replaced(&mask, inside))
}

impl Frame {
    fn new(basis: &EditBasis, axis: usize, region: VoxelBox) -> Self {
        let plane = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        let spacing = basis.grid().spacing_mm();
        let size = plane.map(|a| region.size()[a]);
        Self { axis, plane, region, raster: Raster { size, spacing_mm: plane.map(|a| spacing[a]) } }
    }

    fn voxel(&self, [u, v]: [usize; 2], slice: usize) -> [usize; 3] {
        let mut voxel = self.region.start();
        voxel[self.axis] = slice;
        voxel[self.plane[0]] += u;
        voxel[self.plane[1]] += v;
        voxel
    }

    fn has_voxels(&self, mask: &BoxMask, slice: usize) -> bool {
        self.raster.pixels().any(|pixel| mask.contains(self.voxel(pixel, slice)))
    }

    fn shape(&self, mask: &BoxMask, slice: usize) -> Shape {
        let inside: Vec<bool> = self.raster.pixels().map(|p| mask.contains(self.voxel(p, slice))).collect();
        self.raster.shape(&inside)
    }
}
