//! Who watches an image being opened.

use std::time::{Duration, Instant};

use hilum_core::io::OpenObserver;
use hilum_core::job::{CancelToken, Observer};
use hilum_core::volume::Volume;

use super::super::{Event, Inbox};
use super::IoEvent;

/// Progress is told at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

/// Tells the window how opening goes.
pub(super) struct Watcher<'a> {
    pub(super) request: u64,
    cancel: CancelToken,
    inbox: &'a Inbox,
    last: std::sync::Mutex<Option<Instant>>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(request: u64, cancel: CancelToken, inbox: &'a Inbox) -> Self {
        Self { request, cancel, inbox, last: std::sync::Mutex::new(None) }
    }
}

impl Observer for Watcher<'_> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < PROGRESS_PAUSE) && done < total {
            return;
        }
        *last = Some(Instant::now());
        let share = (total > 0).then(|| done as f32 / total as f32);
        let event = IoEvent::Progress { request: self.request, what: what.to_owned(), share };
        self.inbox.try_send(Event::Io(event));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// Tells how opening goes, without a first slice: the image may be the wrong one.
pub(super) struct Quiet<'a>(pub(super) &'a Watcher<'a>);

impl Observer for Quiet<'_> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        self.0.progress(what, done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl OpenObserver for Quiet<'_> {}

impl OpenObserver for Watcher<'_> {
    fn first_slice(&self, slice: Volume) {
        let event = IoEvent::FirstSlice { request: self.request, slice: Box::new(slice) };
        self.inbox.try_send(Event::Io(event));
    }
}
