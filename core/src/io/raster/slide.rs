//! TIFF files of several pages: slides that hold one picture at several resolutions, and any part of them.
//!
//! Whole slides (Aperio SVS, pyramidal TIFF) have tiles, so that a region is read without the rest. Lengths are in
//! pixels of the finest resolution, at every resolution: a place found at one is the same place at another.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;

use super::tiff::{refuse, unsupported, voxels};
use super::{Budget, MAX_PICTURE_BYTES, MAX_TIFF_RATIO, Picture, finish};
use crate::geometry::Affine;
use crate::io::{Limits, OpenError, Opened};
use crate::job::{Cancelled, Observer};
use crate::volume::{PicturePart, Voxels};

/// Pages of a file that are looked at.
const MAX_PAGES: usize = 1024;
/// A page is a resolution of the first where its shape agrees with the first's to this share.
const SAME_SHAPE: f64 = 0.02;
/// A resolution tag of more micrometres a pixel is no microscope's: printers' 72 dots an inch stand in many files.
const COARSEST_UM: f64 = 20.0;

/// What a page of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PageRole {
    /// The picture at one of its resolutions.
    Level,
    /// The slide's paper label, which may name a patient.
    Label,
    /// A photograph of the whole glass.
    Macro,
    /// Another picture.
    Other,
}

/// A page of a TIFF file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// Its number, from 0.
    pub index: usize,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// What it is.
    pub role: PageRole,
    /// Pixels of the finest resolution along one of its own.
    pub downsample: f64,
    /// Micrometres a pixel, where the file says so.
    pub pixel_um: Option<f64>,
}

/// A rectangle of pixels of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelRegion {
    /// First column and row.
    pub start: [usize; 2],
    /// Columns and rows.
    pub size: [usize; 2],
}

impl PixelRegion {
    /// All of a page.
    pub fn whole(size: [usize; 2]) -> Self {
        Self { start: [0; 2], size }
    }

    fn end(&self) -> [usize; 2] {
        [0, 1].map(|a| self.start[a].saturating_add(self.size[a]))
    }
}

impl FromStr for PixelRegion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no region; write x,y,width,height in pixels, as 0,0,2048,2048");
        let numbers: Vec<usize> =
            text.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        match numbers[..] {
            [x, y, width, height] if width > 0 && height > 0 => {
                Ok(Self { start: [x, y], size: [width, height] })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for PixelRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([x, y], [width, height]) = (self.start, self.size);
        write!(f, "{x},{y},{width},{height}")
    }
}

/// An open TIFF file.
pub struct Slide {
    path: PathBuf,
    limits: Limits,
    file_len: u64,
    decoder: Decoder<BufReader<File>>,
    pages: Vec<Page>,
}

