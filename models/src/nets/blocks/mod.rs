//! The one block type of all networks: convolution, normalisation, activation.
//!
//! Every convolution and instance normalisation of a network goes through [`hilum_kernels`], so that a faster kernel
//! can take its place without touching a network. Networks of planar images use the same blocks with kernels of one
//! voxel along z. Parameters carry the names PyTorch gives them (`weight`, `bias`, `running_mean`, …): the path of a
//! field is the key of a reference checkpoint.

mod activation;
mod conv;
mod norm;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use activation::{Activation, PRelu};
pub use conv::{Conv, ConvSpec, UpConv};
pub use norm::{InstanceNorm, Norm, NormKind};

/// Slope of the leaky ReLU in nnU-Net and MONAI blocks.
pub const LEAKY_SLOPE: f64 = 0.01;

/// Convolution → normalisation → activation.
#[derive(Module, Debug)]
pub struct ConvBlock {
    /// The convolution.
    pub conv: Conv,
    /// The normalisation behind it.
    pub norm: Norm,
    #[module(skip)]
    activation: Activation,
}

impl ConvBlock {
    /// A block from the description of its three parts.
    pub fn new(conv: ConvSpec, norm: NormKind, activation: Activation, device: &Device) -> Self {
        let norm = norm.init(conv.channels_out, device);
        Self { conv: conv.init(device), norm, activation }
    }

    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z', y', x']`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.norm.forward_activated(self.conv.forward(x), self.activation)
    }
}

/// The residual block of UNETR (and of the junctions of Div-attention): two 3×3×3 convolutions without
/// bias, a projected shortcut where the channels differ, leaky ReLU after the sum.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    conv1: Conv,
    conv2: Conv,
    conv3: Option<Conv>,
    norm1: Norm,
    norm2: Norm,
    norm3: Option<Norm>,
}

impl ResidualBlock {
    /// A block from `channels_in` to `channels_out` channels.
    pub fn new(channels_in: usize, channels_out: usize, norm: NormKind, device: &Device) -> Self {
        let conv = |from, kernel| ConvSpec::new(from, channels_out, kernel).bias(false).init(device);
        let project = channels_in != channels_out;
        Self {
            conv1: conv(channels_in, [3; 3]),
            conv2: conv(channels_out, [3; 3]),
            conv3: project.then(|| conv(channels_in, [1; 3])),
            norm1: norm.init(channels_out, device),
            norm2: norm.init(channels_out, device),
            norm3: project.then(|| norm.init(channels_out, device)),
        }
    }

    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z, y, x]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let leaky = Activation::LeakyRelu(LEAKY_SLOPE);
        let y = self.norm1.forward_activated(self.conv1.forward(x.clone()), leaky);
        let y = self.norm2.forward(self.conv2.forward(y));
        let shortcut = match (&self.conv3, &self.norm3) {
            (Some(conv), Some(norm)) => norm.forward(conv.forward(x)),
            _ => x,
        };
        leaky.forward(y + shortcut)
    }
}
