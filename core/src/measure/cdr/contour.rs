//! Masks from outlines, and outlines from a few handles.

use super::ellipse::pixels_between;
use crate::geometry::VoxelBox;
use crate::label::BoxMask;

/// The pixels of a picture of `size` columns and rows whose centres lie inside a closed outline of points `(x, y)`;
/// where it crosses itself, by the even-odd rule. Points that are not finite are left out; fewer than three give
/// an empty mask.
pub fn mask_from_contour(points: &[[f64; 2]], size: [usize; 2]) -> BoxMask {
    let points: Vec<[f64; 2]> = points.iter().copied().filter(|p| p.iter().all(|v| v.is_finite())).collect();
    let ends = |axis: usize| {
        let values = points.iter().map(|p| p[axis]);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        pixels_between(low, values.fold(f64::NEG_INFINITY, f64::max), size[axis])
    };
    if points.len() < 3 {
        return BoxMask::default();
    }
    let ([left, right], [top, bottom]) = (ends(0), ends(1));
    let region = VoxelBox::new([left, top, 0], [right, bottom, 1]);
    if region.is_empty() {
        return BoxMask::default();
    }
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); bottom - top];
    for (i, from) in points.iter().enumerate() {
        let to = points[(i + 1) % points.len()];
        let (upper, lower) = if from[1] <= to[1] { (*from, to) } else { (to, *from) };
        // A row belongs to an edge from its upper end on, up to, not including, its lower end.
        let first = (upper[1].ceil().max(top as f64)) as usize;
        let last = (lower[1].ceil().clamp(top as f64, bottom as f64)) as usize;
        for y in first..last {
            let share = (y as f64 - upper[1]) / (lower[1] - upper[1]);
            crossings[y - top].push(upper[0] + share * (lower[0] - upper[0]));
        }
    }
    let width = region.size()[0];
    let mut inside = vec![false; region.voxel_count()];
    for (row, places) in crossings.iter_mut().enumerate() {
        places.sort_unstable_by(f64::total_cmp);
        for pair in places.as_chunks::<2>().0 {
            let [from, to] = pixels_between(pair[0], pair[1], size[0]);
            let (from, to) = (from.clamp(left, right), to.clamp(left, right));
            if from < to {
                inside[row * width + from - left..row * width + to - left].fill(true);
            }
        }
    }
    BoxMask::new(region, inside).unwrap_or_default()
}

/// A smooth closed curve through handles, `steps` points from each to the next (Catmull and Rom 1974). Fewer than
/// three handles come back as they are.
pub fn closed_curve(handles: &[[f64; 2]], steps: usize) -> Vec<[f64; 2]> {
    let count = handles.len();
    if count < 3 || steps < 2 {
        return handles.to_vec();
    }
    let at = |i: usize, axis: usize| handles[i % count][axis];
    let mut curve = Vec::with_capacity(count * steps);
    for i in 0..count {
        for step in 0..steps {
            let t = step as f64 / steps as f64;
            curve.push([0, 1].map(|axis| {
                let [before, from, to, after] = [count - 1, 0, 1, 2].map(|n| at(i + n, axis));
                let slope = to - before;
                let bend = 2.0 * before - 5.0 * from + 4.0 * to - after;
                let twist = 3.0 * (from - to) + after - before;
                from + 0.5 * t * (slope + t * (bend + t * twist))
            }));
        }
    }
    curve
}
