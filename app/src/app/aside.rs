//! Commands that change so many voxels that a frame would be late: done on the thread of operations.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use hilum_core::document::{EditCommand, EditError, Foreseen};
use hilum_core::job::CancelToken;

use super::HilumApp;
use crate::jobs::{EditRequest, EditWork};
use crate::state::Severity;

/// How often answers of threads are taken in while one of them is waited for.
const GLANCE: Duration = Duration::from_millis(5);

/// A command under way.
pub(super) struct Aside {
    request: u64,
    session: u64,
    answer: Receiver<Result<Foreseen, EditError>>,
    /// What is said once it is done.
    said: Vec<(Severity, String)>,
}

impl HilumApp {
    /// Carries a command out, beside the window if it is large, and says something once it is done.
    pub(super) fn edit_aside(&mut self, command: EditCommand, said: Vec<(Severity, String)>) {
        self.finish_walk_before(&command);
        self.finish_aside();
        let request = self.number();
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        // What is being planned is for labels that go now, and would keep the thread busy; it is planned anew.
        session.editing.stop();
        session.editing.asked = None;
        if !session.document.is_large(&command) {
            let is_done = self.edit(command).is_some();
            return self.say_all(said, is_done);
        }
        let ahead = session.document.ahead(command);
        let (sender, answer) = sync_channel(1);
        let session = session.id;
        let work = EditWork::Ahead { ahead, answer: sender };
        match self.planner.ask(EditRequest { request, work, cancel: CancelToken::default() }) {
            Ok(()) => self.aside = Some(Aside { request, session, answer, said }),
            // The thread is gone or has too much to do: better a late frame than a command without effect.
            Err(asked) => {
                if let EditWork::Ahead { ahead, .. } = asked.work {
                    self.take_foreseen(ahead.carry_out(), said);
                }
            }
        }
    }

    /// The thread says that a command is done.
    pub(super) fn aside_is_done(&mut self, request: u64) {
        if self.aside.as_ref().is_some_and(|aside| aside.request == request) {
            self.finish_aside();
        }
    }

    /// Whoever goes on editing means the labels after the command that is under way: it is waited for.
    pub(super) fn finish_aside(&mut self) {
        let Some(aside) = self.aside.take() else { return };
        if self.state.session.as_ref().is_none_or(|session| session.id != aside.session) {
            return;
        }
        loop {
            match aside.answer.recv_timeout(GLANCE) {
                Ok(outcome) => return self.take_foreseen(outcome, aside.said),
                // The thread may be waiting until this one takes its answers.
                Err(RecvTimeoutError::Timeout) => self.early.extend(self.events.try_iter()),
                Err(RecvTimeoutError::Disconnected) => {
                    let text =
                        "The change could not be made: the thread of operations ended. Nothing was changed";
                    return self.state.messages.say(Severity::Warning, text);
                }
            }
        }
    }

    fn take_foreseen(&mut self, outcome: Result<Foreseen, EditError>, said: Vec<(Severity, String)>) {
        match outcome {
            Ok(foreseen) => {
                let is_done = self.edit(EditCommand::Foreseen(Box::new(foreseen))).is_some();
                self.say_all(said, is_done);
            }
            Err(error) => self.state.messages.say(Severity::Warning, error.to_string()),
        }
    }

    fn say_all(&mut self, said: Vec<(Severity, String)>, is_done: bool) {
        for (severity, text) in said.into_iter().filter(|_| is_done) {
            self.state.messages.say(severity, text);
        }
    }
}
