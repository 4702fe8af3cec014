//! What a package installs beside the program, made from the command line's own definition so that it cannot differ.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Cli;

/// Print a script that completes the commands of `hilum` in a shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(&self) {
        clap_complete::generate(self.shell, &mut Cli::command(), "hilum", &mut std::io::stdout());
    }
}

/// Write the manual pages, one a command.
#[derive(Debug, Args)]
pub struct Man {
    /// Folder to write them into; it is made where it is missing.
    dir: PathBuf,
}

impl Man {
    pub fn run(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.dir))
            .with_context(|| format!("{}: the manual pages cannot be written", self.dir.display()))
    }
}