impl Slide {
    /// Reads what pages a file has.
    ///
    /// # Errors
    /// [`OpenError`] for a file that cannot be read or is no TIFF.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|e| OpenError::io(e, path))?;
        let file_len = file.metadata().map_err(|e| OpenError::io(e, path))?.len();
        let budget = Budget { limits, file_len, path };
        let fail = |cause| refuse(cause, &budget);
        let decoder = Decoder::new(BufReader::with_capacity(1 << 18, file)).map_err(fail)?;
        let mut decoder = decoder.with_limits(decoder_limits(limits, file_len));
        let mut pages: Vec<Page> = Vec::new();
        loop {
            let (width, height) = decoder.dimensions().map_err(fail)?;
            let size = [width as usize, height as usize];
            let description = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
            let first = pages.first().map_or(size, |first| first.size);
            let role = match pages.len() {
                0 => PageRole::Level,
                _ => role_of(size, first, &description),
            };
            pages.push(Page {
                index: pages.len(),
                size,
                role,
                downsample: first[0] as f64 / size[0].max(1) as f64,
                pixel_um: None,
            });
            if pages.len() == 1 {
                pages[0].pixel_um = pixel_um(&mut decoder, &description);
            }
            if !decoder.more_images() || pages.len() == MAX_PAGES {
                break;
            }
            decoder.next_image().map_err(fail)?;
        }
        let finest_um = pages[0].pixel_um;
        for page in pages.iter_mut().filter(|page| page.role == PageRole::Level) {
            page.pixel_um = finest_um.map(|um| um * page.downsample);
        }
        Ok(Self { path: path.to_owned(), limits: *limits, file_len, decoder, pages })
    }

    /// The pages, in the file's order.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The finest resolution of at most `pixels`, else the coarsest there is.
    pub fn level_within(&self, pixels: usize) -> &Page {
        let count = |page: &&Page| page.size[0].saturating_mul(page.size[1]);
        let levels = || self.pages.iter().filter(|page| page.role == PageRole::Level);
        let fitting = levels().filter(|page| count(page) <= pixels).max_by_key(count);
        fitting.or_else(|| levels().min_by_key(count)).unwrap_or(&self.pages[0])
    }

    /// A page, or a part of it, as an image whose lengths are in pixels of the finest resolution.
    ///
    /// # Errors
    /// [`OpenError`] for a page that is not there, a region beyond it, more than the limits allow, damaged pixels, and
    /// when the observer cancels.
    pub fn read(
        &mut self,
        index: usize,
        region: Option<PixelRegion>,
        observer: &dyn Observer,
    ) -> Result<Opened, OpenError> {
        let count = self.pages.len();
        let Some(page) = self.pages.get(index).cloned() else {
            let what = format!("there is no page {index}; the file has {count} pages, counted from 0");
            return Err(OpenError::invalid(what, &self.path));
        };
        let picture = match region {
            Some(region) => self.read_region(&page, region, observer)?,
            None => self.read_page(&page)?,
        };
        let part = PicturePart { page: index, region, downsample: page.downsample, pixel_um: page.pixel_um };
        finish(picture, &self.path, &affine(&part), Some(part))
    }

    fn seek(&mut self, page: usize) -> Result<(), OpenError> {
        let budget = Budget { limits: &self.limits, file_len: self.file_len, path: &self.path };
        self.decoder.seek_to_image(page).map_err(|cause| refuse(cause, &budget))
    }

    fn read_page(&mut self, page: &Page) -> Result<Picture, OpenError> {
        self.seek(page.index)?;
        let budget = Budget { limits: &self.limits, file_len: self.file_len, path: &self.path };
        let mut picture = super::tiff::read(&mut self.decoder, &budget)?;
        if self.pages.len() > 1 {
            let sizes: Vec<String> =
                self.pages.iter().map(|page| format!("{} × {}", page.size[0], page.size[1])).collect();
            picture.notes.push(format!(
                "the file has {} pages or resolutions ({}); number {} is shown",
                self.pages.len(),
                sizes.join(", "),
                page.index
            ));
        }
        Ok(picture)
    }

    /// Decodes only the tiles or strips that a region touches.
    fn read_region(
        &mut self,
        page: &Page,
        region: PixelRegion,
        observer: &dyn Observer,
    ) -> Result<Picture, OpenError> {
        let end = region.end();
        if region.size.contains(&0) || (0..2).any(|a| end[a] > page.size[a]) {
            let what = format!(
                "the region {region} does not lie on page {}, which has {} × {} pixels",
                page.index, page.size[0], page.size[1]
            );
            return Err(OpenError::invalid(what, &self.path));
        }
        self.seek(page.index)?;
        let budget = Budget { limits: &self.limits, file_len: self.file_len, path: &self.path };
        let fail = |cause| refuse(cause, &budget);
        let layout = self.decoder.image_buffer_layout().map_err(fail)?;
        let orientation = self.decoder.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten().unwrap_or(1);
        if layout.planes > 1 || orientation != 1 {
            let what = "regions of a TIFF with separate colour planes or a turned picture cannot be read; open the \
                        whole page, or save it as tiled RGB";
            return Err(OpenError::unsupported(what, &self.path));
        }
        let [width, height] = region.size.map(|n| n as u32);
        budget.check(width, height, u64::from(width) * u64::from(height) * 3, MAX_TIFF_RATIO)?;
        let color = self.decoder.colortype().map_err(fail)?;
        let (chunk_width, chunk_height) = self.decoder.chunk_dimensions();
        let chunk = [chunk_width as usize, chunk_height as usize];
        // Strips are as wide as the page.
        let across = match self.decoder.get_chunk_type() {
            ChunkType::Tile => page.size[0].div_ceil(chunk[0].max(1)),
            ChunkType::Strip => 1,
        };
        let chunk_bytes = u64::from(chunk_width).saturating_mul(u64::from(chunk_height)).saturating_mul(3);
        budget.check(chunk_width, chunk_height, chunk_bytes, MAX_TIFF_RATIO)?;
        let mut mosaic = Mosaic::new(region);
        let rows = region.start[1] / chunk[1]..end[1].div_ceil(chunk[1]);
        let columns = region.start[0] / chunk[0]..end[0].div_ceil(chunk[0]);
        for row in rows {
            for column in columns.clone() {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                let index = (row * across + column) as u32;
                let data = self.decoder.read_chunk(index).map_err(fail)?;
                let (w, h) = self.decoder.chunk_data_dimensions(index);
                let size = [w as usize, h as usize];
                let tile = decoded(data, color, size, &mut mosaic.notes)
                    .ok_or_else(|| unsupported(&format!("{color:?}"), &budget))?;
                mosaic
                    .place(tile, [column * chunk[0], row * chunk[1]], size)
                    .ok_or_else(|| OpenError::invalid("a tile ends before its last row", &self.path))?;
            }
        }
        mosaic.finish().ok_or_else(|| OpenError::invalid("the region holds no tiles", &self.path))
    }
}

