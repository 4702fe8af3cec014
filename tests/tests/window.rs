//! The window as a person uses it, driven through its accessibility tree. The network is a stand-in that grows
//! a region, so that the tests are about the window; everything else is the program itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Role, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_kittest::{Harness, HarnessBuilder, TestRenderer};
use hilum::app::{HilumApp, Services};
use hilum::command::{Action, ViewAction};
use hilum::jobs::{Ask, Dialogs, Event as JobEvent, Inbox, ModelInfo, RemotePlaces};
use hilum::state::{AppState, Dialog, EngineState, Session, ViewId};
use hilum::testing::{disc_labeller, growing_engine, oblique_volume};
use hilum_core::geometry::WorldPoint;
use hilum_core::io::nifti::{open_labels, save_volume};
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_dicomweb::NoKeyRing;
use hilum_models::catalog::{AxisOrder, Import, import};
use hilum_models::device;
use hilum_models::nets::AnyNetwork;
use hilum_models::train::recipe::Stage;

#[path = "window/album.rs"]
mod album;
#[path = "window/case_masks.rs"]
mod case_masks;
#[path = "window/eye.rs"]
mod eye;
#[path = "window/inspect.rs"]
mod inspect;
#[path = "window/inspect_choice.rs"]
mod inspect_choice;
#[path = "window/inspect_nets.rs"]
mod inspect_nets;
#[path = "window/kept.rs"]
mod kept;
#[path = "window/large.rs"]
mod large;
#[path = "window/measure.rs"]
mod measure;
#[path = "window/outside.rs"]
mod outside;
#[path = "window/painters.rs"]
mod painters;
#[path = "window/parts.rs"]
mod parts;
#[path = "window/projects.rs"]
mod projects;
#[path = "window/remote.rs"]
mod remote;
#[path = "window/teach.rs"]
mod teach;
#[path = "window/teach_more.rs"]
mod teach_more;
#[path = "window/tools.rs"]
mod tools;
#[path = "window/views.rs"]
mod views;
#[path = "window/worklist.rs"]
mod worklist;

/// Only a test that fails waits so long.
const LONGEST_WAIT: Duration = Duration::from_secs(240);
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

/// Answers every file dialog with a file of a folder.
struct Answers(PathBuf);

impl Dialogs for Answers {
    fn ask(&self, ask: Ask, inbox: &Inbox) -> std::io::Result<()> {
        let name = match &ask {
            Ask::SaveSurface { name, .. } => name.clone(),
            Ask::SaveMask { name, .. } | Ask::ExportTable { name } | Ask::SavePage { name } => name.clone(),
            Ask::SaveMap { name } | Ask::SaveFigure { name } => name.clone(),
            Ask::SaveProject { name, .. } | Ask::SaveMeasurements { name } => name.clone(),
            Ask::OpenFile | Ask::OpenFolder | Ask::OpenProject | Ask::ImportMask => String::new(),
            Ask::CompareMask | Ask::Relocate { .. } | Ask::ImportOutlines => String::new(),
            Ask::ImportCaseMasks => "masks".into(),
            Ask::ExportCaseMasks => "written masks".into(),
            Ask::NewWorklist | Ask::OpenWorklist => "list".into(),
            Ask::AddCases | Ask::AddCaseFolder => "images".into(),
            Ask::DeidentifyInto => "copies".into(),
            Ask::SavePicture { .. } => std::fs::read_to_string(self.0.join("wanted-picture"))?,
        };
        inbox.send(JobEvent::Chosen(ask, Some(self.0.join(name))));
        Ok(())
    }
}

/// Draws with a graphics device, where there is one; the renderer of the test library panics elsewhere.
fn device_renderer() -> Option<WgpuTestRenderer> {
    let renderer = std::panic::catch_unwind(WgpuTestRenderer::new).ok();
    if renderer.is_none() {
        hilum_core::testing::skip("a graphics adapter");
    }
    renderer
}

struct Window<'a> {
    harness: Harness<'a, HilumApp>,
}

/// Like a program that ends: afterwards no thread of the window holds a lock, writes, or asks the system for devices while
/// the process of the tests goes down. It says no farewell, as after a crash; see `quit` for that.
impl Drop for Window<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.harness.state_mut().end_threads();
        }
    }
}

