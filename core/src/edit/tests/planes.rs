//! Operations on the slices of planes that are oblique to the grid.

use std::collections::BTreeSet;

use nalgebra::Point3;

use super::*;
use crate::document::StrokeTool;
use crate::paint::{BrushShape, CutPlane};

fn plane() -> impl Strategy<Value = CutPlane> {
    let normal = prop::array::uniform3(-1.0..1.0f64);
    (normal, prop::array::uniform3(0.2..0.8f64)).prop_filter_map("a direction", |(normal, share)| {
        let voxel = [0, 1, 2].map(|a| share[a] * DIMS[a] as f64 - 0.5);
        CutPlane::new(grid().affine().world_from_voxel(Point3::from(voxel)), Vector3::from(normal))
    })
}

/// By the definition: the plane lies between the nearest and the farthest corner of the voxel.
fn is_cut(plane: &CutPlane, voxel: [i64; 3]) -> bool {
    let center = grid().affine().world_from_voxel(Point3::from(voxel.map(|c| c as f64)));
    plane.depth_mm(center).abs() <= plane.thickness_mm(&grid()) / 2.0
}

fn signed(voxel: [usize; 3]) -> [i64; 3] {
    voxel.map(|c| c as i64)
}

fn beside(voxel: [i64; 3]) -> impl Iterator<Item = [i64; 3]> {
    (0..6).map(move |side| {
        let mut next = voxel;
        next[side / 2] += if side % 2 == 0 { -1 } else { 1 };
        next
    })
}

fn in_image(voxel: [i64; 3]) -> Option<usize> {
    let inside = (0..3).all(|a| (0..DIMS[a] as i64).contains(&voxel[a]));
    inside.then(|| grid().index(voxel.map(|c| c as usize)))
}

/// What of a slab is not the label and cannot be reached from beyond the image without crossing the label.
fn naive_holes(labels: &[u16], in_slab: impl Fn([i64; 3]) -> bool) -> BTreeSet<usize> {
    let around = |voxel: [i64; 3]| (0..3).all(|a| (-2..DIMS[a] as i64 + 2).contains(&voxel[a]));
    let is_free = |voxel: [i64; 3]| in_image(voxel).is_none_or(|index| labels[index] != 1);
    let mut front = Vec::new();
    for z in -2..DIMS[2] as i64 + 2 {
        for y in -2..DIMS[1] as i64 + 2 {
            front.extend((-2..DIMS[0] as i64 + 2).map(|x| [x, y, z]));
        }
    }
    front.retain(|voxel| in_image(*voxel).is_none() && in_slab(*voxel));
    let mut reached: BTreeSet<[i64; 3]> = front.iter().copied().collect();
    while let Some(voxel) = front.pop() {
        for next in beside(voxel) {
            if around(next) && in_slab(next) && is_free(next) && reached.insert(next) {
                front.push(next);
            }
        }
    }
    let all = (0..labels.len()).map(|index| (index, signed(grid().voxel(index))));
    all.filter(|(_, v)| in_slab(*v) && is_free(*v) && !reached.contains(v)).map(|(index, _)| index).collect()
}

