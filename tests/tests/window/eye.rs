//! The eye workspace. The network is a stand-in that draws a disc around the brightest spot.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use hilum::command::Action;
pub(super) use hilum::command::PhotoAction;
use hilum::jobs::PhotoReading;
pub(super) use hilum::jobs::ReviewState;
use hilum::jobs::photo::{CUP, RIM, VESSELS};
use hilum::state::{AppState, Photo, Tool, ViewId};
pub(super) use hilum_core::fundus::Enhancement;
use hilum_core::fundus::Laterality;
use hilum_core::io::raster;
use hilum_core::label::LookChange;
use hilum_core::phantom::{FundusPhantomOptions, fundus_phantom};
use hilum_core::volume::Voxels;

use super::{CTRL, CTRL_SHIFT, Window};
use hilum::command::SegmentAction;

const SIZE: [usize; 2] = [320, 280];

/// A folder with photographs, and a card for the stand-in that outlines discs.
pub(super) fn photographs(folder: &Path, names: &[&str]) -> PathBuf {
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    for (seed, name) in (1..).zip(names) {
        let options = FundusPhantomOptions { seed, size: SIZE, ..FundusPhantomOptions::default() };
        let phantom = fundus_phantom(&options).unwrap();
        raster::save(&pictures.join(name), phantom.volume.voxels(), SIZE).unwrap();
    }
    card(folder, "disc-test", "disc_cup", &["disc", "cup"]);
    card(folder, "vessel-test", "vessels", &["vessel"]);
    pictures
}

