//! Long work as the domain sees it: somebody watches its progress and may want it to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag shared between the one who waits and the one who works.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the work to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked the work to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Who watches long work. Every method has a default, so that `()` watches nothing.
pub trait Observer {
    /// `done` of `total` steps are finished; `what` names the present one ("reading slices").
    fn progress(&self, what: &str, done: u64, total: u64) {
        let _ = (what, done, total);
    }

    /// Whether the work should stop as soon as it can.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Returns when the work may go on: work that can rest calls it between its steps. A watcher that pauses work must
    /// return from here soon after the work is cancelled.
    fn wait_while_paused(&self) {}
}

impl Observer for () {}

/// The work stopped because its watcher asked it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;
