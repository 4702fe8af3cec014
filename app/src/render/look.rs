//! How a slice is coloured, for both renderers.

use bytemuck::{Pod, Zeroable};
use hilum_core::geometry::VoxelBox;

use crate::viewport::VoxelFromPixel;

/// Values between pixels are interpolated.
pub const LINEAR: u32 = 1;
/// The image has red, green and blue.
pub const COLOR: u32 = 2;
/// The label map is drawn.
pub const LABELS: u32 = 4;
/// The target converts from linear light on its own.
pub const SRGB_TARGET: u32 = 8;

/// Colour of a proposal: a yellow that no preset label has.
pub const PREVIEW_COLOR: [f32; 3] = [1.0, 0.86, 0.25];

/// How values become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceLook {
    /// Value shown black.
    pub low: f32,
    /// Value shown white; above `low`.
    pub high: f32,
    /// Trilinear interpolation of the image; labels are never interpolated.
    pub linear: bool,
    /// Whether the label map is drawn.
    pub show_labels: bool,
    /// Opacity of the inside of a label, 0 to 1.
    pub fill_opacity: f32,
    /// Opacity of its outline, 0 to 1.
    pub outline_opacity: f32,
    /// Colour outside the image.
    pub background: [f32; 3],
}

impl SliceLook {
    /// `1 / (high - low)`, finite for every window.
    pub fn inverse_width(&self) -> f32 {
        1.0 / (self.high - self.low).max(1e-20)
    }
}

/// Uniform block of `slice.wgsl`; the layout must match its `View`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct SliceUniforms {
    origin: [f32; 4],
    right: [f32; 4],
    down: [f32; 4],
    dims: [u32; 4],
    look: [f32; 4],
    preview_start: [i32; 4],
    preview_size: [i32; 4],
    preview_color: [f32; 4],
    background: [f32; 4],
}

impl SliceUniforms {
    /// Everything the shader needs for one view. `preview` is the box of the proposal's texture.
    pub fn new(
        map: &VoxelFromPixel,
        dims: [usize; 3],
        look: &SliceLook,
        is_color: bool,
        preview: Option<VoxelBox>,
    ) -> Self {
        let four = |v: [f64; 3]| [v[0] as f32, v[1] as f32, v[2] as f32, 0.0];
        let mut flags = 0;
        for (bit, on) in [(LINEAR, look.linear), (COLOR, is_color), (LABELS, look.show_labels)] {
            flags |= if on { bit } else { 0 };
        }
        let region = preview.unwrap_or_default();
        let ints = |v: [usize; 3]| [v[0] as i32, v[1] as i32, v[2] as i32, 0];
        let [r, g, b] = PREVIEW_COLOR;
        Self {
            origin: four(map.origin.coords.into()),
            right: four(map.right.into()),
            down: four(map.down.into()),
            dims: [dims[0] as u32, dims[1] as u32, dims[2] as u32, flags],
            look: [look.low, look.inverse_width(), look.fill_opacity, look.outline_opacity],
            preview_start: ints(region.start()),
            preview_size: ints(region.size()),
            preview_color: [r, g, b, 1.0],
            background: [look.background[0], look.background[1], look.background[2], 1.0],
        }
    }

    /// The same with the flag for a target that converts from linear light.
    pub(super) fn for_target(mut self, is_srgb: bool) -> Self {
        self.dims[3] |= if is_srgb { SRGB_TARGET } else { 0 };
        self
    }
}

/// Colour of every label by its number: red, green, blue and the opacity of its inside; 0 hides it altogether.
pub type LabelColors = Vec<[u8; 4]>;