impl fmt::Debug for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slide").field("path", &self.path).field("pages", &self.pages).finish_non_exhaustive()
    }
}

/// What the decoder may allocate; sizes are checked against the file before it does.
fn decoder_limits(limits: &Limits, file_len: u64) -> TiffLimits {
    let bytes = limits.max_voxel_bytes.min(MAX_PICTURE_BYTES) as usize;
    let mut decoder_limits = TiffLimits::default();
    decoder_limits.decoding_buffer_size = bytes;
    decoder_limits.intermediate_buffer_size = bytes;
    // The places of a gigapixel slide's tiles take more than the decoder's default of one megabyte.
    decoder_limits.ifd_value_size = file_len.clamp(1 << 20, 64 << 20) as usize;
    decoder_limits
}

fn decoded(
    data: DecodingResult,
    color: tiff::ColorType,
    size: [usize; 2],
    notes: &mut Vec<String>,
) -> Option<Voxels> {
    let mut of_tile = Vec::new();
    let tile = voxels(data, color, 1, size, &mut of_tile);
    of_tile.into_iter().for_each(|note| {
        if !notes.contains(&note) {
            notes.push(note);
        }
    });
    tile
}

fn role_of(size: [usize; 2], first: [usize; 2], description: &str) -> PageRole {
    let says =
        |word: &str| description.lines().nth(1).is_some_and(|line| line.trim_start().starts_with(word));
    let shape = |size: [usize; 2]| size[0] as f64 / size[1].max(1) as f64;
    if says("label") {
        PageRole::Label
    } else if says("macro") {
        PageRole::Macro
    } else if size[0] < first[0]
        && (shape(size) / shape(first) - 1.0).abs() <= SAME_SHAPE + 2.0 / size[0].max(1) as f64
    {
        PageRole::Level
    } else {
        PageRole::Other
    }
}

