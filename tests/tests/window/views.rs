//! Looking: layouts, films, turned planes, the 3-D view, mouse presets, keys, themes, the read-out, and work without a
//! mouse.

use egui::{Event, Key, Modifiers, MouseWheelUnit, PointerButton, Role, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use hilum::command::{Action, SegmentAction, UiCommand, ViewAction};
use hilum::state::{KeyMap, Layout, MousePreset, SceneMode, Tool, Turn, ViewId};
use hilum_core::geometry::PatientDirection;
use hilum_core::label::LookChange;
use nalgebra::Vector3;

use super::*;

const CORONAL: ViewId = ViewId::PLANES[1];

impl Window<'_> {
    fn shows(&self, view: ViewId) -> bool {
        self.harness.query_by_role_and_label(Role::Canvas, &format!("{} view", view.name())).is_some()
    }

    fn rect(&self, view: ViewId) -> egui::Rect {
        self.harness.get_by_role_and_label(Role::Canvas, &format!("{} view", view.name())).rect()
    }

    fn slice(&self, view: ViewId) -> usize {
        self.session().views.slice_number(self.session().volume(), view).0
    }

    fn send(&mut self, action: impl Into<Action>) {
        self.harness.state().send(action);
        self.harness.run_ok();
    }

    /// Drags with a button, in one movement.
    fn drag_with(&mut self, button: PointerButton, modifiers: Modifiers, from: Pos2, to: Pos2) {
        let press = |pos, pressed| Event::PointerButton { pos, button, pressed, modifiers };
        self.harness.event_modifiers(Event::PointerMoved(from), modifiers);
        self.harness.step();
        self.harness.event_modifiers(press(from, true), modifiers);
        self.harness.step();
        for share in [0.3, 0.7, 1.0] {
            self.harness.event_modifiers(Event::PointerMoved(from + (to - from) * share), modifiers);
            self.harness.step();
        }
        self.harness.event_modifiers(press(to, false), modifiers);
        self.harness.step();
        self.harness.run_ok();
    }

    pub(super) fn double_click(&mut self, at: Pos2) {
        self.pointer(at, None);
        for pressed in [true, false, true, false] {
            let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
            self.harness.input_mut().events.push(Event::PointerButton {
                pos: at,
                button,
                pressed,
                modifiers,
            });
        }
        self.harness.step();
        self.harness.run_ok();
    }

    /// Pushes a button that may lie below the edge of the side panel.
    fn push(&mut self, name: &str) {
        self.harness.get_by_role_and_label(Role::Button, name).click_accesskit();
        self.harness.step();
        self.harness.step();
    }

    fn wheel(&mut self, modifiers: Modifiers, at: Pos2, notches: f32) {
        self.pointer(at, None);
        let event = Event::MouseWheel {
            unit: MouseWheelUnit::Line,
            delta: vec2(0.0, notches),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
            modifiers,
        };
        self.harness.event_modifiers(event, modifiers);
        self.harness.step();
        self.harness.run_ok();
    }
}

#[test]
fn layouts_are_chosen_by_key_and_a_double_click_maximises_and_restores() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    let all = [ViewId::PLANES[0], ViewId::PLANES[1], ViewId::PLANES[2], ViewId::Scene];
    for (key, layout, shown) in [
        (Key::F2, Layout::Two, &all[..2]),
        (Key::F5, Layout::Three, &all[..3]),
        (Key::F3, Layout::Large, &all[..]),
        (Key::F4, Layout::Four, &all[..]),
        (Key::F9, Layout::Four, &all[3..]),
        (Key::F4, Layout::Four, &all[..]),
    ] {
        window.press(Modifiers::NONE, key);
        assert_eq!(window.state().settings.layout, layout);
        for view in all {
            assert_eq!(window.shows(view), shown.contains(&view), "{view:?} after {key:?}");
        }
        window.harness.check_accessibility();
    }
    for view in [CORONAL, ViewId::Scene] {
        let middle = window.rect(view).center();
        let crosshair = window.session().views.crosshair;
        window.double_click(middle);
        assert_eq!(window.session().views.single, Some(view), "a double click maximises");
        assert!(!window.shows(AXIAL));
        let middle = window.rect(view).center();
        window.double_click(middle);
        assert_eq!(window.session().views.single, None, "another one restores");
        assert!(window.shows(AXIAL) && window.shows(ViewId::Scene));
        window.send(ViewAction::Crosshair(crosshair));
    }
    // The view under the mouse becomes the large one.
    window.press(Modifiers::NONE, Key::F3);
    let middle = window.rect(CORONAL).center();
    window.pointer(middle, None);
    window.press(Modifiers::SHIFT, Key::F3);
    assert!(window.rect(CORONAL).area() > 2.0 * window.rect(AXIAL).area());
}

