//! JPEG-LS (ISO/IEC 14495-1, ITU-T T.87): segments and presets. The coding itself is in `jpeg_ls_scan`.
//!
//! Lossless and near-lossless, 2 to 16 bits, any interleaving, restart intervals. Written here because no
//! decoder in Rust reads colour or restart markers, and DICOM has both.

use super::jpeg_ls_scan::{Coding, Interleave, ScanDecoder};
use super::segments::Segment;
use super::{Decoded, Expected};

const SOF55: u8 = 0xF7;
const LSE: u8 = 0xF8;

/// What stands before a scan.
#[derive(Default)]
struct Headers {
    precision: u32,
    columns: usize,
    rows: usize,
    component_ids: Vec<u8>,
    /// MAXVAL, T1, T2, T3, RESET; zero means the default (C.2.4.1.1).
    preset: [i32; 5],
    restart_interval: usize,
}

/// Decodes an image.
pub(super) fn decode(bytes: &[u8], expected: Expected) -> Result<Decoded, String> {
    let mut headers = Headers::default();
    let mut words = Vec::new();
    let mut near_max = 0;
    let mut done = 0;
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8]).ok_or("the JPEG-LS image has no start marker")?;
    while let Some(Segment { marker, body, rest: after }) = Segment::next(rest)? {
        rest = after;
        match marker {
            SOF55 => {
                headers.read_frame(body)?;
                expected.check(headers.columns, headers.rows, headers.component_ids.len())?;
                words = vec![0; expected.word_count()];
            }
            LSE => headers.read_preset(body)?,
            0xDD => headers.read_restart_interval(body)?,
            0xDA => {
                if words.is_empty() {
                    return Err("the JPEG-LS scan stands before its frame".to_owned());
                }
                let (coding, interleave, components) = headers.scan(body)?;
                near_max = near_max.max(coding.near);
                let mut scan = ScanDecoder::new(rest, coding, interleave, components.len(), headers.columns);
                let mut put = |line: usize, component: usize, values: &[i32]| {
                    let start = line * headers.columns * expected.samples + components[component];
                    let targets = words[start..].iter_mut().step_by(expected.samples);
                    targets.zip(values).for_each(|(word, value)| *word = *value);
                };
                let used = scan.decode(headers.rows, headers.restart_interval, &mut put)?;
                rest = &rest[used..];
                done += components.len();
                if done >= expected.samples {
                    break;
                }
            }
            // CharLS and HP keep a colour transform here that other readers do not know.
            0xE8 if body.starts_with(b"mrfx") && body.get(4).is_some_and(|kind| *kind != 0) => {
                return Err("the JPEG-LS image uses HP's colour transform, which is not supported".to_owned());
            }
            _ => {}
        }
    }
    if done < expected.samples {
        return Err(format!("the JPEG-LS image holds {done} of {} components", expected.samples));
    }
    let lossy = (near_max > 0).then(|| format!("JPEG-LS, values off by up to {near_max}"));
    Ok(Decoded { words, is_rgb: false, lossy })
}

impl Headers {
    fn read_frame(&mut self, body: &[u8]) -> Result<(), String> {
        let &[precision, y1, y0, x1, x0, count, ref components @ ..] = body else {
            return Err("the JPEG-LS frame header is cut off".to_owned());
        };
        self.precision = u32::from(precision);
        self.rows = usize::from(u16::from_be_bytes([y1, y0]));
        self.columns = usize::from(u16::from_be_bytes([x1, x0]));
        self.component_ids = components.chunks_exact(3).map(|c| c[0]).collect();
        let subsampled = components.chunks_exact(3).any(|c| c[1] != 0x11);
        if !(2..=16).contains(&precision) || self.component_ids.len() != usize::from(count) || subsampled {
            return Err(format!("JPEG-LS with {precision} bits and {count} components is not supported"));
        }
        Ok(())
    }

    fn read_preset(&mut self, body: &[u8]) -> Result<(), String> {
        match body {
            [1, values @ ..] if values.len() >= 10 => {
                let value = |i: usize| i32::from(u16::from_be_bytes([values[2 * i], values[2 * i + 1]]));
                self.preset = std::array::from_fn(value);
                Ok(())
            }
            [kind, ..] => Err(format!("JPEG-LS presets of kind {kind} are not supported")),
            [] => Err("a JPEG-LS preset is cut off".to_owned()),
        }
    }

