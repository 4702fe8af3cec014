use std::collections::BTreeMap;

use super::*;
use crate::geometry::Grid;
use crate::history::Delta;
use crate::label::{LookChange, TableError};
use crate::paint::BrushShape;
use crate::patch::LabelPatch;
use crate::prompt::Click;
use crate::volume::{ImageMeta, Voxels};
use nalgebra::{Point3, Vector3};
use proptest::prelude::*;

const DIMS: [usize; 3] = [7, 6, 5];

pub(crate) fn document() -> Document {
    let grid = Grid::from_spacing(DIMS, [0.8, 1.0, 2.5]).unwrap();
    let image = Volume::new(grid, Voxels::U8(vec![0; 210]), ImageMeta::default()).unwrap();
    Document::new(Arc::new(image))
}

fn click(voxel: [usize; 3]) -> EditCommand {
    EditCommand::AddClick(Click { voxel, positive: true })
}

fn block(start: [usize; 3], end: [usize; 3]) -> BoxMask {
    BoxMask::from_fn(VoxelBox::new(start, end), |_| true)
}

fn names(document: &Document) -> Vec<String> {
    document.history().steps().map(str::to_owned).collect()
}

fn begin(tool: StrokeTool) -> EditCommand {
    EditCommand::BeginStroke { tool, shape: BrushShape::Ball, radius_mm: 1.5 }
}

fn stroke(from: [f64; 3], to: [f64; 3]) -> EditCommand {
    EditCommand::StrokeTo { from: Point3::from(from), to: Point3::from(to) }
}

#[test]
fn accepting_a_proposal_is_one_step_that_brings_the_clicks_back() {
    let mut doc = document();
    doc.apply(click([1, 1, 1])).unwrap();
    doc.apply(EditCommand::AddClick(Click { voxel: [5, 5, 4], positive: false })).unwrap();
    doc.apply(EditCommand::SetPreview(block([1, 1, 1], [3, 3, 3]))).unwrap();
    let effects = doc.apply(EditCommand::AcceptPreview).unwrap();
    assert_eq!(effects.dirty, VoxelBox::new([1, 1, 1], [3, 3, 3]));
    assert!(effects.labels_changed && effects.prompts_changed && effects.preview_changed);
    assert_eq!(names(&doc), ["Add point", "Add point", "Segment lesion"]);
    assert_eq!((doc.labels().count(1), doc.prompts().len(), doc.preview()), (8, 0, None));
    assert!((doc.label_volume_ml(1) - 8.0 * 2.0 / 1000.0).abs() < 1e-12);
    let effects = doc.apply(EditCommand::Undo).unwrap();
    assert!(effects.labels_changed && effects.prompts_changed && !effects.preview_changed);
    assert_eq!((doc.labels().count(1), doc.prompts().len()), (0, 2));
    assert_eq!((doc.undo_name(), doc.redo_name()), (Some("Add point"), Some("Segment lesion")));
}

#[test]
fn an_accepted_proposal_respects_locks_and_the_draw_over_rule() {
    let mut doc = document();
    doc.apply(EditCommand::AddLabel { name: Some("Vessel".to_owned()) }).unwrap();
    assert_eq!(doc.table().active(), 2);
    let vessel =
        EditCommand::WriteMask { name: "Vessel".to_owned(), mask: block([0, 0, 0], [2, 2, 2]), label: 2 };
    doc.apply(vessel).unwrap();
    doc.apply(EditCommand::Look(LookChange::Locked { id: 2, locked: true })).unwrap();
    doc.apply(EditCommand::SetPreview(block([1, 1, 1], [3, 3, 3]))).unwrap();
    let refused = doc.apply(EditCommand::AcceptPreview).unwrap_err();
    assert_eq!(refused, EditError::Locked { id: 2, name: "Vessel".to_owned() });
    doc.apply(EditCommand::Look(LookChange::Active(1))).unwrap();
    doc.apply(EditCommand::AcceptPreview).unwrap();
    assert_eq!((doc.labels().count(2), doc.labels().count(1)), (8, 7));
    assert_eq!((doc.labels().value([1, 1, 1]), doc.labels().value([2, 2, 2])), (2, 1));
    doc.apply(EditCommand::SetPreview(block([0, 0, 0], [2, 2, 2]))).unwrap();
    assert_eq!(doc.apply(EditCommand::AcceptPreview).unwrap_err(), EditError::Protected);
    assert!(doc.preview().is_some(), "a refused proposal stays on screen");
    doc.apply(EditCommand::Look(LookChange::Locked { id: 2, locked: false })).unwrap();
    doc.apply(EditCommand::SetDrawOver(DrawOver::Background)).unwrap();
    assert_eq!(doc.apply(EditCommand::AcceptPreview).unwrap_err(), EditError::Protected);
    doc.apply(EditCommand::SetDrawOver(DrawOver::Label(2))).unwrap();
    doc.apply(EditCommand::AcceptPreview).unwrap();
    assert_eq!(doc.labels().count(2), 0);
}

