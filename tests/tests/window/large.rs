//! Changes of so many voxels that they are made beside the frames.

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;
use hilum::command::{Action, EditAction, UiCommand, ViewAction};
use hilum::state::AppState;
use hilum_core::document::Document;
use hilum_core::geometry::Grid;
use hilum_core::io::nifti::save_volume;
use hilum_core::label::LookChange;
use hilum_core::volume::{ImageMeta, Volume, Voxels};

use super::{AXIAL, CTRL, CTRL_SHIFT, Window, is_complete};
use hilum::command::SegmentAction;

const SIDE: usize = 136;

fn document(state: &AppState) -> &Document {
    &state.session.as_ref().expect("an image is open").document
}

#[test]
fn a_filled_background_is_applied_undone_redone_and_painted_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.nii.gz");
    let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
    let values = Voxels::U8((0..SIDE.pow(3)).map(|i| (i % 200) as u8).collect());
    save_volume(&path, &Volume::new(grid, values, ImageMeta::default()).unwrap()).unwrap();
    let mut window = Window::open(folder.path(), vec![path]);
    window.until("the image is open", is_complete);
    let world = window.session().volume().grid().world_of([68, 68, 68]);
    window.harness.state().send(ViewAction::Crosshair(world));
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(AXIAL, world);
    window.click(at);
    window.harness.run_ok();
    let dab = window.labelled();
    assert!(dab > 0);

    window.harness.state().send(UiCommand::AddLabel);
    window.harness.state().send(UiCommand::OpFill);
    window.harness.run_ok();
    window.harness.get_by_role_and_label(Role::RadioButton, "In 3-D").click();
    window.harness.run_ok();
    let corner = window.session().volume().grid().world_of([2, 2, 68]);
    window.harness.state().send(EditAction::Seed(AXIAL, corner));
    window.until("the filling is planned", |s| document(s).staged().is_some());
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.labelled(), SIDE.pow(3) - dab);

    let cursor = document(window.state()).history().cursor();
    window.press(CTRL, Key::Z);
    window.until("it is undone", |s| document(s).history().cursor() == cursor - 1);
    assert_eq!(window.labelled(), 0);
    window.press(CTRL_SHIFT, Key::Z);
    window.until("it is made again", |s| document(s).history().cursor() == cursor);
    assert_eq!(window.labelled(), SIDE.pow(3) - dab);

    // Two at once: the second goes on from where the first leads.
    window.harness.state().send(UiCommand::Undo);
    window.harness.state().send(UiCommand::Undo);
    window.until("both are undone", |s| document(s).history().cursor() == cursor - 2);
    window.harness.state().send(SegmentAction::GoTo(cursor));
    window.until("all are made again", |s| document(s).history().cursor() == cursor);

    // Whoever goes on while a large step is being undone works on what it leads to.
    window.harness.state().send(UiCommand::Undo);
    window.harness.state().send(SegmentAction::Rename(1, "Dab".into()));
    window.harness.run_ok();
    assert_eq!(document(window.state()).history().steps().last(), Some("Rename label"));
    window.harness.state().send(SegmentAction::Look(LookChange::Active(2)));
    window.harness.run_ok();
    assert_eq!((window.labelled(), document(window.state()).labels().count(1)), (0, dab));
    assert!(window.session().editing.walk.is_none());
}

#[test]
fn a_large_mask_is_imported_cleared_and_removed_beside_the_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.nii.gz");
    let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
    let volume = |values| Volume::new(grid, Voxels::U8(values), ImageMeta::default()).unwrap();
    save_volume(&path, &volume((0..SIDE.pow(3)).map(|i| (i % 200) as u8).collect())).unwrap();
    let mask = folder.path().join("mask.nii.gz");
    save_volume(&mask, &volume((0..SIDE.pow(3)).map(|i| u8::from(i % 3 == 0)).collect())).unwrap();
    let all = SIDE.pow(3).div_ceil(3);
    let mut window = Window::open(folder.path(), vec![path]);
    window.until("the image is open", is_complete);
    window.harness.state().send(Action::ImportMask(mask));
    window.until("the mask is there", |s| document(s).labels().count(1) == all);
    assert!(window.state().messages.list().iter().any(|m| m.text == "The mask was imported"));

    window.harness.state().send(UiCommand::ClearLabel);
    window.until("the label is cleared", |s| document(s).labels().count(1) == 0);
    assert_eq!(document(window.state()).history().undo_name(), Some("Clear label"));
    // At once: what comes after a command finds the labels that it leaves.
    window.harness.state().send(UiCommand::Undo);
    window.until("it is back", |s| document(s).labels().count(1) == all);
    window.harness.state().send(UiCommand::ClearLabel);
    window.harness.state().send(SegmentAction::Rename(1, "Nothing".into()));
    window.harness.run_ok();
    let steps: Vec<_> = document(window.state()).history().steps().collect();
    assert_eq!(steps[steps.len() - 2..], ["Clear label", "Rename label"]);
    assert_eq!(window.labelled(), 0);

    window.harness.state().send(SegmentAction::GoTo(1));
    window.until("the mask is there again", |s| document(s).labels().count(1) == all);
    window.harness.state().send(UiCommand::AddLabel);
    window.harness.state().send(SegmentAction::Remove(1));
    window.until("the label is gone", |s| document(s).table().get(1).is_none());
    assert_eq!(document(window.state()).labels().count(0), SIDE.pow(3));
}
