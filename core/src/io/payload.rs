//! The voxels of formats whose header is text: in the same file or in others, packed or spelled out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ::nifti::NiftiType;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::decode::{Decoder, Scaling};
use super::{Limits, OpenError, OpenObserver, Warning};
use crate::job::Cancelled;
use crate::volume::Voxels;

mod text;

use text::{HexReader, NumberReader};

/// Deflate cannot shrink by more than this.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Bytes read at a time, about.
const CHUNK_BYTES: usize = 1 << 18;

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Bytes as they are.
    Raw,
    /// gzip or zlib, told apart by the first bytes.
    Deflated,
    /// Numbers as text.
    Text,
    /// Bytes as pairs of hexadecimal digits.
    Hex,
}

/// A part of the voxels in a file.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub path: PathBuf,
    /// Bytes before it in the file, as they lie on the disk.
    pub start: u64,
    /// Bytes from there to the end of the file.
    pub len: u64,
}

impl Piece {
    /// The bytes of a file from `start` on. Only ordinary files are taken: a pipe would never end.
    pub(super) fn new(path: &Path, start: u64) -> Result<Self, OpenError> {
        let metadata = std::fs::metadata(path).map_err(|e| OpenError::io(e, path))?;
        if !metadata.is_file() {
            return Err(OpenError::invalid("the voxels must lie in an ordinary file", path));
        }
        Ok(Self { path: path.to_owned(), start, len: metadata.len().saturating_sub(start) })
    }

    fn reader(&self, payload: &Payload, most: u64) -> Result<Box<dyn Read>, OpenError> {
        let fail = |e| OpenError::io(e, &self.path);
        let mut file = File::open(&self.path).map_err(fail)?;
        file.seek(SeekFrom::Start(self.start)).map_err(fail)?;
        let mut input = BufReader::with_capacity(1 << 16, file);
        Ok(match payload.coding {
            Coding::Raw => Box::new(input.take(most)),
            Coding::Deflated => {
                // The whole of a single file is left readable, so that its checksum can be compared.
                let most = if payload.pieces.len() == 1 { u64::MAX } else { most };
                let is_gzip = io::BufRead::fill_buf(&mut input).map_err(fail)?.starts_with(&[0x1f, 0x8b]);
                if is_gzip {
                    Box::new(MultiGzDecoder::new(input).take(most))
                } else {
                    Box::new(ZlibDecoder::new(input).take(most))
                }
            }
            Coding::Hex => Box::new(HexReader::new(input).take(most)),
            Coding::Text => Box::new(NumberReader::new(input, payload.stored).take(most)),
        })
    }
}

/// Where a data file named in a header lies: beside the header, or below it.
pub(super) fn data_file(header: &Path, name: &str) -> Result<PathBuf, OpenError> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let named = Path::new(name.trim());
    if named.as_os_str().is_empty() || named.is_absolute() {
        let what = format!("the data file \"{shown}\" must be named relative to its header");
        return Err(OpenError::invalid(what, header));
    }
    let path = header.parent().unwrap_or(Path::new("")).join(named);
    if path.exists() {
        return Ok(path);
    }
    let what = format!("the data file {shown} of this header is missing; put it into the same folder");
    Err(OpenError::NotFound { what, path: header.to_owned() })
}

/// Stored values with the way to them. One axis beside the three of space may count frames.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub pieces: Vec<Piece>,
    pub coding: Coding,
    /// Bytes to pass over at the start of each piece, after inflating.
    pub skip: u64,
    pub stored: NiftiType,
    pub big_endian: bool,
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Size of the axis beside space; 1 without one.
    pub frames: usize,
    /// Whether the frames' values of a voxel stand side by side.
    pub interleaved: bool,
}

impl Payload {
    fn voxels(&self) -> u64 {
        self.dims.iter().map(|n| *n as u64).product()
    }

    fn total_bytes(&self) -> u64 {
        let size = self.stored.size_of() as u64;
        self.voxels().saturating_mul(size).saturating_mul(self.frames as u64)
    }

    /// Compares what the header promises with the files and the limits, before anything is allocated.
    pub(super) fn check(&self, limits: &Limits, path: &Path) -> Result<(), OpenError> {
        let [x, y, z] = self.dims;
        let decoded = self.voxels().saturating_mul(self.stored.size_of().max(4) as u64);
        if decoded > limits.max_voxel_bytes {
            let what = format!(
                "an image of {x} × {y} × {z} voxels takes {decoded} bytes, more than the limit of {}",
                limits.max_voxel_bytes
            );
            return Err(OpenError::too_large(what, path));
        }
        let pieces = self.pieces.len() as u64;
        if pieces == 0 || !self.total_bytes().is_multiple_of(pieces) {
            let what =
                format!("{} bytes of voxels cannot lie in {pieces} files of one size", self.total_bytes());
            return Err(OpenError::invalid(what, path));
        }
        let needed = (self.total_bytes() / pieces).saturating_add(self.skip);
        for piece in &self.pieces {
            let most = match self.coding {
                Coding::Raw => piece.len,
                Coding::Deflated => piece.len.saturating_mul(MAX_DEFLATE_RATIO),
                Coding::Hex => piece.len / 2,
                // A digit and a space at least, but for the last number.
                Coding::Text => piece.len.div_ceil(2).saturating_mul(self.stored.size_of() as u64),
            };
            if most < needed {
                let what = format!(
                    "the header promises {x} × {y} × {z} × {} values, {needed} bytes, but the file can hold at \
                     most {most}; it is cut off or its header is wrong",
                    self.frames
                );
                return Err(OpenError::invalid(what, &piece.path));
            }
        }
        Ok(())
    }

