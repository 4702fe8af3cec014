//! The window while it is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use egui::{Id, RawInput, ViewportBuilder, ViewportCommand, ViewportEvent, ViewportId, ViewportInfo};
use egui_winit::winit::event::WindowEvent;
use egui_winit::winit::event_loop::{ActiveEventLoop, EventLoopProxy};
use egui_winit::winit::raw_window_handle::HasDisplayHandle;
use egui_winit::winit::window::Window;
use egui_winit::{ActionRequested, accesskit_winit};
use hilum_canvas::Canvas;

use super::Wake;
use super::place::{self, Place};
use super::present::Presenter;
use super::storage::FileStorage;
use crate::window::Create;

/// Pictures with longer sides are not made: `u16` places in the atlas of letters are not exceeded.
const MAX_TEXTURE_SIDE: usize = 1 << 15;

/// What a pass through the program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// To be drawn.
    Shown,
    /// Nobody sees the window: only answers of threads are taken in.
    Hidden,
}

/// The window, the program in it, and what has been drawn.
pub(super) struct Open {
    pub(super) window: Arc<Window>,
    pub(super) is_closing: bool,
    ctx: egui::Context,
    state: egui_winit::State,
    app: Box<dyn eframe::App>,
    frame: eframe::Frame,
    info: ViewportInfo,
    actions: Vec<ActionRequested>,
    /// Input that no pass has seen yet.
    unseen: RawInput,
    canvas: Canvas,
    presenter: Presenter,
    storage: FileStorage,
    place: Place,
    is_shown: bool,
    began: Instant,
    frame_began: Instant,
    /// Between two frames, at least.
    interval: Duration,
    saved: Instant,
}

fn frame_secs_id() -> Id {
    Id::unique("seconds of the last frame")
}

/// Seconds that the last frame drawn by the processor took; `None` elsewhere.
pub(crate) fn last_frame_secs(ctx: &egui::Context) -> Option<f32> {
    ctx.data(|data| data.get_temp(frame_secs_id()))
}

impl Open {
    pub(super) fn new(
        event_loop: &ActiveEventLoop,
        viewport: ViewportBuilder,
        create: Create,
        wakes: &EventLoopProxy<Wake>,
    ) -> anyhow::Result<Self> {
        let ctx = egui::Context::default();
        ctx.set_embed_viewports(false);
        let storage = FileStorage::open();
        let mut place = Place::of_last_time(&storage);
        let window = Arc::new(place.create(&ctx, event_loop, viewport)?);
        let mut state = egui_winit::State::new(
            ctx.clone(),
            ViewportId::ROOT,
            &event_loop.display_handle().context("the display is gone")?,
            Some(window.scale_factor() as f32),
            window.theme(),
            Some(MAX_TEXTURE_SIDE),
        );
        state.init_accesskit(event_loop, &window, wakes.clone());
        let repaint = wakes.clone();
        ctx.set_request_repaint_callback(move |info| {
            let at = Instant::now() + info.delay.min(Duration::from_secs(86_400));
            // An error means that the window is gone.
            repaint.send_event(Wake::Repaint { at, pass: info.current_cumulative_pass_nr }).ok();
        });
        let mut info = ViewportInfo::default();
        egui_winit::update_viewport_info(&mut info, &ctx, &window, true);
        // Before the program starts its threads, it is known whether the display takes pictures.
        let presenter = Presenter::new(Arc::clone(&window))?;
        let mut creation = eframe::CreationContext::_new_kittest(ctx.clone());
        creation.storage = Some(&storage);
        let app = create(&creation)?;
        let now = Instant::now();
        Ok(Self {
            window,
            is_closing: false,
            ctx,
            state,
            app,
            // Without a device; nothing else that a frame has is asked for.
            frame: eframe::Frame::_new_kittest(),
            info,
            actions: Vec::new(),
            unseen: RawInput::default(),
            canvas: Canvas::default(),
            presenter,
            storage,
            place,
            is_shown: false,
            began: now,
            frame_began: now,
            interval: Duration::ZERO,
            saved: now,
        })
    }

    /// How many passes there have been.
    pub(super) fn passes(&self) -> u64 {
        self.ctx.cumulative_pass_nr_for(ViewportId::ROOT)
    }

    /// When the display can show another frame.
    pub(super) fn earliest_frame(&self) -> Instant {
        self.frame_began + self.interval
    }

    /// Whether the first frame has been drawn; before, the window is hidden so that it does not flash.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Whether nobody can see the window.
    pub(super) fn is_covered(&self) -> bool {
        self.window.is_minimized() == Some(true) || self.info.occluded == Some(true)
    }

    /// Takes in what happened to the window; whether it wants a frame.
    pub(super) fn take(&mut self, event: &WindowEvent) -> bool {
        match event {
            WindowEvent::CloseRequested => self.info.events.push(ViewportEvent::Close),
            WindowEvent::Occluded(is_occluded) => self.info.occluded = Some(*is_occluded),
            _ => {}
        }
        self.state.on_window_event(&self.window, event).repaint
            || matches!(event, WindowEvent::CloseRequested)
    }

