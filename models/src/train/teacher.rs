//! What differs between tasks while a network is trained.

use burn::tensor::Tensor;
use hilum_core::job::Observer;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::attention::Shown;
use super::run::TrainError;
use super::validation::Validation;
use crate::checkpoint::StateDict;
use crate::nets::AnyNetwork;

/// Shows a network samples of a task and judges its answers.
pub(crate) trait Teacher {
    /// Shape of a batch of inputs, `[batch, channels, z, y, x]`.
    fn input_shape(&self, batch: usize) -> [usize; 5];

    /// The loss of a step. It depends on nothing but the network, `draw` and what earlier steps left in the teacher's
    /// own state, so that a continued run equals an unbroken one.
    fn loss(&mut self, network: &AnyNetwork, draw: &Draw) -> Result<Tensor<1>, TrainError>;

    /// How good the network, which is not in training mode, is on the cases set aside; stops when the observer asks.
    fn validate(&mut self, network: &AnyNetwork, observer: &dyn Observer) -> Result<Validation, TrainError>;

    /// The first cases set aside, as the network sees them; nothing where a network is shown no whole case.
    fn shown(&self, _cases: usize) -> Vec<Shown> {
        Vec::new()
    }

    /// What it has learned itself (an adversary); nothing for most.
    fn state(&self) -> Result<Option<StateDict>, TrainError> {
        Ok(None)
    }

    /// Takes up where [`Teacher::state`] was written.
    fn restore(&mut self, _state: &StateDict) -> Result<(), TrainError> {
        Ok(())
    }
}

/// What the samples of a step are drawn with.
pub(crate) struct Draw {
    /// Steps done before.
    pub(crate) step: usize,
    /// Samples of a step.
    pub(crate) batch: usize,
    /// Seed of the run.
    pub(crate) seed: u64,
}

impl Draw {
    /// A generator for the `nth` sample, or for what concerns all (`nth` = batch): every one has its own, so that a
    /// resumed run draws what an unbroken one would have drawn.
    pub(crate) fn generator(&self, nth: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((self.step * (self.batch + 1) + nth + 1) as u64);
        rng
    }
}