/// Labels with rings around the point of a plane, so that there are holes.
fn with_ring(mut labels: Vec<u16>, plane: &CutPlane, radius_mm: f64) -> Vec<u16> {
    for (index, label) in labels.iter_mut().enumerate() {
        let foot = crate::paint::foot(&grid(), plane, grid().voxel(index));
        let away = (foot - plane.point).norm();
        if is_cut(plane, signed(grid().voxel(index))) && (radius_mm..radius_mm + 2.4).contains(&away) {
            *label = 1;
        }
    }
    labels
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn holes_in_a_turned_slice_are_what_no_way_in_it_leads_out_of(
        labels in blobs(), plane in plane(), radius in 0.5..2.5f64,
    ) {
        let labels = with_ring(labels, &plane, radius);
        prop_assume!(labels.contains(&1));
        let basis = basis(labels.clone());
        let found = after(&basis, Operation::FillHoles(FillScope::Plane(plane)));
        let holes = naive_holes(&labels, |voxel| is_cut(&plane, voxel));
        for (index, label) in found.iter().enumerate() {
            let expected = if holes.contains(&index) { 1 } else { labels[index] };
            prop_assert_eq!(*label, expected, "voxel {:?}", grid().voxel(index));
        }
    }

    #[test]
    fn holes_in_every_turned_slice_are_those_of_each(labels in blobs(), plane in plane(), radius in 0.5..2.5f64) {
        let labels = with_ring(labels, &plane, radius);
        prop_assume!(labels.contains(&1));
        let found = after(&basis(labels.clone()), Operation::FillHoles(FillScope::EveryPlane(plane)));
        let width = plane.thickness_mm(&grid());
        let number = |voxel: [i64; 3]| {
            let center = grid().affine().world_from_voxel(Point3::from(voxel.map(|c| c as f64)));
            // The same half-open tiles; the random place keeps voxels off their borders.
            (plane.depth_mm(center) / width + 0.5).floor() as i64
        };
        let numbers: BTreeSet<i64> = (0..labels.len()).map(|i| number(signed(grid().voxel(i)))).collect();
        let holes: BTreeSet<usize> =
            numbers.into_iter().flat_map(|n| naive_holes(&labels, |voxel| number(voxel) == n)).collect();
        for (index, label) in found.iter().enumerate() {
            prop_assert_eq!(*label, if holes.contains(&index) { 1 } else { labels[index] });
        }
    }

    #[test]
    fn a_region_filled_in_a_turned_slice_equals_a_flood_fill_in_it(labels in blobs(), plane in plane()) {
        let seed = grid().voxel_at_world(plane.point).unwrap();
        let operation = Operation::FillRegion { seed, scope: FillScope::Plane(plane), tolerance: None };
        let found = after(&basis(labels.clone()), operation);
        let start = grid().index(seed);
        let fits = |index: usize| labels[index] == labels[start] && is_cut(&plane, signed(grid().voxel(index)));
        let filled = flood(&labels, start, fits);
        for index in 0..labels.len() {
            prop_assert_eq!(found[index], if filled[index] { 1 } else { labels[index] });
        }
    }

    #[test]
    fn a_turned_slice_is_copied_as_it_is_seen_and_the_source_stays(labels in blobs(), plane in plane(), back: bool) {
        let slices = if back { -1.0 } else { 1.0 };
        let operation = Operation::CopyPlane { plane, slices };
        let basis = basis(labels.clone());
        let is_seen = (0..labels.len()).any(|i| labels[i] == 1 && is_cut(&plane, signed(grid().voxel(i))));
        if !is_seen {
            let refused = matches!(operation.plan(&basis, &()), Err(OperationError::EmptyLabel { .. }));
            prop_assert!(refused);
            return Ok(());
        }
        let found = after(&basis, operation);
        let way = plane.normal * (slices * plane.thickness_mm(&grid()));
        let target = CutPlane { point: plane.point + way, ..plane };
        for index in 0..labels.len() {
            let voxel = grid().voxel(index);
            if !is_cut(&target, signed(voxel)) {
                prop_assert_eq!(found[index], labels[index], "beside the slice nothing changes");
                continue;
            }
            let at = crate::paint::foot(&grid(), &target, voxel) - way;
            let seen = grid().voxel_at_world(at).is_some_and(|source| labels[grid().index(source)] == 1);
            let kept = if labels[index] == 1 { 0 } else { labels[index] };
            prop_assert_eq!(found[index], if seen { 1 } else { kept });
        }
        // What the first plane shows is as it was.
        let shared = |index: usize| {
            let voxel = signed(grid().voxel(index));
            is_cut(&plane, voxel) && !is_cut(&target, voxel) && found[index] != labels[index]
        };
        prop_assert!(!(0..labels.len()).any(shared));
    }

    #[test]
    fn an_outline_on_a_turned_plane_cuts_what_is_seen_in_it(
        plane in plane(),
        corners in prop::collection::vec((0.0..std::f64::consts::TAU, 1.0..4.0f64), 3..8),
    ) {
        let across = if plane.normal.x.abs() < 0.6 { Vector3::x() } else { Vector3::y() };
        let right = plane.normal.cross(&across).normalize();
        let down = plane.normal.cross(&right);
        let mut corners = corners;
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let flat: Vec<[f64; 2]> = corners.iter().map(|(angle, r)| [r * angle.cos(), r * angle.sin()]).collect();
        let vertices: Vec<_> = flat.iter().map(|[u, v]| plane.point + right * *u + down * *v).collect();
        let mut document = document(vec![1; grid().voxel_count()]);
        let name = "Polygon cut".to_owned();
        let cut = EditCommand::DrawPolygon { name, tool: StrokeTool::Eraser, normal_world: plane.normal, vertices };
        // An outline between the centres of voxels holds none, and says so.
        let is_drawn = document.apply(cut).is_ok();
        let is_inside = |u: f64, v: f64| {
            let mut inside = false;
            for (i, a) in flat.iter().enumerate() {
                let b = flat[(i + 1) % flat.len()];
                if (a[1] > v) != (b[1] > v) && u < a[0] + (v - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
                    inside = !inside;
                }
            }
            inside
        };
        let edge_mm = |u: f64, v: f64| {
            let edges = flat.iter().enumerate().map(|(i, a)| {
                let b = flat[(i + 1) % flat.len()];
                let along = [b[0] - a[0], b[1] - a[1]];
                let length = along[0].powi(2) + along[1].powi(2);
                let t = (((u - a[0]) * along[0] + (v - a[1]) * along[1]) / length.max(1e-12)).clamp(0.0, 1.0);
                (u - a[0] - t * along[0]).hypot(v - a[1] - t * along[1])
            });
            edges.fold(f64::MAX, f64::min)
        };
        // Every place seen in the plane: a voxel is cut or spared as a whole, by its centre.
        let half_voxel = SPACING_MM.iter().map(|s| s * s).sum::<f64>().sqrt() / 2.0;
        for step in 0..900 {
            let (u, v) = (f64::from(step % 30) * 0.3 - 4.5, f64::from(step / 30) * 0.3 - 4.5);
            let Some(voxel) = grid().voxel_at_world(plane.point + right * u + down * v) else { continue };
            if edge_mm(u, v) > half_voxel {
                let is_cut = document.labels().value(voxel) == 0;
                prop_assert_eq!(is_cut, is_inside(u, v), "at {} {}", u, v);
            }
        }
        for index in 0..grid().voxel_count() {
            let voxel = grid().voxel(index);
            prop_assert!(document.labels().value(voxel) == 1 || is_cut(&plane, signed(voxel)));
        }
        prop_assert_eq!(is_drawn, document.can_undo());
        if is_drawn {
            document.apply(EditCommand::Undo).unwrap();
        }
        prop_assert_eq!(document.labels().count(1), grid().voxel_count());
    }
}

