//! A training recipe: everything that decides what weights come out, in one TOML file.

use std::path::{Path, PathBuf};

use hilum_core::volume::Modality;
use serde::{Deserialize, Serialize};

use crate::transform::channels::Channel;

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

/// Which of the two networks of the pipeline is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// Stage 1: a generous window of fixed millimetres around the click.
    Coarse {
        /// Edge length of the window.
        window_mm: f64,
    },
    /// Stage 2: a cube cut from the coarse answer (networks.md D12).
    Fine {
        /// Side over the longest axis.
        margin: f64,
        /// Shortest side.
        min_side_mm: f64,
    },
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSource {
    /// Images with masks of the object, paired by name.
    Pairs {
        /// Folder of the images.
        images: PathBuf,
        /// End of an image's file name; what stands before it is the case.
        image_suffix: String,
        /// Folder of the masks; the images' if absent.
        #[serde(default)]
        masks: Option<PathBuf>,
        /// End of a mask's file name.
        mask_suffix: String,
        /// How the images were made.
        modality: Modality,
        /// Share of samples, relative to the other sources.
        weight: f64,
        /// Which cases, in name order: the first `train` for training, then `validate` for validation.
        #[serde(default)]
        train: Option<usize>,
        /// See `train`; all the rest if absent.
        #[serde(default)]
        validate: Option<usize>,
    },
    /// Synthetic lesions planted into real images, whose own lesions are left alone.
    Planted {
        /// Image files or DICOM folders.
        hosts: Vec<PathBuf>,
        /// Share of samples.
        weight: f64,
        /// Images of other patients for validation, each with `validation_lesions` lesions of 8 to 60 mm in turn.
        #[serde(default)]
        validation_hosts: Vec<PathBuf>,
        /// See `validation_hosts`.
        #[serde(default = "default_validation_lesions")]
        validation_lesions: usize,
    },
    /// Lesions in scenes of random shapes and textures.
    Scenes {
        /// Share of samples.
        weight: f64,
    },
}

fn default_validation_lesions() -> usize {
    2
}

impl DataSource {
    /// Share of samples, relative to the other sources.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Pairs { weight, .. } | Self::Planted { weight, .. } | Self::Scenes { weight } => *weight,
        }
    }

    /// Takes relative paths from `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        let absolute = |path: &mut PathBuf| *path = folder.join(&*path);
        match self {
            Self::Pairs { images, masks, .. } => {
                absolute(images);
                masks.iter_mut().for_each(absolute);
            }
            Self::Planted { hosts, validation_hosts, .. } => {
                hosts.iter_mut().chain(validation_hosts).for_each(absolute);
            }
            Self::Scenes { .. } => {}
        }
    }
}

/// How the step size falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Multiplied by `factor` after each of these shares of the run (the paper: epochs 15, 30, 60, 90 of 120).
    Steps {
        /// Shares of the run, 0..1.
        at: Vec<f64>,
        /// Factor, 0.1 in the paper.
        factor: f64,
    },
    /// Linear warm-up, then half a cosine down to a hundredth.
    Cosine {
        /// Share of the run spent warming up.
        warm_up: f64,
    },
}

impl Schedule {
    /// Factor on the learning rate at `step` of `steps`.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let share = step as f64 / steps.max(1) as f64;
        match self {
            Self::Steps { at, factor } => factor.powi(at.iter().filter(|a| share >= **a).count() as i32),
            Self::Cosine { warm_up } if share < *warm_up => {
                (step + 1) as f64 / (warm_up * steps as f64).max(1.0)
            }
            Self::Cosine { warm_up } => {
                let rest = (share - warm_up) / (1.0 - warm_up).max(1e-9);
                0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * rest.min(1.0)).cos())
            }
        }
    }
}

/// Weights and readings of the losses (networks.md D7–D9).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossRecipe {
    /// Weight of the cross-entropy.
    pub alpha: f64,
    /// Weight of the Dice loss.
    pub beta: f64,
    /// Weight of the positive term inside the cross-entropy, 0..=1.
    pub gamma: f64,
    /// Weight of every head below the finest, relative to it; 1 in the paper.
    pub head_decay: f64,
}

