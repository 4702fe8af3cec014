//! An archive in memory that answers searches, gives its files and takes new ones.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hilum_core::io::dicom::{Identity, identify};
use serde_json::{Value, json};

use super::{Answer, FakeServer, Received};
use crate::multipart::{MultipartReader, boundary_of};

/// The name of every patient of the archive.
const PATIENT: &str = "Phantom^Paula";

type Files = Arc<Mutex<Vec<(Identity, Vec<u8>)>>>;

/// The archive.
pub struct FakePacs {
    server: FakeServer,
    files: Files,
    pause_ms: Arc<AtomicU64>,
}

impl FakePacs {
    /// An archive of these DICOM files.
    ///
    /// # Panics
    /// If one of them is none.
    pub fn of(paths: &[PathBuf]) -> Self {
        let file = |path: &PathBuf| {
            (identify(path).expect("a DICOM file"), std::fs::read(path).expect("a file that can be read"))
        };
        let files: Files = Arc::new(Mutex::new(paths.iter().map(file).collect()));
        let pause_ms = Arc::new(AtomicU64::new(0));
        let (kept, pause) = (Arc::clone(&files), Arc::clone(&pause_ms));
        let server = FakeServer::start(move |request| {
            let pause = Duration::from_millis(pause.load(Ordering::Relaxed));
            Answer { pause, ..answer(request, &kept) }
        });
        Self { server, files, pause_ms }
    }

    /// Where its services are.
    pub fn url(&self) -> String {
        format!("{}/dicom-web", self.server.url())
    }

    /// Lets it answer slowly: a pause before each kilobyte.
    pub fn slow_down(&self, pause: Duration) {
        self.pause_ms.store(pause.as_millis() as u64, Ordering::Relaxed);
    }

    /// What it holds.
    pub fn objects(&self) -> Vec<Identity> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(i, _)| i.clone()).collect()
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }
}

fn answer(request: &Received, files: &Files) -> Answer {
    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
    let (path, terms) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let term = |name: &str| {
        let found = terms.split('&').filter_map(|term| term.split_once('=')).find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value)
    };
    let words: Vec<&str> = path.trim_start_matches("/dicom-web/").split('/').collect();
    if request.method == "POST" {
        return take(request, &mut files);
    }
    let of = |study: &str, series: &str, instance: &str| -> Vec<&(Identity, Vec<u8>)> {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let matches = |identity: &Identity| {
            fits(study, &identity.study_uid)
                && fits(series, &identity.series_uid)
                && fits(instance, &identity.instance_uid)
        };
        files.iter().filter(|(identity, _)| matches(identity)).collect()
    };
    let page = |objects: BTreeMap<&str, Value>| {
        let offset: usize = term("offset").parse().unwrap_or(0);
        let limit: usize = term("limit").parse().unwrap_or(usize::MAX);
        let objects: Vec<Value> = objects.into_values().skip(offset).take(limit).collect();
        Answer::json(Value::from(objects).to_string())
    };
    match words[..] {
        ["studies"] => {
            let wanted = term("PatientName");
            let is_wanted = wanted.is_empty() || PATIENT.starts_with(wanted.trim_end_matches('*'));
            let all = if is_wanted { of("", "", "") } else { Vec::new() };
            page(all.iter().map(|(i, _)| (i.study_uid.as_str(), study(i))).collect())
        }
        ["series"] => {
            let all = of("", term("SeriesInstanceUID"), "");
            page(all.iter().map(|(i, _)| (i.series_uid.as_str(), series(i, 0))).collect())
        }
        ["studies", study, "series"] => {
            let count = |uid: &str| of(study, uid, "").len();
            page(
                of(study, "", "")
                    .iter()
                    .map(|(i, _)| (i.series_uid.as_str(), series(i, count(&i.series_uid))))
                    .collect(),
            )
        }
        ["studies", study, "series", uid, "instances"] => {
            page(of(study, uid, "").iter().map(|(i, _)| (i.instance_uid.as_str(), instance(i))).collect())
        }
        ["studies", study, "series", uid] => parts(&of(study, uid, "")),
        ["studies", study, "series", uid, "instances", instance] => parts(&of(study, uid, instance)),
        _ => Answer::empty(404),
    }
}

fn parts(files: &[&(Identity, Vec<u8>)]) -> Answer {
    match files.is_empty() {
        true => Answer::empty(404),
        false => Answer::parts(&files.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()),
    }
}

fn value(vr: &str, value: impl Into<Value>) -> Value {
    json!({"vr": vr, "Value": [value.into()]})
}

fn study(identity: &Identity) -> Value {
    json!({
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": PATIENT}]},
        "00100020": value("LO", "P-1"),
        "00080020": value("DA", "20240131"),
        "00080061": value("CS", identity.modality.as_str()),
        "00081030": value("LO", "Phantom study"),
        "0020000D": value("UI", identity.study_uid.as_str()),
    })
}

fn series(identity: &Identity, instances: usize) -> Value {
    json!({
        "00080060": value("CS", identity.modality.as_str()),
        "0008103E": value("LO", format!("{} of the phantom", identity.modality)),
        "0020000D": value("UI", identity.study_uid.as_str()),
        "0020000E": value("UI", identity.series_uid.as_str()),
        "00201209": value("IS", instances),
    })
}

fn instance(identity: &Identity) -> Value {
    json!({
        "00080016": value("UI", identity.class_uid.as_str()),
        "00080018": value("UI", identity.instance_uid.as_str()),
    })
}

/// Takes what is sent, as STOW-RS does.
fn take(request: &Received, files: &mut Vec<(Identity, Vec<u8>)>) -> Answer {
    let Ok(boundary) = boundary_of(request.header("content-type")) else { return Answer::empty(415) };
    let mut parts = MultipartReader::new(&request.body[..], &boundary);
    let mut stored = Vec::new();
    while let Ok(Some(_)) = parts.next_part() {
        let mut bytes = Vec::new();
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        if parts.read_to_end(&mut bytes).is_err() || file.write_all(&bytes).is_err() {
            return Answer::empty(400);
        }
        let Ok(identity) = identify(file.path()) else { return Answer::empty(409) };
        stored.push(json!({"00081155": value("UI", identity.instance_uid.as_str())}));
        files.push((identity, bytes));
    }
    Answer::json(json!({"00081199": {"vr": "SQ", "Value": stored}}).to_string())
}
