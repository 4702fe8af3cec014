//! What several people drew in one image.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::document::{EditCommand, NewLabel};
use hilum_core::label::{BACKGROUND, DIFFERENCES, LabelMap};

use super::HilumApp;
use crate::command::Consensus;
use crate::jobs::SearchRequest;

impl HilumApp {
    pub(super) fn compare_outlines(&mut self) {
        let Some(worklist) = &self.state.worklist else { return };
        let (Some(case), Some(session)) = (worklist.case(), self.state.editable()) else { return };
        let outlines: Vec<(String, PathBuf)> = case
            .outlines
            .iter()
            .map(|outline| (outline.annotator.clone(), worklist.folder.join(&outline.path)))
            .collect();
        let label = session.document.table().active();
        let labels = session.document.labels();
        let own = (labels.count(label) > 0).then(|| Arc::clone(labels));
        let (case, grid) = (case.id, *session.volume().grid());
        self.ask_search(SearchRequest::Compare { case, outlines, own, grid, label });
    }

    /// Writes what several people agree on into the label that was compared: one step.
    pub(super) fn take_consensus(&mut self, consensus: Consensus) {
        let Some(worklist) = &self.state.worklist else { return };
        let Some(comparison) = worklist.comparison.as_ref() else { return };
        let Some(session) = self.state.editable() else { return };
        let (name, inside) = match consensus {
            Consensus::Majority => ("Take majority", &comparison.majority),
            Consensus::Staple => ("Take STAPLE", &comparison.staple),
            Consensus::Differences => ("Mark differences", &comparison.differs),
        };
        let old = session.document.labels();
        if inside.len() != old.grid().voxel_count() {
            return;
        }
        let entries = session.document.table().entries();
        let known = entries.iter().find(|entry| entry.name == DIFFERENCES).map(|entry| entry.id);
        let largest = old.used_labels().last().copied().unwrap_or(0);
        let free = entries.iter().map(|entry| entry.id).fold(largest, u16::max).saturating_add(1);
        let (label, names) = match (consensus, known) {
            (Consensus::Differences, Some(known)) => (known, Vec::new()),
            (Consensus::Differences, None) => (free, vec![NewLabel::named(free, DIFFERENCES)]),
            _ => (comparison.label, Vec::new()),
        };
        // Taking one answer decides on what was noted.
        let is_cleared = |value: u16| value == label || Some(value) == known;
        let values = old.iter().zip(inside).map(|(value, inside)| match inside {
            true => label,
            false if is_cleared(value) => BACKGROUND,
            false => value,
        });
        let Ok(labels) = LabelMap::from_voxels(*old.grid(), values.collect()) else { return };
        self.edit(EditCommand::ReplaceLabels { name: name.into(), labels, names });
    }
}
