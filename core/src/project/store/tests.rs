use std::sync::Arc;

use proptest::prelude::*;

use super::frame::{file_header, push_frame};
use super::generation::{journal_path, snapshot_path};
use super::*;
use crate::document::tests::{commands, document};
use crate::document::{Document, EditCommand, State};
use crate::project::ImageMismatch;
use crate::prompt::Click;
use crate::volume::{ImageMeta, Volume, Voxels};

fn click(x: usize) -> EditCommand {
    EditCommand::AddClick(Click { voxel: [x, 0, 0], positive: true })
}

fn create(folder: &Path, document: &mut Document) -> Store {
    document.start_journal();
    Store::create(folder, ImageReference::of(document.image()), &document.snapshot()).unwrap()
}

fn reopen(folder: &Path) -> (Store, State, Vec<StoreWarning>) {
    let (store, saved) = Store::open(folder).unwrap();
    let (state, warnings) = saved.into_state().unwrap();
    (store, state, warnings)
}

#[test]
fn what_was_appended_is_there_again_with_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    let mut document = document();
    let mut store = create(&path, &mut document);
    for x in 0..3 {
        document.apply(click(x)).unwrap();
        store.append(&document.take_unsaved()).unwrap();
    }
    document.apply(EditCommand::Undo).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    drop(store);
    let (_store, saved) = Store::open(&path).unwrap();
    saved.image.verify(document.image()).unwrap();
    let (restored, warnings) = saved.into_document(document.image().clone()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(restored.snapshot(), document.snapshot());
    assert_eq!((restored.undo_name(), restored.redo_name()), (Some("Add point"), Some("Add point")));
}

#[test]
fn a_project_that_is_being_written_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = document();
    let mut store = create(folder.path(), &mut document);
    document.apply(click(1)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    let saved = read(folder.path()).unwrap();
    saved.image.verify(document.image()).unwrap();
    assert_eq!(saved.into_state().unwrap().0.snapshot(), document.snapshot());
    document.apply(click(2)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
}

#[test]
fn a_second_writer_is_refused_with_the_process_that_holds_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), &mut document());
    let error = Store::open(folder.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Locked { owner: Some(owner), .. } if owner.process == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("since 2"), "{error}");
    drop(store);
    Store::open(folder.path()).unwrap();
}

#[test]
fn folders_that_are_no_projects_and_formats_of_the_future_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::NotAProject { .. })));
    let mut document = document();
    drop(create(folder.path(), &mut document));
    let again = Store::create(folder.path(), ImageReference::of(document.image()), &document.snapshot());
    assert!(matches!(again, Err(StoreError::Exists { .. })));
    let journal = journal_path(folder.path(), 1);
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[8] = 9;
    let sum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&journal, bytes).unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 9, known: SCHEMA_VERSION, .. }), "{error}");
    let manifest = folder.path().join(manifest::MANIFEST);
    let text = "{\n  \"schema\": 7,\n";
    let sum = crc32fast::hash(text.as_bytes());
    std::fs::write(&manifest, format!("{text}  \"checksum\": \"{sum:08x}\"\n}}")).unwrap();
    assert!(matches!(peek(folder.path()), Err(StoreError::NewerSchema { found: 7, .. })));
}

#[test]
fn a_crash_while_creating_leaves_a_folder_that_can_be_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = document();
    drop(create(folder.path(), &mut document));
    std::fs::remove_file(folder.path().join(manifest::MANIFEST)).unwrap();
    drop(create(folder.path(), &mut document));
    assert_eq!(reopen(folder.path()).1.snapshot(), document.snapshot());
}

#[test]
fn compaction_keeps_state_and_history_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = document();
    let mut store = create(folder.path(), &mut document);
    document.apply(click(1)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    assert!(!store.wants_compaction());
    store.compact().unwrap();
    document.apply(click(2)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    drop(store);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files.len(), 7, "lock, manifest, provenance, two generations: {files:?}");
    let (_, state, warnings) = reopen(folder.path());
    assert_eq!((state.snapshot(), warnings), (document.snapshot(), vec![]));
}

