//! The tools that change labels, one by one, as a person uses them.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::path::Path;

use egui::{Event, Key, Modifiers, Pos2, Role, Vec2, vec2};
use egui_kittest::kittest::Queryable as _;
use hilum::command::{EditAction, UiCommand, ViewAction};
use hilum::state::{AppState, OperationKind, Tool};
use hilum_core::geometry::WorldPoint;
use hilum_core::label::LookChange;
use hilum_core::paint::IntensityRange;
use hilum_core::patch::DrawOver;

use super::{AXIAL, CTRL, CTRL_SHIFT, Window, sample};
use hilum::command::SegmentAction;

const SHIFT: Modifiers = Modifiers::SHIFT;

impl Window<'_> {
    fn steps(&self) -> Vec<String> {
        self.session().document.history().steps().map(str::to_owned).collect()
    }

    fn trace(&mut self, path: &[egui::Pos2]) {
        self.pointer(path[0], None);
        self.pointer(path[0], Some(true));
        for at in path {
            self.pointer(*at, None);
        }
        self.pointer(path[path.len() - 1], Some(false));
        self.harness.run_ok();
    }

    fn until_planned(&mut self, what: &str) {
        self.until(what, |state| {
            let session = state.session.as_ref().unwrap();
            session.document.staged().is_some() && session.editing.running.is_none()
        });
    }

    fn radio(&mut self, name: &str) {
        self.harness.get_by_role_and_label(Role::RadioButton, name).click();
        self.harness.run_ok();
    }
}

fn note(state: &AppState) -> Option<&str> {
    state.session.as_ref()?.editing.note.as_deref()
}

/// The sample case with its first lesion outlined by a ball of the brush.
fn with_ball(folder: &Path) -> (Window<'static>, WorldPoint) {
    let (mut window, lesion) = sample(folder);
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::NONE, Key::D);
    window.harness.state().send(SegmentAction::BrushRadius(9.0));
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 100, "only {} voxels were painted", window.labelled());
    (window, lesion)
}

#[test]
fn every_tool_stands_in_the_bar_the_menu_and_the_palette() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    let tools: Vec<UiCommand> = UiCommand::ALL
        .into_iter()
        .filter(|command| {
            use UiCommand as C;
            command.operation().is_some()
                || matches!(command, C::ToolThreshold | C::ToolAdaptive | C::ToolPolygon | C::ToolLasso)
        })
        .collect();
    assert_eq!(tools.len(), 14);
    for command in &tools {
        assert!(!command.description().keys.is_empty(), "{command:?} has no key");
        window.button(command.text());
        assert!(window.state().is_on(*command), "{command:?} is in the hand");
    }
    for menu in ["Mask", "Tools"] {
        window.button(menu);
        let listed = |c: &&UiCommand| (c.operation().is_some()) == (menu == "Mask");
        for command in tools.iter().filter(listed) {
            // Once in the bar, once in the menu.
            assert_eq!(window.harness.query_all_by_label_contains(command.text()).count(), 2, "{command:?}");
        }
        window.button(menu);
    }
    window.press(CTRL_SHIFT, Key::P);
    window.harness.event(Event::Text("fill between".into()));
    window.harness.run_ok();
    window.harness.key_press(Key::Enter);
    window.harness.run_ok();
    assert_eq!(window.state().tool, Tool::Operation(OperationKind::Between));
}

