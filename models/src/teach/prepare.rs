//! From a model and cases to a training that is ready to start: data in memory, recipe, forecast.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use hilum_core::job::{Cancelled, Observer};

use super::case::{LoadedCase, regions_of};
use super::memory;
use super::options::{Forecast, ReplaySource, TeachEvent, TeachOptions};
use super::record::Parent;
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::{Catalog, DenseTask, Model};
use crate::checkpoint::StateDict;
use crate::device::OpenDevice;
use crate::infer::Dense;
use crate::train::dense::DenseTeacher;
use crate::train::dense::data::{Case, DenseData};
use crate::train::recipe::{
    DenseAugment, DenseLoss, DenseRecipe, Framing, OptimizerRule, Recipe, Schedule, TaskRecipe,
};
use crate::train::trainer::{Position, Trainer};
use crate::train::{Layers, TrainError, Validation};

/// Cases of each kind that the curves are measured on; comparing before publishing takes all.
const MAX_SET_ASIDE: usize = 12;
const MAX_EARLIER: usize = 6;
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
    pub(super) data: Arc<DenseData>,
    pub(super) start: StateDict,
    pub(super) device: OpenDevice,
    pub(super) cases: Vec<LoadedCase>,
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

/// Reads the cases, measures the present model on them and a step of training, and fits batch and samples to the
/// memory.
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
    let loaded = load(&needed(cases, options), observer)?;
    let recipe = recipe_for(parent, options)?;
    let (replay, share) = replay_for(&loaded, options);
    let mut ready = assemble(catalog, parent, loaded, recipe, (replay, share), options, device, observer)?;
    ready.began = began;
    ready.fit_memory(on_event)?;
    ready.limit_validation(observer)?;
    let second = Instant::now();
    ready.before = ready.validate_now(observer)?;
    let validation_seconds = second.elapsed().as_secs_f64();
    ready.plan(validation_seconds, on_event)?;
    Ok(ready)
}

/// The cases that are held in memory: a worklist may have hundreds of large images that are not needed at once.
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

/// Reads all cases.
pub(super) fn load(cases: &[TeachingCase], observer: &dyn Observer) -> Result<Vec<LoadedCase>, TeachError> {
    let mut ids = BTreeSet::new();
    if let Some(twice) = cases.iter().find(|case| !ids.insert(&case.id)) {
        return Err(TeachError::Unsuitable(format!("two cases are called {}", twice.id)));
    }
    let mut loaded = Vec::with_capacity(cases.len());
    for (nth, case) in cases.iter().enumerate() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        observer.progress("reading cases", nth as u64, cases.len() as u64);
        loaded.push(case.load()?);
    }
    if !loaded.iter().any(|case| case.case.purpose == CaseUse::Corrected) {
        return Err(TeachError::Unsuitable("there is no corrected case to learn from".into()));
    }
    Ok(loaded)
}

/// What keeps old knowledge alive, and which share of the samples it gets.
fn replay_for(cases: &[LoadedCase], options: &TeachOptions) -> (ReplaySource, f64) {
    let has = |purpose| cases.iter().any(|case| case.case.purpose == purpose);
    match options.replay_share {
        0.0 => (ReplaySource::None, 0.0),
        share if has(CaseUse::Earlier) => (ReplaySource::Earlier, share),
        share if has(CaseUse::Unlabelled) => (ReplaySource::OwnAnswers, share),
        share => (ReplaySource::OwnAnswersOnCorrected, share / 2.0),
    }
}

