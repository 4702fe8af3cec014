//! Triangles: solid, shaded from corner to corner, or filled with a picture.
//!
//! A pixel belongs to a triangle if its middle lies inside, or on a left or upper edge. The place at which an edge crosses a
//! row is computed from its upper end, whichever triangle it belongs to, so that neighbours leave no gap and share no pixel.

use crate::color::{alpha, lay, modulated, over};
use crate::region::Region;
use crate::texture::Texture;

/// Rows of a picture, the first of which is row `first` of the whole.
pub(crate) struct Band<'a> {
    pub(crate) pixels: &'a mut [u32],
    pub(crate) width: usize,
    pub(crate) first: usize,
}

impl Band<'_> {
    /// Part of a row of the whole picture; it must lie in the band.
    pub(crate) fn line(&mut self, y: usize, columns: std::ops::Range<usize>) -> &mut [u32] {
        let start = (y - self.first) * self.width;
        &mut self.pixels[start + columns.start..start + columns.end]
    }
}

/// A corner, in pixels and texels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Corner {
    pub(crate) pos: [f32; 2],
    pub(crate) texel: [f32; 2],
    pub(crate) color: u32,
}

/// Draws a triangle into the part of a band that `clip` allows.
pub(crate) fn fill(band: &mut Band<'_>, clip: Region, corners: [Corner; 3], texture: Option<&Texture>) {
    let Some(outline) = Outline::of(corners.map(|corner| corner.pos), clip) else { return };
    let [a, b, c] = corners;
    let one_texel = a.texel == b.texel && b.texel == c.texel;
    let one_color = a.color == b.color && b.color == c.color;
    let sampled = |texel: [f32; 2]| texture.map_or(u32::MAX, |texture| texture.at(texel[0], texel[1]));
    if one_texel {
        let texel = sampled(a.texel);
        if one_color {
            let color = modulated(a.color, texel);
            outline.spans(|y, columns| lay(band.line(y, columns), color));
        } else {
            let shade =
                Slope::of(corners.map(|corner| (corner.pos, channels(modulated(corner.color, texel)))));
            outline.spans(|y, columns| {
                for (x, pixel) in columns.clone().zip(band.line(y, columns)) {
                    let above = bytes(shade.at(x, y));
                    *pixel = if alpha(above) == 255 { above } else { over(*pixel, above) };
                }
            });
        }
        return;
    }
    let place = Slope::of(corners.map(|corner| (corner.pos, corner.texel)));
    let shade = Slope::of(corners.map(|corner| (corner.pos, channels(corner.color))));
    outline.spans(|y, columns| {
        for (x, pixel) in columns.clone().zip(band.line(y, columns)) {
            let color = if one_color { a.color } else { bytes(shade.at(x, y)) };
            *pixel = over(*pixel, modulated(color, sampled(place.at(x, y))));
        }
    });
}

fn channels(color: u32) -> [f32; 4] {
    color.to_le_bytes().map(f32::from)
}

fn bytes(channels: [f32; 4]) -> u32 {
    u32::from_le_bytes(channels.map(|c| (c + 0.5).clamp(0.0, 255.0) as u8))
}

/// A value that changes evenly over the plane of a triangle.
pub(crate) struct Slope<const N: usize> {
    origin: [f32; N],
    per_column: [f32; N],
    per_row: [f32; N],
}

impl<const N: usize> Slope<N> {
    /// From the places of the corners and the values there.
    pub(crate) fn of([a, b, c]: [([f32; 2], [f32; N]); 3]) -> Self {
        let (p, q) = ([0, 1].map(|i| b.0[i] - a.0[i]), [0, 1].map(|i| c.0[i] - a.0[i]));
        let area = p[0] * q[1] - p[1] * q[0];
        let per_column =
            std::array::from_fn(|i| ((b.1[i] - a.1[i]) * q[1] - (c.1[i] - a.1[i]) * p[1]) / area);
        let per_row = std::array::from_fn(|i| ((c.1[i] - a.1[i]) * p[0] - (b.1[i] - a.1[i]) * q[0]) / area);
        let origin: [f32; N] =
            std::array::from_fn(|i| a.1[i] - per_column[i] * (a.0[0] - 0.5) - per_row[i] * (a.0[1] - 0.5));
        Self { origin, per_column, per_row }
    }

    /// The value in the middle of a pixel.
    pub(crate) fn at(&self, x: usize, y: usize) -> [f32; N] {
        std::array::from_fn(|i| self.origin[i] + self.per_column[i] * x as f32 + self.per_row[i] * y as f32)
    }
}

/// The rows that a triangle touches, and its corners from top to bottom.
pub(crate) struct Outline {
    corners: [[f32; 2]; 3],
    clip: Region,
}

impl Outline {
    /// `None` if it touches no row of `clip`, or has no inside.
    pub(crate) fn of(mut corners: [[f32; 2]; 3], clip: Region) -> Option<Self> {
        let [a, b, c] = corners;
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if !area.is_finite() || area.abs() < 1e-6 {
            return None;
        }
        corners.sort_by(|p, q| p[1].total_cmp(&q[1]));
        let rows = [first_inside(corners[0][1]), first_inside(corners[2][1])];
        let clip =
            Region::new([clip.min[0], clip.min[1].max(rows[0])], [clip.max[0], clip.max[1].min(rows[1])]);
        (!clip.is_empty()).then_some(Self { corners, clip })
    }