    fn read_restart_interval(&mut self, body: &[u8]) -> Result<(), String> {
        if !(2..=4).contains(&body.len()) {
            return Err("the JPEG-LS restart interval is damaged".to_owned());
        }
        self.restart_interval = body.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
        Ok(())
    }

    /// Coding parameters, interleaving and the components of a scan (C.2.3).
    fn scan(&self, body: &[u8]) -> Result<(Coding, Interleave, Vec<usize>), String> {
        let count = usize::from(body.first().copied().unwrap_or(0));
        let &[near, interleave, point_transform] = body.get(1 + 2 * count..).unwrap_or_default() else {
            return Err("the JPEG-LS scan header is damaged".to_owned());
        };
        let pairs = body[1..=2 * count].chunks_exact(2);
        let position = |pair: &[u8]| self.component_ids.iter().position(|id| *id == pair[0] && pair[1] == 0);
        let components: Option<Vec<usize>> = pairs.map(position).collect();
        let components =
            components.ok_or("the JPEG-LS scan names an unknown component or a mapping table")?;
        let interleave = match (interleave, count) {
            (_, 1) => Interleave::None,
            (1, 2..=4) => Interleave::Line,
            (2, 2..=4) => Interleave::Sample,
            _ => {
                return Err(format!(
                    "JPEG-LS interleaving {interleave} of {count} components is not possible"
                ));
            }
        };
        if point_transform != 0 {
            return Err("a JPEG-LS point transform is not supported".to_owned());
        }
        Ok((Coding::new(self.precision, self.preset, i32::from(near))?, interleave, components))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image of the fixtures, which CharLS encoded: flat patches, ramps and texture. `[y, x, component]`.
    fn image(bits: u32, components: usize, component: usize, y: usize, x: usize) -> i32 {
        assert!(component < components);
        let size = 1 << bits;
        let value = if x / 9 % 2 == 1 {
            (x * 3 + y * 2 + component * 7).min(size - 1)
        } else if (x / 5 + y / 4).is_multiple_of(3) {
            (component * 29 + y / 4 * 11) % size
        } else {
            (x * x * 37 + y * 91 * (component + 1) + x * y * 13 / 7) % size
        };
        value as i32
    }

    fn expected(components: usize) -> Expected {
        Expected { columns: 23, rows: 17, samples: components, stored_rgb: true }
    }

    fn check(bytes: &[u8], bits: u32, components: usize, near: i32) {
        let decoded = decode(bytes, expected(components)).unwrap();
        assert_eq!(decoded.lossy.is_some(), near > 0);
        for (at, word) in decoded.words.iter().enumerate() {
            let (pixel, component) = (at / components, at % components);
            let truth = image(bits, components, component, pixel / 23, pixel % 23);
            assert!((word - truth).abs() <= near, "component {component} at {}, {}", pixel % 23, pixel / 23);
        }
    }

    #[test]
    fn grey_images_of_every_depth_are_restored() {
        check(include_bytes!("fixtures/grey8.jls"), 8, 1, 0);
        check(include_bytes!("fixtures/grey12.jls"), 12, 1, 0);
        check(include_bytes!("fixtures/grey16.jls"), 16, 1, 0);
    }

    #[test]
    fn near_lossless_stays_within_its_bound() {
        check(include_bytes!("fixtures/grey12_near.jls"), 12, 1, 3);
        check(include_bytes!("fixtures/lines_near.jls"), 8, 3, 2);
        check(include_bytes!("fixtures/samples_near.jls"), 8, 3, 2);
    }

    #[test]
    fn colour_is_restored_in_every_interleaving() {
        check(include_bytes!("fixtures/planes.jls"), 8, 3, 0);
        check(include_bytes!("fixtures/lines.jls"), 8, 3, 0);
        check(include_bytes!("fixtures/samples.jls"), 8, 3, 0);
    }

    #[test]
    fn restart_intervals_start_anew() {
        check(include_bytes!("fixtures/restart.jls"), 8, 1, 0);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = include_bytes!("fixtures/lines.jls");
        for end in 0..whole.len() - 3 {
            assert!(decode(&whole[..end], expected(3)).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xFF] {
                let mut bytes = whole.to_vec();
                bytes[at] ^= flip;
                let _ = decode(&bytes, expected(3));
            }
        }
        let other = Expected { columns: 24, ..expected(3) };
        assert!(decode(whole, other).err().unwrap().contains("23 × 17"));
    }
}
