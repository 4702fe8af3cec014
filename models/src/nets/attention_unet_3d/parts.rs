//! What the networks of Attention-Gated-Networks share: widths, encoder, and their limits.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::attention_gate::{BATCH_NORM, Gated};
use super::super::blocks::{Conv, ConvSpec, Norm};
use super::super::keys::entry;
use super::super::pool3d::{PoolWindow, max_pool3d};
use super::super::resize3d::ResizeMode;
use super::super::trace::{MapMeaning, Trace};
use super::super::{check_channels, check_multiple, check_range};

/// Channels of the five levels at `feature_scale` 1, finest first.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 1024];
/// Finest level whose skip connection is gated.
pub(super) const FIRST_GATED: usize = 1;

/// What every network of the family is configured by. Defaults and names are the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionUnetOptions {
    /// Divisor of the channels 64, 128, 256, 512, 1024.
    pub feature_scale: usize,
    /// Channels of the logits.
    pub n_classes: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Whether convolutions are followed by batch normalisation.
    pub is_batchnorm: bool,
    /// Kernel and stride by which a gate subsamples its skip connection, in the order of the axes.
    pub attention_dsample: [usize; 3],
    /// Whether resampling aligns the centres of the corner voxels: for checkpoints made before PyTorch 0.4.
    pub align_corners: bool,
}

impl Default for AttentionUnetOptions {
    fn default() -> Self {
        Self {
            feature_scale: 4,
            n_classes: 21,
            in_channels: 3,
            is_batchnorm: true,
            attention_dsample: [2; 3],
            align_corners: false,
        }
    }
}

impl AttentionUnetOptions {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_range("feature_scale", self.feature_scale, WIDTHS[0])?;
        check_range("n_classes", self.n_classes, 1024)?;
        check_range("in_channels", self.in_channels, 64)?;
        self.attention_dsample.iter().try_for_each(|&size| check_range("attention_dsample", size, 8))
    }

    /// The same for arrays whose axes are in the opposite order.
    pub(super) fn reversed(mut self) -> Self {
        self.attention_dsample.reverse();
        self
    }

    /// A network that halves its levels by `factor`, `[z, y, x]`.
    pub(super) fn plan(&self, factor: [usize; 3]) -> Plan<'_> {
        Plan { options: self, factor }
    }
}

/// Options with the factor from level to level, `[z, y, x]`.
pub(super) struct Plan<'a> {
    options: &'a AttentionUnetOptions,
    factor: [usize; 3],
}

impl Plan<'_> {
    /// Channels per level, finest first; a rest of the division is dropped.
    pub(super) fn widths(&self) -> [usize; 5] {
        WIDTHS.map(|width| width / self.options.feature_scale)
    }

    /// 3 along the axes that are halved, 1 along the others.
    pub(super) fn kernel(&self) -> [usize; 3] {
        self.factor.map(|factor| if factor == 1 { 1 } else { 3 })
    }

    pub(super) fn resize_mode(&self) -> ResizeMode {
        if self.options.align_corners { ResizeMode::TrilinearAlignCorners } else { ResizeMode::Trilinear }
    }

    pub(super) fn double_conv(&self, from: usize, to: usize, device: &Device) -> DoubleConv {
        let unit = |from| unit(ConvSpec::new(from, to, self.kernel()), to, self.options.is_batchnorm, device);
        DoubleConv { conv1: unit(from), conv2: unit(to) }
    }

    /// The gating signal of `to` channels from the coarsest level.
    pub(super) fn gating(&self, to: usize, device: &Device) -> Unit {
        unit(ConvSpec::new(self.widths()[4], to, [1; 3]), to, self.options.is_batchnorm, device)
    }

    pub(super) fn encoder(&self, device: &Device) -> Encoder {
        let widths = self.widths();
        let stage = |level: usize| {
            let from = if level == 0 { self.options.in_channels } else { widths[level - 1] };
            self.double_conv(from, widths[level], device)
        };
        Encoder { stages: (0..5).map(stage).collect(), factor: self.factor }
    }

    pub(super) fn input_rule(&self) -> InputRule {
        InputRule {
            channels: self.options.in_channels,
            multiple: self.factor.map(|factor| factor.pow(4)),
            subsampling: self.options.attention_dsample,
        }
    }
}

