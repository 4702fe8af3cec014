//! The graph of HANet: which pixels see which in how many hops, and how much. Everything is computed row by row (a
//! row belongs to the pixel that looks), so that no more than the first-order graph is ever kept as a whole.

use std::ops::Range;

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Int, Tensor};

use super::super::dual_attention::row_tiles;
use super::super::trace::Trace;
use super::hop::{Hop, HopSums, add};
use super::reading::{Aggregation, Erased, HaReading, Logits, Normalisation, Paths, ThresholdGradient};
use hilum_kernels::work::matmul;

/// Most bytes of the first-order graphs of images that are worked on together.
const GROUP_BYTES: usize = 256 << 20;

/// The graph over the pixels of images.
#[derive(Debug, Clone)]
pub struct HaGraph {
    /// `[batch, pixels, c]`, with the scale of the logits.
    query: Tensor<3>,
    /// `[batch, c, pixels]`.
    key: Tensor<3>,
    /// Least and greatest logit of each image, `[batch, 1, 1]`, for the normalisation of the whole map.
    range: Option<[Tensor<3>; 2]>,
    delta: f64,
    reading: HaReading,
}

impl HaGraph {
    /// A graph of queries and keys `[batch, c, pixels]`.
    pub(super) fn new(query: Tensor<3>, key: Tensor<3>, delta: f64, reading: HaReading) -> Self {
        let [_, c, _] = query.dims();
        let query = query.swap_dims(1, 2).mul_scalar(scale(c, reading));
        Self { query, key, range: None, delta, reading }.ranged()
    }

    /// The threshold δ and the reading.
    pub fn reading(&self) -> (f64, HaReading) {
        (self.delta, self.reading)
    }

    /// The graph of the same queries and keys with another threshold and reading.
    pub fn read_as(&self, delta: f64, reading: HaReading) -> Self {
        let [_, c, _] = self.key.dims();
        let query = self.query.clone().mul_scalar(scale(c, reading) / scale(c, self.reading));
        Self { query, key: self.key.clone(), range: None, delta, reading }.ranged()
    }

