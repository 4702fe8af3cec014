//! Reads and decodes single frames.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::codec;
use super::fragments::{self, Fragment};
use super::header::{Packing, inflated};
use super::image_file::ImageFile;
use super::layout::{Palette, Photometric, PixelLayout, SampleFormat};
use crate::io::OpenError;

/// Stored values of one frame, `[y, x]`.
#[derive(Debug, PartialEq)]
pub(super) enum FramePixels {
    Integer(Vec<i32>),
    /// Floating-point pixels, and unsigned integers of 32 bits.
    Real(Vec<f64>),
    Color(Vec<[u8; 3]>),
}

/// A decoded frame, and what was lost on the way.
pub(super) struct DecodedFrame {
    pub pixels: FramePixels,
    pub lossy: Option<String>,
}

enum Place {
    /// Frames of equal length one after the other.
    Native {
        file: File,
        offset: u64,
        end: u64,
    },
    /// The same, inflated.
    Memory(Vec<u8>),
    Fragments {
        file: File,
        frames: Vec<Vec<Fragment>>,
    },
}

/// An open file and the places of its frames.
pub(super) struct PixelReader<'a> {
    image: &'a ImageFile,
    place: Place,
}

impl<'a> PixelReader<'a> {
    /// Opens the file of an image.
    pub fn open(image: &'a ImageFile) -> Result<Self, OpenError> {
        let io_error = |e| OpenError::io(e, &image.path);
        let place = if image.syntax.deflated {
            Place::Memory(inflate(image).map_err(io_error)?)
        } else {
            let mut file = File::open(&image.path).map_err(io_error)?;
            let offset = image.pixels.offset;
            match image.pixels.length {
                Some(length) if image.syntax.packing == Packing::Native => {
                    Place::Native { file, offset, end: image.file_len.min(offset + length) }
                }
                Some(_) => {
                    return Err(OpenError::invalid(
                        "the compressed pixels are not in fragments",
                        &image.path,
                    ));
                }
                None => {
                    let frames =
                        fragments::frames(&mut file, offset, image.frames.len()).map_err(io_error)?;
                    let frames = frames.map_err(|what| OpenError::invalid(what, &image.path))?;
                    Place::Fragments { file, frames }
                }
            }
        };
        Ok(Self { image, place })
    }

    /// How many frames the file really holds.
    pub fn available_frames(&self) -> usize {
        let frame_bytes = self.image.layout.frame_bytes() as u64;
        let available = match &self.place {
            Place::Native { offset, end, .. } => (end.saturating_sub(*offset) / frame_bytes) as usize,
            Place::Memory(bytes) => bytes.len() / frame_bytes as usize,
            Place::Fragments { frames, .. } => frames.len(),
        };
        available.min(self.image.frames.len())
    }

    /// Decodes a frame.
    pub fn frame(&mut self, index: usize) -> Result<DecodedFrame, OpenError> {
        let layout = &self.image.layout;
        let bytes = self.frame_bytes(index).map_err(|e| OpenError::io(e, &self.image.path))?;
        let invalid = |what: String| OpenError::invalid(what, &self.image.path);
        if self.image.syntax.packing == Packing::Native {
            if bytes.len() < layout.frame_bytes() {
                return Err(invalid(format!("frame {} is cut off", index + 1)));
            }
            let big_endian = self.image.syntax.big_endian_pixels;
            let pixels = native(bytes, layout, big_endian, self.image.pixels.words);
            return Ok(DecodedFrame { pixels, lossy: None });
        }
        let decoded = codec::decode(self.image.syntax.packing, &bytes, layout).map_err(invalid)?;
        let pixels = interpret(decoded.words, layout, decoded.is_rgb);
        Ok(DecodedFrame { pixels, lossy: decoded.lossy })
    }

    fn frame_bytes(&mut self, index: usize) -> io::Result<Vec<u8>> {
        let length = self.image.layout.frame_bytes();
        let mut bytes = Vec::new();
        match &mut self.place {
            Place::Native { file, offset, end } => {
                let start = *offset + index as u64 * length as u64;
                let length = (length as u64).min(end.saturating_sub(start));
                file.seek(SeekFrom::Start(start))?;
                bytes.reserve_exact(length as usize);
                file.take(length).read_to_end(&mut bytes)?;
            }
            Place::Memory(all) => {
                let start = (index * length).min(all.len());
                bytes.extend_from_slice(&all[start..all.len().min(start + length)]);
            }
            Place::Fragments { file, frames } => {
                for fragment in frames.get(index).map_or(&[][..], Vec::as_slice) {
                    file.seek(SeekFrom::Start(fragment.offset))?;
                    file.by_ref().take(fragment.length).read_to_end(&mut bytes)?;
                }
            }
        }
        Ok(bytes)
    }
}

