//! Where a person would click: simulated for training and evaluation.

use hilum_core::geometry::Grid;
use rand::{Rng, RngExt as _};

/// A voxel drawn uniformly from those that are set; `None` if there is none.
pub fn random_voxel(mask: &[bool], rng: &mut impl Rng) -> Option<usize> {
    let count = mask.iter().filter(|v| **v).count();
    if count == 0 {
        return None;
    }
    let wanted = rng.random_range(0..count);
    mask.iter().enumerate().filter(|(_, v)| **v).nth(wanted).map(|(i, _)| i)
}

/// The next click by the rule "centre of the largest error region", on arrays `[z, y, x]`.
///
/// Missed and wrongly marked voxels are taken as two sets; of the largest 6-connected region of either, the voxel
/// farthest from the region's edge (in mm) is clicked. Positive where the region was missed.
pub fn largest_error_center(truth: &[bool], answer: &[bool], grid: &Grid) -> Option<([usize; 3], bool)> {
    let missed: Vec<bool> = truth.iter().zip(answer).map(|(t, a)| *t && !*a).collect();
    let wrong: Vec<bool> = truth.iter().zip(answer).map(|(t, a)| !*t && *a).collect();
    let missed = largest_region(&missed, grid);
    let wrong = largest_region(&wrong, grid);
    let positive = missed.len() >= wrong.len();
    let region = if positive { missed } else { wrong };
    if region.is_empty() {
        return None;
    }
    let mut inside = vec![false; truth.len()];
    region.iter().for_each(|i| inside[*i] = true);
    Some((grid.voxel(deepest(&region, &inside, grid)), positive))
}

/// The voxel of `region` farthest from any voxel outside it, the image's edge counting as outside.
fn deepest(region: &[usize], inside: &[bool], grid: &Grid) -> usize {
    let bounds = region.iter().fold(hilum_core::geometry::VoxelBox::default(), |bounds, i| {
        bounds.union(&hilum_core::geometry::VoxelBox::of_voxel(grid.voxel(*i)))
    });
    // One voxel of outside on every side, also beyond the image.
    let size = bounds.size().map(|n| n + 2);
    let mut outside = vec![true; size.iter().product()];
    for i in region {
        let [x, y, z] = grid.voxel(*i);
        let s = bounds.start();
        outside[((z - s[2] + 1) * size[1] + y - s[1] + 1) * size[0] + x - s[0] + 1] = !inside[*i];
    }
    let depth = hilum_core::measure::distance::euclidean_mm(&outside, size, grid.spacing_mm());
    let depth_of = |i: &usize| {
        let [x, y, z] = grid.voxel(*i);
        let s = bounds.start();
        depth[((z - s[2] + 1) * size[1] + y - s[1] + 1) * size[0] + x - s[0] + 1]
    };
    region.iter().copied().max_by(|a, b| depth_of(a).total_cmp(&depth_of(b))).unwrap_or(region[0])
}

/// Indices of the largest 6-connected region of a mask; empty for an empty mask.
pub fn largest_region(mask: &[bool], grid: &Grid) -> Vec<usize> {
    let mut seen = vec![false; mask.len()];
    let mut best = Vec::new();
    for start in 0..mask.len() {
        if mask[start] && !seen[start] {
            let region = flood(mask, &mut seen, start, grid);
            if region.len() > best.len() {
                best = region;
            }
        }
    }
    best
}

/// Indices of the 6-connected region that holds `start`.
pub fn region_at(mask: &[bool], start: usize, grid: &Grid) -> Vec<usize> {
    if mask[start] { flood(mask, &mut vec![false; mask.len()], start, grid) } else { Vec::new() }
}

fn flood(mask: &[bool], seen: &mut [bool], start: usize, grid: &Grid) -> Vec<usize> {
    let dims = grid.dims();
    let strides = [1, dims[0], dims[0] * dims[1]];
    let mut region = vec![start];
    seen[start] = true;
    let mut next = 0;
    while let Some(&at) = region.get(next) {
        next += 1;
        let voxel = grid.voxel(at);
        for axis in 0..3 {
            let before = (voxel[axis] > 0).then(|| at - strides[axis]);
            let after = (voxel[axis] + 1 < dims[axis]).then(|| at + strides[axis]);
            for neighbour in [before, after].into_iter().flatten() {
                if mask[neighbour] && !seen[neighbour] {
                    seen[neighbour] = true;
                    region.push(neighbour);
                }
            }
        }
    }
    region
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball(grid: &Grid, center: [f64; 3], radius: f64) -> Vec<bool> {
        (0..grid.voxel_count())
            .map(|i| {
                let v = grid.voxel(i);
                (0..3).map(|a| (v[a] as f64 - center[a]).powi(2)).sum::<f64>() <= radius * radius
            })
            .collect()
    }

    #[test]
    fn an_empty_answer_is_corrected_at_the_middle_of_the_truth() {
        let grid = Grid::from_spacing([21, 21, 21], [1.0; 3]).unwrap();
        let truth = ball(&grid, [8.0, 10.0, 12.0], 5.0);
        let click = largest_error_center(&truth, &vec![false; truth.len()], &grid);
        assert_eq!(click, Some(([8, 10, 12], true)));
    }

    #[test]
    fn a_leak_gets_a_negative_click_and_a_perfect_answer_none() {
        let grid = Grid::from_spacing([21, 21, 21], [1.0, 1.0, 2.0]).unwrap();
        let truth = ball(&grid, [6.0, 10.0, 10.0], 3.0);
        let mut answer = truth.clone();
        for (a, leak) in answer.iter_mut().zip(ball(&grid, [15.0, 10.0, 10.0], 4.0)) {
            *a |= leak;
        }
        assert_eq!(largest_error_center(&truth, &answer, &grid), Some(([15, 10, 10], false)));
        assert_eq!(largest_error_center(&truth, &truth, &grid), None);
    }
}
