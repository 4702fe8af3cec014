//! DICOM images: one file, or the files of a folder grouped into series.
//!
//! `scan` finds files and reads their headers (`header`, `dataset`, `image_file`, `frames`, `layout`), `series`
//! groups their frames, `stack` finds the grid, `assemble` reads the pixels (`pixels`, `fragments`, `codec`).

mod assemble;
mod author;
mod buffer;
pub mod capture;
mod codec;
mod compare;
mod dataset;
pub mod deidentify;
mod fragments;
mod frames;
mod header;
mod image_file;
mod laterality;
mod layout;
mod objects;
mod pixels;
mod positions;
mod resample;
pub(super) mod rtstruct;
mod scan;
pub(super) mod seg;
mod series;
mod stack;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use compare::{Identity, compare_objects, identify};
pub use header::looks_like;
pub use laterality::laterality_code;
pub use objects::{LabelTarget, holds_labels, open_labels};

use super::{OpenError, OpenObserver, OpenOptions, Opened, SeriesSummary, Warning};
use crate::job::Observer;
use image_file::{ImageFile, Recognised};
use scan::Found;
use stack::Choice;

/// Opens a series: of a folder (searched with the folders in it) the one named in the options, else the one
/// with most slices; of a file the series it belongs to, whose other files are sought beside it.
///
/// Values are `slope · stored + intercept` (HU for CT; PET stays in the unit of the file, no SUV is computed).
/// The middle slice goes to the observer before the others are read.
///
/// # Errors
/// [`OpenError`] for what is no image, cannot be decoded, or exceeds the limits, and when cancelled.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    let (found, clicked) = find(path, options, observer)?;
    let groups = series::groups(&found.images);
    let group = match (&options.selection.series_uid, clicked) {
        (Some(uid), _) => groups.iter().find(|group| group.uid == *uid).ok_or_else(|| {
            let what = format!("the series {uid} is not there (it has {} others)", groups.len());
            OpenError::NotFound { what, path: path.to_owned() }
        })?,
        (None, Some(file)) => {
            series::group_of_file(&found.images, &groups, file).ok_or_else(|| nothing_found(&found, path))?
        }
        (None, None) => groups.first().ok_or_else(|| nothing_found(&found, path))?,
    };
    let stack = stack::arrange(
        &found.images,
        group,
        Choice { clicked, time_point: options.selection.time_point, path },
    )?;
    let mut opened = assemble::assemble(&found.images, stack, path, &options.limits, observer)?;
    if let (Some(first), None) = (found.failures.first(), clicked) {
        let why = first.to_string();
        opened.warnings.push(Warning::FilesSkipped { count: found.failures.len(), why });
    }
    Ok(opened)
}

/// The image series below a folder, or beside a file and of its series; the one that [`open`] would take first.
///
/// # Errors
/// [`OpenError`] if the path cannot be read or holds no image.
pub fn list_series(
    path: &Path,
    options: &OpenOptions,
    observer: &dyn Observer,
) -> Result<Vec<SeriesSummary>, OpenError> {
    let (found, _) = find(path, options, observer)?;
    let groups = series::groups(&found.images);
    if groups.is_empty() {
        return Err(nothing_found(&found, path));
    }
    let summary = |group| series::summary(&found.images, group, stack::slice_count(&found.images, group));
    Ok(groups.iter().map(summary).collect())
}

/// The files that may belong to what was opened, and the file that was clicked, if it was one.
fn find<'a>(
    path: &'a Path,
    options: &OpenOptions,
    observer: &dyn Observer,
) -> Result<(Found, Option<&'a Path>), OpenError> {
    let limits = &options.limits;
    if path.is_dir() {
        return Ok((scan::folder(path, true, limits, observer)?, None));
    }
    let image = match ImageFile::read(path, limits)? {
        Some(Recognised::Image(image)) => *image,
        Some(Recognised::Directory) => {
            let folder = parent_of(path);
            return Ok((scan::folder(folder, true, limits, observer)?, None));
        }
        Some(Recognised::NotAnImage(kind)) => {
            let what = format!("this DICOM {kind} has no image to open; open the series that it belongs to");
            return Err(OpenError::unsupported(what, path));
        }
        None => return Err(OpenError::invalid("this is no DICOM file", path)),
    };
    if image.frames.len() > 1 || image.facts.series_uid.is_empty() {
        return Ok((Found { images: vec![image], ..Found::default() }, Some(path)));
    }
    // A folder that cannot be listed still has the file itself.
    let mut found = match scan::folder(parent_of(path), false, limits, observer) {
        Err(cancelled @ OpenError::Cancelled(_)) => return Err(cancelled),
        found => found.unwrap_or_default(),
    };
    let name = path.file_name();
    found.images.retain(|other| {
        other.facts.series_uid == image.facts.series_uid
            && other.frames.len() == 1
            && other.path.file_name() != name
    });
    found.images.push(image);
    Ok((found, Some(path)))
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn nothing_found(found: &Found, path: &Path) -> OpenError {
    let mut kinds = found.other_objects.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let what = match (found.failures.first(), kinds.is_empty()) {
        (Some(first), _) => {
            format!("no DICOM image can be read ({} files fail, the first: {first})", found.failures.len())
        }
        (None, false) => format!("there is no DICOM image here, only {}", kinds.join(", ")),
        (None, true) => "there is no DICOM image here".to_owned(),
    };
    OpenError::NotFound { what, path: path.to_owned() }
}
