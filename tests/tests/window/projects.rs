//! The history list, saved projects, moved images, disks that refuse.

use super::*;
use hilum::command::EditAction;
use hilum::jobs::OpenProject;
use hilum::state::{EditOptions, Layout, Turn};
use hilum_core::io::export::save_labels;
use hilum_core::io::{CoveredLabel, LabelExport, LabelName};
use hilum_core::patch::DrawOver;

#[test]
fn a_click_in_the_history_goes_back_and_forward() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(AXIAL, lesion);
    let mut painted = vec![window.labelled()];
    for step in 0..3u8 {
        window.click(at + vec2(24.0 * f32::from(step), 0.0));
        window.harness.run_ok();
        painted.push(window.labelled());
    }
    for (step, name) in [(1, "1   Brush"), (3, "3   Brush"), (0, "0   Opened"), (2, "2   Brush")] {
        window.harness.get_by_label(name).click_accesskit();
        window.harness.run_ok();
        assert_eq!(window.labelled(), painted[step], "step {step}");
        assert_eq!(window.session().document.history().cursor(), step);
    }
    assert_eq!(window.session().document.history().len(), 3, "going back forgets nothing");
    window.click(at + vec2(0.0, 40.0));
    window.harness.run_ok();
    assert!(window.harness.query_by_label("4   Brush").is_none(), "a new step follows the second one");
}

/// An image on disk, opened and painted on.
fn painted_file(folder: &Path) -> (Window<'static>, PathBuf) {
    let path = folder.join("case.nii.gz");
    save_volume(&path, &oblique_volume()).expect("the folder can be written");
    let mut window = Window::open(folder, vec![path.clone()]);
    window.until("the file is open", is_complete);
    window.press(Modifiers::NONE, Key::B);
    let middle = window.session().views.crosshair;
    let at = window.position(AXIAL, middle);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
    (window, path)
}

/// Closes the window in good order.
fn quit(mut window: Window<'_>) {
    eframe::App::on_exit(window.harness.state_mut());
}

#[test]
fn an_image_that_was_kept_for_later_or_saved_comes_back_with_labels_history_and_view() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, path) = painted_file(folder.path());
    window.press(Modifiers::NONE, Key::Num3);
    let painted = Arc::clone(window.session().document.labels());
    window.press(CTRL, Key::W);
    assert!(matches!(window.state().dialog, Dialog::Unsaved(_)));
    window.button("Keep for later");
    assert!(window.state().session.is_none());

    // In the same window, without a question.
    let open = Action::open(path.clone());
    window.harness.state().send(open);
    window.until("the work is there", |s| is_complete(s) && s.session.as_ref().unwrap().document.can_undo());
    assert!(matches!(window.state().dialog, Dialog::None));
    assert_eq!(window.session().document.labels().to_voxels(), painted.to_voxels());
    assert_eq!((window.session().views.center, window.session().views.width), (400.0, 1800.0));

    // Saved and quit: the history is there all the same.
    window.press(CTRL, Key::S);
    window.until("the mask is saved", |s| !s.session.as_ref().unwrap().has_unsaved_work());
    quit(window);
    let mut window = Window::open(folder.path(), vec![path.clone()]);
    window.until("the work is there", |s| is_complete(s) && s.session.as_ref().unwrap().document.can_undo());
    assert!(!window.session().has_unsaved_work(), "it is still saved");
    assert_eq!(window.session().document.labels().to_voxels(), painted.to_voxels());
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);

    // Undone is a change as well, and can be dropped.
    window.press(CTRL, Key::W);
    window.button("Discard");
    window.harness.state().send(Action::open(path));
    window.until("the file is open", is_complete);
    window.settle();
    assert!(window.session().document.history().is_empty(), "what was discarded is gone");
}

#[test]
fn what_was_discarded_for_an_image_that_did_not_open_is_still_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, path) = painted_file(folder.path());
    let broken = folder.path().join("broken.nii.gz");
    std::fs::write(&broken, b"this is no image").unwrap();
    window.harness.state().send(Action::open(broken));
    window.harness.run_ok();
    window.button("Discard");
    window.until("the error is told", |s| s.opening.is_none() && !s.messages.list().is_empty());
    let at = window.position(AXIAL, window.session().views.crosshair);
    window.click(at + vec2(40.0, 0.0));
    window.harness.run_ok();
    let painted = Arc::clone(window.session().document.labels());
    quit(window);
    let mut window = Window::open(folder.path(), vec![path]);
    window.until("the work is there", |s| is_complete(s) && s.session.as_ref().unwrap().document.can_undo());
    assert_eq!(window.session().document.labels().to_voxels(), painted.to_voxels());
}