/// The pixels of a deflated file, no more than the header promises.
fn inflate(image: &ImageFile) -> io::Result<Vec<u8>> {
    let mut source = inflated(&image.path, image.data_set_offset)?;
    io::copy(&mut source.by_ref().take(image.pixels.offset), &mut io::sink())?;
    let wanted = image.layout.frame_bytes() as u64 * image.frames.len() as u64;
    let mut bytes = Vec::new();
    source.take(wanted.min(image.pixels.length.unwrap_or(wanted))).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn native(mut bytes: Vec<u8>, layout: &PixelLayout, big_endian: bool, words: bool) -> FramePixels {
    if big_endian {
        // 8-bit samples in 16-bit words are swapped with their words.
        let unit = if layout.sample_bytes() == 1 && words { 2 } else { layout.sample_bytes() };
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    match layout.format {
        SampleFormat::Float32 => {
            let values =
                bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            return FramePixels::Real(values.take(layout.pixel_count()).collect());
        }
        SampleFormat::Float64 => {
            let value = |b: &[u8]| b.try_into().map_or(0.0, f64::from_le_bytes);
            return FramePixels::Real(bytes.chunks_exact(8).map(value).take(layout.pixel_count()).collect());
        }
        SampleFormat::Integer { .. } => {}
    }
    let mut words: Vec<i32> = match layout.sample_bytes() {
        1 => bytes.into_iter().map(i32::from).collect(),
        2 => bytes.chunks_exact(2).map(|b| i32::from(u16::from_le_bytes([b[0], b[1]]))).collect(),
        _ => bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    if let Photometric::Ybr { halved: true } = layout.photometric {
        words = unhalve(&words, layout);
    } else if layout.planar {
        let pixels = layout.pixel_count();
        words = (0..pixels * layout.samples)
            .map(|i| words[i % layout.samples * pixels + i / layout.samples])
            .collect();
    }
    interpret(words, layout, false)
}

/// Y₀ Y₁ Cb Cr of two neighbouring pixels as Y Cb Cr each (PS3.3 C.7.6.3.1.2).
fn unhalve(words: &[i32], layout: &PixelLayout) -> Vec<i32> {
    let row_len = layout.columns.div_ceil(2) * 4;
    let mut full = Vec::with_capacity(layout.pixel_count() * 3);
    for row in words.chunks_exact(row_len).take(layout.rows) {
        for x in 0..layout.columns {
            let group = &row[x / 2 * 4..][..4];
            full.extend([group[x % 2], group[2], group[3]]);
        }
    }
    full
}

/// Stored words as values or colours. `is_rgb` says that a decoder has already converted the colour.
fn interpret(mut words: Vec<i32>, layout: &PixelLayout, is_rgb: bool) -> FramePixels {
    let SampleFormat::Integer { allocated, stored, high_bit, signed } = layout.format else {
        return FramePixels::Integer(words);
    };
    if allocated == 32 && stored == 32 && !signed {
        return FramePixels::Real(words.into_iter().map(|word| f64::from(word.cast_unsigned())).collect());
    }
    // Bits above the stored ones may hold overlays or the sign: shift them out at the left, then back.
    let left = 31 - u32::from(high_bit);
    let right = 32 - u32::from(stored);
    for word in &mut words {
        *word = if signed {
            *word << left >> right
        } else {
            (word.cast_unsigned() << left >> right).cast_signed()
        };
    }
    let byte = |word: i32| (if stored > 8 { word >> (stored - 8) } else { word }).clamp(0, 255) as u8;
    let colors = |words: &[i32], convert: fn([u8; 3]) -> [u8; 3]| {
        words.chunks_exact(3).map(|c| convert([byte(c[0]), byte(c[1]), byte(c[2])])).collect()
    };
    match &layout.photometric {
        Photometric::Monochrome { .. } => FramePixels::Integer(words),
        Photometric::Palette(palette) => FramePixels::Color(look_up(&words, palette)),
        Photometric::Ybr { .. } if !is_rgb => FramePixels::Color(colors(&words, rgb_from_ybr)),
        Photometric::Ybr { .. } | Photometric::Rgb | Photometric::YbrByCodestream => {
            FramePixels::Color(colors(&words, std::convert::identity))
        }
    }
}

fn look_up(words: &[i32], palette: &Palette) -> Vec<[u8; 3]> {
    words.iter().map(|word| palette.color(i64::from(*word))).collect()
}

/// PS3.3 C.7.6.3.1.2 (ITU-R BT.601 at full range).
fn rgb_from_ybr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    [byte(y + 1.402 * cr), byte(y - 0.344_136 * cb - 0.714_136 * cr), byte(y + 1.772 * cb)]
}
