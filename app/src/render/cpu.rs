//! Slices without a graphics device: the same geometry and colours as `slice.wgsl`, on the CPU.

use egui::{Color32, ColorImage};
use hilum_core::volume::{Volume, Voxels};
use nalgebra::Point3;
use rayon::prelude::*;

use super::look::{LabelColors, OUTLINE_REACH, PREVIEW_COLOR, PREVIEW_REACH, SliceLook};
use crate::viewport::VoxelFromPixel;

/// What the CPU draws.
pub struct CpuScene<'a> {
    /// The image.
    pub volume: &'a Volume,
    /// Label of a voxel inside the grid.
    pub label_at: &'a (dyn Fn([usize; 3]) -> u16 + Sync),
    /// Whether a voxel inside the grid belongs to the proposal; `None` without one.
    pub preview_at: Option<&'a (dyn Fn([usize; 3]) -> bool + Sync)>,
    /// Colours of the labels.
    pub colors: &'a LabelColors,
    /// How values become colours.
    pub look: SliceLook,
}

/// Draws `size` pixels (width, height) under a map whose target is the image itself.
///
/// `pattern_origin` is the position of the image's first pixel in the window, so that hatching does not
/// depend on the renderer.
pub fn draw(
    scene: &CpuScene<'_>,
    map: &VoxelFromPixel,
    size: [usize; 2],
    pattern_origin: [f64; 2],
) -> ColorImage {
    let mut image = ColorImage::filled(size, Color32::BLACK);
    let width = size[0].max(1);
    image.pixels.par_chunks_mut(width).enumerate().for_each(|(row, line)| {
        for (column, pixel) in line.iter_mut().enumerate() {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let [r, g, b] = scene.color(map, x, y, x + y + pattern_origin[0] + pattern_origin[1]);
            *pixel = Color32::from_rgb(byte(r), byte(g), byte(b));
        }
    });
    image
}

fn byte(share: f32) -> u8 {
    (share * 255.0).round().clamp(0.0, 255.0) as u8
}

fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * t)
}

/// The four neighbours at a distance, as offsets in pixels.
fn around(reach: f64) -> [(f64, f64); 4] {
    [(reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach)]
}

impl CpuScene<'_> {
    fn color(&self, map: &VoxelFromPixel, x: f64, y: f64, diagonal: f64) -> [f32; 3] {
        let point = map.at(x, y);
        let Some(base) = self.image_color(point) else { return self.look.background };
        let labelled = if self.look.show_labels { self.with_label(base, map, x, y) } else { base };
        self.with_preview(labelled, map, x, y, diagonal)
    }

    fn image_color(&self, point: Point3<f64>) -> Option<[f32; 3]> {
        let grid = self.volume.grid();
        let voxel = grid.voxel_at(point)?;
        let value = match (self.volume.voxels(), self.look.linear) {
            (Voxels::Rgb8(data), false) => data[grid.index(voxel)].map(f32::from),
            (Voxels::Rgb8(data), true) => linear_rgb(self.volume, data, point),
            (_, false) => [self.finite(self.volume.value(voxel)?); 3],
            (_, true) => [self.finite(self.volume.value_at(point)?); 3],
        };
        let scale = self.look.inverse_width();
        Some(value.map(|v| ((v - self.look.low) * scale).clamp(0.0, 1.0)))
    }

    /// Values that are not numbers are shown as the smallest value.
    fn finite(&self, value: f32) -> f32 {
        if value.is_finite() { value } else { self.volume.range().min }
    }

    fn label(&self, map: &VoxelFromPixel, x: f64, y: f64) -> u16 {
        self.volume.grid().voxel_at(map.at(x, y)).map_or(0, self.label_at)
    }

    fn with_label(&self, base: [f32; 3], map: &VoxelFromPixel, x: f64, y: f64) -> [f32; 3] {
        let label = self.label(map, x, y);
        if label == 0 {
            return base;
        }
        let edge = around(OUTLINE_REACH).iter().any(|(dx, dy)| self.label(map, x + dx, y + dy) != label);
        let [r, g, b, a] = self.colors.get(usize::from(label)).copied().unwrap_or([255, 255, 255, 255]);
        // A label's own opacity is that of its inside; 0 hides it.
        let opacity = match edge {
            true if a > 0 => self.look.outline_opacity,
            true => 0.0,
            false => self.look.fill_opacity * f32::from(a) / 255.0,
        };
        mix(base, [r, g, b].map(|c| f32::from(c) / 255.0), opacity)
    }

    fn with_preview(&self, base: [f32; 3], map: &VoxelFromPixel, x: f64, y: f64, diagonal: f64) -> [f32; 3] {
        let Some(preview_at) = self.preview_at else { return base };
        let inside = |x: f64, y: f64| self.volume.grid().voxel_at(map.at(x, y)).is_some_and(preview_at);
        if !inside(x, y) {
            return base;
        }
        let edge = around(PREVIEW_REACH).iter().any(|(dx, dy)| !inside(x + dx, y + dy));
        let dash = (diagonal / 12.0).rem_euclid(1.0);
        let opacity = match (edge, dash) {
            (true, dash) if dash < 0.62 => 1.0,
            (true, _) => 0.25,
            (false, dash) if dash < 0.22 => 0.38,
            (false, _) => 0.10,
        };
        mix(base, PREVIEW_COLOR, opacity)
    }
}

/// Bilinear or trilinear colour; edges continue as in [`Volume::value_at`].
fn linear_rgb(volume: &Volume, data: &[[u8; 3]], point: Point3<f64>) -> [f32; 3] {
    let grid = volume.grid();
    let dims = grid.dims();
    let mut sum = [0.0f32; 3];
    for corner in 0..8u32 {
        let mut weight = 1.0;
        let mut at = [0; 3];
        for axis in 0..3 {
            let p = point[axis].clamp(0.0, (dims[axis] - 1) as f64);
            let share = (p - p.floor()) as f32;
            let high = corner >> axis & 1 == 1;
            weight *= if high { share } else { 1.0 - share };
            at[axis] = (p as usize + usize::from(high)).min(dims[axis] - 1);
        }
        if weight > 0.0 {
            let rgb = data[grid.index(at)];
            sum = [0, 1, 2].map(|c| sum[c] + weight * f32::from(rgb[c]));
        }
    }
    sum
}
