//! The thread that talks to servers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use directories::ProjectDirs;
use hilum_core::io::{LabelExport, LabelFormat, export};
use hilum_core::job::{CancelToken, Observer};
use hilum_dicomweb::{
    Auth, Client, KeyRing, Query, Secret, Secrets, Series, Server, Study, SystemKeyRing, Uid, WebError,
    cache_folder,
};

use super::{Event, Inbox, Numbered, SaveRequest};

/// Progress is told at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

/// Where the settings of servers, their secrets and what was fetched are kept.
#[derive(Clone)]
pub struct RemotePlaces {
    /// The file of servers.
    pub servers: Option<PathBuf>,
    /// The folder of fetched series.
    pub cache: Option<PathBuf>,
    /// Passwords and tokens.
    pub key_ring: Arc<dyn KeyRing>,
}

impl Default for RemotePlaces {
    fn default() -> Self {
        let folders = ProjectDirs::from("", "", "Hilum");
        Self {
            servers: folders.as_ref().map(|folders| folders.config_dir().join("servers.toml")),
            cache: folders.as_ref().map(|folders| folders.cache_dir().join("dicomweb")),
            key_ring: Arc::new(SystemKeyRing),
        }
    }
}

/// What is asked of a server.
#[derive(Debug)]
pub enum RemoteWhat {
    /// Studies.
    Search(Query),
    /// The series of a study.
    ListSeries(Uid),
    /// A series as files.
    Fetch {
        /// Its study.
        study: Uid,
        /// It.
        series: Uid,
        /// Folder of fetched series.
        cache: PathBuf,
    },
    /// Keep labels as a segmentation.
    Store(SaveRequest),
    /// Whether it answers.
    Test,
}

/// What can be asked of the thread.
#[derive(Debug)]
pub enum RemoteRequest {
    /// Talk to a server.
    Ask {
        /// Number of the request.
        request: u64,
        /// Which.
        server: Server,
        /// Passwords and tokens.
        secrets: Secrets,
        /// What about.
        what: RemoteWhat,
        /// Stops it.
        cancel: CancelToken,
    },
    /// Keep a secret in the key ring, which may ask the person to unlock it.
    Keep {
        /// Whose.
        server: Server,
        /// It.
        secret: Secret,
        /// Where.
        secrets: Secrets,
    },
    /// Forget the secret of a server that is no more.
    Forget {
        /// Which.
        server: Server,
        /// Where.
        secrets: Secrets,
    },
}

