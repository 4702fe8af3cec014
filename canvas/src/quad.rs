//! Upright rectangles of one tint: letters, pictures, fills.

use crate::color::{lay, modulated, over};
use crate::region::Region;
use crate::texture::Texture;
use crate::triangle::{Band, Corner, first_inside};

/// Deviation from a whole texel at which a picture still counts as lying pixel on pixel.
const ALIGNED: f32 = 1.0 / 64.0;

/// The upright rectangle that two triangles make, corner by corner as egui puts them: left top, right top, left bottom,
/// right bottom.
pub(crate) fn of(corners: &[Corner; 4]) -> Option<Quad> {
    let [a, b, c, d] = corners;
    let one_color = b.color == a.color && c.color == a.color && d.color == a.color;
    let upright =
        a.pos[1] == b.pos[1] && c.pos[1] == d.pos[1] && a.pos[0] == c.pos[0] && b.pos[0] == d.pos[0];
    let straight = a.texel[1] == b.texel[1]
        && c.texel[1] == d.texel[1]
        && a.texel[0] == c.texel[0]
        && b.texel[0] == d.texel[0];
    let forward = a.pos[0] < d.pos[0] && a.pos[1] < d.pos[1];
    (one_color && upright && straight && forward).then_some(Quad {
        min: a.pos,
        max: d.pos,
        texels: [a.texel, d.texel],
        color: a.color,
    })
}

/// An upright rectangle in pixels, with the texels at its corners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quad {
    min: [f32; 2],
    max: [f32; 2],
    texels: [[f32; 2]; 2],
    color: u32,
}

impl Quad {
    /// The pixels whose middle lies inside.
    pub(crate) fn region(&self) -> Region {
        Region::new(self.min.map(first_inside), self.max.map(first_inside))
    }

    /// Texels per pixel along an axis.
    fn step(&self, axis: usize) -> f32 {
        (self.texels[1][axis] - self.texels[0][axis]) / (self.max[axis] - self.min[axis])
    }

    /// The texel in the middle of a pixel.
    fn texel(&self, axis: usize, pixel: usize) -> f32 {
        self.texels[0][axis] + (pixel as f32 + 0.5 - self.min[axis]) * self.step(axis)
    }

    /// Draws it into the part of a band that `clip` allows.
    pub(crate) fn fill(&self, band: &mut Band<'_>, clip: Region, texture: Option<&Texture>) {
        let region = self.region().intersection(&clip);
        if region.is_empty() {
            return;
        }
        let (columns, rows) = (region.columns(), region.rows());
        let Some(texture) = texture.filter(|_| self.texels[0] != self.texels[1]) else {
            let [u, v] = self.texels[0];
            let color = modulated(self.color, texture.map_or(u32::MAX, |texture| texture.at(u, v)));
            rows.for_each(|y| lay(band.line(y, columns.clone()), color));
            return;
        };
        if let Some(first) = self.pixel_on_pixel(texture, &region) {
            for (i, y) in rows.enumerate() {
                let start = (first[1] + i) * texture.width() + first[0];
                let texels = &texture.pixels()[start..start + columns.len()];
                blend(band.line(y, columns.clone()), texels, self.color);
            }
            return;
        }
        for y in rows {
            let v = self.texel(1, y);
            let (first, step) = (self.texel(0, columns.start), self.step(0));
            for (i, pixel) in band.line(y, columns.clone()).iter_mut().enumerate() {
                let texel = texture.at(first + i as f32 * step, v);
                *pixel = over(*pixel, modulated(self.color, texel));
            }
        }
    }

    /// The texel of the first pixel of a region, where pixels and texels coincide all over it.
    fn pixel_on_pixel(&self, texture: &Texture, region: &Region) -> Option<[usize; 2]> {
        let size = [texture.width(), texture.height()];
        let mut first = [0; 2];
        for axis in 0..2 {
            let (start, end) = (region.min[axis] as usize, region.max[axis] as usize);
            let (low, high) = (self.texel(axis, start) - 0.5, self.texel(axis, end - 1) - 0.5);
            let count = end - start;
            let is_whole = (low - low.round()).abs() < ALIGNED && (high - high.round()).abs() < ALIGNED;
            let is_one_to_one = (high - low - (count - 1) as f32).abs() < ALIGNED;
            let lies_inside = low.round() >= 0.0 && high.round() < size[axis] as f32;
            if !is_whole || !is_one_to_one || !lies_inside {
                return None;
            }
            first[axis] = low.round() as usize;
        }
        texture.is_clamped().then_some(first)
    }
}

/// Draws texels of a tint over a line of as many pixels.
fn blend(line: &mut [u32], texels: &[u32], tint: u32) {
    for (pixel, texel) in line.iter_mut().zip(texels) {
        match *texel {
            0 => {}
            opaque if tint == u32::MAX && opaque >> 24 == 255 => *pixel = opaque,
            texel => *pixel = over(*pixel, modulated(tint, texel)),
        }
    }
}
