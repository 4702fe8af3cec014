//! The segmentation networks, their building blocks and the registry that makes them by name.
//!
//! A network is one file: a configuration (serde) that makes it, and an implementation of
//! [`SegmentationNetwork`] and [`KeyRules`]; plus one line in [`registry`]. The definitions follow the published reference
//! code or, where none exists, the paper; parameters are named as in the reference's checkpoints.

pub mod blocks;
pub mod div_attention;
pub mod espnet3d;
pub mod lesion_net;
pub mod nnunet;
mod planar;
pub mod plain_conv_unet;
pub mod pool3d;
pub mod registry;
pub mod residual_encoder_unet;
pub mod resize3d;
pub mod trace;
pub mod unetr;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::{CheckpointError, KeyRules};

pub use registry::{AnyNetwork, ArchitectureInfo, architectures};
pub use trace::{AttentionMap, MapMeaning, Prediction, Trace};

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

    /// Makes the network with weights still to be drawn: they are drawn when first used, or all at once in
    /// a reproducible order by [`Module::materialize`] after [`Device::seed`].
    fn init(&self, device: &Device) -> Self::Network;
}

/// A network that maps a volume to logits at one or more resolutions.
pub trait SegmentationNetwork: Module + KeyRules {
    /// Says what is wrong with an input of this shape `[batch, channels, z, y, x]`.
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String>;

    /// Logits of all heads, finest (and final) first; notes attention maps and intermediate tensors in
    /// `trace`.
    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>>;

    /// Logits of all heads, finest (and final) first.
    fn forward_heads(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        self.forward_traced(x, &mut Trace::off())
    }

    /// The final logits, `[batch, classes, z, y, x]`.
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.forward_heads(x).swap_remove(0)
    }

    /// Logits and attention maps.
    fn forward_with_attention(&self, x: Tensor<5>) -> Prediction {
        let mut trace = Trace::attention();
        let heads = self.forward_traced(x, &mut trace);
        Prediction { heads, maps: trace.maps }
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

#[cfg(test)]
mod ops_tests;
#[cfg(test)]
mod tests;
