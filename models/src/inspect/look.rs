//! One pass of a network, and what it left behind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Tensor, TensorData, activation};
use hilum_core::geometry::{Grid, WorldPoint};

use super::field_map::FieldMap;
use super::judge::Judge;
use super::{InspectError, Subject};
use crate::checkpoint::StateDict;
use crate::infer::labels;
use crate::nets::{
    AnyNetwork, AttentionLayer, AttentionMap, ChannelMatrix, FieldPoint, HopReading, Prediction, object_logit,
};

/// Most rows that the density of a graph is counted over.
const DENSITY_ROWS: usize = 1024;

/// A subject after one pass. The tensors stay on its device; maps and rows are fetched when asked for.
#[derive(Debug)]
pub struct Look {
    pub(super) subject: Subject,
    /// `[region, z, y, x]`.
    pub(super) probability: Vec<f32>,
    maps: Vec<AttentionMap>,
    pub(super) layers: Vec<AttentionLayer>,
    pub(super) channels: Vec<ChannelMatrix>,
    drawn: Vec<f32>,
}

/// What one pass yields.
pub(super) struct Pass {
    /// `[region, z, y, x]`.
    pub(super) probability: Vec<f32>,
    /// Of the network, or of the discriminator that judges its answer.
    prediction: Prediction,
    /// Of a discriminator: for each slice the probability that a person drew it.
    drawn: Vec<f32>,
}

/// How dense the graph of a layer is.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Density {
    /// Number of hops.
    pub hop: usize,
    /// Mean share of all pixels that a pixel reaches.
    pub share: f64,
    /// Rows that were counted, evenly spread.
    pub rows: usize,
}

impl Subject {
    /// Runs the network once.
    ///
    /// # Errors
    /// [`InspectError`] if the network does not take the input or the device fails.
    pub fn look(self) -> Result<Look, InspectError> {
        let Pass { probability, prediction, drawn } =
            self.run(&self.network, self.judge.as_ref(), self.input.clone())?;
        let layers = prediction.rows.layers().to_vec();
        let Prediction { maps, channels, .. } = prediction;
        Ok(Look { probability, maps, layers, channels, drawn, subject: self })
    }

    /// The discriminator of these weights (a file of its own, or a training run's `teacher.safetensors`), to be looked
    /// into while it judges this network's answer.
    ///
    /// # Errors
    /// [`InspectError::Discriminator`] for weights that do not fit the answer.
    pub fn with_discriminator(&self, weights: &StateDict) -> Result<Self, InspectError> {
        let Some(regions) = &self.regions else {
            return Err(InspectError::Discriminator("it was taught on models that label images".into()));
        };
        let [x, y, _] = self.grid.dims();
        let judge = Judge::new(weights, regions.len(), [y, x], &self.device)?;
        Ok(Self { judge: Some(judge), stage: "discriminator".to_owned(), ..self.clone() })
    }

    /// One pass of a network, and of a discriminator behind it, for an input of this subject. burn reports a lost or full
    /// device by panicking, so a panic is an error here.
    pub(super) fn run(
        &self,
        network: &AnyNetwork,
        judge: Option<&Judge>,
        input: Vec<f32>,
    ) -> Result<Pass, InspectError> {
        let [x, y, z] = self.grid.dims();
        let channels = input.len() / self.grid.voxel_count();
        contained(|| {
            let data = TensorData::new(input, [1, channels, z, y, x]);
            let input = Tensor::<5>::from_data(data, &self.device);
            let Some(judge) = judge else {
                let prediction = network.forward_inspected(input)?;
                let probability = numbers(self.probability(prediction.logits()))?;
                return Ok(Pass { probability, prediction, drawn: Vec::new() });
            };
            let logits = network.forward(input)?;
            let (prediction, drawn) = judge.judge(logits.clone())?;
            Ok(Pass { probability: numbers(self.probability(logits))?, prediction, drawn })
        })
    }

    /// Probabilities of the regions, or of the object that was clicked, from logits `[batch, channel, z, y, x]`.
    pub(super) fn probability(&self, logits: Tensor<5>) -> Tensor<5> {
        activation::sigmoid(if self.regions.is_some() { logits } else { object_logit(logits) })
    }

    /// The label of each sample for these probabilities: of the regions, or 1 for the object that was clicked.
    pub(super) fn labels(&self, probability: &[f32]) -> Vec<u16> {
        match &self.regions {
            None => probability.iter().map(|p| u16::from(*p >= 0.5)).collect(),
            Some(regions) => {
                let of_regions: Vec<Vec<f32>> =
                    probability.chunks(self.grid.voxel_count()).map(<[f32]>::to_vec).collect();
                labels(regions, &of_regions[..regions.len().min(of_regions.len())])
            }
        }
    }
}

impl Look {
    /// Identity of the model.
    pub fn model(&self) -> &str {
        &self.subject.model
    }

    /// Its place in the work: `coarse`, `fine` or `labels`.
    pub fn stage(&self) -> &str {
        &self.subject.stage
    }

    /// Name of the network.
    pub fn arch(&self) -> &str {
        if self.subject.judge.is_some() { "sagan_wsi discriminator" } else { self.subject.network.arch() }
    }

    /// Of a discriminator: for each slice the probability that a person drew the answer; else empty.
    pub fn drawn_by_a_person(&self) -> &[f32] {
        &self.drawn
    }

    /// Where the network looked: the samples of its input.
    pub fn grid(&self) -> &Grid {
        &self.subject.grid
    }

