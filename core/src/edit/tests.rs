use std::sync::Arc;

use nalgebra::{Matrix3, Vector3};
use proptest::prelude::*;

use super::*;
use crate::document::{Document, EditCommand, EditError};
use crate::geometry::{Affine, Grid};
use crate::label::{LabelMap, LabelTable, LookChange};
use crate::paint::IntensityRange;
use crate::patch::DrawOver;
use crate::volume::{ImageMeta, Volume, Voxels};

const DIMS: [usize; 3] = [11, 9, 7];
const SPACING_MM: [f64; 3] = [0.7, 0.9, 2.3];

/// Odd sizes, three spacings, turned against the patient.
fn grid() -> Grid {
    let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::from(SPACING_MM));
    Grid::new(DIMS, Affine::new(linear, Vector3::new(-12.0, 33.5, 90.25)).unwrap()).unwrap()
}

fn image() -> Volume {
    let values = (0..grid().voxel_count()).map(|i| ((i * 7919) % 401) as i16 - 200);
    Volume::new(grid(), Voxels::I16(values.collect()), ImageMeta::default()).unwrap()
}

fn basis(labels: Vec<u16>) -> EditBasis {
    basis_of(image(), labels)
}

fn basis_of(image: Volume, labels: Vec<u16>) -> EditBasis {
    let labels = LabelMap::from_voxels(*image.grid(), labels).unwrap();
    let mut table = LabelTable::default();
    for change in table.adding_missing(&[2, 3]) {
        table.apply(&change).unwrap();
    }
    EditBasis { image: Arc::new(image), labels: Arc::new(labels), table, rule: EditRule::default() }
}

/// The labels after an operation; the same if nothing would change.
fn after(basis: &EditBasis, operation: Operation) -> Vec<u16> {
    let mut map = basis.labels.as_ref().clone();
    match operation.plan(basis, &()) {
        Ok(change) => change.patch().apply(&mut map).unwrap(),
        Err(OperationError::Nothing) => {}
        Err(error) => panic!("{operation:?}: {error}"),
    }
    map.to_voxels()
}

fn distance_mm(grid: &Grid, a: usize, b: usize) -> f64 {
    (grid.world_of(grid.voxel(a)) - grid.world_of(grid.voxel(b))).norm()
}

/// Blobs rather than noise: a few random balls of labels.
fn blobs() -> impl Strategy<Value = Vec<u16>> {
    let ball = ([0..DIMS[0], 0..DIMS[1], 0..DIMS[2]], 0.5..4.0f64, 0..3u16);
    prop::collection::vec(ball, 1..6).prop_map(|balls| {
        let grid = grid();
        let mut labels = vec![0; grid.voxel_count()];
        for (center, radius, label) in balls {
            for (index, voxel) in labels.iter_mut().enumerate() {
                if distance_mm(&grid, index, grid.index(center)) <= radius {
                    *voxel = label;
                }
            }
        }
        labels[grid.index([5, 4, 3])] = 1;
        labels
    })
}

