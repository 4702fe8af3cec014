//! The field of view: what of a fundus photograph is retina and not the black around it.

use serde::Serialize;

use super::Picture;
use crate::geometry::VoxelBox;
use crate::label::BoxMask;
use crate::paint::{Components, Connectivity};
use crate::random::SplitMix;

/// A circle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Circle {
    /// Centre `(x, y)`; the centre of a pixel has whole numbers.
    pub center: [f64; 2],
    /// Radius.
    pub radius_px: f64,
}

impl Circle {
    /// Whether a place lies within.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        (x - self.center[0]).powi(2) + (y - self.center[1]).powi(2) <= self.radius_px.powi(2)
    }

    /// The circle through three places, unless they lie on a line.
    fn through([a, b, c]: [[f64; 2]; 3]) -> Option<Self> {
        let (bx, by, cx, cy) = (b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]);
        let twice = 2.0 * (bx * cy - by * cx);
        if twice.abs() < 1e-6 {
            return None;
        }
        let (bb, cc) = (bx * bx + by * by, cx * cx + cy * cy);
        let (x, y) = ((cy * bb - by * cc) / twice, (bx * cc - cx * bb) / twice);
        Some(Self { center: [a[0] + x, a[1] + y], radius_px: x.hypot(y) })
    }

    /// The circle of least squared algebraic distance (Kåsa 1976).
    fn fit(points: &[[f64; 2]]) -> Option<Self> {
        let n = points.len() as f64;
        let mean = [0, 1].map(|a| points.iter().map(|p| p[a]).sum::<f64>() / n);
        let (mut uu, mut uv, mut vv, mut u3, mut v3) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for point in points {
            let (u, v) = (point[0] - mean[0], point[1] - mean[1]);
            let squared = u * u + v * v;
            (uu, uv, vv, u3, v3) = (uu + u * u, uv + u * v, vv + v * v, u3 + u * squared, v3 + v * squared);
        }
        let det = uu * vv - uv * uv;
        if det.is_nan() || det.abs() <= 1e-9 {
            return None;
        }
        let (x, y) = ((u3 * vv - v3 * uv) / (2.0 * det), (v3 * uu - u3 * uv) / (2.0 * det));
        Some(Self { center: [mean[0] + x, mean[1] + y], radius_px: (x * x + y * y + (uu + vv) / n).sqrt() })
    }

    fn distance(&self, [x, y]: [f64; 2]) -> f64 {
        ((x - self.center[0]).hypot(y - self.center[1]) - self.radius_px).abs()
    }
}

/// How the field of view was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A round field on a dark ground, perhaps cut by flat sides.
    Round,
    /// A bright region of another shape on a dark ground.
    Irregular,
    /// No dark ground: the whole picture.
    Whole,
}

/// What of a picture is retina.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldOfView {
    /// How it was found.
    pub kind: FieldKind,
    /// The circle of a round field; of the others the circle of the same area around their centre.
    pub circle: Circle,
    /// Share of the outline, without flat sides, that lies on the circle within 2 % of its radius; 0 for
    /// [`FieldKind::Whole`].
    pub roundness: f64,
    /// Share of the picture that is dark ground.
    pub dark_share: f64,
    /// Smallest box around it: first column and row, and one past the last ones.
    pub bounds: [[usize; 2]; 2],
    /// Columns and rows of the picture.
    pub size: [usize; 2],
    /// Whether a pixel belongs to it, `[y, x]`.
    pub mask: Vec<bool>,
}

/// Longest side on which the field is sought.
const WORKING_SIDE: usize = 1024;
/// Brightness up to which a corner may be ground, out of 255.
const DARKEST: u8 = 60;
/// Draws of three points of the outline.
const DRAWS: usize = 400;

