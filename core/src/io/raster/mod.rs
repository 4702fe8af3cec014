//! Photographs and other pictures: PNG, JPEG, TIFF and BMP as images of one slice.
//!
//! A picture has no place in a patient: x runs to the right, y down, spacing 1, and a warning says so.

mod jpeg;
mod pixels;
mod save;
mod slide;
#[cfg(test)]
mod tests;
mod tiff;

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;

use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use self::pixels::{Channels, oriented};
pub use self::save::{save, save_labels};
pub use self::slide::{Page, PageRole, PixelRegion, Slide};
use super::{Limits, OpenError, OpenObserver, OpenOptions, Opened, Warning};
use crate::geometry::{Affine, Grid};
use crate::job::Cancelled;
use crate::volume::{ImageMeta, Modality, PicturePart, Source, Volume, Voxels};

/// No picture decodes to more; a whole slide needs its pyramid.
const MAX_PICTURE_BYTES: u64 = 4 << 30;
/// Of a slide with several resolutions, the finest of at most so many pixels is shown when nobody chose.
pub const MAX_SHOWN_PIXELS: usize = 100_000_000;
/// Decoded bytes a byte of a PNG, JPEG or BMP file can hold at the very most (deflate reaches 1032).
const MAX_RATIO: u64 = 2048;
/// CCITT codes a white line of any width in one bit, so TIFF may shrink further.
const MAX_TIFF_RATIO: u64 = 1 << 17;

/// A decoded picture before its EXIF orientation is applied.
struct Picture {
    width: usize,
    height: usize,
    voxels: Voxels,
    /// EXIF orientation, 1 to 8.
    orientation: u8,
    notes: Vec<String>,
}

/// Whether the first bytes are those of a PNG, JPEG, TIFF or BMP file.
pub fn looks_like(start: &[u8]) -> bool {
    format_of(start).is_some()
}

fn format_of(start: &[u8]) -> Option<ImageFormat> {
    /// Sizes of the headers that follow the file header of a BMP.
    const BMP_HEADERS: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];
    let tiff: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    if start.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageFormat::Png)
    } else if start.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(ImageFormat::Jpeg)
    } else if tiff.iter().any(|magic| start.starts_with(magic)) {
        Some(ImageFormat::Tiff)
    } else if start.starts_with(b"BM") && start.get(14).is_some_and(|n| BMP_HEADERS.contains(n)) {
        Some(ImageFormat::Bmp)
    } else {
        None
    }
}

/// Opens a picture: grey stays grey at 8 or 16 bits, colour becomes 8-bit RGB, the first page of several is taken.
///
/// # Errors
/// [`OpenError`] for a damaged file, a size beyond the file or the limits, and kinds of colour nobody decodes.
pub fn open(path: &Path, options: &OpenOptions, observer: &dyn OpenObserver) -> Result<Opened, OpenError> {
    let fail = |e| OpenError::io(e, path);
    let mut file = File::open(path).map_err(fail)?;
    let file_len = file.metadata().map_err(fail)?.len();
    let mut start = Vec::new();
    (&mut file).take(1 << 16).read_to_end(&mut start).map_err(fail)?;
    file.rewind().map_err(fail)?;
    let format = format_of(&start)
        .ok_or_else(|| OpenError::invalid("the file is no PNG, JPEG, TIFF or BMP picture", path))?;
    if observer.is_cancelled() {
        return Err(Cancelled.into());
    }
    observer.progress("reading the picture", 0, file_len);
    if format == ImageFormat::Tiff {
        let mut slide = Slide::open(path, &options.limits)?;
        let page = options.selection.page.unwrap_or_else(|| slide.level_within(MAX_SHOWN_PIXELS).index);
        return slide.read(page, options.selection.region, observer);
    }
    if let Some(page) = options.selection.page.filter(|page| *page > 0) {
        let what = format!("there is no page {page}; only TIFF files have several");
        return Err(OpenError::invalid(what, path));
    }
    let budget = Budget { limits: &options.limits, file_len, path };
    let mut reader = BufReader::with_capacity(1 << 18, file);
    if format == ImageFormat::Jpeg {
        if !jpeg::is_whole(&mut reader).map_err(fail)? {
            let what = "the picture is damaged or cut off (the JPEG ends before its end-of-image marker); copy \
                        the file again from where it came";
            return Err(OpenError::invalid(what, path));
        }
        reader.rewind().map_err(fail)?;
    }
    let mut picture = read(reader, format, &budget)?;
    if is_animated_png(format, &start) {
        picture.notes.push("the file is animated; its first picture is shown".into());
    }
    if let Some(region) = options.selection.region {
        picture = cut(picture, region, path)?;
    }
    observer.progress("reading the picture", file_len, file_len);
    let start = options.selection.region.map_or([0.0; 2], |region| region.start.map(|s| s as f64));
    let affine =
        Affine::from_rows([[1.0, 0.0, 0.0, start[0]], [0.0, 1.0, 0.0, start[1]], [0.0, 0.0, 1.0, 0.0]])
            .map_err(|e| OpenError::invalid(e.to_string(), path))?;
    let part =
        options.selection.region.map(|region| PicturePart { region: Some(region), ..PicturePart::default() });
    finish(picture, path, &affine, part)
}

