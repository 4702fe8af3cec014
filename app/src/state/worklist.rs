//! The worklist that is open.

use std::path::{Path, PathBuf};

use hilum_core::job::CancelToken;
use hilum_core::worklist::{Case, CaseFilter, CaseId, CaseState, Worklist};

use super::{AppState, Found, LookingBack, NextLabels, Teaching};
use crate::command::UiCommand;
use crate::jobs::{MaskPairs, OutlineComparison};

/// A person counts as away after so long without mouse or keyboard.
const AWAY_SECS: f64 = 30.0;

/// A case whose image is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningCase {
    /// The case.
    pub case: CaseId,
    /// The request that opens its image or project.
    pub request: u64,
}

/// A case whose image is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenCase {
    /// The case.
    pub case: CaseId,
    /// The image.
    pub session: u64,
    /// State of its history when it was last looked at: another one means that somebody worked.
    pub history: u64,
    /// The network was asked about it.
    pub asked: bool,
}

/// The case that comes next, opened before it is asked for.
#[derive(Debug)]
pub struct NextCase {
    /// The case.
    pub case: CaseId,
    /// The request that opens it.
    pub request: u64,
    /// Stops opening it.
    pub cancel: CancelToken,
    /// Its image, once it is open; one that cannot be opened is tried again when it is asked for.
    pub found: Option<Found>,
    /// Its labels.
    pub labels: NextLabels,
}

impl Drop for NextCase {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let NextLabels::Running { cancel, .. } = &self.labels {
            cancel.cancel();
        }
    }
}

/// The worklist that is open.
#[derive(Debug)]
pub struct OpenWorklist {
    /// Its folder.
    pub folder: PathBuf,
    /// Its cases.
    pub list: Worklist,
    /// Which are shown.
    pub filter: CaseFilter,
    /// The case that is being opened.
    pub opening: Option<OpeningCase>,
    /// The case that is open.
    pub open: Option<OpenCase>,
    /// The list differs from what was handed to the disk.
    pub is_changed: bool,
    /// Why it is not on disk.
    pub not_kept: Option<String>,
    /// What several people drew in the open case.
    pub comparison: Option<OutlineComparison>,
    /// The case that comes next.
    pub next: Option<NextCase>,
    /// Teaching its model.
    pub teaching: Teaching,
    /// Comment that is being typed.
    pub comment: Option<String>,
    hand: Hand,
}

/// Masks that may be taken over as labels.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskChoice {
    /// Which belongs to which case.
    pub pairs: MaskPairs,
    /// Whether the cases count as corrected then.
    pub are_right: bool,
}

/// How long the hand was on mouse or keyboard.
#[derive(Clone, Copy, Debug, Default)]
struct Hand {
    last_secs: Option<f64>,
    worked_secs: f64,
}

impl OpenWorklist {
    /// A worklist that was just opened.
    pub fn new(folder: PathBuf, list: Worklist) -> Self {
        Self {
            folder,
            list,
            filter: CaseFilter::default(),
            opening: None,
            open: None,
            is_changed: false,
            not_kept: None,
            comparison: None,
            next: None,
            teaching: Teaching::default(),
            comment: None,
            hand: Hand::default(),
        }
    }

    /// The case that is open.
    pub fn case(&self) -> Option<&Case> {
        self.list.case(self.open?.case).ok()
    }

    /// The case that comes after the one that is open.
    pub fn next(&self) -> Option<CaseId> {
        self.list.next_open(self.open.map(|open| open.case), &self.filter, self.list.order)
    }

    /// Whether a folder is that of one of its cases.
    pub fn is_own(&self, folder: &Path) -> bool {
        folder.starts_with(&self.folder)
    }

    /// The mouse or keyboard was used at a moment.
    pub fn touched(&mut self, now_secs: f64) {
        let hand = &mut self.hand;
        if let Some(last) = hand.last_secs {
            let gap = now_secs - last;
            hand.worked_secs += if (0.0..AWAY_SECS).contains(&gap) { gap } else { 0.0 };
        }
        hand.last_secs = Some(now_secs);
    }

    /// Seconds of work since the last call, if they are worth keeping.
    pub fn take_work(&mut self, at_least_secs: f64) -> Option<f64> {
        let worked = self.hand.worked_secs;
        (worked > at_least_secs).then(|| std::mem::take(&mut self.hand.worked_secs))
    }

    /// Cases by state, and how many are set aside.
    pub fn counts(&self) -> ([usize; CaseState::ALL.len()], usize) {
        let count = |state| self.list.cases().iter().filter(|case| case.state == state).count();
        let aside = |case: &&Case| case.role == hilum_core::worklist::Role::SetAside;
        (CaseState::ALL.map(count), self.list.cases().iter().filter(aside).count())
    }
}

impl AppState {
    /// Where a version looked while it learned, if the image is that of its case.
    pub fn looking_back(&self) -> Option<&LookingBack> {
        let worklist = self.worklist.as_ref()?;
        let looking = worklist.teaching.looking.as_ref()?;
        let is_open = worklist
            .open
            .is_some_and(|open| self.session.as_ref().is_some_and(|session| session.id == open.session));
        worklist.case().filter(|case| is_open && looking.is_of(&case.name)).map(|_| looking)
    }

    /// Whether a command about the worklist makes sense now; `None` for other commands.
    pub(super) fn list_command(&self, command: UiCommand) -> Option<bool> {
        use UiCommand as C;
        let worklist = self.worklist.as_ref();
        let teaching = worklist.map(|worklist| &worklist.teaching);
        Some(match command {
            C::CloseWorklist | C::AddCases | C::AddCaseFolder | C::ImportOutlines | C::NextCase => {
                worklist.is_some()
            }
            C::ImportCaseMasks => worklist.is_some_and(|worklist| !worklist.list.cases().is_empty()),
            C::ExportCaseMasks => {
                worklist.is_some_and(|worklist| worklist.list.cases().iter().any(|case| case.state.is_done()))
            }
            C::MarkCorrected | C::MarkCaseReviewed | C::ReopenCase | C::ToggleSetAside => {
                worklist.is_some_and(|worklist| worklist.open.is_some())
            }
            C::Teach => worklist.is_some_and(|worklist| {
                worklist.teaching.running.is_none()
                    && worklist.list.model.is_some()
                    && worklist.list.teaching().next().is_some()
            }),
            C::PauseTeaching => teaching.is_some_and(|teaching| teaching.running.is_some()),
            C::StopTeaching => {
                teaching.is_some_and(|teaching| teaching.running.is_some() || teaching.ranking.is_some())
            }
            C::RankCases => worklist.is_some_and(|w| w.list.model.is_some() && w.teaching.ranking.is_none()),
            C::CompareOutlines => {
                let has_outlines = |case: &Case| !case.outlines.is_empty();
                worklist.and_then(OpenWorklist::case).is_some_and(has_outlines) && self.editable().is_some()
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use hilum_core::label::LabelTable;

    use super::*;

    #[test]
    fn only_time_with_the_hand_at_work_counts() {
        let mut worklist = OpenWorklist::new("/w".into(), Worklist::new("w", LabelTable::default(), None));
        for now in [10.0, 12.0, 13.0, 100.0, 101.0] {
            worklist.touched(now);
        }
        assert_eq!(worklist.take_work(10.0), None);
        assert_eq!(worklist.take_work(0.5), Some(4.0));
        assert_eq!(worklist.take_work(0.5), None);
    }
}
