//! `hilum models`: one file a verb.

mod export;
mod import;
mod list;
mod networks;
mod show;
mod verify;

use clap::Subcommand;

use super::output::Console;

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List all models, and the networks that there are none of.
    List,
    /// Show the card of a model: data, licence, figures, limits.
    Show {
        /// Identity of the model.
        id: String,
    },
    /// Check that the weights of a model are those of its card and fit its network.
    Verify {
        /// Identity of the model; all models without one.
        id: Option<String>,
    },
    /// Add weights from elsewhere: safetensors or a PyTorch checkpoint, under the reference's names.
    Import(import::ImportArgs),
    /// Write the weights of a model as safetensors under the reference's names, for PyTorch.
    Export(export::ExportArgs),
    /// List the networks that weights can be imported into, with their default configurations.
    Networks,
}

impl Models {
    /// Runs the verb.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match self {
            Self::List => list::run(console),
            Self::Show { id } => show::run(id, console),
            Self::Verify { id } => verify::run(id.as_deref(), console),
            Self::Import(arguments) => arguments.run(console),
            Self::Export(arguments) => arguments.run(console),
            Self::Networks => networks::run(console),
        }
    }
}
