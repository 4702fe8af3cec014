//! Weights from elsewhere into the user's models: read, fitted to a network, tried, and kept with a card.

mod error;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde_json::Value;

use super::{AxisOrder, Card, Task, sha256_hex};
use crate::checkpoint::{CheckpointError, FloatFormat, StateDict};
use crate::nets::{AnyNetwork, NetError};

pub use error::ImportError;

/// What is imported.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// Safetensors or PyTorch checkpoint.
    pub file: &'a Path,
    /// Network in the registry.
    pub arch: &'a str,
    /// Its configuration, as it was trained; `null` = the defaults.
    pub config: Value,
    /// The order of the axes of the arrays that it was trained on. Networks for volumes of `[x, y, z]` arrays are
    /// turned: weights, and what the configuration says of single axes.
    pub axes: AxisOrder,
    /// Identity of the new model: letters, digits, `-`, `_` and `.`.
    pub id: &'a str,
    /// Licence of the weights, if known.
    pub licence: Option<&'a str>,
    /// Whether a model of the user with this identity is replaced.
    pub replace: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// The new model's card.
    pub card: Card,
    /// Its folder.
    pub folder: PathBuf,
    /// Learned parameters.
    pub parameters: usize,
    /// A prefix that was taken off all names.
    pub prefix: String,
    /// Names in the file that the network has no use for and that are known to be harmless.
    pub ignored: Vec<String>,
    /// Input shape of the self-test `[batch, channels, z, y, x]`.
    pub tried_input: [usize; 5],
    /// Output shape of the self-test.
    pub tried_output: [usize; 5],
    /// Seconds of the self-test.
    pub tried_seconds: f64,
}

/// Beginnings of names that training programs put before all others.
const PREFIXES: [&str; 5] = ["", "module.", "_orig_mod.", "model.", "network."];

/// Imports weights into `folder`, the user's models.
///
/// # Errors
/// [`ImportError`]; nothing is written then.
pub fn import(request: &Import<'_>, folder: &Path, device: &Device) -> Result<Imported, ImportError> {
    let target = claim(request, folder)?;
    if request.axes == AxisOrder::Xyz {
        // Said before a large file is read.
        AnyNetwork::check_reversible(request.arch, request.config.clone())?;
    }
    let weights = StateDict::read_any(request.file)
        .map_err(|source| ImportError::Weights { source, path: request.file.to_owned() })?;
    let (network, prefix) = fitted(request, &weights, device)?;
    let network = match request.axes {
        AxisOrder::Zyx => network,
        AxisOrder::Xyz => network.with_reversed_axes(device)?,
    };
    let kept = network.weights(FloatFormat::F32)?;
    let used = |name: &str| kept.get(name.strip_prefix(prefix).unwrap_or(name)).is_some();
    let ignored = weights.iter().map(|(name, _)| name.to_owned()).filter(|name| !used(name)).collect();
    let tried = try_out(&network, device)?;
    let bytes = kept.to_bytes(&[]).map_err(NetError::from)?;
    let file_name = request.file.file_name().unwrap_or_default().to_string_lossy();
    let card = Card {
        id: request.id.to_owned(),
        title: format!("Imported from {file_name}"),
        arch: request.arch.to_owned(),
        config: network.config().clone(),
        axes: request.axes,
        task: Task::Unassigned,
        licence: request.licence.unwrap_or("not stated").to_owned(),
        data: vec!["not stated".into()],
        split: "not stated".into(),
        training: format!("elsewhere; imported from {file_name}"),
        figures: Vec::new(),
        limits: vec!["not measured here".into(), "not for diagnosis".into()],
        weights_sha256: sha256_hex(&bytes),
    };
    write(&target, &card, &bytes)?;
    Ok(Imported {
        card,
        folder: target,
        parameters: network.parameter_count(),
        prefix: prefix.to_owned(),
        ignored,
        tried_input: tried.input,
        tried_output: tried.output,
        tried_seconds: tried.seconds,
    })
}

