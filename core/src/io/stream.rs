//! The bytes of a file, inflated on the way if they are compressed.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::OpenError;
use crate::job::{Cancelled, Observer};

/// First bytes of a gzip file, RFC 1952.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Deflate cannot shrink by more than this: 258 bytes take two bits.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Bytes inflated between two looks at the observer while skipping.
const SKIP_CHUNK: usize = 1 << 20;

/// A file read from front to back.
pub(super) struct ByteStream {
    input: Input,
    position: u64,
    file_len: u64,
    path: PathBuf,
}

enum Input {
    Plain(File),
    Gzip(Box<Members>),
}

/// The members of a gzip file as one stream. Whatever follows the last member is ignored, as `gzip` does.
struct Members(Option<GzDecoder<BufReader<File>>>);

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.0.take().map(GzDecoder::into_inner);
            let more = rest
                .as_mut()
                .map_or(Ok(false), |r| Ok::<_, io::Error>(r.fill_buf()?.first() == Some(&GZIP_MAGIC[0])))?;
            self.0 = rest.filter(|_| more).map(GzDecoder::new);
        }
        Ok(0)
    }
}

impl ByteStream {
    /// Opens a file; content, not the name, decides whether it is compressed.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let fail = |e| OpenError::io(e, path);
        let mut file = File::open(path).map_err(fail)?;
        let file_len = file.metadata().map_err(fail)?.len();
        let mut magic = [0; 2];
        let found = fill(&mut file, &mut magic).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let input = if found == 2 && magic == GZIP_MAGIC {
            Input::Gzip(Box::new(Members(Some(GzDecoder::new(BufReader::with_capacity(1 << 18, file))))))
        } else {
            Input::Plain(file)
        };
        Ok(Self { input, position: 0, file_len, path: path.to_owned() })
    }

    /// Whether any place can be reached at no cost.
    pub(super) fn is_seekable(&self) -> bool {
        matches!(self.input, Input::Plain(_))
    }

    /// The most bytes that the file can hold once inflated.
    pub(super) fn most_bytes(&self) -> u64 {
        match self.input {
            Input::Plain(_) => self.file_len,
            Input::Gzip(_) => self.file_len.saturating_mul(MAX_DEFLATE_RATIO),
        }
    }

    /// Fills as much of `buffer` as there is; less than its length only at the end of the data.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, OpenError> {
        let result = match &mut self.input {
            Input::Plain(file) => fill(file, buffer),
            Input::Gzip(decoder) => fill(decoder, buffer),
        };
        let count = result.map_err(|cause| match cause.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => OpenError::invalid(
                format!("the compressed data is damaged after {} bytes ({cause})", self.position),
                &self.path,
            ),
            _ => OpenError::io(cause, &self.path),
        })?;
        self.position += count as u64;
        Ok(count)
    }

    /// Goes forward (or, in an uncompressed file, anywhere) to a position. At the end of the data it stops short.
    pub(super) fn go_to(&mut self, position: u64, observer: &dyn Observer) -> Result<(), OpenError> {
        if let Input::Plain(file) = &mut self.input {
            self.position = file.seek(SeekFrom::Start(position)).map_err(|e| OpenError::io(e, &self.path))?;
            return Ok(());
        }
        let mut scratch = vec![0; SKIP_CHUNK];
        while self.position < position {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            observer.progress("skipping earlier time points", self.position, position);
            let wanted = (position - self.position).min(SKIP_CHUNK as u64) as usize;
            if self.read(&mut scratch[..wanted])? < wanted {
                break;
            }
        }
        Ok(())
    }

    /// Bytes given out so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// At the end of the promised data: lets the checksum of a compressed file be compared if it comes next.
    pub(super) fn check_end(&mut self) -> Result<(), OpenError> {
        if matches!(self.input, Input::Gzip(_)) {
            self.read(&mut [0])?;
        }
        Ok(())
    }
}

/// Reads until the buffer is full or the data ends. A compressed file that breaks off ends there.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Inflates the start of a file as far as the bytes at hand go; other bytes come back unchanged.
pub(super) fn inflated_start(start: &[u8]) -> Vec<u8> {
    if !start.starts_with(&GZIP_MAGIC) {
        return start.to_vec();
    }
    let mut inflated = vec![0; 1024];
    let count = fill(&mut GzDecoder::new(start), &mut inflated).unwrap_or(0);
    inflated.truncate(count);
    inflated
}
