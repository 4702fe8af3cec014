//! Fetching (WADO-RS, PS3.18 10.4): the instances of a series as files, one as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use hilum_core::io::dicom::identify;
use hilum_core::job::Observer;
use tempfile::NamedTempFile;
use ureq::http::header::CONTENT_TYPE;

use crate::error::without_path;
use crate::http::{Ask, rest};
use crate::multipart::{MultipartReader, boundary_of};
use crate::{Client, Server, Uid, WebError};

/// As it is kept: Hilum reads every transfer syntax that archives keep, and nothing is lost on the way.
const ANY_SYNTAX: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
/// Bytes of one instance.
const MAX_INSTANCE_BYTES: u64 = 16 << 30;
/// Bytes of one series.
const MAX_SERIES_BYTES: u64 = 128 << 30;
const BUFFER: usize = 128 << 10;

/// A series that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder with its files.
    pub folder: PathBuf,
    /// How many instances it has.
    pub instances: usize,
    /// How many of them had been fetched before.
    pub kept: usize,
}

/// A series on its way into a folder.
struct Arrival<'a> {
    series: &'a Uid,
    folder: &'a Path,
    wanted: BTreeSet<Uid>,
    here: BTreeSet<Uid>,
    /// Why instances could not be used.
    failures: BTreeMap<Option<Uid>, WebError>,
    bytes: u64,
    observer: &'a dyn Observer,
}

/// Name of the file of an instance.
fn file_name(instance: &Uid) -> String {
    format!("{instance}.dcm")
}

impl Client {
    /// Fetches a series into a folder, a file `UID.dcm` each. What the folder already has is not fetched again; what came
    /// before an error or before the watcher stopped it stays.
    ///
    /// # Errors
    /// [`WebError::Incomplete`] if some instances did not come, [`WebError::Cancelled`], and what the server says if none
    /// came.
    pub fn fetch_series(
        &self,
        study: &Uid,
        series: &Uid,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Fetched, WebError> {
        observer.progress("asking for the series", 0, 0);
        let wanted: BTreeSet<Uid> =
            self.instances(study, series, observer)?.into_iter().map(|instance| instance.uid).collect();
        if wanted.is_empty() {
            return Err(WebError::NotFound { what: format!("the series {series}") });
        }
        std::fs::create_dir_all(folder).map_err(|cause| WebError::file(cause, folder))?;
        let is_here = |uid: &&Uid| {
            let path = folder.join(file_name(uid));
            path.is_file() && identify(&path).is_ok_and(|found| found.instance_uid == uid.as_str())
        };
        let here: BTreeSet<Uid> = wanted.iter().filter(is_here).cloned().collect();
        let kept = here.len();
        let mut arrival =
            Arrival { series, folder, wanted, here, failures: BTreeMap::new(), bytes: 0, observer };
        let path = format!("/studies/{study}/series/{series}");
        if kept == 0 {
            let outcome = self.receive(&path, ANY_SYNTAX, "the series", &mut arrival);
            arrival.note(None, outcome)?;
        }
        self.fetch_missing(&path, &mut arrival)?;
        arrival.finish(kept)
    }

    /// Fetches the missing instances one by one; each is tried again where that may help.
    fn fetch_missing(&self, path: &str, arrival: &mut Arrival<'_>) -> Result<(), WebError> {
        let patience = self.http.patience();
        for uid in arrival.missing() {
            let path = format!("{path}/instances/{uid}");
            let mut is_gone = false;
            for attempt in 0..=patience.retries.min(2) {
                if attempt > 0 {
                    rest(patience.pause * 2_u32.pow(attempt - 1), arrival.observer)?;
                }
                let outcome = self.receive(&path, ANY_SYNTAX, "an instance", arrival);
                let may_pass = outcome.as_ref().is_err_and(WebError::is_passing);
                is_gone = matches!(outcome, Err(WebError::Unreachable(_) | WebError::Refused { .. }));
                arrival.note(Some(uid.clone()), outcome)?;
                if arrival.here.contains(&uid) || !may_pass {
                    break;
                }
            }
            if is_gone {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fetches one instance as a file that goes when it is dropped.
    pub(crate) fn fetch_instance(
        &self,
        path: &str,
        syntax: &str,
        observer: &dyn Observer,
    ) -> Result<NamedTempFile, WebError> {
        let accept = format!("multipart/related; type=\"application/dicom\"; transfer-syntax={syntax}");
        let mut found = None;
        self.parts(path, &accept, "the stored object", observer, &mut |part| {
            let mut file =
                NamedTempFile::new().map_err(|cause| WebError::file(cause, Path::new("temporary file")))?;
            copy(part, &mut file, MAX_INSTANCE_BYTES)?;
            found = Some(file);
            Ok(())
        })?;
        found.ok_or_else(|| WebError::Malformed("it holds no object".into()))
    }

    fn receive(
        &self,
        path: &str,
        accept: &str,
        what: &str,
        arrival: &mut Arrival<'_>,
    ) -> Result<(), WebError> {
        let observer = arrival.observer;
        self.parts(path, accept, what, observer, &mut |part| arrival.take(part))
    }

    /// Hands every DICOM part of an answer to `take`.
    fn parts(
        &self,
        path: &str,
        accept: &str,
        what: &str,
        observer: &dyn Observer,
        take: &mut dyn FnMut(&mut dyn Read) -> Result<(), WebError>,
    ) -> Result<(), WebError> {
        let prefix = &self.services.wado;
        let ask = Ask { what, address: prefix.join(path, &[]), accept, upload: None };
        let reply = self.http.ask(prefix, ask, observer)?;
        if reply.status.as_u16() == 204 {
            return Ok(());
        }
        // Not in lower case: boundaries distinguish it.
        let kind =
            reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        let mut body = reply.body;
        if kind.to_ascii_lowercase().starts_with("application/dicom")
            && !kind.to_ascii_lowercase().starts_with("application/dicom+")
        {
            // A single instance need not be wrapped.
            return take(&mut body);
        }
        let mut parts = MultipartReader::new(body, &boundary_of(&kind)?);
        while let Some(kind) = parts.next_part()? {
            if kind == "application/dicom" || kind == "application/octet-stream" {
                take(&mut parts)?;
            }
        }
        Ok(())
    }
}

impl Arrival<'_> {
    fn missing(&self) -> Vec<Uid> {
        self.wanted.difference(&self.here).cloned().collect()
    }

    /// Keeps why something did not come; stopping and a full disk end everything.
    fn note(&mut self, instance: Option<Uid>, outcome: Result<(), WebError>) -> Result<(), WebError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error @ (WebError::Cancelled(_) | WebError::File { .. } | WebError::TooLarge(_))) => {
                Err(error)
            }
            Err(error) => {
                self.failures.insert(instance, error);
                Ok(())
            }
        }
    }

