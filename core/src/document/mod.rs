//! An image with everything a person has made of it.
//!
//! A [`Document`] changes only through [`Document::apply`]: the command becomes [`JournalRecord`]s, and those
//! change the [`State`], alike in the window and when a journal is replayed.

mod ahead;
mod change;
mod command;
mod plan;
mod record;
mod state;
mod travel;

use std::sync::Arc;

pub use ahead::{Ahead, Foreseen};
pub use command::{EditCommand, EditError, Effects, NewLabel, StrokeTool};
pub use record::JournalRecord;
pub(crate) use state::SnapshotV1;
pub use state::{Snapshot, State, StateError};
pub use travel::{Arrival, Journey, Spent};

use crate::edit::{Change, Given};
use crate::geometry::VoxelBox;
use crate::history::History;
use crate::label::{BoxMask, LabelMap, LabelTable};
use crate::paint::{BrushFilter, IntensityRange};
use crate::patch::{DrawOver, OverwriteRule};
use crate::prompt::Prompts;
use crate::provenance::Origin;
use crate::ruler::Rulers;
use crate::volume::Volume;
use plan::Stroke;

/// An image, its labels, the clicks of the object being segmented, a proposal for it, and the history.
#[derive(Debug)]
pub struct Document {
    image: Arc<Volume>,
    state: State,
    preview: Option<Arc<BoxMask>>,
    staged: Option<Box<Change>>,
    draw_over: DrawOver,
    draw_within: Option<IntensityRange>,
    filter: BrushFilter,
    stroke: Option<Stroke>,
    revision: u64,
    prompts_revision: u64,
    journal: Option<Vec<JournalRecord>>,
    /// Large things that are not needed any more.
    spent: Spent,
}

impl Document {
    /// An image without labels.
    pub fn new(image: Arc<Volume>) -> Self {
        let state = State::new(*image.grid());
        Self::with(image, state)
    }

    /// An image with labels made earlier and their names; its history begins here.
    ///
    /// # Errors
    /// [`EditError::Grid`] if the labels lie on another grid.
    pub fn starting_with(image: Arc<Volume>, table: LabelTable, labels: LabelMap) -> Result<Self, EditError> {
        let (found, expected) = (*labels.grid(), *image.grid());
        if !found.matches(&expected) {
            return Err(EditError::Grid { found: found.dims(), expected: expected.dims() });
        }
        Ok(Self::with(image, State::starting_with(table, Arc::new(labels))))
    }

    /// An image with the labels and the history of a project. A stroke that was being made when the program
    /// ended becomes a step.
    ///
    /// # Errors
    /// [`EditError::Grid`] if the labels lie on another grid.
    pub fn restore(image: Arc<Volume>, state: State) -> Result<Self, EditError> {
        let (found, expected) = (*state.labels().grid(), *image.grid());
        if !found.matches(&expected) {
            return Err(EditError::Grid { found: found.dims(), expected: expected.dims() });
        }
        let mut document = Self::with(image, state);
        document.start_journal();
        if document.state.has_open_stroke() {
            document.record(JournalRecord::StrokeEnd)?;
        }
        Ok(document)
    }

