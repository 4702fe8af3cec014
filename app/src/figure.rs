//! Maps of attention as files: their numbers, and a picture with what the network saw, the map, and a colour bar.

use std::path::Path;

use anyhow::Context as _;
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::io::nifti::save_volume;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_models::inspect::FieldMap;
use image::{ImageFormat, Rgb, RgbImage};
use nalgebra::Point3;

use crate::colormap::{bar_number, color, share};

/// Longer side of each of both panels, in pixels.
const PANEL: usize = 384;
const GAP: u32 = 12;
const BAR: u32 = 18;
/// Height and width of a digit before it is doubled.
const GLYPH: [u32; 2] = [5, 3];

/// Writes values `[z, y, x]` on a grid as NIfTI of 32-bit numbers.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn save_numbers(path: &Path, title: &str, grid: &Grid, values: Vec<f32>) -> anyhow::Result<()> {
    let meta = ImageMeta { title: title.to_owned(), has_physical_spacing: true, ..ImageMeta::default() };
    let volume = Volume::new(*grid, Voxels::F32(values), meta)?;
    Ok(save_volume(path, &volume)?)
}

/// Writes the picture of a map of one slice: left the image, right the map in its pixels, the marked pixel as a cross.
/// `field` is any grid over what the network saw.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn save_picture(path: &Path, volume: &Volume, field: &Grid, map: &FieldMap) -> anyhow::Result<()> {
    let [nx, ny, _] = field.dims();
    let spacing = field.spacing_mm();
    let (wide, high) = (nx as f64 * spacing[0], ny as f64 * spacing[1]);
    let scale = PANEL as f64 / wide.max(high);
    let size = [wide, high].map(|side| ((side * scale).round() as u32).clamp(1, PANEL as u32));
    let range = map.range();
    let labels = [range[1], range[0]].map(bar_number);
    let text = labels.iter().map(|l| l.len() as u32).max().unwrap_or(0) * (GLYPH[1] + 1) * 2;
    let total = [4 * GAP + 2 * size[0] + BAR + text, size[1] + 2 * GAP];
    let mut picture = RgbImage::from_pixel(total[0], total[1], Rgb([255; 3]));
    let slice = map.query.map_or(0.0, |at| field.affine().voxel_from_world(at).z.round());
    let (low, peak) = volume.central().unwrap_or((0.0, 1.0));
    for y in 0..size[1] {
        for x in 0..size[0] {
            let at =
                |i: u32, pixels: u32, n: usize| (f64::from(i) + 0.5) / f64::from(pixels) * n as f64 - 0.5;
            let sample = Point3::new(at(x, size[0], nx), at(y, size[1], ny), slice);
            let world = field.affine().world_from_voxel(sample);
            picture.put_pixel(GAP + x, GAP + y, Rgb(image_color(volume, world, low, peak)));
            let value = map.value_at(world).map_or([255; 3], |value| color(share(value, range)));
            picture.put_pixel(2 * GAP + size[0] + x, GAP + y, Rgb(value));
        }
    }
    if let Some(query) = map.query {
        let at = field.affine().voxel_from_world(query);
        let place = |v: f64, n: usize, pixels: u32| ((v + 0.5) / n as f64 * f64::from(pixels)) as u32;
        let middle = [place(at.x, nx, size[0]), place(at.y, ny, size[1])];
        for left in [GAP, 2 * GAP + size[0]] {
            cross(&mut picture, [left, GAP], size, middle);
        }
    }
    let left = 3 * GAP + 2 * size[0];
    for y in 0..size[1] {
        let shade = Rgb(color(1.0 - (y as f32 + 0.5) / size[1] as f32));
        (0..BAR).for_each(|x| picture.put_pixel(left + x, GAP + y, shade));
    }
    let bottom = (GAP + size[1]).saturating_sub(2 * GLYPH[0]);
    for (label, y) in labels.iter().zip([GAP, bottom]) {
        write(&mut picture, label, [left + BAR + GAP / 2, y]);
    }
    picture
        .save_with_format(path, ImageFormat::Png)
        .with_context(|| format!("the picture was not written: {}", path.display()))
}

fn image_color(volume: &Volume, world: WorldPoint, low: f32, high: f32) -> [u8; 3] {
    let Some(voxel) = volume.grid().voxel_at_world(world) else { return [0; 3] };
    let index = volume.grid().index(voxel);
    match volume.voxels() {
        Voxels::Rgb8(pixels) => pixels[index],
        voxels => [(share(voxels.value(index), [low, high]).clamp(0.0, 1.0) * 255.0) as u8; 3],
    }
}

fn cross(picture: &mut RgbImage, [left, top]: [u32; 2], size: [u32; 2], [x, y]: [u32; 2]) {
    for (offset, shade) in [(1i64, [0; 3]), (0, [255; 3])] {
        for reach in -7i64..=7 {
            for (dx, dy) in [(reach, offset), (offset, reach)] {
                let (px, py) = (i64::from(x) + dx, i64::from(y) + dy);
                if (0..i64::from(size[0])).contains(&px) && (0..i64::from(size[1])).contains(&py) {
                    picture.put_pixel(left + px as u32, top + py as u32, Rgb(shade));
                }
            }
        }
    }
}

/// Writes a number in black, twice the size of its glyphs.
fn write(picture: &mut RgbImage, text: &str, [left, top]: [u32; 2]) {
    for (nth, character) in text.chars().enumerate() {
        for (row, bits) in glyph(character).into_iter().enumerate() {
            for column in (0..GLYPH[1]).filter(|column| bits >> (GLYPH[1] - 1 - column) & 1 == 1) {
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let x = left + (nth as u32 * (GLYPH[1] + 1) + column) * 2 + dx;
                    let y = top + row as u32 * 2 + dy;
                    if x < picture.width() && y < picture.height() {
                        picture.put_pixel(x, y, Rgb([0; 3]));
                    }
                }
            }
        }
    }
}

/// Rows of three bits of the characters of a number.
fn glyph(character: char) -> [u8; 5] {
    match character {
        '0' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 3, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 1, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        '.' => [0, 0, 0, 0, 2],
        '-' => [0, 0, 7, 0, 0],
        'e' => [0, 7, 7, 4, 7],
        _ => [0; 5],
    }
}
