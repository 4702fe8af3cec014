//! The text at the start of an NRRD file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use ::nifti::NiftiType;

use super::axes::Axes;
use crate::io::payload::{Coding, Payload, Piece, data_file};
use crate::io::{OpenError, Warning};

/// No header of an image is longer; Slicer writes a few kilobytes a hundred segments.
const MAX_HEADER_BYTES: u64 = 8 << 20;
/// More slices than this lie in no list of files.
const MAX_DATA_FILES: usize = 100_000;

/// Fields and key/value pairs, by name.
#[derive(Debug, Default)]
pub(super) struct Header {
    fields: BTreeMap<String, String>,
    /// Pairs of `key:=value`, unescaped.
    pub keys: BTreeMap<String, String>,
    /// Names that follow `data file: LIST`.
    listed: Vec<String>,
    /// Bytes of the header with its empty line.
    len: u64,
}

impl Header {
    /// Reads up to the empty line, or in a detached header to the end.
    pub(super) fn read(path: &Path) -> Result<Self, OpenError> {
        let fail = |e| OpenError::io(e, path);
        let file = File::open(path).map_err(fail)?;
        let mut input = BufReader::new(file.take(MAX_HEADER_BYTES));
        let mut header = Self::default();
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            let count = input.read_until(b'\n', &mut line).map_err(fail)?;
            header.len += count as u64;
            if header.len >= MAX_HEADER_BYTES {
                let what = format!("the header is longer than {MAX_HEADER_BYTES} bytes");
                return Err(OpenError::too_large(what, path));
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            number += 1;
            if number == 1 {
                check_magic(text, path)?;
            } else if count == 0 || text.is_empty() && header.listed.is_empty() && !header.is_list() {
                break;
            } else if header.is_list() {
                header.add_listed(text, path)?;
            } else {
                header.add_line(text, path)?;
            }
        }
        Ok(header)
    }

    fn is_list(&self) -> bool {
        self.field("datafile").is_some_and(|v| v.starts_with("LIST"))
    }

    fn add_listed(&mut self, text: &str, path: &Path) -> Result<(), OpenError> {
        if !text.trim().is_empty() {
            self.listed.push(text.trim().to_owned());
        }
        if self.listed.len() > MAX_DATA_FILES {
            let what = format!("the header lists more than {MAX_DATA_FILES} data files");
            return Err(OpenError::too_large(what, path));
        }
        Ok(())
    }

    fn add_line(&mut self, text: &str, path: &Path) -> Result<(), OpenError> {
        if text.starts_with('#') {
            return Ok(());
        }
        let key = text.split_once(":=").filter(|(key, _)| !key.contains(": "));
        if let Some((key, value)) = key {
            self.keys.insert(key.trim().to_owned(), value.replace("\\n", "\n").replace("\\\\", "\\"));
            return Ok(());
        }
        let Some((name, value)) = text.split_once(':') else {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
            let what = format!("the header has a line \"{shown}\" that is neither a field nor a key");
            return Err(OpenError::invalid(what, path));
        };
        // Names are the same with and without spaces: "data file", "datafile".
        let name: String = name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        self.fields.insert(name, value.trim().to_owned());
        Ok(())
    }

    /// A field by its name in lower case without spaces.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that must be there.
    pub(super) fn needed(&self, name: &str, path: &Path) -> Result<&str, OpenError> {
        self.field(name)
            .ok_or_else(|| OpenError::invalid(format!("the header has no field \"{name}\""), path))
    }

    /// Where and how the voxels are stored.
    pub(super) fn payload(
        &self,
        axes: &Axes,
        path: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Result<Payload, OpenError> {
        let coding = match self.needed("encoding", path)?.to_lowercase().as_str() {
            "raw" => Coding::Raw,
            "gzip" | "gz" => Coding::Deflated,
            "ascii" | "text" | "txt" => Coding::Text,
            "hex" => Coding::Hex,
            other => {
                let what = format!(
                    "the encoding \"{other}\" is not supported; save the file with gzip (for example in 3D Slicer, \
                     or with `unu save -e gzip`)"
                );
                return Err(OpenError::unsupported(what, path));
            }
        };
        let scalar = stored_type(self.needed("type", path)?, path)?;
        let stored = match (axes.colors, scalar) {
            (0, scalar) => scalar,
            (3, NiftiType::Uint8) => NiftiType::Rgb24,
            (4, NiftiType::Uint8) => NiftiType::Rgba32,
            (_, other) => {
                let what = format!("colours of the type {other:?} are not supported, only 8-bit ones");
                return Err(OpenError::unsupported(what, path));
            }
        };
        let big_endian = match self.field("endian") {
            _ if coding == Coding::Text || scalar.size_of() == 1 => false,
            Some("big") => true,
            Some("little") => false,
            found => {
                let what =
                    format!("the byte order is {}; little endian was assumed", found.unwrap_or("not stated"));
                warnings.push(Warning::Repaired { what });
                false
            }
        };
        let mut payload = Payload {
            pieces: Vec::new(),
            coding,
            skip: 0,
            stored,
            big_endian,
            dims: axes.dims,
            frames: axes.frames,
            interleaved: axes.interleaved,
        };
        self.locate(&mut payload, path)?;
        Ok(payload)
    }

    /// Finds the data files and passes over lines and bytes as the header asks.
    fn locate(&self, payload: &mut Payload, path: &Path) -> Result<(), OpenError> {
        let number = |name: &str| match self.field(name) {
            None => Ok(0),
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| OpenError::invalid(format!("{name} is \"{text}\", not a whole number"), path)),
        };
        let (lines, bytes) = (number("lineskip")?, number("byteskip")?);
        if lines < 0 || bytes < -1 || lines > 1 << 20 {
            let what = format!("lines to skip: {lines}, bytes to skip: {bytes}; that cannot be");
            return Err(OpenError::invalid(what, path));
        }
        for (file, start) in self.data_files(path)? {
            let start = after_lines(&file, start, lines)?;
            payload.pieces.push(Piece::new(&file, start)?);
        }
        if bytes >= 0 {
            payload.skip = bytes as u64;
            return Ok(());
        }
        if payload.coding != Coding::Raw {
            let what = "a byte skip of -1 (count from the end) is only possible with raw voxels";
            return Err(OpenError::invalid(what, path));
        }
        let voxels: u64 = payload.dims.iter().map(|n| *n as u64).product();
        let total = voxels.saturating_mul(payload.stored.size_of() as u64 * payload.frames as u64);
        let each = total / payload.pieces.len().max(1) as u64;
        for piece in &mut payload.pieces {
            let surplus = piece.len.saturating_sub(each);
            (piece.start, piece.len) = (piece.start + surplus, piece.len - surplus);
        }
        Ok(())
    }