    fn with(image: Arc<Volume>, state: State) -> Self {
        Self {
            image,
            state,
            preview: None,
            staged: None,
            draw_over: DrawOver::Everywhere,
            draw_within: None,
            filter: BrushFilter::All,
            stroke: None,
            revision: 0,
            prompts_revision: 0,
            journal: None,
            spent: Spent::default(),
        }
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// [`EditError`] with what to do; the document is then unchanged, apart from a stroke having been ended.
    pub fn apply(&mut self, command: EditCommand) -> Result<Effects, EditError> {
        let before = self.protection();
        let effects = self.carry_out(command)?;
        let dropped = if effects.prompts_changed && self.state.prompts().is_empty() {
            self.take_preview()
        } else {
            Effects::default()
        };
        // A change planned for other labels must not stay on screen.
        let stale = if effects.labels_changed || (before.is_some() && before != self.protection()) {
            self.drop_change()
        } else {
            Effects::default()
        };
        let effects = effects.and(dropped).and(stale);
        self.revision += u64::from(!effects.is_none());
        self.prompts_revision += u64::from(effects.prompts_changed);
        Ok(effects)
    }

    /// The image.
    pub fn image(&self) -> &Arc<Volume> {
        &self.image
    }

    /// The labels; a clone of the `Arc` is a cheap snapshot.
    pub fn labels(&self) -> &Arc<LabelMap> {
        self.state.labels()
    }

    /// Names, colours, protection.
    pub fn table(&self) -> &LabelTable {
        self.state.table()
    }

    /// Clicks of the object being segmented.
    pub fn prompts(&self) -> &Prompts {
        self.state.prompts()
    }

    /// Distances and angles.
    pub fn rulers(&self) -> &Rulers {
        self.state.rulers()
    }

    /// The proposal for the object being segmented.
    pub fn preview(&self) -> Option<&Arc<BoxMask>> {
        self.preview.as_ref()
    }

    /// The steps made.
    pub fn history(&self) -> &History {
        self.state.history()
    }

    /// Which voxels edits may change.
    pub fn draw_over(&self) -> DrawOver {
        self.draw_over
    }

    /// The range of values in which edits may change voxels.
    pub fn draw_within(&self) -> Option<IntensityRange> {
        self.draw_within
    }

    /// Which voxels under the brush strokes take.
    pub fn brush_filter(&self) -> BrushFilter {
        self.filter
    }

    /// Whether a stroke has begun and not ended.
    pub fn is_stroking(&self) -> bool {
        self.stroke.is_some()
    }

    /// Whether a stroke has changed labels and is not a step yet.
    pub fn has_open_stroke(&self) -> bool {
        self.state.has_open_stroke()
    }

    /// Grows with every change of anything.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Grows with every change of the clicks: a proposal asked for at another one is stale.
    pub fn prompts_revision(&self) -> u64 {
        self.prompts_revision
    }

    /// Whether there is a step to undo.
    pub fn can_undo(&self) -> bool {
        self.undo_name().is_some()
    }

    /// Whether there is a step to redo.
    pub fn can_redo(&self) -> bool {
        self.redo_name().is_some()
    }

    /// Name of the step that undo takes back.
    pub fn undo_name(&self) -> Option<&str> {
        self.history().undo_name()
    }

    /// Name of the step that redo makes again.
    pub fn redo_name(&self) -> Option<&str> {
        self.history().redo_name()
    }

    /// Volume of a label in ml.
    pub fn label_volume_ml(&self, label: u16) -> f64 {
        self.labels().volume_ml(label)
    }

    /// Volume of the proposal in ml.
    pub fn preview_volume_ml(&self) -> Option<f64> {
        let voxel_ml = self.image.grid().affine().voxel_volume_mm3() / 1000.0;
        self.preview.as_ref().map(|mask| mask.count() as f64 * voxel_ml)
    }

    /// Whether the document is in another state than at [`Document::mark_saved`] (or than when it began). The
    /// answer survives a restart: autosave is not what a person calls saving.
    pub fn is_modified_since_save(&self) -> bool {
        self.state.is_modified_since_export()
    }

    /// Remembers the present state as the one that was exported.
    pub fn mark_saved(&mut self) {
        // This record is never refused.
        self.record(JournalRecord::Exported).ok();
    }

    /// Keeps with the last step which answer of a network it was made from (see [`provenance`](crate::provenance)).
    pub fn credit(&mut self, origin: Origin) {
        // This record is never refused.
        self.record(JournalRecord::Origin(origin)).ok();
    }

    /// The state to store when a project is created.
    pub fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
    }

    /// From now on every change is kept for [`Document::take_unsaved`]. Take [`Document::snapshot`] at the same
    /// moment: it is what the records continue.
    pub fn start_journal(&mut self) {
        self.journal.get_or_insert_default();
    }

    /// The changes since the last call, to be appended to the project by the thread that writes.
    pub fn take_unsaved(&mut self) -> Vec<JournalRecord> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Gives changes back that could not be handed on; they come first the next time.
    pub fn put_back_unsaved(&mut self, mut records: Vec<JournalRecord>) {
        if let Some(journal) = &mut self.journal {
            records.append(journal);
            *journal = records;
        }
    }

    /// Whether [`Document::take_unsaved`] would return something.
    pub fn has_unsaved(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }

    /// What a staged change depends on beside the voxels: labels with their locks, and the active one.
    fn protection(&self) -> Option<(Vec<(u16, bool)>, u16)> {
        self.staged.as_ref()?;
        let locks = self.table().entries().iter().map(|entry| (entry.id, entry.locked)).collect();
        Some((locks, self.table().active()))
    }

    fn rule(&self) -> OverwriteRule {
        OverwriteRule { draw_over: self.draw_over, locked: self.table().locked() }
    }

    /// Applies a record and keeps it for the journal.
    fn record(&mut self, record: JournalRecord) -> Result<Effects, StateError> {
        self.record_with(record, State::apply)
    }

    /// The same with the labels that the record leads to.
    fn record_given(&mut self, record: JournalRecord, given: Given) -> Result<Effects, StateError> {
        let before = Arc::clone(self.labels());
        let effects = self.record_with(record, |state, record| state.apply_given(record, given))?;
        self.spent.take_labels(before);
        Ok(effects)
    }

    fn record_with(
        &mut self,
        record: JournalRecord,
        apply: impl FnOnce(&mut State, JournalRecord) -> Result<Effects, StateError>,
    ) -> Result<Effects, StateError> {
        let kept = self.journal.is_some().then(|| record.clone());
        let effects = apply(&mut self.state, record)?;
        if let (Some(journal), Some(kept)) = (&mut self.journal, kept) {
            if journal.last().is_some_and(|last| last.is_superseded_by(&kept)) {
                journal.pop();
            }
            journal.push(kept);
        }
        Ok(effects)
    }

    fn take_preview(&mut self) -> Effects {
        let region = self.preview.take().map(|mask| mask.region());
        region.map_or_else(Effects::default, Effects::of_preview)
    }

    fn set_preview(&mut self, mask: BoxMask) -> Result<Effects, EditError> {
        let full = self.image.grid().full_box();
        let region = mask.region();
        if !region.is_empty() && region.intersection(&full) != region {
            let (start, end) = (region.start(), region.end());
            return Err(crate::patch::PatchError::Outside { start, end, dims: full.end() }.into());
        }
        let before = self.preview.replace(Arc::new(mask)).map_or_else(VoxelBox::default, |old| old.region());
        Ok(Effects::of_preview(region.union(&before)))
    }
}

#[cfg(test)]
mod imports;

#[cfg(test)]
pub(crate) mod tests;
