//! From one slice to another.

use super::{EditBasis, OperationError};
use crate::label::BoxMask;
use crate::paint::{CutPlane, Slab, foot};

/// The active label in slice `to` as it is in slice `from`.
pub(super) fn copy(
    basis: &EditBasis,
    axis: usize,
    from: usize,
    to: usize,
) -> Result<BoxMask, OperationError> {
    let source = BoxMask::from_labels_in(&basis.labels, basis.active(), basis.slice_box(axis, from)?);
    let target = basis.slice_box(axis, to)?;
    if source.is_empty() {
        return Err(empty(basis));
    }
    let moved = BoxMask::new(target, source.inside().to_vec());
    moved.map_err(|_| OperationError::Slice { axis, slice: to })
}

fn empty(basis: &EditBasis) -> OperationError {
    let id = basis.active();
    let name = basis.table.get(id).map_or_else(String::new, |entry| entry.name.clone());
    OperationError::EmptyLabel { id, name: format!("{name}, in this slice") }
}

/// The active label in the slice of the plane so many slices further along the normal as it is seen in a plane: each
/// voxel of that slice follows the voxel that the first plane shows at the same place. A slice's thickness further on,
/// the two slices share no voxel but those on their common border.
pub(super) fn copy_plane(
    basis: &EditBasis,
    plane: &CutPlane,
    slices: f64,
) -> Result<BoxMask, OperationError> {
    let (grid, active) = (basis.grid(), basis.active());
    let way_mm = slices * plane.thickness_mm(grid);
    let target = plane.moved(way_mm);
    let own = basis.mask()?;
    let source = Slab::new(grid, plane);
    let is_seen =
        source.spans(own.region()).any(|s| (s.x_start..s.x_end).any(|x| own.contains([x, s.y, s.z])));
    if !is_seen {
        return Err(empty(basis));
    }
    // Whatever is copied lies that far from a voxel of the label, and whatever it replaces is one.
    let far = grid.affine().voxel_vector(plane.normal * (way_mm.abs() + plane.thickness_mm(grid)));
    let region = own.region().grown([0, 1, 2].map(|a| far[a].abs().ceil() as usize + 1), grid.dims());
    let before = BoxMask::from_labels_in(&basis.labels, active, region);
    let seen_at = |voxel: [usize; 3]| {
        let at = foot(grid, &target, voxel) - plane.normal * way_mm;
        grid.voxel_at_world(at).is_some_and(|voxel| basis.labels.value(voxel) == active)
    };
    let mut inside = before.inside().to_vec();
    for span in Slab::new(grid, &target).spans(region) {
        for x in span.x_start..span.x_end {
            let voxel = [x, span.y, span.z];
            inside[before.index_of(voxel)] = seen_at(voxel);
        }
    }
    Ok(super::replaced(&before, inside))
}
