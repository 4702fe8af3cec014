//! Dice on the cases set aside, with the same clicks every time.

use burn::tensor::{Device, Tensor, TensorData, activation};
use hilum_core::measure::Confusion;
use nalgebra::Vector3;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Loaded};
use super::recipe::Recipe;
use super::run::TrainError;
use super::sample::{Sample, plain};
use super::shapes::normal;
use crate::nets::AnyNetwork;

/// Clicks per validation case.
const CLICKS_PER_CASE: usize = 2;
/// Synthetic scenes validated beside the real cases.
const SCENES: usize = 16;
/// Seed of clicks and synthetic samples: the same for every run, so that runs compare.
const SEED: u64 = 0x48_49_4c_55_4d;

/// The samples a run is validated on.
pub struct ValidationSet {
    real: Vec<(String, Sample)>,
    synthetic: Vec<(String, Sample)>,
}

/// Mean Dice of a validation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Validation {
    /// Over the cases set aside; NaN without any.
    #[serde(deserialize_with = "nan_for_null")]
    pub real: f64,
    /// Over planted lesions and scenes that training never draws; NaN without any.
    #[serde(deserialize_with = "nan_for_null")]
    pub synthetic: f64,
    /// Sample by sample.
    pub cases: Vec<CaseScore>,
}

/// One sample of a validation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseScore {
    /// The case, and which click in it.
    pub name: String,
    /// Whether the object was made by us.
    pub is_synthetic: bool,
    /// Dice coefficient.
    pub dice: f64,
    /// Share of the answer that is right.
    pub precision: f64,
    /// Share of the object that was found.
    pub recall: f64,
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
        let (mut real, mut planted) = (Vec::new(), Vec::new());
        for case in &dataset.validation {
            for click in 0..CLICKS_PER_CASE {
                let nth = rng.random_range(0..case.inside.len());
                let jitter = Vector3::from_fn(|_, _| normal(&mut rng) * 0.05);
                let sample = plain(case, nth, recipe, jitter);
                let samples = if case.is_synthetic { &mut planted } else { &mut real };
                samples.push((format!("{}/{click}", case.name), sample));
            }
        }
        let scenes = Dataset {
            sources: dataset
                .sources
                .iter()
                .filter(|(_, source)| matches!(source, Loaded::Scenes))
                .map(|(weight, _)| (*weight, Loaded::Scenes))
                .collect(),
            validation: Vec::new(),
        };
        let count = if scenes.sources.is_empty() { 0 } else { SCENES };
        let scenes = (0..count).map(|nth| (format!("scene {nth}"), Sample::draw(&scenes, recipe, &mut rng)));
        let synthetic = planted.into_iter().chain(scenes).collect();
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
        let mut cases = Vec::with_capacity(self.real.len() + self.synthetic.len());
        for (samples, is_synthetic) in [(&self.real, false), (&self.synthetic, true)] {
            for (name, sample) in samples {
                let probability = probabilities(network, sample, recipe, device)?;
                cases.push(CaseScore::of(name, is_synthetic, sample, &probability));
            }
        }
        let mean = |is_synthetic: bool| mean(cases.iter().filter(|c| c.is_synthetic == is_synthetic));
        Ok(Validation { real: mean(false), synthetic: mean(true), cases })
    }
}

impl CaseScore {
    fn of(name: &str, is_synthetic: bool, sample: &Sample, probability: &[f32]) -> Self {
        let answer: Vec<bool> = probability.iter().map(|p| *p >= 0.5).collect();
        let confusion = Confusion::of(&answer, &sample.truth())
            .expect("the network answers for every voxel of the sample");
        Self {
            name: name.to_owned(),
            is_synthetic,
            dice: confusion.dice(),
            precision: confusion.precision(),
            recall: confusion.recall(),
        }
    }
}

/// Mean Dice; NaN of nothing.
fn mean<'a>(cases: impl Iterator<Item = &'a CaseScore> + Clone) -> f64 {
    cases.clone().map(|case| case.dice).sum::<f64>() / cases.count() as f64
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
