//! Which images and masks lie in folders.

use std::path::{Path, PathBuf};

use super::case::{Case, CaseImage};
use super::store::is_worklist;
use crate::io::{self, FileKind, Selection};
use crate::project::is_project;

/// How deep folders are searched.
const DEPTH: usize = 6;
/// Most images that are taken at once.
const MOST: usize = 100_000;
/// Ends of names, without what says how a file is stored, that mean a mask of another image.
const MASK_ENDS: [&str; 10] =
    ["_mask", "_gtv", "_seg", "_label", "_labels", "_truth", "_manual1", "-mask", "-seg", "-label"];

/// Images for a worklist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundImages {
    /// The images, in the order of the names.
    pub images: Vec<CaseImage>,
    /// What was left out and why, for people.
    pub notes: Vec<String>,
}

/// The images in files and folders. A file that is named is taken whatever it is called; in folders files whose names
/// say that they are masks are left out, every DICOM series is an image, and folders in folders are searched.
pub fn find_images(paths: &[PathBuf]) -> FoundImages {
    let mut found = FoundImages::default();
    let mut masks = 0;
    for path in paths {
        if path.is_dir() {
            search(path, DEPTH, true, &mut found, &mut masks);
        } else {
            match io::probe(path) {
                Ok(_) => found.images.push(CaseImage::at(path)),
                Err(error) => found.notes.push(error.to_string()),
            }
        }
    }
    if masks > 0 {
        found.notes.push(format!(
            "{masks} files were left out because their names say that they are masks; import them as outlines"
        ));
    }
    if found.images.len() > MOST {
        found.images.truncate(MOST);
        found.notes.push(format!("only the first {MOST} images are taken"));
    }
    found
}

/// `wants_series` is false below a folder whose series, those of the folders below among them, were taken already.
fn search(folder: &Path, depth: usize, wants_series: bool, found: &mut FoundImages, masks: &mut usize) {
    // What Hilum itself keeps is no image to be labelled.
    if is_worklist(folder) || is_project(folder) {
        found.notes.push(format!("a worklist or project was left out: {}", folder.display()));
        return;
    }
    let mut entries: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => {
            found.notes.push(format!("cannot read the folder ({error}): {}", folder.display()));
            return;
        }
    };
    entries.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    let mut has_dicom = false;
    for file in files {
        match io::probe(&file) {
            Ok(FileKind::Dicom) => has_dicom = true,
            Ok(_) if is_mask_name(&file) => *masks += 1,
            // The header of a pair stands for both.
            Ok(_) if file.extension().is_some_and(|end| end.eq_ignore_ascii_case("img")) => {}
            Ok(_) => found.images.push(CaseImage::at(file)),
            Err(_) => {}
        }
    }
    let takes_series = has_dicom && wants_series;
    if takes_series {
        take_series(folder, found);
    }
    for folder in folders {
        if depth > 0 && found.images.len() <= MOST {
            search(&folder, depth - 1, wants_series && !takes_series, found, masks);
        }
    }
}

fn take_series(folder: &Path, found: &mut FoundImages) {
    match io::list_series(folder, &io::OpenOptions::default(), &()) {
        Ok(series) => {
            found.images.extend(series.into_iter().map(|series| CaseImage {
                path: folder.to_owned(),
                selection: Selection::series(series.uid),
            }))
        }
        Err(error) => found.notes.push(error.to_string()),
    }
}

/// Whether a name says that the file is a mask of another one.
fn is_mask_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if name.ends_with(".seg.nrrd") {
        return true;
    }
    let stem = stem(path).to_lowercase();
    MASK_ENDS.iter().any(|end| stem.ends_with(end))
}

/// A name without its endings.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut stem = name.as_str();
    for end in
        [".gz", ".nii", ".hdr", ".nrrd", ".seg", ".mha", ".mhd", ".dcm", ".png", ".tif", ".tiff", ".bmp"]
    {
        let cut = stem.len().saturating_sub(end.len());
        if stem.is_char_boundary(cut) && stem[cut..].eq_ignore_ascii_case(end) {
            stem = &stem[..cut];
        }
    }
    stem.to_owned()
}

