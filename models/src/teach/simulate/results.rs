//! What a simulation measured and what follows from it.

use hilum_core::measure::{Summary, summarize};
use serde::Serialize;

use super::config::Simulation;
use crate::teach::Strategy;

/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 5000;
const SEED: u64 = 1;
/// Share of the full-data Dice that is asked for.
const ENOUGH: f64 = 0.95;

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
    /// Mean Dice over regions and held-out cases; of networks that answer clicks, after one.
    pub dice: f64,
    /// Clicks spent so far: for networks that label images as [`correction_cost`](super::correction_cost) counts them; for
    /// those that answer clicks, until the person was content or gave up.
    pub clicks: usize,
    /// Strokes that painting over the errors would have taken so far.
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
    /// Dice less that of chance at the same number of labels of the same seed, round by round: the interval is over
    /// seeds, each of which counts once a round. Empty for chance.
    pub gains: Vec<RoundGain>,
    /// Mean over the rounds of a seed, over seeds; none for chance.
    pub gain: Option<Summary>,
}

/// How an order of cases does in one round.
#[derive(Clone, Debug, Serialize)]
pub struct RoundGain {
    /// The round, from 1.
    pub round: usize,
    /// Cases labelled.
    pub labelled: usize,
    /// Dice less that of chance, over seeds; an interval of fewer than three is its range.
    pub gain: Summary,
}

/// What was measured so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// Every state.
    pub states: Vec<SimulatedState>,
    /// Seed and Dice with all cases of the pool labelled, with as many steps as a run makes altogether.
    pub full: Vec<(u64, f64)>,
}

/// What was measured last.
#[derive(Clone, Copy, Debug)]
pub enum Latest<'a> {
    /// Seed and Dice of a training with the whole pool.
    Full(u64, f64),
    /// A state of a run.
    State(&'a SimulatedState),
}

/// All that a simulation found.
#[derive(Clone, Debug, Serialize)]
pub struct SimulationReport {
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
    /// What each order needs.
    pub strategies: Vec<StrategyResult>,
}

impl SimulationReport {
    /// What follows for the orders and seeds of a simulation.
    pub(super) fn of(simulation: &Simulation, measured: Measured) -> Self {
        let full: Vec<(u64, f64)> =
            measured.full.iter().copied().filter(|(seed, _)| simulation.seeds.contains(seed)).collect();
        let result = |strategy: &Strategy| result_of(*strategy, &measured.states, &full);
        let strategies = simulation.strategies.iter().map(result).collect();
        Self { measured, strategies }
    }
}

pub(super) fn result_of(
    strategy: Strategy,
    states: &[SimulatedState],
    full: &[(u64, f64)],
) -> StrategyResult {
    let of =
        |wanted: Strategy, seed: u64| states.iter().filter(move |s| s.strategy == wanted && s.seed == seed);
    let (mut shares, mut never) = (Vec::new(), 0);
    // By seed, then by round: rounds of one seed are one run and do not stand alone.
    let mut by_seed: Vec<Vec<(usize, f64)>> = Vec::new();
    for (seed, best) in full {
        let reached = of(strategy, *seed).find(|state| state.dice >= ENOUGH * best);
        never += usize::from(reached.is_none());
        shares.push(reached.map_or(1.0, |state| state.share));
        if strategy != Strategy::Random {
            let pairs = of(strategy, *seed).zip(of(Strategy::Random, *seed)).skip(1);
            by_seed.push(pairs.map(|(mine, chance)| (mine.labelled, mine.dice - chance.dice)).collect());
        }
    }
    let rounds = by_seed.iter().map(Vec::len).max().unwrap_or(0);
    let of_round = |round: usize| {
        let each: Vec<(usize, f64)> = by_seed.iter().filter_map(|seed| seed.get(round).copied()).collect();
        let gains: Vec<f64> = each.iter().map(|(_, gain)| *gain).collect();
        let gain = summarize(&gains, RESAMPLES, SEED)?;
        Some(RoundGain { round: round + 1, labelled: each.first()?.0, gain })
    };
    let mean = |seed: &Vec<(usize, f64)>| {
        (!seed.is_empty()).then(|| seed.iter().map(|(_, gain)| gain).sum::<f64>() / seed.len() as f64)
    };
    let means: Vec<f64> = by_seed.iter().filter_map(mean).collect();
    StrategyResult {
        strategy,
        share_to_95: summarize(&shares, RESAMPLES, SEED),
        never,
        gains: (0..rounds).filter_map(of_round).collect(),
        gain: summarize(&means, RESAMPLES, SEED),
    }
}
