//! Area under the receiver operating characteristic.

use super::{MeasureError, check_count};

/// The area under the ROC curve: how often a random voxel of the truth has a higher score than a random other one,
/// ties counting half (Mann and Whitney 1947, Hanley and McNeil 1982). `None` if the truth is empty or everything.
/// Scores that are not numbers count as the lowest.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if there are not as many scores as voxels of the truth.
pub fn roc_auc(scores: &[f32], truth: &[bool]) -> Result<Option<f64>, MeasureError> {
    check_count(scores.len(), truth.len())?;
    let score = |v: f32| if v.is_nan() { f32::NEG_INFINITY } else { v };
    let mut pairs: Vec<(f32, bool)> = scores.iter().map(|v| score(*v)).zip(truth.iter().copied()).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut positives, mut wins) = (0u64, 0u64, 0.0f64);
    for tied in pairs.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, is_true)| *is_true).count() as u64;
        let others = tied.len() as u64 - hits;
        wins += hits as f64 * (below as f64 + others as f64 / 2.0);
        below += others;
        positives += hits;
    }
    Ok((positives > 0 && below > 0).then(|| wins / (positives as f64 * below as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_decides_and_ties_count_half() {
        let truth = [false, false, true, true];
        assert_eq!(roc_auc(&[0.1, 0.4, 0.35, 0.8], &truth), Ok(Some(0.75)));
        assert_eq!(roc_auc(&[0.0, 0.0, 0.0, 0.0], &truth), Ok(Some(0.5)));
        assert_eq!(roc_auc(&[0.1, 0.2, 0.3, 0.4], &truth), Ok(Some(1.0)));
        assert_eq!(roc_auc(&[0.4, 0.3, 0.2, f32::NAN], &truth), Ok(Some(0.0)));
        assert_eq!(roc_auc(&[0.1, 0.2], &[true, true]), Ok(None));
        assert!(roc_auc(&[0.1], &truth).is_err());
    }

    proptest! {
        #[test]
        fn it_equals_the_count_of_pairs(
            cases in prop::collection::vec((0u8..6, prop::bool::ANY), 2..40),
        ) {
            let scores: Vec<f32> = cases.iter().map(|c| f32::from(c.0)).collect();
            let truth: Vec<bool> = cases.iter().map(|c| c.1).collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for (a, _) in scores.iter().zip(&truth).filter(|(_, t)| **t) {
                for (b, _) in scores.iter().zip(&truth).filter(|(_, t)| !**t) {
                    pairs += 1.0;
                    wins += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            let found = roc_auc(&scores, &truth).unwrap();
            prop_assert_eq!(found.is_some(), pairs > 0.0);
            prop_assert!((found.unwrap_or(0.0) - wins / f64::max(pairs, 1.0)).abs() < 1e-12);
        }
    }
}
