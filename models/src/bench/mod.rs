//! How fast networks run and what they need: the cases that are measured, and how one is measured.

mod cases;
mod process;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Instant;

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};
use crate::device;
use crate::nets::{AnyNetwork, NetError};
use hilum_kernels::work;

pub use cases::{ReferenceCase, reference_case, reference_cases};
pub use process::peak_memory_mib;

/// Decides the weights of all cases.
const SEED: u64 = 20_261_121;
/// Share of a residual branch in a deep trunk. Drawn weights alone would double the values at each of its blocks.
const BRANCH_SHARE: f32 = 0.25;
/// Share of what attention modules add to their input. Networks begin with 0, which would hide their result.
const ATTENTION_SHARE: f32 = 0.5;

/// What running a network took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The first run, which draws on no caches and may compile kernels.
    pub first_seconds: f64,
    /// Median of the runs behind it.
    pub median_seconds: f64,
    /// The fastest of the runs behind it.
    pub fastest_seconds: f64,
    /// 10⁹ floating-point operations of a run, see [`work`].
    pub gflop: f64,
    /// 10⁹ operations a second in the median run.
    pub gflop_per_second: f64,
    /// The most memory that the process held while it ran the network, weights included, where the system tells.
    pub peak_memory_mib: Option<f64>,
    /// The most memory that was reserved on the device after any run, where the device has its own.
    pub device_memory_mib: Option<f64>,
}

/// The network of a case on a device, its weights the same on all devices.
///
/// # Errors
/// A case that does not fit the registry, or a device that fails.
pub fn network(case: &ReferenceCase, device: &Device) -> Result<AnyNetwork, NetError> {
    let config: Value = serde_json::from_str(case.config)
        .map_err(|e| NetError::Config { arch: case.arch.to_owned(), message: e.to_string() })?;
    // Drawn on the CPU: every device draws other numbers.
    let drawn = AnyNetwork::seeded(case.arch, config.clone(), SEED, &device::cpu().device)?;
    let weights = lively(&drawn.weights(FloatFormat::F32)?);
    drop(drawn);
    AnyNetwork::from_name(case.arch, config, device)?.with_weights(&weights)
}

/// Drawn weights with the parts at work that a fresh network starts without, so that answers can be compared.
fn lively(drawn: &StateDict) -> StateDict {
    let mut weights = drawn.clone();
    for (name, stored) in drawn.iter() {
        let value = match name.rsplit('.').next() {
            Some("gamma") => ATTENTION_SHARE,
            Some("weight") if name.ends_with(".bn3.weight") => BRANCH_SHARE,
            _ => continue,
        };
        let shape = stored.shape().to_vec();
        let values = vec![value; shape.iter().product()];
        weights.insert(name, StoredTensor::from_f32(&values, shape, FloatFormat::F32));
    }
    weights
}

/// An input of this shape, the same everywhere: waves between -1 and 1 along the values in memory.
pub fn input_values(shape: [usize; 5]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    // Reduced before it is rounded, or the last values of a volume would be steps.
    (0..count).map(|i| (i as f64 * 0.37 + (i as f64 * 0.011).sin()).sin() as f32).collect()
}

/// Runs a network once, then `repeats` times (at least once), on [`input_values`] of this shape. Also returns the
/// last answer.
///
/// # Errors
/// An input that does not fit, see [`AnyNetwork::check_input`].
pub fn measure(
    network: &AnyNetwork,
    shape: [usize; 5],
    repeats: u32,
    device: &Device,
) -> Result<(Measurement, TensorData), NetError> {
    network.check_input(shape)?;
    let x = Tensor::<5>::from_data(TensorData::new(input_values(shape), shape), device);
    process::forget_peak_memory();
    let mut reserved = None;
    let mut run = || {
        let begun = Instant::now();
        // Fetching the answer waits for the device.
        let answer = network.forward(x.clone())?.into_data();
        let seconds = begun.elapsed().as_secs_f64();
        reserved = reserved.max(device.memory_pool_usage().map(|usage| usage.bytes_reserved));
        Ok::<_, NetError>((seconds, answer))
    };
    let (first, operations) = work::counted(&mut run);
    let (first_seconds, _) = first?;
    let (mut last, mut answer) = run()?;
    let mut seconds = vec![last];
    for _ in 1..repeats {
        (last, answer) = run()?;
        seconds.push(last);
    }
    seconds.sort_unstable_by(f64::total_cmp);
    let median_seconds = median(&seconds);
    let gflop = operations as f64 * 1e-9;
    let measurement = Measurement {
        first_seconds,
        median_seconds,
        fastest_seconds: seconds[0],
        gflop,
        gflop_per_second: gflop / median_seconds,
        peak_memory_mib: peak_memory_mib(),
        device_memory_mib: reserved.map(|bytes| bytes as f64 / f64::from(1 << 20)),
    };
    Ok((measurement, answer))
}

/// Of sorted values, at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

/// Writes into `folder`, so that another implementation can be run on the same: the weights under the reference's names
/// as `NAME.weights.safetensors`, and `in.x` with its answer `out.y` as `NAME.tensors.safetensors`; tensors of a
/// planar network have no z.
///
/// # Errors
/// Files that cannot be written.
pub fn export(
    case: &ReferenceCase,
    network: &AnyNetwork,
    answer: TensorData,
    folder: &Path,
) -> Result<(), NetError> {
    network.write_reference_checkpoint(&folder.join(format!("{}.weights.safetensors", case.name)))?;
    let answered: Vec<usize> = answer.shape().to_vec();
    let answer = answer
        .convert_dtype(DType::F32)
        .try_to_vec::<f32>()
        .map_err(|e| CheckpointError::Device { name: "out.y".to_owned(), message: format!("{e:?}") })?;
    let mut tensors = StateDict::default();
    for (name, mut shape, values) in
        [("in.x", case.shape.to_vec(), input_values(case.shape)), ("out.y", answered, answer)]
    {
        if network.is_planar() {
            shape.remove(2);
        }
        tensors.insert(name, StoredTensor::from_f32(&values, shape, FloatFormat::F32));
    }
    Ok(tensors.write(&folder.join(format!("{}.tensors.safetensors", case.name)), &[])?)
}

/// Number of threads that networks use on the CPU.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
