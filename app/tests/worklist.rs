//! Worklists, provenance and exports on the command line, on the real program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use hilum_core::document::{Document, EditCommand};
use hilum_core::geometry::VoxelBox;
use hilum_core::io::nifti::save_volume;
use hilum_core::io::{self, OpenOptions, open_labels};
use hilum_core::label::BoxMask;
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_core::project::{ImageReference, Store};
use hilum_core::prompt::Click;
use hilum_core::provenance::{CHAIN_FILE, Origin, UsedModel};
mod common;

use common::{Ran, hilum, json};

#[path = "worklist/exports.rs"]
mod exports;
#[path = "worklist/masks.rs"]
mod masks;

fn phantom(path: &Path) -> [usize; 3] {
    let options =
        CtPhantomOptions { dims: [112, 96, 44], spacing_mm: [3.0, 3.0, 5.0], ..CtPhantomOptions::default() };
    let phantom = ct_phantom(&options).unwrap();
    save_volume(path, &phantom.volume).unwrap();
    phantom.lesions[0].click_voxel
}

#[test]
fn a_worklist_is_made_filled_listed_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(path("images")).unwrap();
    phantom(&folder.path().join("images/one.nii.gz"));
    phantom(&folder.path().join("images/two.nii.gz"));
    let (list, images) = (path("list"), path("images"));
    let made = json(&["worklist", "new", &list, "--model", "hippocampus-attention-unet", &images]);
    assert_eq!(made["cases"].as_array().unwrap().len(), 2);
    let aside = json(&["worklist", "set-aside", &list, "two"]);
    assert_eq!(aside["cases"][1]["role"], "set_aside");
    let Ran { code, out: text, .. } = hilum(&["worklist", "list", &list]);
    assert!(code == 0 && text.contains("two") && text.contains("set aside"), "{text}");
    let none = json(&["worklist", "list", &list, "--state", "corrected"]);
    assert!(none["cases"].as_array().unwrap().is_empty());

    let refused: [(&[&str], &str); 5] = [
        (&["worklist", "new", &list], "already holds"),
        (&["worklist", "new", &path("other"), "--model", "nobody"], "there is no model"),
        (&["worklist", "set-aside", &list, "three"], "one, two"),
        (&["worklist", "list", &images], "no worklist"),
        (&["provenance", &list, "--case", "one"], "nobody has worked"),
    ];
    for (arguments, words) in refused {
        let Ran { code, out, err } = hilum(arguments);
        assert!(code == 1 && out.is_empty() && err.contains(words), "{arguments:?}: {err}");
    }
}

/// What `hilum segment` answers to a click becomes a step of a project, as in the window.
#[test]
fn an_answer_is_replayed_from_the_record_and_a_forged_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (image, mask, project) = (path("ct.nii.gz"), path("mask.nii.gz"), path("case.hilum"));
    let voxel = phantom(Path::new(&image));
    let click = voxel.map(|v| v.to_string()).join(",");
    let answer = json(&[
        "segment",
        &image,
        "--click",
        &click,
        "--out",
        &mask,
        "--device",
        "cpu",
        "--model",
        "lesion-div-light",
    ]);
    assert_eq!(answer["model"], "lesion-div-light", "{answer}");

    let volume = Arc::new(io::open(Path::new(&image), &OpenOptions::default(), &()).unwrap().volume);
    let labels = open_labels(Path::new(&mask)).unwrap().labels;
    let full: VoxelBox = volume.grid().full_box();
    let found = BoxMask::new(full, labels.iter().map(|label| *label > 0).collect()).unwrap();
    let mut document = Document::new(Arc::clone(&volume));
    document.start_journal();
    let mut store =
        Store::create(Path::new(&project), ImageReference::of(&volume), &document.snapshot()).unwrap();
    document.apply(EditCommand::AddClick(Click { voxel, positive: true })).unwrap();
    let mask_sha256 = Some(found.sha256());
    document.apply(EditCommand::SetPreview(found)).unwrap();
    document.apply(EditCommand::AcceptPreview).unwrap();
    let shown = |id: &str| {
        let card = json(&["models", "show", id]);
        UsedModel { id: id.into(), weights_sha256: card["weights_sha256"].as_str().unwrap().into() }
    };
    document.credit(Origin {
        models: vec![shown("lesion-coarse"), shown("lesion-div-light")],
        device: "CPU".into(),
        clicks: vec![Click { voxel, positive: true }],
        mask_sha256,
    });
    store.append(&document.take_unsaved()).unwrap();
    store.attest("corrected", document.labels());
    drop(store);

    let report = json(&["provenance", &project, "--replay"]);
    assert_eq!(report["replayed"][0]["is_equal"], true, "{report}");
    assert_eq!(report["verdict"]["attested"]["is_present"], true);

    let chain = Path::new(&project).join(CHAIN_FILE);
    let text = std::fs::read_to_string(&chain).unwrap();
    std::fs::write(&chain, text.replacen("Segment lesion", "Brush by hand", 1)).unwrap();
    let Ran { code, out, err } = hilum(&["provenance", &project]);
    assert!(code == 1 && err.contains("not sound") && out.contains("was changed"), "{out}{err}");
}
