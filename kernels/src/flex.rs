//! The operations on the CPU backend: tensors to slices, burn's options to plans.

use burn::backend::ops::ModuleOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Shape, TensorData};

use super::backend::KernelBackend;
use super::composed::{self, rows};
use super::correlate::{Correlation, WeightStrides};
use super::norm::{self, Affine};
use super::plan::{Axes, Window};
use super::simd::Level;
use super::weight_grad::{WeightGradient, bias_gradient};

type Cpu = FloatTensor<Flex>;

/// A tensor of `values`, which are as many as `shape` says.
fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Cpu {
    Cpu::from_data(TensorData::new(values, shape))
}

/// The same tensor with its values side by side.
fn contiguous(tensor: Cpu) -> Cpu {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// Values of a [`contiguous`] tensor.
fn values(tensor: &Cpu) -> &[f32] {
    tensor.as_slice::<f32>().expect("a contiguous tensor of f32")
}

/// Whether all are single precision, which our kernels are written for.
fn single(tensors: &[&Cpu]) -> bool {
    tensors.iter().all(|t| t.dtype() == DType::F32)
}

fn dims(shape: &Shape) -> (usize, usize, Axes) {
    (shape[0], shape[1], [shape[2], shape[3], shape[4]])
}

/// One convolution from `[N, Ci, ..size]` to `[N, Co, ..output]`; a transposed one is the same seen from its
/// output, with `Ci` its output channels.
struct Geometry {
    batch: usize,
    inputs: usize,
    outputs: usize,
    groups: usize,
    size: Axes,
    output: Axes,
    window: Window,
}

impl Geometry {
    /// Of a convolution with `weight` `[Co, Ci / groups, ..]`.
    fn of_convolution(x: &Shape, weight: &Shape, options: &ConvOptions<3>) -> Self {
        let (batch, inputs, size) = dims(x);
        let (outputs, _, kernel) = dims(weight);
        let padding = options.padding.map(|(before, _)| before);
        let window = Window { kernel, stride: options.stride, padding, dilation: options.dilation };
        let output = window.output_size(size).expect("a kernel that fits into the padded input");
        Self { batch, inputs, outputs, groups: options.groups, size, output, window }
    }

    /// Of the convolution whose transpose reads `x` `[N, Co, ..]` with `weight` `[Co, Ci / groups, ..]`.
    fn of_transpose(x: &Shape, weight: &Shape, options: &ConvTransposeOptions<3>) -> Self {
        let (batch, outputs, output) = dims(x);
        let (_, inputs, kernel) = dims(weight);
        let ConvTransposeOptions { stride, padding, padding_out, dilation, groups } = options.clone();
        let size = std::array::from_fn(|a| {
            (output[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + padding_out[a] + 1 - 2 * padding[a]
        });
        let window = Window { kernel, stride, padding, dilation };
        Self { batch, inputs: inputs * groups, outputs, groups, size, output, window }
    }

    fn weight_shape(&self) -> [usize; 5] {
        let [kd, kh, kw] = self.window.kernel;
        [self.outputs, self.inputs / self.groups, kd, kh, kw]
    }

    /// From the input's side to the output's.
    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Cpu {
        let [outputs, inputs, ..] = self.weight_shape();
        let taps = self.window.kernel.iter().product::<usize>();
        let outputs = outputs / self.groups;
        let operation = Correlation {
            batch: self.batch,
            groups: self.groups,
            inputs,
            outputs,
            in_size: self.size,
            out_size: self.output,
            in_step: self.window.stride,
            out_step: [1; 3],
            phases: vec![self.window.gather(self.output)],
        };
        let strides = WeightStrides { group: outputs * inputs * taps, output: inputs * taps, input: taps };
        let [d, h, w] = self.output;
        let y = operation.run(Level::best(), x, weight, strides, bias);
        tensor(y, [self.batch, self.outputs, d, h, w])
    }

    /// From the output's side to the input's: the transpose of [`Geometry::forward`].
    fn backward(&self, y: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Cpu {
        let [outputs, inputs, ..] = self.weight_shape();
        let taps = self.window.kernel.iter().product::<usize>();
        let outputs = outputs / self.groups;
        let operation = Correlation {
            batch: self.batch,
            groups: self.groups,
            inputs: outputs,
            outputs: inputs,
            in_size: self.output,
            out_size: self.size,
            in_step: [1; 3],
            out_step: self.window.stride,
            phases: self.window.scatter(self.size),
        };
        let strides = WeightStrides { group: outputs * inputs * taps, output: taps, input: inputs * taps };
        let [d, h, w] = self.size;
        let x = operation.run(Level::best(), y, weight, strides, bias);
        tensor(x, [self.batch, self.inputs, d, h, w])
    }

    /// The gradient by the weight for `x` on the input's side and `y` on the output's.
    fn weight_gradient(&self, x: &[f32], y: &[f32]) -> Cpu {
        let [outputs, inputs, ..] = self.weight_shape();
        let operation = WeightGradient {
            batch: self.batch,
            groups: self.groups,
            inputs,
            outputs: outputs / self.groups,
            in_size: self.size,
            in_step: self.window.stride,
            phase: self.window.gather(self.output),
        };
        tensor(operation.run(Level::best(), x, y), self.weight_shape())
    }
}

/// What normalises each row, from tensors of our own making.
fn affine(mean: &Cpu, scale: &Cpu, gamma: &Cpu, beta: &Cpu) -> Vec<Affine> {
    let (gamma, beta) = (values(gamma), values(beta));
    let rows = values(mean).iter().zip(values(scale)).enumerate();
    let of_row = |(row, (&mean, &inverse_deviation))| {
        let c = row % gamma.len();
        Affine { mean, inverse_deviation, gamma: gamma[c], beta: beta[c] }
    };
    rows.map(of_row).collect()
}

impl KernelBackend for Flex {
    fn kernel_conv3d(x: Cpu, weight: Cpu, bias: Cpu, options: ConvOptions<3>) -> Cpu {
        if !single(&[&x, &weight, &bias]) {
            return Self::conv3d(x, weight, Some(bias), options);
        }
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        let geometry = Geometry::of_convolution(&x.shape(), &weight.shape(), &options);
        geometry.forward(values(&x), values(&weight), Some(values(&bias)))
    }

    fn kernel_conv3d_x(x: Cpu, weight: Cpu, grad: Cpu, options: ConvOptions<3>) -> Cpu {
        if !single(&[&weight, &grad]) {
            return Self::conv3d_x_backward(x, weight, grad, options);
        }
        let geometry = Geometry::of_convolution(&x.shape(), &weight.shape(), &options);
        let [weight, grad] = [weight, grad].map(contiguous);
        geometry.backward(values(&grad), values(&weight), None)
    }

    fn kernel_conv3d_weight(x: Cpu, weight: Cpu, grad: Cpu, options: ConvOptions<3>) -> Cpu {
        if !single(&[&x, &grad]) {
            return Self::conv3d_weight_backward(x, weight, grad, options);
        }
        let geometry = Geometry::of_convolution(&x.shape(), &weight.shape(), &options);
        let [x, grad] = [x, grad].map(contiguous);
        geometry.weight_gradient(values(&x), values(&grad))
    }

    fn kernel_bias(grad: Cpu) -> Cpu {
        let [n, c, _] = rows(&grad.shape());
        if !single(&[&grad]) {
            return composed::channel_sums::<Self>(grad);
        }
        tensor(bias_gradient(values(&contiguous(grad)), n, c), [c])
    }

    fn kernel_conv_transpose3d(x: Cpu, weight: Cpu, bias: Cpu, options: ConvTransposeOptions<3>) -> Cpu {
        if !single(&[&x, &weight, &bias]) {
            return Self::conv_transpose3d(x, weight, Some(bias), options);
        }
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        let geometry = Geometry::of_transpose(&x.shape(), &weight.shape(), &options);
        geometry.backward(values(&x), values(&weight), Some(values(&bias)))
    }

    fn kernel_conv_transpose3d_x(weight: Cpu, grad: Cpu, options: ConvTransposeOptions<3>) -> Cpu {
        if !single(&[&weight, &grad]) {
            return Self::conv_transpose3d_x_backward(weight, grad, options);
        }
        let [weight, grad] = [weight, grad].map(contiguous);
        // An output padding is smaller than the stride, so a plain convolution of the gradient has x's size.
        let ConvTransposeOptions { stride, padding, dilation, groups, .. } = options;
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let geometry = Geometry::of_convolution(&grad.shape(), &weight.shape(), &options);
        geometry.forward(values(&grad), values(&weight), None)
    }

    fn kernel_conv_transpose3d_weight(
        x: Cpu,
        weight: Cpu,
        grad: Cpu,
        options: ConvTransposeOptions<3>,
    ) -> Cpu {
        if !single(&[&x, &grad]) {
            return Self::conv_transpose3d_weight_backward(x, weight, grad, options);
        }
        let [x, grad] = [x, grad].map(contiguous);
        let geometry = Geometry::of_transpose(&x.shape(), &weight.shape(), &options);
        geometry.weight_gradient(values(&grad), values(&x))
    }

    fn kernel_norm_statistics(x: Cpu, epsilon: f64) -> (Cpu, Cpu) {
        if !single(&[&x]) {
            return composed::norm_statistics::<Self>(x, epsilon);
        }
        let [n, c, voxels] = rows(&x.shape());
        let x = contiguous(x);
        let (mean, scale) = norm::statistics(Level::best(), values(&x), voxels, epsilon);
        (tensor(mean, [n, c, 1]), tensor(scale, [n, c, 1]))
    }

    fn kernel_norm(x: Cpu, mean: Cpu, scale: Cpu, gamma: Cpu, beta: Cpu, slope: f64) -> Cpu {
        if !single(&[&x, &gamma, &beta]) {
            return composed::norm::<Self>(x, mean, scale, gamma, beta, slope);
        }
        let shape = x.shape();
        let [_, _, voxels] = rows(&shape);
        let [x, mean, scale, gamma, beta] = [x, mean, scale, gamma, beta].map(contiguous);
        let affine = affine(&mean, &scale, &gamma, &beta);
        let y = norm::apply(Level::best(), values(&x), voxels, &affine, slope as f32);
        Cpu::from_data(TensorData::new(y, shape))
    }

    fn kernel_norm_backward(
        grad: Cpu,
        x: Cpu,
        mean: Cpu,
        scale: Cpu,
        gamma: Cpu,
        beta: Cpu,
        slope: f64,
    ) -> (Cpu, Cpu, Cpu) {
        if !single(&[&grad, &x, &gamma, &beta]) {
            return composed::norm_backward::<Self>(grad, x, mean, scale, gamma, beta, slope);
        }
        let shape = x.shape();
        let [_, c, voxels] = rows(&shape);
        let [grad, x, mean, scale, gamma, beta] = [grad, x, mean, scale, gamma, beta].map(contiguous);
        let affine = affine(&mean, &scale, &gamma, &beta);
        let (d_x, sums) =
            norm::backward(Level::best(), values(&grad), values(&x), voxels, &affine, slope as f32);
        let (mut d_gamma, mut d_beta) = (vec![0.0; c], vec![0.0; c]);
        for (row, sums) in sums.iter().enumerate() {
            d_gamma[row % c] += sums.weighted as f32;
            d_beta[row % c] += sums.plain as f32;
        }
        (Cpu::from_data(TensorData::new(d_x, shape)), tensor(d_gamma, [c]), tensor(d_beta, [c]))
    }
}
