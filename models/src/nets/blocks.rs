//! The one block type of all networks: convolution, normalisation, activation.
//!
//! Every 3-D convolution and instance normalisation of a network goes through [`crate::kernels`], so that a
//! faster kernel can take its place without touching a network. Parameters carry the names PyTorch gives
//! them (`weight`, `bias`, `running_mean`, …): the path of a field is the key of a reference checkpoint.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Initializer};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::kernels::{self, ConvOptions3d};

/// Slope of the leaky ReLU in nnU-Net and MONAI blocks.
pub const LEAKY_SLOPE: f64 = 0.01;

/// Shape and options of a convolution before its parameters exist. Axes are `[z, y, x]`.
#[derive(Debug, Clone, Copy)]
pub struct ConvSpec {
    channels_in: usize,
    channels_out: usize,
    kernel: [usize; 3],
    options: ConvOptions3d,
    bias: bool,
    gain: f64,
}

impl ConvSpec {
    /// A convolution of odd `kernel` that keeps the size (zero padding, stride 1), with bias, initialised
    /// for a leaky ReLU behind it (He et al., 2015).
    pub fn new(channels_in: usize, channels_out: usize, kernel: [usize; 3]) -> Self {
        Self {
            channels_in,
            channels_out,
            kernel,
            options: ConvOptions3d {
                stride: [1; 3],
                padding: kernel.map(|k| k.saturating_sub(1) / 2),
                dilation: [1; 3],
                groups: 1,
            },
            bias: true,
            gain: (2.0 / (1.0 + LEAKY_SLOPE * LEAKY_SLOPE)).sqrt(),
        }
    }

    /// A 1×1×1 convolution that yields logits: nothing non-linear follows, so gain 1.
    pub fn head(channels_in: usize, channels_out: usize) -> Self {
        Self { gain: 1.0, ..Self::new(channels_in, channels_out, [1; 3]) }
    }

    /// The convolution behind this one in a stack: from and to its output channels, stride 1.
    pub fn following(mut self) -> Self {
        self.channels_in = self.channels_out;
        self.options.stride = [1; 3];
        self
    }

    /// With another stride; the padding stays.
    pub fn stride(mut self, stride: [usize; 3]) -> Self {
        self.options.stride = stride;
        self
    }

    /// With another dilation; the padding grows so that stride 1 keeps the size.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.options.dilation = [dilation; 3];
        self.options.padding = self.kernel.map(|k| dilation * (k.saturating_sub(1) / 2));
        self
    }

    /// As a division into patches: kernel = stride = `size`, no padding.
    pub fn patches(mut self, size: usize) -> Self {
        self.kernel = [size; 3];
        self.options.stride = [size; 3];
        self.options.padding = [0; 3];
        self
    }

    /// With or without a bias.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// A convolution whose weights are drawn when first used (see [`Module::materialize`]).
    pub fn init(self, device: &Device) -> Conv {
        let [kz, ky, kx] = self.kernel;
        let fan_in = self.channels_in * kz * ky * kx;
        let shape = [self.channels_out, self.channels_in, kz, ky, kx];
        Conv { weight: self.weights(shape, fan_in, device), bias: self.biases(device), options: self.options }
    }

    /// A transposed convolution that multiplies the size by `factor` (kernel = stride = `factor`).
    pub fn init_upsampling(self, factor: [usize; 3], device: &Device) -> UpConv {
        let [kz, ky, kx] = factor;
        let shape = [self.channels_in, self.channels_out, kz, ky, kx];
        UpConv {
            // Kernel = stride: every output voxel sees each input channel exactly once.
            weight: Self { gain: 1.0, ..self }.weights(shape, self.channels_in, device),
            bias: self.biases(device),
            stride: factor,
        }
    }

    fn weights(self, shape: [usize; 5], fan_in: usize, device: &Device) -> Param<Tensor<5>> {
        let he = Initializer::KaimingNormal { gain: self.gain, fan_out_only: false };
        he.init_with(shape, Some(fan_in.max(1)), None, device)
    }

    fn biases(self, device: &Device) -> Option<Param<Tensor<1>>> {
        self.bias.then(|| Initializer::Zeros.init([self.channels_out], device))
    }
}

/// A 3-D convolution.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[channels_out, channels_in, z, y, x]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    options: ConvOptions3d,
}

impl Conv {
    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z', y', x']`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let bias = self.bias.as_ref().map(Param::val);
        kernels::conv3d(x, self.weight.val(), bias, self.options)
    }
}

/// A transposed 3-D convolution with kernel = stride.
#[derive(Module, Debug)]
pub struct UpConv {
    /// `[channels_in, channels_out, z, y, x]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: [usize; 3],
}

impl UpConv {
    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z·s, y·s, x·s]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let bias = self.bias.as_ref().map(Param::val);
        kernels::conv_transpose3d(x, self.weight.val(), bias, self.stride, [0; 3], [0; 3])
    }

    /// This transposed convolution followed by the 1×1×1 convolution `mix`, as one operation: both are
    /// linear, so their (small) weights are multiplied instead of running `mix` over the larger output.
    pub fn forward_mixed(&self, x: Tensor<5>, mix: &Conv) -> Tensor<5> {
        let [c_in, c_mid, kz, ky, kx] = self.weight.dims();
        let [c_out, ..] = mix.weight.dims();
        let mixing = mix.weight.val().reshape([1, c_out, c_mid]).expand([c_in, c_out, c_mid]);
        let weight = mixing.clone().matmul(self.weight.val().reshape([c_in, c_mid, kz * ky * kx]));
        let mut bias = mix.bias.as_ref().map(Param::val);
        if let Some(inner) = &self.bias {
            let moved = mix.weight.val().reshape([c_out, c_mid]).matmul(inner.val().reshape([c_mid, 1]));
            let moved = moved.reshape([c_out]);
            bias = Some(bias.map_or(moved.clone(), |bias| bias + moved));
        }
        let weight = weight.reshape([c_in, c_out, kz, ky, kx]);
        kernels::conv_transpose3d(x, weight, bias, self.stride, [0; 3], [0; 3])
    }
}

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

/// What follows a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(x, 0).
    Relu,
    /// x for x ≥ 0, else slope·x.
    LeakyRelu(f64),
}

impl Activation {
    /// Applies it to any tensor.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => leaky_relu(x, slope),
        }
    }
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
                        kernels::instance_norm_leaky_relu(x, gamma, beta, norm.eps, slope)
                    }
                    Activation::Relu => kernels::instance_norm_leaky_relu(x, gamma, beta, norm.eps, 0.0),
                    Activation::Identity => kernels::instance_norm(x, gamma, beta, norm.eps),
                }
            }
        }
    }
}

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
