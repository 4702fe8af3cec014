//! A training recipe: everything that decides what weights come out, in one TOML file.

mod click;
mod dense;
mod schedule;

use std::path::{Path, PathBuf};

use hilum_core::io::read_small_text;
use serde::{Deserialize, Serialize};

pub use click::{ClickRecipe, DataSource, LossRecipe, Stage};
pub use dense::{AdversaryRecipe, DenseAugment, DenseLoss, DenseRecipe, DenseSource, Framing, LabelAt};
pub use schedule::Schedule;

pub use super::attention::AttentionRecipe;
pub use super::layers::{Layers, Transfer};
pub use super::optimizer::OptimizerRule;

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read the recipe ({cause}): {path}")]
    Io {
        /// What the system said.
        cause: std::io::Error,
        /// The recipe.
        path: PathBuf,
    },
    /// The file is no recipe.
    #[error("the recipe is not understood ({cause}): {path}")]
    Syntax {
        /// Line and reason.
        cause: Box<toml::de::Error>,
        /// The recipe.
        path: PathBuf,
    },
    /// A value makes no sense.
    #[error("{0}")]
    Value(String),
}

/// What a network is shown and taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskRecipe {
    /// To outline what is clicked in a volume.
    Click(ClickRecipe),
    /// To label every voxel of an image.
    Dense(Box<DenseRecipe>),
}

/// Everything that decides what weights come out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Identity of the weights.
    pub name: String,
    /// Name of the network in the registry.
    pub arch: String,
    /// Its configuration.
    #[serde(default)]
    pub config: serde_json::Value,
    /// What it is shown and taught.
    pub task: TaskRecipe,
    /// Optimiser steps.
    pub steps: usize,
    /// Stop earlier after this many minutes; the schedule follows the clock then.
    #[serde(default)]
    pub max_minutes: Option<f64>,
    /// Samples per step.
    pub batch: usize,
    /// How gradients become steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub optimizer: OptimizerRule,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Weight decay, in the manner of the optimiser.
    #[serde(default)]
    pub weight_decay: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Seed of weights and samples.
    pub seed: u64,
    /// Steps between validations.
    pub validate_every: usize,
    /// Validations without improvement before the run stops; never if absent.
    #[serde(default)]
    pub patience: Option<usize>,
    /// Decay of the moving average of the weights that is validated and kept; none if absent or 0.
    #[serde(default)]
    pub ema: Option<f64>,
    /// Weights to begin with instead of random ones.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// Weights of another network to begin with, as far as names and shapes agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Which layers change.
    #[serde(default, skip_serializing_if = "is_default")]
    pub layers: Layers,
    /// When attention maps are kept in the run's folder; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionRecipe>,
    /// What the model's card says beside what the run knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardText>,
}

/// The part of a model card that only a person can write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardText {
    /// One line for people.
    pub title: String,
    /// Licence of the weights.
    pub licence: String,
    /// Data with their licences.
    pub data: Vec<String>,
    /// Which cases were set aside.
    pub split: String,
    /// What it is not good at.
    pub limits: Vec<String>,
}

fn read_text(path: &Path) -> Result<String, RecipeError> {
    read_small_text(path).map_err(|cause| RecipeError::Io { cause, path: path.to_owned() })
}

fn read_table(path: &Path) -> Result<toml::Table, RecipeError> {
    read_text(path)?
        .parse()
        .map_err(|cause| RecipeError::Syntax { cause: Box::new(cause), path: path.to_owned() })
}

