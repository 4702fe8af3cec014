//! Seconds of each stage, progress and cancellation.

use std::time::Instant;

use hilum_core::job::{Cancelled, Observer};

use super::window::MAX_WINDOWS;

/// Times the stages and stops between them when asked to.
pub(super) struct Clock<'a> {
    observer: &'a dyn Observer,
    seconds: Vec<(String, f64)>,
    present: Option<usize>,
    begun: u64,
    since: Instant,
}

/// Stages at most: three for every window.
const STAGES: u64 = 3 * MAX_WINDOWS as u64;

impl<'a> Clock<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, seconds: Vec::new(), present: None, begun: 0, since: Instant::now() }
    }

    pub(super) fn begin(&mut self, stage: &str) -> Result<(), Cancelled> {
        self.close();
        if self.observer.is_cancelled() {
            return Err(Cancelled);
        }
        self.observer.progress(stage, self.begun, STAGES);
        self.begun += 1;
        self.present = match self.seconds.iter().position(|(name, _)| name == stage) {
            Some(known) => Some(known),
            None => {
                self.seconds.push((stage.to_owned(), 0.0));
                Some(self.seconds.len() - 1)
            }
        };
        Ok(())
    }

    fn close(&mut self) {
        let elapsed = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        if let Some(present) = self.present {
            self.seconds[present].1 += elapsed;
        }
    }

    pub(super) fn finish(mut self) -> Vec<(String, f64)> {
        self.close();
        self.seconds
    }
}
