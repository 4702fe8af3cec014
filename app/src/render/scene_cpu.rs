//! The 3-D view without a graphics device: the same surfaces, light and fog, drawn by `hilum_canvas`.

use std::collections::BTreeMap;
use std::time::Instant;

use egui::ColorImage;
use hilum_canvas::rays::{Mode, Rays};
use hilum_canvas::surface::{self, Body, Camera, Part};
use hilum_core::volume::Volume;
use nalgebra::Vector3;

use super::cpu::values;
use super::quality::{LEVELS, Pace};
use super::scene::SceneFrame;
use crate::state::{SceneMode, SurfacePart};

/// The surfaces by label and block.
type Parts = BTreeMap<(u16, usize), SurfacePart>;

/// Draws the 3-D view when it has changed.
#[derive(Default)]
pub struct ScenePainter {
    pace: Pace,
}

impl ScenePainter {
    /// How fine pictures are.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The picture, unless the last one will do.
    pub fn draw(&mut self, frame: &SceneFrame, volume: &Volume, parts: &Parts) -> Option<ColorImage> {
        let level = self.pace.due(frame)?;
        let start = Instant::now();
        let size = frame.size().map(|n| ((n as f32 * LEVELS[level].scale) as u32).max(1));
        let image = match frame.mode {
            SceneMode::Surfaces => surfaces(frame, parts, size, samples(level)),
            SceneMode::Mip => rays(frame, volume, level, size, Mode::Largest),
            SceneMode::Volume => rays(frame, volume, level, size, Mode::Fog),
        };
        self.pace.done(frame, level, start.elapsed().as_secs_f64() * 1e3);
        Some(image)
    }
}

/// Samples of surfaces along a side of a pixel: the finest level smooths their edges, the next, while they change, does not.
fn samples(level: usize) -> usize {
    if level == 0 { 2 } else { 1 }
}

fn rays(frame: &SceneFrame, volume: &Volume, level: usize, size: [u32; 2], mode: Mode) -> ColorImage {
    let rays = frame.rays(level, size);
    let three = |[x, y, z, _]: [f32; 4]| [x, y, z];
    let [low, inverse_width, step_mm, spacing_mm] = rays.look;
    let rays = Rays {
        dims: frame.dims,
        values: values(volume),
        low,
        inverse_width,
        least: volume.range().min,
        origin: three(rays.origin),
        right: three(rays.right),
        down: three(rays.down),
        into: three(rays.into),
        step_mm,
        spacing_mm,
        linear: LEVELS[level].linear,
        mode,
    };
    rays.draw(size.map(|n| n as usize))
}

fn surfaces(frame: &SceneFrame, parts: &Parts, size: [u32; 2], finer: usize) -> ColorImage {
    let bodies: Vec<Body<'_>> = frame
        .order(parts)
        .into_iter()
        .map(|(label, color)| {
            let parts = parts.range((label, 0)..=(label, usize::MAX)).map(|(_, part)| Part {
                positions: &part.mesh.positions,
                normals: &part.mesh.normals,
                triangles: &part.mesh.triangles,
            });
            Body { parts: parts.collect(), color }
        })
        .collect();
    surface::draw(&camera(frame, size), &bodies, size.map(|n| n as usize), finer)
}

/// Columns and rows of pixels, and mm into the screen.
fn camera(frame: &SceneFrame, size: [u32; 2]) -> Camera {
    let (axes, center) = (&frame.shown.axes, frame.shown.center.coords);
    let mm_per_pixel = frame.shown.mm_per_point * f64::from(frame.shown.rect.width()) / f64::from(size[0]);
    let row = |direction: Vector3<f64>, per_mm: f64, middle: f64| {
        let v = direction * per_mm;
        [v.x, v.y, v.z, middle - v.dot(&center)]
    };
    let half = size.map(|n| f64::from(n) / 2.0);
    let unit = |v: Vector3<f64>| [v.x as f32, v.y as f32, v.z as f32];
    Camera {
        rows: [
            row(axes.right, 1.0 / mm_per_pixel, half[0]),
            row(axes.down, 1.0 / mm_per_pixel, half[1]),
            row(axes.into, 1.0, 0.0),
        ],
        lamp: unit(frame.lamp()),
        into: unit(axes.into),
    }
}
