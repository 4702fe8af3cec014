//! What steps: a network with its teacher, its optimiser and the average of its weights. It knows no folder and no
//! clock, so that a run on disk and a fine-tuning in memory are the same arithmetic.

use std::collections::BTreeSet;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use hilum_core::job::Observer;

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