/// The recipe by which a model is taught further: its own task with the usual changes of samples.
fn recipe_for(model: &Model, options: &TeachOptions) -> Result<Recipe, TeachError> {
    let card = &model.card;
    let refuse = |what: &str| Err(TeachError::Unsuitable(format!("the model {} {what}", card.id)));
    let Some(task) = card.dense() else {
        return refuse("does not label whole images; only models that do can be taught so far");
    };
    let is_flat = task.tile[0] == 1;
    let framing = match &task.around {
        Some(around) if task.regions.iter().all(|region| region.name != around.region) => {
            return refuse("looks around a region that it does not label itself; it cannot be taught alone");
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
    let dense = DenseRecipe {
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
    };
    Ok(Recipe {
        name: card.id.clone(),
        arch: card.arch.clone(),
        config: card.config.clone(),
        task: TaskRecipe::Dense(Box::new(dense)),
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

/// Puts cases, recipe and weights together.
#[expect(clippy::too_many_arguments, reason = "each is a different thing, and there are two callers")]
pub(super) fn assemble(
    catalog: &Catalog,
    parent: &Model,
    cases: Vec<LoadedCase>,
    recipe: Recipe,
    (replay, replay_share): (ReplaySource, f64),
    options: &TeachOptions,
    device: &OpenDevice,
    observer: &dyn Observer,
) -> Result<Preparation, TeachError> {
    let data = data_of(catalog, parent, &cases, &recipe, (replay, replay_share), device, observer)?;
    let earlier = cases
        .iter()
        .filter(|case| case.case.purpose == CaseUse::Earlier)
        .map(|case| case.case.id.clone())
        .collect();
    Ok(Preparation {
        parent: Parent { id: parent.card.id.clone(), weights_sha256: parent.card.weights_sha256.clone() },
        start: parent.weights()?,
        recipe,
        data: Arc::new(data),
        device: device.clone(),
        cases,
        earlier,
        replay,
        replay_share,
        options: options.clone(),
        before: [Validation::default(), Validation::default()],
        began: Instant::now(),
        forecast: None,
    })
}

/// The cases as training sees them.
fn data_of(
    catalog: &Catalog,
    parent: &Model,
    cases: &[LoadedCase],
    recipe: &Recipe,
    (replay, share): (ReplaySource, f64),
    device: &OpenDevice,
    observer: &dyn Observer,
) -> Result<DenseData, TeachError> {
    let dense = dense_recipe(recipe)?;
    let task: DenseTask = dense.task();
    let of = |purpose: CaseUse| cases.iter().filter(move |case| case.case.purpose == purpose);
    let drawn = |case: &LoadedCase| {
        let labels = case.labels.as_deref().unwrap_or_default();
        let regions: Vec<_> = regions_of(&task, labels).into_iter().map(Some).collect();
        Case::new(case.case.id.clone(), &case.volume, &regions, dense)
    };
    let corrected = of(CaseUse::Corrected).map(drawn).collect::<Result<Vec<_>, _>>()?;
    let earlier = of(CaseUse::Earlier).map(drawn).collect::<Result<Vec<_>, _>>()?;
    let mut validation =
        evenly(of(CaseUse::SetAside).collect(), MAX_SET_ASIDE).map(drawn).collect::<Result<Vec<_>, _>>()?;
    validation.extend(evenly(earlier.iter().collect(), MAX_EARLIER).cloned());
    let own = |purpose| -> Result<Vec<Case>, TeachError> {
        let model = Dense::load(catalog, &parent.card.id, &device.device)?;
        let mut own = Vec::new();
        for case in of(purpose) {
            let answer = match model.segment(&case.volume, observer) {
                Ok(answer) => answer,
                // An image in which nothing is found has no answer to keep.
                Err(crate::infer::DenseError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let name = case.case.id.clone();
            own.extend(Case::of_probabilities(name, &case.volume, &answer.probabilities, dense).ok());
        }
        Ok(own)
    };
    let kept = match replay {
        ReplaySource::Earlier => earlier,
        ReplaySource::OwnAnswers => own(CaseUse::Unlabelled)?,
        ReplaySource::OwnAnswersOnCorrected => own(CaseUse::Corrected)?,
        ReplaySource::None => Vec::new(),
    };
    let share = if kept.is_empty() { 0.0 } else { share };
    Ok(DenseData { sources: vec![(1.0 - share, corrected), (share, kept)], validation })
}

pub(super) fn dense_recipe(recipe: &Recipe) -> Result<&DenseRecipe, TeachError> {
    match &recipe.task {
        TaskRecipe::Dense(dense) => Ok(dense),
        TaskRecipe::Click(_) => {
            Err(TeachError::Unsuitable("networks that answer clicks cannot be taught so far".into()))
        }
    }
}

/// At most `most` of some things, evenly spread.
fn evenly<T>(all: Vec<T>, most: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step)
}

impl Preparation {
    /// What the training will take.
    pub fn forecast(&self) -> Option<&Forecast> {
        self.forecast.as_ref()
    }

    /// A trainer before its first step.
    pub(super) fn trainer(&self) -> Result<Trainer<'_>, TeachError> {
        let dense = dense_recipe(&self.recipe)?;
        let teacher = DenseTeacher::new(dense, self.data.clone(), self.recipe.seed, &self.device.device)?;
        Ok(Trainer::new(&self.recipe, &self.device.device, Box::new(teacher), Some(&self.start))?)
    }

    /// How good a trainer's network is: on the cases set aside, and on earlier ones.
    pub(super) fn validate(
        &self,
        trainer: &mut Trainer<'_>,
        observer: &dyn Observer,
    ) -> Result<[Validation; 2], TrainError> {
        let network = trainer.network()?;
        let all = trainer.validate(&network, observer)?;
        let is_earlier =
            |name: &str| name.rsplit_once('/').is_some_and(|(case, _)| self.earlier.contains(case));
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
        let take = |data: &mut Arc<DenseData>| {
            Arc::get_mut(data).map(|data| std::mem::take(&mut data.validation)).unwrap_or_default()
        };
        let mut all = take(&mut self.data);
        if all.len() <= 2 {
            if let Some(data) = Arc::get_mut(&mut self.data) {
                data.validation = all;
            }
            return Ok(());
        }
        if let Some(data) = Arc::get_mut(&mut self.data) {
            data.validation.extend(all.pop());
        }
        let began = Instant::now();
        self.validate_now(observer)?;
        let seconds = began.elapsed().as_secs_f64().max(1e-3);
        all.extend(take(&mut self.data));
        let times = (self.options.validations + 2) as f64;
        let most = (self.options.budget_seconds * VALIDATION_SHARE / times / seconds) as usize;
        if let Some(data) = Arc::get_mut(&mut self.data) {
            data.validation = evenly(all, most.max(2)).collect();
        }
        Ok(())
    }

    /// Makes the batch, then the samples, as small as the memory demands. Memory grows in proportion to both: so a single
    /// sample is measured, never a batch that may be too large.
    fn fit_memory(&mut self, on_event: &mut dyn FnMut(&TeachEvent)) -> Result<(), TeachError> {
        let half_of_free = || memory::available_bytes().map(|bytes| bytes / 2);
        let Some(limit) = self.options.memory_limit_bytes.or_else(half_of_free) else { return Ok(()) };
        let wanted = self.recipe.batch;
        loop {
            let base = memory::present_bytes().unwrap_or(0);
            self.recipe.batch = 1;
            let (_, peak) = self.measure(0)?;
            let voxels = dense_recipe(&self.recipe)?.patch.iter().product::<usize>() as u64;
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
            patch: dense_recipe(&self.recipe)?.patch,
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
