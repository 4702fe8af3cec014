//! NRRD, versions 1 to 5: `.nrrd`, detached `.nhdr`, and segmentations `.seg.nrrd` of 3D Slicer.
//!
//! Written after the format's definition at <https://teem.sourceforge.net/nrrd/format.html>. Three axes lie in space,
//! a fourth beside them (time, list, vector) gives frames of which one is read.

pub(in crate::io) mod axes;
pub(in crate::io) mod header;
mod save;
mod segments;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use save::{save_labels, save_volume};
pub use segments::open_labels;

use self::axes::Axes;
use self::header::Header;
use super::nifti::modality;
use super::payload::Payload;
use super::{Limits, OpenError, OpenObserver, OpenOptions, Opened, Warning};
use crate::geometry::Grid;
use crate::volume::{ImageMeta, Source, Volume, Voxels};

/// Whether a file is NRRD by its first bytes or, so that a damaged one gets a fitting message, by its name.
pub fn looks_like(start: &[u8], path: &Path) -> bool {
    let name = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    start.starts_with(b"NRRD000") || matches!(name.as_deref(), Some("nrrd" | "nhdr"))
}

/// Opens an NRRD file, or a detached header with its data files. Of a fourth axis, reads the frame of
/// [`Selection::time_point`](super::Selection::time_point).
///
/// # Errors
/// [`OpenError`] for a header that contradicts itself or the files' sizes, bzip2, the type `block`, more than one axis
/// beside space, damaged or missing voxels, and when the observer cancels.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    let file = NrrdFile::read(path, &options.limits)?;
    let NrrdFile { payload, grid, mut warnings, has_spacing, .. } = file;
    let frames = payload.frames;
    let frame = options.selection.time_point;
    if frame >= frames {
        let what = format!("time point {frame} was asked for, but the file has 0 to {}", frames - 1);
        return Err(OpenError::NotFound { what, path: path.to_owned() });
    }
    if frames > 1 {
        warnings.push(Warning::TimePoints { count: frames, shown: frame + 1 });
    }
    let voxels = payload.read(frame, path, observer, &mut warnings)?;
    let meta = meta(path, &voxels, frames, frame, has_spacing);
    let volume = Volume::new(grid, voxels, meta).map_err(|e| OpenError::invalid(e.to_string(), path))?;
    Ok(Opened { volume, warnings })
}

/// What a file without such fields says about its image: a guess by its name and values.
pub(in crate::io) fn meta(
    path: &Path,
    voxels: &Voxels,
    time_points: usize,
    time_point: usize,
    has_physical_spacing: bool,
) -> ImageMeta {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ImageMeta {
        modality: modality::guess(&name, "", voxels),
        title,
        source: Source::File { path: path.to_owned() },
        window: None,
        time_points,
        time_point,
        has_physical_spacing,
    }
}

/// A header that was read and believed as far as the files' sizes allow.
#[derive(Debug)]
struct NrrdFile {
    header: Header,
    payload: Payload,
    grid: Grid,
    has_spacing: bool,
    warnings: Vec<Warning>,
}

impl NrrdFile {
    fn read(path: &Path, limits: &Limits) -> Result<Self, OpenError> {
        let header = Header::read(path)?;
        let mut warnings = Vec::new();
        let axes = Axes::of(&header, path, &mut warnings)?;
        let grid = Grid::new(axes.dims, axes.affine).map_err(|e| OpenError::grid(&e, path))?;
        let payload = header.payload(&axes, path, &mut warnings)?;
        payload.check(limits, path)?;
        Ok(Self { header, payload, grid, has_spacing: axes.has_spacing, warnings })
    }
}
