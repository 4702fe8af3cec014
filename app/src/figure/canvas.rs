//! What a figure is drawn on: pixels, or SVG with its pictures inside. Lengths are in units of a page, of which a pixel
//! canvas has several pixels each.

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;

use egui::epaint::text::{Fonts, LayoutJob, TextOptions};
use egui::{Color32, FontDefinitions, FontId};
use image::{ImageFormat, Rgb, RgbImage};

/// Pixels in a unit of the page.
const PIXELS_PER_UNIT: f32 = 2.0;

/// Where a text stands about its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something to draw on. y grows downwards; a text's point lies on its base line.
pub(super) trait Canvas {
    fn picture(&mut self, at: [f32; 2], size: [f32; 2], picture: &RgbImage) -> anyhow::Result<()>;
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: [u8; 3]);
    fn text(&mut self, at: [f32; 2], size: f32, anchor: Anchor, text: &str);
}

/// Lays out text in the program's own letters.
pub(super) struct Lettering(Fonts);

impl Lettering {
    pub(super) fn new() -> Self {
        Self(Fonts::new(TextOptions::default(), FontDefinitions::default()))
    }

    fn galley(&mut self, text: &str, pixels: f32) -> egui::Galley {
        let job = LayoutJob::simple_singleline(text.to_owned(), FontId::proportional(pixels), Color32::BLACK);
        self.0.layout_uncached(1.0, Arc::new(job))
    }

    /// Width of a text of a size, in the unit of the size.
    pub(super) fn width(&mut self, text: &str, size: f32) -> f32 {
        self.galley(text, size * PIXELS_PER_UNIT).size().x / PIXELS_PER_UNIT
    }

    /// The text, shortened with … until it is no wider than `most`.
    pub(super) fn fitted(&mut self, text: &str, size: f32, most: f32) -> String {
        let mut shown: Vec<char> = text.chars().collect();
        while shown.len() > 1 && self.width(&shown.iter().collect::<String>(), size) > most {
            let keep = shown.len() - if shown.ends_with(&['…']) { 2 } else { 1 };
            shown.truncate(keep);
            shown.push('…');
        }
        shown.into_iter().collect()
    }
}

/// Pixels.
pub(super) struct Raster {
    pub(super) pixels: RgbImage,
    lettering: Lettering,
}

impl Raster {
    /// A white page of a size in units.
    pub(super) fn new(size: [f32; 2]) -> Self {
        let [width, height] = size.map(|side| (side * PIXELS_PER_UNIT).ceil().max(1.0) as u32);
        Self { pixels: RgbImage::from_pixel(width, height, Rgb([255; 3])), lettering: Lettering::new() }
    }

    fn mix(&mut self, x: i64, y: i64, color: [u8; 3], part: f32) {
        let (width, height) = (i64::from(self.pixels.width()), i64::from(self.pixels.height()));
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let Rgb(under) = *self.pixels.get_pixel(x as u32, y as u32);
            let mixed =
                |i: usize| (f32::from(under[i]) * (1.0 - part) + f32::from(color[i]) * part).round() as u8;
            self.pixels.put_pixel(x as u32, y as u32, Rgb([0, 1, 2].map(mixed)));
        }
    }
}

impl Canvas for Raster {
    fn picture(&mut self, at: [f32; 2], size: [f32; 2], picture: &RgbImage) -> anyhow::Result<()> {
        let [left, top] = at.map(|v| (v * PIXELS_PER_UNIT).round() as u32);
        let [wide, high] = size.map(|v| (v * PIXELS_PER_UNIT).round().max(1.0) as u32);
        for y in 0..high {
            for x in 0..wide {
                let from = |i: u32, n: u32, of: u32| (u64::from(i) * u64::from(of) / u64::from(n)) as u32;
                let pixel =
                    *picture.get_pixel(from(x, wide, picture.width()), from(y, high, picture.height()));
                if left + x < self.pixels.width() && top + y < self.pixels.height() {
                    self.pixels.put_pixel(left + x, top + y, pixel);
                }
            }
        }
        Ok(())
    }

