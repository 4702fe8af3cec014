//! From one slice to another.

use super::{EditBasis, OperationError};
use crate::label::BoxMask;

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
        let id = basis.active();
        let name = basis.table.get(id).map_or_else(String::new, |entry| entry.name.clone());
        return Err(OperationError::EmptyLabel { id, name: format!("{name}, in this slice") });
    }
    let moved = BoxMask::new(target, source.inside().to_vec());
    moved.map_err(|_| OperationError::Slice { axis, slice: to })
}
