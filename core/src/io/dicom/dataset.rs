//! DICOM elements as far as the pixels (PS3.5, chapter 7).
//!
//! A reader of its own rather than `dicom-object`: that one allocates what an element declares, up to 4 GiB,
//! before a byte of it is read. Here memory grows only with bytes that arrive, nesting is bounded, and the
//! place of the pixels in the file comes out, so that a header costs a few kilobytes of reading.

use std::collections::BTreeMap;
use std::io::{self, Read};

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// Sequences deeper than this are no image header.
const MAX_NESTING: usize = 12;
/// Longer values (embedded documents, private data) are passed over; the longest that matters is a palette, but for
/// contours.
const MAX_KEPT_VALUE: u32 = 1 << 18;
const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// Sequences whose items are kept; others are passed over.
const SEQUENCES: [Tag; 27] = [
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::PLANE_POSITION_VOLUME_SEQUENCE,
    tags::PLANE_ORIENTATION_VOLUME_SEQUENCE,
    tags::MODALITY_LUT_SEQUENCE,
    // Segmentations.
    tags::SEGMENT_SEQUENCE,
    tags::SEGMENT_IDENTIFICATION_SEQUENCE,
    tags::REFERENCED_SERIES_SEQUENCE,
    tags::REFERENCED_INSTANCE_SEQUENCE,
    tags::DERIVATION_IMAGE_SEQUENCE,
    tags::SOURCE_IMAGE_SEQUENCE,
    // Structure sets.
    tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE,
    tags::RT_REFERENCED_STUDY_SEQUENCE,
    tags::RT_REFERENCED_SERIES_SEQUENCE,
    tags::STRUCTURE_SET_ROI_SEQUENCE,
    tags::ROI_CONTOUR_SEQUENCE,
    tags::CONTOUR_SEQUENCE,
    tags::CONTOUR_IMAGE_SEQUENCE,
    tags::RTROI_OBSERVATIONS_SEQUENCE,
];

/// Why elements cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataSetError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the file ends in the middle of element {0}; copy it again from its source")]
    Truncated(Tag),
    #[error("{0}")]
    Invalid(String),
    #[error("the elements before the pixels take more than {0} bytes")]
    TooLarge(u64),
}

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub explicit_vr: bool,
    pub big_endian: bool,
}

/// Elements by tag.
#[derive(Debug, Default)]
pub(super) struct DataSet {
    values: BTreeMap<Tag, Vec<u8>>,
    sequences: BTreeMap<Tag, Vec<DataSet>>,
    big_endian: bool,
}

/// Where the pixels begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelElement {
    /// (7FE0,0010) or its floating-point siblings.
    pub tag: Tag,
    /// Bytes from the start of the stream to the first byte of the value.
    pub offset: u64,
    /// Declared bytes; `None` for encapsulated fragments.
    pub length: Option<u64>,
    /// Whether the value representation is OW.
    pub words: bool,
}

struct ElementHeader {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
}

/// Reads elements from a stream that counts its bytes.
pub(super) struct ElementReader<R> {
    source: R,
    position: u64,
    bounds: Bounds,
    encoding: Encoding,
    /// Nothing is kept.
    walks: bool,
}

/// How far a reader may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of the file (or more than any, if unknown).
    pub file: u64,
    /// Bytes that may precede the pixels.
    pub header: u64,
}

impl<R: Read> ElementReader<R> {
    /// `position` is the stream offset of the next byte of `source`.
    pub fn new(source: R, position: u64, bounds: Bounds, encoding: Encoding) -> Self {
        Self { source, position, bounds, encoding, walks: false }
    }

    /// The stream offset and the source, for whoever reads on.
    pub fn into_parts(self) -> (u64, R) {
        (self.position, self.source)
    }

    /// Reads group 0002 (always explicit VR little endian); the first tag of the data set that follows has been
    /// consumed and is handed back as its four bytes.
    pub fn read_meta(&mut self) -> Result<(DataSet, [u8; 4]), DataSetError> {
        let mut set = DataSet::default();
        loop {
            let raw = self.bytes::<4>(tags::FILE_META_INFORMATION_GROUP_LENGTH)?;
            let tag = self.tag_of(raw);
            if tag.group() != 2 {
                return Ok((set, raw));
            }
            let element = self.element_after(tag)?;
            let value = self.value(&element)?;
            set.values.insert(tag, value);
        }
    }