#[test]
fn a_film_runs_at_its_rate_and_any_interaction_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    let middle = window.rect(AXIAL).center();
    window.pointer(middle, None);
    let mut settings = window.state().settings.clone();
    settings.cine_hz = 20.0;
    window.send(Action::Settings(Box::new(settings)));
    let start = window.slice(AXIAL);
    window.harness.key_press(Key::Space);
    window.harness.step();
    assert!(window.session().views.cine.is_some());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..90 {
        window.harness.step();
        seen.insert(window.slice(AXIAL));
    }
    assert!(seen.len() > 60, "it shows {} of the slices", seen.len());
    assert!(seen.contains(&start));
    assert!(window.harness.query_by_role_and_label(Role::Button, "Stop").is_some());
    let stopped = |window: &mut Window<'_>, by: &str| {
        window.harness.step();
        assert!(window.session().views.cine.is_none(), "{by} does not stop it");
        let slice = window.slice(AXIAL);
        window.harness.step();
        window.harness.step();
        assert_eq!(window.slice(AXIAL), slice);
    };
    let play = |window: &mut Window<'_>| {
        window.push("Play");
        assert!(window.session().views.cine.is_some(), "the button plays");
    };
    window.harness.key_press(Key::Space);
    stopped(&mut window, "the key that started it");
    play(&mut window);
    window.harness.key_press(Key::G);
    stopped(&mut window, "another key");
    play(&mut window);
    window.pointer(middle, None);
    window.pointer(middle, Some(true));
    stopped(&mut window, "a press");
    window.pointer(middle, Some(false));
    play(&mut window);
    window.wheel(Modifiers::NONE, middle, 1.0);
    stopped(&mut window, "the wheel");
}

#[test]
fn planes_are_turned_by_handles_and_angles_and_brushes_work_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::F4);
    window.press(Modifiers::SHIFT, Key::R);
    assert!(window.session().views.turning);
    // The handle of the coronal plane in the axial view lies on a horizontal line through the crosshair.
    let rect = window.rect(AXIAL);
    let center = window.position(AXIAL, lesion);
    let reach = rect.size().min_elem() / 2.0 * 0.72;
    let angle = 0.35f32;
    let from = center + vec2(reach, 0.0);
    let from = if rect.contains(from) { from } else { center - vec2(reach, 0.0) };
    let arm = from - center;
    let to =
        center + vec2(arm.x * angle.cos() - arm.y * angle.sin(), arm.x * angle.sin() + arm.y * angle.cos());
    let window_before = window.session().views.window();
    window.drag_with(PointerButton::Primary, Modifiers::NONE, from, to);
    assert_eq!(window.session().views.window(), window_before, "a handle is no window and level");
    let into = window.session().views.axes(CORONAL).into;
    let expected = Vector3::new(-f64::from(angle.sin()), f64::from(angle.cos()), 0.0);
    assert!((into - expected).norm() < 0.05, "the coronal plane looks along {into:?}");
    let note = "In a turned plane every tool works on the voxels that the plane cuts";
    assert!(window.harness.query_by_label(note).is_some(), "the window says what works");

    // A stroke in the turned plane stays in it.
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(CORONAL, lesion);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
    let session = window.session();
    let (grid, labels) = (session.volume().grid(), session.document.labels());
    let painted = (0..grid.voxel_count()).filter(|i| labels.at(*i) != 0).map(|i| grid.voxel(i));
    for voxel in painted {
        let distance = (grid.world_of(voxel) - lesion).dot(&into).abs();
        assert!(distance < 2.0 * grid.spacing_mm()[0], "a voxel lies {distance:.1} mm off the plane");
    }

    window.send(ViewAction::SetTurn(AXIAL, Turn::from_degrees([10.0, 0.0, 0.0])));
    let field = window.harness.get_by_role_and_label(Role::SpinButton, "Axial tilt");
    assert_eq!(field.accesskit_node().numeric_value(), Some(10.0));
    window.push("Reset planes");
    window.harness.run_ok();
    assert!(!window.session().views.is_turned());
    assert!(window.harness.query_by_label(note).is_none());
}