impl Window<'_> {
    fn open(folder: &Path, paths: Vec<PathBuf>) -> Self {
        Self::build(Harness::builder(), folder, paths)
    }

    fn build(builder: HarnessBuilder<HilumApp>, folder: &Path, paths: Vec<PathBuf>) -> Self {
        let services = services(folder);
        let builder = builder.with_size(vec2(1280.0, 860.0)).with_max_steps(12);
        Self {
            harness: builder.build_eframe(|creation| {
                HilumApp::new(creation, services, paths).expect("the threads start")
            }),
        }
    }

    /// The oblique, anisotropic, odd-sized image in a window whose pixels can be looked at.
    fn drawn(renderer: impl TestRenderer + 'static, folder: &Path) -> Self {
        let path = folder.join("oblique.nii.gz");
        save_volume(&path, &oblique_volume()).expect("the image is written");
        let builder = Harness::builder().renderer(renderer).with_render_cursor(false);
        let mut window = Self::build(builder, folder, vec![path]);
        window.until("the file is open", is_complete);
        window
    }

    fn state(&self) -> &AppState {
        self.harness.state().state()
    }

    fn session(&self) -> &Session {
        self.state().session.as_ref().expect("an image is open")
    }

    /// Runs frames until something holds; threads answer when they are ready.
    fn until(&mut self, what: &str, holds: impl Fn(&AppState) -> bool) {
        let end = Instant::now() + LONGEST_WAIT;
        while Instant::now() < end {
            self.harness.step();
            if holds(self.state()) {
                self.harness.run_ok();
                self.harness.check_accessibility();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let messages: Vec<_> = self.state().messages.list().iter().map(|m| m.text.as_str()).collect();
        panic!("waited in vain until {what}; messages: {messages:?}");
    }

    /// Runs frames until everything is handed over and the threads that keep it have done all that they were asked for.
    fn settle(&mut self) {
        let end = Instant::now() + LONGEST_WAIT;
        let mut is_settled = false;
        while !is_settled {
            let has_unsaved =
                self.state().session.as_ref().is_some_and(|session| session.document.has_unsaved());
            let (sender, done) = sync_channel(3);
            let asked = self.harness.state_mut().flush(&sender);
            let mut answered = 0;
            while answered < asked {
                assert!(Instant::now() < end, "a thread does not answer");
                self.harness.step();
                answered += done.try_iter().count();
                std::thread::sleep(Duration::from_millis(1));
            }
            // A thread whose queue was full was not asked.
            is_settled = asked == 3 && !has_unsaved;
        }
        self.harness.run_ok();
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_ok();
    }

    fn button(&mut self, name: &str) {
        self.harness.get_by_role_and_label(Role::Button, name).click();
        // Progress bars never rest.
        self.harness.run_ok();
    }

    /// Where a world position is seen in a view.
    fn position(&self, view: ViewId, world: WorldPoint) -> Pos2 {
        let rect = self.harness.get_by_role_and_label(Role::Canvas, &format!("{} view", view.name())).rect();
        let session = self.session();
        session.views.slice_view(session.volume(), view, rect).screen_from_world(world)
    }

    fn pointer(&mut self, pos: Pos2, pressed: Option<bool>) {
        self.queue_pointer(pos, pressed);
        self.harness.step();
    }

    /// What the mouse does before the next frame.
    fn queue_pointer(&mut self, pos: Pos2, pressed: Option<bool>) {
        self.harness.event(match pressed {
            None => Event::PointerMoved(pos),
            Some(pressed) => Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            },
        });
    }

    fn click(&mut self, pos: Pos2) {
        self.pointer(pos, None);
        self.pointer(pos, Some(true));
        self.pointer(pos, Some(false));
    }

    fn labelled(&self) -> usize {
        let document = &self.session().document;
        document.labels().count(document.table().active())
    }
}

fn services(folder: &Path) -> Services {
    Services {
        engine: growing_engine(),
        labeller: disc_labeller(),
        dialogs: Box::new(Answers(folder.to_owned())),
        project_folder: Some(folder.join("unsaved")),
        photo_folder: Some(folder.join("photographs")),
        models_folder: Some(folder.join("models")),
        remote: RemotePlaces {
            servers: Some(folder.join("servers.toml")),
            cache: Some(folder.join("fetched")),
            key_ring: Arc::new(NoKeyRing),
        },
        compact_bytes: None,
    }
}

fn is_complete(state: &AppState) -> bool {
    state.opening.is_none() && state.session.as_ref().is_some_and(|session| !session.is_glimpse)
}

