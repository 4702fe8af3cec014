//! Which object a file holds, and whether two files hold the same one: a copy that an archive gave back, and the original.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::dataset::DataSet;
use super::header::{Header, inflated};
use crate::io::{Limits, OpenError};

/// Bytes of elements before the pixels; a structure set has nothing else.
const MAX_HEADER_BYTES: u64 = 1 << 30;
const BUFFER: usize = 64 << 10;

/// Which object a DICOM file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SOP Class UID (0008,0016).
    pub class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub instance_uid: String,
    /// Series Instance UID (0020,000E).
    pub series_uid: String,
    /// Study Instance UID (0020,000D).
    pub study_uid: String,
    /// Modality (0008,0060), or empty.
    pub modality: String,
}

/// Says which object a DICOM file holds.
///
/// # Errors
/// [`OpenError`] for what is no DICOM file, is damaged before its pixels, or lacks one of the UIDs.
pub fn identify(path: &Path) -> Result<Identity, OpenError> {
    let set = read(path)?.elements;
    let uid = |tag: Tag, name: &str| {
        let text = set.text(tag).filter(|uid| !uid.is_empty());
        text.ok_or_else(|| OpenError::invalid(format!("the DICOM object has no {name} {tag}"), path))
    };
    Ok(Identity {
        class_uid: uid(tags::SOP_CLASS_UID, "SOP Class UID")?,
        instance_uid: uid(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        series_uid: uid(tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
        study_uid: uid(tags::STUDY_INSTANCE_UID, "Study Instance UID")?,
        modality: set.text(tags::MODALITY).unwrap_or_default(),
    })
}

/// Compares what two DICOM files hold: every element that Hilum reads, and every byte of the pixels. Patient and study
/// texts, which archives may correct to their own records, are let differ; their tags come back.
///
/// # Errors
/// [`OpenError`] for a file that cannot be read, and with the first other difference.
pub fn compare_objects(original: &Path, copy: &Path) -> Result<Vec<String>, OpenError> {
    let (want, got) = (read(original)?, read(copy)?);
    let mut corrected = Vec::new();
    compare_sets(&want.elements, &got.elements, &mut corrected)
        .map_err(|what| OpenError::invalid(what, copy))?;
    match (&want.pixels, &got.pixels) {
        (None, None) => {}
        (Some(a), Some(b)) if a.tag == b.tag => {
            let mut pixels = [pixel_stream(original, &want)?, pixel_stream(copy, &got)?];
            if want.syntax.packing != got.syntax.packing {
                let what = "the pixels are kept in another encoding and were not compared";
                return Err(OpenError::unsupported(what, copy));
            }
            let difference = first_difference(&mut pixels).map_err(|cause| OpenError::io(cause, copy))?;
            if let Some(at) = difference {
                return Err(OpenError::invalid(format!("the pixels differ from byte {at} on"), copy));
            }
        }
        _ => return Err(OpenError::invalid("the pixels are missing, or there are some too many", copy)),
    }
    corrected.sort_unstable();
    corrected.dedup();
    Ok(corrected.into_iter().map(|tag| tag.to_string()).collect())
}

fn read(path: &Path) -> Result<Header, OpenError> {
    let limits = Limits { max_header_bytes: MAX_HEADER_BYTES, ..Limits::default() };
    Header::read(path, &limits)?.ok_or_else(|| OpenError::invalid("this is no DICOM file", path))
}

/// What makes the object, among the groups that otherwise say whose it is.
const OBJECT: [Tag; 6] = [
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::IMAGE_TYPE,
    tags::REFERENCED_SOP_CLASS_UID,
    tags::REFERENCED_SOP_INSTANCE_UID,
];

/// Elements that an archive may correct: identification of patient and study, dates of receipt, institution, and its own
/// private ones. Nothing of the object itself, its place or its references.
fn may_be_corrected(tag: Tag) -> bool {
    let is_identity = matches!(tag.group(), 0x0008 | 0x0010 | 0x0012 | 0x0032 | 0x0038 | 0x0040 | 0x0100)
        || tag == tags::STUDY_ID
        || tag.group() % 2 == 1;
    is_identity && !OBJECT.contains(&tag)
}

fn compare_sets(want: &DataSet, got: &DataSet, corrected: &mut Vec<Tag>) -> Result<(), String> {
    let (wanted, found) = (values_of(want), values_of(got));
    for (tag, value) in &wanted {
        if found.get(tag) == Some(value) || value.is_empty() && !found.contains_key(tag) {
            continue;
        }
        if !may_be_corrected(*tag) {
            let how = if found.contains_key(tag) { "another value" } else { "no value" };
            return Err(format!("element {tag} has {how}"));
        }
        corrected.push(*tag);
    }
    for (tag, value) in found.iter().filter(|(tag, _)| !wanted.contains_key(*tag)) {
        match may_be_corrected(*tag) || value.is_empty() {
            true => corrected.push(*tag),
            false => return Err(format!("element {tag} was added")),
        }
    }
    for (tag, items) in want.sequences() {
        let others = got.items(tag);
        if items.len() != others.len() {
            return Err(format!("sequence {tag} has {} items instead of {}", others.len(), items.len()));
        }
        for (number, (item, other)) in items.iter().zip(others).enumerate() {
            compare_sets(item, other, corrected)
                .map_err(|what| format!("{what}, in item {} of sequence {tag}", number + 1))?;
        }
    }
    match got.sequences().find(|(tag, items)| want.items(*tag).is_empty() && !items.is_empty()) {
        Some((tag, _)) => Err(format!("sequence {tag} was added")),
        None => Ok(()),
    }
}

/// Values without padding, lengths of groups and sequences: those are kept apart where their items matter, and where they
/// do not, only some encodings tell them from values.
fn values_of(set: &DataSet) -> BTreeMap<Tag, &[u8]> {
    let is_value = |tag: Tag| {
        let vr = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr().relaxed());
        tag.element() != 0 && tag.group() != 2 && tag.group() != 0xFFFC && vr != Some(VR::SQ)
    };
    let trimmed = |value: &'_ [u8]| value.iter().rposition(|b| !matches!(b, 0 | b' ')).map_or(0, |i| i + 1);
    set.values()
        .filter(|(tag, _)| is_value(*tag))
        .map(|(tag, value)| (tag, &value[..trimmed(value)]))
        .collect()
}

/// The bytes of the pixels as the file holds them.
fn pixel_stream(path: &Path, header: &Header) -> Result<Box<dyn Read>, OpenError> {
    let io_error = |cause| OpenError::io(cause, path);
    let Some(pixels) = &header.pixels else { return Ok(Box::new(io::empty())) };
    let stream: Box<dyn Read> = if header.syntax.deflated {
        let mut stream = inflated(path, header.data_set_offset).map_err(io_error)?;
        io::copy(&mut stream.by_ref().take(pixels.offset), &mut io::sink()).map_err(io_error)?;
        Box::new(stream)
    } else {
        let mut file = File::open(path).map_err(io_error)?;
        file.seek(SeekFrom::Start(pixels.offset)).map_err(io_error)?;
        Box::new(BufReader::with_capacity(BUFFER, file))
    };
    Ok(match pixels.length {
        Some(length) => Box::new(stream.take(length)),
        None => stream,
    })
}

/// Offset of the first byte that differs; a byte of padding at the end is no difference.
fn first_difference([a, b]: &mut [Box<dyn Read>; 2]) -> io::Result<Option<u64>> {
    let (mut at, mut left, mut right) = (0, vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let (n, m) = (fill(a, &mut left)?, fill(b, &mut right)?);
        let common = n.min(m);
        if let Some(i) = (0..common).find(|i| left[*i] != right[*i]) {
            return Ok(Some(at + i as u64));
        }
        if n != m {
            let rest = if n > m { &left[m..n] } else { &right[n..m] };
            return Ok((rest != [0]).then_some(at + common as u64));
        }
        if n == 0 {
            return Ok(None);
        }
        at += n as u64;
    }
}

fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shared_data;

    fn segmentation() -> Option<Vec<u8>> {
        let path = shared_data("data/dicom/highdicom/data/test_files/seg_image_ct_binary.dcm")?;
        Some(std::fs::read(path).unwrap())
    }

    fn compared(change: impl FnOnce(&mut Vec<u8>)) -> Option<Result<Vec<String>, OpenError>> {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.dcm", "b.dcm"].map(|name| folder.path().join(name));
        let mut bytes = segmentation()?;
        std::fs::write(&a, &bytes).unwrap();
        change(&mut bytes);
        std::fs::write(&b, &bytes).unwrap();
        Some(compare_objects(&a, &b))
    }

    /// Where the value of the last element with this tag begins.
    fn value_at(bytes: &[u8], tag: Tag) -> usize {
        let [a, b] = tag.group().to_le_bytes();
        let [c, d] = tag.element().to_le_bytes();
        bytes.windows(4).rposition(|w| w == [a, b, c, d]).unwrap() + 8
    }

    #[test]
    fn a_copy_is_the_same_object_and_damage_is_found() {
        let Some(same) = compared(|_| {}) else { return };
        assert_eq!(same.unwrap(), Vec::<String>::new());
        let renamed = compared(|bytes| {
            let at = value_at(bytes, tags::PATIENT_ID);
            bytes[at] ^= 1;
        });
        assert_eq!(renamed.unwrap().unwrap(), ["(0010,0020)"]);
        let pixel = compared(|bytes| {
            let at = value_at(bytes, tags::PIXEL_DATA) + 50;
            bytes[at] ^= 4;
        });
        let text = pixel.unwrap().unwrap_err().to_string();
        assert!(text.contains("pixels differ from byte"), "{text}");
        let moved = compared(|bytes| {
            let at = value_at(bytes, tags::IMAGE_POSITION_PATIENT);
            bytes[at + 1] = b'7';
        });
        let text = moved.unwrap().unwrap_err().to_string();
        assert!(text.contains("(0020,0032) has another value") && text.contains("item 1"), "{text}");
        let cut = compared(|bytes| bytes.truncate(bytes.len() / 2));
        assert!(cut.unwrap().is_err());
    }

    #[test]
    fn another_transfer_syntax_is_the_same_object_where_pixels_are_plain() {
        let folder = "data/dicom/transfer_syntaxes/CTImage.dcm_";
        let Some(explicit) =
            shared_data(&format!("{folder}LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm"))
        else {
            return;
        };
        let implicit =
            shared_data(&format!("{folder}LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm"));
        assert_eq!(identify(&explicit).unwrap(), identify(implicit.as_ref().unwrap()).unwrap());
        compare_objects(&explicit, &implicit.unwrap()).unwrap();
        let rle = shared_data(&format!("{folder}RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm")).unwrap();
        let text = compare_objects(&explicit, &rle).unwrap_err().to_string();
        assert!(text.contains("another encoding"), "{text}");
    }
}
