//! Residual classifiers and the attention modules of DANet and HANet, run on their own.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde_json::{Value, json};

use super::super::{Description, GoldenError, Vectors, input, without_z};
use super::{Ran, config_error, size};
use crate::checkpoint::{FloatFormat, KeyRules, StateDict, StoredTensor, apply, count_parameters};
use crate::nets::danet::DanetHead;
use crate::nets::dual_attention::{ChannelAttention, PositionAttention};
use crate::nets::hanet::{Aggregation, Erased, HaModule, HaModuleConfig, HaReading, Normalisation, Paths};
use crate::nets::resnet::{DilationRule, ResNet, Sampling, TrunkConfig};
use crate::nets::{NetError, Trace};

/// Adds outputs and intermediate tensors, without the axis that planar references lack.
fn ran(module: &impl Module, outputs: Vec<(&str, TensorData)>, trace: Trace) -> Ran {
    let outputs = outputs.into_iter().map(|(name, data)| (format!("out.{name}"), data));
    let mids = trace.tensors.into_iter().map(|(name, data)| (format!("mid.{name}"), data));
    let tensors = outputs.chain(mids).map(|(name, data)| (name, without_z(data))).collect();
    Ran { parameters: count_parameters(module), tensors }
}

fn with_weights<M: Module + KeyRules>(module: M, vectors: &Vectors<'_>) -> Result<M, GoldenError> {
    Ok(apply(module, vectors.weights)?)
}

/// torchvision's ResNet. Missing entries of the constructor are those of the ImageNet networks.
pub(super) fn run_resnet(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let arch = "resnet";
    let entries = &golden.constructor;
    let error = |message: String| config_error(arch, message);
    let planes = entries.get("planes").cloned().unwrap_or_else(|| json!([64, 128, 256, 512]));
    let basic =
        entries.get("block").and_then(Value::as_str).is_some_and(|block| block.ends_with("BasicBlock"));
    let trunk = json!({
        "block": if basic { "basic" } else { "bottleneck" },
        "layers": entries.get("layers").ok_or_else(|| error("constructor lacks 'layers'".to_owned()))?,
        "stem": entries.get("stem").unwrap_or(&planes[0]),
        "planes": planes,
        "groups": entries.get("groups").unwrap_or(&json!(1)),
        "base_width": entries.get("width_per_group").unwrap_or(&json!(64)),
    });
    let trunk: TrunkConfig = serde_json::from_value(trunk).map_err(|e| error(e.to_string()))?;
    trunk.validate().map_err(error)?;
    let replaced = entries.get("replace_stride_with_dilation").unwrap_or(&Value::Null);
    let output_stride = match replaced {
        Value::Null => 32,
        flags if *flags == json!([false, false, false]) => 32,
        flags if *flags == json!([false, false, true]) => 16,
        flags if *flags == json!([false, true, true]) => 8,
        other => return Err(error(format!("replace_stride_with_dilation {other} is not supported")).into()),
    };
    let sampling = Sampling { output_stride, rule: DilationRule::Torchvision };
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let classes = vectors.weights.get("fc.bias").map_or(1000, |bias| bias.shape().iter().product());
    let network = ResNet::new(&trunk, x.dims()[1], sampling, classes, vectors.device);
    let network = with_weights(network, vectors)?;
    let mut trace = Trace::everything();
    let logits = network.forward(x, &mut trace).into_data();
    Ok(ran(&network, vec![("logits", logits)], trace))
}

/// The head of DANet.
pub(super) fn run_danet_head(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let size = |field| size(golden, "danet_head", field);
    let head = DanetHead::new(size("in_channels")?, size("out_channels")?, 0, vectors.device);
    let head = with_weights(head, vectors)?;
    let mut trace = Trace::everything();
    let logits = head.forward(&input(vectors.tensors, "in.x", vectors.device)?, "", &mut trace);
    let outputs = ["sasc", "sa", "sc"].into_iter().zip(logits.map(Tensor::into_data)).collect();
    Ok(ran(&head, outputs, trace))
}

/// The name under which an attention module alone is traced, so that its matrix is `mid.attention`.
fn unnamed(mut trace: Trace) -> Trace {
    let rename = |name: String| name.strip_prefix("it.").map(str::to_owned).unwrap_or(name);
    trace.tensors = trace.tensors.into_iter().map(|(name, data)| (rename(name), data)).collect();
    trace
}

