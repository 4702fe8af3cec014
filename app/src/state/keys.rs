//! Which keys run which commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Context, Id, Key, KeyboardShortcut, Modifiers};

use crate::command::UiCommand;

/// Keys of all commands: those of the program, and those that a person chose instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap {
    keys: BTreeMap<UiCommand, Vec<KeyboardShortcut>>,
}

impl Default for KeyMap {
    fn default() -> Self {
        Self { keys: UiCommand::ALL.into_iter().map(|c| (c, c.description().keys.to_vec())).collect() }
    }
}

fn map_id() -> Id {
    Id::unique("key map")
}

impl KeyMap {
    /// The keys of the program, but for commands in `chosen` (by [`UiCommand::id`]) those written there. Unknown commands
    /// and unreadable keys are left out; a settings file may have been edited by hand.
    pub fn with(chosen: &BTreeMap<String, Vec<String>>) -> Self {
        let mut map = Self::default();
        for (command, keys) in &mut map.keys {
            if let Some(chosen) = chosen.get(command.id()) {
                *keys = chosen.iter().filter_map(|text| shortcut_from_text(text)).collect();
            }
        }
        map
    }

    /// What differs from the keys of the program, to be remembered.
    pub fn chosen(&self) -> BTreeMap<String, Vec<String>> {
        let differs = self.keys.iter().filter(|(command, keys)| !Self::is_default(**command, keys));
        differs
            .map(|(command, keys)| (command.id().to_owned(), keys.iter().map(shortcut_text).collect()))
            .collect()
    }

    fn is_default(command: UiCommand, keys: &[KeyboardShortcut]) -> bool {
        keys == command.description().keys
    }

    /// The keys of a command, the first one being shown.
    pub fn keys(&self, command: UiCommand) -> &[KeyboardShortcut] {
        self.keys.get(&command).map_or(&[], Vec::as_slice)
    }

    /// Whether a command has other keys than those of the program.
    pub fn is_changed(&self, command: UiCommand) -> bool {
        !Self::is_default(command, self.keys(command))
    }

    /// The command that a combination runs, the first one in the order of the palette.
    pub fn command(&self, shortcut: &KeyboardShortcut) -> Option<UiCommand> {
        UiCommand::ALL.into_iter().find(|command| self.keys(*command).contains(shortcut))
    }

    /// Gives a command one more combination and takes it from every other one.
    pub fn bind(&mut self, command: UiCommand, shortcut: KeyboardShortcut) {
        self.keys.values_mut().for_each(|keys| keys.retain(|old| *old != shortcut));
        self.keys.entry(command).or_default().push(shortcut);
    }

    /// Takes a combination from a command.
    pub fn unbind(&mut self, command: UiCommand, shortcut: KeyboardShortcut) {
        if let Some(keys) = self.keys.get_mut(&command) {
            keys.retain(|old| *old != shortcut);
        }
    }

    /// Gives a command the keys of the program again and takes them from every other one.
    pub fn reset(&mut self, command: UiCommand) {
        self.keys.insert(command, Vec::new());
        for shortcut in command.description().keys {
            self.bind(command, *shortcut);
        }
    }

    /// Combinations that more than one command has, with those commands; a settings file may say so.
    pub fn conflicts(&self) -> Vec<(KeyboardShortcut, Vec<UiCommand>)> {
        let mut found: Vec<(KeyboardShortcut, Vec<UiCommand>)> = Vec::new();
        for (command, keys) in &self.keys {
            for shortcut in keys {
                match found.iter_mut().find(|(known, _)| known == shortcut) {
                    Some((_, commands)) => commands.push(*command),
                    None => found.push((*shortcut, vec![*command])),
                }
            }
        }
        found.retain(|(_, commands)| commands.len() > 1);
        found
    }

    /// Makes this the map of a window, see [`KeyMap::of`].
    pub fn install(self, ctx: &Context) {
        ctx.data_mut(|data| data.insert_temp(map_id(), Arc::new(self)));
    }

    /// The map of a window; menus, tool-tips and keys all ask here.
    pub fn of(ctx: &Context) -> Arc<Self> {
        ctx.data_mut(|data| {
            Arc::clone(data.get_temp_mut_or_insert_with(map_id(), || Arc::new(Self::default())))
        })
    }
}

