//! Files that hold several images: time points of a 4-D file, pages and parts of a slide.

use egui_kittest::kittest::NodeT as _;
use hilum::command::UiCommand;
use hilum_core::io::Selection;
use hilum_core::io::raster::PixelRegion;
use hilum_core::testing::shared_data;

use super::*;

/// Three volumes of 12 × 10 × 8 voxels, the n-th of which is n · 100 everywhere.
fn film(folder: &Path) -> PathBuf {
    let path = folder.join("film.mha");
    let mut bytes = b"ObjectType = Image\nNDims = 4\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
        CompressedData = False\nTransformMatrix = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\nOffset = 0 0 0 0\n\
        ElementSpacing = 2 2 3 1\nDimSize = 12 10 8 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        .to_vec();
    for time_point in 0..3i16 {
        (0..960).for_each(|_| bytes.extend((time_point * 100).to_le_bytes()));
    }
    std::fs::write(&path, bytes).expect("the folder can be written");
    path
}

fn value(window: &Window<'_>) -> f32 {
    window.session().volume().value([5, 5, 5]).expect("it lies in the image")
}

#[test]
fn every_time_point_of_a_film_has_its_own_labels_and_is_looked_at_in_the_same_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), vec![film(folder.path())]);
    window.until("the film is open", is_complete);
    window.harness.get_by_label("Time point 1 of 3");
    assert!(!window.state().is_enabled(UiCommand::PreviousTimePoint));
    window.press(Modifiers::NONE, Key::Num3);
    window.press(Modifiers::NONE, Key::B);
    let at = window.session().views.crosshair;
    let on_screen = window.position(AXIAL, at);
    window.click(on_screen);
    window.harness.run_ok();
    let painted = window.labelled();
    assert!(painted > 0);

    window.button("Next time point");
    window.button("Keep for later");
    let shows = |n: usize| {
        move |s: &AppState| is_complete(s) && s.session.as_ref().unwrap().volume().meta().time_point == n
    };
    window.until("the second time point is open", shows(1));
    window.harness.get_by_label("Time point 2 of 3");
    assert_eq!((value(&window), window.labelled()), (100.0, 0));
    assert_eq!(window.session().views.crosshair, at);
    assert_eq!((window.session().views.center, window.session().views.width), (400.0, 1800.0));
    window.press(Modifiers::ALT, Key::PageDown);
    window.until("the third time point is open", shows(2));
    assert!(!window.state().is_enabled(UiCommand::NextTimePoint) && value(&window) == 200.0);
    window.press(Modifiers::ALT, Key::PageUp);
    window.until("the second time point is open", shows(1));
    window.press(Modifiers::ALT, Key::PageUp);
    window.until("the first one has its label", |s| {
        shows(0)(s) && s.session.as_ref().unwrap().document.can_undo()
    });
    assert_eq!(window.labelled(), painted);
    assert_eq!(window.session().proposed_mask_name(), "film_mask.nii.gz");
}

#[test]
fn a_part_of_a_slide_is_chosen_on_its_overview_and_labelled_by_itself() {
    let Some(slide) = shared_data("data/wsi/small_HE.svs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), vec![slide.clone()]);
    window.until("the slide is open", is_complete);
    window.button("Choose part of slide…");
    window.until("its pages are listed", |s| matches!(s.dialog, Dialog::Slide(_)));
    window.harness.run_ok();
    let overview = window.harness.get_by_label("Overview of the slide").rect();
    assert!(window.harness.query_all_by_label("2220 × 2967").count() > 0);
    let chosen = |window: &Window<'_>| match &window.state().dialog {
        Dialog::Slide(choice) => choice.selection.clone(),
        other => panic!("{other:?}"),
    };

    let at = |x: f32, y: f32| overview.lerp_inside(vec2(x, y));
    window.pointer(at(0.25, 0.5), None);
    window.pointer(at(0.25, 0.5), Some(true));
    window.pointer(at(0.4, 0.6), None);
    window.pointer(at(0.5, 0.75), None);
    window.pointer(at(0.5, 0.75), Some(false));
    window.harness.run_ok();
    let region = chosen(&window).region.unwrap();
    for (found, share, side) in [
        (region.start[0], 0.25, 2220.0),
        (region.start[1], 0.5, 2967.0),
        (region.size[0], 0.25, 2220.0),
        (region.size[1], 0.25, 2967.0),
    ] {
        assert!((found as f64 - share * side).abs() < 20.0, "{region:?}");
    }
    window.button("1 coarser");
    let coarse = chosen(&window);
    assert_eq!(coarse.page, Some(1));
    assert!(coarse.region.unwrap().size[0].abs_diff(143) < 6, "{coarse:?}");
    window.button("Open part");
    let is_open = |selection: Selection| {
        move |s: &AppState| is_complete(s) && Selection::of(s.session.as_ref().unwrap().volume()) == selection
    };
    window.until("the part is open", is_open(coarse.clone()));
    let dims = window.session().volume().grid().dims();
    assert_eq!([dims[0], dims[1]], coarse.region.unwrap().size);
    let PixelRegion { start: [x, y], size: [width, height] } = coarse.region.unwrap();
    let name = format!("small_HE_page1_{x}_{y}_{width}x{height}_mask.nii.gz");
    assert_eq!(window.session().proposed_mask_name(), name);
    window.press(Modifiers::NONE, Key::B);
    let middle = window.session().views.crosshair;
    let on_screen = window.position(ViewId::Flat, middle);
    window.click(on_screen);
    window.harness.run_ok();
    let painted = window.labelled();
    assert!(painted > 0);
    window.press(Modifiers::ALT, Key::M);
    window.until("it is measured", |s| {
        s.session.as_ref().unwrap().table.as_ref().is_some_and(|table| !table.rows.is_empty())
    });
    window.harness.get_by_label("Area µm²");
    window.harness.get_by_label("Long axis µm");
    let area_um2 = painted as f64 * 1.93f64.powi(2);
    let told = format!("{area_um2:.0}");
    let nodes = window.harness.query_all_by(|_| true);
    let texts: Vec<String> = nodes.filter_map(|node| node.accesskit_node().value()).collect();
    assert!(texts.contains(&told), "no {told} among {texts:?}");
    window.press(Modifiers::ALT, Key::M);

    // Another part, and back: each has its own labels.
    window.button("Choose part of slide…");
    window.until("its pages are listed", |s| matches!(s.dialog, Dialog::Slide(_)));
    assert_eq!(chosen(&window), coarse);
    window.button("Whole page");
    window.button("Open part");
    window.button("Keep for later");
    let whole = Selection::page(1, None);
    window.until("the page is open", is_open(whole));
    assert_eq!(window.labelled(), 0);
    let (path, selection) = (slide, coarse.clone());
    window.harness.state().send(Action::Open { path, selection });
    window.until("the part is open", is_open(coarse));
    assert_eq!(window.labelled(), painted);
}
