//! Pooling of `[batch, channels, z, y, x]` tensors. Both kinds are separable: the maximum and the mean of a
//! box are the maximum and the mean along z, then y, then x.

use burn::tensor::{Slice, Tensor};

use super::resize3d::{AxisWeights, ResizeMode, apply_axes, resize3d};

/// Window of a pooling, `[z, y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolWindow {
    /// Size of the window.
    pub kernel: [usize; 3],
    /// Step between windows.
    pub stride: [usize; 3],
    /// Samples added on both sides, at most half the kernel.
    pub padding: [usize; 3],
}

impl PoolWindow {
    /// Windows that tile the volume: kernel = stride, no padding; a rest at the end is dropped.
    pub fn tiling(kernel: [usize; 3]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 3] }
    }

    fn size_out(&self, axis: usize, size: usize) -> usize {
        (size + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1
    }
}

/// Maximum over each window; padding never wins.
pub fn max_pool3d(mut x: Tensor<5>, window: PoolWindow) -> Tensor<5> {
    for axis in 0..3 {
        x = max_pool_axis(x, axis, &window);
    }
    x
}

fn max_pool_axis(x: Tensor<5>, axis: usize, window: &PoolWindow) -> Tensor<5> {
    let (kernel, stride, padding) = (window.kernel[axis], window.stride[axis], window.padding[axis]);
    if kernel == 1 && stride == 1 {
        return x;
    }
    let mut dims = x.dims();
    let out = window.size_out(axis, dims[axis + 2]);
    let padded = if padding == 0 {
        x
    } else {
        dims[axis + 2] = padding;
        let border = Tensor::full(dims, f32::MIN, &x.device());
        Tensor::cat(vec![border.clone(), x, border], axis + 2)
    };
    let dims = padded.dims();
    let taps = (0..kernel).map(|offset| {
        let mut slices = dims.map(|size| Slice::new(0, Some(size as isize), 1));
        let end = offset + (out - 1) * stride + 1;
        slices[axis + 2] = Slice::new(offset as isize, Some(end as isize), stride as isize);
        padded.clone().slice(slices)
    });
    taps.reduce(Tensor::max_pair).unwrap_or(padded)
}

/// Mean over each window; padding counts as zeros (PyTorch's `count_include_pad=True`).
pub fn avg_pool3d(x: Tensor<5>, window: PoolWindow) -> Tensor<5> {
    let dims = x.dims();
    let axes = [0, 1, 2].map(|axis| {
        let size = dims[axis + 2];
        let out = window.size_out(axis, size);
        let mut weights = AxisWeights::zeros(size, out);
        for to in 0..out {
            for tap in 0..window.kernel[axis] {
                let from = (to * window.stride[axis] + tap).checked_sub(window.padding[axis]);
                if let Some(from) = from.filter(|&from| from < size) {
                    weights.add(to, from, 1.0 / window.kernel[axis] as f32);
                }
            }
        }
        weights
    });
    apply_axes(x, axes)
}

/// Mean over `size` windows `[floor(i·n/m), ceil((i+1)·n/m))` per axis; also enlarges.
pub fn adaptive_avg_pool3d(x: Tensor<5>, size: [usize; 3]) -> Tensor<5> {
    resize3d(x, size, ResizeMode::Area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn padded_maximum_ignores_the_padding_and_passes_gradients() {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_floats([-5.0, -3.0, -4.0, -9.0], &device)
            .reshape([1, 1, 1, 1, 4])
            .require_grad();
        let window = PoolWindow { kernel: [1, 1, 3], stride: [1, 1, 2], padding: [0, 0, 1] };
        let y = max_pool3d(x.clone(), window);
        assert_eq!(y.to_data().try_to_vec::<f32>().unwrap(), vec![-3.0, -3.0]);
        let gradients = y.sum().backward();
        assert_eq!(
            x.grad(&gradients).unwrap().to_data().try_to_vec::<f32>().unwrap(),
            vec![0.0, 2.0, 0.0, 0.0]
        );
    }
}
