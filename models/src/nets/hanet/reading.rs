//! The readings of HANet's paper: it leaves open what these fields decide (networks.md section 7, H1 to H7).

use serde::{Deserialize, Serialize};

/// How logits are brought to 0 … 1 before they are compared with δ (networks.md H1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Each row from its least to its greatest logit. No row loses all its edges, whatever δ ≤ 1.
    #[default]
    Row,
    /// The whole map from its least to its greatest logit. A large δ empties most rows.
    Map,
    /// The logistic function of each logit.
    Sigmoid,
    /// The softmax over each row; its values are about 1/N, so that only a small δ leaves edges.
    Softmax,
    /// The cosine c of query and key, as (1 + c) / 2.
    Cosine,
}

/// What the softmax of equation 4 is taken of (H2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logits {
    /// The logits A* themselves; with δ = 0 and one hop this is plain self-attention.
    #[default]
    Raw,
    /// The normalised map Â.
    Normalised,
}

/// What Bʰ counts (H3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paths {
    /// Whether there is a walk of h edges.
    #[default]
    Exist,
    /// How many walks of h edges there are, as equation 2 is written.
    Count,
}

/// What becomes of the logits where Bʰ is 0 (H4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// They are left out of the softmax.
    #[default]
    Masked,
    /// They are set to 0 before the softmax, as equation 4 is written, and so keep weight.
    LiteralZero,
}

/// Along which axis of Ã features are summed (H5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// H·Ãᵀ: a pixel takes the mean of what it looks at, with weights of sum 1.
    #[default]
    Rows,
    /// H·Ã, as equation 5 is written.
    Columns,
}

/// What training sees of the threshold that makes edges (H7). The answer of the network is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdGradient {
    /// Nothing: edges are constants, and gradients reach the logits of those that are kept.
    #[default]
    None,
    /// Straight through (Bengio et al., arXiv 1308.3432): a threshold is the identity for the gradient, which thus
    /// reaches every correlation that was compared with δ, and the walks over several hops.
    StraightThrough,
}

/// A reading of the paper; the default is the recommended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HaReading {
    /// How logits are brought to 0 … 1 before they are compared with δ.
    pub normalisation: Normalisation,
    /// What the softmax is taken of.
    pub logits: Logits,
    /// What Bʰ counts.
    pub paths: Paths,
    /// What becomes of logits where Bʰ is 0.
    pub erased: Erased,
    /// Along which axis features are summed.
    pub aggregation: Aggregation,
    /// Whether every pixel is its own neighbour, so that Bʰ means "in at most h hops" (H6).
    pub self_loops: bool,
    /// Whether logits are divided by √c.
    pub scaled: bool,
    /// What training sees of the threshold.
    pub threshold_gradient: ThresholdGradient,
}

impl Default for HaReading {
    fn default() -> Self {
        Self {
            normalisation: Normalisation::Row,
            logits: Logits::Raw,
            paths: Paths::Exist,
            erased: Erased::Masked,
            aggregation: Aggregation::Rows,
            self_loops: false,
            scaled: true,
            threshold_gradient: ThresholdGradient::None,
        }
    }
}
