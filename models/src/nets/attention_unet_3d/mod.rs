//! The 3-D Attention U-Net of Attention-Gated-Networks (Oktay et al., 2018; Schlemper et al., 2019; networks.md 1.1)
//! with its deep supervision fused into the logits, and its anisotropic sibling (networks.md 1.2).

mod grid;
mod parts;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::attention_gate::{BATCH_NORM, Gated, GridGate, spatial};
use super::blocks::{Activation, Conv, ConvSpec, Norm};
use super::keys::entry;
use super::resize3d::{ResizeMode, resize3d};
use super::trace::Trace;
use super::{NetworkConfig, SegmentationNetwork};
use crate::checkpoint::KeyRules;
use parts::{DoubleConv, Encoder, FIRST_GATED, InputRule, Unit, run, show};

pub use grid::{AttentionUnetGrid3d, AttentionUnetGrid3dConfig};
pub use parts::AttentionUnetOptions;

/// The gates at each of the three gated skip connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gates {
    /// None: the baseline `unet_CT_dsv_3D`.
    None,
    /// One: `unet_CT_single_att_dsv_3D`.
    Single,
    /// Two in parallel: `unet_CT_multi_att_dsv_3D`.
    Multi,
}

impl Gates {
    fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Single => 1,
            Self::Multi => 2,
        }
    }
}

/// Configuration of [`AttentionUnet3d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttentionUnet3dConfig {
    /// What the family shares.
    #[serde(flatten)]
    pub options: AttentionUnetOptions,
    /// Gates at each gated skip connection.
    pub gates: Gates,
}

impl Default for AttentionUnet3dConfig {
    fn default() -> Self {
        Self { options: AttentionUnetOptions::default(), gates: Gates::Single }
    }
}

impl NetworkConfig for AttentionUnet3dConfig {
    type Network = AttentionUnet3d;

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { options: self.options.reversed(), ..self })
    }

    fn validate(&self) -> Result<(), String> {
        self.options.validate()
    }

    fn init(&self, device: &Device) -> AttentionUnet3d {
        let plan = self.options.plan([2; 3]);
        let (widths, classes, mode) = (plan.widths(), self.options.n_classes, plan.resize_mode());
        let gate = |level: usize| {
            let (channels, gating) = (widths[level], widths[level + 1]);
            let gate = |_| GridGate::new(channels, gating, self.options.attention_dsample, mode, device);
            let combine = ConvSpec::new(channels * self.gates.count(), channels, [1; 3]).init(device);
            ParallelGates {
                gates: (0..self.gates.count()).map(gate).collect(),
                combine: (combine, BATCH_NORM.init(channels, device)),
            }
        };
        let gated_levels = if self.gates == Gates::None { FIRST_GATED..FIRST_GATED } else { FIRST_GATED..4 };
        AttentionUnet3d {
            encoder: plan.encoder(device),
            gating: (self.gates != Gates::None).then(|| plan.gating(widths[4], device)),
            attention: gated_levels.map(gate).collect(),
            decoder: (0..4)
                .map(|level| plan.double_conv(widths[level + 1] + widths[level], widths[level], device))
                .collect(),
            dsv: (0..4).map(|level| ConvSpec::head(widths[level], classes).init(device)).collect(),
            head: ConvSpec::head(4 * classes, classes).init(device),
            mode,
            input: plan.input_rule(),
        }
    }
}

/// Gates in parallel whose results are merged.
#[derive(Module, Debug)]
struct ParallelGates {
    gates: Vec<GridGate>,
    combine: (Conv, Norm),
}

impl ParallelGates {
    fn forward(&self, skip: &Tensor<5>, gating: &Tensor<5>) -> Gated {
        let gated = self.gates.iter().map(|gate| gate.forward(skip.clone(), gating.clone()));
        let (features, alphas): (Vec<_>, Vec<_>) = gated.map(|g| (g.features, g.alpha)).unzip();
        let (conv, norm) = &self.combine;
        let features = conv.forward(Tensor::cat(features, 1));
        Gated { features: norm.forward_activated(features, Activation::Relu), alpha: Tensor::cat(alphas, 1) }
    }
}

/// The 3-D Attention U-Net. A gate's signal is the decoder's output one level below it; the finest skip connection
/// has no gate.
#[derive(Module, Debug)]
pub struct AttentionUnet3d {
    encoder: Encoder,
    gating: Option<Unit>,
    attention: Vec<ParallelGates>,
    decoder: Vec<DoubleConv>,
    dsv: Vec<Conv>,
    head: Conv,
    #[module(skip)]
    mode: ResizeMode,
    #[module(skip)]
    input: InputRule,
}

impl AttentionUnet3d {
    /// The gating signal of the coarsest gate.
    fn signal(&self, center: &Tensor<5>, trace: &mut Trace) -> Option<Tensor<5>> {
        let signal = run(self.gating.as_ref()?, center.clone());
        trace.tensor("gating", &signal);
        Some(signal)
    }
}

impl SegmentationNetwork for AttentionUnet3d {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        self.input.check(shape, !self.attention.is_empty())
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let size = spatial(&x);
        let (mut skips, mut x) = self.encoder.forward(x, trace);
        let mut signal = self.signal(&x, trace);
        let mut supervised = Vec::with_capacity(self.dsv.len());
        for level in (0..self.decoder.len()).rev() {
            let mut skip = skips.swap_remove(level);
            let gates = level.checked_sub(FIRST_GATED).and_then(|index| self.attention.get(index));
            if let Some(gates) = gates {
                let gated = gates.forward(&skip, signal.as_ref().unwrap_or(&x));
                show(&gated, level, trace);
                skip = gated.features;
            }
            signal = None;
            let up = resize3d(x, spatial(&skip), self.mode);
            x = self.decoder[level].forward(Tensor::cat(vec![skip, up], 1));
            trace.tensor(&format!("up_concat{}", level + 1), &x);
            supervised.push(resize3d(self.dsv[level].forward(x.clone()), size, self.mode));
        }
        supervised.reverse();
        vec![self.head.forward(Tensor::cat(supervised, 1))]
    }
}

impl KeyRules for AttentionUnet3d {
    fn reference_key(&self, path: &str) -> String {
        if let Some((index, rest)) = entry(path, "attention") {
            let block = format!("attentionblock{}", index + FIRST_GATED + 1);
            return match entry(rest, "gates") {
                Some((gate, rest)) => format!("{block}.gate_block_{}.{}", gate + 1, grid::gate_key(rest)),
                None => format!("{block}.{}", rest.replace("combine.", "combine_gates.")),
            };
        }
        match entry(path, "dsv") {
            // The finest level needs no enlargement behind its convolution, hence no sequence.
            Some((0, rest)) => format!("dsv1.{rest}"),
            Some((level, rest)) => format!("dsv{}.dsv.0.{rest}", level + 1),
            None => parts::shared_key(path),
        }
    }
}
