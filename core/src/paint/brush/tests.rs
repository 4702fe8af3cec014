use super::*;
use crate::geometry::Affine;
use proptest::prelude::*;

fn oblique() -> Grid {
    let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, -3.3));
    Grid::new([23, 19, 11], Affine::new(linear, Vector3::new(-12.0, 33.5, 90.25)).unwrap()).unwrap()
}

fn painted(grid: &Grid, spans: &[RowSpan]) -> Vec<bool> {
    let mut inside = vec![false; grid.voxel_count()];
    for span in spans {
        let row = grid.index([0, span.y, span.z]);
        inside[row + span.x_start..row + span.x_end].fill(true);
    }
    inside
}

/// Distance of a point from a segment and from its plane, straight from the definition.
fn distance_mm(point: WorldPoint, from: WorldPoint, to: WorldPoint, normal: Option<Vector3<f64>>) -> f64 {
    let flat = |v: Vector3<f64>| normal.map_or(v, |n| v - n * n.dot(&v));
    let (line, offset) = (flat(to - from), flat(point - from));
    let t = if line.norm() > 0.0 { (offset.dot(&line) / line.norm_squared()).clamp(0.0, 1.0) } else { 0.0 };
    (offset - line * t).norm()
}

/// Asserts that spans hold exactly the voxels for which `depth` (mm past any limit) is negative.
fn assert_exact(grid: &Grid, spans: &[RowSpan], past_mm: impl Fn(WorldPoint) -> f64) {
    assert!(spans.is_sorted() && spans.iter().all(|s| s.x_start < s.x_end));
    for (index, inside) in painted(grid, spans).into_iter().enumerate() {
        let past = past_mm(grid.world_of(grid.voxel(index)));
        assert!(past.abs() < 1e-9 || inside == (past <= 0.0), "voxel {:?}: {past} mm", grid.voxel(index));
    }
}

fn somewhere(grid: &Grid, share: [f64; 3]) -> WorldPoint {
    let dims = grid.dims();
    grid.affine().world_from_voxel(Point3::from([0, 1, 2].map(|a| share[a] * dims[a] as f64)))
}

prop_compose! {
    fn place()(x in -0.3..1.3f64, y in -0.3..1.3f64, z in -0.3..1.3f64) -> [f64; 3] { [x, y, z] }
}

proptest! {
    #[test]
    fn a_swept_ball_equals_brute_force(from in place(), to in place(), still: bool, radius in 2.0..9.0f64) {
        let grid = oblique();
        let (from, to) = (somewhere(&grid, from), somewhere(&grid, if still { from } else { to }));
        let spans = sweep(&grid, BrushShape::Ball, radius, from, to);
        assert_exact(&grid, &spans, |p| distance_mm(p, from, to, None) - radius);
    }

    #[test]
    fn a_swept_disc_in_any_plane_equals_brute_force(
        from in place(), to in place(), still: bool, radius in 2.0..9.0f64, n in prop::array::uniform3(-1.0..1.0f64),
    ) {
        let normal = Vector3::from(n);
        prop_assume!(normal.norm() > 0.1);
        let grid = oblique();
        let (from, to) = (somewhere(&grid, from), somewhere(&grid, if still { from } else { to }));
        let spans = sweep(&grid, BrushShape::Disc { normal_world: normal }, radius, from, to);
        let unit = normal.normalize();
        let half: f64 = (0..3).map(|a| unit.dot(&grid.affine().linear().column(a)).abs()).sum::<f64>() / 2.0;
        assert_exact(&grid, &spans, |p| {
            let past_plane = unit.dot(&(p - from)).abs() - half;
            past_plane.max(distance_mm(p, from, to, Some(unit)) - radius)
        });
    }

    #[test]
    fn a_disc_parallel_to_slices_paints_one_slice(
        axis in 0usize..3, from in place(), radius in 2.0..9.0f64, flip: bool,
    ) {
        let grid = oblique();
        let from = somewhere(&grid, from);
        let normal = grid.affine().direction((axis + 1) % 3).cross(&grid.affine().direction((axis + 2) % 3));
        let normal = if flip { -normal } else { normal };
        let spans = sweep(&grid, BrushShape::Disc { normal_world: normal }, radius, from, from);
        let slice = (grid.affine().voxel_from_world(from)[axis] + 0.5).floor();
        assert_exact(&grid, &spans, |p| {
            let voxel = grid.affine().voxel_from_world(p)[axis].round();
            let past_plane: f64 = if voxel == slice { -1.0 } else { 1.0 };
            past_plane.max(distance_mm(p, from, from, Some(normal)) - radius)
        });
    }

    #[test]
    fn a_tiny_brush_paints_every_voxel_it_passes(from in place(), to in place(), t in 0.0..1.0f64) {
        let grid = oblique();
        let (from, to) = (somewhere(&grid, from), somewhere(&grid, to));
        let spans = sweep(&grid, BrushShape::Ball, 0.01, from, to);
        prop_assert!(spans.is_sorted());
        let inside = painted(&grid, &spans);
        for end in [from, to] {
            prop_assert!(grid.voxel_at_world(end).is_none_or(|voxel| inside[grid.index(voxel)]));
        }
        // Along the way neighbouring samples are at most a quarter of a voxel away.
        if let Some(voxel) = grid.voxel_at_world(from + (to - from) * t) {
            let near = VoxelBox::of_voxel(voxel).grown([1; 3], grid.dims());
            let row = near.start()[0]..near.end()[0];
            let hit = near.rows().any(|(y, z)| row.clone().any(|x| inside[grid.index([x, y, z])]));
            prop_assert!(hit, "nothing near {:?}", voxel);
        }
    }
}

#[test]
fn nonsense_positions_paint_nothing() {
    let grid = oblique();
    let nowhere = Point3::new(f64::NAN, 0.0, 0.0);
    assert!(sweep(&grid, BrushShape::Ball, 5.0, nowhere, grid.center_world()).is_empty());
    assert!(sweep(&grid, BrushShape::Ball, f64::NAN, grid.center_world(), grid.center_world()).is_empty());
    let far = Point3::new(1e300, -1e300, 1e300);
    assert!(sweep(&grid, BrushShape::Ball, 5.0, far, far).is_empty());
}

#[test]
fn halfway_between_slices_one_slice_is_painted() {
    let grid = Grid::from_spacing([9, 9, 9], [1.0, 1.0, 2.5]).unwrap();
    let at = Point3::new(4.0, 4.0, 4.5 * 2.5);
    let spans = sweep(&grid, BrushShape::Disc { normal_world: Vector3::z() }, 2.0, at, at);
    assert!(spans.iter().all(|span| span.z == 5));
    assert_eq!(spans.iter().map(|span| span.x_end - span.x_start).sum::<usize>(), 13);
}