/// Convolution → batch normalisation (optional) → ReLU.
pub(super) type Unit = (Conv, Option<Norm>);

fn unit(conv: ConvSpec, to: usize, is_batchnorm: bool, device: &Device) -> Unit {
    (conv.init(device), is_batchnorm.then(|| BATCH_NORM.init(to, device)))
}

pub(super) fn run((conv, norm): &Unit, x: Tensor<5>) -> Tensor<5> {
    let x = conv.forward(x);
    relu(match norm {
        Some(norm) => norm.forward(x),
        None => x,
    })
}

/// Two units.
#[derive(Module, Debug)]
pub(super) struct DoubleConv {
    conv1: Unit,
    conv2: Unit,
}

impl DoubleConv {
    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        run(&self.conv2, run(&self.conv1, x))
    }
}

/// Four levels and the centre, with maximum pooling between them.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    stages: Vec<DoubleConv>,
    #[module(skip)]
    factor: [usize; 3],
}

impl Encoder {
    /// The four skip connections, finest first, and the centre.
    pub(super) fn forward(&self, mut x: Tensor<5>, trace: &mut Trace) -> (Vec<Tensor<5>>, Tensor<5>) {
        let mut skips = Vec::with_capacity(self.stages.len());
        for (level, stage) in self.stages.iter().enumerate() {
            if level > 0 {
                skips.push(x.clone());
                x = max_pool3d(x, PoolWindow::tiling(self.factor));
            }
            x = stage.forward(x);
            trace.tensor(&stage_key(level), &x);
        }
        (skips, x)
    }
}

fn stage_key(level: usize) -> String {
    if level == 4 { "center".to_owned() } else { format!("conv{}", level + 1) }
}

/// Shows what the gate of `level` yielded.
pub(super) fn show(gated: &Gated, level: usize, trace: &mut Trace) {
    let layer = format!("attentionblock{}", level + 1);
    trace.tensor(&format!("{layer}.gated"), &gated.features);
    trace.tensor(&format!("{layer}.alpha"), &gated.alpha);
    trace.map(&layer, level, gated.alpha.clone(), MapMeaning::GateCoefficient);
}

/// Which inputs fit.
#[derive(Debug, Clone)]
pub(super) struct InputRule {
    channels: usize,
    multiple: [usize; 3],
    subsampling: [usize; 3],
}

impl InputRule {
    pub(super) fn check(&self, shape: [usize; 5], has_gates: bool) -> Result<(), String> {
        check_channels(shape, self.channels)?;
        check_multiple(shape, self.multiple)?;
        // The coarsest gate subsamples the fourth level, which is twice as fine as the centre.
        let smallest = [0, 1, 2].map(|axis| {
            let fourth = if self.multiple[axis] == 1 { 1 } else { self.multiple[axis] / 2 };
            fourth * self.subsampling[axis]
        });
        if has_gates && (0..3).any(|axis| shape[axis + 2] < smallest[axis]) {
            return Err(format!("its gates need at least {smallest:?} voxels along z, y, x; pad the volume"));
        }
        Ok(())
    }
}

/// The reference's key of a path into the shared parts.
pub(super) fn shared_key(path: &str) -> String {
    if let Some((level, rest)) = entry(path, "encoder.stages") {
        return format!("{}.{rest}", stage_key(level));
    }
    if let Some((level, rest)) = entry(path, "decoder") {
        return format!("up_concat{}.conv.{rest}", level + 1);
    }
    for (ours, theirs) in [("gating.", "gating.conv1."), ("head.", "final.")] {
        if let Some(rest) = path.strip_prefix(ours) {
            return format!("{theirs}{rest}");
        }
    }
    path.to_owned()
}
