//! What a forward pass shows of its inside: named tensors (for parity tests and `--debug-dir`) and
//! attention maps with their place in the network (for the viewer).

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::attention_rows::{AttentionRows, LooksAround};

/// What the numbers of an attention map mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapMeaning {
    /// Disagreement of two paths, softmax over voxels times their number: 1 is average (networks.md D3).
    Divergence,
    /// Disagreement of two paths in another reading of the paper; compare only within one map.
    DivergenceUnscaled,
    /// Share of all queries' attention that a patch receives, per head; the patches of a head sum to 1.
    AttentionReceived,
    /// Factor α between 0 and 1 by which a gate multiplies its skip connection's features: 0 suppresses a voxel, 1
    /// lets it pass. Resampled to the skip connection's size; one channel for each gate.
    GateCoefficient,
    /// Share of all pixels that a pixel reaches over the edges of a graph, a channel for each number of hops from 1 on;
    /// its mean is the density of the graph.
    Reach,
    /// Strength of a self-guided attention: mean over the channels of the magnitude of the factor that multiplies
    /// the fused features (step 1) or of the features that the prediction is made from (step 2). It has no unit:
    /// compare only within one map.
    GuidedAttention,
    /// How one pixel shares out its attention: each pixel's share, sum 1 (0 throughout where the pixel reaches
    /// nobody); a channel for each head or number of hops.
    AttentionGiven,
    /// How strongly one pixel correlates with each pixel, as the network computes it: unbounded, to be compared within
    /// one map.
    Correlation,
    /// The same brought to 0 … 1 by the network, which joins pixels from a threshold on.
    NormalisedCorrelation,
    /// Whom one pixel reaches over the edges of a graph: 1, else 0 (or the number of ways, where the network counts
    /// them); a channel for each number of hops from 1 on.
    Neighbours,
    /// What one of the two paths of a junction predicts, M = σ(O), averaged over the features: 0 to 1.
    PathPrediction,
    /// What a module changes in the answer that the network could give behind it: logits of the head of its level with
    /// the module, then without it, a channel for each class of each.
    AnswerChange,
    /// What a module changes in the features behind it: mean over channels of the magnitude of the difference between
    /// the features with and without it. It has no unit: compare only within one map.
    FeatureChange,
    /// The logits of one scale alone, where the network averages several; a channel for each class.
    ScaleAnswer,
}

/// One map of a network's attention.
#[derive(Debug, Clone)]
pub struct AttentionMap {
    /// Unique in a prediction, e.g. `div2.attention`.
    pub name: String,
    /// The layer that made it, as named in a checkpoint, e.g. `div2`.
    pub layer: String,
    /// 0 = finest resolution of the network.
    pub level: usize,
    /// `[z, y, x]` of the map; it spans the same field of view as the input.
    pub spatial_shape: [usize; 3],
    /// `[batch, channels or heads, z, y, x]`.
    pub tensor: Tensor<5>,
    /// What its numbers mean.
    pub meaning: MapMeaning,
    /// In the look of one pixel: which pixel of the map `[z, y, x]` it is. Where a network of planar images sees each
    /// slice of a volume on its own, z is the slice, and the map is that of this slice.
    pub query: Option<[usize; 3]>,
}

/// What each channel of features takes from each channel, in a layer in which channels look at channels.
#[derive(Debug, Clone)]
pub struct ChannelMatrix {
    /// The layer, as named in a checkpoint.
    pub layer: String,
    /// `[image, channel that looks, channel looked at]`; each row sums to 1. An image is a sample, or of a planar network
    /// a slice.
    pub attention: Tensor<3>,
}

/// The answer of a network.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Logits, finest (and final) first; further heads are the intermediate supervision.
    pub heads: Vec<Tensor<5>>,
    /// Attention maps, in the order of computation. Empty when the network has none.
    pub maps: Vec<AttentionMap>,
    /// What any one pixel looks at, on demand: for the layers in which every pixel may look at all pixels.
    pub rows: AttentionRows,
    /// What channels look at, for the layers in which every channel looks at all channels.
    pub channels: Vec<ChannelMatrix>,
}

