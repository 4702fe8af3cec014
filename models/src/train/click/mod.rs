//! Teaching the networks that answer clicks.

pub mod augment;
pub mod dataset;
mod lesion;
mod oracle;
pub mod sample;
mod scene;
pub mod shapes;
mod validate;

use std::sync::Arc;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::job::Observer;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::dataset::Dataset;
use self::sample::Sample;
use self::validate::{FEW_SCENES, SCENES, ValidationSet, answer, probabilities};
use super::attention::Shown;
use super::loss::{supervised_loss, targets_for};
use super::recipe::ClickRecipe;
use super::run::TrainError;
use super::teacher::{Draw, Teacher};
use super::validation::Validation;
use crate::nets::{AnyNetwork, object_logit};

pub use oracle::{largest_error_center, largest_region, random_voxel, region_at};

/// Shows a network clicked objects.
pub(crate) struct ClickTeacher<'a> {
    recipe: &'a ClickRecipe,
    dataset: Arc<Dataset>,
    validation: ValidationSet,
    device: Device,
}

impl<'a> ClickTeacher<'a> {
    /// Loads the recipe's data.
    pub(super) fn new(recipe: &'a ClickRecipe, device: &Device) -> Result<Self, TrainError> {
        let dataset = Arc::new(Dataset::load(&recipe.data)?);
        let validation = ValidationSet::new(&dataset, recipe, SCENES);
        Ok(Self { recipe, dataset, validation, device: device.clone() })
    }

    /// Teaches with cases in memory.
    pub(crate) fn with(recipe: &'a ClickRecipe, dataset: Arc<Dataset>, device: &Device) -> Self {
        let validation = ValidationSet::new(&dataset, recipe, FEW_SCENES);
        Self { recipe, dataset, validation, device: device.clone() }
    }

    /// Adds one or two clicks where the network, as it is now, errs, and its own answer as the previous one.
    fn refine(
        &self,
        network: &AnyNetwork,
        sample: &mut Sample,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), TrainError> {
        let network = network.valid();
        let truth = sample.truth();
        for _ in 0..rng.random_range(1..=2) {
            let answer = answer(&probabilities(&network, sample, self.recipe, &self.device)?);
            // The pipeline hands over a mask, not a probability: a user may have edited it.
            sample.previous = Some(answer.iter().map(|a| f32::from(u8::from(*a))).collect());
            let click = if rng.random_bool(0.5) {
                largest_error_center(&truth, &answer, &sample.grid)
            } else {
                let wrong: Vec<bool> = truth.iter().zip(&answer).map(|(t, a)| t != a).collect();
                random_voxel(&wrong, rng).map(|i| (sample.grid.voxel(i), truth[i]))
            };
            let Some((voxel, positive)) = click else { return Ok(()) };
            let at = sample.grid.world_of(voxel);
            if positive { sample.positive.push(at) } else { sample.negative.push(at) }
        }
        Ok(())
    }

    /// Inputs `[batch, channels, z, y, x]` and targets `[batch, 1, z, y, x]`.
    fn batch(&self, samples: &[Sample], device: &Device) -> (Tensor<5>, Tensor<5>) {
        let (n, channels) = (self.recipe.size, &self.recipe.channels);
        let input: Vec<f32> = samples.iter().flat_map(|s| s.input(channels)).collect();
        let target: Vec<f32> = samples.iter().flat_map(|s| s.target.iter().copied()).collect();
        (
            Tensor::from_data(TensorData::new(input, [samples.len(), channels.len(), n, n, n]), device),
            Tensor::from_data(TensorData::new(target, [samples.len(), 1, n, n, n]), device),
        )
    }
}

impl Teacher for ClickTeacher<'_> {
    fn input_shape(&self, batch: usize) -> [usize; 5] {
        let n = self.recipe.size;
        [batch, self.recipe.channels.len(), n, n, n]
    }

    fn loss(&mut self, network: &AnyNetwork, draw: &Draw) -> Result<Tensor<1>, TrainError> {
        let mut samples: Vec<_> = (0..draw.batch)
            .into_par_iter()
            .map(|nth| Sample::draw(&self.dataset, self.recipe, &mut draw.generator(nth)))
            .collect();
        let mut rng = draw.generator(draw.batch);
        for sample in &mut samples {
            if rng.random_bool(self.recipe.refine_share) {
                self.refine(network, sample, &mut rng)?;
            }
        }
        let (input, target) = self.batch(&samples, &self.device.clone().autodiff());
        let heads: Vec<_> = network.forward_heads(input)?.into_iter().map(object_logit).collect();
        let targets = targets_for(&heads, &target);
        Ok(supervised_loss(heads, &targets, &self.recipe.loss))
    }

    fn validate(&mut self, network: &AnyNetwork, observer: &dyn Observer) -> Result<Validation, TrainError> {
        self.validation.run(network, self.recipe, &self.device, observer)
    }

    fn shown(&self, cases: usize) -> Vec<Shown> {
        self.validation.shown(cases, self.recipe)
    }
}
