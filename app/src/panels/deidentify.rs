//! The dialog that makes copies without what identifies the patient.

use egui::{ProgressBar, RichText, ScrollArea, Ui};
use hilum_core::io::dicom::deidentify::Dates;

use super::Context;
use crate::command::DeidentifyAction;
use crate::state::{DeidentifyChoice, DeidentifyStep};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, step: &DeidentifyStep) {
    let tokens = theme::of(ui);
    match step {
        DeidentifyStep::Choose(choice) => choose(ui, context, *choice),
        DeidentifyStep::Running(progress) => {
            ui.heading("Copying without names…");
            ui.add(ProgressBar::new(progress.share()).show_percentage());
            if ui.button("Stop").clicked() {
                context.actions.send(DeidentifyAction::Stop);
            }
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(200));
        }
        DeidentifyStep::Done(lines) => {
            ui.heading("The copies are made");
            ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                for line in lines {
                    let is_warning = line.starts_with("Look:");
                    ui.label(RichText::new(line).color(if is_warning {
                        tokens.warning
                    } else {
                        tokens.text
                    }));
                    ui.add_space(4.0);
                }
            });
        }
    }
}

fn choose(ui: &mut Ui, context: Context<'_>, choice: DeidentifyChoice) {
    let tokens = theme::of(ui);
    ui.heading("De-identify DICOM files");
    ui.label("Copies the files by the Basic Profile of DICOM PS3.15: names, numbers, places and private elements go, UIDs are \
              exchanged, references between the copies stay. The originals are not changed.");
    ui.add_space(8.0);
    let mut new = choice;
    ui.checkbox(&mut new.only_this_series, "Only the open series (else the whole folder)");
    let mut moves = new.options.dates == Dates::Moved;
    ui.checkbox(&mut moves, "Keep intervals: move all dates of a patient by the same days");
    new.options.dates = if moves { Dates::Moved } else { Dates::Removed };
    ui.checkbox(&mut new.options.keep_characteristics, "Keep sex, age, size and weight");
    if new != choice {
        context.actions.send(DeidentifyAction::Choose(new));
    }
    ui.add_space(8.0);
    ui.label(RichText::new("Text that is burned into pixels stays; where it seems to be there, a warning says so. A face can be \
                            recognised in a scan of the head.").color(tokens.warning));
    ui.add_space(8.0);
    if ui.button("Choose the folder for the copies…").clicked() {
        context.actions.send(DeidentifyAction::AskTarget);
    }
}
