//! MONAI's `AttentionUnet` for planar images and volumes (networks.md 1.4): strided convolutions instead of pooling,
//! gates at all levels.

mod config;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use crate::checkpoint::KeyRules;
use crate::nets::attention_gate::{AdditiveGate, BATCH_NORM};
use crate::nets::blocks::{Activation, Conv, ConvBlock, ConvSpec, Norm, NormKind, PRelu, UpConv};
use crate::nets::keys::entry;
use crate::nets::planar::by_slices;
use crate::nets::trace::{MapMeaning, Trace};
use crate::nets::{NetworkConfig, SegmentationNetwork, check_channels, check_multiple};

pub use config::{Extent, MonaiAttentionUnetConfig};

impl MonaiAttentionUnetConfig {
    fn double_conv(&self, from: usize, to: usize, stride: [usize; 3], device: &Device) -> DoubleConv {
        let kernel = self.kernel_size.axes(self.spatial_dims);
        let block = |from, stride| {
            let conv = ConvSpec::new(from, to, kernel).stride(stride);
            ConvBlock::new(conv, BATCH_NORM, Activation::Relu, device)
        };
        DoubleConv {
            conv: [block(from, stride), block(to, [1; 3])],
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }

    fn level(&self, level: usize, device: &Device) -> Level {
        let (here, below, stride) = (self.channels[level], self.channels[level + 1], self.stride(level));
        let up = ConvSpec::new(below, here, self.up_kernel_size.axes(self.spatial_dims)).stride(stride);
        let merge_kernel = Extent::All(3).axes(self.spatial_dims);
        Level {
            down: self.double_conv(here, below, stride, device),
            up: (up.init_transposed(stride.map(|stride| stride - 1), device), BATCH_NORM.init(here, device)),
            attention: AdditiveGate::new(here, here / 2, device),
            merge: Merge {
                conv: ConvSpec::new(2 * here, here, merge_kernel).init(device),
                norm: NormKind::INSTANCE_PLAIN.init(here, device),
                slope: PRelu::new(device),
                dropout: DropoutConfig::new(self.dropout).init(),
            },
        }
    }
}

impl NetworkConfig for MonaiAttentionUnetConfig {
    type Network = MonaiAttentionUnet;

    fn validate(&self) -> Result<(), String> {
        self.check()
    }

    fn with_reversed_axes(self) -> Result<Self, String> {
        if self.spatial_dims == 2 {
            return Err("spatial_dims is 2: it works on planar images, whose z is the slice".to_owned());
        }
        Ok(self.reversed())
    }

    fn init(&self, device: &Device) -> MonaiAttentionUnet {
        let below = 0..self.channels.len() - 1;
        let mut size_multiple = [1; 3];
        for level in below.clone() {
            let stride = self.stride(level);
            size_multiple = [0, 1, 2].map(|axis| size_multiple[axis] * stride[axis]);
        }
        MonaiAttentionUnet {
            head: self.double_conv(self.in_channels, self.channels[0], [1; 3], device),
            levels: below.map(|level| self.level(level, device)).collect(),
            logits: ConvSpec::head(self.channels[0], self.out_channels).init(device),
            in_channels: self.in_channels,
            size_multiple,
            is_planar: self.spatial_dims == 2,
        }
    }
}

/// Two convolutions. MONAI drops values before the ReLU, which is the same as behind it, because a ReLU commutes
/// with factors that are not negative.
#[derive(Module, Debug)]
struct DoubleConv {
    conv: [ConvBlock; 2],
    dropout: Dropout,
}

impl DoubleConv {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.conv.iter().fold(x, |x, block| self.dropout.forward(block.forward(x)))
    }
}

/// Convolution → instance normalisation → dropout → leaky ReLU of learned slope.
#[derive(Module, Debug)]
struct Merge {
    conv: Conv,
    norm: Norm,
    slope: PRelu,
    dropout: Dropout,
}

impl Merge {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.slope.forward(self.dropout.forward(self.norm.forward(self.conv.forward(x))))
    }
}

/// What lies between a level and the next coarser one.
#[derive(Module, Debug)]
struct Level {
    down: DoubleConv,
    up: (UpConv, Norm),
    attention: AdditiveGate,
    merge: Merge,
}

/// MONAI's Attention U-Net. The reference nests each level in the one above; here they stand in a list.
#[derive(Module, Debug)]
pub struct MonaiAttentionUnet {
    head: DoubleConv,
    levels: Vec<Level>,
    logits: Conv,
    in_channels: usize,
    #[module(skip)]
    size_multiple: [usize; 3],
    is_planar: bool,
}

/// The reference's name of a level.
fn level_key(level: usize) -> String {
    format!("model.1{}", ".submodule.1".repeat(level))
}

impl MonaiAttentionUnet {
    fn forward_any(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let mut skips = Vec::with_capacity(self.levels.len());
        let mut x = self.head.forward(x);
        for level in &self.levels {
            skips.push(x.clone());
            x = level.down.forward(x);
        }
        for (index, level) in self.levels.iter().enumerate().rev() {
            let (conv, norm) = &level.up;
            let up = norm.forward_activated(conv.forward(x), Activation::Relu);
            let gated = level.attention.forward(up.clone(), skips.swap_remove(index));
            let layer = format!("{}.attention", level_key(index));
            trace.tensor(&format!("{layer}.psi.alpha"), &gated.alpha);
            trace.map(&layer, index, gated.alpha, MapMeaning::GateCoefficient);
            x = level.merge.forward(Tensor::cat(vec![gated.features, up], 1));
        }
        vec![self.logits.forward(x)]
    }

    /// The reference's key of a path into a level.
    fn key_in_level(&self, level: usize, path: &str) -> String {
        let prefix = level_key(level);
        if let Some(rest) = path.strip_prefix("down.") {
            // The coarsest level has nothing below its convolutions, hence no sequence around them.
            let sequence = if level + 1 == self.levels.len() { "" } else { ".0" };
            return format!("{prefix}.submodule{sequence}.{}", in_block(rest));
        }
        if let Some(rest) = path.strip_prefix("up.") {
            return format!("{prefix}.upconv.up.{}", rest.replace("0.", "conv.").replace("1.", "adn.N."));
        }
        if path.starts_with("attention.") {
            return format!("{prefix}.{}", path.replace(".w_", ".W_").replace(".0.", ".0.conv."));
        }
        format!("{prefix}.{}", path.replace("slope.", "adn.A."))
    }
}

fn in_block(path: &str) -> String {
    path.replace(".norm.", ".adn.N.")
}

impl SegmentationNetwork for MonaiAttentionUnet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        check_multiple(shape, self.size_multiple)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        if self.is_planar {
            by_slices(x, trace, |images, trace| self.forward_any(images, trace))
        } else {
            self.forward_any(x, trace)
        }
    }
}

impl KeyRules for MonaiAttentionUnet {
    fn is_planar(&self) -> bool {
        self.is_planar
    }

    fn reference_key(&self, path: &str) -> String {
        if let Some((level, rest)) = entry(path, "levels") {
            self.key_in_level(level, rest)
        } else if let Some(rest) = path.strip_prefix("head.") {
            format!("model.0.{}", in_block(rest))
        } else {
            path.replace("logits.", "model.2.conv.")
        }
    }
}
