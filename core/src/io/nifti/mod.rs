//! NIfTI-1 and NIfTI-2: `.nii`, `.nii.gz` and pairs of `.hdr` and `.img`, either byte order.
//!
//! Voxels keep the order of the file; the affine map is turned from RAS to LPS. The first slice is handed over
//! before the rest is read: the middle one of an uncompressed file, the lowest one of a compressed file.

mod fields;
mod header;
pub(super) mod labels;
pub(super) mod modality;
mod pair;
mod place;
mod read;
mod save;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use super::labels::{LabelImage, LabelName};
pub use labels::open_labels;
pub use save::{save_labels, save_volume};

use self::fields::HeaderBytes;
use super::{OpenError, OpenObserver, OpenOptions, Opened};

/// Opens a NIfTI file, or a pair by either of its files. Reads only the time point of
/// [`Selection::time_point`](super::Selection::time_point).
///
/// # Errors
/// [`OpenError`] for a header that contradicts itself or the file's size, a type without a display (128-bit float),
/// more than four axes, damaged or missing bytes, and when the observer cancels.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    read::Reader::new(path, &options.limits)?.read(options.selection.time_point, observer)
}

/// Whether a file is NIfTI by its first bytes or, so that a damaged one gets a fitting message, by its name.
pub fn looks_like(start: &[u8], path: &Path) -> bool {
    let is_dicom = start.get(128..132) == Some(b"DICM");
    let inflated = super::stream::inflated_start(start);
    HeaderBytes::detect(&inflated).is_some() || (!is_dicom && pair::is_nifti_name(path))
}
