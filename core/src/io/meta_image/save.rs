//! Writing MetaImage: `.mha`, or a header `.mhd` with its voxels in `.zraw` beside it.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::geometry::Grid;
use crate::io::export::LabelExport;
use crate::io::{SaveError, replace_file};
use crate::volume::{Volume, Voxels};

const COMPRESSION: u32 = 4;

/// Writes a label map; the format has no place for names. Does not read back:
/// [`export::save_labels`](crate::io::export::save_labels) does.
///
/// # Errors
/// [`SaveError::Io`] if the file cannot be written; an existing one is then untouched.
pub fn save_labels(path: &Path, export: &LabelExport) -> Result<(), SaveError> {
    if export.labels.iter().all(|v| *v <= 255) {
        let mut packer = Packer::new();
        for part in export.labels.chunks(1 << 16) {
            packer.add(&part.iter().map(|v| *v as u8).collect::<Vec<_>>(), path)?;
        }
        return write(path, "MET_UCHAR", 1, export.grid, packer);
    }
    let mut packer = Packer::new();
    for part in export.labels.chunks(1 << 16) {
        packer.add(&part.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), path)?;
    }
    write(path, "MET_USHORT", 1, export.grid, packer)
}

/// Writes an image in its own type. Does not read back:
/// [`export::save_image`](crate::io::export::save_image) does.
///
/// # Errors
/// As [`save_labels`].
pub fn save_volume(path: &Path, volume: &Volume) -> Result<(), SaveError> {
    let (kind, channels) = match volume.voxels() {
        Voxels::U8(_) => ("MET_UCHAR", 1),
        Voxels::Rgb8(_) => ("MET_UCHAR", 3),
        Voxels::I16(_) => ("MET_SHORT", 1),
        Voxels::U16(_) => ("MET_USHORT", 1),
        Voxels::I32(_) => ("MET_INT", 1),
        Voxels::F32(_) => ("MET_FLOAT", 1),
    };
    let mut packer = Packer::new();
    volume.voxels().write_little_endian(&mut packer.0).map_err(|cause| io_error(cause, path))?;
    write(path, kind, channels, volume.grid(), packer)
}

fn io_error(cause: io::Error, path: &Path) -> SaveError {
    SaveError::Io { cause, path: path.to_owned() }
}

/// The compressed voxels: the header, which comes first, states their size.
struct Packer(ZlibEncoder<Vec<u8>>);

impl Packer {
    fn new() -> Self {
        Self(ZlibEncoder::new(Vec::new(), Compression::new(COMPRESSION)))
    }

    fn add(&mut self, bytes: &[u8], path: &Path) -> Result<(), SaveError> {
        self.0.write_all(bytes).map_err(|cause| io_error(cause, path))
    }
}

fn write(path: &Path, kind: &str, channels: usize, grid: &Grid, packer: Packer) -> Result<(), SaveError> {
    let packed = packer.0.finish().map_err(|cause| io_error(cause, path))?;
    let data = path.with_extension("zraw");
    let is_detached = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mhd"));
    let name =
        if is_detached { data.file_name().unwrap_or_default().to_string_lossy() } else { "LOCAL".into() };
    let header = header(kind, channels, grid, packed.len(), &name);
    if is_detached {
        replace_file(&data, |out| out.write_all(&packed))?;
    }
    replace_file(path, |out| {
        out.write_all(header.as_bytes())?;
        if is_detached { Ok(()) } else { out.write_all(&packed) }
    })
}

/// Rust prints the shortest decimals that read back as the same number.
fn header(kind: &str, channels: usize, grid: &Grid, packed: usize, data: &str) -> String {
    let [x, y, z] = grid.dims();
    let [a, b, c] = grid.spacing_mm();
    let origin = grid.affine().origin();
    let directions: Vec<String> = (0..3)
        .flat_map(|axis| grid.affine().direction(axis).iter().map(f64::to_string).collect::<Vec<_>>())
        .collect();
    let channels =
        if channels > 1 { format!("ElementNumberOfChannels = {channels}\n") } else { String::new() };
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n\
         CompressedDataSize = {packed}\nTransformMatrix = {}\nOffset = {} {} {}\nCenterOfRotation = 0 0 0\n\
         ElementSpacing = {a} {b} {c}\nDimSize = {x} {y} {z}\n{channels}ElementType = {kind}\n\
         ElementDataFile = {data}\n",
        directions.join(" "),
        origin.x,
        origin.y,
        origin.z
    )
}
