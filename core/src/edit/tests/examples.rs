//! Operations on shapes whose answer is known.

use super::*;

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