#[test]
fn the_3d_view_follows_edits_undo_and_visibility_and_a_click_on_it_moves_the_crosshair() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::F4);
    let text = |window: &Window<'_>| {
        window
            .harness
            .get_by_role_and_label(Role::Canvas, "3-D view")
            .accesskit_node()
            .value()
            .unwrap_or_default()
    };
    assert!(text(&window).starts_with("No label yet"), "{}", text(&window));
    let triangles = |state: &AppState| state.session.as_ref().unwrap().scene.triangles(1);
    let is_done = |state: &AppState| !state.session.as_ref().unwrap().scene.is_behind();
    window.press(Modifiers::NONE, Key::P);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.until("a proposal is shown", |s| s.session.as_ref().unwrap().document.preview().is_some());
    window.press(Modifiers::NONE, Key::Enter);
    window.until("the surface is there", |s| triangles(s) > 100 && is_done(s));
    assert!(text(&window).starts_with("Surfaces"));
    let before = triangles(window.state());

    // The surface changes while the brush is still down.
    window.press(Modifiers::NONE, Key::B);
    let beside = window.position(AXIAL, lesion) + vec2(40.0, 0.0);
    window.pointer(beside, None);
    window.pointer(beside, Some(true));
    window.pointer(beside + vec2(10.0, 0.0), None);
    window.until("the surface follows the brush", |s| {
        triangles(s) > before && is_done(s) && s.session.as_ref().unwrap().document.is_stroking()
    });
    window.pointer(beside + vec2(10.0, 0.0), Some(false));
    window.press(CTRL, Key::Z);
    window.until("undo brings the old surface back", |s| triangles(s) == before && is_done(s));

    // From the front the lesion hides what is behind it: a click lands on its front.
    window.press(Modifiers::NONE, Key::V);
    window.send(ViewAction::LookFrom(PatientDirection::Anterior));
    let at = window.position(ViewId::Scene, lesion);
    window.send(ViewAction::Crosshair(window.session().volume().grid().world_of([1, 1, 1])));
    window.click(at);
    window.harness.run_ok();
    let crosshair = window.session().views.crosshair;
    let voxel = window.session().volume().grid().voxel_at_world(crosshair).unwrap();
    assert_eq!(window.session().document.labels().value(voxel), 1, "the click lands on the label");
    assert!(crosshair.y <= lesion.y, "and on its front");

    window.send(SegmentAction::Look(LookChange::Visible { id: 1, visible: false }));
    window.click(at + vec2(1.0, 1.0));
    window.harness.run_ok();
    assert_eq!(window.session().views.crosshair, crosshair, "a hidden surface cannot be clicked");

    let axes = window.session().views.axes(ViewId::Scene);
    let middle = window.rect(ViewId::Scene).center();
    window.drag_with(PointerButton::Primary, Modifiers::NONE, middle, middle + vec2(60.0, 20.0));
    assert!((window.session().views.axes(ViewId::Scene).into - axes.into).norm() > 0.2, "a drag turns it");
    for (command, mode, says) in [
        (UiCommand::SceneMip, SceneMode::Mip, "Maximum intensity"),
        (UiCommand::SceneVolume, SceneMode::Volume, "Volume"),
    ] {
        window.send(command);
        assert_eq!(window.state().settings.scene, mode);
        assert!(text(&window).starts_with(says));
    }
}

