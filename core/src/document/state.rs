//! The part of a document that is saved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Effects, JournalRecord};
use crate::edit::Given;
use crate::geometry::Grid;
use crate::history::{Commit, Delta, History};
use crate::label::{LabelMap, LabelTable, RleError, RunLengths, TableError};
use crate::patch::{LabelPatch, PatchError};
use crate::prompt::Prompts;
use crate::ruler::Rulers;

/// Why a record cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A change of labels does not fit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// A change of the table does not fit.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The clicks are not those that a step replaces.
    #[error("a stored change of clicks does not fit the present clicks")]
    Prompts,
    /// The distances and angles are not those that a step replaces.
    #[error("a stored change of distances and angles does not fit the present ones")]
    Rulers,
    /// A step that is not in the history.
    #[error("step {step} is not in the history, which holds steps {first} to {last}")]
    NoSuchStep {
        /// The step asked for.
        step: u64,
        /// First position that can be reached.
        first: u64,
        /// Last position that can be reached.
        last: u64,
    },
    /// The stored label map does not fit its grid.
    #[error(transparent)]
    Labels(#[from] RleError),
    /// The stored state contradicts itself.
    #[error("the stored state contradicts itself: {what}")]
    Inconsistent {
        /// Which part.
        what: &'static str,
    },
}

/// Parts of a stroke are not joined beyond so many packed bytes: to join those of a long stroke over noise, with runs by
/// the million, takes longer than a frame, in the midst of the stroke or at its end.
const JOINED_BYTES: usize = 64 << 10;

/// A stroke that is not finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenStroke {
    name: String,
    parts: Vec<LabelPatch>,
}

impl OpenStroke {
    /// Adds a part. Neighbours of similar size are joined, so that the parts of a stroke of any length stay few
    /// and every run is copied a logarithmic number of times.
    fn push(&mut self, part: LabelPatch) {
        self.parts.push(part);
        while let [.., before, last] = &self.parts[..] {
            if before.packed_bytes() > 2 * last.packed_bytes() || !self.join_last_two() {
                return;
            }
        }
    }

    /// The same with as few parts as possible.
    fn joined(mut self) -> Self {
        while self.join_last_two() {}
        self
    }

    /// Parts that touch a voxel twice stay apart and are undone one after the other.
    fn join_last_two(&mut self) -> bool {
        let [.., before, last] = &self.parts[..] else { return false };
        if before.packed_bytes() + last.packed_bytes() > JOINED_BYTES {
            return false;
        }
        let Some(both) = before.merged(last) else { return false };
        self.parts.truncate(self.parts.len() - 2);
        self.parts.push(both);
        true
    }
}

/// Labels, their names, clicks and the history of it all; changes only by [`State::apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    labels: Arc<LabelMap>,
    table: LabelTable,
    prompts: Prompts,
    rulers: Rulers,
    history: History,
    stroke: Option<OpenStroke>,
    /// State of the history that was exported last.
    exported: u64,
}

/// A [`State`] as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    grid: Grid,
    labels: RunLengths,
    table: LabelTable,
    prompts: Prompts,
    rulers: Rulers,
    history: History,
    stroke: Option<OpenStroke>,
    /// State of the history that was exported last.
    exported: u64,
}

/// A [`Snapshot`] as projects of schema 1 hold it: without distances and angles.
#[derive(Debug, Deserialize)]
pub(crate) struct SnapshotV1 {
    grid: Grid,
    labels: RunLengths,
    table: LabelTable,
    prompts: Prompts,
    history: History,
    stroke: Option<OpenStroke>,
    exported: u64,
}

impl From<SnapshotV1> for Snapshot {
    fn from(old: SnapshotV1) -> Self {
        let SnapshotV1 { grid, labels, table, prompts, history, stroke, exported } = old;
        Self { grid, labels, table, prompts, rulers: Rulers::default(), history, stroke, exported }
    }
}

impl State {
    /// No labels yet.
    pub fn new(grid: Grid) -> Self {
        Self {
            labels: Arc::new(LabelMap::new(grid)),
            table: LabelTable::default(),
            prompts: Prompts::default(),
            rulers: Rulers::default(),
            history: History::default(),
            stroke: None,
            exported: History::default().state(),
        }
    }

    /// Labels made earlier, with their names and without history.
    pub(super) fn starting_with(table: LabelTable, labels: Arc<LabelMap>) -> Self {
        Self {
            labels,
            table,
            prompts: Prompts::default(),
            rulers: Rulers::default(),
            history: History::default(),
            stroke: None,
            exported: History::default().state(),
        }
    }

