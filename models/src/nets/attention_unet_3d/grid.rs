//! The anisotropic 3-D Attention U-Net (networks.md 1.2): no convolution mixes slices and no pooling merges them;
//! only the gates look across.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::attention_gate::{GridGate, spatial};
use super::super::blocks::{Conv, ConvSpec, UpConv};
use super::super::keys::entry;
use super::super::resize3d::{ResizeMode, resize3d};
use super::super::trace::Trace;
use super::super::{NetworkConfig, SegmentationNetwork};
use super::parts::{
    self, AttentionUnetOptions, DoubleConv, Encoder, FIRST_GATED, InputRule, Unit, run, show,
};
use crate::checkpoint::KeyRules;

/// Configuration of [`AttentionUnetGrid3d`]. Defaults and names are the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttentionUnetGrid3dConfig {
    /// What the family shares.
    #[serde(flatten)]
    pub options: AttentionUnetOptions,
    /// Whether the decoder enlarges by transposed convolutions instead of interpolation.
    pub is_deconv: bool,
    /// Whether the skip connections of levels 2 to 4 have gates; without them this is the reference's `unet_3D`.
    pub attention: bool,
    /// The axis across the slices: 0 in `[z, y, x]` arrays, 2 in the reference's `[x, y, z]` arrays.
    pub slice_axis: usize,
}

impl Default for AttentionUnetGrid3dConfig {
    fn default() -> Self {
        Self { options: AttentionUnetOptions::default(), is_deconv: true, attention: true, slice_axis: 0 }
    }
}

impl AttentionUnetGrid3dConfig {
    /// `across` along the axis across the slices, `within` along the others.
    fn axes(&self, across: usize, within: usize) -> [usize; 3] {
        [0, 1, 2].map(|axis| if axis == self.slice_axis { across } else { within })
    }

    fn enlargement(&self, from: usize, to: usize, device: &Device) -> UpConv {
        let conv = ConvSpec::new(from, to, self.axes(1, 4)).stride(self.axes(1, 2));
        conv.padding(self.axes(0, 1)).init_transposed([0; 3], device)
    }
}

impl NetworkConfig for AttentionUnetGrid3dConfig {
    type Network = AttentionUnetGrid3d;

    fn validate(&self) -> Result<(), String> {
        if self.slice_axis > 2 {
            return Err(format!("slice_axis is {}; it must be 0, 1 or 2", self.slice_axis));
        }
        self.options.validate()
    }

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { options: self.options.reversed(), slice_axis: 2 - self.slice_axis, ..self })
    }

    fn init(&self, device: &Device) -> AttentionUnetGrid3d {
        let plan = self.options.plan(self.axes(1, 2));
        let (widths, mode) = (plan.widths(), plan.resize_mode());
        let subsampling = self.options.attention_dsample;
        let gate = |level: usize| GridGate::new(widths[level], widths[3], subsampling, mode, device);
        let gated_levels = if self.attention { FIRST_GATED..4 } else { FIRST_GATED..FIRST_GATED };
        let merge = |level: usize| {
            let up = if self.is_deconv { widths[level] } else { widths[level + 1] };
            plan.double_conv(widths[level] + up, widths[level], device)
        };
        let enlargement = |level: usize| self.enlargement(widths[level + 1], widths[level], device);
        AttentionUnetGrid3d {
            encoder: plan.encoder(device),
            gating: self.attention.then(|| plan.gating(widths[3], device)),
            attention: gated_levels.map(gate).collect(),
            up: self.is_deconv.then(|| (0..4).map(enlargement).collect()),
            decoder: (0..4).map(merge).collect(),
            head: ConvSpec::head(widths[0], self.options.n_classes).init(device),
            mode,
            input: plan.input_rule(),
        }
    }
}

/// The anisotropic 3-D Attention U-Net. The coarsest level's signal reaches all gates.
#[derive(Module, Debug)]
pub struct AttentionUnetGrid3d {
    encoder: Encoder,
    gating: Option<Unit>,
    attention: Vec<GridGate>,
    up: Option<Vec<UpConv>>,
    decoder: Vec<DoubleConv>,
    head: Conv,
    #[module(skip)]
    mode: ResizeMode,
    #[module(skip)]
    input: InputRule,
}

impl AttentionUnetGrid3d {
    fn enlarge(&self, x: Tensor<5>, level: usize, size: [usize; 3]) -> Tensor<5> {
        match &self.up {
            Some(up) => up[level].forward(x),
            None => resize3d(x, size, self.mode),
        }
    }
}

impl SegmentationNetwork for AttentionUnetGrid3d {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        self.input.check(shape, !self.attention.is_empty())
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let (mut skips, mut x) = self.encoder.forward(x, trace);
        let signal = self.gating.as_ref().map(|gating| run(gating, x.clone()));
        if let Some(signal) = &signal {
            trace.tensor("gating", signal);
        }
        for level in (0..self.decoder.len()).rev() {
            let mut skip = skips.swap_remove(level);
            let gate = level.checked_sub(FIRST_GATED).and_then(|index| self.attention.get(index));
            if let (Some(gate), Some(signal)) = (gate, &signal) {
                let gated = gate.forward(skip, signal.clone());
                show(&gated, level, trace);
                skip = gated.features;
            }
            let up = self.enlarge(x, level, spatial(&skip));
            x = self.decoder[level].forward(Tensor::cat(vec![skip, up], 1));
            trace.tensor(&format!("up_concat{}", level + 1), &x);
        }
        vec![self.head.forward(x)]
    }
}

/// The reference's key of a path into a gate.
pub(super) fn gate_key(path: &str) -> String {
    path.strip_prefix("w.").map_or_else(|| path.to_owned(), |rest| format!("W.{rest}"))
}

impl KeyRules for AttentionUnetGrid3d {
    fn reference_key(&self, path: &str) -> String {
        if let Some((index, rest)) = entry(path, "attention") {
            return format!("attentionblock{}.{}", index + FIRST_GATED + 1, gate_key(rest));
        }
        match entry(path, "up") {
            Some((level, rest)) => format!("up_concat{}.up.{rest}", level + 1),
            None => parts::shared_key(path),
        }
    }
}
