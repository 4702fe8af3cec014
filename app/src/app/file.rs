//! Opening, saving, closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::ViewportCommand;
use hilum_core::document::Document;
use hilum_core::io::{LabelName, Selection, Warning};
use hilum_core::job::CancelToken;
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;

use super::HilumApp;
use crate::command::{DeidentifyAction, UiCommand};
use crate::jobs::{Ask, InferRequest, IoRequest, OpenProject, SaveRequest};
use crate::state::{DeidentifyChoice, Dialog, Found, Guarded, Opening, Photo, Session, Severity, Tool};

impl HilumApp {
    pub(super) fn run_file(&mut self, ctx: &egui::Context, command: UiCommand) {
        match command {
            UiCommand::OpenFile => self.ask(Ask::OpenFile),
            UiCommand::OpenFolder => self.ask(Ask::OpenFolder),
            UiCommand::OpenSample => {
                self.guard(ctx, Guarded::Open { path: None, selection: Selection::default() })
            }
            UiCommand::ImportMask => self.ask(Ask::ImportMask),
            UiCommand::Save => self.save(false),
            UiCommand::SaveAs => self.save(true),
            UiCommand::ExportSurface => self.ask_for_surface(),
            UiCommand::ChoosePart => self.look_at_slide(),
            UiCommand::NextTimePoint => self.open_time_point(true),
            UiCommand::PreviousTimePoint => self.open_time_point(false),
            UiCommand::SavePicture => self.take_picture(ctx),
            UiCommand::Deidentify => self.deidentify(DeidentifyAction::Choose(DeidentifyChoice::default())),
            UiCommand::CloseImage => self.guard(ctx, Guarded::CloseImage),
            UiCommand::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            _ => {}
        }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        if let Err(error) = self.dialogs.ask(ask, &self.inbox) {
            self.state.messages.error(format!("the file dialog cannot be shown: {error}"));
        }
    }

    /// Opens what was named on the command line or dropped on the window. Of several files the first; DICOM
    /// slices of one folder are opened as that folder.
    pub(super) fn open_dropped(&mut self, paths: Vec<PathBuf>) {
        let Some(first) = paths.first().cloned() else { return };
        let parent = first.parent().map(Path::to_owned);
        let together = paths.len() > 1 && paths.iter().all(|path| path.parent() == parent.as_deref());
        let is_dicom = matches!(hilum_core::io::probe(&first), Ok(hilum_core::io::FileKind::Dicom));
        let is_picture =
            |path: &PathBuf| matches!(hilum_core::io::probe(path), Ok(hilum_core::io::FileKind::Raster));
        if paths.len() > 1 && paths.iter().all(is_picture) {
            self.actions.send(crate::command::Action::OpenPictures(paths));
            return;
        }
        let path = match parent {
            Some(folder) if together && is_dicom => folder,
            _ => {
                if paths.len() > 1 {
                    let text = format!("{} files were given; the first one is opened", paths.len());
                    self.state.messages.say(Severity::Warning, text);
                }
                first
            }
        };
        self.actions.send(crate::command::Action::open(path));
    }

    /// Whether the window may close without a question.
    pub(super) fn may_close(&self) -> bool {
        self.state.may_close || !self.state.session.as_ref().is_some_and(Session::has_unsaved_work)
    }

    /// Does it at once, or asks first if work would be lost.
    pub(super) fn guard(&mut self, ctx: &egui::Context, what: Guarded) {
        // A new intention: what was said about the one before no longer counts.
        self.dropped = None;
        self.finish_aside();
        if self.state.session.as_ref().is_some_and(Session::has_unsaved_work) {
            self.state.dialog = Dialog::Unsaved(what);
            ctx.request_repaint();
        } else {
            self.go_on(ctx, what);
        }
    }

