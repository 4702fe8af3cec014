use std::collections::BTreeMap;

use nalgebra::{Matrix3, Point3, Rotation3, Vector3};

use super::*;
use crate::geometry::Grid;

/// Anisotropic, turned and mirrored.
fn oblique_grid(dims: [usize; 3]) -> Grid {
    let rotation = Rotation3::from_euler_angles(0.4, -0.25, 0.9).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, -0.9, 1.6));
    Grid::new(dims, Affine::new(linear, Vector3::new(-30.0, 55.0, 8.0)).unwrap()).unwrap()
}

fn labelled(grid: Grid, label_at: impl Fn([usize; 3]) -> u16) -> LabelMap {
    let voxels = (0..grid.voxel_count()).map(|i| label_at(grid.voxel(i))).collect();
    LabelMap::from_voxels(grid, voxels).unwrap()
}

fn ball(grid: &Grid, radius_mm: f64) -> impl Fn([usize; 3]) -> u16 {
    let grid = *grid;
    move |voxel| u16::from((grid.world_of(voxel) - grid.center_world()).norm() <= radius_mm)
}

fn full(labels: &LabelMap) -> BTreeMap<usize, Vec<LabelSurface>> {
    let blocks = Blocks::new(labels.grid().dims());
    (0..blocks.len())
        .filter_map(|block| Some((block, BlockLabels::cut(labels, block)?.surfaces(labels.grid().affine()))))
        .filter(|(_, surfaces)| !surfaces.is_empty())
        .collect()
}

type Edge = [[u32; 3]; 2];

/// How often each edge is run through, forwards less backwards; vertices are the same where their bits are.
fn open_edges(surfaces: &BTreeMap<usize, Vec<LabelSurface>>, label: u16) -> Vec<Edge> {
    let mut edges: BTreeMap<Edge, i32> = BTreeMap::new();
    for surface in surfaces.values().flatten().filter(|surface| surface.label == label) {
        for triangle in &surface.mesh.triangles {
            let corners = triangle.map(|i| surface.mesh.positions[i as usize].map(f32::to_bits));
            for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                let (a, b) = (corners[from], corners[to]);
                *edges.entry([a.min(b), a.max(b)]).or_default() += if a < b { 1 } else { -1 };
            }
        }
    }
    edges.into_iter().filter(|(_, sum)| *sum != 0).map(|(edge, _)| edge).collect()
}

fn volume(surfaces: &BTreeMap<usize, Vec<LabelSurface>>, label: u16) -> f64 {
    surfaces.values().flatten().filter(|s| s.label == label).map(|s| s.mesh.volume_mm3()).sum()
}

#[test]
fn a_ball_on_an_oblique_grid_is_closed_and_has_its_volume() {
    let grid = oblique_grid([75, 61, 40]);
    let radius_mm = 22.0;
    let surfaces = full(&labelled(grid, ball(&grid, radius_mm)));
    assert!(surfaces.len() >= 8, "the ball lies in {} blocks", surfaces.len());
    assert_eq!(open_edges(&surfaces, 1), Vec::<Edge>::new());
    let truth = 4.0 / 3.0 * std::f64::consts::PI * f64::powi(radius_mm, 3);
    let error = volume(&surfaces, 1) / truth - 1.0;
    assert!(error.abs() < 0.02, "the volume is off by {:.2} %", error * 100.0);
    let center = grid.center_world();
    let mut cosines = Vec::new();
    for surface in surfaces.values().flatten() {
        for (at, normal) in surface.mesh.positions.iter().zip(&surface.mesh.normals) {
            let out = Point3::from(*at).cast::<f64>() - center;
            assert!((out.norm() - radius_mm).abs() < 1.2, "a vertex lies {} mm from the middle", out.norm());
            cosines.push(Vector3::from(*normal).cast::<f64>().dot(&out.normalize()));
        }
    }
    // Slices of 1.6 mm leave steps near the poles.
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!(mean > 0.95, "normals lean by {:.0}°", mean.acos().to_degrees());
    assert!(cosines.iter().all(|cosine| *cosine > 0.5));
}

#[test]
fn after_an_edit_only_the_touched_blocks_change_and_the_whole_equals_a_full_mesh() {
    let grid = oblique_grid([100, 70, 66]);
    let before = labelled(grid, ball(&grid, 20.0));
    // Beside the seam of two blocks, reaching into the ball.
    let edit = VoxelBox::new([58, 30, 31], [66, 40, 36]);
    let shape = ball(&grid, 20.0);
    let after = labelled(grid, |voxel| if edit.contains(voxel) { 3 } else { shape(voxel) });
    let mut kept = full(&before);
    let touched = Blocks::new(grid.dims()).touched(edit);
    assert!(touched.len() < Blocks::new(grid.dims()).len());
    for block in touched {
        match BlockLabels::cut(&after, block).map(|labels| labels.surfaces(grid.affine())) {
            Some(surfaces) if !surfaces.is_empty() => drop(kept.insert(block, surfaces)),
            _ => drop(kept.remove(&block)),
        }
    }
    let expected = full(&after);
    assert_eq!(kept, expected);
    assert_ne!(full(&before), expected);
    for label in [1, 3] {
        assert_eq!(open_edges(&kept, label), Vec::<Edge>::new(), "label {label} is open");
    }
}

