//! Closed outlines drawn in a plane.

use nalgebra::{Matrix2, Vector2, Vector3};

use super::plane::{CutPlane, Slab};
use crate::geometry::{Grid, VoxelBox, WorldPoint};
use crate::label::RowSpan;

/// Most corners of a polygon; a free-hand outline of a whole screen has a few thousand.
pub const MAX_VERTICES: usize = 100_000;

/// The voxels whose centres lie inside a closed outline, in memory order, cut to the grid. The outline lies in the
/// plane through its first corner with the normal given; other corners are projected onto it. Voxels count that
/// this plane cuts: the slice, or where the plane is oblique to the grid a slab as thick as a voxel.
///
/// Inside is by the *even-odd* rule: where an outline crosses itself, what it encloses twice is outside.
///
/// Nothing for fewer than three corners, corners that are not finite, or a normal without direction.
pub fn polygon(grid: &Grid, normal_world: Vector3<f64>, vertices: &[WorldPoint]) -> Vec<RowSpan> {
    let Some(normal) = normal_world.try_normalize(f64::MIN_POSITIVE) else { return Vec::new() };
    let finite = vertices.iter().all(|v| v.iter().all(|c| c.is_finite()));
    if vertices.len() < 3 || vertices.len() > MAX_VERTICES || !finite {
        return Vec::new();
    }
    let outline = Outline::new(grid, normal, vertices);
    let mut spans = Vec::new();
    let mut crossings = Vec::new();
    for (y, z) in outline.bounds(grid, normal, vertices).rows() {
        outline.row(grid.dims()[0], y, z, &mut crossings, &mut spans);
    }
    spans
}

/// The outline in two coordinates of its plane.
struct Outline {
    corners: Vec<Vector2<f64>>,
    /// Where voxel (0, 0, 0) is, and the displacement of a voxel step along x, y, z, in the plane.
    origin: Vector2<f64>,
    steps: [Vector2<f64>; 3],
    slab: Slab,
    thickness_mm: f64,
}

impl Outline {
    fn new(grid: &Grid, normal: Vector3<f64>, vertices: &[WorldPoint]) -> Self {
        let across = if normal.x.abs() < 0.6 { Vector3::x() } else { Vector3::y() };
        let right = normal.cross(&across).normalize();
        let down = normal.cross(&right);
        let base = vertices[0];
        let flat = |v: Vector3<f64>| Vector2::new(v.dot(&right), v.dot(&down));
        let linear = grid.affine().linear();
        Self {
            corners: vertices.iter().map(|v| flat(v - base)).collect(),
            origin: flat(grid.affine().origin() - base),
            steps: [0, 1, 2].map(|axis| flat(linear.column(axis).into())),
            slab: Slab::new(grid, &CutPlane { point: base, normal }),
            thickness_mm: (0..3).map(|axis| linear.column(axis).dot(&normal).abs()).sum(),
        }
    }

    /// The voxels that can be inside: a box around the corners, grown by the thickness of the slab.
    fn bounds(&self, grid: &Grid, normal: Vector3<f64>, vertices: &[WorldPoint]) -> VoxelBox {
        let reach = grid.affine().voxel_vector(normal * self.thickness_mm).abs().add_scalar(1.0);
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for vertex in vertices {
            let flat = vertex - normal * (vertex - vertices[0]).dot(&normal);
            let voxel = grid.affine().voxel_from_world(flat);
            low = [0, 1, 2].map(|a| low[a].min(voxel[a] - reach[a]));
            high = [0, 1, 2].map(|a| high[a].max(voxel[a] + reach[a]));
        }
        let clipped = |axis: usize, v: f64| v.clamp(0.0, grid.dims()[axis] as f64) as usize;
        VoxelBox::new(
            [0, 1, 2].map(|a| clipped(a, low[a].floor())),
            [0, 1, 2].map(|a| clipped(a, high[a].ceil() + 1.0)),
        )
    }

    /// Adds what lies inside of one row of voxels.
    fn row(&self, width: usize, y: usize, z: usize, crossings: &mut Vec<f64>, spans: &mut Vec<RowSpan>) {
        let Some(slab) = self.slab.interval(y, z) else { return };
        let start = self.origin + self.steps[1] * y as f64 + self.steps[2] * z as f64;
        let step = self.steps[0];
        let mut push = |low: f64, high: f64| {
            let (low, high) = (low.max(slab.0 - 1e-9), high.min(slab.1 + 1e-9));
            let x_start = low.ceil().clamp(0.0, width as f64) as usize;
            let x_end = (high.floor() + 1.0).clamp(0.0, width as f64) as usize;
            if x_start < x_end {
                spans.push(RowSpan { z, y, x_start, x_end });
            }
        };
        if step.norm_squared() < 1e-18 {
            // The row runs along the normal: one point of the plane stands for all of it.
            if self.holds(start) {
                push(f64::NEG_INFINITY, f64::INFINITY);
            }
            return;
        }
        self.cross(start, step, crossings);
        for pair in crossings.chunks_exact(2) {
            // Half-open, so that two outlines that share an edge share no voxel.
            let high = if pair[1] == pair[1].floor() { pair[1] - 1.0 } else { pair[1] };
            push(pair[0], high);
        }
    }

