//! The files of a project.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::frame::{HEADER_BYTES, decode_records, decode_snapshot, file_header, push_frame};
use super::lock::WriteLock;
use super::{ImageReference, SCHEMA_VERSION, Saved, StoreError, StoreWarning};
use crate::document::{JournalRecord, Snapshot};
use crate::io::{SaveError, replace_file};

/// A journal shorter than this is not compacted.
const COMPACT_BYTES: u64 = 8 << 20;
/// Name of the file that makes a folder a project.
const MANIFEST: &str = "project.json";
/// Largest manifest that is read.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// Contents of `project.json`.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: String,
    schema: u32,
    image: ImageReference,
}

/// A project that this process may write. Dropping it lets go of the lock; everything appended is on disk.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    image: ImageReference,
    generation: u64,
    journal: File,
    /// Bytes of the journal that are complete records on disk.
    journal_bytes: u64,
    snapshot_bytes: u64,
    /// Whether a failed append may have left bytes behind the good ones.
    tail_is_dirty: bool,
    lock: WriteLock,
}

/// Which image a project belongs to, without opening it for writing.
///
/// # Errors
/// [`StoreError`] if the folder holds no project or one of the future.
pub fn peek(folder: &Path) -> Result<ImageReference, StoreError> {
    read_manifest(folder).map(|manifest| manifest.image)
}

/// Renames the folder of a project that cannot be opened, so that nothing of it is lost and its place is free;
/// returns where it is now.
///
/// # Errors
/// [`StoreError::Locked`] while somebody writes it, [`StoreError::Io`].
pub fn set_aside(folder: &Path) -> Result<PathBuf, StoreError> {
    drop(WriteLock::acquire(folder)?);
    let mut number = 1;
    loop {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(format!("-damaged-{number}"));
        let path = folder.with_file_name(name);
        if !path.exists() {
            std::fs::rename(folder, &path).map_err(StoreError::io("set aside", folder))?;
            return Ok(path);
        }
        number += 1;
    }
}

impl Store {
    /// Makes a project of a folder, which is created if need be. What a crash during an earlier creation left
    /// behind is replaced.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Locked`], [`StoreError::Io`].
    pub fn create(folder: &Path, image: ImageReference, snapshot: &Snapshot) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let lock = WriteLock::acquire(folder)?;
        let manifest_path = folder.join(MANIFEST);
        if manifest_path.exists() {
            return Err(StoreError::Exists { path: folder.to_owned() });
        }
        let snapshot_bytes = write_snapshot(folder, 0, snapshot)?;
        let journal = start_journal(folder, 0)?;
        let manifest =
            Manifest { format: "hilum project".to_owned(), schema: SCHEMA_VERSION, image: image.clone() };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| StoreError::Encode(e.to_string()))?;
        replace(&manifest_path, &text)?;
        Ok(Self {
            folder: folder.to_owned(),
            image,
            generation: 0,
            journal,
            journal_bytes: HEADER_BYTES as u64,
            snapshot_bytes,
            tail_is_dirty: false,
            lock,
        })
    }

    /// Opens a project for writing. What a crash left half-written is cut off, with a warning.
    ///
    /// # Errors
    /// [`StoreError`], saying what to do.
    pub fn open(folder: &Path) -> Result<(Self, Saved), StoreError> {
        let manifest = read_manifest(folder)?;
        let lock = WriteLock::acquire(folder)?;
        let mut found = read_newest(folder)?;
        if !lock.is_held {
            found.warnings.push(StoreWarning::NoLock);
        }
        let journal = match found.journal_bytes {
            0 => start_journal(folder, found.generation)?,
            _ => open_journal(folder, found.generation)?,
        };
        remove_generations_except(folder, found.generation);
        let store = Self {
            folder: folder.to_owned(),
            image: manifest.image.clone(),
            generation: found.generation,
            journal,
            journal_bytes: found.journal_bytes.max(HEADER_BYTES as u64),
            snapshot_bytes: found.snapshot_bytes,
            tail_is_dirty: true,
            lock,
        };
        let Found { snapshot, records, warnings, .. } = found;
        Ok((store, Saved { image: manifest.image, warnings, snapshot, records }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The image that the project belongs to.
    pub fn image(&self) -> &ImageReference {
        &self.image
    }

    /// Whether other writers are kept out; `false` where the file system knows no locks.
    pub fn is_locked(&self) -> bool {
        self.lock.is_held
    }

    /// Appends records; when this returns they are on disk. After an error none of them count, and the same call
    /// may be made again.
    ///
    /// # Errors
    /// [`StoreError::Io`], for example on a full disk.
    pub fn append(&mut self, records: &[JournalRecord]) -> Result<(), StoreError> {
        let mut frames = Vec::new();
        for record in records {
            push_frame(&mut frames, record)?;
        }
        if frames.is_empty() {
            return Ok(());
        }
        self.write_at_end(&frames).map_err(|cause| {
            self.tail_is_dirty = true;
            StoreError::io("write", &journal_path(&self.folder, self.generation))(cause)
        })
    }

    /// Whether the journal is so much longer than the state that reading it takes needless time.
    pub fn wants_compaction(&self) -> bool {
        self.journal_bytes > COMPACT_BYTES.max(2 * self.snapshot_bytes)
    }

    /// Replaces the journal by a snapshot of what it leads to; undo is kept. Reads the project's own files, so
    /// that it can run on the thread that writes; takes memory for one label map.
    ///
    /// # Errors
    /// [`StoreError`]; the project stays as it was.
    pub fn compact(&mut self) -> Result<(), StoreError> {
        let found = read_generation(&self.folder, self.generation)?;
        let saved = Saved {
            image: self.image.clone(),
            warnings: Vec::new(),
            snapshot: found.snapshot,
            records: found.records,
        };
        let (state, warnings) = saved.into_state()?;
        if let Some(StoreWarning::Replay { cause, .. }) = warnings.into_iter().next() {
            // A journal that does not replay is evidence: it must not be compacted away.
            return Err(cause.into());
        }
        let next = self.generation + 1;
        let journal = start_journal(&self.folder, next)?;
        // The snapshot makes the generation: until its rename nothing has changed, after it nothing can fail.
        self.snapshot_bytes = write_snapshot(&self.folder, next, &state.snapshot())?;
        self.generation = next;
        self.journal = journal;
        self.journal_bytes = HEADER_BYTES as u64;
        self.tail_is_dirty = false;
        remove_generations_except(&self.folder, next);
        Ok(())
    }

    fn write_at_end(&mut self, frames: &[u8]) -> std::io::Result<()> {
        if self.tail_is_dirty {
            self.journal.set_len(self.journal_bytes)?;
            self.tail_is_dirty = false;
        }
        self.journal.seek(SeekFrom::Start(self.journal_bytes))?;
        self.journal.write_all(frames)?;
        self.journal.sync_data()?;
        self.journal_bytes += frames.len() as u64;
        Ok(())
    }
}

/// One generation as found on disk.
struct Found {
    generation: u64,
    snapshot: Snapshot,
    snapshot_bytes: u64,
    records: Vec<JournalRecord>,
    /// Good bytes of the journal; 0 if there is none.
    journal_bytes: u64,
    warnings: Vec<StoreWarning>,
}

fn snapshot_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("snapshot-{generation}.bin"))
}

