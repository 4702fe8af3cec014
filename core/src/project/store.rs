//! The files of a project.

use std::path::{Path, PathBuf};

use super::files::{Disk, Files};
use super::frame::{self, HEADER_BYTES};
use super::generation::{self, Found};
use super::lock::WriteLock;
use super::manifest::{self, Manifest};
use super::{ImageReference, SCHEMA_VERSION, Saved, StoreError, StoreWarning};
use crate::document::{JournalRecord, Snapshot};
use crate::label::LabelMap;
use crate::provenance::{Action, Chain};

/// A journal shorter than this is not compacted.
const COMPACT_BYTES: u64 = 8 << 20;
/// Name of the file of the view.
const VIEW: &str = "view.json";
/// Longest view that is read.
const VIEW_LIMIT: usize = 1 << 20;

/// A project that this process may write. Dropping it lets go of the lock; everything appended is on disk.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    image: ImageReference,
    generation: u64,
    /// Bytes of the journal that are complete records on disk.
    journal_bytes: u64,
    snapshot_bytes: u64,
    compact_bytes: u64,
    files: Box<dyn Files>,
    chain: Chain,
    lock: WriteLock,
}

/// Whether a folder holds a project.
pub fn is_project(folder: &Path) -> bool {
    folder.join(manifest::MANIFEST).is_file() || generation::has_snapshot(&Disk, folder).is_ok_and(|has| has)
}

/// Which image a project belongs to, without opening it for writing.
///
/// # Errors
/// [`StoreError`] if the folder holds no project or one of the future.
pub fn peek(folder: &Path) -> Result<ImageReference, StoreError> {
    match Manifest::read(&Disk, folder)? {
        manifest::Found::Sound(manifest) => Ok(manifest.image),
        manifest::Found::Damaged(error) => image_of_snapshot(folder).ok_or(error),
        manifest::Found::None => {
            image_of_snapshot(folder).ok_or_else(|| StoreError::NotAProject { path: folder.to_owned() })
        }
    }
}

/// What a project holds now, without opening it for writing: another window may go on with it. What a crash left
/// half-written is left out and stays.
///
/// # Errors
/// [`StoreError`], saying what to do.
pub fn read(folder: &Path) -> Result<Saved, StoreError> {
    let image = peek(folder)?;
    let Found { snapshot, records, warnings, .. } = generation::read_newest(&Disk, folder)?;
    Ok(Saved { image, warnings, view: None, snapshot, records })
}

fn image_of_snapshot(folder: &Path) -> Option<ImageReference> {
    generation::read_newest(&Disk, folder).ok()?.image
}

