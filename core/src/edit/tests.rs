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
    map.voxels().to_vec()
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
        labels in blobs(), kind in 0..16usize, number in 0.5..4.0f64, rule in 0..4usize, locked: bool, ranged: bool,
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
        for (index, (old, new)) in before.0.voxels().iter().zip(doc.labels().voxels()).enumerate() {
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
        _ => Operation::CopySlice { axis: 2, from: 3, to: slice },
    }
}

/// A field of 41³ voxels of 0.5, 0.5 and 0.5 mm with a value by voxel.
fn cube(spacing_mm: [f64; 3], value: impl Fn([usize; 3]) -> f32) -> Volume {
    let grid = Grid::from_spacing([41, 41, 41], spacing_mm).unwrap();
    let values = (0..grid.voxel_count()).map(|i| value(grid.voxel(i))).collect();
    Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap()
}

fn painted(grid: &Grid, inside: impl Fn([usize; 3]) -> bool) -> Vec<u16> {
    (0..grid.voxel_count()).map(|i| u16::from(inside(grid.voxel(i)))).collect()
}

#[test]
fn between_two_circles_lie_circles_in_between() {
    let image = cube([0.8, 0.8, 0.8], |_| 0.0);
    let grid = *image.grid();
    for axis in 0..3 {
        let [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
        let disc = |voxel: [usize; 3], center: [f64; 2], radius: f64| {
            (voxel[u] as f64 - center[0]).hypot(voxel[v] as f64 - center[1]) <= radius
        };
        let labels = painted(&grid, |voxel| match voxel[axis] {
            10 => disc(voxel, [14.0, 15.0], 5.0),
            20 => disc(voxel, [24.0, 21.0], 11.0),
            _ => false,
        });
        let basis = basis_of(cube([0.8, 0.8, 0.8], |_| 0.0), labels.clone());
        let found = after(&basis, Operation::FillBetween { axis });
        for slice in 0..41 {
            let share = (slice as f64 - 10.0) / 10.0;
            let (center, radius) = ([14.0 + 10.0 * share, 15.0 + 6.0 * share], 5.0 + 6.0 * share);
            for index in (0..found.len()).filter(|i| grid.voxel(*i)[axis] == slice) {
                let voxel = grid.voxel(index);
                let expected = (10..=20).contains(&slice) && disc(voxel, center, radius - 0.75);
                let possible = (10..=20).contains(&slice) && disc(voxel, center, radius + 0.75);
                assert!(found[index] == 1 || !expected, "{voxel:?} is missing");
                assert!(found[index] == 0 || possible, "{voxel:?} is too much");
                assert!(![10, 20].contains(&slice) || found[index] == labels[index], "given slices stay");
            }
        }
        let again = Operation::FillBetween { axis }.plan(&basis_of(cube([0.8; 3], |_| 0.0), found), &());
        assert_eq!(again.unwrap_err(), OperationError::NoGap);
    }
}

#[test]
fn growing_without_edges_follows_the_euclidean_distance_on_every_axis() {
    let spacing = [0.5, 0.8, 1.3];
    let labels = painted(cube(spacing, |_| 3.0).grid(), |voxel| voxel == [20, 20, 20]);
    let basis = basis_of(cube(spacing, |_| 3.0), labels);
    let found = after(&basis, Operation::Grow { limit_mm: 6.0, edge: 5.0 });
    let grid = basis.grid();
    for (index, label) in found.iter().enumerate() {
        let distance = (grid.world_of(grid.voxel(index)) - grid.world_of([20, 20, 20])).norm();
        // Fast marching of first order comes late by less than a voxel.
        assert!(*label == 1 || distance > 5.0, "{:?} at {distance} mm is missing", grid.voxel(index));
        assert!(*label == 0 || distance <= 6.0 + 1e-6, "{:?} at {distance} mm is too far", grid.voxel(index));
    }
    for (axis, spacing) in spacing.into_iter().enumerate() {
        let reach = (6.0 / spacing) as usize;
        let mut voxel = [20; 3];
        voxel[axis] += reach;
        assert_eq!(found[grid.index(voxel)], 1, "along axis {axis} the distance is exact");
    }
}

#[test]
fn growing_stops_at_an_edge_and_an_even_margin_does_not() {
    // A bright ball of radius 8 in a dark field.
    let inside =
        |voxel: [usize; 3]| (0..3).map(|a| (voxel[a] as f64 - 20.0).powi(2)).sum::<f64>().sqrt() <= 8.0;
    let value = move |voxel: [usize; 3]| if inside(voxel) { 100.0 } else { 0.0 };
    let seed = |voxel: [usize; 3]| (0..3).map(|a| (voxel[a] as f64 - 20.0).powi(2)).sum::<f64>() <= 9.0;
    let image = cube([1.0; 3], value);
    let basis = basis_of(cube([1.0; 3], value), painted(image.grid(), seed));
    let found = after(&basis, Operation::Grow { limit_mm: 10.0, edge: 2.0 });
    for (index, label) in found.iter().enumerate() {
        assert_eq!(*label == 1, inside(image.grid().voxel(index)), "{:?}", image.grid().voxel(index));
    }
    let even = after(&basis, Operation::Grow { limit_mm: 10.0, edge: 0.0 });
    assert!(even.iter().filter(|v| **v == 1).count() > 2 * found.iter().filter(|v| **v == 1).count());
}

#[test]
fn joint_smoothing_leaves_no_gap_between_labels_and_rounds_their_corners() {
    let image = || cube([0.7, 0.7, 1.4], |_| 0.0);
    let grid = *image().grid();
    let labels: Vec<u16> = (0..grid.voxel_count())
        .map(|i| match grid.voxel(i) {
            [x, y, z] if !(8..32).contains(&y) || !(8..32).contains(&z) || !(8..32).contains(&x) => 0,
            // A ragged border between two labels.
            [x, y, _] => {
                if x + 2 * (y % 2) < 20 {
                    1
                } else {
                    2
                }
            }
        })
        .collect();
    let found = after(&basis_of(image(), labels.clone()), Operation::SmoothAll { sigma_mm: 1.5 });
    for index in 0..found.len() {
        let [x, y, z] = grid.voxel(index);
        let deep = [x, y, z].iter().all(|v| (13..27).contains(v));
        assert!(!deep || found[index] != 0, "a gap at {:?}", [x, y, z]);
        if deep && !(17..=21).contains(&x) {
            assert_eq!(found[index], labels[index]);
        }
        if deep && found[index] == 1 && x + 1 < 27 && found[index + 41] == 2 {
            panic!("the border is still ragged at {:?}", [x, y, z]);
        }
    }
    assert_eq!(found[grid.index([8, 8, 8])], 0, "corners are rounded");
    let mut basis = basis_of(image(), labels.clone());
    basis.rule.overwrite.locked = vec![2];
    let found = after(&basis, Operation::SmoothAll { sigma_mm: 1.5 });
    assert!((0..found.len()).all(|i| (found[i] == 2) == (labels[i] == 2)), "a locked label stays");
}

#[test]
fn logic_of_labels_that_never_share_a_voxel() {
    let labels: Vec<u16> = (0..grid().voxel_count()).map(|i| (i / 11 % 9 / 3) as u16).collect();
    let basis = basis(labels.clone());
    let of = |logic, margin_mm| after(&basis, Operation::Logic { logic, other: 2, margin_mm });
    let changed = |found: Vec<u16>| -> Vec<(u16, u16)> {
        let set: std::collections::BTreeSet<_> = labels.iter().copied().zip(found).collect();
        set.into_iter().collect()
    };
    assert_eq!(changed(of(Logic::Union, 0.0)), [(0, 0), (1, 1), (2, 1)]);
    assert_eq!(changed(of(Logic::Subtract, 0.0)), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(changed(of(Logic::Intersect, 0.0)), [(0, 0), (1, 0), (2, 2)]);
    assert_eq!(changed(of(Logic::Invert, 0.0)), [(0, 1), (1, 0), (2, 1)]);
    assert_eq!(changed(of(Logic::Copy, 0.0)), [(0, 0), (1, 0), (2, 1)]);
    // Row 5 lies one row (0.9 mm) from label 2, row 4 two.
    let near = of(Logic::Intersect, 1.0);
    assert!((0..near.len()).all(|i| (near[i] == 1) == (grid().voxel(i)[1] == 5)));
    let far = of(Logic::Subtract, 1.0);
    assert!((0..far.len()).all(|i| (far[i] == 1) == [3, 4].contains(&grid().voxel(i)[1])));
    let same = Operation::Logic { logic: Logic::Union, other: 1, margin_mm: 0.0 }.plan(&basis, &());
    assert_eq!(same.unwrap_err(), OperationError::SameLabel);
}

#[test]
fn a_copied_slice_replaces_the_other() {
    let mut labels = vec![0; grid().voxel_count()];
    labels[grid().index([2, 3, 3])] = 1;
    labels[grid().index([4, 4, 4])] = 1;
    labels[grid().index([2, 3, 4])] = 2;
    let found = after(&basis(labels.clone()), Operation::CopySlice { axis: 2, from: 3, to: 4 });
    assert_eq!((found[grid().index([2, 3, 4])], found[grid().index([4, 4, 4])]), (1, 0));
    let empty = Operation::CopySlice { axis: 2, from: 0, to: 1 }.plan(&basis(labels.clone()), &());
    assert!(matches!(empty, Err(OperationError::EmptyLabel { .. })));
    let beyond = Operation::CopySlice { axis: 2, from: 4, to: 7 }.plan(&basis(labels), &());
    assert_eq!(beyond.unwrap_err(), OperationError::Slice { axis: 2, slice: 7 });
}

#[test]
fn a_preview_of_other_labels_is_dropped_and_a_lock_is_honoured() {
    let mut labels = vec![0; grid().voxel_count()];
    labels[grid().index([5, 4, 3])] = 1;
    let mut doc = document(labels);
    let grow = Operation::Margin { distance_mm: 1.0 };
    let change = Box::new(grow.plan(&doc.edit_basis(), &()).unwrap());
    doc.apply(EditCommand::StageChange(change.clone())).unwrap();
    assert_eq!(doc.shown_preview(), Some(change.changed()));
    assert!(doc.apply(EditCommand::DropChange).unwrap().preview_changed);
    assert_eq!(doc.apply(EditCommand::ApplyChange).unwrap_err(), EditError::NoChange);
    doc.apply(EditCommand::StageChange(change.clone())).unwrap();
    doc.apply(EditCommand::ApplyChange).unwrap();
    assert_eq!(doc.undo_name(), Some("Grow margin"));
    assert_eq!(doc.apply(EditCommand::StageChange(change.clone())).unwrap_err(), EditError::StaleChange);
    doc.apply(EditCommand::Undo).unwrap();
    doc.apply(EditCommand::StageChange(change)).unwrap();
    doc.apply(EditCommand::Look(LookChange::Locked { id: 1, locked: true })).unwrap();
    assert!(doc.staged().is_none(), "the preview was made under another rule");
    assert!(matches!(grow.plan(&doc.edit_basis(), &()), Err(OperationError::Locked { id: 1, .. })));
}

#[test]
fn bad_parameters_are_refused_with_the_value() {
    let basis = basis((0..grid().voxel_count()).map(|i| u16::from(i == 300)).collect());
    for operation in [
        Operation::Margin { distance_mm: 0.0 },
        Operation::Margin { distance_mm: f64::NAN },
        Operation::Margin { distance_mm: 1e9 },
        Operation::Grow { limit_mm: -1.0, edge: 1.0 },
        Operation::Grow { limit_mm: 1.0, edge: f64::INFINITY },
        Operation::Median { radius_mm: 0.0 },
        Operation::SmoothAll { sigma_mm: 1e3 },
        Operation::Hollow { thickness_mm: 0.0, shell: Shell::Inside },
    ] {
        assert!(
            matches!(operation.plan(&basis, &()), Err(OperationError::Parameter { .. })),
            "{operation:?}"
        );
    }
    let seed = Operation::FillRegion { seed: [99, 0, 0], scope: FillScope::Volume, tolerance: None };
    assert!(matches!(seed.plan(&basis, &()), Err(OperationError::Seed { .. })));
    let axis = Operation::FillBetween { axis: 3 };
    assert!(matches!(axis.plan(&basis, &()), Err(OperationError::Slice { .. })));
    let text = Operation::Margin { distance_mm: 1e9 }.plan(&basis, &()).unwrap_err().to_string();
    assert_eq!(text, "a margin in mm of 1000000000 is not above 0 and at most 200");
}

/// Stops at once.
struct Impatient;

impl Observer for Impatient {
    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn long_operations_can_be_stopped() {
    let mut labels = vec![0; grid().voxel_count()];
    labels[grid().index([5, 4, 1])] = 1;
    labels[grid().index([5, 4, 5])] = 1;
    let basis = basis(labels);
    for kind in [0, 2, 3, 4, 8, 9, 10, 11, 12] {
        let operation = operation(kind, 2.5);
        let stopped = operation.plan(&basis, &Impatient);
        assert_eq!(stopped.unwrap_err(), OperationError::Cancelled(Cancelled), "{operation:?}");
    }
}
