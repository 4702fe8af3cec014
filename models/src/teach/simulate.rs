//! The whole annotation loop with the truth as oracle: which order of cases needs fewest labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hilum_core::job::{Cancelled, Observer};
use hilum_core::measure::{Summary, summarize};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::case::{LoadedCase, regions_of};
use super::finetune::finetune;
use super::options::TeachOptions;
use super::order::{Candidate, order};
use super::uncertainty::{Strategy, uncertainty};
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::{AxisOrder, Card, Catalog, Model, Task, sha256_hex};
use crate::checkpoint::{FloatFormat, StateDict};
use crate::device::{self, DeviceChoice, OpenDevice};
use crate::infer::Dense;
use crate::metric::dice;
use crate::nets::{AnyNetwork, NetError};
use crate::train::recipe::{Recipe, TaskRecipe};
use crate::train::validation::Quiet;

/// A simulation, as its TOML file says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Recipe of the network and of what it labels, beside the simulation's file.
    pub recipe: PathBuf,
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
    /// Rounds.
    pub rounds: usize,
    /// Steps on the first cases.
    pub first_steps: usize,
    /// Steps of a round.
    pub round_steps: usize,
    /// Learning rate of a round, relative to that of the recipe.
    pub round_rate: f64,
    /// Share of a round's samples that come from cases labelled before.
    pub replay_share: f64,
    /// Orders to compare; each seed begins them all alike.
    pub strategies: Vec<Strategy>,
    /// Seeds of first cases, weights and samples.
    pub seeds: Vec<u64>,
}

/// A state of one run.
#[derive(Clone, Debug, Serialize)]
pub struct SimulatedState {
    /// By what the cases were put in order.
    pub strategy: Strategy,
    /// Seed.
    pub seed: u64,
    /// Cases labelled.
    pub labelled: usize,
    /// Share of the pool.
    pub share: f64,
    /// Mean Dice over regions and held-out cases.
    pub dice: f64,
    /// Clicks spent so far, see [`correction_cost`].
    pub clicks: usize,
    /// Strokes spent so far.
    pub strokes: usize,
    /// Cases added in this round.
    pub added: Vec<String>,
}

/// What an order of cases needs.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyResult {
    /// The order.
    pub strategy: Strategy,
    /// Share of the pool at which 95 % of the full-data Dice was first reached, over seeds; the runs that never did
    /// count as the whole pool.
    pub share_to_95: Option<Summary>,
    /// Runs that never reached it.
    pub never: usize,
    /// Dice less that of chance in the same state of the same seed, over all states after the first; none for chance.
    pub gain: Option<Summary>,
}

/// All that a simulation found.
#[derive(Clone, Debug, Serialize)]
pub struct SimulationReport {
    /// Every state.
    pub states: Vec<SimulatedState>,
    /// Seed and Dice with all cases of the pool labelled, with as many steps as a run makes altogether.
    pub full: Vec<(u64, f64)>,
    /// What each order needs.
    pub strategies: Vec<StrategyResult>,
}

/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 5000;
const SEED: u64 = 1;
/// Share of the full-data Dice that is asked for.
const ENOUGH: f64 = 0.95;

impl Simulation {
    /// Takes relative paths from a folder and checks the numbers.
    ///
    /// # Errors
    /// [`TeachError::Unsuitable`] naming the value.
    pub fn resolved(mut self, folder: &Path) -> Result<Self, TeachError> {
        for path in [&mut self.recipe, &mut self.images, &mut self.labels] {
            *path = folder.join(&*path);
        }
        let refuse = |text: String| Err(TeachError::Unsuitable(text));
        if self.start == 0 || self.start > self.pool || self.held_out == 0 {
            return refuse(format!(
                "start is {}, pool {}, held_out {}; start must be 1 to pool, held_out at least 1",
                self.start, self.pool, self.held_out
            ));
        }
        if self.strategies.is_empty() || self.seeds.is_empty() {
            return refuse("strategies and seeds must name at least one each".into());
        }
        if self.batch == 0 || self.first_steps == 0 || self.round_steps == 0 || self.round_rate <= 0.0 {
            return refuse("batch, first_steps, round_steps and round_rate must be positive".into());
        }
        Ok(self)
    }

