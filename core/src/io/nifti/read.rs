//! From a path to a volume.

use std::path::{Path, PathBuf};

use super::header::{Header, Layout};
use super::{modality, pair, place};
use crate::geometry::{Grid, VoxelBox};
use crate::io::decode::{Decoder, Scaling};
use crate::io::stream::ByteStream;
use crate::io::{Limits, OpenError, OpenObserver, Opened, Warning};
use crate::job::Cancelled;
use crate::volume::{ImageMeta, Source, Volume, Voxels};

/// Bytes read and decoded at a time, about: small enough to stay in the cache between both.
const CHUNK_BYTES: usize = 1 << 18;
/// Bytes between two reports.
const REPORT_BYTES: u64 = 4 << 20;

/// A NIfTI file whose header was read and believed as far as the file's size allows.
pub(super) struct Reader {
    header: Header,
    header_path: PathBuf,
    layout: Layout,
    grid: Grid,
    scaling: Scaling,
    stream: ByteStream,
    warnings: Vec<Warning>,
}

impl Reader {
    /// Reads the header and checks what it promises. Allocates nothing for voxels.
    pub(super) fn new(path: &Path, limits: &Limits) -> Result<Self, OpenError> {
        let header_path = pair::header_path(path)?;
        let header = read_header(&header_path)?;
        let mut warnings = Vec::new();
        let layout = header.layout(&header_path, &mut warnings)?;
        let affine = place::affine(&header, layout.dims, &header_path, &mut warnings)?;
        let grid = Grid::new(layout.dims, affine).map_err(|e| OpenError::grid(&e, &header_path))?;
        let voxel_path =
            if header.raw.is_single_file() { header_path.clone() } else { pair::voxel_path(&header_path)? };
        let scaling = Scaling::of(header.scl_slope, header.scl_inter, layout.datatype, &mut warnings);
        let stream = ByteStream::open(&voxel_path)?;
        let reader = Self { header, header_path, layout, grid, scaling, stream, warnings };
        reader.check_sizes(limits, &voxel_path)?;
        Ok(reader)
    }

    fn check_sizes(&self, limits: &Limits, voxel_path: &Path) -> Result<(), OpenError> {
        let Layout { dims: [x, y, z], time_points, offset, frame_bytes, .. } = self.layout;
        // Whatever is not stored in a byte or two may become a 32-bit value.
        let decoded = frame_bytes.max(4 * self.grid.voxel_count() as u64);
        if decoded > limits.max_voxel_bytes {
            let what = format!(
                "an image of {x} × {y} × {z} voxels takes {decoded} bytes, more than the limit of {}",
                limits.max_voxel_bytes
            );
            return Err(OpenError::too_large(what, voxel_path));
        }
        let needed = offset.saturating_add(frame_bytes.saturating_mul(time_points as u64));
        let most = self.stream.most_bytes();
        if most < needed {
            let holds = if self.stream.is_seekable() { "has" } else { "can inflate to at most" };
            let what = format!(
                "the header promises {x} × {y} × {z} × {time_points} voxels, {needed} bytes with the header, \
                 but the file {holds} {most}; it is cut off or its header is wrong"
            );
            return Err(OpenError::invalid(what, voxel_path));
        }
        Ok(())
    }

    /// The bytes between header and voxels, up to `most`.
    pub(super) fn extension_bytes(&mut self, most: usize) -> Result<Vec<u8>, OpenError> {
        let start = self.header.raw.version().header_len() as u64;
        if !self.header.raw.is_single_file() || self.layout.offset <= start {
            return Ok(Vec::new());
        }
        self.stream.go_to(start, &())?;
        let mut bytes = vec![0; ((self.layout.offset - start) as usize).min(most)];
        let found = self.stream.read(&mut bytes)?;
        bytes.truncate(found);
        Ok(bytes)
    }

    /// Whether the numbers of the file have their most significant byte first.
    pub(super) fn is_big_endian(&self) -> bool {
        self.header.raw.is_big_endian()
    }

    /// Reads one time point.
    pub(super) fn read(
        mut self,
        time_point: usize,
        observer: &dyn OpenObserver,
    ) -> Result<Opened, OpenError> {
        let time_points = self.layout.time_points;
        if time_point >= time_points {
            let what =
                format!("time point {time_point} was asked for, but the file has 0 to {}", time_points - 1);
            return Err(OpenError::NotFound { what, path: self.header_path });
        }
        if time_points > 1 {
            self.warnings.push(Warning::TimePoints { count: time_points, shown: time_point + 1 });
        }
        let start = self.layout.offset + self.layout.frame_bytes * time_point as u64;
        if self.stream.is_seekable() && self.grid.dims()[2] > 1 {
            self.hand_over_slice(start, time_point, self.grid.dims()[2] / 2, observer)?;
        }
        self.stream.go_to(start, observer)?;
        let voxels = self.read_frame(start, time_point, observer)?;
        if time_point + 1 == time_points {
            self.stream.check_end()?;
        }
        let meta = self.meta(time_point, &voxels);
        let volume = Volume::new(self.grid, voxels, meta)
            .map_err(|e| OpenError::invalid(e.to_string(), &self.header_path))?;
        Ok(Opened { volume, warnings: self.warnings })
    }

