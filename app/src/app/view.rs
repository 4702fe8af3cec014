//! Looking.

use std::sync::Arc;

use super::HilumApp;
use crate::command::{Preset, UiCommand, ViewAction};
use crate::state::{ViewId, auto_window};

/// Slices for the page keys.
const PAGE: f64 = 10.0;
/// More slices than any image has.
const TO_THE_END: f64 = 1e7;

impl HilumApp {
    /// Carries out a command about looking; `false` if it is none.
    pub(super) fn run_view(&mut self, command: UiCommand) -> bool {
        use UiCommand as C;
        if let Some(preset) = Preset::CT.iter().find(|preset| preset.command == command) {
            self.view(ViewAction::Window(preset.center, preset.width));
            return true;
        }
        match command {
            C::ToggleInterpolation => self.state.settings.linear = !self.state.settings.linear,
            C::ToggleCrosshair => self.state.settings.crosshair = !self.state.settings.crosshair,
            C::CenterOnLabel => self.center_on_label(),
            C::PreviousSlice => self.scroll(-1.0),
            C::NextSlice => self.scroll(1.0),
            C::PreviousSlices => self.scroll(-PAGE),
            C::NextSlices => self.scroll(PAGE),
            C::FirstSlice => self.scroll(-TO_THE_END),
            C::LastSlice => self.scroll(TO_THE_END),
            _ => return self.run_view_of_session(command),
        }
        true
    }

    fn run_view_of_session(&mut self, command: UiCommand) -> bool {
        use UiCommand as C;
        let Some(session) = &mut self.state.session else { return false };
        let volume = Arc::clone(session.volume());
        match command {
            C::AutoWindow => (session.views.center, session.views.width) = auto_window(&volume),
            C::ToggleMask => session.show_mask = !session.show_mask,
            C::ResetView => session.views.reset(&volume),
            C::LayoutAll => session.views.single = None,
            C::LayoutAxial => session.views.single = Some(ViewId::PLANES[0]),
            C::LayoutCoronal => session.views.single = Some(ViewId::PLANES[1]),
            C::LayoutSagittal => session.views.single = Some(ViewId::PLANES[2]),
            _ => return false,
        }
        if let Some(single) = session.views.single {
            session.views.active = single;
        }
        true
    }

    fn scroll(&mut self, slices: f64) {
        if let Some(view) = self.state.session.as_ref().map(|session| session.views.active) {
            self.view(ViewAction::Scroll(view, slices));
        }
    }

    pub(super) fn view(&mut self, action: ViewAction) {
        let Some(session) = &mut self.state.session else { return };
        let volume = Arc::clone(session.volume());
        let views = &mut session.views;
        match action {
            ViewAction::Crosshair(world) => views.set_crosshair(&volume, world),
            ViewAction::Scroll(view, slices) if !views.is_flat() => {
                views.active = view;
                views.scroll(&volume, view, slices);
            }
            ViewAction::Scroll(..) => {}
            ViewAction::Pan(view, delta, size) => views.pan(&volume, view, delta, size),
            ViewAction::Zoom(view, factor, offset, size) => views.zoom(&volume, view, factor, offset, size),
            ViewAction::Window(center, width) => {
                if center.is_finite() && width.is_finite() {
                    views.center = center;
                    views.width = width.max(1e-6);
                }
            }
            ViewAction::Hover(hover) => {
                views.hover = hover;
                // During a stroke the keys stay with the view that is painted in.
                if let Some((view, _)) = hover.filter(|_| !session.document.is_stroking()) {
                    session.views.active = view;
                }
            }
            ViewAction::Maximise(view) => {
                views.single = if views.single.is_some() { None } else { Some(view) };
            }
        }
    }
}