/// The window with the sample case, and the world position of its first lesion.
fn sample(folder: &Path) -> (Window<'static>, WorldPoint) {
    let mut window = Window::open(folder, Vec::new());
    let disclaimers = window.harness.query_all_by_label("For research use; not for diagnosis").count();
    assert_eq!(disclaimers, 2, "on the start page and in the status bar");
    window.button("Open sample case");
    window.until("the sample case is open", is_complete);
    window.until("the network is ready", |s| matches!(s.engine, EngineState::Ready { .. }));
    let lesion = &ct_phantom(&CtPhantomOptions::default()).expect("the defaults are sane").lesions[0];
    let world = window.session().volume().grid().world_of(lesion.click_voxel);
    window.harness.state().send(ViewAction::Crosshair(world));
    window.harness.run_ok();
    (window, world)
}

const AXIAL: ViewId = ViewId::PLANES[0];

#[test]
fn a_lesion_is_clicked_accepted_undone_redone_painted_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::P);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.until("a proposal is shown", |s| s.session.as_ref().unwrap().document.preview().is_some());
    assert_eq!(window.labelled(), 0, "a proposal is no label yet");
    let proposed = window.session().document.preview().unwrap().count();
    assert!(proposed > 20);

    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.labelled(), proposed);
    assert!(window.session().document.preview().is_none());
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0);
    window.press(CTRL_SHIFT, Key::Z);
    assert_eq!(window.labelled(), proposed);
    window.until("the lesion is measured", |s| {
        s.session.as_ref().unwrap().measurement.as_ref().is_some_and(|m| m.recist.is_some())
    });

    window.press(Modifiers::NONE, Key::B);
    let before = window.labelled();
    window.pointer(at + vec2(60.0, 0.0), None);
    window.pointer(at + vec2(60.0, 0.0), Some(true));
    for step in 1..6u8 {
        window.pointer(at + vec2(60.0, 12.0 * f32::from(step)), None);
    }
    window.pointer(at + vec2(60.0, 60.0), Some(false));
    window.harness.run_ok();
    assert!(window.labelled() > before + 20, "the brush painted nothing");
    let steps: Vec<&str> = window.session().document.history().steps().collect();
    assert_eq!(steps, ["Add point", "Segment lesion", "Brush"]);

    assert!(window.session().has_unsaved_work());
    window.press(CTRL, Key::S);
    window.until("the mask is saved", |s| !s.session.as_ref().unwrap().has_unsaved_work());
    let path = window.session().mask_path.clone().unwrap();
    let image = open_labels(&path).unwrap();
    assert_eq!(image.labels, window.session().document.labels().to_voxels());
    assert!(image.grid.matches(window.session().volume().grid()));
}

#[test]
fn a_second_click_refines_and_escape_drops_the_proposal() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::P);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.until("a proposal is shown", |s| s.session.as_ref().unwrap().document.preview().is_some());
    let first = window.session().document.preview().unwrap().count();
    window.press(Modifiers::NONE, Key::T);
    assert!(window.state().negative);
    window.click(at + vec2(9.0, 0.0));
    window.until("the proposal shrinks", |s| {
        s.session.as_ref().unwrap().document.preview().is_some_and(|mask| mask.count() < first)
    });
    window.press(CTRL, Key::Z);
    assert_eq!(
        window.session().document.preview().unwrap().count(),
        first,
        "undo shows the earlier proposal"
    );
    // What is only proposed is in no file, and saving says so.
    window.press(CTRL, Key::S);
    window.until("the mask is saved", |s| s.session.as_ref().unwrap().mask_path.is_some());
    let saved = open_labels(window.session().mask_path.as_ref().unwrap()).unwrap();
    assert!(saved.labels.iter().all(|label| *label == 0));
    let warned =
        |s: &AppState| s.messages.list().iter().any(|m| m.text.contains("only proposed is not in the file"));
    assert!(warned(window.state()));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.session().document.preview().is_none());
    assert!(window.session().document.prompts().is_empty());
}

