//! `DAF_stack`: multi-scale self-guided attention (Sinha & Dolz, IEEE JBHI 2021; networks.md 2). A residual trunk's
//! four scales are fused; position and channel attention, guided by an auto-encoder, refine each scale in two steps.
//! The answer is the mean of the four scales' logits after step 2.

mod keys;
mod loss;
mod parts;
#[cfg(test)]
mod tests;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

pub use loss::DafLosses;
pub(crate) use loss::cross_entropy;
pub use parts::{AttentionKind, MultiConv, PamCamLayer, SemanticModule, Semantics};

use super::blocks::{Conv, ConvSpec};
use super::planar::by_slices;
use super::resnet::{Sampling, Trunk, TrunkConfig};
use super::trace::{MapMeaning, Trace};
use super::{
    NetworkConfig, SegmentationNetwork, TrainingOutput, check_attention, check_channels, check_multiple,
    check_range,
};
use keys::Place;
use parts::{ATTENTION_LEVEL, ConvPRelu, resized};

/// The scales: the trunk's last stage has number 4 and index 0.
const SCALES: usize = 4;
/// Attention works at a quarter of the size, on an even number of pixels.
const SIZE_MULTIPLE: [usize; 3] = [1, 8, 8];
const ATTENTION_STRIDE: usize = 4;

/// Configuration of [`DafStack`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DafStackConfig {
    /// Channels of the image, scaled to [0, 1].
    pub in_channels: usize,
    /// Number of classes, background included.
    pub num_classes: usize,
    /// Channels of every scale, at least 8.
    pub width: usize,
    /// The trunk; the reference's is ResNeXt-101 (32×8d).
    pub trunk: TrunkConfig,
}

impl Default for DafStackConfig {
    fn default() -> Self {
        Self { in_channels: 1, num_classes: 5, width: 64, trunk: TrunkConfig::resnext101_32x8d() }
    }
}

impl DafStackConfig {
    fn step(&self, device: &Device) -> Step {
        let c = self.width;
        let scale = |_| GuidedScale {
            pam: PamCamLayer::new(AttentionKind::Position, c, device),
            cam: PamCamLayer::new(AttentionKind::Channel, c, device),
            conv_sem: ConvSpec::planar(2 * c, c, 3).init(device),
            conv8: ConvSpec::planar(c, c, 1).init(device),
            predict: ConvSpec::head(c, self.num_classes).init(device),
        };
        Step { semantic: SemanticModule::new(2 * c, device), scales: (0..SCALES).map(scale).collect() }
    }

    fn unused(&self, device: &Device) -> Unused {
        let c = self.width;
        let convs = || (0..SCALES).map(|_| ConvSpec::planar(c, c, 1).init(device)).collect();
        let multi = |softmax| (0..SCALES).map(|_| MultiConv::new(2 * c, c, softmax, device)).collect();
        Unused { conv6: convs(), conv7: convs(), attention: multi(true), refine: multi(false) }
    }
}

impl NetworkConfig for DafStackConfig {
    type Network = DafStack;

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 64)?;
        check_range("num_classes", self.num_classes, 1024)?;
        check_range("width", self.width, 1024)?;
        if self.width < 8 {
            return Err(format!("width is {}; attention needs at least 8 channels", self.width));
        }
        self.trunk.validate()
    }

    fn init(&self, device: &Device) -> DafStack {
        let down = |channels: usize| ConvPRelu::new(channels, self.width, 1, device);
        DafStack {
            resnext: self.trunk.init(self.in_channels, Sampling::PLAIN, device),
            down: self.trunk.channels().into_iter().rev().map(down).collect(),
            fuse1: MultiConv::new(SCALES * self.width, self.width, false, device),
            steps: [self.step(device), self.step(device)],
            unused: self.unused(device),
            in_channels: self.in_channels,
        }
    }
}

/// The heads of one scale in one step.
#[derive(Module, Debug)]
struct GuidedScale {
    pam: PamCamLayer,
    cam: PamCamLayer,
    conv_sem: Conv,
    conv8: Conv,
    predict: Conv,
}

/// One step: an auto-encoder that all scales share.
#[derive(Module, Debug)]
struct Step {
    semantic: SemanticModule,
    scales: Vec<GuidedScale>,
}

/// Layers that the reference makes and never runs; its checkpoints hold them.
#[derive(Module, Debug)]
struct Unused {
    conv6: Vec<Conv>,
    conv7: Vec<Conv>,
    attention: Vec<MultiConv>,
    refine: Vec<MultiConv>,
}

/// The network; see the module's description.
#[derive(Module, Debug)]
pub struct DafStack {
    resnext: Trunk,
    down: Vec<ConvPRelu>,
    fuse1: MultiConv,
    steps: [Step; 2],
    unused: Unused,
    in_channels: usize,
}

/// One scale of one step in training.
#[derive(Debug, Clone)]
pub struct DafScale {
    /// The auto-encoder's code of the whole batch, one vector.
    pub code: Tensor<1>,
    /// The auto-encoder's input, `[batch, 2·width, 1, y/4, x/4]`.
    pub input: Tensor<5>,
    /// What the auto-encoder makes of it, of the same shape.
    pub reconstruction: Tensor<5>,
    /// Prediction at the image's size, `[batch, classes, 1, y, x]`; that of step 1 is made before the attention.
    pub logits: Tensor<5>,
}

/// What a forward pass yields for the losses: the steps, each with its scales, coarsest first.
#[derive(Debug, Clone)]
pub struct DafTraining {
    /// Step 1 and step 2.
    pub steps: [Vec<DafScale>; 2],
}

