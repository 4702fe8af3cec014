//! The parts of the network, each under the names of the reference.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::checkpoint::KeyRules;
use crate::nets::blocks::{Activation, Conv, ConvBlock, ConvSpec, Norm, PRelu, UpConv};
use crate::nets::dual_attention::{ChannelAttention, PositionAttention};
use crate::nets::keys::entry;
use crate::nets::pool3d::{PoolWindow, max_pool3d};
use crate::nets::resize3d::{ResizeMode, resize3d};
use crate::nets::resnet::BATCH_NORM;
use crate::nets::trace::Trace;

/// Halvings of the image's size before the attention.
pub(super) const ATTENTION_LEVEL: usize = 2;

/// Bilinear resampling to the size `[y, x]`; pixels are cells.
pub(super) fn resized(x: Tensor<5>, [height, width]: [usize; 2]) -> Tensor<5> {
    let z = x.dims()[2];
    resize3d(x, [z, height, width], ResizeMode::Trilinear)
}

/// Convolution → batch normalisation → PReLU.
#[derive(Module, Debug)]
pub(super) struct ConvPRelu {
    conv: Conv,
    norm: Norm,
    prelu: Option<PRelu>,
}

impl ConvPRelu {
    pub(super) fn new(from: usize, to: usize, kernel: usize, device: &Device) -> Self {
        Self { prelu: Some(PRelu::new(device)), ..Self::linear(from, to, kernel, device) }
    }

    /// Without the activation.
    fn linear(from: usize, to: usize, kernel: usize, device: &Device) -> Self {
        let conv = ConvSpec::planar(from, to, kernel).init(device);
        Self { conv, norm: BATCH_NORM.init(to, device), prelu: None }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let x = self.norm.forward(self.conv.forward(x));
        match &self.prelu {
            Some(prelu) => prelu.forward(x),
            None => x,
        }
    }
}

/// The reference's number of a layer of [`ConvPRelu`] or of a convolution block in a sequence, from the layer's
/// field: `conv.weight` with `first` 3 is `3.weight`.
pub(super) fn in_sequence(path: &str, first: usize) -> String {
    let fields = [("conv.", 0), ("norm.", 1), ("prelu.", 2)];
    let numbered = |(field, offset): (&str, usize)| {
        path.strip_prefix(field).map(|parameter| format!("{}.{parameter}", first + offset))
    };
    fields.into_iter().find_map(numbered).unwrap_or_else(|| path.to_owned())
}

/// Three convolutions (3×3, 3×3, 1×1) with batch normalisation; PReLU behind each, or a softmax over the channels
/// behind the last.
#[derive(Module, Debug)]
pub struct MultiConv {
    convs: Vec<ConvPRelu>,
}

impl MultiConv {
    /// From `from` to `to` channels; `softmax` chooses the last activation.
    pub fn new(from: usize, to: usize, softmax: bool, device: &Device) -> Self {
        let last = if softmax { ConvPRelu::linear } else { ConvPRelu::new };
        let convs = vec![
            ConvPRelu::new(from, to, 3, device),
            ConvPRelu::new(to, to, 3, device),
            last(to, to, 1, device),
        ];
        Self { convs }
    }

    /// `[batch, from, z, y, x]` to `[batch, to, z, y, x]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let y = self.convs.iter().fold(x, |x, conv| conv.forward(x));
        let ends_in_softmax = self.convs.last().is_some_and(|conv| conv.prelu.is_none());
        if ends_in_softmax { softmax(y, 1) } else { y }
    }
}

impl KeyRules for MultiConv {
    fn reference_key(&self, path: &str) -> String {
        match entry(path, "convs") {
            Some((index, rest)) => format!("fuse_attn.{}", in_sequence(rest, 3 * index)),
            None => path.to_owned(),
        }
    }

    fn is_planar(&self) -> bool {
        true
    }
}

/// Which attention a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKind {
    /// Every pixel looks at all pixels (PAM).
    Position,
    /// Every channel looks at all channels (CAM).
    Channel,
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "burn has no modules behind a Box; there are a few a network")]
enum Attention {
    Position(PositionAttention),
    Channel(ChannelAttention),
}

/// Position or channel attention between two convolutions.
#[derive(Module, Debug)]
pub struct PamCamLayer {
    before: ConvPRelu,
    attention: Attention,
    after: ConvPRelu,
}

