//! An image is never overwritten by what is made of it.

use std::path::{Path, PathBuf};

use super::SaveError;

/// Refuses a target that is the image itself, one of the files of its folder, or the other half of a pair of header and data.
///
/// # Errors
/// [`SaveError::Unsupported`] with what to do.
pub fn spare_original(original: &Path, target: &Path) -> Result<(), SaveError> {
    // Mostly the target is not there yet, and nothing more is to be asked.
    let Ok(to) = target.canonicalize() else { return Ok(()) };
    let Ok(from) = original.canonicalize() else { return Ok(()) };
    let is_within = from.is_dir() && to.is_file() && to.starts_with(&from) && !is_ours(&to);
    if from == to && to.is_file() || is_within || is_other_half(&from, &to) {
        let what =
            "this file is the image itself, which is never overwritten; choose another name".to_owned();
        return Err(SaveError::Unsupported { what, path: target.to_owned() });
    }
    Ok(())
}

/// A mask that was saved into the folder of a series before may be saved there again: no slice ends so.
fn is_ours(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".nii", ".nii.gz", ".nrrd", ".mha", ".json", ".csv", ".stl", ".obj", ".ply", ".seg.dcm", ".rtstruct.dcm"]
        .iter()
        .any(|end| name.ends_with(end))
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
    fn the_image_its_slices_and_its_other_half_are_spared_and_nothing_else() {
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
        let slice = file("IM0001.dcm");
        assert!(spare_original(folder.path(), &slice).is_err());
        assert!(spare_original(folder.path(), &other).is_ok(), "a mask beside the slices");
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
