//! The files that are damaged: small ones made here in every format, and the shared data where it is.

use std::path::{Path, PathBuf};

use hilum_core::geometry::Grid;
use hilum_core::io::export::{save_image, save_labels};
use hilum_core::io::{LabelExport, LabelFormat, LabelName, probe};
use hilum_core::testing::shared_data;
use hilum_core::volume::{ImageMeta, Source, Volume, Voxels};

/// Larger files are left out.
pub const MOST_BYTES: u64 = 2 << 20;

/// All files, in the same order everywhere.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    make(folder);
    let mut found = Vec::new();
    collect(folder, &mut found);
    if let Some(shared) = shared_data("data") {
        collect(&shared, &mut found);
    }
    // Notes and files of other programs are refused by their first bytes, damaged or not.
    found.retain(|path| probe(path).is_ok());
    found
}

/// The ending of a file in small letters; `none` where it has none, or a UID.
pub fn ending(path: &Path) -> String {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.filter(|e| e.len() < 5).unwrap_or_else(|| "none".into())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if std::fs::metadata(&path).is_ok_and(|m| (1..=MOST_BYTES).contains(&m.len())) {
            found.push(path);
        }
    }
}

fn make(folder: &Path) {
    let grid = Grid::from_spacing([7, 5, 3], [0.7, 0.9, 2.5]).unwrap();
    let voxels = Voxels::I16((0..105).map(|i| i * 7 - 300).collect());
    let image = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
    for name in ["a.nii", "a.nii.gz", "a.nrrd", "b.nhdr", "a.mha", "c.mhd"] {
        save_image(&folder.join(name), &image).unwrap();
    }
    let flat = Grid::from_spacing([9, 7, 1], [1.0; 3]).unwrap();
    let colors = Voxels::Rgb8((0..63).map(|i| [i, 2 * i, 3 * i]).collect());
    save_image(&folder.join("color.png"), &Volume::new(flat, colors, ImageMeta::default()).unwrap()).unwrap();
    let labels: Vec<u16> = (0..105).map(|i| (i * 7 / 11) % 4).collect();
    let names = [LabelName { value: 1, name: "Liver".into(), color: [1, 2, 3] }];
    let export =
        LabelExport { labels: &labels, grid: &grid, source: &Source::Synthetic, names: &names, covered: &[] };
    for name in ["m.nii.gz", "m.seg.nrrd", "m.mha", "m.dcm", "m.rtstruct.dcm"] {
        save_labels(&folder.join(name), &export, None).unwrap();
    }
    save_labels(&folder.join("map.dcm"), &export, Some(LabelFormat::DicomLabelMap)).unwrap();
}
