use nalgebra::{Matrix3, Rotation3, Vector3};

use super::*;
use crate::geometry::{Affine, Grid};
use crate::io::{OpenOptions, open, open_labels};
use crate::volume::{ImageMeta, Voxels};

fn ct(seed: i16) -> (Volume, LabelMap) {
    let linear = Rotation3::from_euler_angles(0.1, 0.2, 0.3).into_inner()
        * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, 2.5));
    let affine = Affine::new(linear, Vector3::new(-10.0, 20.0, 30.0)).unwrap();
    let grid = Grid::new([7, 5, 3], affine).unwrap();
    let meta = ImageMeta { modality: Modality::Ct, ..ImageMeta::default() };
    let voxels = Voxels::I16((0..105).map(|i| i * seed - 500).collect());
    let labels = (0..105).map(|i| [0, 2, 9][i % 3]).collect();
    (Volume::new(grid, voxels, meta).unwrap(), LabelMap::from_voxels(grid, labels).unwrap())
}

fn names() -> Vec<LabelName> {
    [(2, "Liver"), (9, "Liver")]
        .map(|(value, name)| LabelName { value, name: name.into(), color: [1, 2, 3] })
        .into()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn written(layout: DatasetLayout, folder: &Path) {
    let mut writer = DatasetWriter::create(folder, layout, names()).unwrap();
    for (i, name) in ["a b.nii.gz", "a/b", "third"].into_iter().enumerate() {
        let (image, labels) = ct(i as i16 + 1);
        let purpose = if i == 1 { DatasetUse::Validation } else { DatasetUse::Training };
        writer.add(name, purpose, &image, &labels).unwrap();
    }
    let cases = writer.finish().unwrap();
    let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["a_b", "a_b-2", "third"]);
}

#[test]
fn nn_unet_finds_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("Dataset501_Liver");
    written(DatasetLayout::NnUnet, &folder);
    assert_eq!(
        read(&folder.join("dataset.json")),
        json!({
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "Liver": 1, "Liver 9": 2},
            "numTraining": 3,
            "file_ending": ".nii.gz",
        })
    );
    assert_eq!(
        read(&folder.join("splits_final.json")),
        json!([{"train": ["a_b", "third"], "val": ["a_b-2"]}])
    );
    for (i, id) in ["a_b", "a_b-2", "third"].into_iter().enumerate() {
        let image = folder.join(format!("imagesTr/{id}_0000.nii.gz"));
        let image = open(&image, &OpenOptions::default(), &()).unwrap().volume;
        let labels = open_labels(&folder.join(format!("labelsTr/{id}.nii.gz"))).unwrap();
        let (wanted, _) = ct(i as i16 + 1);
        assert!(image.grid().matches(wanted.grid()) && labels.grid.matches(wanted.grid()));
        assert_eq!(image.voxels(), wanted.voxels());
        assert_eq!(labels.labels, (0..105).map(|i| [0, 1, 2][i % 3]).collect::<Vec<u16>>());
    }
    let again = DatasetWriter::create(&folder, DatasetLayout::NnUnet, names()).unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
}

#[test]
fn monai_finds_its_list() {
    let folder = tempfile::tempdir().unwrap();
    written(DatasetLayout::Monai, folder.path());
    let list = read(&folder.path().join("dataset.json"));
    assert_eq!(
        list["training"],
        json!([
            {"image": "images/a_b.nii.gz", "label": "labels/a_b.nii.gz"},
            {"image": "images/third.nii.gz", "label": "labels/third.nii.gz"},
        ])
    );
    assert_eq!(list["validation"], json!([{"image": "images/a_b-2.nii.gz", "label": "labels/a_b-2.nii.gz"}]));
    assert_eq!(list["labels"], json!({"0": "background", "1": "Liver", "2": "Liver 9"}));
    assert!(folder.path().join("images/a_b-2.nii.gz").is_file());
    assert!(!folder.path().join("splits_final.json").exists());
}

#[test]
fn photographs_stay_pictures_and_kinds_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_spacing([3, 2, 1], [1.0; 3]).unwrap();
    let picture = || {
        let meta = ImageMeta { modality: Modality::Photograph, ..ImageMeta::default() };
        Volume::new(grid, Voxels::Rgb8(vec![[1, 2, 3]; 6]), meta).unwrap()
    };
    let labels = LabelMap::from_voxels(grid, vec![0, 2, 2, 0, 0, 9]).unwrap();
    let mut writer = DatasetWriter::create(folder.path(), DatasetLayout::NnUnet, names()).unwrap();
    writer.add("eye", DatasetUse::Training, &picture(), &labels).unwrap();
    let (image, other) = ct(1);
    let refused = writer.add("ct", DatasetUse::Training, &image, &other).unwrap_err();
    assert!(refused.to_string().contains("one kind"), "{refused}");
    let unknown = LabelMap::from_voxels(grid, vec![3; 6]).unwrap();
    let refused = writer.add("x", DatasetUse::Training, &picture(), &unknown).unwrap_err();
    assert!(refused.to_string().contains("label 3"), "{refused}");
    writer.finish().unwrap();
    let list = read(&folder.path().join("dataset.json"));
    assert_eq!(list["file_ending"], ".png");
    assert_eq!(list["channel_names"], json!({"0": "R", "1": "G", "2": "B"}));
    assert!(folder.path().join("imagesTr/eye_0000.png").is_file());
    let back = open_labels(&folder.path().join("labelsTr/eye.png")).unwrap();
    assert_eq!(back.labels, [0, 1, 1, 0, 0, 2]);
}

#[test]
fn a_set_without_labels_or_without_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = DatasetWriter::create(folder.path(), DatasetLayout::Monai, Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("no case has a labelled voxel"), "{refused}");
    let mut writer = DatasetWriter::create(folder.path(), DatasetLayout::Monai, names()).unwrap();
    let (image, labels) = ct(1);
    writer.add("a", DatasetUse::Validation, &image, &labels).unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("set aside"));
}
