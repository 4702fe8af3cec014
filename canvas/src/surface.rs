//! Surfaces with depth and light.

use egui::{Color32, ColorImage};
use rayon::prelude::*;

use crate::pool;
use crate::region::Region;
use crate::triangle::{Outline, Slope};

/// Rows that one thread draws at a time.
const BAND_ROWS: usize = 64;

/// How a world is seen without perspective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Column, row and depth of a place: the products with x, y, z, and what is added.
    pub rows: [[f64; 4]; 3],
    /// Unit vector towards the lamp.
    pub lamp: [f32; 3],
    /// Unit vector into the screen.
    pub into: [f32; 3],
}

/// Part of a surface.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Corners in the world.
    pub positions: &'a [[f32; 3]],
    /// Unit vectors at right angles to the surface there, to either side.
    pub normals: &'a [[f32; 3]],
    /// Three corners each.
    pub triangles: &'a [[u32; 3]],
}

/// A surface of one colour.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    /// Its parts.
    pub parts: Vec<Part<'a>>,
    /// Red, green, blue and opacity, 0 to 1.
    pub color: [f32; 4],
}

/// A corner as it is seen: column, row, depth, light from all sides, gloss.
type Seen = [f32; 5];

/// Draws bodies over black, one after the other: opaque ones hide what lies behind, of others the front alone is seen through.
/// Triangles that name corners which are not there are left out. With `finer` pixels for one along each axis outlines are smooth; 1 is the quickest.
pub fn draw(camera: &Camera, bodies: &[Body<'_>], size: [usize; 2], finer: usize) -> ColorImage {
    let finer = finer.max(1);
    let [width, height] = size.map(|n| n * finer);
    let mut image = ColorImage::filled(size, Color32::BLACK);
    if width == 0 || height == 0 {
        return image;
    }
    pool::draw(|| fill(camera, bodies, finer, &mut image));
    image
}

fn fill(camera: &Camera, bodies: &[Body<'_>], finer: usize, image: &mut ColorImage) {
    let size = image.size;
    let width = size[0] * finer;
    let placed: Vec<Vec<Vec<Seen>>> = bodies
        .iter()
        .map(|body| body.parts.par_iter().map(|part| place(camera, part, finer)).collect())
        .collect();
    image.pixels.par_chunks_mut(size[0] * BAND_ROWS).enumerate().for_each(|(i, pixels)| {
        let first = i * BAND_ROWS * finer;
        let rows = pixels.len() / size[0] * finer;
        let mut band = Band::new(width, first, rows);
        for (body, seen) in bodies.iter().zip(&placed) {
            band.add(body, seen);
        }
        band.reduce(pixels, size[0], finer);
    });
}

fn place(camera: &Camera, part: &Part<'_>, finer: usize) -> Vec<Seen> {
    let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let half_way = {
        let sum = [0, 1, 2].map(|i| camera.lamp[i] - camera.into[i]);
        let length = dot(sum, sum).sqrt().max(1e-6);
        sum.map(|v| v / length)
    };
    let see = |(at, normal): (&[f32; 3], &[f32; 3])| {
        let [x, y, z] = at.map(f64::from);
        let [column, row, depth] = camera.rows.map(|r| (r[0] * x + r[1] * y + r[2] * z + r[3]) as f32);
        let side = if dot(*normal, camera.into) > 0.0 { -1.0 } else { 1.0 };
        let normal = normal.map(|v| v * side);
        let diffuse = dot(normal, camera.lamp).max(0.0);
        let gloss = dot(normal, half_way).max(0.0).powi(24) * 0.22;
        [column * finer as f32, row * finer as f32, depth, 0.26 + 0.74 * diffuse, gloss]
    };
    part.positions.iter().zip(part.normals).map(see).collect()
}

/// Some rows of the picture.
struct Band {
    width: usize,
    first: usize,
    clip: Region,
    depth: Vec<f32>,
    color: Vec<[f32; 3]>,
}

impl Band {
    fn new(width: usize, first: usize, rows: usize) -> Self {
        let clip = Region::new([0, first as i32], [width as i32, (first + rows) as i32]);
        Self {
            width,
            first,
            clip,
            depth: vec![f32::INFINITY; width * rows],
            color: vec![[0.0; 3]; width * rows],
        }
    }

    fn add(&mut self, body: &Body<'_>, seen: &[Vec<Seen>]) {
        let [r, g, b, opacity] = body.color;
        let tint = [r, g, b];
        let lit = |light: f32, gloss: f32| tint.map(|c| (c * light + gloss).clamp(0.0, 1.0));
        if opacity >= 1.0 {
            self.each(body, seen, |depth, color, [z, light, gloss]| {
                if z < *depth {
                    (*depth, *color) = (z, lit(light, gloss));
                }
            });
        } else if opacity > 0.0 {
            // First only the depth, so that what is seen through is the front alone.
            self.each(body, seen, |depth, _, [z, ..]| *depth = depth.min(z));
            self.each(body, seen, |depth, color, [z, light, gloss]| {
                if z == *depth {
                    let own = lit(light, gloss);
                    *color = [0, 1, 2].map(|i| color[i] + (own[i] - color[i]) * opacity);
                    // Where two triangles share the edge, one of them is enough.
                    *depth = z.next_down();
                }
            });
        }
    }

    /// Calls for every pixel of every triangle with its depth, light and gloss.
    fn each(
        &mut self,
        body: &Body<'_>,
        seen: &[Vec<Seen>],
        mut paint: impl FnMut(&mut f32, &mut [f32; 3], [f32; 3]),
    ) {
        for (part, seen) in body.parts.iter().zip(seen) {
            for triangle in part.triangles {
                let [Some(a), Some(b), Some(c)] = triangle.map(|i| seen.get(i as usize)) else { continue };
                let corners = [a, b, c].map(|p| [p[0], p[1]]);
                // Most lie in other bands.
                let (top, bottom) = (self.clip.min[1] as f32, self.clip.max[1] as f32);
                if a[1].max(b[1]).max(c[1]) <= top || a[1].min(b[1]).min(c[1]) >= bottom {
                    continue;
                }
                let Some(outline) = Outline::of(corners, self.clip) else { continue };
                let slope = Slope::of([a, b, c].map(|p| ([p[0], p[1]], [p[2], p[3], p[4]])));
                let (width, first) = (self.width, self.first);
                outline.spans(|y, columns| {
                    let start = (y - first) * width;
                    for x in columns {
                        paint(&mut self.depth[start + x], &mut self.color[start + x], slope.at(x, y));
                    }
                });
            }
        }
    }

    /// The mean of the finer pixels.
    fn reduce(&self, pixels: &mut [Color32], width: usize, finer: usize) {
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (i % width * finer, i / width * finer);
            let mut sum = [0.0; 3];
            for row in y..y + finer {
                for color in &self.color[row * self.width + x..][..finer] {
                    sum = [0, 1, 2].map(|i| sum[i] + color[i]);
                }
            }
            let [r, g, b] = sum.map(|v| (v / (finer * finer) as f32 * 255.0 + 0.5) as u8);
            *pixel = Color32::from_rgb(r, g, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [40, 150];
    const TRIANGLES: [[u32; 3]; 2] = [[0, 1, 2], [2, 1, 3]];
    const FACING: [[f32; 3]; 4] = [[0.0, 0.0, 1.0]; 4];

    /// One pixel a unit, depth along z; the lamp is where the eye is.
    fn camera() -> Camera {
        let rows = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        Camera { rows, lamp: [0.0, 0.0, -1.0], into: [0.0, 0.0, 1.0] }
    }

    fn square(from: f32, to: f32, depth: f32) -> [[f32; 3]; 4] {
        [[from, from, depth], [to, from, depth], [from, to, depth], [to, to, depth]]
    }

    fn body(positions: &[[f32; 3]; 4], color: [f32; 4]) -> Body<'_> {
        let part = Part { positions, normals: &FACING, triangles: &TRIANGLES };
        Body { parts: vec![part], color }
    }

    fn red(image: &ColorImage, x: usize, y: usize) -> [u8; 3] {
        let [r, g, b, _] = image.pixels[y * SIZE[0] + x].to_array();
        [r, g, b]
    }

    #[test]
    fn what_is_nearer_hides_what_is_behind_whatever_is_drawn_first() {
        let (near, far) = (square(10.0, 20.0, 1.0), square(5.0, 30.0, 2.0));
        let (a, b) = (body(&near, [0.7, 0.0, 0.0, 1.0]), body(&far, [0.0, 0.7, 0.0, 1.0]));
        let image = draw(&camera(), &[a.clone(), b.clone()], SIZE, 2);
        assert_eq!(image, draw(&camera(), &[b, a], SIZE, 2));
        assert!(red(&image, 15, 15)[0] > red(&image, 15, 15)[1]);
        assert!(red(&image, 7, 7)[1] > red(&image, 7, 7)[0]);
        assert_eq!(red(&image, 2, 2), [0; 3]);
    }

    #[test]
    fn a_clear_surface_tints_what_is_behind_it_once() {
        let (near, far) = (square(10.0, 20.0, 1.0), square(5.0, 30.0, 2.0));
        let behind = body(&far, [0.0, 0.5, 0.0, 1.0]);
        let mut clear = body(&near, [0.5, 0.0, 0.0, 0.5]);
        let back = square(10.0, 20.0, 1.5);
        clear.parts.push(Part { positions: &back, normals: &FACING, triangles: &TRIANGLES });
        let image = draw(&camera(), &[behind, clear], SIZE, 2);
        let lit = |c: f32| (c + 0.22) * 255.0;
        let wanted = [(lit(0.5) + lit(0.0)) / 2.0, (lit(0.0) + lit(0.5)) / 2.0, lit(0.0)];
        for (y, x) in [(12, 12), (15, 15), (19, 10)] {
            for (found, wanted) in red(&image, x, y).into_iter().zip(wanted) {
                assert!((f32::from(found) - wanted).abs() <= 1.0, "{found} at {x}, {y}, not {wanted}");
            }
        }
    }

    #[test]
    fn corners_that_are_not_there_are_left_out() {
        let positions = square(0.0, 40.0, 1.0);
        let part = Part { positions: &positions, normals: &FACING, triangles: &[[0, 1, 9]] };
        let image = draw(&camera(), &[Body { parts: vec![part], color: [1.0; 4] }], SIZE, 2);
        assert!(image.pixels.iter().all(|pixel| *pixel == Color32::BLACK));
    }
}
