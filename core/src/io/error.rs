//! Why a file cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::geometry::GridError;
use crate::job::Cancelled;

/// Why a file could not be opened. The path stands last, so that a shortened text loses it first.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("cannot read the file ({cause}): {path}")]
    Io {
        /// What the system said.
        cause: io::Error,
        /// The file.
        path: PathBuf,
    },
    /// No reader knows the content.
    #[error(
        "{found} is not an image that Hilum reads (NIfTI, DICOM, NRRD, MetaImage, PNG, JPEG, TIFF, BMP): {path}"
    )]
    UnknownFormat {
        /// What the file looks like.
        found: String,
        /// The file.
        path: PathBuf,
    },
    /// The content contradicts itself or the standard.
    #[error("{what}: {path}")]
    Invalid {
        /// What is wrong, with the value, and what to do.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// The content is valid but nothing here can decode it.
    #[error("{what}: {path}")]
    Unsupported {
        /// What is not supported, with the value, and what to do.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A declared size exceeds the file or the limits.
    #[error("{what}: {path}")]
    TooLarge {
        /// Which size, and how much was allowed.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A folder without an image, or a series that is not there.
    #[error("{what}: {path}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// The watcher asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl OpenError {
    /// A system error at a path.
    pub fn io(cause: io::Error, path: &Path) -> Self {
        Self::Io { cause, path: path.to_owned() }
    }

    /// Content that contradicts itself.
    pub fn invalid(what: impl Into<String>, path: &Path) -> Self {
        Self::Invalid { what: what.into(), path: path.to_owned() }
    }

    /// Content that cannot be decoded.
    pub fn unsupported(what: impl Into<String>, path: &Path) -> Self {
        Self::Unsupported { what: what.into(), path: path.to_owned() }
    }

    /// A size beyond what the file or the limits allow.
    pub fn too_large(what: impl Into<String>, path: &Path) -> Self {
        Self::TooLarge { what: what.into(), path: path.to_owned() }
    }

    /// A grid that cannot exist.
    pub fn grid(cause: &GridError, path: &Path) -> Self {
        Self::invalid(cause.to_string(), path)
    }
}

/// Why a file could not be written. The target is untouched.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The operating system refused: full disk, read-only folder.
    #[error("cannot write the file ({cause}); nothing was changed: {path}")]
    Io {
        /// What the system said.
        cause: io::Error,
        /// The target.
        path: PathBuf,
    },
    /// The format cannot hold the data.
    #[error("{what}: {path}")]
    Unsupported {
        /// What does not fit, and what to do.
        what: String,
        /// The target.
        path: PathBuf,
    },
    /// What was read back differs from what was written.
    #[error("the file was written but reads back differently ({what}); do not use it: {path}")]
    ReadBack {
        /// The first difference.
        what: String,
        /// The target.
        path: PathBuf,
    },
}
