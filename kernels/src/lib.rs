//! Fast 3-D convolution and instance normalisation for the CPU, behind one seam.
//!
//! On the CPU backend these functions run this module's own kernels (direct convolution with AVX-512, AVX2,
//! NEON or plain vectors, chosen at run time), for single precision; on a GPU they run burn's. Both ways are
//! differentiable. Networks call these functions instead of burn's modules of the same purpose.
//!
//! Results do not change from run to run, nor with the number of threads.

#![allow(unsafe_code)]

mod backend;
mod composed;
mod correlate;
mod flex;
mod norm;
mod plan;
mod simd;
#[cfg(test)]
mod tests;
mod weight_grad;
pub mod work;

use std::mem::MaybeUninit;

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use backend::KernelBackend;

/// How a 3-D convolution walks over its input; every array is `[depth, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions3d {
    /// Distance between neighbouring output voxels in the input, in voxels.
    pub stride: [usize; 3],
    /// Zeros added on both sides of each axis, in voxels.
    pub padding: [usize; 3],
    /// Distance between neighbouring kernel taps, in voxels.
    pub dilation: [usize; 3],
    /// Number of groups of channels convolved independently.
    pub groups: usize,
}

impl Default for ConvOptions3d {
    fn default() -> Self {
        Self { stride: [1; 3], padding: [0; 3], dilation: [1; 3], groups: 1 }
    }
}

/// 3-D convolution (cross-correlation) of `x` `[N, Ci, D, H, W]` with `weight` `[Co, Ci / groups, kd, kh, kw]`
/// and an optional `bias` `[Co]`; the result is `[N, Co, D', H', W']` with
/// `D' = (D + 2 * padding - dilation * (kd - 1) - 1) / stride + 1`.
///
/// # Panics
/// When the shapes do not fit each other, or the kernel is larger than the padded input.
pub fn conv3d(x: Tensor<5>, weight: Tensor<5>, bias: Option<Tensor<1>>, options: ConvOptions3d) -> Tensor<5> {
    let ConvOptions3d { stride, padding, dilation, groups } = options;
    let ([_, inputs, ..], [outputs, per_group, kernel @ ..]) = (x.dims(), weight.dims());
    assert!(
        groups > 0 && inputs == per_group * groups && outputs % groups == 0,
        "conv3d: an input of {inputs} channels does not fit a weight {:?} in {groups} groups",
        weight.dims()
    );
    for axis in 0..3 {
        let (size, reach) = (x.dims()[axis + 2], dilation[axis] * (kernel[axis].max(1) - 1) + 1);
        assert!(
            kernel[axis] > 0 && stride[axis] > 0 && dilation[axis] > 0 && reach <= size + 2 * padding[axis],
            "conv3d: a kernel {kernel:?} with {options:?} does not fit an input {:?}",
            x.dims()
        );
    }
    let bias = bias.unwrap_or_else(|| filled(outputs, 0.0, &x));
    assert!(bias.dims() == [outputs], "conv3d: a bias {:?} for {outputs} channels", bias.dims());
    let reached = [0, 1, 2].map(|axis| {
        (x.dims()[axis + 2] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1
    });
    work::note([x.dims()[0], outputs, per_group].into_iter().chain(reached).chain(kernel));
    let options = ConvOptions::new(stride, padding, dilation, groups);
    let y = Dispatch::kernel_conv3d(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), options);
    Tensor::from_dispatch(y)
}

