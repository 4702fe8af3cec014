//! Div-attention: a decoder junction that looks where two neighbouring resolution paths disagree (Jiang et
//! al., ISBI 2023; no code was published, networks.md 4.3 and D1–D6 fix the form).
//!
//! With `O_i` the finer path, `O_low` the coarser one brought to its size, `M = σ(O)` and `F` features of the
//! network's input, the junction yields `Fuse(O_i + O_low + attention(|M_i − M_low|) ⊙ F)`.

use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, Conv, ConvSpec, LEAKY_SLOPE, NormKind, ResidualBlock, UpConv};
use super::resize3d::{ResizeMode, resize3d};
use super::trace::{MapMeaning, Trace};
use crate::checkpoint::KeyRules;

/// Order of absolute value and softmax (D1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivOrder {
    /// softmax(|M_i − M_low|), as the paper's text says.
    #[default]
    Text,
    /// |softmax(M_i − M_low)|, as its equation 4 is written.
    Equation,
}

/// What the softmax runs over (D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivAxis {
    /// All voxels of a sample and channel.
    #[default]
    Voxels,
    /// The channels of a voxel.
    Channels,
}

/// Factor behind the softmax (D3); N is the number of voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivScale {
    /// Times N: a map over voxels has mean 1.
    #[default]
    MeanOne,
    /// Times 1/√N, as written in the paper.
    Paper,
}

/// A reading of the paper's divergence equation; the default is the recommended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DivReading {
    /// Order of absolute value and softmax.
    pub order: DivOrder,
    /// What the softmax runs over.
    pub axis: DivAxis,
    /// Factor behind the softmax.
    pub scale: DivScale,
}

impl DivReading {
    /// The readings of the reference vectors, by name.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("recommended", Self::new(DivOrder::Text, DivAxis::Voxels, DivScale::MeanOne)),
        ("text_paper_scale", Self::new(DivOrder::Text, DivAxis::Voxels, DivScale::Paper)),
        ("equation_channel", Self::new(DivOrder::Equation, DivAxis::Channels, DivScale::Paper)),
        ("equation_spatial", Self::new(DivOrder::Equation, DivAxis::Voxels, DivScale::Paper)),
    ];

    const fn new(order: DivOrder, axis: DivAxis, scale: DivScale) -> Self {
        Self { order, axis, scale }
    }

    /// The attention map of two logit tensors of equal shape `[batch, channels, z, y, x]`.
    pub fn attention(self, upper: Tensor<5>, low: Tensor<5>) -> Tensor<5> {
        let dims = upper.dims();
        let voxels = dims[2] * dims[3] * dims[4];
        let residual = sigmoid(upper) - sigmoid(low);
        let residual = match self.order {
            DivOrder::Text => residual.abs(),
            DivOrder::Equation => residual,
        };
        let paper_scale = 1.0 / (voxels as f64).sqrt();
        match self.axis {
            // The softmax of any order is positive, so the equation's outer absolute value changes nothing.
            DivAxis::Channels => match self.scale {
                DivScale::MeanOne => softmax(residual, 1).mul_scalar(dims[1] as f64),
                DivScale::Paper => softmax(residual, 1).mul_scalar(paper_scale),
            },
            DivAxis::Voxels => {
                // Residuals lie in [-1, 1], so exp needs no maximum taken off; dividing by the mean, not
                // the sum, keeps large volumes within half precision.
                let weight = residual.reshape([dims[0], dims[1], voxels]).exp();
                let map = weight.clone() / weight.mean_dim(2);
                let map = match self.scale {
                    DivScale::MeanOne => map,
                    DivScale::Paper => map.mul_scalar(paper_scale / voxels as f64),
                };
                map.reshape(dims)
            }
        }
    }

    fn meaning(self) -> MapMeaning {
        match (self.axis, self.scale) {
            (DivAxis::Voxels, DivScale::MeanOne) => MapMeaning::Divergence,
            _ => MapMeaning::DivergenceUnscaled,
        }
    }
}

/// Sizes of a junction.
#[derive(Debug, Clone, Copy)]
pub struct DivAttentionConfig {
    /// Channels of the coarser path.
    pub channels_low: usize,
    /// Channels of the finer path and of the result.
    pub channels: usize,
    /// Channels of the network's input; `None` leaves the attention branch out: a plain sum junction.
    pub image_channels: Option<usize>,
    /// Ratio of the two paths' sizes, `[z, y, x]`.
    pub factor: [usize; 3],
    /// Normalisation in the fusion; that of the image branch never has parameters.
    pub norm: NormKind,
    /// Reading of the divergence equation.
    pub reading: DivReading,
}

