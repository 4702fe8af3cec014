//! Teaching from the window: three cases are corrected, the model learns while a person paints on, the person decides,
//! and goes back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::worklist::open_case;
use super::*;
use hilum::command::{TeachAction, UiCommand, WorklistAction};
use hilum::state::{TeachChoice, Teaching};
use hilum_core::geometry::Grid;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_core::worklist::CaseState;
use hilum_models::checkpoint::FloatFormat;
use serde_json::json;

const SIZE: usize = 32;
const DEPTH: usize = 4;

/// A bright bar through noise, in the middle of the slice, of another brightness in every image.
fn bar(nth: usize) -> Volume {
    let grid = Grid::from_spacing([SIZE, SIZE, DEPTH], [1.0; 3]).unwrap();
    let inside = |i: usize| {
        let (x, y) = ((i % SIZE) as f32 - 15.5, (i / SIZE % SIZE) as f32 - 15.5);
        x * x + y * y < 30.0
    };
    let noise = |i: usize| ((i * 7919 + nth * 104_729) % 97) as f32 / 97.0;
    let bright = 2.0 + 0.1 * nth as f32;
    let values = (0..SIZE * SIZE * DEPTH).map(|i| noise(i) + if inside(i) { bright } else { 0.0 }).collect();
    Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap()
}

/// A model that knows nothing yet, in the user's folder.
fn tiny_model(folder: &Path) {
    let config = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8]});
    model(folder, "tiny", "unet_2d", config, "part");
}

/// A model of this network that labels a region of this name and knows nothing yet.
pub(super) fn model(folder: &Path, id: &str, arch: &str, config: serde_json::Value, region: &str) {
    let cpu = device::cpu();
    let network = AnyNetwork::seeded(arch, config, 3, &cpu.device).unwrap();
    let weights = network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
    let card = json!({
        "id": id, "title": "bars", "arch": arch, "config": network.config(),
        "task": {
            "kind": "dense",
            "input": {"color": false, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
            "regions": [{"name": region, "label": 1}], "tile": [1, SIZE, SIZE]
        },
        "licence": "none", "data": [], "split": "", "training": "none", "figures": [], "limits": ["all"],
        "weights_sha256": hilum_models::catalog::sha256_hex(&weights)
    });
    let at = folder.join("models").join(id);
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join("weights.safetensors"), weights).unwrap();
    std::fs::write(at.join("card.json"), card.to_string()).unwrap();
}

pub(super) fn with_cases(folder: &Path) -> Window<'static> {
    tiny_model(folder);
    std::fs::create_dir_all(folder.join("images")).unwrap();
    for nth in 0..5 {
        save_volume(&folder.join(format!("images/bar {nth}.nii.gz")), &bar(nth)).unwrap();
    }
    let mut window = Window::open(folder, Vec::new());
    window.harness.state().send(UiCommand::NewWorklist);
    window.until("the list is open", |s| s.worklist.is_some() && s.models_known);
    window.harness.state().send(UiCommand::AddCaseFolder);
    window.until("all are added", |s| s.worklist.as_ref().unwrap().list.cases().len() == 5);
    window.harness.state().send(WorklistAction::Model(Some("tiny".into())));
    window.until("its versions are known", |s| {
        s.worklist.as_ref().unwrap().teaching.versions.as_ref().is_some_and(|list| list.current == "tiny")
    });
    window
}

/// Paints the bar of the case that is open, in every slice, and says that it is right.
pub(super) fn correct(window: &mut Window<'_>, case: u32) {
    window.press(Modifiers::NONE, Key::N);
    window.until("the case is open and proposed", |s| {
        open_case(s) == Some(case) && s.session.as_ref().unwrap().labelling.is_empty()
    });
    let part = window.session().document.table().active();
    window.harness.state().send(UiCommand::ClearLabel);
    window.press(Modifiers::NONE, Key::B);
    let grid = *window.session().volume().grid();
    for z in 0..DEPTH {
        let world = grid.world_of([16, 16, z]);
        window.harness.state().send(ViewAction::Crosshair(world));
        window.harness.run_ok();
        let at = window.position(AXIAL, world);
        window.click(at);
    }
    window.harness.run_ok();
    assert!(window.session().document.labels().count(part) > 200);
    window.press(Modifiers::ALT, Key::C);
}

