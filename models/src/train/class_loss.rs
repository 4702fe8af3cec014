//! Losses of logits against classes, as the published codes of the networks write them (networks.md 1.1 and 4.1).

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};

use crate::nets::daf_stack;

/// Mean over all voxels of −ln p of the true class, `[1]`; `logits` `[batch, classes, z, y, x]`, `labels`
/// `[batch, 1, z, y, x]`, each below the number of classes.
pub fn cross_entropy(logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    daf_stack::cross_entropy(logits, labels)
}

/// A Dice loss of every sample and class on its own, averaged: 1 − (2Σpg + a)/(Σp + Σg + b).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassDice {
    /// Whether the denominator is Σp² + Σg² + b.
    pub is_squared: bool,
    /// a.
    pub numerator: f64,
    /// b.
    pub denominator: f64,
}

impl ClassDice {
    /// Attention-Gated-Networks: 2(Σpg + 0.01) over Σp + Σg + 0.01.
    pub const ATTENTION_GATED: Self = Self { is_squared: false, numerator: 0.02, denominator: 0.01 };
    /// MONAI's `DiceLoss` by default.
    pub const MONAI: Self = Self { is_squared: false, numerator: 1e-5, denominator: 1e-5 };
    /// The Dice part of UNETR's published training.
    pub const UNETR: Self = Self { is_squared: true, numerator: 0.0, denominator: 1e-6 };
    /// With squares in the denominator; two empty masks agree.
    pub const SQUARED: Self = Self { is_squared: true, numerator: 1e-5, denominator: 1e-5 };

    /// The loss, `[1]`, of probabilities against `target`, both `[batch, classes, z, y, x]` and 0..=1.
    pub fn of(self, p: Tensor<5>, target: Tensor<5>) -> Tensor<1> {
        let per_class = |x: Tensor<5>| x.flatten::<3>(2, 4).sum_dim(2);
        let overlap = per_class(p.clone() * target.clone());
        let squared = |x: Tensor<5>| if self.is_squared { x.square() } else { x };
        let total = per_class(squared(p)) + per_class(squared(target));
        let score = (overlap * 2.0 + self.numerator) / (total + self.denominator);
        (-score + 1.0).mean()
    }

    /// The loss, `[1]`, of logits `[batch, classes, z, y, x]` against classes `[batch, 1, z, y, x]`.
    pub fn of_logits(self, logits: Tensor<5>, labels: &Tensor<5, Int>) -> Tensor<1> {
        let classes = logits.dims()[1];
        let each = Tensor::<1, Int>::arange(0..classes as i64, &logits.device());
        let target = labels.clone().equal(each.reshape([1, classes, 1, 1, 1])).float();
        self.of(softmax(logits, 1), target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn sure_and_right_logits_cost_nothing_and_wrong_ones_the_most() {
        let device = Device::flex();
        let labels =
            Tensor::<5, Int>::from_data(TensorData::new(vec![0i64, 1, 1, 0], [1, 1, 1, 2, 2]), &device);
        let logits = |sign: f32| {
            let first = [30.0, -30.0, -30.0, 30.0].map(|v| v * sign);
            let both = [first, first.map(|v: f32| -v)].concat();
            Tensor::<5>::from_data(TensorData::new(both, [1, 2, 1, 2, 2]), &device)
        };
        for dice in [ClassDice::ATTENTION_GATED, ClassDice::MONAI, ClassDice::UNETR, ClassDice::SQUARED] {
            let right: f32 = dice.of_logits(logits(1.0), &labels).into_scalar();
            let wrong: f32 = dice.of_logits(logits(-1.0), &labels).into_scalar();
            assert!(right.abs() < 3e-3 && (wrong - 1.0).abs() < 6e-3, "{dice:?}: {right} and {wrong}");
        }
        assert!(cross_entropy(logits(1.0), labels.clone()).into_scalar::<f32>() < 1e-6);
        assert!(cross_entropy(logits(-1.0), labels).into_scalar::<f32>() > 50.0);
    }
}
