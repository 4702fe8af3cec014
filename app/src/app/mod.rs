//! The program behind the window: the only place that changes the state.
//!
//! A frame: answers of threads are taken in ([`eframe::App::logic`]), keys become commands, panels draw the
//! state and ask for actions, the actions are applied, and what changed goes to the graphics device.

mod album;
mod album_look;
mod aside;
mod case;
mod case_masks;
mod edit;
mod events;
mod file;
mod inspect;
mod kept;
mod keys;
mod measure;
mod motion;
mod operate;
mod outlines;
mod outside;
mod photo;
mod project;
mod project_view;
mod remote;
mod screen;
mod segment;
mod slide;
mod teach;
mod threads;
mod travel;
mod view;
mod worklist;
mod worklist_next;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use egui::ViewportCommand;
use hilum_dicomweb::Secrets;

use crate::command::{self, Action, Actions, UiCommand, ViewAction};
use crate::jobs::{
    Ask, Dialogs, EditRequest, EngineFactory, Event, Inbox, InferRequest, InferWorker, IoRequest,
    LabellerFactory, Picture, ProjectRequest, ProjectWorker, RemotePlaces, RemoteRequest, SearchRequest,
    SurfaceRequest, SystemDialogs, TeachRequest, Worker, WorklistRequest, handle_io, network_engine,
    network_labeller,
};
use crate::panels;
use crate::state::{Album, AppState, Dialog, Guarded, KeyMap, KeysPage, Settings};
use crate::theme;
use crate::viewport::{CpuSlices, ViewContext};
use project::LeftBehind;
use screen::Screen;
use teach::Listing;
use threads::OtherThreads;

/// Key under which the settings are stored.
const SETTINGS_KEY: &str = "settings";

/// What the window needs from outside; tests bring their own.
pub struct Services {
    /// Makes the network that answers clicks.
    pub engine: EngineFactory,
    /// Makes the networks that label images.
    pub labeller: LabellerFactory,
    /// Asks for files.
    pub dialogs: Box<dyn Dialogs>,
    /// Where changes are kept for the case of a crash; without it they are not.
    pub project_folder: Option<PathBuf>,
    /// Where outlines of photographs are kept; without it they are saved like other masks.
    pub photo_folder: Option<PathBuf>,
    /// The user's own models.
    pub models_folder: Option<PathBuf>,
    /// Settings, secrets and images of servers.
    pub remote: RemotePlaces,
    /// Journals are compacted beyond so many bytes instead of the usual number; for tests.
    pub compact_bytes: Option<u64>,
}

impl Default for Services {
    fn default() -> Self {
        let folders = directories::ProjectDirs::from("", "", "Hilum");
        let below = |name: &str| folders.as_ref().map(|folders| folders.data_local_dir().join(name));
        let models_folder = crate::cli::models_folder();
        Self {
            engine: network_engine(models_folder.clone()),
            labeller: network_labeller(models_folder.clone()),
            dialogs: Box::new(SystemDialogs),
            project_folder: crate::cli::kept_folder(),
            photo_folder: below("photographs"),
            models_folder,
            remote: RemotePlaces::default(),
            compact_bytes: None,
        }
    }
}

/// The program.
pub struct HilumApp {
    state: AppState,
    actions: Actions,
    cpu: RefCell<CpuSlices>,
    screen: Screen,
    io: Worker<IoRequest>,
    infer: Worker<InferRequest>,
    project: Worker<ProjectRequest>,
    planner: Worker<EditRequest>,
    surfaces: Worker<SurfaceRequest>,
    worklists: Worker<WorklistRequest>,
    searches: Worker<SearchRequest>,
    worklist_at_secs: f64,
    listing: Listing,
    teacher: Worker<TeachRequest>,
    versions: Worker<TeachRequest>,
    remotes: Worker<RemoteRequest>,
    remote_places: RemotePlaces,
    secrets: Secrets,
    /// Where the images were in the last frame.
    images: egui::Rect,
    /// A large command that is being carried out.
    aside: Option<aside::Aside>,
    /// A picture that waits for its name.
    picture: Option<Picture>,
    /// Where the key of pseudonyms lies without a project.
    keys_folder: Option<PathBuf>,
    frame_start: Instant,
    /// The next frame was asked for at once.
    next_is_due: bool,
    left_behind: Option<LeftBehind>,
    /// Where work on images is kept when they are closed.
    kept_folder: Option<PathBuf>,
    /// Session and state of its history whose work the person has dropped.
    dropped: Option<(u64, u64)>,
    /// The list of pictures that was left for something that may not open, and the session that was open then.
    left_pictures: Option<(u64, Album)>,
    /// Where a person looked before another image of the same file was asked for.
    last_look: Option<slide::LastLook>,
    retried_at_secs: f64,
    view_at_secs: f64,
    kept_view: Option<serde_json::Value>,
    photo_store: Option<PathBuf>,
    photo_kept_at_secs: f64,
    inbox: Inbox,
    events: Receiver<Event>,
    /// Answers that came while another was waited for.
    early: VecDeque<Event>,
    dialogs: Box<dyn Dialogs>,
    last_number: u64,
    after_save: Option<Guarded>,
    title: String,
    shown_look: Option<(theme::Look, f32)>,
}

