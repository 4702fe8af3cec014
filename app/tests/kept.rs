//! `hilum kept`: listing and deleting work that the window kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hilum_core::document::{Document, EditCommand};
use hilum_core::geometry::VoxelBox;
use hilum_core::io::{self, OpenOptions};
use hilum_core::label::BoxMask;
use hilum_core::project::{ImageReference, Store};

mod common;

use common::{hilum, json, phantom, refused};

/// Keeps a dab on an image below a folder, as the window does; the name of the work.
fn keep(root: &Path, image: &str) -> String {
    let volume = Arc::new(io::open(Path::new(image), &OpenOptions::default(), &()).unwrap().volume);
    let reference = ImageReference::of(&volume);
    let name = reference.folder_name();
    let mut document = Document::new(volume);
    let mut store = Store::create(&root.join(&name), reference, &document.snapshot()).unwrap();
    document.start_journal();
    let mask = BoxMask::from_fn(VoxelBox::of_voxel([1, 1, 1]), |_| true);
    document.apply(EditCommand::WriteMask { name: "Dot".into(), mask, label: 1 }).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    name
}

#[test]
fn kept_work_is_listed_and_deleted_by_name_and_the_image_stays() {
    let p = phantom(1);
    let root = p.folder.path().join("unsaved");
    let name = keep(&root, &p.image);
    let folder = root.to_str().unwrap();
    let list = json(&["kept", "list", "--folder", folder]);
    let row = &list["kept"][0];
    assert_eq!(list["kept"].as_array().unwrap().len(), 1);
    assert_eq!((&row["name"], &row["labels"], &row["steps"]), (&name.clone().into(), &1.into(), &1.into()));
    assert_eq!((&row["image"], &row["image_is_there"]), (&"ct.nii.gz".into(), &true.into()));
    let text = hilum(&["kept", "list", "--folder", folder]).out;
    assert!(text.contains(&name) && text.contains("ct.nii.gz"), "{text}");

    // Nobody is there to be asked.
    refused(&["kept", "delete", &name, "--folder", folder], &["--yes"]);
    refused(
        &["kept", "delete", &name, "nothing", "--yes", "--folder", folder],
        &["\"nothing\"", "kept list"],
    );
    refused(&["kept", "delete", "../unsaved", "--yes", "--folder", folder], &["../unsaved"]);
    assert!(root.join(&name).exists(), "all or nothing");
    let deleted = json(&["kept", "delete", &name, "--yes", "--folder", folder]);
    assert_eq!(deleted["deleted"], serde_json::json!([name]));
    assert!(!root.join(&name).exists() && Path::new(&p.image).exists());
    assert_eq!(json(&["kept", "list", "--folder", folder])["kept"], serde_json::json!([]));
    // The work on the sample case has a name that looks like an option.
    std::fs::rename(root.join(keep(&root, &p.image)), root.join("-1a2b-t0")).unwrap();
    let ran = hilum(&["kept", "delete", "--folder", folder, "--yes", "--", "-1a2b-t0"]);
    assert_eq!((ran.code, root.join("-1a2b-t0").exists()), (0, false), "{}", ran.err);
    refused(&["kept", "list", "--folder", &p.path("absent")], &["does not exist", "absent"]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_list_is_that_of_the_programs_data_and_names_what_is_wrong() {
    let p = phantom(2);
    let data = p.folder.path().join("data");
    let name = keep(&data.join("hilum/unsaved"), &p.image);
    std::fs::remove_file(&p.image).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
        let output = command.args(arguments).env("XDG_DATA_HOME", &data).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (is_well, text) = run(&["kept", "list"]);
    assert!(is_well && text.contains(&name) && text.contains("the image is not where it was"), "{text}");
    for file in std::fs::read_dir(data.join("hilum/unsaved").join(&name)).unwrap().flatten() {
        if file.file_name().to_string_lossy().ends_with(".bin") {
            std::fs::write(file.path(), b"nonsense").unwrap();
        }
    }
    let (is_well, text) = run(&["kept", "list"]);
    assert!(is_well && text.contains("damaged"), "{text}");
    assert!(run(&["kept", "delete", &name, "--yes"]).0);
    assert!(run(&["kept", "list"]).1.contains("no kept work"));
}
