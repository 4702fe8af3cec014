//! Named steps that can be undone and redone.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::label::TableChange;
use crate::patch::LabelPatch;
use crate::prompt::Prompts;
use crate::ruler::Rulers;

/// Memory that undo may take.
pub const HISTORY_BYTES: usize = 256 << 20;

/// One reversible change of a part of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Delta {
    /// Voxels change their labels.
    Labels(LabelPatch),
    /// A label comes, goes, or changes its name or colour.
    Table(TableChange),
    /// Clicks come or go.
    Prompts {
        /// The clicks before.
        before: Prompts,
        /// The clicks after.
        after: Prompts,
    },
    /// Distances and angles come or go.
    Rulers {
        /// Those before.
        before: Rulers,
        /// Those after.
        after: Rulers,
    },
}

impl Delta {
    /// Memory taken.
    pub fn bytes(&self) -> usize {
        let beside = match self {
            Self::Labels(patch) => patch.bytes(),
            Self::Table(_) => 128,
            Self::Prompts { before, after } => {
                (before.len() + after.len()) * size_of::<crate::prompt::Click>()
            }
            Self::Rulers { before, after } => (before.len() + after.len()) * size_of::<crate::ruler::Ruler>(),
        };
        size_of::<Self>() + beside
    }
}

/// What one step of the history does: changes made together under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Name shown in the menu and the list.
    pub name: String,
    /// The changes, in the order in which they were made.
    pub deltas: Vec<Delta>,
}

impl Commit {
    /// A step with one change.
    pub fn of(name: impl Into<String>, delta: Delta) -> Self {
        Self { name: name.into(), deltas: vec![delta] }
    }

    /// Memory taken.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.deltas.iter().map(Delta::bytes).sum::<usize>()
    }

    /// Takes in a later step if both recolour, or both rename, the same label: a slider being dragged or a name
    /// being typed is one step.
    fn absorb(&mut self, later: &Self) -> bool {
        let ([Delta::Table(mine)], [Delta::Table(theirs)]) = (&mut self.deltas[..], &later.deltas[..]) else {
            return false;
        };
        match (mine, theirs) {
            (
                TableChange::Recolored { id, after, .. },
                TableChange::Recolored { id: other, after: last, .. },
            ) if id == other => {
                *after = *last;
                true
            }
            (TableChange::Renamed { id, after, .. }, TableChange::Renamed { id: other, after: last, .. })
                if id == other =>
            {
                after.clone_from(last);
                true
            }
            _ => false,
        }
    }
}

/// A step with the number of the state that it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    commit: Commit,
    state: u64,
}

/// The steps made so far, some of which may be undone at present.
///
/// When their memory exceeds the limit, the oldest are forgotten; the last one always stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    steps: VecDeque<Step>,
    /// Steps applied, of those still known.
    cursor: usize,
    /// Steps forgotten.
    forgotten: u64,
    /// Number of the state before the first known step.
    first_state: u64,
    /// The last state number given.
    last_state: u64,
    bytes: usize,
    limit_bytes: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::with_limit(HISTORY_BYTES)
    }
}