fn card(folder: &Path, id: &str, purpose: &str, regions: &[&str]) {
    let home = folder.join("models").join(id);
    std::fs::create_dir_all(&home).unwrap();
    let regions: Vec<_> =
        (1..).zip(regions).map(|(label, name)| serde_json::json!({"name": name, "label": label})).collect();
    let card = serde_json::json!({
        "id": id, "title": "A stand-in", "arch": "lesion_net", "config": {}, "licence": "CC0-1.0",
        "task": {
            "kind": "dense", "purpose": purpose, "regions": regions, "tile": [1, 64, 64],
            "input": {"color": true, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
        },
        "data": [], "split": "", "training": "", "figures": [], "limits": [], "weights_sha256": "",
    });
    std::fs::write(home.join("card.json"), card.to_string()).unwrap();
}

pub(super) fn photo(state: &AppState) -> Option<&Photo> {
    state.session.as_ref()?.photo.as_ref()
}

pub(super) fn vertical(state: &AppState) -> Option<f64> {
    photo(state)?.figures().and_then(PhotoReading::vertical).map(|[value, ..]| value)
}

pub(super) fn review_state(state: &AppState) -> ReviewState {
    let session = state.session.as_ref().unwrap();
    session.photo.as_ref().unwrap().state(&session.document)
}

pub(super) fn name(state: &AppState) -> String {
    let path = photo(state).and_then(|photo| photo.path.clone()).unwrap_or_default();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Window<'_> {
    pub(super) fn until_outlined(&mut self, expected: &str) {
        self.until(&format!("{expected} is outlined"), |state| {
            name(state) == expected && vertical(state).is_some() && state.opening.is_none()
        });
    }

    /// Where a pixel of the picture is seen.
    pub(super) fn pixel_position(&self, [x, y]: [f64; 2]) -> egui::Pos2 {
        let voxel = [x.round() as usize, y.round() as usize, 0];
        self.position(ViewId::Flat, self.session().volume().grid().world_of(voxel))
    }

    pub(super) fn drag(&mut self, from: egui::Pos2, to: egui::Pos2) {
        self.pointer(from, None);
        self.pointer(from, Some(true));
        for step in 1..=8u8 {
            self.pointer(from.lerp(to, f32::from(step) / 8.0), None);
        }
        self.pointer(to, Some(false));
        self.harness.run_ok();
    }

    pub(super) fn disc(&self) -> hilum_core::measure::cdr::Extent {
        photo(self.state()).unwrap().figures().unwrap().figures().unwrap().disc
    }
}

#[test]
fn a_folder_of_photographs_is_outlined_corrected_reviewed_and_written_as_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a_OD.png", "b_OS.png", "c_OS.png"]);
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("a_OD.png");
    assert_eq!(review_state(window.state()), ReviewState::Proposed);
    let steps: Vec<&str> = window.session().document.history().steps().collect();
    assert_eq!(steps, ["Outline disc and cup"], "one step that can be undone");
    let proposed = vertical(window.state()).unwrap();
    window.harness.get_by_label(&format!("{proposed:.2}"));
    window.harness.get_by_label("Vertical CDR");
    let eye = photo(window.state()).unwrap().figures().unwrap().eye.unwrap();
    assert_eq!(eye.laterality, Laterality::Right, "by the name of the file");

    // The brush makes the cup larger, and no further than the disc.
    window.harness.state().send(SegmentAction::Look(LookChange::Active(CUP)));
    window.press(Modifiers::NONE, Key::B);
    let disc = window.disc();
    let disc_pixels = disc.area_px;
    let from = window.pixel_position(disc.center);
    let beyond = window.pixel_position([disc.center[0], disc.top as f64 - 12.0]);
    window.drag(from, beyond);
    let painted = vertical(window.state()).unwrap();
    assert!(painted > proposed + 0.1, "{painted} after {proposed}");
    assert_eq!(window.disc().area_px, disc_pixels, "the cup stays inside the disc");
    assert_eq!(review_state(window.state()), ReviewState::Corrected);
    window.press(CTRL, Key::Z);
    assert_eq!(vertical(window.state()), Some(proposed));
    assert_eq!(review_state(window.state()), ReviewState::Proposed, "undone to what was proposed");
    window.press(CTRL_SHIFT, Key::Z);
    assert_eq!(vertical(window.state()), Some(painted));

    window.button("Mark reviewed");
    assert_eq!(review_state(window.state()), ReviewState::Reviewed);
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("b_OS.png");
    assert!(!window.session().has_unsaved_work(), "nothing has to be saved by hand");
    window.press(Modifiers::SHIFT, Key::N);
    window.until_outlined("a_OD.png");
    assert_eq!(vertical(window.state()), Some(painted), "labels are kept");
    assert_eq!(review_state(window.state()), ReviewState::Reviewed);
    assert!(window.session().labelling.is_empty(), "nobody outlines what is outlined");
    window.until("the history is there as well", |s| s.session.as_ref().unwrap().document.can_undo());
    assert_eq!(vertical(window.state()), Some(painted));
    assert_eq!(review_state(window.state()), ReviewState::Reviewed);

    window.button("Export table…");
    let table = folder.path().join("eyes.csv");
    window.until("the table is written", |_| table.is_file());
    let text = std::fs::read_to_string(table).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].starts_with("image,state,eye,"), "{}", rows[0]);
    assert!(
        rows[1].starts_with("a_OD,reviewed,OD,") && rows[1].contains(&format!("{painted:.4}")),
        "{}",
        rows[1]
    );
    assert!(rows[2].starts_with("b_OS,proposed,OS,"), "{}", rows[2]);
    assert!(rows[3].starts_with("c_OS,open,"), "{}", rows[3]);
}

#[test]
fn rim_and_cup_stay_on_the_list_and_a_removed_cup_is_rim() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a_OD.png"]);
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("a_OD.png");
    let count = |window: &Window<'_>, label| window.session().document.labels().count(label);
    let (rim, cup) = (count(&window, RIM), count(&window, CUP));
    assert!(rim > 0 && cup > 0);
    window.harness.state().send(SegmentAction::Remove(CUP));
    window.harness.run_ok();
    assert_eq!((count(&window, RIM), count(&window, CUP)), (rim + cup, 0), "no hole is left in the disc");
    assert!(window.session().document.table().get(CUP).is_some(), "the next cup has its label");
    assert_eq!(window.session().document.history().steps().last(), Some("Remove cup"));
    window.press(CTRL, Key::Z);
    assert_eq!((count(&window, RIM), count(&window, CUP)), (rim, cup));
    window.harness.state().send(SegmentAction::Remove(RIM));
    window.harness.run_ok();
    assert_eq!((count(&window, RIM), count(&window, CUP)), (0, 0), "there is no cup without a disc");
}

