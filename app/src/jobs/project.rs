//! The thread that keeps every change on disk, so that neither a crash nor loss of power takes work away.
//!
//! Each image has a folder of its own below the program's data folder. It stays when the image is closed, with labels
//! and history, and is found when the image is opened again; it goes when the person drops the work, or when a project
//! takes it over. A project that a person saved lies where they wanted it and stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::{JournalRecord, Snapshot, State};
use hilum_core::label::LabelMap;
use hilum_core::project::{self, ImageReference, Store, StoreError};
use hilum_core::volume::Volume;

use super::{Event, Inbox, Numbered};

/// What can be asked of the thread.
#[derive(Debug)]
pub enum ProjectRequest {
    /// An image was opened: look for work that was left.
    Attach {
        /// The image's number.
        session: u64,
        /// The image.
        volume: Arc<Volume>,
        /// Its document at the moment from which changes are kept.
        snapshot: Box<Snapshot>,
    },
    /// A project, or work that was kept, was opened: its changes go on there.
    Adopt {
        /// The image's number.
        session: u64,
        /// The project.
        store: Box<Store>,
        /// A person saved it; otherwise it is work that was kept.
        is_project: bool,
    },
    /// Make a project of a folder and go on there. Changes up to the snapshot are handed over before.
    Make {
        /// The image's number.
        session: u64,
        /// Where.
        folder: PathBuf,
        /// The image.
        volume: Arc<Volume>,
        /// Its document now.
        snapshot: Box<Snapshot>,
    },
    /// Who works from now on, for the record of provenance; the account of the computer without a name.
    Person(String),
    /// What is looked at.
    View(serde_json::Value),
    /// Go on with the work that was found (or forget it).
    Continue(bool),
    /// Changes to be kept.
    Append(Vec<JournalRecord>),
    /// Keep in the record of provenance what the labels are now.
    Attest {
        /// Why somebody looked.
        why: String,
        /// The labels.
        labels: Arc<LabelMap>,
    },
    /// The image is closed in good order. Its work waits for the next time, with what was looked at last.
    Close(serde_json::Value),
    /// The image is closed and the person dropped its work; a project that was saved stays all the same.
    Drop,
    /// Tells `sender` when everything before is done.
    Flush(std::sync::mpsc::SyncSender<()>),
}

impl Numbered for ProjectRequest {
    fn number(&self) -> Option<u64> {
        None
    }
}

/// What it answers.
#[derive(Debug)]
pub enum ProjectEvent {
    /// Earlier work on the image was found.
    Found {
        /// The image.
        session: u64,
        /// The state it was in.
        state: Box<State>,
        /// What was looked at.
        view: Option<serde_json::Value>,
        /// The image was closed in good order; otherwise the program ended in the midst of the work.
        is_closed: bool,
        /// What was mended.
        warnings: Vec<String>,
    },
    /// Changes cannot be kept; told once.
    Failed {
        /// The image.
        session: u64,
        /// Why, for people.
        why: String,
        /// What becomes of the changes.
        keeping: Keeping,
    },
    /// Changes that could not be kept for a while are on disk now.
    KeptAgain {
        /// The image.
        session: u64,
    },
    /// A project was made and is written from now on.
    Made {
        /// The image.
        session: u64,
        /// Where.
        folder: PathBuf,
    },
    /// It was not; changes go where they went before.
    NotMade {
        /// The image.
        session: u64,
        /// Why, for people.
        why: String,
    },
}

/// What becomes of changes after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// They are kept; the failure was about earlier ones.
    On,
    /// They wait, and writing is tried again when changes (or none) are handed over.
    Waits,
    /// They are not kept.
    Off,
}

/// How long changes wait before they are handed to the thread that writes.
const HAND_OVER_SECS: f64 = 0.3;

/// When changes are handed over where there are no frames: not more often than a few times a second, and never later than
/// a fraction of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandOver {
    at_secs: f64,
}

impl HandOver {
    /// Seconds to wait before changes are handed over; `None`: now.
    pub fn wait_secs(&mut self, now_secs: f64) -> Option<f64> {
        let wait = self.at_secs + HAND_OVER_SECS - now_secs;
        if wait > 0.0 && wait <= HAND_OVER_SECS {
            return Some(wait);
        }
        self.at_secs = now_secs;
        None
    }
}

/// In the view of a project: the image was closed in good order.
const CLOSED: &str = "closed";

/// The image at hand and its folder.
struct Attached {
    session: u64,
    folder: PathBuf,
    /// What a project is made of at the first change.
    start: Option<(ImageReference, Snapshot)>,
    store: Option<Store>,
    /// A person saved it: it stays when the image is closed.
    is_project: bool,
    /// Work of an earlier session waits for the person's answer.
    offered: bool,
    /// Changes that are not on disk yet.
    pending: Vec<JournalRecord>,
    /// What was looked at last.
    view: Option<serde_json::Value>,
    complained: bool,
}

