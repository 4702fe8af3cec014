//! Undo, redo and jumps in the history, none of which keeps a frame waiting.

use hilum_core::document::{Arrival, EditCommand};
use hilum_core::job::CancelToken;

use super::HilumApp;
use crate::jobs::{EditRequest, EditWork, drop_aside};
use crate::state::{Severity, Walk};

impl HilumApp {
    /// Undoes or redoes one step; while a large one is under way, one step further.
    pub(super) fn walk_by(&mut self, forward: bool) {
        self.finish_aside();
        let Some(session) = self.state.editable() else { return };
        if session.document.has_open_stroke() {
            self.edit(EditCommand::EndStroke);
        }
        let Some(session) = self.state.editable() else { return };
        let from = session.editing.walk.map_or(session.document.history().cursor(), |walk| walk.position);
        let last = session.document.history().len();
        let target = if forward { Some(from + 1).filter(|to| *to <= last) } else { from.checked_sub(1) };
        match target {
            Some(position) => self.walk_to(position),
            // Says that there is nothing.
            None if session.editing.walk.is_none() => {
                self.edit(if forward { EditCommand::Redo } else { EditCommand::Undo });
            }
            None => {}
        }
    }

    /// Goes to a position in the history: so many of the known steps are applied then.
    pub(super) fn walk_to(&mut self, position: usize) {
        self.finish_aside();
        let request = self.number();
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        // An earlier walk leads elsewhere; its answer is dropped.
        session.editing.walk = None;
        let Some(journey) = session.document.journey(position) else {
            self.edit(EditCommand::GoTo(position));
            return;
        };
        // What is being planned is for labels that go now, and would keep the thread busy.
        session.editing.stop();
        session.editing.asked = None;
        let asked = EditRequest { request, work: EditWork::Travel(journey), cancel: CancelToken::default() };
        match self.planner.ask(asked) {
            Ok(()) => session.editing.walk = Some(Walk { request, position }),
            // The thread is gone or has too much to do: better a late frame than a key without effect.
            Err(_) => drop(self.edit(EditCommand::GoTo(position))),
        }
    }

    /// The labels at the other end of a walk are there.
    pub(super) fn arrive(&mut self, request: u64, result: Result<Box<Arrival>, String>) {
        let Some(session) = &mut self.state.session else { return drop_aside(result) };
        if session.editing.walk.take_if(|walk| walk.request == request).is_none() {
            return drop_aside(result);
        }
        match result {
            Ok(arrival) => drop(self.edit(EditCommand::Arrive(arrival))),
            Err(why) => self.state.messages.say(Severity::Warning, why),
        }
    }

    /// Whoever goes on editing while a large step is being undone means the labels after it: they are made at once,
    /// however long it takes.
    pub(super) fn finish_walk_before(&mut self, command: &EditCommand) {
        use EditCommand as E;
        let bears_it = matches!(
            command,
            E::Look(_)
                | E::SetPreview(_)
                | E::StageChange(_)
                | E::DropChange
                | E::SetBrushFilter(_)
                | E::SetDrawWithin(_)
                | E::SetDrawOver(_)
                | E::Arrive(_)
                | E::Foreseen(_)
        );
        let Some(session) = self.state.session.as_mut().filter(|_| !bears_it) else { return };
        if let Some(walk) = session.editing.walk.take() {
            self.edit(E::GoTo(walk.position));
        }
    }
}
