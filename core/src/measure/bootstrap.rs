//! Mean, spread and bootstrap interval of a figure over cases.

use serde::{Deserialize, Serialize};

use super::percentile_of_sorted;
use crate::random::SplitMix;

/// A figure over several cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Cases.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` for one case.
    pub sd: Option<f64>,
    /// Lower end of the 95 % percentile bootstrap interval of the mean (Efron 1979).
    pub ci95_low: f64,
    /// Upper end of that interval.
    pub ci95_high: f64,
}

/// Mean, standard deviation and 95 % percentile bootstrap interval of the mean from `resamples` draws.
/// The same values, draws and seed give the same interval everywhere. `None` for no values.
pub fn summarize(values: &[f64], resamples: usize, seed: u64) -> Option<Summary> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = mean_of(values.iter().copied(), n);
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    let mut draws = SplitMix::new(seed);
    let mut means: Vec<f64> =
        (0..resamples.max(1)).map(|_| mean_of((0..n).map(|_| values[draws.below(n)]), n)).collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share| percentile_of_sorted(&means, share).unwrap_or(mean);
    Some(Summary { n, mean, sd, ci95_low: at(0.025), ci95_high: at(0.975) })
}

fn mean_of(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_of_a_normal_like_sample_is_that_of_theory() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        let s = summarize(&values, 5000, 1).unwrap();
        assert_eq!((s.n, s.mean), (101, 50.0));
        let sd = s.sd.unwrap();
        assert!((sd - 29.300_170_647_967_224).abs() < 1e-9);
        let half = 1.96 * sd / 101f64.sqrt();
        assert!((s.ci95_low - (50.0 - half)).abs() < 0.4, "{s:?}");
        assert!((s.ci95_high - (50.0 + half)).abs() < 0.4, "{s:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        let values = [0.1, 0.5, 0.9, 0.7, 0.2];
        assert_eq!(summarize(&values, 999, 3), summarize(&values, 999, 3));
        assert_ne!(summarize(&values, 99, 3), summarize(&values, 99, 4));
    }

    #[test]
    fn one_case_has_no_spread_and_none_has_no_summary() {
        let s = summarize(&[0.8], 100, 0).unwrap();
        assert_eq!((s.mean, s.sd, s.ci95_low, s.ci95_high), (0.8, None, 0.8, 0.8));
        assert_eq!(summarize(&[], 100, 0), None);
    }

    proptest! {
        #[test]
        fn the_interval_lies_within_the_values(values in proptest::collection::vec(0.0..1.0f64, 1..30)) {
            let s = summarize(&values, 200, 7).unwrap();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(low - 1e-12 <= s.ci95_low && s.ci95_low <= s.ci95_high && s.ci95_high <= high + 1e-12);
        }
    }
}
