//! Dual attention: every pixel looks at all pixels (PAM), every channel at all channels (CAM) (Fu et al., CVPR 2019;
//! networks.md sections 2 and 3.4). Both add what they see, times a learned γ that starts at 0, to their input.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::blocks::{Conv, ConvSpec};
use super::pixel_attention::{AttentionPlace, attend};
use super::trace::Trace;
use crate::checkpoint::KeyRules;
use hilum_kernels::work::matmul;

/// Most bytes of an attention matrix that are computed at once.
const TILE_BYTES: usize = 64 << 20;

/// The rows of a `rows` × `columns` matrix of f32 (one a sample) in ranges of at most [`TILE_BYTES`].
pub(crate) fn row_tiles(batch: usize, rows: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (TILE_BYTES / (4 * batch * columns).max(1)).max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

/// `[batch, channels, z, y, x]` as `[batch, channels, pixels]`.
pub(crate) fn as_columns(x: Tensor<5>) -> Tensor<3> {
    let [batch, channels, z, y, x_size] = x.dims();
    x.reshape([batch, channels, z * y * x_size])
}

/// Position attention: q, k and v are 1×1 convolutions, q and k with an eighth of the channels; each pixel adds
/// γ Σⱼ softmaxⱼ(qᵢ·kⱼ) vⱼ. Energies are not scaled.
#[derive(Module, Debug)]
pub struct PositionAttention {
    query_conv: Conv,
    key_conv: Conv,
    value_conv: Conv,
    gamma: Param<Tensor<1>>,
    #[module(skip)]
    level: usize,
}

impl PositionAttention {
    /// For `channels` channels (at least 8).
    pub fn new(channels: usize, device: &Device) -> Self {
        let conv = |to| ConvSpec::head(channels, to).init(device);
        Self {
            query_conv: conv(channels / 8),
            key_conv: conv(channels / 8),
            value_conv: conv(channels),
            gamma: Initializer::Zeros.init([1], device),
            level: 0,
        }
    }

    /// At another level of the network than the finest, for the map it shows.
    pub fn at_level(mut self, level: usize) -> Self {
        self.level = level;
        self
    }

    /// `[batch, channels, z, y, x]` to the same shape, with no more than a tile of the N×N matrix in memory at once.
    /// Shows the attention that each pixel receives as the map of layer `name`, which can then be asked what a pixel
    /// looks at; notes the whole matrix as `name.attention` in a trace of tensors.
    pub fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let dims = x.dims();
        let [query, key, value] = [&self.query_conv, &self.key_conv, &self.value_conv]
            .map(|conv| as_columns(conv.forward(x.clone())));
        let place =
            AttentionPlace { layer: name, level: self.level, spatial_shape: [dims[2], dims[3], dims[4]] };
        let seen = attend(&query, &key, &value, place, trace);
        seen.reshape(dims) * self.gamma.val().reshape([1, 1, 1, 1, 1]) + x
    }
}

/// Channel attention: each channel adds γ Σⱼ softmaxⱼ(maxⱼ Eᵢⱼ − Eᵢⱼ) xⱼ with E = X·Xᵀ. As in the published
/// code, *dissimilar* channels get the weight.
#[derive(Module, Debug)]
pub struct ChannelAttention {
    gamma: Param<Tensor<1>>,
}

impl ChannelAttention {
    /// For any number of channels.
    pub fn new(device: &Device) -> Self {
        Self { gamma: Initializer::Zeros.init([1], device) }
    }

    /// `[batch, channels, z, y, x]` to the same shape; shows the C×C matrix as the attention between the channels of the
    /// layer `name`, and notes it as `name.attention` in a trace of tensors.
    pub fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let columns = as_columns(x.clone());
        // Sums over all pixels are large and their softmax nearly one-hot: only differences of energies count.
        let energy = matmul(columns.clone(), columns.clone().swap_dims(1, 2));
        let attention = softmax(energy.clone().max_dim(2) - energy, 2);
        trace.tensor(&format!("{name}.attention"), &attention);
        trace.between_channels(name, &attention);
        let seen = matmul(attention, columns).reshape(x.dims());
        seen * self.gamma.val().reshape([1, 1, 1, 1, 1]) + x
    }
}

impl KeyRules for PositionAttention {
    fn is_planar(&self) -> bool {
        true
    }
}

impl KeyRules for ChannelAttention {
    fn is_planar(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::attention_rows::FieldPoint;
    use crate::nets::registry::drawn;
    use burn::tensor::TensorData;

    fn wave(shape: [usize; 5], device: &Device) -> Tensor<5> {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// 4500 pixels are two tiles of rows: a pixel of the second takes what its row on demand says.
    #[test]
    fn tiles_of_rows_fit_together() {
        let device = Device::flex();
        let mut module = drawn(PositionAttention::new(8, &device), 1, &device);
        module.gamma = module.gamma.map(|gamma| gamma + 0.5);
        let x = wave([1, 8, 1, 60, 75], &device);
        let (y, x_at) = (58, 50);
        let mut trace = Trace::attention();
        let found = module.forward(x.clone(), "sa", &mut trace);
        let row = trace.rows.at(FieldPoint::of_voxel([0, y, x_at], [1, 60, 75])).remove(0);
        assert_eq!((row.name.as_str(), row.query), ("sa.row", Some([0, y, x_at])));
        let weights = row.tensor.reshape([1, 4500, 1]);
        let seen = as_columns(module.value_conv.forward(x.clone())).matmul(weights).reshape([8]);
        let pixel_of = |x: Tensor<5>| x.narrow(3, y, 1).narrow(4, x_at, 1).reshape([8]);
        let expected = seen * 0.5 + pixel_of(x);
        assert!((pixel_of(found) - expected).abs().max().into_scalar::<f32>() < 1e-5);
    }

    #[test]
    fn energies_of_large_images_do_not_overflow_the_softmax() {
        let device = Device::flex();
        let mut module = ChannelAttention::new(&device);
        module.gamma = module.gamma.map(|gamma| gamma + 1.0);
        let x = wave([1, 8, 1, 128, 128], &device) * 100.0;
        let y = module.forward(x, "sc", &mut Trace::off());
        assert!(y.into_data().try_to_vec::<f32>().unwrap().iter().all(|v| v.is_finite()));
    }
}
