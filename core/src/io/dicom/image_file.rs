//! The facts of one image file: its series, and for every frame its place, scaling and time.

use std::path::{Path, PathBuf};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec as _};

use super::dataset::{DataSet, PixelElement};
use super::frames::{Frame, frames_of};
use super::header::{Header, Syntax};
use super::layout::PixelLayout;
use crate::io::{Limits, OnScreen, OpenError};
use crate::volume::Modality;

/// A file with pixels that can be shown.
#[derive(Debug)]
pub(super) struct ImageFile {
    pub path: PathBuf,
    pub syntax: Syntax,
    pub pixels: PixelElement,
    pub data_set_offset: u64,
    pub file_len: u64,
    pub layout: PixelLayout,
    pub frames: Vec<Frame>,
    pub facts: SeriesFacts,
    pub instance_uid: String,
    /// How pixels were compressed with loss, if the header says so.
    pub lossy: Option<String>,
    /// What was found odd in the header.
    pub oddities: Vec<String>,
}

/// What all files of a series say alike.
#[derive(Clone, Debug)]
pub(super) struct SeriesFacts {
    pub series_uid: String,
    pub study_uid: String,
    pub frame_of_reference_uid: String,
    pub description: Option<String>,
    pub number: Option<i64>,
    pub modality: Modality,
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// A scout view.
    pub localizer: bool,
    /// Name, else number, of the patient.
    pub patient: OnScreen,
}

/// What a DICOM file turned out to be.
pub(super) enum Recognised {
    /// An image.
    Image(Box<ImageFile>),
    /// Something else, named for people.
    NotAnImage(String),
    /// The table of contents of a disc.
    Directory,
}

impl ImageFile {
    /// Reads the header of a file; `Ok(None)` if it is no DICOM file.
    pub fn read(path: &Path, limits: &Limits) -> Result<Option<Recognised>, OpenError> {
        let Some(header) = Header::read(path, limits)? else { return Ok(None) };
        let set = &header.elements;
        let class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
        if class == uids::MEDIA_STORAGE_DIRECTORY_STORAGE
            || (class.is_empty() && set.raw(tags::FILE_SET_ID).is_some())
        {
            return Ok(Some(Recognised::Directory));
        }
        let modality = set.text(tags::MODALITY).unwrap_or_default();
        let pixels = match header.pixels {
            _ if matches!(
                class.as_str(),
                uids::SEGMENTATION_STORAGE | uids::LABEL_MAP_SEGMENTATION_STORAGE
            ) =>
            {
                None
            }
            pixels if class != uids::VL_WHOLE_SLIDE_MICROSCOPY_IMAGE_STORAGE => pixels,
            _ => return Err(OpenError::unsupported("DICOM whole-slide images are not supported yet", path)),
        };
        let Some(pixels) = pixels else {
            let name = if modality.is_empty() { "object".to_owned() } else { modality };
            return Ok(Some(Recognised::NotAnImage(name)));
        };
        let layout = PixelLayout::from_header(&header).map_err(|what| OpenError::unsupported(what, path))?;
        let mut oddities = Vec::new();
        let frames =
            frames_of(&header, &layout, &mut oddities).map_err(|what| OpenError::invalid(what, path))?;
        Ok(Some(Recognised::Image(Box::new(Self {
            path: path.to_owned(),
            syntax: header.syntax,
            pixels,
            data_set_offset: header.data_set_offset,
            file_len: header.file_len,
            layout,
            frames,
            facts: SeriesFacts::of(set),
            instance_uid: set.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
            lossy: lossy(set),
            oddities,
        }))))
    }
}

impl SeriesFacts {
    pub fn of(set: &DataSet) -> Self {
        let text = |tag| set.text(tag).unwrap_or_default();
        let image_type = text(tags::IMAGE_TYPE);
        let date = set.text(tags::SERIES_DATE).or_else(|| set.text(tags::STUDY_DATE));
        Self {
            series_uid: text(tags::SERIES_INSTANCE_UID),
            study_uid: text(tags::STUDY_INSTANCE_UID),
            frame_of_reference_uid: text(tags::FRAME_OF_REFERENCE_UID),
            description: decoded(set, tags::SERIES_DESCRIPTION),
            number: set.decimal(tags::SERIES_NUMBER).map(|n| n as i64),
            modality: modality(&text(tags::MODALITY)),
            date: date.as_deref().and_then(iso_date),
            patient: OnScreen(patient(set)),
            localizer: image_type.split('\\').any(|value| value.trim() == "LOCALIZER"),
        }
    }
}

/// `Family, Given` of a name in components (PS3.5 6.2.1), else the number.
fn patient(set: &DataSet) -> String {
    let name = decoded(set, tags::PATIENT_NAME).unwrap_or_default();
    let letters = name.split('=').next().unwrap_or_default();
    let parts: Vec<&str> = letters.split('^').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { decoded(set, tags::PATIENT_ID).unwrap_or_default() } else { parts.join(", ") }
}

fn modality(code: &str) -> Modality {
    match code {
        "CT" => Modality::Ct,
        "MR" => Modality::Mr,
        "PT" => Modality::Pet,
        "XC" | "OP" | "OPT" | "ES" | "GM" | "SM" | "DMS" => Modality::Photograph,
        _ => Modality::Other,
    }
}

/// Series description in the character set of the file (PS3.5 chapter 6); code extensions use the first set.
/// A text in the character set of its file.
fn decoded(set: &DataSet, tag: Tag) -> Option<String> {
    let raw = set.raw(tag)?;
    let name = set.text(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default();
    let codes = name.split('\\').map(str::trim).filter(|code| !code.is_empty());
    let codec =
        codes.filter_map(SpecificCharacterSet::from_code).next().unwrap_or(SpecificCharacterSet::ISO_IR_100);
    let text = codec.decode(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned());
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn iso_date(date: &str) -> Option<String> {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 8).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

fn lossy(set: &DataSet) -> Option<String> {
    (set.text(tags::LOSSY_IMAGE_COMPRESSION)? == "01").then(|| {
        let method =
            set.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD).unwrap_or_else(|| "method not stated".to_owned());
        match set.decimal(tags::LOSSY_IMAGE_COMPRESSION_RATIO) {
            Some(ratio) => format!("{method}, {ratio:.0}:1"),
            None => method,
        }
    })
}
