//! What is looked at: crosshair, framing, window.

use egui::{Rect, Vec2};
use hilum_core::geometry::{AnatomicalPlane, PatientDirection, WorldPoint};
use hilum_core::volume::Volume;
use nalgebra::{Rotation3, Unit, Vector3};

mod framing;
mod kept;
mod window;

use super::{Cine, Layout, Turn};
use framing::{Framing, Zoom, fit, fit_any_side};
pub use kept::KeptViews;
pub use window::{auto_window, first_window};

use crate::viewport::{ScreenAxes, SliceView, extent_along, slice_axis, slice_step_mm};

/// One of the views of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewId {
    /// A plane of the body.
    Plane(AnatomicalPlane),
    /// The only slice of a photograph or of another flat image.
    Flat,
    /// Surfaces of the labels, or the image as a volume, in three dimensions.
    Scene,
}

impl ViewId {
    /// The views of volumes.
    pub const PLANES: [Self; 3] = [
        Self::Plane(AnatomicalPlane::Axial),
        Self::Plane(AnatomicalPlane::Coronal),
        Self::Plane(AnatomicalPlane::Sagittal),
    ];

    /// Number for arrays of views.
    pub fn index(self) -> usize {
        match self {
            Self::Plane(AnatomicalPlane::Axial) | Self::Flat => 0,
            Self::Plane(AnatomicalPlane::Coronal) => 1,
            Self::Plane(AnatomicalPlane::Sagittal) => 2,
            Self::Scene => 3,
        }
    }

    /// The view of a volume with a number.
    pub fn from_index(index: usize) -> Option<Self> {
        let all = Self::PLANES.into_iter().chain([Self::Scene]);
        all.into_iter().find(|view| view.index() == index)
    }

    /// Name for people and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plane(plane) => plane.name(),
            Self::Flat => "Image",
            Self::Scene => "3-D",
        }
    }
}

/// Smallest and largest zoom relative to the voxel spacing.
const ZOOM_RANGE: (f64, f64) = (0.01, 40.0);
/// Above this cosine a view shows slices as they were acquired.
const ALIGNED: f64 = 0.9999;

/// The views of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Views {
    /// The point through which all planes run.
    pub crosshair: WorldPoint,
    /// The one view that is shown alone, if any.
    pub single: Option<ViewId>,
    /// The large view of layouts that have one.
    pub main: ViewId,
    /// View and position under the mouse.
    pub hover: Option<(ViewId, WorldPoint)>,
    /// The plane, or the flat image, that keys act on.
    pub active: ViewId,
    /// The view that was last under the mouse, which may be the 3-D view.
    pub under_hand: ViewId,
    /// Centre of the window.
    pub center: f32,
    /// Width of the window.
    pub width: f32,
    /// The film that is running.
    pub cine: Option<Cine>,
    /// Planes can be turned with the mouse.
    pub turning: bool,
    framing: [Framing; 4],
    turns: [Turn; 3],
    scene_axes: ScreenAxes,
    flat_axes: Option<ScreenAxes>,
}

impl Views {
    /// Everything fits, the crosshair is in the middle, the window suits the image.
    pub fn new(volume: &Volume) -> Self {
        let grid = volume.grid();
        let middle =
            grid.voxel_at_world(grid.center_world()).map_or(grid.center_world(), |v| grid.world_of(v));
        let framing = Framing { center: grid.center_world(), zoom: Zoom::Fit };
        let flat_axes = grid.is_flat().then(|| ScreenAxes::of_flat(volume));
        let (center, width) = first_window(volume);
        Self {
            crosshair: middle,
            single: None,
            main: ViewId::PLANES[0],
            hover: None,
            active: if flat_axes.is_some() { ViewId::Flat } else { ViewId::PLANES[0] },
            under_hand: if flat_axes.is_some() { ViewId::Flat } else { ViewId::PLANES[0] },
            center,
            width,
            cine: None,
            turning: false,
            framing: [framing; 4],
            turns: [Turn::default(); 3],
            scene_axes: ScreenAxes::of_plane(AnatomicalPlane::Coronal),
            flat_axes,
        }
    }

    /// The views that are shown in a layout.
    pub fn shown(&self, layout: Layout) -> Vec<ViewId> {
        match self.single {
            _ if self.is_flat() => vec![ViewId::Flat],
            Some(single) => vec![single],
            None => layout.views(self.main),
        }
    }

    /// Keys act on a view from now on, on slices as before if it is the 3-D view.
    pub fn take_in_hand(&mut self, view: ViewId) {
        self.under_hand = view;
        if view != ViewId::Scene {
            self.active = view;
        }
    }

