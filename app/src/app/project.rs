//! Keeping every change on disk while the person works.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use hilum_core::document::{Document, EditCommand, State};

use super::HilumApp;
use crate::command::UiCommand;
use crate::jobs::{Ask, IoRequest, Keeping, OpenProject, OpenedProject, ProjectEvent, ProjectRequest};
use crate::state::{Dialog, LabelPurpose, Session, Severity, is_by_networks};

/// Writing that failed is tried again after so long, and the view is kept that often.
const RETRY_SECS: f64 = 2.0;
/// How long the window waits until the last requests for an image are taken.
pub(super) const LAST_REQUEST: Duration = Duration::from_secs(2);
/// How long the program waits for the last write when it ends.
const LAST_WRITE: Duration = Duration::from_secs(10);

/// Earlier work on the open image that waits for an answer.
pub(super) struct LeftBehind {
    session: u64,
    state: State,
    view: Option<serde_json::Value>,
    is_closed: bool,
}

impl HilumApp {
    /// From now on the changes of a session are kept.
    pub(super) fn attach(&mut self, session: &mut Session) {
        session.document.start_journal();
        session.is_kept = self.kept_folder.is_some();
        if let Some(folder) = self.folder_of_opening_case() {
            // The work on a case lies in the worklist, not among that of single images.
            session.project = Some(folder.clone());
            let request = ProjectRequest::Make {
                session: session.id,
                folder,
                volume: Arc::clone(session.volume()),
                snapshot: Box::new(session.document.snapshot()),
            };
            if self.project.ask_waiting(request, LAST_REQUEST).is_err() {
                (session.project, session.is_kept) = (None, false);
                self.state.messages.error("the thread that keeps changes is busy: the case is not kept");
            }
            return;
        }
        let request = ProjectRequest::Attach {
            session: session.id,
            volume: Arc::clone(session.volume()),
            snapshot: Box::new(session.document.snapshot()),
        };
        self.project.ask(request).ok();
    }

    pub(super) fn take_in_project(&mut self, event: ProjectEvent) {
        let open = self.state.session.as_ref().map(|session| session.id);
        match event {
            ProjectEvent::Found { session, state, view, is_closed, warnings } if Some(session) == open => {
                for warning in warnings {
                    self.state.messages.say(Severity::Warning, warning);
                }
                let steps = state.history().len();
                let goes_on = self.goes_on(&state, is_closed);
                self.left_behind = Some(LeftBehind { session, state: *state, view, is_closed });
                if goes_on {
                    self.recover(true);
                    self.say_continued(steps);
                } else {
                    self.state.dialog = Dialog::Recover { steps };
                }
            }
            ProjectEvent::Failed { session, why, keeping } if Some(session) == open => {
                self.state.messages.say(Severity::Warning, why.clone());
                if let Some(session) = &mut self.state.session {
                    session.is_kept &= keeping != Keeping::Off;
                    session.not_kept = (keeping != Keeping::On).then_some(why).or(session.not_kept.take());
                }
            }
            ProjectEvent::KeptAgain { session } if Some(session) == open => {
                self.state.messages.say(Severity::Info, "All changes are written now; nothing was lost");
                if let Some(session) = &mut self.state.session {
                    session.not_kept = None;
                }
            }
            ProjectEvent::Made { folder, .. }
                if self.state.worklist.as_ref().is_some_and(|worklist| worklist.is_own(&folder)) => {}
            ProjectEvent::Made { session, folder } if Some(session) == open => {
                let text = format!("The project is kept from now on: {}", folder.display());
                self.state.messages.say(Severity::Info, text);
                self.state.settings.remember(&folder);
                if let Some(session) = &mut self.state.session {
                    session.project = Some(folder);
                    session.not_kept = None;
                }
                self.kept_view = None;
            }
            ProjectEvent::NotMade { session, why } if Some(session) == open => {
                self.state.messages.error(why);
                let of_case = self.folder_of_open_case();
                if let Some(session) = self.state.session.as_mut().filter(|s| s.project == of_case) {
                    // Nothing keeps the work on this case: closing must ask.
                    (session.project, session.is_kept) = (None, false);
                }
            }
            _ => {}
        }
    }

    /// Whether earlier work goes on without a question: nothing was begun meanwhile, and the work was closed in good
    /// order. Who flips through an album is not asked at all; what a network outlined meanwhile gives way.
    fn goes_on(&self, left: &State, is_closed: bool) -> bool {
        let Some(session) = &self.state.session else { return false };
        let document = &session.document;
        let (is, was) = (document.labels(), left.labels());
        let is_flat = session.photo.is_some();
        let is_fresh = document.prompts().is_empty()
            && (document.history().is_empty() || is_flat && is_by_networks(document.history()));
        if is_flat && self.state.album.is_some() {
            return is_fresh;
        }
        let gives_way = is.is_blank() || !document.history().is_empty() || is.has_labels_of(was);
        is_closed && is_fresh && gives_way
    }