#[test]
fn a_single_voxel_and_a_filled_image_are_closed_surfaces() {
    let grid = Grid::from_spacing([33, 20, 5], [1.0, 2.0, 3.0]).unwrap();
    let single = full(&labelled(grid, |voxel| u16::from(voxel == [31, 10, 2]) * 7));
    assert_eq!(open_edges(&single, 7), Vec::<Edge>::new());
    assert!(volume(&single, 7) > 0.3, "the voxel of 6 mm³ became {} mm³", volume(&single, 7));
    let filled = full(&labelled(grid, |_| 2));
    assert_eq!(open_edges(&filled, 2), Vec::<Edge>::new());
    let truth = (33 * 20 * 5 * 6) as f64;
    assert!((volume(&filled, 2) / truth - 1.0).abs() < 0.05);
}

#[test]
fn a_block_without_a_boundary_is_skipped() {
    let grid = Grid::from_spacing([100, 100, 100], [1.0; 3]).unwrap();
    let labels = labelled(grid, |_| 4);
    // The block in the middle is all one label and touches no border.
    let middle = (4 + 1) * 4 + 1;
    assert!(BlockLabels::cut(&labels, middle).is_none());
    assert!(BlockLabels::cut(&labels, 0).is_some());
    assert!(Blocks::new([100; 3]).touched(VoxelBox::default()).is_empty());
}

/// Edges that a mesh does not run through as often forwards as backwards.
fn open_edges_of(mesh: &SurfaceMesh) -> usize {
    let mut edges: BTreeMap<[u32; 2], i32> = BTreeMap::new();
    for [a, b, c] in &mesh.triangles {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            *edges.entry([*from.min(to), *from.max(to)]).or_default() += if from < to { 1 } else { -1 };
        }
    }
    edges.values().filter(|sum| **sum != 0).count()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]

    #[test]
    fn a_whole_surface_is_closed_and_encloses_its_label(
        dims in [35_usize..52, 20_usize..45, 20_usize..41],
        spacing in [0.5_f64..2.0, 0.5_f64..2.0, 0.8_f64..3.0],
        turn in [-1.0_f64..1.0, -1.0_f64..1.0, -1.0_f64..1.0],
        mirrored in proptest::bool::ANY,
        share in 0.3_f64..0.48,
    ) {
        let dims = dims.map(|n| n | 1);
        let sign = if mirrored { -1.0 } else { 1.0 };
        let scale = Matrix3::from_diagonal(&Vector3::new(spacing[0] * sign, spacing[1], spacing[2]));
        let linear = Rotation3::from_euler_angles(turn[0], turn[1], turn[2]).into_inner() * scale;
        let grid = Grid::new(dims, Affine::new(linear, Vector3::new(-30.0, 55.0, 800.0)).unwrap()).unwrap();
        // An ellipsoid across blocks, another label beside it.
        let labels = labelled(grid, |voxel| {
            let at = [0, 1, 2].map(|a| (voxel[a] as f64 / (dims[a] - 1) as f64 - 0.5) / share);
            if at.iter().map(|c| c * c).sum::<f64>() <= 1.0 { 1 } else { u16::from(voxel[0] < 4) * 2 }
        });
        let voxel_mm3 = grid.affine().voxel_volume_mm3() * labels.count(1) as f64;
        let smooth = SurfaceMesh::of_label(&labels, 1, SurfaceShape::Smooth);
        proptest::prop_assert_eq!(open_edges_of(&smooth), 0);
        proptest::prop_assert!((smooth.volume_mm3() / voxel_mm3 - 1.0).abs() < 0.06);
        let blocky = SurfaceMesh::of_label(&labels, 1, SurfaceShape::Voxels);
        proptest::prop_assert_eq!(open_edges_of(&blocky), 0);
        proptest::prop_assert!((blocky.volume_mm3() / voxel_mm3 - 1.0).abs() < 1e-4);
        // Outwards: away from the middle, of a convex shape.
        for mesh in [&smooth, &blocky] {
            for (position, normal) in mesh.positions.iter().zip(&mesh.normals) {
                let from_middle = Vector3::from(*position).cast() - grid.center_world().coords;
                proptest::prop_assert!(from_middle.dot(&Vector3::from(*normal).cast()) > 0.0);
            }
        }
    }
}

#[test]
fn a_voxel_has_six_faces_and_no_label_has_none() {
    let grid = oblique_grid([3, 3, 1]);
    let labels = labelled(grid, |voxel| u16::from(voxel == [1, 2, 0]) * 9);
    let cube = SurfaceMesh::of_label(&labels, 9, SurfaceShape::Voxels);
    assert_eq!((cube.positions.len(), cube.triangles.len()), (8, 12));
    assert!((cube.volume_mm3() - grid.affine().voxel_volume_mm3()).abs() < 1e-4);
    let low = cube.bounds_mm().unwrap()[0];
    assert!(cube.positions.iter().all(|p| (0..3).all(|a| p[a] >= low[a])));
    for label in [0, 1] {
        assert_eq!(SurfaceMesh::of_label(&labels, label, SurfaceShape::Smooth), SurfaceMesh::default());
    }
}
