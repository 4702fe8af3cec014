//! Invertible affine maps between voxel indices and patient space.

use nalgebra::{Matrix3, Matrix4, Point3, Vector3};
use serde::{Deserialize, Serialize};

/// Below this ratio of volume to the product of column lengths the columns are taken as coplanar.
const MIN_RELATIVE_DETERMINANT: f64 = 1e-6;

/// Why a matrix cannot serve as a voxel-to-world map.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AffineError {
    /// A coefficient is NaN or infinite.
    #[error(
        "the voxel-to-world matrix has a coefficient that is not a number; repair the header of the file"
    )]
    NotFinite,
    /// The three axes lie in a plane, or one has no length.
    #[error(
        "the voxel-to-world matrix is singular (column lengths {lengths_mm:?} mm); repair the header of the file"
    )]
    Singular {
        /// Lengths of the three columns in millimetres.
        lengths_mm: [f64; 3],
    },
}

/// `world = linear · voxel + origin`, in LPS millimetres; always invertible.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[[f64; 4]; 3]", into = "[[f64; 4]; 3]")]
pub struct Affine {
    linear: Matrix3<f64>,
    origin: Vector3<f64>,
    inverse: Matrix3<f64>,
}

impl Affine {
    /// The map with these columns (mm per voxel step along x, y, z) and this position of voxel (0, 0, 0).
    ///
    /// # Errors
    /// [`AffineError`] if a coefficient is not finite or the columns do not span space.
    pub fn new(linear: Matrix3<f64>, origin: Vector3<f64>) -> Result<Self, AffineError> {
        if !linear.iter().chain(origin.iter()).all(|v| v.is_finite()) {
            return Err(AffineError::NotFinite);
        }
        let lengths = [0, 1, 2].map(|axis| linear.column(axis).norm());
        let singular = AffineError::Singular { lengths_mm: lengths };
        let scale: f64 = lengths.iter().product();
        if !scale.is_normal() || (linear.determinant() / scale).abs() < MIN_RELATIVE_DETERMINANT {
            return Err(singular);
        }
        let inverse = linear.try_inverse().ok_or(singular)?;
        Ok(Self { linear, origin, inverse })
    }

    /// Axis-aligned map: voxel x runs to the patient's left, y posterior, z superior.
    ///
    /// # Errors
    /// [`AffineError`] if a spacing is zero or not finite.
    pub fn from_spacing(spacing_mm: [f64; 3]) -> Result<Self, AffineError> {
        Self::new(Matrix3::from_diagonal(&Vector3::from(spacing_mm)), Vector3::zeros())
    }

    /// The first three rows of a homogeneous matrix.
    ///
    /// # Errors
    /// As [`Affine::new`].
    pub fn from_rows(rows: [[f64; 4]; 3]) -> Result<Self, AffineError> {
        let linear = Matrix3::from_fn(|r, c| rows[r][c]);
        Self::new(linear, Vector3::from_fn(|r, _| rows[r][3]))
    }

    /// The first three rows of the homogeneous matrix.
    pub fn rows(&self) -> [[f64; 4]; 3] {
        [0, 1, 2].map(|r| [self.linear[(r, 0)], self.linear[(r, 1)], self.linear[(r, 2)], self.origin[r]])
    }

    /// The homogeneous 4×4 matrix.
    pub fn to_homogeneous(&self) -> Matrix4<f64> {
        let mut m = self.linear.to_homogeneous();
        m.fixed_view_mut::<3, 1>(0, 3).copy_from(&self.origin);
        m
    }

    /// Millimetres per voxel step, one column an axis.
    pub fn linear(&self) -> &Matrix3<f64> {
        &self.linear
    }

    /// World position of the centre of voxel (0, 0, 0).
    pub fn origin(&self) -> Point3<f64> {
        Point3::from(self.origin)
    }

