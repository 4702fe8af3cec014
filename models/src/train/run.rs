//! The training loop: steps, validation, checkpoints, resume.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::job::{Cancelled, Observer};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::average::{self, AVERAGE_EVERY};
use super::click::{largest_error_center, random_voxel};
use super::dataset::Dataset;
use super::folder::{append, claim, draw_curves, forget_after, to_json, write_text};
use super::loss::supervised_loss;
use super::optimizer::AdamW;
use super::recipe::{Recipe, RecipeError};
use super::sample::Sample;
use super::validate::{Validation, ValidationSet, probabilities};
use crate::checkpoint::{FloatFormat, StateDict};
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
    let dataset = Dataset::load(&recipe.data)?;
    let validation_set = ValidationSet::new(&dataset, recipe);
    let mut run = Run::begin_or_resume(recipe, folder, device)?;
    let begun = Instant::now();
    let minutes_before = run.progress.minutes;
    let mut losses = Vec::new();
    let mut since = Instant::now();
    while !run.is_over() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        losses.push(run.step(&dataset)?);
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
            let (validation, is_best) = run.validate(&validation_set)?;
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
    optimizer: AdamW,
    average: Option<StateDict>,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn begin_or_resume(recipe: &'a Recipe, folder: &'a Path, device: &Device) -> Result<Self, TrainError> {
        let autodiff = device.clone().autodiff();
        let mut network = AnyNetwork::seeded(&recipe.arch, recipe.config.clone(), recipe.seed, &autodiff)?;
        let n = recipe.size;
        network.check_input([recipe.batch, recipe.channels.len(), n, n, n])?;
        let mut optimizer = AdamW::new(recipe.weight_decay);
        let mut progress = Progress { best_score: f64::NEG_INFINITY, ..Progress::default() };
        let mut average = None;
        if let Ok(text) = std::fs::read_to_string(folder.join("progress.json")) {
            progress = serde_json::from_str(&text)
                .map_err(|e| TrainError::Data(format!("the checkpoint's progress.json is broken ({e})")))?;
            network = network.with_weights_file(&folder.join("last.safetensors"))?;
            let moments = StateDict::read(&folder.join("optimizer.safetensors")).map_err(NetError::from)?;
            optimizer.restore(&moments, device);
            forget_after(folder, "loss.csv", progress.step)?;
            if recipe.ema.is_some() {
                average = Some(StateDict::read(&folder.join("average.safetensors")).map_err(NetError::from)?);
            }
        } else if let Some(start) = &recipe.start_from {
            network = network.with_weights_file(start)?;
        }
        Ok(Self { recipe, folder, device: device.clone(), network, optimizer, average, progress })
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
    fn step(&mut self, dataset: &Dataset) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        // Every sample has its own generator, so that a resumed run draws what an unbroken one would have drawn.
        let generator = |stream: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
            rng.set_stream((self.progress.step * (recipe.batch + 1) + stream + 1) as u64);
            rng
        };
        let mut samples: Vec<_> = (0..recipe.batch)
            .into_par_iter()
            .map(|nth| Sample::draw(dataset, recipe, &mut generator(nth)))
            .collect();
        let mut rng = generator(recipe.batch);
        for sample in &mut samples {
            if rng.random_bool(recipe.refine_share) {
                self.refine(sample, &mut rng)?;
            }
        }
        let device = self.device.clone().autodiff();
        let (input, target) = batch(&samples, recipe, &device);
        let heads = self.network.forward_heads(input)?;
        let targets = targets_for(&heads, &target);
        let loss = supervised_loss(heads, &targets, &recipe.loss);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let rate = recipe.learning_rate * recipe.schedule.factor(self.schedule_position(), recipe.steps);
        self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        self.progress.step += 1;
        if let Some(decay) = recipe.ema {
            self.update_average(decay)?;
        }
        Ok(value)
    }

    /// Adds one or two clicks where the network, as it is now, errs, and its own answer as the previous one.
    fn refine(&self, sample: &mut Sample, rng: &mut ChaCha8Rng) -> Result<(), TrainError> {
        let network = self.network.valid();
        let truth = sample.truth();
        for _ in 0..rng.random_range(1..=2) {
            let probability = probabilities(&network, sample, self.recipe, &self.device)?;
            let answer: Vec<bool> = probability.iter().map(|p| *p >= 0.5).collect();
            // The pipeline hands over a mask, not a probability: a user may have edited it.
            sample.previous = Some(answer.iter().map(|a| f32::from(u8::from(*a))).collect());
            let click = if rng.random_bool(0.5) {
                largest_error_center(&truth, &answer, &sample.grid)
            } else {
                let wrong: Vec<bool> = truth.iter().zip(&answer).map(|(t, a)| t != a).collect();
                random_voxel(&wrong, rng).map(|i| (sample.grid.voxel(i), truth[i]))
            };
            let Some((voxel, positive)) = click else { return Ok(()) };
            let at = sample.grid.world_of(voxel);
            if positive { sample.positive.push(at) } else { sample.negative.push(at) }
        }
        Ok(())
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

    fn validate(&mut self, set: &ValidationSet) -> Result<(Validation, bool), TrainError> {
        let mut network = self.network.valid();
        if let Some(average) = &self.average {
            network = network.with_weights(average)?;
        }
        let validation = set.run(&network, self.recipe, &self.device)?;
        let is_best = validation.score() > self.progress.best_score;
        if is_best {
            self.progress.best_score = validation.score();
            self.progress.best_step = self.progress.step;
            self.progress.stale_validations = 0;
            self.progress.best = validation.clone();
            network.save_weights(&self.folder.join("best.safetensors"), FloatFormat::F32)?;
        } else {
            self.progress.stale_validations += 1;
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
        // Last, because it says that the others are complete.
        write_text(&self.folder.join("progress.json"), &to_json(&self.progress))
    }
}

/// Inputs `[batch, channels, z, y, x]` and targets `[batch, 1, z, y, x]`.
fn batch(samples: &[Sample], recipe: &Recipe, device: &Device) -> (Tensor<5>, Tensor<5>) {
    let n = recipe.size;
    let input: Vec<f32> = samples.iter().flat_map(|s| s.input(&recipe.channels)).collect();
    let target: Vec<f32> = samples.iter().flat_map(|s| s.target.iter().copied()).collect();
    (
        Tensor::from_data(TensorData::new(input, [samples.len(), recipe.channels.len(), n, n, n]), device),
        Tensor::from_data(TensorData::new(target, [samples.len(), 1, n, n, n]), device),
    )
}

/// The target at the resolution of every head, averaged over what a coarse voxel covers.
fn targets_for(heads: &[Tensor<5>], target: &Tensor<5>) -> Vec<Tensor<5>> {
    heads
        .iter()
        .map(|head| {
            let [b, c, d, h, w] = head.dims();
            let [_, _, td, th, tw] = target.dims();
            let (fd, fh, fw) = (td / d, th / h, tw / w);
            if fd * fh * fw == 1 {
                return target.clone();
            }
            let split: Tensor<8> = target.clone().reshape([b, c, d, fd, h, fh, w, fw]);
            split.mean_dim(3).mean_dim(5).mean_dim(7).reshape([b, c, d, h, w])
        })
        .collect()
}
