//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::StoreError;

/// How often a lock is tried, and how long between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Held while a process may write a project. The operating system lets go of it when the process ends, however
/// it ends, so that no stale lock stays behind.
#[derive(Debug)]
pub(super) struct WriteLock {
    _file: File,
    /// Whether the file system knows locks at all.
    pub(super) is_held: bool,
}

impl WriteLock {
    /// Locks a project's folder.
    pub(super) fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("lock", &path))?;
        let is_held = match try_for_a_moment(&file) {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Where a locked file cannot be read, the message goes without the number.
                file.read_to_string(&mut text).ok();
                return Err(StoreError::Locked { pid: text.trim().parse().ok(), path: folder.to_owned() });
            }
            Err(TryLockError::Error(cause)) if cause.kind() == std::io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(cause)) => return Err(StoreError::io("lock", &path)(cause)),
        };
        // The number only makes a message clearer: a full disk must not keep a project shut.
        let written = file.set_len(0).and_then(|()| file.rewind());
        written.and_then(|()| write!(file, "{}", std::process::id())).ok();
        Ok(Self { _file: file, is_held })
    }
}

/// Tries more than once: a process that is just being started holds copies of all open files, this lock among
/// them, until it runs its program.
fn try_for_a_moment(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}
