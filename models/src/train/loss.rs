//! The losses of networks.md: weighted cross-entropy (eq. 6), Dice in its readings (eq. 7), and their sum over
//! the supervised heads.

use burn::tensor::{Tensor, activation};

use super::recipe::LossRecipe;

/// Keeps logarithms finite; PyTorch clamps the same way in effect.
const PROBABILITY_FLOOR: f64 = 1e-7;
/// Smoothing of the Dice quotient, so that two empty masks agree.
const DICE_SMOOTHING: f64 = 1e-5;

/// −mean(γ·y·ln p + (1 − y)·ln(1 − p)); `p` and `y` in 0..=1 of equal shape.
pub fn weighted_cross_entropy<const D: usize>(p: Tensor<D>, y: Tensor<D>, gamma: f64) -> Tensor<1> {
    let p = p.clamp(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR);
    let positive = y.clone() * p.clone().log() * gamma;
    let negative = (-y + 1.0) * (-p + 1.0).log();
    -(positive + negative).mean()
}

/// [`weighted_cross_entropy`] from logits, stable for any size of logit.
pub fn weighted_cross_entropy_with_logits(logits: Tensor<5>, y: Tensor<5>, gamma: f64) -> Tensor<1> {
    // −ln σ(z) = softplus(−z) and −ln(1 − σ(z)) = softplus(z), written with |z| so that exp cannot overflow.
    let tail = ((-logits.clone().abs()).exp() + 1.0).log();
    let minus_log_p = activation::relu(-logits.clone()) + tail.clone();
    let minus_log_q = activation::relu(logits) + tail;
    (y.clone() * minus_log_p * gamma + (-y + 1.0) * minus_log_q).mean()
}

/// How the Dice loss is written (networks.md D8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiceReading {
    /// 1 − (2Σpy + ε)/(Σp + Σy + ε).
    Standard,
    /// Equation 7 as printed: Σpy is added to the denominator.
    LiteralEq7,
    /// 1 − Σpy/(Σp + Σy − Σpy).
    Jaccard,
}

/// Dice loss over all voxels of a batch, as one set.
pub fn dice_loss<const D: usize>(p: Tensor<D>, y: Tensor<D>, reading: DiceReading) -> Tensor<1> {
    let overlap = (p.clone() * y.clone()).sum();
    let total = p.sum() + y.sum();
    quotient(overlap, total, reading)
}

/// Standard Dice loss of every sample on its own, averaged, so that a small lesion counts as much as a large one.
pub fn dice_loss_per_sample(p: Tensor<5>, y: Tensor<5>) -> Tensor<1> {
    let per_sample = |t: Tensor<5>| t.flatten::<2>(1, 4).sum_dim(1);
    let overlap = per_sample(p.clone() * y.clone());
    let total = per_sample(p) + per_sample(y);
    let score = (overlap * 2.0 + DICE_SMOOTHING) / (total + DICE_SMOOTHING);
    (-score + 1.0).mean()
}

fn quotient(overlap: Tensor<1>, total: Tensor<1>, reading: DiceReading) -> Tensor<1> {
    let score = match reading {
        DiceReading::Standard => (overlap * 2.0 + DICE_SMOOTHING) / (total + DICE_SMOOTHING),
        DiceReading::LiteralEq7 => {
            (overlap.clone() * 2.0 + DICE_SMOOTHING) / (total + overlap + DICE_SMOOTHING)
        }
        DiceReading::Jaccard => (overlap.clone() + DICE_SMOOTHING) / (total - overlap + DICE_SMOOTHING),
    };
    -score + 1.0
}

/// Sum over the heads of α·cross-entropy + β·Dice against the target at each head's resolution.
///
/// # Shapes
/// Heads `[batch, 1, z, y, x]`, finest first; targets of the same shapes, in the same order.
pub fn supervised_loss(heads: Vec<Tensor<5>>, targets: &[Tensor<5>], recipe: &LossRecipe) -> Tensor<1> {
    let mut weight = 1.0;
    let mut total: Option<Tensor<1>> = None;
    let mut weights = 0.0;
    for (logits, target) in heads.into_iter().zip(targets) {
        let cross_entropy = weighted_cross_entropy_with_logits(logits.clone(), target.clone(), recipe.gamma);
        let dice = dice_loss_per_sample(activation::sigmoid(logits), target.clone());
        let term = (cross_entropy * recipe.alpha + dice * recipe.beta) * weight;
        total = Some(match total {
            Some(sum) => sum + term,
            None => term,
        });
        weights += weight;
        weight *= recipe.head_decay;
    }
    total.expect("a network has at least one head") / weights
}

/// The target `[batch, classes, z, y, x]` at the resolution of every head, averaged over what a coarse voxel covers.
pub fn targets_for(heads: &[Tensor<5>], target: &Tensor<5>) -> Vec<Tensor<5>> {
    heads
        .iter()
        .map(|head| {
            let [b, c, d, h, w] = head.dims();
            let [_, _, td, th, tw] = target.dims();
            let (fd, fh, fw) = (td / d, th / h, tw / w);
            if fd * fh * fw == 1 {
                return target.clone();
            }
            let split: Tensor<8> = target.clone().reshape([b, c, d, fd, h, fh, w, fw]);
            split.mean_dim(3).mean_dim(5).mean_dim(7).reshape([b, c, d, h, w])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn logits_and_probabilities_agree_and_stay_finite() {
        let device = Device::flex();
        let logits = Tensor::<5>::from_data(
            TensorData::new(vec![-60.0f32, -2.0, 0.0, 3.0, 60.0, 1.0], [1, 1, 1, 2, 3]),
            &device,
        );
        let y = Tensor::from_data(
            TensorData::new(vec![0.0f32, 1.0, 1.0, 0.0, 1.0, 0.0], [1, 1, 1, 2, 3]),
            &device,
        );
        let stable: f32 = weighted_cross_entropy_with_logits(logits.clone(), y.clone(), 0.7).into_scalar();
        let direct: f32 = weighted_cross_entropy(activation::sigmoid(logits), y, 0.7).into_scalar();
        assert!((stable - direct).abs() < 1e-4, "{stable} is not {direct}");
    }
}
