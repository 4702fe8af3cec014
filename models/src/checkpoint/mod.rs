//! Weights on disk: named tensors ([`StateDict`]) and how they enter and leave a network ([`apply`],
//! [`collect`]) under the names of the reference's PyTorch checkpoints.

mod axes;
mod module_io;
mod pytorch;
mod spectral;
mod state_dict;

use std::path::PathBuf;

pub use axes::{FlattenedGrid, reverse_axes};
pub use module_io::{
    KeyRules, apply, collect, collect_for_reference, count_parameters, training_only, weight_shapes,
};
pub use spectral::fold as fold_spectral_norm;
pub use state_dict::{FloatFormat, FloatValues, StateDict, StoredTensor, read_weights};

/// Why a checkpoint cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("cannot {action} weights: {source}: {path}")]
    Io {
        /// 'read' or 'write'.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// Not a well-formed safetensors container.
    #[error("not a valid safetensors file: {message}")]
    Format {
        /// What is wrong with it.
        message: String,
    },
    /// A tensor of a type that cannot be a weight.
    #[error("tensor '{name}' has type {dtype}; weights must be f16, bf16, f32 or f64")]
    DataType {
        /// Name of the tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// Copies of one tensor under several names that differ.
    #[error("tensors '{first}' and '{second}' must be copies of each other but differ")]
    Alias {
        /// One name.
        first: String,
        /// The other name.
        second: String,
    },
    /// Names or shapes that do not fit the network.
    #[error("the weights do not fit the network:{}", summary(missing, unused, shapes))]
    Mismatch {
        /// Names the network needs and the checkpoint lacks.
        missing: Vec<String>,
        /// Names in the checkpoint that the network has no use for.
        unused: Vec<String>,
        /// Name, shape expected, shape found.
        shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// The device could not give a tensor back.
    #[error("cannot read tensor '{name}' from the device: {message}")]
    Device {
        /// Name of the tensor.
        name: String,
        /// What the device said.
        message: String,
    },
}

/// The first few of each kind; a wrong architecture would fill the screen otherwise.
fn summary(missing: &[String], unused: &[String], shapes: &[(String, Vec<usize>, Vec<usize>)]) -> String {
    let shapes: Vec<String> =
        shapes.iter().map(|(name, need, have)| format!("{name} needs {need:?}, has {have:?}")).collect();
    let mut text = String::new();
    for (title, names) in [("missing", missing), ("unused", unused), ("other shape", &shapes)] {
        if !names.is_empty() {
            let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 5 { ", …" } else { "" };
            text.push_str(&format!(" {} {title} ({shown}{more})", names.len()));
        }
    }
    text
}