/// Position attention alone.
pub(super) fn run_position(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let channels = size(golden, "position_attention", "in_dim")?;
    let module = with_weights(PositionAttention::new(channels, vectors.device), vectors)?;
    let mut trace = Trace::everything();
    let y = module.forward(input(vectors.tensors, "in.x", vectors.device)?, "it", &mut trace).into_data();
    Ok(ran(&module, vec![("y", y)], unnamed(trace)))
}

/// Channel attention alone.
pub(super) fn run_channel(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let module = with_weights(ChannelAttention::new(vectors.device), vectors)?;
    let mut trace = Trace::everything();
    let y = module.forward(input(vectors.tensors, "in.x", vectors.device)?, "it", &mut trace).into_data();
    Ok(ran(&module, vec![("y", y)], unnamed(trace)))
}

/// The module of HANet in every reading that the vector has an output of.
pub(super) fn run_ha_module(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let size = |field| size(golden, "ha_module", field);
    let delta = golden.constructor.get("delta").and_then(Value::as_f64).unwrap_or(0.5);
    let reading = HaReading::default();
    let config = HaModuleConfig { channels: size("c")?, hops: size("n")?, delta, reading, level: 0 };
    let module = with_weights(config.init(vectors.device), vectors)?;
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let mut trace = Trace::everything();
    let y = module.forward(x.clone(), "ha", &mut trace);
    let counts = HaReading { paths: Paths::Count, ..reading };
    let graph = module.clone().with_reading(delta, counts).graph(&x);
    for hop in 2..=config.hops {
        trace.tensor(&format!("B{hop}_counts"), &graph.neighbours(0..graph.pixels(), hop));
    }
    let mut ran = ran(&module, vec![("recommended", y.into_data())], trace);
    for (name, _) in vectors.tensors.iter() {
        let other = match name.strip_prefix("out.") {
            Some("recommended") | None => continue,
            Some("delta0_plain_self_attention") => plain_self_attention(&config, vectors)?,
            Some(other) => named_reading(&module, delta, other)?,
        };
        let y = other.forward(x.clone(), "ha", &mut Trace::off());
        ran.tensors.insert(name.to_owned(), without_z(y.into_data()));
    }
    Ok(ran)
}

fn named_reading(module: &HaModule, delta: f64, name: &str) -> Result<HaModule, NetError> {
    let default = HaReading::default();
    let (delta, reading) = match name {
        "map_minmax" => (delta, HaReading { normalisation: Normalisation::Map, ..default }),
        "sigmoid" => (delta, HaReading { normalisation: Normalisation::Sigmoid, ..default }),
        "literal_zero_mask" => (delta, HaReading { erased: Erased::LiteralZero, ..default }),
        "literal_counts" => {
            (delta, HaReading { paths: Paths::Count, erased: Erased::LiteralZero, ..default })
        }
        "literal_no_transpose" => (delta, HaReading { aggregation: Aggregation::Columns, ..default }),
        _ => {
            let delta = name.strip_prefix("delta").and_then(|delta| delta.parse().ok());
            (delta.ok_or_else(|| config_error("ha_module", format!("unknown reading '{name}'")))?, default)
        }
    };
    Ok(module.clone().with_reading(delta, reading))
}

/// δ = 0 and one hop, with the weights of the first hop.
fn plain_self_attention(config: &HaModuleConfig, vectors: &Vectors<'_>) -> Result<HaModule, GoldenError> {
    let channels = config.channels;
    let module = HaModuleConfig { hops: 1, delta: 0.0, ..config.clone() }.init(vectors.device);
    let mut weights = StateDict::default();
    for (name, tensor) in vectors.weights.iter() {
        if name.starts_with("hop.") && !name.starts_with("hop.0.") {
            continue;
        }
        let mut tensor = tensor.clone();
        if name == "fuse.weight" {
            let all = tensor.to_f32().unwrap_or_default();
            let rows = all.chunks(config.hops * channels);
            let first: Vec<f32> = rows.flat_map(|row| row[..channels].to_vec()).collect();
            tensor = StoredTensor::from_f32(&first, vec![channels, channels, 1, 1], FloatFormat::F32);
        }
        weights.insert(name, tensor);
    }
    Ok(apply(module, &weights)?)
}
