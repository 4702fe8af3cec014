//! What every object that Hilum writes has in common: the patient and study of the image it belongs to, new UIDs,
//! today's date, and who made it.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest as _, Sha256};

use super::dataset::DataSet;
use super::header::Header;
use super::objects::decoded_text;
use super::{parent_of, scan};
use crate::calendar::Moment;
use crate::io::{Limits, OpenError, SaveError, replace_file};
use crate::volume::Source;

/// Elements of an object or of an item, put in one after the other.
#[derive(Clone, Debug)]
pub(super) struct Item(InMemDicomObject);

impl Item {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    /// A string; several values stand between backslashes.
    pub(super) fn text(mut self, tag: Tag, vr: VR, text: &str) -> Self {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
        self
    }

    /// A name or text of a person: one value.
    pub(super) fn words(self, tag: Tag, vr: VR, text: &str) -> Self {
        self.text(tag, vr, &text.replace('\\', "/").chars().take(64).collect::<String>())
    }

    pub(super) fn decimals(self, tag: Tag, values: &[f64]) -> Self {
        let text: Vec<String> = values.iter().map(|v| decimal(*v)).collect();
        self.text(tag, VR::DS, &text.join("\\"))
    }

    pub(super) fn shorts(mut self, tag: Tag, values: &[u16]) -> Self {
        self.0.put(DataElement::new(tag, VR::US, PrimitiveValue::U16(values.into())));
        self
    }

    pub(super) fn longs(mut self, tag: Tag, values: &[u32]) -> Self {
        self.0.put(DataElement::new(tag, VR::UL, PrimitiveValue::U32(values.into())));
        self
    }

    pub(super) fn pointer(mut self, tag: Tag, to: Tag) -> Self {
        self.0.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags([to].as_slice().into())));
        self
    }

    pub(super) fn bytes(mut self, tag: Tag, vr: VR, bytes: Vec<u8>) -> Self {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::U8(bytes.into())));
        self
    }

    pub(super) fn items(mut self, tag: Tag, items: Vec<Self>) -> Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    /// A code sequence of one item (PS3.3 table 8.8-1).
    pub(super) fn code(self, tag: Tag, [value, scheme, meaning]: [&str; 3]) -> Self {
        let code = Self::new()
            .text(tags::CODE_VALUE, VR::SH, value)
            .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme)
            .text(tags::CODE_MEANING, VR::LO, meaning);
        self.items(tag, vec![code])
    }

    /// Writes the object as a file in explicit little endian.
    pub(super) fn write(self, path: &Path, class: &str, uid: &str) -> Result<(), SaveError> {
        self.write_as(uids::EXPLICIT_VR_LITTLE_ENDIAN, path, class, uid)
    }

    /// Writes the object in implicit little endian: the explicit one gives a decimal string 64 KiB, too few for long
    /// contours.
    pub(super) fn write_implicit(self, path: &Path, class: &str, uid: &str) -> Result<(), SaveError> {
        self.write_as(uids::IMPLICIT_VR_LITTLE_ENDIAN, path, class, uid)
    }

    fn write_as(self, syntax: &'static str, path: &Path, class: &str, uid: &str) -> Result<(), SaveError> {
        let fail =
            |cause: String| SaveError::Io { cause: std::io::Error::other(cause), path: path.to_owned() };
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(syntax)
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(uid);
        let file = self.0.with_meta(meta).map_err(|e| fail(e.to_string()))?;
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).map_err(|e| fail(e.to_string()))?;
        replace_file(path, |out| out.write_all(&bytes))
    }
}

/// A decimal string: at most 16 characters (PS3.5 table 6.2-1).
pub(super) fn decimal(value: f64) -> String {
    let short = format!("{value}");
    if short.len() <= 16 {
        return short;
    }
    if value.abs() < 1e-10 {
        return "0".to_owned();
    }
    if value.abs() >= 1e14 {
        return format!("{value:.8e}");
    }
    let fits = (0..=14).rev().map(|digits| format!("{value:.digits$}")).find(|text| text.len() <= 16);
    fits.unwrap_or_else(|| format!("{value:.0}"))
}

/// A UID nobody else has: `2.25.` and a UUID as a number (PS3.5 annex B.2), here of random bits made from time, process
/// and what it is for.
pub(super) fn new_uid(purpose: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update(now.as_nanos().to_le_bytes());
    hash.update(std::process::id().to_le_bytes());
    hash.update(COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let digest = hash.finalize();
    let number = digest.iter().take(16).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    // Version 4, variant 1 of RFC 9562.
    let number = number & !(0xF << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    format!("2.25.{number}")
}

/// The original image as far as an object refers to it.
pub(super) struct Original {
    /// Patient and study, in Unicode.
    texts: Vec<(Tag, VR, String)>,
    pub study_uid: String,
    pub series_uid: Option<String>,
    pub frame_of_reference_uid: String,
    /// SOP class of every instance.
    pub class: String,
    /// Instances in slice order; one for a multi-frame object.
    pub instance_uids: Vec<String>,
}

/// Elements that are copied, those that must be there even if empty first.
const COPIED: [(Tag, VR); 12] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::STUDY_ID, VR::SH),
    (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::PATIENT_AGE, VR::AS),
];
const MUST_STAND: usize = 10;