    /// Where the line `start + step · x` crosses the outline, ascending; an even number of times.
    fn cross(&self, start: Vector2<f64>, step: Vector2<f64>, crossings: &mut Vec<f64>) {
        crossings.clear();
        let side = |corner: &Vector2<f64>| step.perp(&(corner - start));
        for (i, a) in self.corners.iter().enumerate() {
            let b = &self.corners[(i + 1) % self.corners.len()];
            let (side_a, side_b) = (side(a), side(b));
            if (side_a >= 0.0) != (side_b >= 0.0) {
                let at = a + (b - a) * (side_a / (side_a - side_b));
                crossings.push((at - start).dot(&step) / step.norm_squared());
            }
        }
        crossings.sort_unstable_by(f64::total_cmp);
    }

    fn holds(&self, point: Vector2<f64>) -> bool {
        let ray = Matrix2::identity().column(0).into_owned();
        let mut crossings = Vec::new();
        self.cross(point, ray, &mut crossings);
        crossings.iter().filter(|at| **at >= 0.0).count() % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine;
    use nalgebra::{Matrix3, Point3};
    use proptest::prelude::*;

    fn oblique() -> Grid {
        let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
        let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, -3.3));
        Grid::new([23, 19, 11], Affine::new(linear, Vector3::new(-12.0, 33.5, 90.25)).unwrap()).unwrap()
    }

    fn painted(grid: &Grid, spans: &[RowSpan]) -> Vec<[usize; 3]> {
        assert!(spans.is_sorted());
        assert!(spans.iter().all(|s| s.x_end <= grid.dims()[0]));
        spans.iter().flat_map(|s| (s.x_start..s.x_end).map(|x| [x, s.y, s.z])).collect()
    }

    /// Even-odd by the winding of angles is not even-odd; this counts crossings of a ray, edge by edge.
    fn is_inside(point: [f64; 2], corners: &[[f64; 2]]) -> bool {
        let mut inside = false;
        for (i, a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            if (a[1] > point[1]) != (b[1] > point[1]) {
                let x = a[0] + (point[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
                inside ^= point[0] < x;
            }
        }
        inside
    }

    proptest! {
        #[test]
        fn in_a_plane_of_an_oblique_grid_it_equals_a_test_of_every_voxel(
            axis in 0usize..3,
            slice in 0.0..1.0f64,
            shares in prop::collection::vec((-0.2..1.2f64, -0.2..1.2f64), 3..9),
        ) {
            let grid = oblique();
            let dims = grid.dims();
            let [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
            let at = (slice * dims[axis] as f64) as usize;
            // An odd offset keeps corners and edges away from voxel centres, where rounding would decide.
            let corners: Vec<[f64; 2]> = shares
                .iter()
                .map(|(a, b)| [a * dims[u] as f64 + 0.137, b * dims[v] as f64 + 0.271])
                .collect();
            let world: Vec<WorldPoint> = corners.iter().map(|corner| {
                let mut voxel = Point3::origin();
                (voxel[axis], voxel[u], voxel[v]) = (at as f64 + 0.2, corner[0], corner[1]);
                grid.affine().world_from_voxel(voxel)
            }).collect();
            let found = painted(&grid, &polygon(&grid, grid.affine().direction(axis), &world));
            let mut expected = Vec::new();
            for index in 0..grid.voxel_count() {
                let voxel = grid.voxel(index);
                if voxel[axis] == at && is_inside([voxel[u] as f64, voxel[v] as f64], &corners) {
                    expected.push(voxel);
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_enclosed_twice_is_outside() {
        let grid = Grid::from_spacing([20, 20, 1], [1.0; 3]).unwrap();
        // A pentagram: its middle is enclosed twice.
        let star: Vec<WorldPoint> = (0..5)
            .map(|i| {
                let angle = f64::from(i) * 0.8 * std::f64::consts::PI + 0.01;
                Point3::new(10.0 + 9.0 * angle.sin(), 10.0 - 9.0 * angle.cos(), 0.0)
            })
            .collect();
        let voxels = painted(&grid, &polygon(&grid, Vector3::z(), &star));
        assert!(!voxels.contains(&[10, 10, 0]) && voxels.contains(&[10, 4, 0]));
    }

    #[test]
    fn neighbours_that_share_an_edge_share_no_voxel_and_leave_none() {
        let grid = Grid::from_spacing([12, 12, 1], [1.0; 3]).unwrap();
        let square = |x: f64| [[x, 2.0], [x + 4.0, 2.0], [x + 4.0, 8.0], [x, 8.0]];
        let of = |x| {
            let corners = square(x).map(|[x, y]| Point3::new(x, y, 0.0));
            painted(&grid, &polygon(&grid, Vector3::z(), &corners))
        };
        let (left, right) = (of(2.0), of(6.0));
        assert_eq!((left.len(), right.len()), (24, 24));
        assert!(left.iter().all(|voxel| !right.contains(voxel)));
    }

    #[test]
    fn nonsense_draws_nothing() {
        let grid = oblique();
        let at = |x: f64| Point3::new(x, 0.0, 0.0);
        assert!(polygon(&grid, Vector3::z(), &[at(0.0), at(1.0)]).is_empty());
        assert!(polygon(&grid, Vector3::zeros(), &[at(0.0), at(1.0), at(2.0)]).is_empty());
        assert!(polygon(&grid, Vector3::z(), &[at(0.0), at(f64::NAN), at(2.0)]).is_empty());
    }
}
