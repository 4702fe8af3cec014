//! Keeping every change on disk while the person works.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use hilum_core::document::{Document, State};

use super::HilumApp;
use crate::command::UiCommand;
use crate::jobs::{Ask, IoRequest, OpenProject, OpenedProject, ProjectEvent, ProjectRequest};
use crate::state::{Dialog, Session, Severity};

/// Writing that failed is tried again after so long, and the view is kept that often.
const RETRY_SECS: f64 = 2.0;
/// How long the program waits for the last write when it ends.
const LAST_WRITE: Duration = Duration::from_secs(10);

impl HilumApp {
    /// From now on the changes of a session are kept.
    pub(super) fn attach(&mut self, session: &mut Session) {
        session.document.start_journal();
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
            ProjectEvent::Found { session, state, warnings } if Some(session) == open => {
                self.state.dialog = Dialog::Recover { steps: state.history().len() };
                self.left_behind = Some((session, *state));
                for warning in warnings {
                    self.state.messages.say(Severity::Warning, warning);
                }
            }
            ProjectEvent::Failed { session, why, is_tried_again } if Some(session) == open => {
                self.state.messages.say(Severity::Warning, why.clone());
                if let Some(session) = self.state.session.as_mut().filter(|_| is_tried_again) {
                    session.not_kept = Some(why);
                }
            }
            ProjectEvent::KeptAgain { session } if Some(session) == open => {
                self.state.messages.say(Severity::Info, "All changes are written now; nothing was lost");
                if let Some(session) = &mut self.state.session {
                    session.not_kept = None;
                }
            }
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
            ProjectEvent::NotMade { session, why } if Some(session) == open => self.state.messages.error(why),
            _ => {}
        }
    }

    /// Commands about projects; `false` if it is none.
    pub(super) fn run_project(&mut self, command: UiCommand) -> bool {
        match command {
            UiCommand::OpenProject => self.ask(Ask::OpenProject),
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
        self.ask_io(IoRequest::OpenProject { request, project, cancel });
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
        if let Some(view) = &view {
            super::project_view::show(&mut session, view);
        }
        self.detach();
        self.state.settings.remember(&folder);
        session.project = Some(folder);
        self.project.ask(ProjectRequest::Adopt { session: session.id, store: Box::new(store) }).ok();
        if session.can_segment() {
            self.infer.ask(crate::jobs::InferRequest::Prepare(self.state.engine_choice())).ok();
        }
        self.replace_session(session);
        self.kept_view = view;
    }

    /// The person's answer to work that an earlier session left.
    pub(super) fn recover(&mut self, yes: bool) {
        self.state.dialog = Dialog::None;
        let Some((id, state)) = self.left_behind.take() else { return };
        let restored = if yes { self.restore(id, state) } else { false };
        self.project.ask(ProjectRequest::Continue(restored)).ok();
    }

    fn restore(&mut self, id: u64, state: State) -> bool {
        let Some(session) = self.state.session.as_mut().filter(|session| session.id == id) else {
            return false;
        };
        match Document::restore(Arc::clone(session.volume()), state) {
            Ok(document) => {
                session.replace_document(document);
                true
            }
            Err(error) => {
                self.state.messages.error(error.to_string());
                false
            }
        }
    }

    /// Hands changes over, not more often than a few times a second; where writing fails, tries again.
    pub(super) fn keep_changes(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.keep_view(ctx, now);
        let Some(session) = &mut self.state.session else { return };
        if session.document.has_unsaved() {
            if let Some(wait) = self.hand_over.wait_secs(now) {
                ctx.request_repaint_after(Duration::from_secs_f64(wait));
                return;
            }
        } else if session.not_kept.is_some() {
            let wait = self.retried_at_secs + RETRY_SECS - now;
            if wait > 0.0 && wait <= RETRY_SECS {
                ctx.request_repaint_after(Duration::from_secs_f64(wait));
                return;
            }
            self.retried_at_secs = now;
        } else {
            return;
        }
        let records = session.document.take_unsaved();
        if let Err(ProjectRequest::Append(records)) = self.project.ask(ProjectRequest::Append(records)) {
            // The disk is slower than the hand: the next frame tries again.
            session.document.put_back_unsaved(records);
            ctx.request_repaint_after(Duration::from_millis(50));
        }
    }

    /// Keeps what is looked at in a project, at rest and not often.
    fn keep_view(&mut self, ctx: &egui::Context, now: f64) {
        let Some(session) = self.state.session.as_ref().filter(|session| session.project.is_some()) else {
            return;
        };
        let view = super::project_view::of(session);
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

    /// The image was closed in good order: nothing of it needs to be kept.
    pub(super) fn detach(&mut self) {
        self.left_behind = None;
        if let Some(session) = self.state.session.as_mut().filter(|session| session.project.is_some()) {
            self.project.ask(ProjectRequest::Append(session.document.take_unsaved())).ok();
            self.project.ask(ProjectRequest::View(super::project_view::of(session))).ok();
        }
        self.project.ask(ProjectRequest::Discard).ok();
    }

    /// Waits for the threads that write before the program ends.
    pub(super) fn finish_project(&mut self) {
        self.detach();
        let (sender, done) = sync_channel(2);
        let waiting = [
            self.io.ask(IoRequest::Flush(sender.clone())).is_ok(),
            self.project.ask(ProjectRequest::Flush(sender)).is_ok(),
        ];
        for _ in waiting.into_iter().filter(|is_asked| *is_asked) {
            done.recv_timeout(LAST_WRITE).ok();
        }
    }
}