#[test]
fn the_palette_runs_commands_and_keys_change_the_window_slice_and_layout() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _) = sample(folder.path());
    window.press(CTRL_SHIFT, Key::P);
    assert!(matches!(window.state().dialog, Dialog::Palette(_)));
    window.harness.event(Event::Text("bone".into()));
    window.harness.run_ok();
    window.harness.key_press(Key::Enter);
    window.harness.run_ok();
    let views = &window.session().views;
    assert_eq!((views.center, views.width), (400.0, 1800.0));
    window.press(Modifiers::NONE, Key::Num2);
    assert_eq!(window.session().views.width, 1500.0);
    // Without the panels at the sides the images have their room.
    let view =
        |window: &Window<'_>| window.harness.get_by_role_and_label(Role::Canvas, "Axial view").rect().width();
    let narrow = view(&window);
    window.press(Modifiers::SHIFT, Key::F10);
    window.harness.run();
    assert!(view(&window) > narrow + 50.0, "{} after {narrow}", view(&window));
    window.press(Modifiers::SHIFT, Key::F10);
    window.harness.run();
    // Keys act on the view under the mouse.
    let rect = window.harness.get_by_role_and_label(Role::Canvas, "Axial view").rect();
    window.pointer(rect.center(), None);
    let slice = |window: &Window<'_>| window.session().views.slice_number(window.session().volume(), AXIAL).0;
    let before = slice(&window);
    assert!((11..=62).contains(&before), "the lesion lies at slice {before}");
    window.press(Modifiers::NONE, Key::PageDown);
    assert_eq!(slice(&window).abs_diff(before), 10);
    window.press(Modifiers::NONE, Key::F7);
    assert!(window.harness.query_by_role_and_label(Role::Canvas, "Axial view").is_none());
    window.harness.get_by_role_and_label(Role::Canvas, "Coronal view");
}

#[test]
fn unsaved_work_is_guarded_and_can_be_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, lesion) = sample(folder.path());
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(AXIAL, lesion);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0, "a click of the brush is a dab");
    window.press(CTRL, Key::W);
    assert!(matches!(window.state().dialog, Dialog::Unsaved(_)));
    assert!(window.state().session.is_some());
    window.button("Cancel");
    assert!(matches!(window.state().dialog, Dialog::None));
    // What Enter pushes loses nothing.
    window.press(CTRL, Key::W);
    window.press(Modifiers::NONE, Key::Enter);
    assert!(window.state().session.is_none());
    window.button("Open sample case");
    window.until("the work is there", |s| is_complete(s) && s.session.as_ref().unwrap().document.can_undo());
    window.press(CTRL, Key::W);
    window.button("Discard");
    assert!(window.state().session.is_none());
}

#[test]
fn work_survives_a_window_that_ends_without_closing() {
    let folder = tempfile::tempdir().unwrap();
    let painted = {
        let (mut window, lesion) = sample(folder.path());
        window.press(Modifiers::NONE, Key::B);
        let at = window.position(AXIAL, lesion);
        window.click(at);
        window.until("the change is handed over", |s| !s.session.as_ref().unwrap().document.has_unsaved());
        Arc::clone(window.session().document.labels())
    };
    // The window was dropped without its farewell, as after a crash.
    let mut window = Window::open(folder.path(), Vec::new());
    window.button("Open sample case");
    window.until("the work is offered", |s| matches!(s.dialog, Dialog::Recover { .. }));
    window.button("Continue that work");
    assert_eq!(window.session().document.labels().to_voxels(), painted.to_voxels());
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0, "the history is there as well");
}

#[test]
fn an_oblique_volume_opens_from_the_command_line_and_a_broken_file_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oblique.nii.gz");
    let volume = oblique_volume();
    save_volume(&path, &volume).unwrap();
    let mut window = Window::open(folder.path(), vec![path.clone()]);
    window.until("the file is open", is_complete);
    assert!(window.session().volume().grid().matches(volume.grid()));
    assert_eq!(window.state().settings.recent.first(), Some(&path));

    // Windows in Hounsfield units say nothing about an MR image.
    let mr = folder.path().join("knee_T1_mr.nii.gz");
    save_volume(&mr, &volume).unwrap();
    window.harness.state().send(Action::open(mr.clone()));
    window.until("the MR image is open", |s| {
        is_complete(s) && s.session.as_ref().unwrap().volume().meta().source.path() == Some(&*mr)
    });
    assert_eq!(window.session().volume().meta().modality, hilum_core::volume::Modality::Mr);
    let before = (window.session().views.center, window.session().views.width);
    window.press(Modifiers::NONE, Key::Num2);
    assert_eq!((window.session().views.center, window.session().views.width), before);

    let broken = folder.path().join("broken.nii.gz");
    std::fs::write(&broken, b"this is no image").unwrap();
    window.harness.state().send(Action::open(broken));
    window.until("the error is told", |s| s.messages.list().iter().any(|m| m.text.contains("broken.nii.gz")));
    assert!(window.state().session.is_some(), "the open image stays");
}

