//! What can be asked of the thread that teaches, and what it answers.

use std::path::PathBuf;

use hilum_core::worklist::{CaseId, Doubt};
use hilum_models::device::DeviceChoice;
use hilum_models::teach::{Comparison, Control, Forecast, Published, Strategy, TeachOptions, VersionState};

use super::super::{MapChoice, MapsOverSteps, Numbered};

/// What can be asked of the thread.
#[derive(Debug)]
pub enum TeachRequest {
    /// Tell which versions there are.
    List(PathBuf),
    /// Teach the model of a worklist with its corrected cases, keep the version, compare and publish it if the comparison
    /// allows it.
    Teach {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// How.
        options: Box<TeachOptions>,
        /// Pauses and stops it.
        control: Control,
    },
    /// Compare a version with the weights in use, on the cases that are set aside now.
    Compare {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// Number of the version.
        version: u32,
        /// Where.
        device: DeviceChoice,
        /// Stops it.
        control: Control,
    },
    /// Publish a version that was compared, or refuse it, because a person says so.
    Decide {
        /// The worklist.
        worklist: PathBuf,
        /// Number of the version.
        version: u32,
        /// Who.
        person: String,
        /// Whether it is to be used.
        yes: bool,
    },
    /// Read where a version looked while it learned.
    Maps {
        /// The worklist.
        worklist: PathBuf,
        /// Which maps.
        choice: MapChoice,
    },
    /// Go back to weights that were in use before.
    RollBack {
        /// The worklist.
        worklist: PathBuf,
        /// Identity of the weights.
        id: String,
    },
    /// Ask the network about every case that is not done, and put these in order.
    Rank {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// By what.
        strategy: Strategy,
        /// Where.
        device: DeviceChoice,
        /// Stops it.
        control: Control,
    },
}

impl Numbered for TeachRequest {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Teach { request, .. } | Self::Compare { request, .. } | Self::Rank { request, .. } => {
                Some(*request)
            }
            _ => None,
        }
    }
}

/// A version, as the window lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRow {
    /// Its number, from 1.
    pub number: u32,
    /// Its identity.
    pub id: String,
    /// What it was made of.
    pub parent: String,
    /// What became of it.
    pub state: VersionState,
    /// Cases that it learned from.
    pub cases: usize,
    /// Steps and seconds of learning.
    pub steps: usize,
    /// Seconds of learning.
    pub seconds: f64,
    /// When it was made, in seconds since 1970.
    pub created_unix_secs: u64,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
    /// How it compares with what was in use when it was compared last.
    pub comparison: Option<Comparison>,
    /// Whether it has kept where it looked while it learned.
    pub has_maps: bool,
}

/// The versions of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionList {
    /// The model that all come from.
    pub base: String,
    /// The weights in use.
    pub current: String,
    /// Those in use before.
    pub previous: Option<String>,
    /// All versions, oldest first.
    pub versions: Vec<VersionRow>,
}

/// What it answers.
#[derive(Debug)]
pub enum TeachAnswer {
    /// The versions of a worklist's model.
    Versions(PathBuf, Box<VersionList>),
    /// Where a version looked, or why that is not known.
    Maps(PathBuf, Result<Box<MapsOverSteps>, String>),
    /// How a fine-tuning goes on.
    Progress {
        /// Number of the request.
        request: u64,
        /// What happened.
        what: TeachProgress,
    },
    /// A fine-tuning has ended; the error is for people, without one it was stopped before the first step.
    Ended {
        /// Number of the request.
        request: u64,
        /// What came of it.
        result: Result<Box<TeachOutcome>, Option<String>>,
    },
    /// A decision was carried out, or not.
    Decided(Result<String, String>),
    /// Cases in order; the error is for people, without one it was stopped.
    Ranked {
        /// Number of the request.
        request: u64,
        /// Each case with its doubt.
        result: Result<Vec<(CaseId, Doubt)>, Option<String>>,
    },
}

/// How a fine-tuning goes on.
#[derive(Clone, Debug)]
pub enum TeachProgress {
    /// What is being done beside learning, with the share done where it is known.
    Doing(String, Option<f32>),
    /// What it will take.
    Forecast(Forecast),
    /// A step was made: step, of how many, loss, seconds.
    Step(usize, usize, f64, f64),
    /// Mean Dice after so many steps on cases set aside and on earlier cases, where there are some.
    Dice(usize, Option<f64>, Option<f64>),
    /// Something that a person should know.
    Warning(String),
}

/// What a fine-tuning brought.
#[derive(Clone, Debug, PartialEq)]
pub struct TeachOutcome {
    /// The version.
    pub id: String,
    /// Its number.
    pub number: u32,
    /// How it compares with what was in use.
    pub comparison: Comparison,
    /// What became of it.
    pub published: Published,
    /// Whether a person stopped it.
    pub was_stopped: bool,
}