/// Renames the folder of a project that cannot be opened, so that nothing of it is lost and its place is free;
/// returns where it is now.
///
/// # Errors
/// [`StoreError::Locked`] while somebody writes it, [`StoreError::Io`].
pub fn set_aside(folder: &Path) -> Result<PathBuf, StoreError> {
    drop(WriteLock::acquire(&Disk, folder)?);
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
    /// Makes a project of a folder, which is created if need be.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Locked`], [`StoreError::Io`].
    pub fn create(folder: &Path, image: ImageReference, snapshot: &Snapshot) -> Result<Self, StoreError> {
        Self::create_on(Box::new(Disk), folder, image, snapshot)
    }

    fn create_on(
        files: Box<dyn Files>,
        folder: &Path,
        image: ImageReference,
        snapshot: &Snapshot,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let lock = WriteLock::acquire(&*files, folder)?;
        let is_free = matches!(Manifest::read(&*files, folder)?, manifest::Found::None);
        // What a crash during an earlier creation left behind has no step in it and is replaced.
        if !is_free || holds_steps(&*files, folder)? {
            return Err(StoreError::Exists { path: folder.to_owned() });
        }
        generation::write(&*files, folder, 0, &image, snapshot)?;
        // Twice, so that no single file is needed.
        let snapshot_bytes = generation::write(&*files, folder, 1, &image, snapshot)?;
        Manifest::new(image.clone()).write(&*files, folder)?;
        let chain = Chain::open(&*files, folder, &image.voxels_sha256);
        Ok(Self {
            folder: folder.to_owned(),
            image,
            generation: 1,
            journal_bytes: HEADER_BYTES as u64,
            snapshot_bytes,
            compact_bytes: COMPACT_BYTES,
            files,
            chain,
            lock,
        })
    }

    /// Opens a project for writing. What a crash left half-written is cut off, what is damaged is put together from
    /// the rest, and the format of an older program is brought up to date, each with a warning.
    ///
    /// # Errors
    /// [`StoreError`], saying what to do.
    pub fn open(folder: &Path) -> Result<(Self, Saved), StoreError> {
        Self::open_on(Box::new(Disk), folder)
    }

    fn open_on(files: Box<dyn Files>, folder: &Path) -> Result<(Self, Saved), StoreError> {
        let manifest = Manifest::read(&*files, folder)?;
        // A creation that was cut off before its first snapshot has left nothing of anyone's.
        if matches!(manifest, manifest::Found::None) && !generation::has_snapshot(&*files, folder)? {
            return Err(StoreError::NotAProject { path: folder.to_owned() });
        }
        let lock = WriteLock::acquire(&*files, folder)?;
        let mut found = generation::read_newest(&*files, folder)?;
        if !lock.is_held {
            found.warnings.push(StoreWarning::NoLock);
        }
        let (image, schema) = match manifest {
            manifest::Found::Sound(manifest) => (manifest.image, manifest.schema),
            other => {
                let image = found.image.take().ok_or(match other {
                    manifest::Found::Damaged(error) => error,
                    _ => StoreError::NotAProject { path: folder.to_owned() },
                })?;
                found.warnings.push(StoreWarning::Manifest);
                Manifest::new(image.clone()).write(&*files, folder)?;
                (image, SCHEMA_VERSION)
            }
        };
        let store = Self {
            folder: folder.to_owned(),
            image: image.clone(),
            generation: found.generation,
            journal_bytes: found.journal_bytes,
            snapshot_bytes: found.snapshot_bytes,
            compact_bytes: COMPACT_BYTES,
            chain: Chain::open(&*files, folder, &image.voxels_sha256),
            files,
            lock,
        };
        store.take_over(found, schema)
    }

    /// Makes the files such that records can be appended.
    fn take_over(mut self, mut found: Found, schema: u32) -> Result<(Self, Saved), StoreError> {
        let oldest = schema.min(found.schema);
        let image = self.image.clone();
        let view = self.read_view();
        if generation::is_old(oldest) {
            found.warnings.push(StoreWarning::Migrated { from: oldest, to: SCHEMA_VERSION });
        } else if !found.is_pieced_together {
            if found.journal_bytes == 0 {
                self.start_journal()?;
            }
            let Found { snapshot, records, warnings, .. } = found;
            return Ok((self, Saved { image, warnings, view, snapshot, records }));
        }
        let Found { snapshot, records, mut warnings, generation, .. } = found;
        let saved = Saved { image: image.clone(), warnings: Vec::new(), view: None, snapshot, records };
        let (state, more) = saved.into_state()?;
        warnings.extend(more);
        let snapshot = state.snapshot();
        for next in [generation + 1, generation + 2] {
            self.snapshot_bytes = generation::write(&*self.files, &self.folder, next, &image, &snapshot)?;
        }
        if generation::is_old(schema) {
            Manifest::new(image.clone()).write(&*self.files, &self.folder)?;
        }
        self.generation = generation + 2;
        self.journal_bytes = HEADER_BYTES as u64;
        generation::remove_before(&*self.files, &self.folder, generation + 1);
        Ok((self, Saved { image, warnings, view, snapshot, records: Vec::new() }))
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

    /// Names the person who works from now on, for the record of provenance; the account of the computer without a name.
    pub fn set_user(&mut self, name: &str) {
        self.chain.set_user(name);
    }

    /// Remembers where the image lies now.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the project stays as it was.
    pub fn relocate(&mut self, image: ImageReference) -> Result<(), StoreError> {
        Manifest::new(image.clone()).write(&*self.files, &self.folder)?;
        self.image = image;
        Ok(())
    }

    /// Keeps what is looked at. It belongs to no step; a loss of it loses no work.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save_view(&self, view: &serde_json::Value) -> Result<(), StoreError> {
        let path = self.folder.join(VIEW);
        self.files.replace(&path, view.to_string().as_bytes()).map_err(StoreError::io("write", &path))
    }

    fn read_view(&self) -> Option<serde_json::Value> {
        let bytes = self.files.read(&self.folder.join(VIEW)).ok()?;
        if bytes.len() > VIEW_LIMIT { None } else { serde_json::from_slice(&bytes).ok() }
    }

    /// Appends records; when this returns they are on disk. After an error none of them count, and the same call
    /// may be made again.
    ///
    /// # Errors
    /// [`StoreError::Io`], for example on a full disk.
    pub fn append(&mut self, records: &[JournalRecord]) -> Result<(), StoreError> {
        let mut frames = Vec::new();
        for record in records {
            frame::push_frame(&mut frames, record)?;
        }
        if frames.is_empty() {
            return Ok(());
        }
        let path = generation::journal_path(&self.folder, self.generation);
        let written = self.files.write_at(&path, self.journal_bytes, &frames);
        written.map_err(StoreError::io("write", &path))?;
        self.journal_bytes += frames.len() as u64;
        self.chain.append(&*self.files, records);
        Ok(())
    }

    /// Keeps in the record of provenance what the labels are now, and why somebody looked.
    pub fn attest(&mut self, why: &str, labels: &LabelMap) {
        let action = Action::Attested { why: why.to_owned(), labels_sha256: labels.sha256() };
        self.chain.add(&*self.files, action);
    }

    /// Whether the journal is so much longer than the state that reading it takes needless time.
    pub fn wants_compaction(&self) -> bool {
        self.journal_bytes > self.compact_bytes.max(2 * self.snapshot_bytes)
    }

    /// Lets a journal be compacted beyond so many bytes instead of 8 MiB.
    pub fn compact_beyond(&mut self, bytes: u64) {
        self.compact_bytes = bytes;
    }

    /// Starts a generation with a snapshot of what the journal leads to; undo is kept, and so is the generation before,
    /// in case a file of this one is damaged. Reads the project's own files, so that it can run on the thread that
    /// writes; takes memory for one label map.
    ///
    /// # Errors
    /// [`StoreError`]; the project stays as it was.
    pub fn compact(&mut self) -> Result<(), StoreError> {
        let found = generation::read_one(&*self.files, &self.folder, self.generation)?;
        let (image, view) = (self.image.clone(), None);
        let Found { snapshot, records, .. } = found;
        let saved = Saved { image, warnings: Vec::new(), view, snapshot, records };
        let (state, warnings) = saved.into_state()?;
        if let Some(StoreWarning::Replay { cause, .. }) = warnings.into_iter().next() {
            // A journal that does not replay is evidence: it must not be compacted away.
            return Err(cause.into());
        }
        let next = self.generation + 1;
        let snapshot = state.snapshot();
        self.snapshot_bytes = generation::write(&*self.files, &self.folder, next, &self.image, &snapshot)?;
        generation::remove_before(&*self.files, &self.folder, self.generation);
        self.generation = next;
        self.journal_bytes = HEADER_BYTES as u64;
        Ok(())
    }

    fn start_journal(&mut self) -> Result<(), StoreError> {
        let path = generation::journal_path(&self.folder, self.generation);
        self.files.replace(&path, &frame::file_header()).map_err(StoreError::io("write", &path))?;
        self.journal_bytes = HEADER_BYTES as u64;
        Ok(())
    }
}

/// Whether a folder without manifest holds work all the same.
fn holds_steps(files: &dyn Files, folder: &Path) -> Result<bool, StoreError> {
    if !generation::has_snapshot(files, folder)? {
        return Ok(false);
    }
    let newest = generation::read_newest(files, folder)?;
    Ok(!newest.records.is_empty() || newest.generation > 1)
}

#[cfg(test)]
mod tests;
