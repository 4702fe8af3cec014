//! `DAF_stack` with its losses, and its parts. Their classes take no or few arguments: widths are told by the shapes of
//! the weights.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Ran, config_error, labels};
use crate::checkpoint::{KeyRules, StateDict, apply, count_parameters};
use crate::golden::{Description, GoldenError, Vectors, input, without_z};
use crate::nets::daf_stack::{
    AttentionKind, DafLosses, DafStack, DafStackConfig, DafTraining, MultiConv, PamCamLayer, SemanticModule,
};
use crate::nets::resnet::{ResidualKind, TrunkConfig};
use crate::nets::{NetError, NetworkConfig, SegmentationNetwork, Trace};

/// Where there is a target, the losses too.
pub(super) fn run(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let arch = "daf_stack";
    let config = stack_config(vectors.weights)?;
    config.validate().map_err(|e| config_error(arch, e))?;
    let network: DafStack = apply(config.init(vectors.device), vectors.weights)?;
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let shape = x.dims();
    network.check_input(shape).map_err(|message| NetError::Input {
        arch: arch.to_owned(),
        shape,
        message,
    })?;
    let mut trace = Trace::everything();
    let outputs = network.forward_all(x, &mut trace);
    let mut ran = ran(&network, outputs.logits().into_data(), trace);
    let [batch, _, z, y, width] = shape;
    let logits = [batch, config.num_classes, z, y, width];
    if let Some(labels) = labels(vectors.tensors, "in.target", logits, vectors.device)? {
        let losses = DafLosses::new(&outputs, &labels);
        let named = [
            ("ce_sum", losses.cross_entropy.clone()),
            ("guided_sum", losses.guided.clone()),
            ("reconstruction_sum", losses.reconstruction.clone()),
            ("total", losses.total()),
        ];
        for (name, loss) in named {
            let value: f32 = loss.into_scalar();
            ran.tensors.insert(format!("out.loss.{name}"), TensorData::new(vec![value], [0_usize; 0]));
        }
        // The gradients of another device must be those of the same outputs: logits of hundreds amplify any rounding.
        let cpu = crate::device::cpu().device;
        let x = input(vectors.tensors, "in.x", &cpu)?;
        let outputs = apply(config.init(&cpu), vectors.weights)?.forward_all(x, &mut Trace::off());
        ran.tensors.extend(gradients(&outputs, &labels, vectors.device));
    }
    Ok(ran)
}

/// Gradients of the whole loss for all that the network puts out, `grad.total.<step>.<scale>.<what>`.
fn gradients(
    outputs: &DafTraining,
    labels: &Tensor<5, Int>,
    device: &Device,
) -> BTreeMap<String, TensorData> {
    let device = device.clone().autodiff();
    let outputs = outputs.leaves(&device);
    let labels = Tensor::from_data(labels.to_data(), &device);
    let gradients = DafLosses::new(&outputs, &labels).total().backward();
    let mut found = BTreeMap::new();
    for (step, scales) in (1..).zip(&outputs.steps) {
        for (index, scale) in scales.iter().enumerate() {
            let parts = [
                ("logits", scale.logits.grad(&gradients).map(Tensor::into_data)),
                ("input", scale.input.grad(&gradients).map(Tensor::into_data)),
                ("reconstruction", scale.reconstruction.grad(&gradients).map(Tensor::into_data)),
                ("code", scale.code.grad(&gradients).map(Tensor::into_data)),
            ];
            let named = parts.into_iter().filter_map(|(what, data)| Some((what, data?)));
            found.extend(named.map(|(what, data)| (format!("grad.total.{step}.{index}.{what}"), data)));
        }
    }
    found
}