#[test]
fn a_stroke_is_one_step_and_the_eraser_spares_other_labels() {
    let mut doc = document();
    doc.apply(begin(StrokeTool::Brush)).unwrap();
    for step in 0..4 {
        let at = f64::from(step) * 0.8;
        let effects = doc.apply(stroke([at, 2.0, 5.0], [at + 0.8, 2.0, 5.0])).unwrap();
        assert!(effects.labels_changed && !effects.history_changed);
    }
    assert!(doc.is_modified_since_save());
    assert!(doc.apply(EditCommand::EndStroke).unwrap().history_changed);
    assert_eq!(names(&doc), ["Brush"]);
    let painted = doc.labels().clone();
    doc.apply(EditCommand::AddLabel { name: None }).unwrap();
    doc.apply(begin(StrokeTool::Eraser)).unwrap();
    assert!(doc.apply(stroke([1.6, 2.0, 5.0], [1.6, 2.0, 5.0])).unwrap().is_none());
    doc.apply(begin(StrokeTool::EraseAll)).unwrap();
    doc.apply(stroke([1.6, 2.0, 5.0], [1.6, 2.0, 5.0])).unwrap();
    assert_eq!(doc.labels().value([2, 2, 2]), 0);
    doc.apply(EditCommand::CancelStroke).unwrap();
    assert_eq!(doc.labels(), &painted);
    assert_eq!(names(&doc), ["Brush", "Add label"]);
}

proptest! {
    /// What a stroke leaves out because the event before dealt with it is painted all the same.
    #[test]
    fn a_stroke_paints_whatever_the_brush_swept(
        places in prop::collection::vec([0.0..20.0f64, 0.0..20.0f64, 0.0..20.0f64], 2..9),
        radius_mm in 0.5..7.0f64, lifted in 0..9usize, ball: bool, locked: bool,
    ) {
        let grid = Grid::from_spacing([23, 19, 9], [0.8, 1.0, 2.5]).unwrap();
        let voxels = (0..grid.voxel_count()).map(|i| (i * 7919 % 251) as u8).collect();
        let image = Arc::new(Volume::new(grid, Voxels::U8(voxels), ImageMeta::default()).unwrap());
        let mut document = Document::new(Arc::clone(&image));
        document.apply(EditCommand::AddLabel { name: None }).unwrap();
        let mask = block([3, 3, 1], [12, 12, 6]);
        document.apply(EditCommand::WriteMask { name: "box".into(), mask: mask.clone(), label: 1 }).unwrap();
        document.apply(EditCommand::Look(LookChange::Locked { id: 1, locked })).unwrap();
        let range = crate::paint::IntensityRange { low: 40.0, high: 200.0 };
        document.apply(EditCommand::SetBrushFilter(BrushFilter::Range(range))).unwrap();
        let normal_world = Vector3::new(0.2, -0.3, 0.9);
        let shape = if ball { BrushShape::Ball } else { BrushShape::Disc { normal_world } };
        document.apply(EditCommand::BeginStroke { tool: StrokeTool::Brush, shape, radius_mm }).unwrap();
        let mut expected = std::collections::BTreeSet::new();
        let mut from = Point3::from(places[0]);
        for (event, place) in places.iter().enumerate() {
            let to = Point3::from(*place);
            // An event may be lost, so that a way begins elsewhere.
            from = if event == lifted { Point3::from(places[0]) } else { from };
            document.apply(EditCommand::StrokeTo { from, to }).unwrap();
            for span in crate::paint::sweep(&grid, shape, radius_mm, from, to) {
                expected.extend((span.x_start..span.x_end).map(|x| [x, span.y, span.z]));
            }
            from = to;
        }
        document.apply(EditCommand::EndStroke).unwrap();
        for index in 0..grid.voxel_count() {
            let voxel = grid.voxel(index);
            let is_open = range.contains(image.voxels().value(index)) && !(locked && mask.contains(voxel));
            let is_painted = document.labels().value(voxel) == 2;
            prop_assert_eq!(is_painted, expected.contains(&voxel) && is_open, "{:?}", voxel);
        }
    }
}

