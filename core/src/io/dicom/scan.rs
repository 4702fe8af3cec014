//! Finds the image files below a folder. Only headers are read.

use std::path::{Path, PathBuf};

use super::image_file::{ImageFile, Recognised};
use crate::io::{Limits, OpenError};
use crate::job::{Cancelled, Observer};

/// What lies below a folder.
#[derive(Default)]
pub(super) struct Found {
    pub images: Vec<ImageFile>,
    /// Names of DICOM objects without an image ("SR", "SEG").
    pub other_objects: Vec<String>,
    /// DICOM files that cannot be used.
    pub failures: Vec<OpenError>,
}

/// Reads every header below a folder; `deep` looks into folders in it. The order is that of the names.
pub(super) fn folder(
    root: &Path,
    deep: bool,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Found, OpenError> {
    let paths = list(root, if deep { limits.max_depth } else { 0 }, limits, observer)?;
    let mut found = Found::default();
    for (done, path) in paths.iter().enumerate() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        observer.progress("reading headers", done as u64, paths.len() as u64);
        match ImageFile::read(path, limits) {
            Ok(Some(Recognised::Image(image))) => found.images.push(*image),
            Ok(Some(Recognised::NotAnImage(name))) => found.other_objects.push(name),
            Ok(None | Some(Recognised::Directory)) => {}
            Err(error) => found.failures.push(error),
        }
    }
    Ok(found)
}

/// Files below a folder in the order of their paths. Links to folders are not followed, so that a loop ends.
pub(super) fn list(
    root: &Path,
    depth: usize,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Vec<PathBuf>, OpenError> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, level)) = folders.pop() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // A folder in it that may not be read hides nothing from the rest.
            Err(_) if level > 0 => continue,
            Err(cause) => return Err(OpenError::io(cause, &folder)),
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if level < depth {
                    folders.push((entry.path(), level + 1));
                }
            } else if kind.is_file() || kind.is_symlink() && entry.path().is_file() {
                files.push(entry.path());
            }
            if files.len() > limits.max_files {
                let what =
                    format!("the folder holds more than {} files; open one below it", limits.max_files);
                return Err(OpenError::too_large(what, root));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
