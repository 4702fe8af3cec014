//! What the answer loses when the place that a map points at is taken away.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::InspectError;
use super::field_map::FieldMap;
use super::look::Look;

/// Half of the side of the surroundings that a taken place is filled with, as a share of the field of view.
const SURROUNDINGS: f64 = 0.125;

/// What the answer is without a place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Occluded {
    /// Mean absolute change of the probabilities over the whole input.
    pub probability_change: f64,
    /// Dice between the answer without the place and the answer with it, all labels together; 1 where both are empty.
    pub dice: f64,
    /// Share of the answer that lies in the place.
    pub answer_inside: f64,
}

/// The place that a map points at against places of the same size and form elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occlusion {
    /// Share of the input that is taken away.
    pub share: f64,
    /// Without the place that the map points at.
    pub attended: Occluded,
    /// Without the same form moved to a random place (around the edges), one for each draw.
    pub random: Vec<Occluded>,
}

impl Look {
    /// Takes away the `share` (0 to 1) of the input where a map is largest: the channels made of the image get the
    /// mean of what surrounds the place; clicks stay. The same with the form moved to `draws` random places by `seed`.
    ///
    /// # Errors
    /// [`InspectError`] if the device fails.
    pub fn occlude(
        &self,
        map: &FieldMap,
        share: f64,
        draws: usize,
        seed: u64,
    ) -> Result<Occlusion, InspectError> {
        let dims = self.grid().dims();
        let taken = self.largest(map, share);
        let count = taken.iter().filter(|taken| **taken).count();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut random = Vec::new();
        for _ in 0..draws {
            let shift = dims.map(|n| rng.random_range(0..n));
            random.push(self.without(&rolled(&taken, dims, shift))?);
        }
        Ok(Occlusion { share: count as f64 / taken.len() as f64, attended: self.without(&taken)?, random })
    }

    /// The samples of the input where a map is largest, by pixels of the map.
    fn largest(&self, map: &FieldMap, share: f64) -> Vec<bool> {
        let grid = self.grid();
        let pixel = |sample: usize| {
            let at = grid.world_of(grid.voxel(sample));
            map.grid.voxel_at_world(at).map(|voxel| map.grid.index(voxel))
        };
        let of_sample: Vec<Option<usize>> = (0..grid.voxel_count()).map(pixel).collect();
        let mut order: Vec<usize> = (0..map.values.len()).collect();
        order.sort_by(|a, b| map.values[*b].total_cmp(&map.values[*a]).then(a.cmp(b)));
        let most = (share.clamp(0.0, 1.0) * order.len() as f64).round() as usize;
        let mut is_taken = vec![false; order.len()];
        order.iter().take(most.max(1)).for_each(|pixel| is_taken[*pixel] = true);
        of_sample.into_iter().map(|pixel| pixel.is_some_and(|pixel| is_taken[pixel])).collect()
    }

    fn without(&self, taken: &[bool]) -> Result<Occluded, InspectError> {
        let subject = &self.subject;
        let mut input = subject.input.clone();
        for (number, channel) in input.chunks_mut(taken.len()).enumerate() {
            if subject.image_channels.contains(&number) {
                fill(channel, taken, self.grid().dims());
            }
        }
        let probability = subject.run(&subject.network, None, input)?.probability;
        let change =
            probability.iter().zip(&self.probability).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        let (before, after) = (self.answer(), subject.labels(&probability));
        let of = |labels: &[u16]| labels.iter().filter(|label| **label != 0).count() as f64;
        let both = before.iter().zip(&after).filter(|(a, b)| a == b && **a != 0).count() as f64;
        let sum = of(&before) + of(&after);
        let inside = before.iter().zip(taken).filter(|(label, taken)| **label != 0 && **taken).count() as f64;
        Ok(Occluded {
            probability_change: change / probability.len().max(1) as f64,
            dice: if sum > 0.0 { 2.0 * both / sum } else { 1.0 },
            answer_inside: inside / of(&before).max(1.0),
        })
    }
}

/// A form moved by `shift` along x, y, z; what leaves on one side enters on the other.
fn rolled(taken: &[bool], [nx, ny, nz]: [usize; 3], shift: [usize; 3]) -> Vec<bool> {
    let mut moved = vec![false; taken.len()];
    for (index, taken) in taken.iter().enumerate() {
        let (x, y, z) = (index % nx, index / nx % ny, index / (nx * ny));
        let (x, y, z) = ((x + shift[0]) % nx, (y + shift[1]) % ny, (z + shift[2]) % nz);
        moved[(z * ny + y) * nx + x] = *taken;
    }
    moved
}

/// Gives the taken samples the mean of the others around them; of all others, where none is near.
fn fill(values: &mut [f32], taken: &[bool], dims: [usize; 3]) {
    let mut sums: Vec<f64> =
        values.iter().zip(taken).map(|(v, taken)| if *taken { 0.0 } else { f64::from(*v) }).collect();
    let mut counts: Vec<f64> = taken.iter().map(|taken| f64::from(u8::from(!taken))).collect();
    let (sum, count) = (sums.iter().sum::<f64>(), counts.iter().sum::<f64>());
    let overall = if count > 0.0 { sum / count } else { 0.0 };
    for axis in 0..3 {
        let radius = (dims[axis] as f64 * SURROUNDINGS).ceil() as usize;
        if dims[axis] > 1 {
            box_sums(&mut sums, dims, axis, radius);
            box_sums(&mut counts, dims, axis, radius);
        }
    }
    for (index, value) in values.iter_mut().enumerate().filter(|(index, _)| taken[*index]) {
        *value = if counts[index] > 0.5 { sums[index] / counts[index] } else { overall } as f32;
    }
}

/// Replaces each value by the sum of those within `radius` along an axis (0 = x).
fn box_sums(values: &mut [f64], dims: [usize; 3], axis: usize, radius: usize) {
    let stride = [1, dims[0], dims[0] * dims[1]][axis];
    let n = dims[axis];
    let mut running = vec![0.0; n + 1];
    for start in (0..values.len()).filter(|index| (index / stride).is_multiple_of(n)) {
        for i in 0..n {
            running[i + 1] = running[i] + values[start + i * stride];
        }
        for i in 0..n {
            values[start + i * stride] = running[(i + radius + 1).min(n)] - running[i.saturating_sub(radius)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_place_gets_the_mean_of_its_surroundings() {
        let dims = [16, 8, 1];
        let mut values: Vec<f32> = (0..128).map(|i| if i % 16 < 8 { 1.0 } else { 5.0 }).collect();
        values[4 * 16 + 2] = 100.0;
        values[4 * 16 + 13] = -100.0;
        let taken: Vec<bool> = (0..128).map(|i| i == 4 * 16 + 2 || i == 4 * 16 + 13).collect();
        fill(&mut values, &taken, dims);
        assert!((values[4 * 16 + 2] - 1.0).abs() < 1e-5 && (values[4 * 16 + 13] - 5.0).abs() < 1e-5);
        let mut all = vec![3.0; 128];
        fill(&mut all, &[true; 128], dims);
        assert!(all.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn a_moved_form_keeps_its_size() {
        let taken: Vec<bool> = (0..60).map(|i| i % 7 == 0).collect();
        let moved = rolled(&taken, [5, 4, 3], [2, 3, 1]);
        let count = |form: &[bool]| form.iter().filter(|v| **v).count();
        assert_eq!(count(&taken), count(&moved));
        assert_ne!(taken, moved);
        assert_eq!(rolled(&moved, [5, 4, 3], [3, 1, 2]), taken);
    }
}
