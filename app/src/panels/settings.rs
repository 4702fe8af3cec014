//! How images are shown, and preferences.

use egui::{Grid, RichText, Slider, Ui};

use super::{Context, status};
use crate::command::{Action, Preset, UiCommand as C, ViewAction};
use crate::state::{MousePreset, Settings};
use crate::theme;

/// The part of the side panel about the look of the image.
pub(super) fn display(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = &context.state.session else { return };
    let is_ct = session.volume().meta().modality == hilum_core::volume::Modality::Ct;
    if is_ct {
        Grid::new("presets").num_columns(3).spacing([6.0, 6.0]).show(ui, |ui| {
            for (i, preset) in Preset::CT.iter().enumerate() {
                let on = session.views.center == preset.center && session.views.width == preset.width;
                let response = ui.selectable_label(on, preset.name);
                if response.on_hover_text(preset.command.tooltip(ui.ctx())).clicked() {
                    context.actions.send(preset.command);
                }
                if i % 3 == 2 {
                    ui.end_row();
                }
            }
        });
    }
    window(ui, context, session.views.center, session.views.width);
    opacity(ui, context);
}

fn window(ui: &mut Ui, context: Context<'_>, center: f32, width: f32) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        let mut values = [width, center];
        let mut changed = false;
        for (value, name) in values.iter_mut().zip(["Width", "Level"]) {
            let caption = ui.label(RichText::new(name).color(tokens.weak));
            let speed = f64::from(width.abs().max(1e-3)) / 200.0;
            let field =
                egui::DragValue::new(value).speed(speed).max_decimals(if width >= 10.0 { 1 } else { 4 });
            changed |= ui.add(field).labelled_by(caption.id).changed();
        }
        if changed {
            context.actions.send(ViewAction::Window(values[1], values[0]));
        }
        let auto = ui.button("Auto").on_hover_text(C::AutoWindow.tooltip(ui.ctx()));
        if auto.clicked() {
            context.actions.send(C::AutoWindow);
        }
    });
}

fn opacity(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let mut settings = context.state.settings.clone();
    let Settings { fill_opacity, outline_opacity, .. } = &mut settings;
    let mut changed = false;
    Grid::new("opacity").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        for (name, value) in [("Mask fill", fill_opacity), ("Mask outline", outline_opacity)] {
            let caption = ui.label(RichText::new(name).color(tokens.weak));
            let slider = Slider::new(value, 0.0..=1.0).fixed_decimals(2);
            changed |= ui.add(slider).labelled_by(caption.id).changed();
            ui.end_row();
        }
    });
    ui.horizontal_wrapped(|ui| {
        changed |= ui.checkbox(&mut settings.linear, "Smooth pixels").changed();
        changed |= ui.checkbox(&mut settings.crosshair, "Crosshair").changed();
    });
    if changed {
        context.actions.send(Action::Settings(Box::new(settings)));
    }
}

/// Three customs of using the mouse, and what the chosen one does.
fn mouse(ui: &mut Ui, settings: &mut Settings) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        for preset in MousePreset::ALL {
            ui.radio_value(&mut settings.mouse, preset, preset.name());
        }
    });
    Grid::new("mouse").num_columns(2).spacing([14.0, 2.0]).show(ui, |ui| {
        for (what, does) in settings.mouse.lines() {
            ui.label(RichText::new(what).small().color(tokens.weak));
            ui.label(RichText::new(does).small());
            ui.end_row();
        }
    });
}

/// The dialog of preferences.
pub(super) fn dialog(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let mut settings = context.state.settings.clone();
    ui.heading("Settings");
    ui.add_space(8.0);
    Grid::new("settings").num_columns(2).spacing([18.0, 10.0]).show(ui, |ui| {
        ui.label(RichText::new("Theme").color(tokens.weak));
        ui.horizontal(|ui| {
            ui.radio_value(&mut settings.dark, true, "Dark");
            ui.radio_value(&mut settings.dark, false, "Light");
            ui.checkbox(&mut settings.high_contrast, "High contrast");
        });
        ui.end_row();
        let caption = ui.label(RichText::new("Text size").color(tokens.weak));
        let slider = Slider::new(&mut settings.font_scale, 0.7..=2.5).step_by(0.1).fixed_decimals(1);
        ui.add(slider).labelled_by(caption.id);
        ui.end_row();
        let caption = ui.label(RichText::new("Annotator").color(tokens.weak));
        let hint = "Name in worklists and in the record of who did what; the computer's account without one";
        let field = egui::TextEdit::singleline(&mut settings.annotator).desired_width(200.0).char_limit(80);
        ui.add(field).labelled_by(caption.id).on_hover_text(hint);
        ui.end_row();
        ui.label(RichText::new("Mouse").color(tokens.weak));
        ui.vertical(|ui| mouse(ui, &mut settings));
        ui.end_row();
        ui.label(RichText::new("Keys").color(tokens.weak));
        if ui.button("Change keys…").on_hover_text(C::Shortcuts.tooltip(ui.ctx())).clicked() {
            context.actions.send(C::Shortcuts);
        }
        ui.end_row();
        ui.label(RichText::new("Archives").color(tokens.weak));
        if ui.button("Servers…").on_hover_text(C::Servers.tooltip(ui.ctx())).clicked() {
            context.actions.send(C::Servers);
        }
        ui.end_row();
        ui.label(RichText::new("Status bar").color(tokens.weak));
        ui.checkbox(&mut settings.readout, "Speed and memory");
        ui.end_row();
        ui.label(RichText::new("Title").color(tokens.weak));
        ui.checkbox(
            &mut settings.name_in_title,
            "Name of the image, which others may see in a list of windows",
        );
        ui.end_row();
        ui.label(RichText::new("Networks run on").color(tokens.weak));
        ui.vertical(|ui| status::device_choices(ui, context));
        ui.end_row();
    });
    if settings != context.state.settings {
        context.actions.send(Action::Settings(Box::new(settings)));
    }
}
