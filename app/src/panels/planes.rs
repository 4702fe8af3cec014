//! Films, turned planes and the 3-D view in the side panel.

use egui::{DragValue, Grid, RichText, Slider, Ui};
use hilum_core::geometry::PatientDirection;

use super::{Context, command_button, section};
use crate::command::{Action, UiCommand as C, ViewAction};
use crate::state::{CINE_RANGE_HZ, SceneMode, Session, Turn, ViewId};
use crate::theme;
use crate::viewport::TURNED_NOTE;

/// The sides from which the 3-D view is seen.
const SIDES: [PatientDirection; 6] = [
    PatientDirection::Anterior,
    PatientDirection::Posterior,
    PatientDirection::Left,
    PatientDirection::Right,
    PatientDirection::Superior,
    PatientDirection::Inferior,
];

pub(super) fn sections(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.session.as_ref().filter(|session| !session.views.is_flat()) else {
        return;
    };
    section(ui, "Planes", |ui| {
        film(ui, context, session);
        turns(ui, context, session);
    });
    if session.views.shown(context.state.settings.layout).contains(&ViewId::Scene) {
        section(ui, "3-D view", |ui| scene(ui, context, session));
    }
}

fn film(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    let mut settings = context.state.settings.clone();
    ui.horizontal(|ui| {
        let text = if session.views.cine.is_some() { "Stop" } else { "Play" };
        let enabled = context.state.is_enabled(C::ToggleCine);
        let play =
            ui.add_enabled(enabled, egui::Button::new(text)).on_hover_text(C::ToggleCine.tooltip(ui.ctx()));
        if play.clicked() {
            context.actions.send(C::ToggleCine);
        }
        let caption = ui.label(RichText::new("Rate").color(tokens.weak));
        let slider = Slider::new(&mut settings.cine_hz, CINE_RANGE_HZ.0..=CINE_RANGE_HZ.1);
        ui.add(slider.fixed_decimals(0).suffix("/s")).labelled_by(caption.id);
    });
    ui.checkbox(&mut settings.bounce, "To and fro");
    if settings != context.state.settings {
        context.actions.send(Action::Settings(Box::new(settings)));
    }
}

fn turns(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    let mut turning = session.views.turning;
    let response = ui.checkbox(&mut turning, "Turn planes").on_hover_text(C::TurnPlanes.tooltip(ui.ctx()));
    if response.changed() {
        context.actions.send(C::TurnPlanes);
    }
    if !session.views.turning && !session.views.is_turned() {
        return;
    }
    Grid::new("turns").num_columns(4).spacing([8.0, 4.0]).show(ui, |ui| {
        for view in ViewId::PLANES {
            ui.label(RichText::new(view.name()).color(tokens.weak));
            let mut degrees = session.views.turn(view).degrees();
            let mut changed = false;
            for (angle, about) in degrees.iter_mut().zip(["tilt", "swing", "spin"]) {
                // Rounding of angles that were found again must not look like a turn.
                *angle = (*angle * 10.0).round() / 10.0 + 0.0;
                let field =
                    DragValue::new(angle).speed(0.5).range(-180.0..=180.0).max_decimals(1).suffix("°");
                let response = ui.add(field).accessible_name(format!("{} {about}", view.name()));
                changed |= response.changed();
            }
            if changed {
                context.actions.send(ViewAction::SetTurn(view, Turn::from_degrees(degrees)));
            }
            ui.end_row();
        }
    });
    command_button(ui, context, C::ResetPlanes);
    if session.views.is_turned() {
        ui.label(RichText::new(TURNED_NOTE).small().color(tokens.warning));
    }
}

fn scene(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    ui.horizontal_wrapped(|ui| {
        for (mode, command, text) in [
            (SceneMode::Surfaces, C::SceneSurfaces, "Surfaces"),
            (SceneMode::Mip, C::SceneMip, "Maximum"),
            (SceneMode::Volume, C::SceneVolume, "Volume"),
        ] {
            let response = ui.radio(context.state.settings.scene == mode, text);
            if response.on_hover_text(command.tooltip(ui.ctx())).clicked() {
                context.actions.send(command);
            }
        }
    });
    ui.horizontal(|ui| {
        ui.label(RichText::new("From").color(tokens.weak));
        for side in SIDES {
            let button = ui.small_button(side.letter().to_string());
            let name = format!("See from {side:?}");
            if button.accessible_name(&name).on_hover_text(&name).clicked() {
                context.actions.send(ViewAction::LookFrom(side));
            }
        }
    });
    if context.state.settings.scene != SceneMode::Surfaces {
        ui.label(RichText::new("Window and level decide what is seen.").small().color(tokens.weak));
        return;
    }
    Grid::new("surfaces").num_columns(2).spacing([10.0, 4.0]).show(ui, |ui| {
        let used = |id| session.document.labels().count(id) > 0;
        for entry in session.document.table().entries().iter().filter(|entry| used(entry.id)) {
            let caption = ui.label(RichText::new(&entry.name).color(tokens.weak));
            let mut opacity = session.scene.opacity(entry.id);
            let slider = Slider::new(&mut opacity, 0.0..=1.0).fixed_decimals(2);
            let response = ui.add_enabled(entry.visible, slider).labelled_by(caption.id);
            if response.on_hover_text("Opacity of the surface").changed() {
                context.actions.send(ViewAction::SurfaceOpacity(entry.id, opacity));
            }
            ui.end_row();
        }
    });
}
