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
fn work_left_by_a_crash_is_found_and_continued_and_a_good_end_leaves_nothing() {
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
    assert_eq!(state.labels().voxels(), document.labels().voxels());
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
    third.handle(ProjectRequest::Discard);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
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