    /// Keys act on the next plane; if one view is shown alone, that plane is shown.
    pub fn next_plane(&mut self) {
        let at = ViewId::PLANES.into_iter().position(|view| view == self.active);
        let next = ViewId::PLANES[at.map_or(0, |at| (at + 1) % ViewId::PLANES.len())];
        self.take_in_hand(next);
        if self.single.is_some() {
            self.single = Some(next);
        }
    }

    /// Whether the image has one slice and one view.
    pub fn is_flat(&self) -> bool {
        self.flat_axes.is_some()
    }

    /// How a view is turned.
    pub fn axes(&self, view: ViewId) -> ScreenAxes {
        match (view, self.flat_axes) {
            (_, Some(axes)) => axes,
            (ViewId::Plane(plane), None) => self.turns[view.index()].apply(ScreenAxes::of_plane(plane)),
            (ViewId::Scene, None) => self.scene_axes,
            (ViewId::Flat, None) => ScreenAxes::of_plane(AnatomicalPlane::Axial),
        }
    }

    /// What a view shows in a rectangle.
    pub fn slice_view(&self, volume: &Volume, view: ViewId, rect: Rect) -> SliceView {
        let axes = self.axes(view);
        let framing = self.framing[view.index()];
        let depth = (self.crosshair - framing.center).dot(&axes.into);
        SliceView {
            rect,
            center: framing.center + axes.into * depth,
            axes,
            mm_per_point: match framing.zoom {
                Zoom::Fit if view == ViewId::Scene => fit_any_side(volume, rect.size()),
                Zoom::Fit => fit(volume, &axes, rect.size()),
                Zoom::Square(side_mm) => side_mm / f64::from(rect.size().min_elem().max(1.0)),
                Zoom::MmPerPoint(mm) => mm,
            },
        }
    }

    /// The place in the middle of the 3-D view.
    pub fn scene_center(&self) -> WorldPoint {
        self.framing[ViewId::Scene.index()].center
    }

    /// Moves the image of a view with the mouse, by points.
    pub fn pan(&mut self, volume: &Volume, view: ViewId, delta: Vec2, size: Vec2) {
        let shown = self.slice_view(volume, view, Rect::from_min_size(egui::Pos2::ZERO, size));
        let framing = &mut self.framing[view.index()];
        framing.zoom = Zoom::MmPerPoint(shown.mm_per_point);
        framing.center -= shown.world_from_screen_delta(delta);
    }

    /// Zooms a view; the world under `offset` (points from the middle) stays there.
    pub fn zoom(&mut self, volume: &Volume, view: ViewId, factor: f32, offset: Vec2, size: Vec2) {
        let shown = self.slice_view(volume, view, Rect::from_min_size(egui::Pos2::ZERO, size));
        let finest = volume.grid().spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        let target = (shown.mm_per_point / f64::from(factor.clamp(0.1, 10.0)))
            .clamp(finest * ZOOM_RANGE.0, finest * ZOOM_RANGE.1);
        let zoomed = SliceView { mm_per_point: target, ..shown };
        let shift = shown.world_from_screen_delta(offset) - zoomed.world_from_screen_delta(offset);
        let framing = &mut self.framing[view.index()];
        framing.zoom = Zoom::MmPerPoint(target);
        framing.center += shift;
    }

    /// Shows a square of a side in mm around a place in a view.
    pub fn look_at(&mut self, view: ViewId, center: WorldPoint, side_mm: f64) {
        self.framing[view.index()] = Framing { center, zoom: Zoom::Square(side_mm.max(1e-6)) };
    }

    /// Fits the image to all views again; planes stay turned.
    pub fn reset(&mut self, volume: &Volume) {
        self.framing = [Framing { center: volume.grid().center_world(), zoom: Zoom::Fit }; 4];
        self.scene_axes = ScreenAxes::of_plane(AnatomicalPlane::Coronal);
    }

    /// How a plane is turned out of its anatomical position.
    pub fn turn(&self, view: ViewId) -> Turn {
        self.turns.get(view.index()).copied().filter(|_| !self.is_flat()).unwrap_or_default()
    }

    /// Turns a plane about the crosshair.
    pub fn set_turn(&mut self, view: ViewId, turn: Turn) {
        if let ViewId::Plane(_) = view {
            self.turns[view.index()] = turn;
        }
    }

