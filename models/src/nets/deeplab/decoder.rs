//! The decoder of DeepLabV3+: coarse features and those of the first stage, joined and refined.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use super::super::blocks::{Activation, Conv, ConvBlock, ConvSpec};
use super::super::renamed;
use super::super::resize3d::{ResizeMode, resize3d};
use super::super::resnet::BATCH_NORM;
use super::super::trace::Trace;
use super::{Code, conv};

/// Sizes of a decoder.
pub(crate) struct DecoderConfig {
    /// Channels of the coarse features, and of the refinement.
    pub(crate) channels: usize,
    /// Channels of the trunk's first stage.
    pub(crate) low_level_in: usize,
    /// What they are reduced to.
    pub(crate) low_level: usize,
    pub(crate) classes: usize,
    pub(crate) code: Code,
    pub(crate) resize: ResizeMode,
}

impl DecoderConfig {
    pub(crate) fn init(&self, device: &Device) -> Decoder {
        let block = |spec| ConvBlock::new(spec, BATCH_NORM, Activation::Relu, device);
        let dropout = |share| DropoutConfig::new(share).init();
        let two = self.code == Code::Jfzhang95;
        Decoder {
            low: block(conv(self.low_level_in, self.low_level, 1)),
            first: block(conv(self.channels + self.low_level, self.channels, 3)),
            second: two.then(|| block(conv(self.channels, self.channels, 3))),
            dropouts: [dropout(if two { 0.5 } else { 0.0 }), dropout(if two { 0.1 } else { 0.0 })],
            head: ConvSpec::head(self.channels, self.classes).init(device),
            code: self.code,
            resize: self.resize,
        }
    }
}

/// The decoder.
#[derive(Module, Debug)]
pub(crate) struct Decoder {
    low: ConvBlock,
    first: ConvBlock,
    second: Option<ConvBlock>,
    dropouts: [Dropout; 2],
    head: Conv,
    #[module(skip)]
    code: Code,
    #[module(skip)]
    resize: ResizeMode,
}

impl Decoder {
    /// Coarse features and those of the trunk's first stage to logits of the latter's size.
    pub(crate) fn forward(&self, coarse: Tensor<5>, low: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let low = self.low.forward(low);
        let [_, _, z, y, x] = low.dims();
        let coarse = resize3d(coarse, [z, y, x], self.resize);
        let joined = match self.code {
            Code::Jfzhang95 => vec![coarse, low],
            Code::Vainf => {
                trace.tensor("classifier.project", &low);
                vec![low, coarse]
            }
        };
        let [after_first, after_second] = &self.dropouts;
        let mut y = after_first.forward(self.first.forward(Tensor::cat(joined, 1)));
        if let Some(second) = &self.second {
            y = second.forward(y);
        }
        let y = self.head.forward(after_second.forward(y));
        trace.tensor(if self.code == Code::Vainf { "classifier.classifier" } else { "decoder" }, &y);
        y
    }

    /// The code's key of the field path of one of the decoder's parameters.
    pub(crate) fn reference_key(&self, path: &str) -> String {
        match self.code {
            Code::Jfzhang95 => renamed(
                path,
                &[
                    ("low.conv.", "decoder.conv1."),
                    ("low.norm.", "decoder.bn1."),
                    ("first.conv.", "decoder.last_conv.0."),
                    ("first.norm.", "decoder.last_conv.1."),
                    ("second.conv.", "decoder.last_conv.4."),
                    ("second.norm.", "decoder.last_conv.5."),
                    ("head.", "decoder.last_conv.8."),
                ],
            ),
            Code::Vainf => renamed(
                path,
                &[
                    ("low.conv.", "classifier.project.0."),
                    ("low.norm.", "classifier.project.1."),
                    ("first.conv.", "classifier.classifier.0."),
                    ("first.norm.", "classifier.classifier.1."),
                    ("head.", "classifier.classifier.3."),
                ],
            ),
        }
    }
}
