//! HANet: attention along the hops of a graph of correlated pixels (Ding et al., arXiv 1911.08777; no code was
//! published, networks.md 3.5 and section 7 fix the form).
//!
//! With A* = QᵀK/√c the correlation of pixels and Â its rows brought to 0 … 1, B¹ = \[Â ≥ δ\] joins strongly
//! correlated pixels and Bʰ = \[Bʰ⁻¹B¹ > 0\] those h hops apart. Level h of the attention is the softmax of A* over
//! the pixels that Bʰ joins. Trunk and decoder are those of DeepLabV3+, without its pyramid.

mod graph;
mod hop;
mod module;
mod reading;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, Conv, ConvSpec, Norm};
use super::deeplab::{Code, Decoder, DecoderConfig, bilinear};
use super::planar::by_slices;
use super::resize3d::{ResizeMode, resize3d};
use super::resnet::{BATCH_NORM, DilationRule, Sampling, Trunk, TrunkConfig};
use super::trace::Trace;
use super::{
    MAX_ATTENTION_PIXELS, MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_attention, check_channels,
    check_range, renamed,
};
use crate::checkpoint::KeyRules;

pub use graph::HaGraph;
pub use module::{HaModule, HaModuleConfig};
pub use reading::{
    Aggregation, Erased, HaReading, Logits, Normalisation, Paths, ReadingOption, ThresholdGradient,
};

/// Most pixels of the attention map at output stride 4, where N² grows beyond use (H10).
const MAX_FINE_PIXELS: usize = 4096;

/// Configuration of [`Hanet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HanetConfig {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of the logits.
    pub num_classes: usize,
    /// Layers and widths of the trunk.
    pub trunk: TrunkConfig,
    /// Size of the image over that of the attention map: 4, 8, 16 or 32. 16 suits images of 513 pixels, 8 those of
    /// 224; 4 takes at most 4096 pixels of the map (an image of 256 × 256).
    pub output_stride: usize,
    /// Where the trunk is dilated.
    pub dilation: DilationRule,
    /// Channels c of the attention module.
    pub channels: usize,
    /// Channels of the decoder.
    pub decoder_channels: usize,
    /// Channels that the features of the first stage are reduced to.
    pub low_level_channels: usize,
    /// Whether corners are aligned where maps are enlarged.
    pub align_corners: bool,
    /// Number of hops.
    pub n: usize,
    /// The threshold above which pixels are joined, 0 to 1. At 0, with n = 1, this is plain self-attention.
    pub delta: f64,
    /// Reading of the paper.
    pub reading: HaReading,
}

impl Default for HanetConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            num_classes: 3,
            trunk: TrunkConfig::resnet101(),
            output_stride: 16,
            dilation: DilationRule::MultiGrid,
            channels: 512,
            decoder_channels: 256,
            low_level_channels: 48,
            align_corners: true,
            n: 2,
            delta: 0.5,
            reading: HaReading::default(),
        }
    }
}

impl HanetConfig {
    fn sampling(&self) -> Sampling {
        Sampling { output_stride: self.output_stride, rule: self.dilation }
    }
}

impl NetworkConfig for HanetConfig {
    type Network = Hanet;

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 1024)?;
        check_range("num_classes", self.num_classes, 1024)?;
        check_range("channels", self.channels, MAX_CHANNELS)?;
        check_range("decoder_channels", self.decoder_channels, MAX_CHANNELS)?;
        check_range("low_level_channels", self.low_level_channels, MAX_CHANNELS)?;
        check_range("n", self.n, 8)?;
        if !(0.0..=1.0).contains(&self.delta) {
            return Err(format!("delta is {}; it must be 0 to 1", self.delta));
        }
        self.trunk.validate()?;
        self.sampling().validate()
    }

    fn init(&self, device: &Device) -> Hanet {
        let [low_level_in, .., last] = self.trunk.channels();
        let planar =
            |from, to| (ConvSpec::planar(from, to, 3).bias(false).init(device), BATCH_NORM.init(to, device));
        let ha = HaModuleConfig {
            channels: self.channels,
            hops: self.n,
            delta: self.delta,
            reading: self.reading,
            level: self.output_stride.ilog2() as usize,
        };
        let resize = bilinear(self.align_corners);
        let decoder = DecoderConfig {
            channels: self.decoder_channels,
            low_level_in,
            low_level: self.low_level_channels,
            classes: self.num_classes,
            code: Code::Jfzhang95,
            resize,
        };
        Hanet {
            trunk: self.trunk.init(self.in_channels, self.sampling(), device),
            reduce: planar(last, self.channels),
            ha: ha.init(device),
            bottleneck: planar(self.channels, self.decoder_channels),
            decoder: decoder.init(device),
            in_channels: self.in_channels,
            sampling: self.sampling(),
            resize,
        }
    }
}

/// HANet.
#[derive(Module, Debug)]
pub struct Hanet {
    trunk: Trunk,
    reduce: (Conv, Norm),
    ha: HaModule,
    bottleneck: (Conv, Norm),
    decoder: Decoder,
    #[module(skip)]
    in_channels: usize,
    #[module(skip)]
    sampling: Sampling,
    #[module(skip)]
    resize: ResizeMode,
}

impl Hanet {
    fn reduced(&self, last: Tensor<5>) -> Tensor<5> {
        self.reduce.1.forward_activated(self.reduce.0.forward(last), Activation::Relu)
    }

    fn forward_images(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, x_size] = x.dims();
        let [low, _, _, last] = self.trunk.forward(x);
        trace.tensor("backbone.low", &low);
        trace.tensor("backbone.out", &last);
        let reduced = self.reduced(last);
        trace.tensor("reduce", &reduced);
        let attended = self.ha.forward(reduced, "ha", trace);
        trace.tensor("ha", &attended);
        let coarse =
            self.bottleneck.1.forward_activated(self.bottleneck.0.forward(attended), Activation::Relu);
        let logits = self.decoder.forward(coarse, low, trace);
        vec![resize3d(logits, [z, y, x_size], self.resize)]
    }
}

impl SegmentationNetwork for Hanet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        let [y, x] = self.sampling.last_size([shape[3], shape[4]]);
        let most = if self.sampling.output_stride == 4 { MAX_FINE_PIXELS } else { MAX_ATTENTION_PIXELS };
        check_attention(shape, [1, y, x], most)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |x, trace| self.forward_images(x, trace))
    }
}

impl KeyRules for Hanet {
    fn reference_key(&self, path: &str) -> String {
        match path.strip_prefix("decoder.") {
            Some(rest) => self.decoder.reference_key(rest),
            None => renamed(path, &[("trunk.", "backbone.")]),
        }
    }

    fn is_planar(&self) -> bool {
        true
    }

    fn is_optional(&self, key: &str) -> bool {
        key.starts_with("backbone.fc.")
    }
}

#[cfg(test)]
mod tests;
