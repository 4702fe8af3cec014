//! The palette: type a few letters of any command, Enter runs it.

use egui::{Align, Button, Key, Modal, RichText, ScrollArea, TextEdit, Ui, Vec2};

use hilum_models::catalog::Card;

use super::Context;
use crate::command::{Action, LABEL_IMAGE_WITH, PhotoAction, UiCommand};
use crate::theme;

/// What the palette offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entry<'a> {
    Command(UiCommand),
    /// Labels the whole image.
    Model(&'a Card),
}

impl Entry<'_> {
    fn text(&self) -> String {
        match self {
            Self::Command(command) => command.text().to_owned(),
            Self::Model(card) => format!("{LABEL_IMAGE_WITH} {}", card.id),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Command(command) => command.description().tooltip.to_owned(),
            Self::Model(card) => {
                let regions = card.dense().map(|task| task.regions.as_slice()).unwrap_or_default();
                let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
                format!("{}. Labels {}", card.title, names.join(", "))
            }
        }
    }

    fn is_enabled(&self, context: Context<'_>) -> bool {
        match self {
            Self::Command(command) => context.state.is_enabled(*command),
            Self::Model(_) => context.state.is_enabled(UiCommand::LabelImage),
        }
    }

    fn run(&self, context: Context<'_>) {
        context.actions.send(Action::CloseDialog);
        match self {
            Self::Command(command) => context.actions.send(*command),
            Self::Model(card) => context.actions.send(PhotoAction::LabelWith(card.id.clone())),
        }
    }
}

/// What fits what was typed, best first: names that begin with it, then names that hold it, then names that hold its
/// letters in order.
pub(super) fn matching<'a>(typed: &str, models: impl Iterator<Item = &'a Card>) -> Vec<Entry<'a>> {
    let typed = typed.trim().to_lowercase();
    let rank = |entry: &Entry<'_>| {
        let name = entry.text().to_lowercase();
        if name.starts_with(&typed) {
            Some(0)
        } else if name.contains(&typed) {
            Some(1)
        } else {
            let mut letters = name.chars();
            typed.chars().all(|wanted| letters.any(|letter| letter == wanted)).then_some(2)
        }
    };
    let all = UiCommand::ALL.into_iter().map(Entry::Command).chain(models.map(Entry::Model));
    let mut found: Vec<_> = all.filter_map(|entry| rank(&entry).map(|rank| (rank, entry))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, entry)| entry).collect()
}

pub(super) fn show(ui: &Ui, context: Context<'_>, typed: &str) {
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
            let mut found = matching(&text, context.state.labelling_models());
            found.retain(|entry| *entry != Entry::Command(UiCommand::Palette));
            let first = found.iter().position(|entry| entry.is_enabled(context));
            let enter = ui.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::Enter));
            if let Some(first) = first.filter(|_| enter) {
                found[first].run(context);
            }
            ui.add_space(4.0);
            ScrollArea::vertical().max_height(380.0).auto_shrink([false, true]).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                for (at, entry) in found.iter().enumerate() {
                    row(ui, context, entry, first == Some(at));
                }
            });
        });
    if response.should_close() {
        context.actions.send(Action::CloseDialog);
    }
}

fn row(ui: &mut Ui, context: Context<'_>, entry: &Entry<'_>, is_first: bool) {
    let tokens = theme::of(ui);
    let is_enabled = entry.is_enabled(context);
    let color = if is_enabled { tokens.text } else { tokens.weak };
    let mut button = Button::selectable(is_first, RichText::new(entry.text()).color(color));
    if let Entry::Command(command) = entry
        && let Some(keys) = command.shortcut_text(ui.ctx())
    {
        button = button.shortcut_text(keys);
    }
    let button = button.min_size(Vec2::new(ui.available_width(), 24.0));
    let row =
        ui.with_layout(egui::Layout::top_down_justified(Align::Min), |ui| ui.add_enabled(is_enabled, button));
    if row.inner.on_hover_text(entry.hint()).clicked() {
        entry.run(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_come_before_the_rest() {
        let matching = |typed| matching(typed, std::iter::empty());
        assert_eq!(matching("und").first(), Some(&Entry::Command(UiCommand::Undo)));
        assert_eq!(matching("br").first(), Some(&Entry::Command(UiCommand::ToolBrush)));
        assert!(matching("wdw lng").contains(&Entry::Command(UiCommand::Preset2)));
        assert!(matching("zzzz").is_empty());
        assert_eq!(matching("").len(), UiCommand::ALL.len());
    }
}
