//! Losses of several regions at once, of which some are unknown in some samples.

use burn::tensor::{Tensor, activation};

use super::super::loss::targets_for;
use super::super::recipe::DenseLoss;

/// Keeps the Dice quotient of regions that a batch hardly shows from jumping, in voxels.
const DICE_SMOOTHING: f64 = 1.0;

/// Sum over the heads of binary cross-entropy and Dice loss, each the mean over what is known.
///
/// # Shapes
/// Heads `[batch, region, z, y, x]`, finest first; `target` as the finest, 0..=1; `known` `[batch, region, 1, 1, 1]`,
/// 1 where the region is known; `drawn` likewise, 1 where a person drew it. The Dice loss sees that alone: a target of
/// 0.3 would teach it 1, whereas the cross-entropy is least at 0.3 (Hinton et al. 2015).
pub fn dense_loss(
    heads: Vec<Tensor<5>>,
    target: &Tensor<5>,
    known: &Tensor<5>,
    drawn: &Tensor<5>,
    recipe: &DenseLoss,
) -> Tensor<1> {
    let targets = targets_for(&heads, target);
    let (mut weight, mut weights) = (1.0, 0.0);
    let mut total: Option<Tensor<1>> = None;
    for (logits, target) in heads.into_iter().zip(targets) {
        let cross_entropy = cross_entropy(logits.clone(), target.clone(), known.clone());
        let dice = dice(activation::sigmoid(logits), target, drawn.clone());
        let term = (cross_entropy * recipe.cross_entropy + dice * recipe.dice) * weight;
        total = Some(total.map_or(term.clone(), |sum| sum + term));
        weights += weight;
        weight *= recipe.head_decay;
    }
    total.expect("a network has at least one head") / weights
}

fn cross_entropy(logits: Tensor<5>, target: Tensor<5>, known: Tensor<5>) -> Tensor<1> {
    // max(z, 0) − z·y + ln(1 + e^−|z|): finite for every logit.
    let tail = ((-logits.clone().abs()).exp() + 1.0).log();
    let each = activation::relu(logits.clone()) - logits * target + tail;
    let [_, _, z, y, x] = each.dims();
    let count = known.clone().sum().clamp_min(1.0) * (z * y * x) as f64;
    (each * known).sum() / count
}

fn dice(p: Tensor<5>, target: Tensor<5>, known: Tensor<5>) -> Tensor<1> {
    let regions = p.dims()[1];
    // Sum over the batch and all voxels, one value a region.
    let per_region = |t: Tensor<5>| t.swap_dims(0, 1).flatten::<2>(1, 4).sum_dim(1).reshape([regions]);
    let is_known = per_region(known.clone()).clamp(0.0, 1.0);
    let p = p * known.clone();
    let target = target * known;
    let overlap = per_region(p.clone() * target.clone());
    let sum = per_region(p + target);
    let score = (overlap * 2.0 + DICE_SMOOTHING) / (sum + DICE_SMOOTHING);
    ((-score + 1.0) * is_known.clone()).sum() / is_known.sum().clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor(values: Vec<f32>, shape: [usize; 5], device: &Device) -> Tensor<5> {
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    #[test]
    fn an_unknown_region_has_no_gradient_and_a_right_answer_no_loss() {
        let device = Device::flex().autodiff();
        let shape = [2, 2, 1, 1, 2];
        let logits =
            tensor(vec![30.0, -30.0, 5.0, 5.0, -30.0, 30.0, -3.0, 2.0], shape, &device).require_grad();
        let target = tensor(vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0], shape, &device);
        let known = tensor(vec![1.0, 0.0, 1.0, 0.0], [2, 2, 1, 1, 1], &device);
        let loss = dense_loss(vec![logits.clone()], &target, &known, &known, &DenseLoss::default());
        let gradient = logits.grad(&loss.backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
        assert!(loss.into_scalar::<f32>() < 1e-3);
        // The second region is unknown in both samples.
        for nth in [2, 3, 6, 7] {
            assert_eq!(gradient[nth], 0.0);
        }
    }

    #[test]
    fn the_loss_is_that_of_the_formula() {
        let device = Device::flex();
        let logits = tensor(vec![0.0, 2.0], [1, 1, 1, 1, 2], &device);
        let target = tensor(vec![1.0, 0.0], [1, 1, 1, 1, 2], &device);
        let known = tensor(vec![1.0], [1, 1, 1, 1, 1], &device);
        let found: f32 =
            dense_loss(vec![logits], &target, &known, &known, &DenseLoss::default()).into_scalar();
        let p = 1.0 / (1.0 + (-2.0f64).exp());
        let cross_entropy = (2.0f64.ln() - (1.0 - p).ln()) / 2.0;
        let dice = 1.0 - (2.0 * 0.5 + 1.0) / (0.5 + p + 1.0 + 1.0);
        assert!((f64::from(found) - cross_entropy - dice).abs() < 1e-5);
    }
}