/// The folder of the new model, which must not hold one yet.
fn claim(request: &Import<'_>, folder: &Path) -> Result<PathBuf, ImportError> {
    let id = request.id;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 100 || id.starts_with('.') || !id.chars().all(is_plain) {
        return Err(ImportError::Identity(id.to_owned()));
    }
    let catalog = super::Catalog::new(Some(folder))?;
    match catalog.find(id) {
        Ok(known) if known.is_embedded() || !request.replace => Err(ImportError::Exists(id.to_owned())),
        _ => Ok(folder.join(id)),
    }
}

/// The network with the weights, and the prefix that all names had. Of several failures the one with the fewest
/// names that do not fit is told.
fn fitted(
    request: &Import<'_>,
    weights: &StateDict,
    device: &Device,
) -> Result<(AnyNetwork, &'static str), NetError> {
    let network = AnyNetwork::from_name(request.arch, request.config.clone(), device)?;
    let mut best: Option<(usize, NetError)> = None;
    for prefix in PREFIXES {
        let Some(plain) = weights.without_prefix(prefix) else { continue };
        let error = match network.clone().with_weights(&plain) {
            Ok(network) => return Ok((network, prefix)),
            Err(error) => error,
        };
        let faults = match &error {
            NetError::Checkpoint(CheckpointError::Mismatch { missing, unused, shapes }) => {
                missing.len() + unused.len() + shapes.len()
            }
            _ => 0,
        };
        if best.as_ref().is_none_or(|(fewest, _)| faults < *fewest) {
            best = Some((faults, error));
        }
    }
    Err(best.expect("the empty prefix was tried").1)
}

struct Tried {
    input: [usize; 5],
    output: [usize; 5],
    seconds: f64,
}

/// Runs the network once on noise: every answer must be a number.
fn try_out(network: &AnyNetwork, device: &Device) -> Result<Tried, ImportError> {
    let nonsense =
        |found: &str| ImportError::SelfTest { arch: network.arch().to_owned(), found: found.to_owned() };
    let input = network.example_shape().ok_or_else(|| nonsense("no input of a usual size"))?;
    let count = input.iter().product();
    let values: Vec<f32> =
        (0..count).map(|i: usize| (i.wrapping_mul(7919) % 1000) as f32 / 500.0 - 1.0).collect();
    let begun = std::time::Instant::now();
    let answer = network.forward(Tensor::from_data(TensorData::new(values, input), device))?;
    let output = answer.dims();
    let values = answer.into_data().try_to_vec::<f32>().map_err(|e| nonsense(&format!("{e:?}")))?;
    let seconds = begun.elapsed().as_secs_f64();
    if values.iter().all(|v| v.is_finite()) {
        Ok(Tried { input, output, seconds })
    } else {
        Err(nonsense("infinite values or no numbers"))
    }
}

/// Writes the model beside its place first, so that there is never half of one.
fn write(target: &Path, card: &Card, weights: &[u8]) -> Result<(), ImportError> {
    let parent = target.parent().unwrap_or(Path::new("."));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| ImportError::Write { cause, path }
    };
    std::fs::create_dir_all(parent).map_err(failed(parent))?;
    let draft = tempfile::Builder::new().prefix(".import-").tempdir_in(parent).map_err(failed(parent))?;
    let text = serde_json::to_string_pretty(card).expect("plain data with string keys");
    for (name, bytes) in [("card.json", text.as_bytes()), ("weights.safetensors", weights)] {
        let path = draft.path().join(name);
        let written = std::fs::write(&path, bytes).and_then(|()| std::fs::File::open(&path)?.sync_all());
        written.map_err(failed(&path))?;
    }
    if target.exists() {
        std::fs::remove_dir_all(target).map_err(failed(target))?;
    }
    std::fs::rename(draft.keep(), target).map_err(failed(target))
}

#[cfg(test)]
mod tests;
