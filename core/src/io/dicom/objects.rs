//! DICOM objects that hold labels rather than images: segmentations and structure sets.

use std::path::Path;

use dicom_dictionary_std::{tags, uids};

use super::dataset::DataSet;
use super::header::Header;
use super::{rtstruct, seg};
use crate::geometry::Grid;
use crate::io::{LabelImage, Limits, OpenError, OpenOptions, Selection, Warning};
use crate::volume::Source;

/// Bytes of elements before the pixels; a structure set has nothing else.
const MAX_HEADER_BYTES: u64 = 1 << 30;

/// The image that labels are meant for.
#[derive(Clone, Copy, Debug)]
pub struct LabelTarget<'a> {
    /// Its grid; the labels come back on it.
    pub grid: &'a Grid,
    /// Where it came from; the UIDs of a DICOM series are compared.
    pub source: &'a Source,
}

/// Opens a segmentation (SEG) or a structure set (RTSTRUCT). With a target its labels come back on the target's grid, and its frame of reference must
/// be the target's; without one a segmentation
/// comes back on a grid of its own, a structure set on that of its series if it lies beside it.
///
/// # Errors
/// [`OpenError`] for another kind of object, one that belongs to another image or does not fit it, whole slides, damaged
/// or missing pixels, and sizes beyond the limits.
pub fn open_labels(
    path: &Path,
    target: Option<LabelTarget>,
    limits: &Limits,
) -> Result<LabelImage, OpenError> {
    let limits = Limits { max_header_bytes: limits.max_header_bytes.max(MAX_HEADER_BYTES), ..*limits };
    let header =
        Header::read(path, &limits)?.ok_or_else(|| OpenError::invalid("this is no DICOM file", path))?;
    let class = header.elements.text(tags::SOP_CLASS_UID).unwrap_or_default();
    match class.as_str() {
        uids::SEGMENTATION_STORAGE | uids::LABEL_MAP_SEGMENTATION_STORAGE => {
            seg::open(header, path, target, &limits)
        }
        uids::RT_STRUCTURE_SET_STORAGE => match target {
            Some(target) => rtstruct::open(&header, path, target),
            None => on_own_series(&header, path, &limits),
        },
        _ => {
            let kind = header.elements.text(tags::MODALITY).unwrap_or_else(|| "object".to_owned());
            let what =
                format!("this DICOM {kind} holds no labels; a label map is a SEG or an RTSTRUCT object");
            Err(OpenError::unsupported(what, path))
        }
    }
}

/// Whether a DICOM file is a segmentation or a structure set; `false` for anything that cannot be read.
pub fn holds_labels(path: &Path) -> bool {
    let header = Header::read(path, &Limits::default()).ok().flatten();
    let class = header.and_then(|header| header.elements.text(tags::SOP_CLASS_UID)).unwrap_or_default();
    [uids::SEGMENTATION_STORAGE, uids::LABEL_MAP_SEGMENTATION_STORAGE, uids::RT_STRUCTURE_SET_STORAGE]
        .contains(&class.as_str())
}

/// A structure set says nothing about voxels: its series is sought beside it.
fn on_own_series(header: &Header, path: &Path, limits: &Limits) -> Result<LabelImage, OpenError> {
    let series = rtstruct::referenced_series(&header.elements);
    let open_one = |uid: &String| {
        let options = OpenOptions { selection: Selection::series(uid), limits: *limits };
        super::open(super::parent_of(path), &options, &()).ok()
    };
    let image = series.iter().find_map(open_one).ok_or_else(|| OpenError::NotFound {
        what: format!(
            "a structure set has outlines but no voxels, and its series ({}) is not beside it; name the image that it \
             belongs to",
            if series.is_empty() { "none is named".to_owned() } else { series.join(", ") }
        ),
        path: path.to_owned(),
    })?;
    let volume = &image.volume;
    rtstruct::open(header, path, LabelTarget { grid: volume.grid(), source: &volume.meta().source })
}

/// Compares the UIDs that an object refers to with those of the target. Another frame of reference is an error; another
/// series in the same one (a second reconstruction) a warning.
pub(super) fn check_target(
    frame_of_reference: Option<&str>,
    series: &[String],
    target: Option<LabelTarget>,
    path: &Path,
) -> Result<Option<Warning>, OpenError> {
    let Some(LabelTarget {
        source: Source::Dicom { series_uid, frame_of_reference_uid: wanted, .. }, ..
    }) = target
    else {
        return Ok(None);
    };
    let is_same_series = series.iter().any(|uid| series_uid.split('#').next() == Some(uid));
    match frame_of_reference.filter(|uid| !uid.is_empty()) {
        Some(found) if !wanted.is_empty() && found != wanted && !is_same_series => {
            let what = format!(
                "it was drawn in another frame of reference ({found}) than that of the image ({wanted}); open the \
                 series it refers to ({})",
                if series.is_empty() { "none is named".to_owned() } else { series.join(", ") }
            );
            Err(OpenError::invalid(what, path))
        }
        _ if series.is_empty() || is_same_series => Ok(None),
        _ => Ok(Some(Warning::Repaired {
            what: format!("it refers to the series {}, not to this one; the places fit", series.join(", ")),
        })),
    }
}

/// The source of labels in a DICOM file.
pub(super) fn source_of(set: &DataSet, path: &Path) -> Source {
    let text = |tag| set.text(tag).unwrap_or_default();
    Source::Dicom {
        path: path.to_owned(),
        series_uid: text(tags::SERIES_INSTANCE_UID),
        study_uid: text(tags::STUDY_INSTANCE_UID),
        frame_of_reference_uid: text(tags::FRAME_OF_REFERENCE_UID),
        instance_uids: vec![text(tags::SOP_INSTANCE_UID)],
    }
}

/// A text in the character set of its object (PS3.5 chapter 6).
pub(super) fn decoded_text(set: &DataSet, root: &DataSet, tag: dicom_core::Tag) -> Option<String> {
    use dicom_encoding::text::{SpecificCharacterSet, TextCodec as _};
    let raw = set.raw(tag)?;
    let name = root.text(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default();
    let codes = name.split('\\').map(str::trim).filter(|code| !code.is_empty());
    let codec =
        codes.filter_map(SpecificCharacterSet::from_code).next().unwrap_or(SpecificCharacterSet::ISO_IR_100);
    let text = codec.decode(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned());
    Some(text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()).filter(|t| !t.is_empty())
}
