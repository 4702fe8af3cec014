//! `hilum convert` through every format and back: the real program on phantoms, and on real data where it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{json, phantom, refused, shared};

/// Round the formats and back to where they started.
#[test]
fn label_maps_go_through_every_format_and_come_back() {
    let p = phantom(1);
    let truth = json(&["measure", &p.truth]);
    let mut from = p.truth.clone();
    for name in ["a.seg.nrrd", "b.mha", "c.dcm", "d.mhd", "e.rtstruct.dcm", "f.nhdr", "g.nii.gz"] {
        let to = p.path(name);
        let converted = json(&["convert", &from, &to, "--image", &p.image]);
        assert_eq!(converted["labels"].as_array().unwrap().len(), truth["labels"].as_array().unwrap().len());
        from = to;
    }
    for prediction in ["g.nii.gz", "c.dcm"] {
        let scores = json(&["evaluate", "--pred", &p.path(prediction), "--truth", &p.truth]);
        for label in scores["labels"].as_array().unwrap() {
            assert_eq!(label["dice"], 1.0, "{prediction}: {label}");
        }
    }
    let measured = json(&["measure", &p.path("c.dcm"), "--image", &p.image]);
    assert_eq!(measured["labels"][0]["voxels"], truth["labels"][0]["voxels"]);
    refused(&["convert", &p.path("e.rtstruct.dcm"), &p.path("h.nii")], &["name the image"]);
    refused(&["convert", &p.path("c.dcm"), &p.path("h.dcm")], &["--image"]);
    refused(&["convert", &p.image, &p.path("h.dcm")], &["--labels"]);
    refused(&["convert", &p.image, &p.path("h.mha"), "--labels"], &["whole numbers"]);
}

#[test]
fn images_go_through_every_format_and_come_back() {
    let p = phantom(1);
    let mut from = p.image.clone();
    for name in ["a.nrrd", "b.mha", "c.nhdr", "d.mhd", "e.nii"] {
        let to = p.path(name);
        json(&["convert", &from, &to]);
        from = to;
    }
    let (a, b) = (json(&["info", &p.image]), json(&["info", &from]));
    for field in ["dims", "spacing_mm", "world_from_voxel", "value_range", "voxel_type"] {
        assert_eq!(a[field], b[field], "{field}");
    }
}

#[test]
fn a_real_dicom_series_becomes_nifti_in_its_place() {
    let Some(series) = shared("data/dicom/ct_liver_series") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("liver.nii.gz");
    let out = out.to_str().unwrap();
    let dicom = json(&["info", &series]);
    let beginning = &dicom["series"][0]["uid"].as_str().unwrap()[..30];
    let converted = json(&["convert", &series, out, "--series", beginning]);
    assert_eq!((&dicom["modality"], &dicom["dims"][2]), (&"CT".into(), &41.into()));
    assert_eq!(dicom["dims"], converted["dims"]);
    let nifti = json(&["info", out]);
    assert_eq!(nifti["value_range"], dicom["value_range"]);
    assert_eq!(nifti["orientation"], dicom["orientation"]);
    for (row, expected) in nifti["world_from_voxel"]
        .as_array()
        .unwrap()
        .iter()
        .zip(dicom["world_from_voxel"].as_array().unwrap())
    {
        for (a, b) in row.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
            assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-3, "{a} {b}");
        }
    }
    refused(&["info", &series, "--series", "1.2.3.no"], &["1.2.3.no"]);
}

#[test]
fn dicom_files_are_copied_without_names() {
    let Some(series) = shared("data/dicom/ct_liver_series/image") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("copies");
    let (series, out_text) = (series.as_str(), out.to_str().unwrap());
    let told = json(&["deidentify", series, "--out", out_text, "--keep-characteristics"]);
    assert_eq!(told["patients"].as_object().unwrap().len(), 1, "{told}");
    assert_eq!(told["written"], 41, "{told}");
    assert!(folder.path().join("copies.key.json").is_file());
    let (before, after) = (json(&["info", series]), json(&["info", out_text]));
    for what in ["dims", "spacing_mm"] {
        assert_eq!(before[what], after[what], "{what}");
    }
    refused(&["deidentify", series, "--out", out_text], &["not empty"]);
}
