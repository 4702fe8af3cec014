//! Distances, angles, the table of measurements and its copies.

use super::*;

/// Opens the sample case and paints a dab around a lesion.
fn painted(folder: &Path) -> (Window<'static>, Pos2) {
    let (mut window, lesion) = sample(folder);
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
    (window, at)
}

fn rulers(window: &Window<'_>) -> Vec<String> {
    window.session().document.rulers().list().iter().map(hilum_core::ruler::Ruler::name).collect()
}

#[test]
fn a_distance_is_clicked_or_dragged_and_has_the_length_of_the_patient() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::ALT, Key::L);
    let at = window.position(AXIAL, lesion);
    let end = lesion + nalgebra::Vector3::new(20.0, 0.0, 0.0);
    let there = window.position(AXIAL, end);
    window.click(at);
    assert_eq!(window.session().ruler_draft.len(), 1);
    window.click(there);
    window.harness.run_ok();
    assert_eq!(rulers(&window), ["Distance 1"]);
    let value = window.session().document.rulers().list()[0].shape.value();
    assert!((value - 20.0).abs() < 0.2, "{value}");

    window.pointer(at, Some(true));
    for share in [0.3, 0.6, 1.0] {
        window.pointer(at.lerp(there, share), None);
    }
    window.pointer(there, Some(false));
    window.harness.run_ok();
    assert_eq!(rulers(&window), ["Distance 1", "Distance 2"]);
    window.press(CTRL, Key::Z);
    assert_eq!(rulers(&window), ["Distance 1"], "undo takes a distance back");
    window.press(CTRL_SHIFT, Key::Z);
    assert_eq!(window.session().document.undo_name(), Some("Add distance"));
}

#[test]
fn an_angle_takes_three_clicks_escape_starts_again_and_the_list_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::ALT, Key::A);
    let at = |window: &Window<'_>, x: f64, y: f64| {
        window.position(AXIAL, lesion + nalgebra::Vector3::new(x, y, 0.0))
    };
    for (x, y) in [(15.0, 0.0), (0.0, 0.0)] {
        let pos = at(&window, x, y);
        window.click(pos);
    }
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.session().ruler_draft.is_empty());
    for (x, y) in [(15.0, 0.0), (0.0, 0.0), (0.0, 15.0)] {
        let pos = at(&window, x, y);
        window.click(pos);
    }
    window.harness.run_ok();
    let angle = window.session().document.rulers().list()[0].shape.value();
    assert!((angle - 90.0).abs() < 1.0, "{angle}");
    window.press(Modifiers::ALT, Key::M);
    window.until("the table is there", |s| s.show_measurements);
    window.button("Delete Angle 1");
    assert!(rulers(&window).is_empty());
    let steps: Vec<&str> = window.session().document.history().steps().collect();
    assert_eq!(steps, ["Add angle", "Remove angle"]);
}

#[test]
fn the_table_measures_every_label_is_copied_for_a_spreadsheet_and_saved_as_csv() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, at) = painted(folder.path());
    window.press(CTRL_SHIFT, Key::N);
    window.click(at + vec2(40.0, 30.0));
    window.press(Modifiers::ALT, Key::M);
    window.until("both labels are measured", |s| {
        s.session.as_ref().unwrap().table.as_ref().is_some_and(|table| table.rows.len() == 2)
    });
    let session = window.session();
    let row = &session.table.as_ref().unwrap().rows[0];
    let figures = &row.figures;
    assert!((figures.volume_ml.value - session.document.label_volume_ml(1)).abs() < 1e-12);
    assert!(
        figures.volume_ml.low < figures.volume_ml.value && figures.volume_ml.value < figures.volume_ml.high
    );
    assert!(figures.mean.is_some() && figures.surface_mm2.value > 0.0);

    window.harness.get_by_role_and_label(Role::Button, "Copy measurements").click();
    window.harness.step();
    let copied = window.harness.output().platform_output.commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    });
    // The command is done in the frame after the click.
    let copied = copied.or_else(|| {
        window.harness.step();
        window.harness.output().platform_output.commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        })
    });
    let copied = copied.expect("the table goes to the clipboard");
    let rows: Vec<Vec<&str>> = copied.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 3, "{copied}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{copied}");
    let volume = rows[0].iter().position(|title| *title == "Volume (ml)").unwrap();
    let value: f64 = rows[1][volume].parse().unwrap();
    assert!((value - window.session().document.label_volume_ml(1)).abs() < 1e-4);

    window.button("Save measurements…");
    window.until("the file is written", |s| s.messages.list().iter().any(|m| m.text.starts_with("Written:")));
    let csv = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let csv = csv.into_iter().find(|path| path.extension().is_some_and(|e| e == "csv")).unwrap();
    let text = std::fs::read_to_string(csv).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("Object,Kind,Slice,Voxels,Volume (ml)"), "{text}");
}

#[test]
fn two_labels_are_compared_and_a_mask_file_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = painted(folder.path());
    window.press(CTRL, Key::S);
    window.until("the mask is saved", |s| !s.session.as_ref().unwrap().has_unsaved_work());
    let mask = window.session().mask_path.clone().unwrap();
    window.harness.state().send(hilum::command::MeasureAction::Reference(mask));
    window.until("the mask is compared", |s| {
        s.session.as_ref().unwrap().table.as_ref().is_some_and(|t| t.agreed.is_some())
    });
    let agreed = window.session().table.as_ref().unwrap().agreed.unwrap();
    assert_eq!((agreed.agreement.dice, agreed.agreement.hd95_mm), (1.0, Some(0.0)));
    assert!(window.harness.query_by_label_contains("Dice 1.000").is_some());
}

#[test]
fn the_long_axis_is_shown_and_its_slice_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = painted(folder.path());
    window.until("the label is measured", |s| s.session.as_ref().unwrap().active_recist().is_some());
    let slice = |window: &Window<'_>| window.session().views.slice_number(window.session().volume(), AXIAL).0;
    let wanted = window.session().active_recist().unwrap().slice + 1;
    window.press(Modifiers::NONE, Key::PageDown);
    window.press(Modifiers::NONE, Key::PageDown);
    assert_ne!(slice(&window), wanted);
    window.press(Modifiers::NONE, Key::J);
    assert_eq!(slice(&window), wanted);
    window.press(Modifiers::ALT, Key::M);
    window.until("the table is filled", |s| s.session.as_ref().unwrap().table.is_some());
    window.press(Modifiers::NONE, Key::PageDown);
    let link = format!("Go to the long axis of Lesion, slice {wanted}");
    window.harness.get_by_role_and_label(Role::Link, &link).click();
    window.harness.run_ok();
    assert_eq!(slice(&window), wanted);
}

#[test]
fn surfaces_of_the_labels_are_written_from_the_file_menu() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = painted(folder.path());
    let ml = window.session().document.label_volume_ml(1);
    window.button("File");
    window.button("Export surface…");
    window.until("the file is written", |s| s.messages.list().iter().any(|m| m.text.starts_with("Written:")));
    let files = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "stl")).unwrap();
    let mesh = hilum_core::io::surface::read_surface(&file).unwrap();
    let share = mesh.volume_mm3() / 1000.0 / ml;
    assert!((0.3..1.2).contains(&share), "the surface of {ml} ml encloses {share} of that");
}