impl FieldOfView {
    /// Finds the field of view by the dark corners, a threshold just above their noise, and a circle that a good
    /// part of the outline agrees on (RANSAC, Fischler and Bolles 1981), so that neither dark parts of the retina
    /// nor notches and reflections at its edge matter.
    pub fn of(picture: &Picture<'_>) -> Self {
        let (small, factor) = picture.reduced(WORKING_SIDE);
        let bright: Vec<u8> = small.pixels().iter().map(|p| p[0].max(p[1]).max(p[2])).collect();
        let Some(threshold) = ground_threshold(&small, &bright) else {
            return Self::whole(picture.size());
        };
        let region = largest_bright(&bright, small.size(), threshold);
        let area = region.count();
        let dark_share = 1.0 - area as f64 / bright.len() as f64;
        if area == 0 || dark_share < 0.01 {
            return Self::whole(picture.size());
        }
        let outline = outline(&region, small.size());
        let found = round_outline(&outline);
        let scale = |c: Circle| Circle {
            center: c.center.map(|v| (v + 0.5) * factor as f64 - 0.5),
            radius_px: c.radius_px * factor as f64,
        };
        let (start, end) = (region.region().start(), region.region().end());
        let last = |a: usize| if end[a] == small.size()[a] { picture.size()[a] } else { end[a] * factor };
        let bounds = [[start[0] * factor, start[1] * factor], [last(0), last(1)]];
        match found {
            Some((circle, roundness)) if roundness >= 0.5 => {
                Self::round(picture.size(), scale(circle), roundness, dark_share, bounds)
            }
            other => {
                let roundness = other.map_or(0.0, |(_, roundness)| roundness);
                Self::irregular(picture.size(), &region, factor, roundness, dark_share, bounds)
            }
        }
    }

    fn whole(size: [usize; 2]) -> Self {
        Self {
            kind: FieldKind::Whole,
            circle: Circle {
                center: size.map(|n| (n as f64 - 1.0) / 2.0),
                radius_px: ((size[0] * size[1]) as f64 / std::f64::consts::PI).sqrt(),
            },
            roundness: 0.0,
            dark_share: 0.0,
            bounds: [[0, 0], size],
            size,
            mask: vec![true; size[0] * size[1]],
        }
    }

    fn round(
        size: [usize; 2],
        circle: Circle,
        roundness: f64,
        dark_share: f64,
        bounds: [[usize; 2]; 2],
    ) -> Self {
        let [width, height] = size;
        let [start, end] = bounds;
        let mut mask = vec![false; width * height];
        for y in start[1]..end[1].min(height) {
            let dy = y as f64 - circle.center[1];
            let half = circle.radius_px.powi(2) - dy * dy;
            if half <= 0.0 {
                continue;
            }
            let half = half.sqrt();
            let from = (circle.center[0] - half).ceil().max(start[0] as f64) as usize;
            let to = ((circle.center[0] + half).floor() + 1.0).clamp(0.0, end[0].min(width) as f64) as usize;
            if from < to {
                mask[y * width + from..y * width + to].fill(true);
            }
        }
        Self { kind: FieldKind::Round, circle, roundness, dark_share, bounds, size, mask }
    }

    fn irregular(
        size: [usize; 2],
        region: &BoxMask,
        factor: usize,
        roundness: f64,
        dark_share: f64,
        bounds: [[usize; 2]; 2],
    ) -> Self {
        let [width, height] = size;
        let inside = |x: usize, y: usize| region.contains([x / factor, y / factor, 0]);
        let mask: Vec<bool> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| inside(x, y)).collect();
        let (mut count, mut sum) = (0usize, [0.0f64; 2]);
        for (index, _) in mask.iter().enumerate().filter(|(_, inside)| **inside) {
            count += 1;
            sum = [sum[0] + (index % width) as f64, sum[1] + (index / width) as f64];
        }
        let circle = Circle {
            center: sum.map(|s| s / count.max(1) as f64),
            radius_px: (count as f64 / std::f64::consts::PI).sqrt(),
        };
        Self { kind: FieldKind::Irregular, circle, roundness, dark_share, bounds, size, mask }
    }
}

/// Brightness above which a pixel is not ground; `None` if fewer than two corners are dark. Ground is dark without a
/// colour; a badly lit retina is dark and red.
fn ground_threshold(small: &Picture<'_>, bright: &[u8]) -> Option<u8> {
    let [width, height] = small.size();
    let side = (width.min(height) / 25).max(2);
    let mut corners: Vec<(Vec<u8>, usize)> = Vec::new();
    for (left, top) in [(0, 0), (width - side, 0), (0, height - side), (width - side, height - side)] {
        let indices = (top..top + side).flat_map(|y| y * width + left..y * width + left + side);
        let mut values: Vec<u8> = indices.clone().map(|i| bright[i]).collect();
        values.sort_unstable();
        let is_red = |i: &usize| {
            let [r, g, _] = small.pixels()[*i];
            r > g.saturating_add(12)
        };
        corners.push((values, indices.filter(is_red).count()));
    }
    let mut all = bright.to_vec();
    let at = |values: &mut [u8], share: f64| {
        let index = ((values.len() - 1) as f64 * share) as usize;
        *values.select_nth_unstable(index).1
    };
    let high = at(&mut all, 0.95);
    corners.retain(|(values, red)| {
        let median = values[values.len() / 2];
        median <= DARKEST && f64::from(median) <= 0.45 * f64::from(high) && 2 * red < values.len()
    });
    if corners.len() < 2 {
        return None;
    }
    let mut ground: Vec<u8> = corners.into_iter().flat_map(|(values, _)| values).collect();
    let (middle, upper) = (at(&mut ground, 0.5), at(&mut ground, 0.98));
    let step = (f64::from(high) - f64::from(middle)) * 0.06;
    let above_noise = (f64::from(upper) - f64::from(middle)).min(12.0) * 1.5;
    Some((f64::from(middle) + above_noise.max(step).max(4.0)).min(250.0) as u8)
}

