//! Decoders of compressed frames (PS3.5 annex A.4), each behind the same door.

mod jpeg;
mod jpeg2000;
mod jpeg_bits;
mod jpeg_dct;
mod jpeg_ls;
mod jpeg_ls_scan;
mod rle;
mod segments;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::header::Packing;
use super::layout::{Photometric, PixelLayout};

/// Pixels that a frame may claim for each of its bytes, beyond [`FREE_PIXELS`]: blank images shrink without
/// bound, but a few bytes that claim gigabytes are no image.
const MAX_PIXELS_PER_BYTE: usize = 4096;
const FREE_PIXELS: usize = 1 << 25;

/// A decoded frame.
pub(super) struct Decoded {
    /// Stored words, samples of a pixel side by side; bits above the stored ones may be set.
    pub words: Vec<i32>,
    /// Whether colour has already been brought to RGB.
    pub is_rgb: bool,
    /// What was lost: the name of a process that does not restore every value.
    pub lossy: Option<String>,
}

/// What a codestream must deliver.
#[derive(Clone, Copy)]
struct Expected {
    columns: usize,
    rows: usize,
    samples: usize,
    /// Colour that is RGB as stored.
    stored_rgb: bool,
}

impl Expected {
    /// Compares a codestream's own size with the DICOM header.
    fn check(&self, columns: usize, rows: usize, samples: usize) -> Result<(), String> {
        if (columns, rows, samples) == (self.columns, self.rows, self.samples) {
            return Ok(());
        }
        Err(format!(
            "the compressed image has {columns} × {rows} pixels of {samples} samples, the DICOM header {} × {} of {}",
            self.columns, self.rows, self.samples
        ))
    }

    fn word_count(&self) -> usize {
        self.columns * self.rows * self.samples
    }
}

/// Decodes one frame. The error says what is wrong.
pub(super) fn decode(packing: Packing, bytes: &[u8], layout: &PixelLayout) -> Result<Decoded, String> {
    let stored_rgb = layout.photometric == Photometric::Rgb;
    let expected =
        Expected { columns: layout.columns, rows: layout.rows, samples: layout.samples, stored_rgb };
    let allowed = bytes.len().saturating_mul(MAX_PIXELS_PER_BYTE).saturating_add(FREE_PIXELS);
    if expected.word_count() > allowed {
        let size = format!("{} × {} pixels", layout.columns, layout.rows);
        return Err(format!("{} bytes cannot hold a compressed image of {size}", bytes.len()));
    }
    // A panic of a third-party decoder is an unreadable image, not the end of the program.
    let decoded = catch_unwind(AssertUnwindSafe(|| match packing {
        Packing::Native => Err("native pixels need no decoder".to_owned()),
        Packing::Rle => rle::decode(bytes, expected, layout.sample_bytes()),
        Packing::Jpeg => jpeg::decode(bytes, expected),
        Packing::JpegLs => jpeg_ls::decode(bytes, expected),
        Packing::Jpeg2000 => jpeg2000::decode(bytes, expected),
    }));
    let decoded = decoded.unwrap_or_else(|_| Err("the compressed image is damaged".to_owned()))?;
    if decoded.words.len() != expected.word_count() {
        return Err(format!(
            "the compressed image has {} of {} samples",
            decoded.words.len(),
            expected.word_count()
        ));
    }
    Ok(decoded)
}
