//! Self-attention over the pixels (or voxels) of an image, as the self-attention GANs have it.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::dual_attention::row_tiles;

/// For every query the mean of `values`, weighted by the softmax over the keys of ⟨query, key⟩ (not scaled).
///
/// `queries` and `keys` are `[batch, depth, n]`, `values` and the result `[batch, channels, n]`. The rows of the
/// attention matrix are worked on in tiles; `see` is shown each tile `[batch, some queries, n keys]` in turn.
pub(crate) fn attend(
    queries: &Tensor<3>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    mut see: impl FnMut(&Tensor<3>),
) -> Tensor<3> {
    let [batch, _, n] = queries.dims();
    let queries = queries.clone().swap_dims(1, 2);
    // The product comes out in the order of the result: burn 0.22 mixes up the images of a batch on a GPU where a
    // swapped view of a product is reshaped and fused with further arithmetic.
    let tiles = row_tiles(batch, n, n).map(|rows| {
        let attention = softmax(queries.clone().slice_dim(1, rows).matmul(keys.clone()), 2);
        see(&attention);
        values.clone().matmul(attention.swap_dims(1, 2))
    });
    Tensor::cat(tiles.collect(), 2)
}

/// Collects the share of all queries' attention that each key receives.
#[derive(Default)]
pub(crate) struct Received(Option<Tensor<3>>);

impl Received {
    /// Adds a tile of rows of the attention matrix, `[batch, some queries, n keys]`.
    pub(crate) fn add(&mut self, tile: &Tensor<3>) {
        let sum = tile.clone().sum_dim(1);
        self.0 = Some(match self.0.take() {
            Some(before) => before + sum,
            None => sum,
        });
    }

    /// An image `[batch, 1, z, y, x]` (z·y·x = n) whose pixels sum to 1; `None` where nothing was added.
    pub(crate) fn image(self, [z, y, x]: [usize; 3]) -> Option<Tensor<5>> {
        let sum = self.0?;
        let [batch, ..] = sum.dims();
        Some(sum.reshape([batch, 1, z, y, x]) / (z * y * x) as f64)
    }
}
