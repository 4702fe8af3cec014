//! `hilum models export`.

use std::path::PathBuf;

use clap::Args;
use hilum_models::device;
use serde::Serialize;

use crate::cli::output::{Console, Report};

/// Arguments of `models export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Identity of the model.
    id: String,
    /// The file to write; ID.safetensors by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ExportArgs {
    /// Exports.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let file = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.safetensors", self.id)));
        let network = console.catalog()?.find(&self.id)?.load_as_trained(&device::cpu().device)?;
        network.write_reference_checkpoint(&file)?;
        let parameters = network.parameter_count();
        console.report(&Exported { id: self.id.clone(), file, arch: network.arch().into(), parameters })
    }
}

#[derive(Serialize)]
struct Exported {
    id: String,
    file: PathBuf,
    arch: String,
    parameters: usize,
}

impl Report for Exported {
    fn text(&self) -> String {
        format!("{} ({}, {} parameters): {}", self.id, self.arch, self.parameters, self.file.display())
    }
}
