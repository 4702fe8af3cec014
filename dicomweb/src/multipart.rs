//! `multipart/related` (RFC 2046, RFC 2387): read part by part from a stream with little memory, and written.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Cursor, Read};
use std::path::PathBuf;

use memchr::memmem;

use crate::WebError;

/// RFC 2046 allows 70; some servers take more.
const MAX_BOUNDARY: usize = 200;
/// Bytes of the headers of a part.
const MAX_HEADERS: usize = 16 << 10;
/// Bytes before the first part and between a boundary and its line break.
const MAX_PREAMBLE: usize = 64 << 10;
const READ: usize = 64 << 10;

fn malformed(what: impl Into<String>) -> WebError {
    WebError::Malformed(what.into())
}

/// The boundary that a content type names.
///
/// # Errors
/// [`WebError::Malformed`] for another content type than `multipart/…`, and without a sound boundary.
pub fn boundary_of(content_type: &str) -> Result<String, WebError> {
    let kind = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if !kind.starts_with("multipart/") {
        let shown: String = kind.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(malformed(format!("it is \"{shown}\", not multipart")));
    }
    let boundary = parameter(content_type, "boundary").ok_or_else(|| malformed("it names no boundary"))?;
    let is_sound =
        (1..=MAX_BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(|b| matches!(b, 0x20..=0x7E));
    if is_sound { Ok(boundary) } else { Err(malformed("its boundary is none")) }
}

/// A parameter of a header's value, quoted or not; semicolons within quotes belong to values.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    loop {
        rest = rest[next_semicolon(rest)?..].strip_prefix(';')?;
        let end = next_semicolon(rest).unwrap_or(rest.len());
        let (key, text) = rest[..end].split_once('=').unwrap_or((&rest[..end], ""));
        if key.trim().eq_ignore_ascii_case(name) {
            let text = text.trim();
            let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            return Some(quoted.unwrap_or(text).replace("\\\"", "\"").replace("\\\\", "\\"));
        }
    }
}

fn next_semicolon(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.bytes().position(|b| {
        is_quoted ^= b == b'"';
        b == b';' && !is_quoted
    })
}

/// Reads the parts of a body, one after the other.
#[derive(Debug)]
pub struct MultipartReader<R> {
    source: R,
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    /// What was read and not used.
    buffer: Vec<u8>,
    start: usize,
    is_source_over: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// In the body of a part.
    Body,
    /// Behind the body of a part, before its boundary.
    AtBoundary,
    /// Behind the last boundary.
    Over,
}

impl<R: Read> MultipartReader<R> {
    /// Reads a body with this boundary.
    pub fn new(source: R, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first boundary may stand at the very beginning, where no line break precedes it.
        let buffer = b"\r\n".to_vec();
        Self { source, delimiter, buffer, start: 0, is_source_over: false, state: State::Preamble }
    }

