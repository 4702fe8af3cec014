//! DANet: a dilated residual trunk whose last features attend to each other by position and by channel (Fu et al.,
//! CVPR 2019; networks.md 3.4).

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, Conv, ConvBlock, ConvSpec};
use super::dual_attention::{ChannelAttention, PositionAttention};
use super::planar::by_slices;
use super::resize3d::{ResizeMode, resize3d};
use super::resnet::{BATCH_NORM, DilationRule, Sampling, Trunk, TrunkConfig};
use super::trace::Trace;
use super::{
    MAX_ATTENTION_PIXELS, NetworkConfig, SegmentationNetwork, check_attention, check_channels, check_range,
    renamed,
};
use crate::checkpoint::KeyRules;

/// Configuration of [`Danet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DanetConfig {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of the logits.
    pub num_classes: usize,
    /// Layers and widths of the trunk.
    pub trunk: TrunkConfig,
    /// Size of the image over that of the attention map: 4, 8, 16 or 32.
    pub output_stride: usize,
    /// Where the trunk is dilated.
    pub dilation: DilationRule,
}

impl Default for DanetConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            num_classes: 19,
            trunk: TrunkConfig::resnet101(),
            output_stride: 8,
            dilation: DilationRule::Danet,
        }
    }
}

impl DanetConfig {
    fn sampling(&self) -> Sampling {
        Sampling { output_stride: self.output_stride, rule: self.dilation }
    }
}

impl NetworkConfig for DanetConfig {
    type Network = Danet;

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 1024)?;
        check_range("num_classes", self.num_classes, 1024)?;
        self.trunk.validate()?;
        let [.., last] = self.trunk.channels();
        if last < 32 {
            return Err(format!("trunk.planes give {last} last channels; the attention needs at least 32"));
        }
        self.sampling().validate()
    }

    fn init(&self, device: &Device) -> Danet {
        let [.., last] = self.trunk.channels();
        let level = self.output_stride.ilog2() as usize;
        Danet {
            trunk: self.trunk.init(self.in_channels, self.sampling(), device),
            head: DanetHead::new(last, self.num_classes, level, device),
            in_channels: self.in_channels,
            sampling: self.sampling(),
        }
    }
}

/// A branch of the head around its attention: convolutions before and behind it, and its own logits.
#[derive(Module, Debug)]
struct Branch {
    before: ConvBlock,
    behind: ConvBlock,
    logits: Conv,
}

/// DANet's head: a branch of position attention, a branch of channel attention, and their sum.
#[derive(Module, Debug)]
pub struct DanetHead {
    position: Branch,
    sa: PositionAttention,
    channel: Branch,
    sc: ChannelAttention,
    sum: Conv,
    dropout: Dropout,
}

impl DanetHead {
    /// From features of `channels` channels (at least 32), at a level of the network (0 = its finest), to `classes`.
    pub fn new(channels: usize, classes: usize, level: usize, device: &Device) -> Self {
        let inner = channels / 4;
        let block = |from| {
            let conv = ConvSpec::planar(from, inner, 3).bias(false);
            ConvBlock::new(conv, BATCH_NORM, Activation::Relu, device)
        };
        let logits = || ConvSpec::head(inner, classes).init(device);
        let branch = || Branch { before: block(channels), behind: block(inner), logits: logits() };
        Self {
            position: branch(),
            sa: PositionAttention::new(inner, device).at_level(level),
            channel: branch(),
            sc: ChannelAttention::new(device),
            sum: logits(),
            dropout: DropoutConfig::new(0.1).init(),
        }
    }

    /// Logits of the sum (the prediction), of the position branch and of the channel branch; names of layers in
    /// `trace` begin with `prefix`.
    pub fn forward(&self, x: &Tensor<5>, prefix: &str, trace: &mut Trace) -> [Tensor<5>; 3] {
        let name = |layer: &str| format!("{prefix}{layer}");
        let before = self.position.before.forward(x.clone());
        trace.tensor(&name("conv5a"), &before);
        let seen = self.sa.forward(before, &name("sa"), trace);
        trace.tensor(&name("sa"), &seen);
        let by_position = self.position.behind.forward(seen);
        trace.tensor(&name("conv51"), &by_position);
        let before = self.channel.before.forward(x.clone());
        trace.tensor(&name("conv5c"), &before);
        let seen = self.sc.forward(before, &name("sc"), trace);
        trace.tensor(&name("sc"), &seen);
        let by_channel = self.channel.behind.forward(seen);
        trace.tensor(&name("conv52"), &by_channel);
        let logits = |conv: &Conv, x: Tensor<5>| conv.forward(self.drop_channels(x));
        [
            logits(&self.sum, by_position.clone() + by_channel.clone()),
            logits(&self.position.logits, by_position),
            logits(&self.channel.logits, by_channel),
        ]
    }

    /// In training, drops whole channels.
    fn drop_channels(&self, x: Tensor<5>) -> Tensor<5> {
        if !x.device().is_autodiff() {
            return x;
        }
        let [batch, channels, ..] = x.dims();
        let kept = self.dropout.forward(Tensor::ones([batch, channels, 1, 1, 1], &x.device()));
        x * kept
    }
}

impl KeyRules for DanetHead {
    fn reference_key(&self, path: &str) -> String {
        renamed(
            path,
            &[
                ("position.before.conv.", "conv5a.0."),
                ("position.before.norm.", "conv5a.1."),
                ("position.behind.conv.", "conv51.0."),
                ("position.behind.norm.", "conv51.1."),
                ("position.logits.", "conv6.1."),
                ("channel.before.conv.", "conv5c.0."),
                ("channel.before.norm.", "conv5c.1."),
                ("channel.behind.conv.", "conv52.0."),
                ("channel.behind.norm.", "conv52.1."),
                ("channel.logits.", "conv7.1."),
                ("sum.", "conv8.1."),
            ],
        )
    }

    fn is_planar(&self) -> bool {
        true
    }
}

/// DANet: its heads are the prediction, then the logits of the position and of the channel branch, for training.
#[derive(Module, Debug)]
pub struct Danet {
    trunk: Trunk,
    head: DanetHead,
    #[module(skip)]
    in_channels: usize,
    #[module(skip)]
    sampling: Sampling,
}

impl SegmentationNetwork for Danet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        let [y, x] = self.sampling.last_size([shape[3], shape[4]]);
        check_attention(shape, [1, y, x], MAX_ATTENTION_PIXELS)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |x, trace| {
            let [_, _, z, y, x_size] = x.dims();
            let [.., last] = self.trunk.forward(x);
            let heads = self.head.forward(&last, "head.", trace);
            heads.map(|head| resize3d(head, [z, y, x_size], ResizeMode::TrilinearAlignCorners)).into()
        })
    }
}

impl KeyRules for Danet {
    fn reference_key(&self, path: &str) -> String {
        match path.strip_prefix("head.") {
            Some(rest) => format!("head.{}", self.head.reference_key(rest)),
            None => renamed(path, &[("trunk.", "pretrained.")]),
        }
    }

    fn is_planar(&self) -> bool {
        true
    }

    fn is_optional(&self, key: &str) -> bool {
        key.starts_with("pretrained.fc.")
    }
}
