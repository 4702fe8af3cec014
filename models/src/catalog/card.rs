//! What a model says of itself.

use hilum_core::label::{LabelEntry, LabelTable};
use hilum_core::volume::Volume;
use serde::{Deserialize, Serialize};

use crate::train::recipe::Stage;
use crate::transform::channels::Channel;
use crate::transform::frame::ImageInput;

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
    /// The order of the axes of the arrays that it was trained on. Configuration and weights are those for `[z, y, x]`
    /// arrays in any case.
    #[serde(default, skip_serializing_if = "AxisOrder::is_zyx")]
    pub axes: AxisOrder,
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

/// The order of the axes of an array, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// `[z, y, x]`, as everywhere in Hilum.
    #[default]
    Zyx,
    /// `[x, y, z]`, as nibabel yields arrays; of networks for volumes only.
    Xyz,
}

impl AxisOrder {
    fn is_zyx(&self) -> bool {
        *self == Self::Zyx
    }
}

impl std::str::FromStr for AxisOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zyx" => Ok(Self::Zyx),
            "xyz" => Ok(Self::Xyz),
            other => Err(format!("\"{other}\" is no order of axes; use zyx or xyz")),
        }
    }
}

/// What a model is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Outlines what is clicked in a volume.
    Click(ClickTask),
    /// Labels every voxel of an image.
    Dense(DenseTask),
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

/// A network that labels every voxel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseTask {
    /// What for, if the program has a place for it: `disc`, `disc_cup`, `vessels`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// How an image becomes an input.
    pub input: ImageInput,
    /// What is labelled, in the order of the network's channels.
    pub regions: Vec<Region>,
    /// Samples of a tile, `[z, y, x]`.
    pub tile: [usize; 3],
    /// Axes mirrored at inference, the answers averaged: 0 = x, 1 = y, 2 = z.
    #[serde(default)]
    pub average_flips: Vec<usize>,
    /// Where the network looks, if not at the whole image.
    #[serde(default)]
    pub around: Option<Around>,
}

impl DenseTask {
    /// Why an image is hardly one of those that the model learned from; empty where nothing speaks against it. It can be
    /// labelled all the same.
    pub fn doubts_about(&self, image: &Volume) -> Vec<String> {
        let dims = image.grid().dims();
        let (is_color, is_flat) = (image.voxels().has_hues(), image.grid().is_flat());
        let mut doubts = Vec::new();
        match (self.input.color, is_color) {
            (true, false) => doubts.push("it learned from colour pictures, and this image is grey"),
            (false, true) => doubts.push("it learned from grey images, and this one has colours"),
            _ => {}
        }
        if self.tile[0] > 1 && is_flat {
            doubts.push("it learned from volumes, and this is a single slice");
        } else if self.tile[0] == 1 && self.input.color && !is_flat {
            doubts.push("it learned from single pictures, and this is a volume");
        }
        let told = |why| {
            format!("the model hardly suits an image of {} × {} × {}: {why}", dims[0], dims[1], dims[2])
        };
        doubts.into_iter().map(told).collect()
    }
}

/// Something that is labelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Its value in a label map, where nothing within it has another.
    pub label: u16,
    /// The region that it is a part of.
    #[serde(default)]
    pub within: Option<String>,
    /// Whether only its largest connected part counts.
    #[serde(default)]
    pub is_single: bool,
}

/// A square around what another model found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// The model that finds it.
    pub model: String,
    /// The region it finds.
    pub region: String,
    /// Side of the square over the larger extent of what was found.
    pub side: f64,
}

impl DenseTask {
    /// The labels that it gives, for images that are to be labelled by hand as it would label them.
    pub fn label_table(&self) -> LabelTable {
        let entry = |region: &Region| LabelEntry::new(region.label, region.name.as_str());
        LabelTable::new(self.regions.iter().map(entry).collect()).unwrap_or_default()
    }
}

impl Card {
    /// Its place in the one-click pipeline, if it has one.
    pub fn click(&self) -> Option<&ClickTask> {
        match &self.task {
            Task::Click(task) => Some(task),
            Task::Dense(_) | Task::Unassigned => None,
        }
    }

    /// What it labels, if it labels images.
    pub fn dense(&self) -> Option<&DenseTask> {
        match &self.task {
            Task::Dense(task) => Some(task),
            Task::Click(_) | Task::Unassigned => None,
        }
    }
}
