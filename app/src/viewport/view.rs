//! Where a slice lies in the patient and on the screen: the one definition that the GPU, the CPU, the mouse
//! and the overlay all use.

use egui::{Pos2, Rect, Vec2};
use hilum_core::geometry::{Affine, AnatomicalPlane, Grid, Orientation, PatientDirection, WorldPoint};
use hilum_core::volume::{Modality, Volume};
use nalgebra::{Point3, Vector3};

/// World directions of a view's screen axes, unit vectors at right angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenAxes {
    /// Towards the right edge of the screen.
    pub right: Vector3<f64>,
    /// Towards the bottom edge.
    pub down: Vector3<f64>,
    /// Away from the viewer.
    pub into: Vector3<f64>,
}

impl ScreenAxes {
    /// The radiological convention of an anatomical plane.
    pub fn of_plane(plane: AnatomicalPlane) -> Self {
        let (right, down, into) = plane.screen_axes();
        Self { right, down, into }
    }

    /// How a body is seen from one of its sides, head up; from above or below with its front up.
    pub fn from_side(side: PatientDirection) -> Self {
        let (x, y, z) = (Vector3::x(), Vector3::y(), Vector3::z());
        let (right, down) = match side {
            PatientDirection::Anterior => (x, -z),
            PatientDirection::Posterior => (-x, -z),
            PatientDirection::Left => (y, -z),
            PatientDirection::Right => (-y, -z),
            PatientDirection::Superior => (-x, y),
            PatientDirection::Inferior => (x, y),
        };
        Self { right, down, into: right.cross(&down) }
    }

    /// The axes in which an image of one slice is seen: photographs as they were taken, other flat images
    /// turned so that the directions of the body follow the convention of the nearest anatomical plane.
    pub fn of_flat(volume: &Volume) -> Self {
        let affine = volume.grid().affine();
        let (x, y) = (affine.direction(0), affine.direction(1));
        // A sheared grid still needs a rectangular screen.
        let y = (y - x * x.dot(&y)).normalize();
        if volume.meta().modality == Modality::Photograph || !volume.meta().has_physical_spacing {
            return Self { right: x, down: y, into: x.cross(&y) };
        }
        let wanted = Self::of_plane(plane_of_flat(volume.grid()));
        let x_is_right = x.dot(&wanted.right).abs() >= y.dot(&wanted.right).abs();
        let (along_right, along_down) = if x_is_right { (x, y) } else { (y, x) };
        let facing =
            |axis: Vector3<f64>, goal: Vector3<f64>| if axis.dot(&goal) < 0.0 { -axis } else { axis };
        let (right, down) = (facing(along_right, wanted.right), facing(along_down, wanted.down));
        Self { right, down, into: right.cross(&down) }
    }
}

/// The anatomical plane that an image of one slice shows best.
pub fn plane_of_flat(grid: &Grid) -> AnatomicalPlane {
    let normal_axis = Orientation::from_affine(grid.affine()).world_axis[2];
    AnatomicalPlane::ALL
        .into_iter()
        .find(|plane| plane.normal_axis() == normal_axis)
        .unwrap_or(AnatomicalPlane::Axial)
}

/// A rectangle of the screen that shows a plane of the world in true geometry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceView {
    /// Where on the screen, in points.
    pub rect: Rect,
    /// World position shown in the middle of `rect`; it lies in the plane.
    pub center: WorldPoint,
    /// How the plane is turned.
    pub axes: ScreenAxes,
    /// Millimetres per screen point.
    pub mm_per_point: f64,
}

/// The affine map from pixels of a target (the window, or an image) to continuous voxel coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelFromPixel {
    /// Voxel coordinate at the corner (0, 0) of the target; the centre of its first pixel lies at (0.5, 0.5).
    pub origin: Point3<f64>,
    /// Voxel displacement of one pixel to the right.
    pub right: Vector3<f64>,
    /// Voxel displacement of one pixel down.
    pub down: Vector3<f64>,
}

impl VoxelFromPixel {
    /// Voxel coordinate at a continuous pixel position.
    pub fn at(&self, x: f64, y: f64) -> Point3<f64> {
        self.origin + self.right * x + self.down * y
    }
}

impl SliceView {
    /// The world position under a screen position.
    pub fn world_from_screen(&self, pos: Pos2) -> WorldPoint {
        let offset = (pos - self.rect.center()) * 1.0;
        self.center + self.world_from_screen_delta(offset)
    }

    /// The world displacement of a screen displacement.
    pub fn world_from_screen_delta(&self, delta: Vec2) -> Vector3<f64> {
        (self.axes.right * f64::from(delta.x) + self.axes.down * f64::from(delta.y)) * self.mm_per_point
    }

