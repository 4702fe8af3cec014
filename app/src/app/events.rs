//! Taking in what threads answer. An answer that nobody waits for any more is dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::{EditCommand, NewLabel};
use hilum_core::io::{SaveError, spare_original};
use hilum_models::infer::DeviceChoice;

use super::HilumApp;
use crate::command::{Action, DeidentifyAction, InspectAction, MeasureAction, PhotoAction, WorklistAction};
use crate::jobs::{Ask, Event, ImportedMask, InferEvent, InferRequest, IoEvent, OpenProject};
use crate::state::{Dialog, EngineState, Found, SeriesChoice, Severity};

impl HilumApp {
    pub(super) fn take_in(&mut self, ctx: &egui::Context, event: Event) {
        match event {
            Event::Io(event) => self.take_in_io(ctx, event),
            Event::Infer(event) => self.take_in_infer(event),
            Event::Edit(event) => self.take_in_plan(event),
            Event::Project(event) => self.take_in_project(event),
            Event::Meshed(meshed) => self.take_meshed(meshed),
            Event::Worklist(event) => self.take_in_worklist(event),
            Event::Remote(event) => self.take_in_remote(ctx, event),
            Event::Teach(answer) => self.take_in_teaching(answer),
            Event::ChosenSeveral(_, paths) if paths.is_empty() => {}
            Event::ChosenSeveral(_, paths) => self.actions.send(WorklistAction::Add(paths)),
            Event::Screen(screen) => self.take_in_screen(ctx, &screen),
            Event::Deidentified(answer) => self.take_in_deidentified(answer),
            Event::Kept(event) => self.take_in_kept(event),
            Event::Chosen(ask, path) => self.take_in_choice(ask, path),
            Event::Panicked { thread, text, request } => self.take_in_panic(thread, &text, request),
        }
    }

    fn take_in_choice(&mut self, ask: Ask, path: Option<PathBuf>) {
        let Some(path) = path else {
            // Cancelling the dialog cancels what was to follow saving.
            self.after_save = None;
            return;
        };
        if let Err(error) = self.spares_the_image(&ask, &path) {
            self.after_save = None;
            return self.state.messages.error(error.to_string());
        }
        self.actions.send(match ask {
            Ask::OpenFile | Ask::OpenFolder => Action::open(path),
            Ask::OpenProject => Action::OpenProject(OpenProject { folder: path, image_at: None }),
            Ask::Relocate { project, .. } => {
                Action::OpenProject(OpenProject { folder: project, image_at: Some(path) })
            }
            Ask::SaveProject { .. } => Action::SaveProject(path),
            Ask::NewWorklist => WorklistAction::Create(path).into(),
            Ask::OpenWorklist => WorklistAction::OpenList(path).into(),
            Ask::AddCases | Ask::AddCaseFolder => WorklistAction::Add(vec![path]).into(),
            Ask::ImportCaseMasks => WorklistAction::FindMasks(path).into(),
            Ask::ExportCaseMasks => WorklistAction::WriteMasks(path).into(),
            Ask::ImportOutlines => WorklistAction::ImportOutlines(path).into(),
            Ask::CompareMask => MeasureAction::Reference(path).into(),
            Ask::SaveMeasurements { .. } => MeasureAction::Save(path).into(),
            Ask::ImportMask => Action::ImportMask(path),
            Ask::SaveMask { .. } => Action::SaveTo(path),
            Ask::SaveSurface { .. } => Action::ExportSurface(path),
            Ask::SavePicture { .. } => Action::SavePicture(path),
            Ask::DeidentifyInto => DeidentifyAction::Into(path).into(),
            Ask::ExportTable { .. } => PhotoAction::ExportTable(path).into(),
            Ask::SavePage { .. } => PhotoAction::SavePage(path).into(),
            Ask::SaveFigure { .. } => InspectAction::Figure(Some(path)).into(),
            Ask::SaveMap { .. } => InspectAction::Export(Some(path)).into(),
        });
    }

    /// Refuses to write over the image that is open.
    fn spares_the_image(&self, ask: &Ask, target: &Path) -> Result<(), SaveError> {
        let writes = matches!(
            ask,
            Ask::SaveMask { .. }
                | Ask::SaveSurface { .. }
                | Ask::SavePicture { .. }
                | Ask::SaveMeasurements { .. }
                | Ask::ExportTable { .. }
                | Ask::SavePage { .. }
                | Ask::SaveFigure { .. }
                | Ask::SaveMap { .. }
        );
        let image = self.state.session.as_ref().and_then(|session| session.volume().meta().source.path());
        image.filter(|_| writes).map_or(Ok(()), |image| spare_original(image, target))
    }

