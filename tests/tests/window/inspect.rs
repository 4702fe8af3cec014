//! The attention panel, with real networks inside the program: no stand-in can show where it looked.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::Queryable as _;
use hilum::command::{InspectAction, ViewAction};
use hilum::jobs::MapKind;
use hilum::state::{AppState, Inspecting, MapKey, MapView, ViewId};
use hilum_core::io::raster;
use hilum_core::volume::Voxels;
use hilum_models::nets::hanet::Normalisation;
use hilum_models::nets::{HopReading, MapMeaning};

use super::Window;

/// A grey slice with two bright discs: what it shows does not matter, where it shows it does.
pub(super) fn slice(folder: &Path) -> PathBuf {
    let size = [160usize, 128];
    let value = |i: usize| {
        let (x, y) = ((i % size[0]) as f64, (i / size[0]) as f64);
        let disc = |cx: f64, cy: f64| (x - cx).hypot(y - cy) < 24.0;
        let dark = disc(50.0, 64.0) || disc(110.0, 64.0);
        if dark { 40 } else { (130.0 + 30.0 * (x * 0.2).sin() * (y * 0.13).cos()) as u8 }
    };
    let path = folder.join("slice.png");
    raster::save(&path, &Voxels::U8((0..size[0] * size[1]).map(value).collect()), size).unwrap();
    path
}

pub(super) fn inspect(state: &AppState) -> &Inspecting {
    state.inspect.as_ref().unwrap()
}

fn has(state: &AppState, kind: MapKind) -> bool {
    state.inspect.as_ref().is_some_and(|i| i.running.is_none() && i.maps.iter().any(|map| map.kind == kind))
}

/// Presses a button that may lie below the edge of the panel.
fn below(window: &mut Window<'_>, name: &str) {
    window.harness.get_by_label(name).click_accesskit();
    window.harness.run_ok();
}

/// The readings of table H are chosen in the panel and told in figures, and "As in the network" takes them back.
fn readings_of_table_h(window: &mut Window<'_>, folder: &Path, own: HopReading, chosen: &MapKey, reach: f64) {
    window.harness.state().send(InspectAction::Read(None));
    window.until("the network's own reading is back", |s| {
        s.inspect.as_ref().unwrap().looks[0].density.len() == own.hops
    });
    window.harness.get_by_label("H1 normalisation to 0 … 1").click_accesskit();
    window.harness.run_ok();
    window.harness.get_by_label("sigmoid").click_accesskit();
    window.harness.run_ok();
    window.until("the graph is read with the other normalisation", |s| {
        let inspect = s.inspect.as_ref().unwrap();
        inspect.running.is_none() && inspect.looks[0].density[0].share != reach
    });
    let read = inspect(window.state()).reading.unwrap();
    assert_eq!(read.reading.normalisation, Normalisation::Sigmoid);
    assert_eq!((read.delta, read.hops), (own.delta, own.hops));
    window.harness.state().send(InspectAction::Show(chosen.clone()));
    let figure = folder.join("figure.svg");
    window.harness.state().send(InspectAction::Figure(Some(figure.clone())));
    window
        .until("the figure is written", |s| s.messages.list().iter().any(|m| m.text.contains("figure.svg")));
    let text = std::fs::read_to_string(&figure).unwrap();
    let told = format!("δ = {:.2}, n = {}, reading: sigmoid, raw A*", own.delta, own.hops);
    assert!(text.contains(&told), "{told}");
    below(window, "As in the network");
    window.until("the network's own reading is back", |s| {
        let inspect = s.inspect.as_ref().unwrap();
        inspect.running.is_none() && inspect.reading.is_none() && inspect.looks[0].density[0].share == reach
    });
}

#[test]
fn attention_is_shown_over_the_image_and_follows_the_crosshair() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), vec![slice(folder.path())]);
    window.until("the picture is open", super::is_complete);
    window.until("models are listed", |state| !state.models.is_empty());
    let at = |window: &Window<'_>, x, y| window.session().volume().grid().world_of([x, y, 0]);
    let first = at(&window, 50, 64);
    window.harness.state().send(ViewAction::Crosshair(first));
    window.harness.run_ok();
    window.press(Modifiers::ALT, Key::I);
    assert!(window.state().inspect.is_some(), "the panel opens");
    window.harness.state().send(InspectAction::Look(Some("lung-hanet".into())));
    window.until("the network has shown its maps and the rows of the crosshair", |s| has(s, MapKind::Row));
    let looks = &inspect(window.state()).looks;
    assert_eq!((looks.len(), looks[0].arch.as_str()), (1, "hanet"));
    let own = looks[0].reading.unwrap();
    let row = |window: &Window<'_>| {
        let maps = inspect(window.state()).maps.iter();
        let mut rows = maps.filter(|m| m.kind == MapKind::Row && m.map.meaning == MapMeaning::AttentionGiven);
        rows.next().unwrap().clone()
    };
    let before = row(&window);
    let step = before.map.grid.spacing_mm()[0].max(before.map.grid.spacing_mm()[1]);
    assert!((before.map.query.unwrap() - first).norm() <= step, "the marked pixel lies under the crosshair");

    // A click moves the crosshair, and the maps of the pixel follow.
    let second = at(&window, 112, 60);
    let position = window.position(ViewId::Flat, second);
    window.click(position);
    window.until("the rows follow the crosshair", |s| {
        let moved = s.inspect.as_ref().unwrap().maps.iter().find(|m| m.kind == MapKind::Row);
        moved.is_some_and(|m| (m.map.query.unwrap() - second).norm() <= step)
    });
    assert_ne!(row(&window).map.values, before.map.values);

    // The sliders read the same features anew.
    let reading = HopReading { delta: 0.95, hops: 1, ..own };
    let density = inspect(window.state()).looks[0].density.clone();
    window.harness.state().send(InspectAction::Read(Some(reading)));
    window.until("the graph is read anew", |s| s.inspect.as_ref().unwrap().looks[0].density.len() == 1);
    assert!(inspect(window.state()).looks[0].density[0].share < density[0].share);

    let chosen = Inspecting::key(&row(&window));
    readings_of_table_h(&mut window, folder.path(), own, &chosen, density[0].share);

    // The meaning stands below the list, and the checks answer.
    let chosen = Inspecting::key(&inspect(window.state()).maps[0]);
    window.harness.state().send(InspectAction::Show(chosen.clone()));
    window.harness.run_ok();
    let text = inspect(window.state()).shown().unwrap().map.meaning.text();
    window.harness.get_by_label(text);
    below(&mut window, "Random weights");
    window.until("the maps of random weights are there", |s| has(s, MapKind::Random));
    let random = inspect(window.state()).maps.iter().find(|m| m.kind == MapKind::Random).unwrap();
    assert!(random.spearman.is_none_or(|r| r < 0.999));
    below(&mut window, "Occlude");
    window.until("the place was taken away", |s| s.inspect.as_ref().unwrap().occlusion.is_some());
    assert_eq!(inspect(window.state()).occlusion.as_ref().unwrap().0, chosen);
    window.harness.get_by_label("Dice without the place");

    below(&mut window, "Export map…");
    let picture = folder.path().join(format!("{}.png", chosen.name.replace(['.', ' '], "_")));
    window.until("the map is written", |s| {
        picture.exists() && s.messages.list().iter().any(|m| m.text.contains(".png"))
    });
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));

    window.button("Close attention");
    assert!(window.state().inspect.is_none());
}

