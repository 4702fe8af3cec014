//! nnU-Net's `PlainConvUNet` (pip dynamic_network_architectures, Apache-2.0; networks.md 4.4): stacked
//! convolutions, strided down-sampling, transposed convolutions, concatenation (up, skip), a 1×1×1 head per
//! decoder stage.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Conv, ConvBlock, ConvSpec, UpConv};
use super::nnunet::{
    self, BlockOptions, Conv3dName, DropoutSetting, NonlinName, NonlinSettings, NormName, NormSettings,
    PerStage, Shape3,
};
use super::trace::Trace;
use super::{NetworkConfig, SegmentationNetwork, check_channels, check_multiple, check_range};
use crate::checkpoint::KeyRules;

/// Configuration of [`PlainConvUNet`], under the names of the reference's constructor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlainConvUNetConfig {
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
    /// Convolutions per encoder stage.
    pub n_conv_per_stage: PerStage<usize>,
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

impl Default for PlainConvUNetConfig {
    fn default() -> Self {
        Self {
            input_channels: 1,
            n_stages: 5,
            features_per_stage: PerStage::Each(vec![32, 64, 128, 256, 320]),
            kernel_sizes: PerStage::All(Shape3::Cube(3)),
            strides: PerStage::Each([1, 2, 2, 2, 2].map(Shape3::Cube).to_vec()),
            n_conv_per_stage: PerStage::All(2),
            num_classes: 2,
            n_conv_per_stage_decoder: PerStage::All(2),
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

impl PlainConvUNetConfig {
    fn options(&self) -> BlockOptions {
        BlockOptions {
            bias: self.conv_bias,
            norm: self.norm_op_kwargs.kind(self.norm_op),
            activation: self.nonlin_kwargs.activation(self.nonlin),
        }
    }
}

impl NetworkConfig for PlainConvUNetConfig {
    type Network = PlainConvUNet;

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
        self.n_conv_per_stage.check("n_conv_per_stage", self.n_stages, 16)?;
        self.n_conv_per_stage_decoder.check("n_conv_per_stage_decoder", self.n_stages - 1, 16)
    }

    fn init(&self, device: &Device) -> PlainConvUNet {
        let options = self.options();
        let stage = |s: usize| {
            let from = if s == 0 { self.input_channels } else { self.features_per_stage.get(s - 1) };
            let kernel = self.kernel_sizes.get(s).zyx();
            let spec = ConvSpec::new(from, self.features_per_stage.get(s), kernel);
            let stride = self.strides.get(s).zyx();
            [StackedConvs::new(spec.stride(stride), self.n_conv_per_stage.get(s), options, device)]
        };
        PlainConvUNet {
            encoder: Encoder { stages: (0..self.n_stages).map(stage).collect() },
            decoder: UNetDecoder::new(
                &DecoderSpec {
                    stages: self.n_stages,
                    features: &self.features_per_stage,
                    kernels: &self.kernel_sizes,
                    strides: &self.strides,
                    convs: &self.n_conv_per_stage_decoder,
                    classes: self.num_classes,
                },
                options,
                device,
            ),
            input_channels: self.input_channels,
            deep_supervision: self.deep_supervision,
            size_multiple: nnunet::size_multiple(self.n_stages, &self.strides),
        }
    }
}

/// Convolution blocks one behind the other; the first may have a stride.
#[derive(Module, Debug)]
pub struct StackedConvs {
    convs: Vec<ConvBlock>,
}

impl StackedConvs {
    /// `count` blocks, the first as `spec` says, the others from and to its output channels with stride 1.
    pub fn new(spec: ConvSpec, count: usize, options: BlockOptions, device: &Device) -> Self {
        let block = |index: usize| {
            let spec = if index == 0 { spec } else { spec.following() };
            ConvBlock::new(spec.bias(options.bias), options.norm, options.activation, device)
        };
        Self { convs: (0..count).map(block).collect() }
    }

    /// `[batch, channels, z, y, x]` through all blocks.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.convs.iter().fold(x, |x, block| block.forward(x))
    }
}

/// Sizes of a [`UNetDecoder`].
pub struct DecoderSpec<'a> {
    /// Number of resolutions of the encoder.
    pub stages: usize,
    /// Channels per encoder stage.
    pub features: &'a PerStage<usize>,
    /// Kernel per encoder stage.
    pub kernels: &'a PerStage<Shape3>,
    /// Stride per encoder stage.
    pub strides: &'a PerStage<Shape3>,
    /// Convolutions per decoder stage.
    pub convs: &'a PerStage<usize>,
    /// Channels of each head.
    pub classes: usize,
}

