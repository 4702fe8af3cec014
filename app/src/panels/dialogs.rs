//! Dialogs in front of the window.

use egui::{Grid, Modal, ModalResponse, RichText, ScrollArea, Ui};
use hilum_core::io::Selection;

use super::{
    Context, DISCLAIMER, case_masks, keys, models, palette, remote, sentence, servers, settings, slide,
};
use crate::command::Action;
use crate::jobs::ImageProblem;
use crate::state::{Dialog, Guarded, MaskChoice, SeriesChoice, Session, SlideChoice};
use crate::theme;

pub(super) fn show(ui: &Ui, context: Context<'_>) {
    match &context.state.dialog {
        Dialog::None => {}
        Dialog::Palette(typed) => palette::show(ui, context, typed),
        Dialog::About => modal(ui, context, 420.0, about),
        Dialog::Shortcuts(page) => modal(ui, context, 640.0, |ui| keys::show(ui, context, page)),
        Dialog::Settings => modal(ui, context, 480.0, |ui| settings::dialog(ui, context)),
        Dialog::OpenFromServer => modal(ui, context, 860.0, |ui| remote::open(ui, context)),
        Dialog::StoreOnServer => modal(ui, context, 560.0, |ui| remote::store(ui, context)),
        Dialog::Servers => modal(ui, context, 560.0, |ui| servers::show(ui, context)),
        Dialog::Models => modal(ui, context, 760.0, |ui| models::show(ui, context)),
        Dialog::Warnings => modal(ui, context, 520.0, |ui| warnings(ui, context)),
        Dialog::Series(choice) => modal(ui, context, 760.0, |ui| series(ui, context, choice)),
        Dialog::Slide(choice) => slide_dialog(ui, context, choice),
        Dialog::Masks(choice) => masks(ui, context, choice),
        Dialog::Unsaved(guarded) => unsaved(ui, context, guarded),
        Dialog::Kept(list) => modal(ui, context, 760.0, |ui| super::kept::show(ui, context, list)),
        Dialog::Relocate(problem) => relocate(ui, context, problem),
        Dialog::Deidentify(step) => {
            modal(ui, context, 560.0, |ui| super::deidentify::show(ui, context, step))
        }
        Dialog::Recover { steps } => recover(ui, context, *steps),
    }
}

fn frame<T>(ui: &Ui, width: f32, contents: impl FnOnce(&mut Ui) -> T) -> ModalResponse<T> {
    let frame = egui::Frame::popup(ui.style()).inner_margin(20);
    Modal::new(egui::Id::unique("dialog")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(width);
        contents(ui)
    })
}

/// A dialog with a button that closes it.
fn modal(ui: &Ui, context: Context<'_>, width: f32, contents: impl FnOnce(&mut Ui)) {
    let response = frame(ui, width, |ui| {
        contents(ui);
        ui.add_space(10.0);
        // In a row of its own: a layout alone would take the height of the dialog that was shown before.
        ui.horizontal(|ui| {
            let right = egui::Layout::right_to_left(egui::Align::Center);
            ui.with_layout(right, |ui| ui.button("Close").clicked()).inner
        })
        .inner
    });
    if response.inner || response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn masks(ui: &Ui, context: Context<'_>, choice: &MaskChoice) {
    let response = frame(ui, 640.0, |ui| case_masks::show(ui, context, choice));
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn slide_dialog(ui: &Ui, context: Context<'_>, choice: &SlideChoice) {
    let response = frame(ui, 720.0, |ui| slide::show(ui, context, choice));
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn about(ui: &mut Ui) {
    let tokens = theme::of(ui);
    ui.label(RichText::new("Hilum").size(26.0).strong());
    ui.label(format!("Version {}", env!("CARGO_PKG_VERSION")));
    ui.add_space(8.0);
    ui.label(
        "A desktop workstation for segmentation with attention networks. Images leave this computer only when you store \
         them on a server that you have set up.",
    );
    ui.add_space(8.0);
    ui.label(RichText::new(DISCLAIMER).color(tokens.warning));
    ui.label("Hilum is not a medical device.");
    ui.add_space(8.0);
    ui.label(RichText::new("Licence: MIT or Apache-2.0").color(tokens.weak));
}

fn warnings(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    ui.heading("What is unusual about this image");
    ui.add_space(6.0);
    let found = context.state.session.as_ref().map_or(&[][..], |session| &session.warnings);
    for warning in found {
        ui.horizontal_top(|ui| {
            let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(18.0), egui::Sense::hover());
            theme::paint_icon(ui.painter(), rect, theme::Icon::Warning, tokens.warning);
            ui.add(egui::Label::new(sentence(&warning.to_string())).wrap());
        });
    }
}

fn series(ui: &mut Ui, context: Context<'_>, choice: &SeriesChoice) {
    let tokens = theme::of(ui);
    ui.heading("Choose a series");
    ui.label(RichText::new(format!("The folder holds {} series.", choice.series.len())).color(tokens.weak));
    ui.add_space(6.0);
    ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("series").num_columns(6).striped(true).spacing([20.0, 6.0]).show(ui, |ui| {
            for title in ["Patient", "No.", "Series", "Modality", "Size", "Date"] {
                ui.label(RichText::new(title).small().color(tokens.weak));
            }
            ui.end_row();
            for (number, series) in choice.series.iter().enumerate() {
                let name = match series.description.trim() {
                    "" => format!("Series {}", number + 1),
                    name => name.to_owned(),
                };
                ui.label(&series.patient.0);
                ui.label(series.number.map_or_else(String::new, |number| number.to_string()));
                let file = series.first_file.strip_prefix(&choice.path).unwrap_or(&series.first_file);
                let hint = format!("Open this series; its first file is {}", file.display());
                if ui.link(name).on_hover_text(hint).clicked() {
                    let (path, uid) = (choice.path.clone(), series.uid.clone());
                    context.actions.send(Action::CloseDialog);
                    context.actions.send(Action::Open { path, selection: Selection::series(uid) });
                }
                ui.label(series.modality.code());
                let [columns, rows, slices] = series.dims;
                ui.label(format!("{columns} × {rows} × {slices}"));
                ui.label(series.date.as_deref().unwrap_or(""));
                ui.end_row();
            }
        });
    });
}

