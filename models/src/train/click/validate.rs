//! Dice on the cases set aside, with the same clicks every time.

use burn::tensor::{Device, Tensor, TensorData, activation};
use hilum_core::geometry::{Affine, Grid};
use hilum_core::job::{Cancelled, Observer};
use nalgebra::Vector3;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::dataset::{Case, Dataset, Loaded};
use super::sample::{Sample, plain};
use super::shapes::normal;
use crate::nets::{AnyNetwork, object_logit};
use crate::train::attention::Shown;
use crate::train::recipe::ClickRecipe;
use crate::train::run::TrainError;
use crate::train::validation::{CaseScore, Validation};

/// Clicks per validation case.
const CLICKS_PER_CASE: usize = 2;
/// Synthetic scenes validated beside the real cases of a recipe.
pub(super) const SCENES: usize = 16;
/// The same where a person waits.
pub(super) const FEW_SCENES: usize = 4;
/// Seed of clicks and synthetic samples: the same for every run, so that runs compare.
const SEED: u64 = 0x48_49_4c_55_4d;

/// The samples a run is validated on.
pub struct ValidationSet {
    real: Vec<(String, Sample)>,
    /// Case and grid in the patient of the real samples.
    places: Vec<(String, Option<Grid>)>,
    synthetic: Vec<(String, Sample)>,
}

impl ValidationSet {
    /// Cuts the samples, always the same for the same data and recipe.
    pub fn new(dataset: &Dataset, recipe: &ClickRecipe, scenes: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let (mut real, mut planted, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for case in &dataset.validation {
            for click in 0..CLICKS_PER_CASE {
                let nth = rng.random_range(0..case.inside.len());
                let jitter = Vector3::from_fn(|_, _| normal(&mut rng) * 0.05);
                let sample = plain(case, nth, recipe, jitter);
                if !case.is_synthetic {
                    places.push((case.name.clone(), in_patient(&sample.grid, case)));
                }
                let samples = if case.is_synthetic { &mut planted } else { &mut real };
                samples.push((format!("{}/{click}", case.name), sample));
            }
        }
        let drawn = Dataset {
            sources: dataset
                .sources
                .iter()
                .filter(|(_, source)| matches!(source, Loaded::Scenes))
                .map(|(weight, _)| (*weight, Loaded::Scenes))
                .collect(),
            validation: Vec::new(),
        };
        let count = if drawn.sources.is_empty() { 0 } else { scenes };
        let scenes = (0..count).map(|nth| (format!("scene {nth}"), Sample::draw(&drawn, recipe, &mut rng)));
        let synthetic = planted.into_iter().chain(scenes).collect();
        Self { real, places, synthetic }
    }

    /// The first cases with their first click, as the network sees them.
    pub(crate) fn shown(&self, cases: usize, recipe: &ClickRecipe) -> Vec<Shown> {
        let n = recipe.size;
        let show = |((_, sample), (case, grid)): (&(String, Sample), &(String, Option<Grid>))| Shown {
            case: case.clone(),
            values: sample.input(&recipe.channels),
            shape: [1, recipe.channels.len(), n, n, n],
            grid: *grid,
        };
        self.real.iter().zip(&self.places).step_by(CLICKS_PER_CASE).take(cases).map(show).collect()
    }

    /// Dice of a network at the first click. The network must not be in training mode.
    ///
    /// # Errors
    /// [`TrainError`] if the network cannot take the recipe's input, or when the observer asks to stop.
    pub fn run(
        &self,
        network: &AnyNetwork,
        recipe: &ClickRecipe,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Validation, TrainError> {
        let mut cases = Vec::with_capacity(self.real.len() + self.synthetic.len());
        for (samples, is_synthetic) in [(&self.real, false), (&self.synthetic, true)] {
            for (name, sample) in samples {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                let probability = probabilities(network, sample, recipe, device)?;
                cases.push(CaseScore::of(name, is_synthetic, &answer(&probability), &sample.truth()));
            }
        }
        Ok(Validation::of(cases))
    }
}

/// A sample's grid, which counts from the middle of the object, in the patient.
fn in_patient(grid: &Grid, case: &Case) -> Option<Grid> {
    let affine = grid.affine();
    let origin = affine.origin().coords + case.axes.centroid.coords;
    Grid::new(grid.dims(), Affine::new(*affine.linear(), origin).ok()?).ok()
}

/// Where the object is more likely than not.
pub fn answer(probability: &[f32]) -> Vec<bool> {
    probability.iter().map(|p| *p >= 0.5).collect()
}

/// Probability of the object at every voxel of a sample, `[z, y, x]`.
///
/// # Errors
/// [`TrainError`] if the network cannot take the input or the device fails.
pub fn probabilities(
    network: &AnyNetwork,
    sample: &Sample,
    recipe: &ClickRecipe,
    device: &Device,
) -> Result<Vec<f32>, TrainError> {
    let n = recipe.size;
    let data = TensorData::new(sample.input(&recipe.channels), [1, recipe.channels.len(), n, n, n]);
    let logits = network.forward(Tensor::from_data(data, device))?;
    let data = activation::sigmoid(object_logit(logits))
        .try_into_data()
        .map_err(|e| TrainError::Device(e.to_string()))?;
    data.try_to_vec::<f32>().map_err(|e| TrainError::Device(format!("{e:?}")))
}
