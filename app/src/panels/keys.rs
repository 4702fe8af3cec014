//! The page of keys: every command with its keys, to be read, changed and given back.

use egui::{Event, Grid, Key, KeyboardShortcut, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use super::Context;
use crate::command::{KeysAction, UiCommand};
use crate::state::{KeyMap, KeysPage, pressed_shortcut, shown_shortcut};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, page: &KeysPage) {
    let tokens = theme::of(ui);
    let map = KeyMap::of(ui.ctx());
    if page.listening.is_some() && page.taken.is_none() {
        listen(ui, context);
    }
    ui.heading("Keyboard shortcuts");
    ui.label(RichText::new("Click a command's + and press the keys it shall have.").color(tokens.weak));
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new("Find").color(tokens.weak));
        let mut filter = page.filter.clone();
        let field = TextEdit::singleline(&mut filter).hint_text("Command or key").desired_width(260.0);
        if ui.add(field).labelled_by(caption.id).changed() {
            context.actions.send(KeysAction::Filter(filter));
        }
        let any = !context.state.settings.keys.is_empty();
        if ui.add_enabled(any, egui::Button::new("Reset all keys")).clicked() {
            context.actions.send(KeysAction::ResetAll);
        }
    });
    asked(ui, context, page, &map);
    conflicts(ui, &map);
    ui.add_space(6.0);
    let wanted = page.filter.trim().to_lowercase();
    ScrollArea::vertical().max_height(420.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("keys").num_columns(3).striped(true).spacing([18.0, 4.0]).show(ui, |ui| {
            for command in UiCommand::ALL {
                let names: Vec<String> =
                    map.keys(command).iter().map(|keys| shown_shortcut(ui.ctx(), keys)).collect();
                let fits = |text: &str| text.to_lowercase().contains(&wanted);
                if wanted.is_empty() || fits(command.text()) || names.iter().any(|name| fits(name)) {
                    row(ui, context, page, &map, command);
                }
            }
        });
    });
}

/// Takes the next combination out of the input.
fn listen(ui: &Ui, context: Context<'_>) {
    let pressed = ui.input_mut(|input| {
        let found = input.events.iter().find_map(|event| match event {
            Event::Key { key, pressed: true, modifiers, .. } => Some((*modifiers, *key)),
            _ => None,
        });
        input.events.retain(|event| !matches!(event, Event::Key { .. } | Event::Text(_)));
        found
    });
    match pressed {
        Some((modifiers, Key::Escape)) if modifiers == Modifiers::NONE => {
            context.actions.send(KeysAction::Listen(None));
        }
        Some((modifiers, key)) => {
            context.actions.send(KeysAction::Pressed(pressed_shortcut(modifiers, key)));
        }
        None => {}
    }
}

/// What the page waits for, or whether a combination shall be taken from another command.
fn asked(ui: &mut Ui, context: Context<'_>, page: &KeysPage, map: &KeyMap) {
    let Some(command) = page.listening else { return };
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        let Some(shortcut) = page.taken else {
            let text = format!("Press the keys for “{}”, or Escape", command.text());
            ui.label(RichText::new(text).color(tokens.accent));
            return;
        };
        let keys = shown_shortcut(ui.ctx(), &shortcut);
        let owner = map.command(&shortcut).map_or("another command", UiCommand::text);
        ui.label(RichText::new(format!("{keys} belongs to “{owner}”")).color(tokens.warning));
        if ui.button(format!("Use it for “{}”", command.text())).clicked() {
            context.actions.send(KeysAction::Take(command, shortcut));
        }
        if ui.button("Leave it").clicked() {
            context.actions.send(KeysAction::Listen(None));
        }
    });
}

/// Combinations that two commands have; only a settings file can say so.
fn conflicts(ui: &mut Ui, map: &KeyMap) {
    let tokens = theme::of(ui);
    for (shortcut, commands) in map.conflicts() {
        let names: Vec<&str> = commands.into_iter().map(UiCommand::text).collect();
        let keys = shown_shortcut(ui.ctx(), &shortcut);
        let text = format!("{keys} belongs to several commands: {}; the first one runs", names.join(", "));
        ui.label(RichText::new(text).color(tokens.warning));
    }
}

fn row(ui: &mut Ui, context: Context<'_>, page: &KeysPage, map: &KeyMap, command: UiCommand) {
    let name = command.text();
    let is_listening = page.listening == Some(command);
    let text = RichText::new(name);
    ui.label(if is_listening { text.strong() } else { text }).on_hover_text(command.description().tooltip);
    ui.horizontal(|ui| {
        for shortcut in map.keys(command) {
            combination(ui, context, command, *shortcut);
        }
        let add = ui.add(egui::Button::selectable(is_listening, "+"));
        let add = add.accessible_name(format!("Add keys to {name}"));
        if add.on_hover_text("Press other keys for this command").clicked() {
            context.actions.send(KeysAction::Listen((!is_listening).then_some(command)));
        }
    });
    let reset = ui.add_enabled(map.is_changed(command), egui::Button::new("Reset").small());
    let reset = reset.accessible_name(format!("Reset keys of {name}"));
    if reset.on_hover_text("The keys that the program came with").clicked() {
        context.actions.send(KeysAction::Reset(command));
    }
    ui.end_row();
}

fn combination(ui: &mut Ui, context: Context<'_>, command: UiCommand, shortcut: KeyboardShortcut) {
    let keys = shown_shortcut(ui.ctx(), &shortcut);
    let button = ui.add(egui::Button::new(&keys).small()).on_hover_text("Click to take these keys away");
    if button.accessible_name(format!("Remove {keys} from {}", command.text())).clicked() {
        context.actions.send(KeysAction::Remove(command, shortcut));
    }
}