/// A button; the one that is the `default` is what Enter pushes, unless the keyboard is elsewhere.
fn default_button(ui: &mut Ui, default: &str, text: &str) -> bool {
    let button = ui.button(text);
    if text == default && ui.memory(|memory| memory.focused().is_none()) {
        button.request_focus();
    }
    button.clicked()
}

fn unsaved(ui: &Ui, context: Context<'_>, guarded: &Guarded) {
    let can_wait = context.state.session.as_ref().is_some_and(Session::can_wait);
    let response = frame(ui, 420.0, |ui| {
        ui.heading("Save the mask first?");
        let doing = match guarded {
            Guarded::Quit => "Closing the window",
            Guarded::CloseImage => "Closing the image",
            Guarded::Open { .. }
            | Guarded::OpenPictures(_)
            | Guarded::OpenProject(_)
            | Guarded::Picture(_)
            | Guarded::Case(_) => "Opening another image",
        };
        if can_wait {
            ui.label("There are changes that are in no mask file.");
            ui.label(
                "Keep for later: they wait with their history until this image is opened again. Discard: they are \
                 deleted.",
            );
        } else {
            ui.label(format!("There are changes that were not saved. {doing} discards them."));
        }
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            if default_button(ui, if can_wait { "Keep for later" } else { "Save" }, "Save") {
                context.actions.send(Action::SaveThenContinue);
            }
            if can_wait && default_button(ui, "Keep for later", "Keep for later") {
                context.actions.send(Action::KeepForLater);
            }
            if ui.button("Discard").clicked() {
                context.actions.send(Action::Discard);
            }
            if ui.button("Cancel").clicked() {
                context.actions.send(Action::CloseDialog);
            }
        });
    });
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

/// The image of a project moved or changed.
fn relocate(ui: &Ui, context: Context<'_>, problem: &ImageProblem) {
    let tokens = theme::of(ui);
    let response = frame(ui, 520.0, |ui| {
        ui.heading("Where is the image of this project?");
        ui.label(RichText::new(sentence(&problem.why)).color(tokens.warning));
        if let Some(path) = &problem.image {
            ui.label(format!("The project was made for: {}", path.display()));
        }
        ui.label("The work in the project is unharmed. It opens with the image it was made for, wherever that lies.");
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            if default_button(ui, "Choose the image…", "Choose the image…") {
                context.actions.send(Action::AskImage(problem.clone()));
            }
            if ui.button("Cancel").clicked() {
                context.actions.send(Action::CloseDialog);
            }
        });
    });
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn recover(ui: &Ui, context: Context<'_>, steps: usize) {
    frame(ui, 440.0, |ui| {
        ui.heading("Continue where you were?");
        let count = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
        ui.label(format!("An earlier session left work on this image: {count}. Starting afresh deletes it."));
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            if default_button(ui, "Continue that work", "Continue that work") {
                context.actions.send(Action::Recover(true));
            }
            if ui.button("Start afresh").clicked() {
                context.actions.send(Action::Recover(false));
            }
        });
    });
}
