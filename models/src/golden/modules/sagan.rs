//! The SAGAN of natural images and the discriminator of SAGAN-WSI.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde_json::{Value, json};

use super::{Ran, config_error};
use crate::checkpoint::{KeyRules, StateDict, apply, count_parameters, fold_spectral_norm};
use crate::golden::{Description, GoldenError, Vectors, floats, input, without_z};
use crate::nets::Trace;
use crate::nets::sagan::SaganConfig;
use crate::nets::sagan_wsi::SaganWsiDiscriminatorConfig;

/// Our and the reference vectors' name of the two attention matrices, and how many of their rows the vectors hold.
const ROWS_KEPT: [(&str, &str, usize); 2] =
    [("attn1.attention", "attention1", 64), ("attn2.attention", "attention2", 24)];

pub(super) fn run_discriminator(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let config = sagan_config(golden, "sagan_discriminator")?;
    let folded = fold_spectral_norm(vectors.weights)?;
    let module = apply(config.init_discriminator(vectors.device), &folded)?;
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let mut trace = Trace::everything();
    let y = squeezed(module.forward(x, &mut trace).into_data());
    with_folded(ran(&module, y, trace), vectors.weights, &folded)
}

pub(super) fn run_generator(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let config = sagan_config(golden, "sagan_generator")?;
    let folded = fold_spectral_norm(vectors.weights)?;
    let module = apply(config.init_generator(vectors.device), &folded)?;
    let name =
        vectors.tensors.iter().find(|(name, _)| name.starts_with("in.")).map_or("in.z", |(name, _)| name);
    let mut trace = Trace::everything();
    let y = module.forward(latent(vectors, name, config.z_dim)?, &mut trace);
    with_folded(ran(&module, without_z(y.into_data()), trace), vectors.weights, &folded)
}

/// The discriminator of SAGAN-WSI for images of the size of the input, which is a label map where it has one channel.
pub(super) fn run_wsi_discriminator(golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let arch = "sagan_wsi_discriminator";
    let x = input(vectors.tensors, "in.x", vectors.device)?;
    let [_, channels, _, height, width] = x.dims();
    let mut config = golden.constructor.clone();
    config.insert("size".to_owned(), json!([height, width]));
    config.insert("argmax_compat".to_owned(), json!(channels == 1));
    let config: SaganWsiDiscriminatorConfig =
        serde_json::from_value(Value::Object(config)).map_err(|e| config_error(arch, e.to_string()))?;
    config.validate().map_err(|e| config_error(arch, e))?;
    let module = apply(config.init(vectors.device), vectors.weights)?;
    module.check_input(x.dims()).map_err(|e| config_error(arch, e))?;
    let mut trace = Trace::everything();
    let y = module.forward(x, &mut trace);
    Ok(ran(&module, y.into_data(), trace))
}

fn sagan_config(golden: &Description, arch: &str) -> Result<SaganConfig, GoldenError> {
    let mut config = golden.constructor.clone();
    config.remove("batch_size");
    let config: SaganConfig =
        serde_json::from_value(Value::Object(config)).map_err(|e| config_error(arch, e.to_string()))?;
    config.validate().map_err(|e| config_error(arch, e))?;
    Ok(config)
}

/// The generator's input, whatever axes of one it has: `[batch, z_dim]`.
fn latent(vectors: &Vectors<'_>, name: &str, z_dim: usize) -> Result<Tensor<2>, GoldenError> {
    let error = |message: &str| GoldenError::Input { name: name.to_owned(), message: message.to_owned() };
    let (values, shape) = vectors.tensors.floats(name)?.ok_or_else(|| error("not in the file"))?;
    if shape.get(1) != Some(&z_dim) || values.len() != shape[0] * z_dim {
        return Err(error(&format!("its shape is {shape:?}; it must be [batch, {z_dim}]")));
    }
    let shape = [shape[0], z_dim];
    Ok(Tensor::from_data(TensorData::new(values, shape), vectors.device))
}

/// The reference squeezes all axes of one.
fn squeezed(data: TensorData) -> TensorData {
    let shape: Vec<usize> = data.shape().iter().copied().filter(|&size| size != 1).collect();
    TensorData::new(floats(&data), shape)
}

fn ran(module: &(impl Module + KeyRules), y: TensorData, trace: Trace) -> Ran {
    let mut tensors = BTreeMap::from([("out.y".to_owned(), y)]);
    for (name, data) in trace.tensors {
        let (name, kept) = match ROWS_KEPT.iter().find(|(ours, ..)| *ours == name) {
            Some((_, theirs, kept)) => ((*theirs).to_owned(), *kept),
            None => (name, usize::MAX),
        };
        let data = first_rows(data, kept);
        tensors.insert(format!("mid.{name}"), if module.is_planar() { without_z(data) } else { data });
    }
    Ran { parameters: count_parameters(module), tensors }
}

/// The first rows of each matrix of `[batch, rows, columns]`; other tensors as they are.
fn first_rows(data: TensorData, kept: usize) -> TensorData {
    let [batch, rows, columns] = data.shape().to_vec()[..] else { return data };
    let kept = kept.min(rows);
    let values = floats(&data);
    let values = values.chunks(rows * columns).flat_map(|matrix| matrix[..kept * columns].to_vec()).collect();
    TensorData::new(values, [batch, kept, columns])
}

/// Adds the weights that folding made.
fn with_folded(mut ran: Ran, given: &StateDict, folded: &StateDict) -> Result<Ran, GoldenError> {
    for (name, _) in folded.iter().filter(|(name, _)| given.get(name).is_none()) {
        if let Some((values, shape)) = folded.floats(name)? {
            ran.tensors.insert(format!("mid.folded.{name}"), TensorData::new(values, shape));
        }
    }
    Ok(ran)
}
