//! Work on images that the program kept by itself, without a project that somebody saved: a folder for each image, all in
//! one.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::files::Disk;
use super::lock::WriteLock;
use super::{ImageReference, StoreError, peek, read};

/// Work that was kept without a project.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptWork {
    /// Its folder.
    pub folder: PathBuf,
    /// When it changed last, in seconds since 1970.
    pub changed_unix_secs: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// The image that it was made for, where that can be read.
    pub image: Option<ImageReference>,
    /// What was made, or why that cannot be read, for people.
    pub contents: Result<KeptContents, String>,
}

/// What a kept work holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeptContents {
    /// Steps of its history that are applied.
    pub steps: usize,
    /// Labels with at least one voxel.
    pub labels: usize,
}

impl KeptWork {
    /// Looks into a folder. The labels are counted from the stored state, which is in memory meanwhile.
    fn of(folder: &Path) -> Self {
        let files = own_files(folder).unwrap_or_default();
        let told: Vec<_> = files.iter().filter_map(|path| std::fs::metadata(path).ok()).collect();
        let seconds = |data: &std::fs::Metadata| {
            let since = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(since.as_secs())
        };
        let contents = || {
            let (state, _) = read(folder)?.into_state()?;
            Ok(KeptContents { steps: state.history().cursor(), labels: state.labels().used_labels().len() })
        };
        Self {
            folder: folder.to_owned(),
            changed_unix_secs: told.iter().filter_map(seconds).max().unwrap_or_default(),
            bytes: told.iter().map(std::fs::Metadata::len).sum(),
            image: peek(folder).ok(),
            contents: contents().map_err(|error: StoreError| error.to_string()),
        }
    }

    /// What people call the image: the name of its file or folder.
    pub fn image_name(&self) -> String {
        let Some(image) = &self.image else { return self.name() };
        let name = image.path.as_ref().and_then(|path| path.file_name());
        name.map_or_else(|| "Sample case".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Name of its folder, which no other kept work has.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Deletes it. Only the files that this program wrote go; the image, wherever it lies, and anything else that
    /// somebody put into the folder stay. Returns whether the folder is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while it is open in a window, [`StoreError::NotAProject`], [`StoreError::Io`].
    pub fn delete(&self) -> Result<bool, StoreError> {
        let folder = &self.folder;
        if folder.is_symlink() || !holds_work(folder) {
            return Err(StoreError::NotAProject { path: folder.clone() });
        }
        let lock = WriteLock::acquire(&Disk, folder)?;
        let files = own_files(folder)?;
        // The manifest goes last but for the lock: should the program end here, it is still a kept work that can be
        // deleted.
        for path in files.iter().filter(|path| !is_named(path, "lock")) {
            std::fs::remove_file(path).map_err(StoreError::io("delete", path))?;
        }
        // An open file cannot be removed on every system.
        drop(lock);
        let path = folder.join("lock");
        std::fs::remove_file(&path).map_err(StoreError::io("delete", &path))?;
        match std::fs::remove_dir(folder) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(cause) => Err(StoreError::io("delete", folder)(cause)),
        }
    }
}

/// All work that was kept in a folder, the latest first; nothing where there is no such folder. `each` gets every one
/// as soon as it was looked into, and says whether to go on.
///
/// # Errors
/// [`StoreError::Io`] if the folder cannot be listed.
pub fn list_kept(root: &Path, mut each: impl FnMut(&KeptWork) -> bool) -> Result<Vec<KeptWork>, StoreError> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(StoreError::io("list", root)(cause)),
    };
    // Links are not followed: what is deleted lies here.
    let is_own = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let folders = entries.filter_map(Result::ok).filter(is_own).map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|folder| holds_work(folder)).collect();
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let work = KeptWork::of(&folder);
        let goes_on = each(&work);
        found.push(work);
        if !goes_on {
            break;
        }
    }
    found.sort_by(|a, b| b.changed_unix_secs.cmp(&a.changed_unix_secs).then_with(|| a.folder.cmp(&b.folder)));
    Ok(found)
}

/// A kept work by the name of its folder.
///
/// # Errors
/// [`StoreError::NotAProject`] if there is none of this name.
pub fn find_kept(root: &Path, name: &str) -> Result<KeptWork, StoreError> {
    let folder = root.join(name);
    let is_name = Path::new(name).components().count() == 1 && folder.parent() == Some(root);
    if !is_name || folder.is_symlink() || !holds_work(&folder) {
        return Err(StoreError::NotAProject { path: folder });
    }
    Ok(KeptWork::of(&folder))
}

fn holds_work(folder: &Path) -> bool {
    let is_its = |path: &PathBuf| is_state(path) || is_named(path, super::manifest::MANIFEST);
    own_files(folder).is_ok_and(|files| files.iter().any(is_its))
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|file| file == name)
}

