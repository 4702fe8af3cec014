//! Pictures one after the other: flipping, opening the next one early, what is kept, table and page.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::fundus::patient_from_name;
use hilum_core::io::Selection;
use hilum_core::job::CancelToken;

use super::HilumApp;
use super::photo::photo_document;
use crate::command::UiCommand;
use crate::jobs::{
    Ask, InferRequest, IoRequest, KeepPhoto, LabelAnswer, LabelChoice, LabelRequest, PageRequest,
    PhotoRecord, ReviewState, TableRow,
};
use crate::state::{
    Album, Found, Guarded, LabelPurpose, Next, NextLabels, Opening, Photo, RunningLabels, Session, Severity,
};

/// Changes wait at least this long for the next one before they are kept.
const KEEP_SECS: f64 = 0.3;

impl HilumApp {
    /// Looks at several pictures, the first one first.
    pub(super) fn take_pictures(&mut self, pictures: Vec<(PathBuf, Option<PhotoRecord>)>, notes: &[String]) {
        for note in notes {
            self.state.messages.say(Severity::Warning, note.as_str());
        }
        self.state.opening = None;
        let first_open = |(_, record): &(PathBuf, Option<PhotoRecord>)| {
            record.as_ref().is_none_or(|record| record.state != ReviewState::Reviewed)
        };
        let at = pictures.iter().position(first_open).unwrap_or(0);
        if let Some(folder) = pictures.first().and_then(|(path, _)| path.parent()) {
            self.state.settings.remember(folder);
        }
        self.state.album = Some(Album::new(pictures));
        self.show_picture(at);
    }

    pub(super) fn flip(&mut self, ctx: &egui::Context, forward: bool) {
        if let Some(at) = self.state.album.as_ref().and_then(|album| album.neighbour(forward)) {
            self.guard(ctx, Guarded::Picture(at));
        }
    }

    /// Left and right (up and down) flip through an album of flat pictures.
    pub(super) fn as_flip(&self, command: UiCommand) -> UiCommand {
        let is_flat = self.state.session.as_ref().is_none_or(|session| session.views.is_flat());
        match command {
            UiCommand::PreviousSlice if is_flat && self.state.album.is_some() => UiCommand::PreviousPicture,
            UiCommand::NextPicture if self.state.album.is_none() && self.state.worklist.is_some() => {
                UiCommand::NextCase
            }
            UiCommand::NextSlice if is_flat && self.state.album.is_some() => UiCommand::NextPicture,
            other => other,
        }
    }

    /// Looks at a picture of the album.
    pub(super) fn show_picture(&mut self, at: usize) {
        self.keep_photo(None);
        self.forget_opening_case();
        let Some(album) = &mut self.state.album else { return };
        let Some(picture) = album.pictures.get(at) else { return };
        let path = picture.path.clone();
        album.at = at;
        let Some(mut next) = album.next.take_if(|next| next.at == at && !next.has_failed) else {
            if let Some(next) = album.next.take() {
                next.stop();
            }
            self.open_path(path, Selection::default());
            return;
        };
        match next.found.take() {
            Some(found) => self.show_found(path, found, next.labels),
            None => {
                if let Some(opening) = self.state.opening.take() {
                    opening.cancel.cancel();
                }
                let name = album.pictures[at].name.clone();
                let (request, cancel) = (next.request, next.cancel.clone());
                self.state.opening =
                    Some(Opening { request, name, cancel, what: "Reading…".into(), share: None });
                if let Some(album) = &mut self.state.album {
                    album.next = Some(next);
                }
            }
        }
    }

    fn show_found(&mut self, path: PathBuf, found: Found, labels: NextLabels) {
        if let Some(opening) = self.state.opening.take() {
            opening.cancel.cancel();
        }
        self.show_opened(Some(&path), found);
        self.adopt(labels);
    }