    /// Distance in mm between neighbouring voxel centres along x, y and z.
    pub fn spacing_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.linear.column(axis).norm())
    }

    /// Unit vector of a voxel axis (0 = x, 1 = y, 2 = z) in world space.
    pub fn direction(&self, axis: usize) -> Vector3<f64> {
        self.linear.column(axis).normalize()
    }

    /// World position of a continuous voxel coordinate.
    pub fn world_from_voxel(&self, voxel: Point3<f64>) -> Point3<f64> {
        Point3::from(self.linear * voxel.coords + self.origin)
    }

    /// Continuous voxel coordinate of a world position.
    pub fn voxel_from_world(&self, world: Point3<f64>) -> Point3<f64> {
        Point3::from(self.inverse * (world.coords - self.origin))
    }

    /// World displacement of a voxel displacement.
    pub fn world_vector(&self, voxel: Vector3<f64>) -> Vector3<f64> {
        self.linear * voxel
    }

    /// Voxel displacement of a world displacement.
    pub fn voxel_vector(&self, world: Vector3<f64>) -> Vector3<f64> {
        self.inverse * world
    }

    /// Volume of one voxel in mm³.
    pub fn voxel_volume_mm3(&self) -> f64 {
        self.linear.determinant().abs()
    }

    /// The same map with voxel (0, 0, 0) moved to `offset` of the old grid.
    pub fn shifted(&self, offset: Vector3<f64>) -> Self {
        Self { origin: self.origin + self.linear * offset, ..*self }
    }

    /// Whether two maps send the corners of a grid of `dims` voxels to the same places within `tolerance_mm`.
    pub fn agrees_with(&self, other: &Self, dims: [usize; 3], tolerance_mm: f64) -> bool {
        (0..8).all(|corner| {
            let at = Point3::from(
                [0, 1, 2].map(|a| if corner >> a & 1 == 1 { dims[a].saturating_sub(1) as f64 } else { 0.0 }),
            );
            (self.world_from_voxel(at) - other.world_from_voxel(at)).norm() <= tolerance_mm
        })
    }
}

impl TryFrom<[[f64; 4]; 3]> for Affine {
    type Error = AffineError;
    fn try_from(rows: [[f64; 4]; 3]) -> Result<Self, AffineError> {
        Self::from_rows(rows)
    }
}

impl From<Affine> for [[f64; 4]; 3] {
    fn from(affine: Affine) -> Self {
        affine.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn oblique() -> Affine {
        let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
        let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, -3.3));
        Affine::new(linear, Vector3::new(-120.0, 33.5, 900.25)).unwrap()
    }

    #[test]
    fn singular_and_non_finite_matrices_are_refused() {
        assert!(matches!(Affine::from_spacing([1.0, 0.0, 1.0]), Err(AffineError::Singular { .. })));
        assert_eq!(Affine::from_spacing([1.0, f64::NAN, 1.0]), Err(AffineError::NotFinite));
        let flat = Matrix3::new(1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0);
        assert!(matches!(Affine::new(flat, Vector3::zeros()), Err(AffineError::Singular { .. })));
    }

    #[test]
    fn spacing_and_volume_survive_rotation() {
        let spacing = oblique().spacing_mm();
        for (got, want) in spacing.iter().zip([0.7, 0.9, 3.3]) {
            assert!((got - want).abs() < 1e-12);
        }
        assert!((oblique().voxel_volume_mm3() - 0.7 * 0.9 * 3.3).abs() < 1e-9);
    }

    #[test]
    fn json_round_trip_keeps_every_corner_in_place() {
        // serde_json reads a number to within one unit in the last place.
        let text = serde_json::to_string(&oblique()).unwrap();
        let back = serde_json::from_str::<Affine>(&text).unwrap();
        assert!(back.agrees_with(&oblique(), [512, 512, 300], 1e-9));
    }

    proptest! {
        #[test]
        fn voxel_from_world_inverts_world_from_voxel(x in -500.0..500.0, y in -500.0..500.0, z in -500.0..500.0) {
            let p = Point3::new(x, y, z);
            let back = oblique().voxel_from_world(oblique().world_from_voxel(p));
            prop_assert!((back - p).norm() < 1e-9);
        }
    }
}