    /// Turns a plane further, by radians about an axis of the world through the crosshair.
    pub fn turn_plane(&mut self, view: ViewId, axis_world: Vector3<f64>, angle_rad: f64) {
        if let ViewId::Plane(plane) = view {
            let axes = ScreenAxes::of_plane(plane);
            self.turns[view.index()] = self.turns[view.index()].turned(&axes, axis_world, angle_rad);
        }
    }

    /// All planes back in their anatomical positions.
    pub fn reset_turns(&mut self) {
        self.turns = [Turn::default(); 3];
    }

    /// Whether any plane is turned.
    pub fn is_turned(&self) -> bool {
        self.turns.iter().any(|turn| !turn.is_none())
    }

    /// Turns what the 3-D view shows with the mouse: its front follows a movement in points.
    pub fn orbit(&mut self, delta: Vec2) {
        const RADIANS_PER_POINT: f64 = 0.008;
        let ScreenAxes { right, down, .. } = self.scene_axes;
        let angle = |points: f32| f64::from(points) * RADIANS_PER_POINT;
        let about = |axis, angle| Rotation3::from_axis_angle(&Unit::new_normalize(axis), angle);
        let turn = about(down, angle(delta.x)) * about(right, angle(-delta.y));
        let right = (turn * right).normalize();
        let into = (turn * self.scene_axes.into).normalize();
        // Rounding must not shear the view after thousands of movements.
        let down = into.cross(&right).normalize();
        self.scene_axes = ScreenAxes { right, down, into: right.cross(&down) };
    }

    /// Sees the 3-D view from a side of the body.
    pub fn look_from(&mut self, side: PatientDirection) {
        self.scene_axes = ScreenAxes::from_side(side);
    }

    /// Moves the crosshair in the plane of a view by voxels to the right and down, to the middle of a voxel where the
    /// plane runs along the voxels.
    pub fn step_crosshair(&mut self, volume: &Volume, view: ViewId, right: f64, down: f64) {
        let axes = self.axes(view);
        let grid = volume.grid();
        let step = |direction: Vector3<f64>, count: f64| direction * count * slice_step_mm(grid, direction);
        self.set_crosshair(volume, self.crosshair + step(axes.right, right) + step(axes.down, down));
    }

    /// Moves the crosshair to the voxel at a world position; positions outside are pulled to the border.
    pub fn set_crosshair(&mut self, volume: &Volume, world: WorldPoint) {
        let grid = volume.grid();
        let mut voxel = grid.affine().voxel_from_world(world);
        for axis in 0..3 {
            voxel[axis] = voxel[axis].round().clamp(0.0, (grid.dims()[axis] - 1) as f64);
        }
        self.crosshair = grid.affine().world_from_voxel(voxel);
    }

    /// Where the next slice of a view lies: from head to feet, from front to back, from right to left, which is
    /// the way in which the wheel turns in PACS viewers and in 3D Slicer.
    pub fn forward(&self, view: ViewId) -> Vector3<f64> {
        let into = self.axes(view).into;
        match view {
            ViewId::Plane(AnatomicalPlane::Axial | AnatomicalPlane::Sagittal) => -into,
            ViewId::Plane(AnatomicalPlane::Coronal) | ViewId::Flat | ViewId::Scene => into,
        }
    }

    /// Moves the plane of a view by slices.
    pub fn scroll(&mut self, volume: &Volume, view: ViewId, slices: f64) {
        let (grid, into) = (volume.grid(), self.forward(view));
        let step = slice_step_mm(grid, into);
        let (low, high) = extent_along(grid, into);
        let here = self.crosshair.coords.dot(&into);
        let there = (here + slices * step).clamp(low + step / 2.0, (high - step / 2.0).max(low + step / 2.0));
        let moved = self.crosshair + into * (there - here);
        if grid.affine().direction(slice_axis(grid, into)).dot(&into).abs() > ALIGNED {
            self.set_crosshair(volume, moved);
        } else {
            self.crosshair = moved;
        }
    }

    /// Number of the slice of a view, from 1, and how many there are, along the voxel axis that the view
    /// follows best.
    pub fn slice_number(&self, volume: &Volume, view: ViewId) -> (usize, usize) {
        let axis = slice_axis(volume.grid(), self.axes(view).into);
        let count = volume.grid().dims()[axis];
        let at = volume.grid().affine().voxel_from_world(self.crosshair)[axis].round();
        // Slices count along the file's axis, as in the DICOM series or the NIfTI file.
        (at.clamp(0.0, (count - 1) as f64) as usize + 1, count)
    }

    /// Value shown black and value shown white.
    pub fn window(&self) -> (f32, f32) {
        (self.center - self.width / 2.0, self.center + self.width / 2.0)
    }
}

#[cfg(test)]
mod tests;