/// A part of a picture as its camera's way up shows it.
fn cut(picture: Picture, region: PixelRegion, path: &Path) -> Result<Picture, OpenError> {
    let (size, voxels) = oriented(picture.voxels, [picture.width, picture.height], picture.orientation);
    let fits = |a: usize| region.start[a].checked_add(region.size[a]).is_some_and(|end| end <= size[a]);
    if region.size.contains(&0) || !fits(0) || !fits(1) {
        let what =
            format!("the region {region} does not lie on the picture of {} × {} pixels", size[0], size[1]);
        return Err(OpenError::invalid(what, path));
    }
    let rows = region.start[1]..region.start[1] + region.size[1];
    let indices = rows.flat_map(|y| (0..region.size[0]).map(move |x| y * size[0] + region.start[0] + x));
    let [width, height] = region.size;
    Ok(Picture { width, height, voxels: voxels.picked(indices), orientation: 1, notes: picture.notes })
}

/// The pages of a TIFF that has more than one; empty for other pictures.
///
/// # Errors
/// [`OpenError`] if the file cannot be read.
pub fn pages(path: &Path, limits: &Limits) -> Result<Vec<Page>, OpenError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(|e| OpenError::io(e, path))?;
    file.take(16).read_to_end(&mut start).map_err(|e| OpenError::io(e, path))?;
    if format_of(&start) != Some(ImageFormat::Tiff) {
        return Ok(Vec::new());
    }
    let slide = Slide::open(path, limits)?;
    Ok(if slide.pages().len() > 1 { slide.pages().to_vec() } else { Vec::new() })
}

/// An animation announces itself before the first pixels.
fn is_animated_png(format: ImageFormat, start: &[u8]) -> bool {
    let find = |name: &[u8]| start.windows(4).position(|w| w == name);
    format == ImageFormat::Png
        && find(b"acTL").is_some_and(|at| find(b"IDAT").is_none_or(|pixels| at < pixels))
}

/// What a file may ask for.
struct Budget<'a> {
    limits: &'a Limits,
    file_len: u64,
    path: &'a Path,
}

