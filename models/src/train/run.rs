//! The training loop: steps, validation, checkpoints, resume.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use hilum_core::job::{Cancelled, Observer};
use serde::{Deserialize, Serialize};

use super::average::{self, AVERAGE_EVERY};
use super::click::ClickTeacher;
use super::dense::DenseTeacher;
use super::folder::{append, claim, draw_curves, forget_after, to_json, write_text};
use super::optimizer::Optimizer;
use super::recipe::{Recipe, RecipeError, TaskRecipe};
use super::teacher::{Draw, Teacher};
use super::validation::Validation;
use crate::checkpoint::{FloatFormat, StateDict};
use crate::nets::registry::reseed;
use crate::nets::{AnyNetwork, NetError};

/// Why a run stopped early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The data.
    #[error("{0}")]
    Data(String),
    /// An image or mask.
    #[error(transparent)]
    Open(#[from] hilum_core::io::OpenError),
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The run folder.
    #[error("cannot write the run folder ({cause}): {path}")]
    Folder {
        /// What the system said.
        cause: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// The run folder belongs to another recipe.
    #[error("the run folder holds another recipe; choose a new folder or the old recipe: {0}")]
    OtherRecipe(PathBuf),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// The loss is no number any more.
    #[error("the loss is not a number after step {0}; lower the learning rate")]
    Diverged(usize),
    /// The watcher asked to stop. What was validated is on disk.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// Mean loss since the last event, and speed.
    Loss {
        /// Steps done.
        step: usize,
        /// Mean loss.
        loss: f64,
        /// Seconds per step.
        seconds_per_step: f64,
    },
    /// A validation.
    Validated {
        /// Steps done.
        step: usize,
        /// Its result.
        validation: Validation,
        /// Whether these weights are the best so far.
        is_best: bool,
    },
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Steps done.
    pub steps: usize,
    /// Minutes spent, interruptions not counted.
    pub minutes: f64,
    /// Step of the best validation.
    pub best_step: usize,
    /// The best validation.
    pub best: Validation,
    /// Weights of the best validation.
    pub weights: PathBuf,
}

/// What a checkpoint remembers beside weights and optimiser: a run folder's `progress.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Minutes spent, interruptions not counted.
    pub minutes: f64,
    /// Step of the best validation.
    pub best_step: usize,
    /// Its score.
    pub best_score: f64,
    /// Validations since then.
    pub stale_validations: usize,
    /// How often validation stood still for as long as the schedule waits.
    #[serde(default)]
    pub plateaus: usize,
    /// The best validation.
    #[serde(default)]
    pub best: Validation,
}

/// Trains by a recipe into `folder`; a folder that holds a checkpoint of the same recipe is continued.
///
/// The folder gets `recipe.json`, `loss.csv`, `validation.csv`, `curves.png`, `last.safetensors`, `average.safetensors`,
/// `optimizer.safetensors`, `progress.json` and `best.safetensors`. On the CPU a run of the same recipe gives the same
/// weights bit for bit, also one that was stopped and continued; where the schedule follows the clock, it cannot.
///
/// # Errors
/// [`TrainError`]; what was validated before stays on disk.
pub fn train(
    recipe: &Recipe,
    folder: &Path,
    device: &Device,
    observer: &dyn Observer,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<RunSummary, TrainError> {
    claim(recipe, folder)?;
    observer.progress("loading data", 0, recipe.steps as u64);
    let teacher: Box<dyn Teacher + '_> = match &recipe.task {
        TaskRecipe::Click(task) => Box::new(ClickTeacher::new(task, device)?),
        TaskRecipe::Dense(task) => Box::new(DenseTeacher::new(task, recipe.seed, device)?),
    };
    let mut run = Run::begin_or_resume(recipe, folder, device, teacher)?;
    let begun = Instant::now();
    let minutes_before = run.progress.minutes;
    let mut losses = Vec::new();
    let mut since = Instant::now();
    while !run.is_over() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        losses.push(run.step()?);
        run.progress.minutes = minutes_before + begun.elapsed().as_secs_f64() / 60.0;
        let step = run.progress.step;
        observer.progress("training", run.schedule_position() as u64, recipe.steps as u64);
        if losses.len() == LOSS_EVERY {
            let loss = losses.drain(..).sum::<f64>() / LOSS_EVERY as f64;
            let seconds_per_step = since.elapsed().as_secs_f64() / LOSS_EVERY as f64;
            since = Instant::now();
            if !loss.is_finite() {
                return Err(TrainError::Diverged(step));
            }
            append(
                folder,
                "loss.csv",
                "step,loss,seconds_per_step",
                &format!("{step},{loss:.6},{seconds_per_step:.4}"),
            )?;
            on_event(&RunEvent::Loss { step, loss, seconds_per_step });
        }
        if step.is_multiple_of(recipe.validate_every) || run.is_over() {
            let (validation, is_best) = run.validate()?;
            on_event(&RunEvent::Validated { step, validation, is_best });
        }
    }
    Ok(RunSummary {
        steps: run.progress.step,
        minutes: run.progress.minutes,
        best_step: run.progress.best_step,
        best: run.progress.best,
        weights: folder.join("best.safetensors"),
    })
}

/// Steps per line of the loss curve.
const LOSS_EVERY: usize = 20;

struct Run<'a> {
    recipe: &'a Recipe,
    folder: &'a Path,
    device: Device,
    network: AnyNetwork,
    optimizer: Optimizer,
    average: Option<StateDict>,
    progress: Progress,
    teacher: Box<dyn Teacher + 'a>,
}