/// The mask of a case among files: the one with its name, or with its name and an end that means a mask. Two that fit
/// equally are none.
pub fn mask_for<'a>(case: &Case, files: &'a [PathBuf]) -> Option<&'a Path> {
    let image = stem(&case.image.path);
    let names = [case.name.clone(), image.clone(), common_part(&image).to_owned()];
    for name in names.iter().filter(|name| !name.is_empty()) {
        let fits = |file: &&PathBuf| {
            let stem = stem(file);
            stem == *name || stem.strip_prefix(name.as_str()).is_some_and(|end| MASK_ENDS.contains(&end))
        };
        let mut fitting = files.iter().filter(|file| **file != case.image.path).filter(fits);
        if let Some(file) = fitting.next() {
            return fitting.next().is_none().then_some(file.as_path());
        }
    }
    None
}

/// A name without the part that says what was imaged: `STS_022_ct` and `STS_022_gtv` share `STS_022`.
fn common_part(stem: &str) -> &str {
    for end in ["_ct", "_pet", "_mr", "_t1", "_t2", "_image", "_0000"] {
        if let Some(short) = stem.strip_suffix(end) {
            return short;
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::super::{CaseId, Worklist};
    use super::*;
    use crate::label::LabelTable;
    use crate::phantom::{CtPhantomOptions, ct_phantom};
    use crate::testing::shared_data;

    #[test]
    fn images_in_folders_are_found_and_masks_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let image =
            ct_phantom(&CtPhantomOptions { dims: [48, 40, 16], ..CtPhantomOptions::default() }).unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        for path in [folder.path().join("two.nii.gz"), below.join("one.nii"), below.join("one_mask.nii")] {
            crate::io::nifti::save_volume(&path, &image.volume).unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "no image").unwrap();
        let found = find_images(&[folder.path().to_owned()]);
        let names: Vec<_> = found.images.iter().map(|image| stem(&image.path)).collect();
        assert_eq!(names, ["two", "one"]);
        assert!(found.notes[0].starts_with("1 files were left out"), "{:?}", found.notes);
        // One that is named is taken.
        let named = find_images(&[below.join("one_mask.nii"), folder.path().join("notes.txt")]);
        assert_eq!((named.images.len(), named.notes.len()), (1, 1));
    }

    #[test]
    fn every_dicom_series_is_an_image() {
        let Some(folder) = shared_data("data/dicom/ct_liver_series") else { return };
        let found = find_images(&[folder]);
        assert!(!found.images.is_empty());
        assert!(found.images.iter().all(|image| image.selection.series_uid.is_some()), "{found:?}");
    }

    #[test]
    fn masks_find_their_cases() {
        let mut list = Worklist::new("w", LabelTable::default(), None);
        for name in ["STS_022_ct.nii.gz", "knee.nii", "knee_2.nii"] {
            list.add(Path::new("/w"), CaseImage::at(format!("/i/{name}")), 0).unwrap();
        }
        let files: Vec<PathBuf> =
            ["/m/STS_022_gtv.nii.gz", "/m/knee.nii.gz", "/m/knee_2_seg.nrrd", "/m/other.nii"]
                .map(PathBuf::from)
                .to_vec();
        let mask = |id| mask_for(list.case(CaseId(id)).unwrap(), &files).map(stem);
        assert_eq!(mask(1).as_deref(), Some("STS_022_gtv"));
        assert_eq!(mask(2).as_deref(), Some("knee"));
        assert_eq!(mask(3).as_deref(), Some("knee_2_seg"));
        let twice: Vec<PathBuf> = ["/m/knee_seg.nii", "/m/knee_mask.nii"].map(PathBuf::from).to_vec();
        assert_eq!(mask_for(list.case(CaseId(2)).unwrap(), &twice), None);
    }
}