#[test]
fn with_a_graphics_device_every_pixel_shows_the_value_at_its_place_in_the_patient() {
    let Some(renderer) = device_renderer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::drawn(renderer, folder.path());
    assert!(window.state().graphics.is_some(), "the graphics device is not used");
    window.press(Modifiers::NONE, Key::X);
    window.press(Modifiers::NONE, Key::Num0);
    let image = window.harness.render().unwrap();
    for view in ViewId::PLANES {
        let name = format!("{} view", view.name());
        let rect = window.harness.get_by_role_and_label(Role::Canvas, &name).rect();
        let session = window.session();
        let volume = session.volume();
        let (low, high) = session.views.window();
        let shown = session.views.slice_view(volume, view, rect);
        let mut compared = 0;
        for step in 0..400u16 {
            // Text and letters stand at the borders.
            let share = vec2(f32::from(step % 20) / 20.0, f32::from(step / 20) / 20.0);
            let pos = (rect.shrink2(rect.size() * 0.2).min + share * rect.size() * 0.6).floor();
            let world = shown.world_from_screen(pos + vec2(0.5, 0.5));
            let Some(value) = volume.value_at(volume.grid().affine().voxel_from_world(world)) else {
                continue;
            };
            let expected = ((value - low) / (high - low)).clamp(0.0, 1.0) * 255.0;
            let found = f32::from(image.get_pixel(pos.x as u32, pos.y as u32).0[0]);
            assert!((found - expected).abs() <= 3.0, "{name} at {pos:?}: {found} instead of {expected}");
            compared += 1;
        }
        assert!(compared > 50, "{name} shows only {compared} of the positions looked at");
    }
}

#[test]
fn the_model_browser_shows_cards_and_lets_another_model_answer_clicks() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(folder.path(), Vec::new());
    window.until("models are listed", |state| !state.models.is_empty());
    window.press(CTRL, Key::M);
    assert!(matches!(window.state().dialog, Dialog::Models));
    let has_role =
        |model: &&ModelInfo| model.card.click().is_some_and(|task| matches!(task.stage, Stage::Fine { .. }));
    let id = window.state().models.iter().find(has_role).unwrap().card.id.clone();
    // It may lie below the edge of the list.
    window.harness.get_by_role_and_label(Role::RadioButton, &id).click_accesskit();
    window.harness.run_ok();
    assert_eq!(window.state().settings.model.as_deref(), Some(id.as_str()));
    window.until("it is loaded", |state| matches!(state.engine, EngineState::Ready { .. }));
    window.harness.get_by_role_and_label(Role::RadioButton, "The program's own choice").click_accesskit();
    window.harness.run_ok();
    assert_eq!(window.state().settings.model, None);
    window.harness.get_by_label(&format!("Card of {id}")).click_accesskit();
    window.harness.run_ok();
    assert!(window.harness.query_all_by_label("Limits").next().is_some(), "the card is shown");
}

#[test]
fn an_imported_model_stands_in_the_browser() {
    let folder = tempfile::tempdir().unwrap();
    let (file, device) = (folder.path().join("theirs.safetensors"), device::cpu().device);
    let config = serde_json::json!({"in_channels": 2, "features": [4, 6]});
    let network = AnyNetwork::seeded("lesion_net", config.clone(), 3, &device).unwrap();
    network.write_reference_checkpoint(&file).unwrap();
    let request = Import {
        file: &file,
        arch: "lesion_net",
        config,
        axes: AxisOrder::Zyx,
        id: "their-model",
        licence: Some("CC0-1.0"),
        replace: false,
    };
    import(&request, &folder.path().join("models"), &device).unwrap();
    let mut window = Window::open(folder.path(), Vec::new());
    window.until("models are listed", |state| !state.models.is_empty());
    window.press(CTRL, Key::M);
    window.harness.get_by_label("their-model");
    window.harness.get_by_label("no task assigned · yours");
    window.harness.get_by_label("Imported from theirs.safetensors");
    window.harness.get_by_label("Card of their-model").click();
    window.harness.run_ok();
    assert!(window.harness.query_all_by_label("CC0-1.0").next().is_some(), "the card is shown");
}