#[test]
fn the_pictures_stay_where_nothing_came_of_what_was_to_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a_OD.png", "b_OS.png"]);
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("a_OD.png");
    // Until then the window would ask first.
    window.until("the outline is kept", |s| !s.session.as_ref().unwrap().has_unsaved_work());
    let broken = folder.path().join("broken.nii.gz");
    std::fs::write(&broken, b"no image").unwrap();
    window.harness.state().send(Action::open(broken));
    window.until("it is refused", |s| {
        s.opening.is_none() && s.messages.list().iter().any(|m| m.text.contains("broken.nii.gz"))
    });
    window.until("the pictures are there", |s| s.album.is_some());
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("b_OS.png");
}

#[test]
fn work_on_photographs_survives_a_window_that_ends_without_closing() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png", "b.png"]);
    let painted = {
        let mut window = Window::open(folder.path(), vec![pictures.clone()]);
        window.until_outlined("a.png");
        window.press(Modifiers::NONE, Key::M);
        window.press(Modifiers::NONE, Key::N);
        window.until_outlined("b.png");
        window.harness.state().send(PhotoAction::Eye(Laterality::Left));
        window.until("it is kept", |state| {
            state.album.as_ref().unwrap().pictures[1].record.as_ref().is_some_and(|r| r.eye.is_some())
        });
        vertical(window.state())
    };
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("b.png");
    window.until("the history is there as well", |s| s.session.as_ref().unwrap().document.can_undo());
    assert!(matches!(window.state().dialog, hilum::state::Dialog::None), "nothing interrupts flipping");
    assert_eq!(vertical(window.state()), painted);
    assert_eq!(photo(window.state()).unwrap().eye, Some(Laterality::Left));
    let album = window.state().album.as_ref().unwrap();
    assert_eq!(album.at, 1, "the first picture nobody has reviewed");
    assert_eq!(album.pictures[0].record.as_ref().unwrap().state, ReviewState::Reviewed);
}

#[test]
fn ellipses_are_dragged_and_the_figures_move_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png"]);
    let mut window = Window::open(folder.path(), vec![pictures.join("a.png")]);
    window.until_outlined("a.png");
    window.press(Modifiers::NONE, Key::F);
    window.press(Modifiers::NONE, Key::O);
    assert_eq!(window.state().tool, Tool::Ellipse);
    let before = (window.disc(), vertical(window.state()).unwrap());
    let [x, y] = before.0.center;
    // An end of an axis of the disc, pulled outwards.
    let ellipse = before.0.ellipse;
    let (sin, cos) = ellipse.angle_rad.sin_cos();
    let end = [x + ellipse.semi_axes_px[0] * cos, y + ellipse.semi_axes_px[0] * sin];
    let out = [x + 2.0 * ellipse.semi_axes_px[0] * cos, y + 2.0 * ellipse.semi_axes_px[0] * sin];
    let (from, to) = (window.pixel_position(end), window.pixel_position(out));
    window.pointer(from, None);
    window.pointer(from, Some(true));
    for step in 1..=8u8 {
        window.pointer(from.lerp(to, f32::from(step) / 8.0), None);
    }
    window.harness.step();
    assert!(photo(window.state()).unwrap().drag.is_some());
    assert!(window.disc().area_px > before.0.area_px, "figures follow before the mouse is let go");
    assert_eq!(window.session().document.history().len(), 1, "nothing is written yet");
    window.pointer(to, Some(false));
    window.harness.run_ok();
    let steps: Vec<&str> = window.session().document.history().steps().collect();
    assert_eq!(steps, ["Outline disc and cup", "Disc ellipse"]);
    assert!(window.disc().area_px as f64 > 1.3 * before.0.area_px as f64);
    window.press(CTRL, Key::Z);
    assert_eq!(window.disc(), before.0);
    assert_eq!(vertical(window.state()), Some(before.1));
}

#[test]
fn a_disc_that_nobody_outlined_is_drawn_as_an_ellipse_in_a_box() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png"]);
    let mut window = Window::open(folder.path(), vec![pictures.join("a.png")]);
    window.until_outlined("a.png");
    window.press(CTRL, Key::Z);
    assert_eq!((vertical(window.state()), review_state(window.state())), (None, ReviewState::Open));
    assert!(window.session().labelling.is_empty(), "what was undone is not proposed again");
    window.press(Modifiers::NONE, Key::O);
    let (a, b) = (window.pixel_position([60.0, 100.0]), window.pixel_position([110.0, 160.0]));
    window.drag(a, b);
    assert!(window.disc().height_px.abs_diff(60) <= 1, "rows of the box: {}", window.disc().height_px);
    let (a, b) = (window.pixel_position([70.0, 116.0]), window.pixel_position([100.0, 145.0]));
    window.drag(a, b);
    let ratio = vertical(window.state()).unwrap();
    assert!((ratio - 0.5).abs() < 0.05, "{ratio}");
    assert_eq!(review_state(window.state()), ReviewState::Corrected);
}

