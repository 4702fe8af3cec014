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
            Self::PathPrediction => "prediction of one path",
            Self::AnswerChange => "change of the answer by the module",
            Self::FeatureChange => "change of features by the module",
            Self::ScaleAnswer => "answer of one scale alone",
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
            Self::PathPrediction => {
                "M of one of the two paths that a junction compares: σ of its features, averaged over them, 0 \
                 to 1. The module looks where the two Ms of a level differ. Features are no classes: a high \
                 value is no vote for an outline."
            }
            Self::AnswerChange => {
                "Probability that the head of this level gives with the module minus that without its \
                 divergence term, all else unchanged: above 0 the module adds to the region, below 0 it takes \
                 away. Levels above work on what this one passes on, so that the final answer may still \
                 differ."
            }
            Self::FeatureChange => {
                "How much the features behind the module differ from those without its divergence term: mean \
                 magnitude over channels, without a unit, to be compared within one map. It says that \
                 something changes, not for better or worse."
            }
            Self::ScaleAnswer => {
                "The answer that one scale would give alone: probability from its own logits. The network's \
                 answer is that of the mean logits of four such scales. Where the four differ, no scale \
                 decided alone."
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
            | Self::FeatureChange
            | Self::Neighbours => true,
            Self::GateCoefficient
            | Self::Reach
            | Self::GuidedAttention
            | Self::Correlation
            | Self::NormalisedCorrelation
            | Self::PathPrediction
            | Self::AnswerChange
            | Self::ScaleAnswer => false,
        }
    }

    /// Whether 0 is the middle: numbers above and below say opposite things.
    pub fn is_signed(self) -> bool {
        self == Self::AnswerChange
    }
}
