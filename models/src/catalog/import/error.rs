//! Why weights cannot be imported.

use std::path::PathBuf;

use crate::catalog::CatalogError;
use crate::checkpoint::CheckpointError;
use crate::nets::NetError;

/// Why weights cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The identity cannot be a folder's name.
    #[error("\"{0}\" cannot be the identity of a model; use letters, digits, '-', '_' and '.'")]
    Identity(String),
    /// There is one already.
    #[error("there is a model \"{0}\" already; choose another identity (or --replace, for one of yours)")]
    Exists(String),
    /// The file cannot be read.
    #[error("{source}: {}", .path.display())]
    Weights {
        /// What is wrong with it.
        source: CheckpointError,
        /// The file.
        path: PathBuf,
    },
    /// The network cannot be made, or the weights do not fit it.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The network answers nonsense.
    #[error(
        "with these weights the network '{arch}' answers {found} on a test input; the file may be damaged"
    )]
    SelfTest {
        /// The network.
        arch: String,
        /// What it answered.
        found: String,
    },
    /// The model cannot be written.
    #[error("cannot write the model ({cause}): {}", .path.display())]
    Write {
        /// What the system said.
        cause: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// The user's models cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