impl Step {
    /// The guided attention of a scale from its input `[batch, 2·width, 1, y, x]`, and what the losses need of it;
    /// the logits are still to come.
    fn run(&self, input: Tensor<5>, place: Place, trace: &mut Trace) -> (Tensor<5>, DafScale) {
        let scale = &self.scales[place.index];
        let Semantics { vector, reconstruction } = self.semantic.forward(input.clone());
        // The reference counts the auto-encoder runs from the finest scale.
        let number = SCALES * (place.step - 1) + place.stage() - 1;
        trace.tensor(&format!("train.semVector_{}_{}", place.step, place.index + 1), &vector);
        trace.tensor(&format!("train.inp_enc{number}"), &input);
        trace.tensor(&format!("train.out_enc{number}"), &reconstruction);
        let seen = scale.cam.forward(input.clone(), &place.attention("cam"), trace)
            + scale.pam.forward(input.clone(), &place.attention("pam"), trace);
        let guided = scale.conv8.forward(seen * scale.conv_sem.forward(reconstruction.clone()));
        trace.tensor(&place.conv8(), &guided);
        if trace.wants_maps() {
            let strength = guided.clone().abs().mean_dim(1);
            trace.map(&place.conv8(), ATTENTION_LEVEL, strength, MapMeaning::GuidedAttention);
        }
        let logits = guided.clone();
        (guided, DafScale { code: vector, input, reconstruction, logits })
    }
}

impl DafTraining {
    /// The same values as the start of a computation with gradients on `device`, which must have autodiff.
    pub fn leaves(&self, device: &Device) -> Self {
        let volume = |x: &Tensor<5>| Tensor::from_data(x.to_data(), device).require_grad();
        let scale = |scale: &DafScale| DafScale {
            code: Tensor::from_data(scale.code.to_data(), device).require_grad(),
            input: volume(&scale.input),
            reconstruction: volume(&scale.reconstruction),
            logits: volume(&scale.logits),
        };
        Self { steps: [0, 1].map(|step| self.steps[step].iter().map(scale).collect()) }
    }

    /// Every scale of step 1, then of step 2.
    pub fn scales(&self) -> impl Iterator<Item = &DafScale> {
        self.steps.iter().flatten()
    }

    /// The answer of the network, `[batch, classes, 1, y, x]`: the mean of the logits of step 2.
    pub fn logits(&self) -> Tensor<5> {
        let all: Vec<_> = self.steps[1].iter().map(|scale| scale.logits.clone()).collect();
        let count = all.len() as f64;
        all.into_iter().reduce(|a, b| a + b).expect("there are four scales") / count
    }
}

impl DafStack {
    /// Everything that the losses need, of images `[batch, channels, 1, y, x]` whose shape
    /// [`SegmentationNetwork::check_input`] accepts.
    pub fn forward_all(&self, images: Tensor<5>, trace: &mut Trace) -> DafTraining {
        let [_, _, _, height, width] = images.dims();
        let size = [height, width];
        let down = self.scales(images, trace);
        let fused = self.fuse1.forward(Tensor::cat(down.clone(), 1));
        trace.tensor("fuse1", &fused);
        let mut steps = [Vec::new(), Vec::new()];
        for (index, own) in down.into_iter().enumerate() {
            let joined = |guided: Tensor<5>| Tensor::cat(vec![own.clone(), guided], 1);
            let place = |step| Place { step, index };
            let (attention, mut one) = self.steps[0].run(joined(fused.clone()), place(1), trace);
            let (refined, mut two) = self.steps[1].run(joined(attention * fused.clone()), place(2), trace);
            for (step, scale, features) in [(1, &mut one, own), (2, &mut two, refined)] {
                let name = place(step).predict();
                let logits = self.steps[step - 1].scales[index].predict.forward(features);
                trace.tensor(&name, &logits);
                scale.logits = resized(logits.clone(), size);
                trace.tensor(&format!("train.{name}"), &scale.logits);
                if trace.wants_inside() && step == 2 {
                    // Not the copy resized for the mean: it says no more.
                    trace.part(&name, "answer", ATTENTION_LEVEL, logits, MapMeaning::ScaleAnswer);
                }
            }
            steps[0].push(one);
            steps[1].push(two);
        }
        DafTraining { steps }
    }

    /// The trunk's scales, coarsest first, at a quarter of the image's size.
    fn scales(&self, images: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let stages = self.resnext.forward(images);
        let [_, _, _, height, width] = stages[0].dims();
        let projected = stages.into_iter().rev().zip(&self.down).enumerate().map(|(index, (stage, down))| {
            let features = down.forward(stage);
            trace.tensor(&format!("down{}", SCALES - index), &features);
            resized(features, [height, width])
        });
        projected.collect()
    }
}

impl SegmentationNetwork for DafStack {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        check_multiple(shape, SIZE_MULTIPLE)?;
        check_attention(shape, [1, shape[3] / ATTENTION_STRIDE, shape[4] / ATTENTION_STRIDE], usize::MAX)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |images, trace| vec![self.forward_all(images, trace).logits()])
    }

    /// All eight predictions, those of step 2 first, and the guided and the reconstruction loss. The paper adds up
    /// eight cross-entropies; heads are averaged here, so that its other losses are divided by eight as well.
    fn forward_training(&self, x: Tensor<5>) -> TrainingOutput {
        let mut own_loss = None;
        let heads = by_slices(x, &mut Trace::off(), |images, trace| {
            let outputs = self.forward_all(images, trace);
            let heads: Vec<_> =
                outputs.steps.iter().rev().flatten().map(|scale| scale.logits.clone()).collect();
            own_loss = Some(DafLosses::unsupervised(&outputs) / heads.len() as f64);
            heads
        });
        TrainingOutput { heads, own_loss }
    }
}
