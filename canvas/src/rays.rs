//! The image as a volume: a ray for every pixel. The same arithmetic as the shader that does it on a graphics device.

use egui::{Color32, ColorImage};
use rayon::prelude::*;

use crate::pool;
use crate::slice::voxel::{Values, Voxel, for_kind};

/// Steps of one ray at most.
const MAX_STEPS: usize = 4096;
/// Share of light at which fog hides what is behind it.
const DARK: f32 = 0.03;

/// What rays through a volume show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The largest value along every ray.
    Largest,
    /// Fog that is denser where values are brighter.
    Fog,
}

/// A volume and how it is seen.
#[derive(Clone, Copy, Debug)]
pub struct Rays<'a> {
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Their values, `[z, y, x]`.
    pub values: Values<'a>,
    /// Value shown black, and share of white per unit.
    pub low: f32,
    /// See `low`.
    pub inverse_width: f32,
    /// Stands in for values that are no numbers.
    pub least: f32,
    /// Voxel coordinate at the outer corner of the first pixel.
    pub origin: [f32; 3],
    /// Displacement in voxels of one pixel to the right.
    pub right: [f32; 3],
    /// Displacement of one pixel down.
    pub down: [f32; 3],
    /// Displacement of one mm into the screen.
    pub into: [f32; 3],
    /// Steps along a ray.
    pub step_mm: f32,
    /// The finest spacing, of which the density of fog is told.
    pub spacing_mm: f32,
    /// Values between voxels instead of those of the nearest.
    pub linear: bool,
    /// What is shown.
    pub mode: Mode,
}

