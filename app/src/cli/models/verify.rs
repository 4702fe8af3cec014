//! `hilum models verify`.

use std::time::Instant;

use hilum_models::catalog::Model;
use hilum_models::device::{self, DeviceChoice};
use serde::Serialize;

use crate::cli::output::{Console, Report};

pub(super) fn run(id: Option<&str>, console: &Console) -> anyhow::Result<()> {
    let catalog = console.catalog()?;
    let models = match id {
        Some(id) => vec![Verification::of(catalog.find(id)?)?],
        None => catalog.models().iter().map(Verification::of).collect::<anyhow::Result<_>>()?,
    };
    console.report(&Verified { models })
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
