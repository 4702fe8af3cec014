//! Growing along the image.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{EditBasis, OperationError, go_on, replaced};
use crate::job::Observer;
use crate::label::BoxMask;

/// Least standard deviation of the label, as a share of the image's central range, so that a label of one value can
/// grow at all.
const LEAST_DEVIATION: f64 = 0.01;
/// Deviations beyond this many count as this many.
const MOST_DEVIATIONS: f64 = 10.0;

/// The active label with all voxels whose geodesic distance to it is at most `limit_mm`.
///
/// The distance is the shortest way in a metric in which a voxel of value I is `1 + edge · ((I − μ)/σ)²` times as
/// long as it measures, μ and σ being mean and standard deviation of the label's values (the idea of A. Criminisi,
/// T. Sharp and A. Blake, "GeoS", 2008, with the label's values in place of gradients). It solves |∇T| = F by fast
/// marching (J. A. Sethian, 1996) with the spacing of each axis.
pub(super) fn grow(
    basis: &EditBasis,
    limit_mm: f64,
    edge: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let mask = basis.mask_grown(limit_mm)?;
    let cost = Cost::of(basis, &mask, edge);
    let mut front = Front::new(basis, &mask, &cost);
    front.march(limit_mm, observer)?;
    Ok(replaced(&mask, front.times.iter().map(|time| f64::from(*time) <= limit_mm * (1.0 + 1e-6)).collect()))
}

/// How long a way through a value is.
struct Cost {
    values: Vec<f32>,
    mean: f64,
    deviation: f64,
    edge: f64,
}

impl Cost {
    fn of(basis: &EditBasis, mask: &BoxMask, edge: f64) -> Self {
        let values = basis.image.box_values(mask.region());
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (value, _) in values.iter().zip(mask.inside()).filter(|(v, inside)| **inside && v.is_finite()) {
            count += 1.0;
            sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
        let mean = if count > 0.0 { sum / count } else { 0.0 };
        let variance = if count > 0.0 { (squares / count - mean * mean).max(0.0) } else { 0.0 };
        let range = basis.image.range();
        let least = LEAST_DEVIATION * f64::from(range.high - range.low);
        Self { values, mean, deviation: variance.sqrt().max(least).max(1e-12), edge }
    }

    /// Values that are not numbers are as far off as can be.
    fn at(&self, index: usize) -> f64 {
        let deviations = ((f64::from(self.values[index]) - self.mean) / self.deviation).abs();
        let deviations =
            if deviations.is_finite() { deviations.min(MOST_DEVIATIONS) } else { MOST_DEVIATIONS };
        1.0 + self.edge * deviations * deviations
    }
}

/// A voxel that may be reached at a time; the earliest is taken first.
#[derive(Clone, Copy, PartialEq)]
struct Reached {
    time: f32,
    index: usize,
}

impl Eq for Reached {}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        other.time.total_cmp(&self.time).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Front<'a> {
    size: [usize; 3],
    spacing_mm: [f64; 3],
    cost: &'a Cost,
    times: Vec<f32>,
    heap: BinaryHeap<Reached>,
}

impl<'a> Front<'a> {
    fn new(basis: &EditBasis, mask: &BoxMask, cost: &'a Cost) -> Self {
        let times = mask.inside().iter().map(|inside| if *inside { 0.0 } else { f32::INFINITY }).collect();
        let mut front = Self {
            size: mask.region().size(),
            spacing_mm: basis.grid().spacing_mm(),
            cost,
            times,
            heap: BinaryHeap::new(),
        };
        for (index, _) in mask.inside().iter().enumerate().filter(|(_, inside)| **inside) {
            front.reach_neighbours(index, f64::INFINITY);
        }
        front
    }

    fn march(&mut self, limit_mm: f64, observer: &dyn Observer) -> Result<(), OperationError> {
        let limit = limit_mm * (1.0 + 1e-6);
        let mut taken = 0usize;
        while let Some(Reached { time, index }) = self.heap.pop() {
            if f64::from(time) > limit {
                break;
            }
            if time > self.times[index] {
                continue;
            }
            if taken.is_multiple_of(1 << 13) {
                // The front moves through time, so that is what the progress is told in.
                go_on(observer, "growing", (f64::from(time) * 1000.0) as usize, (limit * 1000.0) as usize)?;
            }
            taken += 1;
            self.reach_neighbours(index, limit);
        }
        Ok(())
    }

    /// Gives the six neighbours of a voxel the times at which they are reached, where those are earlier.
    fn reach_neighbours(&mut self, index: usize, limit: f64) {
        for (axis, at) in self.voxel(index).into_iter().enumerate() {
            let stride = self.stride(axis);
            let before = (at > 0).then(|| index - stride);
            let after = (at + 1 < self.size[axis]).then(|| index + stride);
            for next in before.into_iter().chain(after) {
                if self.times[next] == 0.0 {
                    continue;
                }
                let time = self.time_at(next) as f32;
                if time < self.times[next] && f64::from(time) <= limit {
                    self.times[next] = time;
                    self.heap.push(Reached { time, index: next });
                }
            }
        }
    }

    fn stride(&self, axis: usize) -> usize {
        [1, self.size[0], self.size[0] * self.size[1]][axis]
    }

    fn voxel(&self, index: usize) -> [usize; 3] {
        [index % self.size[0], index / self.size[0] % self.size[1], index / (self.size[0] * self.size[1])]
    }

    /// Solves `Σ ((T − tₐ)/hₐ)² = F²` over the axes with an earlier neighbour, latest neighbours left out as long
    /// as they lie after T.
    fn time_at(&self, index: usize) -> f64 {
        let at = self.voxel(index);
        let mut sides = [(f64::INFINITY, 1.0); 3];
        for (axis, side) in sides.iter_mut().enumerate() {
            let stride = self.stride(axis);
            let before = if at[axis] > 0 { self.times[index - stride] } else { f32::INFINITY };
            let is_last = at[axis] + 1 == self.size[axis];
            let after = if is_last { f32::INFINITY } else { self.times[index + stride] };
            *side = (f64::from(before.min(after)), self.spacing_mm[axis]);
        }
        sides.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let cost = self.cost.at(index);
        let mut time = f64::INFINITY;
        let (mut weights, mut weighted, mut squares) = (0.0, 0.0, 0.0);
        for (side, spacing) in sides {
            if side >= time || !side.is_finite() {
                break;
            }
            let weight = 1.0 / (spacing * spacing);
            weights += weight;
            weighted += weight * side;
            squares += weight * side * side;
            let discriminant = weighted * weighted - weights * (squares - cost * cost);
            if discriminant < 0.0 {
                break;
            }
            time = (weighted + discriminant.sqrt()) / weights;
        }
        time
    }
}
