//! DeepLabV3+ as two well-known codes have it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::planar::by_slices;
use super::super::resize3d::{ResizeMode, resize3d};
use super::super::resnet::{DilationRule, Sampling, Trunk, TrunkConfig};
use super::super::trace::Trace;
use super::super::{MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_channels, check_range, renamed};
use super::aspp::{Aspp, AsppConfig, AsppNames};
use super::decoder::{Decoder, DecoderConfig};
use super::{Code, Shared, bilinear};
use crate::checkpoint::KeyRules;

/// Configuration of [`DeepLabV3Plus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepLabV3PlusConfig {
    /// The published code whose checkpoints fit: order of concatenation, decoder and resizing.
    pub code: Code,
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of the logits.
    pub num_classes: usize,
    /// Layers and widths of the trunk.
    pub trunk: TrunkConfig,
    /// Size of the image over that of the coarse features: 4, 8, 16 or 32.
    pub output_stride: usize,
    /// Where the trunk is dilated; `null`: as in the code.
    pub dilation: Option<DilationRule>,
    /// Dilations of the pyramid; `null`: 6, 12, 18, doubled at output stride 8 and below.
    pub aspp_rates: Option<[usize; 3]>,
    /// Channels of the pyramid and the decoder.
    pub channels: usize,
    /// Channels that the features of the first stage are reduced to.
    pub low_level_channels: usize,
}

impl Default for DeepLabV3PlusConfig {
    fn default() -> Self {
        Self {
            code: Code::Jfzhang95,
            in_channels: 3,
            num_classes: 21,
            trunk: TrunkConfig::resnet101(),
            output_stride: 16,
            dilation: None,
            aspp_rates: None,
            channels: 256,
            low_level_channels: 48,
        }
    }
}

impl DeepLabV3PlusConfig {
    fn sampling(&self) -> Sampling {
        let rule = self.dilation.unwrap_or(match self.code {
            Code::Jfzhang95 => DilationRule::MultiGrid,
            Code::Vainf => DilationRule::Torchvision,
        });
        Sampling { output_stride: self.output_stride, rule }
    }

    fn rates(&self) -> [usize; 3] {
        self.aspp_rates.unwrap_or(if self.output_stride <= 8 { [12, 24, 36] } else { [6, 12, 18] })
    }
}

impl NetworkConfig for DeepLabV3PlusConfig {
    type Network = DeepLabV3Plus;

    fn validate(&self) -> Result<(), String> {
        check_range("low_level_channels", self.low_level_channels, MAX_CHANNELS)?;
        let shared = Shared {
            in_channels: self.in_channels,
            num_classes: self.num_classes,
            trunk: &self.trunk,
            sampling: self.sampling(),
            rates: self.rates(),
            channels: self.channels,
        };
        shared.validate()
    }

    fn init(&self, device: &Device) -> DeepLabV3Plus {
        let [low_level_in, _, _, last] = self.trunk.channels();
        let (names, dropout, resize) = match self.code {
            Code::Jfzhang95 => (AsppNames::Jfzhang95, 0.5, bilinear(true)),
            Code::Vainf => (AsppNames::Torchvision, 0.1, bilinear(false)),
        };
        let aspp =
            AsppConfig { channels_in: last, channels: self.channels, rates: self.rates(), dropout, names };
        let decoder = DecoderConfig {
            channels: self.channels,
            low_level_in,
            low_level: self.low_level_channels,
            classes: self.num_classes,
            code: self.code,
            resize,
        };
        DeepLabV3Plus {
            trunk: self.trunk.init(self.in_channels, self.sampling(), device),
            aspp: aspp.init(device),
            decoder: decoder.init(device),
            in_channels: self.in_channels,
            code: self.code,
            resize,
        }
    }
}

/// DeepLabV3+.
#[derive(Module, Debug)]
pub struct DeepLabV3Plus {
    trunk: Trunk,
    aspp: Aspp,
    decoder: Decoder,
    #[module(skip)]
    in_channels: usize,
    #[module(skip)]
    code: Code,
    #[module(skip)]
    resize: ResizeMode,
}

impl DeepLabV3Plus {
    fn forward_images(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, x_size] = x.dims();
        let [low, _, _, last] = self.trunk.forward(x);
        trace.tensor("backbone.layer1", &low);
        trace.tensor("backbone.layer4", &last);
        let name = if self.code == Code::Vainf { "classifier.aspp" } else { "aspp" };
        let coarse = self.aspp.forward(last, name, trace);
        let logits = self.decoder.forward(coarse, low, trace);
        vec![resize3d(logits, [z, y, x_size], self.resize)]
    }
}

impl SegmentationNetwork for DeepLabV3Plus {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |x, trace| self.forward_images(x, trace))
    }
}

impl KeyRules for DeepLabV3Plus {
    fn reference_key(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix("decoder.") {
            return self.decoder.reference_key(rest);
        }
        match (path.strip_prefix("aspp."), self.code) {
            (Some(rest), Code::Jfzhang95) => format!("aspp.{}", AsppNames::Jfzhang95.reference_key(rest)),
            (Some(rest), Code::Vainf) => {
                format!("classifier.aspp.{}", AsppNames::Torchvision.reference_key(rest))
            }
            (None, _) => renamed(path, &[("trunk.", "backbone.")]),
        }
    }

    fn is_planar(&self) -> bool {
        true
    }

    fn is_optional(&self, key: &str) -> bool {
        key.starts_with("backbone.fc.")
    }
}
