//! Normalisations, alone or together with the activation behind them.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Initializer};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::Activation;

/// Which normalisation a block uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Instance normalisation (biased variance over z, y, x), with or without scale and shift.
    Instance {
        /// Whether it has learned scale and shift.
        affine: bool,
        /// Added to the variance.
        eps: f64,
    },
    /// Batch normalisation with running statistics.
    Batch {
        /// Added to the variance.
        eps: f64,
    },
    /// Group normalisation with learned scale and shift.
    Group {
        /// Number of groups; divides the channels.
        groups: usize,
        /// Added to the variance.
        eps: f64,
    },
}

impl NormKind {
    /// MONAI's default 'instance': no parameters at all.
    pub const INSTANCE_PLAIN: Self = Self::Instance { affine: false, eps: 1e-5 };
    /// nnU-Net's instance normalisation with scale and shift.
    pub const INSTANCE_AFFINE: Self = Self::Instance { affine: true, eps: 1e-5 };

    /// A normalisation of `channels` channels.
    pub fn init(self, channels: usize, device: &Device) -> Norm {
        match self {
            Self::Instance { affine, eps } => Norm::Instance(InstanceNorm {
                weight: affine.then(|| Initializer::Ones.init([channels], device)),
                bias: affine.then(|| Initializer::Zeros.init([channels], device)),
                eps,
            }),
            Self::Batch { eps } => Norm::Batch(BatchNormConfig::new(channels).with_epsilon(eps).init(device)),
            Self::Group { groups, eps } => {
                Norm::Group(GroupNormConfig::new(groups, channels).with_epsilon(eps).init(device))
            }
        }
    }
}

/// A normalisation layer.
#[derive(Module, Debug)]
pub enum Norm {
    /// Per sample and channel.
    Instance(InstanceNorm),
    /// Per channel over the batch; running statistics at inference.
    Batch(BatchNorm),
    /// Per sample and group of channels.
    Group(GroupNorm),
}

/// Instance normalisation with optional scale and shift.
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// Scale, `[channels]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// Shift, `[channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    eps: f64,
}

impl Norm {
    /// Normalises `[batch, channels, z, y, x]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.forward_activated(x, Activation::Identity)
    }

    /// Normalises, then activates; in one pass where a kernel offers it.
    pub fn forward_activated(&self, x: Tensor<5>, activation: Activation) -> Tensor<5> {
        match self {
            Self::Batch(norm) => activation.forward(norm.forward(x)),
            Self::Group(norm) => activation.forward(norm.forward(x)),
            Self::Instance(norm) => {
                let gamma = norm.weight.as_ref().map(Param::val);
                let beta = norm.bias.as_ref().map(Param::val);
                match activation {
                    Activation::LeakyRelu(slope) => {
                        hilum_kernels::instance_norm_leaky_relu(x, gamma, beta, norm.eps, slope)
                    }
                    Activation::Relu => {
                        hilum_kernels::instance_norm_leaky_relu(x, gamma, beta, norm.eps, 0.0)
                    }
                    Activation::Identity => hilum_kernels::instance_norm(x, gamma, beta, norm.eps),
                }
            }
        }
    }
}