    /// Calls for every row with the columns that lie inside.
    pub(crate) fn spans(&self, mut paint: impl FnMut(usize, std::ops::Range<usize>)) {
        let [top, middle, bottom] = self.corners;
        for y in self.clip.min[1]..self.clip.max[1] {
            let level = y as f32 + 0.5;
            let long = crossing(top, bottom, level);
            let short = if level < middle[1] {
                crossing(top, middle, level)
            } else {
                crossing(middle, bottom, level)
            };
            let (left, right) = (first_inside(long.min(short)), first_inside(long.max(short)));
            let (left, right) = (left.max(self.clip.min[0]), right.min(self.clip.max[0]));
            if left < right {
                paint(y as usize, left as usize..right as usize);
            }
        }
    }
}

/// The first pixel whose middle is not before a coordinate.
pub(crate) fn first_inside(at: f32) -> i32 {
    (at - 0.5).ceil() as i32
}

/// Where an edge, given from its upper end, crosses a level between its ends.
fn crossing(upper: [f32; 2], lower: [f32; 2], level: f32) -> f32 {
    let height = lower[1] - upper[1];
    if height <= 0.0 {
        return lower[0];
    }
    upper[0] + (lower[0] - upper[0]) * ((level - upper[1]) / height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: usize = 40;

    fn corner(pos: [f32; 2], color: u32) -> Corner {
        Corner { pos, texel: [0.5; 2], color }
    }

    fn drawn(triangles: &[[Corner; 3]], clip: Region) -> Vec<u32> {
        let mut pixels = vec![0xff00_0000; SIZE * SIZE];
        let mut band = Band { pixels: &mut pixels, width: SIZE, first: 0 };
        triangles.iter().for_each(|corners| fill(&mut band, clip, *corners, None));
        pixels
    }

    fn all() -> Region {
        Region::of_size([SIZE, SIZE])
    }

    proptest! {
        /// A fan around a point that lies inside covers its outline once, whatever the places of the corners.
        #[test]
        fn neighbours_leave_no_gap_and_share_no_pixel(center in [5f32..35.0, 5f32..35.0], quarter: bool) {
            let far = [[-3.0, -2.0], [44.0, -5.0], [43.0, 42.0], [-1.0, 47.0]];
            let snap = |p: [f32; 2]| if quarter { p.map(|v| (v * 4.0).round() / 4.0) } else { p };
            let half = 0x8080_8080;
            let fan: Vec<_> = (0..4)
                .map(|i| [corner(snap(center), half), corner(far[i], half), corner(far[(i + 1) % 4], half)])
                .collect();
            let once = over(0xff00_0000, half);
            prop_assert!(drawn(&fan, all()).iter().all(|pixel| *pixel == once));
        }

        #[test]
        fn a_clip_leaves_the_rest_alone_and_changes_nothing_inside(
            places in [[-10f32..50.0, -10f32..50.0], [-10f32..50.0, -10f32..50.0], [-10f32..50.0, -10f32..50.0]],
            colors: [[u8; 3]; 3],
            min in [0..30i32, 0..30i32],
        ) {
            let opaque = |c: [u8; 3]| u32::from_le_bytes([c[0], c[1], c[2], 255]);
            let triangle = [0, 1, 2].map(|i| corner(places[i], opaque(colors[i])));
            let clip = Region::new(min, [min[0] + 9, min[1] + 7]);
            let (part, whole) = (drawn(&[triangle], clip), drawn(&[triangle], all()));
            for (i, (part, whole)) in part.iter().zip(&whole).enumerate() {
                let inside = clip.columns().contains(&(i % SIZE)) && clip.rows().contains(&(i / SIZE));
                prop_assert_eq!(*part, if inside { *whole } else { 0xff00_0000 });
            }
        }
    }

    #[test]
    fn shades_go_evenly_from_corner_to_corner() {
        let at = |x, y, gray: u8| corner([x, y], u32::from_le_bytes([gray, gray, gray, 255]));
        let pixels = drawn(&[[at(0.0, 0.0, 0), at(40.0, 0.0, 200), at(0.0, 40.0, 0)]], all());
        for (x, pixel) in pixels.iter().enumerate().take(39) {
            let wanted = (x as f32 + 0.5) / 40.0 * 200.0;
            assert!((f32::from(pixel.to_le_bytes()[0]) - wanted).abs() <= 0.6);
        }
    }

    #[test]
    fn a_triangle_without_an_inside_or_with_no_number_draws_nothing() {
        let white = |pos| corner(pos, u32::MAX);
        for third in [[20.0, 20.0], [f32::NAN, 3.0], [f32::INFINITY, 3.0]] {
            let pixels = drawn(&[[white([0.0, 0.0]), white([10.0, 10.0]), white(third)]], all());
            assert!(pixels.iter().all(|pixel| *pixel == 0xff00_0000));
        }
    }
}