#[test]
fn a_command_in_the_middle_of_a_stroke_ends_it() {
    let mut doc = document();
    doc.apply(begin(StrokeTool::Brush)).unwrap();
    doc.apply(stroke([1.6, 2.0, 5.0], [1.6, 2.0, 5.0])).unwrap();
    doc.apply(EditCommand::Undo).unwrap();
    assert_eq!((doc.labels().count(1), doc.redo_name()), (0, Some("Brush")));
    let late = doc.apply(stroke([1.6, 2.0, 5.0], [1.6, 2.0, 5.0])).unwrap_err();
    assert_eq!(late, EditError::NoStroke);
}

#[test]
fn looks_survive_undo_and_typing_a_name_is_one_step() {
    let mut doc = document();
    for name in ["Liver t", "Liver tu", "Liver tumor"] {
        doc.apply(EditCommand::RenameLabel { id: 1, name: name.to_owned() }).unwrap();
    }
    doc.apply(EditCommand::Look(LookChange::Opacity { id: 1, opacity: 0.9 })).unwrap();
    assert_eq!(names(&doc), ["Rename label"]);
    doc.apply(EditCommand::Undo).unwrap();
    let entry = &doc.table().entries()[0];
    assert_eq!((entry.name.as_str(), entry.opacity), ("Lesion", 0.9));
    doc.apply(EditCommand::Redo).unwrap();
    assert_eq!(doc.table().entries()[0].name, "Liver tumor");
}

#[test]
fn removing_a_label_takes_its_voxels_and_undo_brings_both_back() {
    let mut doc = document();
    assert_eq!(doc.apply(EditCommand::RemoveLabel(1)).unwrap_err(), EditError::Table(TableError::Last));
    doc.apply(EditCommand::AddLabel { name: None }).unwrap();
    let mask = block([0, 0, 0], [2, 2, 2]);
    doc.apply(EditCommand::WriteMask { name: "Fill".to_owned(), mask, label: 2 }).unwrap();
    doc.apply(EditCommand::RemoveLabel(2)).unwrap();
    assert_eq!((doc.labels().count(2), doc.table().get(2), doc.table().active()), (0, None, 1));
    doc.apply(EditCommand::Undo).unwrap();
    assert_eq!((doc.labels().count(2), doc.table().get(2).map(|e| e.id)), (8, Some(2)));
}

#[test]
fn imports_add_the_labels_that_the_table_lacks() {
    let mut doc = document();
    let mut voxels = vec![0; 210];
    (voxels[3], voxels[9]) = (1, 40);
    let labels = LabelMap::from_voxels(*doc.image().grid(), voxels).unwrap();
    doc.apply(EditCommand::ReplaceLabels { name: "Import mask".to_owned(), labels, names: Vec::new() })
        .unwrap();
    assert_eq!(doc.table().get(40).map(|entry| entry.name.as_str()), Some("Label 40"));
    assert_eq!((names(&doc).len(), doc.labels().count(40)), (1, 1));
    let other = Grid::from_spacing(DIMS, [0.8, 1.0, 3.0]).unwrap();
    let labels = LabelMap::new(other);
    let refused =
        doc.apply(EditCommand::ReplaceLabels { name: String::new(), labels, names: Vec::new() }).unwrap_err();
    assert!(matches!(refused, EditError::Grid { .. }));
}