    /// The answer of this pass at every sample, without what comes after the network.
    pub fn answer(&self) -> Vec<u16> {
        self.subject.labels(&self.probability)
    }

    /// The layers in which every pixel may look at all pixels.
    pub fn layers(&self) -> &[AttentionLayer] {
        &self.layers
    }

    /// All maps of the pass, one for each hop, head or gate, in the order of computation; divergence is averaged over the
    /// channels of features.
    ///
    /// # Errors
    /// [`InspectError`] if the device fails.
    pub fn maps(&self) -> Result<Vec<FieldMap>, InspectError> {
        self.placed(&self.maps)
    }

    /// The maps of the same network with weights drawn from `seed` for the same input, in the same order: what the
    /// design of the network alone makes of the image (Adebayo et al., NeurIPS 2018).
    ///
    /// # Errors
    /// [`InspectError`] if the device fails.
    pub fn random_maps(&self, seed: u64) -> Result<Vec<FieldMap>, InspectError> {
        let subject = &self.subject;
        let network = &subject.network;
        let drawn = AnyNetwork::seeded(network.arch(), network.config().clone(), seed, &subject.device)?;
        let judge = subject.judge.as_ref().map(|judge| judge.seeded(seed, &subject.device));
        let pass = subject.run(&drawn, judge.as_ref(), subject.input.clone())?;
        self.placed(&pass.prediction.maps)
    }

    /// What the pixel at a point looks at, in every layer; with a reading, layers along the hops of a graph are read
    /// that way.
    ///
    /// # Errors
    /// [`InspectError::Outside`] for a point that the network did not see; a device that fails.
    pub fn rows_at(
        &self,
        at: WorldPoint,
        reading: Option<HopReading>,
    ) -> Result<Vec<FieldMap>, InspectError> {
        let mut rows = Vec::new();
        for layer in &self.layers {
            let layer = reading.and_then(|reading| layer.read_as(reading)).unwrap_or_else(|| layer.clone());
            rows.extend(self.rows_of(&layer, at)?);
        }
        Ok(rows)
    }

    /// What the pixel at a point looks at in one layer.
    ///
    /// # Errors
    /// As [`Look::rows_at`].
    pub fn rows_of(&self, layer: &AttentionLayer, at: WorldPoint) -> Result<Vec<FieldMap>, InspectError> {
        let grid = self.grid();
        let voxel = grid.voxel_at_world(at).ok_or(InspectError::Outside { at })?;
        let [nx, ny, nz] = grid.dims();
        let [x, y, z] = voxel;
        let maps = contained(|| Ok(layer.at(FieldPoint::of_voxel([z, y, x], [nz, ny, nx]))))?;
        self.placed(&maps)
    }

    /// Density of the graph of a layer over each number of hops; empty where it is no graph. Of a map of more than a
    /// thousand pixels as many rows are counted, evenly spread.
    ///
    /// # Errors
    /// [`InspectError`] if the device fails.
    pub fn density(&self, layer: &AttentionLayer) -> Result<Vec<Density>, InspectError> {
        let Some(reading) = layer.hop_reading() else { return Ok(Vec::new()) };
        let mut sums = vec![0.0; reading.hops];
        let mut rows = 0;
        for (image, pixels) in spread(layer, DENSITY_ROWS) {
            let reach = contained(|| Ok(layer.tile(image, pixels.clone()).reach))?;
            let Some(reach) = reach else { continue };
            let [hops, count, _] = reach.dims();
            let share =
                reach.abs().greater_elem(0.5).float().mean_dim(2).sum_dim(1).reshape([hops, 1, 1, 1, 1]);
            numbers(share)?.iter().zip(&mut sums).for_each(|(share, sum)| *sum += f64::from(*share));
            rows += count;
        }
        let density =
            |(hop, sum): (usize, f64)| Density { hop: hop + 1, share: sum / rows.max(1) as f64, rows };
        Ok(sums.into_iter().enumerate().map(density).collect())
    }
}

/// Single rows of a layer, evenly spread over its images; all of them where there are no more than `most`. Neighbouring
/// rows come as one range.
pub(super) fn spread(layer: &AttentionLayer, most: usize) -> Vec<(usize, std::ops::Range<usize>)> {
    let (pixels, images) = (layer.pixels(), layer.images());
    let step = (pixels * images).div_ceil(most.max(1)).max(1);
    if step == 1 {
        let tile = (TILE_VALUES / pixels.max(1)).max(1);
        let tiles =
            |image| (0..pixels).step_by(tile).map(move |start| (image, start..(start + tile).min(pixels)));
        return (0..images).flat_map(tiles).collect();
    }
    let single = |index: usize| (index / pixels, index % pixels..index % pixels + 1);
    (step / 2..pixels * images).step_by(step).map(single).collect()
}

/// Most values of rows that are fetched at once.
const TILE_VALUES: usize = 4 << 20;

/// The values of a tensor on the host.
pub(super) fn numbers(tensor: Tensor<5>) -> Result<Vec<f32>, InspectError> {
    let data = tensor.try_into_data().map_err(|e| InspectError::Device(e.to_string()))?;
    data.try_to_vec::<f32>().map_err(|e| InspectError::Device(format!("{e:?}")))
}

/// A panic of the framework is an error like any other.
pub(super) fn contained<T>(work: impl FnOnce() -> Result<T, InspectError>) -> Result<T, InspectError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(InspectError::Device(text.unwrap_or_else(|| "it gave no reason".into())))
    })
}