pub(super) fn run_semantic_module(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let [_, channels, ..] = kernel(vectors.weights, "enc1.encode.0")?;
    let module = apply(SemanticModule::new(channels, vectors.device), vectors.weights)?;
    let semantics = module.forward(input(vectors.tensors, "in.x", vectors.device)?);
    let mut ran = ran(&module, semantics.reconstruction.into_data(), Trace::off());
    ran.tensors.insert("out.semVector".to_owned(), semantics.vector.into_data());
    Ok(ran)
}

pub(super) fn run_pam_cam_layer(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let [channels, ..] = kernel(vectors.weights, "attn.0")?;
    let kind = match vectors.weights.get("attn.3.query_conv.weight") {
        Some(_) => AttentionKind::Position,
        None => AttentionKind::Channel,
    };
    let module = apply(PamCamLayer::new(kind, channels, vectors.device), vectors.weights)?;
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let y = module.forward(x, "attn", &mut Trace::off());
    Ok(ran(&module, y.into_data(), Trace::off()))
}

pub(super) fn run_multi_conv(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let [to, from, ..] = kernel(vectors.weights, "fuse_attn.0")?;
    let softmax = vectors.weights.get("fuse_attn.8.weight").is_none();
    let module = apply(MultiConv::new(from, to, softmax, vectors.device), vectors.weights)?;
    let y = module.forward(input(vectors.tensors, "in.x", vectors.device)?);
    Ok(ran(&module, y.into_data(), Trace::off()))
}

fn ran(module: &(impl Module + KeyRules), y: TensorData, trace: Trace) -> Ran {
    let mids = trace.tensors.into_iter().map(|(name, data)| (format!("mid.{name}"), without_z(data)));
    let mut tensors: BTreeMap<_, _> = mids.collect();
    tensors.insert("out.y".to_owned(), without_z(y));
    Ran { parameters: count_parameters(module), tensors }
}

/// Shape `[out, in, y, x]` of a planar convolution.
fn kernel(weights: &StateDict, layer: &str) -> Result<[usize; 4], NetError> {
    let shape = weights.get(&format!("{layer}.weight")).and_then(|weight| weight.shape().try_into().ok());
    let positive = shape.filter(|shape: &[usize; 4]| !shape.contains(&0));
    positive.ok_or_else(|| config_error("daf_stack", format!("the weights lack the convolution '{layer}'")))
}

fn stack_config(weights: &StateDict) -> Result<DafStackConfig, NetError> {
    let [stem, in_channels, ..] = kernel(weights, "resnext.layer0.0")?;
    let [num_classes, width, ..] = kernel(weights, "predict1")?;
    Ok(DafStackConfig { in_channels, num_classes, width, trunk: trunk_config(weights, stem)? })
}

fn trunk_config(weights: &StateDict, stem: usize) -> Result<TrunkConfig, NetError> {
    let stages = ["resnext.layer1.1", "resnext.layer2", "resnext.layer3", "resnext.layer4"];
    let has = |layer: String| weights.get(&format!("{layer}.weight")).is_some();
    let layers = stages.map(|stage| (0..).take_while(|block| has(format!("{stage}.{block}.conv1"))).count());
    let is_bottleneck = has(format!("{}.0.conv3", stages[0]));
    let (block, last, expansion) = if is_bottleneck {
        (ResidualKind::Bottleneck, "conv3", 4)
    } else {
        (ResidualKind::Basic, "conv2", 1)
    };
    let mut planes = [0; 4];
    for (planes, stage) in planes.iter_mut().zip(stages) {
        *planes = kernel(weights, &format!("{stage}.0.{last}"))?[0] / expansion;
    }
    let plain = TrunkConfig { block, layers, stem, planes, ..TrunkConfig::resnet34() };
    if !is_bottleneck {
        return Ok(plain);
    }
    // The last stage is the widest: its base width is rounded least.
    let [inner, per_group, ..] = kernel(weights, &format!("{}.0.conv2", stages[3]))?;
    let groups = inner / per_group;
    Ok(TrunkConfig { groups, base_width: 64 * per_group / planes[3].max(1), ..plain })
}