/// A volume of odd sizes and three spacings, turned against the patient, large enough for discs of several mm.
fn large() -> Document {
    let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::from(SPACING_MM));
    let affine = Affine::new(linear, Vector3::new(-12.0, 33.5, 90.25)).unwrap();
    let grid = Grid::new([71, 53, 27], affine).unwrap();
    let voxels = Voxels::U8(vec![0; grid.voxel_count()]);
    Document::new(Arc::new(Volume::new(grid, voxels, ImageMeta::default()).unwrap()))
}

#[test]
fn between_discs_on_turned_planes_lies_a_leaning_cone() {
    let mut document = large();
    let grid = *document.image().grid();
    let normal = Vector3::new(0.4, -0.5, 0.75).normalize();
    let side = normal.cross(&Vector3::x()).normalize();
    let middle = grid.center_world();
    let (low, high) = (middle - normal * 9.0 - side * 3.0, middle + normal * 9.0 + side * 3.0);
    for (at, radius_mm) in [(low, 9.0), (high, 5.0)] {
        let shape = BrushShape::Disc { normal_world: normal };
        document.apply(EditCommand::BeginStroke { tool: StrokeTool::Brush, shape, radius_mm }).unwrap();
        document.apply(EditCommand::StrokeTo { from: at, to: at }).unwrap();
    }
    document.apply(EditCommand::EndStroke).unwrap();
    let before = Arc::clone(document.labels());
    let change = Operation::FillBetweenPlanes { normal }.plan(&document.edit_basis(), &()).unwrap();
    document.apply(EditCommand::StageChange(Box::new(change))).unwrap();
    document.apply(EditCommand::ApplyChange).unwrap();
    for index in 0..grid.voxel_count() {
        let voxel = grid.voxel(index);
        let (was, is) = (before.value(voxel), document.labels().value(voxel));
        assert!(was == 0 || is == was, "what is labelled stays");
        let world = grid.world_of(voxel);
        let depth = (world - middle).dot(&normal);
        if was == 1 || depth.abs() > 9.0 {
            continue;
        }
        // The axis runs straight from middle to middle, the radius shrinks evenly.
        let share = (depth + 9.0) / 18.0;
        let axis = low + (high - low) * share;
        let away = (world - axis).norm();
        let radius = 9.0 - 4.0 * share;
        let slack = 1.3;
        assert!(is == 1 || away > radius - slack, "{voxel:?} at {away} of {radius} mm is missing");
        assert!(is == 0 || away < radius + slack, "{voxel:?} at {away} of {radius} mm is too much");
    }
    let error = Operation::FillBetweenPlanes { normal }.plan(&document.edit_basis(), &());
    assert_eq!(error, Err(OperationError::NoGap), "the gap is filled");
}