    /// Labels that were asked for before the picture was looked at.
    fn adopt(&mut self, labels: NextLabels) {
        let Some(session) = &mut self.state.session else { return };
        let Some(photo) = &mut session.photo else { return };
        let running = |request, model, cancel| RunningLabels {
            request,
            purpose: LabelPurpose::DiscCup,
            model,
            labels_revision: 0,
            cancel,
            since: std::time::Instant::now(),
            what: "Waiting for the network".into(),
            share: None,
        };
        match labels {
            NextLabels::NotAsked => {}
            NextLabels::Running { request, model, cancel } => {
                photo.asked = true;
                session.labelling.push(running(request, model, cancel));
            }
            NextLabels::Done(Ok(answer)) => {
                photo.asked = true;
                let model = answer.labels.models.last().cloned().unwrap_or_default();
                self.write_labels(&running(0, model, CancelToken::default()), *answer);
            }
            NextLabels::Done(Err(error)) => {
                photo.asked = error.is_some();
                if let Some(error) = error {
                    self.state.messages.error(error);
                }
            }
        }
    }

    /// Opens the picture after the one that is looked at, once that one rests.
    pub(super) fn prefetch(&mut self) {
        let is_busy = self.state.opening.is_some()
            || self.state.session.as_ref().is_none_or(|session| !session.labelling.is_empty());
        let Some(at) = self.state.album.as_ref().filter(|a| a.next.is_none()).and_then(|a| a.neighbour(true))
        else {
            return;
        };
        if is_busy {
            return;
        }
        let (request, cancel) = (self.number(), CancelToken::default());
        let store = self.photo_store.clone();
        let Some(album) = &mut self.state.album else { return };
        let path = album.pictures[at].path.clone();
        let asked = IoRequest::Prefetch {
            request,
            path,
            selection: Selection::default(),
            store,
            cancel: cancel.clone(),
        };
        if self.io.ask(asked).is_ok() {
            let labels = NextLabels::NotAsked;
            album.next = Some(Next { at, request, cancel, found: None, has_failed: false, labels });
        }
    }

    pub(super) fn take_prefetched(&mut self, request: u64, found: Option<Found>) {
        let is_opening = self.is_opening(request);
        let Some(album) = &mut self.state.album else { return };
        let Some(next) = album.next.as_mut().filter(|next| next.request == request) else { return };
        if is_opening {
            let path = album.pictures[next.at].path.clone();
            album.next = None;
            match found {
                Some(found) => self.show_found(path, found, NextLabels::NotAsked),
                // Opened again, so that the reason is told.
                None => self.open_path(path, Selection::default()),
            }
            return;
        }
        next.has_failed = found.is_none();
        next.found = found;
        self.label_next();
    }

    /// Outlines the picture that comes next, if it is a fundus nobody has outlined.
    fn label_next(&mut self) {
        let request = self.number();
        let device = self.state.device_choice();
        let Some(model) = self.state.model_for("disc_cup").map(|model| model.card.id.clone()) else { return };
        let Some(next) = self.state.album.as_mut().and_then(|album| album.next.as_mut()) else { return };
        let Some(Found { volume, photo: Some(photo), .. }) = &next.found else { return };
        if !photo.facts.is_fundus() || photo.kept.is_some() {
            return;
        }
        let (volume, cancel) = (Arc::clone(volume), CancelToken::default());
        let choice = LabelChoice { device, model: model.clone(), versions: None };
        let asked = LabelRequest { request, choice, volume, cancel: cancel.clone() };
        if self.infer.ask(InferRequest::Label(asked)).is_ok() {
            next.labels = NextLabels::Running { request, model, cancel };
        }
    }

    /// Keeps labels for the next picture; gives back an answer that is not for it.
    pub(super) fn take_labels_of_next(
        &mut self,
        request: u64,
        result: Result<Box<LabelAnswer>, Option<String>>,
    ) -> Option<Result<Box<LabelAnswer>, Option<String>>> {
        let next = self.state.album.as_mut().and_then(|album| album.next.as_mut());
        let Some(labels) = next.map(|next| &mut next.labels) else { return Some(result) };
        if !matches!(&*labels, NextLabels::Running { request: asked, .. } if *asked == request) {
            return Some(result);
        }
        *labels = NextLabels::Done(result);
        None
    }