    /// Runs all seeds and orders; `on_state` is told every state as it is reached.
    ///
    /// # Errors
    /// [`TeachError`] for data or a recipe that cannot be used, and when the observer asks to stop.
    pub fn run(
        &self,
        device: DeviceChoice,
        observer: &dyn Observer,
        on_state: &mut dyn FnMut(&SimulatedState),
    ) -> Result<SimulationReport, TeachError> {
        let world = World::load(self, device)?;
        let (mut states, mut full) = (Vec::new(), Vec::new());
        for seed in &self.seeds {
            let steps = self.first_steps + self.rounds * self.round_steps;
            let everything: BTreeSet<usize> = (0..world.pool.len()).collect();
            let weights =
                world.teach(&world.seeded(*seed)?, &everything, &BTreeSet::new(), steps, *seed, observer)?;
            full.push((*seed, world.score(&weights, observer)?));
            let mut shuffled: Vec<usize> = (0..world.pool.len()).collect();
            shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(*seed));
            let first: BTreeSet<usize> = shuffled.into_iter().take(self.start).collect();
            let blank = world.seeded(*seed)?;
            let begun = world.teach(&blank, &first, &BTreeSet::new(), self.first_steps, *seed, observer)?;
            for strategy in &self.strategies {
                world.loop_of(*strategy, *seed, &first, &begun, observer, &mut |state| {
                    on_state(&state);
                    states.push(state);
                })?;
            }
        }
        let strategies = self.strategies.iter().map(|s| result_of(*s, &states, &full)).collect();
        Ok(SimulationReport { states, full, strategies })
    }
}

/// The data of a simulation.
struct World<'a> {
    simulation: &'a Simulation,
    recipe: Recipe,
    pool: Vec<LoadedCase>,
    held_out: Vec<LoadedCase>,
    device: OpenDevice,
    choice: DeviceChoice,
    folder: tempfile::TempDir,
}

