//! `hilum models`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hilum_models::catalog::{Card, Import, Imported, Model, import};
use hilum_models::device::{self, DeviceChoice};
use hilum_models::nets::{ArchitectureInfo, architectures};
use hilum_models::train::recipe::Stage;
use serde::Serialize;

use super::output::{Console, Report, table};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List all models.
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
    Import(ImportArgs),
    /// Write the weights of a model as safetensors under the reference's names, for PyTorch.
    Export {
        /// Identity of the model.
        id: String,
        /// The file to write; ID.safetensors by default.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the networks that weights can be imported into, with their default configurations.
    Networks,
}

/// Arguments of `models import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The weights.
    file: PathBuf,
    /// The network (see `hilum models networks`).
    #[arg(long)]
    arch: String,
    /// Its configuration as JSON, or a file with it; what is not named has the default.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
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

impl Models {
    /// Lists, shows or verifies.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let catalog = console.catalog()?;
        match self {
            Self::List => {
                let models = catalog.models().iter().map(Entry::of).collect::<anyhow::Result<_>>()?;
                console.report(&List { models })
            }
            Self::Show { id } => {
                let model = catalog.find(id)?;
                console.report(&Shown { entry: Entry::of(model)?, card: model.card.clone() })
            }
            Self::Verify { id: Some(id) } => {
                console.report(&Verified { models: vec![Verification::of(catalog.find(id)?)?] })
            }
            Self::Verify { id: None } => {
                let models = catalog.models().iter().map(Verification::of).collect::<anyhow::Result<_>>()?;
                console.report(&Verified { models })
            }
            Self::Import(arguments) => console.report(&arguments.import(console)?),
            Self::Export { id, out } => {
                let out = out.clone().unwrap_or_else(|| PathBuf::from(format!("{id}.safetensors")));
                let network = catalog.find(id)?.load(&device::cpu().device)?;
                network.write_reference_checkpoint(&out)?;
                let parameters = network.parameter_count();
                console.report(&Exported {
                    id: id.clone(),
                    file: out,
                    arch: network.arch().into(),
                    parameters,
                })
            }
            Self::Networks => console.report(&Networks { networks: architectures() }),
        }
    }
}

impl ImportArgs {
    fn import(&self, console: &Console) -> anyhow::Result<ImportReport> {
        let config = match &self.config {
            None => serde_json::Value::Null,
            Some(text) if text.trim_start().starts_with('{') => {
                serde_json::from_str(text).context("--config is no JSON object")?
            }
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
                serde_json::from_str(&text).with_context(|| format!("no JSON object: {path}"))?
            }
        };
        let folder =
            console.models_folder().context("there is no folder for models; name one with --models")?;
        let request = Import {
            file: &self.file,
            arch: &self.arch,
            config,
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
        if !prefix.is_empty() {
            lines.push(format!("all names began with \"{prefix}\", which was taken off"));
        }
        if !ignored.is_empty() {
            lines.push(format!("not needed for inference: {}", ignored.join(", ")));
        }
        lines.join("\n")
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

#[derive(Serialize)]
struct Networks {
    networks: Vec<ArchitectureInfo>,
}

impl Report for Networks {
    fn text(&self) -> String {
        let row = |info: &ArchitectureInfo| vec![info.arch.to_owned(), info.about.to_owned()];
        let width = self.networks.iter().map(|info| info.arch.len()).max().unwrap_or(0);
        let lines = self.networks.iter().map(row).map(|row| format!("{:<width$}  {}", row[0], row[1]));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[derive(Serialize)]
struct Entry {
    id: String,
    title: String,
    /// Place in the one-click pipeline.
    stage: Option<&'static str>,
    arch: String,
    /// Voxels along each edge of the input.
    size: Option<usize>,
    is_default: bool,
    is_embedded: bool,
    weights_bytes: u64,
    licence: String,
}

impl Entry {
    fn of(model: &Model) -> anyhow::Result<Self> {
        let card = &model.card;
        Ok(Self {
            id: card.id.clone(),
            title: card.title.clone(),
            stage: card.click().map(|task| match task.stage {
                Stage::Coarse { .. } => "coarse",
                Stage::Fine { .. } => "fine",
            }),
            arch: card.arch.clone(),
            size: card.click().map(|task| task.size),
            is_default: card.click().is_some_and(|task| task.is_default),
            is_embedded: model.is_embedded(),
            weights_bytes: model.weights_len()?,
            licence: card.licence.clone(),
        })
    }

    /// Stage and input size, where it has its place in the pipeline.
    fn place(&self) -> String {
        match (self.stage, self.size) {
            (Some(stage), Some(size)) => format!(" ({stage} stage, {size}³ voxels)"),
            _ => String::new(),
        }
    }

    fn size_text(&self) -> String {
        format!("{:.1} MB", self.weights_bytes as f64 / 1e6)
    }
}

#[derive(Serialize)]
struct List {
    models: Vec<Entry>,
}

impl Report for List {
    fn text(&self) -> String {
        if self.models.is_empty() {
            return "no model is installed".to_owned();
        }
        let row = |model: &Entry| {
            let default = if model.is_default { "default" } else { "" };
            vec![
                model.id.clone(),
                model.stage.unwrap_or("–").into(),
                model.arch.clone(),
                model.size.map_or("any".into(), |size| format!("{size}³")),
                model.size_text(),
                default.into(),
            ]
        };
        let rows: Vec<_> = self.models.iter().map(row).collect();
        table(&["model", "stage", "network", "input", "weights", ""], &rows)
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(skip)]
    entry: Entry,
    #[serde(flatten)]
    card: Card,
}

impl Report for Shown {
    fn text(&self) -> String {
        let (card, entry) = (&self.card, &self.entry);
        let origin = if entry.is_embedded { "inside the program" } else { "installed by the user" };
        let mut lines = vec![
            format!("{}: {}", card.id, card.title),
            format!("network   {}{}, {}, {origin}", card.arch, entry.place(), entry.size_text()),
            format!("licence   {}", card.licence),
            format!("split     {}", card.split),
            format!("training  {}", card.training),
        ];
        for (title, items) in [("data", &card.data), ("figures", &card.figures), ("limits", &card.limits)] {
            lines.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| format!("{:<8}  {item}", if n == 0 { title } else { "" })),
            );
        }
        lines.join("\n")
    }
}

#[derive(Serialize)]
struct Verification {
    id: String,
    parameters: usize,
    seconds: f64,
}

impl Verification {
    fn of(model: &Model) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let network = model.load(&device::open(DeviceChoice::Cpu)?.device)?;
        Ok(Self {
            id: model.card.id.clone(),
            parameters: network.parameter_count(),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}

#[derive(Serialize)]
struct Verified {
    models: Vec<Verification>,
}

impl Report for Verified {
    fn text(&self) -> String {
        if self.models.is_empty() {
            return "no model is installed".to_owned();
        }
        let line = |m: &Verification| {
            format!("{}: weights match the card and fit the network ({} parameters)", m.id, m.parameters)
        };
        self.models.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
