//! Teaching from the window, beyond the way that goes well: stopped comparisons, several models, networks that answer
//! clicks, and where a network looked while it learned.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::teach::{correct, model, with_cases};
use super::worklist::open_case;
use super::*;
use hilum::command::{TeachAction, UiCommand, WorklistAction};
use hilum::jobs::{TeachAnswer, TeachRequest, TeachWorker, read_lesson};
use hilum::state::TeachChoice;
use hilum_models::catalog::{Catalog, sha256_hex};
use hilum_models::checkpoint::FloatFormat;
use hilum_models::device::DeviceChoice;
use hilum_models::teach::{Control, TeachOptions, VersionState, finetune};
use serde_json::json;

fn choose(window: &mut Window<'_>, steps: usize) {
    let choice =
        TeachChoice { minutes: 30.0, steps: Some(steps), learning_rate: 0.01, ..TeachChoice::default() };
    window.harness.state().send(TeachAction::Choose(choice));
    window.harness.run_ok();
}

fn choose_model(window: &mut Window<'_>, id: &'static str) {
    window.harness.state().send(WorklistAction::Model(Some(id.into())));
    window.until("its versions are known", |s| {
        let versions = s.worklist.as_ref().unwrap().teaching.versions.as_ref();
        versions.is_some_and(|list| list.base == id)
    });
}

fn rests(state: &AppState) -> bool {
    state.worklist.as_ref().unwrap().teaching.running.is_none()
}

fn current(state: &AppState) -> String {
    state.worklist.as_ref().unwrap().teaching.current().unwrap().to_owned()
}

fn said(state: &AppState, part: &str) -> bool {
    state.messages.list().iter().any(|message| message.text.contains(part))
}

/// What a program that ends between learning and comparing leaves behind.
fn learn_without_comparing(worklist: &Path, models: &Path) {
    let catalog = Catalog::new(Some(models)).unwrap();
    let lesson = read_lesson(worklist, None, &catalog).unwrap();
    let options = TeachOptions { steps: Some(1), ..TeachOptions::default() };
    let taught =
        finetune(&lesson.catalog, "tiny", &lesson.cases, &options, &Control::default(), &mut |_| ()).unwrap();
    lesson.versions.add(lesson.catalog.find("tiny").unwrap(), &taught).unwrap();
}

/// What the thread that teaches says of a comparison that is stopped. On this thread: from the window it might be over before
/// it is stopped.
fn compare_stopped(worklist: &Path, models: &Path) {
    let (inbox, events) = Inbox::new(egui::Context::default());
    let control = Control::default();
    control.stop();
    let request = TeachRequest::Compare {
        request: 7,
        worklist: worklist.to_owned(),
        version: 1,
        device: DeviceChoice::Cpu,
        control,
    };
    TeachWorker::new(Some(models.to_owned()), inbox).handle(request);
    let results: Vec<_> = events
        .try_iter()
        .filter_map(|event| match event {
            JobEvent::Teach(TeachAnswer::Ended { request: 7, result }) => Some(result),
            _ => None,
        })
        .collect();
    let [Err(Some(why))] = &results[..] else { panic!("{results:?}") };
    assert!(why.contains("tiny@0001 is kept but was not compared"), "{why}");
}

#[test]
fn a_comparison_that_was_stopped_is_made_up_for_and_two_models_share_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8]});
    model(folder.path(), "other", "unet_2d", config.clone(), "part");
    model(folder.path(), "vessels", "unet_2d", config, "vessel");
    let mut window = with_cases(folder.path());
    for case in 1..=3 {
        correct(&mut window, case);
    }
    window.press(Modifiers::ALT, Key::S);
    window.settle();
    learn_without_comparing(&folder.path().join("list"), &folder.path().join("models"));
    choose_model(&mut window, "other");
    choose_model(&mut window, "tiny");
    let version = |s: &AppState, number: usize| {
        s.worklist.as_ref().unwrap().teaching.versions.clone().unwrap().versions[number].clone()
    };
    window.until("it is listed", |s| {
        s.worklist.as_ref().unwrap().teaching.versions.as_ref().is_some_and(|list| list.versions.len() == 1)
    });
    assert!(version(window.state(), 0).comparison.is_none());
    assert_eq!(current(window.state()), "tiny");

    window.settle();
    compare_stopped(&folder.path().join("list"), &folder.path().join("models"));
    assert!(version(window.state(), 0).comparison.is_none());
    window.harness.get_by_role_and_label(Role::Button, "Compare version 1").click_accesskit();
    window.until("it is compared", |s| rests(s) && s.worklist.as_ref().unwrap().teaching.last.is_some());
    window.until("the comparison is kept", |s| version(s, 0).comparison.is_some());
    window.harness.get_all_by_role_and_label(Role::Button, "Use it").next().unwrap().click_accesskit();
    window.until("it is in use", |s| current(s) == "tiny@0001");

    // Another model has its own versions and its own weights in use.
    choose_model(&mut window, "other");
    assert_eq!(current(window.state()), "other");
    window.settle();
    choose(&mut window, 1000);
    window.harness.state().send(UiCommand::Teach);
    window.harness.state().send(UiCommand::PauseTeaching);
    window.harness.run_ok();
    window.harness.state().send(UiCommand::StopTeaching);
    window.until("it is stopped", |s| rests(s) && said(s, "Teaching was stopped before it began"));
    choose(&mut window, 1);
    window.harness.state().send(UiCommand::Teach);
    window.until("it is taught", |s| rests(s) && s.worklist.as_ref().unwrap().teaching.last.is_some());
    window.until("its version is listed", |s| {
        s.worklist.as_ref().unwrap().teaching.versions.as_ref().is_some_and(|list| list.versions.len() == 1)
    });
    assert_eq!(version(window.state(), 0).id, "other@0002");
    choose_model(&mut window, "tiny");
    assert_eq!(current(window.state()), "tiny@0001");
    assert_eq!(version(window.state(), 0).state, VersionState::Published);

    // What was drawn for one region is not taught as another.
    choose_model(&mut window, "vessels");
    window.settle();
    window.harness.state().send(UiCommand::Teach);
    window.until("it is refused", |s| rests(s) && said(s, "no corrected case"));
    assert!(said(window.state(), "\"part\" is none of the model's regions (vessel)"));
}

