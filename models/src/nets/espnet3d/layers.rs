//! Layers of 3D-ESPNet, with the reference's field names.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::blocks::{Activation, Conv, ConvSpec, Norm, NormKind};
use super::super::pool3d::adaptive_avg_pool3d;
use super::super::resize3d::{ResizeMode, resize3d};

/// Batch normalisation behind single convolutions.
const WIDE_EPS: NormKind = NormKind::Batch { eps: 1e-3 };
/// Batch normalisation of an ESP block's concatenation.
const NARROW_EPS: NormKind = NormKind::Batch { eps: 1e-5 };

/// Convolution without bias → batch normalisation → activation.
#[derive(Module, Debug)]
pub(super) struct Cbr {
    conv: Conv,
    bn: Norm,
    #[module(skip)]
    activation: Activation,
}

impl Cbr {
    /// With ReLU.
    pub(super) fn new(from: usize, to: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        Self::with(ConvSpec::new(from, to, [kernel; 3]).stride([stride; 3]), to, Activation::Relu, device)
    }

    /// Without activation.
    fn linear(channels: usize, kernel: usize, device: &Device) -> Self {
        Self::with(ConvSpec::new(channels, channels, [kernel; 3]), channels, Activation::Identity, device)
    }

    fn with(conv: ConvSpec, to: usize, activation: Activation, device: &Device) -> Self {
        Self { conv: conv.bias(false).init(device), bn: WIDE_EPS.init(to, device), activation }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.bn.forward_activated(self.conv.forward(x), self.activation)
    }
}

/// A convolution alone, in a module of its own.
#[derive(Module, Debug)]
pub(super) struct Bare {
    conv: Conv,
}

impl Bare {
    pub(super) fn new(conv: ConvSpec, device: &Device) -> Self {
        Self { conv: conv.bias(false).init(device) }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.conv.forward(x)
    }
}

/// The ESP block: reduce, four parallel (dilated) convolutions, hierarchical sums, concatenate.
/// The dilations are 1, 1, 2, 2 although the names say 1, 2, 4, 8.
#[derive(Module, Debug)]
pub(super) struct Esp {
    c1: Cbr,
    d1: Bare,
    d2: Bare,
    d4: Bare,
    d8: Bare,
    bn: Norm,
}

impl Esp {
    pub(super) fn new(from: usize, to: usize, stride: usize, device: &Device) -> Self {
        let n = to / 4;
        let rest = to - 3 * n;
        let branch = |out, dilation| {
            Bare::new(ConvSpec::new(n, out, [3; 3]).dilation(dilation).stride([stride; 3]), device)
        };
        Self {
            c1: Cbr::new(from, n, 1, 1, device),
            d1: branch(rest, 1),
            d2: branch(n, 1),
            d4: branch(n, 2),
            d8: branch(n, 2),
            bn: NARROW_EPS.init(to, device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let reduced = self.c1.forward(x.clone());
        let d1 = self.d1.forward(reduced.clone());
        let a1 = self.d2.forward(reduced.clone());
        let a2 = a1.clone() + self.d4.forward(reduced.clone());
        let a3 = a2.clone() + self.d8.forward(reduced);
        let y = self.bn.forward(Tensor::cat(vec![d1, a1, a2, a3], 1));
        let y = if y.dims() == x.dims() { y + x } else { y };
        Activation::Relu.forward(y)
    }
}

/// Sum of four convolutions of growing kernel and the input.
#[derive(Module, Debug)]
pub(super) struct AspBlock {
    d1: Cbr,
    d2: Cbr,
    d4: Cbr,
    d8: Cbr,
}

impl AspBlock {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        let conv = |kernel| Cbr::linear(channels, kernel, device);
        Self { d1: conv(3), d2: conv(5), d4: conv(7), d8: conv(9) }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let sum = [&self.d1, &self.d2, &self.d4, &self.d8]
            .into_iter()
            .fold(x.clone(), |sum, conv| sum + conv.forward(x.clone()));
        Activation::Relu.forward(sum)
    }
}

/// Convolution, then twice the size.
#[derive(Module, Debug)]
pub(super) struct UpSampler {
    up: Cbr,
}

impl UpSampler {
    pub(super) fn new(from: usize, to: usize, device: &Device) -> Self {
        Self { up: Cbr::new(from, to, 3, 1, device) }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let x = self.up.forward(x);
        let [_, _, z, y, w] = x.dims();
        resize3d(x, [2 * z, 2 * y, 2 * w], ResizeMode::Trilinear)
    }
}

/// One scale of the pyramid: pool, convolve, enlarge to the old size.
#[derive(Module, Debug)]
pub(super) struct Psp {
    features: Cbr,
    scale: f64,
}

impl Psp {
    pub(super) fn new(channels: usize, scale: f64, device: &Device) -> Self {
        Self { features: Cbr::new(channels, channels, 3, 1, device), scale }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [_, _, z, y, w] = x.dims();
        let size = [z, y, w];
        let pooled = adaptive_avg_pool3d(x, size.map(|n| ((n as f64 * self.scale) as usize).max(1)));
        resize3d(self.features.forward(pooled), size, ResizeMode::Trilinear)
    }
}
