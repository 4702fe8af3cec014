//! The file of a worklist.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::list::Worklist;
use crate::project::files::{Disk, Files};
use crate::project::lock::WriteLock;
use crate::project::{StoreError, StoreWarning, sealed};

/// Version of the file that this program writes.
pub const WORKLIST_SCHEMA: u32 = 1;
/// Name of the file.
const FILE: &str = "worklist.json";
/// The state before the last change.
const PREVIOUS: &str = "worklist.previous.json";
/// Longest file that is read: a hundred thousand cases with comments.
const LIMIT_BYTES: u64 = 256 << 20;
/// What the file says that it is.
const FORMAT: &str = "hilum worklist";

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    schema: u32,
    worklist: &'a Worklist,
}

#[derive(Deserialize)]
struct Read {
    worklist: Worklist,
}

/// A worklist that this process may write. Dropping it lets go of the lock.
#[derive(Debug)]
pub struct WorklistStore {
    folder: PathBuf,
    files: Box<dyn Files>,
    _lock: WriteLock,
}

/// Whether a folder holds a worklist.
pub fn is_worklist(folder: &Path) -> bool {
    folder.join(FILE).is_file() || folder.join(PREVIOUS).is_file()
}

impl WorklistStore {
    /// Makes a worklist of a folder, which is created if need be.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Locked`], [`StoreError::Io`].
    pub fn create(folder: &Path, worklist: &Worklist) -> Result<Self, StoreError> {
        Self::create_on(Box::new(Disk), folder, worklist)
    }

    fn create_on(files: Box<dyn Files>, folder: &Path, worklist: &Worklist) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let lock = WriteLock::acquire(&*files, folder)?;
        if is_worklist(folder) {
            return Err(StoreError::Exists { path: folder.to_owned() });
        }
        let store = Self { folder: folder.to_owned(), files, _lock: lock };
        store.save(worklist)?;
        Ok(store)
    }

    /// Opens a worklist for writing. If its file is damaged, the state before the last change is taken, with a warning.
    ///
    /// # Errors
    /// [`StoreError`], saying what to do.
    pub fn open(folder: &Path) -> Result<(Self, Worklist, Vec<StoreWarning>), StoreError> {
        Self::open_on(Box::new(Disk), folder)
    }

    fn open_on(
        files: Box<dyn Files>,
        folder: &Path,
    ) -> Result<(Self, Worklist, Vec<StoreWarning>), StoreError> {
        if !is_worklist(folder) {
            return Err(StoreError::NotAWorklist { path: folder.to_owned() });
        }
        let lock = WriteLock::acquire(&*files, folder)?;
        let mut warnings = Vec::new();
        if !lock.is_held {
            warnings.push(StoreWarning::NoLock);
        }
        let worklist = match read(&*files, &folder.join(FILE)) {
            Ok(worklist) => worklist,
            Err(error @ StoreError::NewerSchema { .. }) => return Err(error),
            Err(error) => match read(&*files, &folder.join(PREVIOUS)) {
                Ok(worklist) => {
                    warnings.push(StoreWarning::OlderWorklist);
                    worklist
                }
                Err(_) => return Err(error),
            },
        };
        Ok((Self { folder: folder.to_owned(), files, _lock: lock }, worklist, warnings))
    }

    /// What a worklist holds now, without opening it for writing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peek(folder: &Path) -> Result<Worklist, StoreError> {
        if !is_worklist(folder) {
            return Err(StoreError::NotAWorklist { path: folder.to_owned() });
        }
        read(&Disk, &folder.join(FILE))
            .or_else(|error| read(&Disk, &folder.join(PREVIOUS)).map_err(|_| error))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the worklist; when this returns it is on disk. Until then the file holds the state before.
    ///
    /// # Errors
    /// [`StoreError::Io`], for example on a full disk; the same call may be made again.
    pub fn save(&self, worklist: &Worklist) -> Result<(), StoreError> {
        let path = self.folder.join(FILE);
        let text = sealed::seal(&Written { format: FORMAT, schema: WORKLIST_SCHEMA, worklist })?;
        // Only a sound file is worth keeping as the one before.
        if let Ok(before) = self.files.read(&path)
            && parse(&before, &path).is_ok()
        {
            let previous = self.folder.join(PREVIOUS);
            self.files.replace(&previous, &before).map_err(StoreError::io("write", &previous))?;
        }
        self.files.replace(&path, text.as_bytes()).map_err(StoreError::io("write", &path))
    }
}

