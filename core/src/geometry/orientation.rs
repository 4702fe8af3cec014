//! Which way voxel axes run through the patient.

use nalgebra::{Matrix3, Vector3};
use serde::{Deserialize, Serialize};

use super::Affine;

/// A direction in the patient, along a signed world axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PatientDirection {
    /// Towards the patient's left (+x in LPS).
    Left,
    /// Towards the patient's right.
    Right,
    /// Towards the patient's back (+y in LPS).
    Posterior,
    /// Towards the patient's front.
    Anterior,
    /// Towards the patient's head (+z in LPS).
    Superior,
    /// Towards the patient's feet.
    Inferior,
}

impl PatientDirection {
    /// The direction along a world axis (0 = x, 1 = y, 2 = z of LPS).
    pub fn from_axis(axis: usize, positive: bool) -> Self {
        match (axis, positive) {
            (0, true) => Self::Left,
            (0, false) => Self::Right,
            (1, true) => Self::Posterior,
            (1, false) => Self::Anterior,
            (_, true) => Self::Superior,
            (_, false) => Self::Inferior,
        }
    }

    /// The direction a world vector follows best.
    pub fn nearest(vector: Vector3<f64>) -> Self {
        let axis = vector.iamax();
        Self::from_axis(axis, vector[axis] >= 0.0)
    }

    /// The letter shown at the edge of an image.
    pub fn letter(self) -> char {
        match self {
            Self::Left => 'L',
            Self::Right => 'R',
            Self::Posterior => 'P',
            Self::Anterior => 'A',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }

    /// The opposite direction.
    pub fn opposite(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Posterior => Self::Anterior,
            Self::Anterior => Self::Posterior,
            Self::Superior => Self::Inferior,
            Self::Inferior => Self::Superior,
        }
    }
}

/// The three planes every radiologist reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnatomicalPlane {
    /// Across the body, seen from the feet: right of the screen is the patient's left, up is anterior.
    Axial,
    /// From ear to ear, seen from the front: up is superior.
    Coronal,
    /// From front to back, seen from the left: left of the screen is anterior, up is superior.
    Sagittal,
}

impl AnatomicalPlane {
    /// All planes in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// World vectors `(right, down, into)` of the screen in the radiological convention, unit length, LPS.
    pub fn screen_axes(self) -> (Vector3<f64>, Vector3<f64>, Vector3<f64>) {
        match self {
            Self::Axial => (Vector3::x(), Vector3::y(), Vector3::z()),
            Self::Coronal => (Vector3::x(), -Vector3::z(), Vector3::y()),
            Self::Sagittal => (Vector3::y(), -Vector3::z(), -Vector3::x()),
        }
    }

    /// World axis (0 = x, 1 = y, 2 = z) perpendicular to the plane.
    pub fn normal_axis(self) -> usize {
        match self {
            Self::Axial => 2,
            Self::Coronal => 1,
            Self::Sagittal => 0,
        }
    }

    /// Name as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Coronal => "Coronal",
            Self::Sagittal => "Sagittal",
        }
    }
}

/// The patient directions that voxel axes x, y, z follow best, each world axis used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orientation {
    /// World axis (0 = x, 1 = y, 2 = z of LPS) of each voxel axis; a permutation.
    pub world_axis: [usize; 3],
    /// Whether each voxel axis runs along the positive world axis.
    pub positive: [bool; 3],
}

impl Orientation {
    /// The best one-to-one matching of voxel axes with world axes: largest product of |cosines|.
    pub fn from_affine(affine: &Affine) -> Self {
        const PERMUTATIONS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let cosines = Matrix3::from_columns(&[0, 1, 2].map(|axis| affine.direction(axis)));
        let score = |p: &[usize; 3]| (0..3).map(|axis| cosines[(p[axis], axis)].abs()).sum::<f64>();
        let mut world_axis = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            // Strictly better by more than noise, so that a tie keeps the file's own order.
            if score(candidate) > score(&world_axis) + 1e-9 {
                world_axis = *candidate;
            }
        }
        let positive = [0, 1, 2].map(|axis| cosines[(world_axis[axis], axis)] >= 0.0);
        Self { world_axis, positive }
    }

    /// The voxel axis that follows a world axis best.
    pub fn voxel_axis(&self, world_axis: usize) -> usize {
        self.world_axis.iter().position(|w| *w == world_axis).unwrap_or(world_axis)
    }

    /// Three letters naming where the voxel axes lead, such as `LPS` or `RAS`.
    pub fn code(&self) -> String {
        (0..3)
            .map(|axis| PatientDirection::from_axis(self.world_axis[axis], self.positive[axis]).letter())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_where_the_axes_lead() {
        let lps = Affine::from_spacing([1.0, 2.0, 3.0]).unwrap();
        assert_eq!(Orientation::from_affine(&lps).code(), "LPS");
        let swapped = Matrix3::new(0.0, 0.0, -2.0, 1.0, 0.0, 0.0, 0.0, -3.0, 0.0);
        let affine = Affine::new(swapped, Vector3::zeros()).unwrap();
        let orientation = Orientation::from_affine(&affine);
        assert_eq!(orientation.code(), "PIR");
        assert_eq!(orientation.voxel_axis(0), 2);
    }

    #[test]
    fn oblique_volumes_keep_a_permutation() {
        for step in 0..64 {
            let angle = f64::from(step) * 0.1;
            let rotation = nalgebra::Rotation3::from_euler_angles(angle, 0.5 * angle, -0.3 * angle);
            let affine = Affine::new(rotation.into_inner(), Vector3::zeros()).unwrap();
            let mut axes = Orientation::from_affine(&affine).world_axis;
            axes.sort_unstable();
            assert_eq!(axes, [0, 1, 2]);
        }
    }

    #[test]
    fn screen_axes_are_the_radiological_convention() {
        let (right, down, _) = AnatomicalPlane::Axial.screen_axes();
        assert_eq!(PatientDirection::nearest(right), PatientDirection::Left);
        assert_eq!(PatientDirection::nearest(-down), PatientDirection::Anterior);
        let (right, down, _) = AnatomicalPlane::Sagittal.screen_axes();
        assert_eq!(PatientDirection::nearest(-right), PatientDirection::Anterior);
        assert_eq!(PatientDirection::nearest(-down), PatientDirection::Superior);
    }
}
