//! Storing (STOW-RS, PS3.18 10.5). An object counts as stored when the server finds it, and gives back what was sent.

use std::path::{Path, PathBuf};

use hilum_core::io::OpenError;
use hilum_core::io::dicom::{Identity, compare_objects, identify};
use hilum_core::job::Observer;

use crate::error::without_path;
use crate::http::{Ask, Upload, rest};
use crate::json::{Attributes, dicom_dictionary as tags};
use crate::multipart::{MultipartBody, new_boundary};
use crate::{Client, Uid, WebError};

/// Bytes sent in one request, unless one object alone has more.
const MAX_REQUEST_BYTES: u64 = 64 << 20;
const MAX_REQUEST_FILES: usize = 200;
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// How often the server is asked for an object that it has taken: some index later.
const LOOKS: u32 = 6;
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// An object that the server keeps, as was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub identity: Identity,
    /// Elements of patient and study that the server changed to its own records.
    pub corrected: Vec<String>,
    /// What the server remarked.
    pub remark: Option<String>,
}

/// An object that the server does not keep, or not as it was sent.
#[derive(Debug)]
pub struct NotStored {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: WebError,
}

/// What became of the objects.
#[derive(Debug, Default)]
pub struct StoreReport {
    /// Those that are there.
    pub stored: Vec<Stored>,
    /// Those that are not.
    pub failed: Vec<NotStored>,
}

impl StoreReport {
    /// Whether all objects are there.
    ///
    /// # Errors
    /// [`WebError::NotStored`] with the first that is not, or its own error where there is but one object.
    pub fn check(mut self) -> Result<Vec<Stored>, WebError> {
        let total = self.stored.len() + self.failed.len();
        match self.failed.len() {
            0 => Ok(self.stored),
            1 if total == 1 => Err(self.failed.remove(0).error),
            count => {
                let name = self.failed[0].path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let first = format!("{name}: {}", self.failed[0].error);
                Err(WebError::NotStored { count, total, first })
            }
        }
    }
}

struct Object {
    path: PathBuf,
    bytes: u64,
    identity: Identity,
}

impl Client {
    /// Stores DICOM files, then asks for each and compares it with the file.
    ///
    /// # Errors
    /// [`WebError`] if a file is no DICOM object, before anything is sent, and when the watcher stops it. What the server
    /// refuses stands in the report.
    pub fn store(&self, files: &[PathBuf], observer: &dyn Observer) -> Result<StoreReport, WebError> {
        let object = |path: &PathBuf| -> Result<Object, WebError> {
            let identity = identify(path)?;
            for uid in [&identity.study_uid, &identity.series_uid, &identity.instance_uid] {
                Uid::new(uid).map_err(|_| {
                    OpenError::invalid(format!("\"{uid}\" is no UID that a server would take"), path)
                })?;
            }
            let bytes = std::fs::metadata(path).map_err(|cause| WebError::file(cause, path))?.len();
            Ok(Object { path: path.clone(), bytes, identity })
        };
        let objects: Vec<Object> = files.iter().map(object).collect::<Result<_, _>>()?;
        let mut report = StoreReport::default();
        for batch in batches(&objects) {
            let answers = match self.send(batch, observer) {
                Ok(answers) => answers,
                Err(error @ WebError::Cancelled(_)) => return Err(error),
                Err(error) => {
                    let text = error.to_string();
                    let mut error = Some(error);
                    for object in batch {
                        let error = error.take().unwrap_or_else(|| WebError::Broken(text.clone()));
                        report.failed.push(NotStored { path: object.path.clone(), error });
                    }
                    continue;
                }
            };
            for (object, answer) in batch.iter().zip(answers) {
                let verified = answer.and_then(|remark| Ok((remark, self.verify(object, observer)?)));
                match verified {
                    Ok((remark, corrected)) => report.stored.push(Stored {
                        path: object.path.clone(),
                        identity: object.identity.clone(),
                        corrected,
                        remark,
                    }),
                    Err(error @ WebError::Cancelled(_)) => return Err(error),
                    Err(error) => report.failed.push(NotStored { path: object.path.clone(), error }),
                }
                let done = report.stored.len() + report.failed.len();
                observer.progress("comparing what is stored", done as u64, objects.len() as u64);
            }
        }
        Ok(report)
    }