fn flood(labels: &[u16], seed: usize, fits: impl Fn(usize) -> bool) -> Vec<bool> {
    let grid = grid();
    let mut found = vec![false; labels.len()];
    let mut front = vec![seed];
    while let Some(index) = front.pop() {
        if found[index] || !fits(index) {
            continue;
        }
        found[index] = true;
        let voxel = grid.voxel(index);
        for axis in 0..3 {
            for step in [-1isize, 1] {
                let mut next = voxel;
                next[axis] = next[axis].wrapping_add_signed(step);
                if grid.full_box().contains(next) {
                    front.push(grid.index(next));
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn margins_equal_brute_force(labels in blobs(), distance in 0.4..5.0f64, shrink: bool) {
        let basis = basis(labels.clone());
        let grid = grid();
        let signed = if shrink { -distance } else { distance };
        let found = after(&basis, Operation::Margin { distance_mm: signed });
        for index in 0..labels.len() {
            let own = labels[index] == 1;
            let others = (0..labels.len()).filter(|j| (labels[*j] == 1) != own);
            let nearest = others.map(|j| distance_mm(&grid, index, j)).fold(f64::INFINITY, f64::min);
            if (nearest - distance).abs() < 1e-4 {
                continue;
            }
            let expected = match (own, shrink) {
                (true, true) => nearest > distance,
                (false, false) => nearest <= distance,
                (own, _) => own,
            };
            prop_assert_eq!(found[index] == 1, expected, "voxel {:?}", grid.voxel(index));
            prop_assert!(found[index] == 1 || found[index] == labels[index] || labels[index] == 1);
        }
    }

    #[test]
    fn a_shell_is_what_lies_near_the_surface(labels in blobs(), thickness in 0.8..3.0f64) {
        let basis = basis(labels.clone());
        let shrunk = after(&basis, Operation::Margin { distance_mm: -thickness });
        let grown = after(&basis, Operation::Margin { distance_mm: thickness });
        let shell = |shell| after(&basis, Operation::Hollow { thickness_mm: thickness, shell });
        let (inside, outside) = (shell(Shell::Inside), shell(Shell::Outside));
        let grid = grid();
        for index in 0..labels.len() {
            let own = labels[index] == 1;
            let (a, mut touches) = (grid.voxel(index), false);
            for (other, label) in labels.iter().enumerate() {
                let b = grid.voxel(other);
                let steps: usize = (0..3).map(|axis| a[axis].abs_diff(b[axis])).sum();
                touches |= steps == 1 && (*label == 1) != own;
            }
            prop_assert_eq!(inside[index] == 1, own && (shrunk[index] != 1 || touches));
            prop_assert_eq!(outside[index] == 1, !own && (grown[index] == 1 || touches));
        }
    }

    #[test]
    fn islands_equal_a_naive_labelling(labels in blobs(), least in 1usize..30) {
        let basis = basis(labels.clone());
        let mut parts: Vec<Vec<bool>> = Vec::new();
        for index in 0..labels.len() {
            if labels[index] == 1 && !parts.iter().any(|part| part[index]) {
                parts.push(flood(&labels, index, |j| labels[j] == 1));
            }
        }
        let size = |part: &Vec<bool>| part.iter().filter(|v| **v).count();
        let largest = parts.iter().map(size).max().unwrap();
        let kept = after(&basis, Operation::Islands(IslandRule::KeepLargest));
        prop_assert_eq!(kept.iter().filter(|v| **v == 1).count(), largest);
        let voxel_mm3 = grid().affine().voxel_volume_mm3();
        let volume_mm3 = least as f64 * voxel_mm3;
        let removed = Operation::Islands(IslandRule::RemoveSmall { volume_mm3 }).plan(&basis, &());
        let expected: usize = parts.iter().map(size).filter(|n| *n < least).sum();
        prop_assert_eq!(removed.map_or(0, |change| change.lost()), expected);
        let split = after(&basis, Operation::Islands(IslandRule::Split));
        for part in &parts {
            let used: std::collections::BTreeSet<u16> =
                split.iter().zip(part).filter(|(_, inside)| **inside).map(|(label, _)| *label).collect();
            prop_assert_eq!(used.len(), 1, "a part has one label");
            let clicked = part.iter().position(|inside| *inside).unwrap();
            let seed = grid().voxel(clicked);
            let alone = after(&basis, Operation::Islands(IslandRule::KeepAt(seed)));
            prop_assert!((0..labels.len()).all(|i| (alone[i] == 1) == part[i]));
        }
        let names: std::collections::BTreeSet<u16> =
            split.iter().zip(&labels).filter(|(_, old)| **old == 1).map(|(new, _)| *new).collect();
        prop_assert_eq!(names.len(), parts.len());
    }

    #[test]
    fn holes_are_what_no_way_leads_out_of(labels in blobs(), shell in 0.8..2.0f64) {
        let hollow = after(&basis(labels), Operation::Hollow { thickness_mm: shell, shell: Shell::Inside });
        let filled = after(&basis(hollow.clone()), Operation::FillHoles(FillScope::Volume));
        let grid = grid();
        for index in (0..hollow.len()).filter(|i| hollow[*i] != 1) {
            let reach = flood(&hollow, index, |j| hollow[j] != 1);
            let is_open = (0..hollow.len()).filter(|j| reach[*j]).any(|j| {
                let voxel = grid.voxel(j);
                (0..3).any(|axis| voxel[axis] == 0 || voxel[axis] + 1 == DIMS[axis])
            });
            prop_assert_eq!(filled[index] == 1, !is_open, "voxel {:?}", grid.voxel(index));
        }
    }

    #[test]
    fn a_clicked_region_equals_a_flood_fill(
        labels in blobs(), x in 0..DIMS[0], y in 0..DIMS[1], z in 0..DIMS[2], tolerance in prop::option::of(50.0..400.0f32),
    ) {
        let basis = basis(labels.clone());
        let seed = [x, y, z];
        let at = grid().index(seed);
        let value = |i: usize| basis.image.voxels().value(i);
        let near = |i: usize| tolerance.is_none_or(|t| (value(i) - value(at)).abs() <= t);
        let expected = flood(&labels, at, |i| labels[i] == labels[at] && near(i));
        let operation = Operation::FillRegion { seed, scope: FillScope::Volume, tolerance };
        let found = after(&basis, operation);
        for i in 0..labels.len() {
            prop_assert_eq!(found[i], if expected[i] { 1 } else { labels[i] });
        }
        let axis = x % 3;
        let flat = FillScope::Slice { axis, slice: seed[axis] };
        let found = after(&basis, Operation::FillRegion { seed, scope: flat, tolerance });
        let in_slice = |i: usize| grid().voxel(i)[axis] == seed[axis];
        let expected = flood(&labels, at, |i| labels[i] == labels[at] && near(i) && in_slice(i));
        for i in 0..labels.len() {
            prop_assert_eq!(found[i], if expected[i] { 1 } else { labels[i] });
        }
    }

    #[test]
    fn the_median_is_a_majority_of_the_ball(labels in blobs(), radius in 0.7..3.5f64) {
        let found = after(&basis(labels.clone()), Operation::Median { radius_mm: radius });
        let grid = grid();
        for index in 0..labels.len() {
            let ball: Vec<usize> =
                (0..labels.len()).filter(|j| distance_mm(&grid, index, *j) <= radius * (1.0 + 1e-12)).collect();
            let votes = ball.iter().filter(|j| labels[**j] == 1).count();
            let expected = match (2 * votes).cmp(&ball.len()) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal => labels[index] == 1,
                std::cmp::Ordering::Less => false,
            };
            prop_assert_eq!(found[index] == 1, expected, "voxel {:?}", grid.voxel(index));
        }
    }

    #[test]
    fn every_operation_keeps_the_rules_and_is_undone_bit_by_bit(
        labels in blobs(), kind in 0..21usize, number in 0.5..4.0f64, rule in 0..4usize, locked: bool, ranged: bool,
    ) {
        let mut doc = document(labels);
        doc.apply(EditCommand::Look(LookChange::Active(1))).unwrap();
        doc.apply(EditCommand::Look(LookChange::Locked { id: 2, locked })).unwrap();
        let rule = [DrawOver::Everywhere, DrawOver::Background, DrawOver::Label(2), DrawOver::Label(0)][rule];
        doc.apply(EditCommand::SetDrawOver(rule)).unwrap();
        let range = IntensityRange { low: -100.0, high: 120.0 };
        doc.apply(EditCommand::SetDrawWithin(ranged.then_some(range))).unwrap();
        let before = (doc.labels().as_ref().clone(), doc.table().clone());
        let steps = doc.history().len();
        let Ok(change) = operation(kind, number).plan(&doc.edit_basis(), &()) else { return Ok(()) };
        doc.apply(EditCommand::StageChange(Box::new(change.clone()))).unwrap();
        prop_assert_eq!(doc.labels().as_ref(), &before.0, "a preview changes nothing");
        let effects = doc.apply(EditCommand::ApplyChange).unwrap();
        prop_assert!(effects.labels_changed && effects.preview_changed && doc.staged().is_none());
        prop_assert_eq!(doc.history().len(), steps + 1);
        for (index, (old, new)) in before.0.to_voxels().iter().zip(&doc.labels().to_voxels()).enumerate() {
            if old == new {
                prop_assert!(!change.changed().contains(grid().voxel(index)));
                continue;
            }
            prop_assert!(change.changed().contains(grid().voxel(index)));
            prop_assert!(!locked || (*old != 2 && *new != 2), "a lock was broken");
            prop_assert!(!ranged || range.contains(doc.image().voxels().value(index)));
            match rule {
                DrawOver::Everywhere => {}
                DrawOver::Background => prop_assert!([0, 1].contains(old) || *new == 0),
                DrawOver::Label(label) => prop_assert!(*old == label || *old == 1),
            }
        }
        let applied = (doc.labels().as_ref().clone(), doc.table().clone());
        doc.apply(EditCommand::Undo).unwrap();
        prop_assert_eq!((doc.labels().as_ref(), doc.table().entries()), (&before.0, before.1.entries()));
        doc.apply(EditCommand::Redo).unwrap();
        prop_assert_eq!((doc.labels().as_ref(), doc.table().entries()), (&applied.0, applied.1.entries()));
    }
}

fn document(labels: Vec<u16>) -> Document {
    let basis = basis(labels);
    Document::starting_with(basis.image, basis.table, basis.labels.as_ref().clone()).unwrap()
}

/// A plane through the middle that follows no axis.
fn turned(number: f64) -> CutPlane {
    CutPlane::new(grid().world_of([5, 4, 3]), Vector3::new(number, 1.3, -0.7)).unwrap()
}

/// Every operation once, with a number for its parameters.
fn operation(kind: usize, number: f64) -> Operation {
    let slice = number as usize;
    match kind {
        0 => Operation::Grow { limit_mm: number, edge: 0.3 },
        1 => Operation::FillHoles(FillScope::Volume),
        2 => Operation::FillHoles(FillScope::EverySlice { axis: slice % 3 }),
        3 => Operation::FillRegion { seed: [slice, 0, 0], scope: FillScope::Volume, tolerance: None },
        4 => Operation::FillBetween { axis: slice % 3 },
        5 => Operation::Islands(IslandRule::KeepLargest),
        6 => Operation::Islands(IslandRule::RemoveSmall { volume_mm3: number * 5.0 }),
        7 => Operation::Islands(IslandRule::Split),
        8 => Operation::Median { radius_mm: number },
        9 => Operation::SmoothAll { sigma_mm: number },
        10 => Operation::Margin { distance_mm: number },
        11 => Operation::Margin { distance_mm: -number },
        12 => Operation::Hollow { thickness_mm: number, shell: Shell::ALL[slice % 3].0 },
        13 => Operation::Logic { logic: Logic::ALL[slice % 5].0, other: 2, margin_mm: number },
        14 => Operation::Logic { logic: Logic::Invert, other: 0, margin_mm: 0.0 },
        15 => Operation::CopySlice { axis: 2, from: 3, to: slice },
        16 => Operation::FillHoles(FillScope::Plane(turned(number))),
        17 => Operation::FillHoles(FillScope::EveryPlane(turned(number))),
        18 => {
            let scope = FillScope::Plane(turned(number));
            Operation::FillRegion { seed: [5, 4, 3], scope, tolerance: Some(90.0) }
        }
        19 => Operation::FillBetweenPlanes { normal: turned(number).normal },
        _ => Operation::CopyPlane { plane: turned(number), slices: 1.0 },
    }
}

mod examples;
mod planes;
