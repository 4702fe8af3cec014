//! Smoothing of all labels together.

use super::{Change, EditBasis, OperationError, go_on};
use crate::geometry::VoxelBox;
use crate::job::{Cancelled, Observer};
use crate::label::{BACKGROUND, BoxMask};

/// A Gaussian is cut off at so many standard deviations.
const CUT: f64 = 3.0;

/// All labels smoothed together: each is blurred by a Gaussian, and every voxel goes to the one that is strongest
/// there, background included. Every voxel has exactly one label before and after, so no gap opens between labels
/// that touch and none overlap.
pub(super) fn smooth(
    basis: &EditBasis,
    sigma_mm: f64,
    name: &str,
    observer: &dyn Observer,
) -> Result<Change, OperationError> {
    let used = basis.labels.used_labels();
    let bounds: Vec<VoxelBox> = used.iter().map(|label| basis.labels.bounds(*label)).collect();
    let whole = bounds.iter().fold(VoxelBox::default(), |all, one| all.union(one));
    if whole.is_empty() {
        return Err(OperationError::Nothing);
    }
    let region = basis.grown(whole, sigma_mm * CUT);
    let kernels = basis.grid().spacing_mm().map(|spacing| kernel(sigma_mm / spacing));
    let mut contest = Contest::new(region);
    for (done, (label, bounds)) in used.iter().zip(&bounds).enumerate() {
        let mask = BoxMask::from_labels_in(&basis.labels, *label, basis.grown(*bounds, sigma_mm * CUT));
        let part = Progress { observer, done, total: used.len() };
        contest.enter(*label, &mask, &blurred(&mask, &kernels, &part)?);
    }
    Change::of_labels(basis, name, region, &contest.winners(), None, Vec::new())
}

struct Progress<'a> {
    observer: &'a dyn Observer,
    done: usize,
    total: usize,
}

/// The strongest label of every voxel so far.
struct Contest {
    region: VoxelBox,
    best: Vec<f32>,
    label: Vec<u16>,
    /// What all labels have together; the rest is background.
    sum: Vec<f32>,
}

impl Contest {
    fn new(region: VoxelBox) -> Self {
        let count = region.voxel_count();
        Self { region, best: vec![0.0; count], label: vec![BACKGROUND; count], sum: vec![0.0; count] }
    }

    fn enter(&mut self, label: u16, mask: &BoxMask, strength: &[f32]) {
        let (start, size) = (self.region.start(), self.region.size());
        let width = mask.region().size()[0];
        for ((y, z), row) in mask.region().rows().zip(strength.chunks_exact(width.max(1))) {
            let first =
                ((z - start[2]) * size[1] + y - start[1]) * size[0] + mask.region().start()[0] - start[0];
            for (at, value) in (first..).zip(row) {
                self.sum[at] += value;
                if *value > self.best[at] {
                    (self.best[at], self.label[at]) = (*value, label);
                }
            }
        }
    }

    fn winners(mut self) -> Vec<u16> {
        for ((label, best), sum) in self.label.iter_mut().zip(&self.best).zip(&self.sum) {
            if 1.0 - sum > *best {
                *label = BACKGROUND;
            }
        }
        self.label
    }
}

/// One half of a Gaussian of a standard deviation in voxels, the middle first, with a sum of 1 over both halves.
fn kernel(sigma: f64) -> Vec<f32> {
    let reach = (sigma * CUT) as usize;
    let raw: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum = 2.0 * raw.iter().sum::<f64>() - raw[0];
    raw.iter().map(|value| (value / sum) as f32).collect()
}

/// The mask blurred along all three axes. Beyond its box the values at the faces go on: a box ends where the label
/// is far away, or at the border of the image, which must not pull labels in.
fn blurred(mask: &BoxMask, kernels: &[Vec<f32>; 3], part: &Progress<'_>) -> Result<Vec<f32>, Cancelled> {
    let size = mask.region().size();
    let mut values: Vec<f32> = mask.inside().iter().map(|inside| f32::from(u8::from(*inside))).collect();
    let strides = [1, size[0], size[0] * size[1]];
    for axis in 0..3 {
        go_on(part.observer, "smoothing", part.done * 3 + axis, part.total * 3)?;
        if kernels[axis].len() > 1 && size[axis] > 1 {
            let others = [(axis + 1) % 3, (axis + 2) % 3];
            let mut line = vec![0.0; size[axis]];
            for a in 0..size[others[0]] {
                if part.observer.is_cancelled() {
                    return Err(Cancelled);
                }
                for b in 0..size[others[1]] {
                    let start = a * strides[others[0]] + b * strides[others[1]];
                    blur_line(&mut values, start, strides[axis], &kernels[axis], &mut line);
                }
            }
        }
    }
    Ok(values)
}

fn blur_line(values: &mut [f32], start: usize, stride: usize, kernel: &[f32], line: &mut [f32]) {
    let last = line.len() - 1;
    for (i, value) in line.iter_mut().enumerate() {
        *value = values[start + i * stride];
    }
    if line.iter().all(|value| *value == line[0]) {
        return;
    }
    for i in 0..=last {
        let mut sum = kernel[0] * line[i];
        for (reach, weight) in kernel.iter().enumerate().skip(1) {
            sum += weight * (line[i.saturating_sub(reach)] + line[(i + reach).min(last)]);
        }
        values[start + i * stride] = sum;
    }
}
