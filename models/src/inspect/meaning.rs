//! What the numbers of a map mean, in words for people, and what they do not mean.

use crate::nets::MapMeaning;

impl MapMeaning {
    /// A short name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Divergence | Self::DivergenceUnscaled => "divergence of two paths",
            Self::AttentionReceived => "attention received",
            Self::GateCoefficient => "gate",
            Self::Reach => "reach in the graph",
            Self::GuidedAttention => "guided attention",
            Self::AttentionGiven => "attention of the marked pixel",
            Self::Correlation => "correlation with the marked pixel",
            Self::NormalisedCorrelation => "normalised correlation with the marked pixel",
            Self::Neighbours => "neighbours of the marked pixel",
        }
    }

    /// What the numbers are and what must not be read into them.
    pub fn text(self) -> &'static str {
        match self {
            Self::Divergence => {
                "Where two paths of the network disagree, averaged over the features; 1 is the average of the map. High values say that \
                 this module changes its answer there, not that the answer is wrong there nor why."
            }
            Self::DivergenceUnscaled => {
                "Where two paths of the network disagree, in a reading without a common scale: compare within one \
                 map only. It does not say that the answer is wrong there."
            }
            Self::AttentionReceived => {
                "Share of the attention of all pixels that each pixel receives; all shares of a map sum to 1. A pixel \
                 that is looked at much need not change the answer: the features taken from it may be ignored later."
            }
            Self::GateCoefficient => {
                "Factor between 0 and 1 by which a gate multiplies the features of a skip connection: 0 holds them \
                 back, 1 lets them pass. It acts on one path among several; a low value does not remove the place \
                 from what the network knows."
            }
            Self::Reach => {
                "Share of all pixels that each pixel is joined with over this number of hops; the mean is the \
                 density of the graph. It counts edges and says nothing of their weight."
            }
            Self::GuidedAttention => {
                "Strength of the factors or features at each place, averaged over channels, without a unit: compare \
                 within one map only. It says how much is there, not what it stands for."
            }
            Self::AttentionGiven => {
                "How the marked pixel shares out its attention; the shares sum to 1 (to 0 where it is joined with \
                 nobody). It says from where this layer mixes features into that pixel, not which places decided \
                 its label."
            }
            Self::Correlation => {
                "How strongly the marked pixel correlates with each pixel, before any threshold or softmax; unbounded: \
                 compare within one map only. Likeness of features is no reason of an answer."
            }
            Self::NormalisedCorrelation => {
                "The correlations of the marked pixel brought to 0 … 1 as the network does before its threshold: at \
                 the threshold and above, pixels are joined. Usually scaled for each pixel on its own, so two \
                 marked pixels do not compare."
            }
            Self::Neighbours => {
                "Whom the marked pixel reaches over this number of hops: 1, or the number of ways where the network \
                 counts them. It says who may be looked at, not how much."
            }
        }
    }

    /// Whether the numbers are shares or amounts of which so much can lie on a class of a mask.
    pub fn is_mass(self) -> bool {
        match self {
            Self::AttentionReceived
            | Self::AttentionGiven
            | Self::Divergence
            | Self::DivergenceUnscaled
            | Self::Neighbours => true,
            Self::GateCoefficient
            | Self::Reach
            | Self::GuidedAttention
            | Self::Correlation
            | Self::NormalisedCorrelation => false,
        }
    }
}