impl<'a> World<'a> {
    fn load(simulation: &'a Simulation, choice: DeviceChoice) -> Result<Self, TeachError> {
        let recipe = Recipe::read(&simulation.recipe).map_err(crate::train::TrainError::from)?;
        let entries = std::fs::read_dir(&simulation.images).map_err(|cause| {
            let folder = simulation.images.display();
            TeachError::Unsuitable(format!("cannot read the folder of images ({cause}): {folder}"))
        })?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(&simulation.image_suffix).map(str::to_owned))
            .filter(|name| simulation.labels.join(format!("{name}{}", simulation.label_suffix)).is_file())
            .collect();
        names.sort();
        let wanted = simulation.pool + simulation.held_out;
        if names.len() < wanted {
            return Err(TeachError::Unsuitable(format!(
                "pool and held_out ask for {wanted} cases; {} have image and mask: {}",
                names.len(),
                simulation.images.display()
            )));
        }
        let load = |name: &String| {
            let image = simulation.images.join(format!("{name}{}", simulation.image_suffix));
            let labels = simulation.labels.join(format!("{name}{}", simulation.label_suffix));
            TeachingCase::files(name, image, Some(labels), CaseUse::Corrected).load()
        };
        let (pool, held_out) = names[..wanted].split_at(simulation.pool);
        let folder = tempfile::tempdir()
            .map_err(|cause| TeachError::Folder { cause, path: "a temporary folder".into() })?;
        Ok(Self {
            simulation,
            recipe,
            pool: pool.iter().map(load).collect::<Result<_, _>>()?,
            held_out: held_out.iter().map(load).collect::<Result<_, _>>()?,
            device: device::open(choice)?,
            choice,
            folder,
        })
    }

    /// The recipe's network before any training.
    fn seeded(&self, seed: u64) -> Result<StateDict, TeachError> {
        let network =
            AnyNetwork::seeded(&self.recipe.arch, self.recipe.config.clone(), seed, &Device::flex())?;
        Ok(network.weights(FloatFormat::F32)?)
    }

    /// A catalog with these weights as the model `simulated`.
    fn catalog(&self, weights: &StateDict) -> Result<Catalog, TeachError> {
        let TaskRecipe::Dense(dense) = &self.recipe.task else {
            return Err(TeachError::Unsuitable("the recipe's network must label whole images".into()));
        };
        let bytes = weights.to_bytes(&[]).map_err(NetError::from)?;
        let card = Card {
            id: "simulated".into(),
            title: self.recipe.name.clone(),
            arch: self.recipe.arch.clone(),
            config: self.recipe.config.clone(),
            axes: AxisOrder::Zyx,
            task: Task::Dense(dense.task()),
            licence: String::new(),
            data: Vec::new(),
            split: String::new(),
            training: String::new(),
            figures: Vec::new(),
            limits: Vec::new(),
            weights_sha256: sha256_hex(&bytes),
        };
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, bytes).map_err(|cause| TeachError::Folder { cause, path })
        };
        write("weights.safetensors", &bytes)?;
        write("card.json", serde_json::to_string(&card).expect("plain data with string keys").as_bytes())?;
        let mut catalog = Catalog::default();
        catalog.add(Model::read(self.folder.path())?);
        Ok(catalog)
    }

    /// Weights after some steps on the cases `new`, while `known` are replayed.
    fn teach(
        &self,
        weights: &StateDict,
        new: &BTreeSet<usize>,
        known: &BTreeSet<usize>,
        steps: usize,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<StateDict, TeachError> {
        let with = |index: &usize, purpose| TeachingCase { purpose, ..self.pool[*index].case.clone() };
        let mut cases: Vec<TeachingCase> = new.iter().map(|i| with(i, CaseUse::Corrected)).collect();
        cases.extend(known.iter().map(|i| with(i, CaseUse::Earlier)));
        let is_first = known.is_empty();
        let rate = if is_first { 1.0 } else { self.simulation.round_rate };
        let options = TeachOptions {
            steps: Some(steps),
            batch: self.recipe.batch,
            learning_rate: self.recipe.learning_rate * rate,
            replay_share: if is_first { 0.0 } else { self.simulation.replay_share },
            validations: 0,
            seed,
            device: self.choice,
            budget_seconds: 86_400.0,
            // The recipe is made for the machine; measuring would cost more than the steps.
            memory_limit_bytes: Some(u64::MAX),
            ..TeachOptions::default()
        };
        let catalog = self.catalog(weights)?;
        let taught = finetune(&catalog, "simulated", &cases, &options, observer, &mut |_| ())?;
        if taught.was_stopped {
            return Err(Cancelled.into());
        }
        Ok(taught.weights)
    }

    fn dense(&self, weights: &StateDict) -> Result<Dense, TeachError> {
        Ok(Dense::load(&self.catalog(weights)?, "simulated", &self.device.device)?)
    }

    /// Mean Dice over regions and held-out cases.
    fn score(&self, weights: &StateDict, observer: &dyn Observer) -> Result<f64, TeachError> {
        let model = self.dense(weights)?;
        let mut dices = Vec::new();
        for case in &self.held_out {
            let answer = regions_of(model.task(), &model.segment(&case.volume, &Quiet(observer))?.labels);
            let truth = regions_of(model.task(), case.labels.as_deref().unwrap_or_default());
            dices.extend(truth.iter().zip(&answer).map(|(truth, answer)| dice(truth, answer)));
        }
        Ok(dices.iter().sum::<f64>() / dices.len().max(1) as f64)
    }

    fn loop_of(
        &self,
        strategy: Strategy,
        seed: u64,
        first: &BTreeSet<usize>,
        begun: &StateDict,
        observer: &dyn Observer,
        on_state: &mut dyn FnMut(SimulatedState),
    ) -> Result<(), TeachError> {
        let mut labelled = first.clone();
        let mut weights = begun.clone();
        // The first cases are drawn from nothing.
        let mut cost = [0, 0];
        for index in first {
            let case = &self.pool[*index];
            let truth = case.labels.as_deref().unwrap_or_default();
            add(&mut cost, correction_cost(&vec![0; truth.len()], truth, case.volume.grid().dims()));
        }
        let mut added: Vec<usize> = first.iter().copied().collect();
        for round in 0..=self.simulation.rounds {
            on_state(SimulatedState {
                strategy,
                seed,
                labelled: labelled.len(),
                share: labelled.len() as f64 / self.pool.len() as f64,
                dice: self.score(&weights, observer)?,
                clicks: cost[0],
                strokes: cost[1],
                added: added.iter().map(|i| self.pool[*i].case.id.clone()).collect(),
            });
            if round == self.simulation.rounds || labelled.len() == self.pool.len() {
                break;
            }
            let model = self.dense(&weights)?;
            added = self.next(&model, strategy, seed.wrapping_add(round as u64), &labelled, observer)?;
            for index in &added {
                let case = &self.pool[*index];
                let answer = model.segment(&case.volume, &Quiet(observer))?.labels;
                let truth = case.labels.as_deref().unwrap_or_default();
                add(&mut cost, correction_cost(&answer, truth, case.volume.grid().dims()));
            }
            let new: BTreeSet<usize> = added.iter().copied().collect();
            let steps = self.simulation.round_steps;
            weights =
                self.teach(&weights, &new, &labelled, steps, seed.wrapping_add(round as u64 + 1), observer)?;
            labelled.extend(new);
        }
        Ok(())
    }

    /// The cases to label next.
    fn next(
        &self,
        model: &Dense,
        strategy: Strategy,
        seed: u64,
        labelled: &BTreeSet<usize>,
        observer: &dyn Observer,
    ) -> Result<Vec<usize>, TeachError> {
        let (mut candidates, mut known) = (Vec::new(), Vec::new());
        for (index, case) in self.pool.iter().enumerate() {
            let of_case =
                |strategy| uncertainty(model, &case.case.id, &case.volume, strategy, seed, &Quiet(observer));
            if labelled.contains(&index) {
                if strategy != Strategy::Random {
                    known.push(of_case(Strategy::Random)?.descriptor);
                }
            } else {
                candidates.push(Candidate { id: case.case.id.clone(), uncertainty: of_case(strategy)? });
            }
        }
        let chosen = order(&candidates, &known, strategy).into_iter().take(self.simulation.batch);
        let index_of = |id: &str| self.pool.iter().position(|case| case.case.id == id);
        Ok(chosen.filter_map(|ranked| index_of(&ranked.id)).collect())
    }
}

