//! The thread that plans operations on labels, and undoes and redoes steps too large for a frame.

use std::sync::mpsc::SyncSender;

use hilum_core::document::{Ahead, Arrival, EditError, Foreseen, Journey};
use hilum_core::edit::{Change, EditBasis, Operation, OperationError};
use hilum_core::job::{CancelToken, Observer};

use super::{Event, Inbox, Numbered};
use crate::jobs::watcher::Watcher;

/// Work on labels that takes longer than a frame.
#[derive(Debug)]
pub struct EditRequest {
    /// Number of the request.
    pub request: u64,
    /// What is to be done.
    pub work: EditWork,
    /// Stops it, before or while it runs; a walk through the history only before.
    pub cancel: CancelToken,
}

/// What can be asked of the thread.
#[derive(Debug)]
pub enum EditWork {
    /// What an operation would change.
    Plan {
        /// The operation.
        operation: Operation,
        /// What it works on.
        basis: EditBasis,
    },
    /// The labels at another step of the history.
    Travel(Journey),
    /// A large command.
    Ahead {
        /// The command with what it works on.
        ahead: Box<Ahead>,
        /// Where its outcome goes: whoever needs it at once waits there.
        answer: SyncSender<Result<Foreseen, EditError>>,
    },
}

impl Numbered for EditRequest {
    fn number(&self) -> Option<u64> {
        Some(self.request)
    }
}

/// What the thread answers.
#[derive(Debug)]
pub enum EditEvent {
    /// How far a request is.
    Progress {
        /// Number of the request.
        request: u64,
        /// What is being done.
        what: String,
        /// Share done, where known.
        share: Option<f32>,
    },
    /// What the operation would change; the error is for people, `None` in it: cancelled.
    Planned {
        /// Number of the request.
        request: u64,
        /// The change.
        result: Result<Box<Change>, Option<String>>,
    },
    /// Where a walk through the history led; the error is for people.
    Arrived {
        /// Number of the request.
        request: u64,
        /// The labels there.
        result: Result<Box<Arrival>, String>,
    },
    /// A large command is done; its outcome has been sent.
    Foreseen {
        /// Number of the request.
        request: u64,
    },
}

/// Drops something large on a thread of its own: to give hundreds of megabytes back takes longer than a frame.
pub fn drop_aside<T: Send + 'static>(spent: T) {
    // Where no thread can be made, it is dropped here.
    std::thread::Builder::new().name("drop".into()).spawn(move || drop(spent)).ok();
}

/// Handles one request.
pub fn handle(asked: EditRequest, inbox: &Inbox) {
    let EditRequest { request, work, cancel } = asked;
    let (operation, basis) = match work {
        EditWork::Plan { operation, basis } => (operation, basis),
        EditWork::Ahead { ahead, answer } => {
            // Nobody waits any more once the image is closed.
            answer.send(ahead.carry_out()).ok();
            inbox.send(Event::Edit(EditEvent::Foreseen { request }));
            return;
        }
        EditWork::Travel(_) if cancel.is_cancelled() => return,
        EditWork::Travel(journey) => {
            let result = journey.travel().map(Box::new).map_err(|error| error.to_string());
            inbox.send(Event::Edit(EditEvent::Arrived { request, result }));
            return;
        }
    };
    let told = |what, share| Event::Edit(EditEvent::Progress { request, what, share });
    let watcher = Watcher { told, cancel, inbox };
    let result = match watcher.is_cancelled() {
        true => Err(None),
        false => operation.plan(&basis, &watcher).map(Box::new).map_err(|error| match error {
            OperationError::Cancelled(_) => None,
            error => Some(error.to_string()),
        }),
    };
    // Whoever applies the change finds the labels unshared and need not copy them.
    drop(basis);
    inbox.send(Event::Edit(EditEvent::Planned { request, result }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hilum_core::document::{Document, EditCommand};
    use hilum_core::geometry::VoxelBox;
    use hilum_core::label::BoxMask;

    use super::*;
    use crate::testing::oblique_volume;

    #[test]
    fn an_operation_is_planned_and_a_cancelled_one_is_not() {
        let mut document = Document::new(Arc::new(oblique_volume()));
        let mask = BoxMask::from_fn(VoxelBox::of_voxel([6, 4, 3]), |_| true);
        document.apply(EditCommand::WriteMask { name: "Dot".into(), mask, label: 1 }).unwrap();
        let (inbox, events) = Inbox::new(egui::Context::default());
        let cancelled = CancelToken::default();
        cancelled.cancel();
        for (request, cancel) in [(1, CancelToken::default()), (2, cancelled)] {
            let operation = Operation::Margin { distance_mm: 3.0 };
            let work = EditWork::Plan { operation, basis: document.edit_basis() };
            handle(EditRequest { request, work, cancel }, &inbox);
        }
        let answers: Vec<_> = events
            .try_iter()
            .filter_map(|event| match event {
                Event::Edit(EditEvent::Planned { request, result }) => Some((request, result)),
                _ => None,
            })
            .collect();
        assert!(matches!(&answers[0], (1, Ok(change)) if change.gained() > 6));
        assert!(matches!(answers[1], (2, Err(None))));
    }
}
