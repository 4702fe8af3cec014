//! `hilum models list`.

use std::collections::BTreeSet;

use hilum_models::catalog::Model;
use hilum_models::nets::{ArchitectureInfo, Family, architecture, architectures};
use hilum_models::train::recipe::Stage;
use serde::Serialize;

use crate::cli::output::{Console, Report, table};

pub(super) fn run(console: &Console) -> anyhow::Result<()> {
    let catalog = console.catalog()?;
    let models = catalog.models().iter().map(Entry::of).collect::<anyhow::Result<_>>()?;
    console.report(&List::new(models))
}

/// What a list says of a model.
#[derive(Serialize)]
pub(super) struct Entry {
    id: String,
    title: String,
    /// Place in the one-click pipeline.
    stage: Option<&'static str>,
    arch: String,
    /// Where the network belongs; unknown networks belong nowhere.
    family: Option<Family>,
    /// Voxels along each edge of the input.
    size: Option<usize>,
    is_default: bool,
    pub(super) is_embedded: bool,
    weights_bytes: u64,
    licence: String,
}

impl Entry {
    pub(super) fn of(model: &Model) -> anyhow::Result<Self> {
        let card = &model.card;
        Ok(Self {
            id: card.id.clone(),
            title: card.title.clone(),
            stage: card.click().map(|task| match task.stage {
                Stage::Coarse { .. } => "coarse",
                Stage::Fine { .. } => "fine",
            }),
            arch: card.arch.clone(),
            family: architecture(&card.arch).map(|info| info.family),
            size: card.click().map(|task| task.size),
            is_default: card.click().is_some_and(|task| task.is_default),
            is_embedded: model.is_embedded(),
            weights_bytes: model.weights_len()?,
            licence: card.licence.clone(),
        })
    }

    /// Stage and input size, where it has its place in the pipeline.
    pub(super) fn place(&self) -> String {
        match (self.stage, self.size) {
            (Some(stage), Some(size)) => format!(" ({stage} stage, {size}³ voxels)"),
            _ => String::new(),
        }
    }

    pub(super) fn size_text(&self) -> String {
        format!("{:.1} MB", self.weights_bytes as f64 / 1e6)
    }
}

/// A network with the models that are made of it.
#[derive(Serialize)]
struct NetworkEntry {
    arch: &'static str,
    family: Family,
    about: &'static str,
    /// Their identities; none where no weights are installed.
    models: Vec<String>,
}

#[derive(Serialize)]
struct List {
    models: Vec<Entry>,
    /// Every network of the program, with or without weights.
    networks: Vec<NetworkEntry>,
}

impl List {
    fn new(models: Vec<Entry>) -> Self {
        let entry = |info: ArchitectureInfo| NetworkEntry {
            arch: info.arch,
            family: info.family,
            about: info.about,
            models: models.iter().filter(|m| m.arch == info.arch).map(|m| m.id.clone()).collect(),
        };
        let networks = architectures().into_iter().map(entry).collect();
        Self { models, networks }
    }
}

impl Report for List {
    fn text(&self) -> String {
        let families: BTreeSet<_> = self.networks.iter().map(|network| network.family).collect();
        let others = format!(
            "{} networks of {} families can be imported: hilum models networks",
            self.networks.len(),
            families.len()
        );
        if self.models.is_empty() {
            return format!("no model is installed\n{others}");
        }
        let row = |model: &Entry| {
            let default = if model.is_default { "default" } else { "" };
            vec![
                model.id.clone(),
                model.stage.unwrap_or("–").into(),
                model.family.map_or("–", Family::title).into(),
                model.arch.clone(),
                model.size.map_or("any".into(), |size| format!("{size}³")),
                model.size_text(),
                default.into(),
            ]
        };
        let rows: Vec<_> = self.models.iter().map(row).collect();
        let table = table(&["model", "stage", "family", "network", "input", "weights", ""], &rows);
        format!("{table}\n{others}")
    }
}