#[test]
fn the_threshold_brush_paints_only_its_range_and_the_adaptive_brush_stays_in_the_lesion() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.harness.state().send(SegmentAction::BrushRadius(25.0));
    let at = window.position(AXIAL, lesion);
    window.press(Modifiers::NONE, Key::B);
    window.click(at);
    window.harness.run_ok();
    let plain = window.labelled();
    window.press(CTRL, Key::Z);

    window.press(SHIFT, Key::T);
    assert_eq!(window.state().tool, Tool::Threshold);
    window.harness.get_by_label("Threshold from");
    let value = window
        .session()
        .volume()
        .value_at(window.session().volume().grid().affine().voxel_from_world(lesion));
    let range = IntensityRange { low: value.unwrap() - 12.0, high: value.unwrap() + 12.0 };
    let options = hilum::state::EditOptions { threshold: Some(range), ..window.state().options.clone() };
    window.harness.state().send(EditAction::Options(Box::new(options)));
    window.harness.run_ok();
    window.click(at);
    window.harness.run_ok();
    let document = &window.session().document;
    let painted = document.labels().iter().enumerate().filter(|(_, label)| *label == 1);
    assert!(painted.clone().count() > 10 && painted.clone().count() < plain);
    for (index, _) in painted {
        assert!(range.contains(document.image().voxels().value(index)));
    }
    window.press(CTRL, Key::Z);

    window.press(SHIFT, Key::B);
    assert_eq!(window.state().tool, Tool::Adaptive);
    assert!(window.harness.query_all_by_label("Spread (SD)").count() > 1, "the slider has a name");
    window.click(at);
    window.harness.run_ok();
    let adaptive = window.labelled();
    assert!(adaptive > 20 && adaptive < plain / 2, "{adaptive} of {plain} voxels");
    assert_eq!(window.steps(), ["Brush"]);
}

#[test]
fn a_polygon_is_closed_by_enter_or_double_click_dropped_by_escape_and_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let at = window.position(AXIAL, lesion);
    let square = |side: f32| [vec2(-side, -side), vec2(side, -side), vec2(side, side), vec2(-side, side)];
    let click_all = |window: &mut Window<'_>, corners: &[Vec2]| {
        for corner in corners {
            window.click(at + *corner);
        }
    };
    window.press(SHIFT, Key::L);
    click_all(&mut window, &square(60.0));
    assert_eq!(window.session().editing.draft.as_ref().unwrap().vertices.len(), 4);
    assert_eq!(window.labelled(), 0, "an open outline is no label yet");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.session().editing.draft.is_none());

    click_all(&mut window, &square(60.0));
    window.press(Modifiers::NONE, Key::Backspace);
    assert_eq!(window.session().editing.draft.as_ref().unwrap().vertices.len(), 3);
    click_all(&mut window, &square(60.0)[3..]);
    window.press(Modifiers::NONE, Key::Enter);
    let whole = window.labelled();
    let mm = 120.0 * {
        let rect = window.harness.get_by_role_and_label(Role::Canvas, "Axial view").rect();
        window.session().views.slice_view(window.session().volume(), AXIAL, rect).mm_per_point
    };
    let [x, y, _] = window.session().volume().grid().spacing_mm();
    let expected = mm * mm / (x * y);
    assert!((whole as f64 / expected - 1.0).abs() < 0.15, "{whole} of {expected} voxels");

    window.press(Modifiers::NONE, Key::T);
    assert!(window.state().negative);
    click_all(&mut window, &square(25.0)[..3]);
    let last = at + square(25.0)[3];
    window.double_click(last);
    assert!(window.session().editing.draft.is_none(), "a double click closes");
    assert!(window.labelled() < whole);
    assert_eq!(window.steps(), ["Polygon", "Polygon cut"]);
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), whole);
}

#[test]
fn a_lasso_in_the_coronal_plane_adds_and_undo_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let coronal = hilum::state::ViewId::PLANES[1];
    let at = window.position(coronal, lesion);
    window.press(Modifiers::NONE, Key::L);
    let circle: Vec<_> = (0..24u8)
        .map(|i| {
            let (sin, cos) = (f32::from(i) / 24.0 * std::f32::consts::TAU).sin_cos();
            at + vec2(30.0 * cos, 30.0 * sin)
        })
        .collect();
    window.trace(&circle);
    let document = &window.session().document;
    let grid = document.image().grid();
    let rows: std::collections::BTreeSet<usize> =
        (0..grid.voxel_count()).filter(|i| document.labels().at(*i) == 1).map(|i| grid.voxel(i)[1]).collect();
    assert_eq!(rows.len(), 1, "one coronal slice");
    assert!(window.labelled() > 20);
    assert_eq!(window.steps(), ["Lasso"]);
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);
}

