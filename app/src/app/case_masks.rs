//! Masks of many cases at once, from and to files.

use std::path::PathBuf;

use hilum_core::worklist::{CaseChange, CaseId, CaseState};

use super::HilumApp;
use crate::jobs::{MaskPairs, SearchRequest, WrittenMasks};
use crate::state::{Dialog, MaskChoice, Severity};

impl HilumApp {
    /// Looks which masks of a folder belong to which cases.
    pub(super) fn find_masks(&mut self, from: PathBuf) {
        let Some(worklist) = &self.state.worklist else { return };
        let (folder, cases) = (worklist.folder.clone(), worklist.list.cases().to_vec());
        self.ask_search(SearchRequest::FindMasks { folder, cases, from });
    }

    /// Shows them before anything is taken.
    pub(super) fn show_mask_pairs(&mut self, pairs: Result<MaskPairs, String>) {
        match pairs {
            Ok(pairs) => self.state.dialog = Dialog::Masks(MaskChoice { pairs, are_right: true }),
            Err(why) => self.state.messages.error(why),
        }
    }

    pub(super) fn masks_are_right(&mut self, yes: bool) {
        if let Dialog::Masks(choice) = &mut self.state.dialog {
            choice.are_right = yes;
        }
    }

    /// Takes the masks that are shown.
    pub(super) fn take_masks(&mut self) {
        let Dialog::Masks(choice) = std::mem::take(&mut self.state.dialog) else { return };
        let Some(worklist) = &self.state.worklist else { return };
        let case = |id: CaseId| worklist.list.case(id).ok().cloned();
        let open = worklist.open.map(|open| open.case);
        let masks: Vec<_> = choice
            .pairs
            .pairs
            .iter()
            .filter(|pair| Some(pair.case) != open)
            .filter_map(|pair| Some((case(pair.case)?, pair.taken()?.to_owned())))
            .collect();
        if choice.pairs.pairs.iter().any(|pair| Some(pair.case) == open && pair.taken().is_some()) {
            let text = "The case that is open is left out; import its mask with \"Import mask…\"";
            self.state.messages.say(Severity::Warning, text);
        }
        let state = if choice.are_right { CaseState::Corrected } else { CaseState::InWork };
        let (folder, labels) = (worklist.folder.clone(), worklist.list.labels.clone());
        self.ask_search(SearchRequest::TakeMasks { folder, masks, labels, state });
    }

    pub(super) fn masks_taken(&mut self, taken: &[CaseId], state: CaseState, notes: Vec<String>) {
        for note in notes {
            self.state.messages.say(Severity::Warning, note);
        }
        for case in taken {
            self.change_case(*case, CaseChange::State(state));
        }
        let text = format!("Masks were taken over as labels of {} cases", taken.len());
        self.state.messages.say(Severity::Info, text);
        // One of them may have been read as it was before.
        if let Some(worklist) = &mut self.state.worklist {
            worklist.next.take_if(|next| taken.contains(&next.case));
        }
    }

    /// Writes the masks of all cases that are done.
    pub(super) fn write_masks(&mut self, to: PathBuf) {
        self.keep_worklist_now();
        if !(self.keep_case_now() && self.wait_for_worklist()) {
            return self.state.messages.error("the disk is busy; export again in a moment");
        }
        let Some(folder) = self.state.worklist.as_ref().map(|worklist| worklist.folder.clone()) else {
            return;
        };
        self.ask_search(SearchRequest::WriteMasks { folder, to });
    }

    pub(super) fn masks_written(&mut self, to: &std::path::Path, written: Result<WrittenMasks, String>) {
        match written {
            Ok(written) => {
                for note in written.notes {
                    self.state.messages.say(Severity::Warning, note);
                }
                let count = written.files.len();
                if count > 0 {
                    self.state
                        .messages
                        .say(Severity::Info, format!("{count} masks were written: {}", to.display()));
                }
                if let Some(first) = written.refused.first() {
                    let count = written.refused.len();
                    let text =
                        format!("{count} masks were not written to {}; the first: {first}", to.display());
                    self.state.messages.say(Severity::Warning, text);
                }
            }
            Err(why) => self.state.messages.error(why),
        }
    }
}