fn read(files: &dyn Files, path: &Path) -> Result<Worklist, StoreError> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LIMIT_BYTES) {
        return Err(StoreError::damaged("the worklist is far too long", path));
    }
    let bytes = files.read(path).map_err(StoreError::io("read", path))?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Worklist, StoreError> {
    let damaged = |what: String| StoreError::damaged(format!("the worklist: {what}"), path);
    let json = sealed::parse(bytes).map_err(damaged)?;
    sealed::check(bytes, &json).map_err(damaged)?;
    if json["format"] != FORMAT {
        return Err(damaged("it is another kind of file".to_owned()));
    }
    match json["schema"].as_u64().and_then(|schema| u32::try_from(schema).ok()) {
        Some(WORKLIST_SCHEMA) => {}
        Some(found) if found > WORKLIST_SCHEMA => {
            return Err(StoreError::NewerSchema { found, known: WORKLIST_SCHEMA, path: path.to_owned() });
        }
        _ => return Err(damaged("no schema version".to_owned())),
    }
    serde_json::from_value::<Read>(json).map(|read| read.worklist).map_err(|e| damaged(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::case::CaseImage;
    use super::super::list::CaseChange;
    use super::*;
    use crate::label::LabelTable;

    fn sample(folder: &Path) -> Worklist {
        let mut list = Worklist::new("knees", LabelTable::default(), Some("hippocampus".into()));
        let id = list.add(folder, CaseImage::at(folder.join("a.nii")), 1).unwrap();
        list.apply(id, CaseChange::Comment("\"quoted\", ümlaut".into()), 2).unwrap();
        list
    }

    #[test]
    fn what_is_saved_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut list = sample(folder.path());
        let store = WorklistStore::create(folder.path(), &list).unwrap();
        list.name = "other".into();
        store.save(&list).unwrap();
        assert!(matches!(WorklistStore::open(folder.path()), Err(StoreError::Locked { .. })));
        drop(store);
        let again = WorklistStore::create(folder.path(), &list);
        assert!(matches!(again, Err(StoreError::Exists { .. })));
        let (_, opened, warnings) = WorklistStore::open(folder.path()).unwrap();
        assert_eq!((opened, warnings), (list.clone(), Vec::new()));
        assert_eq!(WorklistStore::peek(folder.path()).unwrap(), list);
    }

    #[test]
    fn any_damage_gives_the_state_before_or_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let first = sample(folder.path());
        let store = WorklistStore::create(folder.path(), &first).unwrap();
        let mut second = first.clone();
        second.name = "later".into();
        store.save(&second).unwrap();
        drop(store);
        let path = folder.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for cut in 0..good.len() - 1 {
            std::fs::write(&path, &good[..cut]).unwrap();
            let (_, opened, warnings) = WorklistStore::open(folder.path()).unwrap();
            // The last characters are white space and braces: whatever opens is one of the two states.
            if warnings.is_empty() {
                assert_eq!(opened, second, "cut at {cut}");
            } else {
                assert_eq!(opened, first, "cut at {cut}");
            }
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, &bad).unwrap();
            match WorklistStore::open(folder.path()) {
                Ok((_, opened, warnings)) if warnings.is_empty() => assert_eq!(opened, second),
                Ok((_, opened, _)) => assert_eq!(opened, first),
                Err(error) => panic!("{error}"),
            }
        }
        std::fs::write(folder.path().join(PREVIOUS), b"{}").unwrap();
        std::fs::write(&path, b"{}").unwrap();
        let error = WorklistStore::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("backup"), "{error}");
    }

    #[test]
    fn a_newer_file_and_another_folder_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let error = WorklistStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::NotAWorklist { .. }));
        let list = sample(folder.path());
        let text = sealed::seal(&Written { format: FORMAT, schema: 9, worklist: &list }).unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let error = WorklistStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 9, .. }), "{error}");
    }

    #[test]
    fn a_full_disk_leaves_the_state_before() {
        #[derive(Debug)]
        struct Full;
        impl Files for Full {
            fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
                Disk.read(path)
            }
            fn names(&self, folder: &Path) -> std::io::Result<Vec<String>> {
                Disk.names(folder)
            }
            fn replace(&self, _: &Path, _: &[u8]) -> std::io::Result<()> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn write_at(&self, path: &Path, at: u64, bytes: &[u8]) -> std::io::Result<()> {
                Disk.write_at(path, at, bytes)
            }
            fn remove(&self, path: &Path) -> std::io::Result<()> {
                Disk.remove(path)
            }
            fn try_lock(&self, file: &std::fs::File) -> Result<(), std::fs::TryLockError> {
                Disk.try_lock(file)
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let list = sample(folder.path());
        drop(WorklistStore::create(folder.path(), &list).unwrap());
        let (store, mut changed, _) = WorklistStore::open_on(Box::new(Full), folder.path()).unwrap();
        changed.name = "x".into();
        let error = store.save(&changed).unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains("free some space"), "{error}");
        assert_eq!(WorklistStore::peek(folder.path()).unwrap(), list);
    }
}
