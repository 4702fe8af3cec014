//! Searching (QIDO-RS, PS3.18 10.6): studies, their series, the instances of those.

use std::collections::BTreeSet;
use std::fmt;

use hilum_core::job::Observer;
use serde::Serialize;

use crate::http::Ask;
use crate::json::{Attributes, dicom_dictionary as tags};
use crate::{Client, Uid, WebError};

/// Results asked for at once.
const PAGE: usize = 200;
/// An answer longer than this is refused.
const MAX_JSON_BYTES: u64 = 32 << 20;
/// Instances of one series.
const MAX_INSTANCES: usize = 200_000;
const JSON: &str = "application/dicom+json, application/json;q=0.9";

/// What to search for; what is empty does not matter. `*` and `?` stand for any characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// Name of the patient, or its beginning.
    pub patient_name: String,
    /// ID of the patient.
    pub patient_id: String,
    /// Accession number.
    pub accession: String,
    /// First day of the study, `YYYYMMDD` or `YYYY-MM-DD`.
    pub from: String,
    /// Last day of the study.
    pub until: String,
    /// Modality of one of its series: CT, MR.
    pub modality: String,
    /// Part of the description of the study.
    pub description: String,
    /// Whether similar names count, where the server can tell.
    pub fuzzy: bool,
    /// Results wanted at most.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        let empty = String::new;
        Self {
            patient_name: empty(),
            patient_id: empty(),
            accession: empty(),
            from: empty(),
            until: empty(),
            modality: empty(),
            description: empty(),
            fuzzy: false,
            limit: 100,
        }
    }
}

/// A study that was found.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Study {
    /// Study Instance UID.
    pub uid: Uid,
    /// Name of the patient, as DICOM writes it.
    pub patient_name: String,
    /// ID of the patient.
    pub patient_id: String,
    /// `YYYY-MM-DD`, or empty.
    pub date: String,
    /// Modalities of its series.
    pub modalities: Vec<String>,
    /// Description.
    pub description: String,
    /// Accession number.
    pub accession: String,
    /// How many series it has, if the server says so.
    pub series: Option<i64>,
    /// How many instances it has, if the server says so.
    pub instances: Option<i64>,
}

/// A series that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Series {
    /// Series Instance UID.
    pub uid: Uid,
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Modality.
    pub modality: String,
    /// Description.
    pub description: String,
    /// Number in the study.
    pub number: Option<i64>,
    /// How many instances it has, if the server says so.
    pub instances: Option<i64>,
}

/// An instance that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// SOP Instance UID.
    pub uid: Uid,
    /// SOP Class UID, or empty.
    pub class_uid: String,
    /// Number in the series.
    pub number: Option<i64>,
}

impl Study {
    fn of(a: &Attributes) -> Result<Self, WebError> {
        Ok(Self {
            uid: a.uid(tags::STUDY_INSTANCE_UID, "a study")?,
            patient_name: a.text(tags::PATIENT_NAME),
            patient_id: a.text(tags::PATIENT_ID),
            date: dashed(&a.text(tags::STUDY_DATE)),
            modalities: a
                .text(tags::MODALITIES_IN_STUDY)
                .split('\\')
                .filter(|m| !m.is_empty())
                .map(str::to_owned)
                .collect(),
            description: a.text(tags::STUDY_DESCRIPTION),
            accession: a.text(tags::ACCESSION_NUMBER),
            series: a.number(tags::NUMBER_OF_STUDY_RELATED_SERIES),
            instances: a.number(tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
        })
    }
}

impl Series {
    fn of(a: &Attributes, study: Option<&Uid>) -> Result<Self, WebError> {
        let study_uid = match study {
            Some(study) => study.clone(),
            None => a.uid(tags::STUDY_INSTANCE_UID, "the study of a series")?,
        };
        Ok(Self {
            uid: a.uid(tags::SERIES_INSTANCE_UID, "a series")?,
            study_uid,
            modality: a.text(tags::MODALITY),
            description: a.text(tags::SERIES_DESCRIPTION),
            number: a.number(tags::SERIES_NUMBER),
            instances: a.number(tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
        })
    }
}

impl Instance {
    fn of(a: &Attributes) -> Result<Self, WebError> {
        Ok(Self {
            uid: a.uid(tags::SOP_INSTANCE_UID, "an instance")?,
            class_uid: a.text(tags::SOP_CLASS_UID),
            number: a.number(tags::INSTANCE_NUMBER),
        })
    }
}

/// What a server may answer to a search or to an upload, read as each kind: for fuzzing, without a connection.
pub(crate) fn read_answer(body: &[u8]) {
    if let Ok(found) = Attributes::list(body, "the answer") {
        for entry in &found {
            let _ = (Study::of(entry), Series::of(entry, None), Instance::of(entry));
        }
    }
    if let Ok(answer) = Attributes::one(body, "the answer") {
        for tag in [tags::FAILED_SOP_SEQUENCE, tags::REFERENCED_SOP_SEQUENCE] {
            for item in answer.items(tag) {
                let _ = (item.text(tags::REFERENCED_SOP_INSTANCE_UID), item.number(tags::FAILURE_REASON));
            }
        }
    }
}

/// Without what was typed: it names patients.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Without the patient.
impl fmt::Debug for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Study").field("modalities", &self.modalities).finish_non_exhaustive()
    }
}

