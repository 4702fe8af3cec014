//! From a model and cases to a training that is ready to start: data in memory, recipe, forecast.

use std::collections::BTreeSet;
use std::time::Instant;

use hilum_core::job::Observer;

use super::case::LoadedCase;
use super::material::{Assembly, Material, evenly};
use super::memory;
use super::options::{Forecast, ReplaySource, TeachEvent, TeachOptions};
use super::plan::{recipe_for, replay_for};
use super::record::Parent;
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::Catalog;
use crate::checkpoint::StateDict;
use crate::device::OpenDevice;
use crate::train::recipe::{Framing, Recipe, TaskRecipe};
use crate::train::trainer::{Position, Trainer};
use crate::train::{Layers, TrainError, Validation};

/// Cases that the curves are measured on; comparing before publishing takes all.
const MAX_SET_ASIDE: usize = 12;
/// Most cases that keep old knowledge alive at a time, evenly picked.
const MAX_REPLAYED: usize = 24;
/// Share of the time that validations may take.
const VALIDATION_SHARE: f64 = 0.2;
/// Share of the time that is planned; the rest is for a machine that becomes slower meanwhile.
const PLANNED_SHARE: f64 = 0.9;
/// Most steps of one fine-tuning: more of the same few cases teaches them by heart.
const MAX_STEPS: usize = 4000;
/// Fewest bytes that a voxel of a sample takes in training: sixteen features of the finest level with their gradients. A
/// measurement says less where memory that was freed is taken again.
const LEAST_BYTES_PER_VOXEL: u64 = 16 * 2 * 4;
/// Smallest edge of a sample that is made smaller to fit the memory.
const MIN_PATCH: usize = 16;

/// A training that is ready to start.
pub struct Preparation {
    pub(super) parent: Parent,
    pub(super) recipe: Recipe,
    pub(super) material: Material,
    pub(super) start: StateDict,
    pub(super) device: OpenDevice,
    pub(super) cases: Vec<LoadedCase>,
    /// Names of what is shown again of earlier cases.
    pub(super) earlier: BTreeSet<String>,
    pub(super) replay: ReplaySource,
    pub(super) replay_share: f64,
    pub(super) options: TeachOptions,
    pub(super) before: [Validation; 2],
    pub(super) began: Instant,
    pub(super) forecast: Option<Forecast>,
}

impl std::fmt::Debug for Preparation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparation").field("parent", &self.parent).field("forecast", &self.forecast).finish()
    }
}

/// Reads the cases, measures the present model on them and a step of training, and fits cases, batch and samples to
/// the memory.
///
/// # Errors
/// [`TeachError`] for a model that cannot be taught, cases that do not suit it, a device that fails, and when the
/// observer asks to stop.
pub fn prepare(
    catalog: &Catalog,
    model: &str,
    cases: &[TeachingCase],
    options: &TeachOptions,
    device: &OpenDevice,
    observer: &dyn Observer,
    on_event: &mut dyn FnMut(&TeachEvent),
) -> Result<Preparation, TeachError> {
    options.check().map_err(TeachError::Unsuitable)?;
    let began = Instant::now();
    let parent = catalog.find(model)?;
    let cases = needed(cases, options);
    let recipe = recipe_for(parent, options)?;
    let replay = replay_for(&recipe, &cases, options);
    let assembly = Assembly {
        catalog,
        parent,
        recipe,
        replay,
        options,
        device,
        memory_limit_bytes: memory_limit(options).map(|bytes| bytes / 2),
        check: &|_| Ok(()),
    };
    let mut ready = assembly.of(&cases, observer, on_event)?;
    ready.began = began;
    ready.fit_memory(on_event)?;
    ready.limit_validation(observer)?;
    let second = Instant::now();
    ready.before = ready.validate_now(observer)?;
    let validation_seconds = second.elapsed().as_secs_f64();
    ready.plan(validation_seconds, on_event)?;
    Ok(ready)
}

