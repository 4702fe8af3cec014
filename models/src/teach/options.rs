//! What a person chooses before fine-tuning, and what is told about it.

use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::train::{Layers, Validation};

/// What a person chooses before fine-tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct TeachOptions {
    /// Which layers change.
    pub layers: Layers,
    /// Time that loading, steps and validations may take together, without pauses.
    pub budget_seconds: f64,
    /// Exactly so many steps instead of as many as fit into the time; the time still bounds them.
    pub steps: Option<usize>,
    /// Samples of a step, before it is made to fit the memory.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the samples that come from what must not be forgotten.
    pub replay_share: f64,
    /// Validations during the run, beside those before and after it.
    pub validations: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// Memory that training may take; half of what is free if `None`.
    pub memory_limit_bytes: Option<u64>,
    /// Where to train.
    pub device: DeviceChoice,
    /// Cases set aside whose attention maps are kept at some steps, to be looked at later; 0 keeps none.
    pub attention_cases: usize,
}

impl Default for TeachOptions {
    fn default() -> Self {
        Self {
            layers: Layers::All,
            budget_seconds: 300.0,
            steps: None,
            batch: 4,
            learning_rate: 0.0003,
            replay_share: 0.3,
            validations: 4,
            seed: 1,
            memory_limit_bytes: None,
            device: DeviceChoice::Cpu,
            attention_cases: 2,
        }
    }
}

impl TeachOptions {
    /// Says which value makes no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, range: std::ops::RangeInclusive<f64>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(format!("{name} is {value}; it must lie in {} to {}", range.start(), range.end()))
        };
        within("the time in seconds", self.budget_seconds, 1.0..=30.0 * 86_400.0)?;
        within("the batch", self.batch as f64, 1.0..=256.0)?;
        within("the learning rate", self.learning_rate, 1e-8..=1.0)?;
        within("the share of replay", self.replay_share, 0.0..=0.9)?;
        self.steps.map_or(Ok(()), |steps| within("the number of steps", steps as f64, 1.0..=1e6))
    }
}

/// What keeps old knowledge alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplaySource {
    /// Cases learned before, with their labels.
    Earlier,
    /// The same without scenes, for networks that answer clicks and never learned from any.
    EarlierAlone,
    /// The present model's own answers on images without labels (distillation).
    OwnAnswers,
    /// The present model's own answers on the corrected images themselves, where there is nothing else (learning without
    /// forgetting, Li and Hoiem 2018). They also hold the errors that were corrected: half the share.
    OwnAnswersOnCorrected,
    /// For networks that answer clicks: lesions in drawn scenes, of the kind with which the bundled network began. Where
    /// there are earlier cases, these and scenes take half of the share each.
    Scenes,
    /// Nothing: a person said so.
    None,
}

/// What a fine-tuning will take, measured by its first steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Steps that are planned.
    pub steps: usize,
    /// Seconds of a step.
    pub seconds_per_step: f64,
    /// Seconds from now to the end, validations included.
    pub seconds: f64,
    /// Memory of the process while it trains, where the system tells.
    pub memory_bytes: Option<u64>,
    /// Samples of a step.
    pub batch: usize,
    /// Size of a sample, `[z, y, x]`.
    pub patch: [usize; 3],
    /// Where.
    pub device: String,
    /// What keeps old knowledge alive.
    pub replay: ReplaySource,
}

/// What a fine-tuning tells while it goes on.
#[derive(Clone, Debug)]
pub enum TeachEvent {
    /// What it will take; told once for every attempt.
    Forecast(Forecast),
    /// Something that a person should know.
    Warning(String),
    /// It begins anew with less, because a device failed.
    FellBack {
        /// What the device said.
        why: String,
        /// Samples of a step from now on.
        batch: usize,
        /// Where from now on.
        device: String,
    },
    /// A step was made.
    Step {
        /// Steps done.
        step: usize,
        /// Steps planned.
        of: usize,
        /// Loss of this step's samples.
        loss: f64,
        /// Seconds it took.
        seconds: f64,
    },
    /// The network was compared with the truth; at step 0 it is the present model.
    Validated {
        /// Steps done.
        step: usize,
        /// On the cases set aside.
        set_aside: Validation,
        /// On earlier cases.
        earlier: Validation,
    },
}