#[test]
fn with_a_graphics_device_the_3d_view_shows_the_label_and_the_volume() {
    let Some(renderer) = device_renderer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::drawn(renderer, folder.path());
    window.press(Modifiers::NONE, Key::F9);
    let mut settings = window.state().settings.clone();
    (settings.brush_radius_mm, settings.ball) = (4.0, true);
    window.send(Action::Settings(Box::new(settings)));
    let center = window.session().views.crosshair;
    window.press(Modifiers::NONE, Key::B);
    window.press(CTRL, Key::Enter);
    assert!(window.labelled() > 10);
    window.until("the surface is there", |s| {
        let scene = &s.session.as_ref().unwrap().scene;
        scene.triangles(1) > 50 && !scene.is_behind()
    });
    let at = window.position(ViewId::Scene, center);
    // The crosshair's mark is drawn in the middle.
    let at = at + vec2(9.0, 7.0);
    let pixel = |window: &mut Window<'_>, at: Pos2| {
        window.harness.render().unwrap().get_pixel(at.x as u32, at.y as u32).0
    };
    let [r, g, b] = window.session().document.table().get(1).unwrap().color;
    let seen = pixel(&mut window, at);
    let largest = |c: [u8; 3]| (0..3).max_by_key(|i| c[*i]).unwrap();
    assert!(seen[..3].iter().any(|c| *c > 60), "the label is not seen: {seen:?}");
    assert_eq!(
        largest([seen[0], seen[1], seen[2]]),
        largest([r, g, b]),
        "{seen:?} is not of the label's colour"
    );
    let corner = window.rect(ViewId::Scene).left_bottom() + vec2(30.0, -60.0);
    assert_eq!(pixel(&mut window, corner)[..3], [0, 0, 0]);
    window.send(ViewAction::SurfaceOpacity(1, 0.0));
    assert_eq!(pixel(&mut window, at)[..3], [0, 0, 0], "without opacity it is gone");
    window.press(Modifiers::NONE, Key::Num0);
    for command in [UiCommand::SceneMip, UiCommand::SceneVolume] {
        window.send(command);
        let seen = pixel(&mut window, at);
        assert!(seen[..3].iter().any(|c| *c > 40), "{command:?} shows {seen:?}");
        assert_eq!(pixel(&mut window, corner)[..3], [0, 0, 0]);
    }
}

#[test]
fn mouse_presets_do_what_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    let middle = window.rect(AXIAL).center();
    window.press(CTRL, Key::Comma);
    window.harness.get_by_role_and_label(Role::RadioButton, "ITK-SNAP").click();
    window.harness.run_ok();
    assert_eq!(window.state().settings.mouse, MousePreset::ItkSnap);
    assert!(
        window.harness.query_by_label("zoom; painting: erase").is_some(),
        "the settings say what drags do"
    );
    window.button("Close");

    let crosshair = window.session().views.crosshair;
    let levels = window.session().views.window();
    window.drag_with(PointerButton::Primary, Modifiers::NONE, middle, middle + vec2(50.0, 30.0));
    assert_ne!(window.session().views.crosshair, crosshair, "left drag moves the crosshair");
    assert_eq!(window.session().views.window(), levels);
    let crosshair = window.session().views.crosshair;
    window.harness.event_modifiers(Event::PointerMoved(middle), Modifiers::SHIFT);
    window.harness.step();
    assert_eq!(window.session().views.crosshair, crosshair, "Shift and move does nothing");

    window.press(Modifiers::NONE, Key::B);
    window.drag_with(PointerButton::Primary, Modifiers::NONE, middle, middle + vec2(30.0, 0.0));
    let painted = window.labelled();
    assert!(painted > 0);
    window.drag_with(PointerButton::Secondary, Modifiers::NONE, middle, middle + vec2(15.0, 0.0));
    assert!(window.labelled() < painted, "right drag erases");
    assert_eq!(window.state().tool, Tool::Brush, "the brush is in the hand again");
    let radius = window.state().settings.brush_radius_mm;
    window.wheel(Modifiers::SHIFT, middle, 1.0);
    assert!(window.state().settings.brush_radius_mm > radius);

    window.press(Modifiers::NONE, Key::V);
    for (command, button, changes_window) in [
        (UiCommand::MouseSlicer, PointerButton::Primary, true),
        (UiCommand::MouseRadiology, PointerButton::Primary, true),
        (UiCommand::MouseRadiology, PointerButton::Middle, false),
    ] {
        window.send(command);
        let (levels, crosshair) = (window.session().views.window(), window.session().views.crosshair);
        let place = window.position(AXIAL, crosshair);
        window.drag_with(button, Modifiers::NONE, middle, middle + vec2(40.0, 10.0));
        assert_eq!(window.session().views.window() != levels, changes_window, "{command:?}");
        let moved = window.position(AXIAL, crosshair) - place;
        assert_eq!(moved.length() > 30.0, !changes_window, "{command:?} moved the image by {moved:?}");
    }
    window.harness.event_modifiers(Event::PointerMoved(middle + vec2(20.0, 20.0)), Modifiers::SHIFT);
    window.harness.step();
    window.harness.step();
    assert_ne!(window.session().views.crosshair, crosshair, "Shift and move leads the crosshair");
}