/// Where a picture of the view of a flat image lies.
fn tile(window: &Window<'_>, name: &str) -> Rect {
    window.harness.get_by_label(&format!("{} view: {name}", ViewId::Flat.name())).rect()
}

#[test]
fn all_maps_of_a_pixel_stand_beside_each_other_and_the_mouse_works_in_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), vec![slice(folder.path())]);
    window.until("the picture is open", super::is_complete);
    window.until("models are listed", |state| !state.models.is_empty());
    window.press(Modifiers::ALT, Key::I);
    assert_eq!(inspect(window.state()).model.as_deref(), Some("lung-hanet"), "it suits a grey slice");
    window.until("the rows of the crosshair are there", |s| has(s, MapKind::Row));
    assert!(window.harness.query_all_by_label_contains("hardly suits").next().is_none());
    let own = inspect(window.state()).looks[0].reading.unwrap();
    window.harness.state().send(InspectAction::Read(Some(HopReading { hops: 2, delta: 0.8, ..own })));
    window.until("the graph is read anew", |s| {
        let inspect = s.inspect.as_ref().unwrap();
        inspect.running.is_none() && inspect.looks[0].density.len() == 2
    });
    let rows = inspect(window.state()).maps.iter();
    let row = rows.filter(|m| m.kind == MapKind::Row).find(|m| m.map.channel == "hop 1").unwrap();
    let grid = row.map.grid;
    window.harness.state().send(InspectAction::Show(Inspecting::key(row)));
    window.harness.run_ok();
    below(&mut window, MapView::All.name());
    window.harness.run_ok();
    let names = ["image", "plain self-attention", "hop 1", "hop 2", "neighbours, hop 1", "neighbours, hop 2"];
    let tiles = names.map(|name| tile(&window, name));
    for (at, one) in tiles.iter().enumerate() {
        assert!(one.width() > 100.0 && one.height() > 100.0, "{}: {one:?}", names[at]);
        assert!(tiles[at + 1..].iter().all(|other| !one.intersects(*other)), "{}", names[at]);
    }
    assert_eq!(inspect(window.state()).together().left_out, 0);

    // A click in the tile of the graph over two hops is a click on the image: the maps of all tiles follow.
    let session = window.session();
    let at = session.volume().grid().world_of([112, 60, 0]);
    let shown = session.views.slice_view(session.volume(), ViewId::Flat, tiles[5]);
    let position = shown.screen_from_world(at);
    assert!(tiles[5].contains(position));
    window.click(position);
    let step = grid.spacing_mm()[0].max(grid.spacing_mm()[1]);
    window.until("the rows follow the crosshair", |s| {
        let inspect = s.inspect.as_ref().unwrap();
        let together = inspect.together().maps;
        together.len() == 5
            && together.iter().all(|i| (inspect.maps[*i].map.query.unwrap() - at).norm() <= step)
    });

    // All maps of the pass that belong together likewise; one picture has no parts.
    let reach = inspect(window.state()).maps.iter().find(|m| m.map.meaning == MapMeaning::Reach).unwrap();
    window.harness.state().send(InspectAction::Show(Inspecting::key(reach)));
    window.harness.run_ok();
    for hop in 1..=own.hops {
        tile(&window, &format!("received, hop {hop}"));
        tile(&window, &format!("reach, hop {hop}"));
    }
    window.harness.check_accessibility();
    below(&mut window, MapView::Overlay.name());
    assert!(window.harness.query_all_by_label_contains("view: ").next().is_none());

    // A model that hardly suits the image says so.
    window.harness.state().send(InspectAction::Look(Some("hippocampus-attention-unet".into())));
    window.harness.step();
    window.harness.step();
    window.harness.get_by_label_contains("it learned from volumes, and this is a single slice");
}
