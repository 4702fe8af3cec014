//! The segmentation networks, their building blocks and the registry that makes them by name.
//!
//! A network is one file: a configuration (serde) that makes it, and an implementation of
//! [`SegmentationNetwork`] and [`KeyRules`]; plus one line in [`registry`]. The definitions follow the published reference
//! code or, where none exists, the paper; parameters are named as in the reference's checkpoints.

mod attention_gate;
pub mod attention_rows;
pub mod attention_unet_3d;
pub mod blocks;
pub mod daf_stack;
pub mod danet;
pub mod deeplab;
pub mod div_attention;
pub mod dual_attention;
pub mod espnet3d;
pub mod hanet;
mod keys;
pub mod lesion_net;
pub mod monai_attention_unet;
pub mod nnunet;
mod pixel_attention;
pub mod plain_conv_unet;
pub(crate) mod planar;
pub mod pool3d;
pub mod registry;
pub mod residual_encoder_unet;
pub mod resize3d;
pub mod resnet;
pub mod sagan;
pub mod sagan_wsi;
pub mod trace;
pub mod unet_2d;
pub mod unetr;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::{CheckpointError, KeyRules};

pub use attention_rows::{AttentionLayer, AttentionRows, FieldPoint, HopReading, RowTile};
pub use registry::{AnyNetwork, ArchitectureInfo, Family, architecture, architectures};
pub use trace::{AttentionMap, ChannelMatrix, MapMeaning, Prediction, Trace};

/// The logit of "object" `[batch, 1, z, y, x]`: the only channel, or the last of several under a softmax (networks.md
/// D14), where it is its score less the logarithm of the others' sum of exponentials. 3D-ESPNet needs several: it
/// squeezes its features through as many channels as it has classes, and behind the last rectifier one channel has one
/// sign only.
pub fn object_logit(logits: Tensor<5>) -> Tensor<5> {
    let channels = logits.dims()[1];
    if channels == 1 {
        return logits;
    }
    let others = logits.clone().narrow(1, 0, channels - 1);
    let largest = others.clone().max_dim(1).detach();
    let sum = (others - largest.clone()).exp().sum_dim(1).log() + largest;
    logits.narrow(1, channels - 1, 1) - sum
}

/// What can go wrong between a name and a prediction.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No network has this name.
    #[error("unknown network '{arch}'; known networks: {known}")]
    UnknownArchitecture {
        /// The name asked for.
        arch: String,
        /// All names, separated by commas.
        known: String,
    },
    /// The configuration cannot make a network.
    #[error("configuration of network '{arch}': {message}")]
    Config {
        /// The network.
        arch: String,
        /// Which field, which value, what to do.
        message: String,
    },
    /// The input does not fit the network.
    #[error("network '{arch}' cannot take an input of shape {shape:?} [batch, channels, z, y, x]: {message}")]
    Input {
        /// The network.
        arch: String,
        /// Shape of the input.
        shape: [usize; 5],
        /// What it needs.
        message: String,
    },
    /// The network has no counterpart for arrays with the axes in the opposite order.
    #[error("network '{arch}' cannot be turned from [x, y, z] to [z, y, x] arrays: {reason}")]
    Axes {
        /// The network.
        arch: String,
        /// Why.
        reason: String,
    },
    /// The weights do not fit the network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A configuration that makes a network; its serde form is the `config` of recipes and model cards.
pub trait NetworkConfig: Serialize + DeserializeOwned {
    /// The network it makes.
    type Network: SegmentationNetwork;

    /// Says which field is out of range, so that [`NetworkConfig::init`] cannot fail.
    fn validate(&self) -> Result<(), String>;

    /// The same network for arrays whose axes are in the opposite order, `[x, y, z]` instead of `[z, y, x]`.
    ///
    /// # Errors
    /// Why there is none: by default, that the network is of planar images.
    fn with_reversed_axes(self) -> Result<Self, String> {
        Err("it works on planar images, whose z is the slice".to_owned())
    }

    /// Makes the network with weights still to be drawn: they are drawn when first used, or all at once and
    /// reproducibly by [`AnyNetwork::seeded`].
    fn init(&self, device: &Device) -> Self::Network;
}

/// A forward pass in training.
#[derive(Debug, Clone)]
pub struct TrainingOutput {
    /// Logits `[batch, classes, z, y, x]` that are compared with the truth; those of the answer first.
    pub heads: Vec<Tensor<5>>,
    /// What the network's paper adds to the losses of its heads, for their mean, `[1]`.
    pub own_loss: Option<Tensor<1>>,
}

/// A network that maps a volume to logits at one or more resolutions.
pub trait SegmentationNetwork: Module + KeyRules {
    /// Says what is wrong with an input of this shape `[batch, channels, z, y, x]`.
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String>;

