//! What is drawn over the values: labels and a proposal.

use egui::Color32;
use hilum_core::label::LabelMap;

/// Distance in pixels at which a neighbour of another label makes a pixel part of an outline.
pub(super) const LABEL_REACH: f64 = 1.25;
/// The same for a proposal.
pub(super) const PROPOSAL_REACH: f64 = 1.75;

/// Labels of the voxels and how they look.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// One a voxel.
    pub map: &'a LabelMap,
    /// Colour of each by its number: red, green, blue and the opacity of its inside, 0 to hide it; others are white.
    pub colors: &'a [[u8; 4]],
    /// Opacity of the inside, 0 to 1.
    pub fill_opacity: f32,
    /// Opacity of the outline, 0 to 1.
    pub outline_opacity: f32,
}

impl Labels<'_> {
    /// A colour of the image under a label.
    pub(super) fn over(&self, base: [u8; 3], label: u16, is_edge: bool) -> [u8; 3] {
        let [r, g, b, a] = self.colors.get(usize::from(label)).copied().unwrap_or([255; 4]);
        let opacity = match (is_edge, a) {
            (_, 0) => return base,
            (true, _) => self.outline_opacity,
            (false, a) => self.fill_opacity * f32::from(a) / 255.0,
        };
        mixed(base, [r, g, b], opacity)
    }
}

/// Voxels that a network proposes.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// First voxel along x, y, z.
    pub start: [usize; 3],
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Whether each is proposed.
    pub inside: &'a [bool],
    /// Its colour.
    pub color: [u8; 3],
}

impl Proposal<'_> {
    pub(super) fn has(&self, voxel: [usize; 3]) -> bool {
        let [Some(x), Some(y), Some(z)] = [0, 1, 2].map(|i| voxel[i].checked_sub(self.start[i])) else {
            return false;
        };
        let [width, height, depth] = self.size;
        x < width && y < height && z < depth && self.inside[(z * height + y) * width + x]
    }

    /// A colour of the image under the proposal: hatched, with a dashed edge; `diagonal` is column plus row in the window.
    pub(super) fn over(&self, base: [u8; 3], is_edge: bool, diagonal: f64) -> [u8; 3] {
        let dash = (diagonal / 12.0).rem_euclid(1.0);
        let opacity = match (is_edge, dash) {
            (true, dash) if dash < 0.62 => 1.0,
            (true, _) => 0.25,
            (false, dash) if dash < 0.22 => 0.38,
            (false, _) => 0.10,
        };
        mixed(base, self.color, opacity)
    }
}

fn mixed(a: [u8; 3], b: [u8; 3], t: f32) -> [u8; 3] {
    [0, 1, 2].map(|i| (f32::from(a[i]) * (1.0 - t) + f32::from(b[i]) * t + 0.5) as u8)
}

pub(super) fn parts(color: Color32) -> [u8; 3] {
    [color.r(), color.g(), color.b()]
}

pub(super) fn opaque([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}
