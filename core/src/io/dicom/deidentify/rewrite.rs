//! One object with everything that tells who the patient is exchanged or taken out.

use dicom_core::header::{DataElement, Header as _};
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataDictionary as _, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

use super::identifiers::Identifiers;
use super::profile::{self, Deed};
use super::pseudonym::{PseudonymKey, moved_back};
use super::{Dates, DeidentifyOptions};

const DUMMY: &str = "ANONYMIZED";

/// What this program writes itself, in words that may be somebody's name.
const WRITTEN_HERE: [Tag; 5] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
];

/// What became of the elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub removed_private: usize,
    /// Texts that the profile keeps, but that held a name or number of the patient.
    pub cleaned: usize,
}

/// Exchanges what identifies in objects of one patient.
pub(super) struct Rewriter<'a> {
    key: &'a PseudonymKey,
    options: DeidentifyOptions,
    shift_days: i64,
    pseudonym: String,
    identifiers: Identifiers,
    pub counts: Counts,
}

impl<'a> Rewriter<'a> {
    /// For an object; what identifies is read off it.
    pub(super) fn new(key: &'a PseudonymKey, options: DeidentifyOptions, object: &InMemDicomObject) -> Self {
        let text =
            |tag| object.get(tag).and_then(|element| element.to_str().ok()).unwrap_or_default().into_owned();
        // Without an ID the name is what keeps the images of a patient together.
        let id = Some(text(tags::PATIENT_ID)).filter(|id| !id.trim().is_empty());
        let id = id.unwrap_or_else(|| text(tags::PATIENT_NAME));
        Self {
            key,
            options,
            shift_days: key.shift_days(&id),
            pseudonym: key.patient(&id),
            identifiers: Identifiers::of(object),
            counts: Counts::default(),
        }
    }