    /// Writes one instance; it gets its name when it is complete and is what was asked for.
    fn take(&mut self, part: &mut dyn Read) -> Result<(), WebError> {
        let to_error = |cause| WebError::file(cause, self.folder);
        let mut file = new_file(self.folder).map_err(to_error)?;
        let room = MAX_INSTANCE_BYTES.min(MAX_SERIES_BYTES - self.bytes);
        self.bytes += copy(part, &mut file, room)?;
        let found = match identify(file.path()) {
            Ok(found) => found,
            Err(error) => {
                self.failures.insert(None, WebError::Malformed(without_path(&error)));
                return Ok(());
            }
        };
        let uid = Uid::new(&found.instance_uid)?;
        if found.series_uid != self.series.as_str() {
            let what = format!("the server sent an instance of another series ({uid})");
            self.failures.insert(Some(uid), WebError::Malformed(what));
            return Ok(());
        }
        let path = self.folder.join(file_name(&uid));
        file.as_file().sync_data().map_err(to_error)?;
        file.persist(&path).map_err(|error| WebError::file(error.error, &path))?;
        self.failures.remove(&Some(uid.clone()));
        self.here.insert(uid);
        self.observer.progress("fetching", self.here.len() as u64, self.wanted.len() as u64);
        Ok(())
    }

    fn finish(self, kept: usize) -> Result<Fetched, WebError> {
        let missing = self.missing();
        if missing.is_empty() {
            let folder = self.folder.to_owned();
            return Ok(Fetched { folder, instances: self.here.len(), kept });
        }
        // What was said about a missing instance itself tells more than how the whole went.
        let mut failures = self.failures;
        let why = missing.iter().find_map(|uid| failures.remove(&Some(uid.clone())));
        let why = why.or_else(|| failures.remove(&None));
        match why {
            Some(error) if self.here.is_empty() => Err(error),
            why => Err(WebError::Incomplete {
                got: self.here.len(),
                wanted: self.wanted.len(),
                why: why.map_or_else(|| "the server left them out".to_owned(), |error| error.to_string()),
            }),
        }
    }
}

/// A file that vanishes unless it gets a name, with the rights of any new file.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".hilum-").suffix(".tmp").tempfile_in(folder)
}

/// Copies a part into a file, if it is not longer than `limit`.
fn copy(part: &mut dyn Read, file: &mut NamedTempFile, limit: u64) -> Result<u64, WebError> {
    let mut buffer = vec![0; BUFFER];
    let mut length = 0;
    loop {
        let count = match part.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        length += count as u64;
        if length > limit {
            return Err(WebError::TooLarge(format!("the series exceeds {} GiB", limit >> 30)));
        }
        let path = file.path().to_owned();
        file.write_all(&buffer[..count]).map_err(|cause| WebError::file(cause, &path))?;
    }
}

/// The folder in which a series of a server is kept below `root`; no name of a patient is in it. Others than the person
/// may not look into it. Two servers never share one: equal UIDs do not make equal files.
///
/// # Errors
/// [`WebError::File`] if it cannot be made.
pub fn cache_folder(root: &Path, server: &Server, study: &Uid, series: &Uid) -> Result<PathBuf, WebError> {
    let mut origin = DefaultHasher::new();
    server.wado.as_ref().unwrap_or(&server.url).hash(&mut origin);
    let origin = format!("{:016x}", origin.finish());
    let folder = root.join(origin).join(study.as_str()).join(series.as_str());
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(&folder).map_err(|cause| WebError::file(cause, &folder))?;
    Ok(folder)
}
