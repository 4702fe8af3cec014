//! The configurations of the planar networks and what they make of them.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::super::attention_gate::AdditiveGate;
use super::super::blocks::ConvSpec;
use super::super::{MAX_CHANNELS, NetworkConfig, check_range};
use super::{Block, Unet2d, conv_block};

/// The reference's channels per level, finest first.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 1024];
/// The reference's channels in which the finest gate compares; each coarser gate has the channels of the level two
/// above it.
const FINEST_GATE: usize = 32;

/// Configuration of `unet_2d`, the reference's `U_Net`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unet2dConfig {
    /// Channels of the image.
    pub img_ch: usize,
    /// Channels of the logits.
    pub output_ch: usize,
    /// Channels per level, finest first.
    pub widths: [usize; 5],
}

/// Configuration of `attention_unet_2d`, the reference's `AttU_Net`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionUnet2dConfig {
    /// Channels of the image.
    pub img_ch: usize,
    /// Channels of the logits.
    pub output_ch: usize,
    /// Channels per level, finest first.
    pub widths: [usize; 5],
    /// Channels in which the finest gate compares; the coarser gates compare in `widths[0]`, `widths[1]`, `widths[2]`.
    pub finest_gate_width: usize,
}

/// Configuration of `r2attu_net`, the reference's `R2AttU_Net`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct R2AttUnetConfig {
    /// Channels of the image.
    pub img_ch: usize,
    /// Channels of the logits.
    pub output_ch: usize,
    /// How often a recurrent convolution sees its own answer; it is applied once more than that.
    pub t: usize,
    /// Channels per level, finest first.
    pub widths: [usize; 5],
    /// Channels in which the finest gate compares; the coarser gates compare in `widths[0]`, `widths[1]`, `widths[2]`.
    pub finest_gate_width: usize,
}

impl Default for Unet2dConfig {
    fn default() -> Self {
        Self { img_ch: 3, output_ch: 1, widths: WIDTHS }
    }
}

impl Default for AttentionUnet2dConfig {
    fn default() -> Self {
        Self { img_ch: 3, output_ch: 1, widths: WIDTHS, finest_gate_width: FINEST_GATE }
    }
}

impl Default for R2AttUnetConfig {
    fn default() -> Self {
        Self { img_ch: 3, output_ch: 1, t: 2, widths: WIDTHS, finest_gate_width: FINEST_GATE }
    }
}

/// What the three configurations have in common.
struct Plan {
    img_ch: usize,
    output_ch: usize,
    widths: [usize; 5],
    finest_gate_width: Option<usize>,
    repeats: Option<usize>,
}

impl From<&Unet2dConfig> for Plan {
    fn from(config: &Unet2dConfig) -> Self {
        let Unet2dConfig { img_ch, output_ch, widths } = *config;
        Self { img_ch, output_ch, widths, finest_gate_width: None, repeats: None }
    }
}

impl From<&AttentionUnet2dConfig> for Plan {
    fn from(config: &AttentionUnet2dConfig) -> Self {
        let AttentionUnet2dConfig { img_ch, output_ch, widths, finest_gate_width } = *config;
        Self { img_ch, output_ch, widths, finest_gate_width: Some(finest_gate_width), repeats: None }
    }
}

impl From<&R2AttUnetConfig> for Plan {
    fn from(config: &R2AttUnetConfig) -> Self {
        let R2AttUnetConfig { img_ch, output_ch, t, widths, finest_gate_width } = *config;
        Self { img_ch, output_ch, widths, finest_gate_width: Some(finest_gate_width), repeats: Some(t) }
    }
}

macro_rules! made_by_plan {
    ($($config:ty),+) => {$(
        impl NetworkConfig for $config {
            type Network = Unet2d;

            fn validate(&self) -> Result<(), String> {
                Plan::from(self).validate()
            }

            fn init(&self, device: &Device) -> Unet2d {
                Plan::from(self).init(device)
            }
        }
    )+};
}

made_by_plan!(Unet2dConfig, AttentionUnet2dConfig, R2AttUnetConfig);

impl Plan {
    fn validate(&self) -> Result<(), String> {
        check_range("img_ch", self.img_ch, 64)?;
        check_range("output_ch", self.output_ch, 1024)?;
        self.widths.iter().try_for_each(|&width| check_range("widths", width, MAX_CHANNELS))?;
        check_range("finest_gate_width", self.finest_gate_width.unwrap_or(1), MAX_CHANNELS)?;
        check_range("t", self.repeats.unwrap_or(1), 16)
    }

    fn block(&self, from: usize, to: usize, device: &Device) -> Block {
        let project = self.repeats.map(|_| ConvSpec::planar(from, to, 1).init(device));
        let first = if project.is_some() { to } else { from };
        Block {
            project,
            convs: [first, to].map(|from| conv_block(from, to, device)),
            repeats: self.repeats.unwrap_or(0),
        }
    }

    fn init(&self, device: &Device) -> Unet2d {
        let widths = self.widths;
        let level = |level: usize| {
            let from = if level == 0 { self.img_ch } else { widths[level - 1] };
            self.block(from, widths[level], device)
        };
        let gates = self.finest_gate_width.map(|finest| {
            let inner = [finest, widths[0], widths[1], widths[2]];
            (0..4).map(|level| AdditiveGate::new(widths[level], inner[level], device)).collect()
        });
        Unet2d {
            encoder: (0..5).map(level).collect(),
            up: (0..4).map(|level| conv_block(widths[level + 1], widths[level], device)).collect(),
            gates,
            decoder: (0..4).map(|level| self.block(2 * widths[level], widths[level], device)).collect(),
            head: ConvSpec::head(widths[0], self.output_ch).init(device),
            img_ch: self.img_ch,
            is_recurrent: self.repeats.is_some(),
        }
    }
}
