//! The names and numbers of a patient, and whether they stand in a text.

use std::collections::BTreeSet;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// Whose values must not stand anywhere in the result.
const IDENTIFYING: [Tag; 14] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    // Other Patient IDs, retired but in use.
    Tag(0x0010, 0x1000),
    tags::OTHER_PATIENT_NAMES,
    tags::PATIENT_BIRTH_NAME,
    tags::PATIENT_MOTHER_BIRTH_NAME,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_ADDRESS,
    tags::PATIENT_TELEPHONE_NUMBERS,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PERFORMING_PHYSICIAN_NAME,
    tags::OPERATORS_NAME,
    tags::INSTITUTION_NAME,
];

/// Words shorter than this would be found everywhere; in scripts of many signs two are a name.
const SHORTEST: usize = 4;
const SHORTEST_OF_SIGNS: usize = 2;

/// Names and numbers in lower case.
#[derive(Debug, Default)]
pub(super) struct Identifiers {
    /// Each word of a value, looked for as a word.
    words: BTreeSet<String>,
    /// Whole values without what separates their parts, names in both orders, looked for anywhere.
    joined: BTreeSet<String>,
}

impl Identifiers {
    /// Those of an object.
    pub(super) fn of(object: &InMemDicomObject) -> Self {
        let mut found = Self::default();
        for tag in IDENTIFYING {
            let Some(element) = object.get(tag) else { continue };
            let Ok(values) = element.to_multi_str() else { continue };
            for value in values.iter() {
                found.words.extend(words(&value.to_lowercase()).map(str::to_owned));
                if element.vr() == VR::PN {
                    value.split('=').for_each(|name| found.add_name(name));
                } else {
                    found.add_joined([value.as_str()]);
                }
            }
        }
        found
    }

    fn add_name(&mut self, name: &str) {
        let parts: Vec<&str> = name.split('^').filter(|part| !part.trim().is_empty()).collect();
        self.add_joined(parts.iter().copied());
        if let [family, given, ..] = parts[..] {
            self.add_joined([family, given]);
            self.add_joined([given, family]);
        }
    }

    fn add_joined<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        let joined: String = parts.into_iter().map(normalised).collect();
        if is_long_enough(&joined) {
            self.joined.insert(joined);
        }
    }

    /// Whether one of them stands in a text.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        if self.words.is_empty() && self.joined.is_empty() {
            return false;
        }
        let is_word = words(&text.to_lowercase()).any(|word| self.words.contains(word));
        let whole = normalised(text);
        is_word || self.joined.iter().any(|value| whole.contains(value.as_str()))
    }
}

fn is_long_enough(word: &str) -> bool {
    word.chars().count() >= if word.is_ascii() { SHORTEST } else { SHORTEST_OF_SIGNS }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| is_long_enough(word))
}

/// Letters and digits alone, in lower case.
fn normalised(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::DataElement;
    use dicom_core::value::PrimitiveValue;

    fn of(name: &str, id: &str) -> Identifiers {
        Identifiers::of(&InMemDicomObject::from_element_iter([
            DataElement::new(tags::PATIENT_NAME, VR::PN, PrimitiveValue::from(name)),
            DataElement::new(tags::PATIENT_ID, VR::LO, PrimitiveValue::from(id)),
        ]))
    }

    #[test]
    fn names_and_numbers_are_found_however_they_are_written() {
        let of = of("Mueller^Anna=山田^太郎", "12-34-56");
        for text in [
            "Thorax MUELLER",
            "seen by mueller, a.",
            "MuellerAnna",
            "AnnaMueller",
            "MRN 123456",
            "12 34 56",
            "山田太郎",
            "山田 様",
        ] {
            assert!(of.stand_in(text), "{text}");
        }
        for text in ["", "Thorax", "Mueslibar", "12345", "B30f", "太"] {
            assert!(!of.stand_in(text), "{text}");
        }
    }

    #[test]
    fn short_names_count_together() {
        let of = of("Li^Na", "7");
        assert!(of.stand_in("Li Na, MRN 7") && of.stand_in("na li"));
        assert!(!of.stand_in("Liver 7 mm"));
    }
}