    /// The screen position of a world position, projected onto the plane.
    pub fn screen_from_world(&self, world: WorldPoint) -> Pos2 {
        let offset = (world - self.center) / self.mm_per_point;
        let (x, y) = (offset.dot(&self.axes.right), offset.dot(&self.axes.down));
        self.rect.center() + Vec2::new(x as f32, y as f32)
    }

    /// Signed distance of a world position behind the plane.
    pub fn depth_mm(&self, world: WorldPoint) -> f64 {
        (world - self.center).dot(&self.axes.into)
    }

    /// The map from physical pixels of a target, whose first pixel lies at `target_origin` of the screen, to
    /// the voxels of a grid.
    pub fn voxel_from_pixel(
        &self,
        affine: &Affine,
        target_origin: Pos2,
        pixels_per_point: f32,
    ) -> VoxelFromPixel {
        let mm_per_pixel = self.mm_per_point / f64::from(pixels_per_point);
        VoxelFromPixel {
            origin: affine.voxel_from_world(self.world_from_screen(target_origin)),
            right: affine.voxel_vector(self.axes.right * mm_per_pixel),
            down: affine.voxel_vector(self.axes.down * mm_per_pixel),
        }
    }
}

/// Millimetres between neighbouring slices of a grid along a world direction: the spacing of the voxel axis
/// that follows it best.
pub fn slice_step_mm(grid: &Grid, into: Vector3<f64>) -> f64 {
    grid.spacing_mm()[slice_axis(grid, into)]
}

/// The voxel axis that follows a world direction best.
pub fn slice_axis(grid: &Grid, into: Vector3<f64>) -> usize {
    let cosine = |axis: usize| grid.affine().direction(axis).dot(&into).abs();
    (0..3).max_by(|a, b| cosine(*a).total_cmp(&cosine(*b))).unwrap_or(2)
}

/// The largest and smallest coordinate that the corners of a grid's voxels reach along a world direction.
pub fn extent_along(grid: &Grid, direction: Vector3<f64>) -> (f64, f64) {
    let dims = grid.dims();
    let reach = (0..8u32).map(|corner| {
        let voxel = [0, 1, 2].map(|a| if corner >> a & 1 == 1 { dims[a] as f64 - 0.5 } else { -0.5 });
        grid.affine().world_from_voxel(Point3::from(voxel)).coords.dot(&direction)
    });
    reach.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::oblique_volume;

    fn view() -> SliceView {
        SliceView {
            rect: Rect::from_min_size(Pos2::new(17.0, 40.0), Vec2::new(301.0, 211.0)),
            center: Point3::new(3.0, -4.0, 12.0),
            axes: ScreenAxes::of_plane(AnatomicalPlane::Coronal),
            mm_per_point: 0.37,
        }
    }

    #[test]
    fn screen_and_world_are_inverse_in_the_plane() {
        for pos in [Pos2::new(17.0, 40.0), Pos2::new(200.5, 99.0), Pos2::new(318.0, 251.0)] {
            let world = view().world_from_screen(pos);
            assert!((view().screen_from_world(world) - pos).length() < 1e-3);
            assert!(view().depth_mm(world).abs() < 1e-9);
        }
    }

    #[test]
    fn one_point_is_as_many_millimetres_as_the_zoom_says_on_an_oblique_grid() {
        let a = view().world_from_screen(Pos2::new(100.0, 100.0));
        let b = view().world_from_screen(Pos2::new(101.0, 100.0));
        assert!(((b - a).norm() - 0.37).abs() < 1e-9);
    }

    #[test]
    fn pixels_and_points_lead_to_the_same_voxel() {
        let volume = oblique_volume();
        let affine = volume.grid().affine();
        let map = view().voxel_from_pixel(affine, Pos2::ZERO, 1.5);
        for pos in [Pos2::new(20.0, 44.0), Pos2::new(250.0, 180.0)] {
            let from_world = affine.voxel_from_world(view().world_from_screen(pos));
            let from_pixel = map.at(f64::from(pos.x) * 1.5, f64::from(pos.y) * 1.5);
            assert!((from_world - from_pixel).norm() < 1e-3);
        }
    }

    #[test]
    fn the_middle_of_the_grid_lies_between_its_extents() {
        let volume = oblique_volume();
        for direction in [Vector3::x(), Vector3::y(), Vector3::z()] {
            let (low, high) = extent_along(volume.grid(), direction);
            let middle = volume.grid().center_world().coords.dot(&direction);
            assert!(low < middle && middle < high);
            assert!(((low + high) / 2.0 - middle).abs() < 1e-6);
        }
    }
}
