//! The losses of the references, with their gradients.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Ran, labels};
use crate::golden::{Description, GoldenError, Vectors, input};
use crate::train::class_loss::{ClassDice, cross_entropy};
use crate::train::loss::{DiceReading, dice_loss, weighted_cross_entropy};

type LossOfMask = fn(Tensor<5>, Tensor<5>) -> Tensor<1>;
type LossOfClasses = fn(Tensor<5>, &Tensor<5, Int>) -> Tensor<1>;

/// Losses of probabilities `in.p` against a mask `in.y`, under the vectors' names.
const OF_MASKS: [(&str, LossOfMask); 6] = [
    ("wbce_gamma0.5", |p, y| weighted_cross_entropy(p, y, 0.5)),
    ("wbce_gamma1", |p, y| weighted_cross_entropy(p, y, 1.0)),
    ("dice_standard", |p, y| dice_loss(p, y, DiceReading::Standard)),
    ("dice_eq7_literal", |p, y| dice_loss(p, y, DiceReading::LiteralEq7)),
    ("jaccard", |p, y| dice_loss(p, y, DiceReading::Jaccard)),
    ("slides_squared_dice(binary)", |p, y| {
        let as_one_sample = |x: Tensor<5>| x.flatten::<1>(0, 4).unsqueeze::<5>();
        ClassDice::SQUARED.of(as_one_sample(p), as_one_sample(y))
    }),
];

/// Losses of logits `in.logits3` against classes `in.target3`.
const OF_CLASSES: [(&str, LossOfClasses); 4] = [
    ("cross_entropy", |logits, labels| cross_entropy(logits, labels.clone())),
    ("agn_soft_dice", |logits, labels| ClassDice::ATTENTION_GATED.of_logits(logits, labels)),
    ("monai_dice(softmax,to_onehot)", |logits, labels| ClassDice::MONAI.of_logits(logits, labels)),
    ("monai_dicece(softmax,to_onehot)", |logits, labels| {
        ClassDice::UNETR.of_logits(logits.clone(), labels) + cross_entropy(logits, labels.clone())
    }),
];

pub(super) fn run(_golden: &Description, vectors: &Vectors<'_>) -> Result<Ran, GoldenError> {
    let device = vectors.device.clone().autodiff();
    let mut tensors = BTreeMap::new();
    let mut note = |name: &str, input: &Tensor<5>, loss: &Tensor<1>| {
        let value: f32 = loss.clone().into_scalar();
        tensors.insert(format!("out.loss.{name}"), TensorData::new(vec![value], [0_usize; 0]));
        if let Some(gradient) = input.grad(&loss.backward()) {
            let known = format!("out.grad.{name}");
            let is_known = vectors.tensors.get(&known).is_some();
            let key = if is_known { known } else { format!("grad.{name}") };
            tensors.insert(key, gradient.into_data());
        }
    };
    let leaf = |name: &str, device: &Device| {
        Ok::<_, GoldenError>(input(vectors.tensors, name, device)?.require_grad())
    };
    for (name, loss) in OF_MASKS {
        let p = leaf("in.p", &device)?;
        let value = loss(p.clone(), input(vectors.tensors, "in.y", &device)?);
        note(name, &p, &value);
    }
    for (name, loss) in OF_CLASSES {
        let logits = leaf("in.logits3", &device)?;
        let Some(labels) = labels(vectors.tensors, "in.target3", logits.dims(), &device)? else { continue };
        note(name, &logits, &loss(logits.clone(), &labels));
    }
    Ok(Ran { parameters: 0, tensors })
}
