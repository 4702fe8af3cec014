//! DeepLabV3 and DeepLabV3+ (Chen et al., 2017; ECCV 2018; networks.md 3.2 and 3.3): a dilated residual trunk, a
//! pyramid of dilated convolutions over its last stage, and a decoder.

mod aspp;
mod decoder;
mod v3;
mod v3_plus;

pub(crate) use decoder::{Decoder, DecoderConfig};
pub use v3::{DeepLabV3, DeepLabV3Config};
pub use v3_plus::{DeepLabV3Plus, DeepLabV3PlusConfig};

use serde::{Deserialize, Serialize};

use super::blocks::ConvSpec;
use super::resize3d::ResizeMode;
use super::resnet::{Sampling, TrunkConfig};
use super::{MAX_CHANNELS, check_range};

/// Which published code of DeepLabV3+ a network follows; they differ in more than names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// jfzhang95's: multi-grid dilation, two 3×3 convolutions over (features, low level), corners aligned.
    #[default]
    Jfzhang95,
    /// VainF's: torchvision's dilation, one 3×3 convolution over (low level, features), corners not aligned.
    Vainf,
}

/// The bilinear resize with or without aligned corners.
pub(crate) fn bilinear(align_corners: bool) -> ResizeMode {
    if align_corners { ResizeMode::TrilinearAlignCorners } else { ResizeMode::Trilinear }
}

/// A planar convolution of odd `kernel` without bias, as it stands before a normalisation.
fn conv(from: usize, to: usize, kernel: usize) -> ConvSpec {
    ConvSpec::planar(from, to, kernel).bias(false)
}

/// What every DeepLab has: an error says which field is out of range.
struct Shared<'a> {
    in_channels: usize,
    num_classes: usize,
    trunk: &'a TrunkConfig,
    sampling: Sampling,
    rates: [usize; 3],
    channels: usize,
}

impl Shared<'_> {
    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 1024)?;
        check_range("num_classes", self.num_classes, 1024)?;
        // The pyramid has five branches of this width.
        check_range("channels", self.channels, MAX_CHANNELS / 5)?;
        self.rates.iter().try_for_each(|&rate| check_range("aspp_rates", rate, 1024))?;
        self.trunk.validate()?;
        self.sampling.validate()
    }
}