    /// Reads one frame. Call [`Payload::check`] before.
    pub(super) fn read(
        &self,
        frame: usize,
        path: &Path,
        observer: &dyn OpenObserver,
        warnings: &mut Vec<Warning>,
    ) -> Result<Voxels, OpenError> {
        let count = self.voxels() as usize;
        let mut decoder = Decoder::new(self.stored, self.big_endian, Scaling::Identity, count)
            .ok_or_else(|| OpenError::too_large(format!("there is no memory for {count} voxels"), path))?;
        let mut chain = Chain::new(self);
        let size = self.stored.size_of();
        let group = if self.interleaved { size * self.frames } else { size };
        if !self.interleaved {
            chain.pass_over(self.voxels() * size as u64 * frame as u64, observer)?;
        }
        let total = self.voxels();
        let step = (CHUNK_BYTES / group).max(1) as u64;
        let mut buffer = vec![0; group * step.min(total) as usize];
        let mut picked = Vec::new();
        let mut done = 0;
        while done < total {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            let voxels = step.min(total - done) as usize;
            let bytes = &mut buffer[..voxels * group];
            chain.fill(bytes)?;
            if self.interleaved && self.frames > 1 {
                picked.clear();
                for values in bytes.chunks_exact(group) {
                    picked.extend_from_slice(&values[frame * size..(frame + 1) * size]);
                }
                decoder.push(&picked);
            } else {
                decoder.push(bytes);
            }
            done += voxels as u64;
            observer.progress("reading voxels", done, total);
        }
        if self.coding == Coding::Deflated && (self.interleaved || frame + 1 == self.frames) {
            chain.compare_checksum()?;
        }
        Ok(decoder.finish(warnings))
    }
}

/// The pieces as one stream of stored values.
struct Chain<'a> {
    payload: &'a Payload,
    rest: VecDeque<&'a Piece>,
    current: Option<(Box<dyn Read>, &'a Path)>,
    found: u64,
}

impl<'a> Chain<'a> {
    fn new(payload: &'a Payload) -> Self {
        Self { payload, rest: payload.pieces.iter().collect(), current: None, found: 0 }
    }

    fn next_piece(&mut self) -> Result<bool, OpenError> {
        let Some(piece) = self.rest.pop_front() else { return Ok(false) };
        let each = self.payload.total_bytes() / self.payload.pieces.len() as u64;
        let mut reader = piece.reader(self.payload, each.saturating_add(self.payload.skip))?;
        let skipped = io::copy(&mut reader.by_ref().take(self.payload.skip), &mut io::sink());
        skipped.map_err(|e| damaged(e, 0, &piece.path))?;
        self.current = Some((reader, &piece.path));
        Ok(true)
    }

    /// Fills the buffer or says how much is missing.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), OpenError> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.current.is_none() && !self.next_piece()? {
                let expected = self.payload.total_bytes();
                let what = format!(
                    "the voxels are cut off: {expected} bytes expected, {} found; get a complete copy",
                    self.found
                );
                let path = self.payload.pieces.last().map_or(Path::new(""), |p| &p.path);
                return Err(OpenError::invalid(what, path));
            }
            let Some((reader, path)) = &mut self.current else { continue };
            match reader.read(&mut buffer[filled..]) {
                Ok(0) => self.current = None,
                Ok(count) => {
                    filled += count;
                    self.found += count as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.current = None,
                Err(e) => return Err(damaged(e, self.found, path)),
            }
        }
        Ok(())
    }

    /// At the end of the promised data: lets the checksum be compared if it comes next.
    fn compare_checksum(&mut self) -> Result<(), OpenError> {
        let Some((reader, path)) = &mut self.current else { return Ok(()) };
        match reader.read(&mut [0]) {
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => Err(damaged(e, self.found, path)),
            _ => Ok(()),
        }
    }

    fn pass_over(&mut self, mut count: u64, observer: &dyn OpenObserver) -> Result<(), OpenError> {
        let mut scratch = vec![0; CHUNK_BYTES.min(usize::try_from(count).unwrap_or(CHUNK_BYTES))];
        while count > 0 {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            let step = (scratch.len() as u64).min(count) as usize;
            self.fill(&mut scratch[..step])?;
            count -= step as u64;
        }
        Ok(())
    }
}

fn damaged(cause: io::Error, found: u64, path: &Path) -> OpenError {
    match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            OpenError::invalid(format!("the voxels are damaged after {found} bytes ({cause})"), path)
        }
        _ => OpenError::io(cause, path),
    }
}