#[test]
fn bad_requests_are_refused_with_a_reason() {
    let mut doc = document();
    let outside = doc.apply(click([7, 0, 0])).unwrap_err();
    assert_eq!(
        outside.to_string(),
        "the click at voxel [7, 0, 0] lies outside the image of [7, 6, 5] voxels"
    );
    assert_eq!(doc.apply(EditCommand::Undo).unwrap_err(), EditError::NothingToUndo);
    assert_eq!(doc.apply(EditCommand::Redo).unwrap_err(), EditError::NothingToRedo);
    assert_eq!(doc.apply(EditCommand::AcceptPreview).unwrap_err(), EditError::NoPreview);
    assert_eq!(doc.apply(EditCommand::RemoveLastClick).unwrap_err(), EditError::NoClick);
    let flat = BrushShape::Disc { normal_world: Vector3::zeros() };
    let plane = EditCommand::BeginStroke { tool: StrokeTool::Brush, shape: flat, radius_mm: 1.0 };
    assert_eq!(doc.apply(plane).unwrap_err(), EditError::Plane);
    for radius_mm in [0.0, -1.0, f64::INFINITY] {
        let command =
            EditCommand::BeginStroke { tool: StrokeTool::Brush, shape: BrushShape::Ball, radius_mm };
        assert!(matches!(doc.apply(command), Err(EditError::Radius { .. })));
    }
    assert!(doc.apply(EditCommand::SetPreview(block([0, 0, 0], [8, 1, 1]))).is_err());
    assert!(doc.apply(EditCommand::GoTo(3)).is_err());
    assert!(doc.apply(EditCommand::RenameLabel { id: 1, name: " \n".to_owned() }).is_err());
    assert_eq!((doc.revision(), doc.can_undo()), (0, false));
}

#[test]
fn rejecting_drops_proposal_and_clicks_and_the_last_click_takes_the_proposal_along() {
    let mut doc = document();
    doc.apply(click([1, 1, 1])).unwrap();
    doc.apply(EditCommand::SetPreview(block([1, 1, 1], [3, 3, 3]))).unwrap();
    let effects = doc.apply(EditCommand::RejectPreview).unwrap();
    assert!(effects.preview_changed && effects.prompts_changed && !effects.labels_changed);
    doc.apply(EditCommand::Undo).unwrap();
    assert_eq!(doc.prompts().len(), 1);
    doc.apply(EditCommand::SetPreview(block([1, 1, 1], [3, 3, 3]))).unwrap();
    assert!(doc.apply(EditCommand::Undo).unwrap().preview_changed);
    assert_eq!((doc.preview(), doc.prompts_revision()), (None, 4));
}

#[test]
fn modified_since_save_follows_the_state_not_the_clock() {
    let mut doc = document();
    doc.apply(click([1, 1, 1])).unwrap();
    doc.mark_saved();
    assert!(!doc.is_modified_since_save());
    doc.apply(EditCommand::Undo).unwrap();
    assert!(doc.is_modified_since_save());
    doc.apply(EditCommand::Redo).unwrap();
    assert!(!doc.is_modified_since_save());
    doc.apply(EditCommand::Undo).unwrap();
    doc.apply(click([2, 2, 2])).unwrap();
    assert!(doc.is_modified_since_save(), "another step at the same place is another state");
}

#[test]
fn dragging_a_slider_leaves_one_record() {
    let mut doc = document();
    doc.start_journal();
    for opacity in [0.1, 0.2, 0.3] {
        doc.apply(EditCommand::Look(LookChange::Opacity { id: 1, opacity })).unwrap();
    }
    assert_eq!(doc.take_unsaved(), [JournalRecord::Look(LookChange::Opacity { id: 1, opacity: 0.3 })]);
    assert!(!doc.has_unsaved());
}

#[test]
fn a_step_that_fails_half_way_changes_nothing() {
    let mut state = document().state;
    let before = state.clone();
    let mask = block([0, 0, 0], [2, 2, 2]);
    let patch = LabelPatch::from_mask(state.labels(), &mask, 1, &OverwriteRule::default()).unwrap();
    let prompts = Prompts::from_iter([Click { voxel: [0; 3], positive: true }]);
    let wrong = Delta::Prompts { before: prompts.clone(), after: Prompts::default() };
    let commit =
        crate::history::Commit { name: "Broken".to_owned(), deltas: vec![Delta::Labels(patch), wrong] };
    assert_eq!(state.apply(JournalRecord::Commit(commit)).unwrap_err(), StateError::Prompts);
    assert_eq!(state, before);
}