    fn take_in_panic(&mut self, thread: &str, text: &str, request: Option<u64>) {
        self.state.messages.error(format!(
            "a fault of the program in its {thread} thread was caught ({text}); your work is kept, please report it"
        ));
        if request.is_some_and(|request| self.is_opening(request)) {
            self.state.opening = None;
            if self.state.session.as_ref().is_some_and(|session| session.is_glimpse) {
                self.state.session = None;
            }
        }
        if thread == "surface"
            && let Some(session) = &mut self.state.session
        {
            // Its blocks are given up: the same labels would end the same way.
            session.scene.lost([]);
        }
        if thread == "train" {
            self.teaching_panicked(request);
        }
        if thread == "remote" {
            self.stop_remote();
        }
        if thread == "io" {
            self.state.saving = false;
            self.after_save = None;
        }
        if let Some(session) = &mut self.state.session
            && session.running.as_ref().is_some_and(|running| Some(running.request) == request)
        {
            session.running = None;
        }
        if let Some(inspect) = &mut self.state.inspect {
            inspect.running.take_if(|(running, _)| Some(*running) == request);
        }
        if let Some(session) = &mut self.state.session {
            session.editing.running.take_if(|running| Some(running.request) == request);
            session.labelling.retain(|running| Some(running.request) != request);
        }
    }

    fn take_in_io(&mut self, ctx: &egui::Context, event: IoEvent) {
        match event {
            IoEvent::Progress { request, what, share } => {
                if let Some(opening) = self.state.opening.as_mut().filter(|o| o.request == request) {
                    opening.what = what;
                    opening.share = share;
                }
            }
            IoEvent::FirstSlice { request, slice } if self.is_opening(request) => self.show_glimpse(*slice),
            IoEvent::Series { request, path, series } if self.is_opening(request) => {
                self.state.opening = None;
                self.state.dialog = Dialog::Series(SeriesChoice { path, series });
            }
            IoEvent::Opened { request, path, opened, photo } if self.is_opening(request) => {
                let photo = photo.map(|photo| *photo);
                let found = Found { volume: Arc::new(opened.volume), warnings: opened.warnings, photo };
                self.show_opened(path.as_deref(), found);
                self.case_opened(request);
            }
            IoEvent::Slide(found) => self.show_slide(found),
            IoEvent::ProjectOpened { request, project } if self.is_opening(request) => {
                self.show_project(*project);
                self.case_opened(request);
            }
            IoEvent::ImageProblem { request, problem } if self.is_opening(request) => {
                self.state.opening = None;
                self.state.dialog = Dialog::Relocate(problem);
            }
            IoEvent::Table { session, table } => self.take_table(session, *table),
            IoEvent::Reference { session, path, labels } => self.take_reference(session, &path, labels),
            IoEvent::Pictures { request, pictures, notes } if self.is_opening(request) => {
                self.take_pictures(pictures, &notes);
            }
            IoEvent::Prefetched { request, found } => {
                let found = found.map(|found| {
                    let (opened, photo) = *found;
                    Found { volume: Arc::new(opened.volume), warnings: opened.warnings, photo }
                });
                if self.is_next_case(request) {
                    self.take_prefetched_case(found);
                } else {
                    self.take_prefetched(request, found);
                }
            }
            IoEvent::Enhanced { session, how, volume } => self.take_enhanced(session, how, volume),
            IoEvent::NotKept { session, why } => self.photo_not_kept(session, why),
            IoEvent::Written { path, error: None } => {
                self.state.messages.say(Severity::Info, format!("Written: {}", path.display()));
            }
            IoEvent::Written { error: Some(error), .. } => self.state.messages.error(error),
            IoEvent::OpenFailed { request, error } if self.is_opening(request) => {
                self.state.opening = None;
                self.case_failed(request);
                if self.state.session.as_ref().is_some_and(|session| session.is_glimpse) {
                    self.state.session = None;
                }
                if let Some(error) = error {
                    self.picture_failed(&error);
                    self.state.messages.error(error);
                }
            }
            IoEvent::MaskRead { session, mask } => self.take_in_mask(session, mask),
            IoEvent::Saved { session, path, state, error } => {
                self.take_in_saved(ctx, session, path, state, error)
            }
            IoEvent::Measured { session, measurement } => {
                if let Some(open) = self.state.session.as_mut().filter(|open| open.id == session) {
                    open.measurement = Some(*measurement);
                }
            }
            _ => tracing::debug!("an answer about an image that is no longer wanted was dropped"),
        }
    }

