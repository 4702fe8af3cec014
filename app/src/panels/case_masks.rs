//! Masks of many cases at once: which mask belongs to which case, before anything is taken.

use egui::{Grid, RichText, ScrollArea, Ui};

use super::Context;
use crate::command::{Action, WorklistAction};
use crate::jobs::MaskPair;
use crate::state::MaskChoice;
use crate::theme;

/// Files that are named of those that belong to no case.
const MOST_UNUSED: usize = 5;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, choice: &MaskChoice) {
    let tokens = theme::of(ui);
    let pairs = &choice.pairs;
    let taken = pairs.pairs.iter().filter(|pair| pair.taken().is_some()).count();
    ui.heading("Take over masks as labels");
    let text = format!("{taken} of {} cases get a mask from {}", pairs.pairs.len(), pairs.from.display());
    ui.label(RichText::new(text).color(tokens.weak));
    ScrollArea::vertical().max_height(320.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("masks of cases").num_columns(3).striped(true).show(ui, |ui| {
            for title in ["Case", "Mask", ""] {
                ui.label(RichText::new(title).small().color(tokens.weak));
            }
            ui.end_row();
            for pair in &pairs.pairs {
                ui.label(&pair.name);
                ui.label(file_name(pair));
                ui.label(RichText::new(pair.refused.clone().unwrap_or_default()).color(tokens.weak));
                ui.end_row();
            }
        });
    });
    if !pairs.unused.is_empty() {
        let names = pairs.unused.iter().filter_map(|path| path.file_name());
        let names: Vec<_> = names.take(MOST_UNUSED).map(|name| name.to_string_lossy().into_owned()).collect();
        let text = format!("{} files belong to no case: {}", pairs.unused.len(), names.join(", "));
        ui.label(RichText::new(text).color(tokens.weak));
    }
    let mut are_right = choice.are_right;
    ui.checkbox(&mut are_right, "They are right: mark the cases as corrected")
        .on_hover_text("Otherwise they are in work until somebody has looked at them");
    if are_right != choice.are_right {
        context.actions.send(WorklistAction::MasksAreRight(are_right));
    }
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        if ui.add_enabled(taken > 0, egui::Button::new(format!("Take {taken} masks"))).clicked() {
            context.actions.send(WorklistAction::TakeMasks);
        }
        if ui.button("Cancel").clicked() {
            context.actions.send(Action::CloseDialog);
        }
    });
}

fn file_name(pair: &MaskPair) -> String {
    let name = pair.mask.as_ref().and_then(|path| path.file_name());
    name.map_or_else(|| "–".to_owned(), |name| name.to_string_lossy().into_owned())
}
