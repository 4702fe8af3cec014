//! nnU-Net's `ResidualEncoderUNet` (pip dynamic_network_architectures, Apache-2.0; networks.md 4.4): a stem,
//! residual encoder stages whose shortcut is average-pooled and projected, and the decoder of the plain U-Net.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, ConvBlock, ConvSpec};
use super::nnunet::{
    self, BlockOptions, Conv3dName, DropoutSetting, NonlinName, NonlinSettings, NormName, NormSettings,
    PerStage, Shape3,
};
use super::plain_conv_unet::{DecoderSpec, StackedConvs, UNetDecoder};
use super::pool3d::{PoolWindow, avg_pool3d};
use super::trace::Trace;
use super::{NetworkConfig, SegmentationNetwork, check_channels, check_multiple, check_range};
use crate::checkpoint::KeyRules;

/// Configuration of [`ResidualEncoderUNet`], under the names of the reference's constructor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualEncoderUNetConfig {
    /// Channels of the input.
    pub input_channels: usize,
    /// Number of resolutions.
    pub n_stages: usize,
    /// Channels per stage.
    pub features_per_stage: PerStage<usize>,
    /// Kernel, one for all or per stage.
    pub kernel_sizes: PerStage<Shape3>,
    /// Stride per stage; the first is usually 1.
    pub strides: PerStage<Shape3>,
    /// Residual blocks per encoder stage.
    pub n_blocks_per_stage: PerStage<usize>,
    /// Channels of each head.
    pub num_classes: usize,
    /// Convolutions per decoder stage.
    pub n_conv_per_stage_decoder: PerStage<usize>,
    /// Whether the heads of all decoder stages are returned.
    pub deep_supervision: bool,
    /// Whether convolutions have a bias.
    pub conv_bias: bool,
    /// Must be `Conv3d`.
    pub conv_op: Conv3dName,
    /// Normalisation.
    pub norm_op: NormName,
    /// Its options.
    pub norm_op_kwargs: NormSettings,
    /// Must be absent.
    pub dropout_op: DropoutSetting,
    /// Has no effect without drop-out.
    pub dropout_op_kwargs: serde_json::Value,
    /// Must be false: the activation follows the normalisation.
    pub nonlin_first: bool,
    /// Activation.
    pub nonlin: NonlinName,
    /// Its options.
    pub nonlin_kwargs: NonlinSettings,
}

impl Default for ResidualEncoderUNetConfig {
    fn default() -> Self {
        Self {
            input_channels: 1,
            n_stages: 6,
            features_per_stage: PerStage::Each(vec![32, 64, 128, 256, 320, 320]),
            kernel_sizes: PerStage::All(Shape3::Cube(3)),
            strides: PerStage::Each([1, 2, 2, 2, 2, 2].map(Shape3::Cube).to_vec()),
            n_blocks_per_stage: PerStage::Each(vec![1, 3, 4, 6, 6, 6]),
            num_classes: 2,
            n_conv_per_stage_decoder: PerStage::All(1),
            deep_supervision: false,
            conv_bias: true,
            conv_op: Conv3dName::default(),
            norm_op: NormName::default(),
            norm_op_kwargs: NormSettings::default(),
            dropout_op: DropoutSetting,
            dropout_op_kwargs: serde_json::Value::Null,
            nonlin_first: false,
            nonlin: NonlinName::default(),
            nonlin_kwargs: NonlinSettings::default(),
        }
    }
}

impl ResidualEncoderUNetConfig {
    fn options(&self) -> BlockOptions {
        BlockOptions {
            bias: self.conv_bias,
            norm: self.norm_op_kwargs.kind(self.norm_op),
            activation: self.nonlin_kwargs.activation(self.nonlin),
        }
    }

    fn stage(&self, s: usize, device: &Device) -> Stage {
        let to = self.features_per_stage.get(s);
        let before = self.features_per_stage.get(s.saturating_sub(1));
        let kernel = self.kernel_sizes.get(s).zyx();
        let block = |index: usize| {
            let (from, stride) = if index == 0 { (before, self.strides.get(s).zyx()) } else { (to, [1; 3]) };
            EncoderBlock::new([from, to], kernel, stride, self.options(), device)
        };
        Stage { blocks: (0..self.n_blocks_per_stage.get(s)).map(block).collect() }
    }
}

impl NetworkConfig for ResidualEncoderUNetConfig {
    type Network = ResidualEncoderUNet;

    fn with_reversed_axes(self) -> Result<Self, String> {
        let (kernel_sizes, strides) = (self.kernel_sizes.reversed(), self.strides.reversed());
        Ok(Self { kernel_sizes, strides, ..self })
    }

