//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::files::Files;
use crate::calendar::Moment;

/// How often a lock is tried, and how long between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// Longest text of a lock that is read.
const TEXT_LIMIT: u64 = 4096;
/// `ENOLCK`: a network folder whose server hands out no locks.
const NO_LOCKS: i32 = 37;

/// Who writes a project, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Number of the process.
    pub process: u32,
    /// Name of the computer; empty where it has none.
    pub host: String,
    /// Name of the person's account; empty where it has none.
    pub user: String,
    /// Seconds since 1970.
    pub since_unix_secs: u64,
}

impl Owner {
    pub(crate) fn myself() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            process: std::process::id(),
            host: host(),
            user: first_variable(&["USER", "USERNAME", "LOGNAME"]),
            since_unix_secs: now.as_secs(),
        }
    }

    fn read(file: &File) -> Option<Self> {
        let mut text = String::new();
        // Where a locked file cannot be read (Windows), the message goes without the name.
        file.take(TEXT_LIMIT).read_to_string(&mut text).ok();
        // Schema 1 wrote the number of the process alone.
        let of_process = |process| Self { process, host: host(), user: String::new(), since_unix_secs: 0 };
        serde_json::from_str(&text).ok().or_else(|| text.trim().parse().ok().map(of_process))
    }

    /// Whether this process may still be running; one of another computer may.
    fn may_be_running(&self) -> bool {
        if self.host != host() {
            return true;
        }
        // Where running processes are not listed as files, the answer is "perhaps".
        let list = Path::new("/proc/self");
        !list.exists() || Path::new(&format!("/proc/{}", self.process)).exists()
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.user.is_empty() {
            write!(f, "{}, ", self.user)?;
        }
        write!(f, "process {}", self.process)?;
        if !self.host.is_empty() {
            write!(f, " on {}", self.host)?;
        }
        if self.since_unix_secs > 0 {
            write!(f, ", since {}", Moment::from_unix_secs(self.since_unix_secs))?;
        }
        Ok(())
    }
}

fn first_variable(names: &[&str]) -> String {
    names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}

fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    told.map_or_else(|| first_variable(&["COMPUTERNAME", "HOSTNAME"]), |name| name.trim().to_owned())
}

/// Held while a process may write a project. The operating system lets go of it when the process ends, however
/// it ends, so that no stale lock stays behind. Where a file system knows no locks, the name in the file stands
/// for one; it counts as stale once its process on this computer has ended.
#[derive(Debug)]
pub(crate) struct WriteLock {
    file: File,
    /// Whether the file system knows locks at all.
    pub(crate) is_held: bool,
}

impl WriteLock {
    /// Locks a project's folder.
    pub(crate) fn acquire(files: &dyn Files, folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(StoreError::io("lock", &path))?;
        let locked = |owner| StoreError::Locked { owner, path: folder.to_owned() };
        let is_held = match try_for_a_moment(files, &file) {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(locked(Owner::read(&file))),
            Err(TryLockError::Error(cause)) if knows_no_locks(&cause) => {
                let owner = Owner::read(&file);
                if let Some(owner) = owner.filter(|owner| owner.may_be_running()) {
                    return Err(locked(Some(owner)));
                }
                false
            }
            Err(TryLockError::Error(cause)) => return Err(StoreError::io("lock", &path)(cause)),
        };
        // The name only makes a message clearer: a full disk must not keep a project shut.
        let written = file.set_len(0).and_then(|()| file.rewind());
        let text = serde_json::to_string(&Owner::myself()).unwrap_or_default();
        written.and_then(|()| file.write_all(text.as_bytes())).ok();
        Ok(Self { file, is_held })
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        // Nobody writes any more; a name that stays after a crash is recognised as stale.
        self.file.set_len(0).ok();
    }
}

fn knows_no_locks(cause: &std::io::Error) -> bool {
    cause.kind() == std::io::ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && cause.raw_os_error() == Some(NO_LOCKS))
}

/// Tries more than once: a process that is just being started holds copies of all open files, this lock among
/// them, until it runs its program.
fn try_for_a_moment(files: &dyn Files, file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match files.try_lock(file) {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    files.try_lock(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_named_with_everything_known() {
        let owner = Owner { process: 7, host: "ward3".into(), user: "eva".into(), since_unix_secs: 60 };
        assert_eq!(owner.to_string(), "eva, process 7 on ward3, since 1970-01-01 00:01 UTC");
        let bare = Owner { process: 7, host: String::new(), user: String::new(), since_unix_secs: 0 };
        assert_eq!(bare.to_string(), "process 7");
        assert!(Owner::myself().may_be_running());
    }
}
