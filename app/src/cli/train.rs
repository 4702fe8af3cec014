//! `hilum train`.

use std::path::PathBuf;

use clap::Args;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::train::{Recipe, RunEvent, RunSummary, export_model, train};
use serde::Serialize;

use super::output::{Console, Progress, Report};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct Train {
    /// The recipe.
    recipe: PathBuf,
    /// Folder of the run; one that holds a checkpoint of the same recipe is continued. By default runs/NAME.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed instead of the recipe's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

impl Train {
    /// Trains until the recipe's end. What was validated is on disk whenever the run stops.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let mut recipe = Recipe::read(&self.recipe)?;
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&recipe.name));
        let device = device::open(self.device)?;
        let progress = Progress::start("loading data");
        progress.line(&format!("training {} on {}: {}", recipe.name, device.name, folder.display()));
        let summary =
            train(&recipe, &folder, &device.device, &progress, |event| progress.line(&line(event)))?;
        let model = export_model(&recipe, &summary, &folder)?;
        drop(progress);
        console.report(&TrainReport { run: folder, model, device: device.name, summary })
    }
}

fn line(event: &RunEvent) -> String {
    match event {
        RunEvent::Loss { step, loss, seconds_per_step } => {
            format!("step {step}: loss {loss:.4}, {seconds_per_step:.2} s a step")
        }
        RunEvent::Validated { step, validation, is_best } => {
            let best = if *is_best { ", the best so far" } else { "" };
            format!("step {step}: validation {:.4}{best}", validation.score())
        }
    }
}

#[derive(Serialize)]
struct TrainReport {
    run: PathBuf,
    /// Folder of the model: copied into the user's models it appears in the catalog.
    model: PathBuf,
    device: String,
    #[serde(flatten)]
    summary: RunSummary,
}

impl Report for TrainReport {
    fn text(&self) -> String {
        let summary = &self.summary;
        format!(
            "{} steps in {:.1} min, best validation {:.4} at step {}: {}",
            summary.steps,
            summary.minutes,
            summary.best.score(),
            summary.best_step,
            summary.weights.display()
        )
    }
}
