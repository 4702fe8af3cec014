//! Which implementation runs where: ours on the CPU, burn's on GPUs, and the gradients of both.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Cube, backend_extension};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::composed;

/// The operations of this module for one backend; without a body of their own they are burn's.
///
/// Shapes: `x` `[N, Ci, D, H, W]`, `bias`, `gamma`, `beta` `[C]`, `mean` and `scale` (1 / deviation) `[N, C, 1]`.
#[backend_extension(Cube, Flex, Autodiff)]
pub(crate) trait KernelBackend: Backend {
    /// Convolution.
    fn kernel_conv3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv3d(x, weight, Some(bias), options)
    }

    /// Gradient of the convolution by `x`.
    fn kernel_conv3d_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv3d_x_backward(x, weight, grad, options)
    }

    /// Gradient of the convolution by `weight`.
    fn kernel_conv3d_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv3d_weight_backward(x, weight, grad, options)
    }

    /// Gradient of both convolutions by the bias.
    fn kernel_bias(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::channel_sums::<Self>(grad)
    }

    /// Transposed convolution.
    fn kernel_conv_transpose3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv_transpose3d(x, weight, Some(bias), options)
    }

    /// Gradient of the transposed convolution by `x`.
    fn kernel_conv_transpose3d_x(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv_transpose3d_x_backward(weight, grad, options)
    }

    /// Gradient of the transposed convolution by `weight`.
    fn kernel_conv_transpose3d_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        Self::conv_transpose3d_weight_backward(x, weight, grad, options)
    }

    /// Mean and 1 / sqrt(variance + epsilon) of every channel of every sample, detached from the gradient.
    fn kernel_norm_statistics(x: FloatTensor<Self>, epsilon: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::norm_statistics::<Self>(x, epsilon)
    }

    /// Normalisation by given statistics, then leaky ReLU.
    fn kernel_norm(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        slope: f64,
    ) -> FloatTensor<Self> {
        composed::norm::<Self>(x, mean, scale, gamma, beta, slope)
    }

    /// Gradients of the normalisation with its statistics by `x`, `gamma` and `beta`.
    fn kernel_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        slope: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::norm_backward::<Self>(grad, x, mean, scale, gamma, beta, slope)
    }
}

impl KernelBackend for Cube {}

#[derive(Debug)]
struct Conv3dGradient;

impl<B: KernelBackend> Backward<B, 3> for Conv3dGradient {
    type State = (NodeId, NodeId, ConvOptions<3>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [for_x, for_weight, for_bias] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight, options) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
        if let Some(node) = for_bias {
            grads.register::<B>(node.id, B::kernel_bias(grad.clone()));
        }
        if let Some(node) = for_weight {
            let d = B::kernel_conv3d_weight(x.clone(), weight.clone(), grad.clone(), options.clone());
            grads.register::<B>(node.id, d);
        }
        if let Some(node) = for_x {
            grads.register::<B>(node.id, B::kernel_conv3d_x(x, weight, grad, options));
        }
    }
}

#[derive(Debug)]
struct ConvTranspose3dGradient;

impl<B: KernelBackend> Backward<B, 3> for ConvTranspose3dGradient {
    type State = (NodeId, NodeId, ConvTransposeOptions<3>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [for_x, for_weight, for_bias] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight, options) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
        if let Some(node) = for_bias {
            grads.register::<B>(node.id, B::kernel_bias(grad.clone()));
        }
        if let Some(node) = for_weight {
            let d = B::kernel_conv_transpose3d_weight(x, weight.clone(), grad.clone(), options.clone());
            grads.register::<B>(node.id, d);
        }
        if let Some(node) = for_x {
            grads.register::<B>(node.id, B::kernel_conv_transpose3d_x(weight, grad, options));
        }
    }
}

/// What the gradient of a normalisation needs besides its input.
#[derive(Clone, Debug)]
struct NormState<T> {
    x: NodeId,
    gamma: NodeId,
    beta: NodeId,
    mean: T,
    scale: T,
    slope: f64,
}

#[derive(Debug)]
struct NormGradient;

impl<B: KernelBackend> Backward<B, 3> for NormGradient {
    type State = NormState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let NormState { x, gamma, beta, mean, scale, slope } = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let gamma = checkpointer.retrieve_node_output::<FloatTensor<B>>(gamma);
        let beta = checkpointer.retrieve_node_output::<FloatTensor<B>>(beta);
        let (d_x, d_gamma, d_beta) = B::kernel_norm_backward(grad, x, mean, scale, gamma, beta, slope);
        for (node, grad) in ops.parents.into_iter().zip([d_x, d_gamma, d_beta]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: KernelBackend, C: CheckpointStrategy> KernelBackend for Autodiff<B, C> {
    fn kernel_conv3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match Conv3dGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                prep.finish(
                    state,
                    B::kernel_conv3d(
                        x.into_primitive(),
                        weight.into_primitive(),
                        bias.into_primitive(),
                        options,
                    ),
                )
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_conv3d(
                x.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
                options,
            )),
        }
    }

    fn kernel_conv_transpose3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvTranspose3dGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                let y = B::kernel_conv_transpose3d(
                    x.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                    options,
                );
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_conv_transpose3d(
                x.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
                options,
            )),
        }
    }

    fn kernel_norm_statistics(x: FloatTensor<Self>, epsilon: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (mean, scale) = B::kernel_norm_statistics(x.into_primitive(), epsilon);
        (Self::from_inner(mean), Self::from_inner(scale))
    }

    fn kernel_norm(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        slope: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let (mean, scale) = (mean.into_primitive(), scale.into_primitive());
        match NormGradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = NormState {
                    x: prep.checkpoint(&x),
                    gamma: prep.checkpoint(&gamma),
                    beta: prep.checkpoint(&beta),
                    mean: mean.clone(),
                    scale: scale.clone(),
                    slope,
                };
                let y = B::kernel_norm(
                    x.into_primitive(),
                    mean,
                    scale,
                    gamma.into_primitive(),
                    beta.into_primitive(),
                    slope,
                );
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_norm(
                x.into_primitive(),
                mean,
                scale,
                gamma.into_primitive(),
                beta.into_primitive(),
                slope,
            )),
        }
    }
}
