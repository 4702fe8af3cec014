//! By which recipe a model is taught further, and what keeps its old knowledge alive.

use super::options::{ReplaySource, TeachOptions};
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::{ClickTask, DenseTask, Model, Task};
use crate::train::recipe::{
    ClickRecipe, DenseAugment, DenseLoss, DenseRecipe, Framing, LossRecipe, OptimizerRule, Recipe, Schedule,
    Stage, TaskRecipe,
};

/// Share of the samples of a click network that carry further clicks and its own previous answer, as where the bundled
/// one was trained.
const REFINE_SHARE: f64 = 0.4;

/// What keeps old knowledge alive, and which share of the samples it gets.
pub(super) fn replay_for(
    recipe: &Recipe,
    cases: &[TeachingCase],
    options: &TeachOptions,
) -> (ReplaySource, f64) {
    let has = |purpose| cases.iter().any(|case| case.purpose == purpose);
    let answers_clicks = matches!(recipe.task, TaskRecipe::Click(_));
    match options.replay_share {
        0.0 => (ReplaySource::None, 0.0),
        share if has(CaseUse::Earlier) => (ReplaySource::Earlier, share),
        // Without clicks there is no answer to keep.
        share if answers_clicks => (ReplaySource::Scenes, share),
        share if has(CaseUse::Unlabelled) => (ReplaySource::OwnAnswers, share),
        share => (ReplaySource::OwnAnswersOnCorrected, share / 2.0),
    }
}

/// The recipe by which a model is taught further: its own task with the usual changes of samples.
pub(super) fn recipe_for(model: &Model, options: &TeachOptions) -> Result<Recipe, TeachError> {
    let card = &model.card;
    let task = match &card.task {
        Task::Dense(task) => TaskRecipe::Dense(Box::new(dense_recipe(model, task)?)),
        Task::Click(task) => TaskRecipe::Click(click_recipe(model, task)?),
        Task::Unassigned => return refuse(model, "has no task; give it one in its card"),
    };
    Ok(Recipe {
        name: card.id.clone(),
        arch: card.arch.clone(),
        config: card.config.clone(),
        task,
        steps: options.steps.unwrap_or(1),
        max_minutes: None,
        batch: options.batch,
        optimizer: OptimizerRule::default(),
        learning_rate: options.learning_rate,
        weight_decay: 0.0001,
        schedule: Schedule::Cosine { warm_up: 0.05 },
        seed: options.seed,
        validate_every: 1,
        patience: None,
        ema: Some(0.99),
        start_from: None,
        transfer: None,
        layers: options.layers,
        attention: None,
        card: None,
    })
}

fn refuse<T>(model: &Model, what: &str) -> Result<T, TeachError> {
    Err(TeachError::Unsuitable(format!("the model {} {what}", model.card.id)))
}

fn dense_recipe(model: &Model, task: &DenseTask) -> Result<DenseRecipe, TeachError> {
    let is_flat = task.tile[0] == 1;
    let framing = match &task.around {
        Some(around) if task.regions.iter().all(|region| region.name != around.region) => {
            return refuse(
                model,
                "looks around a region that it does not label itself; it cannot be taught alone",
            );
        }
        Some(around) => {
            Framing::Around { region: around.region.clone(), side: around.side, shift: 0.06, stretch: 0.12 }
        }
        None => Framing::Patches { foreground: if is_flat { 0.5 } else { 0.7 } },
    };
    let augment = DenseAugment {
        rotation_degrees: 15.0,
        scale: 1.15,
        flips: task.average_flips.clone(),
        elastic: if is_flat { 0.1 } else { 0.0 },
        ..DenseAugment::default()
    };
    Ok(DenseRecipe {
        purpose: task.purpose.clone(),
        input: task.input.clone(),
        regions: task.regions.clone(),
        patch: task.tile,
        framing,
        locator: task.around.as_ref().map(|around| around.model.clone()),
        average_flips: task.average_flips.clone(),
        augment,
        loss: DenseLoss::default(),
        adversary: None,
        data: Vec::new(),
    })
}

/// The second stage is taught with cubes cut around the objects as the pipeline would; the first stage stays.
fn click_recipe(model: &Model, task: &ClickTask) -> Result<ClickRecipe, TeachError> {
    if matches!(task.stage, Stage::Coarse { .. }) {
        return refuse(
            model,
            "is the first stage of the one-click pipeline, which finds the place; teach the second stage that uses it",
        );
    }
    Ok(ClickRecipe {
        channels: task.channels.clone(),
        size: task.size,
        stage: task.stage,
        data: Vec::new(),
        loss: LossRecipe { alpha: 1.0, beta: 1.0, gamma: 1.0, head_decay: 0.5 },
        refine_share: REFINE_SHARE,
        coarse: task.coarse.clone(),
        is_default: false,
    })
}
