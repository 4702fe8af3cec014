//! What is written down of a version, so that it can be told apart, traced back and made again.

use std::path::PathBuf;

use hilum_core::io::Selection;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::options::ReplaySource;
use super::{CaseUse, Decision};
use crate::train::Validation;
use crate::train::recipe::Recipe;

/// Of which weights a version was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Identity of the model or version.
    pub id: String,
    /// SHA-256 of its weights file.
    pub weights_sha256: String,
}

/// A case as it was learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its identity.
    pub id: String,
    /// What it was for.
    pub purpose: CaseUse,
    /// Its image file; none if it was in memory alone.
    pub image: Option<PathBuf>,
    /// Which image of that file.
    #[serde(flatten)]
    pub selection: Selection,
    /// Its labels: a file of the version's folder where the path is relative.
    pub labels: Option<PathBuf>,
    /// SHA-256 of the image's voxels, see [`hilum_core::project::ImageReference`].
    pub image_sha256: String,
    /// SHA-256 of the labels as 16-bit numbers, little endian, `[z, y, x]`.
    pub labels_sha256: Option<String>,
}

/// A point of the learning curves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps done.
    pub step: usize,
    /// Mean loss since the point before; none at step 0.
    pub loss: Option<f64>,
    /// On the cases set aside.
    pub set_aside: Validation,
    /// On earlier cases.
    pub earlier: Validation,
}

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Not decided.
    Candidate,
    /// In use, or once in use.
    Published,
    /// Not to be used.
    Rejected,
}

/// Everything about a version beside its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Of this form.
    pub schema: u32,
    /// Its identity, such as `disc-cup@0003`: predictions name it.
    pub id: String,
    /// What became of it.
    pub state: VersionState,
    /// Who decided, if it is decided.
    pub decision: Option<Decision>,
    /// Of which weights it was made.
    pub parent: Parent,
    /// SHA-256 of its weights file.
    pub weights_sha256: String,
    /// Version of the program.
    pub program: String,
    /// When, in seconds since 1970.
    pub created_unix_secs: u64,
    /// Where it was trained.
    pub device: String,
    /// Whether that was the CPU: then it can be made again bit for bit.
    pub is_cpu: bool,
    /// How it was trained; layers, seed, batch and planned steps among it.
    pub recipe: Recipe,
    /// Steps done: fewer than planned where it was stopped or time ran out.
    pub steps_done: usize,
    /// Seconds of training, pauses not counted.
    pub seconds: f64,
    /// What kept old knowledge alive.
    pub replay: ReplaySource,
    /// Which share of the samples that was.
    pub replay_share: f64,
    /// What it learned from, and what it is judged by.
    pub cases: Vec<CaseRecord>,
    /// Loss and Dice while it learned.
    pub curve: Vec<CurvePoint>,
    /// How it compares with the weights it was to replace.
    pub comparison: Option<Comparison>,
}
