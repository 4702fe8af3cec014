//! Exact Euclidean distances on anisotropic grids.

use crate::job::{Cancelled, Observer};

/// Distance in mm from every voxel centre to the nearest voxel of the mask: 0 within it, infinite everywhere
/// if it is empty. Invert the mask for depths inside a structure.
///
/// Exact, by the separable lower envelope of parabolas of Felzenszwalb and Huttenlocher, "Distance Transforms
/// of Sampled Functions" (2012), in time linear in the number of voxels.
///
/// # Shapes
/// `mask` and the result are `[z, y, x]`, `dims` and `spacing_mm` go along `(x, y, z)`.
///
/// # Panics
/// If `mask` does not have the voxels of `dims`.
pub fn euclidean_mm(mask: &[bool], dims: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    let mut squared = squared_mm(mask, dims, spacing_mm);
    for value in &mut squared {
        *value = value.sqrt();
    }
    squared
}

/// The squares of [`euclidean_mm`], which save a root where only comparisons are needed.
///
/// # Panics
/// As [`euclidean_mm`].
pub fn squared_mm(mask: &[bool], dims: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    squared_mm_watched(mask, dims, spacing_mm, &()).unwrap_or_default()
}

/// [`squared_mm`] that tells how far it is and can be stopped.
///
/// # Errors
/// [`Cancelled`] if the observer wants it to stop.
///
/// # Panics
/// As [`euclidean_mm`].
pub fn squared_mm_watched(
    mask: &[bool],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    observer: &dyn Observer,
) -> Result<Vec<f32>, Cancelled> {
    let [nx, ny, nz] = dims;
    assert_eq!(mask.len(), nx * ny * nz, "the mask does not fill {dims:?} voxels");
    let mut squared = vec![f32::INFINITY; mask.len()];
    if mask.is_empty() {
        return Ok(squared);
    }
    let total = (nz + ny) as u64;
    let go_on = |done: usize| {
        observer.progress("measuring distances", done as u64, total);
        if observer.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    };
    for (line, out) in mask.chunks_exact(nx).zip(squared.chunks_exact_mut(nx)) {
        along_row(line, spacing_mm[0], out);
    }
    let mut envelope = Envelope::new(ny.max(nz));
    if ny > 1 {
        for (z, slice) in squared.chunks_exact_mut(nx * ny).enumerate() {
            go_on(z)?;
            (0..nx).for_each(|x| envelope.transform(slice, x, nx, ny, spacing_mm[1]));
        }
    }
    if nz > 1 {
        for y in 0..ny {
            go_on(nz + y)?;
            for start in y * nx..(y + 1) * nx {
                envelope.transform(&mut squared, start, nx * ny, nz, spacing_mm[2]);
            }
        }
    }
    Ok(squared)
}

/// Squared distances within a row: one scan each way.
fn along_row(line: &[bool], spacing_mm: f64, out: &mut [f32]) {
    let mut last = None;
    for x in 0..line.len() {
        if line[x] {
            last = Some(x);
        }
        if let Some(last) = last {
            out[x] = square((x - last) as f64 * spacing_mm);
        }
    }
    let mut next = None;
    for x in (0..line.len()).rev() {
        if line[x] {
            next = Some(x);
        }
        if let Some(next) = next {
            out[x] = out[x].min(square((next - x) as f64 * spacing_mm));
        }
    }
}

fn square(length: f64) -> f32 {
    (length * length) as f32
}

/// Lower envelope of the parabolas `height + (spacing · (p − site))²` of one line, with room to reuse.
struct Envelope {
    sites: Vec<f64>,
    heights: Vec<f64>,
    /// Where each parabola starts to be the lowest.
    starts: Vec<f64>,
}

impl Envelope {
    fn new(longest: usize) -> Self {
        Self {
            sites: Vec::with_capacity(longest),
            heights: Vec::with_capacity(longest),
            starts: Vec::with_capacity(longest),
        }
    }

    /// Replaces `count` values from `start` on, `stride` apart, by the envelope of their parabolas.
    fn transform(&mut self, values: &mut [f32], start: usize, stride: usize, count: usize, spacing_mm: f64) {
        self.build(values, start, stride, count, spacing_mm);
        if self.sites.is_empty() {
            return;
        }
        let mut current = 0;
        for p in 0..count {
            let position = p as f64;
            while current + 1 < self.sites.len() && self.starts[current + 1] <= position {
                current += 1;
            }
            let length = (position - self.sites[current]) * spacing_mm;
            values[start + p * stride] = (self.heights[current] + length * length) as f32;
        }
    }

