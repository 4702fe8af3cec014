//! Masks of many cases: shown before they are taken, taken as labels, written again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use hilum::command::{UiCommand, WorklistAction};
use hilum::state::Dialog;
use hilum_core::io::nifti::{open_labels, save_labels};
use hilum_core::worklist::CaseState;

#[test]
fn masks_become_labels_after_a_look_and_are_written_for_all_done_cases() {
    let folder = tempfile::tempdir().unwrap();
    let volume = oblique_volume();
    for below in ["images", "masks"] {
        std::fs::create_dir_all(folder.path().join(below)).unwrap();
    }
    for name in ["knee 1", "knee 2", "knee 3"] {
        save_volume(&folder.path().join(format!("images/{name}.nii.gz")), &volume).unwrap();
    }
    let mut labels = vec![0u16; volume.grid().voxel_count()];
    labels[20..60].fill(1);
    for name in ["knee 1_seg", "knee 2", "elbow"] {
        let path = folder.path().join(format!("masks/{name}.nii.gz"));
        save_labels(&path, &labels, volume.grid(), &volume.meta().source, &[]).unwrap();
    }
    let mut window = Window::open(folder.path(), Vec::new());
    window.harness.state().send(UiCommand::NewWorklist);
    window.until("the list is open", |s| s.worklist.is_some());
    assert!(!window.state().is_enabled(UiCommand::ImportCaseMasks), "there is no case");
    window.harness.state().send(UiCommand::AddCaseFolder);
    window.until("all are added", |s| s.worklist.as_ref().unwrap().list.cases().len() == 3);
    window.harness.state().send(WorklistAction::Model(None));
    window.harness.state().send(UiCommand::ImportCaseMasks);
    window.until("the pairs are shown", |s| matches!(s.dialog, Dialog::Masks(_)));
    let Dialog::Masks(choice) = &window.state().dialog else { unreachable!() };
    let names: Vec<bool> = choice.pairs.pairs.iter().map(|pair| pair.taken().is_some()).collect();
    assert_eq!((names, choice.pairs.unused.len()), (vec![true, true, false], 1));
    let cases = |s: &AppState| -> Vec<CaseState> {
        s.worklist.as_ref().unwrap().list.cases().iter().map(|case| case.state).collect()
    };
    assert_eq!(cases(window.state()), [CaseState::New; 3], "nothing is taken before it was seen");
    window.button("Take 2 masks");
    window.until("two are corrected", |s| {
        cases(s) == [CaseState::Corrected, CaseState::Corrected, CaseState::New]
    });

    window.harness.state().send(UiCommand::ExportCaseMasks);
    let written = folder.path().join("written masks/knee 2.nii.gz");
    window.until("the masks are written", |s| {
        s.messages.list().iter().any(|message| message.text.starts_with("2 masks were written"))
    });
    assert_eq!(open_labels(&written).unwrap().labels, labels);
}
