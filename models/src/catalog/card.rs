//! What a model says of itself.

use serde::{Deserialize, Serialize};

use crate::train::recipe::Stage;
use crate::transform::channels::Channel;

/// What a person should know about a model, and what the program needs to run it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Short name, unique.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Network in the registry.
    pub arch: String,
    /// Its configuration.
    pub config: serde_json::Value,
    /// What it is for.
    pub task: Task,
    /// Licence of the weights, as the data allow.
    pub licence: String,
    /// Data it was trained on, with their licences.
    pub data: Vec<String>,
    /// Which cases were set aside.
    pub split: String,
    /// How it was trained: recipe file, minutes, machine.
    pub training: String,
    /// Figures measured, with the command that measured them.
    pub figures: Vec<String>,
    /// What it is not good at.
    pub limits: Vec<String>,
    /// SHA-256 of the weights file, hexadecimal.
    pub weights_sha256: String,
}

/// What a model is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Outlines what is clicked in a volume.
    Click(ClickTask),
    /// Not said: weights from elsewhere, to be run and looked into.
    Unassigned,
}

/// A network of the one-click pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickTask {
    /// Input channels in order.
    pub channels: Vec<Channel>,
    /// Voxels along each edge of the input cube.
    pub size: usize,
    /// Place in the pipeline.
    pub stage: Stage,
    /// For a stage-2 network: the stage-1 model that cuts its cube.
    #[serde(default)]
    pub coarse: Option<String>,
    /// Whether it is taken when nobody chose.
    #[serde(default)]
    pub is_default: bool,
}

impl Card {
    /// Its place in the one-click pipeline, if it has one.
    pub fn click(&self) -> Option<&ClickTask> {
        match &self.task {
            Task::Click(task) => Some(task),
            Task::Unassigned => None,
        }
    }
}
