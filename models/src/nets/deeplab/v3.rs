//! DeepLabV3 as torchvision has it.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::blocks::{Activation, Conv, ConvBlock, ConvSpec};
use super::super::planar::by_slices;
use super::super::resize3d::{ResizeMode, resize3d};
use super::super::resnet::{BATCH_NORM, DilationRule, Sampling, Trunk, TrunkConfig};
use super::super::trace::Trace;
use super::super::{NetworkConfig, SegmentationNetwork, check_channels, renamed};
use super::aspp::{Aspp, AsppConfig, AsppNames};
use super::{Shared, conv};
use crate::checkpoint::KeyRules;

/// Configuration of [`DeepLabV3`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepLabV3Config {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of the logits.
    pub num_classes: usize,
    /// Layers and widths of the trunk.
    pub trunk: TrunkConfig,
    /// Size of the image over that of the coarse features: 4, 8, 16 or 32.
    pub output_stride: usize,
    /// Where the trunk is dilated.
    pub dilation: DilationRule,
    /// Dilations of the pyramid.
    pub aspp_rates: [usize; 3],
    /// Channels of the pyramid.
    pub channels: usize,
    /// Whether there is a second head on the trunk's third stage, for training. A checkpoint may lack it or hold it
    /// without need.
    pub aux: bool,
}

impl Default for DeepLabV3Config {
    fn default() -> Self {
        Self {
            in_channels: 3,
            num_classes: 21,
            trunk: TrunkConfig::resnet101(),
            output_stride: 8,
            dilation: DilationRule::Torchvision,
            aspp_rates: [12, 24, 36],
            channels: 256,
            aux: true,
        }
    }
}

impl DeepLabV3Config {
    fn sampling(&self) -> Sampling {
        Sampling { output_stride: self.output_stride, rule: self.dilation }
    }
}

impl NetworkConfig for DeepLabV3Config {
    type Network = DeepLabV3;

    fn validate(&self) -> Result<(), String> {
        let shared = Shared {
            in_channels: self.in_channels,
            num_classes: self.num_classes,
            trunk: &self.trunk,
            sampling: self.sampling(),
            rates: self.aspp_rates,
            channels: self.channels,
        };
        shared.validate()
    }

    fn init(&self, device: &Device) -> DeepLabV3 {
        let [_, _, third, last] = self.trunk.channels();
        let aspp = AsppConfig {
            channels_in: last,
            channels: self.channels,
            rates: self.aspp_rates,
            dropout: 0.5,
            names: AsppNames::Torchvision,
        };
        let head = |inner, dropout| Head::new(inner, dropout, self.num_classes, device);
        DeepLabV3 {
            trunk: self.trunk.init(self.in_channels, self.sampling(), device),
            aspp: aspp.init(device),
            classifier: head([self.channels; 2], 0.0),
            aux_classifier: self.aux.then(|| head([third, (third / 4).max(1)], 0.1)),
            in_channels: self.in_channels,
        }
    }
}

/// A 3×3 convolution and logits.
#[derive(Module, Debug)]
struct Head {
    block: ConvBlock,
    dropout: Dropout,
    logits: Conv,
}

impl Head {
    fn new([from, to]: [usize; 2], dropout: f64, classes: usize, device: &Device) -> Self {
        Self {
            block: ConvBlock::new(conv(from, to, 3), BATCH_NORM, Activation::Relu, device),
            dropout: DropoutConfig::new(dropout).init(),
            logits: ConvSpec::head(to, classes).init(device),
        }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.logits.forward(self.dropout.forward(self.block.forward(x)))
    }
}

/// DeepLabV3: heads are the prediction and, where configured, the auxiliary head.
#[derive(Module, Debug)]
pub struct DeepLabV3 {
    trunk: Trunk,
    aspp: Aspp,
    classifier: Head,
    aux_classifier: Option<Head>,
    #[module(skip)]
    in_channels: usize,
}

impl DeepLabV3 {
    fn forward_images(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, x_size] = x.dims();
        let [_, _, third, last] = self.trunk.forward(x);
        let logits = self.classifier.forward(self.aspp.forward(last, "classifier.0", trace));
        trace.tensor("classifier.4", &logits);
        let aux = self.aux_classifier.as_ref().map(|head| head.forward(third));
        let full_size = |logits| resize3d(logits, [z, y, x_size], ResizeMode::Trilinear);
        std::iter::once(logits).chain(aux).map(full_size).collect()
    }
}

impl SegmentationNetwork for DeepLabV3 {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |x, trace| self.forward_images(x, trace))
    }
}

impl KeyRules for DeepLabV3 {
    fn reference_key(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix("aspp.") {
            return format!("classifier.0.{}", AsppNames::Torchvision.reference_key(rest));
        }
        renamed(
            path,
            &[
                ("trunk.", "backbone."),
                ("classifier.block.conv.", "classifier.1."),
                ("classifier.block.norm.", "classifier.2."),
                ("classifier.logits.", "classifier.4."),
                ("aux_classifier.block.conv.", "aux_classifier.0."),
                ("aux_classifier.block.norm.", "aux_classifier.1."),
                ("aux_classifier.logits.", "aux_classifier.4."),
            ],
        )
    }

    fn is_planar(&self) -> bool {
        true
    }

    fn is_optional(&self, key: &str) -> bool {
        key.starts_with("aux_classifier.") || key.starts_with("backbone.fc.")
    }
}
