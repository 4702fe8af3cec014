//! What was found in a project.

use std::sync::Arc;

use super::{ImageReference, StoreError, StoreWarning};
use crate::document::{Document, EditError, JournalRecord, Snapshot, State};
use crate::volume::Volume;

/// The contents of a project: a state and what happened to it since.
#[derive(Debug)]
pub struct Saved {
    /// The image that it belongs to.
    pub image: ImageReference,
    /// What was mended while it was read.
    pub warnings: Vec<StoreWarning>,
    /// What was looked at, as [`Store::save_view`](super::Store::save_view) got it.
    pub view: Option<serde_json::Value>,
    pub(super) snapshot: Snapshot,
    pub(super) records: Vec<JournalRecord>,
}

impl Saved {
    /// The state, with everything in the journal carried out. Should a record not fit, those before it count.
    ///
    /// # Errors
    /// [`StoreError::State`] if the snapshot contradicts itself.
    pub fn into_state(self) -> Result<(State, Vec<StoreWarning>), StoreError> {
        let Self { mut warnings, snapshot, records, .. } = self;
        let mut state = snapshot.into_state()?;
        let total = records.len();
        for (done, record) in records.into_iter().enumerate() {
            if let Err(cause) = state.apply(record) {
                warnings.push(StoreWarning::Replay { records: total - done, cause });
                break;
            }
        }
        Ok((state, warnings))
    }

    /// The document, ready to go on: a stroke cut off by the end of the program is its last step, and changes
    /// are collected for [`Store::append`](super::Store::append).
    ///
    /// # Errors
    /// [`StoreError::Image`] if the image lies on another grid, [`StoreError::State`] as above.
    pub fn into_document(self, image: Arc<Volume>) -> Result<(Document, Vec<StoreWarning>), StoreError> {
        // Before memory is taken for the labels: the image bounds it.
        let (found, expected) = (self.snapshot.grid(), image.grid());
        if !found.matches(expected) {
            return Err(EditError::Grid { found: found.dims(), expected: expected.dims() }.into());
        }
        let (state, warnings) = self.into_state()?;
        Ok((Document::restore(image, state)?, warnings))
    }
}