/// Micrometres a pixel: Aperio's `MPP`, else the resolution tags where they can be a microscope's.
fn pixel_um(decoder: &mut Decoder<BufReader<File>>, description: &str) -> Option<f64> {
    let plausible = |um: &f64| um.is_finite() && *um > 0.0 && *um <= COARSEST_UM;
    let said =
        description.split('|').find_map(|entry| entry.trim().strip_prefix("MPP")?.trim().strip_prefix('='));
    if let Some(um) = said.and_then(|text| text.trim().parse().ok()).filter(plausible) {
        return Some(um);
    }
    let unit = decoder.find_tag_unsigned::<u16>(Tag::ResolutionUnit).ok().flatten().unwrap_or(2);
    let um_per_unit = if unit == 3 { 10_000.0 } else { 25_400.0 };
    let per_unit = decoder.get_tag_f64(Tag::XResolution).ok()?;
    Some(um_per_unit / per_unit).filter(plausible)
}

/// Where the pixels of a part lie, in pixels of the finest resolution: a coarse pixel covers several of them, and its
/// centre is theirs.
fn affine(part: &PicturePart) -> Affine {
    let step = part.downsample;
    let origin = part
        .region
        .map_or([0; 2], |region| region.start)
        .map(|start| start as f64 * step + (step - 1.0) / 2.0);
    Affine::from_rows([[step, 0.0, 0.0, origin[0]], [0.0, step, 0.0, origin[1]], [0.0, 0.0, 1.0, 0.0]])
        .unwrap_or_else(|_| Affine::from_spacing([1.0; 3]).expect("a unit spacing is fine"))
}

/// A region put together from tiles.
struct Mosaic {
    region: PixelRegion,
    voxels: Option<Voxels>,
    notes: Vec<String>,
}

impl Mosaic {
    fn new(region: PixelRegion) -> Self {
        Self { region, voxels: None, notes: Vec::new() }
    }

    /// Puts a tile of `size` at `at` of the page; `None` where it has too few pixels or another kind than the others.
    fn place(&mut self, tile: Voxels, at: [usize; 2], size: [usize; 2]) -> Option<()> {
        let region = self.region;
        let count = region.size[0] * region.size[1];
        if tile.len() < size[0] * size[1] {
            return None;
        }
        let whole = self.voxels.get_or_insert_with(|| match &tile {
            Voxels::U8(_) => Voxels::U8(vec![0; count]),
            Voxels::I16(_) => Voxels::I16(vec![0; count]),
            Voxels::U16(_) => Voxels::U16(vec![0; count]),
            Voxels::I32(_) => Voxels::I32(vec![0; count]),
            Voxels::F32(_) => Voxels::F32(vec![0.0; count]),
            Voxels::Rgb8(_) => Voxels::Rgb8(vec![[0; 3]; count]),
        });
        match (whole, &tile) {
            (Voxels::U8(to), Voxels::U8(from)) => copy(to, region, from, at, size),
            (Voxels::I16(to), Voxels::I16(from)) => copy(to, region, from, at, size),
            (Voxels::U16(to), Voxels::U16(from)) => copy(to, region, from, at, size),
            (Voxels::I32(to), Voxels::I32(from)) => copy(to, region, from, at, size),
            (Voxels::F32(to), Voxels::F32(from)) => copy(to, region, from, at, size),
            (Voxels::Rgb8(to), Voxels::Rgb8(from)) => copy(to, region, from, at, size),
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> Option<Picture> {
        let [width, height] = self.region.size;
        Some(Picture { width, height, voxels: self.voxels?, orientation: 1, notes: self.notes })
    }
}

fn copy<T: Copy>(to: &mut [T], region: PixelRegion, from: &[T], at: [usize; 2], size: [usize; 2]) {
    let end = region.end();
    let low = [0, 1].map(|a| at[a].max(region.start[a]));
    let high = [0, 1].map(|a| (at[a] + size[a]).min(end[a]));
    for y in low[1]..high[1] {
        let columns = high[0].saturating_sub(low[0]);
        let source = (y - at[1]) * size[0] + low[0] - at[0];
        let target = (y - region.start[1]) * region.size[0] + low[0] - region.start[0];
        to[target..target + columns].copy_from_slice(&from[source..source + columns]);
    }
}

#[cfg(test)]
mod tests;
