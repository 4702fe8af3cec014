//! The header of one DICOM file: its transfer syntax, its elements and the place of its pixels.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use super::dataset::{Bounds, DataSet, DataSetError, ElementReader, Encoding, PixelElement};
use crate::io::{Limits, OpenError};

/// Length of the preamble with its mark.
const PREAMBLE: usize = 132;
const BUFFER: usize = 16 << 10;
/// What a deflated file may become, of which nothing in the file itself tells the size.
const MAX_INFLATED_BYTES: u64 = 4 << 30;

/// How the pixels are packed (PS3.5 annex A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Native,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// A transfer syntax as far as it concerns reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub encoding: Encoding,
    pub deflated: bool,
    pub packing: Packing,
    /// Byte order of native pixels; differs from the elements' in one GE private syntax.
    pub big_endian_pixels: bool,
}

/// What a file says before its pixels.
#[derive(Debug)]
pub(super) struct Header {
    pub syntax: Syntax,
    /// Group 0002; empty in files without it.
    pub meta: DataSet,
    pub elements: DataSet,
    pub pixels: Option<PixelElement>,
    /// Offset in the file of the first byte of the data set.
    pub data_set_offset: u64,
    pub file_len: u64,
}

impl Syntax {
    /// The syntax of a UID, or `None` where no decoder exists.
    fn from_uid(uid: &str) -> Option<Self> {
        let explicit = Encoding { explicit_vr: true, big_endian: false };
        let native =
            Self { encoding: explicit, deflated: false, packing: Packing::Native, big_endian_pixels: false };
        let packed = |packing| Self { packing, ..native };
        let implicit = Self { encoding: Encoding { explicit_vr: false, ..explicit }, ..native };
        Some(match uid {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => implicit,
            // GE private: implicit little endian with big-endian pixels.
            "1.2.840.113619.5.2" => Self { big_endian_pixels: true, ..implicit },
            uids::EXPLICIT_VR_LITTLE_ENDIAN | "1.2.840.10008.1.2.1.98" => native,
            // Explicit VR big endian: retired, but found in archives.
            "1.2.840.10008.1.2.2" => {
                let encoding = Encoding { big_endian: true, ..explicit };
                Self { encoding, big_endian_pixels: true, ..native }
            }
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => Self { deflated: true, ..native },
            uids::RLE_LOSSLESS => packed(Packing::Rle),
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1
            // Retired: extended 3 & 5, progressive 6 & 8, 7 & 9, 10 & 12, 11 & 13, lossless 15.
            | "1.2.840.10008.1.2.4.52"
            | "1.2.840.10008.1.2.4.53"
            | "1.2.840.10008.1.2.4.54"
            | "1.2.840.10008.1.2.4.55"
            | "1.2.840.10008.1.2.4.56"
            | "1.2.840.10008.1.2.4.58" => packed(Packing::Jpeg),
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => packed(Packing::JpegLs),
            uids::JPEG2000_LOSSLESS | uids::JPEG2000
            | uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => {
                packed(Packing::Jpeg2000)
            }
            _ => return None,
        })
    }
}

/// Whether the first bytes of a file are those of DICOM: the mark behind the preamble, or, in old files
/// without preamble, an element of group 2 or 8.
pub fn looks_like(start: &[u8]) -> bool {
    has_preamble(start) || first_encoding(start).is_some()
}

fn has_preamble(start: &[u8]) -> bool {
    start.get(128..PREAMBLE) == Some(b"DICM")
}

/// Encoding of a data set by its first element, which must be a plausible one of group 2 or 8.
fn first_encoding(start: &[u8]) -> Option<Encoding> {
    let bytes: [u8; 8] = start.get(..8)?.try_into().ok()?;
    let [a, b, c, d, vr0, vr1, len0, len1] = bytes;
    let (big_endian, group, element) = match (a, b) {
        (2 | 8, 0) => (false, a, u16::from_le_bytes([c, d])),
        (0, 2 | 8) => (true, b, u16::from_be_bytes([c, d])),
        _ => return None,
    };
    if element > if group == 2 { 0x16 } else { 0x60 } {
        return None;
    }
    if matches!(&[vr0, vr1], b"UL" | b"UI" | b"CS" | b"OB" | b"DA" | b"TM" | b"SH" | b"LO" | b"PN" | b"SQ") {
        return Some(Encoding { explicit_vr: true, big_endian });
    }
    let length = u32::from_le_bytes([vr0, vr1, len0, len1]);
    (!big_endian && length <= 64 && length % 2 == 0)
        .then_some(Encoding { explicit_vr: false, big_endian: false })
}

