//! What an operation looks at, and what it would change.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::OperationError;
use crate::geometry::{Grid, VoxelBox};
use crate::label::{BACKGROUND, BoxMask, LabelMap, LabelTable, TableChange};
use crate::paint::IntensityRange;
use crate::patch::{DrawOver, LabelPatch, OverwriteRule};
use crate::volume::Volume;

/// Which voxels edits may change: the draw-over rule, the locks, and a range of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EditRule {
    /// Draw-over rule and locks.
    pub overwrite: OverwriteRule,
    /// Only voxels with values in this range; any without it.
    pub within: Option<IntensityRange>,
}

impl EditRule {
    /// Whether an operation on a label may change a voxel of label `old` into `new`, whatever its value.
    ///
    /// Locks come first. A label may always give its own voxels away, as the eraser may; what it takes follows the
    /// draw-over rule. `active` is the label whose operation it is; without it the operation is one of all labels,
    /// which "background only" lets grow into background and shrink, but not take from each other.
    pub fn allows(&self, active: Option<u16>, old: u16, new: u16) -> bool {
        let locked = &self.overwrite.locked;
        if locked.contains(&old) || locked.contains(&new) {
            return false;
        }
        match (self.overwrite.draw_over, active) {
            (DrawOver::Everywhere, _) => true,
            (DrawOver::Background, Some(active)) => old == BACKGROUND || old == active,
            (DrawOver::Background, None) => old == BACKGROUND || new == BACKGROUND,
            (DrawOver::Label(label), _) => old == label || active == Some(old),
        }
    }
}

/// A snapshot of a document for an operation; cheap to make.
#[derive(Clone, Debug)]
pub struct EditBasis {
    /// The image.
    pub image: Arc<Volume>,
    /// The labels, on the image's grid.
    pub labels: Arc<LabelMap>,
    /// What labels are called, and the active one.
    pub table: LabelTable,
    /// What may change.
    pub rule: EditRule,
}

impl EditBasis {
    /// The label that operations work on.
    pub fn active(&self) -> u16 {
        self.table.active()
    }

    pub(super) fn grid(&self) -> &Grid {
        self.labels.grid()
    }

