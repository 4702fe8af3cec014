//! The lesions of the phantom: from one that nobody misses to one that is barely there.

use nalgebra::{Point3, Rotation3, Vector3};

use super::shape::{Shape, Waves, random_direction};
use crate::random::SplitMix;

/// A lesion in patient space.
pub(super) struct Lesion {
    pub name: &'static str,
    pub shape: Shape,
    /// Half the width of its edge in mm.
    pub edge_mm: f64,
    hu: f32,
    /// Value of the middle of a lesion that has lost its blood supply.
    core: Option<f32>,
    texture: Waves,
    texture_hu: f32,
}

impl Lesion {
    /// Its value at a place `depth_mm` below its surface.
    pub fn hu_at(&self, depth_mm: f64, place: Point3<f64>) -> f32 {
        let core = self.core.map_or(0.0, |core| {
            let share = ((depth_mm - 5.0) / 4.0).clamp(0.0, 1.0) as f32;
            share * (core - self.hu)
        });
        self.hu + core + self.texture_hu * self.texture.at(place.coords) as f32
    }
}

/// What is fixed about a lesion; the rest is chance.
struct Kind {
    name: &'static str,
    center: [f64; 3],
    /// How far its middle may lie from `center`.
    wander_mm: f64,
    radius_mm: (f64, f64),
    /// Longest to shortest axis at most.
    elongation: f64,
    hu: f32,
    core: Option<f32>,
    roughness: f64,
    edge_mm: f64,
    texture_hu: f32,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "liver metastasis",
        center: [-66.0, -8.0, -44.0],
        wander_mm: 8.0,
        radius_mm: (13.0, 18.0),
        elongation: 1.5,
        hu: 58.0,
        core: None,
        roughness: 0.18,
        edge_mm: 1.5,
        texture_hu: 8.0,
    },
    Kind {
        name: "faint liver metastasis",
        center: [-40.0, 12.0, -16.0],
        wander_mm: 3.0,
        radius_mm: (9.0, 11.0),
        elongation: 1.2,
        hu: 84.0,
        core: None,
        roughness: 0.12,
        edge_mm: 2.0,
        texture_hu: 5.0,
    },
    Kind {
        name: "lung nodule",
        center: [-64.0, 2.0, 84.0],
        wander_mm: 10.0,
        radius_mm: (7.0, 11.0),
        elongation: 1.3,
        hu: 40.0,
        core: None,
        roughness: 0.25,
        edge_mm: 1.2,
        texture_hu: 10.0,
    },
    Kind {
        name: "soft tissue tumour of the back",
        center: [44.0, 78.0, 14.0],
        wander_mm: 4.0,
        radius_mm: (15.0, 19.0),
        elongation: 1.7,
        hu: 88.0,
        core: Some(28.0),
        roughness: 0.15,
        edge_mm: 1.5,
        texture_hu: 9.0,
    },
    Kind {
        name: "lymph node",
        center: [27.0, 22.0, -84.0],
        wander_mm: 1.5,
        radius_mm: (8.0, 9.5),
        elongation: 1.3,
        hu: 95.0,
        core: None,
        roughness: 0.08,
        edge_mm: 1.0,
        texture_hu: 4.0,
    },
    Kind {
        name: "kidney cyst",
        center: [-68.0, 44.0, -78.0],
        wander_mm: 4.0,
        radius_mm: (9.0, 12.0),
        elongation: 1.15,
        hu: 6.0,
        core: None,
        roughness: 0.04,
        edge_mm: 0.9,
        texture_hu: 1.0,
    },
];

/// The lesions of a patient, by label from 1.
pub(super) fn lesions(build: f64, random: &mut SplitMix) -> Vec<Lesion> {
    KINDS.iter().map(|kind| lesion(kind, build, random)).collect()
}

fn lesion(kind: &Kind, build: f64, random: &mut SplitMix) -> Lesion {
    let wander = random_direction(random) * random.between(0.0, kind.wander_mm);
    let radius = random.between(kind.radius_mm.0, kind.radius_mm.1);
    // Stretching one axis and shrinking the others keeps the volume.
    let stretch = random.between(1.0, kind.elongation).cbrt();
    let turn = Rotation3::from_euler_angles(
        random.between(-3.1, 3.1),
        random.between(-1.5, 1.5),
        random.between(-3.1, 3.1),
    );
    Lesion {
        name: kind.name,
        shape: Shape::Bumpy {
            center: Point3::from(Vector3::from(kind.center) * build + wander),
            radii: Vector3::new(radius * stretch * stretch, radius / stretch, radius / stretch),
            turn,
            bumps: Waves::new(random, 4, 1.1, 2.6),
            roughness: kind.roughness,
        },
        edge_mm: kind.edge_mm,
        hu: kind.hu,
        core: kind.core,
        texture: Waves::new(random, 5, 4.0, 16.0),
        texture_hu: kind.texture_hu,
    }
}