impl Prediction {
    /// The final logits, `[batch, classes, z, y, x]` of the input's size.
    pub fn logits(&self) -> Tensor<5> {
        self.heads[0].clone()
    }
}

/// Collects what a forward pass shows. [`Trace::off`] costs nothing.
#[derive(Debug, Default)]
pub struct Trace {
    keep_tensors: bool,
    keep_maps: bool,
    keep_inside: bool,
    /// Intermediate tensors by the name of their layer.
    pub tensors: BTreeMap<String, TensorData>,
    /// Attention maps in the order of computation.
    pub maps: Vec<AttentionMap>,
    /// The layers whose rows of attention can be asked for, collected with the maps.
    pub rows: AttentionRows,
    /// Attention between channels, collected with the maps.
    pub channels: Vec<ChannelMatrix>,
    /// The tensors read, so that no later operation works in their memory: on some graphics adapters a copy to the
    /// host still sees it.
    held: Vec<Tensor<1>>,
}

impl Trace {
    /// Collects nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Collects attention maps, and the layers whose rows of attention can be asked for.
    pub fn attention() -> Self {
        Self { keep_maps: true, ..Self::default() }
    }

    /// Collects what [`Trace::attention`] does, and what modules make of their inputs and change in the answer: some of
    /// that is computed for this alone.
    pub fn inside() -> Self {
        Self { keep_inside: true, ..Self::attention() }
    }

    /// Collects attention maps and every named intermediate tensor, which are read back from the device.
    pub fn everything() -> Self {
        Self { keep_maps: true, keep_tensors: true, ..Self::default() }
    }

    /// Whether attention maps are collected.
    pub fn wants_maps(&self) -> bool {
        self.keep_maps
    }

    /// Whether what modules make of their inputs and change in the answer is collected.
    pub fn wants_inside(&self) -> bool {
        self.keep_inside
    }

    /// What was collected of a pass with these heads.
    pub(crate) fn prediction(self, heads: Vec<Tensor<5>>) -> Prediction {
        Prediction { heads, maps: self.maps, rows: self.rows, channels: self.channels }
    }

    /// Whether intermediate tensors are collected.
    pub fn wants_tensors(&self) -> bool {
        self.keep_tensors
    }

    /// Notes an intermediate tensor.
    pub fn tensor<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        if self.keep_tensors {
            self.held.push(tensor.clone().reshape([-1]));
            self.tensors.insert(name.to_owned(), tensor.to_data());
        }
    }

    /// Notes an attention map.
    pub fn map(&mut self, layer: &str, level: usize, tensor: Tensor<5>, meaning: MapMeaning) {
        self.part(layer, "attention", level, tensor, meaning);
    }

    /// Notes one of several maps of a layer, told apart by `part`.
    pub fn part(&mut self, layer: &str, part: &str, level: usize, tensor: Tensor<5>, meaning: MapMeaning) {
        if self.keep_maps {
            let [_, _, z, y, x] = tensor.dims();
            self.maps.push(AttentionMap {
                name: format!("{layer}.{part}"),
                layer: layer.to_owned(),
                level,
                spatial_shape: [z, y, x],
                tensor,
                meaning,
                query: None,
            });
        }
    }

    /// Notes what the channels of a layer look at, `[image, channel, channel]`.
    pub fn between_channels(&mut self, layer: &str, attention: &Tensor<3>) {
        if self.keep_maps {
            self.channels.push(ChannelMatrix { layer: layer.to_owned(), attention: attention.clone() });
        }
    }

    /// Notes that every pixel of the layer `layer` looks at all pixels of its image, one of `images`; `source` says how.
    pub(crate) fn look<S: LooksAround + 'static>(
        &mut self,
        layer: &str,
        level: usize,
        images: usize,
        source: impl FnOnce() -> S,
    ) {
        if self.keep_maps {
            self.rows.add(layer, level, images, source());
        }
    }
}