#[test]
fn keys_are_changed_kept_apart_and_shown_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    window.press(Modifiers::NONE, Key::F1);
    window.harness.check_accessibility();
    window.harness.get_by_role_and_label(Role::Button, "Add keys to Brush").click_accesskit();
    window.harness.run_ok();
    // A combination that belongs to another command is not taken without asking.
    window.press(CTRL, Key::S);
    assert!(window.harness.query_by_label("Ctrl+S belongs to “Save mask”").is_some());
    assert!(window.state().settings.keys.is_empty());
    window.button("Leave it");
    window.harness.get_by_role_and_label(Role::Button, "Add keys to Brush").click_accesskit();
    window.harness.run_ok();
    window.press(Modifiers::ALT, Key::Num7);
    assert!(window.harness.query_by_role_and_label(Role::Button, "Remove Alt+7 from Brush").is_some());
    // The row may lie beyond the edge of the list.
    window.harness.get_by_role_and_label(Role::Button, "Remove B from Brush").click_accesskit();
    window.harness.run_ok();
    window.harness.get_by_role_and_label(Role::Button, "Add keys to Eraser").click_accesskit();
    window.harness.run_ok();
    window.press(CTRL, Key::S);
    window.button("Use it for “Eraser”");
    window.button("Close");

    let map = KeyMap::with(&window.state().settings.keys);
    assert!(map.conflicts().is_empty());
    assert!(map.keys(UiCommand::Save).is_empty());
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.state().tool, Tool::Navigate, "the old key does nothing");
    window.press(Modifiers::ALT, Key::Num7);
    assert_eq!(window.state().tool, Tool::Brush);
    window.press(CTRL, Key::S);
    assert_eq!(window.state().tool, Tool::Eraser);
    let ctx = window.harness.ctx.clone();
    assert_eq!(UiCommand::ToolBrush.tooltip(&ctx), "Paint the active label (Alt+7)");
    assert_eq!(UiCommand::Save.shortcut_text(&ctx), None);

    // What was chosen is written with the settings and read again.
    let text = serde_json::to_string(&window.state().settings).unwrap();
    let read: hilum::state::Settings = serde_json::from_str(&text).unwrap();
    assert_eq!(KeyMap::with(&read.keys), map);

    window.press(Modifiers::NONE, Key::F1);
    window.harness.get_by_role_and_label(Role::Button, "Reset keys of Save mask").click_accesskit();
    window.harness.run_ok();
    assert_eq!(KeyMap::of(&ctx).keys(UiCommand::Save).len(), 1);
    assert!(KeyMap::of(&ctx).command(&UiCommand::Save.description().keys[0]) == Some(UiCommand::Save));
    window.harness.get_by_role_and_label(Role::Button, "Reset all keys").click_accesskit();
    window.harness.run_ok();
    assert!(window.state().settings.keys.is_empty());
    window.button("Close");
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.state().tool, Tool::Brush);
}