#[test]
fn operations_are_previewed_follow_their_options_and_are_one_step_each() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = with_ball(folder.path());
    for (key, name, step) in [
        (Key::M, "Margin", "Grow margin"),
        (Key::G, "Grow along image", "Grow"),
        (Key::H, "Hollow", "Hollow"),
        (Key::U, "Fill holes", "Fill holes"),
        (Key::S, "Median smoothing", "Median smoothing"),
        (Key::J, "Joint smoothing", "Joint smoothing"),
    ] {
        let before = window.session().document.labels().clone();
        let steps = window.steps().len();
        window.press(SHIFT, key);
        window.until_planned(&format!("{name} is previewed"));
        assert_eq!(window.session().document.labels(), &before, "a preview changes nothing");
        let changed = window.session().document.staged().unwrap().changed().count();
        window.harness.get_by_label("Would gain");
        window.press(Modifiers::NONE, Key::Enter);
        assert_eq!(window.steps().last().map(String::as_str), Some(step));
        assert_eq!(window.steps().len(), steps + 1);
        let after = window.session().document.labels().clone();
        let differing = before.iter().zip(after.iter()).filter(|(a, b)| a != b).count();
        assert_eq!(differing, changed, "what was previewed was done");
        window.press(CTRL, Key::Z);
        assert_eq!(window.session().document.labels().to_voxels(), before.to_voxels());
        window.press(CTRL_SHIFT, Key::Z);
        assert_eq!(window.session().document.labels().to_voxels(), after.to_voxels());
    }
    window.press(SHIFT, Key::M);
    window.until_planned("a margin is previewed");
    window.radio("Shrink");
    window.until("the preview follows", |s| {
        s.session.as_ref().unwrap().document.staged().is_some_and(|change| change.lost() > 0)
    });
    let count = window.labelled();
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.session().document.staged().is_none());
    assert_eq!(window.labelled(), count, "Escape drops the preview");
    window.press(SHIFT, Key::Enter);
    window.until_planned("it is previewed again");
    window.press(Modifiers::NONE, Key::V);
    assert!(window.session().document.staged().is_none(), "another tool drops the preview");
}

#[test]
fn islands_are_kept_removed_and_split() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = with_ball(folder.path());
    let ball = window.labelled();
    let at = window.position(AXIAL, lesion);
    window.harness.state().send(SegmentAction::BrushRadius(1.0));
    window.press(Modifiers::NONE, Key::B);
    window.click(at + vec2(70.0, 0.0));
    window.harness.run_ok();
    let both = window.labelled();
    assert!(both > ball);
    window.press(SHIFT, Key::I);
    window.until_planned("the small part would go");
    assert_eq!(window.session().document.staged().unwrap().lost(), both - ball);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.labelled(), ball);
    window.press(CTRL, Key::Z);

    window.radio("Keep clicked");
    assert!(window.session().document.staged().is_none(), "it waits for a click");
    window.click(at + vec2(70.0, 0.0));
    window.until_planned("the ball would go");
    assert_eq!(window.session().document.staged().unwrap().lost(), ball);
    window.press(Modifiers::NONE, Key::Escape);

    window.radio("Remove small");
    window.until_planned("the small part would go again");
    window.radio("Split into labels");
    window.until("two labels would be made", |s| {
        s.session.as_ref().unwrap().document.staged().is_some_and(|c| c.table_changes().len() == 1)
    });
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().document.labels().count(2), both - ball);
    assert_eq!(window.session().document.table().get(2).unwrap().name, "Lesion 2");
    window.press(CTRL, Key::Z);
    assert_eq!(window.session().document.table().entries().len(), 1);
}

