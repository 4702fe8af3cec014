//! What the network is trained with: eight cross-entropies, the agreement of the two steps' codes (guided), and the
//! auto-encoders' reconstructions.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use super::DafTraining;

/// Weight of the guided loss.
const GUIDED_WEIGHT: f64 = 0.25;
/// Weight of the reconstruction loss.
const RECONSTRUCTION_WEIGHT: f64 = 0.1;

/// The three losses, not weighted; each `[1]`.
#[derive(Debug, Clone)]
pub struct DafLosses {
    /// Sum over the eight predictions of their cross-entropy.
    pub cross_entropy: Tensor<1>,
    /// Sum over the four scales of the mean squared difference of the codes of step 1 and 2.
    pub guided: Tensor<1>,
    /// Sum over the eight auto-encoders' runs of the mean squared difference of input and reconstruction.
    pub reconstruction: Tensor<1>,
}

impl DafLosses {
    /// 0.25·guided + 0.1·reconstruction, which no truth is needed for, `[1]`.
    pub fn unsupervised(outputs: &DafTraining) -> Tensor<1> {
        guided(outputs) * GUIDED_WEIGHT + reconstruction(outputs) * RECONSTRUCTION_WEIGHT
    }

    /// Of what a forward pass in training yields, against the true classes `[batch, 1, 1, y, x]`, each below the
    /// number of classes.
    pub fn new(outputs: &DafTraining, labels: &Tensor<5, Int>) -> Self {
        Self {
            cross_entropy: sum(outputs
                .scales()
                .map(|scale| cross_entropy(scale.logits.clone(), labels.clone()))),
            guided: guided(outputs),
            reconstruction: reconstruction(outputs),
        }
    }

    /// Cross-entropy + 0.25·guided + 0.1·reconstruction, `[1]`.
    pub fn total(&self) -> Tensor<1> {
        self.cross_entropy.clone()
            + self.guided.clone() * GUIDED_WEIGHT
            + self.reconstruction.clone() * RECONSTRUCTION_WEIGHT
    }
}

fn guided(outputs: &DafTraining) -> Tensor<1> {
    let [first, second] = &outputs.steps;
    sum(first.iter().zip(second).map(|(a, b)| mean_square(a.code.clone() - b.code.clone())))
}

fn reconstruction(outputs: &DafTraining) -> Tensor<1> {
    sum(outputs.scales().map(|scale| mean_square(scale.input.clone() - scale.reconstruction.clone())))
}

fn sum(terms: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    terms.reduce(|a, b| a + b).expect("there are four scales")
}

fn mean_square<const D: usize>(difference: Tensor<D>) -> Tensor<1> {
    difference.square().mean()
}

/// Mean over all pixels of −ln p of the true class; `logits` `[batch, classes, z, y, x]`, `labels`
/// `[batch, 1, z, y, x]`.
pub(crate) fn cross_entropy(logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    -log_softmax(logits, 1).gather(1, labels).mean()
}
