//! The fine-tuning itself: steps, validations, pauses, the end, and less of everything where a device fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use hilum_core::job::{Cancelled, Observer};
use tempfile::TempDir;

use super::case::LoadedCase;
use super::looking::Looking;
use super::options::{ReplaySource, TeachEvent, TeachOptions};
use super::prepare::{Preparation, prepare};
use super::record::{CurvePoint, Parent};
use super::{TeachError, TeachingCase};
use crate::catalog::Catalog;
use crate::checkpoint::{FloatFormat, StateDict};
use crate::device::{self, OpenDevice};
use crate::train::recipe::Recipe;
use crate::train::trainer::Position;
use crate::train::{TrainError, Validation};

/// What came out of a fine-tuning; [`Versions::add`](super::Versions::add) keeps it.
#[derive(Clone, Debug)]
pub struct Taught {
    /// The new weights, f32.
    pub weights: StateDict,
    /// Of which weights they were made.
    pub parent: Parent,
    /// How.
    pub recipe: Recipe,
    /// Steps done.
    pub steps_done: usize,
    /// Whether a person stopped it.
    pub was_stopped: bool,
    /// Seconds of training, pauses not counted.
    pub seconds: f64,
    /// Where.
    pub device: String,
    /// Whether that was the CPU.
    pub is_cpu: bool,
    /// What kept old knowledge alive.
    pub replay: ReplaySource,
    /// Which share of the samples that was.
    pub replay_share: f64,
    /// Loss and Dice while it learned; the first point is the present model.
    pub curve: Vec<CurvePoint>,
    pub(super) cases: Vec<LoadedCase>,
    /// Where attention maps lie until a version takes them over.
    pub(super) attention: Option<Arc<TempDir>>,
}

/// Teaches a model of the catalog with corrected cases. It works on the thread of the caller; `observer` (a
/// [`Control`](super::Control)) pauses it and stops it between two steps or two tiles of a validation.
///
/// A device that fails costs the attempt: it begins anew with half the batch, at last on the CPU. What was learned when
/// it is stopped is kept.
///
/// # Errors
/// [`TeachError`] for a model that cannot be taught, cases that do not suit it, a CPU that fails with single samples,
/// and when it is stopped before the first step.
pub fn finetune(
    catalog: &Catalog,
    model: &str,
    cases: &[TeachingCase],
    options: &TeachOptions,
    observer: &dyn Observer,
    on_event: &mut dyn FnMut(&TeachEvent),
) -> Result<Taught, TeachError> {
    let mut device = device::open(options.device)?;
    let mut options = options.clone();
    loop {
        let attempt = guarded(|| {
            prepare(catalog, model, cases, &options, &device, observer, on_event)?.run(observer, on_event)
        });
        let why = match attempt {
            Err(TeachError::Train(TrainError::Device(why))) => why,
            other => return other,
        };
        let Some((batch, on)) = less(options.batch, &device) else {
            return Err(TrainError::Device(why).into());
        };
        on_event(&TeachEvent::FellBack { why, batch, device: on.name.clone() });
        (options.batch, device) = (batch, on);
    }
}

/// What to try after a device failed: half the batch, then the CPU.
fn less(batch: usize, device: &OpenDevice) -> Option<(usize, OpenDevice)> {
    match batch {
        2.. => Some((batch / 2, device.clone())),
        _ if !device.is_cpu => Some((1, device::cpu())),
        _ => None,
    }
}

/// burn reports a lost or full device by panicking: here that is an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, TeachError>) -> Result<T, TeachError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let text = text.unwrap_or_else(|| "it gave no reason".into());
        Err(TrainError::Device(text).into())
    })
}

impl Preparation {
    /// Trains as planned.
    ///
    /// # Errors
    /// [`TeachError`] of the device, for a loss that is no number, and when it is stopped before the first step.
    pub fn run(
        self,
        observer: &dyn Observer,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<Taught, TeachError> {
        let mut trainer = self.trainer()?;
        let mut curve = Vec::new();
        let mut add =
            |step, loss, [set_aside, earlier]: [Validation; 2], tell: &mut dyn FnMut(&TeachEvent)| {
                tell(&TeachEvent::Validated { step, set_aside: set_aside.clone(), earlier: earlier.clone() });
                curve.push(CurvePoint { step, loss, set_aside, earlier });
            };
        add(0, None, self.before.clone(), on_event);
        let mut looking = Looking::new(self.options.attention_cases, self.recipe.steps);
        looking.after(0, &trainer)?;
        let steps = self.recipe.steps;
        let every = steps.div_ceil(self.options.validations + 1).max(1);
        let mut losses: Vec<f64> = Vec::new();
        let mut rested = 0.0;
        let (mut done, mut was_stopped) = (0, false);
        while done < steps && !was_stopped {
            let pause = Instant::now();
            observer.wait_while_paused();
            rested += pause.elapsed().as_secs_f64();
            let spent = self.began.elapsed().as_secs_f64() - rested;
            was_stopped = observer.is_cancelled();
            if was_stopped || (done > 0 && spent > self.options.budget_seconds) {
                break;
            }
            let began = Instant::now();
            let loss = trainer.step(Position::at(done))?;
            done += 1;
            if !loss.is_finite() {
                return Err(TrainError::Diverged(done).into());
            }
            losses.push(loss);
            observer.progress("learning", done as u64, steps as u64);
            let seconds = began.elapsed().as_secs_f64();
            on_event(&TeachEvent::Step { step: done, of: steps, loss, seconds });
            looking.after(done, &trainer)?;
            if done % every == 0 && done < steps {
                let mean = losses.drain(..).sum::<f64>() / every as f64;
                match self.validate(&mut trainer, observer) {
                    Ok(both) => add(done, Some(mean), both, on_event),
                    Err(error) => was_stopped = stopped(error)?,
                }
            }
        }
        if done == 0 {
            return Err(Cancelled.into());
        }
        if !was_stopped {
            let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
            match self.validate(&mut trainer, observer) {
                Ok(both) => add(done, Some(mean), both, on_event),
                Err(error) => was_stopped = stopped(error)?,
            }
        }
        let weights = trainer.network()?.weights(FloatFormat::F32)?;
        drop(trainer);
        Ok(Taught {
            weights,
            parent: self.parent,
            recipe: self.recipe,
            steps_done: done,
            was_stopped,
            seconds: self.began.elapsed().as_secs_f64() - rested,
            device: self.device.name,
            is_cpu: self.device.is_cpu,
            replay: self.replay,
            replay_share: self.replay_share,
            curve,
            cases: self.cases,
            attention: looking.into_folder(),
        })
    }
}

/// Whether an error says that a person stopped the work.
fn stopped(error: TrainError) -> Result<bool, TeachError> {
    match error {
        TrainError::Cancelled(_) => Ok(true),
        other => Err(other.into()),
    }
}
