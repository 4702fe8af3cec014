//! The `key = value` lines of a MetaImage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use ::nifti::NiftiType;
use nalgebra::{Matrix3, Vector3};

use crate::geometry::Affine;
use crate::io::nrrd::axes::complete;
use crate::io::nrrd::header::numbered;
use crate::io::payload::{Coding, Payload, Piece, data_file};
use crate::io::{OpenError, Warning};

/// No header of an image is longer.
const MAX_HEADER_BYTES: u64 = 4 << 20;

/// The lines up to `ElementDataFile`, which is always the last.
#[derive(Debug, Default)]
pub(super) struct Header {
    fields: BTreeMap<String, String>,
    /// Lines behind `ElementDataFile = LIST`.
    listed: Vec<String>,
    len: u64,
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Self, OpenError> {
        let fail = |e| OpenError::io(e, path);
        let mut input = BufReader::new(File::open(path).map_err(fail)?.take(MAX_HEADER_BYTES));
        let mut header = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = input.read_until(b'\n', &mut line).map_err(fail)?;
            header.len += count as u64;
            let text = String::from_utf8_lossy(&line);
            let is_list = header.data_file().is_some();
            if count == 0 {
                break;
            }
            if is_list {
                if !text.trim().is_empty() {
                    header.listed.push(text.trim().to_owned());
                }
                continue;
            }
            if text.trim().is_empty() {
                continue;
            }
            let Some((key, value)) = text.split_once('=') else {
                let shown: String = text.trim().chars().filter(|c| !c.is_control()).take(40).collect();
                let what = format!("the header has a line \"{shown}\" that is not \"key = value\"");
                return Err(OpenError::invalid(what, path));
            };
            header.fields.insert(key.trim().to_owned(), value.trim().to_owned());
            if header.data_file().is_some_and(|name| !name.starts_with("LIST")) {
                break;
            }
        }
        if header.data_file().is_none() {
            let what = "the header ends without ElementDataFile; get a complete copy";
            return Err(OpenError::invalid(what, path));
        }
        Ok(header)
    }

    fn data_file(&self) -> Option<&str> {
        self.fields.get("ElementDataFile").map(String::as_str)
    }

    /// The first field of these names.
    fn field(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.fields.get(*name)).map(String::as_str)
    }

    fn is_true(&self, names: &[&str]) -> bool {
        self.field(names).is_some_and(|v| v.eq_ignore_ascii_case("true") || v == "1")
    }

    /// Numbers of a field, of which there must be `count`.
    fn numbers(&self, names: &[&str], count: usize, path: &Path) -> Result<Option<Vec<f64>>, OpenError> {
        let Some(text) = self.field(names) else { return Ok(None) };
        let parsed: Option<Vec<f64>> = text.split_whitespace().map(|w| w.parse().ok()).collect();
        match parsed.filter(|p| p.len() >= count) {
            Some(mut numbers) => {
                numbers.truncate(count);
                Ok(Some(numbers))
            }
            None => {
                let shown: String = text.chars().take(80).collect();
                Err(OpenError::invalid(format!("{} is \"{shown}\", not {count} numbers", names[0]), path))
            }
        }
    }

    /// Sizes of all axes.
    fn sizes(&self, path: &Path) -> Result<Vec<usize>, OpenError> {
        let axes = self.field(&["NDims"]).unwrap_or("");
        let Some(axes) = axes.parse::<usize>().ok().filter(|n| (1..=4).contains(n)) else {
            return Err(OpenError::invalid(format!("NDims is \"{axes}\"; 1 to 4 axes are read"), path));
        };
        let text = self.field(&["DimSize"]).unwrap_or("");
        let parsed: Option<Vec<usize>> =
            text.split_whitespace().map(|w| w.parse().ok().filter(|n| *n > 0)).collect();
        parsed.filter(|s| s.len() == axes).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            OpenError::invalid(format!("DimSize is \"{shown}\", not {axes} whole numbers above 0"), path)
        })
    }

    /// Voxels along x, y, z and their place in LPS mm.
    pub(super) fn place(
        &self,
        path: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Result<([usize; 3], Affine), OpenError> {
        let sizes = self.sizes(path)?;
        let (n, space) = (sizes.len(), sizes.len().min(3));
        let spacing = self.numbers(&["ElementSpacing", "ElementSize"], n, path)?;
        let matrix = self.numbers(&["TransformMatrix", "Rotation", "Orientation"], n * n, path)?;
        let offset = self.numbers(&["Offset", "Position", "Origin"], n, path)?;
        if spacing.is_none() {
            warnings.push(Warning::NoSpacing);
        }
        if matrix.is_none() {
            warnings.push(Warning::NoOrientation);
        }
        let mut columns: Vec<Vector3<f64>> = (0..space)
            .map(|a| {
                let part = |i: usize| match &matrix {
                    _ if i >= space => 0.0,
                    Some(m) => m[a * n + i],
                    None => f64::from(u8::from(a == i)),
                };
                Vector3::new(part(0), part(1), part(2)) * spacing.as_ref().map_or(1.0, |s| s[a])
            })
            .collect();
        complete(&mut columns);
        let mut origin = Vector3::zeros();
        (0..space).for_each(|i| origin[i] = offset.as_ref().map_or(0.0, |o| o[i]));
        let linear = Matrix3::from_columns(&[columns[0], columns[1], columns[2]]);
        let affine = Affine::new(linear, origin).map_err(|e| OpenError::invalid(e.to_string(), path))?;
        let size = |a: usize| if a < space { sizes[a] } else { 1 };
        Ok(([size(0), size(1), size(2)], affine))
    }

    /// Where and how the voxels are stored.
    pub(super) fn payload(&self, dims: [usize; 3], path: &Path) -> Result<Payload, OpenError> {
        let channels = self.field(&["ElementNumberOfChannels"]).unwrap_or("1");
        let Some(channels) = channels.parse::<usize>().ok().filter(|c| (1..=65_536).contains(c)) else {
            return Err(OpenError::invalid(format!("ElementNumberOfChannels is \"{channels}\""), path));
        };
        let scalar = stored_type(self.field(&["ElementType"]).unwrap_or(""), path)?;
        let times = self.sizes(path)?.get(3).copied().unwrap_or(1);
        let (stored, frames, interleaved) = match (channels, scalar) {
            (1, scalar) => (scalar, times, false),
            (3, NiftiType::Uint8) => (NiftiType::Rgb24, times, false),
            (4, NiftiType::Uint8) => (NiftiType::Rgba32, times, false),
            (channels, scalar) if times == 1 => (scalar, channels, true),
            _ => {
                let what =
                    format!("{channels} channels at {times} times are more axes than an image has here");
                return Err(OpenError::unsupported(what, path));
            }
        };
        let is_packed = self.is_true(&["CompressedData"]);
        let coding = match self.field(&["BinaryData"]) {
            Some(v) if !v.eq_ignore_ascii_case("true") && v != "1" => Coding::Text,
            _ if is_packed => Coding::Deflated,
            _ => Coding::Raw,
        };
        let msb = self.is_true(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]);
        let big_endian = msb && coding != Coding::Text;
        let mut payload =
            Payload { pieces: Vec::new(), coding, skip: 0, stored, big_endian, dims, frames, interleaved };
        self.locate(&mut payload, path)?;
        Ok(payload)
    }

    fn locate(&self, payload: &mut Payload, path: &Path) -> Result<(), OpenError> {
        for (file, start) in self.files(path)? {
            payload.pieces.push(Piece::new(&file, start)?);
        }
        let skip = self.field(&["HeaderSize"]).unwrap_or("0");
        match skip.parse::<i64>() {
            Ok(-1) if payload.coding == Coding::Raw => {
                let voxels: u64 = payload.dims.iter().map(|n| *n as u64).product();
                let bytes = voxels.saturating_mul((payload.stored.size_of() * payload.frames) as u64);
                let each = bytes / payload.pieces.len().max(1) as u64;
                for piece in &mut payload.pieces {
                    let surplus = piece.len.saturating_sub(each);
                    (piece.start, piece.len) = (piece.start + surplus, piece.len - surplus);
                }
            }
            Ok(bytes) if bytes >= 0 => {
                for piece in &mut payload.pieces {
                    *piece = Piece::new(&piece.path, piece.start.saturating_add(bytes as u64))?;
                }
            }
            _ => return Err(OpenError::invalid(format!("HeaderSize is \"{skip}\""), path)),
        }
        Ok(())
    }

    /// Every data file with the byte at which its part starts.
    fn files(&self, path: &Path) -> Result<Vec<(PathBuf, u64)>, OpenError> {
        let name = self.data_file().unwrap_or_default();
        if matches!(name, "LOCAL" | "Local" | "local") {
            return Ok(vec![(path.to_owned(), self.len)]);
        }
        if name.starts_with("LIST") {
            return self.listed.iter().map(|name| Ok((data_file(path, name)?, 0))).collect();
        }
        let words: Vec<&str> = name.split_whitespace().collect();
        if let [pattern, numbers @ ..] = &words[..]
            && pattern.contains('%')
            && numbers.len() >= 2
        {
            let numbers = [numbers[0], numbers[1], numbers.get(2).copied().unwrap_or("1")];
            return numbered(pattern, &numbers, path)?.iter().map(|n| Ok((data_file(path, n)?, 0))).collect();
        }
        Ok(vec![(data_file(path, name)?, 0)])
    }
}

/// The sizes are those of MetaIO, where a long has four bytes.
fn stored_type(name: &str, path: &Path) -> Result<NiftiType, OpenError> {
    Ok(match name.strip_suffix("_ARRAY").unwrap_or(name) {
        "MET_CHAR" => NiftiType::Int8,
        "MET_UCHAR" => NiftiType::Uint8,
        "MET_SHORT" => NiftiType::Int16,
        "MET_USHORT" => NiftiType::Uint16,
        "MET_INT" | "MET_LONG" => NiftiType::Int32,
        "MET_UINT" | "MET_ULONG" => NiftiType::Uint32,
        "MET_LONG_LONG" => NiftiType::Int64,
        "MET_ULONG_LONG" => NiftiType::Uint64,
        "MET_FLOAT" => NiftiType::Float32,
        "MET_DOUBLE" => NiftiType::Float64,
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(OpenError::unsupported(
                format!("the element type \"{shown}\" is not supported"),
                path,
            ));
        }
    })
}