fn teaching(state: &AppState) -> &Teaching {
    &state.worklist.as_ref().unwrap().teaching
}

#[test]
fn three_corrected_cases_teach_the_model_while_a_fourth_is_painted() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_cases(folder.path());
    assert!(!window.state().is_enabled(UiCommand::Teach), "there is nothing to learn from");
    for case in 1..=3 {
        correct(&mut window, case);
    }
    correct(&mut window, 4);
    window.press(Modifiers::ALT, Key::S);
    // So many steps, however slow the machine is.
    let (steps, learning_rate) = (Some(60), 0.01);
    let choice = TeachChoice { minutes: 30.0, steps, learning_rate, ..TeachChoice::default() };
    window.harness.state().send(TeachAction::Choose(choice));
    window.settle();
    // It rests from the beginning, so that the hand is not faster than the machine: a lesson that is over has no buttons.
    window.harness.state().send(UiCommand::Teach);
    window.harness.state().send(UiCommand::PauseTeaching);
    window.harness.run_ok();

    // The hand goes on meanwhile.
    window.press(Modifiers::NONE, Key::N);
    window.until("the fifth case is open", |s| {
        open_case(s) == Some(5) && s.session.as_ref().unwrap().labelling.is_empty()
    });
    window.click(window.position(AXIAL, window.session().volume().grid().world_of([16, 16, 0])));
    window.harness.run_ok();
    assert!(window.session().document.can_undo());
    assert!(teaching(window.state()).curves.loss.is_empty(), "it rests");
    window.harness.get_by_role_and_label(Role::Button, "Go on").click_accesskit();
    window.until("it is done", |s| teaching(s).running.is_none());
    assert!(teaching(window.state()).forecast.is_some(), "what it takes was told");
    assert!(!teaching(window.state()).curves.loss.is_empty(), "and how it went");

    let last =
        window.state().worklist.as_ref().unwrap().teaching.last.clone().expect("something was learned");
    assert_eq!(last.id, "tiny@0001");
    let [region] = &last.comparison.regions[..] else { panic!("one region: {last:?}") };
    assert!(region.new > region.current + 0.2, "{region:?}");
    // One case set aside is too few for a verdict: the person decides.
    let current = |s: &AppState| s.worklist.as_ref().unwrap().teaching.current().map(str::to_owned);
    assert_eq!(current(window.state()).as_deref(), Some("tiny"));
    window.harness.get_all_by_role_and_label(Role::Button, "Use it").next().unwrap().click_accesskit();
    window.until("it is in use", |s| current(s).as_deref() == Some("tiny@0001"));
    window.harness.get_by_role_and_label(Role::Button, "Go back to tiny").click_accesskit();
    window.until("the old one is in use", |s| current(s).as_deref() == Some("tiny"));

    // The version that proposes is named in the worklist.
    window.harness.get_by_role_and_label(Role::Button, "Go back to tiny@0001").click_accesskit();
    window.until("the new one is in use", |s| current(s).as_deref() == Some("tiny@0001"));
    let listed = hilum_core::worklist::WorklistStore::peek(&folder.path().join("list")).unwrap();
    assert!(listed.cases()[..4].iter().all(|case| case.state == CaseState::Corrected));
}

#[test]
fn the_network_says_which_case_it_knows_least_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_cases(folder.path());
    window.harness.get_by_role_and_label(Role::Button, "Order by doubt").click_accesskit();
    window.until("they are in order", |s| {
        let worklist = s.worklist.as_ref().unwrap();
        worklist.list.cases().iter().all(|case| case.doubt.is_some())
    });
    let worklist = window.state().worklist.as_ref().unwrap();
    let mut ranks: Vec<u32> =
        worklist.list.cases().iter().filter_map(|c| Some(c.doubt.as_ref()?.rank)).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, [1, 2, 3, 4, 5]);
    let first = worklist.next().unwrap();
    assert_eq!(worklist.list.case(first).unwrap().doubt.as_ref().unwrap().rank, 1);
    assert!(!worklist.list.case(first).unwrap().doubt.as_ref().unwrap().reason.is_empty());
}
