//! Slices without a graphics device: the same geometry and colours as `slice.wgsl`, drawn by `hilum_canvas`.

use egui::{Color32, ColorImage};
use hilum_canvas::slice::{Labels, Look, Plane, Proposal, Scene, Values};
use hilum_core::geometry::VoxelBox;
use hilum_core::label::LabelMap;
use hilum_core::volume::{Volume, Voxels};

use super::look::{LabelColors, PREVIEW_COLOR, SliceLook};
use crate::viewport::VoxelFromPixel;

/// What the CPU draws.
pub struct CpuScene<'a> {
    /// The image.
    pub volume: &'a Volume,
    /// Its labels.
    pub labels: &'a LabelMap,
    /// The box of the proposal, and whether each of its voxels belongs to it.
    pub preview: Option<(VoxelBox, &'a [bool])>,
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
    let plane = Plane { origin: map.origin.into(), right: map.right.into(), down: map.down.into() };
    scene.on_canvas().draw(&plane, size, pattern_origin[0] + pattern_origin[1])
}

fn bytes(color: [f32; 3]) -> [u8; 3] {
    color.map(|share| (share * 255.0).round().clamp(0.0, 255.0) as u8)
}

/// The values of an image as they are kept.
pub(super) fn values(volume: &Volume) -> Values<'_> {
    match volume.voxels() {
        Voxels::U8(values) => Values::U8(values),
        Voxels::I16(values) => Values::I16(values),
        Voxels::U16(values) => Values::U16(values),
        Voxels::I32(values) => Values::I32(values),
        Voxels::F32(values) => Values::F32(values),
        Voxels::Rgb8(values) => Values::Rgb8(values),
    }
}

impl CpuScene<'_> {
    fn on_canvas(&self) -> Scene<'_> {
        let [r, g, b] = bytes(self.look.background);
        let labels = Labels {
            map: self.labels,
            colors: self.colors,
            fill_opacity: self.look.fill_opacity,
            outline_opacity: self.look.outline_opacity,
        };
        let proposal = self.preview.map(|(region, inside)| Proposal {
            start: region.start(),
            size: region.size(),
            inside,
            color: bytes(PREVIEW_COLOR),
        });
        Scene {
            dims: self.volume.grid().dims(),
            values: values(self.volume),
            look: Look {
                low: self.look.low,
                inverse_width: self.look.inverse_width(),
                linear: self.look.linear,
                background: Color32::from_rgb(r, g, b),
                least: self.volume.range().min,
            },
            labels: self.look.show_labels.then_some(labels),
            proposal,
        }
    }
}