/// Memory that training may take: as a person says, else half of what is free, where the system tells.
fn memory_limit(options: &TeachOptions) -> Option<u64> {
    let half_of_free = || memory::available_bytes().map(|bytes| bytes / 2);
    options.memory_limit_bytes.or_else(half_of_free)
}

/// The cases that are read: a worklist may have hundreds of large images that are not needed at once.
fn needed(cases: &[TeachingCase], options: &TeachOptions) -> Vec<TeachingCase> {
    let of = |purpose: CaseUse| cases.iter().filter(|case| case.purpose == purpose).collect::<Vec<_>>();
    let earlier = if options.replay_share > 0.0 { of(CaseUse::Earlier) } else { Vec::new() };
    let answers_help = options.replay_share > 0.0 && earlier.is_empty();
    let unlabelled = if answers_help { of(CaseUse::Unlabelled) } else { Vec::new() };
    of(CaseUse::Corrected)
        .into_iter()
        .chain(evenly(earlier, MAX_REPLAYED))
        .chain(evenly(unlabelled, MAX_REPLAYED))
        .chain(evenly(of(CaseUse::SetAside), MAX_SET_ASIDE))
        .cloned()
        .collect()
}

impl Preparation {
    /// What the training will take.
    pub fn forecast(&self) -> Option<&Forecast> {
        self.forecast.as_ref()
    }