#[test]
fn without_a_model_the_window_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png"]);
    std::fs::remove_dir_all(folder.path().join("models")).unwrap();
    let mut window = Window::open(folder.path(), vec![pictures.join("a.png")]);
    window.until("models are looked for and the picture is open", |state| {
        state.models_known && photo(state).is_some() && state.opening.is_none()
    });
    let says = window.harness.query_all_by_label_contains("No model for optic disc and cup").next().is_some();
    assert_eq!(says, window.state().model_for("disc_cup").is_none());
}

#[test]
fn vessels_are_labelled_with_their_share_and_the_picture_is_seen_in_green() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png"]);
    let mut window = Window::open(folder.path(), vec![pictures.join("a.png")]);
    window.until_outlined("a.png");
    let rim = window.session().document.labels().count(RIM);
    window.button("Outline vessels");
    window.until("vessels are there", |s| s.session.as_ref().unwrap().document.labels().count(VESSELS) > 0);
    assert_eq!(window.session().document.labels().count(RIM), rim, "disc and cup stay");
    assert_eq!(review_state(window.state()), ReviewState::Proposed);
    let share = photo(window.state()).unwrap().figures().unwrap().vessel_share.unwrap();
    assert!((share - 0.1).abs() < 0.02, "every tenth column: {share}");

    window.press(Modifiers::NONE, Key::K);
    window.until("the green channel is shown", |s| photo(s).unwrap().seen_as() == Enhancement::Green);
    let Voxels::Rgb8(pixels) = window.session().seen().voxels() else { panic!("no picture") };
    assert!(pixels.iter().all(|[r, g, b]| r == g && g == b));
    window.harness.get_by_label("Colour").click();
    window.harness.run_ok();
    assert!(std::sync::Arc::ptr_eq(window.session().seen(), window.session().volume()));

    window.button("Save page…");
    window.until("the page is written", |s| s.messages.list().iter().any(|m| m.text.contains(".pdf")));
    let page = std::fs::read(folder.path().join("a.pdf")).unwrap();
    assert!(page.starts_with(b"%PDF"));
}

#[test]
fn a_picture_of_something_else_stays_a_picture_and_can_be_labelled() {
    let folder = tempfile::tempdir().unwrap();
    photographs(folder.path(), &[]);
    let path = folder.path().join("checks.png");
    let pixels = (0..128 * 128).map(|i| if (i / 7 + i / 128) % 2 == 0 { [30, 40, 220] } else { [250; 3] });
    raster::save(&path, &Voxels::Rgb8(pixels.collect()), [128, 128]).unwrap();
    let mut window = Window::open(folder.path(), vec![path.clone()]);
    window.until("the picture is open", |s| s.models_known && photo(s).is_some() && s.opening.is_none());
    assert!(!photo(window.state()).unwrap().is_eye());
    let note = window.harness.query_all_by_label_contains("Not taken for a photograph of the fundus").count();
    assert_eq!(note, 1, "why nothing is measured");
    assert!(window.session().labelling.is_empty(), "no disc is made up");
    assert!(vertical(window.state()).is_none());
    window.harness.state().send(PhotoAction::LabelWith("vessel-test".into()));
    window.until("it is labelled", |s| s.session.as_ref().unwrap().document.labels().count(1) > 0);
    let document = &window.session().document;
    assert_eq!(document.table().get(1).unwrap().name, "vessel", "the model's name for it");
    assert!(window.session().has_unsaved_work());
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);

    window.harness.state().send(PhotoAction::LabelWith("broken".into()));
    window.until("the panic is a message", |s| {
        s.messages.list().iter().any(|m| m.text.contains("the test wants a panic"))
    });
    window.button("Measure as fundus anyway");
    assert!(photo(window.state()).unwrap().is_eye());
    window.harness.state().send(Action::open(path));
    window.until_outlined("checks.png");
    assert!(window.harness.query_all_by_label("Do not trust these figures").next().is_some());
}
