//! Any state on disk opens: every length of a journal, every flipped bit, every missing file, the earlier format.

use super::*;
use crate::document::StrokeTool;
use crate::geometry::VoxelBox;
use crate::label::BoxMask;
use crate::paint::BrushShape;
use crate::ruler::RulerShape;

/// A small project with two generations that hold work, and what is in it.
fn project(folder: &Path) -> Document {
    let mut document = document();
    let mut store = create(folder, &mut document);
    let block = BoxMask::from_fn(VoxelBox::new([1, 1, 1], [4, 4, 3]), |_| true);
    let mut edit = |store: &mut Store, command| {
        document.apply(command).unwrap();
        store.append(&document.take_unsaved()).unwrap();
    };
    edit(&mut store, click(1));
    edit(&mut store, EditCommand::WriteMask { name: "Fill".into(), mask: block, label: 1 });
    edit(&mut store, EditCommand::AddRuler(RulerShape::Distance([[0.0; 3], [3.0, 0.0, 0.0]])));
    store.compact().unwrap();
    let ball = BrushShape::Ball;
    edit(&mut store, EditCommand::BeginStroke { tool: StrokeTool::Eraser, shape: ball, radius_mm: 1.5 });
    let at = nalgebra::Point3::new(2.0, 3.0, 5.0);
    edit(&mut store, EditCommand::StrokeTo { from: at, to: at });
    edit(&mut store, EditCommand::EndStroke);
    edit(&mut store, EditCommand::Undo);
    document
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in files_of(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// Opens a project, checks that work can go on, and returns the steps found.
fn steps_after_opening(folder: &Path, document: &Document) -> usize {
    let (mut store, saved) = Store::open(folder).unwrap();
    let (mut restored, _) = saved.into_document(document.image().clone()).unwrap();
    let steps = restored.history().len();
    let known: Vec<String> = document.history().steps().map(str::to_owned).collect();
    assert_eq!(restored.history().steps().collect::<Vec<_>>(), known[..steps]);
    restored.apply(click(3)).unwrap();
    store.append(&restored.take_unsaved()).unwrap();
    let expected = restored.snapshot();
    drop((store, restored));
    let (_, state, warnings) = reopen(folder);
    assert_eq!((state.snapshot(), warnings), (expected, vec![]));
    steps
}

#[test]
fn every_length_of_every_file_opens() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let document = project(&whole);
    let all = document.history().len();
    for file in files_of(&whole) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).unwrap();
        let mut fewest = usize::MAX;
        for length in 0..bytes.len() {
            let case = root.path().join(format!("{name}-{length}"));
            copy(&whole, &case);
            std::fs::write(case.join(&name), &bytes[..length]).unwrap();
            fewest = fewest.min(steps_after_opening(&case, &document));
            std::fs::remove_dir_all(&case).unwrap();
        }
        // Only the newest journal holds something that nothing else holds.
        let expected = if name == "journal-2.bin" { 3 } else { all };
        assert!(bytes.is_empty() || fewest == expected, "{name}: {fewest} steps of {all}");
    }
}

#[test]
fn every_flipped_bit_of_every_file_opens() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let document = project(&whole);
    for file in files_of(&whole) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).unwrap();
        // Every byte with one of its bits: all bits take turns.
        for at in 0..bytes.len() {
            let case = root.path().join(format!("{name}-{at}"));
            copy(&whole, &case);
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(case.join(&name), damaged).unwrap();
            let steps = steps_after_opening(&case, &document);
            assert!(
                name == "journal-2.bin" || steps == document.history().len(),
                "{name} byte {at}: {steps}"
            );
            std::fs::remove_dir_all(&case).unwrap();
        }
    }
}

#[test]
fn every_missing_file_is_made_up_for_by_the_others() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let document = project(&whole);
    let names: Vec<_> = files_of(&whole).iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        let case = root.path().join("case");
        copy(&whole, &case);
        std::fs::remove_file(case.join(&name)).unwrap();
        let steps = steps_after_opening(&case, &document);
        let expected = if name == "journal-2.bin" { 3 } else { document.history().len() };
        assert_eq!(steps, expected, "{name:?}");
        std::fs::remove_dir_all(&case).unwrap();
    }
}

/// The folders `fixtures/v1` and `fixtures/v2` were written by the programs of schema 1 and 2, which are no longer
/// here.
#[test]
fn projects_of_earlier_versions_are_brought_up_to_date() {
    for version in 1..SCHEMA_VERSION {
        bring_up_to_date(version);
    }
}

fn bring_up_to_date(version: u32) {
    let folder = tempfile::tempdir().unwrap();
    let fixture = crate::testing::in_package(&format!("src/project/store/fixtures/v{version}"));
    copy(&fixture, folder.path());
    let (store, state, warnings) = {
        let (store, saved) = Store::open(folder.path()).unwrap();
        let warnings = saved.warnings.clone();
        saved.image.verify(document().image()).unwrap();
        (store, saved.into_state().unwrap().0, warnings)
    };
    assert_eq!(warnings, [StoreWarning::Migrated { from: version, to: SCHEMA_VERSION }]);
    let steps: Vec<_> = state.history().steps().collect();
    // The project of schema 2 is that of schema 1 with a step that was undone.
    assert_eq!(
        steps[..6],
        ["Add point", "Segment lesion", "Add label", "Brush", "Rename label", "Add point"]
    );
    assert_eq!((steps.len(), state.history().cursor()), (if version == 1 { 6 } else { 7 }, 6));
    assert_eq!((state.labels().count(1), state.labels().count(2)), (18, 13));
    let weighted: usize =
        state.labels().to_voxels().iter().enumerate().map(|(i, v)| i * usize::from(*v)).sum();
    assert_eq!((weighted, state.prompts().len()), (5538, 1));
    let mut restored = Document::restore(document().image().clone(), state.clone()).unwrap();
    restored.apply(EditCommand::GoTo(0)).unwrap();
    assert_eq!(restored.labels().count(0), 210, "its undo works");
    drop(store);
    let (_, again, warnings) = reopen(folder.path());
    assert_eq!((again, warnings), (state, vec![]), "the second time it is of the present version");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_history_after_reopening_is_the_history_before_bit_by_bit(commands in commands(24), every in 1usize..6) {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document();
        let mut store = create(folder.path(), &mut document);
        for (number, command) in commands.into_iter().enumerate() {
            document.apply(command).ok();
            store.append(&document.take_unsaved()).unwrap();
            if number % every == every - 1 {
                store.compact().unwrap();
            }
        }
        document.apply(EditCommand::EndStroke).ok();
        store.append(&document.take_unsaved()).unwrap();
        drop(store);
        let (_store, saved) = Store::open(folder.path()).unwrap();
        let (mut restored, _) = saved.into_document(document.image().clone()).unwrap();
        prop_assert_eq!(restored.snapshot(), document.snapshot());
        let last = document.history().len();
        for cursor in (0..=last).rev().chain(0..=last) {
            document.apply(EditCommand::GoTo(cursor)).unwrap();
            restored.apply(EditCommand::GoTo(cursor)).unwrap();
            prop_assert_eq!(restored.snapshot(), document.snapshot());
        }
    }
}