fn add(sum: &mut [usize; 2], [clicks, strokes]: [usize; 2]) {
    sum[0] += clicks;
    sum[1] += strokes;
}

/// Smallest error, in voxels, that a person clicks at, or paints over in a slice.
const CLICKED: usize = 10;
const PAINTED: usize = 3;

/// What correcting labels costs by rule: one click for every 6-connected region of wrong voxels of 10 and more, or one
/// stroke for every 4-connected region of 3 and more in every slice. Smaller errors are let pass.
pub fn correction_cost(answer: &[u16], truth: &[u16], dims: [usize; 3]) -> [usize; 2] {
    let wrong: Vec<bool> = answer.iter().zip(truth).map(|(answer, truth)| answer != truth).collect();
    let count = |reaches: usize, least: usize| {
        region_sizes(&wrong, dims, reaches).iter().filter(|n| **n >= least).count()
    };
    [count(3, CLICKED), count(2, PAINTED)]
}

/// Sizes of the connected regions of a mask along its first `axes` axes.
fn region_sizes(mask: &[bool], dims: [usize; 3], axes: usize) -> Vec<usize> {
    let strides = [1, dims[0], dims[0] * dims[1]];
    let mut is_open = mask.to_vec();
    let mut sizes = Vec::new();
    for start in 0..mask.len() {
        if !is_open[start] {
            continue;
        }
        is_open[start] = false;
        let (mut stack, mut size) = (vec![start], 0);
        while let Some(voxel) = stack.pop() {
            size += 1;
            for axis in 0..axes {
                let at = voxel / strides[axis] % dims[axis];
                let before = (at > 0).then(|| voxel - strides[axis]);
                let after = (at + 1 < dims[axis]).then(|| voxel + strides[axis]);
                for next in before.into_iter().chain(after) {
                    if std::mem::take(&mut is_open[next]) {
                        stack.push(next);
                    }
                }
            }
        }
        sizes.push(size);
    }
    sizes
}