impl Rays<'_> {
    /// Draws `size` pixels (width, height).
    ///
    /// # Panics
    /// If the values are not as many as `dims` says.
    pub fn draw(&self, size: [usize; 2]) -> ColorImage {
        assert_eq!(self.values.len(), self.dims.iter().product::<usize>(), "one value a voxel");
        let mut image = ColorImage::filled(size, Color32::BLACK);
        if self.values.is_empty() || size[0] == 0 {
            return image;
        }
        pool::draw(|| {
            for_kind!(self.values, data => {
                image.pixels.par_chunks_mut(size[0]).enumerate().for_each(|(y, line)| {
                    for (x, pixel) in line.iter_mut().enumerate() {
                        *pixel = self.pixel(data, x as f32 + 0.5, y as f32 + 0.5);
                    }
                });
            })
        });
        image
    }

    fn pixel<T: Voxel>(&self, data: &[T], x: f32, y: f32) -> Color32 {
        let origin = [0, 1, 2].map(|i| self.origin[i] + self.right[i] * x + self.down[i] * y);
        let Some((start, end)) = self.inside(origin) else { return Color32::BLACK };
        let count = (((end - start) / self.step_mm).ceil() as usize).min(MAX_STEPS);
        let at = |i: usize| {
            let mm = start + (i as f32 + 0.5) * self.step_mm;
            [0, 1, 2].map(|axis| origin[axis] + self.into[axis] * mm)
        };
        match self.mode {
            Mode::Largest => {
                let mut best = 0.0f32;
                for i in 0..count {
                    best = best.max(self.share_at(data, at(i)));
                    if best >= 1.0 {
                        break;
                    }
                }
                Color32::from_gray((best * 255.0 + 0.5) as u8)
            }
            Mode::Fog => self.fog(data, count, at),
        }
    }

    fn fog<T: Voxel>(&self, data: &[T], count: usize, at: impl Fn(usize) -> [f32; 3]) -> Color32 {
        let (mut color, mut light) = ([0.0f32; 3], 1.0f32);
        for i in 0..count {
            let place = at(i);
            let share = self.share_at(data, place);
            if share <= 0.01 {
                continue;
            }
            let alpha = 1.0 - (-0.6 * share * share * self.step_mm / self.spacing_mm).exp();
            let shade = if alpha * light > 0.01 { self.light_at(data, place) } else { 1.0 };
            let (soft, hard) = ([0.62, 0.30, 0.20], [1.0, 0.96, 0.88]);
            for c in 0..3 {
                color[c] += light * alpha * shade * (soft[c] + (hard[c] - soft[c]) * share);
            }
            light *= 1.0 - alpha;
            if light < DARK {
                break;
            }
        }
        let [r, g, b] = color.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
        Color32::from_rgb(r, g, b)
    }

    /// Where a ray enters and leaves the volume, in mm.
    fn inside(&self, origin: [f32; 3]) -> Option<(f32, f32)> {
        let (mut start, mut end) = (f32::NEG_INFINITY, f32::INFINITY);
        for ((origin, into), size) in origin.into_iter().zip(self.into).zip(self.dims) {
            // A direction along a face is nudged off it.
            let slant = if into.abs() < 1e-7 { 1e-7 } else { into };
            let one = (-0.5 - origin) / slant;
            let two = (size as f32 - 0.5 - origin) / slant;
            start = start.max(one.min(two));
            end = end.min(one.max(two));
        }
        (start < end).then_some((start, end))
    }

    /// How bright a voxel is in the window, 0 to 1; beyond the edge it goes on.
    fn share_of<T: Voxel>(&self, data: &[T], [x, y, z]: [i32; 3]) -> f32 {
        let place = |i: i32, n: usize| i.clamp(0, n as i32 - 1) as usize;
        let [width, height, depth] = self.dims;
        let voxel = data[(place(z, depth) * height + place(y, height)) * width + place(x, width)];
        let mut value = 0.0;
        for channel in 0..T::CHANNELS {
            value += voxel.channel(channel, self.least);
        }
        ((value / T::CHANNELS as f32 - self.low) * self.inverse_width).clamp(0.0, 1.0)
    }

    fn share_at<T: Voxel>(&self, data: &[T], at: [f32; 3]) -> f32 {
        if !self.linear {
            return self.share_of(data, at.map(|v| (v + 0.5).floor() as i32));
        }
        let at = [0, 1, 2].map(|i| at[i].clamp(0.0, self.dims[i] as f32 - 1.0));
        let low = at.map(|v| v as i32);
        let [s, t, u] = [0, 1, 2].map(|i| at[i] - low[i] as f32);
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let row = |dy: i32, dz: i32| {
            let value = |dx: i32| self.share_of(data, [low[0] + dx, low[1] + dy, low[2] + dz]);
            mix(value(0), value(1), s)
        };
        mix(mix(row(0, 0), row(1, 0), t), mix(row(0, 1), row(1, 1), t), u)
    }

    /// Light on a voxel: brighter where the image grows towards the viewer's side.
    fn light_at<T: Voxel>(&self, data: &[T], at: [f32; 3]) -> f32 {
        let at = at.map(|v| (v + 0.5).floor() as i32);
        let slope = [0, 1, 2].map(|axis| {
            let beside = |step: i32| {
                let mut place = at;
                place[axis] += step;
                self.share_of(data, place)
            };
            beside(1) - beside(-1)
        });
        let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let steepness = dot(slope, slope).sqrt();
        if steepness < 0.02 {
            return 0.8;
        }
        0.35 + 0.65 * (dot(slope, self.into) / (steepness * dot(self.into, self.into).sqrt())).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: [usize; 3] = [11, 7, 5];

    fn values() -> Vec<u8> {
        (0..DIMS.iter().product::<usize>()).map(|i| (i * 37 % 200) as u8).collect()
    }

    /// Four pixels a voxel, into the slices.
    fn rays(values: &[u8], mode: Mode) -> Rays<'_> {
        Rays {
            dims: DIMS,
            values: Values::U8(values),
            low: 0.0,
            inverse_width: 1.0 / 255.0,
            least: 0.0,
            origin: [-0.5, -0.5, -20.0],
            right: [0.25, 0.0, 0.0],
            down: [0.0, 0.25, 0.0],
            into: [0.0, 0.0, 0.5],
            step_mm: 1.0,
            spacing_mm: 2.0,
            linear: false,
            mode,
        }
    }

    #[test]
    fn the_largest_value_of_every_column_of_voxels_is_seen() {
        let values = values();
        let image = rays(&values, Mode::Largest).draw([44, 30]);
        for y in 0..DIMS[1] {
            for x in 0..DIMS[0] {
                let wanted = (0..DIMS[2]).map(|z| values[(z * DIMS[1] + y) * DIMS[0] + x]).max();
                let found = image.pixels[(y * 4 + 1) * 44 + x * 4 + 2].r();
                assert_eq!(Some(found), wanted, "column {x}, {y}");
            }
        }
        assert_eq!(image.pixels[29 * 44], Color32::BLACK);
    }

    #[test]
    fn even_fog_is_as_bright_as_it_is_deep() {
        let values = vec![128u8; DIMS.iter().product()];
        let image = rays(&values, Mode::Fog).draw([44, 28]);
        let share = 128.0f32 / 255.0;
        // Ten mm in steps of one, half the finest spacing.
        let through = (-0.6 * share * share * 0.5 * 10.0).exp();
        let wanted = (1.0 - through) * 0.8 * (0.62 + (1.0 - 0.62) * share) * 255.0;
        assert!((f32::from(image.pixels[14 * 44 + 20].r()) - wanted).abs() <= 1.5);
    }
}
