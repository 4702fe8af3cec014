//! Random bodies as implicit functions: lesions that are planted, and scenery.

use hilum_core::geometry::{Grid, VoxelBox};
use nalgebra::{Matrix3, Point3, Rotation3, Vector3};
use rand::{Rng, RngExt as _};

/// Waves that dent a body.
const WAVES: usize = 6;

/// A closed body around `center`: negative inside, roughly the distance to its surface in mm.
#[derive(Clone, Debug)]
pub struct Body {
    center: Point3<f64>,
    unit_from_mm: Matrix3<f64>,
    /// Half of the shortest axis.
    radius_mm: f64,
    /// Half of the longest axis.
    reach_mm: f64,
    waves: Vec<Wave>,
}

#[derive(Clone, Debug)]
struct Wave {
    direction: Vector3<f64>,
    phase: f64,
    amplitude: f64,
}

/// How far a body may depart from a ball.
#[derive(Clone, Copy, Debug)]
pub struct Irregularity {
    /// Longest over shortest axis, at most.
    pub elongation: f64,
    /// Depth of dents relative to the radius, at most.
    pub dents: f64,
}

impl Body {
    /// A random body whose longest axis is `length_mm`.
    pub fn random(
        center: Point3<f64>,
        length_mm: f64,
        irregularity: Irregularity,
        rng: &mut impl Rng,
    ) -> Self {
        let rotation = random_rotation(rng);
        let mut shrink = || 1.0 / rng.random_range(1.0..=irregularity.elongation.max(1.0 + 1e-9));
        let radii = Vector3::new(1.0, shrink(), shrink()) * (length_mm / 2.0);
        let unit_from_mm = Matrix3::from_diagonal(&radii.map(|r| 1.0 / r)) * rotation.inverse().matrix();
        let depth = irregularity.dents * rng.random_range(0.2..1.0);
        let waves = (0..WAVES).map(|_| Wave::random(depth, rng)).collect();
        Self { center, unit_from_mm, radius_mm: radii.min(), reach_mm: radii.max(), waves }
    }

    /// Box of the voxels that lie in the body or less than `margin_mm` outside; may be empty.
    pub fn voxels_near(&self, grid: &Grid, margin_mm: f64) -> VoxelBox {
        let dents: f64 = self.waves.iter().map(|w| w.amplitude.abs()).sum();
        let reach = (1.0 + dents + margin_mm / self.radius_mm) * self.reach_mm;
        let middle = grid.affine().voxel_from_world(self.center);
        let per_axis =
            [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| grid.affine().voxel_vector(axis));
        let half = Vector3::from_fn(|a, _| reach * per_axis.iter().map(|v| v[a] * v[a]).sum::<f64>().sqrt());
        let clamp = |v: f64, a: usize| v.clamp(0.0, grid.dims()[a] as f64) as usize;
        VoxelBox::new(
            [0, 1, 2].map(|a| clamp((middle[a] - half[a]).floor(), a)),
            [0, 1, 2].map(|a| clamp((middle[a] + half[a]).ceil() + 1.0, a)),
        )
    }

    /// Signed depth at a point in mm: negative inside.
    pub fn depth_mm(&self, at: Point3<f64>) -> f64 {
        let unit = self.unit_from_mm * (at - self.center);
        let dent: f64 = self.waves.iter().map(|w| w.at(&unit)).sum();
        (unit.norm() - 1.0 + dent) * self.radius_mm
    }

    /// Its middle.
    pub fn center(&self) -> Point3<f64> {
        self.center
    }
}

impl Wave {
    fn random(depth: f64, rng: &mut impl Rng) -> Self {
        let frequency = rng.random_range(1.0..5.0);
        let direction = random_rotation(rng) * Vector3::x() * frequency;
        // Long waves bend the body, short ones only roughen it.
        let amplitude = depth / (WAVES as f64).sqrt() / frequency.sqrt();
        Self { direction, phase: rng.random_range(0.0..std::f64::consts::TAU), amplitude }
    }

    fn at(&self, unit: &Vector3<f64>) -> f64 {
        self.amplitude * (self.direction.dot(unit) * 2.0 + self.phase).sin()
    }
}

/// A rotation drawn uniformly (Shoemake, 1992).
pub fn random_rotation(rng: &mut impl Rng) -> Rotation3<f64> {
    let (a, b, c): (f64, f64, f64) = (rng.random(), rng.random(), rng.random());
    let tau = std::f64::consts::TAU;
    let quaternion = nalgebra::Quaternion::new(
        (1.0 - a).sqrt() * (tau * b).sin(),
        (1.0 - a).sqrt() * (tau * b).cos(),
        a.sqrt() * (tau * c).sin(),
        a.sqrt() * (tau * c).cos(),
    );
    nalgebra::UnitQuaternion::from_quaternion(quaternion).to_rotation_matrix()
}

/// A number drawn log-uniformly from `low..high`.
pub fn log_uniform(low: f64, high: f64, rng: &mut impl Rng) -> f64 {
    (rng.random_range(low.ln()..high.ln())).exp()
}

/// A standard normal number (Box and Muller, 1958).
pub fn normal(rng: &mut impl Rng) -> f64 {
    let u: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn an_undented_ball_has_its_length() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let ball = Irregularity { elongation: 1.0, dents: 0.0 };
        let body = Body::random(Point3::new(1.0, 2.0, 3.0), 20.0, ball, &mut rng);
        assert!((body.depth_mm(Point3::new(1.0, 12.0, 3.0))).abs() < 1e-6);
        assert!((body.depth_mm(body.center()) + 10.0).abs() < 1e-6);
    }

    #[test]
    fn no_voxel_near_a_body_lies_outside_its_box() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let grid = Grid::from_spacing([24, 31, 17], [1.0, 0.8, 1.7]).unwrap();
        for _ in 0..20 {
            let center = Point3::from(Vector3::from_fn(|_, _| rng.random_range(0.0..25.0)));
            let body = Body::random(center, 14.0, Irregularity { elongation: 3.0, dents: 0.5 }, &mut rng);
            let near = body.voxels_near(&grid, 1.5);
            for i in 0..grid.voxel_count() {
                let voxel = grid.voxel(i);
                assert!(near.contains(voxel) || body.depth_mm(grid.world_of(voxel)) >= 1.5, "{voxel:?}");
            }
        }
    }

    #[test]
    fn random_rotations_are_proper_and_spread() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut mean = Vector3::zeros();
        for _ in 0..2000 {
            let rotation = random_rotation(&mut rng);
            assert!((rotation.matrix().determinant() - 1.0).abs() < 1e-9);
            mean += rotation * Vector3::z() / 2000.0;
        }
        assert!(mean.norm() < 0.06, "{mean}");
    }
}
