//! A picture as 8-bit colour, whatever the file held.

use std::borrow::Cow;

use crate::volume::{Volume, Voxels};

/// Why an image is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A volume.
    #[error("the image has {slices} slices; a photograph has one")]
    Slices {
        /// Slices.
        slices: usize,
    },
    /// No side is long enough for a retina to be told from noise.
    #[error("the picture has {width} × {height} pixels; a fundus photograph needs at least {least} each way")]
    TooSmall {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// The least of both.
        least: usize,
    },
}

/// Pixels along a side below which nothing can be read.
pub const LEAST_SIDE: usize = 32;

/// A picture in 8-bit colour, `[y, x]`. Grey pictures have three equal channels.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    size: [usize; 2],
    pixels: Cow<'a, [[u8; 3]]>,
    is_gray: bool,
}

impl<'a> Picture<'a> {
    /// The picture in an image of one slice: 8-bit colour as it is, 8-bit grey as colour, everything else with its
    /// range spread over 0 to 255 (16-bit grey keeps 0 as black).
    ///
    /// # Errors
    /// [`PictureError`] for several slices or too few pixels.
    pub fn of(volume: &'a Volume) -> Result<Self, PictureError> {
        let [width, height, slices] = volume.grid().dims();
        if slices != 1 {
            return Err(PictureError::Slices { slices });
        }
        let pixels = match volume.voxels() {
            Voxels::Rgb8(colors) => Cow::Borrowed(colors.as_slice()),
            Voxels::U8(grey) => Cow::Owned(grey.iter().map(|v| [*v; 3]).collect()),
            other => Cow::Owned(spread(volume, other)),
        };
        Self::new([width, height], pixels)
    }

    /// A picture of `size` columns and rows.
    ///
    /// # Errors
    /// [`PictureError::TooSmall`]; also if the pixels do not fill the size.
    pub fn new(size: [usize; 2], pixels: Cow<'a, [[u8; 3]]>) -> Result<Self, PictureError> {
        let [width, height] = size;
        if width < LEAST_SIDE || height < LEAST_SIDE || width.checked_mul(height) != Some(pixels.len()) {
            return Err(PictureError::TooSmall { width, height, least: LEAST_SIDE });
        }
        let is_gray = pixels.iter().all(|[r, g, b]| r.abs_diff(*g).max(g.abs_diff(*b)) <= 2);
        Ok(Self { size, pixels, is_gray })
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The pixels, `[y, x]`.
    pub fn pixels(&self) -> &[[u8; 3]] {
        &self.pixels
    }

    /// Whether no pixel has a colour.
    pub fn is_gray(&self) -> bool {
        self.is_gray
    }

    /// The green channel, `[y, x]`, in which vessels stand out most.
    pub fn green(&self) -> Vec<u8> {
        self.pixels.iter().map(|[_, g, _]| *g).collect()
    }

    /// The picture made smaller by a whole number, so that no side exceeds `most` pixels: means of squares of
    /// pixels, with the number. A rest at the right and lower border is left out.
    pub fn reduced(&self, most: usize) -> (Picture<'static>, usize) {
        let factor = self.size[0].max(self.size[1]).div_ceil(most.max(1)).max(1);
        // Very long pictures keep the least side that a picture may have.
        let factor = factor.min(self.size[0].min(self.size[1]) / LEAST_SIDE).max(1);
        let [width, height] = self.size.map(|n| n / factor);
        let area = (factor * factor) as u32;
        let mean = |x: usize, y: usize| {
            let mut sum = [0u32; 3];
            for row in y * factor..(y + 1) * factor {
                let start = row * self.size[0] + x * factor;
                for pixel in &self.pixels[start..start + factor] {
                    (0..3).for_each(|c| sum[c] += u32::from(pixel[c]));
                }
            }
            sum.map(|s| ((s + area / 2) / area) as u8)
        };
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect();
        (Picture { size: [width, height], pixels: Cow::Owned(pixels), is_gray: self.is_gray }, factor)
    }
}

/// Grey values of any type as bytes.
fn spread(volume: &Volume, voxels: &Voxels) -> Vec<[u8; 3]> {
    let range = volume.range();
    let low = range.min.min(0.0);
    let scale = if range.max > low { 255.0 / (range.max - low) } else { 0.0 };
    (0..voxels.len())
        .map(|i| {
            let value = voxels.value(i);
            let grey =
                if value.is_finite() { ((value - low) * scale).round().clamp(0.0, 255.0) } else { 0.0 };
            [grey as u8; 3]
        })
        .collect()
}
