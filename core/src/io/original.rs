//! An image is never overwritten by what is made of it.

use std::path::{Path, PathBuf};

use super::{FileKind, SaveError, dicom, probe};

/// Refuses a target that is the image itself, a DICOM file of its folder that holds no labels, or the other half of a pair of header and data.
///
/// # Errors
/// [`SaveError::Unsupported`] with what to do.
pub fn spare_original(original: &Path, target: &Path) -> Result<(), SaveError> {
    // Mostly the target is not there yet, and nothing more is to be asked.
    let Ok(to) = target.canonicalize() else { return Ok(()) };
    let Ok(from) = original.canonicalize() else { return Ok(()) };
    let is_dicom = |path: &Path| matches!(probe(path), Ok(FileKind::Dicom));
    // One slice that was opened stands for the series beside it.
    let folder = if is_dicom(&from) { from.parent() } else { Some(&*from).filter(|from| from.is_dir()) };
    let is_slice =
        || folder.is_some_and(|folder| to.starts_with(folder)) && is_dicom(&to) && !dicom::holds_labels(&to);
    let what = if from == to && to.is_file() || is_other_half(&from, &to) {
        "this file is the image itself, which is never overwritten; choose another name"
    } else if is_slice() {
        "this DICOM file lies among those of the image, which are never overwritten; choose another name"
    } else {
        return Ok(());
    };
    Err(SaveError::Unsupported { what: what.to_owned(), path: target.to_owned() })
}

/// `a.img` of `a.hdr`, `a.raw` of `a.mhd` or `a.nhdr`, and the other way round.
fn is_other_half(from: &Path, to: &Path) -> bool {
    const PAIRS: [(&str, &str); 4] = [("hdr", "img"), ("mhd", "raw"), ("mhd", "zraw"), ("nhdr", "raw")];
    let ending =
        |path: &Path| path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = |path: &Path| -> PathBuf { path.with_extension("") };
    let (a, b) = (ending(from), ending(to));
    stem(from) == stem(to) && PAIRS.iter().any(|(x, y)| (a == *x && b == *y) || (a == *y && b == *x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_and_its_other_half_are_spared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let (image, other) = (file("ct.nii.gz"), file("mask.nii.gz"));
        let refused = spare_original(&image, &image).unwrap_err().to_string();
        assert!(refused.contains("never overwritten") && refused.contains("ct.nii.gz"), "{refused}");
        assert!(spare_original(&image, &folder.path().join(".").join("ct.nii.gz")).is_err());
        assert!(spare_original(&image, &other).is_ok());
        assert!(spare_original(&image, &folder.path().join("new.nii.gz")).is_ok());
        assert!(spare_original(folder.path(), &other).is_ok(), "a mask beside the slices of a folder");
        assert!(spare_original(&file("a.hdr"), &file("a.img")).is_err());
        assert!(spare_original(&file("a.mhd"), &file("b.raw")).is_ok());
        assert!(spare_original(&folder.path().join("gone.png"), &other).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_image_is_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let (image, link) = (folder.path().join("a.png"), folder.path().join("b.png"));
        std::fs::write(&image, "x").unwrap();
        std::os::unix::fs::symlink(&image, &link).unwrap();
        assert!(spare_original(&image, &link).is_err());
    }
}