impl Default for LossRecipe {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, gamma: 0.5, head_decay: 1.0 }
    }
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
    /// Input channels in order.
    pub channels: Vec<Channel>,
    /// Voxels along each edge of the input cube.
    pub size: usize,
    /// Which network of the pipeline.
    pub stage: Stage,
    /// Where samples come from.
    pub data: Vec<DataSource>,
    /// Optimiser steps.
    pub steps: usize,
    /// Stop earlier after this many minutes; the schedule follows the clock then.
    #[serde(default)]
    pub max_minutes: Option<f64>,
    /// Samples per step.
    pub batch: usize,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Losses.
    #[serde(default)]
    pub loss: LossRecipe,
    /// Share of samples that carry a second or third click and the network's own previous answer.
    #[serde(default)]
    pub refine_share: f64,
    /// Seed of weights and samples.
    pub seed: u64,
    /// Steps between validations.
    pub validate_every: usize,
    /// Validations without improvement before the run stops; never if absent.
    #[serde(default)]
    pub patience: Option<usize>,
    /// Decay of the moving average of the weights that is validated and kept; none if absent.
    #[serde(default)]
    pub ema: Option<f64>,
    /// Weights to begin with instead of random ones.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
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
    /// For a second stage: the first stage that cuts its cube.
    #[serde(default)]
    pub coarse: Option<String>,
    /// Whether it is taken when nobody chose.
    #[serde(default)]
    pub is_default: bool,
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
    std::fs::read_to_string(path).map_err(|cause| RecipeError::Io { cause, path: path.to_owned() })
}

fn read_table(path: &Path) -> Result<toml::Table, RecipeError> {
    read_text(path)?
        .parse()
        .map_err(|cause| RecipeError::Syntax { cause: Box::new(cause), path: path.to_owned() })
}

/// Lays `over` over `base`, table by table.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
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
        self.data.iter_mut().for_each(|source| source.resolve(folder));
        self.start_from.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    fn check(&self) -> Result<(), RecipeError> {
        let positive = |what: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(RecipeError::Value(format!("{what} is {value}; it must be positive")))
            }
        };
        positive("size", self.size as f64)?;
        positive("steps", self.steps as f64)?;
        positive("batch", self.batch as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("validate_every", self.validate_every as f64)?;
        positive("the sum of the data weights", self.data.iter().map(DataSource::weight).sum())?;
        if !self.channels.contains(&Channel::Positive) {
            return Err(RecipeError::Value(
                "channels lack \"positive\"; the network would not see the click".into(),
            ));
        }
        if !(0.0..=1.0).contains(&self.refine_share) {
            return Err(RecipeError::Value(format!(
                "refine_share is {}; it must lie in 0..1",
                self.refine_share
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_schedule_falls_by_ten_at_each_step() {
        let paper = Schedule::Steps { at: vec![0.125, 0.25, 0.5, 0.75], factor: 0.1 };
        assert_eq!(paper.factor(0, 120), 1.0);
        assert!((paper.factor(15, 120) - 0.1).abs() < 1e-12);
        assert!((paper.factor(119, 120) - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn the_cosine_rises_then_falls_to_a_hundredth() {
        let cosine = Schedule::Cosine { warm_up: 0.1 };
        assert!(cosine.factor(0, 100) < 0.2);
        assert!((cosine.factor(10, 100) - 1.0).abs() < 1e-9);
        assert!(cosine.factor(99, 100) < 0.02);
    }

    #[test]
    fn a_recipe_may_extend_another() {
        let folder = tempfile::tempdir().unwrap();
        let base = "name = \"base\"\narch = \"a\"\nchannels = [\"positive\"]\nsize = 8\nsteps = 5\nbatch = 1\n\
                    learning_rate = 0.1\nseed = 1\nvalidate_every = 1\nstage = { kind = \"coarse\", window_mm = 9.0 }\n\
                    schedule = { kind = \"cosine\", warm_up = 0.1 }\ndata = [{ kind = \"scenes\", weight = 1.0 }]\n";
        std::fs::write(folder.path().join("base.toml"), base).unwrap();
        let path = folder.path().join("child.toml");
        std::fs::write(&path, "extends = \"base.toml\"\nname = \"child\"\nsteps = 7\n").unwrap();
        let recipe = Recipe::read(&path).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.steps, recipe.size), ("child", 7, 8));
        std::fs::write(&path, "extends = \"missing.toml\"\n").unwrap();
        assert!(Recipe::read(&path).unwrap_err().to_string().contains("missing.toml"));
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