impl DivAttentionConfig {
    /// The junction of networks.md 4.3: factor 2, instance normalisation without parameters.
    pub fn new(channels_low: usize, channels: usize, image_channels: usize) -> Self {
        Self {
            channels_low,
            channels,
            image_channels: Some(image_channels),
            factor: [2; 3],
            norm: NormKind::INSTANCE_PLAIN,
            reading: DivReading::default(),
        }
    }

    /// Makes the junction.
    pub fn init(&self, device: &Device) -> DivAttention {
        let c = self.channels;
        let conv = |from| ConvSpec::new(from, c, [3; 3]).bias(false).init(device);
        DivAttention {
            up: ConvSpec::new(self.channels_low, c, [1; 3]).bias(false).init_upsampling(self.factor, device),
            align: ConvSpec::head(c, c).init(device),
            feat: self.image_channels.map(|image| [conv(image), conv(c)]),
            fuse: ResidualBlock::new(c, c, self.norm, device),
            reading: self.reading,
        }
    }
}

/// A junction of two resolution paths; see the module's description.
#[derive(Module, Debug)]
pub struct DivAttention {
    up: UpConv,
    align: Conv,
    feat: Option<[Conv; 2]>,
    fuse: ResidualBlock,
    #[module(skip)]
    reading: DivReading,
}

/// The reference's key of the field path of a junction's parameter: the reference keeps normalisation and
/// activation in the same sequence as the convolutions.
pub(crate) fn junction_key(path: &str) -> String {
    path.replace("feat.1.", "feat.3.")
}

impl KeyRules for DivAttention {
    fn reference_key(&self, path: &str) -> String {
        junction_key(path)
    }
}

/// Where a junction stands in its network, for the maps it shows.
#[derive(Debug, Clone, Copy)]
pub struct JunctionPlace<'a> {
    /// Name of the layer in checkpoints.
    pub layer: &'a str,
    /// 0 = finest.
    pub level: usize,
    /// The supervised head on the junction's result, if it has one: it says what the module changes in the answer.
    pub head: Option<&'a Conv>,
}

impl DivAttention {
    /// Sets another reading of the divergence equation; weights stay.
    pub fn with_reading(mut self, reading: DivReading) -> Self {
        self.reading = reading;
        self
    }

    /// Joins `low` `[batch, channels_low, z, y, x]` and `upper` `[batch, channels, z·f, y·f, x·f]`; `image`
    /// is the network's input at any size.
    pub fn forward(
        &self,
        low: Tensor<5>,
        upper: Tensor<5>,
        image: &Tensor<5>,
        place: JunctionPlace<'_>,
        trace: &mut Trace,
    ) -> Tensor<5> {
        let low = self.up.forward_mixed(low, &self.align);
        let sum = upper.clone() + low.clone();
        let Some(feat) = &self.feat else {
            return self.fuse.forward(sum);
        };
        let features = self.image_features(feat, upper.dims(), image);
        trace.tensor(&format!("{}.o_low", place.layer), &low);
        trace.tensor(&format!("{}.f", place.layer), &features);
        let plain = trace.wants_inside().then(|| {
            for (part, path) in [("fine", &upper), ("coarse", &low)] {
                let predicted = sigmoid(path.clone()).mean_dim(1);
                trace.part(place.layer, part, place.level, predicted, MapMeaning::PathPrediction);
            }
            sum.clone()
        });
        let attention = self.reading.attention(upper, low);
        if trace.wants_maps() {
            trace.map(place.layer, place.level, attention.clone(), self.reading.meaning());
        }
        trace.tensor(&format!("{}.attn", place.layer), &attention);
        let plain = plain.map(|plain| self.fuse.forward(plain));
        let joined = self.fuse.forward(sum + attention * features);
        if let Some(plain) = plain {
            show_change(&joined, plain, place, trace);
        }
        joined
    }

    fn image_features(&self, feat: &[Conv; 2], dims: [usize; 5], image: &Tensor<5>) -> Tensor<5> {
        let size = [dims[2], dims[3], dims[4]];
        let mut x = resize3d(image.clone(), size, ResizeMode::Trilinear);
        let norm = NormKind::INSTANCE_PLAIN.init(dims[1], &x.device());
        for conv in feat {
            x = norm.forward_activated(conv.forward(x), Activation::LeakyRelu(LEAKY_SLOPE));
        }
        x
    }
}

/// Shows what the divergence adds to the features behind a junction and to the answer of its head.
fn show_change(with: &Tensor<5>, without: Tensor<5>, place: JunctionPlace<'_>, trace: &mut Trace) {
    let change = (with.clone() - without.clone()).abs().mean_dim(1);
    trace.part(place.layer, "features", place.level, change, MapMeaning::FeatureChange);
    if let Some(head) = place.head {
        let answers = Tensor::cat(vec![head.forward(with.clone()), head.forward(without)], 1);
        trace.part(place.layer, "change", place.level, answers, MapMeaning::AnswerChange);
    }
}
