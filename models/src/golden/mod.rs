//! Parity with reference implementations: runs a network on the inputs of a golden vector and compares.
//!
//! A vector NAME is `NAME.json` (class, constructor, width literals, rounding of the reference),
//! `NAME.weights.safetensors` and `NAME.safetensors` with `in.*`, `mid.*` and `out.*`. The network is built
//! from the constructor's values, whatever they are. A vector of functions (losses) names no class and goes by its
//! name.

mod attention_unets;
mod classes;
mod description;
mod modules;
mod report;
mod residual_nets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

use crate::checkpoint::{CheckpointError, StateDict};
use crate::nets::{AnyNetwork, NetError, Trace};
use description::Description;
use report::{compare, floats};

pub use report::{Comparison, GoldenReport, write_tensors};

/// Why a golden vector cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The description cannot be read.
    #[error("cannot read the description: {source}: {path}")]
    Io {
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The description lacks something or holds something unknown.
    #[error("description of a golden vector: {message}: {path}")]
    Description {
        /// What is wrong.
        message: String,
        /// The file.
        path: PathBuf,
    },
    /// An input tensor is missing or has another shape than the network takes.
    #[error("input tensor '{name}': {message}")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The network cannot be made or run.
    #[error(transparent)]
    Network(#[from] NetError),
    /// Weights or tensors cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What a module is run on.
struct Vectors<'a> {
    weights: &'a StateDict,
    tensors: &'a StateDict,
    device: &'a Device,
}

/// Runs the vector described by `NAME.json` and compares with its `out.*` and `mid.*`.
///
/// # Errors
/// Files that are missing or malformed, a class that is not among the networks, weights that do not fit.
pub fn run_golden(description: &Path, device: &Device) -> Result<GoldenReport, GoldenError> {
    let golden = Description::read(description)?;
    let weights = StateDict::read(&description.with_extension("weights.safetensors"))?;
    let vectors = StateDict::read(&description.with_extension("safetensors"))?;
    let mut report = if let Some((arch, config)) = classes::network(&golden) {
        let network = AnyNetwork::from_name(arch, config, device)?.with_weights(&weights)?;
        let tensors = run_any(&network, input(&vectors, "in.x", device)?)?;
        GoldenReport {
            class: golden.class().to_owned(),
            arch: arch.to_owned(),
            config: network.config().clone(),
            parameters: network.parameter_count(),
            comparisons: Vec::new(),
            not_computed: Vec::new(),
            tensors,
        }
    } else if let Some((name, run)) = modules::runner(&golden) {
        let ran = run(&golden, &Vectors { weights: &weights, tensors: &vectors, device })?;
        GoldenReport {
            class: golden.class().to_owned(),
            arch: name.to_owned(),
            config: Value::Object(golden.constructor.clone()),
            parameters: ran.parameters,
            comparisons: Vec::new(),
            not_computed: Vec::new(),
            tensors: ran.tensors,
        }
    } else {
        let message = format!("class '{}' is not among the networks", golden.class());
        return Err(GoldenError::Description { message, path: description.to_owned() });
    };
    compare(&mut report, &vectors, golden.tolerance())?;
    Ok(report)
}

/// Runs the network `arch` with weights under the reference's names on `x` `[batch, channels, z, y, x]`:
/// its heads as the reference returns them as `out.*`, and its intermediate tensors as `mid.*`.
///
/// # Errors
/// An unknown name, a bad configuration, weights or an input that do not fit.
pub fn run_network(
    arch: &str,
    config: Value,
    weights: &StateDict,
    x: Tensor<5>,
) -> Result<BTreeMap<String, TensorData>, GoldenError> {
    let network = AnyNetwork::from_name(arch, config, &x.device())?.with_weights(weights)?;
    run_any(&network, x)
}

/// The input of `run_network` from a safetensors file: its tensor `name`, of rank 5, or of rank 4 for planar images.
///
/// # Errors
/// A tensor that is missing, of another rank, or not of floating point.
pub fn input(vectors: &StateDict, name: &str, device: &Device) -> Result<Tensor<5>, GoldenError> {
    let error = |message: String| GoldenError::Input { name: name.to_owned(), message };
    let (values, mut shape) = vectors.floats(name)?.ok_or_else(|| error("not in the file".to_owned()))?;
    if shape.len() == 4 {
        shape.insert(2, 1);
    }
    if shape.len() != 5 {
        let message = format!("its shape is {shape:?}; it must have the axes [batch, channels, (z,) y, x]");
        return Err(error(message));
    }
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}

fn run_any(network: &AnyNetwork, x: Tensor<5>) -> Result<BTreeMap<String, TensorData>, GoldenError> {
    let mut trace = Trace::everything();
    let heads = network.forward_traced(x, &mut trace)?;
    let names = classes::head_names(network.arch(), network.config(), heads.len());
    let returned = |head| classes::as_returned(network.arch(), head).into_data();
    let heads = names.into_iter().zip(heads).map(|(name, head)| (name, returned(head)));
    let mids = trace.tensors.into_iter().map(|(name, data)| (format!("mid.{name}"), data));
    let flat = |data: TensorData| if network.is_planar() { without_z(data) } else { data };
    Ok(heads.chain(mids).map(|(name, data)| (name, flat(data))).collect())
}

/// A planar network's `[batch, channels, 1, y, x]` as its reference has it; others as they are.
fn without_z(data: TensorData) -> TensorData {
    match data.shape().to_vec()[..] {
        [batch, channels, 1, height, width] => {
            TensorData::new(floats(&data), [batch, channels, height, width])
        }
        _ => data,
    }
}
