//! Why a server did not do what it was asked for. Texts hold neither addresses with search terms nor anything that a
//! server sent back: both may name patients.

use std::io;
use std::path::{Path, PathBuf};

use hilum_core::io::{OpenError, SaveError};
use hilum_core::job::Cancelled;

/// Why something asked of a server failed.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The settings of a server cannot be used: which, and what to do.
    #[error("{0}")]
    Setup(String),
    /// The server wants a password or token that is not known.
    #[error("the server \"{0}\" wants a password or token, and none is known; enter it")]
    SecretMissing(String),
    /// The server refuses the user.
    #[error(
        "the server refused the login (HTTP {status}); check user name and password or token, and whether this user may do so"
    )]
    Refused {
        /// 401, 403 or 407.
        status: u16,
    },
    /// There is nothing by that name.
    #[error("the server does not know {what} (HTTP 404); check the address of its DICOMweb service")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Any other answer than success.
    #[error("asked for {what}, the server answered HTTP {status} ({meaning})")]
    Status {
        /// What was asked for.
        what: String,
        /// The code.
        status: u16,
        /// The code in words.
        meaning: String,
    },
    /// No connection.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server does not prove who it is.
    #[error(
        "no secure connection: {0}; if the certificate is from an authority of your own, name its file (PEM) in the settings of the server"
    )]
    Tls(String),
    /// Nothing came for a while.
    #[error("the server sent nothing for {0} s")]
    Stalled(u64),
    /// The connection ended in the middle.
    #[error("the connection broke off: {0}")]
    Broken(String),
    /// The answer exceeds a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The answer is not what the standard says.
    #[error("the answer of the server cannot be read: {0}")]
    Malformed(String),
    /// The server wants to send us elsewhere.
    #[error(
        "the server sends us on to {0}, which is not followed; if that is right, enter it as the address"
    )]
    Redirect(String),
    /// Some instances came, others did not; those that came are kept.
    #[error("{got} of {wanted} instances came and are kept; fetch again for the others ({why})")]
    Incomplete {
        /// Instances that are there.
        got: usize,
        /// Instances of the series.
        wanted: usize,
        /// Why the first of the others is not.
        why: String,
    },
    /// The server did not take instances.
    #[error("the server did not store {count} of {total} objects: {first}")]
    NotStored {
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
        /// The first of them and why.
        first: String,
    },
    /// What the server keeps is not what was sent.
    #[error("the server keeps another object than was sent ({what}); do not rely on it: {uid}")]
    ReadBack {
        /// The first difference.
        what: String,
        /// SOP Instance UID.
        uid: String,
    },
    /// There is no place for secrets.
    #[error("the key ring of the system cannot be used ({0})")]
    KeyRing(String),
    /// A file cannot be read or written.
    #[error("{cause}: {path}")]
    File {
        /// What the system said.
        cause: io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A DICOM file cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The watcher asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl WebError {
    /// A system error at a path.
    pub(crate) fn file(cause: io::Error, path: &Path) -> Self {
        Self::File { cause, path: path.to_owned() }
    }

    /// Whether asking again, for less, may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Stalled(_) | Self::Unreachable(_) | Self::Malformed(_))
            || matches!(self, Self::Status { status: 500.., .. })
    }
}

/// Errors of ours travel through readers and come out again.
impl From<io::Error> for WebError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Self::Broken("it took too long".into()),
            Err(error) => Self::Broken(error.kind().to_string()),
        }
    }
}

impl From<WebError> for io::Error {
    fn from(error: WebError) -> Self {
        Self::other(error)
    }
}

/// What is wrong with a file that has no name yet.
pub(crate) fn without_path(error: &OpenError) -> String {
    match error {
        OpenError::Io { cause, .. } => cause.to_string(),
        OpenError::UnknownFormat { found, .. } => format!("it is {found}"),
        OpenError::Invalid { what, .. }
        | OpenError::Unsupported { what, .. }
        | OpenError::TooLarge { what, .. }
        | OpenError::NotFound { what, .. } => what.clone(),
        OpenError::Cancelled(cancelled) => cancelled.to_string(),
    }
}
