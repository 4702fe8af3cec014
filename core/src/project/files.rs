//! What a store asks of the file system, so that tests can let it fail.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::io::{SaveError, replace_file};

/// The file operations of a project. Paths are given anew each time, so that a network folder that went away and
/// came back is used again.
pub(crate) trait Files: Debug + Send {
    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names in a folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Replaces a file or leaves it as it is; the new one is on disk afterwards, with its name.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file at `at` bytes and appends; everything is on disk afterwards. A failure may leave bytes behind `at`.
    fn write_at(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Locks a file against other processes.
    fn try_lock(&self, file: &File) -> Result<(), TryLockError>;
}

/// The file system itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(folder)?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        replace_file(path, |out| out.write_all(bytes)).map_err(|error| match error {
            SaveError::Io { cause, .. } => cause,
            other => io::Error::other(other.to_string()),
        })
    }

    fn write_at(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        if length < at {
            let text =
                "the journal is shorter than what was written to it; the folder was replaced by another";
            return Err(io::Error::other(text));
        }
        if length > at {
            file.set_len(at)?;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn try_lock(&self, file: &File) -> Result<(), TryLockError> {
        file.try_lock()
    }
}