    /// Along an axis; others are not drawn by figures.
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: [u8; 3]) {
        let half = width / 2.0;
        let low = [0, 1].map(|a| ((from[a].min(to[a]) - half) * PIXELS_PER_UNIT).round() as i64);
        let high = [0, 1].map(|a| ((from[a].max(to[a]) + half) * PIXELS_PER_UNIT).round() as i64);
        for y in low[1]..high[1] {
            for x in low[0]..high[0] {
                self.mix(x, y, color, 1.0);
            }
        }
    }

    fn text(&mut self, at: [f32; 2], size: f32, anchor: Anchor, text: &str) {
        let galley = self.lettering.galley(text, size * PIXELS_PER_UNIT);
        let shift = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -galley.size().x / 2.0,
            Anchor::End => -galley.size().x,
        };
        let atlas = self.lettering.0.image();
        for row in &galley.rows {
            let base = row.glyphs.iter().map(|glyph| glyph.pos.y).fold(0.0, f32::max);
            for glyph in row.glyphs.iter().filter(|glyph| !glyph.uv_rect.is_nothing()) {
                let uv = glyph.uv_rect;
                let left = at[0] * PIXELS_PER_UNIT + shift + row.pos.x + glyph.pos.x + uv.offset.x;
                let top = at[1] * PIXELS_PER_UNIT + glyph.pos.y - base + uv.offset.y;
                for v in uv.min[1]..uv.max[1] {
                    for u in uv.min[0]..uv.max[0] {
                        let part = f32::from(atlas[(usize::from(u), usize::from(v))].a()) / 255.0;
                        let x = left.round() as i64 + i64::from(u - uv.min[0]);
                        self.mix(x, top.round() as i64 + i64::from(v - uv.min[1]), [0; 3], part);
                    }
                }
            }
        }
    }
}

/// SVG: pictures as PNG within the file, everything else as vectors.
pub(super) struct Svg(String);

impl Svg {
    /// A white page of a size in units, which are points of a browser.
    pub(super) fn new([width, height]: [f32; 2], title: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.2} {height:.2}\" font-family=\"sans-serif\">\n<title>{title}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ))
    }

    /// The file.
    pub(super) fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

impl Canvas for Svg {
    fn picture(&mut self, [x, y]: [f32; 2], [w, h]: [f32; 2], picture: &RgbImage) -> anyhow::Result<()> {
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, ImageFormat::Png)?;
        let data = base64(png.get_ref());
        writeln!(
            self.0,
            "<image x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>"
        )?;
        Ok(())
    }

    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, [r, g, b]: [u8; 3]) {
        let [[x1, y1], [x2, y2]] = [from, to];
        self.0 += &format!(
            "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"#{r:02x}{g:02x}{b:02x}\" \
             stroke-width=\"{width}\" stroke-linecap=\"square\"/>\n"
        );
    }

    fn text(&mut self, [x, y]: [f32; 2], size: f32, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.0 += &format!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{text}</text>\n"
        );
    }
}

/// Text between tags; characters that XML does not have become spaces.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Bytes as base 64 (RFC 4648, with padding).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let is_padding = digit > group.len();
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base_64_as_the_standard_shows() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_is_drawn_where_it_stands() {
        let mut raster = Raster::new([100.0, 30.0]);
        raster.text([50.0, 20.0], 12.0, Anchor::Middle, "HHH");
        let dark: Vec<(u32, u32)> = raster
            .pixels
            .enumerate_pixels()
            .filter(|(_, _, p)| p.0[0] < 128)
            .map(|(x, y, _)| (x, y))
            .collect();
        assert!(dark.len() > 60, "{}", dark.len());
        let x = dark.iter().map(|(x, _)| f64::from(*x)).sum::<f64>() / dark.len() as f64;
        assert!((x - 100.0).abs() < 6.0, "the text is centred: {x}");
        assert!(dark.iter().all(|(_, y)| (16..=40).contains(y)), "it stands on its base line: {dark:?}");
        let mut lettering = Lettering::new();
        let most = lettering.width("attention", 12.0);
        let short = lettering.fitted("attention of the marked pixel", 12.0, most);
        assert!(short.ends_with('…') && lettering.width(&short, 12.0) <= most, "{short}");
    }

    #[test]
    fn names_with_signs_of_xml_do_no_harm() {
        assert_eq!(escaped("a<b & \"c\"\u{7}"), "a&lt;b &amp; &quot;c&quot; ");
    }
}
