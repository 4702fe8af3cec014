//! Flat shapes as signed distances, and the shapes between two of them.
//!
//! Shape-based interpolation: S. P. Raya and J. K. Udupa, "Shape-based interpolation of multidimensional objects"
//! (1990). Signed distance maps of both slices, each moved so that its middle follows the straight line between the
//! two (G. T. Herman, J. Zheng and C. A. Bucholtz, "Shape-based interpolation", 1992), are averaged by distance.

use crate::measure::distance::euclidean_mm;

/// The pixels on which flat shapes are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raster {
    /// Pixels along u and v.
    pub(super) size: [usize; 2],
    /// Their distance.
    pub(super) spacing_mm: [f64; 2],
}

/// A shape as a signed distance map.
pub(super) struct Shape {
    /// Negative inside, in mm, `[v, u]`.
    signed_mm: Vec<f32>,
    /// Middle of the shape in pixels `(u, v)`.
    center: [f64; 2],
}

impl Raster {
    /// Every pixel `(u, v)`, u fastest.
    pub(super) fn pixels(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [nu, nv] = self.size;
        (0..nv).flat_map(move |v| (0..nu).map(move |u| [u, v]))
    }

    /// The shape of pixels that are inside, in the order of [`Self::pixels`]; at least one must be.
    pub(super) fn shape(&self, inside: &[bool]) -> Shape {
        // Beyond the raster lies background: without it a shape that fills it would have no border.
        let [nu, nv] = self.size;
        let padded_at = |u: usize, v: usize| (v + 1) * (nu + 2) + u + 1;
        let mut padded = vec![false; (nu + 2) * (nv + 2)];
        let (mut sum, mut count) = ([0.0; 2], 0.0);
        for ([u, v], _) in self.pixels().zip(inside).filter(|(_, inside)| **inside) {
            padded[padded_at(u, v)] = true;
            sum = [sum[0] + u as f64, sum[1] + v as f64];
            count += 1.0;
        }
        let dims = [nu + 2, nv + 2, 1];
        let spacing = [self.spacing_mm[0], self.spacing_mm[1], 1.0];
        let out = euclidean_mm(&padded, dims, spacing);
        let complement: Vec<bool> = padded.iter().map(|inside| !inside).collect();
        let depth = euclidean_mm(&complement, dims, spacing);
        let signed = self.pixels().map(|[u, v]| out[padded_at(u, v)] - depth[padded_at(u, v)]);
        Shape { signed_mm: signed.collect(), center: sum.map(|s| s / count) }
    }

    /// Whether a pixel position is inside the shape at a share of the way between two.
    pub(super) fn is_between(&self, ends: &[Shape; 2], share: f64, [u, v]: [f64; 2]) -> bool {
        let middle = [0, 1].map(|a| ends[0].center[a] * (1.0 - share) + ends[1].center[a] * share);
        let at = |shape: &Shape| {
            self.sample(shape, [u - middle[0] + shape.center[0], v - middle[1] + shape.center[1]])
        };
        at(&ends[0]) * (1.0 - share) + at(&ends[1]) * share < 0.0
    }

    /// Bilinear distance at a pixel position; beyond the box it grows with the way to it.
    fn sample(&self, shape: &Shape, at: [f64; 2]) -> f64 {
        let size = self.size;
        let (mut low, mut part, mut beyond) = ([0; 2], [0.0; 2], 0.0);
        for a in 0..2 {
            let p = at[a].clamp(0.0, (size[a] - 1) as f64);
            beyond += ((at[a] - p) * self.spacing_mm[a]).powi(2);
            low[a] = p as usize;
            part[a] = p - low[a] as f64;
        }
        let value = |du: usize, dv: usize| {
            let (u, v) = ((low[0] + du).min(size[0] - 1), (low[1] + dv).min(size[1] - 1));
            f64::from(shape.signed_mm[v * size[0] + u])
        };
        let row = |dv| value(0, dv) * (1.0 - part[0]) + value(1, dv) * part[0];
        let here = row(0) * (1.0 - part[1]) + row(1) * part[1];
        if beyond > 0.0 { here.max(0.0) + beyond.sqrt() } else { here }
    }
}
