//! Networks of planar images in a world of volumes: every slice is an image of its own.

use burn::tensor::Tensor;

use super::Trace;

/// Runs a planar network on `[batch, channels, z, y, x]`: its slices become images `[batch·z, channels, 1, y, x]`, and
/// its heads are put together again. Attention maps stay a map for each slice, in the batch's place; rows of attention
/// are those of the slice asked for.
pub(crate) fn by_slices(
    x: Tensor<5>,
    trace: &mut Trace,
    network: impl FnOnce(Tensor<5>, &mut Trace) -> Vec<Tensor<5>>,
) -> Vec<Tensor<5>> {
    let [batch, channels, slices, height, width] = x.dims();
    if slices == 1 {
        return network(x, trace);
    }
    let images = x.swap_dims(1, 2).reshape([batch * slices, channels, 1, height, width]);
    let layers_before = trace.rows.layers().len();
    let heads = network(images, trace);
    trace.rows.of_slices(layers_before, slices);
    let together = |head: Tensor<5>| {
        let [_, classes, _, height, width] = head.dims();
        head.reshape([batch, slices, classes, height, width]).swap_dims(1, 2)
    };
    heads.into_iter().map(together).collect()
}
