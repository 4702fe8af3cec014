//! How fine the volume is drawn, so that the window follows the hand on any device.

use std::time::{Duration, Instant};

use super::scene::SceneFrame;
use crate::state::SceneMode;

/// How fine a picture is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Pixels of the picture relative to those of the view, along an axis.
    pub scale: f32,
    /// Steps along a ray relative to the finest spacing.
    pub step: f32,
    /// Values between voxels are interpolated.
    pub linear: bool,
}

/// From the finest to the coarsest. Surfaces, which cost little, know the first two only: twice as fine as the pixels, and as
/// fine.
pub const LEVELS: [Level; 7] = [
    Level { scale: 1.0, step: 0.7, linear: true },
    Level { scale: 1.0, step: 1.0, linear: true },
    Level { scale: 0.7, step: 1.0, linear: true },
    Level { scale: 0.5, step: 1.0, linear: true },
    Level { scale: 0.5, step: 1.4, linear: false },
    Level { scale: 0.33, step: 2.0, linear: false },
    Level { scale: 0.2, step: 3.0, linear: false },
];

/// Milliseconds a picture may take while the view moves.
const MOVING_MS: f64 = 40.0;
/// The same once it rests.
const RESTING_MS: f64 = 450.0;

/// What drawing costs on this device, learned from every picture.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    ms_per_work: f64,
}

impl Default for Quality {
    /// A cautious guess, that of a graphics device in software.
    fn default() -> Self {
        Self { ms_per_work: 4e-6 }
    }
}

/// Values read for a picture: `pixels` of the view, `voxels` of the finest spacing deep.
fn work(level: Level, pixels: f64, voxels: f64) -> f64 {
    let reads = if level.linear { 8.0 } else { 1.5 };
    pixels * f64::from(level.scale).powi(2) * (voxels / f64::from(level.step)) * reads
}

impl Quality {
    /// The finest level that is drawn in time, or the coarsest.
    pub fn level(&self, pixels: f64, voxels: f64, budget_ms: f64) -> usize {
        let in_time = |level: &Level| work(*level, pixels, voxels) * self.ms_per_work <= budget_ms;
        LEVELS.iter().position(in_time).unwrap_or(LEVELS.len() - 1)
    }

    /// Learns from a picture that took so long.
    pub fn learn(&mut self, level: usize, pixels: f64, voxels: f64, ms: f64) {
        let Some(level) = LEVELS.get(level) else { return };
        let seen = ms / work(*level, pixels, voxels).max(1.0);
        // A single late picture, as when the machine is busy, must not spoil the next ones for long.
        self.ms_per_work =
            (self.ms_per_work + seen.clamp(self.ms_per_work / 8.0, self.ms_per_work * 8.0)) / 2.0;
    }
}

/// Milliseconds that surfaces may take while they change; then they are drawn plainly until they rest.
const QUICK_MS: f32 = 5.0;
/// So long without a change the view rests.
pub(super) const REST: Duration = Duration::from_millis(120);

/// What has been drawn of the 3-D view, and how fine the next picture is to be.
#[derive(Debug, Default)]
pub struct Pace {
    drawn: Option<(SceneFrame, usize, Instant)>,
    quality: Quality,
    last_ms: Option<f32>,
    /// Milliseconds that the last finest picture of surfaces took.
    surfaces_ms: f32,
}

impl Pace {
    /// Milliseconds that the last picture took.
    pub fn last_ms(&self) -> Option<f32> {
        self.last_ms
    }

    /// Whether a finer picture can be drawn when the view rests.
    pub fn is_coarse(&self) -> bool {
        self.drawn.as_ref().is_some_and(|(frame, level, _)| *level > self.resting_level(frame))
    }

    /// How fine to draw a picture that has changed, or could be finer; `None` if the last one will do.
    pub fn due(&self, frame: &SceneFrame) -> Option<usize> {
        let level = match &self.drawn {
            Some((old, level, at)) if old == frame => match at.elapsed() >= REST {
                true => (*level).min(self.resting_level(frame)),
                false => *level,
            },
            _ if frame.mode == SceneMode::Surfaces => usize::from(self.surfaces_ms > QUICK_MS),
            _ => {
                let (pixels, depth) = frame.pixels_and_depth();
                self.quality.level(pixels, depth, MOVING_MS)
            }
        };
        let is_done = self.drawn.as_ref().is_some_and(|(old, done, _)| old == frame && *done == level);
        (!is_done).then_some(level)
    }

    /// Notes a picture.
    pub fn done(&mut self, frame: &SceneFrame, level: usize, ms: f64) {
        self.last_ms = Some(ms as f32);
        if frame.mode != SceneMode::Surfaces {
            let (pixels, depth) = frame.pixels_and_depth();
            self.quality.learn(level, pixels, depth, ms);
        } else if level == 0 {
            self.surfaces_ms = ms as f32;
        }
        self.drawn = Some((frame.clone(), level, Instant::now()));
    }

    /// The picture is gone.
    pub fn forget(&mut self) {
        self.drawn = None;
    }

    fn resting_level(&self, frame: &SceneFrame) -> usize {
        if frame.mode == SceneMode::Surfaces {
            return 0;
        }
        let (pixels, depth) = frame.pixels_and_depth();
        self.quality.level(pixels, depth, RESTING_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures until the cost is known on a device that needs so many ms for a value.
    fn learned(ms_per_work: f64) -> Quality {
        let (mut quality, pixels, voxels) = (Quality::default(), 400_000.0, 600.0);
        for _ in 0..20 {
            let level = quality.level(pixels, voxels, MOVING_MS);
            quality.learn(level, pixels, voxels, work(LEVELS[level], pixels, voxels) * ms_per_work);
        }
        quality
    }

    #[test]
    fn a_fast_device_draws_everything_and_a_slow_one_stays_in_time_while_moving() {
        let fast = learned(1e-9);
        assert_eq!(fast.level(400_000.0, 600.0, MOVING_MS), 0);
        let slow = learned(2e-6);
        let moving = slow.level(400_000.0, 600.0, MOVING_MS);
        assert!(work(LEVELS[moving], 400_000.0, 600.0) * 2e-6 <= MOVING_MS * 1.01);
        assert!(slow.level(400_000.0, 600.0, RESTING_MS) < moving, "it is finer at rest");
        assert_eq!(learned(1e-3).level(400_000.0, 600.0, MOVING_MS), LEVELS.len() - 1);
    }
}
