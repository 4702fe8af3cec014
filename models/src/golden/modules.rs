//! Parts of networks and networks that yield no mask, run on their own.

mod daf_stack;
mod losses;
mod planar;
mod sagan;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;

use super::{Description, GoldenError, Vectors, input};
use crate::checkpoint::{StateDict, apply};
use crate::nets::div_attention::{DivAttentionConfig, DivReading, JunctionPlace};
use crate::nets::{NetError, Trace};

/// What a module computed: `out.*` and `mid.*`.
pub(super) struct Ran {
    pub(super) parameters: usize,
    pub(super) tensors: BTreeMap<String, TensorData>,
}

type Runner = fn(&Description, &Vectors<'_>) -> Result<Ran, GoldenError>;

/// Our name of the module that a class stands for, and how it is run.
pub(super) fn runner(golden: &Description) -> Option<(&'static str, Runner)> {
    match golden.short_class() {
        "ResNet" => Some(("resnet", planar::run_resnet)),
        "DANetHead" => Some(("danet_head", planar::run_danet_head)),
        "PAM_Module" | "Self_Attn" => Some(("position_attention", planar::run_position)),
        "CAM_Module" => Some(("channel_attention", planar::run_channel)),
        "HAModule" => Some(("ha_module", planar::run_ha_module)),
        "Discriminator" => Some(("sagan_discriminator", sagan::run_discriminator)),
        "Generator" => Some(("sagan_generator", sagan::run_generator)),
        "SaganWsiDiscriminator" => Some(("sagan_wsi_discriminator", sagan::run_wsi_discriminator)),
        "DAF_stack" => Some(("daf_stack", daf_stack::run)),
        "semanticModule" => Some(("semantic_module", daf_stack::run_semantic_module)),
        "PAM_CAM_Layer" => Some(("pam_cam_layer", daf_stack::run_pam_cam_layer)),
        "MultiConv" => Some(("multi_conv", daf_stack::run_multi_conv)),
        "DivAttention" => Some(("div_attention", run_junction)),
        "own_losses" => Some(("losses", losses::run)),
        _ => None,
    }
}

/// A number of the constructor.
fn size(golden: &Description, arch: &str, field: &str) -> Result<usize, NetError> {
    let value = golden.constructor.get(field).and_then(Value::as_u64);
    value
        .map(|v| v as usize)
        .ok_or_else(|| config_error(arch, format!("constructor lacks the number '{field}'")))
}

fn config_error(arch: &str, message: String) -> NetError {
    NetError::Config { arch: arch.to_owned(), message }
}

/// The true classes `[batch, 1, z, y, x]` from the input `name`, whatever axes of one it has; `None` where there is none.
///
/// `logits` is the shape that they belong to, `[batch, classes, z, y, x]`.
fn labels(
    vectors: &StateDict,
    name: &str,
    logits: [usize; 5],
    device: &Device,
) -> Result<Option<Tensor<5, Int>>, GoldenError> {
    let Some(stored) = vectors.get(name) else { return Ok(None) };
    let error = |message: String| GoldenError::Input { name: name.to_owned(), message };
    let [batch, classes, z, y, x] = logits;
    let values = stored.to_i64().ok_or_else(|| error("classes must be whole numbers".to_owned()))?;
    let without_ones = |shape: &[usize]| shape.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(stored.shape()) != without_ones(&[batch, z, y, x]) {
        return Err(error(format!("its shape is {:?}, that of the logits {logits:?}", stored.shape())));
    }
    if let Some(value) = values.iter().find(|&&value| !(0..classes as i64).contains(&value)) {
        return Err(error(format!("class {value} is not one of 0 to {}", classes - 1)));
    }
    Ok(Some(Tensor::from_data(TensorData::new(values, [batch, 1, z, y, x]), device)))
}

/// The junction alone, in all readings.
fn run_junction(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let size = |field| size(golden, "div_attention", field);
    let config = DivAttentionConfig::new(size("c_low")?, size("c")?, size("in_ch")?);
    let junction = apply(config.init(vectors.device), vectors.weights)?;
    let [low, upper, image] =
        ["in.low", "in.upper", "in.image"].map(|name| input(vectors.tensors, name, vectors.device));
    let (low, upper, image) = (low?, upper?, image?);
    let mut tensors = BTreeMap::new();
    for (name, reading) in DivReading::NAMED {
        let mut trace = Trace::everything();
        let place = JunctionPlace { layer: "div", level: 0, head: None };
        let joined = junction.clone().with_reading(reading);
        let out = joined.forward(low.clone(), upper.clone(), &image, place, &mut trace);
        tensors.insert(format!("out.{name}"), out.into_data());
        for (ours, theirs) in
            [("attn", format!("attn.{name}")), ("o_low", "o_low".to_owned()), ("f", "f".to_owned())]
        {
            if let Some(data) = trace.tensors.remove(&format!("div.{ours}")) {
                tensors.insert(format!("mid.{theirs}"), data);
            }
        }
    }
    Ok(Ran { parameters: junction.num_params(), tensors })
}
