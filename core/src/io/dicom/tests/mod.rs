//! Tests of the whole reader: real files, files written by `dicom-object`, damaged files.

mod damaged;
mod labels;
mod real;
mod syntaxes;
mod synthetic;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::open;
use crate::io::{OpenError, OpenObserver, OpenOptions, Opened};
use crate::job::Observer;
use crate::volume::Volume;

pub(super) fn open_path(path: &Path) -> Result<Opened, OpenError> {
    open(path, &OpenOptions::default(), &())
}

/// Keeps the first slice and the order of events; cancels after a number of progress reports.
#[derive(Default)]
pub(super) struct Watcher {
    pub first: RefCell<Option<Volume>>,
    pub events: RefCell<Vec<String>>,
    pub cancel_after: Option<usize>,
}

impl Observer for Watcher {
    fn progress(&self, what: &str, _: u64, _: u64) {
        self.events.borrow_mut().push(what.to_owned());
    }
    fn is_cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|count| self.events.borrow().len() >= count)
    }
}

impl OpenObserver for Watcher {
    fn first_slice(&self, slice: Volume) {
        self.events.borrow_mut().push("first slice".to_owned());
        *self.first.borrow_mut() = Some(slice);
    }
}

/// A small CT image to be changed and written.
pub(super) struct Writer {
    object: InMemDicomObject,
    syntax: &'static str,
    uid: String,
}

impl Writer {
    /// `columns × rows` pixels of 16 bits at `position`, in explicit little endian.
    pub fn new(columns: u16, rows: u16, position: [f64; 3], values: &[i16]) -> Self {
        // Distinct positions make distinct instances, in no particular order.
        let seed = position.iter().fold(7i64, |sum, p| sum * 31 + (p * 1000.0).round() as i64);
        let uid = format!("1.2.3.4.{}", seed.unsigned_abs());
        let mut writer =
            Self { object: InMemDicomObject::new_empty(), syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN, uid };
        let uid = writer.uid.clone();
        writer
            .text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE)
            .text(tags::SOP_INSTANCE_UID, VR::UI, &uid)
            .text(tags::MODALITY, VR::CS, "CT")
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1")
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.2")
            .text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3")
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .text(tags::PIXEL_SPACING, VR::DS, "1\\1")
            .text(tags::SLICE_THICKNESS, VR::DS, "2")
            .decimals(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
            .decimals(tags::IMAGE_POSITION_PATIENT, &position)
            .word(tags::SAMPLES_PER_PIXEL, 1)
            .word(tags::ROWS, rows)
            .word(tags::COLUMNS, columns)
            .word(tags::BITS_ALLOCATED, 16)
            .word(tags::BITS_STORED, 16)
            .word(tags::HIGH_BIT, 15)
            .word(tags::PIXEL_REPRESENTATION, 1)
            .words(&values.iter().map(|v| v.cast_unsigned()).collect::<Vec<_>>());
        writer
    }

    pub fn text(&mut self, tag: Tag, vr: VR, text: &str) -> &mut Self {
        self.object.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
        self
    }

    pub fn decimals(&mut self, tag: Tag, values: &[f64]) -> &mut Self {
        let text: Vec<String> = values.iter().map(f64::to_string).collect();
        self.text(tag, VR::DS, &text.join("\\"))
    }

    pub fn word(&mut self, tag: Tag, value: u16) -> &mut Self {
        self.object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        self
    }

    /// Pixels of 16 bits.
    pub fn words(&mut self, values: &[u16]) -> &mut Self {
        self.object.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16(values.iter().copied().collect()),
        ));
        self
    }

    /// Pixels of 8 bits.
    pub fn bytes(&mut self, values: &[u8]) -> &mut Self {
        self.word(tags::BITS_ALLOCATED, 8).word(tags::BITS_STORED, 8).word(tags::HIGH_BIT, 7);
        self.word(tags::PIXEL_REPRESENTATION, 0);
        self.object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(values)));
        self
    }

    pub fn remove(&mut self, tag: Tag) -> &mut Self {
        self.object.remove_element(tag);
        self
    }

    pub fn syntax(&mut self, syntax: &'static str) -> &mut Self {
        self.syntax = syntax;
        self
    }

    pub fn write(&self, path: &Path) -> PathBuf {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.syntax)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(&self.uid);
        self.object.clone().with_meta(meta).unwrap().write_to_file(path).unwrap();
        path.to_owned()
    }
}
