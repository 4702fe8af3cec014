//! Closed shapes in patient space.

use nalgebra::{Point3, Rotation3, Vector3};

use crate::random::SplitMix;

/// A closed shape, in LPS mm.
pub(super) enum Shape {
    /// An ellipsoid.
    Ellipsoid {
        /// Its middle.
        center: Point3<f64>,
        /// Half axes along the body.
        radii: Vector3<f64>,
    },
    /// A column along z.
    Column {
        /// Middle of its section.
        center: [f64; 2],
        /// Half axes of its section.
        radii: [f64; 2],
        /// Where it begins and ends.
        z_range: (f64, f64),
    },
    /// A turned ellipsoid with bumps.
    Bumpy {
        /// Its middle.
        center: Point3<f64>,
        /// Half axes before turning.
        radii: Vector3<f64>,
        /// From the body to its own axes.
        turn: Rotation3<f64>,
        /// How its surface waves over the directions from its middle.
        bumps: Waves,
        /// Height of the bumps as a share of the radius.
        roughness: f64,
    },
    /// The shell between two columns where ribs run.
    Ribs {
        /// Half axes of the shell's middle.
        radii: [f64; 2],
        /// Half the thickness of a rib.
        half_thickness: f64,
        /// Where the cage begins and ends.
        z_range: (f64, f64),
    },
}

impl Shape {
    /// How deep a place lies below the surface in mm; negative outside. Near the surface it is close to the
    /// Euclidean distance, farther away only its sign and order matter.
    pub fn depth_mm(&self, place: Point3<f64>) -> f64 {
        match self {
            Self::Ellipsoid { center, radii } => ellipsoid_depth(place - center, radii, 1.0),
            Self::Column { center, radii, z_range } => {
                let side = Vector3::new(place.x - center[0], place.y - center[1], 0.0);
                let across = ellipsoid_depth(side, &Vector3::new(radii[0], radii[1], 1.0), 1.0);
                across.min(place.z - z_range.0).min(z_range.1 - place.z)
            }
            Self::Bumpy { center, radii, turn, bumps, roughness } => {
                let own = turn * (place - center);
                let bump = own.try_normalize(0.0).map_or(0.0, |direction| bumps.at(direction));
                ellipsoid_depth(own, radii, 1.0 + roughness * bump)
            }
            Self::Ribs { radii, half_thickness, z_range } => {
                let side = Vector3::new(place.x, place.y, 0.0);
                let shell = ellipsoid_depth(side, &Vector3::new(radii[0], radii[1], 1.0), 1.0).abs();
                // A rib descends from the spine to the front.
                let along = (place.z + 0.35 * place.y).rem_euclid(27.0) - 13.5;
                let round = half_thickness - (shell * shell + (along * 0.55).powi(2)).sqrt();
                round.min(place.z - z_range.0).min(z_range.1 - place.z)
            }
        }
    }

    /// A box around it.
    pub fn bounds_mm(&self) -> (Point3<f64>, Point3<f64>) {
        let (center, half) = match self {
            Self::Ellipsoid { center, radii } => (*center, *radii),
            Self::Bumpy { center, radii, roughness, .. } => {
                (*center, Vector3::repeat(radii.max() * (1.0 + roughness)))
            }
            Self::Column { center, radii, z_range } => {
                let middle = Point3::new(center[0], center[1], (z_range.0 + z_range.1) / 2.0);
                (middle, Vector3::new(radii[0], radii[1], (z_range.1 - z_range.0) / 2.0))
            }
            Self::Ribs { radii, half_thickness, z_range } => {
                let middle = Point3::new(0.0, 0.0, (z_range.0 + z_range.1) / 2.0);
                let half = Vector3::new(radii[0], radii[1], 0.0).add_scalar(*half_thickness);
                (middle, Vector3::new(half.x, half.y, (z_range.1 - z_range.0) / 2.0))
            }
        };
        (center - half, center + half)
    }
}

/// Depth along the ray from the middle of an ellipsoid whose radii are scaled by `scale`.
fn ellipsoid_depth(from_center: Vector3<f64>, radii: &Vector3<f64>, scale: f64) -> f64 {
    let relative = from_center.component_div(radii).norm() / scale;
    if relative < 1e-6 {
        return radii.min() * scale;
    }
    // The ray crosses a slanting surface later than the shortest way does; the cosine makes up for it.
    let normal = from_center.component_div(&radii.component_mul(radii));
    let length = from_center.norm();
    let cosine = normal.dot(&from_center) / (normal.norm() * length);
    length * (1.0 / relative - 1.0) * cosine
}

/// A few waves in random directions; their sum stays within −1 and 1.
pub(super) struct Waves(Vec<(Vector3<f64>, f64)>);

impl Waves {
    /// `count` waves with lengths between `shortest` and `longest`, in the unit of the places asked for.
    pub fn new(random: &mut SplitMix, count: usize, shortest: f64, longest: f64) -> Self {
        let mut wave = || {
            let direction = random_direction(random);
            let length = random.between(shortest, longest);
            (direction * (std::f64::consts::TAU / length), random.between(0.0, std::f64::consts::TAU))
        };
        Self((0..count).map(|_| wave()).collect())
    }

    /// Sum of the waves at a place, divided by their number.
    pub fn at(&self, place: Vector3<f64>) -> f64 {
        let sum: f64 = self.0.iter().map(|(wave, phase)| (wave.dot(&place) + phase).sin()).sum();
        sum / self.0.len() as f64
    }
}

/// A direction without preference.
pub(super) fn random_direction(random: &mut SplitMix) -> Vector3<f64> {
    loop {
        let place = Vector3::from_fn(|_, _| random.between(-1.0, 1.0));
        if (0.01..1.0).contains(&place.norm_squared()) {
            return place.normalize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_zero_on_the_surface_and_near_it_the_distance() {
        let radii = Vector3::new(30.0, 20.0, 10.0);
        let shape = Shape::Ellipsoid { center: Point3::origin(), radii };
        for (x, y, z) in [(30.0, 0.0, 0.0), (0.0, -20.0, 0.0), (0.0, 0.0, 10.0), (18.0, 16.0, 0.0)] {
            let place = Point3::new(x, y, z);
            assert!(shape.depth_mm(place).abs() < 1e-9);
            let outward = Vector3::new(x, y, z).component_div(&radii.component_mul(&radii)).normalize();
            assert!((shape.depth_mm(place + outward * 0.5) + 0.5).abs() < 0.05);
            assert!((shape.depth_mm(place - outward * 0.5) - 0.5).abs() < 0.05);
        }
        assert_eq!(shape.depth_mm(Point3::origin()), 10.0);
    }

    #[test]
    fn shapes_lie_within_their_bounds() {
        let mut random = SplitMix::new(9);
        let bumpy = Shape::Bumpy {
            center: Point3::new(5.0, -3.0, 2.0),
            radii: Vector3::new(12.0, 8.0, 6.0),
            turn: Rotation3::from_euler_angles(0.3, 0.8, 1.2),
            bumps: Waves::new(&mut random, 4, 1.0, 2.0),
            roughness: 0.2,
        };
        let (low, high) = bumpy.bounds_mm();
        for _ in 0..20_000 {
            let place = Point3::from(Vector3::from_fn(|_, _| random.between(-30.0, 30.0)));
            let outside = (0..3).any(|a| place[a] < low[a] || place[a] > high[a]);
            assert!(!(outside && bumpy.depth_mm(place) > 0.0), "{place}");
        }
    }
}
