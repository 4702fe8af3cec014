//! The window without a graphics device: `hilum_canvas` draws what egui asks for, the display server gets the picture.
//!
//! The window itself, keys, mouse, clipboard and accessibility come from `egui_winit`, as they do for `eframe`, which only
//! knows windows with a graphics device.

mod open;
mod place;
mod present;
mod storage;

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use egui::ViewportBuilder;
use egui_winit::accesskit_winit;
use egui_winit::winit::application::ApplicationHandler;
use egui_winit::winit::event::{StartCause, WindowEvent};
use egui_winit::winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use egui_winit::winit::window::WindowId;

use super::Create;
pub(super) use open::last_frame_secs;
use open::{Open, Pass};

/// A redraw that the display server owes for so long is done without: some give none to windows that are not seen, and work
/// must go on there.
const OWED: Duration = Duration::from_millis(250);

/// What wakes the window up.
#[derive(Debug)]
enum Wake {
    /// Somebody asked for a frame after the pass of this number.
    Repaint { at: Instant, pass: u64 },
    /// A screen reader has something to ask or do.
    Accessibility(accesskit_winit::Event),
}

impl From<accesskit_winit::Event> for Wake {
    fn from(event: accesskit_winit::Event) -> Self {
        Self::Accessibility(event)
    }
}

/// Opens the window and returns when it is closed.
pub(super) fn run(viewport: ViewportBuilder, create: Create) -> anyhow::Result<()> {
    let event_loop = EventLoop::with_user_event()
        .build()
        .context("the window cannot be opened: the display or its window manager refused it")?;
    let mut runner = Runner {
        wakes: event_loop.create_proxy(),
        start: Some((viewport, create)),
        open: None,
        frame_at: None,
        owed_at: None,
        outcome: Ok(()),
    };
    event_loop.run_app(&mut runner).context("the display server ended the connection")?;
    runner.outcome
}

/// Waits for what happens, and draws when it is time.
struct Runner {
    wakes: EventLoopProxy<Wake>,
    start: Option<(ViewportBuilder, Create)>,
    open: Option<Open>,
    /// When the next frame is due.
    frame_at: Option<Instant>,
    /// When to give up waiting for the display server's word to draw.
    owed_at: Option<Instant>,
    outcome: anyhow::Result<()>,
}

impl Runner {
    fn fail(&mut self, event_loop: &ActiveEventLoop, error: anyhow::Error) {
        self.outcome = Err(error);
        event_loop.exit();
    }

    /// A frame at some time, but never more of them than the display shows.
    fn due(&mut self, at: Instant) {
        let at = self.open.as_ref().map_or(at, |open| at.max(open.earliest_frame()));
        self.frame_at = Some(self.frame_at.map_or(at, |old| old.min(at)));
    }

    fn pass(&mut self, event_loop: &ActiveEventLoop, pass: Pass) {
        self.owed_at = None;
        let Some(open) = &mut self.open else { return };
        if let Err(error) = open.pass(event_loop, pass) {
            self.fail(event_loop, error);
        } else if open.is_closing {
            event_loop.exit();
        }
    }

    /// Asks for a redraw if a frame is due, and sleeps until the next is.
    fn schedule(&mut self, event_loop: &ActiveEventLoop) {
        let now = Instant::now();
        if self.frame_at.is_some_and(|at| at <= now) {
            self.frame_at = None;
            match &self.open {
                // Some systems ask nothing of a window that is not there yet.
                Some(open) if !open.is_shown() => self.pass(event_loop, Pass::Shown),
                Some(open) if open.is_covered() => self.pass(event_loop, Pass::Hidden),
                Some(open) => {
                    open.window.request_redraw();
                    self.owed_at.get_or_insert(now + OWED);
                }
                None => {}
            }
        }
        if self.owed_at.is_some_and(|at| at <= now) {
            // It may come yet; answers of threads do not wait for it.
            self.pass(event_loop, Pass::Hidden);
        }
        let next = self.frame_at.into_iter().chain(self.owed_at).min();
        event_loop.set_control_flow(next.map_or(ControlFlow::Wait, ControlFlow::WaitUntil));
    }
}

impl ApplicationHandler<Wake> for Runner {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let Some((viewport, create)) = self.start.take() else { return };
        match Open::new(event_loop, viewport, create, &self.wakes) {
            Ok(open) => {
                self.open = Some(open);
                self.due(Instant::now());
                self.schedule(event_loop);
            }
            Err(error) => self.fail(event_loop, anyhow!("the window cannot be opened: {error:#}")),
        }
    }

    fn new_events(&mut self, event_loop: &ActiveEventLoop, _: StartCause) {
        self.schedule(event_loop);
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, wake: Wake) {
        let Some(open) = &mut self.open else { return };
        match wake {
            // A pass that began since has seen what was to be shown, but one asked for during it.
            Wake::Repaint { at, pass } if pass + 1 >= open.passes() => {
                // What asks for frames all the time shall not keep the processor busy where nobody looks.
                let is_covered = open.is_shown() && open.is_covered();
                self.due(if is_covered { at.max(Instant::now() + OWED) } else { at });
            }
            Wake::Repaint { .. } => {}
            Wake::Accessibility(event) => {
                if open.accessibility(event) {
                    self.due(Instant::now());
                }
            }
        }
        self.schedule(event_loop);
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        if matches!(event, WindowEvent::RedrawRequested) {
            self.pass(event_loop, Pass::Shown);
        } else if let Some(open) = &mut self.open
            && open.take(&event)
        {
            self.due(Instant::now());
        }
        self.schedule(event_loop);
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        if let Some(mut open) = self.open.take() {
            open.end();
        }
    }
}