    fn validate(&self) -> Result<(), String> {
        check_range("input_channels", self.input_channels, 1024)?;
        check_range("num_classes", self.num_classes, 1024)?;
        if self.nonlin_first {
            return Err("nonlin_first is true; only false is supported".to_owned());
        }
        nnunet::check_stages(self.n_stages, &self.features_per_stage, &self.kernel_sizes, &self.strides)?;
        self.n_blocks_per_stage.check("n_blocks_per_stage", self.n_stages, 32)?;
        self.n_conv_per_stage_decoder.check("n_conv_per_stage_decoder", self.n_stages - 1, 16)
    }

    fn init(&self, device: &Device) -> ResidualEncoderUNet {
        let options = self.options();
        let stem = ConvSpec::new(
            self.input_channels,
            self.features_per_stage.get(0),
            self.kernel_sizes.get(0).zyx(),
        );
        let spec = DecoderSpec {
            stages: self.n_stages,
            features: &self.features_per_stage,
            kernels: &self.kernel_sizes,
            strides: &self.strides,
            convs: &self.n_conv_per_stage_decoder,
            classes: self.num_classes,
        };
        ResidualEncoderUNet {
            encoder: Encoder {
                stem: StackedConvs::new(stem, 1, options, device),
                stages: (0..self.n_stages).map(|s| self.stage(s, device)).collect(),
            },
            decoder: UNetDecoder::new(&spec, options, device),
            input_channels: self.input_channels,
            deep_supervision: self.deep_supervision,
            size_multiple: nnunet::size_multiple(self.n_stages, &self.strides),
        }
    }
}

/// Mean over windows that tile the volume.
#[derive(Module, Debug)]
struct TilePool {
    #[module(skip)]
    stride: [usize; 3],
}

impl TilePool {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        avg_pool3d(x, PoolWindow::tiling(self.stride))
    }
}

/// The shortcut; the forms stand for the reference's sequences, whose positions are in its keys.
#[derive(Module, Debug)]
enum Shortcut {
    Pool([TilePool; 1]),
    Project([ConvBlock; 1]),
    PoolProject((TilePool, ConvBlock)),
}

#[derive(Module, Debug)]
struct EncoderBlock {
    conv1: ConvBlock,
    conv2: ConvBlock,
    skip: Option<Shortcut>,
    #[module(skip)]
    activation: Activation,
}

impl EncoderBlock {
    fn new(
        [from, to]: [usize; 2],
        kernel: [usize; 3],
        stride: [usize; 3],
        options: BlockOptions,
        device: &Device,
    ) -> Self {
        let block = |spec: ConvSpec, activation| ConvBlock::new(spec, options.norm, activation, device);
        let pool = TilePool { stride };
        let project = || block(ConvSpec::new(from, to, [1; 3]).bias(false), Activation::Identity);
        let skip = match (stride != [1; 3], from != to) {
            (false, false) => None,
            (true, false) => Some(Shortcut::Pool([pool])),
            (false, true) => Some(Shortcut::Project([project()])),
            (true, true) => Some(Shortcut::PoolProject((pool, project()))),
        };
        let first = ConvSpec::new(from, to, kernel).stride(stride).bias(options.bias);
        Self {
            conv1: block(first, options.activation),
            conv2: block(first.following(), Activation::Identity),
            skip,
            activation: options.activation,
        }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let y = self.conv2.forward(self.conv1.forward(x.clone()));
        let shortcut = match &self.skip {
            None => x,
            Some(Shortcut::Pool([pool])) => pool.forward(x),
            Some(Shortcut::Project([project])) => project.forward(x),
            Some(Shortcut::PoolProject((pool, project))) => project.forward(pool.forward(x)),
        };
        self.activation.forward(y + shortcut)
    }
}

#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<EncoderBlock>,
}

#[derive(Module, Debug)]
struct Encoder {
    stem: StackedConvs,
    stages: Vec<Stage>,
}

/// nnU-Net's residual-encoder U-Net; see the module's description.
#[derive(Module, Debug)]
pub struct ResidualEncoderUNet {
    encoder: Encoder,
    decoder: UNetDecoder,
    input_channels: usize,
    deep_supervision: bool,
    #[module(skip)]
    size_multiple: [usize; 3],
}

impl SegmentationNetwork for ResidualEncoderUNet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.input_channels)?;
        check_multiple(shape, self.size_multiple)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let mut features = self.encoder.stem.forward(x);
        let mut skips = Vec::with_capacity(self.encoder.stages.len());
        for (s, stage) in self.encoder.stages.iter().enumerate() {
            features = stage.blocks.iter().fold(features, |x, block| block.forward(x));
            trace.tensor(&format!("skip{s}"), &features);
            skips.push(features.clone());
        }
        self.decoder.forward(skips, self.deep_supervision, trace)
    }
}

impl KeyRules for ResidualEncoderUNet {
    fn canonical_key(&self, key: &str) -> String {
        nnunet::canonical_key(key)
    }

    fn copies(&self, key: &str) -> Vec<String> {
        nnunet::copies(key)
    }
}
