//! One mask out of several people's masks of the same object, and where they differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{MeasureError, check_count};

/// Most masks that are compared.
pub const MAX_RATERS: usize = 64;
/// STAPLE ends when no sensitivity or specificity moves by more.
const TOLERANCE: f64 = 1e-9;
/// And after so many rounds at the latest.
const MAX_ROUNDS: usize = 1000;

/// Why masks have no consensus.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConsensusError {
    /// Too few or too many masks.
    #[error("{0} masks have no consensus; give 2 to {MAX_RATERS}")]
    Count(usize),
    /// Their sizes differ.
    #[error(transparent)]
    Size(#[from] MeasureError),
}

/// What a person marks rightly, according to STAPLE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RaterQuality {
    /// Share of the object that the person marks.
    pub sensitivity: f64,
    /// Share of everything else that the person leaves out.
    pub specificity: f64,
}

/// Several masks over the same voxels, voxels with equal votes counted together: whatever the number of voxels, an
/// estimate takes a moment.
#[derive(Clone, Debug)]
pub struct Votes {
    /// Bit r of a voxel: rater r marks it.
    patterns: Vec<u64>,
    raters: usize,
}

/// What STAPLE estimates.
#[derive(Clone, Debug, PartialEq)]
pub struct Staple {
    /// Probability that a voxel belongs to the object, `[z, y, x]`.
    pub probability: Vec<f32>,
    /// Every rater's quality, in their order.
    pub quality: Vec<RaterQuality>,
    /// Rounds until nothing moved.
    pub rounds: usize,
}

impl Votes {
    /// Counts the votes of masks `[z, y, x]` over the same voxels.
    ///
    /// # Errors
    /// [`ConsensusError`].
    pub fn of(masks: &[&[bool]]) -> Result<Self, ConsensusError> {
        if !(2..=MAX_RATERS).contains(&masks.len()) {
            return Err(ConsensusError::Count(masks.len()));
        }
        let mut patterns = vec![0_u64; masks[0].len()];
        for (rater, mask) in masks.iter().enumerate() {
            check_count(mask.len(), patterns.len())?;
            for (pattern, marked) in patterns.iter_mut().zip(*mask) {
                *pattern |= u64::from(*marked) << rater;
            }
        }
        Ok(Self { patterns, raters: masks.len() })
    }

    /// Voxels that more than half of the raters mark; a tie is outside.
    pub fn majority(&self) -> Vec<bool> {
        self.patterns.iter().map(|pattern| 2 * pattern.count_ones() as usize > self.raters).collect()
    }

    /// How much the raters differ at every voxel: the entropy of their votes in bits, 0 where all agree, 1 where half
    /// mark it.
    pub fn disagreement(&self) -> Vec<f32> {
        let entropy = |share: f64| {
            let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
            (term(share) + term(1.0 - share)) as f32
        };
        let of_votes: Vec<f32> =
            (0..=self.raters).map(|votes| entropy(votes as f64 / self.raters as f64)).collect();
        self.patterns.iter().map(|pattern| of_votes[pattern.count_ones() as usize]).collect()
    }

    /// STAPLE (Warfield, Zou, Wells, IEEE TMI 23(7), 2004, binary, stationary prior): an expectation-maximisation that
    /// weighs every rater by the quality that follows from the others. The prior is the mean share that the raters
    /// mark, all start with sensitivity and specificity 0.99999, as in ITK.
    ///
    /// As in any use of STAPLE the share of plain background counts: give the box around the object, not the whole
    /// image, or every specificity is near 1.
    pub fn staple(&self) -> Staple {
        let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
        for pattern in &self.patterns {
            *counts.entry(*pattern).or_default() += 1.0;
        }
        let marked: f64 = counts.iter().map(|(pattern, n)| f64::from(pattern.count_ones()) * n).sum();
        let prior = marked / (self.patterns.len().max(1) * self.raters) as f64;
        let start = RaterQuality { sensitivity: 0.999_99, specificity: 0.999_99 };
        let mut quality = vec![start; self.raters];
        let mut weights = BTreeMap::new();
        let mut rounds = 0;
        while rounds < MAX_ROUNDS {
            rounds += 1;
            weights = counts.keys().map(|pattern| (*pattern, weight(*pattern, &quality, prior))).collect();
            let next = quality_given(&counts, &weights, &quality);
            let moved = quality.iter().zip(&next).map(|(a, b)| {
                (a.sensitivity - b.sensitivity).abs().max((a.specificity - b.specificity).abs())
            });
            let is_still = moved.fold(0.0, f64::max) < TOLERANCE;
            quality = next;
            if is_still {
                break;
            }
        }
        let probability =
            self.patterns.iter().map(|pattern| weights.get(pattern).copied().unwrap_or(0.0) as f32).collect();
        Staple { probability, quality, rounds }
    }
}

/// Probability that voxels with these votes belong to the object. In logarithms: products of many small numbers vanish.
fn weight(pattern: u64, quality: &[RaterQuality], prior: f64) -> f64 {
    let (mut inside, mut outside) = (prior.ln(), (1.0 - prior).ln());
    for (rater, quality) in quality.iter().enumerate() {
        let (p, q) = (quality.sensitivity, quality.specificity);
        let is_marked = pattern >> rater & 1 == 1;
        inside += if is_marked { p } else { 1.0 - p }.ln();
        outside += if is_marked { 1.0 - q } else { q }.ln();
    }
    match (inside.is_finite(), outside.is_finite()) {
        (true, true) => 1.0 / (1.0 + (outside - inside).exp()),
        (true, false) => 1.0,
        (false, true) => 0.0,
        // Impossible either way: as likely as before the votes.
        (false, false) => prior,
    }
}