fn result_of(strategy: Strategy, states: &[SimulatedState], full: &[(u64, f64)]) -> StrategyResult {
    let of =
        |wanted: Strategy, seed: u64| states.iter().filter(move |s| s.strategy == wanted && s.seed == seed);
    let (mut shares, mut never, mut gains) = (Vec::new(), 0, Vec::new());
    for (seed, best) in full {
        let reached = of(strategy, *seed).find(|state| state.dice >= ENOUGH * best);
        never += usize::from(reached.is_none());
        shares.push(reached.map_or(1.0, |state| state.share));
        if strategy != Strategy::Random {
            let pairs = of(strategy, *seed).zip(of(Strategy::Random, *seed)).skip(1);
            gains.extend(pairs.map(|(mine, chance)| mine.dice - chance.dice));
        }
    }
    StrategyResult {
        strategy,
        share_to_95: summarize(&shares, RESAMPLES, SEED),
        never,
        gain: summarize(&gains, RESAMPLES, SEED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_are_counted_by_the_rule() {
        // Two regions of wrong voxels: a bar through three slices, and a single voxel.
        let dims = [10, 10, 3];
        let mut truth = vec![0; 300];
        for z in 0..3 {
            (0..5).for_each(|x| truth[z * 100 + 20 + x] = 1);
        }
        truth[77] = 2;
        assert_eq!(correction_cost(&vec![0; 300], &truth, dims), [1, 3]);
        assert_eq!(correction_cost(&truth, &truth, dims), [0, 0]);
    }

    #[test]
    fn the_simulation_of_the_project_is_understood() {
        let folder = hilum_core::testing::in_package("../resources/recipes");
        let text = std::fs::read_to_string(folder.join("simulate-hippocampus.toml")).unwrap();
        let mut table: toml::Table = text.parse().unwrap();
        table.remove("kind");
        let simulation: Simulation = table.try_into().unwrap();
        let simulation = simulation.resolved(&folder).unwrap();
        assert!(Recipe::read(&simulation.recipe).is_ok());
        let refused = Simulation { start: 0, ..simulation }.resolved(&folder).unwrap_err().to_string();
        assert!(refused.contains("start is 0"), "{refused}");
    }

    #[test]
    fn the_share_at_which_enough_is_reached_is_the_first() {
        let state = |strategy, share: f64, dice| SimulatedState {
            strategy,
            seed: 1,
            labelled: 0,
            share,
            dice,
            clicks: 0,
            strokes: 0,
            added: Vec::new(),
        };
        let states = [
            state(Strategy::Random, 0.1, 0.5),
            state(Strategy::Random, 0.2, 0.7),
            state(Strategy::Entropy, 0.1, 0.5),
            state(Strategy::Entropy, 0.2, 0.77),
        ];
        let entropy = result_of(Strategy::Entropy, &states, &[(1, 0.8)]);
        assert_eq!((entropy.share_to_95.unwrap().mean, entropy.never), (0.2, 0));
        assert!((entropy.gain.unwrap().mean - 0.07).abs() < 1e-9);
        let chance = result_of(Strategy::Random, &states, &[(1, 0.8)]);
        assert_eq!((chance.share_to_95.unwrap().mean, chance.never), (1.0, 1));
    }
}
