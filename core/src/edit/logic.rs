//! Two labels as sets.

use serde::{Deserialize, Serialize};

use super::{EditBasis, OperationError, margin};
use crate::job::Observer;
use crate::label::BoxMask;

/// What becomes of the active label A with another label B.
///
/// A voxel has one label, so A and B never share one: without a margin, subtracting changes nothing and the
/// intersection is empty. With a margin B counts as grown by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logic {
    /// A and B: B's voxels become A's.
    #[default]
    Union,
    /// The part of A in B.
    Intersect,
    /// A without B.
    Subtract,
    /// Everything that is not A.
    Invert,
    /// B instead of A: A's voxels become background, B's become A's.
    Copy,
}

impl Logic {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Union, "Union"),
        (Self::Intersect, "Intersect"),
        (Self::Subtract, "Subtract"),
        (Self::Invert, "Invert"),
        (Self::Copy, "Copy"),
    ];

    pub(super) fn step_name(self) -> &'static str {
        match self {
            Self::Union => "Union of labels",
            Self::Intersect => "Intersect labels",
            Self::Subtract => "Subtract label",
            Self::Invert => "Invert label",
            Self::Copy => "Copy label",
        }
    }
}

pub(super) fn combine(
    basis: &EditBasis,
    logic: Logic,
    other: u16,
    margin_mm: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let active = basis.active();
    if logic == Logic::Invert {
        let whole = BoxMask::from_labels_in(&basis.labels, active, basis.grid().full_box());
        let inside = whole.inside().iter().map(|inside| !inside).collect();
        return Ok(super::replaced(&whole, inside));
    }
    if other == active {
        return Err(OperationError::SameLabel);
    }
    let theirs = basis.mask_of(other, margin_mm)?;
    let theirs = match margin_mm > 0.0 {
        true => margin::grown(&theirs, basis, margin_mm, observer)?,
        false => theirs,
    };
    if logic == Logic::Union {
        return Ok(basis.with_active(&theirs));
    }
    let own = basis.labels.bounds(active);
    if own.is_empty() && logic != Logic::Copy {
        return basis.mask();
    }
    let region = if logic == Logic::Copy { own.union(&theirs.region()) } else { own };
    let labels = BoxMask::from_labels_in(&basis.labels, active, region);
    Ok(BoxMask::from_fn(region, |voxel| {
        let (mine, theirs) = (labels.contains(voxel), theirs.contains(voxel));
        match logic {
            Logic::Intersect => mine && theirs,
            Logic::Subtract => mine && !theirs,
            _ => theirs,
        }
    }))
}
