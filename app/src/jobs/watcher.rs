//! Who watches a long piece of work for the window.

use hilum_core::job::{CancelToken, Observer};

use super::{Event, Inbox};

/// Sends progress as an event, and knows whether a person gave up.
pub(super) struct Watcher<'a, F> {
    /// The event of what is being done, and of which share of it.
    pub(super) told: F,
    pub(super) cancel: CancelToken,
    pub(super) inbox: &'a Inbox,
}

impl<F: Fn(String, Option<f32>) -> Event> Observer for Watcher<'_, F> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        let share = (total > 0).then(|| done as f32 / total as f32);
        self.inbox.try_send((self.told)(what.to_owned(), share));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