    /// Every data file with the byte at which its part of the data starts.
    fn data_files(&self, path: &Path) -> Result<Vec<(PathBuf, u64)>, OpenError> {
        let Some(name) = self.field("datafile") else { return Ok(vec![(path.to_owned(), self.len)]) };
        if self.is_list() {
            return self.listed.iter().map(|name| Ok((data_file(path, name)?, 0))).collect();
        }
        let words: Vec<&str> = name.split_whitespace().collect();
        if let [format, numbers @ ..] = &words[..]
            && format.contains('%')
            && numbers.len() >= 3
        {
            return numbered(format, numbers, path)?.iter().map(|n| Ok((data_file(path, n)?, 0))).collect();
        }
        if name.is_empty() {
            Ok(vec![(path.to_owned(), self.len)])
        } else {
            Ok(vec![(data_file(path, name)?, 0)])
        }
    }
}

fn check_magic(line: &str, path: &Path) -> Result<(), OpenError> {
    match line.strip_prefix("NRRD000").and_then(|v| v.trim().parse::<u8>().ok()) {
        Some(1..=5) => Ok(()),
        _ => {
            let shown: String = line.chars().filter(|c| !c.is_control()).take(20).collect();
            let what = format!("an NRRD file starts with NRRD0001 to NRRD0005, this one with \"{shown}\"");
            Err(OpenError::invalid(what, path))
        }
    }
}

/// Names made from a pattern of C's `printf` with one `%d`, and first, last and step.
pub(in crate::io) fn numbered(
    pattern: &str,
    numbers: &[&str],
    path: &Path,
) -> Result<Vec<String>, OpenError> {
    let refuse = |what: String| OpenError::invalid(what, path);
    let parsed: Option<Vec<i64>> = numbers.iter().take(3).map(|n| n.parse().ok()).collect();
    let Some([first, last, step]) = parsed.as_deref().and_then(|n| <[i64; 3]>::try_from(n).ok()) else {
        return Err(refuse(format!("\"{pattern}\" needs first, last and step as whole numbers")));
    };
    let span = last.checked_sub(first).filter(|span| step != 0 && (*span >= 0) == (step > 0));
    let count = span.map(|span| (span / step).unsigned_abs() + 1);
    let Some(count) = count.filter(|count| *count <= MAX_DATA_FILES as u64) else {
        return Err(refuse(format!("files numbered from {first} to {last} by {step} cannot be")));
    };
    let (before, rest) = pattern.split_once('%').unwrap_or((pattern, ""));
    let Some((width, after)) = rest.split_once('d').filter(|(w, _)| w.chars().all(|c| c.is_ascii_digit()))
    else {
        return Err(refuse(format!("\"{pattern}\" is no pattern such as slice%03d.raw")));
    };
    let zeros = width.starts_with('0');
    let width: usize = if width.is_empty() { 0 } else { width.parse().unwrap_or(usize::MAX) };
    if width > 32 {
        return Err(refuse(format!("\"{pattern}\" is no pattern such as slice%03d.raw")));
    }
    let name = |i: u64| {
        let number = first + step * i as i64;
        if zeros {
            format!("{before}{number:0width$}{after}")
        } else {
            format!("{before}{number:width$}{after}")
        }
    };
    Ok((0..count).map(name).collect())
}

fn after_lines(path: &Path, start: u64, lines: i64) -> Result<u64, OpenError> {
    if lines == 0 {
        return Ok(start);
    }
    let fail = |e| OpenError::io(e, path);
    let mut file = File::open(path).map_err(fail)?;
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start)).map_err(fail)?;
    let mut input = BufReader::new(file.take(MAX_HEADER_BYTES));
    let mut position = start;
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        position += input.read_until(b'\n', &mut line).map_err(fail)? as u64;
    }
    Ok(position)
}

fn stored_type(name: &str, path: &Path) -> Result<NiftiType, OpenError> {
    let name = name.to_lowercase();
    Ok(match name.as_str() {
        "signed char" | "int8" | "int8_t" => NiftiType::Int8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => NiftiType::Uint8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => NiftiType::Int16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => NiftiType::Uint16,
        "int" | "signed int" | "int32" | "int32_t" => NiftiType::Int32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => NiftiType::Uint32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => NiftiType::Int64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            NiftiType::Uint64
        }
        "float" => NiftiType::Float32,
        "double" => NiftiType::Float64,
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(OpenError::unsupported(format!("the voxel type \"{shown}\" is not supported"), path));
        }
    })
}