    /// A picture that cannot be opened is left out from now on, and the one that is open stays.
    pub(super) fn picture_failed(&mut self, error: &str) {
        let open = self.state.session.as_ref().and_then(|s| s.photo.as_ref()).and_then(|p| p.path.clone());
        let Some(album) = &mut self.state.album else { return };
        let at = album.at;
        if let Some(picture) = album.pictures.get_mut(at) {
            picture.broken = Some(error.to_owned());
        }
        if let Some(back) = open.and_then(|path| album.place_of(&path)) {
            album.at = back;
        }
    }

    /// Keeps what was made of the open picture, not more often than a few times a second.
    pub(super) fn keep_photo_when_quiet(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.keep_photo(Some(now));
        let wait = self.photo_kept_at_secs + KEEP_SECS - now;
        if (0.0..KEEP_SECS).contains(&wait) {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(wait + 0.01));
        }
    }

    /// Keeps what was made of the open picture: at once without a time, else when the hand rests.
    pub(super) fn keep_photo(&mut self, now_secs: Option<f64>) {
        self.read_photo();
        let store = self.photo_store.clone();
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let Some(photo) = session.photo.as_ref().filter(|photo| photo.is_kept && photo.drag.is_none()) else {
            return;
        };
        if session.document.is_stroking() && now_secs.is_some() {
            return;
        }
        if now_secs.is_some_and(|now| (0.0..KEEP_SECS).contains(&(now - self.photo_kept_at_secs))) {
            return;
        }
        let (Some(store), Some(image)) = (store, photo.path.clone()) else { return };
        let record = record_of(session, photo);
        let revision = session.labels_revision;
        let is_untouched =
            record.state == ReviewState::Open && record.eye.is_none() && !record.measured_anyway;
        let labels_changed = match &photo.kept {
            Some((of, old)) if *of == revision && *old == record => return,
            Some((of, _)) => *of != revision,
            None if is_untouched && revision == 0 => return,
            None => revision != 0,
        };
        let labels = labels_changed.then(|| Arc::clone(session.document.labels()));
        let keep = KeepPhoto {
            session: session.id,
            store,
            image: image.clone(),
            selection: Selection::of(session.volume()),
            record: record.clone(),
            labels,
        };
        if self.io.ask(IoRequest::Keep(Box::new(keep))).is_err() {
            return;
        }
        self.photo_kept_at_secs = now_secs.unwrap_or(self.photo_kept_at_secs);
        if let Some(photo) = &mut session.photo {
            photo.kept = Some((revision, record.clone()));
        }
        let place = self.state.album.as_ref().and_then(|album| album.place_of(&image));
        if let (Some(album), Some(at)) = (&mut self.state.album, place) {
            album.pictures[at].record = Some(record);
        }
    }

    /// What was made of a picture could not be kept: it must be saved from now on.
    pub(super) fn photo_not_kept(&mut self, id: u64, why: String) {
        if let Some(session) = self.state.session.as_mut().filter(|session| session.id == id)
            && let Some(photo) = &mut session.photo
        {
            photo.is_kept = false;
        }
        self.state.messages.error(why);
    }

    pub(super) fn export_table(&mut self, path: PathBuf) {
        self.keep_photo(None);
        let row = |name: &str, record: Option<&PhotoRecord>| match record {
            Some(record) if !record.cells.is_empty() => record.cells.clone(),
            _ => vec![
                ("image".to_owned(), stem(name)),
                ("state".to_owned(), ReviewState::Open.text().to_owned()),
            ],
        };
        let rows: Vec<TableRow> = match &self.state.album {
            Some(album) => album.pictures.iter().map(|p| row(&p.name, p.record.as_ref())).collect(),
            None => {
                let Some(session) = self.state.editable() else { return };
                let Some(photo) = &session.photo else { return };
                vec![record_of(session, photo).cells]
            }
        };
        let path = if path.extension().is_some() { path } else { path.with_extension("csv") };
        self.write_file(IoRequest::WriteTable { path, rows });
    }

    fn write_file(&mut self, request: IoRequest) {
        if self.io.ask(request).is_err() {
            self.state.messages.error("the thread that writes files is busy; try again in a moment");
        }
    }

    pub(super) fn ask_for_page(&mut self) {
        let path = self.state.eye().and_then(|photo| photo.path.clone());
        let patient = path.map_or_else(|| "eye".to_owned(), |path| patient_from_name(&path));
        self.ask(Ask::SavePage { name: format!("{patient}.pdf") });
    }

    pub(super) fn save_page(&mut self, path: PathBuf) {
        self.keep_photo(None);
        let Some(session) = self.state.editable() else { return };
        let Some(photo) = &session.photo else { return };
        let image = photo.path.clone().unwrap_or_else(|| PathBuf::from(&session.volume().meta().title));
        let patient = patient_from_name(&image);
        let is_fellow = |path: &&PathBuf| **path != image && patient_from_name(path) == patient;
        let pictures = self.state.album.iter().flat_map(|album| album.pictures.iter().map(|p| &p.path));
        let request = PageRequest {
            path: if path.extension().is_some() { path } else { path.with_extension("pdf") },
            volume: Arc::clone(session.volume()),
            facts: Arc::clone(&photo.facts),
            labels: Arc::clone(session.document.labels()),
            eye: photo.eye,
            state: photo.state(&session.document),
            models: photo.models.clone(),
            others: pictures.filter(is_fellow).cloned().collect(),
            store: self.photo_store.clone(),
            image: image.clone(),
        };
        self.write_file(IoRequest::WritePage(Box::new(request)));
    }

    /// The session of a flat picture.
    pub(super) fn photo_session(
        &mut self,
        volume: Arc<hilum_core::volume::Volume>,
        path: Option<&std::path::Path>,
        opened: crate::jobs::OpenedPhoto,
        warnings: Vec<hilum_core::io::Warning>,
    ) -> Session {
        if let Some(note) = &opened.note {
            self.state.messages.say(Severity::Warning, note.as_str());
        }
        let (document, mut photo) = photo_document(volume, path, opened);
        let can_keep = self.photo_store.is_some() && path.is_some();
        photo.is_kept = can_keep && (photo.is_eye() || self.state.album.is_some());
        let mut session = Session::new(self.number(), document, warnings, false);
        session.photo = Some(photo);
        session
    }
}

/// What is known of a picture, with its row of the table.
fn record_of(session: &Session, photo: &Photo) -> PhotoRecord {
    let state = photo.state(&session.document);
    let name = photo.path.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    let name = stem(&name.unwrap_or_else(|| session.volume().meta().title.as_str().into()));
    let reading = photo.figures();
    let eye = reading.and_then(|reading| reading.eye);
    let mut cells = match reading.and_then(|reading| reading.figures()) {
        Some(figures) => crate::cli::cdr::cells(&name, eye.as_ref(), figures),
        None => vec![("image".to_owned(), name)],
    };
    cells.insert(1, ("state".to_owned(), state.text().to_owned()));
    if let Some(share) = reading.and_then(|reading| reading.vessel_share) {
        cells.push(("vessel_share".to_owned(), format!("{share:.4}")));
    }
    cells.push(("models".to_owned(), photo.models.join(" ")));
    PhotoRecord {
        state,
        eye: photo.eye,
        measured_anyway: photo.measured_anyway,
        models: photo.models.clone(),
        vertical: reading.and_then(crate::jobs::PhotoReading::vertical),
        cells,
    }
}

fn stem(name: &str) -> String {
    let path = std::path::Path::new(name);
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