/// Owns the project that is open.
pub struct ProjectWorker {
    folder: Option<PathBuf>,
    inbox: Inbox,
    attached: Option<Attached>,
    tuning: Tuning,
}

/// What holds for every project that is written.
#[derive(Clone, Debug, Default)]
struct Tuning {
    compact_bytes: Option<u64>,
    person: String,
}

impl Tuning {
    fn tuned(&self, mut store: Store) -> Store {
        if let Some(bytes) = self.compact_bytes {
            store.compact_beyond(bytes);
        }
        store.set_user(&self.person);
        store
    }
}

impl ProjectWorker {
    /// Keeps projects below `folder`; nothing is kept without one.
    pub fn new(folder: Option<PathBuf>, inbox: Inbox) -> Self {
        Self { folder, inbox, attached: None, tuning: Tuning::default() }
    }

    /// The same, with journals compacted beyond so many bytes, so that a test need not write megabytes.
    pub fn compacting_beyond(self, compact_bytes: Option<u64>) -> Self {
        Self { tuning: Tuning { compact_bytes, ..self.tuning }, ..self }
    }

    /// Handles one request.
    pub fn handle(&mut self, request: ProjectRequest) {
        match request {
            ProjectRequest::Attach { session, volume, snapshot } => self.attach(session, &volume, *snapshot),
            ProjectRequest::Adopt { session, store, is_project } => self.adopt(session, *store, is_project),
            ProjectRequest::Make { session, folder, volume, snapshot } => {
                self.make(session, folder, &volume, &snapshot);
            }
            ProjectRequest::Person(name) => {
                if let Some(store) = self.attached.as_mut().and_then(|attached| attached.store.as_mut()) {
                    store.set_user(&name);
                }
                self.tuning.person = name;
            }
            ProjectRequest::View(view) => {
                if let Some(attached) = &mut self.attached {
                    attached.keep_view(view, false);
                }
            }
            ProjectRequest::Continue(yes) => self.go_on(yes),
            ProjectRequest::Append(records) => self.append(records),
            ProjectRequest::Attest { why, labels } => {
                let open = self.attached.as_mut().filter(|attached| !attached.offered);
                if let Some(store) = open.and_then(|attached| attached.store.as_mut()) {
                    store.attest(&why, &labels);
                }
            }
            ProjectRequest::Close(view) => self.close(view),
            ProjectRequest::Drop => self.drop_work(),
            ProjectRequest::Flush(sender) => drop(sender.send(())),
        }
    }

    fn attach(&mut self, session: u64, volume: &Volume, snapshot: Snapshot) {
        self.attached = None;
        let Some(root) = &self.folder else { return };
        let reference = ImageReference::of(volume);
        let folder = root.join(reference.folder_name());
        let mut attached = Attached::new(session, folder);
        attached.start = Some((reference, snapshot));
        match found(&attached.folder) {
            Ok(None) => {}
            Ok(Some(left)) => {
                if left.state.history().is_empty() {
                    drop(left);
                    remove(&attached.folder);
                } else {
                    let Left { store, state, view, warnings } = left;
                    attached.store = Some(self.tuning.tuned(store));
                    attached.offered = true;
                    let is_closed = view.as_ref().is_some_and(|view| view[CLOSED] == true);
                    attached.view.clone_from(&view);
                    let state = Box::new(state);
                    let event = ProjectEvent::Found { session, state, view, is_closed, warnings };
                    self.inbox.send(Event::Project(event));
                }
            }
            Err(error) if error.is_beyond_repair() => match project::set_aside(&attached.folder) {
                Ok(kept) => self.say_set_aside(session, &error, &kept),
                Err(error) => {
                    self.complain(session, &error);
                    return;
                }
            },
            Err(error) => {
                // Another window writes it, or the disk does not answer: nothing is kept here.
                self.complain(session, &error);
                return;
            }
        }
        self.attached = Some(attached);
    }

    fn adopt(&mut self, session: u64, store: Store, is_project: bool) {
        let mut attached = Attached::new(session, store.folder().to_owned());
        attached.store = Some(self.tuning.tuned(store));
        attached.is_project = is_project;
        self.attached = Some(attached);
    }

    fn make(&mut self, session: u64, folder: PathBuf, volume: &Volume, snapshot: &Snapshot) {
        match Store::create(&folder, ImageReference::of(volume), snapshot) {
            Ok(store) => {
                self.drop_work();
                self.adopt(session, store, true);
                self.inbox.send(Event::Project(ProjectEvent::Made { session, folder }));
            }
            Err(error) => {
                let why = format!("The project was not saved: {error}");
                self.inbox.send(Event::Project(ProjectEvent::NotMade { session, why }));
            }
        }
    }

