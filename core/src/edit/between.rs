//! Shapes between labelled slices.

use super::{EditBasis, OperationError, go_on};
use crate::geometry::VoxelBox;
use crate::job::Observer;
use crate::label::BoxMask;
use crate::measure::distance::euclidean_mm;

/// A slice as a signed distance map.
struct Shape {
    /// Negative inside, in mm, `[v, u]`.
    signed_mm: Vec<f32>,
    /// Middle of the shape in pixels `(u, v)`.
    center: [f64; 2],
}

/// The two in-plane axes of a slice and their size in the box that is worked in.
struct Frame {
    axis: usize,
    plane: [usize; 2],
    region: VoxelBox,
    spacing_mm: [f64; 2],
}

/// The active label with the empty slices between labelled ones filled.
///
/// Shape-based interpolation: S. P. Raya and J. K. Udupa, "Shape-based interpolation of multidimensional objects"
/// (1990). Signed distance maps of both slices, each moved so that its middle follows the straight line between the
/// two (G. T. Herman, J. Zheng and C. A. Bucholtz, "Shape-based interpolation", 1992), are averaged by distance.
pub(super) fn fill(
    basis: &EditBasis,
    axis: usize,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    basis.slice_box(axis, 0)?;
    let mask = basis.mask()?;
    let frame = Frame::new(basis, axis, mask.region());
    let (first, last) = (mask.region().start()[axis], mask.region().end()[axis]);
    let labelled: Vec<usize> = (first..last).filter(|slice| frame.has_voxels(&mask, *slice)).collect();
    let gaps: Vec<[usize; 2]> =
        labelled.windows(2).map(|pair| [pair[0], pair[1]]).filter(|[a, b]| b - a > 1).collect();
    if gaps.is_empty() {
        return Err(OperationError::NoGap);
    }
    let mut inside = mask.inside().to_vec();
    for (done, [low, high]) in gaps.iter().copied().enumerate() {
        go_on(observer, "interpolating", done, gaps.len())?;
        let ends = [frame.shape(&mask, low), frame.shape(&mask, high)];
        for slice in low + 1..high {
            go_on(observer, "interpolating", done, gaps.len())?;
            let share = (slice - low) as f64 / (high - low) as f64;
            frame.blend(&ends, share, |voxel| inside[mask.index_of(frame.voxel(voxel, slice))] = true);
        }
    }
    Ok(super::replaced(&mask, inside))
}

impl Frame {
    fn new(basis: &EditBasis, axis: usize, region: VoxelBox) -> Self {
        let plane = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        let spacing = basis.grid().spacing_mm();
        Self { axis, plane, region, spacing_mm: plane.map(|a| spacing[a]) }
    }

    fn size(&self) -> [usize; 2] {
        self.plane.map(|a| self.region.size()[a])
    }

    fn voxel(&self, [u, v]: [usize; 2], slice: usize) -> [usize; 3] {
        let mut voxel = self.region.start();
        voxel[self.axis] = slice;
        voxel[self.plane[0]] += u;
        voxel[self.plane[1]] += v;
        voxel
    }

    fn pixels(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [nu, nv] = self.size();
        (0..nv).flat_map(move |v| (0..nu).map(move |u| [u, v]))
    }

    fn has_voxels(&self, mask: &BoxMask, slice: usize) -> bool {
        self.pixels().any(|pixel| mask.contains(self.voxel(pixel, slice)))
    }

    fn shape(&self, mask: &BoxMask, slice: usize) -> Shape {
        let inside: Vec<bool> = self.pixels().map(|p| mask.contains(self.voxel(p, slice))).collect();
        // Beyond the label's box lies background: without it a shape that fills its box would have no border.
        let [nu, nv] = self.size();
        let padded_at = |u: usize, v: usize| (v + 1) * (nu + 2) + u + 1;
        let mut padded = vec![false; (nu + 2) * (nv + 2)];
        let (mut sum, mut count) = ([0.0; 2], 0.0);
        for ([u, v], _) in self.pixels().zip(&inside).filter(|(_, inside)| **inside) {
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

    /// Calls `paint` for the pixels of the shape at a share of the way between two.
    fn blend(&self, ends: &[Shape; 2], share: f64, mut paint: impl FnMut([usize; 2])) {
        let middle = [0, 1].map(|a| ends[0].center[a] * (1.0 - share) + ends[1].center[a] * share);
        for [u, v] in self.pixels() {
            let at = |shape: &Shape| {
                let p = [u as f64 - middle[0] + shape.center[0], v as f64 - middle[1] + shape.center[1]];
                self.sample(shape, p)
            };
            if at(&ends[0]) * (1.0 - share) + at(&ends[1]) * share < 0.0 {
                paint([u, v]);
            }
        }
    }

    /// Bilinear distance at a pixel position; beyond the box it grows with the way to it.
    fn sample(&self, shape: &Shape, at: [f64; 2]) -> f64 {
        let size = self.size();
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
