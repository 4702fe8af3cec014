//! Worklists: cases one after the other, their states on disk, outlines of several people, provenance.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use hilum::command::{UiCommand, WorklistAction};
use hilum::state::Settings;
use hilum_core::io::nifti::save_labels;
use hilum_core::project::Store;
use hilum_core::provenance::{Action as Happened, read_chain, verify};
use hilum_core::worklist::{CaseId, CaseOrder, CaseState, Role as CaseRole, WorklistStore};

/// Two images, and what Eva and Adam drew in the first.
fn images(folder: &Path) {
    let volume = oblique_volume();
    let images = folder.join("images");
    std::fs::create_dir_all(&images).unwrap();
    for name in ["knee 1.nii.gz", "knee 2.nii.gz"] {
        save_volume(&images.join(name), &volume).unwrap();
    }
    for (annotator, first) in [("eva", 0), ("adam", 10)] {
        std::fs::create_dir_all(folder.join(annotator)).unwrap();
        let mut labels = vec![0; volume.grid().voxel_count()];
        labels[first..first + 40].fill(1);
        let path = folder.join(annotator).join("knee 1_seg.nii.gz");
        save_labels(&path, &labels, volume.grid(), &volume.meta().source, &[]).unwrap();
    }
}

fn send(window: &mut Window<'_>, command: UiCommand) {
    window.harness.state().send(command);
    window.harness.run_ok();
}

/// A window with a worklist of both images, whose cases nobody proposes.
fn with_list(folder: &Path) -> Window<'static> {
    images(folder);
    let mut window = Window::open(folder, Vec::new());
    send(&mut window, UiCommand::NewWorklist);
    window.until("the list is open", |s| s.worklist.is_some());
    send(&mut window, UiCommand::AddCaseFolder);
    window.until("both are added", |s| s.worklist.as_ref().unwrap().list.cases().len() == 2);
    window.harness.state().send(WorklistAction::Model(None));
    window.harness.run_ok();
    window
}

pub(super) fn open_case(state: &AppState) -> Option<u32> {
    let worklist = state.worklist.as_ref()?;
    worklist.open.filter(|_| is_complete(state)).map(|open| open.case.0)
}

fn paint(window: &mut Window<'_>) {
    window.press(Modifiers::NONE, Key::B);
    let at = window.position(AXIAL, window.session().views.crosshair);
    window.click(at);
    window.harness.run_ok();
    assert!(window.labelled() > 0);
}

#[test]
fn cases_are_worked_through_with_the_keyboard_and_are_there_again_the_next_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_list(folder.path());
    let settings = Settings { annotator: "Eva Lind".into(), ..window.state().settings.clone() };
    window.harness.state().send(Action::Settings(Box::new(settings)));
    window.harness.state().send(WorklistAction::Order(CaseOrder::Name));
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::N);
    window.until("the first case is open", |s| open_case(s) == Some(1));
    paint(&mut window);
    let state = |window: &Window<'_>, id| {
        window.state().worklist.as_ref().unwrap().list.case(CaseId(id)).unwrap().state
    };
    window.harness.step();
    assert_eq!(state(&window, 1), CaseState::InWork);
    let painted = Arc::clone(window.session().document.labels());
    window.press(Modifiers::ALT, Key::C);
    assert_eq!(state(&window, 1), CaseState::Corrected);

    window.press(Modifiers::NONE, Key::N);
    window.until("the second case is open", |s| open_case(s) == Some(2));
    assert_eq!(window.labelled(), 0);
    window.press(Modifiers::ALT, Key::S);
    window.press(Modifiers::ALT, Key::V);
    assert!(window.state().worklist.as_ref().unwrap().next().is_none(), "both are done");
    eframe::App::on_exit(window.harness.state_mut());
    drop(window);

    let list = folder.path().join("list");
    let kept = WorklistStore::peek(&list).unwrap();
    let states: Vec<_> = kept.cases().iter().map(|case| (case.state, case.role)).collect();
    let expected = [(CaseState::Corrected, CaseRole::Teaching), (CaseState::Reviewed, CaseRole::SetAside)];
    assert_eq!(states, expected);
    assert_eq!(kept.order, CaseOrder::Name, "the order is that of yesterday");

    let mut window = Window::open(folder.path(), vec![list.clone()]);
    window.until("the list is open", |s| s.worklist.is_some());
    window.harness.get_by_label_contains("knee 1").click();
    window.until("the first case is open", |s| open_case(s) == Some(1));
    assert_eq!(window.session().document.labels().to_voxels(), painted.to_voxels());
    assert_eq!(state(&window, 1), CaseState::Corrected, "looking changes nothing");
    window.press(CTRL, Key::Z);
    assert_eq!(window.labelled(), 0, "the history is there as well");
    window.harness.step();
    assert_eq!(state(&window, 1), CaseState::Corrected, "an edit by the same hand needs no new mark");
    eframe::App::on_exit(window.harness.state_mut());
    drop(window);

    let (entries, torn) = read_chain(&list.join("cases/0001")).unwrap();
    assert_eq!(torn, 0);
    let (store, saved) = Store::open(&list.join("cases/0001")).unwrap();
    let (state, _) = saved.into_state().unwrap();
    let verdict = verify(&entries, &store.image().voxels_sha256, state.labels());
    assert!(verdict.is_sound(), "{:?}", verdict.faults);
    let attested =
        entries.iter().filter(|e| matches!(&e.action, Happened::Attested { why, .. } if why == "corrected"));
    assert_eq!(attested.count(), 1);
    let strokes = entries.iter().filter(|e| matches!(&e.action, Happened::Step { .. }));
    let people: Vec<&str> = strokes.map(|entry| entry.user.as_str()).collect();
    assert!(!people.is_empty() && people.iter().all(|person| *person == "Eva Lind"), "{people:?}");
}

