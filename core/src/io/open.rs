//! One door for every image.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Limits, OpenError, Selection, Warning, dicom, meta_image, nifti, nrrd, raster};
use crate::job::Observer;
use crate::volume::{Modality, Source, Volume};

/// Which reader a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// NIfTI-1 or -2, one file or a pair, compressed or not.
    Nifti,
    /// A DICOM file.
    Dicom,
    /// A folder, to be searched for DICOM files.
    Folder,
    /// PNG, JPEG, TIFF or BMP.
    Raster,
    /// NRRD, attached or detached header.
    Nrrd,
    /// MetaImage, `.mha` or `.mhd`.
    MetaImage,
}

/// What to open, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Which image, where the path holds several.
    pub selection: Selection,
    /// Bounds on what a file may ask for.
    pub limits: Limits,
}

impl From<Selection> for OpenOptions {
    fn from(selection: Selection) -> Self {
        Self { selection, ..Self::default() }
    }
}

/// An image with what a person should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The image.
    pub volume: Volume,
    /// Everything unusual about it.
    pub warnings: Vec<Warning>,
}

/// Who watches an image being opened.
pub trait OpenObserver: Observer {
    /// One slice, in its place, before the rest has been read. Called at most once.
    fn first_slice(&self, slice: Volume) {
        drop(slice);
    }
}

impl OpenObserver for () {}

/// Something about a patient that is for the screen alone: it is in no log and no report.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OnScreen(pub String);

impl std::fmt::Debug for OnScreen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnScreen(…)")
    }
}

/// A series of a folder, for the chooser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesSummary {
    /// Series Instance UID.
    pub uid: String,
    /// Series description, or its number.
    pub description: String,
    /// CT, MR, …
    pub modality: Modality,
    /// Series date as `YYYY-MM-DD`, if given.
    pub date: Option<String>,
    /// Columns, rows, slices.
    pub dims: [usize; 3],
    /// Number in its study, if given.
    pub number: Option<i64>,
    /// Name of the patient, else the number.
    #[serde(skip)]
    pub patient: OnScreen,
    /// Its first file.
    #[serde(skip)]
    pub first_file: PathBuf,
}

/// Decides by content, not by name, what a path is.
///
/// # Errors
/// [`OpenError`] if it cannot be read or nobody knows it.
pub fn probe(path: &Path) -> Result<FileKind, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|e| OpenError::io(e, path))?;
    if metadata.is_dir() {
        return Ok(FileKind::Folder);
    }
    let mut start = Vec::with_capacity(1024);
    let file = File::open(path).map_err(|e| OpenError::io(e, path))?;
    file.take(1024).read_to_end(&mut start).map_err(|e| OpenError::io(e, path))?;
    if start.is_empty() {
        return Err(OpenError::invalid("the file is empty", path));
    }
    if nifti::looks_like(&start, path) {
        Ok(FileKind::Nifti)
    } else if dicom::looks_like(&start) {
        Ok(FileKind::Dicom)
    } else if raster::looks_like(&start) {
        Ok(FileKind::Raster)
    } else if nrrd::looks_like(&start, path) {
        Ok(FileKind::Nrrd)
    } else if meta_image::looks_like(&start, path) {
        Ok(FileKind::MetaImage)
    } else {
        let found = format!("a file that starts with {:02x?}", &start[..start.len().min(4)]);
        Err(OpenError::UnknownFormat { found, path: path.to_owned() })
    }
}

/// Opens an image. The source path is kept in its [`Source`].
///
/// # Errors
/// [`OpenError`], with what to do, for anything that is no readable image, and when the observer cancels.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    let opened = match probe(path)? {
        FileKind::Nifti => nifti::open(path, options, observer)?,
        FileKind::Dicom | FileKind::Folder => dicom::open(path, options, observer)?,
        FileKind::Raster => raster::open(path, options, observer)?,
        FileKind::Nrrd => nrrd::open(path, options, observer)?,
        FileKind::MetaImage => meta_image::open(path, options, observer)?,
    };
    debug_assert_ne!(opened.volume.meta().source, Source::Synthetic);
    Ok(with_value_warnings(opened))
}

/// The image series below a folder, or of a DICOM file; empty for other files.
///
/// # Errors
/// [`OpenError`] if the path cannot be read.
pub fn list_series(
    path: &Path,
    options: &OpenOptions,
    observer: &dyn Observer,
) -> Result<Vec<SeriesSummary>, OpenError> {
    match probe(path)? {
        FileKind::Dicom | FileKind::Folder => dicom::list_series(path, options, observer),
        FileKind::Nifti | FileKind::Raster | FileKind::Nrrd | FileKind::MetaImage => Ok(Vec::new()),
    }
}

fn with_value_warnings(mut opened: Opened) -> Opened {
    let count = opened.volume.voxels().non_finite_count();
    if count > 0 {
        opened.warnings.push(Warning::NonFinite { count });
    }
    opened
}
