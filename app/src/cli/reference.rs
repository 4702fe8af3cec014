//! The pages of the book that the program writes about itself, so that they cannot differ from it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use hilum_models::catalog::{Catalog, Model};

use super::Cli;
use crate::command::UiCommand;
use crate::state::shortcut_text;

const NOTE: &str = "<!-- Written by `hilum reference docs`; a test compares it with the program. -->\n";

/// Write the pages about commands, keys and models of the book.
#[derive(Debug, Args)]
pub struct Reference {
    /// The folder of the book's pages.
    dir: PathBuf,
}

impl Reference {
    pub fn run(&self) -> anyhow::Result<()> {
        let pages = [("command-line.md", commands()), ("keys.md", keys()), ("model-cards.md", cards()?)];
        for (name, text) in pages {
            let path = self.dir.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("the page cannot be written: {}", path.display()))?;
        }
        Ok(())
    }
}

fn commands() -> String {
    let mut page = format!(
        "{NOTE}# Commands\n\nEvery command prints text for people, or one JSON object with `--json`. It ends with 0 on success, 1 on a \
         refused input with the reason on stderr, and 2 on wrong usage. `hilum` without a command opens the window.\n"
    );
    let mut program = Cli::command();
    program.build();
    write_command(&mut page, &mut program, 2);
    page
}

fn write_command(page: &mut String, command: &mut clap::Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let heading = "#".repeat(depth.min(4));
    // Writing into a string does not fail.
    let _ = write!(page, "\n{heading} {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for inner in
        command.get_subcommands_mut().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        write_command(page, inner, depth + 1);
    }
}

fn keys() -> String {
    let mut page = format!(
        "{NOTE}# Keys\n\nThe keys as the program comes; F1 shows them as they are set and changes them. Commands without a key stand in \
         the menus and in the command palette (Ctrl+Shift+P).\n\n| command | keys | what it does |\n|---|---|---|\n"
    );
    for command in UiCommand::ALL {
        let row = command.description();
        let keys: Vec<String> = row.keys.iter().map(|key| format!("`{}`", shortcut_text(key))).collect();
        let _ = writeln!(page, "| {} | {} | {} |", row.text, keys.join(", "), row.tooltip);
    }
    page
}

fn cards() -> anyhow::Result<String> {
    let mut page = format!(
        "{NOTE}# Model cards\n\nThe models inside the program. `hilum models show NAME` prints the card of any model, your own included.\n"
    );
    for model in Catalog::new(None)?.models() {
        write_card(&mut page, model);
    }
    Ok(page)
}

fn write_card(page: &mut String, model: &Model) {
    let card = &model.card;
    let _ = write!(page, "\n## {}\n\n{}\n\n| | |\n|---|---|\n", card.id, card.title);
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let rows = [
        ("network", &card.arch),
        ("licence", &card.licence),
        ("split", &card.split),
        ("training", &card.training),
    ];
    for (name, text) in rows {
        let _ = writeln!(page, "| {name} | {} |", cell(text));
    }
    for (name, items) in [("data", &card.data), ("figures", &card.figures), ("limits", &card.limits)] {
        for (n, item) in items.iter().enumerate() {
            let _ = writeln!(page, "| {} | {} |", if n == 0 { name } else { "" }, cell(item));
        }
    }
}
