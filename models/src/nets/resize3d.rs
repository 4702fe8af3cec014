//! Resizing of `[batch, channels, z, y, x]` tensors, with PyTorch's rules for sample positions.
//!
//! Every mode is separable: along one axis it is a small matrix `[size_out, size_in]`. The resize is then
//! three matrix products, which are fast, differentiable and the same on every device.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How new samples are computed from old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Linear along each axis; voxels are cells (`align_corners=False`), edges are clamped.
    Trilinear,
    /// Linear along each axis; the centres of the corner voxels coincide (`align_corners=True`).
    TrilinearAlignCorners,
    /// PyTorch's `nearest`: index floor(i · in / out).
    Nearest,
    /// PyTorch's `nearest-exact`: index floor((i + ½) · in / out).
    NearestExact,
    /// Mean over the window [floor(i · in / out), ceil((i + 1) · in / out)): adaptive average pooling.
    Area,
}

/// The weights of one axis, row-major `[size_out, size_in]`; rows sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisWeights {
    size_in: usize,
    size_out: usize,
    weights: Vec<f32>,
}

impl AxisWeights {
    /// All zero; rows are filled by [`AxisWeights::add`].
    pub(super) fn zeros(size_in: usize, size_out: usize) -> Self {
        Self { size_in, size_out, weights: vec![0.0; size_in * size_out] }
    }

    /// Adds `weight` of old sample `from` to new sample `to`.
    pub(super) fn add(&mut self, to: usize, from: usize, weight: f32) {
        self.weights[to * self.size_in + from] += weight;
    }

    /// The weights that resize an axis of `size_in` samples to `size_out` (both at least 1).
    pub fn new(size_in: usize, size_out: usize, mode: ResizeMode) -> Self {
        let mut axis = Self::zeros(size_in, size_out);
        for to in 0..size_out {
            match mode {
                ResizeMode::Trilinear => axis.add_linear(to, linear_position(to, size_in, size_out)),
                ResizeMode::TrilinearAlignCorners => {
                    let step = (size_in - 1) as f64 / size_out.saturating_sub(1).max(1) as f64;
                    axis.add_linear(to, to as f64 * step);
                }
                ResizeMode::Nearest => axis.add_nearest(to, to as f32),
                ResizeMode::NearestExact => axis.add_nearest(to, to as f32 + 0.5),
                ResizeMode::Area => axis.add_area(to),
            }
        }
        axis
    }

    fn add_linear(&mut self, to: usize, position: f64) {
        let low = (position as usize).min(self.size_in - 1);
        let high = (low + 1).min(self.size_in - 1);
        let fraction = (position - low as f64) as f32;
        self.add(to, low, 1.0 - fraction);
        self.add(to, high, fraction);
    }

    fn add_nearest(&mut self, to: usize, position: f32) {
        // In f32 as in the reference, so that ratios which are not exact round alike.
        let from = (position * (self.size_in as f32 / self.size_out as f32)) as usize;
        self.add(to, from.min(self.size_in - 1), 1.0);
    }

    fn add_area(&mut self, to: usize) {
        let start = to * self.size_in / self.size_out;
        let end = ((to + 1) * self.size_in).div_ceil(self.size_out);
        for from in start..end {
            self.add(to, from, 1.0 / (end - start) as f32);
        }
    }

    fn is_identity(&self) -> bool {
        let entry = |to: usize, from: usize| self.weights[to * self.size_in + from];
        self.size_in == self.size_out && (0..self.size_in).all(|i| entry(i, i) == 1.0)
    }

    fn matrix(&self, device: &Device) -> Tensor<2> {
        let data = TensorData::new(self.weights.clone(), [self.size_out, self.size_in]);
        Tensor::from_data(data, device)
    }
}

/// Centre of new cell `to`, in old samples, not below the first (`align_corners=False`).
fn linear_position(to: usize, size_in: usize, size_out: usize) -> f64 {
    ((to as f64 + 0.5) * size_in as f64 / size_out as f64 - 0.5).max(0.0)
}

/// Resizes `[batch, channels, z, y, x]` to the spatial size `size`.
pub fn resize3d(x: Tensor<5>, size: [usize; 3], mode: ResizeMode) -> Tensor<5> {
    let [_, _, z, y, w] = x.dims();
    let axes = [(z, size[0]), (y, size[1]), (w, size[2])];
    apply_axes(x, axes.map(|(from, to)| AxisWeights::new(from, to, mode)))
}

/// Applies one matrix per spatial axis; shrinking axes first keeps the intermediate tensors small.
pub(super) fn apply_axes(mut x: Tensor<5>, axes: [AxisWeights; 3]) -> Tensor<5> {
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| {
        let ratio = |i: usize| axes[i].size_out as f64 / axes[i].size_in as f64;
        ratio(a).total_cmp(&ratio(b))
    });
    for i in order {
        x = apply_axis(x, i + 2, &axes[i]);
    }
    x
}

fn apply_axis(x: Tensor<5>, axis: usize, weights: &AxisWeights) -> Tensor<5> {
    if weights.is_identity() {
        return x;
    }
    let mut dims = x.dims();
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    let matrix = weights.matrix(&x.device());
    dims[axis] = weights.size_out;
    if inner == 1 {
        return x.reshape([outer, weights.size_in]).matmul(matrix.transpose()).reshape(dims);
    }
    let matrix = matrix.unsqueeze::<3>();
    matrix.matmul(x.reshape([outer, weights.size_in, inner])).reshape(dims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_mode_sums_to_one() {
        let modes = [
            ResizeMode::Trilinear,
            ResizeMode::TrilinearAlignCorners,
            ResizeMode::Nearest,
            ResizeMode::NearestExact,
            ResizeMode::Area,
        ];
        for (mode, (from, to)) in modes.iter().flat_map(|m| [(1, 5), (7, 3), (5, 13), (4, 4)].map(|s| (m, s)))
        {
            let axis = AxisWeights::new(from, to, *mode);
            for row in axis.weights.chunks(from) {
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{mode:?} {from}->{to}: row sums to {sum}");
            }
        }
    }

    #[test]
    fn a_linear_ramp_stays_linear_inside() {
        let device = Device::flex();
        let ramp: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let x = Tensor::<1>::from_floats(ramp.as_slice(), &device).reshape([1, 1, 6, 1, 1]);
        let y = resize3d(x, [12, 2, 3], ResizeMode::Trilinear);
        assert_eq!(y.dims(), [1, 1, 12, 2, 3]);
        let values: Vec<f32> = y.to_data().try_to_vec().unwrap();
        for (i, row) in values.chunks(6).enumerate() {
            let expected = ((i as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, 5.0);
            assert!(row.iter().all(|v| (v - expected).abs() < 1e-5), "sample {i}: {row:?}");
        }
    }

    #[test]
    fn gradients_flow_back_to_every_sample() {
        let device = Device::flex().autodiff();
        let x = Tensor::<5>::ones([1, 1, 4, 4, 4], &device).require_grad();
        let y = resize3d(x.clone(), [8, 8, 8], ResizeMode::Trilinear).sum();
        let gradients = y.backward();
        let grad = x.grad(&gradients).unwrap();
        let total: f32 = grad.sum().into_scalar();
        assert!((total - 512.0).abs() < 1e-2, "the gradient of a sum distributes 512, got {total}");
    }
}