    /// With the range of the whole map, where the reading asks for it.
    fn ranged(self) -> Self {
        let mut graph = self;
        if graph.reading.normalisation == Normalisation::Map {
            graph.range =
                graph.tiles().map(|rows| graph.logits(rows).detach()).fold(None, |range, logits| {
                    let [batch, rows, columns] = logits.dims();
                    let flat = logits.reshape([batch, 1, rows * columns]);
                    let (least, greatest) = (flat.clone().min_dim(2), flat.max_dim(2));
                    Some(match range {
                        None => [least, greatest],
                        Some([low, high]) => [least.min_pair(low), greatest.max_pair(high)],
                    })
                });
        }
        graph
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.query.dims()[1]
    }

    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let [batch, pixels, _] = self.query.dims();
        row_tiles(batch, pixels, pixels)
    }

    /// Rows of A*, `[batch, rows, pixels]`.
    pub fn logits(&self, rows: Range<usize>) -> Tensor<3> {
        matmul(self.query.clone().slice_dim(1, rows), self.key.clone())
    }

    /// Rows of Â, between 0 and 1, `[batch, rows, pixels]`.
    pub fn normalised(&self, rows: Range<usize>) -> Tensor<3> {
        let logits = self.logits(rows.clone());
        self.normalise(logits, rows)
    }

    fn normalise(&self, logits: Tensor<3>, rows: Range<usize>) -> Tensor<3> {
        match (self.reading.normalisation, &self.range) {
            (Normalisation::Map, Some([least, greatest])) => between(logits, least.clone(), greatest.clone()),
            (Normalisation::Row | Normalisation::Map, _) => {
                let (least, greatest) = (logits.clone().min_dim(2), logits.clone().max_dim(2));
                between(logits, least, greatest)
            }
            (Normalisation::Sigmoid, _) => sigmoid(logits),
            (Normalisation::Softmax, _) => softmax(logits, 2),
            (Normalisation::Cosine, _) => {
                let query = self.query.clone().slice_dim(1, rows);
                let lengths = query.square().sum_dim(2).sqrt() * self.key.clone().square().sum_dim(1).sqrt();
                (logits / lengths.clamp_min(f32::MIN_POSITIVE)).add_scalar(1.0).mul_scalar(0.5)
            }
        }
    }

    /// Rows of B¹: 1 where Â reaches δ, else 0.
    fn edges(&self, rows: Range<usize>) -> Tensor<3> {
        let normalised = self.normalised(rows.clone());
        let edges = normalised.clone().detach().greater_equal_elem(self.delta).float();
        let edges = self.straight_through(edges, normalised);
        if !self.reading.self_loops {
            return edges;
        }
        let index = |range: Range<usize>| {
            Tensor::<1, Int>::arange(range.start as i64..range.end as i64, &edges.device())
        };
        let (own, all) = (index(rows.clone()), index(0..self.pixels()));
        let own = own.reshape([1, rows.len(), 1]).equal(all.reshape([1, 1, self.pixels()]));
        edges.clone().max_pair(own.float().expand(edges.dims()))
    }

    /// `step` itself, which is a step function of `smooth`; its gradient is none, or as configured that of `smooth`.
    fn straight_through(&self, step: Tensor<3>, smooth: Tensor<3>) -> Tensor<3> {
        match self.reading.threshold_gradient {
            ThresholdGradient::None => step,
            // The difference is exactly 0.
            ThresholdGradient::StraightThrough => step + (smooth.clone() - smooth.detach()),
        }
    }

    fn counted(&self, walks: Tensor<3>) -> Tensor<3> {
        match self.reading.paths {
            // Sums of zeros and ones below 2²⁴ are exact.
            Paths::Exist => self.straight_through(walks.clone().detach().greater_elem(0.5).float(), walks),
            Paths::Count => walks,
        }
    }

    /// Rows of B¹, …, Bʰ for `hops` = h ≥ 1, each `[batch, rows, pixels]`.
    pub fn reaches(&self, rows: Range<usize>, hops: usize) -> Vec<Tensor<3>> {
        let mut reach = self.edges(rows);
        let mut all = vec![reach.clone()];
        for _ in 1..hops {
            let walks = self.tiles().map(|through| walk(&reach, through.clone(), self.edges(through)));
            if let Some(walks) = walks.reduce(Tensor::add) {
                reach = self.counted(walks);
            }
            all.push(reach.clone());
        }
        all
    }

    /// Rows of Bʰ for `hops` = h ≥ 1, `[batch, rows, pixels]`.
    pub fn neighbours(&self, rows: Range<usize>, hops: usize) -> Tensor<3> {
        self.reaches(rows, hops).swap_remove(hops - 1)
    }

    /// Rows of Ãʰ for `hops` = h ≥ 1, `[batch, rows, pixels]`; each sums to 1, or is 0 where Bʰ has no edge.
    pub fn attention(&self, rows: Range<usize>, hops: usize) -> Tensor<3> {
        let reach = self.neighbours(rows.clone(), hops);
        self.weigh(self.weighed_logits(rows), reach)
    }

    /// What the softmax is taken of.
    pub(super) fn weighed_logits(&self, rows: Range<usize>) -> Tensor<3> {
        match self.reading.logits {
            Logits::Raw => self.logits(rows),
            Logits::Normalised => self.normalised(rows),
        }
    }

    /// The softmax over the edges.
    pub(super) fn weigh(&self, logits: Tensor<3>, reach: Tensor<3>) -> Tensor<3> {
        let logits = match self.reading.paths {
            Paths::Exist if self.reading.erased == Erased::Masked => logits,
            _ => logits * reach.clone(),
        };
        match self.reading.erased {
            Erased::LiteralZero => softmax(logits, 2),
            Erased::Masked if self.reading.threshold_gradient == ThresholdGradient::StraightThrough => {
                self.weigh_by_product(&logits, reach)
            }
            Erased::Masked => {
                let erased = reach.equal_elem(0.0);
                // The softmax of a row without any edge would be uniform: it becomes 0.
                softmax(logits.mask_fill(erased.clone(), f32::MIN / 2.0), 2).mask_fill(erased, 0.0)
            }
        }
    }

    /// The softmax over the edges as a product, which also has a gradient for the edges: exp(A*)·B over its sum. The
    /// gradient takes a correlation that was erased for as strong as the strongest that is kept, if it is stronger.
    fn weigh_by_product(&self, logits: &Tensor<3>, reach: Tensor<3>) -> Tensor<3> {
        let erased = reach.clone().detach().equal_elem(0.0);
        let kept = match self.reading.paths {
            Paths::Exist => reach,
            Paths::Count => self.straight_through(reach.clone().detach().greater_elem(0.5).float(), reach),
        };
        let strongest = logits.clone().detach().mask_fill(erased.clone(), f32::MIN / 2.0).max_dim(2);
        let above = logits.clone() - strongest;
        let weights = above.clone().mask_where(erased.clone(), above.clamp_max(0.0)).exp() * kept;
        // A row without any edge stays 0.
        let is_alone = erased.float().min_dim(2);
        weights.clone() / (weights.sum_dim(2) + is_alone)
    }

    /// What each pixel receives of `value` `[batch, c, pixels]` over 1, 2, …, `hops` hops; notes all matrices in a
    /// trace of tensors.
    pub(super) fn aggregate(&self, value: &Tensor<3>, hops: usize, trace: &mut Trace) -> Vec<Hop> {
        if trace.wants_tensors() {
            let all = 0..self.pixels();
            trace.tensor("A_raw", &self.logits(all.clone()));
            trace.tensor("A_norm", &self.normalised(all.clone()));
            for hop in 1..=hops {
                trace.tensor(&format!("B{hop}"), &self.neighbours(all.clone(), hop));
                trace.tensor(&format!("attention{hop}"), &self.attention(all.clone(), hop));
            }
        }
        let [batch, pixels, _] = self.query.dims();
        // As many images at once as keep the graph small; at least one.
        let step = (GROUP_BYTES / (4 * pixels * pixels).max(1)).clamp(1, batch);
        let groups = (0..batch).step_by(step).map(|start| {
            let images = start..(start + step).min(batch);
            let value = value.clone().slice_dim(0, images.clone());
            self.images(images).aggregate_group(&value, hops, trace.wants_maps())
        });
        let groups: Vec<Vec<Hop>> = groups.collect();
        (0..hops).map(|hop| Hop::stack(groups.iter().map(|group| &group[hop]))).collect()
    }

    /// The graph of some images of the batch.
    pub(super) fn images(&self, images: Range<usize>) -> Self {
        let part = |x: &Tensor<3>| x.clone().slice_dim(0, images.clone());
        Self {
            query: part(&self.query),
            key: part(&self.key),
            range: self.range.as_ref().map(|[least, greatest]| [part(least), part(greatest)]),
            ..*self
        }
    }

    fn aggregate_group(&self, value: &Tensor<3>, hops: usize, wants_maps: bool) -> Vec<Hop> {
        let all = 0..self.pixels();
        let edges = (hops > 1).then(|| Tensor::cat(self.tiles().map(|rows| self.edges(rows)).collect(), 1));
        let mut sums: Vec<HopSums> = (0..hops).map(|_| HopSums::default()).collect();
        for rows in self.tiles() {
            let logits = self.weighed_logits(rows.clone());
            let mut reach = match &edges {
                Some(edges) => edges.clone().slice_dim(1, rows.clone()),
                None => self.edges(rows.clone()),
            };
            for (hop, sums) in sums.iter_mut().enumerate() {
                if let (Some(edges), true) = (&edges, hop > 0) {
                    reach = self.counted(walk(&reach, all.clone(), edges.clone()));
                }
                let attention = self.weigh(logits.clone(), reach.clone());
                if wants_maps {
                    add(&mut sums.received, attention.clone().detach().sum_dim(1));
                    sums.reached.push(reach.clone().greater_elem(0.5).float().mean_dim(2));
                }
                match self.reading.aggregation {
                    Aggregation::Rows => sums.rows.push(matmul(value.clone(), attention.swap_dims(1, 2))),
                    Aggregation::Columns => {
                        let value = value.clone().slice_dim(2, rows.clone());
                        add(&mut sums.columns, matmul(value, attention));
                    }
                }
            }
        }
        sums.into_iter().map(|sums| sums.finish(self.pixels())).collect()
    }
}

/// What queries of `c` channels are multiplied by.
fn scale(c: usize, reading: HaReading) -> f64 {
    if reading.scaled { 1.0 / (c as f64).sqrt() } else { 1.0 }
}

/// One more hop from rows of Bʰ, along the edges from the pixels `through` on.
fn walk(reach: &Tensor<3>, through: Range<usize>, edges: Tensor<3>) -> Tensor<3> {
    matmul(reach.clone().slice_dim(2, through), edges)
}

/// From `least` → 0 to `greatest` → 1; 1 where both are equal, so that a flat row keeps its edges.
fn between(x: Tensor<3>, least: Tensor<3>, greatest: Tensor<3>) -> Tensor<3> {
    let range = (greatest.clone() - least).clamp_min(f32::MIN_POSITIVE);
    ((greatest - x) / range).neg().add_scalar(1.0)
}