    fn complain(&self, session: u64, error: &StoreError) {
        let why = format!("Changes are not kept for the case of a crash: {error}");
        self.inbox.send(Event::Project(ProjectEvent::Failed { session, why, keeping: Keeping::Off }));
    }

    fn say_set_aside(&self, session: u64, error: &StoreError, kept: &Path) {
        let why = format!(
            "Earlier changes to this image cannot be opened ({error}). They are set aside as {}; new changes are kept.",
            kept.display()
        );
        self.inbox.send(Event::Project(ProjectEvent::Failed { session, why, keeping: Keeping::On }));
    }

    fn go_on(&mut self, yes: bool) {
        let Some(attached) = &mut self.attached else { return };
        attached.offered = false;
        if yes {
            // What was done before the answer belongs to the document that is now replaced.
            attached.pending.clear();
            // From now on it is work that goes on, until it is closed again.
            if let Some(view) = attached.view.take() {
                attached.keep_view(view, false);
            }
        } else {
            attached.store = None;
            remove(&attached.folder);
            self.append(Vec::new());
        }
    }

    fn append(&mut self, records: Vec<JournalRecord>) {
        let Some(attached) = &mut self.attached else { return };
        attached.pending.extend(records);
        if attached.offered || attached.pending.is_empty() {
            return;
        }
        let session = attached.session;
        let event = match attached.write(&self.tuning) {
            Ok(()) if std::mem::take(&mut attached.complained) => ProjectEvent::KeptAgain { session },
            Ok(()) => return,
            // Kept in memory and tried again; said once.
            Err(_) if attached.complained => return,
            Err(error) => {
                attached.complained = true;
                let waits = attached.pending.len();
                let why = format!(
                    "Changes cannot be written ({waits} wait in memory and are tried again every two seconds): {error}"
                );
                ProjectEvent::Failed { session, why, keeping: Keeping::Waits }
            }
        };
        self.inbox.send(Event::Project(event));
    }

    fn close(&mut self, view: serde_json::Value) {
        let Some(mut attached) = self.attached.take() else { return };
        // Work that was offered and never answered stays as it is.
        if attached.offered {
            return;
        }
        if !attached.pending.is_empty()
            && let Err(error) = attached.write(&self.tuning)
        {
            self.complain(attached.session, &error);
        }
        attached.keep_view(view, true);
    }

    fn drop_work(&mut self) {
        if let Some(attached) = self.attached.take() {
            let Attached { store, folder, offered, is_project, .. } = attached;
            drop(store);
            if !offered && !is_project {
                remove(&folder);
            }
        }
    }
}

impl Attached {
    fn new(session: u64, folder: PathBuf) -> Self {
        Self {
            session,
            folder,
            start: None,
            store: None,
            is_project: false,
            offered: false,
            pending: Vec::new(),
            view: None,
            complained: false,
        }
    }

    /// Keeps what is looked at, once there is work. No work is lost with it; a disk that fails is told with the next
    /// change.
    fn keep_view(&mut self, mut view: serde_json::Value, is_closed: bool) {
        if let Some(view) = view.as_object_mut() {
            view.insert(CLOSED.to_owned(), is_closed.into());
        }
        if let Some(store) = &self.store {
            store.save_view(&view).ok();
        }
        self.view = Some(view);
    }

    fn write(&mut self, tuning: &Tuning) -> Result<(), StoreError> {
        let store = match (&mut self.store, &self.start) {
            (Some(store), _) => store,
            (None, Some((image, snapshot))) => {
                let store = Store::create(&self.folder, image.clone(), snapshot)?;
                if let Some(view) = &self.view {
                    store.save_view(view).ok();
                }
                self.store.insert(tuning.tuned(store))
            }
            (None, None) => return Ok(()),
        };
        store.append(&self.pending)?;
        self.pending.clear();
        if store.wants_compaction() {
            store.compact()?;
        }
        Ok(())
    }
}

/// What an earlier session left.
struct Left {
    store: Store,
    state: State,
    view: Option<serde_json::Value>,
    warnings: Vec<String>,
}

/// What an earlier session left in a folder.
fn found(folder: &Path) -> Result<Option<Left>, StoreError> {
    let (store, saved) = match Store::open(folder) {
        Ok(found) => found,
        Err(StoreError::NotAProject { .. }) => return Ok(None),
        Err(StoreError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut warnings: Vec<String> = saved.warnings.iter().map(ToString::to_string).collect();
    let view = saved.view.clone();
    let (state, more) = saved.into_state()?;
    warnings.extend(more.iter().map(ToString::to_string));
    warnings.dedup();
    Ok(Some(Left { store, state, view, warnings }))
}

fn remove(folder: &Path) {
    if folder.exists()
        && let Err(error) = std::fs::remove_dir_all(folder)
    {
        tracing::warn!(
            "a folder of automatically saved work cannot be removed ({error}): {}",
            folder.display()
        );
    }
}

#[cfg(test)]
mod tests;
