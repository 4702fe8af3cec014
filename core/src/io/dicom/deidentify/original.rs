//! A DICOM object as it is read before its names go.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_encoding::{TransferSyntax, TransferSyntaxIndex as _};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::super::header::{Header, Packing, inflated};
use crate::io::{Limits, OpenError};

/// An object with what stands before it in the file.
pub(super) struct Original {
    pub object: InMemDicomObject,
    /// UID of the transfer syntax that a copy announces.
    pub syntax: String,
    /// UID of the transfer syntax in which the elements stand; that of the pixels within fragments is no matter to it.
    elements: &'static str,
    /// UID of the SOP class.
    pub class: String,
}

impl Original {
    /// The whole object, if it belongs to the series; else why it is left out.
    ///
    /// The header is found by the reader that opens images, which takes more than `dicom-object` does (a control character
    /// in group 0002, an encoding other than the one announced). It also checks every length, so that nothing is
    /// allocated that is not in the file.
    pub(super) fn read(
        path: &Path,
        only_series: Option<&str>,
        limits: &Limits,
    ) -> Result<Option<Self>, String> {
        let header = Header::read(path, limits).map_err(|error| error.to_string())?.ok_or("no DICOM file")?;
        let is_other = |uid| header.elements.text(tags::SERIES_INSTANCE_UID).as_deref() != Some(uid);
        if only_series.is_some_and(is_other) {
            return Ok(None);
        }
        let length = header.check_to_the_end(path).map_err(|error| error.to_string())?;
        // Some writers put the class before the data set only.
        let class = header.elements.text(tags::SOP_CLASS_UID);
        let class = class.or_else(|| header.meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID)).unwrap_or_default();
        if class == uids::MEDIA_STORAGE_DIRECTORY_STORAGE {
            return Err("a list of files (DICOMDIR), not an object".to_owned());
        }
        let elements = elements_of(&header);
        let object = read_object(path, &header, length, elements)?;
        let cannot_be_cleaned = [
            (tags::CONTENT_SEQUENCE, "a report: its text"),
            (tags::ENCAPSULATED_DOCUMENT, "an embedded document: it"),
            (tags::GRAPHIC_ANNOTATION_SEQUENCE, "a presentation state: its text"),
        ];
        match cannot_be_cleaned.into_iter().find(|(tag, _)| object.get(*tag).is_some()) {
            Some((_, what)) => Err(format!("{what} cannot be cleaned by rule")),
            None => Ok(Some(Self { object, syntax: announced(&header, elements), elements, class })),
        }
    }
}

/// The syntax of the elements. Some writers announce another one than they use; inflated and packed ones are explicit (PS3.5
/// annex A).
fn elements_of(header: &Header) -> &'static str {
    let encoding = header.syntax.encoding;
    match (encoding.big_endian, encoding.explicit_vr) {
        // Explicit VR big endian: retired, but found in archives.
        (true, _) => "1.2.840.10008.1.2.2",
        (false, true) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        (false, false) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
    }
}

/// What a copy announces: how its pixels are packed, else how its elements stand. A deflated file is not deflated again.
fn announced(header: &Header, elements: &str) -> String {
    let syntax = &header.syntax;
    let is_plain =
        syntax.packing == Packing::Native && syntax.big_endian_pixels == syntax.encoding.big_endian;
    let said = header.meta.text(tags::TRANSFER_SYNTAX_UID);
    said.filter(|_| !is_plain && !syntax.deflated).unwrap_or_else(|| elements.to_owned())
}

fn known(syntax: &str) -> Result<&'static TransferSyntax, String> {
    TransferSyntaxRegistry
        .get(syntax)
        .ok_or_else(|| format!("the transfer syntax {syntax} cannot be written"))
}

impl Original {
    /// The bytes of a file with another object in the place of this one. Preamble and group 0002 are new.
    pub(super) fn file(&self, object: &InMemDicomObject, uid: &str) -> Result<Vec<u8>, String> {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(&self.syntax)
            .media_storage_sop_class_uid(&self.class)
            .media_storage_sop_instance_uid(uid)
            .build()
            .map_err(|error| error.to_string())?;
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        meta.write(&mut bytes).map_err(|error| error.to_string())?;
        object.write_dataset_with_ts(&mut bytes, known(self.elements)?).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// The object in the first `length` bytes of the data set. What may stand behind padding was not looked at, and stays behind.
fn read_object(
    path: &Path,
    header: &Header,
    length: u64,
    elements: &str,
) -> Result<InMemDicomObject, String> {
    let told = |error: std::io::Error| OpenError::io(error, path).to_string();
    let source: Box<dyn Read> = if header.syntax.deflated {
        Box::new(inflated(path, header.data_set_offset).map_err(told)?)
    } else {
        let mut file = File::open(path).map_err(told)?;
        file.seek(SeekFrom::Start(header.data_set_offset)).map_err(told)?;
        Box::new(BufReader::new(file))
    };
    InMemDicomObject::read_dataset_with_ts(source.take(length), known(elements)?)
        .map_err(|error| error.to_string())
}
