//! Looking through work that was kept without a project, and deleting it, on a thread that ends with that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use hilum_core::job::CancelToken;
use hilum_core::project::{KeptWork, list_kept};

use super::{Event, Inbox};

/// How long a listing waits for changes that are being written.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What is told about kept work.
#[derive(Debug)]
pub enum KeptEvent {
    /// One was looked into.
    Found {
        /// Number of the listing.
        listing: u64,
        /// It.
        work: Box<KeptWork>,
    },
    /// All were.
    Listed {
        /// Number of the listing.
        listing: u64,
        /// Why they cannot be listed, for people.
        result: Result<(), String>,
    },
    /// One was deleted, or not.
    Deleted {
        /// Its folder.
        folder: PathBuf,
        /// What people call its image.
        image: String,
        /// Whether its folder is gone; else something of others lies in it. The error is for people.
        result: Result<bool, String>,
    },
}

/// Lists all kept work below a folder, one by one as they are looked into, once `written` tells that what was just closed is
/// there.
///
/// # Errors
/// That of the operating system, if there is no thread to be had.
pub fn list(
    root: &Path,
    listing: u64,
    written: Receiver<()>,
    cancel: CancelToken,
    inbox: &Inbox,
) -> io::Result<()> {
    let (root, inbox) = (root.to_owned(), inbox.clone());
    run(move || {
        // A disk that does not answer keeps nobody from looking, nor does a thread that is gone.
        written.recv_timeout(LONGEST_WAIT).ok();
        let listed = list_kept(&root, |work| {
            !cancel.is_cancelled()
                && inbox.send(Event::Kept(KeptEvent::Found { listing, work: Box::new(work.clone()) }))
        });
        let result = listed.map(drop).map_err(|error| error.to_string());
        inbox.send(Event::Kept(KeptEvent::Listed { listing, result }));
    })
}

/// Deletes a kept work.
///
/// # Errors
/// That of the operating system, if there is no thread to be had.
pub fn delete(work: KeptWork, inbox: &Inbox) -> io::Result<()> {
    let inbox = inbox.clone();
    run(move || {
        let result = work.delete().map_err(|error| error.to_string());
        let (image, folder) = (work.image_name(), work.folder);
        inbox.send(Event::Kept(KeptEvent::Deleted { folder, image, result }));
    })
}

fn run(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("kept".into()).spawn(work).map(drop)
}
