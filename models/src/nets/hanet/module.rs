//! The hierarchical attention module.

use std::ops::Range;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::attention_rows::{HopReading, LooksAround, RowMap, RowTile};
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

    /// `[batch, c, z, y, x]` to the same shape. Shows, with a channel for each number of hops, the attention each
    /// pixel receives (layer `name`) and the share of the image it reaches (layer `name.reach`; its mean is the
    /// density of Bʰ); the layer can then be asked for a pixel's rows of Ãʰ, Bʰ, A* and Â.
    pub fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let dims = x.dims();
        let [batch, _, z, y, x_size] = dims;
        let graph = self.graph(&x);
        trace.look(name, self.level, batch, || GraphRows {
            graph: graph.clone(),
            hops: self.hop.len(),
            spatial_shape: [z, y, x_size],
        });
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

/// What a pixel looks at over 1, 2, … hops, and over which graph.
#[derive(Debug)]
struct GraphRows {
    graph: HaGraph,
    hops: usize,
    /// `[z, y, x]`.
    spatial_shape: [usize; 3],
}

impl LooksAround for GraphRows {
    fn spatial_shape(&self) -> [usize; 3] {
        self.spatial_shape
    }

    fn row(&self, image: usize, pixel: usize) -> Vec<RowMap> {
        let graph = self.graph.images(image..image + 1);
        let rows = pixel..pixel + 1;
        let [z, y, x] = self.spatial_shape;
        let reaches = graph.reaches(rows.clone(), self.hops);
        let weighed = graph.weighed_logits(rows.clone());
        let attention = reaches.iter().map(|reach| graph.weigh(weighed.clone(), reach.clone())).collect();
        let per_hop = |rows: Vec<Tensor<3>>| Tensor::cat(rows, 1).reshape([1, self.hops, z, y, x]);
        let once = |row: Tensor<3>| row.reshape([1, 1, z, y, x]);
        let map = |part, meaning, tensor| RowMap { part, meaning, tensor };
        vec![
            map("", MapMeaning::AttentionGiven, per_hop(attention)),
            map("reach", MapMeaning::Neighbours, per_hop(reaches)),
            map("correlation", MapMeaning::Correlation, once(graph.logits(rows.clone()))),
            map("normalised", MapMeaning::NormalisedCorrelation, once(graph.normalised(rows.clone()))),
        ]
    }

    fn tile(&self, image: usize, pixels: Range<usize>) -> RowTile {
        let graph = self.graph.images(image..image + 1);
        let reaches = graph.reaches(pixels.clone(), self.hops);
        let weighed = graph.weighed_logits(pixels);
        let attention = reaches.iter().map(|reach| graph.weigh(weighed.clone(), reach.clone())).collect();
        RowTile { attention: Tensor::cat(attention, 0), reach: Some(Tensor::cat(reaches, 0)) }
    }

    fn hop_reading(&self) -> Option<HopReading> {
        let (delta, reading) = self.graph.reading();
        Some(HopReading { delta, hops: self.hops, reading })
    }

    fn read_as(&self, HopReading { delta, hops, reading }: HopReading) -> Option<Arc<dyn LooksAround>> {
        let graph = self.graph.read_as(delta, reading);
        Some(Arc::new(Self { graph, hops: hops.max(1), spatial_shape: self.spatial_shape }))
    }
}

impl KeyRules for HaModule {
    fn is_planar(&self) -> bool {
        true
    }
}
