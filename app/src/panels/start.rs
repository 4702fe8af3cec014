//! The page without an image.

use egui::{Align2, Label, RichText, Sense, Ui, UiBuilder, Vec2};

use super::{Context, DISCLAIMER, primary_button};
use crate::command::{Action, UiCommand as C};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let rect = Align2::CENTER_CENTER.align_size_within_rect(Vec2::new(520.0, 460.0), ui.max_rect());
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.label(RichText::new("Hilum").size(34.0).color(tokens.text).strong());
        ui.label(RichText::new("Click a lesion, get its outline.").size(15.0).color(tokens.weak));
        ui.add_space(20.0);
        ui.horizontal(|ui| {
            ui.spacing_mut().button_padding = Vec2::new(16.0, 8.0);
            primary_button(ui, context, C::OpenFile, "Open…");
            super::command_button(ui, context, C::OpenFolder);
            super::command_button(ui, context, C::OpenSample);
        });
        ui.add_space(6.0);
        let hint = "or drop files or a folder here: NIfTI, DICOM, NRRD, MetaImage, PNG, JPEG, TIFF, BMP";
        ui.label(RichText::new(hint).small().color(tokens.weak));
        ui.add_space(24.0);
        recent(ui, context);
        ui.add_space(8.0);
        super::command_button(ui, context, C::KeptWork);
        ui.add_space(24.0);
        ui.label(RichText::new(DISCLAIMER).color(tokens.warning));
    });
    if let Some(opening) = &context.state.opening {
        super::views::progress(ui, context, opening);
    }
}

fn recent(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let recent = &context.state.settings.recent;
    ui.label(RichText::new("RECENT").small().color(tokens.weak).extra_letter_spacing(0.6));
    if recent.is_empty() {
        ui.label(RichText::new("Nothing opened yet").color(tokens.weak));
    }
    for path in recent.iter().take(8) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let folder = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        ui.horizontal(|ui| {
            let link = ui.link(RichText::new(name).color(tokens.accent));
            if link.clicked() {
                context.actions.send(Action::open(path.clone()));
            }
            let text = RichText::new(folder).small().color(tokens.weak);
            ui.add(Label::new(text).truncate().sense(Sense::hover()));
        });
    }
}
