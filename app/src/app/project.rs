//! Keeping every change on disk while the person works.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use hilum_core::document::{Document, State};

use super::HilumApp;
use crate::jobs::{IoRequest, ProjectEvent, ProjectRequest};
use crate::state::{Dialog, Session, Severity};

/// Changes wait at most this long before they are handed to the thread that writes.
const HAND_OVER_SECS: f64 = 0.3;
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
            ProjectEvent::Failed { session, why } if Some(session) == open => {
                self.state.messages.say(Severity::Warning, why);
            }
            ProjectEvent::Found { .. } | ProjectEvent::Failed { .. } => {}
        }
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

    /// Hands changes over, not more often than a few times a second.
    pub(super) fn keep_changes(&mut self, ctx: &egui::Context) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.document.has_unsaved())
        else {
            return;
        };
        let now = ctx.input(|i| i.time);
        let wait = self.kept_at_secs + HAND_OVER_SECS - now;
        if wait > 0.0 && wait <= HAND_OVER_SECS {
            ctx.request_repaint_after(Duration::from_secs_f64(wait));
            return;
        }
        self.kept_at_secs = now;
        self.project.ask(ProjectRequest::Append(session.document.take_unsaved())).ok();
    }

    /// The image was closed in good order: nothing of it needs to be kept.
    pub(super) fn detach(&mut self) {
        self.left_behind = None;
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
