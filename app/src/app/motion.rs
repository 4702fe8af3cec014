//! What happens on its own from frame to frame: films, surfaces that follow the labels, and how long frames take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Context, Event};

use super::HilumApp;
use crate::command::UiCommand;
use crate::jobs::{Meshed, SurfaceRequest};
use crate::state::{Cine, KeyMap, SceneMode, Session, ViewId, pressed_shortcut};

/// How often speed and memory are shown anew while nothing else happens.
const READOUT_PERIOD: Duration = Duration::from_millis(500);
/// How long the 3-D view rests before it is drawn finer.
const REST: Duration = Duration::from_millis(150);

impl HilumApp {
    /// Starts or stops the film of the view in hand.
    pub(super) fn toggle_cine(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        let Some(session) = &mut self.state.session else { return };
        let views = &mut session.views;
        views.cine = match views.cine {
            Some(_) => None,
            None => Some(Cine::new(views.active, now)),
        };
    }

    /// Any key, any press over the images and any turn of the wheel stop a film; panels and the film's own commands do
    /// not.
    pub(super) fn stop_cine_if_touched(&mut self, ctx: &Context) {
        let Some(session) = &mut self.state.session else { return };
        if session.views.cine.is_none() {
            return;
        }
        let is_over_image = |pos: egui::Pos2| self.images.contains(pos);
        let pointer = ctx.input(|i| i.pointer.hover_pos());
        let touched = ctx.input(|i| {
            i.events.iter().any(|event| match event {
                Event::PointerButton { pos, pressed: true, .. } => is_over_image(*pos),
                Event::MouseWheel { .. } | Event::Zoom(_) => pointer.is_some_and(is_over_image),
                Event::Key { pressed: true, .. } => true,
                _ => false,
            })
        });
        // The key that starts or stops the film decides on its own.
        let keys = KeyMap::of(ctx);
        let own_key = ctx.input(|i| {
            i.events.iter().any(|event| match event {
                Event::Key { key, pressed: true, modifiers, .. } => {
                    let pressed = pressed_shortcut(*modifiers, *key);
                    keys.command(&pressed) == Some(UiCommand::ToggleCine)
                }
                _ => false,
            })
        });
        if touched && !own_key {
            session.views.cine = None;
        }
    }

    /// Moves the film on.
    pub(super) fn advance_cine(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        let (rate_hz, bounce) = (self.state.settings.cine_hz, self.state.settings.bounce);
        let Some(session) = &mut self.state.session else { return };
        let Some(mut cine) = session.views.cine else { return };
        let volume = Arc::clone(session.volume());
        let wait_secs = cine.advance(&mut session.views, &volume, now, rate_hz, bounce);
        session.views.cine = Some(cine);
        ctx.request_repaint_after(Duration::from_secs_f64(wait_secs));
    }

    /// Hands blocks that changed to the thread of the surfaces while somebody looks at them.
    pub(super) fn mesh(&mut self, ctx: &Context) {
        let settings = &self.state.settings;
        let (layout, mode) = (settings.layout, settings.scene);
        let Some(session) = self.state.session.as_mut().filter(|session| !session.is_glimpse) else { return };
        let is_seen = mode == SceneMode::Surfaces && session.views.shown(layout).contains(&ViewId::Scene);
        if !is_seen || session.views.is_flat() {
            return;
        }
        let labels = Arc::clone(session.document.labels());
        let blocks = session.scene.next_blocks(&labels);
        drop(labels);
        if !blocks.is_empty() {
            let request =
                SurfaceRequest { session: session.id, affine: *session.volume().grid().affine(), blocks };
            if let Err(request) = self.surfaces.ask(request) {
                session.scene.lost(request.blocks.iter().map(|block| block.block));
            }
        }
        if session.scene.has_waiting() {
            self.hurry(ctx);
        }
    }

    /// Takes in meshed blocks.
    pub(super) fn take_meshed(&mut self, meshed: Meshed) {
        if let Some(session) = self.state.session.as_mut().filter(|session| session.id == meshed.session) {
            session.scene.take(meshed.blocks);
        }
    }

    /// Asks for the next frame at once.
    pub(super) fn hurry(&mut self, ctx: &Context) {
        self.next_is_due = true;
        ctx.request_repaint();
    }

    /// Notes that a frame begins.
    pub(super) fn begin_frame(&mut self, last_worked_secs: Option<f32>) {
        self.frame_start = Instant::now();
        self.state.readout.frame_begins(self.frame_start, last_worked_secs);
    }

    /// Notes that a frame ends, and wakes the window for what is due without anybody asking.
    pub(super) fn end_frame(&mut self, ctx: &Context) {
        let layout = self.state.settings.layout;
        let is_seen = |session: &Session| session.views.shown(layout).contains(&ViewId::Scene);
        let by_cpu = self.cpu.borrow();
        let (by_cpu_coarse, by_cpu_ms) = (by_cpu.scene_pace().is_coarse(), by_cpu.scene_pace().last_ms());
        drop(by_cpu);
        let is_coarse =
            if self.state.graphics.is_some() { self.screen.scene_is_coarse() } else { by_cpu_coarse };
        if self.state.session.as_ref().is_some_and(is_seen) && is_coarse {
            ctx.request_repaint_after(REST);
        }
        self.state.readout.scene_ms =
            if self.state.graphics.is_some() { self.screen.scene_ms() } else { by_cpu_ms };
        let is_due = std::mem::take(&mut self.next_is_due);
        self.state.readout.frame_ends(self.frame_start, is_due);
        if self.state.settings.readout {
            ctx.request_repaint_after(READOUT_PERIOD);
        }
    }
}
