//! The hierarchical attention module.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::blocks::{Activation, Conv, ConvSpec, Norm};
use super::super::dual_attention::as_columns;
use super::super::resnet::BATCH_NORM;
use super::super::trace::{MapMeaning, Trace};
use super::graph::HaGraph;
use super::reading::HaReading;
use crate::checkpoint::KeyRules;

/// Sizes and reading of a module.
#[derive(Debug, Clone)]
pub struct HaModuleConfig {
    /// Channels c of the features and of the result.
    pub channels: usize,
    /// Number n of hops, at least 1.
    pub hops: usize,
    /// The threshold δ, 0 to 1.
    pub delta: f64,
    /// Reading of the paper.
    pub reading: HaReading,
    /// Level of the features in the network, for the maps (0 = finest).
    pub level: usize,
}

impl HaModuleConfig {
    /// Makes the module.
    pub fn init(&self, device: &Device) -> HaModule {
        let c = self.channels;
        let conv = |from| ConvSpec::head(from, c).init(device);
        HaModule {
            query: conv(c),
            key: conv(c),
            value: (ConvSpec::planar(c, c, 1).bias(false).init(device), BATCH_NORM.init(c, device)),
            hop: (0..self.hops).map(|_| conv(c)).collect(),
            fuse: conv(self.hops * c),
            delta: self.delta,
            reading: self.reading,
            level: self.level,
        }
    }
}

/// The module: every pixel takes features from the pixels it reaches in 1, 2, …, n hops of the graph of strong
/// correlations, each number of hops with weights of its own.
#[derive(Module, Debug)]
pub struct HaModule {
    query: Conv,
    key: Conv,
    value: (Conv, Norm),
    hop: Vec<Conv>,
    fuse: Conv,
    #[module(skip)]
    delta: f64,
    #[module(skip)]
    reading: HaReading,
    #[module(skip)]
    level: usize,
}

/// The look of one pixel at its image; all maps are `[batch, 1, z, y, x]`.
#[derive(Debug, Clone)]
pub struct HaRow {
    /// Its row of A*: how it correlates with every pixel, unbounded.
    pub logits: Tensor<5>,
    /// Its row of Â: the same between 0 and 1, compared with δ.
    pub normalised: Tensor<5>,
    /// Its rows of Bʰ for h = 1 … n: 1 where a pixel is reached in h hops (or the number of ways, as configured).
    pub neighbours: Vec<Tensor<5>>,
    /// Its rows of Ãʰ for h = 1 … n: the weights of the pixels whose features it takes.
    pub attention: Vec<Tensor<5>>,
}

impl HaModule {
    /// Sets another threshold and reading; weights stay.
    pub fn with_reading(mut self, delta: f64, reading: HaReading) -> Self {
        self.delta = delta;
        self.reading = reading;
        self
    }

    /// The graph over the pixels of features `[batch, c, z, y, x]`.
    pub fn graph(&self, x: &Tensor<5>) -> HaGraph {
        let [query, key] = [&self.query, &self.key].map(|conv| as_columns(conv.forward(x.clone())));
        HaGraph::new(query, key, self.delta, self.reading)
    }

    /// What pixel `pixel` (row-major index) of each image of `x` `[batch, c, z, y, x]` looks at; `None` where there is
    /// no such pixel. Computed for this pixel alone: the N×N matrices are never whole in memory.
    pub fn row(&self, x: &Tensor<5>, pixel: usize) -> Option<HaRow> {
        let [batch, _, z, y, x_size] = x.dims();
        if pixel >= z * y * x_size {
            return None;
        }
        let graph = self.graph(x);
        let image = |row: Tensor<3>| row.reshape([batch, 1, z, y, x_size]);
        let rows = pixel..pixel + 1;
        let hops = 1..=self.hop.len();
        Some(HaRow {
            logits: image(graph.logits(rows.clone())),
            normalised: image(graph.normalised(rows.clone())),
            neighbours: hops.clone().map(|hop| image(graph.neighbours(rows.clone(), hop))).collect(),
            attention: hops.map(|hop| image(graph.attention(rows.clone(), hop))).collect(),
        })
    }

    /// `[batch, c, z, y, x]` to the same shape. Shows, with a channel for each number of hops, the attention each
    /// pixel receives (layer `name`) and the share of the image it reaches (layer `name.reach`; its mean is the
    /// density of Bʰ).
    pub fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let dims = x.dims();
        let [batch, _, z, y, x_size] = dims;
        let graph = self.graph(&x);
        let value = self.value.1.forward_activated(self.value.0.forward(x), Activation::Relu);
        let hops = graph.aggregate(&as_columns(value), self.hop.len(), trace);
        let mut maps = [Vec::new(), Vec::new()];
        let mut mixed = Vec::new();
        for (conv, hop) in self.hop.iter().zip(hops) {
            mixed.push(conv.forward(hop.features.reshape(dims)));
            for (all, map) in maps.iter_mut().zip(hop.maps.into_iter().flatten()) {
                all.push(map.reshape([batch, 1, z, y, x_size]));
            }
        }
        let [received, reached] = maps;
        if !received.is_empty() {
            trace.map(name, self.level, Tensor::cat(received, 1), MapMeaning::AttentionReceived);
            let layer = format!("{name}.reach");
            trace.map(&layer, self.level, Tensor::cat(reached, 1), MapMeaning::Reach);
        }
        self.fuse.forward(Tensor::cat(mixed, 1))
    }
}

impl KeyRules for HaModule {
    fn is_planar(&self) -> bool {
        true
    }
}
