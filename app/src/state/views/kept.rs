//! The views as a project keeps them.

use hilum_core::geometry::WorldPoint;
use hilum_core::volume::Volume;
use nalgebra::{Point3, Vector3};
use serde::{Deserialize, Serialize};

use super::framing::{Framing, Zoom};
use super::{Turn, ViewId, Views};
use crate::viewport::ScreenAxes;

/// What of the views belongs to a case: place, window, framing, turned planes. Whatever is missing or makes no sense
/// stays as it is in a new image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptViews {
    crosshair_mm: Option<[f64; 3]>,
    window_center: Option<f32>,
    window_width: Option<f32>,
    /// Number of the view that is shown alone.
    single: Option<usize>,
    /// Number of the large view.
    main: Option<usize>,
    /// One for each view.
    framing: Vec<KeptFraming>,
    /// One for each plane, about its axes to the right, down and into the screen.
    turns_degrees: Vec<[f64; 3]>,
    /// To the right and down in the 3-D view.
    scene_axes: Option<[[f64; 3]; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct KeptFraming {
    center_mm: [f64; 3],
    zoom: Zoom,
}

impl Views {
    /// What is kept.
    pub fn kept(&self) -> KeptViews {
        let ScreenAxes { right, down, .. } = self.scene_axes;
        KeptViews {
            crosshair_mm: Some(self.crosshair.coords.into()),
            window_center: Some(self.center),
            window_width: Some(self.width),
            single: self.single.map(ViewId::index),
            main: Some(self.main.index()),
            framing: self
                .framing
                .iter()
                .map(|framing| KeptFraming { center_mm: framing.center.coords.into(), zoom: framing.zoom })
                .collect(),
            turns_degrees: self.turns.iter().map(Turn::degrees).collect(),
            scene_axes: Some([right.into(), down.into()]),
        }
    }

    /// Shows what was kept, as far as it makes sense for the image.
    pub fn show_kept(&mut self, volume: &Volume, kept: &KeptViews) {
        if let (Some(center), Some(width)) = (kept.window_center, kept.window_width)
            && center.is_finite()
            && width.is_finite()
            && width > 0.0
        {
            (self.center, self.width) = (center, width);
        }
        for (framing, kept) in self.framing.iter_mut().zip(&kept.framing) {
            *framing = kept.framing().unwrap_or(*framing);
        }
        if self.is_flat() {
            return;
        }
        for (turn, degrees) in self.turns.iter_mut().zip(&kept.turns_degrees) {
            *turn = Turn::from_degrees(*degrees);
        }
        if let Some(axes) = kept.scene_axes.and_then(|[right, down]| scene_axes(right.into(), down.into())) {
            self.scene_axes = axes;
        }
        self.single = kept.single.and_then(ViewId::from_index);
        self.main = kept.main.and_then(ViewId::from_index).unwrap_or(self.main);
        self.go_to_kept(volume, kept);
    }

    /// A crosshair between voxels stays where it was: planes that are turned run through it.
    fn go_to_kept(&mut self, volume: &Volume, kept: &KeptViews) {
        let Some(at) = kept.crosshair_mm.filter(|at| at.iter().all(|c| c.is_finite())) else { return };
        let world = WorldPoint::from(Point3::from(at));
        if self.is_turned() && volume.grid().voxel_at_world(world).is_some() {
            self.crosshair = world;
        } else {
            self.set_crosshair(volume, world);
        }
    }
}

impl KeptFraming {
    fn framing(self) -> Option<Framing> {
        let size = match self.zoom {
            Zoom::Fit => 1.0,
            Zoom::Square(mm) | Zoom::MmPerPoint(mm) => mm,
        };
        let is_sound = self.center_mm.iter().all(|c| c.is_finite()) && size.is_finite() && size > 1e-9;
        is_sound.then(|| Framing { center: Point3::from(self.center_mm), zoom: self.zoom })
    }
}

/// Axes at right angles, if the two given ones nearly are.
fn scene_axes(right: Vector3<f64>, down: Vector3<f64>) -> Option<ScreenAxes> {
    let right = right.try_normalize(1e-6)?;
    let into = right.cross(&down).try_normalize(1e-3)?;
    let axes = ScreenAxes { right, down: into.cross(&right), into };
    (axes.down - down).norm().lt(&1e-3).then_some(axes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::oblique_volume;
    use egui::vec2;

    #[test]
    fn views_come_back_as_they_were_through_text() {
        let volume = oblique_volume();
        let mut views = Views::new(&volume);
        let coronal = ViewId::PLANES[1];
        views.set_turn(coronal, Turn::from_degrees([20.0, -35.0, 10.0]));
        views.scroll(&volume, coronal, 2.0);
        views.zoom(&volume, coronal, 2.5, vec2(12.0, 5.0), vec2(300.0, 200.0));
        views.pan(&volume, ViewId::Scene, vec2(9.0, 4.0), vec2(300.0, 200.0));
        views.orbit(vec2(120.0, 40.0));
        (views.center, views.width) = (300.0, 1500.0);
        (views.single, views.main) = (Some(ViewId::Scene), coronal);
        let text = serde_json::to_string(&views.kept()).unwrap();
        let mut shown = Views::new(&volume);
        shown.show_kept(&volume, &serde_json::from_str(&text).unwrap());
        assert!((shown.crosshair - views.crosshair).norm() < 1e-9);
        assert_eq!(shown.framing, views.framing);
        assert_eq!((shown.single, shown.main), (views.single, views.main));
        assert_eq!((shown.center, shown.width), (300.0, 1500.0));
        for view in [coronal, ViewId::Scene] {
            assert!((shown.axes(view).right - views.axes(view).right).norm() < 1e-9);
            assert!((shown.axes(view).into - views.axes(view).into).norm() < 1e-9);
        }
    }

    #[test]
    fn nonsense_and_views_of_older_programs_change_nothing_else() {
        let volume = oblique_volume();
        let fresh = Views::new(&volume);
        let mut shown = fresh.clone();
        let old = serde_json::json!({
            "window_center": 40.0, "window_width": -3.0, "single": 77, "main": 9, "crosshair_mm": [0.0, 1e300, 0.0],
            "framing": [{"center_mm": [0.0, 0.0, 0.0], "zoom": {"MmPerPoint": 0.0}}],
            "scene_axes": [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], "what": 3
        });
        shown.show_kept(&volume, &serde_json::from_value(old).unwrap());
        let crosshair = shown.crosshair;
        assert!(volume.grid().voxel_at_world(crosshair).is_some(), "pulled into the image");
        shown.crosshair = fresh.crosshair;
        assert_eq!(shown, fresh);
    }
}
