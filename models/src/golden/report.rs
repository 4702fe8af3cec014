//! What a network answered to a golden vector, and how far it is from the reference.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::Dtype;
use serde::Serialize;
use serde_json::Value;

use super::GoldenError;
use super::description::LEAST_TOLERANCE;
use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};

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
    fn new(name: &str, ours: &TensorData, reference: &[f32], shape: &[usize], tolerance: f64) -> Self {
        let same_shape = ours.shape().to_vec() == shape;
        let max_abs = if same_shape { max_difference(&floats(ours), reference) } else { f64::INFINITY };
        let absmax = reference.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        let within = max_abs <= tolerance * absmax;
        Self { name: name.to_owned(), shape: shape.to_vec(), max_abs, absmax, tolerance, within }
    }

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
    /// Everything computed: `out.*`, `mid.*`, and `grad.*`, gradients of losses that the vector has no reference of.
    #[serde(skip)]
    pub tensors: BTreeMap<String, TensorData>,
}

impl GoldenReport {
    /// Whether all outputs were computed and every comparison is within its tolerance.
    pub fn passed(&self) -> bool {
        !self.not_computed.iter().any(|name| name.starts_with("out."))
            && self.comparisons.iter().all(|c| c.within)
    }

    /// How far the gradients `grad.*`, of which the vector has no reference, are from those of the same vector on
    /// another device.
    pub fn gradients_against(&self, other: &Self) -> Vec<Comparison> {
        let gradients = other.tensors.iter().filter(|(name, _)| name.starts_with("grad."));
        let compared = gradients.map(|(name, reference)| {
            let missing = TensorData::new(Vec::<f32>::new(), [0]);
            let ours = self.tensors.get(name).unwrap_or(&missing);
            Comparison::new(name, ours, &floats(reference), reference.shape(), LEAST_TOLERANCE)
        });
        compared.collect()
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

pub(super) fn floats(data: &TensorData) -> Vec<f32> {
    data.clone().convert_dtype(DType::F32).try_to_vec().unwrap_or_default()
}

/// Compares what was computed with the vector's `out.*` and `mid.*`.
pub(super) fn compare(
    report: &mut GoldenReport,
    vectors: &StateDict,
    tolerance: f64,
) -> Result<(), GoldenError> {
    for (name, stored) in vectors.iter().filter(|(name, _)| !name.starts_with("in.")) {
        let Some(ours) = report.tensors.get(name) else {
            report.not_computed.push(name.to_owned());
            continue;
        };
        let reference = numbers(vectors, name, stored)?;
        report.comparisons.push(Comparison::new(name, ours, &reference, stored.shape(), tolerance));
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
