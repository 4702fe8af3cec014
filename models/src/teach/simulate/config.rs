//! What a simulation's TOML file says, and whether it makes sense.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::sha256_hex;
use crate::teach::{Strategy, TeachError};
use crate::train::TrainError;
use crate::train::recipe::{Recipe, Stage, TaskRecipe};

/// A simulation, as its TOML file says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Recipe of the network and of what it labels, beside the simulation's file.
    pub recipe: PathBuf,
    /// Weights that every seed begins with; drawn from the seed if absent.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// Folder of the images.
    pub images: PathBuf,
    /// End of an image's file name; what stands before it is the case.
    pub image_suffix: String,
    /// Folder of the masks.
    pub labels: PathBuf,
    /// End of a mask's file name.
    pub label_suffix: String,
    /// Cases, in name order, that may be labelled.
    pub pool: usize,
    /// Cases after them that every state is measured on.
    pub held_out: usize,
    /// Cases labelled before the first order.
    pub start: usize,
    /// Cases labelled in a round.
    pub batch: usize,
    /// Rounds; fewer where the pool is used up before.
    pub rounds: usize,
    /// Steps on the first cases.
    pub first_steps: usize,
    /// Steps of a round.
    pub round_steps: usize,
    /// Learning rate of a round, relative to that of the recipe.
    pub round_rate: f64,
    /// Share of a round's samples that come from cases labelled before; for networks that answer clicks and begin with
    /// `start_from`, half of it from these and half from drawn scenes, as wherever such a network is taught.
    pub replay_share: f64,
    /// How a case is corrected with clicks, for networks that answer them; absent for all others.
    #[serde(default)]
    pub clicks: Option<ClickRule>,
    /// Orders to compare; each seed begins them all alike.
    pub strategies: Vec<Strategy>,
    /// Seeds of first cases, weights and samples.
    pub seeds: Vec<u64>,
}

/// When the simulated person stops clicking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickRule {
    /// Dice with which the person is content.
    pub enough_dice: f64,
    /// Most clicks in a case.
    pub most: usize,
}

/// Most clicks that a case may be given.
const MOST_CLICKS: usize = 100;
/// Largest share of replay, as where a person teaches.
const MOST_REPLAY: f64 = 0.9;

fn refuse<T>(text: String) -> Result<T, TeachError> {
    Err(TeachError::Unsuitable(text))
}

impl Simulation {
    /// Takes relative paths from a folder and checks the numbers.
    ///
    /// # Errors
    /// [`TeachError::Unsuitable`] naming the value.
    pub fn resolved(mut self, folder: &Path) -> Result<Self, TeachError> {
        for path in
            [&mut self.recipe, &mut self.images, &mut self.labels].into_iter().chain(&mut self.start_from)
        {
            *path = folder.join(&*path);
        }
        if self.start == 0 || self.start > self.pool || self.held_out == 0 {
            return refuse(format!(
                "start is {}, pool {}, held_out {}; start must be 1 to pool, held_out at least 1",
                self.start, self.pool, self.held_out
            ));
        }
        self.check_orders()?;
        if self.batch == 0 || self.first_steps == 0 || self.round_steps == 0 || !is_positive(self.round_rate)
        {
            return refuse("batch, first_steps, round_steps and round_rate must be positive".into());
        }
        if !(0.0..=MOST_REPLAY).contains(&self.replay_share) {
            return refuse(format!(
                "replay_share is {}; it must lie in 0 to {MOST_REPLAY}",
                self.replay_share
            ));
        }
        if let Some(rule) = &self.clicks {
            rule.check()?;
        }
        Ok(self)
    }

    fn check_orders(&self) -> Result<(), TeachError> {
        if self.strategies.is_empty() || self.seeds.is_empty() {
            return refuse("strategies and seeds must name at least one each".into());
        }
        // A second run of the same would be taken for the first.
        let twice = |nth: usize| self.strategies[..nth].contains(&self.strategies[nth]);
        if let Some(nth) = (1..self.strategies.len()).find(|nth| twice(*nth)) {
            return refuse(format!("strategies name {} twice; once is enough", self.strategies[nth].name()));
        }
        let twice = |nth: usize| self.seeds[..nth].contains(&self.seeds[nth]);
        if let Some(nth) = (1..self.seeds.len()).find(|nth| twice(*nth)) {
            return refuse(format!("seeds name {} twice; a seed repeats itself exactly", self.seeds[nth]));
        }
        Ok(())
    }

    /// The recipe, if it is one that this simulation can be run with.
    pub(super) fn read_recipe(&self) -> Result<Recipe, TeachError> {
        let recipe = Recipe::read(&self.recipe).map_err(TrainError::from)?;
        match (&recipe.task, &self.clicks) {
            (TaskRecipe::Dense(_), Some(_)) => refuse(format!(
                "the simulation has [clicks], but the network of the recipe {} labels whole images; remove that table",
                recipe.name
            )),
            (TaskRecipe::Click(_), None) => refuse(format!(
                "the network of the recipe {} answers clicks; say when a person stops clicking: \
                 clicks = {{ enough_dice = 0.75, most = 5 }}",
                recipe.name
            )),
            (TaskRecipe::Click(task), Some(_)) if matches!(task.stage, Stage::Coarse { .. }) => {
                refuse(format!(
                    "the recipe {} is of a first stage, which finds the place; name that of a second stage",
                    recipe.name
                ))
            }
            _ => Ok(recipe),
        }
    }

    /// States that a run of one order and seed goes through, the first included.
    pub(super) fn states_of_run(&self) -> usize {
        1 + self.rounds.min((self.pool - self.start).div_ceil(self.batch))
    }

    /// Steps of such a run altogether.
    pub(super) fn steps_of_run(&self) -> usize {
        self.first_steps + (self.states_of_run() - 1) * self.round_steps
    }

    /// What decides every state beside order, seed and where the files lie: states of one setting belong together.
    ///
    /// # Errors
    /// [`TeachError`] if recipe or start weights cannot be read.
    pub fn setting(&self) -> Result<Value, TeachError> {
        let recipe = self.read_recipe()?;
        let start = match &self.start_from {
            Some(path) => Some(sha256_hex(&std::fs::read(path).map_err(|cause| {
                TeachError::Unsuitable(format!(
                    "cannot read the weights that start_from names ({cause}): {}",
                    path.display()
                ))
            })?)),
            None => None,
        };
        let mut setting = serde_json::to_value(self).expect("plain data with string keys");
        if let Value::Object(fields) = &mut setting {
            for key in ["recipe", "images", "labels", "strategies", "seeds"] {
                fields.remove(key);
            }
        }
        setting["start_from"] = json!(start);
        let task = match &recipe.task {
            TaskRecipe::Dense(task) => json!(task.task()),
            TaskRecipe::Click(task) => json!(task.task()),
        };
        setting["network"] = json!({
            "arch": recipe.arch, "config": recipe.config, "task": task, "batch": recipe.batch,
            "learning_rate": recipe.learning_rate
        });
        Ok(setting)
    }
}

fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

impl ClickRule {
    fn check(&self) -> Result<(), TeachError> {
        if !is_positive(self.enough_dice) || self.enough_dice > 1.0 {
            return refuse(format!(
                "clicks.enough_dice is {}; it must lie above 0 and not above 1",
                self.enough_dice
            ));
        }
        if !(1..=MOST_CLICKS).contains(&self.most) {
            return refuse(format!("clicks.most is {}; it must lie in 1 to {MOST_CLICKS}", self.most));
        }
        Ok(())
    }
}