impl HilumApp {
    /// Starts the threads and opens the first of `paths`.
    ///
    /// # Errors
    /// If the system refuses threads.
    pub fn new(
        creation: &eframe::CreationContext<'_>,
        services: Services,
        paths: Vec<PathBuf>,
    ) -> anyhow::Result<Self> {
        let ctx = &creation.egui_ctx;
        let stored =
            creation.storage.and_then(|storage| eframe::get_value::<Settings>(storage, SETTINGS_KEY));
        let settings = stored.unwrap_or_default().sane();
        // Keys for larger and smaller text are commands here.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        let (inbox, events) = Inbox::new(ctx.clone());
        let (for_io, for_infer, for_project) = (inbox.clone(), inbox.clone(), inbox.clone());
        let io = Worker::spawn("io", inbox.clone(), move || move |request| handle_io(request, &for_io))
            .context("cannot start the thread that reads files")?;
        let (engine, labeller, models) = (services.engine, services.labeller, services.models_folder.clone());
        let infer = Worker::spawn("infer", inbox.clone(), move || {
            let mut worker = InferWorker::new(engine, labeller, models, for_infer);
            move |request| worker.handle(request)
        })
        .context("cannot start the thread of the network")?;
        let folder = services.project_folder;
        let keys_folder = folder.as_deref().and_then(std::path::Path::parent).map(PathBuf::from);
        let kept_folder = folder.clone();
        let project = Worker::spawn("project", inbox.clone(), move || {
            let mut worker =
                ProjectWorker::new(folder, for_project).compacting_beyond(services.compact_bytes);
            move |request| worker.handle(request)
        })
        .context("cannot start the thread that keeps changes")?;
        let OtherThreads { planner, worklists, searches, teacher, versions, remotes, surfaces } =
            OtherThreads::spawn(&inbox, services.models_folder.as_ref())?;
        let mut app = Self {
            state: AppState { options: settings.tools.clone(), settings, ..AppState::default() },
            actions: Actions::default(),
            cpu: RefCell::new(CpuSlices::default()),
            screen: Screen::new(creation.wgpu_render_state.clone()),
            io,
            infer,
            project,
            planner,
            surfaces,
            worklists,
            searches,
            worklist_at_secs: 0.0,
            listing: Listing::default(),
            teacher,
            versions,
            remotes,
            secrets: Secrets::new(Arc::clone(&services.remote.key_ring)),
            remote_places: services.remote,
            images: egui::Rect::NOTHING,
            aside: None,
            picture: None,
            keys_folder,
            frame_start: Instant::now(),
            next_is_due: false,
            left_behind: None,
            kept_folder,
            dropped: None,
            left_pictures: None,
            last_look: None,
            retried_at_secs: 0.0,
            view_at_secs: 0.0,
            kept_view: None,
            photo_store: services.photo_folder,
            photo_kept_at_secs: 0.0,
            inbox,
            events,
            early: VecDeque::new(),
            dialogs: services.dialogs,
            last_number: 0,
            after_save: None,
            title: String::new(),
            shown_look: None,
        };
        app.state.graphics = app.screen.adapter_name();
        app.restyle(ctx);
        KeyMap::with(&app.state.settings.keys).install(ctx);
        app.infer.ask(InferRequest::ListDevices).ok();
        app.infer.ask(InferRequest::ListModels).ok();
        app.tell_annotator();
        app.open_dropped(paths);
        Ok(app)
    }

    /// What is shown; for tests.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Asks for something as a widget would; it is done in the next frame.
    pub fn send(&self, action: impl Into<Action>) {
        self.actions.send(action);
    }

