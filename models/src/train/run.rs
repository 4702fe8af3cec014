//! The training loop: steps, validation, checkpoints, resume.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use hilum_core::io::read_small_text;
use hilum_core::job::{Cancelled, Observer};
use serde::{Deserialize, Serialize};

use super::attention;
use super::click::ClickTeacher;
use super::dense::DenseTeacher;
use super::dense::data::DenseData;
use super::folder::{append, claim, draw_curves, forget_after, to_json, write_text};
use super::recipe::{Recipe, RecipeError, TaskRecipe};
use super::teacher::Teacher;
use super::trainer::{Position, Trainer};
use super::validation::Validation;
use crate::checkpoint::{FloatFormat, StateDict};
use crate::nets::NetError;

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
    /// An image of a case could not be labelled.
    #[error(transparent)]
    Label(crate::infer::DenseError),
    /// The loss is no number any more.
    #[error("the loss is not a number after step {0}; lower the learning rate")]
    Diverged(usize),
    /// The watcher asked to stop. What was validated is on disk.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<crate::infer::DenseError> for TrainError {
    /// Being told to stop is the same wherever it happens.
    fn from(error: crate::infer::DenseError) -> Self {
        match error {
            crate::infer::DenseError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Label(other),
        }
    }
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
/// `optimizer.safetensors`, `progress.json` and `best.safetensors`, and `attention/` where the recipe asks for maps. On the CPU a run of the same recipe gives the same
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
        TaskRecipe::Dense(task) => {
            let data = Arc::new(DenseData::load(task)?);
            Box::new(DenseTeacher::new(task, data, recipe.seed, device)?)
        }
    };
    let mut run = Run::begin_or_resume(recipe, folder, device, teacher)?;
    run.keep_attention()?;
    let begun = Instant::now();
    let minutes_before = run.progress.minutes;
    let mut losses = Vec::new();
    let mut since = Instant::now();
    while !run.is_over() {
        observer.wait_while_paused();
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        losses.push(run.step()?);
        run.progress.minutes = minutes_before + begun.elapsed().as_secs_f64() / 60.0;
        let step = run.progress.step;
        run.keep_attention()?;
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
            let (validation, is_best) = run.validate(observer)?;
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
    trainer: Trainer<'a>,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn begin_or_resume(
        recipe: &'a Recipe,
        folder: &'a Path,
        device: &Device,
        teacher: Box<dyn Teacher + 'a>,
    ) -> Result<Self, TrainError> {
        let mut trainer = Trainer::new(recipe, device, teacher, None)?;
        let mut progress = Progress { best_score: f64::NEG_INFINITY, ..Progress::default() };
        if let Ok(text) = read_small_text(&folder.join("progress.json")) {
            progress = serde_json::from_str(&text)
                .map_err(|e| TrainError::Data(format!("the checkpoint's progress.json is broken ({e})")))?;
            let read = |name: &str| StateDict::read(&folder.join(name)).map_err(NetError::from);
            let optional = |name: &str| folder.join(name).exists().then(|| read(name)).transpose();
            // A run that stopped early has no average yet.
            let average = if recipe.ema.is_some() { optional("average.safetensors")? } else { None };
            let (weights, moments) = (read("last.safetensors")?, read("optimizer.safetensors")?);
            let teacher = optional("teacher.safetensors")?;
            trainer.resume(progress.step, &weights, &moments, average, teacher.as_ref())?;
            forget_after(folder, "loss.csv", progress.step)?;
        }
        Ok(Self { recipe, folder, trainer, progress })
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
        let on_schedule = self.schedule_position();
        let at = Position { step: self.progress.step, on_schedule, plateaus: self.progress.plateaus };
        let loss = self.trainer.step(at)?;
        self.progress.step += 1;
        Ok(loss)
    }

    /// Keeps attention maps where the recipe says so after this step.
    fn keep_attention(&self) -> Result<(), TrainError> {
        let step = self.progress.step;
        match self.recipe.attention.as_ref().filter(|attention| attention.steps.contains(&step)) {
            Some(attention) => {
                let shown = self.trainer.shown(attention.cases);
                attention::keep(self.folder, step, &self.trainer.network()?, &shown, self.trainer.device())
            }
            None => Ok(()),
        }
    }

    fn validate(&mut self, observer: &dyn Observer) -> Result<(Validation, bool), TrainError> {
        let network = self.trainer.network()?;
        let validation = self.trainer.validate(&network, observer)?;
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
        let write = |name: &str, state: &StateDict| {
            state.write(&self.folder.join(name), &[]).map_err(|e| TrainError::Network(e.into()))
        };
        self.trainer.last_network().save_weights(&self.folder.join("last.safetensors"), FloatFormat::F32)?;
        if let Some(average) = self.trainer.average() {
            write("average.safetensors", average)?;
        }
        write("optimizer.safetensors", &self.trainer.moments()?)?;
        if let Some(state) = self.trainer.teacher_state()? {
            write("teacher.safetensors", &state)?;
        }
        // Last, because it says that the others are complete.
        write_text(&self.folder.join("progress.json"), &to_json(&self.progress))
    }
}