/// The entries of a list that can be used. Archives hold some with identifiers that are none, which must not hide the others.
fn usable<T>(found: impl Iterator<Item = Result<T, WebError>>) -> Result<Vec<T>, WebError> {
    let (mut good, mut first_bad) = (Vec::new(), None);
    for entry in found {
        match entry {
            Ok(entry) => good.push(entry),
            Err(error) => first_bad = first_bad.or(Some(error)),
        }
    }
    match first_bad {
        Some(error) if good.is_empty() => Err(error),
        _ => Ok(good),
    }
}

impl Query {
    /// The search terms of PS3.18 8.3.4.
    fn terms(&self) -> Result<Vec<(&'static str, String)>, WebError> {
        let mut terms = Vec::new();
        let mut add = |key, value: String| {
            if !value.is_empty() {
                terms.push((key, value));
            }
        };
        add("PatientName", with_wildcard(&self.patient_name, ""));
        add("PatientID", self.patient_id.trim().to_owned());
        add("AccessionNumber", self.accession.trim().to_owned());
        let [from, until] = [day(&self.from)?, day(&self.until)?];
        if !from.is_empty() && !until.is_empty() && from > until {
            return Err(WebError::Setup(format!("the first day ({from}) comes after the last ({until})")));
        }
        let range =
            if from.is_empty() && until.is_empty() { String::new() } else { format!("{from}-{until}") };
        add("StudyDate", range);
        add("ModalitiesInStudy", self.modality.trim().to_uppercase());
        add("StudyDescription", with_wildcard(&self.description, "*"));
        if self.fuzzy {
            add("fuzzymatching", "true".into());
        }
        Ok(terms)
    }
}

/// What a person types is the beginning of a name, unless it says itself what may follow.
fn with_wildcard(text: &str, before: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text if text.contains(['*', '?']) => text.to_owned(),
        text => format!("{before}{text}*"),
    }
}

/// A day as DICOM writes it.
fn day(text: &str) -> Result<String, WebError> {
    let refuse = || WebError::Setup(format!("\"{}\" is no day; write it as 2024-01-31", text.trim()));
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    if digits.is_empty() {
        return Ok(digits);
    }
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse());
    }
    let in_range = |part: &str, range: std::ops::RangeInclusive<u8>| {
        part.parse().is_ok_and(|number| range.contains(&number))
    };
    let is_day = in_range(&digits[4..6], 1..=12) && in_range(&digits[6..], 1..=31);
    if is_day { Ok(digits) } else { Err(refuse()) }
}

fn dashed(date: &str) -> String {
    match day(date) {
        Ok(date) if !date.is_empty() => format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]),
        _ => String::new(),
    }
}

impl Client {
    /// The studies that match, in the order of the server.
    ///
    /// # Errors
    /// [`WebError`] from days that are none to servers that are gone.
    pub fn studies(&self, query: &Query, observer: &dyn Observer) -> Result<Vec<Study>, WebError> {
        let mut terms = query.terms()?;
        terms.extend(
            [
                tags::MODALITIES_IN_STUDY,
                tags::STUDY_DESCRIPTION,
                tags::NUMBER_OF_STUDY_RELATED_SERIES,
                tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
            ]
            .map(|tag| ("includefield", tag.to_owned())),
        );
        let found =
            self.search("/studies", "the studies", &terms, query.limit, tags::STUDY_INSTANCE_UID, observer)?;
        usable(found.iter().map(Study::of))
    }

    /// The series of a study, by their numbers.
    ///
    /// # Errors
    /// [`WebError`] if the server does not answer as it should.
    pub fn series(&self, study: &Uid, observer: &dyn Observer) -> Result<Vec<Series>, WebError> {
        let path = format!("/studies/{study}/series");
        self.list_series(&path, Vec::new(), Some(study), observer)
    }

    /// The series of a UID, whatever study it belongs to.
    ///
    /// # Errors
    /// [`WebError::NotFound`] if there is none, and as [`Client::series`].
    pub fn find_series(&self, series: &Uid, observer: &dyn Observer) -> Result<Series, WebError> {
        let terms = vec![("SeriesInstanceUID", series.to_string())];
        let found = self.list_series("/series", terms, None, observer)?;
        let one = found.into_iter().find(|found| found.uid == *series);
        one.ok_or_else(|| WebError::NotFound { what: format!("the series {series}") })
    }