#[test]
fn where_a_network_looked_while_it_learned_is_drawn_over_its_case_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8], "finest_gate_width": 4});
    model(folder.path(), "gated", "attention_unet_2d", config, "part");
    let mut window = with_cases(folder.path());
    choose_model(&mut window, "gated");
    correct(&mut window, 1);
    correct(&mut window, 2);
    window.press(Modifiers::ALT, Key::S);
    choose(&mut window, 10);
    window.settle();
    window.harness.state().send(UiCommand::Teach);
    window.until("it is taught", |s| rests(s) && s.worklist.as_ref().unwrap().teaching.last.is_some());
    window.until("its version is listed", |s| {
        let versions = s.worklist.as_ref().unwrap().teaching.versions.as_ref();
        versions.is_some_and(|list| list.versions.iter().any(|version| version.has_maps))
    });
    window.harness.get_by_role_and_label(Role::Button, "Attention of gated@0001").click_accesskit();
    window.until("the maps are there", |s| s.looking_back().is_some());
    let shown = |s: &AppState| s.looking_back().unwrap().shown().unwrap().clone();
    let (step, last) = shown(window.state());
    assert_eq!(step, 10);
    let steps: Vec<usize> = window.state().looking_back().unwrap().maps.steps.iter().map(|s| s.0).collect();
    assert_eq!(steps, [0, 1, 3, 5, 10]);
    // The maps lie where the case is.
    let grid = *window.session().volume().grid();
    assert!(last.grid.voxel_at_world(grid.center_world()).is_some());
    let slider = window.harness.get_by_role_and_label(Role::Slider, "Step of learning");
    slider.focus();
    window.harness.run_ok();
    window.harness.key_press(Key::ArrowLeft);
    window.harness.run_ok();
    let (step, before) = shown(window.state());
    assert_eq!(step, 5);
    assert_ne!(before.values, last.values, "it learned meanwhile");
    window.harness.check_accessibility();
    // Another case has no maps to be drawn over it.
    window.press(Modifiers::NONE, Key::N);
    window.until("the third case is open", |s| open_case(s) == Some(3));
    assert!(window.state().looking_back().is_none());
    window.harness.get_by_role_and_label(Role::Button, "Open bar 1").click_accesskit();
    window.until("its case is open", |s| open_case(s) == Some(2));
    assert_eq!(shown(window.state()).0, 5);
    window.harness.get_by_role_and_label(Role::Button, "Close attention").click_accesskit();
    window.harness.run_ok();
    assert!(window.state().looking_back().is_none());
}

/// A pipeline for clicks that knows nothing yet.
fn click_models(folder: &Path) {
    let fine = json!({"kind": "fine", "margin": 1.5, "min_side_mm": 16.0});
    for (id, stage) in [("first", json!({"kind": "coarse", "window_mm": 64.0})), ("second", fine)] {
        let config = json!({"in_channels": 2, "features": [4, 6, 8], "convs_per_stage": 1, "div": [0]});
        let network = AnyNetwork::seeded("lesion_net", config, 5, &device::cpu().device).unwrap();
        let weights = network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
        let mut task =
            json!({"kind": "click", "channels": ["relative", "positive"], "size": 16, "stage": stage});
        if id == "second" {
            task["coarse"] = "first".into();
        }
        let card = json!({
            "id": id, "title": "bars", "arch": "lesion_net", "config": network.config(), "task": task,
            "licence": "none", "data": [], "split": "", "training": "none", "figures": [], "limits": ["all"],
            "weights_sha256": sha256_hex(&weights)
        });
        let at = folder.join("models").join(id);
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("weights.safetensors"), weights).unwrap();
        std::fs::write(at.join("card.json"), card.to_string()).unwrap();
    }
}

#[test]
fn the_network_that_answers_clicks_is_taught_and_its_version_answers() {
    let folder = tempfile::tempdir().unwrap();
    click_models(folder.path());
    let mut window = with_cases(folder.path());
    for case in 1..=2 {
        correct(&mut window, case);
    }
    window.press(Modifiers::ALT, Key::S);
    choose_model(&mut window, "second");
    assert_eq!(window.state().engine_choice().model.as_deref(), Some("second"));
    choose(&mut window, 2);
    window.settle();
    window.harness.state().send(UiCommand::Teach);
    window.until("it is taught", |s| rests(s) && s.worklist.as_ref().unwrap().teaching.last.is_some());
    let last = window.state().worklist.as_ref().unwrap().teaching.last.clone().unwrap();
    assert_eq!(
        (last.id.as_str(), last.comparison.regions[0].name.as_str()),
        ("second@0001", "object after 1 click")
    );
    window.until("it is listed", |s| {
        s.worklist.as_ref().unwrap().teaching.versions.as_ref().is_some_and(|list| list.versions.len() == 1)
    });
    window.harness.get_all_by_role_and_label(Role::Button, "Use it").next().unwrap().click_accesskit();
    window.until("it is in use", |s| current(s) == "second@0001");
    let choice = window.state().engine_choice();
    assert_eq!(choice.model.as_deref(), Some("second@0001"));
    assert!(choice.versions.is_some_and(|folder| folder.join("0001/weights.safetensors").is_file()));
}
