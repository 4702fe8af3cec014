//! What steps: a network with its teacher, its optimiser and the average of its weights. It knows no folder and no
//! clock, so that a run on disk and a fine-tuning in memory are the same arithmetic.

use std::collections::BTreeSet;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use hilum_core::job::Observer;

use super::attention::Shown;
use super::average::{self, AVERAGE_EVERY};
use super::optimizer::Optimizer;
use super::recipe::Recipe;
use super::run::TrainError;
use super::teacher::{Draw, Teacher};
use super::validation::Validation;
use crate::checkpoint::{FloatFormat, StateDict};
use crate::nets::registry::reseed;
use crate::nets::{AnyNetwork, NetError};

/// A network being taught.
pub(crate) struct Trainer<'a> {
    recipe: &'a Recipe,
    device: Device,
    network: AnyNetwork,
    optimizer: Optimizer,
    average: Option<StateDict>,
    teacher: Box<dyn Teacher + 'a>,
    /// Weights that no other network handed over, while they are trained alone.
    newcomers: Option<BTreeSet<String>>,
}

/// Where a run stands on the schedule of its step size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// Steps done.
    pub(crate) step: usize,
    /// Steps done as the schedule counts them: by the clock where a time is set.
    pub(crate) on_schedule: usize,
    /// How often validation stood still.
    pub(crate) plateaus: usize,
}

impl Position {
    /// Of a run whose schedule goes by steps alone.
    pub(crate) fn at(step: usize) -> Self {
        Self { step, on_schedule: step, plateaus: 0 }
    }
}

impl<'a> Trainer<'a> {
    /// The network of a recipe before its first step: with `start` as its weights, with those that the recipe says, or
    /// drawn from the recipe's seed.
    ///
    /// # Errors
    /// [`TrainError`] if network, weights and samples do not fit each other.
    pub(crate) fn new(
        recipe: &'a Recipe,
        device: &Device,
        teacher: Box<dyn Teacher + 'a>,
        start: Option<&StateDict>,
    ) -> Result<Self, TrainError> {
        let autodiff = device.clone().autodiff();
        let mut network = AnyNetwork::seeded(&recipe.arch, recipe.config.clone(), recipe.seed, &autodiff)?;
        network.check_input(teacher.input_shape(recipe.batch))?;
        let mut newcomers = None;
        if let Some(start) = start {
            network = network.with_weights(start)?;
        } else if let Some(start) = &recipe.start_from {
            network = network.with_weights_file(start)?;
        } else if let Some(transfer) = &recipe.transfer {
            let donor = StateDict::read(&transfer.from).map_err(NetError::from)?;
            let (grown, new) = network.with_weights_of_another(&donor)?;
            (network, newcomers) = (grown, Some(new));
        }
        let optimizer = Optimizer::new(recipe.optimizer, recipe.weight_decay);
        let mut trainer =
            Self { recipe, device: device.clone(), network, optimizer, average: None, teacher, newcomers };
        trainer.choose_layers(0);
        Ok(trainer)
    }

    /// Takes up a run after `step` steps.
    ///
    /// # Errors
    /// [`TrainError`] if the weights are not this network's.
    pub(crate) fn resume(
        &mut self,
        step: usize,
        weights: &StateDict,
        moments: &StateDict,
        average: Option<StateDict>,
        teacher: Option<&StateDict>,
    ) -> Result<(), TrainError> {
        self.network = self.network.clone().with_weights(weights)?;
        self.optimizer.restore(moments, &self.device);
        self.average = average;
        if let Some(state) = teacher {
            self.teacher.restore(state)?;
        }
        self.choose_layers(step);
        Ok(())
    }

    /// Lets those weights alone change that the recipe names for this step.
    fn choose_layers(&mut self, step: usize) {
        let Recipe { arch, layers, transfer, .. } = self.recipe;
        let is_early = transfer.as_ref().is_some_and(|transfer| step < transfer.newcomers_alone_steps);
        let newcomers = self.newcomers.as_ref().filter(|_| is_early);
        self.network = self.network.clone().training_only(|key| {
            layers.contain(arch, key) && newcomers.is_none_or(|newcomers| newcomers.contains(key))
        });
    }