#[test]
fn slices_of_a_turned_plane_are_copied_and_filled_as_they_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window
        .harness
        .state()
        .send(ViewAction::SetTurn(AXIAL, hilum::state::Turn::from_degrees([25.0, 10.0, 0.0])));
    window.harness.run_ok();
    let at = window.position(AXIAL, lesion);
    window.press(Modifiers::NONE, Key::B);
    window.click(at);
    window.harness.run_ok();
    let one = window.labelled();
    // What the plane shows of the label, point by point.
    let seen = |window: &Window<'_>| {
        let rect = window.harness.get_by_role_and_label(Role::Canvas, "Axial view").rect();
        let session = window.session();
        let shown = session.views.slice_view(session.volume(), AXIAL, rect);
        let (grid, labels) = (session.volume().grid(), session.document.labels());
        let places = (0..3600u16).map(|i| vec2(f32::from(i % 60), f32::from(i / 60)) - vec2(30.0, 30.0));
        let is_label = |offset| {
            let world = shown.world_from_screen(at + offset);
            grid.voxel_at_world(world).is_some_and(|voxel| labels.value(voxel) == 1)
        };
        places.filter(|offset| is_label(*offset)).count()
    };
    let before = seen(&window);
    assert!(before > 50);
    let from = window.session().views.crosshair;
    window.press(CTRL, Key::PageDown);
    let copied = window.labelled();
    assert!(copied > one * 3 / 2 && copied <= 2 * one + one / 5, "{copied} after {one}");
    let after = seen(&window);
    assert!(after.abs_diff(before) * 10 <= before, "{after} points are seen, {before} were");
    let axes = window.session().views.axes(AXIAL);
    let moved = (window.session().views.crosshair - from).dot(&axes.into).abs();
    let plane = hilum_core::paint::CutPlane::new(from, axes.into).unwrap();
    let thickness = plane.thickness_mm(window.session().volume().grid());
    assert!((moved - thickness).abs() < 1e-6, "the view went to the slice that was written");
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), one);

    // A second disc four slices on; between them it is filled.
    window.harness.state().send(ViewAction::Crosshair(from + axes.into * (4.0 * thickness)));
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::B);
    window.click(at);
    window.harness.run_ok();
    let two = window.labelled();
    assert!(two > one);
    window.press(SHIFT, Key::F);
    window.until_planned("the shapes between are shown");
    window.press(Modifiers::NONE, Key::Enter);
    assert!(window.labelled() > 3 * one, "{} after {two}", window.labelled());
    assert_eq!(window.steps().last(), Some(&"Fill between slices".to_owned()));
}

#[test]
fn slices_are_copied_and_filled_between_and_regions_by_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let at = window.position(AXIAL, lesion);
    window.press(Modifiers::NONE, Key::B);
    window.click(at);
    window.harness.run_ok();
    let one = window.labelled();
    let slice = |window: &Window<'_>| window.session().views.slice_number(window.session().volume(), AXIAL).0;
    let first = slice(&window);
    window.press(CTRL, Key::PageDown);
    assert_eq!((window.labelled(), slice(&window).abs_diff(first)), (2 * one, 1));
    assert_eq!(window.steps(), ["Brush", "Copy slice"]);
    window.press(CTRL, Key::PageUp);
    assert_eq!((window.labelled(), slice(&window)), (2 * one, first), "it was the same already");
    window.press(CTRL, Key::Z);

    for _ in 0..4 {
        window.press(Modifiers::NONE, Key::ArrowDown);
    }
    window.click(at);
    window.harness.run_ok();
    assert_eq!(window.labelled(), 2 * one);
    window.press(SHIFT, Key::F);
    window.until_planned("the slices between are shown");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.labelled(), 5 * one, "between two equal discs lie equal discs");
    window.press(SHIFT, Key::Enter);
    window.until("there is nothing more to fill", |s| note(s).is_some_and(|n| n.contains("no empty slices")));

    window.press(Modifiers::NONE, Key::U);
    window.press(CTRL_SHIFT, Key::N);
    window.click(at);
    window.until_planned("the region is shown");
    assert_eq!(window.session().document.staged().unwrap().gained(), one);
    window.radio("In 3-D");
    window.until("all of it is shown", |s| {
        s.session.as_ref().unwrap().document.staged().is_some_and(|c| c.gained() == 5 * one)
    });
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().document.labels().count(2), 5 * one);
}

