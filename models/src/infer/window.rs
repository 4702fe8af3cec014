//! The first stage's window: how large it is, and what the network answered in it.
//!
//! In a small window a network takes a spot in a sarcoma for the whole, in a large one an organ for a nodule. So windows
//! grow while the answer fills them, reaches their border or is unsure, and a larger window must be surer than a
//! smaller one by a margin. The figures of the rule were chosen on training patients and lesions planted into their
//! images, see docs/results/one-click.md.

use hilum_core::geometry::Grid;
use hilum_core::label::BoxMask;
use hilum_core::volume::Volume;

use super::answer;
use super::clicks::Clicks;
use crate::transform::cube::resample_mask;
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Windows of growing size that are tried.
pub(crate) const MAX_WINDOWS: usize = 4;
/// By how much it grows.
pub(crate) const WINDOW_GROWTH: f64 = 1.5;
/// Longest object over the side of the window that suits it; training cuts windows by the same rule.
pub(crate) const WINDOW_SHARE: f64 = 0.8;
/// Share of the window's surface that an answer may touch before the window is taken to be too small.
const BORDER_SHARE: f64 = 0.004;

/// Share of the window's side that an answer must fill before the window is taken to be too small.
const FULL_SHARE: f64 = 0.5;
/// Certainty of the first stage below which a larger window is tried.
const UNSURE: f32 = 0.85;
/// Weight of the second stage's certainty beside that of the first.
const FINE_WEIGHT: f32 = 3.0;
/// By how much certainty must rise with each growth of the window.
const MARGIN: f32 = 0.05;

/// How far the answer of one window is to be trusted.
pub(super) struct Trust {
    /// Side of the window.
    pub(super) side_mm: f64,
    /// Longest axis of the first stage's answer.
    pub(super) length_mm: f64,
    /// Whether that answer reaches the window's border.
    pub(super) is_left: bool,
    /// How sure the first stage is of its own mask, 0..=1.
    pub(super) coarse: f32,
    /// How sure the second stage is.
    pub(super) fine: f32,
}

impl Trust {
    /// Whether the object may be larger than the window shows.
    pub(super) fn may_be_larger(&self) -> bool {
        self.is_left || self.length_mm > FULL_SHARE * self.side_mm || self.coarse < UNSURE
    }

    /// Whether it is to be preferred to that of a smaller window.
    pub(super) fn beats(&self, smaller: &Self) -> bool {
        let certainty = |trust: &Self| trust.coarse + FINE_WEIGHT * trust.fine;
        let growths = (self.side_mm / smaller.side_mm).ln() / WINDOW_GROWTH.ln();
        certainty(self) > certainty(smaller) + MARGIN * growths as f32
    }
}

/// Sides of the windows in the order in which they are tried, in mm: `first_mm`, and larger ones while the image is
/// larger.
pub(super) fn window_sides(first_mm: f64, volume: &Volume, clicks: &Clicks) -> Vec<f64> {
    let largest = volume.grid().extent_mm().into_iter().fold(0.0, f64::max);
    let mut side = first_mm.max(2.5 * clicks.center().1);
    let mut sides = vec![side];
    while sides.len() < MAX_WINDOWS && side < largest {
        side *= WINDOW_GROWTH;
        sides.push(side);
    }
    sides
}

/// Axes of a mask; `None` for an empty one.
pub(super) fn axes_of(mask: &BoxMask, volume: &Volume) -> Option<PrincipalAxes> {
    let grid = volume.grid().sub_grid(mask.region()).ok()?;
    principal_axes(&grid, mask.inside())
}

/// Share of each cube voxel that lies in the present mask.
pub(super) fn previous_in_cube(mask: &BoxMask, volume: &Volume, cube: &Grid) -> Option<Vec<f32>> {
    // One voxel of margin, so that the mask's own border is a border.
    let region = mask.region().grown([1; 3], volume.grid().dims());
    let grid = volume.grid().sub_grid(region).ok()?;
    let padded = mask.cut(region);
    let share = resample_mask(padded.inside(), &grid, cube);
    Some(share.into_iter().map(|s| if s >= 0.5 { 1.0 } else { 0.0 }).collect())
}

/// The coarse answer in its window.
pub(super) struct Window {
    pub(super) grid: Grid,
    pub(super) values: Vec<f32>,
    pub(super) probability: Vec<f32>,
    pub(super) previous: Option<Vec<f32>>,
}

impl Window {
    /// The component at the clicks, else the nearest, else nothing (networks.md D11). What was accepted so far
    /// counts as object, so that a refining click never cuts the cube smaller than the object at hand.
    pub(super) fn component(&self, clicks: &Clicks) -> Option<Vec<bool>> {
        let mut mask: Vec<bool> = self.probability.iter().map(|p| *p >= 0.5).collect();
        for (inside, previous) in mask.iter_mut().zip(self.previous.iter().flatten()) {
            *inside |= *previous >= 0.5;
        }
        answer::component_at(&mask, &self.grid, &clicks.positive)
    }

    /// Whether the object seems to go on beyond the window.
    pub(super) fn is_left_by(&self, component: &[bool]) -> bool {
        let dims = self.grid.dims();
        let at_border = |i: usize| {
            let voxel = self.grid.voxel(i);
            (0..3).any(|a| voxel[a] == 0 || voxel[a] + 1 == dims[a])
        };
        let touching = component.iter().enumerate().filter(|(i, inside)| **inside && at_border(*i)).count();
        let surface = 2 * (dims[0] * dims[1] + dims[1] * dims[2] + dims[0] * dims[2]);
        touching as f64 > BORDER_SHARE * surface as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::cube::cube_grid;
    use hilum_core::geometry::WorldPoint;

    #[test]
    fn a_larger_window_is_tried_when_the_answer_fills_this_one_and_wins_only_when_surer() {
        let small = Trust { side_mm: 96.0, length_mm: 20.0, is_left: false, coarse: 0.9, fine: 0.9 };
        assert!(!small.may_be_larger());
        assert!(Trust { length_mm: 60.0, ..small }.may_be_larger());
        assert!(Trust { coarse: 0.5, ..small }.may_be_larger());
        assert!(!Trust { side_mm: 144.0, coarse: 0.94, ..small }.beats(&small));
        assert!(Trust { side_mm: 144.0, coarse: 0.96, ..small }.beats(&small));
        assert!(!Trust { side_mm: 216.0, coarse: 0.96, ..small }.beats(&small));
    }

    #[test]
    fn a_window_is_left_by_what_crosses_its_border_only() {
        let grid = cube_grid(WorldPoint::origin(), 96.0, 48).unwrap();
        let window = |half: usize| {
            let component: Vec<bool> = (0..grid.voxel_count())
                .map(|i| grid.voxel(i).iter().all(|v| v.abs_diff(24) <= half))
                .collect();
            let window = Window { grid, values: Vec::new(), probability: Vec::new(), previous: None };
            window.is_left_by(&component)
        };
        assert!(!window(20));
        assert!(window(24));
    }
}