    pub(super) fn go_on(&mut self, ctx: &egui::Context, what: Guarded) {
        match what {
            Guarded::Quit => {
                self.state.may_close = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Guarded::CloseImage => self.close_image(),
            Guarded::Open { path: Some(path), selection } => {
                self.leave_pictures();
                self.remember_look(&path);
                match self.case_of_image(&path, &selection) {
                    Some(case) => self.open_case(case),
                    None => self.open_path(path, selection),
                }
            }
            Guarded::Open { path: None, .. } => {
                self.leave_pictures();
                self.start_sample();
            }
            Guarded::OpenProject(project) => {
                self.leave_pictures();
                self.open_project(project);
            }
            Guarded::OpenPictures(paths) => {
                self.leave_pictures();
                let (request, _) = self.begin("pictures".into());
                self.ask_io(IoRequest::Pictures { request, paths, store: self.photo_store.clone() });
            }
            Guarded::Picture(at) => self.show_picture(at),
            Guarded::Case(case) => {
                self.leave_pictures();
                self.open_case(case);
            }
        }
    }

    /// What was made of the open picture is kept, and the others are no longer looked at.
    fn leave_pictures(&mut self) {
        self.keep_photo(None);
        let session = self.state.session.as_ref().map(|session| session.id);
        self.left_pictures = session.zip(self.state.album.take());
    }

    /// Where nothing came of what was to be opened, the picture on the screen is one of its list again.
    pub(super) fn return_to_pictures(&mut self) {
        let is_undecided = self.state.opening.is_some()
            || matches!(self.state.dialog, Dialog::Series(_) | Dialog::Relocate(_));
        if is_undecided || self.left_pictures.is_none() {
            return;
        }
        let open = self.state.session.as_ref().map(|session| session.id);
        let left = self.left_pictures.take().filter(|(session, _)| Some(*session) == open);
        if let (None, Some((_, album))) = (&self.state.album, left) {
            self.state.album = Some(album);
        }
    }

    fn close_image(&mut self) {
        self.leave_pictures();
        self.cancel();
        self.detach();
        self.state.session = None;
        self.state.tool = Tool::Navigate;
    }

    pub(super) fn begin(&mut self, name: String) -> (u64, CancelToken) {
        if let Some(opening) = self.state.opening.take() {
            opening.cancel.cancel();
        }
        // Whatever is opened from now on is no case, unless whoever opens it says so.
        self.forget_opening_case();
        let (request, cancel) = (self.number(), CancelToken::default());
        let opening =
            Opening { request, name, cancel: cancel.clone(), what: "Reading…".into(), share: None };
        self.state.opening = Some(opening);
        (request, cancel)
    }

    /// Starts to open a file or folder.
    pub(super) fn open_path(&mut self, path: PathBuf, selection: Selection) {
        if path.is_dir() && hilum_core::worklist::is_worklist(&path) {
            return self.open_worklist(path);
        }
        if path.is_dir() && hilum_core::project::is_project(&path) {
            return self.open_project(OpenProject { folder: path, image_at: None });
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let (request, cancel) = self.begin(name);
        let store = self.photo_store.clone();
        self.ask_io(IoRequest::Open { request, path, selection, store, cancel });
    }

    fn start_sample(&mut self) {
        let (request, _) = self.begin("sample case".into());
        self.ask_io(IoRequest::Sample { request });
    }

    /// Reads a mask for the open image.
    pub(super) fn import_mask(&mut self, path: PathBuf) {
        let Some(session) = self.state.editable() else { return };
        let image = Arc::clone(session.volume());
        let session = session.id;
        self.ask_io(IoRequest::ImportMask { session, path, image });
    }

    pub(super) fn ask_io(&mut self, request: IoRequest) {
        if self.io.ask(request).is_err() {
            self.state.opening = None;
            self.state.saving = false;
            self.state.messages.error("the thread that reads files is busy; try again in a moment");
        }
    }

    /// Whether an answer belongs to the image being opened.
    pub(super) fn is_opening(&self, request: u64) -> bool {
        self.state.opening.as_ref().is_some_and(|opening| opening.request == request)
    }

    /// One slice is shown while the rest is read, unless there is work on another image.
    pub(super) fn show_glimpse(&mut self, slice: Volume) {
        self.detach();
        let id = self.number();
        let document = Document::new(Arc::new(slice));
        self.replace_session(Session::new(id, document, Vec::new(), true));
    }

    pub(super) fn show_opened(&mut self, path: Option<&Path>, found: Found) {
        self.state.opening = None;
        if let Some(path) = path.filter(|_| self.state.album.is_none()) {
            self.state.settings.remember(path);
        }
        let Found { volume, mut warnings, photo } = found;
        if photo.is_some() {
            // A ratio needs no scale, and photographs have none.
            warnings.retain(|warning| *warning != Warning::NoSpacing);
        }
        self.announce(&warnings);
        self.keep_photo(None);
        let mut session = match photo {
            Some(photo) => self.photo_session(volume, path, photo, warnings),
            None => Session::new(self.number(), self.new_document(volume), warnings, false),
        };
        self.detach();
        self.state.options.forget_case();
        self.attach(&mut session);
        self.look_as_before(path, &mut session);
        if session.can_segment() {
            self.infer.ask(InferRequest::Prepare(self.state.engine_choice())).ok();
        }
        self.replace_session(session);
        self.look_as_chosen();
    }

    /// A document without labels; one of a case has the names of its worklist.
    fn new_document(&self, volume: Arc<Volume>) -> Document {
        let worklist = self.state.worklist.as_ref().filter(|worklist| worklist.opening.is_some());
        let Some(worklist) = worklist else { return Document::new(volume) };
        let empty = LabelMap::new(*volume.grid());
        Document::starting_with(Arc::clone(&volume), worklist.list.labels.clone(), empty)
            .unwrap_or_else(|_| Document::new(volume))
    }

    pub(super) fn announce(&mut self, warnings: &[Warning]) {
        match warnings {
            [] => {}
            [one] => self.state.messages.say(Severity::Warning, one.to_string()),
            [first, rest @ ..] => {
                let text = format!("{first} (and {} more, see Help › Image warnings)", rest.len());
                self.state.messages.say(Severity::Warning, text);
            }
        }
    }

    pub(super) fn replace_session(&mut self, session: Session) {
        if let Some(old) = &mut self.state.session {
            old.stop_asking();
        }
        let is_eye = session.photo.as_ref().is_some_and(Photo::is_eye);
        if self.state.tool == Tool::Ellipse && !is_eye {
            self.state.tool = Tool::Navigate;
        }
        if !session.can_edit() || (self.state.tool == Tool::Point && !session.can_segment()) {
            self.state.tool = Tool::Navigate;
        }
        self.state.session = Some(session);
    }

    /// Stops opening and segmenting.
    pub(super) fn cancel(&mut self) {
        self.stop_remote();
        if let Some(opening) = self.state.opening.take() {
            opening.cancel.cancel();
            self.forget_opening_case();
            if self.state.session.as_ref().is_some_and(|session| session.is_glimpse) {
                self.state.session = None;
            }
            self.state.messages.say(Severity::Info, "Opening was cancelled");
        }
        if let Some(session) = &mut self.state.session {
            session.stop_asking();
        }
    }

    /// Saves where the mask was saved before, or asks.
    pub(super) fn save(&mut self, ask: bool) {
        self.finish_aside();
        let Some(session) = self.state.editable() else { return };
        match session.mask_path.clone().filter(|_| !ask) {
            Some(path) => self.save_to(path),
            None => {
                let name = session.proposed_mask_name();
                let source = session.volume().meta().source.path();
                let folder = source.and_then(Path::parent).map(Path::to_owned);
                self.ask(Ask::SaveMask { name, folder });
            }
        }
    }

    pub(super) fn save_to(&mut self, path: PathBuf) {
        self.dropped = None;
        let path = with_ending(path);
        let Some(request) = self.save_request(path) else { return };
        if self.state.editable().is_some_and(|session| session.document.preview().is_some()) {
            let text =
                "The outline that is only proposed is not in the file: Enter takes it over, then save again";
            self.state.messages.say(Severity::Warning, text);
        }
        self.state.saving = true;
        self.ask_io(IoRequest::Save(request));
    }

    fn ask_for_surface(&mut self) {
        let Some(session) = self.state.editable() else { return };
        let name = session.proposed_mask_name().replace("_mask.nii.gz", ".stl");
        let source = session.volume().meta().source.path();
        let folder = source.and_then(Path::parent).map(Path::to_owned);
        self.ask(Ask::SaveSurface { name, folder });
    }

    /// Writes the surfaces of all labels; STL, where a person left the ending out.
    pub(super) fn export_surface(&mut self, path: PathBuf) {
        let path = if path.extension().is_some() { path } else { path.with_extension("stl") };
        if let Some(request) = self.save_request(path) {
            self.ask_io(IoRequest::ExportSurface(request));
        }
    }

    /// The labels with everything that a file tells of them.
    pub(super) fn save_request(&self, path: PathBuf) -> Option<SaveRequest> {
        let session = self.state.editable()?;
        let document = &session.document;
        let name = |entry: &hilum_core::label::LabelEntry| LabelName {
            value: entry.id,
            name: entry.name.clone(),
            color: entry.color,
        };
        Some(SaveRequest {
            session: session.id,
            path,
            labels: Arc::clone(document.labels()),
            source: session.volume().meta().source.clone(),
            names: document.table().entries().iter().map(name).collect(),
            state: document.history().state(),
        })
    }
}

/// A mask is NIfTI, where a person left the ending out.
fn with_ending(path: PathBuf) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".nii") || name.ends_with(".nii.gz") || path.extension().is_some() {
        return path;
    }
    let mut longer = path.into_os_string();
    longer.push(".nii.gz");
    longer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_ending_becomes_nifti() {
        assert_eq!(with_ending("/a/b".into()), PathBuf::from("/a/b.nii.gz"));
        assert_eq!(with_ending("/a/b.nii".into()), PathBuf::from("/a/b.nii"));
        assert_eq!(with_ending("/a/b.NII.GZ".into()), PathBuf::from("/a/b.NII.GZ"));
    }
}