#[test]
fn a_crash_during_compaction_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = document();
    let mut store = create(folder.path(), &mut document);
    document.apply(click(1)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    drop(store);
    // After the journal of the next generation was started, before its snapshot.
    std::fs::write(journal_path(folder.path(), 2), file_header()).unwrap();
    let (store, state, warnings) = reopen(folder.path());
    assert_eq!((state.snapshot(), warnings), (document.snapshot(), vec![]));
    // The snapshot of the newest generation is damaged: the older one is still there.
    let newest = snapshot_path(folder.path(), store.generation);
    drop(store);
    std::fs::write(newest, b"HILUMPRJ\x01\0\0\0rubbish").unwrap();
    let (_, state, warnings) = reopen(folder.path());
    assert_eq!((state.snapshot(), warnings), (document.snapshot(), vec![StoreWarning::OlderSnapshot]));
}

#[test]
fn another_image_is_told_apart() {
    let document = document();
    let reference = ImageReference::of(document.image());
    let grid = *document.image().grid();
    let mut values = vec![0; grid.voxel_count()];
    values[5] = 1;
    let changed = Volume::new(grid, Voxels::U8(values), ImageMeta::default()).unwrap();
    assert_eq!(reference.verify(&changed), Err(ImageMismatch::Values));
    let small = crate::geometry::Grid::from_spacing([2, 2, 2], [1.0; 3]).unwrap();
    let other = Volume::new(small, Voxels::U8(vec![0; 8]), ImageMeta::default()).unwrap();
    assert!(matches!(reference.verify(&other), Err(ImageMismatch::Grid { .. })));
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), &mut crate::document::tests::document()));
    let (_store, saved) = Store::open(folder.path()).unwrap();
    assert!(matches!(saved.into_document(Arc::new(other)), Err(StoreError::Image(_))));
    assert!(reference.folder_name().ends_with("-t0"));
}

#[test]
fn which_part_of_a_slide_it_is_survives_the_loss_of_the_manifest_and_older_snapshots_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let document = document();
    let region = "3,2,4,5".parse().ok();
    let selection = crate::io::Selection { time_point: 2, ..crate::io::Selection::page(1, region) };
    let image = ImageReference { selection: selection.clone(), ..ImageReference::of(document.image()) };
    let store = Store::create(folder.path(), image.clone(), &document.snapshot()).unwrap();
    let snapshot = snapshot_path(folder.path(), store.generation);
    drop(store);
    assert_eq!(peek(folder.path()).unwrap().selection, selection);
    std::fs::remove_file(folder.path().join("project.json")).unwrap();
    assert_eq!(peek(folder.path()).unwrap().selection, selection);

    // As they were written before pages were chosen: without what stands behind the state.
    let bytes = std::fs::read(&snapshot).unwrap();
    let part: (Option<usize>, Option<crate::io::raster::PixelRegion>) = (Some(1), region);
    let mut frame = Vec::new();
    push_frame(&mut frame, &part).unwrap();
    let older = bytes.strip_suffix(&frame[..]).expect("the part is the last frame");
    std::fs::write(&snapshot, older).unwrap();
    let (_, saved) = Store::open(folder.path()).unwrap();
    assert_eq!(saved.image.selection, crate::io::Selection { page: None, region: None, ..selection });
    assert_eq!(saved.into_state().unwrap().0.snapshot(), document.snapshot());
}

