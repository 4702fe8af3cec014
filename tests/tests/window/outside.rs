//! What leaves the program: pictures of the views, copies without names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use hilum::command::UiCommand;
use hilum::state::DeidentifyStep;
use hilum_core::io::{self, OpenOptions};
use hilum_core::testing::shared_data;
use hilum_core::volume::{Source, Voxels};

fn send(window: &mut Window<'_>, command: UiCommand) {
    window.harness.state().send(command);
    window.harness.run_ok();
}

#[test]
fn files_are_copied_without_names_and_the_person_is_told_what_was_done() {
    let Some(series) = shared_data("data/dicom/ct_liver_series/image") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), vec![series.clone()]);
    window.until("the series is open", is_complete);
    send(&mut window, UiCommand::Deidentify);
    window.harness.get_by_label_contains("Keep sex, age").click();
    window.harness.run_ok();
    window.button("Choose the folder for the copies…");
    window.until("the copies are made", |s| matches!(&s.dialog, Dialog::Deidentify(DeidentifyStep::Done(_))));
    window.harness.run_ok();
    window.harness.get_by_label_contains("no name or number of a patient was found");

    let copies = folder.path().join("copies");
    let options = OpenOptions::default();
    let (before, after) =
        (io::open(&series, &options, &()).unwrap(), io::open(&copies, &options, &()).unwrap());
    assert_eq!(before.volume.voxels(), after.volume.voxels());
    assert_ne!(before.volume.meta().source, after.volume.meta().source);
    assert!(!copies.join("pseudonyms.key.json").exists(), "the key is never beside the copies");
    // Nothing may be mixed with what is there.
    window.button("Close");
    send(&mut window, UiCommand::Deidentify);
    window.button("Choose the folder for the copies…");
    window.until("it is refused", |s| s.messages.list().iter().any(|m| m.text.contains("not empty")));
}

#[test]
fn the_views_become_a_picture_in_the_study_of_their_image() {
    let Some(series) = shared_data("data/dicom/ct_liver_series/image") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, is_dicom) in [("picture.dcm", true), ("picture.png", false)] {
        std::fs::write(folder.path().join("wanted-picture"), name).unwrap();
        let mut window = Window::open(folder.path(), vec![series.clone()]);
        window.until("the series is open", is_complete);
        window.harness.state().send(UiCommand::SavePicture);
        window.harness.step();
        let path = folder.path().join(name);
        window.until("it is written", |_| path.exists());
        let opened = io::open(&path, &OpenOptions::default(), &()).unwrap();
        let [width, height, slices] = opened.volume.grid().dims();
        assert!(width > 300 && height > 300 && slices == 1);
        let Voxels::Rgb8(pixels) = opened.volume.voxels() else { panic!("colours") };
        // The slices, not an empty window: every grey that a window of 256 steps shows.
        let mut greys: Vec<u8> =
            pixels.iter().filter(|p| p[0] == p[1] && p[1] == p[2]).map(|p| p[0]).collect();
        greys.sort_unstable();
        greys.dedup();
        assert!(greys.len() > 100, "{name}: {} greys", greys.len());
        let Source::Dicom { study_uid: of_image, .. } = &window.session().volume().meta().source else {
            panic!()
        };
        if is_dicom {
            let Source::Dicom { study_uid, .. } = &opened.volume.meta().source else { panic!() };
            assert_eq!(study_uid, of_image);
        }
    }
}