    /// Reads the middle slice of an uncompressed file before everything else.
    fn hand_over_slice(
        &mut self,
        start: u64,
        time_point: usize,
        z: usize,
        observer: &dyn OpenObserver,
    ) -> Result<(), OpenError> {
        let slice_bytes = self.slice_bytes();
        self.stream.go_to(start + slice_bytes as u64 * z as u64, observer)?;
        let mut bytes = vec![0; slice_bytes];
        if self.stream.read(&mut bytes)? == slice_bytes {
            self.show_slice(&bytes, time_point, z, observer);
        }
        Ok(())
    }

    fn slice_bytes(&self) -> usize {
        (self.layout.frame_bytes / self.grid.dims()[2] as u64) as usize
    }

    fn show_slice(&self, bytes: &[u8], time_point: usize, z: usize, observer: &dyn OpenObserver) {
        let [nx, ny, _] = self.grid.dims();
        let Some(mut decoder) = self.decoder(nx * ny) else { return };
        decoder.push(bytes);
        let voxels = decoder.finish(&mut Vec::new());
        let meta = self.meta(time_point, &voxels);
        let Ok(grid) = self.grid.sub_grid(VoxelBox::new([0, 0, z], [nx, ny, z + 1])) else { return };
        if let Ok(slice) = Volume::new(grid, voxels, meta) {
            observer.first_slice(slice);
        }
    }

    fn decoder(&self, count: usize) -> Option<Decoder> {
        Decoder::new(self.layout.datatype, self.header.raw.is_big_endian(), self.scaling, count)
    }

    fn read_frame(
        &mut self,
        start: u64,
        time_point: usize,
        observer: &dyn OpenObserver,
    ) -> Result<Voxels, OpenError> {
        let total = self.layout.frame_bytes;
        let count = self.grid.voxel_count();
        let mut decoder = self.decoder(count).ok_or_else(|| {
            OpenError::too_large(format!("there is no memory for {count} voxels"), &self.header_path)
        })?;
        let mut chunk = vec![0; chunk_len(self.layout.datatype.size_of(), total)];
        // The first slice of a compressed file is kept until it is whole.
        let mut first = (!self.stream.is_seekable() && self.grid.dims()[2] > 1).then(Vec::new);
        let mut done = 0;
        let mut reported = 0;
        while done < total {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            let wanted = chunk.len().min((total - done) as usize);
            let found = self.stream.read(&mut chunk[..wanted])?;
            if found < wanted {
                return Err(self.cut_off(start, done + found as u64));
            }
            decoder.push(&chunk[..wanted]);
            done += wanted as u64;
            if let Some(slice) = &mut first {
                let missing = self.slice_bytes() - slice.len();
                slice.extend_from_slice(&chunk[..wanted.min(missing)]);
                if slice.len() == self.slice_bytes() {
                    let slice = first.take().unwrap_or_default();
                    self.show_slice(&slice, time_point, 0, observer);
                }
            }
            if done - reported >= REPORT_BYTES || done == total {
                observer.progress("reading voxels", done, total);
                reported = done;
            }
        }
        Ok(decoder.finish(&mut self.warnings))
    }

    fn cut_off(&self, start: u64, found: u64) -> OpenError {
        let what = if self.stream.position() < start {
            format!("the file ends after {} bytes, before its voxels at byte {start}", self.stream.position())
        } else {
            format!(
                "the file is cut off: {} bytes of voxels expected, {found} found; get a complete copy",
                self.layout.frame_bytes
            )
        };
        OpenError::invalid(what, &self.header_path)
    }

    fn meta(&self, time_point: usize, voxels: &Voxels) -> ImageMeta {
        let name = self.header_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let [low, high] = self.header.cal.map(|v| v as f32);
        let window = (high > low && (high - low).is_finite()).then_some(((low + high) / 2.0, high - low));
        ImageMeta {
            modality: modality::guess(&name, &self.header.descrip, voxels),
            title: pair::split_name(&self.header_path).map_or(name.clone(), |(stem, _)| stem.to_owned()),
            source: Source::Nifti {
                path: self.header_path.clone(),
                header: self.header.raw.bytes().to_vec(),
            },
            window,
            time_points: self.layout.time_points,
            time_point,
            has_physical_spacing: true,
        }
    }
}

/// About [`CHUNK_BYTES`], a whole number of voxels.
fn chunk_len(voxel_bytes: usize, total: u64) -> usize {
    let voxels = (CHUNK_BYTES / voxel_bytes).max(1);
    (voxels * voxel_bytes).min(total.min(usize::MAX as u64) as usize)
}

fn read_header(path: &Path) -> Result<Header, OpenError> {
    let mut stream = ByteStream::open(path)?;
    let mut start = [0; 540];
    let found = stream.read(&mut start)?;
    Header::parse(&start[..found], path)
}