#[test]
fn a_network_proposes_for_new_cases_only_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_list(folder.path());
    let model = "hippocampus-attention-unet";
    window.until("models are known", |s| s.models_known);
    window.harness.state().send(WorklistAction::Model(Some(model.into())));
    window.press(Modifiers::NONE, Key::N);
    window.until("the network has answered", |s| {
        let case = s.worklist.as_ref().unwrap().list.case(CaseId(1)).unwrap();
        case.state == CaseState::Proposed
    });
    window.until("the next case is labelled before it is looked at", |s| {
        let next = s.worklist.as_ref().unwrap().next.as_ref();
        next.is_some_and(|next| matches!(next.labels, hilum::state::NextLabels::Done(Ok(_))))
    });
    let case = window.state().worklist.as_ref().unwrap().list.case(CaseId(1)).unwrap().clone();
    assert_eq!(case.proposed_by.as_deref(), Some(model));
    let used = window.session().document.labels().used_labels();
    assert!(!used.is_empty(), "the stand-in labels something");
    paint(&mut window);
    window.harness.step();
    let case = window.state().worklist.as_ref().unwrap().list.case(CaseId(1)).unwrap();
    assert_eq!(case.state, CaseState::InWork);
    window.press(Modifiers::ALT, Key::C);
    window.harness.key_press(Key::N);
    window.harness.step();
    window.harness.step();
    assert_eq!(open_case(window.state()), Some(2), "it is there at once");
    let list = &window.state().worklist.as_ref().unwrap().list;
    assert_eq!(list.case(CaseId(2)).unwrap().state, CaseState::Proposed);
    assert!(!window.session().document.labels().used_labels().is_empty());
}

#[test]
fn outlines_of_several_people_are_compared_and_their_majority_is_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_list(folder.path());
    for annotator in ["eva", "adam"] {
        let from = folder.path().join(annotator);
        window.harness.state().send(WorklistAction::ImportOutlines(from));
        window.until("the outlines are there", |s| {
            let case = s.worklist.as_ref().unwrap().list.case(CaseId(1)).unwrap();
            case.outlines.iter().any(|outline| outline.annotator == annotator)
        });
    }
    window.press(Modifiers::NONE, Key::N);
    window.until("the first case is open", |s| open_case(s) == Some(1));
    send(&mut window, UiCommand::CompareOutlines);
    window.until("they are compared", |s| s.worklist.as_ref().unwrap().comparison.is_some());
    let comparison = window.state().worklist.as_ref().unwrap().comparison.clone().unwrap();
    assert_eq!(comparison.dice, [(0, 1, 0.75)]);
    window.harness.get_by_role_and_label(Role::Button, "Mark differences").click_accesskit();
    window.harness.run_ok();
    assert_eq!(window.session().document.labels().count(2), 20);
    window.harness.get_by_role_and_label(Role::Button, "Take majority").click_accesskit();
    window.harness.run_ok();
    assert_eq!(window.session().document.labels().count(1), 30);
    let steps: Vec<&str> = window.session().document.history().steps().collect();
    assert_eq!(steps, ["Mark differences", "Take majority"]);
    assert_eq!(window.session().document.labels().count(2), 0, "the majority decides on what was noted");
    // One person's outlines, whole.
    window.harness.get_by_role_and_label(Role::Button, "Take what eva drew").click_accesskit();
    window.until("they are the labels", |s| {
        s.session.as_ref().unwrap().document.history().steps().last() == Some("Import mask")
    });
    assert_eq!(window.session().document.labels().count(1), 40);
}

#[test]
fn another_image_opened_while_a_case_is_read_is_not_taken_for_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_list(folder.path());
    let other = folder.path().join("other.nii.gz");
    save_volume(&other, &oblique_volume()).unwrap();
    window.harness.key_press(Key::N);
    window.harness.step();
    window.harness.state().send(Action::open(other.clone()));
    window.until("the other image is open", |s| {
        is_complete(s)
            && s.session
                .as_ref()
                .is_some_and(|session| session.volume().meta().source.path() == Some(&*other))
    });
    paint(&mut window);
    window.harness.step();
    assert_eq!(open_case(window.state()), None);
    assert!(window.session().project.is_none());
    let cases = window.state().worklist.as_ref().unwrap().list.cases();
    assert!(cases.iter().all(|case| case.state == CaseState::New), "{cases:?}");

    // The image of a case is the case, however it is opened.
    let worklist = window.state().worklist.as_ref().unwrap();
    let (id, path) = (cases[1].id, cases[1].image.resolved(&worklist.folder));
    window.harness.state().send(Action::open(path));
    window.harness.run_ok();
    // What was painted on the other image stands in no case.
    window.button("Discard");
    window.until("the case is open", |s| is_complete(s) && open_case(s) == Some(id.0));
}
