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
}