    /// A trainer before its first step.
    pub(super) fn trainer(&self) -> Result<Trainer<'_>, TeachError> {
        let teacher = self.material.teacher(&self.recipe, &self.device.device)?;
        Ok(Trainer::new(&self.recipe, &self.device.device, teacher, Some(&self.start))?)
    }

    /// How good a trainer's network is: on the cases set aside, and on earlier ones.
    pub(super) fn validate(
        &self,
        trainer: &mut Trainer<'_>,
        observer: &dyn Observer,
    ) -> Result<[Validation; 2], TrainError> {
        let network = trainer.network()?;
        let all = trainer.validate(&network, observer)?;
        // What was drawn by rule stands for what was learned before, too.
        let is_earlier =
            |name: &str| name.rsplit_once('/').is_none_or(|(case, _)| self.earlier.contains(case));
        let (earlier, set_aside) = all.cases.into_iter().partition(|case| is_earlier(&case.name));
        Ok([Validation::of(set_aside), Validation::of(earlier)])
    }

    fn validate_now(&self, observer: &dyn Observer) -> Result<[Validation; 2], TeachError> {
        Ok(self.validate(&mut self.trainer()?, observer)?)
    }

    /// Seconds of a step, and the most memory that the process took in it.
    fn measure(&self, steps: usize) -> Result<(f64, Option<u64>), TeachError> {
        let mut trainer = self.trainer()?;
        memory::forget_peak();
        // The first step makes what later ones use again.
        trainer.step(Position::at(0))?;
        let began = Instant::now();
        for step in 1..=steps {
            trainer.step(Position::at(step))?;
        }
        let seconds = began.elapsed().as_secs_f64() / steps.max(1) as f64;
        Ok((seconds, memory::peak_bytes().filter(|_| self.device.is_cpu)))
    }

    /// Takes only so many cases for the curves as the time allows: one is measured, and all of them, before, meanwhile and
    /// after, may take [`VALIDATION_SHARE`] of it. At least two stay.
    fn limit_validation(&mut self, observer: &dyn Observer) -> Result<(), TeachError> {
        if self.material.validation_len() <= 2 {
            return Ok(());
        }
        let others = self.material.take_all_but_last();
        let began = Instant::now();
        self.validate_now(observer)?;
        let seconds = began.elapsed().as_secs_f64().max(1e-3);
        self.material.put_back(others);
        let times = (self.options.validations + 2) as f64;
        let most = (self.options.budget_seconds * VALIDATION_SHARE / times / seconds) as usize;
        self.material.keep_validation(most.max(2));
        Ok(())
    }

    /// Makes the batch, then the samples, as small as the memory demands. Memory grows in proportion to both: so a single
    /// sample is measured, never a batch that may be too large.
    fn fit_memory(&mut self, on_event: &mut dyn FnMut(&TeachEvent)) -> Result<(), TeachError> {
        let Some(limit) = memory_limit(&self.options) else { return Ok(()) };
        let wanted = self.recipe.batch;
        loop {
            let base = memory::present_bytes().unwrap_or(0);
            self.recipe.batch = 1;
            let (_, peak) = self.measure(0)?;
            let voxels = patch_of(&self.recipe).iter().product::<usize>() as u64;
            let least = voxels * LEAST_BYTES_PER_VOXEL;
            let Some(sample) = peak.map(|peak| peak.saturating_sub(base).max(least)) else {
                self.recipe.batch = wanted;
                return Ok(());
            };
            let fits = (limit / sample) as usize;
            if fits >= 1 || !self.shrink_patch()? {
                self.recipe.batch = fits.clamp(1, wanted);
                let mib = |bytes: u64| bytes >> 20;
                if fits == 0 {
                    on_event(&TeachEvent::Warning(format!(
                        "a single sample takes {} MiB, the limit is {} MiB; the sample cannot be smaller",
                        mib(sample),
                        mib(limit)
                    )));
                } else if self.recipe.batch < wanted {
                    on_event(&TeachEvent::Warning(format!(
                        "{} instead of {wanted} samples a step, to stay within {} MiB",
                        self.recipe.batch,
                        mib(limit)
                    )));
                }
                return Ok(());
            }
        }
    }

    /// Halves the longest edge of the samples; `false` where they cannot be smaller.
    fn shrink_patch(&mut self) -> Result<bool, TeachError> {
        let network = self.trainer()?.network()?;
        let recipe = &mut self.recipe;
        let TaskRecipe::Dense(dense) = &mut recipe.task else { return Ok(false) };
        if !matches!(dense.framing, Framing::Patches { .. }) {
            return Ok(false);
        }
        let mut axes = [0, 1, 2];
        axes.sort_by_key(|axis| std::cmp::Reverse(dense.patch[*axis]));
        for axis in axes {
            let mut patch = dense.patch;
            patch[axis] /= 2;
            let [z, y, x] = patch;
            let shape = [1, dense.input.channels(), z, y, x];
            if patch[axis] >= MIN_PATCH && network.check_input(shape).is_ok() {
                dense.patch = patch;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Measures a step and decides how many fit into the time.
    fn plan(
        &mut self,
        validation_seconds: f64,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<(), TeachError> {
        let (seconds_per_step, memory_bytes) = self.measure(2)?;
        let left = self.options.budget_seconds * PLANNED_SHARE - self.began.elapsed().as_secs_f64();
        // Validations must not eat the time of the steps.
        if validation_seconds * (self.options.validations + 1) as f64 > left / 3.0 {
            self.options.validations = 0;
        }
        let validations = (self.options.validations + 1) as f64 * validation_seconds;
        let fits = ((left - validations) / seconds_per_step.max(1e-6)).max(1.0) as usize;
        if self.options.steps.is_none() && fits < 10 {
            on_event(&TeachEvent::Warning(format!(
                "the time is enough for {fits} steps of {seconds_per_step:.1} s: too few to learn much"
            )));
        }
        let steps = self.options.steps.unwrap_or(fits.min(MAX_STEPS));
        self.recipe.steps = steps;
        let forecast = Forecast {
            steps,
            seconds_per_step,
            seconds: steps as f64 * seconds_per_step + validations,
            memory_bytes,
            batch: self.recipe.batch,
            patch: patch_of(&self.recipe),
            device: self.device.name.clone(),
            replay: self.replay,
        };
        on_event(&TeachEvent::Forecast(forecast.clone()));
        self.forecast = Some(forecast);
        if self.recipe.layers != Layers::All {
            tracing::info!("only the {:?} layers learn", self.recipe.layers);
        }
        Ok(())
    }
}

/// Size of a sample, `[z, y, x]`.
fn patch_of(recipe: &Recipe) -> [usize; 3] {
    match &recipe.task {
        TaskRecipe::Dense(dense) => dense.patch,
        TaskRecipe::Click(click) => [click.size; 3],
    }
}