/// Names of modifiers in settings files; the command key is Ctrl, on macOS ⌘.
const MODIFIERS: [(&str, Modifiers); 3] =
    [("Ctrl", Modifiers::COMMAND), ("Alt", Modifiers::ALT), ("Shift", Modifiers::SHIFT)];

/// A combination as settings files have it: `Ctrl+Shift+Z`.
pub fn shortcut_text(shortcut: &KeyboardShortcut) -> String {
    let held = |modifiers: Modifiers| {
        let m = shortcut.modifiers;
        (modifiers.command && (m.command || m.ctrl))
            || (modifiers.alt && m.alt)
            || (modifiers.shift && m.shift)
    };
    let names = MODIFIERS.into_iter().filter(|(_, m)| held(*m)).map(|(name, _)| name);
    names.chain([shortcut.logical_key.name()]).collect::<Vec<_>>().join("+")
}

/// A combination as people read it: brackets and points as themselves, not by their names.
pub fn shown_shortcut(ctx: &Context, shortcut: &KeyboardShortcut) -> String {
    let (text, key) = (ctx.format_shortcut(shortcut), shortcut.logical_key);
    let symbol = key.symbol_or_name();
    let is_plain = symbol.len() == 1 && symbol.chars().all(|c| c.is_ascii_punctuation());
    match text.strip_suffix(key.name()) {
        Some(held) if is_plain => format!("{held}{symbol}"),
        _ => text,
    }
}

/// Reads [`shortcut_text`]; `None` if there is no such combination.
pub fn shortcut_from_text(text: &str) -> Option<KeyboardShortcut> {
    let (mut rest, mut modifiers) = (text, Modifiers::NONE);
    for (name, modifier) in MODIFIERS {
        if let Some(shorter) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('+')) {
            rest = shorter;
            modifiers = modifiers.plus(modifier);
        }
    }
    Some(KeyboardShortcut::new(modifiers, Key::from_name(rest)?))
}

/// A combination as the program's table writes it, from what the keyboard reports.
pub fn pressed_shortcut(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    let mut found = Modifiers::NONE;
    for (held, modifier) in [
        (modifiers.command || modifiers.ctrl, Modifiers::COMMAND),
        (modifiers.alt, Modifiers::ALT),
        (modifiers.shift, Modifiers::SHIFT),
    ] {
        if held {
            found = found.plus(modifier);
        }
    }
    KeyboardShortcut::new(found, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_the_program_survives_being_written() {
        for command in UiCommand::ALL {
            for shortcut in command.description().keys {
                let text = shortcut_text(shortcut);
                assert_eq!(shortcut_from_text(&text), Some(*shortcut), "{text}");
            }
        }
        for nonsense in ["", "Ctrl+", "Hyper+Q", "Shift+Shift+Q"] {
            assert_eq!(shortcut_from_text(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_map_survives_being_remembered_and_only_differences_are() {
        assert!(KeyMap::default().chosen().is_empty());
        let mut map = KeyMap::default();
        let taken = shortcut_from_text("Ctrl+S").unwrap();
        map.bind(UiCommand::ToolBrush, taken);
        assert_eq!(map.command(&taken), Some(UiCommand::ToolBrush));
        assert!(map.keys(UiCommand::Save).is_empty(), "it was taken from the other command");
        assert!(map.conflicts().is_empty());
        let chosen = map.chosen();
        assert_eq!(chosen.keys().collect::<Vec<_>>(), ["Save", "ToolBrush"]);
        assert_eq!(KeyMap::with(&chosen), map);
        map.reset(UiCommand::Save);
        map.reset(UiCommand::ToolBrush);
        assert_eq!(map, KeyMap::default());
    }

    #[test]
    fn conflicts_of_a_file_edited_by_hand_are_found() {
        let chosen = [
            ("Save".to_owned(), vec!["B".to_owned(), "nonsense".to_owned()]),
            ("NoSuchCommand".to_owned(), vec!["Q".to_owned()]),
        ];
        let map = KeyMap::with(&chosen.into());
        let conflicts = map.conflicts();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].0, shortcut_from_text("B").unwrap());
        assert!(conflicts[0].1.contains(&UiCommand::Save) && conflicts[0].1.contains(&UiCommand::ToolBrush));
    }
}
