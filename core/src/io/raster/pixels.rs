//! From samples of a decoder to voxels, and from the camera's way up to the picture's.

use crate::volume::Voxels;

/// What the samples of a pixel mean; the value is their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    Gray = 1,
    GrayAlpha = 2,
    Rgb = 3,
    RgbAlpha = 4,
}

/// Bytes, channels interleaved.
pub(super) fn from_u8(channels: Channels, data: Vec<u8>, notes: &mut Vec<String>) -> Voxels {
    note_alpha(channels, &data, u8::MAX, notes);
    match channels {
        Channels::Gray => Voxels::U8(data),
        Channels::GrayAlpha => Voxels::U8(data.into_iter().step_by(2).collect()),
        Channels::Rgb | Channels::RgbAlpha => Voxels::Rgb8(colors(channels, &data, |v| v)),
    }
}

/// 16-bit samples, channels interleaved; grey keeps its depth, colour is rounded to 8 bits.
pub(super) fn from_u16(channels: Channels, data: Vec<u16>, notes: &mut Vec<String>) -> Voxels {
    note_alpha(channels, &data, u16::MAX, notes);
    match channels {
        Channels::Gray => Voxels::U16(data),
        Channels::GrayAlpha => Voxels::U16(data.into_iter().step_by(2).collect()),
        Channels::Rgb | Channels::RgbAlpha => {
            notes.push("the 16-bit colours are shown with 8 bits".into());
            Voxels::Rgb8(colors(channels, &data, |v| ((u32::from(v) + 128) / 257) as u8))
        }
    }
}

fn colors<T: Copy>(channels: Channels, data: &[T], to_byte: impl Fn(T) -> u8) -> Vec<[u8; 3]> {
    data.chunks_exact(channels as usize).map(|p| [to_byte(p[0]), to_byte(p[1]), to_byte(p[2])]).collect()
}

fn note_alpha<T: PartialEq>(channels: Channels, data: &[T], opaque: T, notes: &mut Vec<String>) {
    let count = channels as usize;
    let has_alpha = matches!(channels, Channels::GrayAlpha | Channels::RgbAlpha);
    if has_alpha && data.iter().skip(count - 1).step_by(count).any(|alpha| *alpha != opaque) {
        notes.push("the picture has transparent parts; transparency is ignored".into());
    }
}

/// Turns a picture the way its EXIF orientation (1 to 8, TIFF 6.0 tag 274) says; gives its new width and height.
pub(super) fn oriented(voxels: Voxels, size: [usize; 2], orientation: u8) -> ([usize; 2], Voxels) {
    let [width, height] = size;
    if !(2..=8).contains(&orientation) || voxels.len() != width * height {
        return (size, voxels);
    }
    let new_size = if orientation > 4 { [height, width] } else { size };
    let voxels = match voxels {
        Voxels::U8(data) => Voxels::U8(turned(&data, size, orientation)),
        Voxels::I16(data) => Voxels::I16(turned(&data, size, orientation)),
        Voxels::U16(data) => Voxels::U16(turned(&data, size, orientation)),
        Voxels::I32(data) => Voxels::I32(turned(&data, size, orientation)),
        Voxels::F32(data) => Voxels::F32(turned(&data, size, orientation)),
        Voxels::Rgb8(data) => Voxels::Rgb8(turned(&data, size, orientation)),
    };
    (new_size, voxels)
}

fn turned<T: Copy>(data: &[T], [width, height]: [usize; 2], orientation: u8) -> Vec<T> {
    let (right, bottom) = (width - 1, height - 1);
    let [columns, rows] = if orientation > 4 { [height, width] } else { [width, height] };
    let stored = |x: usize, y: usize| match orientation {
        2 => (right - x, y),
        3 => (right - x, bottom - y),
        4 => (x, bottom - y),
        5 => (y, x),
        6 => (y, bottom - x),
        7 => (right - y, bottom - x),
        8 => (right - y, x),
        _ => (x, y),
    };
    (0..rows)
        .flat_map(|y| {
            (0..columns).map(move |x| {
                let (column, row) = stored(x, y);
                data[row * width + column]
            })
        })
        .collect()
}
