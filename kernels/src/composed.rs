//! The operations composed of a backend's own: for GPUs, and for numbers our kernels are not written for.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_or_init_device_settings};
use burn::tensor::Shape;

/// `[N, C, voxels]` of a shape `[N, C, ..]`.
pub(crate) fn rows(shape: &Shape) -> [usize; 3] {
    [shape[0], shape[1], shape.num_elements() / (shape[0] * shape[1]).max(1)]
}

/// `[N, C, ..]` to `[N, C, voxels]`.
fn flat<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = rows(&x.shape());
    B::float_reshape(x, Shape::new(shape))
}

/// Sum of `[N, C, ..]` over all but the channels.
pub(crate) fn channel_sums<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let channels = x.shape()[1];
    B::float_reshape(B::float_sum_dims(flat::<B>(x), &[0, 2]), Shape::new([channels]))
}

/// Mean and 1 / sqrt(variance + epsilon) of every channel of every sample, `[N, C, 1]`.
pub(crate) fn norm_statistics<B: Backend>(
    x: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let x = flat::<B>(x);
    let mean = B::float_mean_dim(x.clone(), 2);
    let centred = B::float_sub(x, mean.clone());
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred), 2);
    (mean, B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into()))))
}

/// The normalised values before and after gamma and beta, `[N, C, voxels]`.
fn normalised<B: Backend>(
    x: FloatTensor<B>,
    mean: FloatTensor<B>,
    scale: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let channels = x.shape()[1];
    let normal = B::float_mul(B::float_sub(flat::<B>(x), mean), scale);
    let [gamma, beta] = [gamma, beta].map(|t| B::float_reshape(t, Shape::new([1, channels, 1])));
    (normal.clone(), B::float_add(B::float_mul(normal, gamma), beta))
}

/// Normalisation by given statistics, then leaky ReLU.
pub(crate) fn norm<B: Backend>(
    x: FloatTensor<B>,
    mean: FloatTensor<B>,
    scale: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    slope: f64,
) -> FloatTensor<B> {
    let shape = x.shape();
    let (_, y) = normalised::<B>(x, mean, scale, gamma, beta);
    B::float_reshape(B::leaky_relu(y, slope.into()), shape)
}

/// Gradients of [`norm`] with its statistics by `x`, `gamma` and `beta`.
pub(crate) fn norm_backward<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    mean: FloatTensor<B>,
    scale: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    slope: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let shape = x.shape();
    let (normal, y) = normalised::<B>(x, mean, scale.clone(), gamma.clone(), beta);
    let bools = get_or_init_device_settings::<B>(&grad.device()).bool_dtype;
    let grad = flat::<B>(grad);
    let negative = B::float_lower_elem(y, 0f32.into(), bools);
    let scaled = B::float_mul_scalar(grad.clone(), slope.into());
    let grad = B::float_mask_where(grad, negative, scaled);
    let weighted = B::float_mul(grad.clone(), normal.clone());
    let (d_gamma, d_beta) = (channel_sums::<B>(weighted.clone()), channel_sums::<B>(grad.clone()));
    let plain = B::float_mean_dim(grad.clone(), 2);
    let weighted = B::float_mul(normal, B::float_mean_dim(weighted, 2));
    let inner = B::float_sub(B::float_sub(grad, plain), weighted);
    let gamma = B::float_reshape(gamma, Shape::new([1, shape[1], 1]));
    let d_x = B::float_mul(inner, B::float_mul(scale, gamma));
    (B::float_reshape(d_x, shape), d_gamma, d_beta)
}
