//! Dice on the cases set aside, with the same clicks every time.

use burn::tensor::{Device, Tensor, TensorData, activation};
use nalgebra::Vector3;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Loaded};
use super::recipe::Recipe;
use super::run::TrainError;
use super::sample::{Sample, plain};
use super::shapes::normal;
use crate::metric::dice;
use crate::nets::AnyNetwork;

/// Clicks per validation case.
const CLICKS_PER_CASE: usize = 2;
/// Synthetic samples validated beside the real ones.
const SYNTHETIC_SAMPLES: usize = 16;
/// Seed of clicks and synthetic samples: the same for every run, so that runs compare.
const SEED: u64 = 0x48_49_4c_55_4d;

/// The samples a run is validated on.
pub struct ValidationSet {
    real: Vec<(String, Sample)>,
    synthetic: Vec<Sample>,
}

/// Mean Dice of a validation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Validation {
    /// Over the cases set aside; NaN without any.
    #[serde(deserialize_with = "nan_for_null")]
    pub real: f64,
    /// Over synthetic samples that training never draws; NaN without any.
    #[serde(deserialize_with = "nan_for_null")]
    pub synthetic: f64,
    /// Case by case.
    pub cases: Vec<(String, f64)>,
}

/// JSON has no NaN and writes `null` for it.
fn nan_for_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Validation {
    /// The figure by which weights are chosen: mean of real and synthetic, of what there is.
    pub fn score(&self) -> f64 {
        match (self.real.is_finite(), self.synthetic.is_finite()) {
            (true, true) => 0.5 * (self.real + self.synthetic),
            (true, false) => self.real,
            (false, _) => self.synthetic,
        }
    }
}

impl ValidationSet {
    /// Cuts the samples, always the same for the same data and recipe.
    pub fn new(dataset: &Dataset, recipe: &Recipe) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut real = Vec::new();
        for case in &dataset.validation {
            for click in 0..CLICKS_PER_CASE {
                let nth = rng.random_range(0..case.inside.len());
                let jitter = Vector3::from_fn(|_, _| normal(&mut rng) * 0.05);
                real.push((format!("{}/{click}", case.name), plain(case, nth, recipe, jitter)));
            }
        }
        let synthetic = Dataset {
            sources: dataset
                .sources
                .iter()
                .filter(|(_, source)| matches!(source, Loaded::Scenes))
                .map(|(weight, _)| (*weight, Loaded::Scenes))
                .collect(),
            validation: Vec::new(),
        };
        let count = if synthetic.sources.is_empty() { 0 } else { SYNTHETIC_SAMPLES };
        let synthetic = (0..count).map(|_| Sample::draw(&synthetic, recipe, &mut rng)).collect();
        Self { real, synthetic }
    }

    /// Dice of a network at the first click. The network must not be in training mode.
    ///
    /// # Errors
    /// [`TrainError`] if the network cannot take the recipe's input.
    pub fn run(
        &self,
        network: &AnyNetwork,
        recipe: &Recipe,
        device: &Device,
    ) -> Result<Validation, TrainError> {
        let mut cases = Vec::with_capacity(self.real.len());
        for (name, sample) in &self.real {
            cases.push((name.clone(), score(network, sample, recipe, device)?));
        }
        let synthetic = self
            .synthetic
            .iter()
            .map(|sample| score(network, sample, recipe, device))
            .collect::<Result<Vec<_>, _>>()?;
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = values.fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
            if count == 0 { f64::NAN } else { sum / count as f64 }
        };
        Ok(Validation {
            real: mean(&mut cases.iter().map(|(_, d)| *d)),
            synthetic: mean(&mut synthetic.into_iter()),
            cases,
        })
    }
}

fn score(network: &AnyNetwork, sample: &Sample, recipe: &Recipe, device: &Device) -> Result<f64, TrainError> {
    let probability = probabilities(network, sample, recipe, device)?;
    let answer: Vec<bool> = probability.iter().map(|p| *p >= 0.5).collect();
    Ok(dice(&sample.truth(), &answer))
}

/// Probability of the object at every voxel of a sample, `[z, y, x]`.
///
/// # Errors
/// [`TrainError`] if the network cannot take the input or the device fails.
pub fn probabilities(
    network: &AnyNetwork,
    sample: &Sample,
    recipe: &Recipe,
    device: &Device,
) -> Result<Vec<f32>, TrainError> {
    let n = recipe.size;
    let data = TensorData::new(sample.input(&recipe.channels), [1, recipe.channels.len(), n, n, n]);
    let logits = network.forward(Tensor::from_data(data, device))?;
    let data = activation::sigmoid(logits).try_into_data().map_err(|e| TrainError::Device(e.to_string()))?;
    data.try_to_vec::<f32>().map_err(|e| TrainError::Device(format!("{e:?}")))
}
