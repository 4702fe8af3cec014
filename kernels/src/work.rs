//! Counts the arithmetic of networks, for benchmarks.
//!
//! Counted are the convolutions and matrix products that networks call, as profilers of other frameworks do: two
//! operations a multiply-add, those with the zeros of a padding included. Normalisation, activation, softmax and
//! resampling are not counted, nor are gradients.

use std::cell::Cell;

use burn::nn::Linear;
use burn::tensor::Tensor;

thread_local! {
    /// Operations so far; `None` where nobody counts. Networks call their layers from one thread, and only the layers
    /// spread over others, so that a count needs no lock and sees nothing of other networks.
    static OPERATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Gives an outer count back, with what was counted inside, also where `run` panics.
struct Restore(Option<u64>);

impl Drop for Restore {
    fn drop(&mut self) {
        let inner = OPERATIONS.get().unwrap_or(0);
        OPERATIONS.set(self.0.map(|outer| outer.saturating_add(inner)));
    }
}

/// What `run` returns, and the floating-point operations of the layers that it calls on this thread.
pub fn counted<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let restore = Restore(OPERATIONS.replace(Some(0)));
    let result = run();
    let operations = OPERATIONS.get().unwrap_or(0);
    drop(restore);
    (result, operations)
}

/// Notes a layer whose multiply-adds are the product of `sizes`.
pub(crate) fn note(sizes: impl IntoIterator<Item = usize>) {
    if let Some(before) = OPERATIONS.get() {
        let operations = sizes.into_iter().fold(2, |product: u64, size| product.saturating_mul(size as u64));
        OPERATIONS.set(Some(before.saturating_add(operations)));
    }
}

/// The product of matrices `[…, m, k]` and `[…, k, n]`; axes of size 1 before them are repeated.
pub fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    let (rows, columns) = (left.dims(), right.dims());
    let batch = (0..D - 2).map(|axis| rows[axis].max(columns[axis]));
    note(batch.chain([rows[D - 2], rows[D - 1], columns[D - 1]]));
    left.matmul(right)
}

/// A linear layer on the last axis of `x`.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let [_, outputs] = layer.weight.dims();
    note(x.dims().into_iter().chain([outputs]));
    layer.forward(x)
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;
    use crate::{ConvOptions3d, conv_transpose3d, conv3d};

    fn zeros(shape: [usize; 5]) -> Tensor<5> {
        Tensor::zeros(shape, &Device::flex())
    }

    fn operations<T>(run: impl FnOnce() -> T) -> u64 {
        counted(run).1
    }

    #[test]
    fn a_convolution_counts_every_tap_of_every_output_voxel() {
        // 2 images, 4 → 6 channels in 2 groups, kernel 3 × 1 × 3, stride 1, 1, 2, padding 1, 0, 1:
        // each of the 2·6·5·6·4 output voxels sees 2 channels of 9 taps.
        let options =
            ConvOptions3d { stride: [1, 1, 2], padding: [1, 0, 1], groups: 2, ..ConvOptions3d::default() };
        let found = operations(|| conv3d(zeros([2, 4, 5, 6, 7]), zeros([6, 2, 3, 1, 3]), None, options));
        assert_eq!(found, 2 * (2 * 6 * 5 * 6 * 4) * (2 * 9));
    }

    #[test]
    fn a_transposed_convolution_counts_every_tap_of_every_input_voxel() {
        let run =
            || conv_transpose3d(zeros([1, 3, 2, 3, 4]), zeros([3, 5, 2, 2, 2]), None, [2; 3], [0; 3], [0; 3]);
        assert_eq!(operations(run), 2 * (3 * 2 * 3 * 4) * (5 * 8));
    }

    #[test]
    fn products_count_their_repeated_axes() {
        let device = Device::flex();
        let (left, right) = (Tensor::<3>::zeros([1, 4, 5], &device), Tensor::<3>::zeros([7, 5, 6], &device));
        assert_eq!(operations(|| matmul(left, right)), 2 * 7 * 4 * 5 * 6);
        let layer = LinearConfig::new(5, 3).init(&device);
        let x = Tensor::<3>::zeros([2, 4, 5], &device);
        assert_eq!(operations(|| linear(&layer, x)), 2 * (2 * 4 * 5) * 3);
    }

    #[test]
    fn counts_add_up_outwards_and_end_with_their_scope() {
        let one = || conv3d(zeros([1, 1, 1, 1, 1]), zeros([1, 1, 1, 1, 1]), None, ConvOptions3d::default());
        let outer = operations(|| {
            one();
            assert_eq!(operations(one), 2);
            one();
        });
        assert_eq!(outer, 6);
        one();
        assert_eq!(operations(|| ()), 0);
        let fails = || counted(|| -> u64 { panic!("a layer that does not fit") });
        assert!(std::panic::catch_unwind(fails).is_err());
        one();
        assert_eq!(OPERATIONS.get(), None);
    }
}
