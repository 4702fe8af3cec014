//! What can go wrong with a project, and what went wrong but was mended.

use std::io;
use std::path::{Path, PathBuf};

use super::Owner;
use crate::document::{EditError, StateError};

/// Why a project cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused; what was already written stays valid, and appending may be tried again.
    #[error("cannot {action} the project: {cause}; {}: {}", remedy(.cause), .path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The refusal.
        cause: io::Error,
        /// The file.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error(
        "the project is open in another window{}; close it there first, or remove its file \"lock\" if that program \
         is certainly gone: {}",
        .owner.as_ref().map_or_else(String::new, |owner| format!(" ({owner})")),
        .path.display()
    )]
    Locked {
        /// Who writes it and since when, where it can be found out.
        owner: Option<Owner>,
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no project.
    #[error("this folder holds no Hilum project (no project.json): {}", .path.display())]
    NotAProject {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no worklist.
    #[error("this folder holds no worklist (no worklist.json): {}", .path.display())]
    NotAWorklist {
        /// The folder.
        path: PathBuf,
    },
    /// The folder already holds a project.
    #[error("this folder already holds a project; open it, or choose another folder: {}", .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "the project has format version {found}, this program knows up to {known}; update Hilum: {}",
        .path.display()
    )]
    NewerSchema {
        /// Version of the project.
        found: u32,
        /// Newest version known here.
        known: u32,
        /// The file.
        path: PathBuf,
    },
    /// A file is not what it should be, and nothing else can take its place.
    #[error("the project is damaged ({what}); restore the folder from a backup: {}", .path.display())]
    Damaged {
        /// What is wrong.
        what: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// The stored state does not fit together.
    #[error("the project is damaged: {0}; restore the folder from a backup")]
    State(#[from] StateError),
    /// The labels do not belong to this image.
    #[error("the project was made for another image: {0}")]
    Image(#[from] EditError),
    /// A record cannot be encoded, for example a path that is not Unicode.
    #[error("cannot encode the project: {0}")]
    Encode(String),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, cause, path: path.to_owned() }
    }

    pub(crate) fn damaged(what: impl Into<String>, path: &Path) -> Self {
        Self::Damaged { what: what.into(), path: path.to_owned() }
    }

    /// Whether the project itself is at fault, and will not open another time either.
    pub fn is_beyond_repair(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::State(_) | Self::Image(_))
    }

    /// Whether trying again later may succeed: a full disk, a network folder that went away.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, saving is tried again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder you may write to"
        }
        io::ErrorKind::NotFound => "check that the folder still exists",
        _ => "check the disk or the network folder",
    }
}

/// Something about a project that a person should know, though it was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreWarning {
    /// The program ended while writing; the rest of the journal cannot be read.
    #[error("the last {bytes} bytes of the journal were incomplete or damaged and were left out")]
    JournalTail {
        /// Bytes left out.
        bytes: u64,
    },
    /// The newest snapshot is unreadable; an older one was taken.
    #[error("the newest saved state is damaged; an older one with its journal was opened")]
    OlderSnapshot,
    /// The journal is gone; the state is the one before it.
    #[error("a journal is missing; the changes that were in it are lost")]
    NoJournal,
    /// `project.json` is gone or damaged; it was made again.
    #[error("project.json was missing or damaged and was made again from the saved state")]
    Manifest,
    /// The project was written by an older program and is now of the present format.
    #[error("the project had format version {from} and was brought to version {to}")]
    Migrated {
        /// Version found.
        from: u32,
        /// Version now.
        to: u32,
    },
    /// A record does not fit the state before it.
    #[error("{records} changes at the end of the journal do not fit and were left out: {cause}")]
    Replay {
        /// Records left out.
        records: usize,
        /// Why the first did not fit.
        cause: StateError,
    },
    /// The newest file of a worklist is unreadable; the one before was taken.
    #[error("the worklist's file is damaged; the state before its last change was opened")]
    OlderWorklist,
    /// The file system has no locks.
    #[error("this folder cannot be locked; make sure that the project is open only once")]
    NoLock,
}
