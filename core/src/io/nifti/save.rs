//! Writing masks and volumes, in the image's own grid and header where there is one.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nifti::NiftiType;

use super::fields::{self, HeaderBytes, Version};
use super::header::Header;
use super::labels::{extension_with, open_labels};
use super::pair::{self, NameKind};
use super::{open, place};
use crate::geometry::Grid;
use crate::io::{LabelName, OpenError, OpenOptions, SaveError, replace_file};
use crate::volume::{Source, Volume, Voxels};

/// `NIFTI_INTENT_LABEL`.
const INTENT_LABEL: i64 = 1002;
/// Masks compress to little at any level; a middle one is quick for images too.
const COMPRESSION: u32 = 4;
/// The largest size along an axis that NIfTI-1 can state.
const MAX_DIM_ONE: usize = i16::MAX as usize;
/// Bytes handed to the (compressing) writer at a time.
const WRITE_BYTES: usize = 1 << 18;

/// Saves a mask as `.nii` or `.nii.gz`, reads it back and compares it in patient coordinates.
///
/// If `source` is the NIfTI file of an image on this `grid`, the mask gets that file's header: version, byte order,
/// sform, qform and units stay as they are. Otherwise the header is made from the grid.
///
/// # Shapes
/// `labels` is `[z, y, x]` on `grid`. They are stored as uint8 if all are below 256, else as uint16.
///
/// # Errors
/// [`SaveError::Unsupported`] for another file ending or a wrong number of labels, [`SaveError::Io`] if the file
/// cannot be written (an existing file is then untouched), [`SaveError::ReadBack`] if it reads back differently.
pub fn save_labels(
    path: &Path,
    labels: &[u16],
    grid: &Grid,
    source: &Source,
    names: &[LabelName],
) -> Result<(), SaveError> {
    if labels.len() != grid.voxel_count() {
        let what = format!("{} labels do not fill a grid of {:?} voxels", labels.len(), grid.dims());
        return Err(SaveError::Unsupported { what, path: path.to_owned() });
    }
    let max = labels.iter().copied().max().unwrap_or(0);
    let is_narrow = max <= u16::from(u8::MAX);
    let mut header = header_for(grid, source);
    set_type(&mut header, if is_narrow { NiftiType::Uint8 } else { NiftiType::Uint16 });
    set_meaning(&mut header, INTENT_LABEL, "Label map made with Hilum");
    header.set_float(fields::CAL_MAX, 0, f64::from(max));
    let big = header.is_big_endian();
    write(path, header, names, |out| {
        if is_narrow {
            write_words(out, labels, |v| [*v as u8])
        } else {
            write_words(out, labels, |v| if big { v.to_be_bytes() } else { v.to_le_bytes() })
        }
    })?;
    let back = open_labels(path).map_err(|e| differs(path, e.to_string()))?;
    compare_grids(path, &back.grid, grid)?;
    match labels.iter().zip(&back.labels).position(|(want, got)| want != got) {
        None => Ok(()),
        Some(at) => {
            let what = format!("voxel {:?} is {} instead of {}", grid.voxel(at), back.labels[at], labels[at]);
            Err(differs(path, what))
        }
    }
}

/// Saves an image as `.nii` or `.nii.gz` in its own type and reads it back; the header is chosen as for a mask.
///
/// # Errors
/// As [`save_labels`].
pub fn save_volume(path: &Path, volume: &Volume) -> Result<(), SaveError> {
    let mut header = header_for(volume.grid(), &volume.meta().source);
    set_type(&mut header, stored_type(volume.voxels()));
    set_meaning(&mut header, 0, "Made with Hilum");
    let big = header.is_big_endian();
    write(path, header, &[], |out| match volume.voxels() {
        Voxels::U8(data) => write_words(out, data, |v| [*v]),
        Voxels::I16(data) => write_words(out, data, |v| if big { v.to_be_bytes() } else { v.to_le_bytes() }),
        Voxels::U16(data) => write_words(out, data, |v| if big { v.to_be_bytes() } else { v.to_le_bytes() }),
        Voxels::I32(data) => write_words(out, data, |v| if big { v.to_be_bytes() } else { v.to_le_bytes() }),
        Voxels::F32(data) => write_words(out, data, |v| if big { v.to_be_bytes() } else { v.to_le_bytes() }),
        Voxels::Rgb8(data) => write_words(out, data, |v| *v),
    })?;
    let back = open(path, &OpenOptions::default(), &()).map_err(|e| differs(path, e.to_string()))?.volume;
    compare_grids(path, back.grid(), volume.grid())?;
    let (want, got) = (volume.voxels(), back.voxels());
    let same = |i: &usize| {
        let (want, got) = (want.value(*i), got.value(*i));
        want == got || (want.is_nan() && got.is_nan())
    };
    match (0..want.len()).find(|i| !same(i)) {
        None => Ok(()),
        Some(i) => {
            let at = volume.grid().voxel(i);
            Err(differs(path, format!("voxel {at:?} is {} instead of {}", got.value(i), want.value(i))))
        }
    }
}

