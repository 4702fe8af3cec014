//! Walks through the history that change so many voxels that a frame would be late, and what such changes leave behind.

use std::sync::Arc;

use super::{Document, EditError, Effects, JournalRecord, StateError};
use crate::edit::{Change, Given, LARGE_VOXELS};
use crate::history::Delta;
use crate::label::LabelMap;
use crate::patch::LabelPatch;

/// A walk through the history that is made on a copy of the labels, beside the document; ends in an [`Arrival`].
#[derive(Debug)]
pub struct Journey {
    labels: Arc<LabelMap>,
    /// What changes, in the order of the walk.
    patches: Vec<LabelPatch>,
    is_back: bool,
    step: u64,
    history: [u64; 2],
}

/// Where a [`Journey`] led: the labels after so many steps.
#[derive(Clone, Debug)]
pub struct Arrival {
    given: Given,
    step: u64,
    /// State of the history that the walk began with: a number of steps means something only there.
    history: [u64; 2],
}

impl Journey {
    /// Copies the labels and changes them; takes as long as that takes.
    ///
    /// # Errors
    /// [`StateError::Patch`] if the history does not fit the labels.
    pub fn travel(self) -> Result<Arrival, StateError> {
        let mut labels = LabelMap::clone(&self.labels);
        for patch in &self.patches {
            if self.is_back { patch.revert(&mut labels)? } else { patch.apply(&mut labels)? }
        }
        let given = Given { from: self.labels.stamp(), labels: Arc::new(labels) };
        Ok(Arrival { given, step: self.step, history: self.history })
    }
}

/// Large things that a document does not need any more. To give their memory back takes milliseconds: drop it on
/// another thread.
#[derive(Debug, Default)]
pub struct Spent {
    labels: Option<Arc<LabelMap>>,
    change: Option<Box<Change>>,
}

impl Spent {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.change.is_none()
    }

    pub(super) fn take_labels(&mut self, labels: Arc<LabelMap>) {
        self.labels = Some(labels);
    }

    pub(super) fn take_change(&mut self, change: Box<Change>) {
        if change.changed().region().voxel_count() > LARGE_VOXELS {
            self.change = Some(change);
        }
    }
}

impl Document {
    /// The walk to a position in the history (so many of the known steps applied), if it changes so many voxels that
    /// [`EditCommand::GoTo`](super::EditCommand::GoTo) would take longer than a frame.
    pub fn journey(&self, position: usize) -> Option<Journey> {
        let history = self.history();
        let cursor = history.cursor();
        if position > history.len() || self.has_open_stroke() {
            return None;
        }
        let is_back = position < cursor;
        let mut patches = Vec::new();
        let steps = cursor.min(position)..cursor.max(position);
        let deltas = steps.filter_map(|step| history.step(step)).flat_map(|commit| &commit.deltas);
        patches.extend(deltas.filter_map(|delta| match delta {
            Delta::Labels(patch) => Some(patch),
            _ => None,
        }));
        if patches.iter().map(|patch| patch.voxel_count()).sum::<usize>() <= LARGE_VOXELS {
            return None;
        }
        if is_back {
            patches.reverse();
        }
        let patches = patches.into_iter().cloned().collect();
        let (labels, step) = (Arc::clone(self.labels()), history.absolute(position));
        Some(Journey { labels, patches, is_back, step, history: history.stamp() })
    }

    /// What is not needed any more since the last call, if it is so large that dropping it takes time.
    pub fn take_spent(&mut self) -> Option<Spent> {
        let spent = std::mem::take(&mut self.spent);
        (!spent.is_empty()).then_some(spent)
    }