#[test]
fn a_project_keeps_the_case_and_the_settings_keep_the_hand() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("case.hilum");
    let (mut window, _) = painted_file(folder.path());
    save_project(&mut window, &project);
    window.press(Modifiers::NONE, Key::F4);
    let turn = Turn::from_degrees([20.0, 0.0, 0.0]);
    let options = EditOptions { margin_mm: 7.5, is_within: true, ..window.state().options.clone() };
    let app = window.harness.state();
    app.send(ViewAction::SetTurn(AXIAL, turn));
    app.send(ViewAction::SurfaceOpacity(1, 0.25));
    app.send(EditAction::Options(Box::new(options)));
    app.send(EditAction::DrawOver(DrawOver::Background));
    let rect = window.harness.get_by_role_and_label(Role::Canvas, "Coronal view").rect();
    window.pointer(rect.center(), None);
    window.harness.event(Event::Zoom(2.0));
    window.harness.run_ok();
    let seen = window.session().views.clone();
    let (within, layout) = (window.state().options.within, window.state().settings.layout);
    assert!(within.is_some() && layout == Layout::Four);
    quit(window);

    // Another person's window: nothing of the hand comes along, all of the case does.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut window = Window::open(&other, vec![project]);
    window.until("the project is open", is_complete);
    window.harness.run_ok();
    let (state, session) = (window.state(), window.session());
    assert_eq!(state.settings.layout, Layout::Four);
    assert_eq!((state.options.is_within, state.options.within), (true, within));
    assert_eq!(
        (session.document.draw_within(), session.document.draw_over()),
        (within, DrawOver::Background)
    );
    assert!((session.scene.opacity(1) - 0.25).abs() < 1e-6);
    assert!((session.views.turn(AXIAL).degrees()[0] - 20.0).abs() < 1e-6);
    for view in ViewId::PLANES {
        let size = egui::Rect::from_min_size(Pos2::ZERO, vec2(300.0, 200.0));
        let at = |views: &hilum::state::Views| views.slice_view(session.volume(), view, size).mm_per_point;
        assert!((at(&session.views) - at(&seen)).abs() < 1e-9, "zoom of {}", view.name());
    }
    assert!((state.settings.tools.margin_mm - EditOptions::default().margin_mm).abs() < 1e-9);
}

fn save_project(window: &mut Window<'_>, folder: &Path) {
    window.harness.state().send(Action::SaveProject(folder.to_owned()));
    window.until("the project is saved", |s| {
        s.session.as_ref().is_some_and(|session| session.project.is_some())
    });
}

#[test]
fn a_project_is_saved_closed_and_opened_with_labels_rulers_history_and_view() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("case.hilum");
    let (mut window, _) = painted_file(folder.path());
    save_project(&mut window, &project);
    assert!(!window.session().has_unsaved_work(), "what a project keeps needs no question");
    let line = hilum_core::ruler::RulerShape::Distance([[0.0; 3], [3.0, 4.0, 0.0]]);
    window.press(Modifiers::NONE, Key::Num3);
    window.press(Modifiers::ALT, Key::L);
    let middle = window.session().views.crosshair;
    for x in [0.0, 4.0] {
        let at = window.position(AXIAL, middle + nalgebra::Vector3::new(x, 0.0, 0.0));
        window.click(at);
    }
    window.harness.run_ok();
    assert_eq!(window.session().document.rulers().len(), 1, "like {line:?}");
    let labels = Arc::clone(window.session().document.labels());
    window.press(CTRL, Key::W);
    assert!(window.state().session.is_none());
    assert!(std::fs::read_dir(folder.path().join("unsaved")).map_or(true, |mut d| d.next().is_none()));
    // The thread that writes lets go of the project.
    window.settle();

    window.harness.state().send(Action::open(project.clone()));
    window.until("the project is open", is_complete);
    let session = window.session();
    assert_eq!(session.project.as_deref(), Some(&*project));
    assert_eq!(session.document.labels().to_voxels(), labels.to_voxels());
    assert_eq!(session.document.rulers().len(), 1);
    assert_eq!((session.views.center, session.views.width), (400.0, 1800.0));
    let steps: Vec<&str> = session.document.history().steps().collect();
    assert_eq!(steps, ["Brush", "Add distance"]);
    window.harness.get_by_label("0   Opened").click_accesskit();
    window.harness.run_ok();
    assert_eq!((window.labelled(), window.session().document.rulers().len()), (0, 0));
}

