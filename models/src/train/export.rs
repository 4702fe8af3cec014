//! From a finished run to a model folder: weights in half precision and their card.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hilum_core::measure::summarize;

use super::folder::{to_json, write_text};
use super::recipe::{DenseRecipe, Recipe, TaskRecipe};
use super::run::{RunSummary, TrainError};
use super::validation::Validation;
use crate::catalog::{AxisOrder, Card, Region, Task, sha256_hex};
use crate::checkpoint::{FloatFormat, StateDict};
use crate::nets::{AnyNetwork, NetError};

/// Draws of the bootstrap.
const RESAMPLES: usize = 10_000;

/// Writes `model/weights.safetensors` (f16), `model/card.json` and, of a run with an adversary,
/// `model/discriminator.safetensors` into a run folder and returns the model folder.
///
/// What the run knows fills the card; the rest comes from the recipe's `card`. Copied into the folder of user
/// models or into `resources/weights`, it appears in the catalog.
///
/// # Errors
/// [`TrainError`] if the best weights are missing or the folder cannot be written.
pub fn export_model(recipe: &Recipe, summary: &RunSummary, folder: &Path) -> Result<PathBuf, TrainError> {
    let target = folder.join("model");
    std::fs::create_dir_all(&target).map_err(|cause| TrainError::Folder { cause, path: target.clone() })?;
    let network = AnyNetwork::from_name(&recipe.arch, recipe.config.clone(), &Device::flex())?
        .with_weights_file(&summary.weights)?;
    let weights = network.weights(FloatFormat::F16)?;
    let bytes = weights.to_bytes(&[]).map_err(NetError::from)?;
    let path = target.join("weights.safetensors");
    weights.write(&path, &[]).map_err(NetError::from)?;
    let card = card(recipe, summary, network.config().clone(), sha256_hex(&bytes));
    write_text(&target.join("card.json"), &to_json(&card))?;
    export_discriminator(&folder.join("teacher.safetensors"), &target.join("discriminator.safetensors"))?;
    Ok(target)
}

/// Writes the discriminator that a run taught beside the network, so that people can look into it too.
fn export_discriminator(teacher: &Path, target: &Path) -> Result<(), TrainError> {
    if !teacher.is_file() {
        return Ok(());
    }
    let mut own = StateDict::default();
    for (name, tensor) in StateDict::read(teacher).map_err(NetError::from)?.iter() {
        if let Some(name) = name.strip_prefix("discriminator.") {
            own.insert(name, tensor.clone());
        }
    }
    if own.iter().next().is_some() {
        own.write(target, &[]).map_err(NetError::from)?;
    }
    Ok(())
}

fn card(recipe: &Recipe, summary: &RunSummary, config: serde_json::Value, weights_sha256: String) -> Card {
    let text = recipe.card.clone().unwrap_or_default();
    let (task, figures) = match &recipe.task {
        TaskRecipe::Click(task) => (
            Task::Click(task.task()),
            vec![format!(
                "Dice at the first click while training: {:.3} over the validation cases, {:.3} over synthetic lesions",
                summary.best.real, summary.best.synthetic
            )],
        ),
        TaskRecipe::Dense(task) => (Task::Dense(task.task()), region_figures(task, &summary.best)),
    };
    Card {
        id: recipe.name.clone(),
        title: text.title,
        arch: recipe.arch.clone(),
        config,
        axes: AxisOrder::Zyx,
        task,
        licence: text.licence,
        data: text.data,
        split: text.split,
        training: format!(
            "recipe {}: {} steps of {} samples in {:.0} minutes, weights of step {}",
            recipe.name, summary.steps, recipe.batch, summary.minutes, summary.best_step
        ),
        figures,
        limits: text.limits,
        weights_sha256,
    }
}

/// Dice of every region over the validation cases that show it: mean with its 95 % bootstrap interval, and each case.
/// The weights were chosen by these figures, so that they are no test.
fn region_figures(task: &DenseRecipe, validation: &Validation) -> Vec<String> {
    let figure = |region: &Region| {
        let ends = format!("/{}", region.name);
        let cases: Vec<(&str, f64)> = validation
            .cases
            .iter()
            .filter_map(|case| Some((case.name.strip_suffix(&ends)?, case.dice)))
            .collect();
        let dice: Vec<f64> = cases.iter().map(|(_, dice)| *dice).collect();
        let Some(summary) = summarize(&dice, RESAMPLES, 1) else {
            return format!("{}: in no validation case", region.name);
        };
        let each: Vec<String> = cases.iter().map(|(name, dice)| format!("{name} {dice:.3}")).collect();
        format!(
            "{}: Dice {:.3} (95 % {:.3} to {:.3}) over {} validation cases, by which the weights were chosen: {}",
            region.name,
            summary.mean,
            summary.ci95_low,
            summary.ci95_high,
            summary.n,
            each.join(", ")
        )
    };
    task.regions.iter().map(figure).collect()
}
