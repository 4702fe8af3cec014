//! The list of work that was kept without a project.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::path::Path;

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;
use hilum::command::{UiCommand, ViewAction};
use hilum::state::{AppState, Dialog, KeptList};
use hilum::testing::oblique_volume;
use hilum_core::io::nifti::save_volume;

use super::{AXIAL, CTRL, Window, is_complete, sample};

fn listed(state: &AppState) -> Option<&KeptList> {
    match &state.dialog {
        Dialog::Kept(list) if list.is_complete => Some(list),
        _ => None,
    }
}

fn folders(root: &Path) -> usize {
    std::fs::read_dir(root.join("unsaved")).map_or(0, Iterator::count)
}

/// Paints a dab into the middle of the axial view and closes the image, keeping the work.
fn dab_and_close(window: &mut Window<'_>) {
    window.press(Modifiers::NONE, Key::B);
    let world = window.session().views.crosshair;
    let at = window.position(AXIAL, world);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
    window.press(CTRL, Key::W);
    window.button("Keep for later");
    assert!(window.state().session.is_none());
}

fn open_list(window: &mut Window<'_>) {
    window.button("Kept work…");
    window.until("the list is complete", |state| listed(state).is_some());
}

#[test]
fn kept_work_is_listed_opened_and_deleted_after_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    dab_and_close(&mut window);
    open_list(&mut window);
    let work = &listed(window.state()).unwrap().found[0];
    let contents = work.contents.clone().unwrap();
    assert_eq!((work.image_name().as_str(), contents.labels, contents.steps), ("Sample case", 1, 1));
    window.harness.get_by_label("1 label, 1 step");

    window.button("Open");
    window.until("the work is open", is_complete);
    let session = window.session();
    assert!(session.project.is_none() && session.is_kept, "it is no project of a person's");
    assert!(window.labelled() > 0);
    assert_eq!(session.document.history().len(), 1, "with its history");

    // It goes on where it was kept.
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);
    dab_and_close(&mut window);
    assert_eq!(folders(folder.path()), 1);
    open_list(&mut window);
    window.button("Delete…");
    window.button("Keep");
    assert_eq!((folders(folder.path()), listed(window.state()).unwrap().found.len()), (1, 1));
    window.button("Delete…");
    window.button("Delete for good");
    window.until("it is deleted", |state| listed(state).is_some_and(|list| list.found.is_empty()));
    assert_eq!(folders(folder.path()), 0);
    window.button("Close");
    window.button("Open sample case");
    window.until("the sample case is open", is_complete);
    assert!(window.session().document.history().is_empty(), "nothing is left of it");
}

#[test]
fn the_image_stays_when_its_work_goes_and_is_asked_for_when_it_moved() {
    let folder = tempfile::tempdir().unwrap();
    let (image, moved) = (folder.path().join("scan.nii.gz"), folder.path().join("moved.nii.gz"));
    save_volume(&image, &oblique_volume()).unwrap();
    let bytes = std::fs::read(&image).unwrap();
    let mut window = Window::open(folder.path(), vec![image.clone()]);
    window.until("the image is open", is_complete);
    let middle = window.session().volume().grid().dims().map(|n| n / 2);
    let world = window.session().volume().grid().world_of(middle);
    window.harness.state().send(ViewAction::Crosshair(world));
    window.harness.run_ok();
    dab_and_close(&mut window);

    std::fs::rename(&image, &moved).unwrap();
    open_list(&mut window);
    // Once in the list, once among what was opened lately.
    assert_eq!(window.harness.query_all_by_label("scan.nii.gz").count(), 2);
    window.button("Open");
    window.until("the image is asked for", |state| matches!(state.dialog, Dialog::Relocate(_)));
    window.button("Cancel");
    std::fs::rename(&moved, &image).unwrap();

    open_list(&mut window);
    window.button("Open");
    window.until("the work is open", is_complete);
    assert!(window.labelled() > 0);
    // What is open is not offered for deletion.
    window.harness.state().send(UiCommand::KeptWork);
    window.until("the list is complete", |state| listed(state).is_some());
    window.harness.get_by_label("open now");
    assert!(window.harness.query_by_role_and_label(Role::Button, "Delete…").is_none());
    window.button("Close");
    window.press(CTRL, Key::W);
    if matches!(window.state().dialog, Dialog::Unsaved(_)) {
        window.button("Keep for later");
    }
    open_list(&mut window);
    window.button("Delete…");
    window.button("Delete for good");
    window.until("it is deleted", |state| listed(state).is_some_and(|list| list.found.is_empty()));
    assert_eq!((std::fs::read(&image).unwrap(), folders(folder.path())), (bytes, 0));
}