    fn list_series(
        &self,
        path: &str,
        mut terms: Vec<(&'static str, String)>,
        study: Option<&Uid>,
        observer: &dyn Observer,
    ) -> Result<Vec<Series>, WebError> {
        terms.extend(
            [tags::SERIES_DESCRIPTION, tags::NUMBER_OF_SERIES_RELATED_INSTANCES]
                .map(|tag| ("includefield", tag.to_owned())),
        );
        let found =
            self.search(path, "the series", &terms, MAX_INSTANCES, tags::SERIES_INSTANCE_UID, observer)?;
        let mut found: Vec<Series> = usable(found.iter().map(|a| Series::of(a, study)))?;
        found.sort_by_key(|series| series.number.unwrap_or(i64::MAX));
        Ok(found)
    }

    /// The instances of a series, by their numbers.
    ///
    /// # Errors
    /// As [`Client::series`].
    pub fn instances(
        &self,
        study: &Uid,
        series: &Uid,
        observer: &dyn Observer,
    ) -> Result<Vec<Instance>, WebError> {
        let path = format!("/studies/{study}/series/{series}/instances");
        let found =
            self.search(&path, "the instances", &[], MAX_INSTANCES, tags::SOP_INSTANCE_UID, observer)?;
        let mut found: Vec<Instance> = found.iter().map(Instance::of).collect::<Result<_, WebError>>()?;
        found.sort_by_key(|instance| instance.number.unwrap_or(i64::MAX));
        Ok(found)
    }

    /// Asks page after page until one brings nothing new: servers may give fewer than was asked for, or always all.
    fn search(
        &self,
        path: &str,
        what: &str,
        terms: &[(&str, String)],
        limit: usize,
        key: &'static str,
        observer: &dyn Observer,
    ) -> Result<Vec<Attributes>, WebError> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        while found.len() < limit {
            let mut terms = terms.to_vec();
            terms.push(("limit", PAGE.min(limit - found.len()).to_string()));
            terms.push(("offset", found.len().to_string()));
            let page = self.page(path, what, &terms, observer)?;
            let before = found.len();
            found.extend(page.into_iter().filter(|entry| seen.insert(entry.text(key))));
            if found.len() == before {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn page(
        &self,
        path: &str,
        what: &str,
        terms: &[(&str, String)],
        observer: &dyn Observer,
    ) -> Result<Vec<Attributes>, WebError> {
        let prefix = &self.services.qido;
        let ask = Ask { what, address: prefix.join(path, terms), accept: JSON, upload: None };
        let reply = self.http.ask(prefix, ask, observer)?;
        if reply.status.as_u16() == 204 {
            return Ok(Vec::new());
        }
        let kind = reply.content_type();
        let body = reply.body.read_all(MAX_JSON_BYTES, what)?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        if !kind.contains("json") {
            let what = "it is not JSON; check the address of the DICOMweb service";
            return Err(WebError::Malformed(what.into()));
        }
        Attributes::list(&body, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_those_of_the_standard() {
        assert!(Query::default().terms().unwrap().is_empty());
        let query = Query {
            patient_name: " Doe ".into(),
            patient_id: "4711".into(),
            from: "2024-01-31".into(),
            modality: "ct".into(),
            description: "liver".into(),
            fuzzy: true,
            ..Query::default()
        };
        let terms = query.terms().unwrap();
        let expected = [
            ("PatientName", "Doe*"),
            ("PatientID", "4711"),
            ("StudyDate", "20240131-"),
            ("ModalitiesInStudy", "CT"),
            ("StudyDescription", "*liver*"),
            ("fuzzymatching", "true"),
        ];
        assert_eq!(terms, expected.map(|(key, value)| (key, value.to_owned())));
        let exact = Query { patient_name: "D?e^*".into(), until: "20240131".into(), ..Query::default() };
        let terms = exact.terms().unwrap();
        assert_eq!(terms[0].1, "D?e^*");
        assert_eq!(terms[1].1, "-20240131");
    }

    #[test]
    fn days_that_are_none_are_refused() {
        for wrong in ["31.1.2024", "2024", "20241301", "20240132", "2024013", "2024013x", "２０２４0131"]
        {
            assert!(Query { from: wrong.into(), ..Query::default() }.terms().is_err(), "{wrong}");
        }
        let turned = Query { from: "20240201".into(), until: "20240131".into(), ..Query::default() };
        assert!(turned.terms().is_err());
    }

    #[test]
    fn an_entry_that_is_none_does_not_hide_the_others() {
        let bad = || Err(WebError::Malformed("no UID".into()));
        assert_eq!(usable([bad(), Ok(1), bad(), Ok(2)].into_iter()).unwrap(), [1, 2]);
        assert!(usable::<i32>([bad()].into_iter()).is_err());
        assert!(usable::<i32>(std::iter::empty()).unwrap().is_empty());
    }

    #[test]
    fn patients_are_not_printed() {
        let query = Query { patient_name: "Doe".into(), patient_id: "4711".into(), ..Query::default() };
        let study = Study {
            uid: Uid::new("1.2").unwrap(),
            patient_name: "Doe^Jane".into(),
            patient_id: "4711".into(),
            date: "2024-01-31".into(),
            modalities: vec!["CT".into()],
            description: "Doe".into(),
            accession: "4711".into(),
            series: None,
            instances: None,
        };
        let printed = format!("{query:?} {study:?}");
        assert!(!printed.contains("Doe") && !printed.contains("4711"), "{printed}");
    }
}