#[test]
fn labels_are_combined_and_the_rules_hold_for_strokes_and_operations() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = with_ball(folder.path());
    let ball = window.labelled();
    window.press(SHIFT, Key::O);
    window.harness.get_by_label("This needs a second label; add one to the list of labels.");
    window.press(CTRL_SHIFT, Key::N);
    window.until_planned("the union is shown");
    assert_eq!(window.session().document.staged().unwrap().gained(), ball);
    window.press(SHIFT, Key::D);
    assert_eq!(window.session().document.draw_over(), DrawOver::Background);
    window.until("the rule forbids it", |s| note(s).is_some_and(|n| n.contains("draw-over rule")));
    let at = window.position(AXIAL, lesion);
    window.press(Modifiers::NONE, Key::B);
    window.click(at);
    window.harness.run_ok();
    assert_eq!(window.session().document.labels().count(1), ball, "the brush spares other labels");
    window.press(SHIFT, Key::D);
    assert_eq!(window.session().document.draw_over(), DrawOver::Label(1));
    window.harness.get_by_label("Draw over");
    window.press(SHIFT, Key::D);
    assert_eq!(window.session().document.draw_over(), DrawOver::Everywhere);

    window.press(SHIFT, Key::O);
    window.until_planned("the union is shown again");
    window.harness.state().send(SegmentAction::Look(LookChange::Locked { id: 1, locked: true }));
    window.until("the lock forbids it", |s| note(s).is_some_and(|n| n.contains("locked")));
    window.harness.state().send(SegmentAction::Look(LookChange::Locked { id: 1, locked: false }));
    window.until_planned("it is allowed again");
    window.press(SHIFT, Key::X);
    assert!(window.session().document.draw_within().is_some());
    window.harness.get_by_label("Values from");
    window.until_planned("only some of it is shown");
    let within = window.session().document.staged().unwrap().gained();
    assert!(within <= ball);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.steps().last().map(String::as_str), Some("Union of labels"));
}

/// Presses, moves and lets go before the next frame is drawn, as a quick hand does before a slow screen.
fn flick(window: &mut Window<'_>, from: Pos2, to: Pos2) {
    window.pointer(from, None);
    for (pos, pressed) in [(from, Some(true)), (from.lerp(to, 0.5), None), (to, None), (to, Some(false))] {
        window.queue_pointer(pos, pressed);
    }
    window.harness.step();
    window.harness.run_ok();
}

#[test]
fn a_stroke_or_outline_that_is_over_before_the_next_frame_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let at = window.position(AXIAL, lesion);
    window.press(Modifiers::NONE, Key::B);
    flick(&mut window, at, at + vec2(60.0, 0.0));
    let stroke = window.labelled();
    assert_eq!(window.session().document.history().len(), 1);
    window.press(CTRL, Key::Z);
    window.click(at);
    window.harness.run_ok();
    assert!(stroke > window.labelled(), "{stroke} voxels of a stroke, {} of a dab", window.labelled());
    window.press(CTRL, Key::Z);

    window.harness.state().send(UiCommand::ToolLasso);
    window.harness.run_ok();
    flick(&mut window, at, at + vec2(40.0, 40.0));
    let steps = window.session().document.history().len();
    // Two corners make no outline, but the draft is closed as with a slow hand.
    assert!(window.session().editing.draft.is_none(), "{steps} steps");

    // In front of a dialog nothing is painted.
    window.press(Modifiers::NONE, Key::B);
    window.harness.state().send(UiCommand::Settings);
    window.harness.run_ok();
    let before = window.labelled();
    flick(&mut window, at, at + vec2(60.0, 0.0));
    assert_eq!(window.labelled(), before);
}

#[test]
fn parts_of_a_notch_of_the_wheel_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let at = window.position(AXIAL, lesion);
    window.pointer(at, None);
    let slice = |window: &Window<'_>| window.session().views.slice_number(window.session().volume(), AXIAL).0;
    let first = slice(&window);
    for (turn, moved) in [(0.25, 0), (0.25, 0), (0.25, 0), (0.25, 1), (-1.0, 0), (0.1, 0), (-0.1, 0)] {
        window.harness.event(Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: vec2(0.0, turn),
            modifiers: Modifiers::NONE,
            source: egui::MouseWheelSource::Unknown,
            phase: egui::TouchPhase::Move,
        });
        window.harness.run_ok();
        assert_eq!(slice(&window).abs_diff(first), moved, "after {turn}");
    }
}
