//! Why a network could not be looked into, and the CPU where a device fails.

use hilum_models::infer::{DenseError, DeviceChoice, InferError};
use hilum_models::inspect::InspectError;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody wants it any more.
    Cancelled,
    /// The device; the CPU may do better.
    Device(String),
    /// Anything else.
    Other(String),
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Device(cause) => Self::Device(cause),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<DenseError> for Failure {
    fn from(error: DenseError) -> Self {
        match error {
            DenseError::Cancelled(_) => Self::Cancelled,
            DenseError::Device(cause) => Self::Device(cause),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<InferError> for Failure {
    fn from(error: InferError) -> Self {
        match error {
            InferError::Cancelled(_) => Self::Cancelled,
            other => Self::Other(other.to_string()),
        }
    }
}

impl Failure {
    /// For the window: nothing, or what to say.
    pub(super) fn told(self) -> Option<String> {
        match self {
            Self::Cancelled => None,
            Self::Device(cause) => {
                Some(format!("the device failed: {cause}; \"Look again\" runs the network on the CPU"))
            }
            Self::Other(text) => Some(text),
        }
    }
}

/// Runs on the device that was asked for, and where that fails on the CPU; then with a word about it.
pub(super) fn or_on_cpu<T>(
    asked: DeviceChoice,
    mut run: impl FnMut(DeviceChoice) -> Result<T, Failure>,
) -> Result<(T, Option<String>), Failure> {
    match run(asked) {
        Err(Failure::Device(cause)) if asked != DeviceChoice::Cpu => {
            let note = format!("The device failed ({cause}); the network was looked into on the CPU");
            run(DeviceChoice::Cpu).map(|done| (done, Some(note)))
        }
        other => other.map(|done| (done, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_fails_is_followed_by_the_cpu_and_a_word() {
        let mut asked = Vec::new();
        let (done, note) = or_on_cpu(DeviceChoice::Gpu(None), |device| {
            asked.push(device);
            if device == DeviceChoice::Cpu { Ok(7) } else { Err(Failure::Device("lost".into())) }
        })
        .unwrap();
        assert_eq!((done, asked), (7, vec![DeviceChoice::Gpu(None), DeviceChoice::Cpu]));
        assert!(note.unwrap().contains("lost"));
        // What is wrong with the input is wrong on any device; the CPU is not asked twice.
        let mut count = 0;
        let mut refuse = |failure: fn() -> Failure, device| {
            or_on_cpu(device, |_| -> Result<(), Failure> {
                count += 1;
                Err(failure())
            })
            .unwrap_err()
        };
        refuse(|| Failure::Other("size".into()), DeviceChoice::Auto);
        let failure = refuse(|| Failure::Device("full".into()), DeviceChoice::Cpu);
        assert_eq!(count, 2);
        assert!(failure.told().unwrap().contains("Look again"));
    }
}
