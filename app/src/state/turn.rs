//! Planes turned about the crosshair.

use nalgebra::{Matrix3, Rotation3, Unit, Vector3};

use crate::viewport::ScreenAxes;

/// Turns smaller than this many radians are none.
const STILL: f64 = 1e-6;

/// How a plane is turned out of its anatomical position, in the plane's own axes: right, down, into the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn(Rotation3<f64>);

impl Default for Turn {
    fn default() -> Self {
        Self(Rotation3::identity())
    }
}

fn basis(axes: &ScreenAxes) -> Matrix3<f64> {
    Matrix3::from_columns(&[axes.right, axes.down, axes.into])
}

impl Turn {
    /// The turn by angles in degrees about the plane's right, down and into axis, one after the other.
    pub fn from_degrees([right, down, into]: [f64; 3]) -> Self {
        let within = |angle: f64| if angle.is_finite() { angle.to_radians() } else { 0.0 };
        Self(Rotation3::from_euler_angles(within(right), within(down), within(into)))
    }

    /// The angles of [`Turn::from_degrees`].
    pub fn degrees(&self) -> [f64; 3] {
        let (right, down, into) = self.0.euler_angles();
        [right, down, into].map(f64::to_degrees)
    }

    /// Whether the plane is turned at all.
    pub fn is_none(&self) -> bool {
        self.0.angle() < STILL
    }

    /// Whether the plane cuts the body in another direction than the anatomical plane.
    pub fn is_oblique(&self) -> bool {
        (self.0 * Vector3::z()).angle(&Vector3::z()) > STILL
    }

    /// The axes of the turned plane.
    pub fn apply(&self, axes: ScreenAxes) -> ScreenAxes {
        let turned = basis(&axes) * self.0.matrix();
        let column = |i: usize| turned.column(i).into_owned();
        ScreenAxes { right: column(0), down: column(1), into: column(2) }
    }

    /// Turned further by radians about an axis of the world.
    pub fn turned(&self, axes: &ScreenAxes, axis_world: Vector3<f64>, angle_rad: f64) -> Self {
        let Some(axis) = Unit::try_new(basis(axes).transpose() * axis_world, 1e-9) else { return *self };
        let mut turned = Rotation3::from_axis_angle(&axis, angle_rad) * self.0;
        turned.renormalize();
        Self(turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::geometry::AnatomicalPlane;

    #[test]
    fn angles_survive_a_round_trip_and_axes_stay_right_handed_or_left_handed() {
        for plane in AnatomicalPlane::ALL {
            let axes = ScreenAxes::of_plane(plane);
            let turn = Turn::from_degrees([20.0, -35.0, 10.0]);
            for (found, wanted) in turn.degrees().into_iter().zip([20.0, -35.0, 10.0]) {
                assert!((found - wanted).abs() < 1e-9);
            }
            let turned = turn.apply(axes);
            assert!((turned.right.cross(&turned.down) - turned.into).norm() < 1e-9);
            assert!(turn.is_oblique() && !turn.is_none());
        }
    }

    #[test]
    fn a_turn_about_a_world_axis_and_back_is_none() {
        let axes = ScreenAxes::of_plane(AnatomicalPlane::Sagittal);
        let axis = Vector3::new(0.2, 0.9, -0.3);
        let there = Turn::default().turned(&axes, axis, 0.7);
        let expected = Rotation3::from_axis_angle(&Unit::new_normalize(axis), 0.7) * axes.into;
        assert!((there.apply(axes).into - expected).norm() < 1e-9);
        assert!(there.turned(&axes, axis, -0.7).is_none());
        assert!(
            !Turn::from_degrees([0.0, 0.0, 30.0]).is_oblique(),
            "a turn within the plane shows the same slice"
        );
        assert!(Turn::from_degrees([f64::NAN, 0.0, 0.0]).is_none());
    }
}
