//! The moving average of a network's weights: smoother than the last step's, and what is validated and kept.

use crate::checkpoint::{FloatFormat, StateDict, StoredTensor};

/// Steps between updates: copying all weights costs more than it brings at every step.
pub(super) const AVERAGE_EVERY: usize = 5;

/// Moves `average` towards the weights `now` of `step`; early in a run it follows quickly.
pub(super) fn follow(average: Option<StateDict>, now: StateDict, decay: f64, step: usize) -> StateDict {
    let Some(average) = average else { return now };
    let step = step as f64;
    let early = step / (step + 10.0 * AVERAGE_EVERY as f64);
    blend(&average, &now, decay.powi(AVERAGE_EVERY as i32).min(early) as f32)
}

fn blend(average: &StateDict, now: &StateDict, decay: f32) -> StateDict {
    let mut blended = StateDict::default();
    for (name, tensor) in now.iter() {
        let old = average.get(name).and_then(StoredTensor::to_f32);
        let new = match (old, tensor.to_f32()) {
            (Some(old), Some(new)) => {
                let mixed: Vec<f32> =
                    old.iter().zip(&new).map(|(o, n)| decay * o + (1.0 - decay) * n).collect();
                StoredTensor::from_f32(&mixed, tensor.shape().to_vec(), FloatFormat::F32)
            }
            _ => tensor.clone(),
        };
        blended.insert(name, new);
    }
    blended
}