/// The largest connected bright region.
fn largest_bright(bright: &[u8], [width, height]: [usize; 2], threshold: u8) -> BoxMask {
    let inside = bright.iter().map(|v| *v > threshold).collect();
    let all = BoxMask::new(VoxelBox::new([0; 3], [width, height, 1]), inside).unwrap_or_default();
    let components = Components::of(&all, Connectivity::Six);
    components.largest().map_or_else(BoxMask::default, |index| components.mask(index))
}

/// First and last place of every row and column, without those on the border of the picture and on flat sides.
fn outline(region: &BoxMask, size: [usize; 2]) -> Vec<[f64; 2]> {
    let (start, end) = (region.region().start(), region.region().end());
    let [width, height, _] = region.region().size();
    let inside = region.inside();
    let mut points = Vec::new();
    for y in 0..height {
        let row = &inside[y * width..(y + 1) * width];
        if let (Some(first), Some(last)) = (row.iter().position(|v| *v), row.iter().rposition(|v| *v)) {
            // Half a pixel out: that is where the edge between the two pixels lies.
            points.push([(start[0] + first) as f64 - 0.5, (start[1] + y) as f64]);
            points.push([(start[0] + last) as f64 + 0.5, (start[1] + y) as f64]);
        }
    }
    for x in 0..width {
        let at = |y: &usize| inside[y * width + x];
        if let (Some(first), Some(last)) = ((0..height).find(at), (0..height).rev().find(at)) {
            points.push([(start[0] + x) as f64, (start[1] + first) as f64 - 0.5]);
            points.push([(start[0] + x) as f64, (start[1] + last) as f64 + 0.5]);
        }
    }
    let margin = 2.0 + size[0].max(size[1]) as f64 / 400.0;
    let near = |value: f64, side: usize| (value - side as f64).abs() < margin;
    let is_flat =
        |p: &[f64; 2], axis: usize| near(p[axis] + 0.5, start[axis]) || near(p[axis] + 0.5, end[axis]);
    // The extreme places of a full circle are flat too; there are few of them, and the rest suffices.
    points.retain(|p| !is_flat(p, 0) && !is_flat(p, 1));
    points
}

/// The circle on which most of the outline lies, and the share that does.
fn round_outline(points: &[[f64; 2]]) -> Option<(Circle, f64)> {
    if points.len() < 16 {
        return None;
    }
    let mut random = SplitMix::new(1);
    let on_circle = |circle: &Circle, points: &[[f64; 2]]| -> Vec<[f64; 2]> {
        let near = (0.01 * circle.radius_px).max(1.0);
        points.iter().copied().filter(|p| circle.distance(*p) <= near).collect()
    };
    // A part of the points decides among the draws, all of them the end.
    let some: Vec<[f64; 2]> = points.iter().copied().step_by((points.len() / 300).max(1)).collect();
    let spread =
        points.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], p| [l.min(p[0]), h.max(p[0])]);
    let most = 3.0 * (spread[1] - spread[0]).max(1.0);
    let mut best: Option<(usize, Circle)> = None;
    for _ in 0..DRAWS {
        let three = [0; 3].map(|_| some[random.below(some.len())]);
        let Some(circle) = Circle::through(three).filter(|c| c.radius_px <= most && c.radius_px >= 4.0)
        else {
            continue;
        };
        let count = on_circle(&circle, &some).len();
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, circle));
        }
    }
    let (_, mut circle) = best?;
    for _ in 0..4 {
        circle = Circle::fit(&on_circle(&circle, points)).unwrap_or(circle);
    }
    let near = (0.02 * circle.radius_px).max(1.0);
    let share = points.iter().filter(|p| circle.distance(**p) <= near).count() as f64 / points.len() as f64;
    Some((circle, share))
}
