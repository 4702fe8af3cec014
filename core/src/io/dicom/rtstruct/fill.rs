//! Contours to voxels and back.

use super::others;
use crate::geometry::Grid;

/// Crossings of a contour with rows of voxels; more are no outline.
const MAX_CROSSINGS: usize = 5_000_000;

/// One slice in which contours are joined by exclusive or.
pub(super) struct Raster<'a> {
    grid: &'a Grid,
    axis: usize,
    slice: usize,
    columns: usize,
    rows: usize,
    inside: Vec<bool>,
}

impl<'a> Raster<'a> {
    /// An empty slice perpendicular to a voxel axis.
    pub(super) fn new(grid: &'a Grid, axis: usize, slice: usize) -> Self {
        let (u, v) = others(axis);
        let (columns, rows) = (grid.dims()[u], grid.dims()[v]);
        Self { grid, axis, slice, columns, rows, inside: vec![false; columns * rows] }
    }

    /// Exchanges inside and outside of a contour, whose corners are voxel coordinates in the slice.
    pub(super) fn toggle(&mut self, contour: &[[f64; 2]]) -> Result<(), String> {
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); self.rows];
        let mut count = 0;
        for (index, from) in contour.iter().enumerate() {
            let to = contour[(index + 1) % contour.len()];
            let (low, high) = if from[1] <= to[1] { (*from, to) } else { (to, *from) };
            // Rows with low ≤ row < high, so that a corner on a row counts once.
            let first = low[1].ceil().max(0.0);
            let end = high[1].ceil().min(self.rows as f64);
            if first >= end {
                continue;
            }
            let (first, end) = (first as usize, end as usize);
            for (row, found) in (first..end).zip(&mut crossings[first..end]) {
                let share = (row as f64 - low[1]) / (high[1] - low[1]);
                found.push(low[0] + share * (high[0] - low[0]));
            }
            count += end - first;
            if count > MAX_CROSSINGS {
                return Err(format!("a contour crosses more than {MAX_CROSSINGS} rows of voxels"));
            }
        }
        for (row, found) in crossings.iter_mut().enumerate() {
            found.sort_by(f64::total_cmp);
            for pair in found.chunks_exact(2) {
                let column = |x: f64| x.ceil().clamp(0.0, self.columns as f64) as usize;
                let first = column(pair[0]);
                let end = column(pair[1]).max(first);
                self.inside[row * self.columns + first..row * self.columns + end]
                    .iter_mut()
                    .for_each(|inside| *inside = !*inside);
            }
        }
        Ok(())
    }

    /// The array index of every voxel inside.
    pub(super) fn for_each_inside(&self, mut visit: impl FnMut(usize)) {
        let (u, v) = others(self.axis);
        for (at, _) in self.inside.iter().enumerate().filter(|(_, inside)| **inside) {
            let mut voxel = [0; 3];
            voxel[self.axis] = self.slice;
            voxel[u] = at % self.columns;
            voxel[v] = at / self.columns;
            visit(self.grid.index(voxel));
        }
    }
}

/// The outlines of a flat mask along the edges of its pixels, `[x, y]` in voxel coordinates; holes are outlines too.
/// Filled by exclusive or they give exactly the mask.
pub(in crate::io) fn outlines(mask: &[bool], columns: usize) -> Vec<Vec<[f64; 2]>> {
    let rows = mask.len() / columns.max(1);
    let at = |x: i64, y: i64| {
        x >= 0 && y >= 0 && x < columns as i64 && y < rows as i64 && mask[y as usize * columns + x as usize]
    };
    // Edges by their first corner; the mask lies at their right. Corner (x, y) is the upper left one of pixel (x, y).
    let mut edges: std::collections::BTreeMap<[i64; 2], Vec<[i64; 2]>> = std::collections::BTreeMap::new();
    for y in 0..rows as i64 {
        for x in (0..columns as i64).filter(|x| at(*x, y)) {
            let mut add = |from, to| edges.entry(from).or_default().push(to);
            if !at(x, y - 1) {
                add([x, y], [x + 1, y]);
            }
            if !at(x + 1, y) {
                add([x + 1, y], [x + 1, y + 1]);
            }
            if !at(x, y + 1) {
                add([x + 1, y + 1], [x, y + 1]);
            }
            if !at(x - 1, y) {
                add([x, y + 1], [x, y]);
            }
        }
    }
    let mut outlines = Vec::new();
    while let Some(start) = edges.keys().next().copied() {
        let mut corners: Vec<[i64; 2]> = Vec::new();
        let mut corner = start;
        while let Some(ends) = edges.get_mut(&corner) {
            let next = ends.pop();
            if ends.is_empty() {
                edges.remove(&corner);
            }
            let Some(next) = next else { break };
            corners.push(corner);
            corner = next;
            if corner == start {
                break;
            }
        }
        outlines.push(without_straight(&corners));
    }
    outlines
}

/// Leaves out corners at which the outline goes straight on.
fn without_straight(corners: &[[i64; 2]]) -> Vec<[f64; 2]> {
    let count = corners.len();
    let turns = |i: usize| {
        let (a, b, c) = (corners[(i + count - 1) % count], corners[i], corners[(i + 1) % count]);
        (b[0] - a[0]) * (c[1] - b[1]) != (b[1] - a[1]) * (c[0] - b[0])
    };
    let kept = (0..count).filter(|i| turns(*i)).map(|i| corners[i].map(|v| v as f64 - 0.5));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(contours: &[Vec<[f64; 2]>], columns: usize, rows: usize) -> Vec<bool> {
        let grid = Grid::from_spacing([columns, rows, 1], [1.0; 3]).unwrap();
        let mut raster = Raster::new(&grid, 2, 0);
        contours.iter().for_each(|c| raster.toggle(c).unwrap());
        raster.inside
    }

    #[test]
    fn an_inner_contour_is_a_hole_and_so_is_a_keyhole() {
        let square = |low: f64, high: f64| vec![[low, low], [high, low], [high, high], [low, high]];
        let ring = fill(&[square(0.5, 5.5), square(1.5, 4.5)], 7, 7);
        assert_eq!(ring.iter().filter(|v| **v).count(), 25 - 9);
        // Out along one line and back along it.
        let keyhole = [
            [0.5, 0.5],
            [5.5, 0.5],
            [5.5, 5.5],
            [0.5, 5.5],
            [0.5, 1.5],
            [1.5, 1.5],
            [1.5, 4.5],
            [4.5, 4.5],
            [4.5, 1.5],
            [1.5, 1.5],
            [0.5, 1.5],
        ];
        assert_eq!(fill(&[keyhole.to_vec()], 7, 7), ring);
        // Contours may leave the image.
        assert!(fill(&[square(-9.0, 99.0)], 7, 7).iter().all(|inside| *inside));
    }

    proptest! {
        #[test]
        fn outlines_enclose_exactly_their_mask(mask in proptest::collection::vec(any::<bool>(), 63), turn in any::<bool>()) {
            let columns = if turn { 9 } else { 7 };
            prop_assert_eq!(fill(&outlines(&mask, columns), columns, 63 / columns), mask);
        }
    }
}
