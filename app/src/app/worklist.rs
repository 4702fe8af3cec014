//! Worklists: opening cases one after the other, what the network proposes, what becomes of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hilum_core::worklist::{CaseChange, CaseId, CaseState, FoundImages, Role, Worklist};

use super::HilumApp;
use crate::command::{UiCommand, WorklistAction};
use crate::jobs::{Ask, CopiedOutlines, ProjectRequest, SearchRequest, WorklistEvent, WorklistRequest};
use crate::state::{Guarded, OpenWorklist, Session, Severity};

/// The list is written at most this often, and again after a failure.
const KEEP_SECS: f64 = 0.3;
const RETRY_SECS: f64 = 2.0;
/// Time of work is kept once it is this much.
const WORK_SECS: f64 = 20.0;
/// How long another thread may take to write a small file.
const LAST_WRITE: Duration = Duration::from_secs(2);

fn now_unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Who works where the settings do not say: the account of the computer.
fn account() -> String {
    ["USER", "USERNAME", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}

impl HilumApp {
    /// Who works.
    pub(super) fn annotator(&self) -> String {
        match self.state.settings.annotator.trim() {
            "" => account(),
            name => name.to_owned(),
        }
    }

    /// Steps are recorded under the name of who makes them.
    pub(super) fn tell_annotator(&mut self) {
        self.project
            .ask_waiting(ProjectRequest::Person(self.state.settings.annotator.clone()), LAST_WRITE)
            .ok();
    }

    /// Commands about worklists; `false` if it is none.
    pub(super) fn run_worklist(&mut self, ctx: &egui::Context, command: UiCommand) -> bool {
        use UiCommand as C;
        match command {
            C::NewWorklist => self.ask(Ask::NewWorklist),
            C::OpenWorklist => self.ask(Ask::OpenWorklist),
            C::CloseWorklist => self.close_worklist(),
            C::AddCases => self.ask(Ask::AddCases),
            C::AddCaseFolder => self.ask(Ask::AddCaseFolder),
            C::ImportOutlines => self.ask(Ask::ImportOutlines),
            C::ImportCaseMasks => self.ask(Ask::ImportCaseMasks),
            C::ExportCaseMasks => self.ask(Ask::ExportCaseMasks),
            C::NextCase => {
                let next = self.state.worklist.as_ref().and_then(OpenWorklist::next);
                match next {
                    Some(case) => self.guard(ctx, Guarded::Case(case)),
                    None => self.state.messages.say(Severity::Info, "Every other case that is shown is done"),
                }
            }
            C::MarkCorrected => self.mark_case(CaseState::Corrected),
            C::MarkCaseReviewed => self.mark_case(CaseState::Reviewed),
            C::ReopenCase => self.mark_case(CaseState::InWork),
            C::ToggleSetAside => {
                let Some(case) = self.state.worklist.as_ref().and_then(OpenWorklist::case) else {
                    return true;
                };
                let role = if case.role == Role::SetAside { Role::Teaching } else { Role::SetAside };
                self.change_case(case.id, CaseChange::Role(role));
            }
            C::CompareOutlines => self.compare_outlines(),
            _ => return false,
        }
        true
    }

    pub(super) fn worklist(&mut self, ctx: &egui::Context, action: WorklistAction) {
        match action {
            WorklistAction::Create(folder) => {
                let name = folder.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let model = self.state.default_labeller();
                let labels = self.state.labels_of(model.as_deref());
                let list = Box::new(Worklist::new(name, labels, model));
                self.ask_worklist(WorklistRequest::Create { folder, list });
            }
            WorklistAction::OpenList(folder) => self.open_worklist(folder),
            WorklistAction::Add(paths) => {
                let Some(worklist) = &self.state.worklist else { return };
                let folder = worklist.folder.clone();
                self.ask_search(SearchRequest::Find { folder, paths });
            }
            WorklistAction::ImportOutlines(from) => {
                let Some(worklist) = &self.state.worklist else { return };
                let (folder, cases) = (worklist.folder.clone(), worklist.list.cases().to_vec());
                self.ask_search(SearchRequest::FindOutlines { folder, cases, from });
            }
            WorklistAction::FindMasks(from) => self.find_masks(from),
            WorklistAction::MasksAreRight(yes) => self.masks_are_right(yes),
            WorklistAction::TakeMasks => self.take_masks(),
            WorklistAction::WriteMasks(to) => self.write_masks(to),
            WorklistAction::Show(case) => self.guard(ctx, Guarded::Case(case)),
            WorklistAction::Filter(filter) => self.with_worklist(|worklist| worklist.filter = filter),
            WorklistAction::Order(order) => self.with_worklist(|worklist| {
                worklist.is_changed |= worklist.list.order != order;
                worklist.list.order = order;
            }),
            WorklistAction::Model(model) => {
                let labels = self.state.labels_of(model.as_deref());
                self.with_worklist(|worklist| {
                    // New cases start with the labels of the model that is taught with them.
                    worklist.list.labels = labels;
                    worklist.list.model = model;
                    worklist.is_changed = true;
                    worklist.teaching.versions = None;
                });
                self.renew_labels_of_next_case();
                self.list_versions();
            }
            WorklistAction::Typing(text) => self.with_worklist(|worklist| worklist.comment = Some(text)),
            WorklistAction::Comment => self.keep_comment(),
            WorklistAction::Role(case, role) => self.change_case(case, CaseChange::Role(role)),
            WorklistAction::Remove(case) => self.remove_case(case),
            WorklistAction::TakeConsensus(consensus) => self.take_consensus(consensus),
        }
    }

    pub(super) fn with_worklist(&mut self, change: impl FnOnce(&mut OpenWorklist)) {
        if let Some(worklist) = &mut self.state.worklist {
            change(worklist);
        }
    }

    fn ask_worklist(&mut self, request: WorklistRequest) {
        if self.worklists.ask(request).is_err() {
            self.state.messages.error("the thread of the worklist is busy; try again in a moment");
        }
    }

    pub(super) fn ask_search(&mut self, request: SearchRequest) {
        if self.searches.ask(request).is_err() {
            self.state.messages.error("the thread that searches is busy; try again in a moment");
        }
    }

    pub(super) fn open_worklist(&mut self, folder: PathBuf) {
        self.keep_worklist_now();
        self.ask_worklist(WorklistRequest::Open { folder });
    }

    fn close_worklist(&mut self) {
        self.keep_worklist_now();
        self.state.worklist = None;
        self.ask_worklist(WorklistRequest::Close);
    }

    pub(super) fn take_in_worklist(&mut self, event: WorklistEvent) {
        match event {
            WorklistEvent::Opened { folder, list, warnings } => {
                for warning in warnings {
                    self.state.messages.say(Severity::Warning, warning);
                }
                self.state.settings.remember(&folder);
                let mut worklist = OpenWorklist::new(folder, *list);
                worklist.teaching.choice = self.state.settings.teach;
                self.state.worklist = Some(worklist);
                self.list_versions();
            }
            WorklistEvent::NotOpened(why) => self.state.messages.error(why),
            WorklistEvent::NotKept(why) => {
                self.state.messages.say(Severity::Warning, why.clone());
                self.with_worklist(|worklist| worklist.not_kept = Some(why));
            }
            WorklistEvent::KeptAgain => {
                self.with_worklist(|worklist| worklist.not_kept = None);
                self.state.messages.say(Severity::Info, "The worklist is written now; nothing was lost");
                self.list_versions();
            }
            WorklistEvent::Found(folder, _)
            | WorklistEvent::Outlines(folder, _)
            | WorklistEvent::MaskPairs(folder, _)
            | WorklistEvent::MasksTaken { folder, .. }
                if self.state.worklist.as_ref().is_none_or(|worklist| worklist.folder != folder) =>
            {
                let text = "What was found is not added: the worklist that it was for is closed";
                self.state.messages.say(Severity::Warning, text);
            }
            WorklistEvent::Found(_, found) => self.add_cases(found),
            WorklistEvent::Outlines(_, copied) => self.add_outlines(copied),
            WorklistEvent::MaskPairs(_, pairs) => self.show_mask_pairs(pairs),
            WorklistEvent::MasksTaken { taken, state, notes, .. } => self.masks_taken(&taken, state, notes),
            WorklistEvent::MasksWritten(to, written) => self.masks_written(&to, written),
            WorklistEvent::Compared(Ok(comparison)) => {
                self.with_worklist(|worklist| worklist.comparison = Some(*comparison));
            }
            WorklistEvent::Compared(Err(why)) => self.state.messages.error(why),
        }
    }

    fn add_cases(&mut self, found: FoundImages) {
        for note in found.notes {
            self.state.messages.say(Severity::Warning, note);
        }
        let Some(worklist) = &mut self.state.worklist else { return };
        let folder = worklist.folder.clone();
        let (mut added, mut known) = (0, 0);
        for image in found.images {
            match worklist.list.add(&folder, image, now_unix_secs()) {
                Ok(_) => added += 1,
                Err(_) => known += 1,
            }
        }
        worklist.is_changed = true;
        let cases =
            if added == 1 { "1 case was added".to_owned() } else { format!("{added} cases were added") };
        let text = if known > 0 { format!("{cases}; {known} were in the list already") } else { cases };
        self.state.messages.say(Severity::Info, text);
    }

    fn add_outlines(&mut self, copied: CopiedOutlines) {
        let CopiedOutlines { outlines, notes } = copied;
        for note in notes {
            self.state.messages.say(Severity::Warning, note);
        }
        let count = outlines.len();
        for (case, outline) in outlines {
            self.change_case(case, CaseChange::AddOutline(outline));
        }
        if count > 0 {
            let text = format!("Outlines were imported for {count} cases");
            self.state.messages.say(Severity::Info, text);
        }
    }

    /// Changes a case; a refusal is told.
    pub(super) fn change_case(&mut self, case: CaseId, change: CaseChange) {
        let Some(worklist) = &mut self.state.worklist else { return };
        match worklist.list.apply(case, change, now_unix_secs()) {
            Ok(is_different) => worklist.is_changed |= is_different,
            Err(error) => self.state.messages.error(error.to_string()),
        }
    }

    fn remove_case(&mut self, case: CaseId) {
        let Some(worklist) = &mut self.state.worklist else { return };
        if worklist.open.is_some_and(|open| open.case == case) {
            worklist.open = None;
        }
        if worklist.list.remove(case).is_ok() {
            worklist.is_changed = true;
            self.state.messages.say(Severity::Info, "The case is off the list; its work stays on disk");
        }
    }

    fn mark_case(&mut self, state: CaseState) {
        self.follow_case();
        let Some(case) = self.state.worklist.as_ref().and_then(|worklist| worklist.open) else { return };
        self.change_case(case.case, CaseChange::State(state));
        let Some(session) = self.state.session.as_mut().filter(|session| session.id == case.session) else {
            return;
        };
        let records = session.document.take_unsaved();
        if let Err(request) = self.project.ask_waiting(ProjectRequest::Append(records), LAST_WRITE) {
            give_back(session, request);
        }
        // The labels that the state speaks of stand in the record of provenance.
        let requests = [ProjectRequest::Attest {
            why: state.name().to_owned(),
            labels: Arc::clone(session.document.labels()),
        }];
        for request in requests {
            if self.project.ask_waiting(request, Duration::from_secs(2)).is_err() {
                self.state.messages.error("the thread that keeps changes is busy; try again in a moment");
            }
        }
    }

    /// Every frame: the time of the hand, the state of the case, and the list on disk when something has changed.
    pub(super) fn tend_worklist(&mut self, ctx: &egui::Context) {
        if self.state.worklist.is_none() {
            return;
        }
        let (now, is_touched) = ctx.input(|i| (i.time, !i.events.is_empty()));
        if is_touched {
            self.with_worklist(|worklist| worklist.touched(now));
            self.keep_work(WORK_SECS);
        }
        self.follow_case();
        self.prefetch_case();
        let Some(worklist) = &mut self.state.worklist else { return };
        if !worklist.is_changed && worklist.not_kept.is_none() {
            return;
        }
        let pause = if worklist.is_changed { KEEP_SECS } else { RETRY_SECS };
        let wait = self.worklist_at_secs + pause - now;
        if wait > 0.0 && wait <= pause {
            ctx.request_repaint_after(Duration::from_secs_f64(wait));
            return;
        }
        self.worklist_at_secs = now;
        self.hand_over_worklist();
        ctx.request_repaint_after(Duration::from_secs_f64(RETRY_SECS));
    }

    fn hand_over_worklist(&mut self) {
        let Some(worklist) = &mut self.state.worklist else { return };
        let (folder, list) = (worklist.folder.clone(), Box::new(worklist.list.clone()));
        let request = WorklistRequest::Keep { folder, list };
        worklist.is_changed = self.worklists.ask(request).is_err();
    }

    /// Writes what is not written before the list or the window closes.
    pub(super) fn keep_worklist_now(&mut self) {
        self.leave_case();
        if self.state.worklist.as_ref().is_some_and(|worklist| worklist.is_changed) {
            self.hand_over_worklist();
        }
    }

    /// Waits until the list is on disk, for threads that read it there. A moment: the file is small.
    pub(super) fn wait_for_worklist(&mut self) -> bool {
        let (sender, done) = std::sync::mpsc::sync_channel(1);
        self.worklists.ask(WorklistRequest::Flush(sender)).is_ok() && done.recv_timeout(LAST_WRITE).is_ok()
    }

    /// Hands the changes of the open case to the disk and waits until they are there.
    pub(super) fn keep_case_now(&mut self) -> bool {
        let Some(session) = &mut self.state.session else { return true };
        let (sender, done) = std::sync::mpsc::sync_channel(1);
        let records = session.document.take_unsaved();
        if let Err(request) = self.project.ask_waiting(ProjectRequest::Append(records), LAST_WRITE) {
            give_back(session, request);
            return false;
        }
        self.project.ask_waiting(ProjectRequest::Flush(sender), LAST_WRITE).is_ok()
            && done.recv_timeout(LAST_WRITE).is_ok()
    }

    /// Tells `sender` when the list is on disk; whether it was asked.
    pub(super) fn flush_worklist(&mut self, sender: SyncSender<()>) -> bool {
        self.keep_worklist_now();
        self.worklists.ask(WorklistRequest::Flush(sender)).is_ok()
    }
}

/// Changes that the disk did not take in time come first the next time.
fn give_back(session: &mut Session, request: ProjectRequest) {
    if let ProjectRequest::Append(records) = request {
        session.document.put_back_unsaved(records);
    }
}

/// The version of a model that is in use in the list that is open.
pub(super) fn worklist_version(state: &crate::state::AppState, model: String) -> String {
    let current = state.worklist.as_ref().and_then(|worklist| worklist.teaching.current());
    current.filter(|id| id.split('@').next() == Some(model.as_str())).map_or(model.clone(), str::to_owned)
}