    /// Logits of all heads, finest (and final) first; notes attention maps and intermediate tensors in
    /// `trace`.
    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>>;

    /// What the network is taught by; a network with losses of its own answers with more than its heads.
    fn forward_training(&self, x: Tensor<5>) -> TrainingOutput {
        TrainingOutput { heads: self.forward_heads(x), own_loss: None }
    }

    /// Logits of all heads, finest (and final) first.
    fn forward_heads(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        self.forward_traced(x, &mut Trace::off())
    }

    /// The final logits, `[batch, classes, z, y, x]`.
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.forward_heads(x).swap_remove(0)
    }

    /// Logits, attention maps, and what any pixel looks at on demand.
    fn forward_with_attention(&self, x: Tensor<5>) -> Prediction {
        let mut trace = Trace::attention();
        let heads = self.forward_traced(x, &mut trace);
        trace.prediction(heads)
    }
}

/// Widest layer a configuration may ask for; wider ones are typing errors.
pub(crate) const MAX_CHANNELS: usize = 16_384;

/// An error unless `value` lies in `1..=max`.
pub(crate) fn check_range(field: &str, value: usize, max: usize) -> Result<(), String> {
    if (1..=max).contains(&value) {
        Ok(())
    } else {
        Err(format!("{field} is {value}; it must be 1 to {max}"))
    }
}

/// An error unless the input has `channels` channels and no axis is empty.
pub(crate) fn check_channels(shape: [usize; 5], channels: usize) -> Result<(), String> {
    if shape[1] != channels {
        return Err(format!("it takes {channels} channels, not {}", shape[1]));
    }
    if shape.contains(&0) { Err("an axis is empty".to_owned()) } else { Ok(()) }
}

/// An error unless every spatial axis is a multiple of `factor`.
pub(crate) fn check_multiple(shape: [usize; 5], factor: [usize; 3]) -> Result<(), String> {
    let spatial = [shape[2], shape[3], shape[4]];
    if spatial.iter().zip(factor).all(|(&size, factor)| size > 0 && size % factor == 0) {
        return Ok(());
    }
    Err(format!("z, y, x must be multiples of {factor:?}; pad or resample the volume"))
}

/// `path` with the first of the beginnings `(ours, theirs)` that fits exchanged; unchanged where none fits.
pub(crate) fn renamed(path: &str, beginnings: &[(&str, &str)]) -> String {
    let fits = beginnings.iter().find_map(|(ours, theirs)| Some((theirs, path.strip_prefix(ours)?)));
    fits.map_or_else(|| path.to_owned(), |(theirs, rest)| format!("{theirs}{rest}"))
}

/// Largest attention matrix of a network, in bytes.
const MAX_ATTENTION_BYTES: usize = 2 << 30;

/// Most pixels that may attend to each other: their N×N matrix of f32 has [`MAX_ATTENTION_BYTES`].
pub(crate) const MAX_ATTENTION_PIXELS: usize = (MAX_ATTENTION_BYTES / 4).isqrt();

/// An error unless the attention over a map of `grid` `[z, y, x]` pixels, made from an input of this shape, has at most
/// `max_pixels` of them (never more than [`MAX_ATTENTION_PIXELS`]); says the largest input that fits.
pub(crate) fn check_attention(shape: [usize; 5], grid: [usize; 3], max_pixels: usize) -> Result<(), String> {
    let pixels = grid.iter().copied().fold(1, usize::saturating_mul);
    let max_pixels = max_pixels.min(MAX_ATTENTION_PIXELS);
    if pixels <= max_pixels {
        return Ok(());
    }
    let gib = (pixels as f64).powi(2) * 4.0 / f64::from(1 << 30);
    let [z, y, x] = grid;
    // Shrinking every axis that is longer than one pixel by the same factor.
    let axes = grid.iter().filter(|&&size| size > 1).count().max(1);
    let shrink = (max_pixels as f64 / pixels as f64).powf(1.0 / axes as f64);
    let fits = [0, 1, 2].map(|axis| {
        let (size, grid) = (shape[axis + 2], grid[axis]);
        if grid <= 1 { size } else { ((grid as f64 * shrink + 1e-9) as usize).max(1) * size.div_ceil(grid) }
    });
    Err(format!(
        "its attention over {z} × {y} × {x} = {pixels} pixels would need a matrix of {gib:.1} GiB; at most \
         {max_pixels} pixels fit, which an input of z, y, x = {fits:?} gives: crop, tile or resample the image"
    ))
}

#[cfg(test)]
mod ops_tests;
#[cfg(test)]
mod tests;
