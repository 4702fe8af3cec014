//! One network of the pipeline on its device.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Tensor, TensorData, activation};
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::volume::Modality;

use crate::catalog::{CatalogError, ClickTask, Model};
use crate::inspect::Subject;
use crate::nets::{AnyNetwork, AttentionMap, object_logit};
use crate::transform::channels::{Channel, Crop, channels};

/// A crop with its clicks.
pub(super) type StageInput<'a> = Crop<'a>;

impl<'a> StageInput<'a> {
    /// A crop clicked in its middle: for warming up.
    pub(super) fn empty(grid: &'a Grid, values: &'a [f32]) -> Self {
        const MIDDLE: &[WorldPoint] = &[WorldPoint::new(0.0, 0.0, 0.0)];
        Self { grid, values, modality: Modality::Ct, positive: MIDDLE, negative: &[], previous: None }
    }
}

/// What a network said.
pub(super) struct StageOutput {
    /// Probability of the object, `[z, y, x]`.
    pub(super) probability: Vec<f32>,
    /// Attention maps: name, shape `[z, y, x]`, values averaged over channels.
    pub(super) maps: Vec<(String, [usize; 3], Vec<f32>)>,
}

/// A network with its card.
pub(super) struct Runner {
    id: String,
    task: ClickTask,
    network: AnyNetwork,
    device: Device,
}

impl Runner {
    /// Loads a model of the one-click pipeline.
    pub(super) fn new(model: &Model, task: &ClickTask, device: &Device) -> Result<Self, CatalogError> {
        let network = model.load(device)?;
        Ok(Self { id: model.card.id.clone(), task: task.clone(), network, device: device.clone() })
    }

    /// Identity of the model.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether an input channel is among its own.
    pub(super) fn sees(&self, channel: Channel) -> bool {
        self.task.channels.contains(&channel)
    }

    /// Voxels along each edge of its input.
    pub(super) fn size(&self) -> usize {
        self.task.size
    }

    /// What it would be given, ready to be looked into.
    pub(super) fn subject(&self, stage: &str, input: &StageInput<'_>) -> Subject {
        let task = &self.task;
        let of_image =
            |channel: &Channel| matches!(channel, Channel::Image | Channel::Relative | Channel::Similarity);
        Subject {
            model: self.id.clone(),
            stage: stage.to_owned(),
            network: self.network.clone(),
            device: self.device.clone(),
            grid: *input.grid,
            input: channels(input, &task.channels),
            image_channels: (0..task.channels.len()).filter(|i| of_image(&task.channels[*i])).collect(),
            regions: None,
            judge: None,
        }
    }

    /// Runs the network. burn reports a lost or full device by panicking, so a panic is an error here.
    pub(super) fn run(&self, input: &StageInput<'_>, with_maps: bool) -> Result<StageOutput, String> {
        guarded(|| self.forward(input, with_maps))
    }

    /// What the network's attention shows, channel by channel.
    pub(super) fn attention(&self, input: &StageInput<'_>) -> Result<Vec<AttentionMap>, String> {
        guarded(|| {
            let x = self.tensor(input);
            Ok(self.network.forward_with_attention(x).map_err(|e| e.to_string())?.maps)
        })
    }

    /// The input, `[1, channels, z, y, x]`.
    fn tensor(&self, input: &StageInput<'_>) -> Tensor<5> {
        let n = self.task.size;
        let values = channels(input, &self.task.channels);
        Tensor::from_data(TensorData::new(values, [1, self.task.channels.len(), n, n, n]), &self.device)
    }

    fn forward(&self, input: &StageInput<'_>, with_maps: bool) -> Result<StageOutput, String> {
        let x = self.tensor(input);
        let (logits, maps) = if with_maps {
            let mut prediction = self.network.forward_with_attention(x).map_err(|e| e.to_string())?;
            (prediction.heads.swap_remove(0), prediction.maps)
        } else {
            (self.network.forward(x).map_err(|e| e.to_string())?, Vec::new())
        };
        let probability = to_vec(activation::sigmoid(object_logit(logits)))?;
        let maps = maps
            .into_iter()
            .map(|map| Ok((map.name, map.spatial_shape, to_vec(map.tensor.mean_dim(1))?)))
            .collect::<Result<_, String>>()?;
        Ok(StageOutput { probability, maps })
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(text.unwrap_or_else(|| "the device failed without a reason".into()))
    })
}

fn to_vec(tensor: Tensor<5>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|e| e.to_string())?;
    data.try_to_vec::<f32>().map_err(|e| format!("{e:?}"))
}
