//! The picture of a window.

use egui::Color32;
use egui::epaint::{ClippedPrimitive, Primitive, textures::TexturesDelta};
use rayon::prelude::*;

use crate::color::packed;
use crate::damage::{Seen, between};
use crate::region::{Region, Regions};
use crate::texture::Textures;
use crate::triangle::Band;
use crate::{mesh, pool};

/// Rows that one thread draws at a time.
const BAND_ROWS: usize = 96;

/// A picture that follows what egui wants drawn.
#[derive(Debug, Default)]
pub struct Canvas {
    size: [usize; 2],
    pixels: Vec<u32>,
    textures: Textures,
    seen: Vec<Seen>,
    pixels_per_point: f32,
    background: u32,
}

impl Canvas {
    /// Draws a frame of `size` pixels (width, height) over an opaque background and yields the regions in which the picture may
    /// have changed, none of which meets another. What `textures` brings is taken out of it.
    ///
    /// Callbacks for a graphics device are left out.
    pub fn paint(
        &mut self,
        size: [usize; 2],
        jobs: &[ClippedPrimitive],
        textures: &mut TexturesDelta,
        pixels_per_point: f32,
        background: Color32,
    ) -> Vec<Region> {
        self.textures.set(textures);
        let all = Region::of_size(size);
        let seen: Vec<Seen> =
            jobs.iter().map(|job| Seen::of(job, &self.textures, pixels_per_point, all)).collect();
        let background = packed(background.to_opaque());
        let is_new = self.size != size
            || self.pixels_per_point.to_bits() != pixels_per_point.to_bits()
            || self.background != background;
        let regions = if is_new {
            self.pixels.clear();
            self.pixels.resize(size[0] * size[1], background);
            (self.size, self.pixels_per_point, self.background) = (size, pixels_per_point, background);
            let mut regions = Regions::default();
            regions.add(all);
            regions
        } else {
            between(&self.seen, &seen)
        };
        self.seen = seen;
        pool::draw(|| self.draw(jobs, &regions.0));
        self.textures.free(textures);
        regions.0
    }

