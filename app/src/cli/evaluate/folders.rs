//! Which file of one folder belongs to which of another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Endings of files that may be masks, longest first.
const ENDINGS: [&str; 8] = [".nii.gz", ".nii", ".hdr", ".png", ".tiff", ".tif", ".bmp", ".img.gz"];

/// Files of two folders with the same stem.
#[derive(Debug)]
pub struct Pairs {
    /// Stem, prediction, truth; by stem.
    pub matched: Vec<(String, PathBuf, PathBuf)>,
    /// Stems without a truth.
    pub only_pred: Vec<String>,
    /// Stems without a prediction.
    pub only_truth: Vec<String>,
}

/// Pairs the masks of two folders by file name without ending.
pub fn pair_by_stem(pred: &Path, truth: &Path) -> anyhow::Result<Pairs> {
    let predictions = masks_by_stem(pred)?;
    let mut truths = masks_by_stem(truth)?;
    let (mut matched, mut only_pred) = (Vec::new(), Vec::new());
    for (stem, path) in predictions {
        match truths.remove(&stem) {
            Some(truth) => matched.push((stem, path, truth)),
            None => only_pred.push(stem),
        }
    }
    let only_truth: Vec<String> = truths.into_keys().collect();
    if matched.is_empty() {
        let first = |names: &[String]| names.first().cloned().unwrap_or_else(|| "no mask".into());
        bail!(
            "no file of the folders has the same name up to the ending (prediction: {}, truth: {}): {} and {}",
            first(&only_pred),
            first(&only_truth),
            pred.display(),
            truth.display()
        );
    }
    Ok(Pairs { matched, only_pred, only_truth })
}

/// The image of a case, which is no mask of it: the file of a folder with its name up to the ending, else the only one
/// whose name is a beginning of it, else the only one that begins alike up to the last underscore (`21_image` for
/// `21_vessel`; of several the one that says `image`).
pub fn image_of(folder: &Path, name: &str, masks: [&Path; 2]) -> anyhow::Result<PathBuf> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let cannot = || format!("cannot read the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let stem = file.strip_suffix(".gz").unwrap_or(&file);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned();
        if !masks.contains(&path.as_path()) && path.is_file() {
            files.insert(stem, path);
        }
    }
    let name = name.to_lowercase();
    let begin = |name: &str| name.rsplit_once('_').map_or(name, |(begin, _)| begin).to_owned();
    let rules: [&dyn Fn(&str) -> bool; 4] = [
        &|stem| stem == name,
        &|stem| name.starts_with(stem),
        &|stem| begin(stem) == begin(&name),
        &|stem| begin(stem) == begin(&name) && stem.contains("image"),
    ];
    for rule in rules {
        let mut fitting = files.iter().filter(|(stem, _)| rule(stem));
        if let (Some((_, path)), None) = (fitting.next(), fitting.next()) {
            return Ok(path.clone());
        }
    }
    bail!("no file, or more than one, can be the image of {name}: {}", folder.display())
}

/// The field of view of a case: the mask of a folder with the name of the case, else the only one with the same
/// beginning up to the last underscore (`21_fov` for `21_vessel`). A file serves all cases.
pub fn field_of(fov: &Path, name: &str) -> anyhow::Result<PathBuf> {
    if !fov.is_dir() {
        return Ok(fov.to_owned());
    }
    let mut masks = masks_by_stem(fov)?;
    if let Some(path) = masks.remove(name) {
        return Ok(path);
    }
    let begin = |name: &str| name.rsplit_once('_').map_or(name, |(begin, _)| begin).to_owned();
    masks.retain(|stem, _| begin(stem) == begin(name));
    match masks.len() {
        1 => Ok(masks.into_values().next().unwrap_or_default()),
        0 => bail!("there is no field of view for {name}: {}", fov.display()),
        n => bail!("{n} masks may be the field of view of {name}; name it {name}.png: {}", fov.display()),
    }
}

/// The masks of a folder by file name without ending.
pub fn masks_by_stem(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let Some(stem) = stem_of(&path).filter(|_| path.is_file()) else { continue };
        if let Some(other) = found.insert(stem.clone(), path.clone()) {
            bail!("two masks are named {stem}; keep one: {} and {}", other.display(), path.display());
        }
    }
    Ok(found)
}

fn stem_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with('.') {
        return None;
    }
    let lower = name.to_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(*ending))?;
    name.get(..name.len() - ending.len()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_lose_their_ending_and_nothing_else() {
        assert_eq!(stem_of(Path::new("a/case.1_gtv.nii.gz")), Some("case.1_gtv".into()));
        assert_eq!(stem_of(Path::new("B.PNG")), Some("B".into()));
        assert_eq!(stem_of(Path::new(".hidden.nii")), None);
        assert_eq!(stem_of(Path::new("index.csv")), None);
    }

    #[test]
    fn a_field_of_view_is_found_by_name_or_by_beginning() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["21_fov.png", "22_fov.png", "23.png", "24_a.png", "24_b.png"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let of = |name: &str| field_of(folder.path(), name);
        assert_eq!(of("21_vessel").unwrap(), folder.path().join("21_fov.png"));
        assert_eq!(of("23").unwrap(), folder.path().join("23.png"));
        assert!(of("24_vessel").unwrap_err().to_string().contains("2 masks"));
        assert!(of("25_vessel").unwrap_err().to_string().contains("no field of view"));
        let one = folder.path().join("23.png");
        assert_eq!(field_of(&one, "anything").unwrap(), one);
    }

    #[test]
    fn an_image_is_found_beside_its_masks() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["21_image.png", "21_vessel.png", "21_fov.png", "22.jpg", "case.nii.gz"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let of = |name: &str, mask: &str| image_of(folder.path(), name, [&at(mask), Path::new("p.png")]);
        assert_eq!(of("21_vessel", "21_vessel.png").unwrap(), at("21_image.png"));
        assert_eq!(of("22_manual", "22_manual.png").unwrap(), at("22.jpg"));
        assert_eq!(of("case", "elsewhere.nii.gz").unwrap(), at("case.nii.gz"));
        assert!(of("23", "23.png").is_err());
    }

    #[test]
    fn files_without_a_partner_are_named_and_doubles_are_refused() {
        let (p, t) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, name) in
            [(&p, "a.nii"), (&p, "b.nii"), (&t, "b.nii.gz"), (&t, "c.png"), (&t, "notes.txt")]
        {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let pairs = pair_by_stem(p.path(), t.path()).unwrap();
        assert_eq!(pairs.matched.len(), 1);
        assert_eq!(pairs.matched[0].0, "b");
        assert_eq!((pairs.only_pred, pairs.only_truth), (vec!["a".to_owned()], vec!["c".to_owned()]));
        std::fs::write(t.path().join("b.png"), b"").unwrap();
        assert!(pair_by_stem(p.path(), t.path()).unwrap_err().to_string().contains("two masks are named b"));
    }
}
