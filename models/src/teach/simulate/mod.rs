//! The whole annotation loop with the truth as oracle: which order of cases needs fewest labels.

mod config;
mod cost;
mod journal;
mod learner;
mod results;
mod world;

#[cfg(test)]
mod loop_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use hilum_core::job::{Cancelled, Observer};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use self::learner::{Cost, Learner};
use self::world::World;
use super::TeachError;
use super::order::{Candidate, order};
use super::uncertainty::Strategy;
use crate::checkpoint::StateDict;
use crate::device::DeviceChoice;
use crate::train::validation::Quiet;

pub use config::{ClickRule, Simulation};
pub use cost::correction_cost;
pub use results::{Latest, Measured, RoundGain, SimulatedState, SimulationReport, StrategyResult};

impl Simulation {
    /// Runs all seeds and orders. What `measured` holds already, of the same [`Simulation::setting`], is not run again; an
    /// order that was broken off begins anew. `on_measured` is told all that is known, and what of it is new, whenever
    /// something is added.
    ///
    /// # Errors
    /// [`TeachError`] for data or a recipe that cannot be used, of `on_measured`, and when the observer asks to stop.
    pub fn run(
        &self,
        device: DeviceChoice,
        measured: Measured,
        observer: &dyn Observer,
        on_measured: &mut OnMeasured<'_>,
    ) -> Result<SimulationReport, TeachError> {
        let world = World::load(self, device, observer)?;
        let mut runner = Loop { simulation: self, world, observer, measured, on_measured };
        runner.refuse_impossible_orders()?;
        for seed in &self.seeds {
            runner.seed(*seed)?;
        }
        Ok(SimulationReport::of(self, runner.measured))
    }
}

/// Keeps what is measured.
type OnMeasured<'a> = dyn FnMut(&Measured, Latest<'_>) -> Result<(), TeachError> + 'a;

/// The loop, with what it measured so far.
struct Loop<'a> {
    simulation: &'a Simulation,
    world: World<'a>,
    observer: &'a dyn Observer,
    measured: Measured,
    on_measured: &'a mut OnMeasured<'a>,
}

/// Where every order of a seed begins.
struct Start {
    first: BTreeSet<usize>,
    weights: StateDict,
    dice: f64,
    cost: Cost,
}

