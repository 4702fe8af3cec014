//! Pausing and stopping work that runs on another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hilum_core::job::Observer;

const RUNS: u8 = 0;
const RESTS: u8 = 1;
const STOPS: u8 = 2;

/// How often resting work looks whether it may go on.
const GLANCE: Duration = Duration::from_millis(20);

/// The handle of a fine-tuning: one clone for who watches, one for who works.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<AtomicU8>);

impl Control {
    /// Lets the work rest after its present step.
    pub fn pause(&self) {
        self.0.compare_exchange(RUNS, RESTS, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Lets the work go on.
    pub fn resume(&self) {
        self.0.compare_exchange(RESTS, RUNS, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Ends the work after its present step; what was learned is kept as a candidate.
    pub fn stop(&self) {
        self.0.store(STOPS, Ordering::Relaxed);
    }

    /// Takes a stop as carried out, so that what follows can be stopped by itself.
    pub fn stop_was_carried_out(&self) {
        self.0.compare_exchange(STOPS, RUNS, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Whether it was told to rest.
    pub fn is_paused(&self) -> bool {
        self.0.load(Ordering::Relaxed) == RESTS
    }
}

impl Observer for Control {
    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STOPS
    }

    fn wait_while_paused(&self) {
        while self.is_paused() {
            std::thread::sleep(GLANCE);
        }
    }
}