impl Budget<'_> {
    /// Refuses a picture that is empty, beyond the limits, or larger than the file can hold.
    fn check(&self, width: u32, height: u32, bytes: u64, ratio: u64) -> Result<(), OpenError> {
        let size = format!("a picture of {width} × {height} pixels");
        if width == 0 || height == 0 {
            return Err(OpenError::invalid(format!("{size} is empty"), self.path));
        }
        let most = self.limits.max_voxel_bytes.min(MAX_PICTURE_BYTES);
        if bytes > most {
            let what = format!("{size} takes {bytes} bytes, more than the limit of {most}");
            return Err(OpenError::too_large(what, self.path));
        }
        if bytes > self.file_len.saturating_mul(ratio) {
            let what = format!("{size} cannot be in a file of {} bytes; its header is wrong", self.file_len);
            return Err(OpenError::too_large(what, self.path));
        }
        Ok(())
    }

    fn refuse(&self, cause: ImageError) -> OpenError {
        match cause {
            ImageError::Unsupported(what) => {
                let what =
                    format!("this kind of picture cannot be decoded ({what}); save it as 8-bit RGB PNG");
                OpenError::unsupported(what, self.path)
            }
            ImageError::Limits(what) => OpenError::too_large(what.to_string(), self.path),
            ImageError::IoError(cause) if cause.kind() != std::io::ErrorKind::UnexpectedEof => {
                OpenError::io(cause, self.path)
            }
            other => OpenError::invalid(format!("the picture is damaged or cut off ({other})"), self.path),
        }
    }
}

fn read(reader: BufReader<File>, format: ImageFormat, budget: &Budget) -> Result<Picture, OpenError> {
    let mut reader = ImageReader::with_format(reader, format);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(budget.limits.max_voxel_bytes.min(MAX_PICTURE_BYTES));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| budget.refuse(e))?;
    let (width, height) = decoder.dimensions();
    let (color, bytes) = (decoder.color_type(), decoder.total_bytes());
    budget.check(width, height, bytes, MAX_RATIO)?;
    let orientation = decoder.orientation().map_or(1, image::metadata::Orientation::to_exif);
    let mut data = vec![0; bytes as usize];
    decoder.read_image(&mut data).map_err(|e| budget.refuse(e))?;
    let mut notes = Vec::new();
    let words = |data: &[u8]| data.as_chunks::<2>().0.iter().map(|w| u16::from_ne_bytes(*w)).collect();
    let voxels = match color {
        ColorType::L8 => pixels::from_u8(Channels::Gray, data, &mut notes),
        ColorType::La8 => pixels::from_u8(Channels::GrayAlpha, data, &mut notes),
        ColorType::Rgb8 => pixels::from_u8(Channels::Rgb, data, &mut notes),
        ColorType::Rgba8 => pixels::from_u8(Channels::RgbAlpha, data, &mut notes),
        ColorType::L16 => pixels::from_u16(Channels::Gray, words(&data), &mut notes),
        ColorType::La16 => pixels::from_u16(Channels::GrayAlpha, words(&data), &mut notes),
        ColorType::Rgb16 => pixels::from_u16(Channels::Rgb, words(&data), &mut notes),
        ColorType::Rgba16 => pixels::from_u16(Channels::RgbAlpha, words(&data), &mut notes),
        other => {
            let what = format!("pixels of type {other:?} cannot be shown; save the picture as 8-bit RGB PNG");
            return Err(OpenError::unsupported(what, budget.path));
        }
    };
    Ok(Picture { width: width as usize, height: height as usize, voxels, orientation, notes })
}

fn finish(
    picture: Picture,
    path: &Path,
    affine: &Affine,
    part: Option<PicturePart>,
) -> Result<Opened, OpenError> {
    let size = [picture.width, picture.height];
    let ([width, height], voxels) = oriented(picture.voxels, size, picture.orientation);
    let grid = Grid::new([width, height, 1], *affine).map_err(|e| OpenError::grid(&e, path))?;
    let meta = ImageMeta {
        modality: if voxels.is_color() { Modality::Photograph } else { Modality::Other },
        title: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        source: Source::Raster { path: path.to_owned(), part },
        window: None,
        time_points: 1,
        time_point: 0,
        has_physical_spacing: false,
    };
    let volume = Volume::new(grid, voxels, meta)
        .map_err(|_| OpenError::invalid("the picture ends before its last row", path))?;
    let notes = picture.notes.into_iter().map(|what| Warning::Repaired { what });
    Ok(Opened { volume, warnings: [Warning::NoSpacing].into_iter().chain(notes).collect() })
}