impl Loop<'_> {
    /// Not after hours of training.
    fn refuse_impossible_orders(&self) -> Result<(), TeachError> {
        if self.simulation.strategies.contains(&Strategy::Divergence) {
            let blank = self.world.learner(&self.world.seeded(self.simulation.seeds[0])?)?;
            blank.uncertainty(&self.world.pool[0], Strategy::Divergence, 0, &Quiet(self.observer))?;
        }
        Ok(())
    }

    /// All orders of a seed, and the training with the whole pool.
    fn seed(&mut self, seed: u64) -> Result<(), TeachError> {
        if self.measured.full.iter().all(|(known, _)| *known != seed) {
            let everything: BTreeSet<usize> = (0..self.world.pool.len()).collect();
            let weights = self.begin(&everything, self.simulation.steps_of_run(), seed)?;
            let dice = self.score(&*self.world.learner(&weights)?)?;
            self.measured.full.push((seed, dice));
            (self.on_measured)(&self.measured, Latest::Full(seed, dice))?;
        }
        let is_open = |strategy: &Strategy| {
            let of = |s: &&SimulatedState| s.strategy == *strategy && s.seed == seed;
            self.measured.states.iter().filter(of).count() < self.simulation.states_of_run()
        };
        let open: Vec<Strategy> = self.simulation.strategies.iter().copied().filter(is_open).collect();
        if open.is_empty() {
            return Ok(());
        }
        let start = self.start(seed)?;
        open.into_iter().try_for_each(|strategy| self.order(strategy, seed, &start))
    }

    fn start(&self, seed: u64) -> Result<Start, TeachError> {
        let mut shuffled: Vec<usize> = (0..self.world.pool.len()).collect();
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let first: BTreeSet<usize> = shuffled.into_iter().take(self.simulation.start).collect();
        let weights = self.begin(&first, self.simulation.first_steps, seed)?;
        let dice = self.score(&*self.world.learner(&weights)?)?;
        let mut cost = [0, 0];
        first.iter().for_each(|index| add(&mut cost, self.world.pool[*index].drawing_cost()));
        Ok(Start { first, weights, dice, cost })
    }

    /// A first training of a seed.
    fn begin(&self, cases: &BTreeSet<usize>, steps: usize, seed: u64) -> Result<StateDict, TeachError> {
        let blank = self.world.seeded(seed)?;
        self.world.teach(&blank, cases, &BTreeSet::new(), steps, seed, self.observer)
    }

    /// Mean Dice over regions and held-out cases.
    fn score(&self, learner: &dyn Learner) -> Result<f64, TeachError> {
        let mut dices = Vec::new();
        for case in &self.world.held_out {
            dices.extend(learner.dices(case, &Quiet(self.observer))?);
        }
        Ok(dices.iter().sum::<f64>() / dices.len().max(1) as f64)
    }

    /// Round after round with one order of cases.
    fn order(&mut self, strategy: Strategy, seed: u64, start: &Start) -> Result<(), TeachError> {
        let (mut labelled, mut cost) = (start.first.clone(), start.cost);
        self.tell(
            strategy,
            seed,
            &labelled,
            start.dice,
            cost,
            &labelled.iter().copied().collect::<Vec<_>>(),
        )?;
        let mut learner = self.world.learner(&start.weights)?;
        let mut weights = start.weights.clone();
        for round in 0..self.simulation.states_of_run() - 1 {
            let added = self.next(&*learner, strategy, seed.wrapping_add(round as u64), &labelled)?;
            for index in &added {
                add(&mut cost, learner.cost(&self.world.pool[*index], &Quiet(self.observer))?);
            }
            let new: BTreeSet<usize> = added.iter().copied().collect();
            let (steps, seed_of_round) = (self.simulation.round_steps, seed.wrapping_add(round as u64 + 1));
            weights = self.world.teach(&weights, &new, &labelled, steps, seed_of_round, self.observer)?;
            learner = self.world.learner(&weights)?;
            labelled.extend(new);
            let dice = self.score(&*learner)?;
            self.tell(strategy, seed, &labelled, dice, cost, &added)?;
        }
        Ok(())
    }

    fn tell(
        &mut self,
        strategy: Strategy,
        seed: u64,
        labelled: &BTreeSet<usize>,
        dice: f64,
        [clicks, strokes]: Cost,
        added: &[usize],
    ) -> Result<(), TeachError> {
        let pool = &self.world.pool;
        let share = labelled.len() as f64 / pool.len() as f64;
        let added = added.iter().map(|index| pool[*index].id.clone()).collect();
        let labelled = labelled.len();
        let state = SimulatedState { strategy, seed, labelled, share, dice, clicks, strokes, added };
        self.measured.keep(state.clone());
        (self.on_measured)(&self.measured, Latest::State(&state))
    }

    /// The cases to label next.
    fn next(
        &self,
        learner: &dyn Learner,
        strategy: Strategy,
        seed: u64,
        labelled: &BTreeSet<usize>,
    ) -> Result<Vec<usize>, TeachError> {
        let pool = &self.world.pool;
        let (mut candidates, mut known) = (Vec::new(), Vec::new());
        for (index, case) in pool.iter().enumerate() {
            if self.observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            let of_case = |strategy| learner.uncertainty(case, strategy, seed, &Quiet(self.observer));
            if labelled.contains(&index) {
                if strategy != Strategy::Random {
                    known.push(of_case(Strategy::Random)?.descriptor);
                }
            } else {
                candidates.push(Candidate { id: case.id.clone(), uncertainty: of_case(strategy)? });
            }
        }
        let chosen = order(&candidates, &known, strategy).into_iter().take(self.simulation.batch);
        let index_of = |id: &str| pool.iter().position(|case| case.id == id);
        Ok(chosen.filter_map(|ranked| index_of(&ranked.id)).collect())
    }
}

fn add(sum: &mut Cost, [clicks, strokes]: Cost) {
    sum[0] += clicks;
    sum[1] += strokes;
}