impl Original {
    /// What the labels' image says; a new study of nobody for an image that is not DICOM.
    pub(super) fn of(source: &Source, target: &Path) -> Result<Self, SaveError> {
        let Source::Dicom { path, series_uid, study_uid, frame_of_reference_uid, instance_uids } = source
        else {
            let texts = COPIED[..MUST_STAND].iter().map(|(tag, vr)| (*tag, *vr, String::new())).collect();
            return Ok(Self {
                texts,
                study_uid: new_uid("study"),
                series_uid: None,
                frame_of_reference_uid: new_uid("frame of reference"),
                class: String::new(),
                instance_uids: Vec::new(),
            });
        };
        let refuse = |what: String| SaveError::Unsupported { what, path: target.to_owned() };
        let set = header_of(path, instance_uids).map_err(|cause| {
            refuse(format!(
                "the original images are needed for patient and study, but cannot be read ({cause})"
            ))
        })?;
        let text = |(i, (tag, vr)): (usize, &(Tag, VR))| {
            let text = decoded_text(&set, &set, *tag);
            (i < MUST_STAND || text.is_some()).then(|| (*tag, *vr, text.unwrap_or_default()))
        };
        let frame = Some(frame_of_reference_uid.clone()).filter(|uid| !uid.is_empty());
        Ok(Self {
            texts: COPIED.iter().enumerate().filter_map(text).collect(),
            study_uid: study_uid.clone(),
            // A series of several stacks has a number behind its UID.
            series_uid: series_uid.split('#').next().filter(|uid| !uid.is_empty()).map(str::to_owned),
            frame_of_reference_uid: frame.unwrap_or_else(|| new_uid("frame of reference")),
            class: set.text(tags::SOP_CLASS_UID).unwrap_or_default(),
            instance_uids: instance_uids.iter().filter(|uid| !uid.is_empty()).cloned().collect(),
        })
    }

    /// Patient, study, series, frame of reference, equipment and instance (PS3.3 A.51, A.19).
    pub(super) fn object(&self, class: &str, uid: &str, modality: &str, description: &str) -> Item {
        let (date, time) = now();
        let mut item = Item::new().text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        for (tag, vr, text) in &self.texts {
            // The name of a person may have several parts, every other text has one value.
            item = item.text(*tag, *vr, text);
        }
        item.text(tags::SOP_CLASS_UID, VR::UI, class)
            .text(tags::SOP_INSTANCE_UID, VR::UI, uid)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &self.study_uid)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &new_uid("series"))
            .text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.frame_of_reference_uid)
            .text(tags::MODALITY, VR::CS, modality)
            .words(tags::SERIES_DESCRIPTION, VR::LO, description)
            .text(tags::SERIES_NUMBER, VR::IS, "1000")
            .text(tags::INSTANCE_NUMBER, VR::IS, "1")
            .text(tags::SERIES_DATE, VR::DA, &date)
            .text(tags::SERIES_TIME, VR::TM, &time)
            .text(tags::INSTANCE_CREATION_DATE, VR::DA, &date)
            .text(tags::INSTANCE_CREATION_TIME, VR::TM, &time)
            .text(tags::MANUFACTURER, VR::LO, "Hilum")
            .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Hilum")
            .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0")
            .text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"))
    }

    /// One reference an instance.
    pub(super) fn instances(&self) -> Vec<Item> {
        self.instance_uids.iter().map(|uid| self.reference(uid)).collect()
    }

    /// A reference to an instance.
    pub(super) fn reference(&self, uid: &str) -> Item {
        Item::new().text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &self.class).text(
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            uid,
        )
    }
}

/// The header of the first of these instances that is still there.
fn header_of(path: &Path, instance_uids: &[String]) -> Result<DataSet, OpenError> {
    let limits = Limits::default();
    let folder = if path.is_dir() { path } else { parent_of(path) };
    let found = scan::folder(folder, path.is_dir(), &limits, &())?;
    let image = found.images.iter().find(|image| instance_uids.contains(&image.instance_uid));
    let gone =
        || OpenError::NotFound { what: "none of its files is there".to_owned(), path: path.to_owned() };
    let header = Header::read(&image.ok_or_else(gone)?.path, &limits)?;
    Ok(header.ok_or_else(gone)?.elements)
}

/// Date and time in Greenwich as DICOM writes them.
pub(super) fn now() -> (String, String) {
    let Moment { year, month, day, hour, minute, second } = Moment::now();
    (format!("{year:04}{month:02}{day:02}"), format!("{hour:02}{minute:02}{second:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_take_16_characters_and_keep_their_value() {
        for value in [
            0.0,
            -0.123_456_789_012_345_6,
            1e-17,
            123_456.789_012_345,
            -987_654_321.123_456_7,
            1e20,
            0.703_125,
        ] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            let back: f64 = text.parse().unwrap();
            assert!((back - value).abs() <= 1e-9 * value.abs().max(1.0), "{text}");
        }
    }

    #[test]
    fn uids_differ_and_are_valid() {
        let (a, b) = (new_uid("x"), new_uid("x"));
        assert_ne!(a, b);
        assert!(a.len() <= 64 && a.starts_with("2.25.") && !a.starts_with("2.25.0"));
    }
}