impl History {
    /// An empty history that forgets its oldest steps beyond so much memory.
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self {
            steps: VecDeque::new(),
            cursor: 0,
            forgotten: 0,
            first_state: 0,
            last_state: 0,
            bytes: 0,
            limit_bytes,
        }
    }

    /// Names of all known steps, oldest first; those from [`History::cursor`] on are undone.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &str> {
        self.steps.iter().map(|step| step.commit.name.as_str())
    }

    /// Number of known steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether no step is known.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Number of steps applied at present, of those still known.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Name of the step that undo would take back.
    pub fn undo_name(&self) -> Option<&str> {
        let step = self.steps.get(self.cursor.checked_sub(1)?)?;
        Some(&step.commit.name)
    }

    /// Name of the step that redo would make again.
    pub fn redo_name(&self) -> Option<&str> {
        self.steps.get(self.cursor).map(|step| step.commit.name.as_str())
    }

    /// Memory taken by the steps.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A number that is the same whenever the document is in the same state of its history, and never reused.
    pub fn state(&self) -> u64 {
        match self.cursor {
            0 => self.first_state,
            n => self.steps[n - 1].state,
        }
    }

    /// Steps ever made up to a cursor, forgotten ones included: a name for a cursor that survives forgetting.
    pub(crate) fn absolute(&self, cursor: usize) -> u64 {
        self.forgotten + cursor as u64
    }

    /// The cursor of an absolute position, if its steps are known.
    pub(crate) fn relative(&self, absolute: u64) -> Option<usize> {
        let cursor = usize::try_from(absolute.checked_sub(self.forgotten)?).ok()?;
        (cursor <= self.steps.len()).then_some(cursor)
    }

    /// Adds a step that has just been made; undone steps are dropped.
    pub(crate) fn push(&mut self, commit: Commit) {
        while self.steps.len() > self.cursor {
            self.bytes -= self.steps.pop_back().map_or(0, |step| step.commit.bytes());
        }
        self.last_state += 1;
        let state = self.last_state;
        if let Some(last) = self.steps.back_mut() {
            let before = last.commit.bytes();
            if last.commit.absorb(&commit) {
                last.state = state;
                self.bytes = self.bytes - before + last.commit.bytes();
                return;
            }
        }
        self.bytes += commit.bytes();
        self.steps.push_back(Step { commit, state });
        self.cursor += 1;
        self.forget_oldest();
    }

    /// The step that undo takes back.
    pub(crate) fn step_before_cursor(&self) -> Option<&Commit> {
        self.steps.get(self.cursor.checked_sub(1)?).map(|step| &step.commit)
    }

    /// The step that redo makes again.
    pub(crate) fn step_at_cursor(&self) -> Option<&Commit> {
        self.steps.get(self.cursor).map(|step| &step.commit)
    }

    /// A known step by its index.
    pub(crate) fn step(&self, index: usize) -> Option<&Commit> {
        self.steps.get(index).map(|step| &step.commit)
    }

    /// Equal as long as no step was made, undone or redone.
    pub(crate) fn stamp(&self) -> [u64; 2] {
        [self.state(), self.last_state]
    }

    /// Moves the cursor after the document has followed.
    pub(crate) fn move_cursor(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.steps.len());
    }

    /// Whether the numbers of a stored history fit together; repairs its size in memory.
    pub(crate) fn is_consistent(&mut self) -> bool {
        self.bytes = self.steps.iter().map(|step| step.commit.bytes()).sum();
        let states = self.steps.iter().map(|step| step.state);
        self.cursor <= self.steps.len()
            && states.chain([self.first_state]).all(|state| state <= self.last_state)
            && self.last_state < u64::MAX / 2
            && self.forgotten < u64::MAX / 2
    }

    fn forget_oldest(&mut self) {
        while self.bytes > self.limit_bytes && self.steps.len() > 1 {
            let Some(oldest) = self.steps.pop_front() else { return };
            self.bytes -= oldest.commit.bytes();
            self.first_state = oldest.state;
            self.cursor -= 1;
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod strokes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Click;

    fn commit(x: usize) -> Commit {
        let click = Click { voxel: [x, 0, 0], positive: true };
        let after = Prompts::from_iter([click]);
        Commit::of(format!("Step {x:04}"), Delta::Prompts { before: Prompts::default(), after })
    }

    fn recolor(id: u16, after: u8) -> Commit {
        Commit::of("Recolor", Delta::Table(TableChange::Recolored { id, before: [0; 3], after: [after; 3] }))
    }

    #[test]
    fn the_oldest_steps_go_when_memory_is_short() {
        let mut history = History::with_limit(10 * commit(0).bytes());
        let mut states = vec![history.state()];
        for x in 0..25 {
            history.push(commit(x));
            states.push(history.state());
        }
        let names: Vec<_> = history.steps().collect();
        assert_eq!((names.len(), names[0], names[9]), (10, "Step 0015", "Step 0024"));
        assert_eq!((history.bytes(), history.cursor()), (10 * commit(0).bytes(), 10));
        assert_eq!((history.absolute(0), history.relative(15), history.relative(14)), (15, Some(0), None));
        history.move_cursor(0);
        assert_eq!(history.state(), states[15]);
        assert_eq!((history.undo_name(), history.redo_name()), (None, Some("Step 0015")));
    }

    #[test]
    fn the_last_step_stays_whatever_its_size() {
        let mut history = History::with_limit(1);
        history.push(commit(1));
        history.push(commit(2));
        assert_eq!(history.steps().collect::<Vec<_>>(), ["Step 0002"]);
    }

    #[test]
    fn a_new_step_drops_the_undone_ones() {
        let mut history = History::default();
        (0..3).for_each(|x| history.push(commit(x)));
        history.move_cursor(1);
        history.push(commit(7));
        assert_eq!(history.steps().collect::<Vec<_>>(), ["Step 0000", "Step 0007"]);
        assert_eq!(history.bytes(), 2 * commit(0).bytes());
        assert_eq!(history.state(), 4, "no number is used twice");
    }

    #[test]
    fn only_changes_of_the_same_label_join() {
        let mut history = History::default();
        for commit in [recolor(1, 1), recolor(1, 2), recolor(2, 3), recolor(1, 4)] {
            history.push(commit);
        }
        assert_eq!(history.len(), 3);
        let expected = recolor(1, 2).deltas;
        history.move_cursor(1);
        assert_eq!(history.step_before_cursor().map(|step| &step.deltas), Some(&expected));
    }
}