    /// A number never used before.
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The one place where what was asked for is done.
    fn apply(&mut self, ctx: &egui::Context, action: Action) {
        match action {
            Action::Ui(command) if self.state.is_enabled(command) => self.run(ctx, command),
            Action::Ui(_) => {}
            Action::Open { path, selection } => {
                self.guard(ctx, Guarded::Open { path: Some(path), selection })
            }
            Action::Part(part) => self.choose_part(part),
            Action::OpenPictures(paths) => self.guard(ctx, Guarded::OpenPictures(paths)),
            Action::Photo(action) => self.photo(ctx, action),
            Action::Measure(action) => self.measure(ctx, action),
            Action::Worklist(action) => self.worklist(ctx, action),
            Action::Teach(action) => self.teach_action(action),
            Action::Kept(action) => self.kept(action),
            Action::Remote(action) => self.remote(action),
            Action::Inspect(action) => self.inspect(action),
            Action::OpenProject(project) => {
                self.state.dialog = Dialog::None;
                self.guard(ctx, Guarded::OpenProject(project));
            }
            Action::SaveProject(folder) => self.save_project(folder),
            Action::AskImage(problem) => {
                self.state.dialog = Dialog::None;
                let (project, is_folder) = (problem.folder, problem.is_folder);
                self.ask(Ask::Relocate { project, is_folder });
            }
            Action::ImportMask(path) => self.import_mask(path),
            Action::SaveTo(path) => self.save_to(path),
            Action::ExportSurface(path) => self.export_surface(path),
            Action::SavePicture(path) => self.save_picture(path),
            Action::Deidentify(action) => self.deidentify(action),
            Action::View(action) => self.view(action),
            Action::Segment(action) => self.segment(action),
            Action::Edit(action) => self.draw(action),
            Action::Model(model) => self.choose_model(model),
            Action::Device(choice) => self.choose_device(choice),
            Action::Settings(settings) => {
                let old = std::mem::replace(&mut self.state.settings, settings.sane());
                if old.annotator != self.state.settings.annotator {
                    self.tell_annotator();
                }
            }
            Action::Keys(action) => self.change_keys(ctx, action),
            Action::PaletteText(text) => self.state.dialog = Dialog::Palette(text),
            Action::CloseDialog => {
                self.leave_kept();
                self.after_save = None;
                self.state.dialog = Dialog::None;
                // The keyboard goes back to the views, not to a text field that is gone.
                ctx.memory_mut(|memory| {
                    memory.focused().into_iter().for_each(|id| memory.surrender_focus(id))
                });
            }
            Action::Dismiss(id) => self.state.messages.dismiss(id),
            Action::Discard => {
                if let Dialog::Unsaved(guarded) = std::mem::take(&mut self.state.dialog) {
                    let session = self.state.session.as_ref();
                    self.dropped = session.map(|s| (s.id, s.document.history().state()));
                    self.go_on(ctx, guarded);
                }
            }
            Action::KeepForLater => {
                if let Dialog::Unsaved(guarded) = std::mem::take(&mut self.state.dialog) {
                    self.go_on(ctx, guarded);
                }
            }
            Action::SaveThenContinue => {
                if let Dialog::Unsaved(guarded) = std::mem::take(&mut self.state.dialog) {
                    self.after_save = Some(guarded);
                    self.save(false);
                }
            }
            Action::Recover(yes) => self.recover(yes),
        }
    }

    fn run(&mut self, ctx: &egui::Context, command: UiCommand) {
        use UiCommand as C;
        match command {
            C::OpenFile
            | C::OpenFolder
            | C::OpenSample
            | C::ImportMask
            | C::Save
            | C::SaveAs
            | C::ExportSurface
            | C::SavePicture
            | C::ChoosePart
            | C::NextTimePoint
            | C::PreviousTimePoint
            | C::Deidentify
            | C::CloseImage
            | C::Quit => {
                self.run_file(ctx, command);
            }
            C::Palette => self.state.dialog = Dialog::Palette(String::new()),
            C::About => self.state.dialog = Dialog::About,
            C::Shortcuts => self.state.dialog = Dialog::Shortcuts(KeysPage::default()),
            C::Settings => self.state.dialog = Dialog::Settings,
            C::Models => {
                // A model may have been added on the command line meanwhile.
                self.infer.ask(InferRequest::ListModels).ok();
                self.state.dialog = Dialog::Models;
            }
            C::ShowWarnings => self.state.dialog = Dialog::Warnings,
            C::ToggleTheme => self.state.settings.dark = !self.state.settings.dark,
            C::LargerText => self.scale_text(1.1),
            C::SmallerText => self.scale_text(1.0 / 1.1),
            C::Cancel => self.cancel(),
            C::ToggleCine => self.toggle_cine(ctx),
            C::ShowAttention => self.toggle_attention(),
            _ if self.run_worklist(ctx, command)
                || self.run_teach(command)
                || self.run_remote(command)
                || self.run_project(command)
                || self.run_measure(ctx, command) => {}
            _ if self.run_view(command) || self.run_photo(ctx, command) => {}
            _ => self.run_edit(command),
        }
    }

