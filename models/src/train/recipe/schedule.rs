//! How the step size falls.

use serde::{Deserialize, Serialize};

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
    /// Multiplied by `factor` whenever `patience` validations in a row were no better than the best.
    Plateau {
        /// Validations to wait for.
        patience: usize,
        /// Factor, 0.1 in HANet's paper.
        factor: f64,
    },
}

impl Schedule {
    /// Factor on the learning rate at `step` of `steps`, when validation stood still `plateaus` times.
    pub fn factor(&self, step: usize, steps: usize, plateaus: usize) -> f64 {
        let share = step as f64 / steps.max(1) as f64;
        match self {
            Self::Steps { at, factor } => factor.powi(at.iter().filter(|a| share >= **a).count() as i32),
            Self::Plateau { factor, .. } => factor.powi(plateaus as i32),
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

impl Schedule {
    /// Whether validation has just stood still once more, `stale` validations after the best.
    pub fn is_plateau(&self, stale: usize) -> bool {
        matches!(self, Self::Plateau { patience, .. } if stale > 0 && stale.is_multiple_of((*patience).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_schedule_falls_by_ten_at_each_step() {
        let paper = Schedule::Steps { at: vec![0.125, 0.25, 0.5, 0.75], factor: 0.1 };
        assert_eq!(paper.factor(0, 120, 0), 1.0);
        assert!((paper.factor(15, 120, 0) - 0.1).abs() < 1e-12);
        assert!((paper.factor(119, 120, 0) - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn the_cosine_rises_then_falls_to_a_hundredth() {
        let cosine = Schedule::Cosine { warm_up: 0.1 };
        assert!(cosine.factor(0, 100, 0) < 0.2);
        assert!((cosine.factor(10, 100, 0) - 1.0).abs() < 1e-9);
        assert!(cosine.factor(99, 100, 0) < 0.02);
    }

    #[test]
    fn a_plateau_is_met_after_every_so_many_validations_without_gain() {
        let schedule = Schedule::Plateau { patience: 2, factor: 0.1 };
        let met: Vec<usize> = (0..7).filter(|stale| schedule.is_plateau(*stale)).collect();
        assert_eq!(met, [2, 4, 6]);
        assert!((schedule.factor(5, 100, 2) - 0.01).abs() < 1e-12);
    }
}
