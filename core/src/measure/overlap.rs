//! How far two masks cover the same voxels.

use serde::Serialize;

use super::{MeasureError, check_count};

/// Voxels by what a prediction and the truth say about them.
///
/// # Empty masks
/// Every ratio whose denominator is zero is 1 if prediction and truth are both empty (they agree) and 0
/// otherwise, so that a missed or an invented structure never counts as success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// In both.
    pub true_positive: u64,
    /// Only in the prediction.
    pub false_positive: u64,
    /// Only in the truth.
    pub false_negative: u64,
    /// In neither.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts two masks over the same voxels.
    ///
    /// # Errors
    /// [`MeasureError::VoxelCount`] if their sizes differ.
    pub fn of(prediction: &[bool], truth: &[bool]) -> Result<Self, MeasureError> {
        check_count(prediction.len(), truth.len())?;
        let mut counts = [0u64; 4];
        for (p, t) in prediction.iter().zip(truth) {
            counts[usize::from(*p) + 2 * usize::from(*t)] += 1;
        }
        let [true_negative, false_positive, false_negative, true_positive] = counts;
        Ok(Self { true_positive, false_positive, false_negative, true_negative })
    }

    /// 2·TP / (2·TP + FP + FN), Dice (1945).
    pub fn dice(&self) -> f64 {
        self.ratio(2 * self.true_positive, 2 * self.true_positive + self.errors())
    }

    /// TP / (TP + FP + FN), intersection over union, Jaccard (1912).
    pub fn iou(&self) -> f64 {
        self.ratio(self.true_positive, self.true_positive + self.errors())
    }

    /// TP / (TP + FP): which share of the prediction is right.
    pub fn precision(&self) -> f64 {
        self.ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// TP / (TP + FN): which share of the truth was found. Also called sensitivity.
    pub fn recall(&self) -> f64 {
        self.ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Harmonic mean of precision and recall. For one label in one image it equals [`Confusion::dice`].
    pub fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }

    /// (TP + TN) / all: which share of all voxels is right, background included.
    pub fn accuracy(&self) -> f64 {
        let right = self.true_positive + self.true_negative;
        self.ratio(right, right + self.errors())
    }

    /// TN / (TN + FP): which share of the background stayed background.
    pub fn specificity(&self) -> f64 {
        if self.true_negative + self.false_positive == 0 {
            // The truth fills the image: there is no background to get wrong.
            return 1.0;
        }
        self.ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    fn errors(&self) -> u64 {
        self.false_positive + self.false_negative
    }

    fn ratio(&self, part: u64, whole: u64) -> f64 {
        match whole {
            0 if self.true_positive + self.errors() == 0 => 1.0,
            0 => 0.0,
            _ => part as f64 / whole as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::surface_distance::tests::{golden_ellipsoids, golden_quarter_ellipsoids};
    use proptest::prelude::*;

    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    /// Constants of MedPy 0.5.2 (`medpy.metric.binary`) for the same masks.
    #[test]
    fn equal_to_medpy() {
        let (prediction, truth) = golden_ellipsoids();
        let c = Confusion::of(&prediction, &truth).unwrap();
        assert_close(c.dice(), 0.810_883_357_735_480_7);
        assert_close(c.iou(), 0.681_920_788_015_590_6);
        assert_close(c.precision(), 0.767_968_569_447_654_2);
        assert_close(c.recall(), 0.858_878_263_117_083_1);
        assert_close(c.specificity(), 0.953_798_720_721_549_8);
        let (prediction, truth) = golden_quarter_ellipsoids();
        let c = Confusion::of(&prediction, &truth).unwrap();
        assert_close(c.dice(), 0.781_976_744_186_046_5);
        assert_close(c.recall(), 0.642_004_773_269_689_7);
        assert_eq!((c.precision(), c.specificity()), (1.0, 1.0));
    }

    #[test]
    fn empty_masks_agree_with_each_other_and_with_nothing_else() {
        let both = Confusion::of(&[false; 4], &[false; 4]).unwrap();
        let figures = [both.dice(), both.iou(), both.precision(), both.recall(), both.f1(), both.accuracy()];
        assert_eq!(figures, [1.0; 6]);
        assert_eq!(both.specificity(), 1.0);

        let missed = Confusion::of(&[false; 4], &[true, false, false, false]).unwrap();
        assert_eq!([missed.dice(), missed.iou(), missed.precision(), missed.recall(), missed.f1()], [0.0; 5]);
        let invented = Confusion::of(&[true, false, false, false], &[false; 4]).unwrap();
        assert_eq!([invented.dice(), invented.precision(), invented.recall(), invented.f1()], [0.0; 4]);
        assert_eq!((invented.accuracy(), invented.specificity()), (0.75, 0.75));
        assert_eq!(Confusion::of(&[true; 4], &[true; 4]).unwrap().specificity(), 1.0);
    }

    proptest! {
        #[test]
        fn figures_hang_together(pairs in proptest::collection::vec(any::<(bool, bool)>(), 1..80)) {
            let (p, t): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let c = Confusion::of(&p, &t).unwrap();
            prop_assert!((c.dice() - c.f1()).abs() < 1e-12);
            prop_assert!((c.iou() - c.dice() / (2.0 - c.dice())).abs() < 1e-12);
            let swapped = Confusion::of(&t, &p).unwrap();
            prop_assert_eq!(c.precision(), swapped.recall());
            prop_assert_eq!(c.dice(), swapped.dice());
        }
    }
}