impl Header {
    /// Reads the header of a file; `Ok(None)` if it is no DICOM file.
    pub fn read(path: &Path, limits: &Limits) -> Result<Option<Self>, OpenError> {
        let io_error = |e| OpenError::io(e, path);
        let mut file = File::open(path).map_err(io_error)?;
        let file_len = file.metadata().map_err(io_error)?.len();
        let mut start = Vec::with_capacity(1024);
        file.by_ref().take(1024).read_to_end(&mut start).map_err(io_error)?;
        if !looks_like(&start) {
            return Ok(None);
        }
        let offset = if has_preamble(&start) { PREAMBLE } else { 0 };
        file.seek(SeekFrom::Start(offset as u64)).map_err(io_error)?;
        let source = BufReader::with_capacity(BUFFER, file);
        let bounds = Bounds { file: file_len, header: limits.max_header_bytes };
        let read = read_from(source, &start[offset..], offset as u64, bounds);
        read.map(Some).map_err(|error| error.at(path))
    }
}

impl Header {
    /// Reads every element of the file, those behind and within the pixels and in sequences too, and keeps none. Yields
    /// the bytes of the data set, unpacked: a reader that allocates what an element declares is safe with so many of them.
    pub fn check_to_the_end(&self, path: &Path) -> Result<u64, OpenError> {
        let io_error = |error| OpenError::io(error, path);
        let walked = if self.syntax.deflated {
            let source = inflated(path, self.data_set_offset).map_err(io_error)?;
            let bounds = Bounds { file: u64::MAX, header: MAX_INFLATED_BYTES };
            ElementReader::new(source, 0, bounds, self.syntax.encoding).walk()
        } else {
            let mut file = File::open(path).map_err(io_error)?;
            file.seek(SeekFrom::Start(self.data_set_offset)).map_err(io_error)?;
            let bounds = Bounds { file: self.file_len, header: u64::MAX };
            let source = BufReader::with_capacity(BUFFER, file);
            ElementReader::new(source, self.data_set_offset, bounds, self.syntax.encoding).walk()
        };
        walked.map_err(|error| HeaderError::from(error).at(path))
    }
}

/// Why a header cannot be read, before the path is known.
enum HeaderError {
    Elements(DataSetError),
    Syntax(String),
}

impl From<DataSetError> for HeaderError {
    fn from(error: DataSetError) -> Self {
        Self::Elements(error)
    }
}

impl HeaderError {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Elements(DataSetError::Io(cause)) => OpenError::io(cause, path),
            Self::Elements(error @ DataSetError::TooLarge(_)) => {
                OpenError::too_large(error.to_string(), path)
            }
            Self::Elements(error) => OpenError::invalid(error.to_string(), path),
            Self::Syntax(uid) => {
                let what = format!(
                    "the transfer syntax {uid} is not supported; convert the file to an uncompressed one \
                     (for example with gdcmconv --raw or dcmdjpeg)"
                );
                OpenError::unsupported(what, path)
            }
        }
    }
}

fn read_from(source: impl Read, start: &[u8], offset: u64, bounds: Bounds) -> Result<Header, HeaderError> {
    let explicit = Encoding { explicit_vr: true, big_endian: false };
    let first = first_encoding(start);
    let has_meta = start.first() == Some(&2);
    if !has_meta {
        let encoding = first.unwrap_or(explicit);
        let packing = Packing::Native;
        let syntax = Syntax { encoding, deflated: false, packing, big_endian_pixels: encoding.big_endian };
        return read_data_set(source, syntax, DataSet::default(), offset, bounds);
    }
    let mut reader = ElementReader::new(source, offset, bounds, explicit);
    let (meta, first_tag) = reader.read_meta()?;
    let uid = meta.text(tags::TRANSFER_SYNTAX_UID);
    let uid = uid.as_deref().unwrap_or(uids::IMPLICIT_VR_LITTLE_ENDIAN);
    let syntax = Syntax::from_uid(uid).ok_or_else(|| HeaderError::Syntax(uid.to_owned()))?;
    let (position, source) = reader.into_parts();
    let source = Cursor::new(first_tag).chain(source);
    read_data_set(source, syntax, meta, position - first_tag.len() as u64, bounds)
}

fn read_data_set(
    mut source: impl Read,
    mut syntax: Syntax,
    meta: DataSet,
    offset: u64,
    bounds: Bounds,
) -> Result<Header, HeaderError> {
    let (elements, pixels) = if syntax.deflated {
        let bounds = Bounds { file: u64::MAX, ..bounds };
        ElementReader::new(DeflateDecoder::new(source), 0, bounds, syntax.encoding).read_data_set()?
    } else {
        // Some writers announce one encoding of the elements and use the other.
        let mut first = [0; 6];
        source.read_exact(&mut first).map_err(|_| DataSetError::Truncated(tags::SOP_CLASS_UID))?;
        syntax.encoding.explicit_vr = first[4..].iter().all(u8::is_ascii_uppercase);
        let source = Cursor::new(first).chain(source);
        ElementReader::new(source, offset, bounds, syntax.encoding).read_data_set()?
    };
    Ok(Header { syntax, meta, elements, pixels, data_set_offset: offset, file_len: bounds.file })
}

/// Opens a file at the first byte of its data set, inflating where needed; stream offsets of [`PixelElement`]
/// in a deflated file count from there.
pub(super) fn inflated(path: &Path, data_set_offset: u64) -> io::Result<impl Read + use<>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(data_set_offset))?;
    Ok(DeflateDecoder::new(BufReader::with_capacity(BUFFER, file)))
}