    /// The content type of the next part, in lower case and without parameters; its body is then read from `self`. The
    /// rest of the part before is passed over. `None` behind the last part.
    ///
    /// # Errors
    /// [`WebError::Malformed`] for what is no such body, [`WebError::Broken`] if it ends before its last boundary, and
    /// what the source says.
    pub fn next_part(&mut self) -> Result<Option<String>, WebError> {
        match self.state {
            State::Over => return Ok(None),
            State::Preamble => self.skip_preamble()?,
            State::Body => {
                io::copy(self, &mut io::sink())?;
            }
            State::AtBoundary => {}
        }
        self.start += self.delimiter.len();
        if self.line_after_boundary()? {
            self.state = State::Over;
            return Ok(None);
        }
        let headers = self.headers()?;
        self.state = State::Body;
        let kind = headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim()
                .eq_ignore_ascii_case("content-type")
                .then(|| value.split(';').next().unwrap_or("").trim())
        });
        // RFC 2046 5.1: without a type it is plain text; DICOM servers mean DICOM.
        let kind = kind.unwrap_or("application/dicom").to_ascii_lowercase();
        if kind.starts_with("multipart/") {
            return Err(malformed("a part is multipart itself"));
        }
        Ok(Some(kind))
    }

    fn unused(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Reads more; `false` at the end of the source.
    fn fill(&mut self) -> Result<bool, WebError> {
        if self.is_source_over {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + READ, 0);
        let count = loop {
            match self.source.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(before + *count.as_ref().unwrap_or(&0));
        self.is_source_over = count? == 0;
        Ok(!self.is_source_over)
    }

    fn need_more(&mut self, have: usize, limit: usize, where_: &str) -> Result<(), WebError> {
        if have > limit {
            return Err(malformed(format!("{where_} exceeds {limit} bytes")));
        }
        if self.fill()? { Ok(()) } else { Err(WebError::Broken(format!("it ends in {where_}"))) }
    }

    fn skip_preamble(&mut self) -> Result<(), WebError> {
        loop {
            if let Some(at) = memmem::find(self.unused(), &self.delimiter) {
                self.start += at;
                return Ok(());
            }
            self.need_more(self.unused().len(), MAX_PREAMBLE, "what stands before the first part")?;
        }
    }

    /// Reads the rest of the line of a boundary; `true` if it was the last one.
    fn line_after_boundary(&mut self) -> Result<bool, WebError> {
        loop {
            let line = self.unused();
            if line.starts_with(b"--") {
                return Ok(true);
            }
            if let Some(at) = memmem::find(line, b"\r\n") {
                if line[..at].iter().any(|b| !matches!(b, b' ' | b'\t')) {
                    return Err(malformed("something stands behind a boundary"));
                }
                self.start += at + 2;
                return Ok(false);
            }
            let is_padding = line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'-'));
            if !is_padding {
                return Err(malformed("something stands behind a boundary"));
            }
            self.need_more(line.len(), MAX_PREAMBLE, "the line of a boundary")?;
        }
    }

    fn headers(&mut self) -> Result<String, WebError> {
        loop {
            let unused = self.unused();
            // A part without headers begins with the empty line.
            let end = if unused.starts_with(b"\r\n") {
                Some((0, 2))
            } else {
                memmem::find(unused, b"\r\n\r\n").map(|at| (at, 4))
            };
            if let Some((length, gap)) = end.filter(|(length, _)| *length <= MAX_HEADERS) {
                let headers = String::from_utf8_lossy(&unused[..length]).into_owned();
                self.start += length + gap;
                return Ok(headers);
            }
            self.need_more(unused.len(), MAX_HEADERS, "the headers of a part")?;
        }
    }
}

/// The body of the present part.
impl<R: Read> Read for MultipartReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.state != State::Body || out.is_empty() {
            return Ok(0);
        }
        loop {
            let unused = &self.buffer[self.start..];
            let ready = match memmem::find(unused, &self.delimiter) {
                Some(0) => {
                    self.state = State::AtBoundary;
                    return Ok(0);
                }
                Some(at) => at,
                // A boundary may begin in what is here and end in what is to come.
                None => unused.len().saturating_sub(self.delimiter.len() - 1),
            };
            if ready > 0 {
                let count = ready.min(out.len());
                out[..count].copy_from_slice(&unused[..count]);
                self.start += count;
                return Ok(count);
            }
            if !self.fill()? {
                return Err(WebError::Broken("it ends in the middle of a part".into()).into());
            }
        }
    }
}

/// A boundary that no file holds: 128 random bits.
pub(crate) fn new_boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("hilum-{:016x}{:016x}", random(), random())
}

enum Piece {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// A body of DICOM files.
pub(crate) struct MultipartBody {
    pieces: VecDeque<Piece>,
    current: Option<Box<dyn Read + Send>>,
}

impl MultipartBody {
    /// The body, and how many bytes it has; the files are opened when their turn comes.
    pub fn new(files: &[(PathBuf, u64)], boundary: &str) -> (Self, u64) {
        let mut pieces = VecDeque::new();
        let mut length = 0;
        for (number, (path, size)) in files.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\r\n" };
            let head = format!("{gap}--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes();
            length += head.len() as u64 + size;
            pieces.extend([Piece::Bytes(head), Piece::File(path.clone())]);
        }
        let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        length += tail.len() as u64;
        pieces.push_back(Piece::Bytes(tail));
        (Self { pieces, current: None }, length)
    }
}

impl Read for MultipartBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                let count = current.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            }
            self.current = match self.pieces.pop_front() {
                None => return Ok(0),
                Some(Piece::Bytes(bytes)) => Some(Box::new(Cursor::new(bytes))),
                Some(Piece::File(path)) => Some(Box::new(File::open(path)?)),
            };
        }
    }
}

#[cfg(test)]
mod tests;
