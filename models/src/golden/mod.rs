//! Parity with reference implementations: runs a network on the inputs of a golden vector and compares.
//!
//! A vector NAME is `NAME.json` (class, constructor, width literals, rounding of the reference),
//! `NAME.weights.safetensors` and `NAME.safetensors` with `in.*`, `mid.*` and `out.*`. The network is built
//! from the constructor's values, whatever they are.

mod attention_unets;
mod classes;
mod modules;
mod residual_nets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};
use crate::nets::{AnyNetwork, NetError, Trace};

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

/// How far one tensor is from the reference's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `out.*` or `mid.*`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Largest absolute difference; infinite where the shapes differ or a value is not a number.
    pub max_abs: f64,
    /// Largest absolute value of the reference.
    pub absmax: f64,
    /// Allowed difference as a share of `absmax`: 2e-4 or 20 times the reference's own rounding.
    pub tolerance: f64,
    /// Whether the difference is allowed.
    pub within: bool,
}

impl Comparison {
    /// Largest difference as a share of the reference's largest value.
    pub fn relative(&self) -> f64 {
        if self.max_abs == 0.0 { 0.0 } else { self.max_abs / self.absmax }
    }
}

/// What a network answered, and how it compares.
#[derive(Debug, Clone, Serialize)]
pub struct GoldenReport {
    /// Class of the reference.
    pub class: String,
    /// The network's name in the registry; `div_attention` for the module alone.
    pub arch: String,
    /// Its configuration.
    pub config: Value,
    /// Number of learned parameters.
    pub parameters: usize,
    /// One entry per `out.*` and `mid.*` of the vector that the network computes.
    pub comparisons: Vec<Comparison>,
    /// Tensors of the vector that the network does not show.
    pub not_computed: Vec<String>,
    /// Everything computed: `out.*` and `mid.*`.
    #[serde(skip)]
    pub tensors: BTreeMap<String, TensorData>,
}

impl GoldenReport {
    /// Whether all outputs were computed and every comparison is within its tolerance.
    pub fn passed(&self) -> bool {
        !self.not_computed.iter().any(|name| name.starts_with("out."))
            && self.comparisons.iter().all(|c| c.within)
    }

    /// Writes all computed tensors as safetensors (f32).
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_tensors(&self, path: &Path) -> Result<(), CheckpointError> {
        write_tensors(&self.tensors, path)
    }
}

/// Writes named tensors as safetensors (f32).
///
/// # Errors
/// A file that cannot be written.
pub fn write_tensors(tensors: &BTreeMap<String, TensorData>, path: &Path) -> Result<(), CheckpointError> {
    let mut dict = StateDict::default();
    for (name, data) in tensors {
        dict.insert(name, StoredTensor::from_f32(&floats(data), data.shape().to_vec(), FloatFormat::F32));
    }
    dict.write(path, &[])
}

fn floats(data: &TensorData) -> Vec<f32> {
    data.clone().convert_dtype(DType::F32).try_to_vec().unwrap_or_default()
}

/// The fields of a description that matter here.
#[derive(Debug, Deserialize)]
struct Description {
    class: String,
    #[serde(default)]
    constructor: Map<String, Value>,
    #[serde(default)]
    call: Map<String, Value>,
    #[serde(default)]
    width_literals: BTreeMap<String, usize>,
    #[serde(default)]
    float32_vs_float64: BTreeMap<String, Rounding>,
}

#[derive(Debug, Deserialize)]
struct Rounding {
    rel_to_absmax: f64,
}

impl Description {
    fn read(path: &Path) -> Result<Self, GoldenError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| GoldenError::Io { source, path: path.to_owned() })?;
        serde_json::from_str(&text)
            .map_err(|e| GoldenError::Description { message: e.to_string(), path: path.to_owned() })
    }

    /// The reference's own rounding times 20, at least 2e-4.
    fn tolerance(&self) -> f64 {
        let worst = self.float32_vs_float64.values().map(|r| r.rel_to_absmax).fold(0.0, f64::max);
        (20.0 * worst).max(2e-4)
    }

    fn short_class(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or(&self.class)
    }
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
            class: golden.class.clone(),
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
            class: golden.class.clone(),
            arch: name.to_owned(),
            config: Value::Object(golden.constructor.clone()),
            parameters: ran.parameters,
            comparisons: Vec::new(),
            not_computed: Vec::new(),
            tensors: ran.tensors,
        }
    } else {
        let message = format!("class '{}' is not among the networks", golden.class);
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

fn compare(report: &mut GoldenReport, vectors: &StateDict, tolerance: f64) -> Result<(), GoldenError> {
    for (name, stored) in vectors.iter().filter(|(name, _)| !name.starts_with("in.")) {
        let Some(ours) = report.tensors.get(name) else {
            report.not_computed.push(name.to_owned());
            continue;
        };
        let (reference, shape) = (numbers(vectors, name, stored)?, stored.shape().to_vec());
        let same_shape = ours.shape().to_vec() == shape;
        let max_abs = if same_shape { max_difference(&floats(ours), &reference) } else { f64::INFINITY };
        let absmax = reference.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        report.comparisons.push(Comparison {
            name: name.to_owned(),
            shape: stored.shape().to_vec(),
            max_abs,
            absmax,
            tolerance,
            within: max_abs <= tolerance * absmax,
        });
    }
    Ok(())
}

/// Values of a tensor of floating point, or of flags of one byte each.
fn numbers(vectors: &StateDict, name: &str, stored: &StoredTensor) -> Result<Vec<f32>, GoldenError> {
    if stored.dtype() == Dtype::U8 {
        return Ok(stored.bytes().iter().map(|&byte| f32::from(byte)).collect());
    }
    Ok(vectors.floats(name)?.map_or_else(Vec::new, |(values, _)| values))
}

/// Largest absolute difference; a value that is not a number counts as infinitely far.
fn max_difference(ours: &[f32], reference: &[f32]) -> f64 {
    let far = |d: f64| if d.is_nan() { f64::INFINITY } else { d };
    ours.iter().zip(reference).map(|(a, b)| far((f64::from(*a) - f64::from(*b)).abs())).fold(0.0, f64::max)
}
