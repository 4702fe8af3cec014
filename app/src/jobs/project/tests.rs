use std::sync::mpsc::Receiver;

use super::*;
use crate::testing::oblique_volume;
use hilum_core::document::{Document, EditCommand};
use hilum_core::geometry::VoxelBox;
use hilum_core::label::BoxMask;

fn edit(document: &mut Document, at: usize) -> Vec<JournalRecord> {
    let mask = BoxMask::from_fn(VoxelBox::new([at, 1, 1], [at + 1, 4, 4]), |_| true);
    let _ = document.apply(EditCommand::WriteMask { name: "box".into(), mask, label: 1 }).unwrap();
    document.take_unsaved()
}

/// A worker on the projects below `root`, and what it says.
fn start(root: &Path) -> (ProjectWorker, Receiver<Event>) {
    let (inbox, events) = Inbox::new(egui::Context::default());
    (ProjectWorker::new(Some(root.to_owned()), inbox), events)
}

fn attach(worker: &mut ProjectWorker, volume: &Arc<Volume>, document: &Document) {
    let (session, volume, snapshot) = (1, Arc::clone(volume), Box::new(document.snapshot()));
    worker.handle(ProjectRequest::Attach { session, volume, snapshot });
}

#[test]
fn work_left_by_a_crash_is_found_and_continued_and_dropped_work_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let volume = Arc::new(oblique_volume());
    let mut document = Document::new(Arc::clone(&volume));
    document.start_journal();
    let (mut first, events) = start(root.path());
    attach(&mut first, &volume, &document);
    for at in [2, 5] {
        let records = edit(&mut document, at);
        first.handle(ProjectRequest::Append(records));
    }
    assert!(events.try_recv().is_err());
    drop(first);

    let (mut second, events) = start(root.path());
    attach(&mut second, &volume, &Document::new(Arc::clone(&volume)));
    let Ok(Event::Project(ProjectEvent::Found { state, .. })) = events.try_recv() else {
        panic!("nothing found")
    };
    assert_eq!(state.labels().to_voxels(), document.labels().to_voxels());
    let mut restored = Document::restore(Arc::clone(&volume), *state).unwrap();
    second.handle(ProjectRequest::Continue(true));
    let records = edit(&mut restored, 8);
    second.handle(ProjectRequest::Append(records));
    drop(second);

    let (mut third, events) = start(root.path());
    attach(&mut third, &volume, &Document::new(Arc::clone(&volume)));
    let Ok(Event::Project(ProjectEvent::Found { state, .. })) = events.try_recv() else {
        panic!("nothing found")
    };
    assert_eq!(state.history().len(), 3);
    third.handle(ProjectRequest::Continue(false));
    third.handle(ProjectRequest::Drop);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn work_that_was_closed_in_good_order_waits_with_its_history_and_view() {
    let root = tempfile::tempdir().unwrap();
    let volume = Arc::new(oblique_volume());
    let mut document = Document::new(Arc::clone(&volume));
    document.start_journal();
    let (mut first, events) = start(root.path());
    attach(&mut first, &volume, &document);
    // A look before the first change waits for the project to be made.
    first.handle(ProjectRequest::View(serde_json::json!({"zoom": 1})));
    first.handle(ProjectRequest::Append(edit(&mut document, 2)));
    assert!(std::fs::read_dir(root.path()).unwrap().next().is_some());
    first.handle(ProjectRequest::Append(edit(&mut document, 5)));
    first.handle(ProjectRequest::Close(serde_json::json!({"zoom": 2})));
    assert!(events.try_recv().is_err());

    // The same thread lets go of the folder and finds it again.
    for (is_expected_closed, zoom) in [(true, 2), (false, 2), (false, 3)] {
        let (mut next, events) = start(root.path());
        attach(&mut next, &volume, &Document::new(Arc::clone(&volume)));
        let Ok(Event::Project(ProjectEvent::Found { state, view, is_closed, .. })) = events.try_recv() else {
            panic!("nothing found")
        };
        assert_eq!((state.history().len(), is_closed), (2, is_expected_closed));
        assert_eq!(view.unwrap()["zoom"], zoom);
        assert_eq!(state.labels().to_voxels(), document.labels().to_voxels());
        next.handle(ProjectRequest::Continue(true));
        // A crash from here on is no good order.
        if !is_expected_closed {
            next.handle(ProjectRequest::View(serde_json::json!({"zoom": 3})));
        }
    }
}

#[test]
fn an_offer_that_is_not_answered_stays() {
    let root = tempfile::tempdir().unwrap();
    let volume = Arc::new(oblique_volume());
    let mut document = Document::new(Arc::clone(&volume));
    document.start_journal();
    let (mut worker, events) = start(root.path());
    attach(&mut worker, &volume, &document);
    worker.handle(ProjectRequest::Append(edit(&mut document, 2)));
    for last in [ProjectRequest::Drop, ProjectRequest::Close(serde_json::json!({}))] {
        let (mut next, found) = start(root.path());
        // The first worker holds the lock until it attaches to something else.
        worker.handle(ProjectRequest::Close(serde_json::json!({})));
        attach(&mut next, &volume, &Document::new(Arc::clone(&volume)));
        assert!(matches!(found.try_recv(), Ok(Event::Project(ProjectEvent::Found { .. }))));
        next.handle(last);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
    assert!(events.try_recv().is_err());
}

#[test]
fn a_damaged_project_is_set_aside_and_new_changes_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let volume = Arc::new(oblique_volume());
    let mut document = Document::new(Arc::clone(&volume));
    document.start_journal();
    let (mut first, _events) = start(root.path());
    attach(&mut first, &volume, &document);
    first.handle(ProjectRequest::Append(edit(&mut document, 2)));
    drop(first);
    let folder = std::fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
    // One damaged file is made up for by the others; without any saved state there is nothing to open.
    for file in ["project.json", "snapshot-0.bin", "snapshot-1.bin"] {
        std::fs::write(folder.join(file), "{}").unwrap();
    }

    let (mut second, events) = start(root.path());
    attach(&mut second, &volume, &document);
    let Ok(Event::Project(ProjectEvent::Failed { why, .. })) = events.try_recv() else {
        panic!("no complaint")
    };
    assert!(why.contains("set aside as") && why.contains("-damaged-1"), "{why}");
    second.handle(ProjectRequest::Append(edit(&mut document, 5)));
    assert!(events.try_recv().is_err(), "the new change is kept");
    drop(second);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "the damaged folder and the new one");
}