    pub(super) fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// The object without what identifies, and with what was done to it (PS3.15 E.1.1).
    pub(super) fn object(&mut self, object: InMemDicomObject) -> InMemDicomObject {
        let mut new = self.data_set(object);
        let mut text = |tag, vr, value: &str| new.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        text(tags::PATIENT_NAME, VR::PN, &self.pseudonym);
        text(tags::PATIENT_ID, VR::LO, &self.pseudonym);
        text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
        text(tags::DEIDENTIFICATION_METHOD, VR::LO, "Hilum: DICOM PS3.15 Basic Profile");
        let (dates, code) = match self.options.dates {
            Dates::Moved => (
                "MODIFIED",
                Some(["113107", "Retain Longitudinal Temporal Information Modified Dates Option"]),
            ),
            Dates::Removed => ("REMOVED", None),
        };
        text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, dates);
        let mut codes = vec![["113100", "Basic Application Confidentiality Profile"]];
        codes.extend(code);
        if self.options.keep_characteristics {
            codes.push(["113108", "Retain Patient Characteristics Option"]);
        }
        let item = |[value, meaning]: [&str; 2]| {
            InMemDicomObject::from_element_iter([
                DataElement::new(tags::CODE_VALUE, VR::SH, PrimitiveValue::from(value)),
                DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, PrimitiveValue::from("DCM")),
                DataElement::new(tags::CODE_MEANING, VR::LO, PrimitiveValue::from(meaning)),
            ])
        };
        let items: Vec<_> = codes.into_iter().map(item).collect();
        new.put(DataElement::new(
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(items),
        ));
        new
    }

    fn data_set(&mut self, object: InMemDicomObject) -> InMemDicomObject {
        let elements: Vec<_> = object.into_iter().filter_map(|element| self.element(element)).collect();
        InMemDicomObject::from_element_iter(elements)
    }

    fn element(&mut self, element: InMemElement) -> Option<InMemElement> {
        let (tag, vr) = (element.tag(), element.vr());
        let is_known = StandardDataDictionary.by_tag(tag).is_some();
        let deed = profile::deed(tag, vr, is_known, self.options.keep_characteristics);
        let moves = self.options.dates == Dates::Moved && profile::moves(tag, vr);
        match deed {
            Deed::Remove if !(moves && is_known && tag.group() % 2 == 0) => {
                self.counts.removed_private += usize::from(tag.group() % 2 == 1);
                None
            }
            Deed::Uid => Some(self.uids(element)),
            // Dates that the table does not know are dates all the same.
            Deed::Keep if self.options.dates == Dates::Removed && profile::moves(tag, vr) => {
                Some(empty(tag, vr))
            }
            Deed::Keep if !moves => Some(self.kept(element)),
            _ if moves => Some(self.moved(element)),
            Deed::Dummy => Some(self.dummy(element)),
            _ => Some(empty(tag, vr)),
        }
    }

    fn uids(&self, element: InMemElement) -> InMemElement {
        let texts = element.to_multi_str().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let padding = |c: char| c == '\0' || c.is_whitespace();
        let new: Vec<String> = texts.iter().map(|uid| self.key.uid(uid.trim_matches(padding))).collect();
        put_text(&element, &new.join("\\"))
    }

    /// Dates of a patient all move by the same days; what is no date goes.
    fn moved(&self, element: InMemElement) -> InMemElement {
        if element.vr() == VR::TM {
            return element;
        }
        let texts = element.to_multi_str().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let new: Option<Vec<String>> =
            texts.iter().map(|text| moved_back(text.trim_matches(['\0', ' ']), self.shift_days)).collect();
        put_text(&element, &new.unwrap_or_default().join("\\"))
    }

    fn kept(&mut self, element: InMemElement) -> InMemElement {
        let (tag, vr) = (element.tag(), element.vr());
        match element.into_value() {
            Value::Sequence(sequence) => {
                let items: Vec<_> =
                    sequence.into_items().into_iter().map(|item| self.data_set(item)).collect();
                DataElement::new(tag, vr, DataSetSequence::from(items))
            }
            Value::Primitive(value)
                if self.identifies(vr, &value.to_str())
                    || tag != tags::PIXEL_DATA && self.hides(vr, &value) =>
            {
                self.counts.cleaned += 1;
                empty(tag, vr)
            }
            value => DataElement::new(tag, vr, value),
        }
    }

    /// Whether a text, of a kind in which people write what they like, holds a name or a number of the patient.
    fn identifies(&self, vr: VR, text: &str) -> bool {
        is_text(vr) && self.identifiers.stand_in(text)
    }

    /// Whether a value that is no text holds a name or a number in its bytes.
    fn hides(&self, vr: VR, value: &PrimitiveValue) -> bool {
        matches!(vr, VR::OB | VR::UN)
            && self.identifiers.stand_in(&String::from_utf8_lossy(&value.to_bytes()))
    }

    /// The first element in which a name or number of the patient stands, of what was not written by this program.
    pub(super) fn standing(&self, object: &InMemDicomObject) -> Option<Tag> {
        object.iter().filter(|element| !WRITTEN_HERE.contains(&element.tag())).find_map(|element| {
            match element.value() {
                Value::Sequence(items) => items.items().iter().find_map(|item| self.standing(item)),
                Value::Primitive(value) => {
                    let (tag, vr) = (element.tag(), element.vr());
                    let is_read =
                        tag != tags::PIXEL_DATA && value.to_str().trim_matches(['\0', ' ']) != DUMMY;
                    let tells =
                        || vr == VR::UN || self.identifies(vr, &value.to_str()) || self.hides(vr, value);
                    (is_read && tells()).then_some(tag)
                }
                Value::PixelSequence(_) => None,
            }
        })
    }

    /// A value that says nothing, of the kind that the element wants.
    fn dummy(&mut self, element: InMemElement) -> InMemElement {
        let (tag, vr) = (element.tag(), element.vr());
        let text = match vr {
            // What a sequence tells of a person cannot be made up.
            VR::SQ => return empty(tag, vr),
            VR::UI => return self.uids(element),
            VR::DA => "19000101",
            VR::DT => "19000101000000",
            VR::TM => "000000",
            VR::AS => "000Y",
            VR::DS | VR::IS => "0",
            VR::US | VR::SS => return DataElement::new(tag, vr, PrimitiveValue::from(0_u16)),
            VR::UL | VR::SL => return DataElement::new(tag, vr, PrimitiveValue::from(0_u32)),
            VR::FL => return DataElement::new(tag, vr, PrimitiveValue::from(0_f32)),
            VR::FD => return DataElement::new(tag, vr, PrimitiveValue::from(0_f64)),
            vr if is_text(vr) || matches!(vr, VR::AE | VR::CS) => DUMMY,
            _ => return empty(tag, vr),
        };
        DataElement::new(tag, vr, PrimitiveValue::from(text))
    }
}

fn put_text(element: &InMemElement, text: &str) -> InMemElement {
    DataElement::new(element.tag(), element.vr(), PrimitiveValue::from(text))
}

fn empty(tag: Tag, vr: VR) -> InMemElement {
    match vr {
        VR::SQ => DataElement::new(tag, vr, DataSetSequence::<InMemDicomObject>::from(Vec::new())),
        _ => DataElement::new(tag, vr, PrimitiveValue::Empty),
    }
}

/// Not the codes (CS), which the standard gives: nobody writes a name into them, but a name may be such a word.
fn is_text(vr: VR) -> bool {
    matches!(vr, VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UR | VR::UT)
}