fn quality_given(
    counts: &BTreeMap<u64, f64>,
    weights: &BTreeMap<u64, f64>,
    before: &[RaterQuality],
) -> Vec<RaterQuality> {
    let share = |part: f64, whole: f64, otherwise: f64| if whole > 0.0 { part / whole } else { otherwise };
    before
        .iter()
        .enumerate()
        .map(|(rater, before)| {
            let [mut inside, mut inside_marked, mut outside, mut outside_left] = [0.0; 4];
            for ((pattern, n), w) in counts.iter().zip(weights.values()) {
                let is_marked = pattern >> rater & 1 == 1;
                inside += n * w;
                outside += n * (1.0 - w);
                if is_marked {
                    inside_marked += n * w;
                } else {
                    outside_left += n * (1.0 - w);
                }
            }
            RaterQuality {
                sensitivity: share(inside_marked, inside, before.sensitivity),
                specificity: share(outside_left, outside, before.specificity),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix;

    /// Masks of raters of known quality around a truth.
    fn raters(voxels: usize, quality: &[(f64, f64)]) -> (Vec<bool>, Vec<Vec<bool>>) {
        let mut rng = SplitMix::new(3);
        let mut happens = |share: f64| rng.between(0.0, 1.0) < share;
        let truth: Vec<bool> = (0..voxels).map(|_| happens(0.3)).collect();
        let masks = quality
            .iter()
            .map(|(p, q)| truth.iter().map(|t| happens(if *t { *p } else { 1.0 - q })).collect())
            .collect();
        (truth, masks)
    }

    fn votes(masks: &[Vec<bool>]) -> Votes {
        let masks: Vec<&[bool]> = masks.iter().map(Vec::as_slice).collect();
        Votes::of(&masks).unwrap()
    }

    /// The equations of the paper voxel by voxel, with plain products.
    fn staple_by_voxel(masks: &[Vec<bool>], rounds: usize) -> (Vec<f64>, Vec<(f64, f64)>) {
        let n = masks[0].len();
        let marked: usize = masks.iter().flatten().filter(|m| **m).count();
        let prior = marked as f64 / (n * masks.len()) as f64;
        let mut quality = vec![(0.999_99, 0.999_99); masks.len()];
        let mut w = vec![0.0; n];
        for _ in 0..rounds {
            for (voxel, w) in w.iter_mut().enumerate() {
                let (mut a, mut b) = (prior, 1.0 - prior);
                for (mask, (p, q)) in masks.iter().zip(&quality) {
                    a *= if mask[voxel] { *p } else { 1.0 - p };
                    b *= if mask[voxel] { 1.0 - q } else { *q };
                }
                *w = a / (a + b);
            }
            let inside: f64 = w.iter().sum();
            for (mask, quality) in masks.iter().zip(&mut quality) {
                let hit: f64 = w.iter().zip(mask).filter(|(_, m)| **m).map(|(w, _)| w).sum();
                let left: f64 = w.iter().zip(mask).filter(|(_, m)| !**m).map(|(w, _)| 1.0 - w).sum();
                *quality = (hit / inside, left / (n as f64 - inside));
            }
        }
        (w, quality)
    }

    #[test]
    fn staple_equals_the_equations_voxel_by_voxel() {
        let (_, masks) = raters(2000, &[(0.9, 0.95), (0.7, 0.99), (0.6, 0.8), (0.95, 0.9)]);
        let staple = votes(&masks).staple();
        let (w, quality) = staple_by_voxel(&masks, staple.rounds);
        for (a, b) in staple.probability.iter().zip(&w) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{a} {b}");
        }
        for (a, (p, q)) in staple.quality.iter().zip(&quality) {
            assert!((a.sensitivity - p).abs() < 1e-6 && (a.specificity - q).abs() < 1e-6);
        }
    }

    #[test]
    fn staple_finds_who_is_reliable_and_beats_the_majority() {
        let given = [(0.95, 0.97), (0.93, 0.98), (0.6, 0.7), (0.55, 0.75), (0.5, 0.8)];
        let (truth, masks) = raters(20_000, &given);
        let votes = votes(&masks);
        let staple = votes.staple();
        for (found, (p, q)) in staple.quality.iter().zip(given) {
            assert!(
                (found.sensitivity - p).abs() < 0.03 && (found.specificity - q).abs() < 0.03,
                "{found:?}"
            );
        }
        let errors = |mask: &[bool]| mask.iter().zip(&truth).filter(|(a, b)| a != b).count();
        let estimate: Vec<bool> = staple.probability.iter().map(|p| *p >= 0.5).collect();
        assert!(errors(&estimate) * 2 < errors(&votes.majority()));
    }

    #[test]
    fn a_tie_is_outside_and_the_disagreement_is_largest_there() {
        let votes = votes(&[vec![true, true, false], vec![true, false, false]]);
        assert_eq!(votes.majority(), [true, false, false]);
        assert_eq!(votes.disagreement(), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn equal_and_empty_masks_stay_what_they_are() {
        for mask in [vec![true, false, true], vec![false; 3], vec![true; 3]] {
            let staple = votes(&[mask.clone(), mask.clone()]).staple();
            let estimate: Vec<bool> = staple.probability.iter().map(|p| *p >= 0.5).collect();
            assert_eq!(estimate, mask);
        }
    }

    #[test]
    fn masks_that_cannot_be_compared_are_refused() {
        let (a, b) = (vec![true; 3], vec![true; 4]);
        assert_eq!(Votes::of(&[&a]).unwrap_err(), ConsensusError::Count(1));
        assert!(matches!(Votes::of(&[&a, &b]).unwrap_err(), ConsensusError::Size(_)));
    }
}
