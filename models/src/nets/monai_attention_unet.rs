//! MONAI's `AttentionUnet` for planar images and volumes (networks.md 1.4): strided convolutions instead of pooling,
//! gates at all levels.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::attention_gate::{AdditiveGate, BATCH_NORM};
use super::blocks::{Activation, Conv, ConvBlock, ConvSpec, Norm, NormKind, PRelu, UpConv};
use super::keys::entry;
use super::planar::by_slices;
use super::trace::{MapMeaning, Trace};
use super::{MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_channels, check_multiple, check_range};
use crate::checkpoint::KeyRules;

/// One number for all axes or one for each, in the order of the axes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extent {
    /// The same along all axes.
    All(usize),
    /// `[y, x]` or `[z, y, x]`.
    PerAxis(Vec<usize>),
}

impl Extent {
    /// Along `[z, y, x]`; 1 along z for planar images.
    fn axes(&self, spatial_dims: usize) -> [usize; 3] {
        let first = 3 - spatial_dims;
        [0, 1, 2].map(|axis| match self {
            _ if axis < first => 1,
            Self::All(extent) => *extent,
            Self::PerAxis(extents) => extents[axis - first],
        })
    }

    fn check(&self, field: &str, spatial_dims: usize, max: usize) -> Result<(), String> {
        match self {
            Self::PerAxis(extents) if extents.len() != spatial_dims => {
                let found = extents.len();
                Err(format!(
                    "{field} has {found} numbers; it must have one, or {spatial_dims} (spatial_dims)"
                ))
            }
            Self::PerAxis(extents) => extents.iter().try_for_each(|&extent| check_range(field, extent, max)),
            Self::All(extent) => check_range(field, *extent, max),
        }
    }
}

/// Configuration of [`MonaiAttentionUnet`], with MONAI's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonaiAttentionUnetConfig {
    /// 2 for planar images, 3 for volumes.
    pub spatial_dims: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the logits.
    pub out_channels: usize,
    /// Channels per level, finest first; at least two levels.
    pub channels: Vec<usize>,
    /// Stride from each level to the next; entries beyond the levels are not used, as in MONAI.
    pub strides: Vec<Extent>,
    /// Kernel of the encoder's convolutions, odd.
    pub kernel_size: Extent,
    /// Kernel of the decoder's transposed convolutions, odd.
    pub up_kernel_size: Extent,
    /// Probability of a value to be dropped while training.
    pub dropout: f64,
}

impl Default for MonaiAttentionUnetConfig {
    fn default() -> Self {
        Self {
            spatial_dims: 3,
            in_channels: 1,
            out_channels: 2,
            channels: vec![16, 32, 64, 128, 256],
            strides: vec![Extent::All(2); 4],
            kernel_size: Extent::All(3),
            up_kernel_size: Extent::All(3),
            dropout: 0.0,
        }
    }
}

impl MonaiAttentionUnetConfig {
    fn stride(&self, level: usize) -> [usize; 3] {
        self.strides[level].axes(self.spatial_dims)
    }

    fn check_kernel(&self, field: &str, kernel: &Extent) -> Result<(), String> {
        kernel.check(field, self.spatial_dims, 15)?;
        let even = kernel.axes(self.spatial_dims).into_iter().find(|size| size % 2 == 0);
        even.map_or(Ok(()), |size| Err(format!("{field} is {size}; it must be odd")))
    }

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
        if !(2..=3).contains(&self.spatial_dims) {
            return Err(format!("spatial_dims is {}; it must be 2 or 3", self.spatial_dims));
        }
        check_range("in_channels", self.in_channels, 64)?;
        check_range("out_channels", self.out_channels, 1024)?;
        let levels = self.channels.len();
        if !(2..=9).contains(&levels) {
            return Err(format!("channels has {levels} levels; it must have 2 to 9"));
        }
        self.channels.iter().try_for_each(|&channels| check_range("channels", channels, MAX_CHANNELS))?;
        if self.channels[..levels - 1].contains(&1) {
            return Err(
                "channels has 1 at a gated level; a gate halves the channels, so use 2 or more".into()
            );
        }
        if self.strides.len() + 1 < levels {
            return Err(format!("strides has {} entries for {levels} levels", self.strides.len()));
        }
        self.strides.iter().try_for_each(|stride| stride.check("strides", self.spatial_dims, 8))?;
        self.check_kernel("kernel_size", &self.kernel_size)?;
        self.check_kernel("up_kernel_size", &self.up_kernel_size)?;
        if (0.0..1.0).contains(&self.dropout) {
            Ok(())
        } else {
            Err(format!("dropout is {}; it must be 0 or more and below 1", self.dropout))
        }
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
