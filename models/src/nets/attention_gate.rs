//! Attention gates: the features of a skip connection are multiplied by coefficients α between 0 and 1, which a
//! coarser feature map, the gating signal, decides (Oktay et al., 2018: "Attention U-Net").

use burn::module::Module;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

use super::blocks::{Conv, ConvSpec, Norm, NormKind};
use super::resize3d::{ResizeMode, resize3d};

/// The batch normalisation of all networks with gates.
pub(super) const BATCH_NORM: NormKind = NormKind::Batch { eps: 1e-5 };

/// What a gate yields.
pub(super) struct Gated {
    /// The gated skip connection, of its shape.
    pub(super) features: Tensor<5>,
    /// α after resampling to the skip connection's size, `[batch, gates, z, y, x]`.
    pub(super) alpha: Tensor<5>,
}

/// Gate whose gating signal already has the skip connection's size: α = σ(ψ(ReLU(W_g g + W_x x))).
#[derive(Module, Debug)]
pub(super) struct AdditiveGate {
    w_g: (Conv, Norm),
    w_x: (Conv, Norm),
    psi: (Conv, Norm),
}

impl AdditiveGate {
    /// For a gating signal and a skip connection of `channels` channels each, compared in `inner` channels.
    pub(super) fn new(channels: usize, inner: usize, device: &Device) -> Self {
        let unit = |from, to| pointwise(from, to, device);
        Self { w_g: unit(channels, inner), w_x: unit(channels, inner), psi: unit(inner, 1) }
    }

    /// Gates `skip` by `gating`, both `[batch, channels, z, y, x]`.
    pub(super) fn forward(&self, gating: Tensor<5>, skip: Tensor<5>) -> Gated {
        let compared = relu(run(&self.w_g, gating) + run(&self.w_x, skip.clone()));
        let alpha = sigmoid(run(&self.psi, compared));
        Gated { features: skip * alpha.clone(), alpha }
    }
}

/// Gate on a coarser grid: θ subsamples the skip connection, φ of the gating signal is brought to that size, and α
/// is brought back to the skip connection's.
#[derive(Module, Debug)]
pub(super) struct GridGate {
    theta: Conv,
    phi: Conv,
    psi: Conv,
    w: (Conv, Norm),
    #[module(skip)]
    mode: ResizeMode,
}

impl GridGate {
    /// For a skip connection of `channels` and a gating signal of `gating` channels; θ has kernel and stride
    /// `subsampling` `[z, y, x]`.
    pub(super) fn new(
        channels: usize,
        gating: usize,
        subsampling: [usize; 3],
        mode: ResizeMode,
        device: &Device,
    ) -> Self {
        let theta = ConvSpec::new(channels, channels, subsampling).stride(subsampling).padding([0; 3]);
        Self {
            theta: theta.bias(false).init(device),
            phi: ConvSpec::new(gating, channels, [1; 3]).init(device),
            psi: ConvSpec::head(channels, 1).init(device),
            w: pointwise(channels, channels, device),
            mode,
        }
    }

    /// Gates `skip` `[batch, channels, z, y, x]` by `gating` `[batch, gating, z', y', x']`.
    pub(super) fn forward(&self, skip: Tensor<5>, gating: Tensor<5>) -> Gated {
        let theta = self.theta.forward(skip.clone());
        let phi = resize3d(self.phi.forward(gating), spatial(&theta), self.mode);
        let alpha = sigmoid(self.psi.forward(relu(theta + phi)));
        let alpha = resize3d(alpha, spatial(&skip), self.mode);
        Gated { features: run(&self.w, skip * alpha.clone()), alpha }
    }
}

/// Size `[z, y, x]`.
pub(super) fn spatial(x: &Tensor<5>) -> [usize; 3] {
    let [_, _, z, y, x] = x.dims();
    [z, y, x]
}

fn pointwise(from: usize, to: usize, device: &Device) -> (Conv, Norm) {
    (ConvSpec::new(from, to, [1; 3]).init(device), BATCH_NORM.init(to, device))
}

fn run((conv, norm): &(Conv, Norm), x: Tensor<5>) -> Tensor<5> {
    norm.forward(conv.forward(x))
}