#[test]
fn themes_text_size_and_the_readout_are_switched() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    let fill = |window: &Window<'_>| window.harness.ctx.global_style().visuals.panel_fill;
    let mut seen = vec![fill(&window)];
    window.press(CTRL, Key::Comma);
    for (role, name) in
        [(Role::CheckBox, "High contrast"), (Role::RadioButton, "Light"), (Role::CheckBox, "High contrast")]
    {
        window.harness.get_by_role_and_label(role, name).click();
        window.harness.run_ok();
        assert!(!seen.contains(&fill(&window)), "{name} changes nothing");
        seen.push(fill(&window));
        window.harness.check_accessibility();
    }
    window.button("Close");
    let size =
        |window: &Window<'_>| window.harness.ctx.global_style().text_styles[&egui::TextStyle::Body].size;
    let before = size(&window);
    window.press(CTRL, Key::Plus);
    assert!(size(&window) > before);

    let texts = |window: &Window<'_>| {
        window
            .harness
            .query_all_by_role(Role::Label)
            .filter_map(|node| node.accesskit_node().value())
            .collect::<Vec<_>>()
    };
    assert!(!texts(&window).iter().any(|text| text.contains("Memory")));
    window.press(Modifiers::SHIFT, Key::F12);
    window.press(Modifiers::NONE, Key::P);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.until("a proposal is shown", |s| s.session.as_ref().unwrap().document.preview().is_some());
    assert!(window.state().readout.last_click_secs.is_some());
    assert!(window.state().readout.frame_ms().is_some());
    assert_eq!(
        cfg!(target_os = "linux"),
        window.state().readout.memory_bytes().is_some_and(|bytes| bytes > 1 << 20)
    );
    let found = texts(&window);
    assert!(found.iter().any(|text| text.contains("Memory") && text.contains("Click")), "{found:?}");
}

#[test]
fn a_case_is_completed_with_the_keyboard_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), Vec::new());
    window.press(CTRL_SHIFT, Key::P);
    window.harness.event(Event::Text("open sample".into()));
    window.harness.run_ok();
    window.harness.key_press(Key::Enter);
    window.until("the sample case is open", is_complete);
    window.until("the network is ready", |s| matches!(s.engine, EngineState::Ready { .. }));

    // The crosshair goes to the lesion by keys only.
    let lesion = &ct_phantom(&CtPhantomOptions::default()).unwrap().lesions[0];
    let target = window.session().volume().grid().world_of(lesion.click_voxel);
    let grid = *window.session().volume().grid();
    let steps = |from: f64, to: f64, spacing: f64| ((to - from) / spacing).round() as i32;
    let [x, y, z] = grid.spacing_mm();
    let here = window.session().views.crosshair;
    for (count, spacing, minus, plus) in [
        (target.x - here.x, x, Key::ArrowLeft, Key::ArrowRight),
        (target.y - here.y, y, Key::ArrowUp, Key::ArrowDown),
    ] {
        let steps = steps(0.0, count, spacing);
        let key = if steps < 0 { minus } else { plus };
        for _ in 0..steps.abs() / 10 {
            window.press(CTRL_SHIFT, key);
        }
        for _ in 0..steps.abs() % 10 {
            window.press(Modifiers::SHIFT, key);
        }
    }
    // Down goes towards the feet.
    let slices = steps(target.z, window.session().views.crosshair.z, z);
    for _ in 0..slices.abs() {
        window.press(Modifiers::NONE, if slices < 0 { Key::ArrowUp } else { Key::ArrowDown });
    }
    assert!((window.session().views.crosshair - target).norm() < 0.1);

    window.press(Modifiers::NONE, Key::P);
    window.press(CTRL, Key::Enter);
    window.until("a proposal is shown", |s| s.session.as_ref().unwrap().document.preview().is_some());
    window.press(Modifiers::NONE, Key::Enter);
    let accepted = window.labelled();
    assert!(accepted > 20);
    window.press(Modifiers::NONE, Key::B);
    window.press(CTRL_SHIFT, Key::ArrowRight);
    window.press(CTRL_SHIFT, Key::ArrowRight);
    window.press(CTRL, Key::Enter);
    assert!(window.labelled() > accepted, "the brush paints at the crosshair");
    window.press(Modifiers::SHIFT, Key::V);
    assert_eq!(window.session().views.active, CORONAL);
    window.press(CTRL, Key::S);
    window.until("the mask is saved", |s| !s.session.as_ref().unwrap().has_unsaved_work());
    let saved = open_labels(&window.session().mask_path.clone().unwrap()).unwrap();
    assert_eq!(saved.labels, window.session().document.labels().to_voxels());
}