    /// Sends objects in one request. For each: what the server remarked, or why it refused.
    fn send(
        &self,
        batch: &[Object],
        observer: &dyn Observer,
    ) -> Result<Vec<Result<Option<String>, WebError>>, WebError> {
        let files: Vec<(PathBuf, u64)> = batch.iter().map(|o| (o.path.clone(), o.bytes)).collect();
        let boundary = new_boundary();
        let (_, length) = MultipartBody::new(&files, &boundary);
        let prefix = &self.services.stow;
        let ask = Ask {
            what: "storing objects",
            address: prefix.join("/studies", &[]),
            accept: "application/dicom+json",
            upload: Some(Upload {
                content_type: format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"),
                length,
                open: &|| Box::new(MultipartBody::new(&files, &boundary).0),
            }),
        };
        let reply = self.http.ask(prefix, ask, observer)?;
        let is_success = reply.status.is_success();
        let is_json = reply.content_type().contains("json");
        let body = reply.body.read_all(MAX_ANSWER_BYTES, "what was stored")?;
        if !is_json || body.iter().all(u8::is_ascii_whitespace) {
            // Old servers answer in XML only, or nothing; what they keep will tell.
            let refused = || WebError::Status {
                what: "storing objects".into(),
                status: 409,
                meaning: "it refuses all of them and does not say why".into(),
            };
            return Ok(batch.iter().map(|_| if is_success { Ok(None) } else { Err(refused()) }).collect());
        }
        let answer = Attributes::one(&body, "what was stored")?;
        Ok(batch.iter().map(|object| outcome(&answer, object, is_success)).collect())
    }

    /// Asks for an object and compares it with its file.
    fn verify(&self, object: &Object, observer: &dyn Observer) -> Result<Vec<String>, WebError> {
        let Identity { study_uid, series_uid, instance_uid, .. } = &object.identity;
        let [study, series, uid] = [Uid::new(study_uid)?, Uid::new(series_uid)?, Uid::new(instance_uid)?];
        let mut look = 0;
        loop {
            let found = match self.instances(&study, &series, observer) {
                Ok(found) => found.iter().any(|instance| instance.uid == uid),
                Err(WebError::NotFound { .. }) => false,
                Err(error) => return Err(error),
            };
            if found {
                break;
            }
            look += 1;
            if look == LOOKS {
                let what = "it took the object, but does not find it".into();
                return Err(WebError::ReadBack { what, uid: uid.to_string() });
            }
            rest(self.http.patience().pause * look, observer)?;
        }
        let path = format!("/studies/{study}/series/{series}/instances/{uid}");
        let syntax = transfer_syntax(&object.path).unwrap_or_else(|| EXPLICIT_LITTLE_ENDIAN.to_owned());
        let copy = match self.fetch_instance(&path, &syntax, observer) {
            // A server that cannot convert gives what it has.
            Err(WebError::Status { status: 400 | 406 | 415, .. }) => {
                self.fetch_instance(&path, "*", observer)?
            }
            other => other?,
        };
        let differs =
            |error: OpenError| WebError::ReadBack { what: without_path(&error), uid: uid.to_string() };
        let back = identify(copy.path()).map_err(differs)?;
        if back != object.identity {
            let what = "it has other UIDs or another modality".into();
            return Err(WebError::ReadBack { what, uid: uid.to_string() });
        }
        compare_objects(&object.path, copy.path()).map_err(differs)
    }
}

