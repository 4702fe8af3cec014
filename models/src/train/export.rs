//! From a finished run to a model folder: weights in half precision and their card.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::folder::{to_json, write_text};
use super::recipe::Recipe;
use super::run::{RunSummary, TrainError};
use crate::catalog::{Card, ClickTask, Task, sha256_hex};
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
    let validation = format!(
        "Dice at the first click while training: {:.3} over the validation cases, {:.3} over synthetic lesions",
        summary.best.real, summary.best.synthetic
    );
    Card {
        id: recipe.name.clone(),
        title: text.title,
        arch: recipe.arch.clone(),
        config,
        task: Task::Click(ClickTask {
            channels: recipe.channels.clone(),
            size: recipe.size,
            stage: recipe.stage,
            coarse: text.coarse,
            is_default: text.is_default,
        }),
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