#[test]
fn a_moved_image_is_found_by_its_contents_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("case.hilum");
    let (mut window, image) = painted_file(folder.path());
    let painted = window.labelled();
    save_project(&mut window, &project);
    window.press(CTRL, Key::W);
    window.settle();
    let elsewhere = folder.path().join("archive");
    std::fs::create_dir(&elsewhere).unwrap();
    let moved = elsewhere.join("renamed.nii.gz");
    std::fs::rename(&image, &moved).unwrap();
    let open = |image_at| Action::OpenProject(OpenProject { folder: project.clone(), image_at });
    window.harness.state().send(open(None));
    window.until("the image is asked for", |s| matches!(s.dialog, Dialog::Relocate(_)));
    window.harness.get_by_role_and_label(Role::Button, "Choose the image…");
    window.button("Cancel");

    // An image of the same size with other values is not the one.
    let other = folder.path().join("other.nii.gz");
    let original = oblique_volume();
    let values = vec![7i16; original.grid().voxel_count()];
    let voxels = hilum_core::volume::Voxels::I16(values);
    save_volume(&other, &hilum::testing::fixed_volume(original.grid(), voxels)).unwrap();
    window.harness.state().send(open(Some(other)));
    window.until("it is refused", |s| matches!(&s.dialog, Dialog::Relocate(p) if p.why.contains("values")));
    window.button("Cancel");

    window.harness.state().send(open(Some(moved)));
    window.until("the project is open", is_complete);
    assert_eq!(window.labelled(), painted);
    window.press(CTRL, Key::W);
    window.settle();
    window.harness.state().send(open(None));
    window.until("the new place is remembered", is_complete);
}

#[test]
fn a_project_that_is_open_elsewhere_says_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("case.hilum");
    let (mut window, _) = painted_file(folder.path());
    save_project(&mut window, &project);
    let second = folder.path().join("second");
    std::fs::create_dir(&second).unwrap();
    let mut other = Window::open(&second, vec![project]);
    other.until("it is refused", |s| {
        s.messages
            .list()
            .iter()
            .any(|m| m.text.contains("open in another window") && m.text.contains("since 20"))
    });
    assert!(other.state().session.is_none());
}

#[test]
fn changes_that_cannot_be_written_wait_and_are_written_when_the_folder_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("case.hilum");
    let (mut window, _) = painted_file(folder.path());
    save_project(&mut window, &project);
    let away = folder.path().join("away.hilum");
    std::fs::rename(&project, &away).unwrap();
    window.press(Modifiers::NONE, Key::E);
    let middle = window.session().views.crosshair;
    let at = window.position(AXIAL, middle);
    window.click(at);
    window.until("the failure is told", |s| s.session.as_ref().unwrap().not_kept.is_some());
    assert!(window.harness.query_by_label("Changes wait to be written").is_some());
    assert!(window.session().has_unsaved_work(), "now closing asks");
    std::fs::rename(&away, &project).unwrap();
    // Time passes a sixtieth of a second a frame.
    window.until("the changes are written", |s| s.session.as_ref().unwrap().not_kept.is_none());
    let steps = window.session().document.history().len();
    drop(window);
    let (_store, saved) = hilum_core::project::Store::open(&project).unwrap();
    assert_eq!(saved.into_state().unwrap().0.history().len(), steps);
}

/// What a file of another program calls its labels is shown, and what a label map cannot hold is said.
#[test]
fn an_imported_segmentation_brings_its_names_and_says_what_lies_under_others() {
    let folder = tempfile::tempdir().unwrap();
    let volume = oblique_volume();
    let image = folder.path().join("image.nii.gz");
    save_volume(&image, &volume).unwrap();
    let grid = volume.grid();
    let mut labels = vec![0; grid.voxel_count()];
    labels[10..60].fill(1);
    labels[40..70].fill(2);
    let name = |value, name: &str| LabelName { value, name: name.to_owned(), color: [9, 8, 7] };
    let names = [name(1, "Liver"), name(2, "Metastasis")];
    let covered = [CoveredLabel { value: 1, voxels: (40..60).collect() }];
    let export = LabelExport {
        labels: &labels,
        grid,
        source: &volume.meta().source,
        names: &names,
        covered: &covered,
    };
    let path = folder.path().join("other.seg.nrrd");
    save_labels(&path, &export, None).unwrap();
    let mut window = Window::open(folder.path(), vec![image]);
    window.until("the image is open", is_complete);
    window.harness.state().send(Action::ImportMask(path));
    let said = |s: &AppState| {
        s.messages.list().iter().any(|m| m.text.contains("20 voxels of") && m.text.contains("under"))
    };
    window.until("it is imported, and what lies under others is said", said);
    let labels = window.session().document.labels();
    assert_eq!(labels.count(1) + labels.count(2), 60);
    let table = window.session().document.table();
    let called: Vec<&str> = table.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(called, ["Liver", "Metastasis"]);
}
