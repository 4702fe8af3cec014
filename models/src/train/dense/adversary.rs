//! A discriminator that learns to tell drawn regions from the network's, and what the network learns from it
//! (Goodfellow et al., NeurIPS 2014; for segmentations as in SAGAN-WSI, networks.md 5.3).
//!
//! It sees probabilities, so that gradients reach the network, and only what is known: the channel of a region that
//! nobody drew in an image is empty in both.

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, activation};

use super::super::optimizer::Optimizer;
use super::super::recipe::AdversaryRecipe;
use super::super::run::TrainError;
use crate::checkpoint::{FloatFormat, StateDict, apply, collect};
use crate::nets::registry::drawn;
use crate::nets::sagan_wsi::{SaganWsiDiscriminator, SaganWsiDiscriminatorConfig};
use crate::nets::{NetError, Trace};

/// Keeps the discriminator's seed apart from the network's.
const SEED_OFFSET: u64 = 0xad;

/// The discriminator with its optimiser.
pub(super) struct Adversary {
    recipe: AdversaryRecipe,
    discriminator: SaganWsiDiscriminator,
    optimizer: Optimizer,
    device: Device,
}

impl Adversary {
    /// A discriminator of `regions` channels for patches `[z, y, x]`.
    pub(super) fn new(
        recipe: AdversaryRecipe,
        regions: usize,
        [z, y, x]: [usize; 3],
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let config = SaganWsiDiscriminatorConfig {
            num_classes: regions,
            w: recipe.width,
            size: [y, x],
            argmax_compat: false,
        };
        config.validate().map_err(|why| TrainError::Data(format!("the adversary does not fit: {why}")))?;
        if z != 1 {
            return Err(TrainError::Data(format!("the adversary looks at planes; the patch has {z} slices")));
        }
        let device = device.clone().autodiff();
        let discriminator = drawn(config.init(&device), seed.wrapping_add(SEED_OFFSET), &device);
        Ok(Self { recipe, discriminator, optimizer: Optimizer::new(recipe.optimizer, 0.0), device })
    }

    /// Teaches the discriminator one step, then says how badly the network's answer deceives it.
    ///
    /// # Shapes
    /// `logits` and `target` `[batch, region, 1, y, x]`, `known` `[batch, region, 1, 1, 1]`.
    pub(super) fn loss(&mut self, logits: Tensor<5>, target: &Tensor<5>, known: &Tensor<5>) -> Tensor<1> {
        let answer = activation::sigmoid(logits) * known.clone();
        let drawn = target.clone() * known.clone();
        let seen = |x: Tensor<5>| Tensor::<5>::from_inner(x.inner());
        let right = softplus(-self.judge(seen(drawn))).mean();
        let wrong = softplus(self.judge(seen(answer.clone()))).mean();
        let gradients = GradientsParams::from_grads((right + wrong).backward(), &self.discriminator);
        self.discriminator =
            self.optimizer.step(self.recipe.learning_rate, self.discriminator.clone(), gradients);
        softplus(-self.judge(answer)).mean() * self.recipe.weight
    }

    /// Logits of "drawn by a person".
    fn judge(&self, x: Tensor<5>) -> Tensor<2> {
        self.discriminator.logit(x, &mut Trace::off())
    }

    /// Weights and running means.
    pub(super) fn state(&self) -> Result<StateDict, TrainError> {
        let mut all = StateDict::default();
        let weights = collect(&self.discriminator.valid(), FloatFormat::F32).map_err(NetError::from)?;
        let moments = self.optimizer.state().map_err(NetError::from)?;
        for (prefix, part) in [("discriminator.", &weights), ("optimizer.", &moments)] {
            part.iter().for_each(|(name, tensor)| all.insert(format!("{prefix}{name}"), tensor.clone()));
        }
        Ok(all)
    }

    /// Takes up where [`Adversary::state`] was written.
    pub(super) fn restore(&mut self, state: &StateDict) -> Result<(), TrainError> {
        let part = |prefix: &str| {
            let mut part = StateDict::default();
            for (name, tensor) in state.iter() {
                if let Some(name) = name.strip_prefix(prefix) {
                    part.insert(name, tensor.clone());
                }
            }
            part
        };
        let weights = part("discriminator.");
        self.discriminator = apply(self.discriminator.clone(), &weights).map_err(NetError::from)?;
        self.optimizer.restore(&part("optimizer."), &self.device.clone().inner());
        Ok(())
    }
}

/// ln(1 + eᶻ), finite for every z.
fn softplus(z: Tensor<2>) -> Tensor<2> {
    activation::relu(z.clone()) + ((-z.abs()).exp() + 1.0).log()
}
