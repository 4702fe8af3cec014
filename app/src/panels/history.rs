//! The steps made; a click goes back or forward to one.

use egui::{Button, RichText, ScrollArea, Ui};

use super::{Context, command_button};
use crate::command::{SegmentAction, UiCommand as C};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.editable() else { return };
    let tokens = theme::of(ui);
    let history = session.document.history();
    ui.horizontal(|ui| {
        command_button(ui, context, C::Undo);
        command_button(ui, context, C::Redo);
    });
    let cursor = history.cursor();
    if session.editing.walk.is_some() {
        ui.label(RichText::new("A large step is being undone or made again…").small().color(tokens.weak));
    }
    ScrollArea::vertical().id_salt("history").max_height(220.0).auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        let opened = std::iter::once("Opened");
        for (applied, name) in opened.chain(history.steps()).enumerate() {
            let color = if applied > cursor { tokens.weak.gamma_multiply(0.7) } else { tokens.text };
            let text = RichText::new(format!("{applied}   {name}")).color(color);
            let button = Button::selectable(applied == cursor, text).truncate();
            let response = super::left_aligned(ui, |ui| ui.add(button));
            if applied == cursor && session.labels_revision > 0 {
                keep_in_sight(ui, &response, history.len(), cursor);
            }
            if response.on_hover_text("Go to this step").clicked() && applied != cursor {
                context.actions.send(SegmentAction::GoTo(applied));
            }
        }
    });
}

/// Scrolls to the present step when it has changed, and only then.
fn keep_in_sight(ui: &Ui, response: &egui::Response, steps: usize, cursor: usize) {
    let id = egui::Id::unique("history position");
    let now = (steps, cursor);
    if ui.data(|d| d.get_temp::<(usize, usize)>(id)) != Some(now) {
        ui.data_mut(|d| d.insert_temp(id, now));
        response.scroll_to_me(None);
    }
}
