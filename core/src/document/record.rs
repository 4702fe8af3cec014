//! What happened to a document, as it is journaled.

use serde::{Deserialize, Serialize};

use crate::history::Commit;
use crate::label::LookChange;
use crate::patch::LabelPatch;
use crate::provenance::Origin;

/// One change of a [`State`](super::State). The window and the replay of a journal go through the same records,
/// so what is loaded is what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JournalRecord {
    /// A step was made.
    Commit(Commit),
    /// A part of a step that is still being made: a stroke up to the last pointer event.
    StrokePart {
        /// Name that the step will have.
        name: String,
        /// What this part changed.
        patch: LabelPatch,
    },
    /// The stroke became a step.
    StrokeEnd,
    /// The stroke was taken back.
    StrokeCancel,
    /// Steps were undone or redone: so many, counted from the very first, are applied now.
    GoTo(u64),
    /// A label looks different, is protected or not, or is the active one.
    Look(LookChange),
    /// The labels were exported as they are now.
    Exported,
    /// The step before was made from the answer of a network. Changes nothing of the state.
    Origin(Origin),
}

impl JournalRecord {
    /// Whether a later record makes this one needless.
    pub(super) fn is_superseded_by(&self, later: &Self) -> bool {
        let (Self::Look(mine), Self::Look(theirs)) = (self, later) else { return false };
        match (mine, theirs) {
            (LookChange::Visible { id, .. }, LookChange::Visible { id: other, .. })
            | (LookChange::Opacity { id, .. }, LookChange::Opacity { id: other, .. })
            | (LookChange::Locked { id, .. }, LookChange::Locked { id: other, .. }) => id == other,
            (LookChange::Active(_), LookChange::Active(_)) => true,
            _ => false,
        }
    }
}
