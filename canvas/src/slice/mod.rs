//! The picture of a plane through a volume with its labels and a proposal.
//!
//! The same geometry and colours as the shader that draws slices on a graphics device. Coordinates are those of voxels, whose
//! middles are whole numbers; arrays are `[z, y, x]`.

mod aligned;
mod marks;
mod oblique;
#[cfg(test)]
mod tests;
pub(crate) mod voxel;

use egui::{Color32, ColorImage};

use crate::pool;

pub use marks::{Labels, Proposal};
pub use voxel::Values;

/// Where pixels lie in a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Voxel coordinate at the outer corner of the first pixel; its middle is half a pixel further.
    pub origin: [f64; 3],
    /// Displacement of one pixel to the right.
    pub right: [f64; 3],
    /// Displacement of one pixel down.
    pub down: [f64; 3],
}

impl Plane {
    fn at(&self, x: f64, y: f64) -> [f64; 3] {
        [0, 1, 2].map(|i| self.origin[i] + self.right[i] * x + self.down[i] * y)
    }
}

/// How values become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Value shown black.
    pub low: f32,
    /// Share of white per unit of value.
    pub inverse_width: f32,
    /// Values between voxels instead of those of the nearest; labels are never interpolated.
    pub linear: bool,
    /// Seen outside the volume.
    pub background: Color32,
    /// Stands in for values that are no numbers.
    pub least: f32,
}

/// A volume with all that is drawn of it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Their values.
    pub values: Values<'a>,
    /// How they are coloured.
    pub look: Look,
    /// Labels, if they are shown.
    pub labels: Option<Labels<'a>>,
    /// What a network proposes.
    pub proposal: Option<Proposal<'a>>,
}

impl Scene<'_> {
    /// Draws `size` pixels (width, height); `pattern` is the place of the first pixel in the window, in pixels, for hatching.
    ///
    /// # Panics
    /// If values or labels are not as many as `dims` says, or what is proposed not as many as its size.
    pub fn draw(&self, plane: &Plane, size: [usize; 2], pattern: f64) -> ColorImage {
        let count: usize = self.dims.iter().product();
        assert_eq!(self.values.len(), count, "one value a voxel");
        assert!(self.labels.is_none_or(|labels| labels.map.grid().dims() == self.dims), "one label a voxel");
        let is_whole = |p: Proposal<'_>| p.inside.len() == p.size.iter().product::<usize>();
        assert!(self.proposal.is_none_or(is_whole), "one answer a proposed voxel");
        let mut image = ColorImage::filled(size, self.look.background);
        if count == 0 || size[0] == 0 {
            return image;
        }
        pool::draw(|| match aligned::Lattice::of(plane, self.dims, size) {
            Some(lattice) => aligned::draw(self, &lattice, &mut image, pattern),
            None => oblique::draw(self, plane, &mut image, pattern),
        });
        image
    }
}

/// The voxel whose middle is nearest to a coordinate along an axis of `n` voxels; `None` outside them.
fn nearest(at: f64, n: usize) -> Option<usize> {
    (at >= -0.5 && at < n as f64 - 0.5).then(|| ((at + 0.5).floor().max(0.0) as usize).min(n - 1))
}

/// The two voxels around a coordinate, and the share of the second; outside the edge goes on.
fn around(at: f64, n: usize) -> (usize, usize, f32) {
    let at = at.clamp(0.0, (n - 1) as f64);
    let low = at.floor();
    let share = (at - low) as f32;
    let low = low as usize;
    if share < 1e-5 { (low, low, 0.0) } else { (low, (low + 1).min(n - 1), share) }
}

fn byte(share: f32) -> u8 {
    (share * 255.0 + 0.5) as u8
}