    fn build(&mut self, values: &[f32], start: usize, stride: usize, count: usize, spacing_mm: f64) {
        self.sites.clear();
        self.heights.clear();
        self.starts.clear();
        for q in 0..count {
            let height = f64::from(values[start + q * stride]);
            if height.is_infinite() {
                continue;
            }
            let mut from = f64::NEG_INFINITY;
            while let (Some(site), Some(below), Some(begin)) =
                (self.sites.last(), self.heights.last(), self.starts.last())
            {
                from = crossing(*site, *below, q as f64, height, spacing_mm);
                if from > *begin {
                    break;
                }
                self.sites.pop();
                self.heights.pop();
                self.starts.pop();
                from = f64::NEG_INFINITY;
            }
            self.sites.push(q as f64);
            self.heights.push(height);
            self.starts.push(from);
        }
    }
}

/// Where the parabola over `right` falls below the one over `left`.
fn crossing(left: f64, left_height: f64, right: f64, right_height: f64, spacing_mm: f64) -> f64 {
    let squared = spacing_mm * spacing_mm;
    (right_height - left_height) / (2.0 * squared * (right - left)) + (left + right) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::surface_distance::tests::{GOLDEN_DIMS, GOLDEN_SPACING_MM, golden_ellipsoids};
    use proptest::prelude::*;

    fn brute_force(mask: &[bool], [nx, ny, _]: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
        let at = |i: usize| [i % nx, i / nx % ny, i / (nx * ny)].map(|v| v as f64);
        let distance = |i: usize, j: usize| {
            (0..3).map(|a| ((at(i)[a] - at(j)[a]) * spacing[a]).powi(2)).sum::<f64>().sqrt()
        };
        let sites: Vec<usize> = (0..mask.len()).filter(|i| mask[*i]).collect();
        (0..mask.len()).map(|i| sites.iter().map(|j| distance(i, *j)).fold(f64::INFINITY, f64::min)).collect()
    }

    /// Constants of `scipy.ndimage.distance_transform_edt(~mask, sampling=(2.5, 1.1, 0.9))`.
    #[test]
    fn equal_to_scipy() {
        let (mask, _) = golden_ellipsoids();
        let found = euclidean_mm(&mask, GOLDEN_DIMS, GOLDEN_SPACING_MM);
        let at = |x: usize, y: usize, z: usize| f64::from(found[(z * 32 + y) * 40 + x]);
        assert!((at(0, 0, 0) - 18.310_106_498_871_054).abs() < 1e-5);
        assert!((at(39, 31, 19) - 21.974_758_246_679_3).abs() < 1e-5);
        assert!((at(33, 20, 3) - 7.077_428_911_688_199).abs() < 1e-5);
        let sum: f64 = found.iter().map(|d| f64::from(*d)).sum();
        assert!((sum - 167_593.351_933_393_57).abs() < 0.1, "{sum}");
    }

    #[test]
    fn an_empty_mask_is_infinitely_far_and_a_full_one_is_here() {
        assert!(euclidean_mm(&[false; 24], [2, 3, 4], [1.0; 3]).iter().all(|d| d.is_infinite()));
        assert_eq!(euclidean_mm(&[true; 24], [2, 3, 4], [1.0; 3]), [0.0; 24]);
        assert!(euclidean_mm(&[], [0, 3, 4], [1.0; 3]).is_empty());
    }

    proptest! {
        #[test]
        fn equal_to_brute_force(
            dims in [1usize..7, 1usize..7, 1usize..7],
            spacing in [0.3..4.0f64, 0.3..4.0f64, 0.3..6.0f64],
            bits in proptest::collection::vec(0u8..12, 216),
        ) {
            let count = dims.iter().product();
            let mask: Vec<bool> = bits[..count].iter().map(|b| *b == 0).collect();
            let found = euclidean_mm(&mask, dims, spacing);
            for (f, b) in found.iter().zip(brute_force(&mask, dims, spacing)) {
                prop_assert!((f64::from(*f) - b).abs() < 1e-4 || (f.is_infinite() && b.is_infinite()));
            }
        }
    }
}
