//! From a finished run to a model folder: weights in half precision and their card.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::folder::{to_json, write_text};
use super::recipe::{DenseRecipe, Recipe, TaskRecipe};
use super::run::{RunSummary, TrainError};
use super::validation::Validation;
use crate::catalog::{AxisOrder, Card, ClickTask, Region, Task, sha256_hex};
use crate::checkpoint::FloatFormat;
use crate::nets::{AnyNetwork, NetError};

/// Writes `model/weights.safetensors` (f16) and `model/card.json` into a run folder and returns the model folder.
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
    Ok(target)
}

fn card(recipe: &Recipe, summary: &RunSummary, config: serde_json::Value, weights_sha256: String) -> Card {
    let text = recipe.card.clone().unwrap_or_default();
    let (task, validation) = match &recipe.task {
        TaskRecipe::Click(task) => (
            Task::Click(ClickTask {
                channels: task.channels.clone(),
                size: task.size,
                stage: task.stage,
                coarse: task.coarse.clone(),
                is_default: task.is_default,
            }),
            format!(
                "Dice at the first click while training: {:.3} over the validation cases, {:.3} over synthetic lesions",
                summary.best.real, summary.best.synthetic
            ),
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
        figures: vec![validation],
        limits: text.limits,
        weights_sha256,
    }
}

/// Mean Dice of every region over the validation cases that show it.
fn region_figures(task: &DenseRecipe, validation: &Validation) -> String {
    let figure = |region: &Region| {
        let ends = format!("/{}", region.name);
        let dice: Vec<f64> =
            validation.cases.iter().filter(|case| case.name.ends_with(&ends)).map(|case| case.dice).collect();
        let mean = dice.iter().sum::<f64>() / dice.len().max(1) as f64;
        format!("{} {mean:.3} ({} cases)", region.name, dice.len())
    };
    format!("Dice while training: {}", task.regions.iter().map(figure).collect::<Vec<_>>().join(", "))
}
