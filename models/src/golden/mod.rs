//! Parity with reference implementations: runs a network on the inputs of a golden vector and compares.
//!
//! A vector NAME is `NAME.json` (class, constructor, width literals, rounding of the reference),
//! `NAME.weights.safetensors` and `NAME.safetensors` with `in.*`, `mid.*` and `out.*`. The network is built
//! from the constructor's values, whatever they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor, apply};
use crate::nets::div_attention::{DivAttentionConfig, DivReading, JunctionPlace};
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

    /// Name in the registry and configuration of the class, or `None` for an unknown class.
    fn network(&self) -> Option<(&'static str, Value)> {
        let constructor = || self.constructor.clone();
        match self.short_class() {
            "PlainConvUNet" => Some(("plain_conv_unet", Value::Object(constructor()))),
            "ResidualEncoderUNet" => Some(("residual_encoder_unet", Value::Object(constructor()))),
            "UNETR" => Some(("unetr", Value::Object(constructor()))),
            "UnetrDiv" => Some(("unetr_div", unetr_div_config(constructor()))),
            "ESPNet" => Some(("espnet3d", self.espnet_config())),
            "ESPNetDiv" => Some(("espnet3d_div", self.espnet_config())),
            _ => None,
        }
    }

    /// The reference has its widths as literals in the source; a vector says what replaced them.
    fn espnet_config(&self) -> Value {
        let mut config = self.constructor.clone();
        let widths =
            [16, 32, 128, 256].map(|w: usize| *self.width_literals.get(&w.to_string()).unwrap_or(&w));
        config.insert("widths".to_owned(), json!(widths));
        if let Some(resolution) = self.call.get("inp_res") {
            config.insert("inp_res".to_owned(), resolution.clone());
        }
        Value::Object(config)
    }
}

/// Our own reference of UNETR+Div has shorter names than MONAI's constructor.
fn unetr_div_config(mut config: Map<String, Value>) -> Value {
    for (short, long) in [("in_ch", "in_channels"), ("out", "out_channels")] {
        if let Some(value) = config.remove(short) {
            config.insert(long.to_owned(), value);
        }
    }
    if let Some(Value::String(norm)) = config.remove("norm") {
        let name = norm.split_whitespace().next().unwrap_or_default();
        config.insert("norm_name".to_owned(), json!(name));
    }
    Value::Object(config)
}

/// The reference's names of a network's heads, finest first.
fn head_names(arch: &str, config: &Value, heads: usize) -> Vec<String> {
    let numbered = |stem: &str| (0..heads).map(|i| format!("out.{stem}{i}")).collect();
    match arch {
        "unetr_div" => numbered("out"),
        "espnet3d_div" => vec!["out.y".to_owned(), "out.aux2".to_owned()],
        "lesion_net" => numbered("head"),
        _ if config["deep_supervision"] == json!(true) => numbered("ds"),
        _ => vec!["out.y".to_owned()],
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
    let mut report = match golden.network() {
        Some((arch, config)) => {
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
        }
        None if golden.short_class() == "DivAttention" => run_junction(&golden, &weights, &vectors, device)?,
        None => {
            let message = format!("class '{}' is not among the networks", golden.class);
            return Err(GoldenError::Description { message, path: description.to_owned() });
        }
    };
    compare(&mut report, &vectors, golden.tolerance())?;
    Ok(report)
}

/// Runs the network `arch` with weights under the reference's names on `x` `[batch, channels, z, y, x]`:
/// its heads as `out.*` and its intermediate tensors as `mid.*`.
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

/// The input of `run_network` from a safetensors file: its tensor `name`, of rank 5.
///
/// # Errors
/// A tensor that is missing, of another rank, or not of floating point.
pub fn input(vectors: &StateDict, name: &str, device: &Device) -> Result<Tensor<5>, GoldenError> {
    let error = |message: String| GoldenError::Input { name: name.to_owned(), message };
    let (values, shape) = vectors.floats(name)?.ok_or_else(|| error("not in the file".to_owned()))?;
    if shape.len() != 5 {
        return Err(error(format!("its shape is {shape:?}; it must have 5 axes [batch, channels, z, y, x]")));
    }
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}

fn run_any(network: &AnyNetwork, x: Tensor<5>) -> Result<BTreeMap<String, TensorData>, GoldenError> {
    let mut trace = Trace::everything();
    let heads = network.forward_traced(x, &mut trace)?;
    let names = head_names(network.arch(), network.config(), heads.len());
    let heads = names.into_iter().zip(heads).map(|(name, head)| (name, head.into_data()));
    let mids = trace.tensors.into_iter().map(|(name, data)| (format!("mid.{name}"), data));
    Ok(heads.chain(mids).collect())
}

/// The junction alone, in all readings.
fn run_junction(
    golden: &Description,
    weights: &StateDict,
    vectors: &StateDict,
    device: &Device,
) -> Result<GoldenReport, GoldenError> {
    let size = |field: &str| {
        let value = golden.constructor.get(field).and_then(Value::as_u64);
        value.map(|v| v as usize).ok_or_else(|| NetError::Config {
            arch: "div_attention".to_owned(),
            message: format!("constructor lacks the number '{field}'"),
        })
    };
    let config = DivAttentionConfig::new(size("c_low")?, size("c")?, size("in_ch")?);
    let junction = apply(config.init(device), weights)?;
    let [low, upper, image] = ["in.low", "in.upper", "in.image"].map(|name| input(vectors, name, device));
    let (low, upper, image) = (low?, upper?, image?);
    let mut tensors = BTreeMap::new();
    for (name, reading) in DivReading::NAMED {
        let mut trace = Trace::everything();
        let place = JunctionPlace { layer: "div", level: 0 };
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
    Ok(GoldenReport {
        class: golden.class.clone(),
        arch: "div_attention".to_owned(),
        config: Value::Object(golden.constructor.clone()),
        parameters: junction.num_params(),
        comparisons: Vec::new(),
        not_computed: Vec::new(),
        tensors,
    })
}

fn compare(report: &mut GoldenReport, vectors: &StateDict, tolerance: f64) -> Result<(), GoldenError> {
    for (name, stored) in vectors.iter().filter(|(name, _)| !name.starts_with("in.")) {
        let Some(ours) = report.tensors.get(name) else {
            report.not_computed.push(name.to_owned());
            continue;
        };
        let Some((reference, shape)) = vectors.floats(name)? else { continue };
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

/// Largest absolute difference; a value that is not a number counts as infinitely far.
fn max_difference(ours: &[f32], reference: &[f32]) -> f64 {
    let far = |d: f64| if d.is_nan() { f64::INFINITY } else { d };
    ours.iter().zip(reference).map(|(a, b)| far((f64::from(*a) - f64::from(*b)).abs())).fold(0.0, f64::max)
}
