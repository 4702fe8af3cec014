//! MetaImage, the format of ITK: `.mha`, or a header `.mhd` with voxels in other files.
//!
//! Places are LPS millimetres as ITK takes them; `TransformMatrix` lists the direction of each voxel axis in turn.

mod header;
mod save;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use save::{save_labels, save_volume};

use self::header::Header;
use super::{OpenError, OpenObserver, OpenOptions, Opened, Warning};
use crate::geometry::Grid;
use crate::volume::Volume;

/// Whether a file is a MetaImage by its first bytes or, so that a damaged one gets a fitting message, by its name.
pub fn looks_like(start: &[u8], path: &Path) -> bool {
    let first = start.split(|b| *b == b'=').next().unwrap_or_default();
    let key = String::from_utf8_lossy(first);
    let has_key = matches!(key.trim(), "ObjectType" | "NDims") && start.len() > first.len();
    let name = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    has_key || matches!(name.as_deref(), Some("mha" | "mhd"))
}

/// Opens a MetaImage. Of a fourth axis or several channels, reads the one of
/// [`Selection::time_point`](super::Selection::time_point); three or four
/// 8-bit channels are colours.
///
/// # Errors
/// [`OpenError`] for a header that contradicts itself or the files' sizes, types that are no numbers, damaged or missing
/// voxels, and when the observer cancels.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    let header = Header::read(path)?;
    let mut warnings = Vec::new();
    let (dims, affine) = header.place(path, &mut warnings)?;
    let grid = Grid::new(dims, affine).map_err(|e| OpenError::grid(&e, path))?;
    let payload = header.payload(dims, path)?;
    payload.check(&options.limits, path)?;
    let (frames, frame) = (payload.frames, options.selection.time_point);
    if frame >= frames {
        let what = format!("time point {frame} was asked for, but the file has 0 to {}", frames - 1);
        return Err(OpenError::NotFound { what, path: path.to_owned() });
    }
    if frames > 1 {
        warnings.push(Warning::TimePoints { count: frames, shown: frame + 1 });
    }
    let has_spacing = !warnings.contains(&Warning::NoSpacing);
    let voxels = payload.read(frame, path, observer, &mut warnings)?;
    let meta = super::nrrd::meta(path, &voxels, frames, frame, has_spacing);
    let volume = Volume::new(grid, voxels, meta).map_err(|e| OpenError::invalid(e.to_string(), path))?;
    Ok(Opened { volume, warnings })
}