    fn scale_text(&mut self, factor: f32) {
        let mut settings = self.state.settings.clone();
        settings.font_scale *= factor;
        self.state.settings = settings.sane();
    }

    fn restyle(&mut self, ctx: &egui::Context) {
        let settings = &self.state.settings;
        let look =
            (theme::Look { dark: settings.dark, high_contrast: settings.high_contrast }, settings.font_scale);
        if self.shown_look != Some(look) {
            self.shown_look = Some(look);
            theme::apply(ctx, look.0, look.1);
        }
    }

    fn retitle(&mut self, ctx: &egui::Context) {
        let title = match &self.state.session {
            Some(session) if self.state.settings.name_in_title => {
                let mark = if session.has_unsaved_work() { "• " } else { "" };
                format!("{mark}{} — Hilum", session.volume().meta().title)
            }
            _ => "Hilum".to_owned(),
        };
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn age_messages(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        if let Some(secs) = self.state.messages.age(now) {
            ctx.request_repaint_after(Duration::from_secs_f64(secs.max(0.05)));
        }
    }

    fn take_dropped_files(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|i| i.raw.dropped_files.clone());
        let paths: Vec<PathBuf> = dropped.into_iter().map(|file| file.path().to_owned()).collect();
        if !paths.is_empty() {
            self.open_dropped(paths);
        }
    }
}

impl eframe::App for HilumApp {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.begin_frame(crate::window::last_frame_secs(ctx, frame));
        while let Some(event) = self.early.pop_front().or_else(|| self.events.try_recv().ok()) {
            self.take_in(ctx, event);
        }
        if ctx.input(|i| i.viewport().close_requested()) && !self.may_close() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.guard(ctx, Guarded::Quit);
        }
        self.return_to_pictures();
        self.plan_when_due();
        self.measure_when_quiet();
        self.fill_table_when_quiet();
        self.outline_when_due();
        self.prefetch();
        self.read_photo();
        self.frame_when_due();
        self.keep_photo_when_quiet(ctx);
        self.tend_attention();
        self.tend_worklist(ctx);
        self.tend_versions(ctx);
        self.keep_changes(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_dropped_files(&ctx);
        self.apply_all(&ctx);
        self.stop_cine_if_touched(&ctx);
        if matches!(self.state.dialog, Dialog::None) {
            self.run_pressed(&ctx);
        }
        self.advance_cine(&ctx);
        self.read_photo();
        self.frame_when_due();
        self.mesh(&ctx);
        if self.state.session.is_none() {
            // The pictures of the image that was closed.
            *self.cpu.borrow_mut() = CpuSlices::default();
        }
        self.screen.sync(&mut self.state);
        let context = ViewContext { state: &self.state, actions: &self.actions, cpu: &self.cpu };
        self.images = panels::show(ui, context);
        self.apply_all(&ctx);
        // Before the frame is drawn, which takes long where the processor draws: what was done is on its way to the disk.
        self.keep_changes(&ctx);
        if self.screen.sync(&mut self.state) {
            self.hurry(&ctx);
        }
        self.restyle(&ctx);
        self.retitle(&ctx);
        self.age_messages(&ctx);
        self.end_frame(&ctx);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, SETTINGS_KEY, &self.state.settings);
    }

    fn on_exit(&mut self) {
        self.finish_aside();
        self.keep_photo(None);
        self.finish_project();
        self.end_network();
    }

    /// Positions of panels are kept in the settings only as far as egui needs; a stale layout after an update
    /// would be worse than none.
    fn persist_egui_memory(&self) -> bool {
        false
    }
}

impl HilumApp {
    /// Runs the commands of the keys pressed since the last frame. What was typed after a key that opens a
    /// dialog was meant for the dialog, even if this frame came late.
    fn run_pressed(&mut self, ctx: &egui::Context) {
        for command in command::pressed(ctx, crate::viewport::is_view) {
            if !matches!(self.state.dialog, Dialog::None) {
                return;
            }
            let command = self.as_flip(command);
            self.apply(ctx, command.into());
            self.hurry(ctx);
        }
    }

    fn apply_all(&mut self, ctx: &egui::Context) {
        let actions = self.actions.take();
        // The position of the mouse is drawn where it is; it needs no second frame.
        let visible = actions.iter().any(|action| !matches!(action, Action::View(ViewAction::Hover(_))));
        for action in actions {
            self.apply(ctx, action);
        }
        if visible {
            self.hurry(ctx);
        }
    }
}