    /// The label map; cheap to hold on to.
    pub fn labels(&self) -> &Arc<LabelMap> {
        &self.labels
    }

    /// Names and colours.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }

    /// Clicks of the object being segmented.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// Distances and angles.
    pub fn rulers(&self) -> &Rulers {
        &self.rulers
    }

    /// Steps.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether a stroke has begun to change labels and is not finished.
    pub fn has_open_stroke(&self) -> bool {
        self.stroke.is_some()
    }

    /// Whether the labels differ from those exported last (at first: from none), as far as the history tells.
    pub fn is_modified_since_export(&self) -> bool {
        self.exported != self.history.state() || self.has_open_stroke()
    }

    /// Changes the state.
    ///
    /// # Errors
    /// [`StateError`] if the record was made for another state; nothing changes then.
    pub fn apply(&mut self, record: JournalRecord) -> Result<Effects, StateError> {
        match record {
            JournalRecord::Commit(commit) => self.commit(commit, None),
            JournalRecord::StrokePart { name, patch } => self.extend_stroke(name, patch),
            JournalRecord::StrokeEnd => Ok(self.end_stroke()),
            JournalRecord::StrokeCancel => self.cancel_stroke(),
            JournalRecord::GoTo(step) => self.go_to(step, None),
            JournalRecord::Look(change) => {
                self.table.look(change)?;
                Ok(Effects { table_changed: true, ..Effects::default() })
            }
            JournalRecord::Exported => {
                self.exported = self.history.state();
                Ok(Effects::default())
            }
            JournalRecord::Origin(_) => Ok(Effects::default()),
        }
    }

    /// Changes the state by a step or a walk through the history whose labels were computed beforehand, from the
    /// present ones.
    ///
    /// # Errors
    /// As [`State::apply`]; also where the labels are not those that were computed from.
    pub(super) fn apply_given(&mut self, record: JournalRecord, given: Given) -> Result<Effects, StateError> {
        if given.from != self.labels.stamp() || self.has_open_stroke() {
            return Err(StateError::Inconsistent { what: "labels computed beforehand" });
        }
        match record {
            JournalRecord::Commit(commit) => self.commit(commit, Some(given.labels)),
            JournalRecord::GoTo(step) => self.go_to(step, Some(given.labels)),
            record => self.apply(record),
        }
    }

    fn commit(&mut self, commit: Commit, given: Option<Arc<LabelMap>>) -> Result<Effects, StateError> {
        let effects = self.run(&commit, Direction::Forward, given.is_some())?;
        self.labels = given.unwrap_or_else(|| Arc::clone(&self.labels));
        self.history.push(commit);
        Ok(effects.with_history())
    }

