//! SAGAN for whole-slide segmentation (N. Siddiqui, 2020; networks.md 5): a residual encoder and decoder with
//! self-attention at a quarter of the size, every convolution spectrally normalised, and a discriminator on the same
//! encoder.
//!
//! The reference's generator ends in a softmax. Here, as in every other network, `forward` yields the logits before
//! it; [`discriminator::discriminator_input`] and the parity tests apply the softmax.

mod blocks;
pub mod discriminator;
mod spectral;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

pub use discriminator::{SaganWsiDiscriminator, SaganWsiDiscriminatorConfig, discriminator_input};
pub use spectral::SpectralConv;

use super::planar::by_slices;
use super::trace::Trace;
use super::{
    NetworkConfig, SegmentationNetwork, check_attention, check_channels, check_multiple, check_range,
};
use crate::checkpoint::KeyRules;
use blocks::{Encoded, SelfAttention, Trunk, UpBlock};

/// The encoder halves y and x six times.
const SIZE_MULTIPLE: [usize; 3] = [1, 64, 64];
/// Self-attention works at a quarter of the size.
const ATTENTION_STRIDE: usize = 4;
/// Widest `w`; the deepest layers have 16·w channels.
const MAX_WIDTH: usize = 512;

/// Configuration of [`SaganWsi`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaganWsiConfig {
    /// Channels of the image, scaled to [-1, 1]: 3 for RGB.
    pub in_channels: usize,
    /// Number of classes, background included.
    pub num_classes: usize,
    /// Channels of the first block; the deepest have 16 times as many.
    pub w: usize,
}

impl Default for SaganWsiConfig {
    fn default() -> Self {
        Self { in_channels: 3, num_classes: 4, w: 32 }
    }
}

fn check_width(w: usize) -> Result<(), String> {
    check_range("w", w, MAX_WIDTH)
}

impl NetworkConfig for SaganWsiConfig {
    type Network = SaganWsi;

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 64)?;
        check_range("num_classes", self.num_classes, 1024)?;
        check_width(self.w)
    }

    fn init(&self, device: &Device) -> SaganWsi {
        let up = |block: usize, from: usize, to: usize| {
            UpBlock::new(&format!("u{block}"), from * self.w, to * self.w, device)
        };
        SaganWsi {
            trunk: Trunk::new(self.in_channels, self.w, device),
            u8: up(8, 16, 8),
            u9: up(9, 16, 8),
            u10: up(10, 16, 4),
            u11: up(11, 8, 2),
            att_up: SelfAttention::new("att_up", 4 * self.w, device),
            u12: up(12, 4, 1),
            u13: up(13, 2, 1),
            out: SpectralConv::new("out".to_owned(), self.w, self.num_classes, 3, device),
            in_channels: self.in_channels,
        }
    }
}

/// The generator; see the module's description.
#[derive(Module, Debug)]
pub struct SaganWsi {
    trunk: Trunk,
    u8: UpBlock,
    u9: UpBlock,
    u10: UpBlock,
    u11: UpBlock,
    att_up: SelfAttention,
    u12: UpBlock,
    u13: UpBlock,
    out: SpectralConv,
    in_channels: usize,
}

impl SaganWsi {
    fn logits(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let Encoded { deepest, skips: [x1, x2, x3, x4, x5] } = self.trunk.forward(x, trace);
        let joined = |up: Tensor<5>, skip: Tensor<5>| Tensor::cat(vec![up, skip], 1);
        let y = joined(self.u8.forward(deepest, trace), x5);
        let y = joined(self.u9.forward(y, trace), x4);
        let y = joined(self.u10.forward(y, trace), x3);
        let y = joined(self.u11.forward(y, trace), x2);
        let y = self.att_up.forward(y, 2, trace);
        let y = joined(self.u12.forward(y, trace), x1);
        let y = self.u13.forward(y, trace);
        self.out.forward(y, trace)
    }
}

impl SegmentationNetwork for SaganWsi {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        check_multiple(shape, SIZE_MULTIPLE)?;
        check_attention(shape, [1, shape[3] / ATTENTION_STRIDE, shape[4] / ATTENTION_STRIDE], usize::MAX)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |images, trace| vec![self.logits(images, trace)])
    }
}

impl KeyRules for SaganWsi {
    fn is_planar(&self) -> bool {
        true
    }
}