/// Transposed 3-D convolution of `x` `[N, Ci, D, H, W]` with `weight` `[Ci, Co, kd, kh, kw]` and an optional
/// `bias` `[Co]`; the result is `[N, Co, D', H', W']` with `D' = (D - 1) * stride - 2 * padding + kd + output_padding`.
///
/// # Panics
/// When the shapes do not fit each other, an output padding is not smaller than its stride, or nothing is left.
pub fn conv_transpose3d(
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    stride: [usize; 3],
    padding: [usize; 3],
    output_padding: [usize; 3],
) -> Tensor<5> {
    let ([_, inputs, size @ ..], [expected, outputs, kernel @ ..]) = (x.dims(), weight.dims());
    assert!(
        inputs == expected,
        "conv_transpose3d: an input of {inputs} channels does not fit a weight {:?}",
        weight.dims()
    );
    for axis in 0..3 {
        let full = size[axis].saturating_sub(1) * stride[axis] + kernel[axis] + output_padding[axis];
        assert!(
            size[axis] > 0 && output_padding[axis] < stride[axis] && full > 2 * padding[axis],
            "conv_transpose3d: a kernel {kernel:?} with stride {stride:?}, padding {padding:?} and output \
             padding {output_padding:?} does not fit an input {:?}",
            x.dims()
        );
    }
    let bias = bias.unwrap_or_else(|| filled(outputs, 0.0, &x));
    assert!(bias.dims() == [outputs], "conv_transpose3d: a bias {:?} for {outputs} channels", bias.dims());
    work::note([x.dims()[0], inputs, outputs].into_iter().chain(size).chain(kernel));
    let options = ConvTransposeOptions::new(stride, padding, output_padding, [1; 3], 1);
    let [x, weight, bias] = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(Dispatch::kernel_conv_transpose3d(x, weight, bias, options))
}

/// Instance normalisation of `x` `[N, C, D, H, W]`: each channel of each sample to mean 0 and (biased) variance
/// 1, then times `gamma` `[C]` plus `beta` `[C]` where given. `epsilon` is added to the variance.
///
/// # Panics
/// When `gamma` or `beta` have not one value a channel.
pub fn instance_norm(
    x: Tensor<5>,
    gamma: Option<Tensor<1>>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<5> {
    instance_norm_leaky_relu(x, gamma, beta, epsilon, 1.0)
}

/// [`instance_norm`] followed by a leaky ReLU with the given slope below zero, in one pass.
///
/// # Panics
/// When `gamma` or `beta` have not one value a channel.
pub fn instance_norm_leaky_relu(
    x: Tensor<5>,
    gamma: Option<Tensor<1>>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
    negative_slope: f64,
) -> Tensor<5> {
    let channels = x.dims()[1];
    let gamma = gamma.unwrap_or_else(|| filled(channels, 1.0, &x));
    let beta = beta.unwrap_or_else(|| filled(channels, 0.0, &x));
    assert!(
        gamma.dims() == [channels] && beta.dims() == [channels],
        "instance_norm: gamma {:?} and beta {:?} for {channels} channels",
        gamma.dims(),
        beta.dims()
    );
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    let (mean, scale) = Dispatch::kernel_norm_statistics(x.clone(), epsilon);
    Tensor::from_dispatch(Dispatch::kernel_norm(x, mean, scale, gamma, beta, negative_slope))
}

/// A constant vector that goes with `like`.
fn filled(len: usize, value: f32, like: &Tensor<5>) -> Tensor<1> {
    Tensor::full([len], value, (&like.device(), like.dtype()))
}

/// A result in the making: filling large memory with zeros first would cost as much as some kernels.
struct Output(Vec<MaybeUninit<f32>>);

impl Output {
    fn new(len: usize) -> Self {
        let mut values = Vec::with_capacity(len);
        // SAFETY: the capacity is there, and uninitialised values need no initialisation.
        unsafe { values.set_len(len) };
        Self(values)
    }

    fn values(&mut self) -> &mut [MaybeUninit<f32>] {
        &mut self.0
    }

    /// The finished result.
    ///
    /// # Safety
    /// Every value must have been written.
    unsafe fn written(self) -> Vec<f32> {
        let mut values = std::mem::ManuallyDrop::new(self.0);
        // SAFETY: same allocation, same layout, and the caller has written every value.
        unsafe { Vec::from_raw_parts(values.as_mut_ptr().cast(), values.len(), values.capacity()) }
    }
}
