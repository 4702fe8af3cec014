//! The thread that keeps every change on disk, so that neither a crash nor loss of power takes work away.
//!
//! Each image has a folder of its own below the program's data folder. It is removed when the image is closed in
//! good order; one that is found when an image is opened was left by a crash and is offered to the person.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::{JournalRecord, Snapshot, State};
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
    /// Go on with the work that was found (or forget it).
    Continue(bool),
    /// Changes to be kept.
    Append(Vec<JournalRecord>),
    /// The image was closed in good order.
    Discard,
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
    /// Work was left by a crash.
    Found {
        /// The image.
        session: u64,
        /// The state it was in.
        state: Box<State>,
        /// What was mended.
        warnings: Vec<String>,
    },
    /// Changes cannot be kept; told once an image.
    Failed {
        /// The image.
        session: u64,
        /// Why, for people.
        why: String,
    },
}

/// The image at hand and its folder.
struct Attached {
    session: u64,
    folder: PathBuf,
    reference: ImageReference,
    snapshot: Snapshot,
    store: Option<Store>,
    /// Work of an earlier session waits for the person's answer.
    offered: bool,
    /// Changes that are not on disk yet.
    pending: Vec<JournalRecord>,
    complained: bool,
}

/// Owns the project that is open.
pub struct ProjectWorker {
    folder: Option<PathBuf>,
    inbox: Inbox,
    attached: Option<Attached>,
}

impl ProjectWorker {
    /// Keeps projects below `folder`; nothing is kept without one.
    pub fn new(folder: Option<PathBuf>, inbox: Inbox) -> Self {
        Self { folder, inbox, attached: None }
    }

    /// Handles one request.
    pub fn handle(&mut self, request: ProjectRequest) {
        match request {
            ProjectRequest::Attach { session, volume, snapshot } => self.attach(session, &volume, *snapshot),
            ProjectRequest::Continue(yes) => self.go_on(yes),
            ProjectRequest::Append(records) => self.append(records),
            ProjectRequest::Discard => self.discard(),
            ProjectRequest::Flush(sender) => drop(sender.send(())),
        }
    }

    fn attach(&mut self, session: u64, volume: &Volume, snapshot: Snapshot) {
        self.attached = None;
        let Some(root) = &self.folder else { return };
        let reference = ImageReference::of(volume);
        let folder = root.join(reference.folder_name());
        let mut attached = Attached {
            session,
            folder,
            reference,
            snapshot,
            store: None,
            offered: false,
            pending: Vec::new(),
            complained: false,
        };
        match found(&attached.folder) {
            Ok(None) => {}
            Ok(Some((store, state, warnings))) => {
                if state.history().is_empty() {
                    drop(store);
                    remove(&attached.folder);
                } else {
                    attached.store = Some(store);
                    attached.offered = true;
                    let event = ProjectEvent::Found { session, state: Box::new(state), warnings };
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

    fn complain(&self, session: u64, error: &StoreError) {
        let why = format!("Changes are not kept for the case of a crash: {error}");
        self.inbox.send(Event::Project(ProjectEvent::Failed { session, why }));
    }

    fn say_set_aside(&self, session: u64, error: &StoreError, kept: &Path) {
        let why = format!(
            "Earlier changes to this image cannot be opened ({error}). They are set aside as {}; new changes are kept.",
            kept.display()
        );
        self.inbox.send(Event::Project(ProjectEvent::Failed { session, why }));
    }

    fn go_on(&mut self, yes: bool) {
        let Some(attached) = &mut self.attached else { return };
        attached.offered = false;
        if yes {
            // What was done before the answer belongs to the document that is now replaced.
            attached.pending.clear();
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
        let Err(error) = attached.write() else {
            attached.complained = false;
            return;
        };
        // Kept and tried again with the next change; said once.
        if !std::mem::replace(&mut attached.complained, true) {
            let session = attached.session;
            self.complain(session, &error);
        }
    }

    fn discard(&mut self) {
        if let Some(attached) = self.attached.take() {
            let Attached { store, folder, offered, .. } = attached;
            drop(store);
            // Work that was offered and never answered stays for the next time.
            if !offered {
                remove(&folder);
            }
        }
    }
}

impl Attached {
    fn write(&mut self) -> Result<(), StoreError> {
        let store = match &mut self.store {
            Some(store) => store,
            None => self.store.insert(Store::create(&self.folder, self.reference.clone(), &self.snapshot)?),
        };
        store.append(&self.pending)?;
        self.pending.clear();
        if store.wants_compaction() {
            store.compact()?;
        }
        Ok(())
    }
}

type Left = (Store, State, Vec<String>);

/// What an earlier session left in a folder.
fn found(folder: &Path) -> Result<Option<Left>, StoreError> {
    let (store, saved) = match Store::open(folder) {
        Ok(found) => found,
        Err(StoreError::NotAProject { .. }) => return Ok(None),
        Err(StoreError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut warnings: Vec<String> = saved.warnings.iter().map(ToString::to_string).collect();
    let (state, more) = saved.into_state()?;
    warnings.extend(more.iter().map(ToString::to_string));
    warnings.dedup();
    Ok(Some((store, state, warnings)))
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