impl PamCamLayer {
    /// From 2·`channels` to `channels` channels (at least 8).
    pub fn new(kind: AttentionKind, channels: usize, device: &Device) -> Self {
        Self {
            before: ConvPRelu::new(2 * channels, channels, 3, device),
            attention: match kind {
                AttentionKind::Position => {
                    let attention = PositionAttention::new(channels, device);
                    Attention::Position(attention.at_level(ATTENTION_LEVEL))
                }
                AttentionKind::Channel => Attention::Channel(ChannelAttention::new(device)),
            },
            after: ConvPRelu::new(channels, channels, 3, device),
        }
    }

    /// `[batch, 2·channels, z, y, x]` to `[batch, channels, z, y, x]`; `name` is the layer's in checkpoints.
    pub fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let x = self.before.forward(x);
        let x = match &self.attention {
            Attention::Position(attention) => attention.forward(x, name, trace),
            Attention::Channel(attention) => attention.forward(x, name, trace),
        };
        let y = self.after.forward(x);
        trace.tensor(name, &y);
        y
    }
}

impl KeyRules for PamCamLayer {
    fn reference_key(&self, path: &str) -> String {
        let key = match path.split_once('.') {
            Some(("before", rest)) => in_sequence(rest, 0),
            Some(("attention", rest)) => format!("3.{rest}"),
            Some(("after", rest)) => in_sequence(rest, 4),
            _ => return path.to_owned(),
        };
        format!("attn.{key}")
    }

    fn is_planar(&self) -> bool {
        true
    }
}

/// Two convolution blocks with ReLU.
fn two_convs(from: usize, to: usize, device: &Device) -> Vec<ConvBlock> {
    let conv = |from| ConvBlock::new(ConvSpec::planar(from, to, 3), BATCH_NORM, Activation::Relu, device);
    vec![conv(from), conv(to)]
}

#[derive(Module, Debug)]
struct Encoder {
    convs: Vec<ConvBlock>,
}

impl Encoder {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let y = self.convs.iter().fold(x, |x, conv| conv.forward(x));
        max_pool3d(y, PoolWindow::tiling([1, 2, 2]))
    }
}

#[derive(Module, Debug)]
struct Decoder {
    convs: Vec<ConvBlock>,
    up: UpConv,
}

impl Decoder {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        let up = ConvSpec::planar(to, to, 1).init_upsampling([1, 2, 2], device);
        Self { convs: two_convs(from, to, device), up }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.up.forward(self.convs.iter().fold(x, |x, conv| conv.forward(x)))
    }
}

/// An auto-encoder whose code guides the attention.
#[derive(Module, Debug)]
pub struct SemanticModule {
    enc1: Encoder,
    enc2: Encoder,
    dec2: Decoder,
    dec1: Decoder,
}

/// What an auto-encoder makes of its input.
#[derive(Debug, Clone)]
pub struct Semantics {
    /// The code of the whole batch, `[batch · 4·channels · ⌊y/4⌋ · ⌊x/4⌋]`.
    pub vector: Tensor<1>,
    /// The input again, `[batch, channels, z, y, x]`.
    pub reconstruction: Tensor<5>,
}

impl SemanticModule {
    /// For `channels` channels; the code has 4 times as many.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            enc1: Encoder { convs: two_convs(channels, 2 * channels, device) },
            enc2: Encoder { convs: two_convs(2 * channels, 4 * channels, device) },
            dec2: Decoder::new(4 * channels, 2 * channels, device),
            dec1: Decoder::new(2 * channels, channels, device),
        }
    }

    /// Encodes and decodes `[batch, channels, z, y, x]`, y and x even.
    pub fn forward(&self, x: Tensor<5>) -> Semantics {
        let half = self.enc1.forward(x);
        let [_, _, _, height, width] = half.dims();
        let code = self.enc2.forward(half);
        let decoded = resized(self.dec2.forward(code.clone()), [height, width]);
        let count = code.dims().iter().product::<usize>();
        Semantics { vector: code.reshape([count]), reconstruction: self.dec1.forward(decoded) }
    }
}

impl KeyRules for SemanticModule {
    fn reference_key(&self, path: &str) -> String {
        let Some((stage, rest)) = path.split_once('.') else { return path.to_owned() };
        let sequence = if stage.starts_with("enc") { "encode" } else { "decode" };
        let key = match (entry(rest, "convs"), rest.strip_prefix("up.")) {
            (Some((index, rest)), _) => in_sequence(rest, 3 * index),
            (None, Some(parameter)) => format!("6.{parameter}"),
            (None, None) => return path.to_owned(),
        };
        format!("{stage}.{sequence}.{key}")
    }

    fn is_planar(&self) -> bool {
        true
    }
}
