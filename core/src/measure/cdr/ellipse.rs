//! Ellipses as a first outline, as handles to drag, and to judge how round a disc is.

use serde::{Deserialize, Serialize};

use super::Extent;
use crate::geometry::VoxelBox;
use crate::label::BoxMask;

/// An ellipse in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ellipse {
    /// Its centre `(x, y)`.
    pub center: [f64; 2],
    /// Longer and shorter half axis.
    pub semi_axes_px: [f64; 2],
    /// Direction of the longer axis: radians from +x towards +y, that is clockwise as seen; 0 to π.
    pub angle_rad: f64,
}

impl Ellipse {
    /// The ellipse with the area centre and the second moments of a mask; `None` for an empty mask.
    pub fn fit(mask: &BoxMask) -> Option<Self> {
        (!mask.is_empty()).then(|| Extent::of(mask).ellipse)
    }

    /// From the centre and the variances and covariance of the pixels of a filled shape: a filled ellipse has a
    /// variance of a quarter of the squared half axis along each axis.
    pub(super) fn from_moments(center: [f64; 2], [xx, xy, yy]: [f64; 3]) -> Self {
        let (mean, half_difference) = ((xx + yy) / 2.0, (xx - yy) / 2.0);
        let root = half_difference.hypot(xy);
        let angle = 0.5 * xy.atan2(half_difference);
        Self {
            center,
            semi_axes_px: [2.0 * (mean + root).max(0.0).sqrt(), 2.0 * (mean - root).max(0.0).sqrt()],
            angle_rad: angle.rem_euclid(std::f64::consts::PI),
        }
    }

    /// Shorter over longer axis; 1 is a circle.
    pub fn axis_ratio(&self) -> f64 {
        if self.semi_axes_px[0] > 0.0 { self.semi_axes_px[1] / self.semi_axes_px[0] } else { 1.0 }
    }

    /// The pixels of a picture of `size` columns and rows whose centres lie in it; empty if an axis is not above
    /// 0 or a number is not finite.
    pub fn mask(&self, size: [usize; 2]) -> BoxMask {
        let numbers =
            [self.center[0], self.center[1], self.angle_rad, self.semi_axes_px[0], self.semi_axes_px[1]];
        if numbers.iter().any(|n| !n.is_finite()) || self.semi_axes_px.iter().any(|a| *a <= 0.0) {
            return BoxMask::default();
        }
        let [half_width, half_height] = self.half_extents();
        let [left, right] = pixels_between(self.center[0] - half_width, self.center[0] + half_width, size[0]);
        let [top, bottom] =
            pixels_between(self.center[1] - half_height, self.center[1] + half_height, size[1]);
        let region = VoxelBox::new([left, top, 0], [right, bottom, 1]);
        if region.is_empty() {
            return BoxMask::default();
        }
        let width = region.size()[0];
        let mut inside = vec![false; region.voxel_count()];
        for (row, y) in (top..bottom).enumerate() {
            let Some((low, high)) = self.row_ends(y as f64) else { continue };
            let [from, to] = pixels_between(low, high, size[0]);
            let (from, to) = (from.max(left), to.min(right));
            if from < to {
                inside[row * width + from - left..row * width + to - left].fill(true);
            }
        }
        BoxMask::new(region, inside).unwrap_or_default()
    }

    /// `count` points on it, from the end of the longer axis, clockwise as seen.
    pub fn points(&self, count: usize) -> Vec<[f64; 2]> {
        let (sin, cos) = self.angle_rad.sin_cos();
        let [a, b] = self.semi_axes_px;
        let point = |i: usize| {
            let turn = std::f64::consts::TAU * i as f64 / count as f64;
            let (along, across) = (a * turn.cos(), b * turn.sin());
            [self.center[0] + along * cos - across * sin, self.center[1] + along * sin + across * cos]
        };
        (0..count).map(point).collect()
    }

    /// Half of its width and height.
    fn half_extents(&self) -> [f64; 2] {
        let (sin, cos) = self.angle_rad.sin_cos();
        let [a, b] = self.semi_axes_px;
        [(a * cos).hypot(b * sin), (a * sin).hypot(b * cos)]
    }

    /// Where the row `y` enters and leaves it.
    fn row_ends(&self, y: f64) -> Option<(f64, f64)> {
        let (sin, cos) = self.angle_rad.sin_cos();
        let [a, b] = self.semi_axes_px.map(|axis| 1.0 / (axis * axis));
        // xx·dx² + 2·xy·dx·dy + yy·dy² = 1 on the outline.
        let (xx, xy, yy) =
            (cos * cos * a + sin * sin * b, cos * sin * (a - b), sin * sin * a + cos * cos * b);
        let dy = y - self.center[1];
        let root = (xy * dy).powi(2) - xx * (yy * dy * dy - 1.0);
        (root >= 0.0).then(|| {
            let (middle, half) = (self.center[0] - xy * dy / xx, root.sqrt() / xx);
            (middle - half, middle + half)
        })
    }
}

/// The pixels, half open, whose centres lie between two places along an axis of `count` pixels.
pub(super) fn pixels_between(low: f64, high: f64, count: usize) -> [usize; 2] {
    let last = count as f64;
    [low.ceil().clamp(0.0, last) as usize, (high.floor() + 1.0).clamp(0.0, last) as usize]
}