impl<'a> Run<'a> {
    fn begin_or_resume(
        recipe: &'a Recipe,
        folder: &'a Path,
        device: &Device,
        mut teacher: Box<dyn Teacher + 'a>,
    ) -> Result<Self, TrainError> {
        let autodiff = device.clone().autodiff();
        let mut network = AnyNetwork::seeded(&recipe.arch, recipe.config.clone(), recipe.seed, &autodiff)?;
        network.check_input(teacher.input_shape(recipe.batch))?;
        let mut optimizer = Optimizer::new(recipe.optimizer, recipe.weight_decay);
        let mut progress = Progress { best_score: f64::NEG_INFINITY, ..Progress::default() };
        let mut average = None;
        if let Ok(text) = std::fs::read_to_string(folder.join("progress.json")) {
            progress = serde_json::from_str(&text)
                .map_err(|e| TrainError::Data(format!("the checkpoint's progress.json is broken ({e})")))?;
            network = network.with_weights_file(&folder.join("last.safetensors"))?;
            let moments = StateDict::read(&folder.join("optimizer.safetensors")).map_err(NetError::from)?;
            optimizer.restore(&moments, device);
            forget_after(folder, "loss.csv", progress.step)?;
            // A run that stopped early has none yet.
            let averaged = folder.join("average.safetensors");
            if recipe.ema.is_some() && averaged.exists() {
                average = Some(StateDict::read(&averaged).map_err(NetError::from)?);
            }
            let state = folder.join("teacher.safetensors");
            if state.exists() {
                teacher.restore(&StateDict::read(&state).map_err(NetError::from)?)?;
            }
        } else if let Some(start) = &recipe.start_from {
            network = network.with_weights_file(start)?;
        }
        Ok(Self { recipe, folder, device: device.clone(), network, optimizer, average, progress, teacher })
    }

    /// Where the run stands on the schedule, in steps: by the clock where a time is set.
    fn schedule_position(&self) -> usize {
        match self.recipe.max_minutes {
            Some(limit) => {
                let by_clock = (self.progress.minutes / limit * self.recipe.steps as f64) as usize;
                by_clock.max(self.progress.step)
            }
            None => self.progress.step,
        }
    }

    fn is_over(&self) -> bool {
        self.schedule_position() >= self.recipe.steps
            || self.recipe.patience.is_some_and(|patience| self.progress.stale_validations > patience)
    }

    /// One optimiser step; returns the loss.
    fn step(&mut self) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        let draw = Draw { step: self.progress.step, batch: recipe.batch, seed: recipe.seed };
        // Layers that drop values at random draw from the device: a continued run must find it in the same state.
        reseed(&self.device, recipe.seed.wrapping_add(draw.step as u64));
        let loss = self.teacher.loss(&self.network, &draw)?;
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let rate = recipe.learning_rate * self.rate_factor();
        self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        self.progress.step += 1;
        if let Some(decay) = recipe.ema.filter(|decay| *decay > 0.0) {
            self.update_average(decay)?;
        }
        Ok(value)
    }

    fn rate_factor(&self) -> f64 {
        let recipe = self.recipe;
        recipe.schedule.factor(self.schedule_position(), recipe.steps, self.progress.plateaus)
    }

    /// Moves the running average of the weights towards the present ones.
    fn update_average(&mut self, decay: f64) -> Result<(), TrainError> {
        let step = self.progress.step;
        if step.is_multiple_of(AVERAGE_EVERY) {
            let now = self.network.weights(FloatFormat::F32)?;
            self.average = Some(average::follow(self.average.take(), now, decay, step));
        }
        Ok(())
    }

    fn validate(&mut self) -> Result<(Validation, bool), TrainError> {
        let mut network = self.network.valid();
        if let Some(average) = &self.average {
            network = network.with_weights(average)?;
        }
        let validation = self.teacher.validate(&network)?;
        let is_best = validation.score() > self.progress.best_score;
        if is_best {
            self.progress.best_score = validation.score();
            self.progress.best_step = self.progress.step;
            self.progress.stale_validations = 0;
            self.progress.best = validation.clone();
            network.save_weights(&self.folder.join("best.safetensors"), FloatFormat::F32)?;
        } else {
            self.progress.stale_validations += 1;
            self.progress.plateaus +=
                usize::from(self.recipe.schedule.is_plateau(self.progress.stale_validations));
        }
        let line = format!(
            "{},{:.3},{:.5},{:.5},{}",
            self.progress.step,
            self.progress.minutes,
            validation.real,
            validation.synthetic,
            u8::from(is_best)
        );
        append(self.folder, "validation.csv", "step,minutes,dice_real,dice_synthetic,is_best", &line)?;
        self.save_checkpoint()?;
        draw_curves(self.folder);
        Ok((validation, is_best))
    }

    fn save_checkpoint(&self) -> Result<(), TrainError> {
        self.network.save_weights(&self.folder.join("last.safetensors"), FloatFormat::F32)?;
        if let Some(average) = &self.average {
            average.write(&self.folder.join("average.safetensors"), &[]).map_err(NetError::from)?;
        }
        let moments = self.optimizer.state().map_err(NetError::from)?;
        moments.write(&self.folder.join("optimizer.safetensors"), &[]).map_err(NetError::from)?;
        if let Some(state) = self.teacher.state()? {
            state.write(&self.folder.join("teacher.safetensors"), &[]).map_err(NetError::from)?;
        }
        // Last, because it says that the others are complete.
        write_text(&self.folder.join("progress.json"), &to_json(&self.progress))
    }
}