    /// The state as it is stored.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            grid: *self.labels.grid(),
            labels: self.labels.runs(),
            table: self.table.clone(),
            prompts: self.prompts.clone(),
            rulers: self.rulers.clone(),
            history: self.history.clone(),
            stroke: self.stroke.clone(),
            exported: self.exported,
        }
    }

    fn extend_stroke(&mut self, name: String, patch: LabelPatch) -> Result<Effects, StateError> {
        patch.apply(Arc::make_mut(&mut self.labels))?;
        let effects = Effects::of_labels(&patch);
        self.stroke.get_or_insert(OpenStroke { name, parts: Vec::new() }).push(patch);
        Ok(effects)
    }

    fn end_stroke(&mut self) -> Effects {
        let Some(stroke) = self.stroke.take() else { return Effects::default() };
        let OpenStroke { name, parts } = stroke.joined();
        self.history.push(Commit { name, deltas: parts.into_iter().map(Delta::Labels).collect() });
        Effects::default().with_history()
    }

    fn cancel_stroke(&mut self) -> Result<Effects, StateError> {
        let Some(OpenStroke { name, parts }) = self.stroke.take() else { return Ok(Effects::default()) };
        let commit = Commit { name, deltas: parts.into_iter().map(Delta::Labels).collect() };
        self.run(&commit, Direction::Backward, false)
    }

    fn go_to(&mut self, step: u64, given: Option<Arc<LabelMap>>) -> Result<Effects, StateError> {
        let mut effects = self.end_stroke();
        let (first, last) = (self.history.absolute(0), self.history.absolute(self.history.len()));
        let target = self.history.relative(step).ok_or(StateError::NoSuchStep { step, first, last })?;
        // Labels that are given come at the very end, so that everything else must be able to go back until then.
        let before = given
            .is_some()
            .then(|| (self.table.clone(), self.prompts.clone(), self.rulers.clone(), self.history.cursor()));
        // The history is set aside so that its steps can be read while the rest changes.
        let mut history = std::mem::take(&mut self.history);
        let result = loop {
            let cursor = history.cursor();
            let (commit, direction, next) = match cursor.cmp(&target) {
                std::cmp::Ordering::Equal => break Ok(()),
                std::cmp::Ordering::Less => (history.step_at_cursor(), Direction::Forward, cursor + 1),
                std::cmp::Ordering::Greater => {
                    (history.step_before_cursor(), Direction::Backward, cursor - 1)
                }
            };
            let Some(commit) = commit else { break Ok(()) };
            match self.run(commit, direction, given.is_some()) {
                Ok(more) => effects = effects.and(more),
                Err(error) => break Err(error),
            }
            history.move_cursor(next);
        };
        self.history = history;
        match (&result, given, before) {
            (Ok(()), Some(labels), _) => self.labels = labels,
            (Err(_), _, Some((table, prompts, rulers, cursor))) => {
                (self.table, self.prompts, self.rulers) = (table, prompts, rulers);
                self.history.move_cursor(cursor);
            }
            _ => {}
        }
        result.map(|()| effects.with_history())
    }

    /// Carries out all changes of a step, or none; where the labels are given, all but theirs.
    fn run(
        &mut self,
        commit: &Commit,
        direction: Direction,
        labels_given: bool,
    ) -> Result<Effects, StateError> {
        let count = commit.deltas.len();
        let mut effects = Effects::default();
        for done in 0..count {
            let delta = &commit.deltas[direction.index(done, count)];
            let changed = match delta {
                Delta::Labels(patch) if labels_given => Ok(Effects::of_labels(patch)),
                delta => self.change(delta, direction),
            };
            match changed {
                Ok(more) => effects = effects.and(more),
                Err(error) => {
                    for undo in (0..done).rev() {
                        let delta = &commit.deltas[direction.index(undo, count)];
                        // What has just been done can be taken back.
                        if !(labels_given && matches!(delta, Delta::Labels(_))) {
                            self.change(delta, direction.opposite()).ok();
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(effects)
    }

    fn change(&mut self, delta: &Delta, direction: Direction) -> Result<Effects, StateError> {
        match delta {
            Delta::Labels(patch) => {
                let labels = Arc::make_mut(&mut self.labels);
                match direction {
                    Direction::Forward => patch.apply(labels)?,
                    Direction::Backward => patch.revert(labels)?,
                }
                Ok(Effects::of_labels(patch))
            }
            Delta::Table(change) => {
                match direction {
                    Direction::Forward => self.table.apply(change)?,
                    Direction::Backward => self.table.apply(&change.inverse())?,
                }
                Ok(Effects { table_changed: true, ..Effects::default() })
            }
            Delta::Prompts { before, after } => {
                let (from, to) = match direction {
                    Direction::Forward => (before, after),
                    Direction::Backward => (after, before),
                };
                if self.prompts != *from {
                    return Err(StateError::Prompts);
                }
                self.prompts.clone_from(to);
                Ok(Effects { prompts_changed: true, ..Effects::default() })
            }
            Delta::Rulers { before, after } => {
                let (from, to) = match direction {
                    Direction::Forward => (before, after),
                    Direction::Backward => (after, before),
                };
                if self.rulers != *from {
                    return Err(StateError::Rulers);
                }
                self.rulers.clone_from(to);
                Ok(Effects { rulers_changed: true, ..Effects::default() })
            }
        }
    }
}

impl Snapshot {
    /// Size and place of the label map.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The state that was stored. Memory for at most two bytes a voxel of [`Snapshot::grid`] is taken.
    ///
    /// # Errors
    /// [`StateError`] if parts of it do not fit together.
    pub fn into_state(mut self) -> Result<State, StateError> {
        // Stored sizes are not trusted: the same checks as for a new grid.
        let grid = Grid::new(self.grid.dims(), *self.grid.affine())
            .map_err(|_| StateError::Inconsistent { what: "size of the image" })?;
        if !self.table.is_consistent() {
            return Err(StateError::Inconsistent { what: "list of labels" });
        }
        if !self.history.is_consistent() {
            return Err(StateError::Inconsistent { what: "history" });
        }
        let labels = LabelMap::from_runs(grid, &self.labels)?;
        let Self { table, prompts, rulers, history, stroke, exported, .. } = self;
        Ok(State { labels: Arc::new(labels), table, prompts, rulers, history, stroke, exported })
    }
}

/// Which way a step is run.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

impl Direction {
    fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }

    /// Index of the `done`-th change to make.
    fn index(self, done: usize, count: usize) -> usize {
        match self {
            Self::Forward => done,
            Self::Backward => count - 1 - done,
        }
    }
}