#[test]
fn copying_along_a_turned_stack_leaves_neither_gaps_nor_doubled_slices() {
    let mut document = large();
    let grid = *document.image().grid();
    let normal = Vector3::new(-0.3, 0.8, 0.4).normalize();
    let mut plane = CutPlane::new(grid.center_world(), normal).unwrap();
    let shape = BrushShape::Disc { normal_world: normal };
    document.apply(EditCommand::BeginStroke { tool: StrokeTool::Brush, shape, radius_mm: 6.0 }).unwrap();
    document.apply(EditCommand::StrokeTo { from: plane.point, to: plane.point }).unwrap();
    document.apply(EditCommand::EndStroke).unwrap();
    let width = plane.thickness_mm(&grid);
    for _ in 0..3 {
        let change = Operation::CopyPlane { plane, slices: 1.0 }.plan(&document.edit_basis(), &()).unwrap();
        document.apply(EditCommand::StageChange(Box::new(change))).unwrap();
        document.apply(EditCommand::ApplyChange).unwrap();
        plane = plane.moved(width);
    }
    // Four slices stacked are a cylinder of four thicknesses.
    let volume = document.labels().count(1) as f64 * grid.affine().voxel_volume_mm3();
    let expected = std::f64::consts::PI * 36.0 * 4.0 * width;
    assert!((volume / expected - 1.0).abs() < 0.1, "{volume} mm³ instead of {expected}");
}

#[test]
fn planes_without_direction_are_refused() {
    let basis = basis(vec![1; grid().voxel_count()]);
    let plane = CutPlane { point: Point3::origin(), normal: Vector3::zeros() };
    for operation in [
        Operation::FillHoles(FillScope::Plane(plane)),
        Operation::FillHoles(FillScope::EveryPlane(plane)),
        Operation::CopyPlane { plane, slices: 1.0 },
        Operation::FillBetweenPlanes { normal: Vector3::zeros() },
        Operation::FillRegion { seed: [0; 3], scope: FillScope::Plane(plane), tolerance: None },
    ] {
        assert_eq!(operation.plan(&basis, &()), Err(OperationError::Plane), "{operation:?}");
    }
}
