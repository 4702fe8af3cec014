//! Slices that run by on their own.

use super::{ViewId, Views};
use hilum_core::volume::Volume;

/// Slowest and fastest rate in slices a second.
pub const CINE_RANGE_HZ: (f32, f32) = (1.0, 60.0);

/// A film that is running.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cine {
    /// The view whose slices run by.
    pub view: ViewId,
    /// Towards the last slice.
    pub forward: bool,
    /// When the last slice was shown, in seconds of the window's clock.
    shown_at_secs: f64,
}

impl Cine {
    /// Starts with a view.
    pub fn new(view: ViewId, now_secs: f64) -> Self {
        Self { view, forward: true, shown_at_secs: now_secs }
    }

    /// Moves on by as many slices as are due; after the last one the first follows or, to and fro, the one before.
    /// Returns the seconds until the next slice.
    pub fn advance(
        &mut self,
        views: &mut Views,
        volume: &Volume,
        now_secs: f64,
        rate_hz: f32,
        bounce: bool,
    ) -> f64 {
        let period = 1.0 / f64::from(rate_hz.clamp(CINE_RANGE_HZ.0, CINE_RANGE_HZ.1));
        let count = views.slice_number(volume, self.view).1.max(1);
        // A window that slept does not catch up.
        let due = ((now_secs - self.shown_at_secs) / period).floor().clamp(0.0, count as f64);
        for _ in 0..due as usize {
            self.step(views, volume, bounce);
        }
        if due > 0.0 {
            self.shown_at_secs = (self.shown_at_secs + due * period).max(now_secs - period);
        }
        (self.shown_at_secs + period - now_secs).max(0.0)
    }

    fn step(&mut self, views: &mut Views, volume: &Volume, bounce: bool) {
        if self.moved(views, volume) {
            return;
        }
        if bounce {
            self.forward = !self.forward;
            self.moved(views, volume);
        } else {
            views.scroll(volume, self.view, if self.forward { -1e7 } else { 1e7 });
        }
    }

    /// Takes a step; `false` at the end.
    fn moved(&self, views: &mut Views, volume: &Volume) -> bool {
        let before = views.crosshair;
        views.scroll(volume, self.view, if self.forward { 1.0 } else { -1.0 });
        (views.crosshair - before).norm() > 1e-6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::geometry::Grid;
    use hilum_core::volume::{ImageMeta, Voxels};

    fn slices(bounce: bool) -> Vec<usize> {
        let grid = Grid::from_spacing([4, 5, 4], [1.0, 1.5, 3.0]).unwrap();
        let volume = Volume::new(grid, Voxels::U8(vec![0; 80]), ImageMeta::default()).unwrap();
        let mut views = Views::new(&volume);
        let axial = ViewId::PLANES[0];
        views.scroll(&volume, axial, -100.0);
        let mut cine = Cine::new(axial, 0.0);
        (1..=8)
            .map(|tick| {
                cine.advance(&mut views, &volume, f64::from(tick) * 0.1 + 1e-6, 10.0, bounce);
                views.slice_number(&volume, axial).0
            })
            .collect()
    }

    #[test]
    fn a_film_begins_again_or_runs_back() {
        assert_eq!(slices(false), [3, 2, 1, 4, 3, 2, 1, 4]);
        assert_eq!(slices(true), [3, 2, 1, 2, 3, 4, 3, 2]);
    }
}
