//! `application/dicom+json` (PS3.18 annex F), as far as answers about studies need it.
//!
//! Read attribute by attribute rather than into a data set: archives leave out representations, write numbers as texts
//! and null for values, and one odd attribute must not hide a patient's studies.

use std::collections::BTreeMap;

use dicom_dictionary::Tag;
use serde::Deserialize;
use serde_json::Value;

use crate::{Uid, WebError};

/// The attributes that are asked about.
pub(crate) mod dicom_dictionary {
    /// An attribute as JSON names it: eight hexadecimal digits.
    pub type Tag = &'static str;

    pub const STUDY_DATE: Tag = "00080020";
    pub const ACCESSION_NUMBER: Tag = "00080050";
    pub const MODALITY: Tag = "00080060";
    pub const MODALITIES_IN_STUDY: Tag = "00080061";
    pub const STUDY_DESCRIPTION: Tag = "00081030";
    pub const SERIES_DESCRIPTION: Tag = "0008103E";
    pub const SOP_CLASS_UID: Tag = "00080016";
    pub const SOP_INSTANCE_UID: Tag = "00080018";
    pub const REFERENCED_SOP_INSTANCE_UID: Tag = "00081155";
    pub const WARNING_REASON: Tag = "00081196";
    pub const FAILURE_REASON: Tag = "00081197";
    pub const FAILED_SOP_SEQUENCE: Tag = "00081198";
    pub const REFERENCED_SOP_SEQUENCE: Tag = "00081199";
    pub const PATIENT_NAME: Tag = "00100010";
    pub const PATIENT_ID: Tag = "00100020";
    pub const STUDY_INSTANCE_UID: Tag = "0020000D";
    pub const SERIES_INSTANCE_UID: Tag = "0020000E";
    pub const SERIES_NUMBER: Tag = "00200011";
    pub const INSTANCE_NUMBER: Tag = "00200013";
    pub const NUMBER_OF_STUDY_RELATED_SERIES: Tag = "00201206";
    pub const NUMBER_OF_STUDY_RELATED_INSTANCES: Tag = "00201208";
    pub const NUMBER_OF_SERIES_RELATED_INSTANCES: Tag = "00201209";
}

/// Longer texts of lists are cut.
const MAX_TEXT: usize = 512;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attribute {
    #[serde(rename = "Value")]
    value: Value,
}

/// The attributes of a study, series, instance or of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    /// Reads an answer to a search: an array of objects.
    pub fn list(bytes: &[u8], what: &str) -> Result<Vec<Self>, WebError> {
        serde_json::from_slice(bytes).map_err(|error| malformed(&error, what))
    }

    /// Reads one object, or an array of one.
    pub fn one(bytes: &[u8], what: &str) -> Result<Self, WebError> {
        match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'[') => Ok(Self::list(bytes, what)?.into_iter().next().unwrap_or_default()),
            _ => serde_json::from_slice(bytes).map_err(|error| malformed(&error, what)),
        }
    }

    fn values(&self, tag: Tag) -> &[Value] {
        let attribute = self.0.get(tag).or_else(|| self.0.get(&tag.to_ascii_lowercase()));
        match attribute.map(|attribute| &attribute.value) {
            Some(Value::Array(values)) => values,
            Some(Value::Null) | None => &[],
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// All values as one text, as DICOM separates them; empty where there is none.
    pub fn text(&self, tag: Tag) -> String {
        let texts: Vec<String> = self.values(tag).iter().filter_map(text_of).collect();
        let text: String = texts.join("\\").chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        text.trim().to_owned()
    }

    /// A number, also if it was written as a text.
    pub fn number(&self, tag: Tag) -> Option<i64> {
        match self.values(tag).first()? {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A UID.
    pub fn uid(&self, tag: Tag, what: &str) -> Result<Uid, WebError> {
        match self.text(tag).as_str() {
            "" => Err(WebError::Malformed(format!("{what} has no UID ({tag})"))),
            text => Uid::new(text),
        }
    }

    /// The items of a sequence.
    pub fn items(&self, tag: Tag) -> Vec<Self> {
        self.values(tag).iter().filter_map(|item| serde_json::from_value(item.clone()).ok()).collect()
    }
}

/// Where it is wrong, not what it says there.
fn malformed(error: &serde_json::Error, what: &str) -> WebError {
    let (line, column) = (error.line(), error.column());
    WebError::Malformed(format!("it is no DICOM JSON about {what} (line {line}, column {column})"))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        // Names of persons.
        Value::Object(groups) => ["Alphabetic", "Ideographic", "Phonetic"].iter().find_map(|group| {
            groups.get(*group)?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::dicom_dictionary as tags;
    use super::*;

    #[test]
    fn odd_attributes_do_not_hide_the_others() {
        let text = r#"[{
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "x"}]},
            "00100020": {"Value": [null]},
            "00080020": {"vr": "DA", "Value": "20240131"},
            "00080061": {"vr": "CS", "Value": ["CT", null, "SEG"]},
            "00201208": {"vr": "IS", "Value": ["41"]},
            "00201206": {"vr": "IS", "Value": [2.0]},
            "00081030": {"vr": "LO"},
            "0020000d": {"vr": "UI", "Value": ["1.2.3"]},
            "00091001": {"vr": "QQ", "InlineBinary": "!!"},
            "00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.5"]}}, 7, {}]}
        }]"#;
        let found = &Attributes::list(text.as_bytes(), "studies").unwrap()[0];
        assert_eq!(found.text(tags::PATIENT_NAME), "Doe^Jane");
        assert_eq!(found.text(tags::PATIENT_ID), "");
        assert_eq!(found.text(tags::STUDY_DATE), "20240131");
        assert_eq!(found.text(tags::MODALITIES_IN_STUDY), "CT\\SEG");
        assert_eq!(found.number(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), Some(41));
        assert_eq!(found.number(tags::NUMBER_OF_STUDY_RELATED_SERIES), Some(2));
        assert_eq!(found.uid(tags::STUDY_INSTANCE_UID, "a study").unwrap().as_str(), "1.2.3");
        assert!(found.uid(tags::SERIES_INSTANCE_UID, "a series").is_err());
        let items = found.items(tags::REFERENCED_SOP_SEQUENCE);
        assert_eq!(items[0].text(tags::REFERENCED_SOP_INSTANCE_UID), "1.5");
    }

    #[test]
    fn what_is_no_such_json_is_refused_without_repeating_it() {
        let deep = "[".repeat(100_000);
        for wrong in ["", "<html>Doe^Jane</html>", "{", "[1]", "[{\"a\": 1}]", "\"Doe^Jane\"", &deep] {
            let error = Attributes::list(wrong.as_bytes(), "studies").unwrap_err().to_string();
            assert!(!error.contains("Doe"), "{error}");
        }
        assert!(Attributes::one(b" [] ", "x").unwrap().0.is_empty());
    }
}
