//! A discriminator that judges a network's answer: what it attends to in the answer.

use burn::tensor::{Device, Tensor, activation};

use super::InspectError;
use super::look::numbers;
use crate::checkpoint::{StateDict, apply};
use crate::nets::planar::by_slices;
use crate::nets::registry::drawn;
use crate::nets::sagan_wsi::{SaganWsiDiscriminator, SaganWsiDiscriminatorConfig};
use crate::nets::{Prediction, Trace};

/// What the weights are called in the state of a training run.
const PREFIX: &str = "discriminator.";
/// A weight that tells the width of the network.
const FIRST: &str = "trunk.b1.c1.weight";

/// The discriminator of SAGAN-WSI, for answers of one size.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    network: SaganWsiDiscriminator,
    config: SaganWsiDiscriminatorConfig,
}

impl Judge {
    /// The discriminator of these weights (of a file of its own, or a run's `teacher.safetensors`) for answers of
    /// `classes` channels on `[y, x]` pixels.
    pub(super) fn new(
        weights: &StateDict,
        classes: usize,
        size: [usize; 2],
        device: &Device,
    ) -> Result<Self, InspectError> {
        let is_of_run = weights.iter().any(|(name, _)| name.starts_with(PREFIX));
        let mut own = StateDict::default();
        for (name, tensor) in weights.iter() {
            match name.strip_prefix(PREFIX) {
                Some(rest) => own.insert(rest, tensor.clone()),
                None if !is_of_run => own.insert(name, tensor.clone()),
                None => {}
            }
        }
        let unfit = |why: String| InspectError::Discriminator(why);
        let first = own.get(FIRST).ok_or_else(|| unfit(format!("it has no weights \"{FIRST}\"")))?;
        let w = first.shape().first().copied().unwrap_or(0);
        let config = SaganWsiDiscriminatorConfig { num_classes: classes, w, size, argmax_compat: false };
        config.validate().map_err(unfit)?;
        let network = apply(config.init(device), &own).map_err(|e| unfit(e.to_string()))?;
        Ok(Self { network, config })
    }

    /// The same network with weights drawn from `seed`.
    pub(super) fn seeded(&self, seed: u64, device: &Device) -> Self {
        let network = drawn(self.config.init(device), seed, device);
        Self { network, config: self.config.clone() }
    }

    /// What it attends to in an answer with these logits `[1, class, z, y, x]`, and for each slice the probability that
    /// a person drew it. It was taught to look at the probabilities of each region.
    pub(super) fn judge(&self, logits: Tensor<5>) -> Result<(Prediction, Vec<f32>), InspectError> {
        let mut trace = Trace::inside();
        let heads = by_slices(activation::sigmoid(logits), &mut trace, |images, trace| {
            let logit = self.network.logit(images, trace);
            let [images, _] = logit.dims();
            vec![logit.reshape([images, 1, 1, 1, 1])]
        });
        let drawn = numbers(activation::sigmoid(heads[0].clone()))?;
        Ok((trace.prediction(heads), drawn))
    }
}
