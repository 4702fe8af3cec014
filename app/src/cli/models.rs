//! `hilum models`.

use std::time::Instant;

use clap::Subcommand;
use hilum_models::catalog::{Card, Model};
use hilum_models::device::{self, DeviceChoice};
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
        }
    }
}

#[derive(Serialize)]
struct Entry {
    id: String,
    title: String,
    stage: &'static str,
    arch: String,
    size: usize,
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
            stage: match card.stage {
                Stage::Coarse { .. } => "coarse",
                Stage::Fine { .. } => "fine",
            },
            arch: card.arch.clone(),
            size: card.size,
            is_default: card.is_default,
            is_embedded: model.is_embedded(),
            weights_bytes: model.weights_len()?,
            licence: card.licence.clone(),
        })
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
                model.stage.into(),
                model.arch.clone(),
                format!("{}³", model.size),
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
            format!(
                "network   {} ({} stage, {}³ voxels), {}, {origin}",
                card.arch,
                entry.stage,
                card.size,
                entry.size_text()
            ),
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
