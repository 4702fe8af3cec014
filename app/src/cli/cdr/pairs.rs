//! Which mask belongs to which photograph of a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hilum_core::fundus::patient_from_name;

/// Endings of photographs.
const IMAGES: [&str; 8] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "dcm", "dicom"];
/// Endings of masks.
const MASKS: [&str; 6] = [".nii.gz", ".nii", ".png", ".tiff", ".tif", ".bmp"];

/// A photograph with its mask.
#[derive(Debug, PartialEq)]
pub struct Pair {
    /// Name without ending.
    pub name: String,
    /// The photograph.
    pub image: PathBuf,
    /// Its mask, unless outlines are to be proposed.
    pub mask: Option<PathBuf>,
}

/// What a folder holds.
#[derive(Debug)]
pub struct Pairs {
    /// By name.
    pub matched: Vec<Pair>,
    /// What has no partner, as told to people.
    pub left_out: Vec<String>,
}

impl Pairs {
    /// The photographs by patient, as their names tell.
    pub fn by_patient(&self) -> BTreeMap<String, Vec<&Pair>> {
        let mut patients: BTreeMap<String, Vec<&Pair>> = BTreeMap::new();
        for pair in &self.matched {
            patients.entry(patient_from_name(&pair.image)).or_default().push(pair);
        }
        patients
    }
}

/// Photographs of a folder, each with the mask of the same name up to the ending, or else of the only name that goes
/// on after an underscore (`IDRiD_01.jpg` with `IDRiD_01_disc.png`). Both may lie in one folder.
pub fn pair(images: &Path, masks: Option<&Path>) -> anyhow::Result<Pairs> {
    let photographs: Vec<(String, PathBuf)> = files(images)?.into_iter().filter_map(named_image).collect();
    if photographs.is_empty() {
        bail!("there is no photograph (PNG, JPEG, TIFF, BMP, DICOM) in the folder: {}", images.display());
    }
    let Some(folder) = masks else {
        let all = photographs.into_iter().map(|(name, image)| Pair { name, image, mask: None });
        return Ok(Pairs { matched: all.collect(), left_out: Vec::new() });
    };
    let all_masks: Vec<(String, PathBuf)> = files(folder)?.into_iter().filter_map(named_mask).collect();
    let (mut matched, mut alone) = (Vec::new(), Vec::new());
    for (name, image) in photographs {
        match mask_of(&name, &image, &all_masks)? {
            Some(mask) => matched.push(Pair { name, image, mask: Some(mask) }),
            None => alone.push((name, image)),
        }
    }
    // In a common folder the masks are pictures too, and not photographs without a mask.
    alone.retain(|(_, image)| !matched.iter().any(|pair: &Pair| pair.mask.as_ref() == Some(image)));
    if matched.is_empty() {
        bail!(
            "no mask has the name of a photograph (such as {}): {} and {}",
            alone.first().map_or("?", |(name, _)| name.as_str()),
            images.display(),
            folder.display()
        );
    }
    let names: Vec<&str> = alone.iter().map(|(name, _)| name.as_str()).collect();
    let left_out =
        if names.is_empty() { vec![] } else { vec![format!("no mask for {}; left out", names.join(", "))] };
    Ok(Pairs { matched, left_out })
}

fn mask_of(name: &str, image: &Path, masks: &[(String, PathBuf)]) -> anyhow::Result<Option<PathBuf>> {
    let others = || masks.iter().filter(|(_, path)| path != image);
    let same: Vec<&PathBuf> = others().filter(|(stem, _)| stem == name).map(|(_, path)| path).collect();
    let longer: Vec<&PathBuf> = others()
        .filter(|(stem, _)| stem.strip_prefix(name).is_some_and(|rest| rest.starts_with('_')))
        .map(|(_, path)| path)
        .collect();
    match (&same[..], &longer[..]) {
        ([one], _) => Ok(Some((*one).clone())),
        ([], [one]) => Ok(Some((*one).clone())),
        ([], []) => Ok(None),
        ([a, b, ..], _) | ([], [a, b, ..]) => {
            bail!("two masks may belong to {name}; keep one: {} and {}", a.display(), b.display())
        }
    }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(cannot)?;
    let mut found =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().with_context(cannot)?;
    found.retain(|path| path.is_file());
    found.sort();
    Ok(found)
}

fn named_image(path: PathBuf) -> Option<(String, PathBuf)> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    let stem = path.file_stem()?.to_str()?.to_owned();
    (IMAGES.contains(&ending.as_str()) && !stem.starts_with('.')).then_some((stem, path))
}

fn named_mask(path: PathBuf) -> Option<(String, PathBuf)> {
    let name = path.file_name()?.to_str()?.to_owned();
    let lower = name.to_lowercase();
    let ending = MASKS.iter().find(|ending| lower.ends_with(*ending)).filter(|_| !name.starts_with('.'))?;
    Some((name.get(..name.len() - ending.len())?.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), b"").unwrap());
        folder
    }

    #[test]
    fn masks_are_found_by_name_also_beside_their_photographs() {
        let common = folder(&["a_1.jpg", "a_1_disc.png", "b.jpg", "notes.txt", ".c.jpg"]);
        let pairs = pair(common.path(), Some(common.path())).unwrap();
        assert_eq!(pairs.matched.len(), 1);
        assert_eq!(pairs.matched[0].mask, Some(common.path().join("a_1_disc.png")));
        assert_eq!(pairs.left_out, ["no mask for b; left out"]);
        let (images, masks) = (folder(&["b.jpg", "a.png"]), folder(&["a.nii.gz", "b.png", "b_2.png"]));
        let pairs = pair(images.path(), Some(masks.path())).unwrap();
        let names: Vec<_> =
            pairs.matched.iter().map(|p| p.mask.as_ref().unwrap().file_name().unwrap()).collect();
        assert_eq!(names, ["a.nii.gz", "b.png"]);
        assert_eq!(pair(images.path(), None).unwrap().matched.len(), 2);
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_refused() {
        let (images, masks) = (folder(&["a.jpg"]), folder(&["a_1.png", "a_2.png"]));
        assert!(pair(images.path(), Some(masks.path())).unwrap_err().to_string().contains("two masks"));
        assert!(pair(images.path(), Some(folder(&["x.png"]).path())).is_err());
        assert!(pair(folder(&["x.txt"]).path(), None).unwrap_err().to_string().contains("no photograph"));
    }
}