impl Numbered for RemoteRequest {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Ask { request, .. } => Some(*request),
            Self::Keep { .. } | Self::Forget { .. } => None,
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub enum RemoteAnswer {
    /// Studies that match.
    Studies(Vec<Study>),
    /// The series of a study.
    Series(Uid, Vec<Series>),
    /// A series lies in this folder.
    Fetched(PathBuf),
    /// The labels are stored, and were compared; what the server corrected.
    Stored {
        /// The image.
        session: u64,
        /// State of its history that was stored.
        state: u64,
        /// Elements of patient and study that the server corrected.
        corrected: Vec<String>,
    },
    /// It answers.
    Tested,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum RemoteFailure {
    /// The person stopped it.
    Cancelled,
    /// The server wants another login, or one at all; why, for people.
    Login(String),
    /// Anything else, for people.
    Other(String),
}

/// What the thread tells.
#[derive(Debug)]
pub enum RemoteEvent {
    /// How far it is.
    Progress {
        /// Number of the request.
        request: u64,
        /// What is being done.
        what: String,
        /// Share done, where known.
        share: Option<f32>,
    },
    /// It is done.
    Answer {
        /// Number of the request.
        request: u64,
        /// What came of it.
        result: Result<RemoteAnswer, RemoteFailure>,
    },
    /// The key ring cannot be used; for people.
    NotKept(String),
}

/// Handles one request on the `remote` thread.
pub fn handle(request: RemoteRequest, inbox: &Inbox) {
    let not_kept = match request {
        RemoteRequest::Ask { request, server, secrets, what, cancel } => {
            let watcher = Watcher { request, cancel, inbox, last: Mutex::new(None) };
            let result = ask(&server, &secrets, what, &watcher).map_err(|error| failure(&error, &server));
            inbox.send(Event::Remote(RemoteEvent::Answer { request, result }));
            return;
        }
        RemoteRequest::Keep { server, secret, secrets } => secrets.keep(&server, secret).err().map(|error| {
            format!("{error}. The password or token is remembered until the program ends, and asked for again then")
        }),
        RemoteRequest::Forget { server, secrets } => secrets.forget(&server).err().map(|error| {
            format!("{error}. A password or token kept there for \"{}\" stays there", server.name)
        }),
    };
    if let Some(why) = not_kept {
        inbox.send(Event::Remote(RemoteEvent::NotKept(why)));
    }
}

fn failure(error: &WebError, server: &Server) -> RemoteFailure {
    match error {
        WebError::Cancelled(_) => RemoteFailure::Cancelled,
        WebError::SecretMissing(_) => RemoteFailure::Login(error.to_string()),
        WebError::Refused { status: 401 } if server.auth != Auth::None => {
            RemoteFailure::Login(error.to_string())
        }
        _ => RemoteFailure::Other(error.to_string()),
    }
}

fn ask(
    server: &Server,
    secrets: &Secrets,
    what: RemoteWhat,
    watcher: &Watcher<'_>,
) -> Result<RemoteAnswer, WebError> {
    let client = Client::new(server, secrets)?;
    match what {
        RemoteWhat::Search(query) => Ok(RemoteAnswer::Studies(client.studies(&query, watcher)?)),
        RemoteWhat::ListSeries(study) => {
            let series = client.series(&study, watcher)?;
            Ok(RemoteAnswer::Series(study, series))
        }
        RemoteWhat::Fetch { study, series, cache } => {
            let folder = cache_folder(&cache, server, &study, &series)?;
            Ok(RemoteAnswer::Fetched(client.fetch_series(&study, &series, &folder, watcher)?.folder))
        }
        RemoteWhat::Store(request) => store(&client, request, watcher),
        RemoteWhat::Test => {
            client.studies(&Query { limit: 1, ..Query::default() }, watcher)?;
            Ok(RemoteAnswer::Tested)
        }
    }
}

/// Writes the labels as a segmentation that refers to its series, and stores that; the file goes afterwards.
fn store(client: &Client, request: SaveRequest, watcher: &Watcher<'_>) -> Result<RemoteAnswer, WebError> {
    watcher.progress("writing the segmentation", 0, 0);
    let folder = tempfile::tempdir()
        .map_err(|cause| WebError::File { cause, path: Path::new("temporary folder").to_owned() })?;
    let path = folder.path().join("labels.dcm");
    let SaveRequest { session, labels, source, names, state, .. } = request;
    let wanted = LabelExport {
        labels: &labels.to_voxels(),
        grid: labels.grid(),
        source: &source,
        names: &names,
        covered: &[],
    };
    export::save_labels(&path, &wanted, Some(LabelFormat::DicomSeg))?;
    let stored = client.store(&[path], watcher)?.check()?;
    let corrected = stored.into_iter().flat_map(|object| object.corrected).collect();
    Ok(RemoteAnswer::Stored { session, state, corrected })
}

/// Tells the window how it goes.
struct Watcher<'a> {
    request: u64,
    cancel: CancelToken,
    inbox: &'a Inbox,
    last: Mutex<Option<Instant>>,
}

impl Observer for Watcher<'_> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < PROGRESS_PAUSE) && done < total {
            return;
        }
        *last = Some(Instant::now());
        let share = (total > 0).then(|| done as f32 / total as f32);
        let event = RemoteEvent::Progress { request: self.request, what: what.to_owned(), share };
        self.inbox.try_send(Event::Remote(event));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