    fn take_in_mask(&mut self, session: u64, mask: Result<Box<ImportedMask>, String>) {
        if self.state.editable().is_none_or(|open| open.id != session) {
            return;
        }
        match mask {
            Ok(mask) => {
                let ImportedMask { labels, names, notes } = *mask;
                let command = EditCommand::ReplaceLabels {
                    name: "Import mask".into(),
                    labels,
                    names: names.into_iter().map(NewLabel::from).collect(),
                };
                let notes = notes.into_iter().map(|note| (Severity::Warning, note));
                let said = std::iter::once((Severity::Info, "The mask was imported".to_owned())).chain(notes);
                self.edit_aside(command, said.collect());
            }
            Err(error) => self.state.messages.error(error),
        }
    }

    fn take_in_saved(
        &mut self,
        ctx: &egui::Context,
        session: u64,
        path: PathBuf,
        state: u64,
        error: Option<String>,
    ) {
        self.state.saving = false;
        if let Some(error) = error {
            self.after_save = None;
            self.state.messages.error(error);
            return;
        }
        self.state.messages.say(Severity::Info, format!("The mask was saved: {}", path.display()));
        let Some(open) = self.state.session.as_mut().filter(|open| open.id == session) else { return };
        open.mask_path = Some(path);
        // Work done while the file was being written is not in it.
        if open.document.history().state() == state {
            open.document.mark_saved();
        }
        if let Some(guarded) = self.after_save.take() {
            self.guard(ctx, guarded);
        }
    }

    fn take_in_infer(&mut self, event: InferEvent) {
        match event {
            InferEvent::Devices(devices) => self.state.devices = devices,
            InferEvent::Models(models) => {
                self.state.models_known = true;
                match models {
                    Ok(models) => self.state.models = models,
                    Err(why) => self.state.messages.say(Severity::Warning, why),
                }
            }
            InferEvent::BrokenModel(why) => self.state.messages.say(Severity::Warning, why),
            InferEvent::Loading => self.state.engine = EngineState::Loading,
            InferEvent::Ready { device, model, warm_up_secs } => {
                self.state.engine = EngineState::Ready { device, model, warm_up_secs };
            }
            InferEvent::Unusable { why, is_device_fault } => self.engine_failed(why, is_device_fault),
            InferEvent::Progress { request, what, share } => {
                let running = self.state.session.as_mut().and_then(|session| session.running.as_mut());
                if let Some(running) = running.filter(|running| running.request == request) {
                    running.what = what;
                    running.share = share;
                    return;
                }
                let labelling = self.state.session.iter_mut().flat_map(|session| &mut session.labelling);
                if let Some(running) = labelling.into_iter().find(|running| running.request == request) {
                    running.what = what;
                    running.share = share;
                }
            }
            InferEvent::Inspected { request, result } => self.take_attention(request, result),
            InferEvent::Labelled { request, result } => self.take_labels(request, result),
            InferEvent::Segmented { request, result } => self.show_answer(request, result),
        }
    }

    /// A device that does not work is left for the CPU, and the person is told.
    fn engine_failed(&mut self, why: String, is_device_fault: bool) {
        self.state.engine = EngineState::Failed(why.clone());
        if self.state.device_choice() == DeviceChoice::Cpu || !is_device_fault {
            self.state.messages.say(Severity::Warning, format!("The network is not available: {why}"));
            return;
        }
        self.state.messages.say(Severity::Warning, format!("{why}. The CPU is used instead"));
        self.state.settings.set_device(DeviceChoice::Cpu);
        self.infer.ask(InferRequest::Prepare(self.state.engine_choice())).ok();
        if self.state.session.as_ref().is_some_and(|session| session.running.is_some()) {
            self.propose();
        }
    }

    pub(super) fn choose_device(&mut self, choice: DeviceChoice) {
        self.state.settings.set_device(choice);
        self.infer.ask(InferRequest::Prepare(self.state.engine_choice())).ok();
    }

    /// Another model answers the next click; `None`: the program's own choice.
    pub(super) fn choose_model(&mut self, model: Option<String>) {
        self.state.settings.model = model;
        self.infer.ask(InferRequest::Prepare(self.state.engine_choice())).ok();
    }
}
