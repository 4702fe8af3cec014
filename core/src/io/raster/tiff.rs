//! TIFF, through the `tiff` crate itself: `image` leaves out grey of 2, 4 and 32 bits, signed and floating-point
//! grey, separate colour planes and YCbCr, all of which microscopes and scanners write.

use std::fs::File;
use std::io::BufReader;

use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::pixels::{self, Channels};
use super::{Budget, MAX_TIFF_RATIO, Picture};
use crate::io::OpenError;
use crate::volume::Voxels;

/// The page that the decoder stands at.
pub(super) fn read(decoder: &mut Decoder<BufReader<File>>, budget: &Budget) -> Result<Picture, OpenError> {
    let refuse = |cause: TiffError| refuse(cause, budget);
    let (width, height) = decoder.dimensions().map_err(refuse)?;
    let color = decoder.colortype().map_err(refuse)?;
    let layout = decoder.image_buffer_layout().map_err(refuse)?;
    let bytes = (layout.len as u64).saturating_mul(layout.planes.max(1) as u64);
    budget.check(width, height, bytes, MAX_TIFF_RATIO)?;
    let mut data = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut data).map_err(refuse)?;
    let orientation = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten().unwrap_or(1);
    let mut notes = Vec::new();
    let (width, height) = (width as usize, height as usize);
    let planes = layout.planes.max(1);
    let voxels = voxels(data, color, planes, [width, height], &mut notes)
        .ok_or_else(|| unsupported(&format!("{color:?}"), budget))?;
    Ok(Picture { width, height, voxels, orientation, notes })
}

/// Voxels of the kinds of samples that mean something to us; `None` for others.
pub(super) fn voxels(
    data: DecodingResult,
    color: ColorType,
    planes: usize,
    size: [usize; 2],
    notes: &mut Vec<String>,
) -> Option<Voxels> {
    let channels = match color {
        ColorType::Gray(_) => Channels::Gray,
        ColorType::GrayA(8 | 16) => Channels::GrayAlpha,
        ColorType::RGB(8 | 16) | ColorType::YCbCr(8) => Channels::Rgb,
        ColorType::RGBA(8 | 16) => Channels::RgbAlpha,
        ColorType::CMYK(8) => return cmyk(data, planes),
        _ => return None,
    };
    Some(match data {
        DecodingResult::U8(data) if color.bit_depth() < 8 => {
            Voxels::U8(unpacked(&data, color.bit_depth(), size))
        }
        DecodingResult::U8(data) => {
            let mut data = interleaved(data, planes);
            if matches!(color, ColorType::YCbCr(_)) {
                data.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = rgb_from_ycbcr(*pixel));
            }
            pixels::from_u8(channels, data, notes)
        }
        DecodingResult::U16(data) => pixels::from_u16(channels, interleaved(data, planes), notes),
        // What follows is grey alone.
        _ if channels != Channels::Gray => return None,
        DecodingResult::I8(data) => Voxels::I16(data.into_iter().map(i16::from).collect()),
        DecodingResult::I16(data) => Voxels::I16(data),
        DecodingResult::I32(data) => Voxels::I32(data),
        DecodingResult::U32(data) => Voxels::F32(data.into_iter().map(|v| v as f32).collect()),
        DecodingResult::F32(data) => Voxels::F32(data),
        DecodingResult::F64(data) => Voxels::F32(data.into_iter().map(|v| v as f32).collect()),
        _ => return None,
    })
}

/// One plane a channel becomes one pixel after the other.
fn interleaved<T: Copy>(data: Vec<T>, planes: usize) -> Vec<T> {
    if planes <= 1 {
        return data;
    }
    let pixels = data.len() / planes;
    (0..pixels * planes).map(|i| data[i % planes * pixels + i / planes]).collect()
}

/// Samples of less than a byte, rows padded to whole bytes, stretched to 0–255.
fn unpacked(data: &[u8], bits: u8, [width, height]: [usize; 2]) -> Vec<u8> {
    let bits = usize::from(bits);
    let most = (1usize << bits) - 1;
    let row_bytes = (width * bits).div_ceil(8);
    let sample = |row: &[u8], x: usize| {
        let first = x * bits;
        // A sample of an odd number of bits may reach into the next byte.
        let pair =
            usize::from(row[first / 8]) << 8 | usize::from(row.get(first / 8 + 1).copied().unwrap_or(0));
        let value = pair >> (16 - first % 8 - bits) & most;
        (value * 255 / most) as u8
    };
    data.chunks_exact(row_bytes)
        .take(height)
        .flat_map(|row| (0..width).map(move |x| sample(row, x)))
        .collect()
}

/// ITU-R BT.601 with the full range of values, the default of TIFF 6.0 section 21.
fn rgb_from_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|v| v.round() as u8)
}

/// Ink to light without a colour profile.
fn cmyk(data: DecodingResult, planes: usize) -> Option<Voxels> {
    let DecodingResult::U8(data) = data else { return None };
    let data = interleaved(data, planes);
    let light = |ink: u8, black: u8| ((255 - u32::from(ink)) * (255 - u32::from(black)) / 255) as u8;
    let pixels = data.as_chunks::<4>().0.iter();
    Some(Voxels::Rgb8(pixels.map(|[c, m, y, k]| [light(*c, *k), light(*m, *k), light(*y, *k)]).collect()))
}

pub(super) fn unsupported(what: &str, budget: &Budget) -> OpenError {
    let what = format!("this kind of TIFF cannot be decoded ({what}); save it as 8-bit RGB");
    OpenError::unsupported(what, budget.path)
}

pub(super) fn refuse(cause: TiffError, budget: &Budget) -> OpenError {
    match cause {
        TiffError::UnsupportedError(what) => unsupported(&what.to_string(), budget),
        TiffError::LimitsExceeded => {
            OpenError::too_large("the TIFF asks for more than the limits allow", budget.path)
        }
        TiffError::IoError(cause) if cause.kind() != std::io::ErrorKind::UnexpectedEof => {
            OpenError::io(cause, budget.path)
        }
        other => OpenError::invalid(format!("the TIFF is damaged or cut off ({other})"), budget.path),
    }
}
