//! Teaching a model on a person's own corrections: fine-tuning, versions of weights, guarded publishing, and the order
//! in which cases are worth a person's time.
//!
//! Nothing here starts a thread: [`finetune`] runs where it is called and is watched, paused and stopped through a
//! [`Control`]. A [`Version`] keeps what came out, from what, and how; [`publish`](Versions::publish) lets it take the
//! place of the present weights only if it is not worse on the cases set aside.

mod case;
mod compare;
mod control;
mod finetune;
mod judge;
mod labels;
mod lineage;
mod looking;
mod material;
mod memory;
mod objects;
mod options;
mod order;
mod plan;
mod prepare;
mod record;
mod replay;
mod simulate;
mod uncertainty;
mod version;

#[cfg(test)]
mod click_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use case::{CaseImage, CaseLabels, CaseUse, TeachingCase};
pub use compare::{
    AgainstBest, CaseDifference, Comparison, MIN_CASES, RegionDifference, TOLERATED_LOSS, Verdict,
};
pub use control::Control;
pub use finetune::{Taught, finetune};
pub use judge::compare;
pub use labels::values_for;
pub use options::{Forecast, ReplaySource, TeachEvent, TeachOptions};
pub use order::{Candidate, Ranked, order};
pub use prepare::{Preparation, prepare};
pub use record::{CaseRecord, CurvePoint, Parent, VersionRecord, VersionState};
pub use replay::{ReplayReport, replay};
pub use simulate::{
    ClickRule, Latest, Measured, RoundGain, SimulatedState, Simulation, SimulationReport, StrategyResult,
    correction_cost,
};
pub use uncertainty::{CaseUncertainty, Strategy, uncertainty};
pub use version::{Decision, Published, Version, Versions};

use crate::catalog::CatalogError;
use crate::device::DeviceError;
use crate::infer::{DenseError, InferError};
use crate::nets::NetError;
use crate::train::TrainError;

/// Why teaching, comparing or publishing failed.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// A choice that makes no sense, or data that do not suit the model.
    #[error("{0}")]
    Unsuitable(String),
    /// Training itself.
    #[error(transparent)]
    Train(TrainError),
    /// The model.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Labelling an image.
    #[error(transparent)]
    Label(DenseError),
    /// Answering a click.
    #[error(transparent)]
    Click(InferError),
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] NetError),
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An image or labels.
    #[error(transparent)]
    Open(#[from] hilum_core::io::OpenError),
    /// A file of the versions folder.
    #[error("cannot keep the version ({cause}): {path}")]
    Folder {
        /// What the system said.
        cause: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// A record that is not understood.
    #[error("the record of a version is not understood ({cause}): {path}")]
    Record {
        /// The reason.
        cause: serde_json::Error,
        /// The record.
        path: PathBuf,
    },
    /// The watcher asked to stop before anything was learned.
    #[error(transparent)]
    Cancelled(#[from] hilum_core::job::Cancelled),
}

impl From<DenseError> for TeachError {
    /// Being told to stop is the same wherever it happens.
    fn from(error: DenseError) -> Self {
        match error {
            DenseError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Label(other),
        }
    }
}

impl From<InferError> for TeachError {
    /// Being told to stop is the same wherever it happens.
    fn from(error: InferError) -> Self {
        match error {
            InferError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Click(other),
        }
    }
}

impl From<TrainError> for TeachError {
    /// Being told to stop is the same wherever it happens.
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Train(other),
        }
    }
}
