//! Generations of a project: a snapshot each, and the journal that continues it.
//!
//! The journal of one generation leads exactly to the snapshot of the next, and two generations are kept: a snapshot
//! that cannot be read is replaced by the one before it and both journals.

use std::path::{Path, PathBuf};

use super::files::Files;
use super::frame::{self, StoredState};
use super::{ImageReference, SCHEMA_VERSION, StoreError, StoreWarning};
use crate::document::{JournalRecord, Snapshot};

/// A project's state as found on disk.
pub(super) struct Found {
    /// Newest generation of which there is a file.
    pub(super) generation: u64,
    /// The state to start from.
    pub(super) snapshot: Snapshot,
    /// The image as the snapshot names it.
    pub(super) image: Option<ImageReference>,
    /// Bytes of the snapshot's file.
    pub(super) snapshot_bytes: u64,
    /// Everything that happened since.
    pub(super) records: Vec<JournalRecord>,
    /// Good bytes of the newest journal; 0 if there is none.
    pub(super) journal_bytes: u64,
    /// Oldest schema of the files.
    pub(super) schema: u32,
    /// What was mended.
    pub(super) warnings: Vec<StoreWarning>,
    /// The state was put together from an older generation: a new one must be written before changes are appended.
    pub(super) is_pieced_together: bool,
}

pub(super) fn snapshot_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("snapshot-{generation}.bin"))
}

pub(super) fn journal_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("journal-{generation}.bin"))
}

/// Numbers of all generations of which there is a file, newest first.
pub(super) fn list(files: &dyn Files, folder: &Path) -> Result<Vec<u64>, StoreError> {
    let names = files.names(folder).map_err(StoreError::io("read", folder))?;
    let number = |name: &String| {
        let rest = name.strip_prefix("snapshot-").or_else(|| name.strip_prefix("journal-"))?;
        rest.strip_suffix(".bin")?.parse::<u64>().ok().filter(|number| *number < u64::MAX / 2)
    };
    let mut found: Vec<u64> = names.iter().filter_map(number).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    Ok(found)
}

/// Whether there is any snapshot, sound or not.
pub(super) fn has_snapshot(files: &dyn Files, folder: &Path) -> Result<bool, StoreError> {
    let names = files.names(folder).map_err(StoreError::io("read", folder))?;
    Ok(names.iter().any(|name| name.starts_with("snapshot-") && name.ends_with(".bin")))
}

/// The newest state that can be put together.
pub(super) fn read_newest(files: &dyn Files, folder: &Path) -> Result<Found, StoreError> {
    let generations = list(files, folder)?;
    let newest = *generations.first().ok_or_else(|| StoreError::damaged("it has no saved state", folder))?;
    let mut first_error = None;
    for generation in &generations {
        match read_snapshot(files, folder, *generation) {
            Ok((stored, bytes)) => {
                let later: Vec<u64> = generations.iter().copied().filter(|g| g >= generation).rev().collect();
                let mut found = read_journals(files, folder, &later, stored, bytes)?;
                found.generation = newest;
                // A journal without snapshot and without records is a compaction that was cut off: no damage.
                let is_missing = matches!(first_error, Some(StoreError::Io { .. }));
                let is_only_begun = is_missing && found.journal_bytes <= frame::HEADER_BYTES as u64;
                if found.is_pieced_together && !is_only_begun {
                    found.warnings.insert(0, StoreWarning::OlderSnapshot);
                }
                return Ok(found);
            }
            // Neither a newer format nor a disk that fails is a reason to go back in time.
            Err(error) if is_loss(&error) => first_error = first_error.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first_error.unwrap_or_else(|| StoreError::damaged("it has no saved state", folder)))
}

fn is_loss(error: &StoreError) -> bool {
    match error {
        StoreError::Damaged { .. } => true,
        StoreError::Io { cause, .. } => cause.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// One generation alone.
pub(super) fn read_one(files: &dyn Files, folder: &Path, generation: u64) -> Result<Found, StoreError> {
    let (stored, bytes) = read_snapshot(files, folder, generation)?;
    read_journals(files, folder, &[generation], stored, bytes)
}

fn read_snapshot(
    files: &dyn Files,
    folder: &Path,
    generation: u64,
) -> Result<(StoredState, u64), StoreError> {
    let path = snapshot_path(folder, generation);
    let bytes = files.read(&path).map_err(StoreError::io("read", &path))?;
    Ok((frame::decode_snapshot(&bytes, &path)?, bytes.len() as u64))
}

/// The journals from a snapshot on, oldest first.
fn read_journals(
    files: &dyn Files,
    folder: &Path,
    generations: &[u64],
    stored: StoredState,
    snapshot_bytes: u64,
) -> Result<Found, StoreError> {
    let StoredState { image, snapshot, schema } = stored;
    let mut found = Found {
        generation: generations.last().copied().unwrap_or_default(),
        snapshot,
        image,
        snapshot_bytes,
        records: Vec::new(),
        journal_bytes: 0,
        schema,
        warnings: Vec::new(),
        is_pieced_together: generations.len() > 1,
    };
    for generation in generations {
        let path = journal_path(folder, *generation);
        let bytes = match files.read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                found.warnings.push(StoreWarning::NoJournal);
                found.journal_bytes = 0;
                continue;
            }
            other => other.map_err(StoreError::io("read", &path))?,
        };
        let journal = frame::decode_records(&bytes, &path)?;
        found.records.extend(journal.records);
        found.journal_bytes = journal.good_bytes as u64;
        found.schema = found.schema.min(journal.schema);
        let lost = (bytes.len() - journal.good_bytes) as u64;
        if lost > 0 {
            found.warnings.push(StoreWarning::JournalTail { bytes: lost });
        }
    }
    Ok(found)
}

/// Writes a generation with an empty journal; returns the bytes of its snapshot. The journal comes first and the
/// snapshot makes the generation: until its rename nothing has changed, after it nothing can fail.
pub(super) fn write(
    files: &dyn Files,
    folder: &Path,
    generation: u64,
    image: &ImageReference,
    snapshot: &Snapshot,
) -> Result<u64, StoreError> {
    let path = journal_path(folder, generation);
    files.replace(&path, &frame::file_header()).map_err(StoreError::io("write", &path))?;
    let bytes = frame::encode_snapshot(image, snapshot)?;
    let path = snapshot_path(folder, generation);
    files.replace(&path, &bytes).map_err(StoreError::io("write", &path))?;
    Ok(bytes.len() as u64)
}

/// Removes what is older than a generation. A file that cannot be removed does no harm.
pub(super) fn remove_before(files: &dyn Files, folder: &Path, kept: u64) {
    for generation in list(files, folder).unwrap_or_default() {
        if generation < kept {
            files.remove(&snapshot_path(folder, generation)).ok();
            files.remove(&journal_path(folder, generation)).ok();
        }
    }
}

/// Whether a file's schema is older than what is written today.
pub(super) fn is_old(schema: u32) -> bool {
    schema < SCHEMA_VERSION
}