/// Whether a file holds a snapshot or a journal.
fn is_state(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let number = name.strip_prefix("snapshot-").or_else(|| name.strip_prefix("journal-"));
    number.and_then(|rest| rest.strip_suffix(".bin")).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The files of a project in a folder, its manifest last.
fn own_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = std::fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
    let is_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let paths = entries.filter_map(Result::ok).filter(is_file).map(|entry| entry.path());
    let known = ["view.json", "lock", crate::provenance::CHAIN_FILE, super::manifest::MANIFEST];
    let is_left_over = |name: &str| name.starts_with(".hilum-") && name.ends_with(".tmp");
    let is_own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        known.contains(&name) || is_left_over(name) || is_state(path)
    };
    let mut files: Vec<PathBuf> = paths.filter(is_own).collect();
    files.sort_by_key(|path| (is_named(path, super::manifest::MANIFEST), path.clone()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::document::{Document, EditCommand};
    use crate::geometry::{Grid, VoxelBox};
    use crate::label::BoxMask;
    use crate::project::{Store, is_project};
    use crate::volume::{ImageMeta, Source, Volume, Voxels};

    fn keep(root: &Path, image: &Path, value: u8) -> (PathBuf, Store) {
        let grid = Grid::from_spacing([6, 5, 4], [1.0; 3]).unwrap();
        let source = Source::Nifti { path: image.to_owned(), header: Vec::new() };
        let meta = ImageMeta { source, ..ImageMeta::default() };
        let volume = Arc::new(Volume::new(grid, Voxels::U8(vec![value; 120]), meta).unwrap());
        let reference = ImageReference::of(&volume);
        let folder = root.join(reference.folder_name());
        let mut document = Document::new(volume);
        let mut store = Store::create(&folder, reference, &document.snapshot()).unwrap();
        document.start_journal();
        let mask = BoxMask::from_fn(VoxelBox::of_voxel([1, 1, 1]), |_| true);
        document.apply(EditCommand::WriteMask { name: "Dot".into(), mask, label: 1 }).unwrap();
        store.append(&document.take_unsaved()).unwrap();
        (folder, store)
    }

    #[test]
    fn kept_work_is_listed_with_its_image_and_what_was_made() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("elsewhere/Knee 7.nii.gz");
        let (folder, _store) = keep(root.path(), &image, 3);
        std::fs::create_dir(root.path().join("not a project")).unwrap();
        let mut seen = 0;
        let found = list_kept(root.path(), |_| {
            seen += 1;
            true
        })
        .unwrap();
        assert_eq!((found.len(), seen), (1, 1), "{found:?}");
        let work = &found[0];
        assert_eq!((work.image_name().as_str(), &work.folder), ("Knee 7.nii.gz", &folder));
        assert_eq!(work.contents, Ok(KeptContents { steps: 1, labels: 1 }), "read while it is open");
        assert!(work.bytes > 100 && work.changed_unix_secs > 1_700_000_000);
        assert_eq!(&find_kept(root.path(), &work.name()).unwrap(), work);
        assert_eq!(list_kept(&root.path().join("absent"), |_| true).unwrap(), []);
    }

    #[test]
    fn what_is_damaged_is_listed_with_the_reason_and_can_be_deleted() {
        let root = tempfile::tempdir().unwrap();
        let (folder, store) = keep(root.path(), Path::new("/images/a.nii"), 3);
        drop(store);
        for path in own_files(&folder).unwrap().iter().filter(|path| is_state(path)) {
            std::fs::write(path, b"nonsense").unwrap();
        }
        let found = list_kept(root.path(), |_| true).unwrap();
        assert!(found[0].contents.as_ref().is_err_and(|why| why.contains("damaged")), "{found:?}");
        assert_eq!(found[0].image_name(), "a.nii");
        assert!(found[0].delete().unwrap() && !folder.exists());
    }

    #[test]
    fn deleting_leaves_the_image_other_work_and_foreign_files_alone() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image.nii");
        std::fs::write(&image, b"pixels").unwrap();
        let ((folder, store), (other, _)) = (keep(root.path(), &image, 3), keep(root.path(), &image, 4));
        let work = find_kept(root.path(), folder.file_name().unwrap().to_str().unwrap()).unwrap();
        let refused = work.delete().unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "open in a window: {refused}");
        assert!(is_project(&folder));
        drop(store);
        // Somebody put an image and a note there.
        std::fs::write(folder.join("scan.nii"), b"pixels").unwrap();
        std::fs::write(folder.join("snapshot-of-mri.bin"), b"mine").unwrap();
        assert!(!work.delete().unwrap(), "the folder stays with what is not ours");
        let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["scan.nii", "snapshot-of-mri.bin"]);
        assert_eq!(list_kept(root.path(), |_| true).unwrap().len(), 1, "only the other work");
        assert!(matches!(work.delete(), Err(StoreError::NotAProject { .. })), "twice");
        assert!(image.exists() && is_project(&other));
    }

    #[test]
    fn only_names_of_kept_work_are_found() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("unsaved");
        let (outside, _) = keep(root.path(), Path::new("/images/a.nii"), 3);
        let (kept, _) = keep(&inner, Path::new("/images/a.nii"), 5);
        let name = outside.file_name().unwrap().to_str().unwrap();
        for wrong in [format!("../{name}"), "..".into(), String::new(), outside.display().to_string()] {
            assert!(find_kept(&inner, &wrong).is_err(), "{wrong}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, inner.join("link")).unwrap();
            assert!(find_kept(&inner, "link").is_err());
            assert_eq!(list_kept(&inner, |_| true).unwrap().len(), 1);
        }
        assert!(find_kept(&inner, kept.file_name().unwrap().to_str().unwrap()).is_ok());
    }
}
