//! The thread that reads, writes and measures.

mod event;
mod measured;
mod request;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hilum_core::io::{FileKind, OpenError, OpenOptions, Opened, SeriesSummary};
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};

use super::open_project::Refusal;
use super::photo::{self, OpenedPhoto};
use super::slide::SlidePages;
use super::{Event, Inbox, OpenProject, ahead, masks};

pub use event::IoEvent;
use measured::measure;
pub use request::{IoRequest, MeasureRequest, SaveRequest};
use watch::{Quiet, Watcher};

/// A project that was open is let go of within this time.
const LONGEST_RELEASE: Duration = Duration::from_secs(20);

/// Handles one request on the `io` thread.
pub fn handle(request: IoRequest, inbox: &Inbox) {
    let event = match request {
        IoRequest::Open { request, path, selection, store, cancel } => {
            let watcher = Watcher::new(request, cancel, inbox);
            open(path, &selection.into(), store.as_deref(), &watcher)
        }
        IoRequest::OpenProject { request, project, released, cancel } => {
            released.recv_timeout(LONGEST_RELEASE).ok();
            let watcher = Watcher::new(request, cancel, inbox);
            open_project(&project, &watcher)
        }
        IoRequest::Slide { path } => IoEvent::Slide(SlidePages::of(&path).map(Box::new)),
        IoRequest::Table(asked) => IoEvent::Table { session: asked.session, table: Box::new(asked.run()) },
        IoRequest::ReadReference { session, path, image } => {
            let labels = masks::read(&path, &image);
            IoEvent::Reference { session, path, labels }
        }
        IoRequest::WriteText { path, text } => {
            let written = hilum_core::io::replace_file(&path, |out| out.write_all(text.as_bytes()));
            IoEvent::Written { path, error: written.err().map(|error| error.to_string()) }
        }
        IoRequest::Pictures { request, paths, store } => {
            ahead::list_pictures(request, paths, store.as_deref())
        }
        IoRequest::Prefetch { request, path, selection, store, cancel } => {
            ahead::prefetch(request, &path, &selection.into(), store.as_deref(), &cancel)
        }
        IoRequest::Enhance(asked) => {
            let volume = asked.run().map(Arc::new);
            IoEvent::Enhanced { session: asked.session, how: asked.how, volume }
        }
        IoRequest::WriteTable { path, rows } => {
            let error = photo::write_table(&path, &rows).err().map(|error| error.to_string());
            IoEvent::Written { path, error }
        }
        IoRequest::Keep(photo) => match photo.write() {
            Ok(()) => return,
            Err(error) => {
                let why = format!("The outlines are not kept: {error:#}");
                IoEvent::NotKept { session: photo.session, why }
            }
        },
        IoRequest::Flush(sender) => {
            // Nobody may be waiting any more.
            sender.send(()).ok();
            return;
        }
        IoRequest::WriteMap(asked) => {
            let error = asked.write().err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WriteFigure(asked) => {
            let error = asked.write().err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WritePage(asked) => {
            let error = photo::write_page(&asked).err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WritePicture { path, picture } => {
            let error = picture.write(&path).err().map(|error| format!("{error:#}"));
            IoEvent::Written { path, error }
        }
        IoRequest::Sample { request } => sample(request),
        IoRequest::ImportMask { session, path, image } => {
            IoEvent::MaskRead { session, mask: masks::import(&path, &image) }
        }
        IoRequest::Save(request) => masks::save(request),
        IoRequest::ExportSurface(request) => masks::export_surface(&request),
        IoRequest::Measure(request) => match measure(&request) {
            Some(measurement) => {
                IoEvent::Measured { session: request.session, measurement: Box::new(measurement) }
            }
            None => return,
        },
    };
    inbox.send(Event::Io(event));
}

fn open(path: PathBuf, options: &OpenOptions, store: Option<&Path>, watcher: &Watcher<'_>) -> IoEvent {
    let request = watcher.request;
    match choose_or_open(&path, options, watcher) {
        Ok(Found::Series(series)) => IoEvent::Series { request, path, series },
        Ok(Found::Pictures(paths)) => ahead::list_pictures(request, paths, store),
        Ok(Found::Image(opened)) => {
            let photo = OpenedPhoto::of(&opened.volume, Some(&path), store).map(Box::new);
            IoEvent::Opened { request, path: Some(path), opened, photo }
        }
        Err(OpenError::Cancelled(_)) => IoEvent::OpenFailed { request, error: None },
        Err(error) => IoEvent::OpenFailed { request, error: Some(error.to_string()) },
    }
}

fn open_project(project: &OpenProject, watcher: &Watcher<'_>) -> IoEvent {
    let request = watcher.request;
    match project.run(&Quiet(watcher)) {
        Ok(project) => IoEvent::ProjectOpened { request, project: Box::new(project) },
        Err(Refusal::Image(problem)) => IoEvent::ImageProblem { request, problem },
        Err(Refusal::Cancelled) => IoEvent::OpenFailed { request, error: None },
        Err(Refusal::Failed(error)) => IoEvent::OpenFailed { request, error: Some(error) },
    }
}

enum Found {
    Series(Vec<SeriesSummary>),
    Pictures(Vec<PathBuf>),
    Image(Box<Opened>),
}

fn choose_or_open(path: &Path, options: &OpenOptions, watcher: &Watcher<'_>) -> Result<Found, OpenError> {
    if options.selection.series_uid.is_none() && hilum_core::io::probe(path)? == FileKind::Folder {
        let pictures = photo::pictures(path);
        if !pictures.is_empty() {
            return Ok(Found::Pictures(pictures));
        }
        let series = hilum_core::io::list_series(path, options, watcher)?;
        if series.len() > 1 {
            return Ok(Found::Series(series));
        }
    }
    hilum_core::io::open(path, options, watcher).map(|opened| Found::Image(Box::new(opened)))
}

fn sample(request: u64) -> IoEvent {
    match ct_phantom(&CtPhantomOptions::default()) {
        Ok(phantom) => {
            let opened = Opened { volume: phantom.volume, warnings: Vec::new() };
            IoEvent::Opened { request, path: None, opened: Box::new(opened), photo: None }
        }
        Err(error) => IoEvent::OpenFailed { request, error: Some(error.to_string()) },
    }
}
