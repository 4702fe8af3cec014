//! Teaching networks that label every voxel of an image.

mod adversary;
mod bend;
pub(crate) mod data;
mod draw;
mod loss;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::job::Observer;
use nalgebra::Vector3;
use rayon::prelude::*;

use self::adversary::Adversary;
use self::data::{Case, DenseData};
use self::draw::Sample;
use super::attention::Shown;
use super::recipe::{DenseRecipe, Framing};
use super::run::TrainError;
use super::teacher::{Draw, Teacher};
use super::validation::{CaseScore, Quiet, Validation};
use crate::catalog::DenseTask;
use crate::checkpoint::StateDict;
use crate::infer::probabilities;
use crate::nets::AnyNetwork;
use crate::transform::frame::{Frame, to_image};

pub use loss::dense_loss;

/// Shows a network patches of images with their regions.
pub(crate) struct DenseTeacher<'a> {
    recipe: &'a DenseRecipe,
    task: DenseTask,
    data: Arc<DenseData>,
    adversary: Option<Adversary>,
    device: Device,
}

impl<'a> DenseTeacher<'a> {
    /// Teaches with cases in memory.
    ///
    /// # Errors
    /// [`TrainError`] if the recipe's adversary does not fit.
    pub(crate) fn new(
        recipe: &'a DenseRecipe,
        data: Arc<DenseData>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        // Mirrorings multiply the time of a validation and are not what is trained.
        let task = DenseTask { average_flips: Vec::new(), ..recipe.task() };
        let adversary = recipe
            .adversary
            .map(|adversary| Adversary::new(adversary, recipe.regions.len(), recipe.patch, seed, device))
            .transpose()?;
        Ok(Self { recipe, task, data, adversary, device: device.clone() })
    }

    /// How well each known region of a case is found, with the place given by the truth where one is looked for.
    fn scores(
        &self,
        network: &AnyNetwork,
        case: &Case,
        observer: &dyn Observer,
    ) -> Result<Vec<CaseScore>, TrainError> {
        let frame = match (&self.recipe.framing, case.around) {
            (Framing::Around { side, .. }, Some((center, extent))) => {
                let [_, y, x] = self.recipe.patch;
                Frame::square(center, extent * side, [y, x])
            }
            _ => case.frame,
        };
        let on_frame =
            probabilities(network, &self.task, &case.image, &frame, &self.device, &Quiet(observer))?;
        let mut scores = Vec::new();
        for (index, region) in self.recipe.regions.iter().enumerate().filter(|(index, _)| case.known[*index])
        {
            let part = &on_frame[index * frame.len()..(index + 1) * frame.len()];
            let answer: Vec<bool> =
                to_image(part, &frame, case.image.dims(), 0.0).into_iter().map(|p| p >= 0.5).collect();
            let truth: Vec<bool> = (0..answer.len()).map(|voxel| case.is_in(index, voxel)).collect();
            // Where there is nothing to find, one wrong voxel would count as much as a missed organ.
            if !truth.contains(&true) {
                continue;
            }
            scores.push(CaseScore::of(&format!("{}/{}", case.name, region.name), false, &answer, &truth));
        }
        Ok(scores)
    }
}

impl Teacher for DenseTeacher<'_> {
    fn input_shape(&self, batch: usize) -> [usize; 5] {
        let [z, y, x] = self.recipe.patch;
        [batch, self.recipe.input.channels(), z, y, x]
    }

    fn loss(&mut self, network: &AnyNetwork, draw: &Draw) -> Result<Tensor<1>, TrainError> {
        let samples: Vec<Sample> = (0..draw.batch)
            .into_par_iter()
            .map(|nth| Sample::draw(&self.data, self.recipe, &mut draw.generator(nth)))
            .collect();
        let [z, y, x] = self.recipe.patch;
        let regions = self.recipe.regions.len();
        let device = self.device.clone().autodiff();
        let tensor = |values: Vec<f32>, shape: [usize; 5]| {
            Tensor::<5>::from_data(TensorData::new(values, shape), &device)
        };
        let input = samples.iter().flat_map(|s| s.input.iter().copied()).collect();
        let target = samples.iter().flat_map(|s| s.target.iter().copied()).collect();
        let known = samples.iter().flat_map(|s| s.known.iter().map(|k| f32::from(u8::from(*k)))).collect();
        let drawn = samples
            .iter()
            .flat_map(|s| s.known.iter().map(|k| f32::from(u8::from(*k && !s.is_soft))))
            .collect();
        let output = network.forward_training(tensor(input, self.input_shape(draw.batch)))?;
        let target = tensor(target, [draw.batch, regions, z, y, x]);
        let known = tensor(known, [draw.batch, regions, 1, 1, 1]);
        let drawn = tensor(drawn, [draw.batch, regions, 1, 1, 1]);
        let finest = output.heads[0].clone();
        let loss = dense_loss(output.heads, &target, &known, &drawn, &self.recipe.loss);
        let loss = output.own_loss.map_or(loss.clone(), |own| loss + own);
        Ok(match &mut self.adversary {
            Some(adversary) => loss + adversary.loss(finest, &target, &known),
            None => loss,
        })
    }

    fn validate(&mut self, network: &AnyNetwork, observer: &dyn Observer) -> Result<Validation, TrainError> {
        let mut scores = Vec::new();
        for case in &self.data.validation {
            scores.extend(self.scores(network, case, observer)?);
        }
        Ok(Validation::of(scores))
    }

    fn shown(&self, cases: usize) -> Vec<Shown> {
        let shape = self.input_shape(1);
        let [_, _, z, y, x] = shape;
        let tile = |case: &Case| match (&self.recipe.framing, case.around) {
            (Framing::Around { side, .. }, Some((center, extent))) => {
                Frame::square(center, extent * side, [y, x])
            }
            _ => {
                let places = case.places.iter().flatten();
                let middle = places.clone().sum::<Vector3<f64>>() / places.count().max(1) as f64;
                Frame::around(middle, case.frame.step, [x, y, z])
            }
        };
        let show = |case: &Case| {
            let frame = tile(case);
            let grid = frame.grid(&case.grid).ok();
            Shown { case: case.name.clone(), values: case.image.sample(&frame), shape, grid }
        };
        self.data.validation.iter().take(cases).map(show).collect()
    }

    fn state(&self) -> Result<Option<StateDict>, TrainError> {
        self.adversary.as_ref().map(Adversary::state).transpose()
    }

    fn restore(&mut self, state: &StateDict) -> Result<(), TrainError> {
        self.adversary.as_mut().map_or(Ok(()), |adversary| adversary.restore(state))
    }
}