fn journal_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("journal-{generation}.bin"))
}

fn read_manifest(folder: &Path) -> Result<Manifest, StoreError> {
    let path = folder.join(MANIFEST);
    let metadata = match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::NotAProject { path: folder.to_owned() });
        }
        other => other.map_err(StoreError::io("read", &path))?,
    };
    if metadata.len() > MANIFEST_LIMIT {
        return Err(StoreError::damaged("project.json is far too long", &path));
    }
    let text = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
    let json: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|e| StoreError::damaged(format!("project.json: {e}"), &path))?;
    if let Some(found) = json["schema"].as_u64().filter(|found| *found > u64::from(SCHEMA_VERSION)) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION, path });
    }
    serde_json::from_value(json).map_err(|e| StoreError::damaged(format!("project.json: {e}"), &path))
}

/// Generations that have a snapshot, newest first.
fn generations(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let entries = std::fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
    let mut found: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("snapshot-")?.strip_suffix(".bin")?.parse().ok()
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The newest generation whose snapshot is sound.
fn read_newest(folder: &Path) -> Result<Found, StoreError> {
    let mut first_error = None;
    for generation in generations(folder)? {
        match read_generation(folder, generation) {
            Ok(mut found) => {
                if first_error.is_some() {
                    found.warnings.insert(0, StoreWarning::OlderSnapshot);
                }
                return Ok(found);
            }
            // Neither a newer format nor a disk that fails is a reason to go back in time.
            Err(error) if !matches!(error, StoreError::Damaged { .. }) => return Err(error),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| StoreError::damaged("it has no saved state", folder)))
}

fn read_generation(folder: &Path, generation: u64) -> Result<Found, StoreError> {
    let path = snapshot_path(folder, generation);
    let bytes = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
    let snapshot = decode_snapshot(&bytes, &path)?;
    let snapshot_bytes = bytes.len() as u64;
    let path = journal_path(folder, generation);
    let journal = match std::fs::read(&path) {
        // The program ended between writing the snapshot and starting its journal.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(StoreError::io("read", &path))?,
    };
    let (records, good) = decode_records(&journal, &path)?;
    let lost = (journal.len() - good) as u64;
    let warnings = if lost > 0 { vec![StoreWarning::JournalTail { bytes: lost }] } else { Vec::new() };
    Ok(Found { generation, snapshot, snapshot_bytes, records, journal_bytes: good as u64, warnings })
}

fn write_snapshot(folder: &Path, generation: u64, snapshot: &Snapshot) -> Result<u64, StoreError> {
    let mut bytes = file_header().to_vec();
    push_frame(&mut bytes, snapshot)?;
    replace(&snapshot_path(folder, generation), &bytes)?;
    Ok(bytes.len() as u64)
}

/// Writes an empty journal. Its name is on disk before a record is.
fn start_journal(folder: &Path, generation: u64) -> Result<File, StoreError> {
    replace(&journal_path(folder, generation), &file_header())?;
    open_journal(folder, generation)
}

fn open_journal(folder: &Path, generation: u64) -> Result<File, StoreError> {
    let path = journal_path(folder, generation);
    OpenOptions::new().read(true).write(true).open(&path).map_err(StoreError::io("open", &path))
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace_file(path, |out| out.write_all(bytes)).map_err(|error| match error {
        SaveError::Io { cause, path } => StoreError::Io { action: "write", cause, path },
        other => StoreError::Encode(other.to_string()),
    })
}

/// Removes what compaction has replaced. A file that cannot be removed does no harm.
fn remove_generations_except(folder: &Path, kept: u64) {
    for generation in generations(folder).unwrap_or_default() {
        if generation < kept {
            std::fs::remove_file(journal_path(folder, generation)).ok();
            std::fs::remove_file(snapshot_path(folder, generation)).ok();
        }
    }
}

#[cfg(test)]
mod tests;
