//! JPEG (ITU-T T.81): 8-bit DCT and lossless processes through `jpeg-decoder`, 12-bit DCT by our own decoder.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::{Decoded, Expected, jpeg_dct};

/// The frame header and what tells the colour space.
struct JpegInfo {
    /// Second byte of the SOF marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, 0xC3 lossless.
    process: u8,
    precision: u8,
    columns: usize,
    rows: usize,
    components: usize,
    /// JFIF or Adobe segment, which settle the colour space.
    names_color: bool,
}

/// Decodes a JPEG image.
pub(super) fn decode(bytes: &[u8], expected: Expected) -> Result<Decoded, String> {
    let info = read_header(bytes).ok_or("the JPEG header is damaged")?;
    expected.check(info.columns, info.rows, info.components)?;
    let lossless = info.process == 0xC3;
    let lossy = (!lossless).then(|| format!("JPEG, {} bit", info.precision));
    match (info.process, info.precision) {
        (0xC0..=0xC2, 12) if info.components == 1 => {
            let words = jpeg_dct::decode(bytes)?;
            Ok(Decoded { words, is_rgb: false, lossy })
        }
        (0xC0..=0xC2, 8) | (0xC3, 2..=16) => {
            let words = decode_common(bytes, &info, expected)?;
            Ok(Decoded { words, is_rgb: info.components == 3, lossy })
        }
        (process, precision) => Err(format!(
            "JPEG process {process:02x} with {precision} bits and {} components is not supported",
            info.components
        )),
    }
}

fn decode_common(bytes: &[u8], info: &JpegInfo, expected: Expected) -> Result<Vec<i32>, String> {
    let mut decoder = Decoder::new(bytes);
    // Two bytes a sample at most, and room for subsampled rows.
    decoder.set_max_decoding_buffer_size(expected.word_count() * 4 + (1 << 20));
    if info.components == 3 && expected.stored_rgb && !info.names_color {
        decoder.set_color_transform(ColorTransform::None);
    }
    let pixels = decoder.decode().map_err(|e| format!("JPEG: {e}"))?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L16) => {
            Ok(pixels.chunks_exact(2).map(|pair| i32::from(u16::from_ne_bytes([pair[0], pair[1]]))).collect())
        }
        Some(PixelFormat::L8 | PixelFormat::RGB24) => Ok(pixels.into_iter().map(i32::from).collect()),
        other => Err(format!("JPEG pixels of kind {other:?} are not supported")),
    }
}

/// Segments up to the frame header (annex B).
fn read_header(bytes: &[u8]) -> Option<JpegInfo> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    let mut names_color = false;
    loop {
        while let [0xFF, 0xFF, ..] = rest {
            rest = &rest[1..];
        }
        let (&[0xFF, marker], tail) = rest.split_first_chunk::<2>()? else { return None };
        let length = usize::from(u16::from_be_bytes([*tail.first()?, *tail.get(1)?]));
        let body = tail.get(2..length)?;
        match marker {
            // Frame headers; C4, C8 and CC are tables and extensions.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let &[precision, y1, y0, x1, x0, components, ..] = body else { return None };
                return Some(JpegInfo {
                    process: marker,
                    precision,
                    columns: usize::from(u16::from_be_bytes([x1, x0])),
                    rows: usize::from(u16::from_be_bytes([y1, y0])),
                    components: usize::from(components),
                    names_color,
                });
            }
            0xE0 => names_color |= body.starts_with(b"JFIF"),
            0xEE => names_color |= body.starts_with(b"Adobe"),
            0xDA | 0xD9 => return None,
            _ => {}
        }
        rest = &tail[length..];
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Pixels that a JPEG claims.
    pub fn size(bytes: &[u8]) -> Option<usize> {
        read_header(bytes).map(|info| info.columns * info.rows)
    }

    #[test]
    fn a_codestream_of_another_size_is_refused() {
        let bytes = include_bytes!("fixtures/restart.jpg");
        let expected = Expected { columns: 37, rows: 43, samples: 1, stored_rgb: false };
        assert_eq!(decode(bytes, expected).unwrap().words.len(), 37 * 43);
        let error = decode(bytes, Expected { rows: 44, ..expected }).err().unwrap();
        assert!(error.contains("37 × 43") && error.contains("37 × 44"), "{error}");
    }
}
