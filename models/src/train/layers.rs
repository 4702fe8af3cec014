//! Which weights a run changes: all, or those near the answer; and weights that come from another network.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::nets::registry::{LayerStage, layer_stage};

/// Which layers of a network change. Statistics of batch normalisation follow the data in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// Every layer.
    #[default]
    All,
    /// All but the encoder: what a network sees stays, what it makes of it changes.
    Decoder,
    /// Those that turn features into answers.
    Last,
}

impl Layers {
    /// Whether the weight `key` (named as the reference names it) of a network of the registry changes.
    pub fn contain(self, arch: &str, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Decoder => layer_stage(arch, key) != LayerStage::Encoder,
            Self::Last => layer_stage(arch, key) == LayerStage::Last,
        }
    }
}

impl std::str::FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "decoder" => Ok(Self::Decoder),
            "last" => Ok(Self::Last),
            other => Err(format!("\"{other}\" is no choice of layers; use all, decoder or last")),
        }
    }
}

/// Weights of another network to begin with: an attention network from its plain U-Net (Oktay et al. 2018 suggest it
/// for fine-tuning; the gates learn first, then all).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Weights of a network of which this one is an extension, as safetensors. What has the same name and shape is taken,
    /// the rest is drawn.
    pub from: PathBuf,
    /// Steps in which only what was drawn changes.
    #[serde(default)]
    pub newcomers_alone_steps: usize,
}
