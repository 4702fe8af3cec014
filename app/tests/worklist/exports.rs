//! What leaves for other programs: surfaces, data sets, COCO.

use std::path::Path;
use std::sync::Arc;

use hilum_core::document::{Document, EditCommand};
use hilum_core::io::surface::read_surface;
use hilum_core::io::{self, OpenOptions, open_labels};
use hilum_core::label::LabelMap;
use hilum_core::project::{ImageReference, Store};
use hilum_core::worklist::{CaseChange, CaseState, WorklistStore};
use serde_json::{Value, json as value};

use super::{Ran, hilum, json};

fn sample(image: &str, truth: &str, seed: &str) {
    let size = ["--dims", "80,64,33", "--spacing", "4,4,6"];
    json(&[&["sample", "ct", "--out", image, "--truth", truth, "--seed", seed][..], &size].concat());
}

#[test]
fn surfaces_enclose_the_labels_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (image, truth) = (path("ct.nii.gz"), path("truth.nii.gz"));
    sample(&image, &truth, "3");
    let mask = open_labels(Path::new(&truth)).unwrap();
    let used = mask.used_labels();
    for (name, space) in [("a.stl", "lps"), ("a.obj", "ras"), ("a.ply", "lps")] {
        let out = path(name);
        let arguments = ["export-surface", &truth, "--out", &out, "--space", space, "--shape", "voxels"];
        let report = json(&arguments);
        assert_eq!(report["surfaces"].as_array().unwrap().len(), used.len());
        let ml: f64 = report["surfaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["voxel_volume_ml"].as_f64().unwrap())
            .sum();
        let back = read_surface(Path::new(&out)).unwrap();
        assert!((back.volume_mm3() / 1000.0 / ml - 1.0).abs() < 1e-3, "{name}");
        // Where the labels are, half a voxel more: 4 × 4 × 6 mm.
        let [low, high] = back.bounds_mm().unwrap();
        let inside = (0..mask.labels.len()).filter(|i| mask.labels[*i] > 0);
        for world in inside.map(|i| mask.grid.world_of(mask.grid.voxel(i))) {
            assert!((0..3).all(|a| (low[a]..=high[a]).contains(&(world[a] as f32))), "{name}: {world}");
        }
    }
    let report = json(&["export-surface", &truth, "--out", &path("b.stl"), "--each", "--label", "1"]);
    assert_eq!(report["files"].as_array().unwrap().len(), 1);
    assert!(Path::new(report["files"][0].as_str().unwrap()).is_file());
    for (arguments, words) in [
        (["--out", &path("c.vtk"), "--label", "1"], ".stl, .obj or .ply"),
        (["--out", &path("c.stl"), "--label", "999"], "no voxel with label 999"),
    ] {
        let Ran { code, out, err } = hilum(&[&["export-surface", &truth][..], &arguments].concat());
        assert!(code == 1 && out.is_empty() && err.contains(words), "{err}");
    }
    let coco = path("masks.json");
    json(&["convert", &truth, &coco, "--labels"]);
    let coco: Value = serde_json::from_slice(&std::fs::read(coco).unwrap()).unwrap();
    let area: u64 = coco["annotations"].as_array().unwrap().iter().map(|a| a["area"].as_u64().unwrap()).sum();
    assert_eq!(area as usize, mask.labels.iter().filter(|v| **v > 0).count());
}

#[test]
fn a_worklist_becomes_a_data_set_of_its_corrected_cases() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(path("images")).unwrap();
    for (name, seed) in [("one", "1"), ("two", "2"), ("three", "3")] {
        sample(&path(&format!("images/{name}.nii.gz")), &path(&format!("{name}_truth.nii.gz")), seed);
    }
    let list = path("list");
    json(&["worklist", "new", &list, &path("images")]);
    json(&["worklist", "set-aside", &list, "two"]);
    let Ran { code, err, .. } =
        hilum(&["export-dataset", &list, "--format", "monai", "--out", &path("none")]);
    assert!(code == 1 && err.contains("no case is corrected"), "{err}");

    // One and two are corrected as in the window; three is not.
    let (store, mut worklist, _) = WorklistStore::open(Path::new(&list)).unwrap();
    for name in ["one", "two"] {
        let case = worklist.find(name).unwrap().clone();
        let image = case.image.resolved(Path::new(&list));
        let volume = Arc::new(io::open(&image, &OpenOptions::default(), &()).unwrap().volume);
        let truth = open_labels(Path::new(&path(&format!("{name}_truth.nii.gz")))).unwrap();
        let labels = LabelMap::from_voxels(*volume.grid(), truth.labels).unwrap();
        let mut document = Document::new(Arc::clone(&volume));
        let (name, names) = ("Import mask".into(), Vec::new());
        document.apply(EditCommand::ReplaceLabels { name, labels, names }).unwrap();
        let project = case.project_folder(Path::new(&list));
        std::fs::create_dir_all(project.parent().unwrap()).unwrap();
        Store::create(&project, ImageReference::of(&volume), &document.snapshot()).unwrap();
        worklist.apply(case.id, CaseChange::State(CaseState::Corrected), 0).unwrap();
    }
    store.save(&worklist).unwrap();
    drop(store);

    let out = path("Dataset501_Lesions");
    let report = json(&["export-dataset", &list, "--format", "nnunet", "--out", &out]);
    assert_eq!((&report["training"], &report["validation"]), (&value!(["one"]), &value!(["two"])));
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(Path::new(&out).join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("dataset.json")["numTraining"], 2);
    assert_eq!(read("splits_final.json"), value!([{"train": ["one"], "val": ["two"]}]));
    for name in ["one", "two"] {
        let open = |file: String| {
            io::open(&Path::new(&out).join(file), &OpenOptions::default(), &()).unwrap().volume
        };
        let image = open(format!("imagesTr/{name}_0000.nii.gz"));
        let original =
            io::open(Path::new(&path(&format!("images/{name}.nii.gz"))), &OpenOptions::default(), &());
        assert_eq!(image.voxels(), original.unwrap().volume.voxels());
        let labels = open_labels(&Path::new(&out).join(format!("labelsTr/{name}.nii.gz"))).unwrap();
        assert!(labels.grid.matches(image.grid()));
        let truth = open_labels(Path::new(&path(&format!("{name}_truth.nii.gz")))).unwrap();
        let is_labelled = |v: &[u16]| v.iter().map(|v| *v > 0).collect::<Vec<_>>();
        assert_eq!(is_labelled(&labels.labels), is_labelled(&truth.labels));
    }

    // The same from a list in a file, for MONAI.
    let text = "[[cases]]\nimage = \"images/one.nii.gz\"\nlabels = \"one_truth.nii.gz\"\nuse = \"corrected\"\n\n\
        [[cases]]\nid = \"judge\"\nimage = \"images/two.nii.gz\"\nlabels = \"two_truth.nii.gz\"\nuse = \"set_aside\"\n";
    std::fs::write(path("cases.toml"), text).unwrap();
    let report = json(&["export-dataset", &path("cases.toml"), "--format", "monai", "--out", &path("monai")]);
    assert_eq!((&report["training"], &report["validation"]), (&value!(["one"]), &value!(["judge"])));
}