    /// One optimiser step; returns the loss before it.
    ///
    /// # Errors
    /// [`TrainError`] of the teacher or the device.
    pub(crate) fn step(&mut self, at: Position) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        let starts_all = recipe.transfer.as_ref().is_some_and(|t| t.newcomers_alone_steps == at.step);
        if starts_all && self.newcomers.is_some() {
            self.choose_layers(at.step);
        }
        let draw = Draw { step: at.step, batch: recipe.batch, seed: recipe.seed };
        // Layers that drop values at random draw from the device: a continued run must find it in the same state.
        reseed(&self.device, recipe.seed.wrapping_add(draw.step as u64));
        let loss = self.teacher.loss(&self.network, &draw)?;
        let value = loss.clone().try_into_data().map_err(|e| TrainError::Device(e.to_string()))?;
        let value = value.iter::<f64>().next().unwrap_or(f64::NAN);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let factor = recipe.schedule.factor(at.on_schedule, recipe.steps, at.plateaus);
        self.network = self.optimizer.step(recipe.learning_rate * factor, self.network.clone(), gradients);
        if let Some(decay) = recipe.ema.filter(|decay| *decay > 0.0) {
            self.update_average(decay, at.step + 1)?;
        }
        Ok(value)
    }

    /// Moves the running average of the weights towards the present ones.
    fn update_average(&mut self, decay: f64, step: usize) -> Result<(), TrainError> {
        if step.is_multiple_of(AVERAGE_EVERY) {
            let now = self.network.weights(FloatFormat::F32)?;
            self.average = Some(average::follow(self.average.take(), now, decay, step));
        }
        Ok(())
    }

    /// The network as it would be used now: the average where there is one, not in training mode.
    ///
    /// # Errors
    /// [`TrainError`] of a device that does not give its memory back.
    pub(crate) fn network(&self) -> Result<AnyNetwork, TrainError> {
        let network = self.network.valid();
        match &self.average {
            Some(average) => Ok(network.with_weights(average)?),
            None => Ok(network),
        }
    }

    /// How good a network is on the cases set aside.
    ///
    /// # Errors
    /// [`TrainError`] of the device, or when the observer asks to stop.
    pub(crate) fn validate(
        &mut self,
        network: &AnyNetwork,
        observer: &dyn Observer,
    ) -> Result<Validation, TrainError> {
        self.teacher.validate(network, observer)
    }

    /// The first cases set aside, as the network sees them.
    pub(crate) fn shown(&self, cases: usize) -> Vec<Shown> {
        self.teacher.shown(cases)
    }

    /// Where it works.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Weights of the last step.
    pub(crate) fn last_network(&self) -> &AnyNetwork {
        &self.network
    }

    /// The average of the weights, if there is one yet.
    pub(crate) fn average(&self) -> Option<&StateDict> {
        self.average.as_ref()
    }

    /// Running means of the optimiser.
    ///
    /// # Errors
    /// [`TrainError`] of a device that does not give its memory back.
    pub(crate) fn moments(&self) -> Result<StateDict, TrainError> {
        Ok(self.optimizer.state().map_err(NetError::from)?)
    }

    /// What the teacher has learned itself.
    ///
    /// # Errors
    /// [`TrainError`] of a device that does not give its memory back.
    pub(crate) fn teacher_state(&self) -> Result<Option<StateDict>, TrainError> {
        self.teacher.state()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::train::dense::DenseTeacher;
    use crate::train::dense::data::{Case, DenseData};
    use crate::train::recipe::TaskRecipe;
    use hilum_core::geometry::Grid;
    use hilum_core::volume::{ImageMeta, Volume, Voxels};
    use std::sync::Arc;

    /// A tiny attention network that begins with the weights of the same network without gates.
    fn recipe(donor: &std::path::Path) -> Recipe {
        let text = format!(
            "name = \"t\"\narch = \"attention_unet_2d\"\nsteps = 4\nbatch = 1\nlearning_rate = 0.01\nseed = 9\n\
             validate_every = 4\nschedule = {{ kind = \"cosine\", warm_up = 0.1 }}\n\
             transfer = {{ from = \"{}\", newcomers_alone_steps = 2 }}\n\
             [config]\nimg_ch = 1\noutput_ch = 1\nwidths = [4, 6, 8, 8, 8]\nfinest_gate_width = 4\n\
             [task]\nkind = \"dense\"\npatch = [1, 32, 32]\nregions = [{{ name = \"a\", label = 1 }}]\n\
             framing = {{ kind = \"patches\", foreground = 0.5 }}\ndata = []\n\
             [task.input]\ncolor = false\nnormalize = {{ kind = \"image\" }}\nscale = {{ kind = \"keep\" }}\n",
            donor.display()
        );
        toml::from_str(&text).unwrap()
    }

    fn data(recipe: &Recipe) -> DenseData {
        let grid = Grid::from_spacing([32, 32, 1], [1.0; 3]).unwrap();
        let values: Vec<f32> =
            (0..1024).map(|i| if i % 32 > 15 { 1.0 } else { (i % 7) as f32 * 0.1 }).collect();
        let inside = values.iter().map(|v| *v > 0.9).collect();
        let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
        let TaskRecipe::Dense(dense) = &recipe.task else { unreachable!() };
        let case = Case::new("x".into(), &volume, &[Some(inside)], dense).unwrap();
        DenseData { sources: vec![(1.0, vec![case])], validation: Vec::new() }
    }

    #[test]
    fn shared_weights_arrive_gates_are_new_and_learn_first() {
        let folder = tempfile::tempdir().unwrap();
        let donor = folder.path().join("donor.safetensors");
        let plain = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8]});
        let plain = AnyNetwork::seeded("unet_2d", plain, 1, &Device::flex()).unwrap();
        plain.save_weights(&donor, FloatFormat::F32).unwrap();
        let plain = plain.weights(FloatFormat::F32).unwrap();
        let recipe = recipe(&donor);
        let TaskRecipe::Dense(dense) = &recipe.task else { unreachable!() };
        let teacher =
            DenseTeacher::new(dense, Arc::new(data(&recipe)), recipe.seed, &Device::flex()).unwrap();
        let mut trainer = Trainer::new(&recipe, &Device::flex(), Box::new(teacher), None).unwrap();
        let newcomers = trainer.newcomers.clone().unwrap();
        assert!(!newcomers.is_empty() && newcomers.iter().all(|key| key.starts_with("Att")), "{newcomers:?}");
        let now = |trainer: &Trainer<'_>| trainer.last_network().weights(FloatFormat::F32).unwrap();
        let is_same =
            |now: &StateDict, key: &str| now.get(key).unwrap().bytes() == plain.get(key).unwrap().bytes();
        let learned: Vec<&str> =
            plain.iter().map(|(key, _)| key).filter(|key| key.ends_with("weight")).collect();
        let before = now(&trainer);
        assert!(learned.iter().all(|key| is_same(&before, key)));
        for step in 0..2 {
            trainer.step(Position::at(step)).unwrap();
        }
        let early = now(&trainer);
        assert!(learned.iter().all(|key| is_same(&early, key)), "the trunk moved while the gates learned");
        let gate = newcomers.iter().find(|key| key.ends_with("psi.0.weight")).unwrap();
        assert_ne!(before.get(gate).unwrap().bytes(), early.get(gate).unwrap().bytes());
        trainer.step(Position::at(2)).unwrap();
        assert!(!is_same(&now(&trainer), "Up_conv2.conv.0.weight"), "the trunk never moves");
    }
}