    /// Takes in a screen reader's request; whether it wants a frame.
    pub(super) fn accessibility(&mut self, event: accesskit_winit::Event) -> bool {
        match event.window_event {
            accesskit_winit::WindowEvent::InitialTreeRequested => self.ctx.enable_accesskit(),
            accesskit_winit::WindowEvent::ActionRequested(request) => {
                self.state.on_accesskit_action_request(request);
            }
            accesskit_winit::WindowEvent::AccessibilityDeactivated => {
                self.ctx.disable_accesskit();
                return false;
            }
        }
        true
    }

    /// Runs the program once, and draws what it shows.
    pub(super) fn pass(&mut self, event_loop: &ActiveEventLoop, pass: Pass) -> anyhow::Result<()> {
        self.frame_began = Instant::now();
        self.interval = place::interval(&self.window);
        let input = self.input();
        let asked_to_close = input.viewport().close_requested();
        let commands = match pass {
            Pass::Shown => self.show(event_loop, input)?,
            Pass::Hidden => self.tick(event_loop, input),
        };
        // What was asked for is known to the program now.
        self.info.events.clear();
        self.is_closing |= asked_to_close && !commands.contains(&ViewportCommand::CancelClose);
        egui_winit::process_viewport_commands(
            &self.ctx,
            &mut self.info,
            commands,
            &self.window,
            &mut self.actions,
        );
        self.clipboard();
        if self.info.close_requested() {
            self.ctx.request_repaint();
        }
        if self.saved.elapsed() > self.app.auto_save_interval() {
            self.save();
        }
        Ok(())
    }

    fn input(&mut self) -> RawInput {
        egui_winit::update_viewport_info(&mut self.info, &self.ctx, &self.window, false);
        let mut input = std::mem::take(&mut self.unseen);
        input.append(self.state.take_egui_input(&self.window));
        input.time = Some(self.began.elapsed().as_secs_f64());
        input.viewports = std::iter::once((ViewportId::ROOT, self.info.clone())).collect();
        self.app.raw_input_hook(&self.ctx, &mut input);
        input
    }

    /// A pass that is drawn; yields what it asks of the window.
    fn show(
        &mut self,
        event_loop: &ActiveEventLoop,
        input: RawInput,
    ) -> anyhow::Result<Vec<ViewportCommand>> {
        let (app, frame) = (&mut self.app, &mut self.frame);
        let mut output = self.ctx.run_ui(input, |ui| {
            app.logic(ui.ctx(), frame);
            app.ui(ui, frame);
        });
        self.state.handle_platform_output_with_event_loop(&self.window, event_loop, output.platform_output);
        let jobs = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let size = self.window.inner_size();
        let background = self.ctx.global_style().visuals.panel_fill;
        let size = [size.width as usize, size.height as usize];
        let regions =
            self.canvas.paint(size, &jobs, &mut output.textures_delta, output.pixels_per_point, background);
        if let Err(error) = self.presenter.present(&self.canvas, regions) {
            // A picture that is old for a while is better than work that is gone.
            if !self.is_shown {
                return Err(error);
            }
            tracing::error!("{error:#}");
            self.presenter.forget();
        }
        if !std::mem::replace(&mut self.is_shown, true) {
            self.place.show(&self.window);
        }
        let secs = self.frame_began.elapsed().as_secs_f32();
        self.ctx.data_mut(|data| data.insert_temp(frame_secs_id(), secs));
        Ok(output.viewport_output.remove(&ViewportId::ROOT).map(|root| root.commands).unwrap_or_default())
    }

    /// A pass that nobody sees: what egui remembers of the last one shown stays as it is.
    fn tick(&mut self, event_loop: &ActiveEventLoop, input: RawInput) -> Vec<ViewportCommand> {
        let (app, frame) = (&mut self.app, &mut self.frame);
        let mut output = self.ctx.run_logic(&input, |ctx| app.logic(ctx, frame));
        self.unseen = input;
        self.state.handle_platform_output_with_event_loop(&self.window, event_loop, output.platform_output);
        output.viewport_commands.remove(&ViewportId::ROOT).unwrap_or_default()
    }

    /// Does what menus ask of the clipboard.
    fn clipboard(&mut self) {
        for action in std::mem::take(&mut self.actions) {
            let event = match action {
                ActionRequested::Cut => Some(egui::Event::Cut),
                ActionRequested::Copy => Some(egui::Event::Copy),
                ActionRequested::Paste => {
                    let text = self.state.clipboard_text().map(|text| text.replace("\r\n", "\n"));
                    text.filter(|text| !text.is_empty()).map(egui::Event::Paste)
                }
                ActionRequested::Screenshot(_) | ActionRequested::PaintWhileHidden => None,
            };
            self.state.egui_input_mut().events.extend(event);
        }
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        // A minimised window has no place and no size on some systems.
        if !self.is_covered() && self.window.inner_size().width > 0 {
            self.place.keep(&self.ctx, &self.window, &mut self.storage);
        }
        self.app.save(&mut self.storage);
        eframe::Storage::flush(&mut self.storage);
    }

    /// Keeps what is to be kept before the program ends.
    pub(super) fn end(&mut self) {
        self.ctx.on_exit();
        self.save();
        self.app.on_exit();
    }
}