/// Frames of a journal as (end in the file, state after it).
fn states_by_length(document: &mut Document, commands: Vec<EditCommand>) -> (Vec<u8>, Vec<(usize, State)>) {
    let mut file = file_header().to_vec();
    let mut state = document.snapshot().into_state().unwrap();
    let mut states = vec![(HEADER_BYTES, state.clone())];
    for command in commands {
        document.apply(command).ok();
        for record in document.take_unsaved() {
            push_frame(&mut file, &record).unwrap();
            state.apply(record).unwrap();
            states.push((file.len(), state.clone()));
        }
    }
    (file, states)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_journal_cut_at_any_byte_opens_to_the_state_of_its_complete_records(
        commands in commands(12), share in 0.0..1.0f64, damage: Option<u8>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document();
        drop(create(folder.path(), &mut document));
        let (mut file, states) = states_by_length(&mut document, commands);
        let cut = (share * (file.len() + 1) as f64) as usize;
        let intact = match damage {
            None => {
                file.truncate(cut);
                cut
            }
            Some(bits) => {
                let at = cut.min(file.len() - 1).max(HEADER_BYTES.min(file.len() - 1));
                file[at] ^= bits.max(1);
                at
            }
        };
        std::fs::write(journal_path(folder.path(), 1), &file).unwrap();
        if damage.is_some() && file.len() == HEADER_BYTES {
            return Ok(());
        }
        let (mut store, state, warnings) = reopen(folder.path());
        let (_, expected) = states.iter().rev().find(|(end, _)| *end <= intact).unwrap_or(&states[0]);
        prop_assert_eq!(&state, expected);
        let complete = damage.is_none() && (cut == 0 || states.iter().any(|(end, _)| *end == cut.min(file.len())));
        prop_assert_eq!(warnings.is_empty(), complete, "{:?}", warnings);
        // Work goes on where it broke off.
        let mut restored = Document::restore(document.image().clone(), state).unwrap();
        restored.apply(click(3)).unwrap();
        store.append(&restored.take_unsaved()).unwrap();
        drop(store);
        let (_, state, warnings) = reopen(folder.path());
        prop_assert_eq!((state.snapshot(), warnings), (restored.snapshot(), vec![]));
    }

    #[test]
    fn rubbish_files_never_panic(snapshot: Vec<u8>, journal: Vec<u8>, headed: bool) {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path(), &mut document()));
        let head = if headed { file_header().to_vec() } else { Vec::new() };
        std::fs::write(journal_path(folder.path(), 1), [head.clone(), journal].concat()).unwrap();
        let (store, saved) = Store::open(folder.path()).unwrap();
        prop_assert!(saved.into_state().is_ok());
        drop(store);
        for generation in generation::list(&Disk, folder.path()).unwrap() {
            std::fs::write(snapshot_path(folder.path(), generation), [head.clone(), snapshot.clone()].concat()).unwrap();
        }
        prop_assert!(Store::open(folder.path()).is_err());
    }
}

#[test]
fn a_damaged_project_is_set_aside_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("case");
    let mut document = document();
    let store = create(&folder, &mut document);
    assert!(matches!(set_aside(&folder), Err(StoreError::Locked { .. })));
    drop(store);
    for generation in [0, 1] {
        std::fs::write(snapshot_path(&folder, generation), b"rubbish").unwrap();
    }
    let damaged = Store::open(&folder).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }) && !damaged.is_temporary(), "{damaged}");
    let kept = set_aside(&folder).unwrap();
    assert_eq!(std::fs::read(snapshot_path(&kept, 0)).unwrap(), b"rubbish");
    drop(create(&folder, &mut document));
    assert_ne!(set_aside(&folder).unwrap(), kept);
}

#[test]
fn whether_labels_were_exported_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = document();
    let mut store = create(folder.path(), &mut document);
    document.apply(click(1)).unwrap();
    store.append(&document.take_unsaved()).unwrap();
    drop(store);
    let (mut store, state, _) = reopen(folder.path());
    assert!(state.is_modified_since_export());
    let mut restored = Document::restore(document.image().clone(), state).unwrap();
    restored.mark_saved();
    store.append(&restored.take_unsaved()).unwrap();
    drop(store);
    assert!(!reopen(folder.path()).1.is_modified_since_export());
}

mod faults;
mod states;

/// Variable by which the kill test tells its child where to work.
const CHILD_FOLDER: &str = "HILUM_TEST_KILL_FOLDER";

/// The life of a writer that will be killed: edits, appends, compacts now and then, and says what is on disk.
#[test]
fn kill_test_child() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let (mut store, saved) = Store::open(Path::new(&folder)).unwrap();
    let (mut document, _) = saved.into_document(document().image().clone()).unwrap();
    loop {
        let done = document.history().len();
        document.apply(click(done % 7)).unwrap();
        store.append(&document.take_unsaved()).unwrap();
        println!("saved {}", done + 1);
        if done % 5 == 4 {
            store.compact().unwrap();
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_it_saved() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), &mut document()));
    let mut steps = 0;
    for round in 0u64..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "project::store::tests::kill_test_child", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let saved = |line: String| line.strip_prefix("saved ").and_then(|n| n.parse::<usize>().ok());
        let mut last = lines.by_ref().find_map(saved).expect("the child saves");
        std::thread::sleep(std::time::Duration::from_micros(round * round * 397));
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.filter_map(saved).last().unwrap_or(last);
        let (_store, state, _) = reopen(folder.path());
        let found = state.history().len();
        assert!(found == last || found == last + 1, "{found} steps found, {last} were saved");
        assert!(found > steps && state.prompts().len() == found);
        let expected: Vec<_> = (0..found).map(|x| [x % 7, 0, 0]).collect();
        assert_eq!(state.prompts().positive().collect::<Vec<_>>(), expected);
        steps = found;
    }
}
