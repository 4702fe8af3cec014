//! Pictures that shapes are filled with: letters, slices, maps.

use std::collections::HashMap;
use std::sync::Arc;

use egui::epaint::{ImageData, ImageDelta, textures::TexturesDelta};
use egui::{ColorImage, TextureFilter, TextureId, TextureWrapMode};

use crate::color::mixed;

/// One picture.
#[derive(Clone, Debug)]
pub(crate) struct Texture {
    image: Arc<ColorImage>,
    linear: bool,
    wrap: TextureWrapMode,
    /// Rises with every change that shapes drawn before would show.
    pub(crate) version: u64,
}

impl Texture {
    pub(crate) fn width(&self) -> usize {
        self.image.size[0]
    }

    pub(crate) fn height(&self) -> usize {
        self.image.size[1]
    }

    pub(crate) fn pixels(&self) -> &[u32] {
        bytemuck::cast_slice(&self.image.pixels)
    }

    /// Whether a place outside the picture shows its edge.
    pub(crate) fn is_clamped(&self) -> bool {
        self.wrap == TextureWrapMode::ClampToEdge
    }

    fn place(&self, i: i32, size: usize) -> usize {
        let n = size as i32;
        let at = match self.wrap {
            TextureWrapMode::ClampToEdge => i.clamp(0, n - 1),
            TextureWrapMode::Repeat => i.rem_euclid(n),
            TextureWrapMode::MirroredRepeat => {
                let twice = i.rem_euclid(2 * n);
                if twice < n { twice } else { 2 * n - 1 - twice }
            }
        };
        at as usize
    }

    fn texel(&self, x: i32, y: i32) -> u32 {
        self.pixels()[self.place(y, self.height()) * self.width() + self.place(x, self.width())]
    }

    /// The colour at a place in texels; the middle of the first is (0.5, 0.5).
    pub(crate) fn at(&self, u: f32, v: f32) -> u32 {
        if self.image.pixels.is_empty() {
            return u32::MAX;
        }
        if !self.linear {
            return self.texel(u.floor() as i32, v.floor() as i32);
        }
        let (u, v) = (u - 0.5, v - 0.5);
        let (x, y) = (u.floor(), v.floor());
        let share = |f: f32| (f * 256.0 + 0.5) as u32;
        let (s, t) = (share(u - x), share(v - y));
        let (x, y) = (x as i32, y as i32);
        // Where the middle of a texel is asked for, its neighbours do not matter.
        let row = |y: i32| match s {
            0 => self.texel(x, y),
            _ => mixed(self.texel(x, y), self.texel(x.saturating_add(1), y), s),
        };
        if t == 0 { row(y) } else { mixed(row(y), row(y.saturating_add(1)), t) }
    }
}

/// All pictures, by egui's number.
#[derive(Debug, Default)]
pub(crate) struct Textures {
    held: HashMap<TextureId, Texture>,
    changes: u64,
}

impl Textures {
    pub(crate) fn get(&self, id: TextureId) -> Option<&Texture> {
        self.held.get(&id)
    }

    /// Takes in what is new.
    pub(crate) fn set(&mut self, delta: &mut TexturesDelta) {
        #[expect(clippy::iter_over_hash_type, reason = "each concerns another picture")]
        for (id, deltas) in std::mem::take(&mut delta.set) {
            for one in deltas {
                self.set_one(id, one);
            }
        }
    }

    /// Gives up what is no longer drawn.
    pub(crate) fn free(&mut self, delta: &mut TexturesDelta) {
        #[expect(clippy::iter_over_hash_type, reason = "each concerns another picture")]
        for id in std::mem::take(&mut delta.free) {
            self.held.remove(&id);
        }
    }

    fn set_one(&mut self, id: TextureId, delta: ImageDelta) {
        let ImageData::Color(image) = delta.image;
        self.changes += 1;
        let Some([x, y]) = delta.pos else {
            let texture = Texture {
                image,
                linear: delta.options.magnification == TextureFilter::Linear,
                wrap: delta.options.wrap_mode,
                version: self.changes,
            };
            self.held.insert(id, texture);
            return;
        };
        let Some(texture) = self.held.get_mut(&id) else { return };
        // Letters are only ever added to the picture of letters, so that no shape drawn before looks different.
        if id != TextureId::default() {
            texture.version = self.changes;
        }
        let whole = Arc::make_mut(&mut texture.image);
        let ([width, height], [part_width, part_height]) = (whole.size, image.size);
        let (columns, rows) =
            (part_width.min(width.saturating_sub(x)), part_height.min(height.saturating_sub(y)));
        for row in 0..rows {
            let (to, from) = ((y + row) * width + x, row * part_width);
            whole.pixels[to..to + columns].copy_from_slice(&image.pixels[from..from + columns]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Color32, TextureOptions};

    fn gray(values: &[u8], size: [usize; 2]) -> ColorImage {
        ColorImage::new(size, values.iter().map(|v| Color32::from_gray(*v)).collect())
    }

    fn textures(image: ColorImage, options: TextureOptions) -> (Textures, TextureId) {
        let mut delta = TexturesDelta::default();
        let id = TextureId::User(3);
        delta.push(id, ImageDelta::full(image, options));
        let mut textures = Textures::default();
        textures.set(&mut delta);
        (textures, id)
    }

    #[test]
    fn between_texels_the_nearest_or_their_mean_is_seen_and_the_edge_goes_on() {
        let image = gray(&[0, 100, 200, 50], [2, 2]);
        let (soft, id) = textures(image.clone(), TextureOptions::LINEAR);
        let red = |textures: &Textures, u, v| textures.get(id).unwrap().at(u, v).to_le_bytes()[0];
        assert_eq!(red(&soft, 0.5, 0.5), 0);
        assert_eq!(red(&soft, 1.0, 0.5), 50);
        assert_eq!(red(&soft, 1.0, 1.0), 88);
        assert_eq!(red(&soft, -5.0, 9.0), 200);
        let (hard, _) = textures(image.clone(), TextureOptions::NEAREST);
        assert_eq!(red(&hard, 0.99, 0.1), 0);
        assert_eq!(red(&hard, 1.01, 0.1), 100);
        let (tiled, _) = textures(image, TextureOptions::NEAREST_REPEAT);
        assert_eq!(red(&tiled, 3.5, -1.5), 100);
    }

    #[test]
    fn a_part_replaces_what_lies_below_it_and_nothing_beyond_the_edge() {
        let (mut textures, id) = textures(gray(&[0; 9], [3, 3]), TextureOptions::NEAREST);
        let before = textures.get(id).unwrap().version;
        let mut delta = TexturesDelta::default();
        delta.push(id, ImageDelta::partial([2, 1], gray(&[7, 9, 8, 9], [2, 2]), TextureOptions::NEAREST));
        textures.set(&mut delta);
        let seen: Vec<u8> = textures.get(id).unwrap().pixels().iter().map(|p| p.to_le_bytes()[0]).collect();
        assert_eq!(seen, [0, 0, 0, 0, 0, 7, 0, 0, 8]);
        assert!(textures.get(id).unwrap().version > before);
    }
}