    pub(super) fn arrive(&mut self, arrival: Arrival) -> Result<Effects, EditError> {
        if arrival.given.from != self.labels().stamp() || arrival.history != self.history().stamp() {
            return Err(EditError::StaleChange);
        }
        Ok(self.record_given(JournalRecord::GoTo(arrival.step), arrival.given)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{EditCommand, State};
    use crate::edit::{FillScope, Operation};
    use crate::geometry::{Grid, VoxelBox};
    use crate::label::{BoxMask, LookChange};
    use crate::volume::{ImageMeta, Volume, Voxels};

    /// More voxels than are changed between two frames.
    const SIDE: usize = 136;

    fn document() -> Document {
        let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
        let voxels = Voxels::U8(vec![0; grid.voxel_count()]);
        let image = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        let mut document = Document::new(Arc::new(image));
        document.start_journal();
        document.apply(EditCommand::AddLabel { name: None }).unwrap();
        write(&mut document, [20; 3], 2);
        document.apply(EditCommand::Look(LookChange::Active(1))).unwrap();
        document
    }

    fn write(document: &mut Document, at: [usize; 3], label: u16) {
        let mask = BoxMask::from_fn(VoxelBox::new(at, at.map(|c| c + 9)), |[x, y, _]| (x + y) % 3 > 0);
        document.apply(EditCommand::WriteMask { name: "Block".into(), mask, label }).unwrap();
    }

    fn planned(document: &Document) -> Box<Change> {
        let fill = Operation::FillRegion { seed: [0; 3], scope: FillScope::Volume, tolerance: None };
        let change = fill.plan(&document.edit_basis(), &()).unwrap();
        assert!(change.outcome().is_some(), "large enough to be computed beforehand");
        Box::new(change)
    }

    fn fill(document: &mut Document) {
        let change = planned(document);
        document.apply(EditCommand::StageChange(change)).unwrap();
        document.apply(EditCommand::ApplyChange).unwrap();
    }

    /// The state that the journal leads to, every voxel written.
    fn replayed(document: &mut Document) -> State {
        let mut state = State::new(*document.image().grid());
        document.take_unsaved().into_iter().for_each(|record| {
            state.apply(record).unwrap();
        });
        state
    }

    #[test]
    fn what_was_computed_beforehand_is_what_the_journal_writes() {
        let mut document = document();
        let before = Arc::clone(document.labels());
        fill(&mut document);
        let filled = Arc::clone(document.labels());
        assert_eq!(filled.count(1), SIDE.pow(3) - before.count(2));
        assert!(document.take_spent().is_some());
        let cursor = document.history().cursor();
        let undo = document.journey(cursor - 1).unwrap().travel().unwrap();
        let effects = document.apply(EditCommand::Arrive(Box::new(undo))).unwrap();
        assert!(effects.labels_changed && effects.dirty == VoxelBox::new([0; 3], [SIDE; 3]));
        assert_eq!((document.labels(), document.history().cursor()), (&before, cursor - 1));
        let redo = document.journey(cursor).unwrap().travel().unwrap();
        document.apply(EditCommand::Arrive(Box::new(redo))).unwrap();
        assert_eq!((document.labels(), document.history().cursor()), (&filled, cursor));
        assert_eq!(replayed(&mut document), document.state);
        document.apply(EditCommand::Undo).unwrap();
        assert_eq!(document.labels(), &before, "undone between two frames is the same");
    }

    #[test]
    fn an_arrival_after_something_else_was_done_is_refused() {
        let disturbances: [fn(&mut Document); 3] = [
            |document| write(document, [50; 3], 2),
            |document| assert!(document.apply(EditCommand::SetColor { id: 2, color: [1, 2, 3] }).is_ok()),
            |document| assert!(document.apply(EditCommand::Undo).is_ok()),
        ];
        for disturb in disturbances {
            let mut document = document();
            fill(&mut document);
            let position = document.history().cursor();
            let undo = document.journey(position - 1).unwrap().travel().unwrap();
            disturb(&mut document);
            let (labels, cursor) = (Arc::clone(document.labels()), document.history().cursor());
            let error = document.apply(EditCommand::Arrive(Box::new(undo))).unwrap_err();
            assert_eq!(error, EditError::StaleChange);
            assert_eq!((document.labels(), document.history().cursor()), (&labels, cursor));
        }
    }

    #[test]
    fn another_redo_than_the_one_asked_for_is_refused() {
        let mut document = document();
        fill(&mut document);
        let position = document.history().cursor();
        document.apply(EditCommand::Undo).unwrap();
        let redo = document.journey(position).unwrap().travel().unwrap();
        document.apply(EditCommand::SetColor { id: 2, color: [1, 2, 3] }).unwrap();
        document.apply(EditCommand::Undo).unwrap();
        let error = document.apply(EditCommand::Arrive(Box::new(redo))).unwrap_err();
        assert_eq!(error, EditError::StaleChange, "the position is there, with another step");
    }

    #[test]
    fn small_steps_need_no_journey_and_a_late_plan_or_a_lock_is_refused() {
        let mut document = document();
        assert!(document.journey(0).is_none());
        let change = planned(&document);
        write(&mut document, [50; 3], 2);
        let error = document.apply(EditCommand::StageChange(change)).unwrap_err();
        assert_eq!(error, EditError::StaleChange);
        let change = planned(&document);
        document.apply(EditCommand::Look(LookChange::Locked { id: 1, locked: true })).unwrap();
        let error = document.apply(EditCommand::StageChange(change)).unwrap_err();
        assert_eq!(error, EditError::Protected);
    }
}
