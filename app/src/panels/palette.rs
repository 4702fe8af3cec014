//! The palette: type a few letters of any command, Enter runs it.

use egui::{Align, Button, Key, Modal, RichText, ScrollArea, TextEdit, Ui, Vec2};

use super::Context;
use crate::command::{Action, UiCommand};
use crate::theme;

/// Commands that fit what was typed, best first: names that begin with it, then names that hold it, then names
/// that hold its letters in order.
pub(super) fn matching(typed: &str) -> Vec<UiCommand> {
    let typed = typed.trim().to_lowercase();
    let rank = |command: &UiCommand| {
        let name = command.text().to_lowercase();
        if name.starts_with(&typed) {
            Some(0)
        } else if name.contains(&typed) {
            Some(1)
        } else {
            let mut letters = name.chars();
            typed.chars().all(|wanted| letters.any(|letter| letter == wanted)).then_some(2)
        }
    };
    let mut found: Vec<_> = UiCommand::ALL.into_iter().filter_map(|c| rank(&c).map(|r| (r, c))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, command)| command).collect()
}

pub(super) fn show(ui: &Ui, context: Context<'_>, typed: &str) {
    let tokens = theme::of(ui);
    let response = Modal::new(egui::Id::unique("palette"))
        .frame(egui::Frame::popup(ui.style()).inner_margin(12))
        .show(ui.ctx(), |ui| {
            ui.set_width(460.0);
            let mut text = typed.to_owned();
            let field =
                TextEdit::singleline(&mut text).hint_text("Type a command").desired_width(f32::INFINITY);
            let field = ui.add(field.margin(Vec2::new(8.0, 7.0)));
            field.request_focus();
            if text != typed {
                context.actions.send(Action::PaletteText(text.clone()));
            }
            let found: Vec<_> = matching(&text).into_iter().filter(|c| *c != UiCommand::Palette).collect();
            let first = found.iter().copied().find(|c| context.state.is_enabled(*c));
            let enter = ui.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::Enter));
            if let Some(command) = first.filter(|_| enter) {
                run(context, command);
            }
            ui.add_space(4.0);
            ScrollArea::vertical().max_height(380.0).auto_shrink([false, true]).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                for command in found {
                    let enabled = context.state.is_enabled(command);
                    let keys = command.shortcut_text(ui.ctx()).unwrap_or_default();
                    let color = if enabled { tokens.text } else { tokens.weak };
                    let button = Button::selectable(
                        first == Some(command),
                        RichText::new(command.text()).color(color),
                    )
                    .shortcut_text(keys)
                    .min_size(Vec2::new(ui.available_width(), 24.0));
                    let row = ui.with_layout(egui::Layout::top_down_justified(Align::Min), |ui| {
                        ui.add_enabled(enabled, button)
                    });
                    if row.inner.on_hover_text(command.description().tooltip).clicked() {
                        run(context, command);
                    }
                }
            });
        });
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn run(context: Context<'_>, command: UiCommand) {
    context.actions.send(Action::CloseDialog);
    context.actions.send(command);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_come_before_the_rest() {
        assert_eq!(matching("und").first(), Some(&UiCommand::Undo));
        assert_eq!(matching("br").first(), Some(&UiCommand::ToolBrush));
        assert!(matching("wdw lng").contains(&UiCommand::Preset2));
        assert!(matching("zzzz").is_empty());
        assert_eq!(matching("").len(), UiCommand::ALL.len());
    }
}