fn stored_type(voxels: &Voxels) -> NiftiType {
    match voxels {
        Voxels::U8(_) => NiftiType::Uint8,
        Voxels::I16(_) => NiftiType::Int16,
        Voxels::U16(_) => NiftiType::Uint16,
        Voxels::I32(_) => NiftiType::Int32,
        Voxels::F32(_) => NiftiType::Float32,
        Voxels::Rgb8(_) => NiftiType::Rgb24,
    }
}

fn differs(path: &Path, what: String) -> SaveError {
    SaveError::ReadBack { what, path: path.to_owned() }
}

fn compare_grids(path: &Path, got: &Grid, want: &Grid) -> Result<(), SaveError> {
    if got.matches(want) {
        return Ok(());
    }
    let what = format!(
        "its {:?} voxels start at {:?} mm instead of {:?} at {:?} mm, or their axes differ",
        got.dims(),
        got.affine().origin().coords.as_slice(),
        want.dims(),
        want.affine().origin().coords.as_slice()
    );
    Err(differs(path, what))
}

/// The image's own header if it describes this very grid, else one made from the grid.
fn header_for(grid: &Grid, source: &Source) -> HeaderBytes {
    let own = match source {
        Source::Nifti { header, .. } => HeaderBytes::detect(header).filter(|h| describes(h, grid)),
        _ => None,
    };
    own.unwrap_or_else(|| {
        let one = blank_with(Version::One, grid);
        let fits = grid.dims().iter().all(|n| *n <= MAX_DIM_ONE) && describes(&one, grid);
        // Sizes beyond 16 bits, and places that f32 would blur, need the second version.
        if fits { one } else { blank_with(Version::Two, grid) }
    })
}

fn blank_with(version: Version, grid: &Grid) -> HeaderBytes {
    let mut header = HeaderBytes::blank(version);
    place::write_grid(&mut header, grid);
    set_type(&mut header, NiftiType::Uint8);
    header
}

/// Whether a header, read as any other, gives this grid.
fn describes(raw: &HeaderBytes, grid: &Grid) -> bool {
    let read = || -> Result<Grid, OpenError> {
        let (path, mut warnings) = (Path::new(""), Vec::new());
        let header = Header::parse(raw.bytes(), path)?;
        let dims = header.layout(path, &mut warnings)?.dims;
        let affine = place::affine(&header, dims, path, &mut warnings)?;
        Grid::new(dims, affine).map_err(|e| OpenError::grid(&e, path))
    };
    read().is_ok_and(|found| found.matches(grid))
}

/// A voxel type without scaling, in one file, at one time.
fn set_type(header: &mut HeaderBytes, datatype: NiftiType) {
    header.set_single_file();
    header.set_int(fields::DATATYPE, 0, datatype as i64);
    header.set_int(fields::BITPIX, 0, 8 * datatype.size_of() as i64);
    header.set_float(fields::SCL_SLOPE, 0, 1.0);
    header.set_float(fields::SCL_INTER, 0, 0.0);
    let axes = header.int(fields::DIM, 0);
    header.set_int(fields::DIM, 0, 3);
    for axis in 1..=7 {
        if axis > 3 || axis as i64 > axes {
            header.set_int(fields::DIM, axis, 1);
        }
    }
    for field in [fields::SLICE_START, fields::SLICE_END, fields::SLICE_CODE] {
        header.set_int(field, 0, 0);
    }
    for field in [fields::SLICE_DURATION, fields::TOFFSET, fields::CAL_MIN, fields::CAL_MAX] {
        header.set_float(field, 0, 0.0);
    }
}

fn set_meaning(header: &mut HeaderBytes, intent: i64, descrip: &str) {
    header.set_int(fields::INTENT_CODE, 0, intent);
    for index in 0..3 {
        header.set_float(fields::INTENT_P, index, 0.0);
    }
    header.set_text(fields::INTENT_NAME, "");
    header.set_text(fields::DESCRIP, descrip);
}

fn write(
    path: &Path,
    mut header: HeaderBytes,
    names: &[LabelName],
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), SaveError> {
    if !matches!(pair::split_name(path), Some((_, NameKind::Single))) {
        let what = "a NIfTI file is saved under a name that ends in .nii or .nii.gz".to_owned();
        return Err(SaveError::Unsupported { what, path: path.to_owned() });
    }
    let extension = extension_with(names, header.is_big_endian())
        .map_err(|e| SaveError::Io { cause: e.into(), path: path.to_owned() })?;
    header.set_int(fields::VOX_OFFSET, 0, (header.bytes().len() + extension.len()) as i64);
    replace_file(path, |out| {
        let fill = |out: &mut dyn Write| {
            out.write_all(header.bytes())?;
            out.write_all(&extension)?;
            voxels(out)
        };
        if pair::is_gz_name(path) {
            let mut encoder = GzEncoder::new(out, Compression::new(COMPRESSION));
            fill(&mut encoder)?;
            encoder.finish().map(drop)
        } else {
            fill(out)
        }
    })
}

fn write_words<T, const N: usize>(
    out: &mut dyn Write,
    values: &[T],
    to_bytes: impl Fn(&T) -> [u8; N],
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(WRITE_BYTES);
    for part in values.chunks(WRITE_BYTES / N) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(&to_bytes));
        out.write_all(&bytes)?;
    }
    Ok(())
}