    fn draw(&mut self, jobs: &[ClippedPrimitive], regions: &[Region]) {
        let (width, textures, seen) = (self.size[0], &self.textures, &self.seen);
        if regions.is_empty() || width == 0 {
            return;
        }
        let (background, pixels_per_point) = (self.background, self.pixels_per_point);
        self.pixels.par_chunks_mut(width * BAND_ROWS).enumerate().for_each(|(i, pixels)| {
            let first = i * BAND_ROWS;
            let rows = pixels.len() / width;
            let within = Region::new([0, first as i32], [width as i32, (first + rows) as i32]);
            let mut band = Band { pixels, width, first };
            for region in regions.iter().map(|region| region.intersection(&within)).filter(|r| !r.is_empty())
            {
                region.rows().for_each(|y| band.line(y, region.columns()).fill(background));
                for (job, seen) in jobs.iter().zip(seen) {
                    let clip = seen.region.intersection(&region);
                    let Primitive::Mesh(mesh) = &job.primitive else { continue };
                    if let Some(texture) = textures.get(mesh.texture_id).filter(|_| !clip.is_empty()) {
                        mesh::fill(&mut band, clip, mesh, texture, pixels_per_point);
                    }
                }
            }
        });
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The picture, row by row; bytes in memory are red, green, blue, alpha.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// The picture as egui knows pictures.
    pub fn image(&self) -> egui::ColorImage {
        egui::ColorImage::new(self.size, bytemuck::cast_slice(&self.pixels).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Rect, Shape, pos2, vec2};
    use proptest::prelude::*;

    const SIZE: [usize; 2] = [160, 250];

    fn frame(ctx: &egui::Context, shapes: &[(u8, f32, f32, u8)]) -> egui::FullOutput {
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(SIZE[0] as f32, SIZE[1] as f32))),
            ..Default::default()
        };
        ctx.run_ui(input, |ui| {
            for (kind, x, y, gray) in shapes {
                let color = Color32::from_rgba_unmultiplied(*gray, 255 - gray, 90, 140 + gray / 3);
                let clip = Rect::from_min_size(pos2(x * 0.3, y * 0.2), vec2(120.0, 170.0));
                let painter = ui.painter_at(clip);
                let at = pos2(*x, *y);
                match kind % 4 {
                    0 => drop(painter.add(Shape::circle_filled(at, 22.0, color))),
                    1 => drop(painter.rect_filled(Rect::from_min_size(at, vec2(31.0, 17.0)), 4.0, color)),
                    2 => drop(painter.line_segment([at, pos2(80.0, 90.0)], (2.5, color))),
                    _ => drop(painter.text(
                        at,
                        egui::Align2::LEFT_TOP,
                        format!("{gray} mm"),
                        egui::FontId::default(),
                        color,
                    )),
                }
            }
        })
    }

    fn paint(canvas: &mut Canvas, ctx: &egui::Context, mut output: egui::FullOutput) -> Vec<Region> {
        let jobs = ctx.tessellate(output.shapes, 1.0);
        canvas.paint(SIZE, &jobs, &mut output.textures_delta, 1.0, Color32::from_gray(30))
    }

    fn any_shapes() -> impl Strategy<Value = Vec<(u8, f32, f32, u8)>> {
        prop::collection::vec((any::<u8>(), 0f32..150.0, 0f32..240.0, any::<u8>()), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever changes from frame to frame, the picture is the one that a canvas without a past would draw, and nothing
        /// changed outside the regions that are named.
        #[test]
        fn what_is_kept_and_what_is_drawn_anew_make_the_whole_picture(
            frames in prop::collection::vec(any_shapes(), 2..5),
            stays in 0usize..12,
        ) {
            let ctx = egui::Context::default();
            let mut canvas = Canvas::default();
            let mut shapes: Vec<(u8, f32, f32, u8)> = Vec::new();
            for next in frames {
                let mut all: Vec<_> = shapes.iter().take(stays).copied().collect();
                all.extend(next);
                shapes = all;
                let before = canvas.pixels.clone();
                let output = frame(&ctx, &shapes);
                let regions = paint(&mut canvas, &ctx, output);
                let mut fresh = Canvas { textures: Textures::default(), ..Default::default() };
                std::mem::swap(&mut fresh.textures, &mut canvas.textures);
                let mut output = frame(&ctx, &shapes);
                let jobs = ctx.tessellate(output.shapes, 1.0);
                fresh.paint(SIZE, &jobs, &mut output.textures_delta, 1.0, Color32::from_gray(30));
                std::mem::swap(&mut fresh.textures, &mut canvas.textures);
                prop_assert!(canvas.pixels == fresh.pixels);
                for (i, (old, new)) in before.iter().zip(&canvas.pixels).enumerate() {
                    let (x, y) = (i % SIZE[0], i / SIZE[0]);
                    let named = regions.iter().any(|r| r.columns().contains(&x) && r.rows().contains(&y));
                    prop_assert!(named || old == new, "({x}, {y}) changed unnamed");
                }
            }
        }
    }

    #[test]
    fn a_frame_like_the_last_one_draws_nothing() {
        let ctx = egui::Context::default();
        let mut canvas = Canvas::default();
        let shapes = [(0, 30.0, 40.0, 10), (3, 60.0, 40.0, 200)];
        let first = frame(&ctx, &shapes);
        assert_eq!(paint(&mut canvas, &ctx, first), [Region::of_size(SIZE)]);
        let second = frame(&ctx, &shapes);
        assert_eq!(paint(&mut canvas, &ctx, second), []);
        let third = frame(&ctx, &[(0, 30.0, 40.0, 10), (3, 60.0, 40.0, 201)]);
        let regions = paint(&mut canvas, &ctx, third);
        assert!(regions.len() == 1 && regions[0].area() < 3000, "{regions:?}");
    }
}
