//! Masks of many cases in and out, and the network that answers clicks taught with them.

use std::path::Path;

use hilum_core::io::nifti::save_labels;
use hilum_core::io::open_labels;

use super::{Ran, hilum, json};

/// An image and the mask of one of its lesions.
fn sample(image: &str, truth: &str, seed: &str) {
    let size = ["--dims", "80,64,33", "--spacing", "4,4,6"];
    json(&[&["sample", "ct", "--out", image, "--truth", truth, "--seed", seed][..], &size].concat());
    let mut mask = open_labels(Path::new(truth)).unwrap();
    let count = |label: u16| mask.labels.iter().filter(|value| **value == label).count();
    let largest = mask.used_labels().into_iter().max_by_key(|label| count(*label)).unwrap();
    mask.labels.iter_mut().for_each(|value| *value = u16::from(*value == largest));
    save_labels(Path::new(truth), &mask.labels, &mask.grid, &mask.source, &[]).unwrap();
}

#[test]
fn masks_become_cases_that_teach_clicks_and_versions_are_compared_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for below in ["images", "masks"] {
        std::fs::create_dir_all(path(below)).unwrap();
    }
    for (name, seed) in [("one", "1"), ("two", "2"), ("three", "3")] {
        sample(&path(&format!("images/{name}.nii.gz")), &path(&format!("masks/{name}_seg.nii.gz")), seed);
    }
    std::fs::remove_file(path("masks/three_seg.nii.gz")).unwrap();
    let list = path("list");
    json(&["worklist", "new", &list, "--model", "lesion-div-light", &path("images")]);
    let shown = json(&["worklist", "masks", &list, "--import-masks", &path("masks"), "--dry-run"]);
    assert_eq!((&shown["taken"], &shown["dry_run"]), (&0.into(), &true.into()));
    assert!(
        json(&["worklist", "list", &list, "--state", "corrected"])["cases"].as_array().unwrap().is_empty()
    );
    let taken = json(&["worklist", "masks", &list, "--import-masks", &path("masks")]);
    assert_eq!(taken["taken"], 2);
    let again = json(&["worklist", "masks", &list, "--import-masks", &path("masks")]);
    assert_eq!(again["taken"], 0, "work stays");

    json(&["worklist", "export-masks", &list, &path("out")]);
    let written = open_labels(Path::new(&path("out/two.nii.gz"))).unwrap();
    let truth = open_labels(Path::new(&path("masks/two_seg.nii.gz"))).unwrap();
    assert_eq!(written.labels, truth.labels);
    let Ran { code, err, .. } = hilum(&["worklist", "export-masks", &list, &path("out")]);
    assert!(code == 1 && err.contains("exists already"), "{err}");

    json(&["worklist", "set-aside", &list, "two"]);
    let quick = ["--device", "cpu", "--steps", "1", "--batch", "1", "--seconds", "900"];
    let taught = json(&[&["finetune", &list][..], &quick].concat());
    assert_eq!(taught["comparison"]["regions"][0]["name"], "object after 1 click");
    assert_eq!(taught["comparison"]["verdict"], "too_few");
    let compared = json(&["versions", &list, "--compare", "lesion-div-light", "1", "--device", "cpu"]);
    assert_eq!(compared["new"], "lesion-div-light@0001");
    assert_eq!(compared["cases"], taught["comparison"]["cases"], "the same cases give the same Dice");

    // A label that nobody has decided on keeps its case out, and that is told.
    let mut undecided = truth.labels.clone();
    undecided[..20].fill(900);
    let names = [hilum_core::io::LabelName {
        value: 900,
        name: hilum_core::label::DIFFERENCES.into(),
        color: [0; 3],
    }];
    let note = path("masks/three_seg.nii.gz");
    save_labels(Path::new(&note), &undecided, &truth.grid, &truth.source, &names).unwrap();
    json(&["worklist", "masks", &list, "--import-masks", &path("masks")]);
    let Ran { err, .. } =
        hilum(&["versions", &list, "--compare", "lesion-div-light", "1", "--device", "cpu"]);
    assert!(err.contains("the case three is left out") && err.contains("nobody has decided"), "{err}");
}
