//! Self-attention over the pixels (or voxels) of an image, as the self-attention GANs and DANet have it.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::attention_rows::{LooksAround, RowMap, RowTile};
use super::dual_attention::row_tiles;
use super::trace::{MapMeaning, Trace};
use hilum_kernels::work::matmul;

/// Where an attention stands in its network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionPlace<'a> {
    /// The layer, as named in a checkpoint.
    pub(crate) layer: &'a str,
    /// Halvings before it.
    pub(crate) level: usize,
    /// `[z, y, x]` of its images.
    pub(crate) spatial_shape: [usize; 3],
}

/// For every query the mean of `values`, weighted by the softmax over the keys of ⟨query, key⟩ (not scaled).
///
/// `queries` and `keys` are `[batch, depth, n]`, `values` and the result `[batch, channels, n]`. The rows of the
/// attention matrix are worked on in tiles. Shows the attention that each pixel receives as the map of the layer, which
/// can then be asked for single rows; notes the whole matrix as `layer.attention` in a trace of tensors.
pub(crate) fn attend(
    queries: &Tensor<3>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    place: AttentionPlace<'_>,
    trace: &mut Trace,
) -> Tensor<3> {
    let [batch, _, n] = queries.dims();
    let columns = queries.clone().swap_dims(1, 2);
    let (mut received, mut matrix) = (Received::default(), Vec::new());
    // The product comes out in the order of the result: burn 0.22 mixes up the images of a batch on a GPU where a
    // swapped view of a product is reshaped and fused with further arithmetic.
    let tiles = row_tiles(batch, n, n).map(|rows| {
        let attention = softmax(matmul(columns.clone().slice_dim(1, rows), keys.clone()), 2);
        if trace.wants_maps() {
            received.add(&attention);
        }
        if trace.wants_tensors() {
            matrix.push(attention.clone());
        }
        matmul(values.clone(), attention.swap_dims(1, 2))
    });
    let seen = Tensor::cat(tiles.collect(), 2);
    if !matrix.is_empty() {
        trace.tensor(&format!("{}.attention", place.layer), &Tensor::cat(matrix, 1));
    }
    if let Some(map) = received.image(place.spatial_shape) {
        trace.map(place.layer, place.level, map, MapMeaning::AttentionReceived);
    }
    trace.look(place.layer, place.level, batch, || PixelRows {
        queries: queries.clone(),
        keys: keys.clone(),
        heads: 1,
        spatial_shape: place.spatial_shape,
    });
    seen
}

/// What a softmax attention looks at, from its queries and keys.
#[derive(Debug)]
pub(crate) struct PixelRows {
    /// `[images · heads, depth, n]`, with the scale of the energies.
    pub(crate) queries: Tensor<3>,
    /// `[images · heads, depth, n]`.
    pub(crate) keys: Tensor<3>,
    pub(crate) heads: usize,
    /// `[z, y, x]`, z·y·x = n.
    pub(crate) spatial_shape: [usize; 3],
}

impl LooksAround for PixelRows {
    fn spatial_shape(&self) -> [usize; 3] {
        self.spatial_shape
    }

    fn row(&self, image: usize, pixel: usize) -> Vec<RowMap> {
        let [z, y, x] = self.spatial_shape;
        let tensor = self.tile(image, pixel..pixel + 1).attention.reshape([1, self.heads, z, y, x]);
        vec![RowMap { part: "", meaning: MapMeaning::AttentionGiven, tensor }]
    }

    fn tile(&self, image: usize, pixels: Range<usize>) -> RowTile {
        let heads = image * self.heads..(image + 1) * self.heads;
        let query = self.queries.clone().slice_dim(0, heads.clone()).slice_dim(2, pixels);
        let energy = matmul(query.swap_dims(1, 2), self.keys.clone().slice_dim(0, heads));
        RowTile { attention: softmax(energy, 2), reach: None }
    }
}

/// Collects the share of all queries' attention that each key receives.
#[derive(Default)]
struct Received(Option<Tensor<3>>);

impl Received {
    /// Adds a tile of rows of the attention matrix, `[batch, some queries, n keys]`.
    fn add(&mut self, tile: &Tensor<3>) {
        let sum = tile.clone().sum_dim(1);
        self.0 = Some(match self.0.take() {
            Some(before) => before + sum,
            None => sum,
        });
    }

    /// An image `[batch, 1, z, y, x]` (z·y·x = n) whose pixels sum to 1; `None` where nothing was added.
    fn image(self, [z, y, x]: [usize; 3]) -> Option<Tensor<5>> {
        let sum = self.0?;
        let [batch, ..] = sum.dims();
        Some(sum.reshape([batch, 1, z, y, x]) / (z * y * x) as f64)
    }
}