/// The decoder that nnU-Net's plain and residual networks share.
#[derive(Module, Debug)]
pub struct UNetDecoder {
    stages: Vec<StackedConvs>,
    transpconvs: Vec<UpConv>,
    seg_layers: Vec<Conv>,
}

impl UNetDecoder {
    /// A decoder for the skips of an encoder; stage 0 is the coarsest.
    pub fn new(spec: &DecoderSpec<'_>, options: BlockOptions, device: &Device) -> Self {
        let mut decoder = Self { stages: Vec::new(), transpconvs: Vec::new(), seg_layers: Vec::new() };
        for s in 0..spec.stages - 1 {
            // The decoder mirrors the encoder: its stage s ends at encoder stage `level`.
            let level = spec.stages - 2 - s;
            let (below, here) = (spec.features.get(level + 1), spec.features.get(level));
            let up = ConvSpec::new(below, here, [1; 3]).bias(options.bias);
            decoder.transpconvs.push(up.init_upsampling(spec.strides.get(level + 1).zyx(), device));
            let conv = ConvSpec::new(2 * here, here, spec.kernels.get(level).zyx());
            decoder.stages.push(StackedConvs::new(conv, spec.convs.get(s), options, device));
            decoder.seg_layers.push(ConvSpec::head(here, spec.classes).init(device));
        }
        decoder
    }

    /// Heads finest first (only the finest unless `all_heads`) from the skips, finest first.
    pub fn forward(&self, mut skips: Vec<Tensor<5>>, all_heads: bool, trace: &mut Trace) -> Vec<Tensor<5>> {
        let mut heads = Vec::new();
        let last = self.stages.len() - 1;
        let Some(mut x) = skips.pop() else { return heads };
        for (s, (stage, up)) in self.stages.iter().zip(&self.transpconvs).enumerate() {
            let mut joined = vec![up.forward(x)];
            joined.extend(skips.pop());
            x = stage.forward(Tensor::cat(joined, 1));
            trace.tensor(&format!("decoder.stages.{s}"), &x);
            if all_heads || s == last {
                heads.push(self.seg_layers[s].forward(x.clone()));
            }
        }
        heads.reverse();
        heads
    }
}

#[derive(Module, Debug)]
struct Encoder {
    // The reference wraps each stage in a sequence of one: its keys have a '0' there.
    stages: Vec<[StackedConvs; 1]>,
}

/// nnU-Net's plain U-Net; see the module's description.
#[derive(Module, Debug)]
pub struct PlainConvUNet {
    encoder: Encoder,
    decoder: UNetDecoder,
    input_channels: usize,
    deep_supervision: bool,
    #[module(skip)]
    size_multiple: [usize; 3],
}

impl SegmentationNetwork for PlainConvUNet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.input_channels)?;
        check_multiple(shape, self.size_multiple)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let mut skips = Vec::with_capacity(self.encoder.stages.len());
        let mut features = x;
        for (s, [stage]) in self.encoder.stages.iter().enumerate() {
            features = stage.forward(features);
            trace.tensor(&format!("skip{s}"), &features);
            skips.push(features.clone());
        }
        self.decoder.forward(skips, self.deep_supervision, trace)
    }
}

impl KeyRules for PlainConvUNet {
    fn canonical_key(&self, key: &str) -> String {
        nnunet::canonical_key(key)
    }

    fn copies(&self, key: &str) -> Vec<String> {
        nnunet::copies(key)
    }
}
