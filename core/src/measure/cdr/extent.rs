//! Size, place and shape of one mask in a picture.

use serde::Serialize;

use super::Ellipse;
use crate::label::BoxMask;

/// Size, place and shape of a disc or cup.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Extent {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Columns from the first to the last, both included: the horizontal diameter.
    pub width_px: usize,
    /// Rows from the first to the last, both included: the vertical diameter.
    pub height_px: usize,
    /// Pixels.
    pub area_px: usize,
    /// Length of the outline, from how often lines along rows and columns cross it (Cauchy and Crofton).
    pub perimeter_px: f64,
    /// Centre of the area `(x, y)`.
    pub center: [f64; 2],
    /// The ellipse of the same centre and second moments.
    pub ellipse: Ellipse,
}

impl Extent {
    /// Measures a mask in slice 0; an empty mask has all zeros.
    pub fn of(mask: &BoxMask) -> Self {
        Self::of_tight(&mask.tightened())
    }

    /// As [`Extent::of`] for a mask that already is in its smallest box.
    pub(super) fn of_tight(mask: &BoxMask) -> Self {
        let region = mask.region();
        let [left, top, _] = region.start();
        let [width, height, _] = region.size();
        let mut sums = Sums::default();
        for (y, row) in mask.inside().chunks_exact(width.max(1)).enumerate() {
            sums.add_row(row, y as f64);
        }
        let area = sums.count.max(1.0);
        let (mx, my) = (sums.x / area, sums.y / area);
        let center = [left as f64 + mx, top as f64 + my];
        // A pixel is a square, whose own variance is 1/12.
        let moments = [
            sums.xx / area - mx * mx + 1.0 / 12.0,
            sums.xy / area - mx * my,
            sums.yy / area - my * my + 1.0 / 12.0,
        ];
        Self {
            left,
            top,
            width_px: width,
            height_px: height,
            area_px: sums.count as usize,
            perimeter_px: std::f64::consts::FRAC_PI_4
                * (sums.crossings_along_rows + crossings_along_columns(mask)),
            center,
            ellipse: Ellipse::from_moments(center, moments),
        }
    }
}

/// Sums over the pixels of a mask, positions from the corner of its box.
#[derive(Default)]
struct Sums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
    crossings_along_rows: f64,
}

impl Sums {
    fn add_row(&mut self, row: &[bool], y: f64) {
        let mut end = 0;
        while let Some((from, to)) = next_run(row, end) {
            end = to;
            let (n, from) = ((to - from) as f64, from as f64);
            // Sums of from, from + 1, …, and of their squares.
            let x = n * from + n * (n - 1.0) / 2.0;
            let xx = n * from * from + from * n * (n - 1.0) + (n - 1.0) * n * (2.0 * n - 1.0) / 6.0;
            self.count += n;
            self.x += x;
            self.xx += xx;
            self.y += n * y;
            self.xy += x * y;
            self.yy += n * y * y;
            self.crossings_along_rows += 2.0;
        }
    }
}

/// The next run of `true` at or after a place, half open.
pub(super) fn next_run(row: &[bool], after: usize) -> Option<(usize, usize)> {
    let from = after + first(&row[after..], true)?;
    let to = first(&row[from..], false).map_or(row.len(), |n| from + n);
    Some((from, to))
}

/// Where a value first stands, a block at a time: rows of a disc are long runs.
fn first(row: &[bool], value: bool) -> Option<usize> {
    const BLOCK: usize = 32;
    let mut start = 0;
    for block in row.chunks(BLOCK) {
        if block.iter().fold(false, |any, v| any | (*v == value)) {
            return block.iter().position(|v| *v == value).map(|at| start + at);
        }
        start += block.len();
    }
    None
}

/// How often lines along the columns enter or leave the mask.
fn crossings_along_columns(mask: &BoxMask) -> f64 {
    let width = mask.region().size()[0].max(1);
    let inside = mask.inside();
    let ends = [inside.chunks_exact(width).next(), inside.chunks_exact(width).next_back()];
    let at_ends: usize = ends.into_iter().flatten().map(|row| row.iter().filter(|v| **v).count()).sum();
    let between: usize = inside
        .chunks_exact(width)
        .zip(inside.chunks_exact(width).skip(1))
        .map(|(a, b)| a.iter().zip(b).filter(|(a, b)| a != b).count())
        .sum();
    (at_ends + between) as f64
}