    /// Reads up to the pixels or the end.
    pub fn read_data_set(&mut self) -> Result<(DataSet, Option<PixelElement>), DataSetError> {
        let mut set = DataSet { big_endian: self.encoding.big_endian, ..DataSet::default() };
        while let Some(raw) = self.first_bytes()? {
            let element = self.element_after(self.tag_of(raw))?;
            let tag = element.tag;
            if matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA) {
                let length = (element.length != UNDEFINED).then_some(u64::from(element.length));
                let words = &element.vr == b"OW";
                return Ok((set, Some(PixelElement { tag, offset: self.position, length, words })));
            }
            self.read_into(&mut set, &element, 0)?;
        }
        Ok((set, None))
    }

    /// Reads to the end, into every sequence, and keeps nothing: then each declared length is known to stand in the file,
    /// and who allocates by them is safe. Yields where the last element ends, in bytes from the beginning of the stream:
    /// what follows is padding, or nothing that was looked at.
    pub fn walk(mut self) -> Result<u64, DataSetError> {
        self.walks = true;
        let start = self.position;
        let mut nothing = DataSet::default();
        loop {
            let end = self.position;
            let Some(raw) = self.first_bytes()? else { return Ok(end - start) };
            let element = self.element_after(self.tag_of(raw))?;
            self.read_into(&mut nothing, &element, 0)?;
        }
    }

    fn read_into(
        &mut self,
        set: &mut DataSet,
        element: &ElementHeader,
        depth: usize,
    ) -> Result<(), DataSetError> {
        let tag = element.tag;
        if self.walks {
            let has_items = element.length == UNDEFINED || &element.vr == b"SQ" || is_sequence(tag);
            return if has_items {
                self.sequence(element, depth + 1).map(drop)
            } else {
                self.skip(u64::from(element.length), tag)
            };
        }
        if SEQUENCES.contains(&tag) || element.length == UNDEFINED {
            let items = self.sequence(element, depth + 1)?;
            if SEQUENCES.contains(&tag) {
                set.sequences.insert(tag, items);
            }
        } else if element.length > MAX_KEPT_VALUE && tag != tags::CONTOUR_DATA || &element.vr == b"SQ" {
            self.skip(u64::from(element.length), tag)?;
        } else {
            let value = self.value(element)?;
            set.values.insert(tag, value);
        }
        Ok(())
    }

    fn sequence(&mut self, sequence: &ElementHeader, depth: usize) -> Result<Vec<DataSet>, DataSetError> {
        if depth > MAX_NESTING {
            return Err(DataSetError::Invalid(format!("sequences are nested deeper than {MAX_NESTING}")));
        }
        // PS3.5 6.2.2: an UN element of undefined length holds an implicit VR sequence.
        let outer = self.encoding;
        if &sequence.vr == b"UN" {
            self.encoding = Encoding { explicit_vr: false, big_endian: false };
        }
        let end = self.end_of(sequence)?;
        let mut items = Vec::new();
        while end.is_none_or(|end| self.position < end) {
            let raw = self.bytes::<4>(sequence.tag)?;
            let item = ElementHeader { tag: self.tag_of(raw), vr: *b"SQ", length: self.u32(sequence.tag)? };
            match item.tag {
                // Fragments of an icon's pixels are no elements.
                ITEM if sequence.tag == tags::PIXEL_DATA => self.skip(u64::from(item.length), item.tag)?,
                ITEM => items.push(self.item(&item, depth)?),
                SEQUENCE_END if end.is_none() => break,
                other => {
                    let what = format!("{other} stands in sequence {} where an item should be", sequence.tag);
                    return Err(DataSetError::Invalid(what));
                }
            }
        }
        self.encoding = outer;
        Ok(items)
    }

    fn item(&mut self, item: &ElementHeader, depth: usize) -> Result<DataSet, DataSetError> {
        let end = self.end_of(item)?;
        let mut set = DataSet { big_endian: self.encoding.big_endian, ..DataSet::default() };
        while end.is_none_or(|end| self.position < end) {
            let raw = self.bytes::<4>(item.tag)?;
            let tag = self.tag_of(raw);
            if tag == ITEM_END {
                self.u32(tag)?;
                break;
            }
            let element = self.element_after(tag)?;
            self.read_into(&mut set, &element, depth)?;
        }
        Ok(set)
    }

    /// End of an element of defined length.
    fn end_of(&self, element: &ElementHeader) -> Result<Option<u64>, DataSetError> {
        if element.length == UNDEFINED {
            return Ok(None);
        }
        self.end_after(u64::from(element.length), element.tag).map(Some)
    }

    /// Where the next `count` bytes of element `tag` end, if they may be read.
    fn end_after(&self, count: u64, tag: Tag) -> Result<u64, DataSetError> {
        let end = self.position.saturating_add(count);
        if end > self.bounds.file {
            Err(DataSetError::Truncated(tag))
        } else if end > self.bounds.header {
            Err(DataSetError::TooLarge(self.bounds.header))
        } else {
            Ok(end)
        }
    }

    fn element_after(&mut self, tag: Tag) -> Result<ElementHeader, DataSetError> {
        // Delimiters have no VR in any encoding.
        if !self.encoding.explicit_vr || tag.group() == 0xFFFE {
            return Ok(ElementHeader { tag, vr: *b"  ", length: self.u32(tag)? });
        }
        let vr = self.bytes::<2>(tag)?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            let what = format!("element {tag} has {vr:02x?} where its value representation should be");
            return Err(DataSetError::Invalid(what));
        }
        // PS3.5 7.1.2: these have two reserved bytes and a 32-bit length.
        let long = matches!(
            &vr,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        let length = if long {
            self.bytes::<2>(tag)?;
            self.u32(tag)?
        } else {
            u32::from(self.u16(tag)?)
        };
        Ok(ElementHeader { tag, vr, length })
    }

    fn value(&mut self, element: &ElementHeader) -> Result<Vec<u8>, DataSetError> {
        self.end_of(element)?;
        let mut value = Vec::new();
        let wanted = u64::from(element.length);
        self.source.by_ref().take(wanted).read_to_end(&mut value)?;
        self.position += value.len() as u64;
        if (value.len() as u64) < wanted {
            return Err(DataSetError::Truncated(element.tag));
        }
        Ok(value)
    }

    fn skip(&mut self, count: u64, tag: Tag) -> Result<(), DataSetError> {
        self.end_after(count, tag)?;
        let skipped = io::copy(&mut self.source.by_ref().take(count), &mut io::sink())?;
        self.position += skipped;
        if skipped < count { Err(DataSetError::Truncated(tag)) } else { Ok(()) }
    }

    /// Four bytes, or `None` at the end of the stream. A tail of fewer bytes or of zeros is padding.
    fn first_bytes(&mut self) -> Result<Option<[u8; 4]>, DataSetError> {
        if self.position + 4 > self.bounds.file {
            return Ok(None);
        }
        self.end_after(4, tags::PIXEL_DATA)?;
        let mut raw = [0; 4];
        match self.source.read_exact(&mut raw) {
            Ok(()) => {
                self.position += 4;
                Ok(Some(raw).filter(|raw| *raw != [0; 4]))
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn bytes<const N: usize>(&mut self, tag: Tag) -> Result<[u8; N], DataSetError> {
        let mut raw = [0; N];
        self.end_after(N as u64, tag)?;
        self.source.read_exact(&mut raw).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => DataSetError::Truncated(tag),
            _ => DataSetError::Io(e),
        })?;
        self.position += N as u64;
        Ok(raw)
    }

    fn u16(&mut self, tag: Tag) -> Result<u16, DataSetError> {
        let raw = self.bytes(tag)?;
        Ok(if self.encoding.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    fn u32(&mut self, tag: Tag) -> Result<u32, DataSetError> {
        let raw = self.bytes(tag)?;
        Ok(if self.encoding.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    fn tag_of(&self, raw: [u8; 4]) -> Tag {
        let [a, b, c, d] = raw;
        if self.encoding.big_endian {
            Tag(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        } else {
            Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        }
    }
}

/// Whether the dictionary knows an element as a sequence: without value representations in the file, nothing else says so.
fn is_sequence(tag: Tag) -> bool {
    let entry = dicom_dictionary_std::StandardDataDictionary.by_tag(tag);
    entry.is_some_and(|entry| entry.vr() == VirtualVr::Exact(VR::SQ))
}

impl DataSet {
    /// The raw bytes of a value.
    pub fn raw(&self, tag: Tag) -> Option<&[u8]> {
        self.values.get(&tag).map(Vec::as_slice)
    }

    /// A value as text without padding; empty counts as absent. Non-ASCII bytes become replacement characters.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.raw(tag)?);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The numbers of a decimal or integer string; `None` if absent or one is no finite number.
    pub fn decimals(&self, tag: Tag) -> Option<Vec<f64>> {
        let text = self.text(tag)?;
        let numbers = text.split('\\').map(|part| {
            let part = part.trim_matches(|c: char| c == '\0' || c.is_whitespace());
            part.parse::<f64>().ok().filter(|v| v.is_finite())
        });
        numbers.collect()
    }

    /// The first number of a decimal or integer string.
    pub fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals(tag)?.first().copied()
    }

    /// The `N` first numbers of a decimal string.
    pub fn decimal_array<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.decimals(tag)?.get(..N)?.try_into().ok()
    }

    /// The first 16-bit integer of a binary value.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        self.u16s(tag)?.first().copied()
    }

    /// The 16-bit integers of a binary value.
    pub fn u16s(&self, tag: Tag) -> Option<Vec<u16>> {
        let pairs = self.raw(tag)?.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        let value = if self.big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        Some(pairs.map(value).collect())
    }

    /// The first 32-bit integer of a binary value.
    pub fn u32(&self, tag: Tag) -> Option<u32> {
        let raw = self.raw(tag)?.get(..4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    /// Every value as it stands in the file, ascending by tag; those of sequences and long ones are not kept.
    pub fn values(&self) -> impl Iterator<Item = (Tag, &[u8])> {
        self.values.iter().map(|(tag, value)| (*tag, value.as_slice()))
    }

    /// Every sequence that is kept, ascending by tag.
    pub fn sequences(&self) -> impl Iterator<Item = (Tag, &[DataSet])> {
        self.sequences.iter().map(|(tag, items)| (*tag, items.as_slice()))
    }

    /// The items of a sequence; empty if absent.
    pub fn items(&self, tag: Tag) -> &[DataSet] {
        self.sequences.get(&tag).map_or(&[], Vec::as_slice)
    }
}