/// A command made of small numbers; many are refused, which must be harmless.
pub(crate) fn command_from(kind: u8, a: [usize; 3], b: [usize; 3], id: u16, flag: bool) -> EditCommand {
    let mask = block([0, 1, 2].map(|i| a[i].min(b[i])), [0, 1, 2].map(|i| a[i].max(b[i]) + 1));
    let at = |v: [usize; 3]| [v[0] as f64 * 0.8, v[1] as f64, v[2] as f64 * 2.5];
    match kind % 24 {
        0 | 1 => EditCommand::AddClick(Click { voxel: a, positive: flag }),
        2 => EditCommand::RemoveLastClick,
        3 => EditCommand::ClearClicks,
        4 | 5 => EditCommand::SetPreview(mask),
        6 | 7 => EditCommand::AcceptPreview,
        8 => EditCommand::RejectPreview,
        9 => begin(if flag { StrokeTool::Brush } else { StrokeTool::Eraser }),
        10 | 11 => stroke(at(a), at(b)),
        12 => {
            if flag {
                EditCommand::EndStroke
            } else {
                EditCommand::CancelStroke
            }
        }
        13 => EditCommand::WriteMask { name: "Fill".to_owned(), mask, label: id },
        14 => EditCommand::AddLabel { name: None },
        15 => EditCommand::RemoveLabel(id),
        16 => EditCommand::RenameLabel { id, name: format!("Name {}", a[0]) },
        17 => EditCommand::SetColor { id, color: [a[0] as u8; 3] },
        18 => EditCommand::Look(LookChange::Locked { id, locked: flag }),
        19 => EditCommand::Look(LookChange::Active(id)),
        20 => EditCommand::Undo,
        21 => EditCommand::Redo,
        22 => EditCommand::GoTo(a[0]),
        _ => EditCommand::SetDrawOver(if flag { DrawOver::Everywhere } else { DrawOver::Background }),
    }
}

pub(crate) fn commands(count: usize) -> impl Strategy<Value = Vec<EditCommand>> {
    let voxel = || [0..DIMS[0], 0..DIMS[1], 0..DIMS[2]];
    let one = (any::<u8>(), voxel(), voxel(), 1..4u16, prop::bool::weighted(0.7));
    prop::collection::vec(one.prop_map(|(kind, a, b, id, flag)| command_from(kind, a, b, id, flag)), 1..count)
}

type Named = (u16, String, [u8; 3]);

/// What undo must restore: everything but looks, which are no steps.
fn content(state: &State) -> (Vec<u16>, Vec<Named>, Prompts) {
    let names = state.table().entries().iter().map(|e| (e.id, e.name.clone(), e.color));
    (state.labels().to_voxels(), names.collect(), state.prompts().clone())
}

proptest! {
    #[test]
    fn every_step_can_be_undone_and_redone_bit_by_bit(commands in commands(40)) {
        let mut doc = document();
        let mut seen = BTreeMap::from([(0, content(&doc.state))]);
        for command in commands {
            doc.apply(command).ok();
            let whole = LabelMap::from_voxels(*doc.labels().grid(), doc.labels().to_voxels()).unwrap();
            prop_assert_eq!(&whole, doc.labels().as_ref(), "counts follow the voxels");
            if !doc.state.has_open_stroke() {
                let before = seen.insert(doc.history().state(), content(&doc.state));
                prop_assert!(before.is_none_or(|before| before == content(&doc.state)));
            }
        }
        doc.apply(EditCommand::EndStroke).unwrap();
        seen.insert(doc.history().state(), content(&doc.state));
        let last = doc.history().len();
        for cursor in (0..=last).rev().chain(0..=last) {
            doc.apply(EditCommand::GoTo(cursor)).unwrap();
            // A stroke ended by the next command is the one state that was not looked at.
            if let Some(expected) = seen.get(&doc.history().state()) {
                prop_assert_eq!(&content(&doc.state), expected);
            }
        }
        doc.apply(EditCommand::GoTo(0)).unwrap();
        prop_assert_eq!(&content(&doc.state), &seen[&0]);
    }

    #[test]
    fn a_replayed_journal_leads_to_the_same_state(commands in commands(40)) {
        let mut doc = document();
        doc.start_journal();
        let mut replayed = doc.snapshot().into_state().unwrap();
        for command in commands {
            doc.apply(command).ok();
        }
        for record in doc.take_unsaved() {
            replayed.apply(record).unwrap();
        }
        prop_assert_eq!(&replayed, &doc.state);
        let stored = postcard::to_stdvec(&doc.snapshot()).unwrap();
        let restored = postcard::from_bytes::<Snapshot>(&stored).unwrap().into_state().unwrap();
        prop_assert_eq!(&restored, &doc.state);
    }
}
