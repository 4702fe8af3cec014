//! Changing which keys run which commands.

use egui::KeyboardShortcut;

use super::HilumApp;
use crate::command::{KeysAction, UiCommand};
use crate::state::{Dialog, KeyMap, KeysPage};

impl HilumApp {
    /// Carries out what the page of keys asks for.
    pub(super) fn change_keys(&mut self, ctx: &egui::Context, action: KeysAction) {
        let mut map = KeyMap::with(&self.state.settings.keys);
        match action {
            KeysAction::Filter(text) => self.on_page(|page| page.filter = text),
            KeysAction::Listen(command) => self.on_page(|page| {
                page.listening = command;
                page.taken = None;
            }),
            KeysAction::Pressed(shortcut) => self.hear(&mut map, shortcut),
            KeysAction::Take(command, shortcut) => {
                map.bind(command, shortcut);
                self.stop_listening();
            }
            KeysAction::Remove(command, shortcut) => map.unbind(command, shortcut),
            KeysAction::Reset(command) => map.reset(command),
            KeysAction::ResetAll => map = KeyMap::default(),
        }
        self.state.settings.keys = map.chosen();
        map.install(ctx);
    }

    fn on_page(&mut self, change: impl FnOnce(&mut KeysPage)) {
        if let Dialog::Shortcuts(page) = &mut self.state.dialog {
            change(page);
        }
    }

    fn stop_listening(&mut self) {
        self.on_page(|page| {
            page.listening = None;
            page.taken = None;
        });
    }

    /// A combination was pressed for a command: it has it now, or the page says who has it.
    fn hear(&mut self, map: &mut KeyMap, shortcut: KeyboardShortcut) {
        let Dialog::Shortcuts(KeysPage { listening: Some(command), .. }) = &self.state.dialog else { return };
        let command: UiCommand = *command;
        match map.command(&shortcut) {
            Some(other) if other != command => self.on_page(|page| page.taken = Some(shortcut)),
            _ => {
                map.bind(command, shortcut);
                self.stop_listening();
            }
        }
    }
}
