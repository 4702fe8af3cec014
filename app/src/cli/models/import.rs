//! `hilum models import`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use hilum_core::io::read_small_text;
use hilum_models::catalog::{AxisOrder, Import, Imported, import};
use hilum_models::device;
use serde::Serialize;

use crate::cli::output::{Console, Report};

/// Arguments of `models import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The weights.
    file: PathBuf,
    /// The network (see `hilum models networks`).
    #[arg(long)]
    arch: String,
    /// Its configuration as it was trained: JSON, or a file with it; what is not named has the default.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Order of the axes of the arrays that it was trained on: zyx or xyz (as nibabel yields them). A network for
    /// volumes of xyz arrays is turned, and exported as it came.
    #[arg(long, value_name = "ORDER", default_value = "zyx")]
    axes: AxisOrder,
    /// Identity of the new model.
    #[arg(long, value_name = "ID")]
    name: String,
    /// Licence of the weights.
    #[arg(long)]
    licence: Option<String>,
    /// Replace a model of yours with this identity.
    #[arg(long)]
    replace: bool,
}

impl ImportArgs {
    /// Imports.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        console.report(&self.import(console)?)
    }

    fn import(&self, console: &Console) -> anyhow::Result<ImportReport> {
        let config = match &self.config {
            None => serde_json::Value::Null,
            Some(text) if text.trim_start().starts_with('{') => {
                serde_json::from_str(text).context("--config is no JSON object")?
            }
            Some(path) => {
                let text = read_small_text(Path::new(path)).with_context(|| format!("cannot read {path}"))?;
                serde_json::from_str(&text).with_context(|| format!("no JSON object: {path}"))?
            }
        };
        let folder =
            console.models_folder().context("there is no folder for models; name one with --models")?;
        let request = Import {
            file: &self.file,
            arch: &self.arch,
            config,
            axes: self.axes,
            id: &self.name,
            licence: self.licence.as_deref(),
            replace: self.replace,
        };
        Ok(ImportReport { imported: import(&request, &folder, &device::cpu().device)? })
    }
}

#[derive(Serialize)]
struct ImportReport {
    #[serde(flatten)]
    imported: Imported,
}

impl Report for ImportReport {
    fn text(&self) -> String {
        let Imported { card, folder, parameters, prefix, ignored, tried_input, tried_output, tried_seconds } =
            &self.imported;
        let mut lines = vec![
            format!("{}: {} with {parameters} parameters: {}", card.id, card.arch, folder.display()),
            format!("self-test {tried_input:?} to {tried_output:?} in {tried_seconds:.2} s"),
        ];
        if card.axes == AxisOrder::Xyz {
            lines.push("turned from [x, y, z] to [z, y, x] arrays".to_owned());
        }
        if !prefix.is_empty() {
            lines.push(format!("all names began with \"{prefix}\", which was taken off"));
        }
        if !ignored.is_empty() {
            lines.push(format!("not needed for inference: {}", ignored.join(", ")));
        }
        lines.join("\n")
    }
}