fn batches(objects: &[Object]) -> Vec<&[Object]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, object) in objects.iter().enumerate() {
        if i > start && (bytes + object.bytes > MAX_REQUEST_BYTES || i - start == MAX_REQUEST_FILES) {
            batches.push(&objects[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += object.bytes;
    }
    if start < objects.len() {
        batches.push(&objects[start..]);
    }
    batches
}

/// What an answer says about an object (PS3.18 table 10.5.3-2).
fn outcome(answer: &Attributes, object: &Object, is_success: bool) -> Result<Option<String>, WebError> {
    let is_it =
        |item: &Attributes| item.text(tags::REFERENCED_SOP_INSTANCE_UID) == object.identity.instance_uid;
    if let Some(item) = answer.items(tags::FAILED_SOP_SEQUENCE).iter().find(|item| is_it(item)) {
        let why = item.number(tags::FAILURE_REASON).map_or_else(|| "no reason given".to_owned(), reason);
        let what = format!("storing the object {}: {why}", object.identity.instance_uid);
        return Err(WebError::Status { what, status: 409, meaning: "the server refuses it".into() });
    }
    if let Some(item) = answer.items(tags::REFERENCED_SOP_SEQUENCE).iter().find(|item| is_it(item)) {
        return Ok(item.number(tags::WARNING_REASON).filter(|code| *code != 0).map(reason));
    }
    if is_success {
        return Ok(None);
    }
    let what = format!("storing the object {}", object.identity.instance_uid);
    Err(WebError::Status { what, status: 409, meaning: "the server does not name it".into() })
}

/// Reasons of failures and warnings in words (PS3.4 annex B.2.3, PS3.18 table I.2-2).
fn reason(code: i64) -> String {
    let words = match code {
        0x0110 => "the server failed to process it",
        0x0111 => "it is there already",
        0x0117 => "its UID is not valid",
        0x0122 => "the server does not take objects of this kind (SOP class)",
        0x0124 => "the user may not store",
        0x0131 => "it belongs to another study than the request",
        0x0272 => "its transfer syntax is not taken",
        0xA700..=0xA7FF => "the server is out of space",
        0xA900..=0xA9FF => "it does not match its kind (SOP class)",
        0xB000 => "elements were changed",
        0xB006 => "elements were dropped",
        0xB007 => "it does not match its kind (SOP class), and was stored all the same",
        0xC000..=0xCFFF => "the server does not understand it",
        _ => "a reason that the standard does not know",
    };
    format!("{words} ({code:04X})")
}

/// The transfer syntax of a file (0002,0010); `None` if its beginning does not say it.
fn transfer_syntax(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(2048).read_to_end(&mut start).ok()?;
    let at = memchr::memmem::find(&start, b"\x02\x00\x10\x00UI")? + 6;
    let length = usize::from(u16::from_le_bytes([*start.get(at)?, *start.get(at + 1)?]));
    let text = std::str::from_utf8(start.get(at + 2..at + 2 + length)?).ok()?;
    Some(Uid::new(text).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str, bytes: u64) -> Object {
        let identity = Identity {
            class_uid: "1.2".into(),
            instance_uid: uid.into(),
            series_uid: "1.3".into(),
            study_uid: "1.4".into(),
            modality: "SEG".into(),
        };
        Object { path: uid.into(), bytes, identity }
    }

    #[test]
    fn requests_are_bounded() {
        let objects: Vec<Object> =
            [10, 60 << 20, 10 << 20, 90 << 20, 1].iter().map(|bytes| object("1", *bytes)).collect();
        let sizes: Vec<usize> = batches(&objects).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        let many: Vec<Object> = (0..450).map(|_| object("1", 1)).collect();
        assert_eq!(batches(&many).iter().map(|batch| batch.len()).collect::<Vec<_>>(), [200, 200, 50]);
        assert!(batches(&[]).is_empty());
    }

    #[test]
    fn refusals_are_named_with_their_reason() {
        let answer = br#"{
            "00081198": {"vr": "SQ", "Value": [
                {"00081155": {"vr": "UI", "Value": ["1.1"]}, "00081197": {"vr": "US", "Value": [290]}}]},
            "00081199": {"vr": "SQ", "Value": [
                {"00081155": {"vr": "UI", "Value": ["1.2"]}, "00081196": {"vr": "US", "Value": [45056]}},
                {"00081155": {"vr": "UI", "Value": ["1.3"]}}]}
        }"#;
        let answer = Attributes::one(answer, "x").unwrap();
        let text = outcome(&answer, &object("1.1", 0), true).unwrap_err().to_string();
        assert!(text.contains("1.1") && text.contains("SOP class") && text.contains("0122"), "{text}");
        let remark = outcome(&answer, &object("1.2", 0), true).unwrap();
        assert_eq!(remark.as_deref(), Some("elements were changed (B000)"));
        assert_eq!(outcome(&answer, &object("1.3", 0), true).unwrap(), None);
        assert_eq!(outcome(&answer, &object("1.4", 0), true).unwrap(), None);
        assert!(outcome(&answer, &object("1.4", 0), false).is_err());
    }
}
