//! The line at the bottom: purpose, device and its speed, graphics.

use egui::{Align, Layout, RichText, Ui};
use hilum_models::infer::DeviceChoice;

use super::{Context, DISCLAIMER};
use crate::command::{Action, RemoteAction};
use crate::state::EngineState;
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            device_menu(ui, context);
            ui.separator();
            let drawn_by = context.state.graphics.as_deref().unwrap_or("CPU");
            ui.label(RichText::new(format!("Display: {drawn_by}")).small().color(tokens.weak));
            if context.state.settings.readout {
                ui.separator();
                ui.label(RichText::new(context.state.readout.text()).small().color(tokens.text));
            }
            let session = context.state.session.as_ref();
            if let Some((session, why)) =
                session.and_then(|session| Some((session, session.not_kept.as_ref()?)))
            {
                ui.separator();
                let text =
                    if session.is_kept { "Changes wait to be written" } else { "Changes are not kept" };
                ui.label(RichText::new(text).small().color(tokens.warning)).on_hover_text(why);
            }
            let teaching = context.state.worklist.as_ref().and_then(|list| list.teaching.running.as_ref());
            if let Some(lesson) = teaching {
                ui.separator();
                let share = lesson.share.map_or_else(String::new, |share| format!(" {:.0} %", 100.0 * share));
                let text = RichText::new(format!("Teaching{share}")).small().color(tokens.accent);
                ui.label(text).on_hover_text(super::sentence(&lesson.what));
            }
            if let Some(running) = &context.state.remote.running {
                ui.separator();
                if ui.small_button("Stop server").on_hover_text("Stop what is done on the server").clicked() {
                    context.actions.send(RemoteAction::Stop);
                }
                let share =
                    running.share.map_or_else(String::new, |share| format!(" {:.0} %", 100.0 * share));
                let text = format!("{}{share}", super::sentence(&running.what));
                ui.label(RichText::new(text).small().color(tokens.accent));
            }
            if context.state.saving {
                ui.separator();
                ui.label(RichText::new("Saving…").small().color(tokens.accent));
            }
            // What is left of the width, so that nothing is drawn over it.
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = RichText::new(DISCLAIMER).small().color(tokens.weak);
                ui.add(egui::Label::new(text).truncate());
            });
        });
    });
}

/// The device in a few words: name, and how fast it was last.
fn device_text(context: Context<'_>) -> String {
    let last = context.state.session.as_ref().and_then(|session| session.result.as_ref());
    let click_secs = last.map(|result| result.seconds.iter().map(|(_, secs)| secs).sum::<f64>());
    match (&context.state.engine, click_secs) {
        (EngineState::Idle, _) => "Network: not loaded".into(),
        (EngineState::Loading, _) => "Network: loading…".into(),
        (EngineState::Failed(_), _) => "Network: not available".into(),
        (EngineState::Ready { device, .. }, Some(secs)) => format!("Network: {device}, {secs:.1} s a click"),
        (EngineState::Ready { device, warm_up_secs, .. }, None) => {
            format!("Network: {device}, ready after {warm_up_secs:.1} s")
        }
    }
}

fn device_menu(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let failed = matches!(context.state.engine, EngineState::Failed(_));
    let color = if failed { tokens.warning } else { tokens.text };
    let menu = ui.menu_button(RichText::new(device_text(context)).small().color(color), |ui| {
        ui.set_min_width(240.0);
        device_choices(ui, context);
    });
    let hint = match &context.state.engine {
        EngineState::Failed(why) => why.clone(),
        EngineState::Ready { model, .. } => format!("Model {model}. Click to choose another device"),
        _ => "Choose the device on which the networks run".into(),
    };
    menu.response.on_hover_text(hint);
}

/// One entry a device; the CPU is always there.
pub(super) fn device_choices(ui: &mut Ui, context: Context<'_>) {
    let chosen = context.state.device_choice();
    let automatic = (DeviceChoice::Auto, "Automatic".to_owned());
    let found = context.state.devices.iter().map(|device| {
        let kind = match (device.backend, device.is_hardware_gpu) {
            ("cpu", _) => "CPU",
            (_, true) => "GPU",
            (_, false) => "Software GPU",
        };
        (device.choice, format!("{kind}: {}", device.name))
    });
    for (choice, text) in std::iter::once(automatic).chain(found) {
        if ui.radio(chosen == choice, text).clicked() {
            context.actions.send(Action::Device(choice));
            ui.close();
        }
    }
    if context.state.devices.is_empty() {
        ui.label("Looking for devices…");
    }
}
