//! How far a figure moves when the outlines do.

use serde::{Deserialize, Serialize};

use super::Extent;

/// How far an outline may lie beside the true one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Pixels of the picture.
    Pixels(f64),
    /// Share of the disc's vertical diameter.
    ShareOfDisc(f64),
}

/// Whether the outlines of disc and cup err together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Each on its own: the interval spans all four combinations of disc and cup drawn too wide or too tight.
    #[default]
    Apart,
    /// Both too wide or both too tight, as by one reader's habit.
    Together,
}

/// The movement of the outlines behind an interval: both are moved along their normal by up to a distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perturbation {
    /// How far.
    pub shift: Shift,
    /// Whether together.
    pub motion: Motion,
}

impl Default for Perturbation {
    /// 2 % of the disc's vertical diameter (4 or 5 pixels of a disc of 230), each outline on its own.
    fn default() -> Self {
        Self { shift: Shift::ShareOfDisc(0.02), motion: Motion::Apart }
    }
}

impl Perturbation {
    /// The distance in pixels for a disc of this vertical diameter; a distance that is not finite or below 0 is 0.
    pub fn shift_px(&self, disc_height_px: f64) -> f64 {
        let shift = match self.shift {
            Shift::Pixels(pixels) => pixels,
            Shift::ShareOfDisc(share) => share * disc_height_px,
        };
        if shift.is_finite() { shift.max(0.0) } else { 0.0 }
    }
}

/// A share with its interval, all within 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The figure of the outlines as they are.
    pub value: f64,
    /// Smallest figure of the moved outlines.
    pub low: f64,
    /// Largest figure of the moved outlines.
    pub high: f64,
}

impl Ratio {
    /// Cup over disc along one direction.
    pub(super) fn of_lengths(cup_px: f64, disc_px: f64, shift_px: f64, motion: Motion) -> Self {
        let moved = |length: f64, by: f64| (length + 2.0 * by).max(0.0);
        Self::over(shift_px, motion, |cup_by, disc_by| (moved(cup_px, cup_by), moved(disc_px, disc_by)))
    }

    /// Cup over disc as areas.
    pub(super) fn of_areas(cup: &Extent, disc: &Extent, shift_px: f64, motion: Motion) -> Self {
        let moved = |shape: &Extent, by: f64| {
            let (area, perimeter) = (shape.area_px as f64, shape.perimeter_px);
            // Beyond the middle of a shape nothing is left of it.
            let by = by.max(-perimeter / std::f64::consts::TAU);
            (area + perimeter * by + std::f64::consts::PI * by * by).max(0.0)
        };
        Self::over(shift_px, motion, |cup_by, disc_by| (moved(cup, cup_by), moved(disc, disc_by)))
    }

    fn over(shift_px: f64, motion: Motion, moved: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let ratio = |cup_by: f64, disc_by: f64| {
            let (cup, disc) = moved(cup_by, disc_by);
            // A disc that has shrunk to nothing leaves the ratio open: all of it may be cup.
            if disc > 0.0 { (cup / disc).clamp(0.0, 1.0) } else { 1.0 }
        };
        let (value, d) = (ratio(0.0, 0.0), shift_px);
        let others = match motion {
            Motion::Apart => [ratio(d, -d), ratio(-d, d)],
            Motion::Together => [ratio(d, d), ratio(-d, -d)],
        };
        let low = others.into_iter().fold(value, f64::min);
        Self { value, low, high: others.into_iter().fold(value, f64::max) }
    }
}
