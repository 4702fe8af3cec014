//! How good a network is on the cases set aside.

use hilum_core::job::Observer;
use hilum_core::measure::Confusion;
use serde::{Deserialize, Serialize};

/// Lets a watcher stop work whose progress is not its business.
pub(crate) struct Quiet<'a>(pub(crate) &'a dyn Observer);

impl Observer for Quiet<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
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
    /// The means over cases.
    pub fn of(cases: Vec<CaseScore>) -> Self {
        let mean = |is_synthetic: bool| mean(cases.iter().filter(|c| c.is_synthetic == is_synthetic));
        Self { real: mean(false), synthetic: mean(true), cases }
    }

    /// The figure by which weights are chosen: mean of real and synthetic, of what there is.
    pub fn score(&self) -> f64 {
        match (self.real.is_finite(), self.synthetic.is_finite()) {
            (true, true) => 0.5 * (self.real + self.synthetic),
            (true, false) => self.real,
            (false, _) => self.synthetic,
        }
    }
}

impl CaseScore {
    /// Compares an answer with the truth.
    ///
    /// # Panics
    /// When they are not of equal length.
    pub fn of(name: &str, is_synthetic: bool, answer: &[bool], truth: &[bool]) -> Self {
        let confusion = Confusion::of(answer, truth).expect("the network answers for every voxel");
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