    fn say_continued(&mut self, steps: usize) {
        // Who flips through photographs need not read this for each of them.
        if self.state.session.as_ref().is_some_and(|session| session.photo.is_none()) {
            let count = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
            let text = format!("Your earlier work on this image is here ({count}); the history goes back");
            self.state.messages.say(Severity::Info, text);
        }
    }

    /// Commands about projects; `false` if it is none.
    pub(super) fn run_project(&mut self, command: UiCommand) -> bool {
        match command {
            UiCommand::OpenProject => self.ask(Ask::OpenProject),
            UiCommand::KeptWork => self.show_kept(),
            UiCommand::SaveProject => {
                let Some(session) = self.state.editable() else { return true };
                let mask = session.proposed_mask_name();
                let name = format!("{}.hilum", mask.trim_end_matches("_mask.nii.gz"));
                let source = session.volume().meta().source.path();
                let folder = source.and_then(Path::parent).map(Path::to_owned);
                self.ask(Ask::SaveProject { name, folder });
            }
            _ => return false,
        }
        true
    }

    /// Makes a project of a folder; from then on changes go there.
    pub(super) fn save_project(&mut self, folder: PathBuf) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let requests = [
            ProjectRequest::Append(session.document.take_unsaved()),
            ProjectRequest::Make {
                session: session.id,
                folder,
                volume: Arc::clone(session.volume()),
                snapshot: Box::new(session.document.snapshot()),
            },
        ];
        for request in requests {
            if self.project.ask(request).is_err() {
                self.state.messages.error("the thread that keeps changes is busy; try again in a moment");
                return;
            }
        }
    }

    /// Starts to open a project.
    pub(super) fn open_project(&mut self, project: OpenProject) {
        let name = project.folder.file_name().unwrap_or(project.folder.as_os_str());
        let (request, cancel) = self.begin(name.to_string_lossy().into_owned());
        // Also when the image of a case had to be looked for first.
        self.expect_case_of(&project.folder, request);
        let (sender, released) = sync_channel(1);
        self.project.ask_waiting(ProjectRequest::Flush(sender), LAST_REQUEST).ok();
        self.ask_io(IoRequest::OpenProject { request, project, released, cancel });
    }

    pub(super) fn show_project(&mut self, project: OpenedProject) {
        self.state.opening = None;
        let OpenedProject { folder, volume, image_warnings, state, view, warnings, store } = project;
        let document = match Document::restore(Arc::clone(&volume), state) {
            Ok(document) => document,
            Err(error) => return self.state.messages.error(error.to_string()),
        };
        for warning in warnings {
            self.state.messages.say(Severity::Warning, warning);
        }
        self.announce(&image_warnings);
        self.keep_photo(None);
        let mut session = Session::new(self.number(), document, image_warnings, false);
        session.labels_revision = 1;
        self.detach();
        self.state.options.forget_case();
        if let Some(view) = &view {
            let layout = super::project_view::show(&mut session, &mut self.state.options, view);
            self.state.settings.layout = layout.unwrap_or(self.state.settings.layout);
        }
        let is_project = !self.is_kept_work(&folder);
        if !is_project {
            session.is_kept = true;
            // A path that people know.
            session
                .volume()
                .meta()
                .source
                .path()
                .into_iter()
                .for_each(|path| self.state.settings.remember(path));
        } else if self.folder_of_opening_case().as_deref() != Some(folder.as_path()) {
            self.state.settings.remember(&folder);
        }
        session.project = Some(folder).filter(|_| is_project);
        let adopt = ProjectRequest::Adopt { session: session.id, store: Box::new(store), is_project };
        self.project.ask(adopt).ok();
        if session.can_segment() {
            self.infer.ask(crate::jobs::InferRequest::Prepare(self.state.engine_choice())).ok();
        }
        self.replace_session(session);
        // The view of kept work is written again at once: it says that the work goes on.
        self.kept_view = view.filter(|_| is_project);
    }

    /// The person's answer to work that an earlier session left.
    pub(super) fn recover(&mut self, yes: bool) {
        self.state.dialog = Dialog::None;
        let Some(left) = self.left_behind.take() else { return };
        let Some(session) = self.state.session.as_mut().filter(|session| session.id == left.session) else {
            return;
        };
        if !yes {
            self.project.ask(ProjectRequest::Continue(false)).ok();
            return;
        }
        match Document::restore(Arc::clone(session.volume()), left.state) {
            Ok(document) => {
                let is_same = session.document.labels().has_labels_of(document.labels());
                // Of this very file, and kept with it.
                let is_known = is_same && session.document.history().is_empty();
                let photo = session.photo.as_ref().filter(|photo| is_known && photo.kept.is_some());
                let review = photo.map(|photo| photo.state(&session.document));
                session.replace_document(document);
                session.labelling.retain(|running| {
                    let stays = running.purpose != LabelPurpose::DiscCup;
                    if !stays {
                        running.cancel.cancel();
                    }
                    stays
                });
                if let Some(view) = &left.view {
                    // The layout stays as it is: going on with an image is not opening a project.
                    super::project_view::show(session, &mut self.state.options, view);
                }
                if let Some(photo) = &mut session.photo {
                    // What was undone is not proposed again.
                    photo.asked = true;
                    photo.is_framing_due = true;
                    // What is kept with work that was not closed may be some seconds old.
                    let is_told = left.is_closed && photo.is_marked(&session.document);
                    if let Some(review) = review.filter(|_| !is_told) {
                        // The outlines that were reviewed are those of this history.
                        photo.mark(&session.document, review);
                    }
                }
                self.project.ask(ProjectRequest::Continue(true)).ok();
            }
            Err(error) => {
                // Without an answer what was found stays where it is, and nothing is written over it.
                session.is_kept = false;
                self.state
                    .messages
                    .error(format!("{error}. The earlier work stays as it is; changes are not kept"));
            }
        }
    }

    /// Hands changes over; where writing fails, tries again.
    pub(super) fn keep_changes(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.keep_view(ctx, now);
        let Some(session) = &mut self.state.session else { return };
        // In every frame: the next one may be long in coming where the processor draws. A disk that is slower than the
        // hand fills the queue of its thread, and the changes wait here.
        if !session.document.has_unsaved() {
            if session.not_kept.is_none() {
                return;
            }
            let wait = self.retried_at_secs + RETRY_SECS - now;
            if wait > 0.0 && wait <= RETRY_SECS {
                ctx.request_repaint_after(Duration::from_secs_f64(wait));
                return;
            }
            self.retried_at_secs = now;
        }
        let records = session.document.take_unsaved();
        if !session.is_kept && session.project.is_none() {
            // It was told that they are not; they must not fill the memory.
            return;
        }
        if let Err(ProjectRequest::Append(records)) = self.project.ask(ProjectRequest::Append(records)) {
            // The disk is slower than the hand: the next frame tries again.
            session.document.put_back_unsaved(records);
            ctx.request_repaint_after(Duration::from_millis(50));
        }
    }

    /// Keeps what is looked at, at rest and not often.
    fn keep_view(&mut self, ctx: &egui::Context, now: f64) {
        let has_work =
            |session: &&Session| session.project.is_some() || !session.document.history().is_empty();
        if !self.state.session.as_ref().is_some_and(|session| has_work(&session)) {
            return;
        }
        let view = super::project_view::of(&self.state);
        if self.kept_view.as_ref() == Some(&view) {
            return;
        }
        let wait = self.view_at_secs + RETRY_SECS - now;
        if wait > 0.0 && wait <= RETRY_SECS {
            ctx.request_repaint_after(Duration::from_secs_f64(wait));
            return;
        }
        self.view_at_secs = now;
        self.kept_view = Some(view.clone());
        self.project.ask(ProjectRequest::View(view)).ok();
    }

    /// The image is closed in good order: its work waits for the next time, unless the person has just dropped it.
    pub(super) fn detach(&mut self) {
        self.left_behind = None;
        let dropped = self.dropped.take();
        let view = super::project_view::of(&self.state);
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let state = (session.id, session.document.history().state());
        if session.document.preview().is_some() {
            let text = "The outline that was only proposed is not kept: Enter would have taken it over";
            self.state.messages.say(Severity::Warning, text);
        }
        if dropped == Some(state) {
            self.project.ask(ProjectRequest::Drop).ok();
            return;
        }
        session.document.apply(EditCommand::EndStroke).ok();
        let requests = [ProjectRequest::Append(session.document.take_unsaved()), ProjectRequest::Close(view)];
        for request in requests {
            if self.project.ask_waiting(request, LAST_REQUEST).is_err() {
                self.state
                    .messages
                    .error("the disk is too slow: the last changes to the closed image may be lost");
                return;
            }
        }
    }

    /// Waits for the threads that write before the program ends.
    pub(super) fn finish_project(&mut self) {
        self.detach();
        let (sender, done) = sync_channel(3);
        for _ in 0..self.flush(&sender) {
            done.recv_timeout(LAST_WRITE).ok();
        }
    }
}