/// Lays `over` over `base`, table by table; a table of another `kind` takes the whole place.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over))
                if over.get("kind").is_none_or(|kind| base.get("kind") == Some(kind)) =>
            {
                merge(base, over);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

impl Recipe {
    /// Reads a recipe; relative paths are taken from the recipe's folder. A recipe that `extends` another file of
    /// its folder has that one's entries, less those that it names itself.
    ///
    /// # Errors
    /// [`RecipeError`] naming the line or the value.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let syntax = |cause| RecipeError::Syntax { cause: Box::new(cause), path: path.to_owned() };
        let mut table = read_table(path)?;
        let mut recipe: Self = match table.remove("extends") {
            Some(toml::Value::String(base)) => {
                let mut whole = read_table(&path.with_file_name(base))?;
                if whole.contains_key("extends") {
                    return Err(RecipeError::Value("a recipe may extend one that stands alone only".into()));
                }
                merge(&mut whole, table);
                whole.try_into().map_err(syntax)?
            }
            Some(_) => return Err(RecipeError::Value("extends must be the name of a file".into())),
            // From the text, so that an error names its line.
            None => toml::from_str(&read_text(path)?).map_err(syntax)?,
        };
        recipe.resolve(path.parent().unwrap_or(Path::new(".")));
        recipe.check()?;
        Ok(recipe)
    }

    fn resolve(&mut self, folder: &Path) {
        match &mut self.task {
            TaskRecipe::Click(task) => task.resolve(folder),
            TaskRecipe::Dense(task) => task.resolve(folder),
        }
        self.start_from.iter_mut().for_each(|path| *path = folder.join(&*path));
        self.transfer.iter_mut().for_each(|transfer| transfer.from = folder.join(&transfer.from));
    }

    fn check(&self) -> Result<(), RecipeError> {
        positive("steps", self.steps as f64)?;
        positive("batch", self.batch as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("validate_every", self.validate_every as f64)?;
        self.optimizer.check().map_err(RecipeError::Value)?;
        if self.start_from.is_some() && self.transfer.is_some() {
            return Err(RecipeError::Value(
                "start_from and transfer both say which weights to begin with".into(),
            ));
        }
        match &self.task {
            TaskRecipe::Click(task) => task.check(),
            TaskRecipe::Dense(task) => task.check(),
        }
    }
}

/// What is as usual is not written, so that runs of before are still recognised as theirs.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn positive(what: &str, value: f64) -> Result<(), RecipeError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(RecipeError::Value(format!("{what} is {value}; it must be positive")))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::nets::AnyNetwork;

    #[test]
    fn a_recipe_may_extend_another() {
        let folder = tempfile::tempdir().unwrap();
        let base = "name = \"base\"\narch = \"a\"\nsteps = 5\nbatch = 1\nlearning_rate = 0.1\nseed = 1\n\
                    validate_every = 1\nschedule = { kind = \"cosine\", warm_up = 0.1 }\n[task]\nkind = \"click\"\n\
                    channels = [\"positive\"]\nsize = 8\nstage = { kind = \"coarse\", window_mm = 9.0 }\n\
                    data = [{ kind = \"scenes\", weight = 1.0 }]\n";
        std::fs::write(folder.path().join("base.toml"), base).unwrap();
        let path = folder.path().join("child.toml");
        std::fs::write(&path, "extends = \"base.toml\"\nname = \"child\"\nsteps = 7\n").unwrap();
        let recipe = Recipe::read(&path).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.steps, recipe.batch), ("child", 7, 1));
        std::fs::write(&path, "extends = \"missing.toml\"\n").unwrap();
        assert!(Recipe::read(&path).unwrap_err().to_string().contains("missing.toml"));
    }

    #[test]
    fn a_choice_of_another_kind_replaces_the_whole_choice() {
        let mut base = "[schedule]\nkind = \"cosine\"\nwarm_up = 0.1".parse::<toml::Table>().unwrap();
        let over = "[schedule]\nkind = \"plateau\"\npatience = 3".parse::<toml::Table>().unwrap();
        merge(&mut base, over.clone());
        assert_eq!(base, over);
    }

    #[test]
    fn every_recipe_of_the_project_is_understood_and_its_network_takes_its_samples() {
        let folder = hilum_core::testing::in_package("../resources/recipes");
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name.ends_with("-common") || name.starts_with("simulate") {
                continue;
            }
            let recipe = Recipe::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(recipe.name, name);
            let network = AnyNetwork::from_name(&recipe.arch, recipe.config.clone(), &Device::flex());
            let network = network.unwrap_or_else(|e| panic!("{name}: {e}"));
            let shape = match &recipe.task {
                TaskRecipe::Click(task) => [2, task.channels.len(), task.size, task.size, task.size],
                TaskRecipe::Dense(task) => {
                    let [z, y, x] = task.patch;
                    [2, task.input.channels(), z, y, x]
                }
            };
            network.check_input(shape).unwrap_or_else(|e| panic!("{name}: {e}"));
            count += 1;
        }
        assert!(count > 20, "only {count} recipes were found");
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, "name = \"x\"\nlearning_rat = 1\n").unwrap();
        let text = Recipe::read(&path).unwrap_err().to_string();
        assert!(text.contains("learning_rat"), "{text}");
    }
}
