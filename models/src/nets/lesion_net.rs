//! `LesionNet`: the light network of Hilum for a CPU. An nnU-Net-like encoder, a decoder of junctions that
//! add the two paths (with Div-attention at the levels asked for), and a supervised 1×1×1 head per level.
//!
//! Without `div` the decoder is the same except for the attention branch: a fair pair for a comparison.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, Conv, ConvBlock, ConvSpec, LEAKY_SLOPE, NormKind};
use super::div_attention::{DivAttention, DivAttentionConfig, DivReading, JunctionPlace, junction_key};
use super::resize3d::{ResizeMode, resize3d};
use super::trace::Trace;
use super::{MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_channels, check_multiple, check_range};
use crate::checkpoint::KeyRules;

/// At which decoder levels a junction has the attention branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DivLevels {
    /// At all levels, or at none.
    All(bool),
    /// At these levels; 0 = finest.
    Some(Vec<usize>),
}

impl DivLevels {
    fn contains(&self, level: usize) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Some(levels) => levels.contains(&level),
        }
    }
}

/// Configuration of [`LesionNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LesionNetConfig {
    /// Channels of the input: image, cues, previous mask, ….
    pub in_channels: usize,
    /// Channels of each head.
    pub out_channels: usize,
    /// Channels per stage, finest first; at least two stages.
    pub features: Vec<usize>,
    /// Kernel per stage, `[z, y, x]`, odd; empty = 3×3×3 everywhere.
    pub kernels: Vec<[usize; 3]>,
    /// Stride per stage, `[z, y, x]`; empty = 1 for the first and 2 for the others. A first stride above 1
    /// computes at a coarser grid than the input's and enlarges the final logits.
    pub strides: Vec<[usize; 3]>,
    /// Convolutions per encoder stage.
    pub convs_per_stage: usize,
    /// Where junctions have Div-attention.
    pub div: DivLevels,
    /// Reading of the divergence equation.
    pub reading: DivReading,
}

impl Default for LesionNetConfig {
    fn default() -> Self {
        Self {
            in_channels: 2,
            out_channels: 1,
            features: vec![16, 32, 64, 128],
            kernels: Vec::new(),
            strides: Vec::new(),
            convs_per_stage: 2,
            div: DivLevels::All(true),
            reading: DivReading::default(),
        }
    }
}

impl LesionNetConfig {
    fn kernel(&self, stage: usize) -> [usize; 3] {
        self.kernels.get(stage).copied().unwrap_or([3; 3])
    }

    fn stride(&self, stage: usize) -> [usize; 3] {
        let default = if stage == 0 { [1; 3] } else { [2; 3] };
        self.strides.get(stage).copied().unwrap_or(default)
    }

    fn stage(&self, stage: usize, device: &Device) -> Vec<ConvBlock> {
        let to = self.features[stage];
        let first = if stage == 0 { self.in_channels } else { self.features[stage - 1] };
        let block = |index: usize| {
            let (from, stride) = if index == 0 { (first, self.stride(stage)) } else { (to, [1; 3]) };
            let conv = ConvSpec::new(from, to, self.kernel(stage)).stride(stride).bias(false);
            ConvBlock::new(conv, NormKind::INSTANCE_AFFINE, Activation::LeakyRelu(LEAKY_SLOPE), device)
        };
        (0..self.convs_per_stage).map(block).collect()
    }

    fn junction(&self, level: usize, device: &Device) -> DivAttention {
        let config = DivAttentionConfig {
            image_channels: self.div.contains(level).then_some(self.in_channels),
            factor: self.stride(level + 1),
            norm: NormKind::INSTANCE_AFFINE,
            reading: self.reading,
            ..DivAttentionConfig::new(self.features[level + 1], self.features[level], self.in_channels)
        };
        config.init(device)
    }
}

impl NetworkConfig for LesionNetConfig {
    type Network = LesionNet;

    fn with_reversed_axes(mut self) -> Result<Self, String> {
        self.kernels.iter_mut().chain(&mut self.strides).for_each(|size| size.reverse());
        Ok(self)
    }

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 64)?;
        check_range("out_channels", self.out_channels, 1024)?;
        check_range("convs_per_stage", self.convs_per_stage, 8)?;
        let stages = self.features.len();
        if !(2..=8).contains(&stages) {
            return Err(format!("features has {stages} stages; it must have 2 to 8"));
        }
        for &features in &self.features {
            check_range("features", features, MAX_CHANNELS)?;
        }
        for (name, list) in [("kernels", &self.kernels), ("strides", &self.strides)] {
            if !list.is_empty() && list.len() != stages {
                return Err(format!("{name} has {} entries for {stages} stages", list.len()));
            }
        }
        for &size in self.kernels.iter().flatten() {
            if size % 2 == 0 || size > 9 {
                return Err(format!("kernels has {size}; sizes must be odd, 1 to 9"));
            }
        }
        for &stride in self.strides.iter().flatten() {
            check_range("strides", stride, 4)?;
        }
        match &self.div {
            DivLevels::Some(levels) if levels.iter().any(|&level| level + 1 >= stages) => {
                Err(format!("div has a level above {}, the coarsest of {stages} stages", stages - 2))
            }
            _ => Ok(()),
        }
    }

    fn init(&self, device: &Device) -> LesionNet {
        let stages = self.features.len();
        let mut total = [1; 3];
        for stage in 0..stages {
            let stride = self.stride(stage);
            total = [total[0] * stride[0], total[1] * stride[1], total[2] * stride[2]];
        }
        LesionNet {
            encoder: (0..stages).map(|stage| self.stage(stage, device)).collect(),
            decoder: (0..stages - 1).map(|level| self.junction(level, device)).collect(),
            heads: (0..stages - 1)
                .map(|level| ConvSpec::head(self.features[level], self.out_channels).init(device))
                .collect(),
            in_channels: self.in_channels,
            size_multiple: total,
        }
    }
}

/// The light network; see the module's description.
#[derive(Module, Debug)]
pub struct LesionNet {
    encoder: Vec<Vec<ConvBlock>>,
    decoder: Vec<DivAttention>,
    heads: Vec<Conv>,
    in_channels: usize,
    #[module(skip)]
    size_multiple: [usize; 3],
}

impl SegmentationNetwork for LesionNet {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        check_multiple(shape, self.size_multiple)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, w] = x.dims();
        let mut skips = Vec::with_capacity(self.encoder.len());
        let mut features = x.clone();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            features = blocks.iter().fold(features, |features, block| block.forward(features));
            trace.tensor(&format!("encoder.{stage}"), &features);
            skips.push(features.clone());
        }
        skips.pop();
        let mut heads = Vec::with_capacity(self.heads.len());
        for level in (0..self.decoder.len()).rev() {
            let layer = format!("decoder.{level}");
            let place = JunctionPlace { layer: &layer, level, head: Some(&self.heads[level]) };
            let skip = skips.swap_remove(level);
            features = self.decoder[level].forward(features, skip, &x, place, trace);
            trace.tensor(&layer, &features);
            heads.push(self.heads[level].forward(features.clone()));
        }
        heads.reverse();
        heads[0] = resize3d(heads[0].clone(), [z, y, w], ResizeMode::Trilinear);
        heads
    }
}

impl KeyRules for LesionNet {
    fn reference_key(&self, path: &str) -> String {
        junction_key(path)
    }
}