    /// Refuses a locked label.
    pub(super) fn check_active(&self) -> Result<(), OperationError> {
        match self.table.get(self.active()) {
            Some(entry) if entry.locked => {
                Err(OperationError::Locked { id: entry.id, name: entry.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The active label in its smallest box.
    ///
    /// # Errors
    /// [`OperationError::EmptyLabel`] if it has no voxel.
    pub(super) fn mask(&self) -> Result<BoxMask, OperationError> {
        self.mask_grown(0.0)
    }

    /// The active label in its smallest box grown by a distance, cut to the image.
    pub(super) fn mask_grown(&self, distance_mm: f64) -> Result<BoxMask, OperationError> {
        self.mask_of(self.active(), distance_mm)
    }

    /// A mask with the voxels of the active label in its box added.
    pub(super) fn with_active(&self, mask: &BoxMask) -> BoxMask {
        let own = BoxMask::from_labels_in(&self.labels, self.active(), mask.region());
        let inside = own.inside().iter().zip(mask.inside()).map(|(own, new)| *own || *new).collect();
        super::replaced(mask, inside)
    }

    /// The slice of the image across a voxel axis.
    pub(super) fn slice_box(&self, axis: usize, slice: usize) -> Result<VoxelBox, OperationError> {
        let dims = self.grid().dims();
        if dims.get(axis).is_none_or(|count| slice >= *count) {
            return Err(OperationError::Slice { axis, slice });
        }
        let (mut start, mut end) = ([0; 3], dims);
        (start[axis], end[axis]) = (slice, slice + 1);
        Ok(VoxelBox::new(start, end))
    }

    pub(super) fn mask_of(&self, id: u16, distance_mm: f64) -> Result<BoxMask, OperationError> {
        let bounds = self.labels.bounds(id);
        if bounds.is_empty() {
            let name = self.table.get(id).map_or_else(String::new, |entry| entry.name.clone());
            return Err(OperationError::EmptyLabel { id, name });
        }
        let region = self.grown(bounds, distance_mm);
        Ok(BoxMask::from_labels_in(&self.labels, id, region))
    }

    /// A box grown by a distance on every side, cut to the image; one voxel more wherever there is a distance.
    pub(super) fn grown(&self, region: VoxelBox, distance_mm: f64) -> VoxelBox {
        let voxels = |spacing: f64| if distance_mm > 0.0 { (distance_mm / spacing) as usize + 1 } else { 0 };
        region.grown(self.grid().spacing_mm().map(voxels), self.grid().dims())
    }
}

/// What an operation would change: one step of the history, once it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    name: String,
    table: Vec<TableChange>,
    patch: LabelPatch,
    changed: Arc<BoxMask>,
    gained: usize,
    lost: usize,
    /// Stamp of the labels that it was planned for.
    planned_for: u64,
    /// Labels that give or take voxels, ascending.
    concerned: Vec<u16>,
    outcome: Option<Given>,
}

/// Labels that were computed beforehand, beside the document, because changing so many takes longer than a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    /// Stamp of the labels that they follow.
    pub from: u64,
    /// What they become.
    pub labels: Arc<LabelMap>,
}

/// Changes of more voxels than this are computed beside the document: up to here, writing takes a few milliseconds.
pub(crate) const LARGE_VOXELS: usize = 2 << 20;

impl Change {
    /// The change after which the active label has exactly the voxels of the mask within the mask's box. Voxels
    /// that it leaves become background.
    pub(super) fn of_mask(basis: &EditBasis, name: &str, mask: &BoxMask) -> Result<Self, OperationError> {
        let active = basis.active();
        let mut inside = mask.inside().iter();
        let target = |old: u16| match (inside.next().copied().unwrap_or(false), old == active) {
            (true, _) => active,
            (false, true) => BACKGROUND,
            (false, false) => old,
        };
        Self::build(basis, name, mask.region(), Some(active), Vec::new(), target)
    }

    /// The change that gives every voxel of a box its own label. `active` is the label whose operation it is.
    pub(super) fn of_labels(
        basis: &EditBasis,
        name: &str,
        region: VoxelBox,
        labels: &[u16],
        active: Option<u16>,
        table: Vec<TableChange>,
    ) -> Result<Self, OperationError> {
        let mut labels = labels.iter();
        let target = |old| labels.next().copied().unwrap_or(old);
        Self::build(basis, name, region, active, table, target)
    }

    /// `target` gives the new label of every voxel of the box in turn.
    fn build(
        basis: &EditBasis,
        name: &str,
        region: VoxelBox,
        active: Option<u16>,
        table: Vec<TableChange>,
        mut target: impl FnMut(u16) -> u16,
    ) -> Result<Self, OperationError> {
        let map = &basis.labels;
        let (mut new, mut values) = (Vec::with_capacity(region.voxel_count()), Vec::new());
        let mut wanted = false;
        for (y, z) in region.rows() {
            let old_row = &map.row(y, z)[region.start()[0]..region.end()[0]];
            let first = new.len();
            new.extend(old_row.iter().map(|old| target(*old)));
            let row = &mut new[first..];
            if row == old_row {
                continue;
            }
            wanted = true;
            if basis.rule.within.is_some() {
                values.clear();
                let start = map.grid().index([region.start()[0], y, z]);
                basis.image.voxels().extend_f32(start..start + region.size()[0], &mut values);
            }
            for (x, (new, old)) in row.iter_mut().zip(old_row).enumerate() {
                let in_range = || basis.rule.within.is_none_or(|range| range.contains(values[x]));
                if new != old && !(basis.rule.allows(active, *old, *new) && in_range()) {
                    *new = *old;
                }
            }
        }
        let patch = LabelPatch::replace_box(map, region, &new, &OverwriteRule::default())?;
        if patch.is_empty() {
            return Err(if wanted { OperationError::Protected } else { OperationError::Nothing });
        }
        Ok(Self::with(basis, name, table, patch))
    }

    fn with(basis: &EditBasis, name: &str, table: Vec<TableChange>, patch: LabelPatch) -> Self {
        let (grid, bounds) = (basis.grid(), patch.bounds());
        let (start, size) = (bounds.start(), bounds.size());
        let mut inside = vec![false; bounds.voxel_count()];
        let (mut gained, mut lost) = (0, 0);
        let mut concerned = BTreeSet::new();
        let mut last = None;
        for run in patch.runs() {
            let [x, y, z] = grid.voxel(run.start);
            let at = ((z - start[2]) * size[1] + y - start[1]) * size[0] + x - start[0];
            inside[at..at + run.len].fill(true);
            gained += if run.new == basis.active() { run.len } else { 0 };
            lost += if run.old == basis.active() { run.len } else { 0 };
            if last.replace((run.old, run.new)) != Some((run.old, run.new)) {
                concerned.extend([run.old, run.new]);
            }
        }
        let changed = Arc::new(BoxMask::new(bounds, inside).unwrap_or_default());
        let (name, planned_for) = (name.to_owned(), basis.labels.stamp());
        let concerned = concerned.into_iter().collect();
        Self { name, table, patch, changed, gained, lost, planned_for, concerned, outcome: None }
    }

    /// The same with the labels that it leads to, if it is so large that writing them would be felt.
    pub(super) fn with_outcome(mut self, basis: &EditBasis) -> Result<Self, OperationError> {
        if self.patch.voxel_count() > LARGE_VOXELS {
            let mut labels = LabelMap::clone(&basis.labels);
            self.patch.apply(&mut labels)?;
            self.outcome = Some(Given { from: basis.labels.stamp(), labels: Arc::new(labels) });
        }
        Ok(self)
    }

    /// Stamp of the labels that it was planned for.
    pub(crate) fn planned_for(&self) -> u64 {
        self.planned_for
    }

    /// Labels that give or take voxels, ascending.
    pub(crate) fn concerned(&self) -> &[u16] {
        &self.concerned
    }

    /// The labels that it leads to, where they were computed beforehand.
    pub(crate) fn outcome(&self) -> Option<&Given> {
        self.outcome.as_ref()
    }

    /// Name of the step.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The voxels that would change, whatever they become.
    pub fn changed(&self) -> &Arc<BoxMask> {
        &self.changed
    }

    /// Voxels that the active label would gain.
    pub fn gained(&self) -> usize {
        self.gained
    }

    /// Voxels that the active label would lose.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Labels that would come.
    pub fn table_changes(&self) -> &[TableChange] {
        &self.table
    }

    /// What would change in the label map.
    pub fn patch(&self) -> &LabelPatch {
        &self.patch
    }
}
