//! Median smoothing.

use std::cmp::Ordering;

use super::{EditBasis, OperationError, go_on, replaced};
use crate::job::Observer;
use crate::label::BoxMask;

/// The active label after a binary median: a voxel is in it when more than half of the voxels within the radius
/// are; with exactly half it stays as it is. Voxels beyond the image do not vote.
pub(super) fn smooth(
    basis: &EditBasis,
    radius_mm: f64,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let mask = basis.mask_grown(radius_mm)?;
    let [nx, ny, nz] = mask.region().size();
    let [x_start, y_start, z_start] = mask.region().start();
    let dims = basis.grid().dims();
    let (ball, sums) = (ball(basis.grid().spacing_mm(), radius_mm), row_sums(&mask));
    let mut inside = Vec::with_capacity(mask.inside().len());
    let mut counts: Vec<Count> = Vec::new();
    for z in 0..nz {
        go_on(observer, "smoothing", z, nz)?;
        for y in 0..ny {
            counts.clear();
            counts.resize(nx, Count::default());
            for row in &ball {
                let in_image = |at: usize, start: usize, step: isize, size: usize| {
                    (at + start).checked_add_signed(step).is_some_and(|at| at < size)
                };
                if !in_image(y, y_start, row.dy, dims[1]) || !in_image(z, z_start, row.dz, dims[2]) {
                    continue;
                }
                let (y, z) = (y.wrapping_add_signed(row.dy), z.wrapping_add_signed(row.dz));
                let known = (y < ny && z < nz).then(|| &sums[(z * ny + y) * (nx + 1)..][..=nx]);
                row.count(known, x_start, dims[0], &mut counts);
            }
            let line = &mask.inside()[(z * ny + y) * nx..][..nx];
            inside.extend(counts.iter().zip(line).map(|(count, was)| count.decides(*was)));
        }
    }
    Ok(replaced(&mask, inside))
}

/// Voxels of a neighbourhood.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    inside: u32,
    all: u32,
}

impl Count {
    fn decides(&self, was: bool) -> bool {
        match (2 * self.inside).cmp(&self.all) {
            Ordering::Greater => true,
            Ordering::Equal => was,
            Ordering::Less => false,
        }
    }
}

/// A row of the neighbourhood: `2 half + 1` voxels.
struct BallRow {
    dy: isize,
    dz: isize,
    half: usize,
}

impl BallRow {
    /// Adds the row's voxels to the neighbourhoods of a row of the box. `sums`: running sums of the row that is
    /// looked at, none beyond the box, where the label has no voxel.
    fn count(&self, sums: Option<&[u32]>, x_start: usize, width: usize, counts: &mut [Count]) {
        let count = counts.len();
        for (x, total) in counts.iter_mut().enumerate() {
            let (left, right) = (self.half.min(x_start + x), self.half.min(width - 1 - x_start - x));
            total.all += (left + right + 1) as u32;
            if let Some(sums) = sums {
                total.inside += sums[(x + self.half + 1).min(count)] - sums[x.saturating_sub(self.half)];
            }
        }
    }
}

/// The rows of voxels within a radius.
fn ball(spacing_mm: [f64; 3], radius_mm: f64) -> Vec<BallRow> {
    let reach = spacing_mm.map(|spacing| (radius_mm / spacing) as isize);
    let mut rows = Vec::new();
    for dz in -reach[2]..=reach[2] {
        for dy in -reach[1]..=reach[1] {
            let across = (dz as f64 * spacing_mm[2]).powi(2) + (dy as f64 * spacing_mm[1]).powi(2);
            let left = radius_mm * radius_mm * (1.0 + 1e-9) - across;
            if left >= 0.0 {
                rows.push(BallRow { dy, dz, half: (left.sqrt() / spacing_mm[0]) as usize });
            }
        }
    }
    rows
}

/// For every row the number of inside voxels before each position; one more value than the row has voxels.
fn row_sums(mask: &BoxMask) -> Vec<u32> {
    let width = mask.region().size()[0];
    let mut sums = Vec::with_capacity(mask.inside().len() / width.max(1) * (width + 1));
    for line in mask.inside().chunks_exact(width.max(1)) {
        let mut sum = 0;
        sums.push(sum);
        sums.extend(line.iter().map(|inside| {
            sum += u32::from(*inside);
            sum
        }));
    }
    sums
}
