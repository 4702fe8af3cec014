//! Connected parts of a label. Parts are joined where voxels share a face.

use super::{Change, EditBasis, OperationError, replaced};
use crate::label::{BoxMask, TableChange};
use crate::paint::{Components, Connectivity};

/// Most islands that can become labels of their own.
pub const MAX_SPLIT: usize = 200;

/// Which parts of a label stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IslandRule {
    /// The one with most voxels.
    KeepLargest,
    /// The one that holds this voxel.
    KeepAt([usize; 3]),
    /// Those of at least so many mm³.
    RemoveSmall {
        /// Volume in mm³.
        volume_mm3: f64,
    },
    /// All; the largest keeps its label, every other one gets a new label, larger ones first.
    Split,
}

impl IslandRule {
    pub(super) fn step_name(self) -> &'static str {
        match self {
            Self::KeepLargest => "Keep largest island",
            Self::KeepAt(_) => "Keep clicked island",
            Self::RemoveSmall { .. } => "Remove small islands",
            Self::Split => "Split islands",
        }
    }
}

/// The active label without the islands that go.
pub(super) fn keep(basis: &EditBasis, rule: IslandRule) -> Result<BoxMask, OperationError> {
    let mask = basis.mask()?;
    let components = Components::of(&mask, Connectivity::Six);
    let voxel_mm3 = basis.grid().affine().voxel_volume_mm3();
    let kept: Vec<bool> = match rule {
        IslandRule::KeepLargest => {
            let largest = components.largest();
            (0..components.all().len()).map(|index| Some(index) == largest).collect()
        }
        IslandRule::KeepAt(voxel) => {
            let expected = "in the active label";
            let clicked = components.at(voxel).ok_or(OperationError::Seed { voxel, expected })?;
            (0..components.all().len()).map(|index| index == clicked).collect()
        }
        IslandRule::RemoveSmall { volume_mm3 } => {
            let least = volume_mm3 * (1.0 - 1e-9);
            components.all().iter().map(|part| part.voxel_count as f64 * voxel_mm3 >= least).collect()
        }
        IslandRule::Split => vec![true; components.all().len()],
    };
    Ok(without(&mask, &components, &kept))
}

fn without(mask: &BoxMask, components: &Components, kept: &[bool]) -> BoxMask {
    let mut inside = vec![false; mask.region().voxel_count()];
    for (span, owner) in components.owned_spans() {
        if kept[owner] {
            let first = mask.index_of([span.x_start, span.y, span.z]);
            inside[first..first + span.x_end - span.x_start].fill(true);
        }
    }
    replaced(mask, inside)
}

/// Gives every island but the largest a label of its own.
pub(super) fn split(basis: &EditBasis, name: &str) -> Result<Change, OperationError> {
    let mask = basis.mask()?;
    let components = Components::of(&mask, Connectivity::Six);
    let found = components.all().len();
    if found < 2 {
        return Err(OperationError::Nothing);
    }
    if found > MAX_SPLIT {
        return Err(OperationError::TooManyIslands { found });
    }
    let mut order: Vec<usize> = (0..found).collect();
    order.sort_by_key(|index| std::cmp::Reverse(components.all()[*index].voxel_count));
    let (labels, changes) = new_labels(basis, &order)?;
    let region = mask.region();
    let mut new = Vec::with_capacity(region.voxel_count());
    for (y, z) in region.rows() {
        new.extend_from_slice(&basis.labels.row(y, z)[region.start()[0]..region.end()[0]]);
    }
    for (span, owner) in components.owned_spans() {
        let first = mask.index_of([span.x_start, span.y, span.z]);
        new[first..first + span.x_end - span.x_start].fill(labels[owner]);
    }
    Change::of_labels(basis, name, region, &new, Some(basis.active()), changes)
}

/// A label for every island, and what adds those that are new. `order`: islands, the one that keeps its label first.
fn new_labels(basis: &EditBasis, order: &[usize]) -> Result<(Vec<u16>, Vec<TableChange>), OperationError> {
    let mut table = basis.table.clone();
    let own = table.get(basis.active()).map_or_else(String::new, |entry| entry.name.clone());
    let mut labels = vec![basis.active(); order.len()];
    let mut changes = Vec::new();
    for (number, island) in order.iter().enumerate().skip(1) {
        let short: String = own.chars().take(crate::label::MAX_NAME_CHARS - 6).collect();
        let entry = table.proposed(Some(&format!("{short} {}", number + 1)))?;
        labels[*island] = entry.id;
        let change = table.adding(entry)?;
        table.apply(&change)?;
        changes.push(change);
    }
    Ok((labels, changes))
}
