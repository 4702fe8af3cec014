//! Names of NIfTI files: which ones are NIfTI, and which file of a pair holds what.

use std::path::{Path, PathBuf};

use crate::io::OpenError;

/// The kinds of files by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    /// `.nii`: header and voxels.
    Single,
    /// `.hdr` of a pair.
    Header,
    /// `.img` of a pair.
    Voxels,
}

/// Splits a file name into what comes before the ending, and the kind; `.gz` belongs to the ending.
pub(super) fn split_name(path: &Path) -> Option<(&str, NameKind)> {
    let name = path.file_name()?.to_str()?;
    let plain = strip_ending(name, ".gz").unwrap_or(name);
    [(".nii", NameKind::Single), (".hdr", NameKind::Header), (".img", NameKind::Voxels)]
        .into_iter()
        .find_map(|(ending, kind)| Some((strip_ending(plain, ending)?, kind)))
}

/// Whether a file name ends in `.gz`.
pub(super) fn is_gz_name(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let split = name.len().checked_sub(ending.len())?;
    (name.is_char_boundary(split) && name[split..].eq_ignore_ascii_case(ending)).then(|| &name[..split])
}

/// The existing file beside `path` that holds the other half of a pair.
fn other_half(path: &Path, endings: [&str; 2]) -> Option<PathBuf> {
    let (stem, _) = split_name(path)?;
    let compressed_first = is_gz_name(path);
    let gz = [compressed_first, !compressed_first];
    gz.iter()
        .flat_map(|gz| endings.map(|ending| format!("{stem}.{ending}{}", if *gz { ".gz" } else { "" })))
        .map(|name| path.with_file_name(name))
        .find(|candidate| candidate.is_file())
}

/// The file with the header: the path itself, or the `.hdr` of an `.img`.
pub(super) fn header_path(path: &Path) -> Result<PathBuf, OpenError> {
    match split_name(path) {
        Some((stem, NameKind::Voxels)) => {
            other_half(path, ["hdr", "HDR"]).ok_or_else(|| OpenError::NotFound {
                what: format!(
                    "the header {stem}.hdr of this voxel file is missing; put it into the same folder"
                ),
                path: path.to_owned(),
            })
        }
        _ => Ok(path.to_owned()),
    }
}

/// The file with the voxels of a header that says they lie elsewhere.
pub(super) fn voxel_path(header: &Path) -> Result<PathBuf, OpenError> {
    other_half(header, ["img", "IMG"]).ok_or_else(|| {
        let stem = split_name(header).map_or("", |(stem, _)| stem);
        OpenError::NotFound {
            what: format!("the voxel file {stem}.img of this header is missing; put it into the same folder"),
            path: header.to_owned(),
        }
    })
}

/// Whether the name alone makes a file NIfTI: `.nii`, `.hdr`, or an `.img` beside its `.hdr`.
pub(super) fn is_nifti_name(path: &Path) -> bool {
    match split_name(path) {
        Some((_, NameKind::Single | NameKind::Header)) => true,
        Some((_, NameKind::Voxels)) => other_half(path, ["hdr", "HDR"]).is_some(),
        None => false,
    }
}
