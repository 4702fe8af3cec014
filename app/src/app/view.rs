//! Looking.

use std::sync::Arc;

use super::HilumApp;
use crate::command::{Preset, UiCommand, ViewAction};
use crate::state::{AlbumFraming, Layout, MousePreset, SceneMode, ViewId, auto_window};

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
            C::TogglePanels => self.state.hides_panels = !self.state.hides_panels,
            C::ToggleCrosshair => self.state.settings.crosshair = !self.state.settings.crosshair,
            C::SceneSurfaces => self.state.settings.scene = SceneMode::Surfaces,
            C::SceneMip => self.state.settings.scene = SceneMode::Mip,
            C::SceneVolume => self.state.settings.scene = SceneMode::Volume,
            C::ToggleBounce => self.state.settings.bounce = !self.state.settings.bounce,
            C::ToggleReadout => self.state.settings.readout = !self.state.settings.readout,
            C::ToggleContrast => self.state.settings.high_contrast = !self.state.settings.high_contrast,
            C::MouseRadiology => self.state.settings.mouse = MousePreset::Radiology,
            C::MouseItkSnap => self.state.settings.mouse = MousePreset::ItkSnap,
            C::MouseSlicer => self.state.settings.mouse = MousePreset::Slicer,
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
            C::ResetView => self.frame(AlbumFraming::Whole),
            C::LayoutScene => session.views.single = Some(ViewId::Scene),
            C::MaximiseView => {
                let view = session.views.under_hand;
                session.views.single = session.views.single.is_none().then_some(view);
            }
            C::EnlargeView => {
                session.views.main = session.views.under_hand;
                session.views.single = None;
            }
            C::NextView => session.views.next_plane(),
            C::TurnPlanes => session.views.turning = !session.views.turning,
            C::ResetPlanes => session.views.reset_turns(),
            C::LayoutAxial => session.views.single = Some(ViewId::PLANES[0]),
            C::LayoutCoronal => session.views.single = Some(ViewId::PLANES[1]),
            C::LayoutSagittal => session.views.single = Some(ViewId::PLANES[2]),
            _ => return self.run_layout(command) || self.step_crosshair(command),
        }
        if let Some(session) = &mut self.state.session
            && let Some(single) = session.views.single
        {
            session.views.take_in_hand(single);
        }
        true
    }

    fn run_layout(&mut self, command: UiCommand) -> bool {
        let Some((layout, _)) = Layout::ALL.into_iter().find(|(_, c)| *c == command) else { return false };
        self.state.settings.layout = layout;
        if let Some(session) = &mut self.state.session {
            session.views.single = None;
        }
        true
    }

    fn step_crosshair(&mut self, command: UiCommand) -> bool {
        use UiCommand as C;
        let (right, down) = match command {
            C::CrosshairLeft => (-1.0, 0.0),
            C::CrosshairRight => (1.0, 0.0),
            C::CrosshairUp => (0.0, -1.0),
            C::CrosshairDown => (0.0, 1.0),
            C::CrosshairFarLeft => (-PAGE, 0.0),
            C::CrosshairFarRight => (PAGE, 0.0),
            C::CrosshairFarUp => (0.0, -PAGE),
            C::CrosshairFarDown => (0.0, PAGE),
            _ => return false,
        };
        if let Some(session) = &mut self.state.session {
            let (volume, view) = (Arc::clone(session.volume()), session.views.active);
            session.views.step_crosshair(&volume, view, right, down);
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
            ViewAction::Scroll(view, slices) if !views.is_flat() && view != ViewId::Scene => {
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
                    session.views.take_in_hand(view);
                }
            }
            ViewAction::Maximise(view) => {
                views.single = if views.single.is_some() { None } else { Some(view) };
            }
            ViewAction::TurnPlane(view, axis, angle_rad) if angle_rad.is_finite() => {
                views.turn_plane(view, axis, angle_rad);
            }
            ViewAction::TurnPlane(..) => {}
            ViewAction::SetTurn(view, turn) => views.set_turn(view, turn),
            ViewAction::Orbit(delta) => views.orbit(delta),
            ViewAction::LookFrom(side) => views.look_from(side),
            ViewAction::SurfaceOpacity(label, opacity) => session.scene.set_opacity(label, opacity),
        }
    }
}
