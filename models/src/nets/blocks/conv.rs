//! Convolutions: described first, then made on a device.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use super::LEAKY_SLOPE;
use hilum_kernels::ConvOptions3d;
use hilum_kernels::work::matmul;

/// Shape and options of a convolution before its parameters exist. Axes are `[z, y, x]`.
#[derive(Debug, Clone, Copy)]
pub struct ConvSpec {
    channels_in: usize,
    pub(super) channels_out: usize,
    kernel: [usize; 3],
    options: ConvOptions3d,
    bias: bool,
    gain: f64,
}

impl ConvSpec {
    /// A convolution of odd `kernel` that keeps the size (zero padding, stride 1), with bias, initialised
    /// for a leaky ReLU behind it (He et al., 2015).
    pub fn new(channels_in: usize, channels_out: usize, kernel: [usize; 3]) -> Self {
        Self {
            channels_in,
            channels_out,
            kernel,
            options: ConvOptions3d {
                stride: [1; 3],
                padding: kernel.map(|k| k.saturating_sub(1) / 2),
                dilation: [1; 3],
                groups: 1,
            },
            bias: true,
            gain: (2.0 / (1.0 + LEAKY_SLOPE * LEAKY_SLOPE)).sqrt(),
        }
    }

    /// A 1×1×1 convolution that yields logits: nothing non-linear follows, so gain 1.
    pub fn head(channels_in: usize, channels_out: usize) -> Self {
        Self { gain: 1.0, ..Self::new(channels_in, channels_out, [1; 3]) }
    }

    /// A convolution of odd `kernel` within slices, for networks of planar images: kernel 1 along z.
    pub fn planar(channels_in: usize, channels_out: usize, kernel: usize) -> Self {
        Self::new(channels_in, channels_out, [1, kernel, kernel])
    }

    /// The convolution behind this one in a stack: from and to its output channels, stride 1.
    pub fn following(mut self) -> Self {
        self.channels_in = self.channels_out;
        self.options.stride = [1; 3];
        self
    }

    /// With another stride; the padding stays.
    pub fn stride(mut self, stride: [usize; 3]) -> Self {
        self.options.stride = stride;
        self
    }

    /// With another dilation; the padding grows so that stride 1 keeps the size.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.options.dilation = [dilation; 3];
        self.options.padding = self.kernel.map(|k| dilation * (k.saturating_sub(1) / 2));
        self
    }

    /// With another zero padding.
    pub fn padding(mut self, padding: [usize; 3]) -> Self {
        self.options.padding = padding;
        self
    }

    /// With channels in groups that do not see each other; `groups` divides both numbers of channels.
    pub fn groups(mut self, groups: usize) -> Self {
        self.options.groups = groups;
        self
    }

    /// As a division into patches: kernel = stride = `size`, no padding.
    pub fn patches(mut self, size: usize) -> Self {
        self.kernel = [size; 3];
        self.options.stride = [size; 3];
        self.options.padding = [0; 3];
        self
    }

    /// With or without a bias.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// A convolution whose weights are drawn when first used.
    pub fn init(self, device: &Device) -> Conv {
        let [kz, ky, kx] = self.kernel;
        let seen = self.channels_in / self.options.groups;
        let fan_in = seen * kz * ky * kx;
        let shape = [self.channels_out, seen, kz, ky, kx];
        Conv { weight: self.weights(shape, fan_in, device), bias: self.biases(device), options: self.options }
    }

    /// A transposed convolution that multiplies the size by `factor` (kernel = stride = `factor`).
    pub fn init_upsampling(mut self, factor: [usize; 3], device: &Device) -> UpConv {
        self.kernel = factor;
        self.options.stride = factor;
        self.options.padding = [0; 3];
        self.init_transposed([0; 3], device)
    }

    /// A transposed convolution with this kernel, stride and padding; `output_padding` more voxels at the end.
    pub fn init_transposed(self, output_padding: [usize; 3], device: &Device) -> UpConv {
        let [kz, ky, kx] = self.kernel;
        let shape = [self.channels_in, self.channels_out, kz, ky, kx];
        // An output voxel sees every input channel through each stride-th voxel of the kernel.
        let seen = (kz * ky * kx).div_ceil(self.options.stride.iter().product());
        UpConv {
            weight: Self { gain: 1.0, ..self }.weights(shape, self.channels_in * seen, device),
            bias: self.biases(device),
            stride: self.options.stride,
            padding: self.options.padding,
            output_padding,
        }
    }

    fn weights(self, shape: [usize; 5], fan_in: usize, device: &Device) -> Param<Tensor<5>> {
        let he = Initializer::KaimingNormal { gain: self.gain, fan_out_only: false };
        he.init_with(shape, Some(fan_in.max(1)), None, device)
    }

    fn biases(self, device: &Device) -> Option<Param<Tensor<1>>> {
        self.bias.then(|| Initializer::Zeros.init([self.channels_out], device))
    }
}

/// A 3-D convolution.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[channels_out, channels_in, z, y, x]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    options: ConvOptions3d,
}

impl Conv {
    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z', y', x']`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let bias = self.bias.as_ref().map(Param::val);
        hilum_kernels::conv3d(x, self.weight.val(), bias, self.options)
    }
}

/// A transposed 3-D convolution.
#[derive(Module, Debug)]
pub struct UpConv {
    /// `[channels_in, channels_out, z, y, x]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: [usize; 3],
    #[module(skip)]
    padding: [usize; 3],
    #[module(skip)]
    output_padding: [usize; 3],
}

impl UpConv {
    /// `[batch, channels_in, z, y, x]` to `[batch, channels_out, z', y', x']`, where
    /// z' = (z − 1)·stride − 2·padding + kernel + output padding.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let bias = self.bias.as_ref().map(Param::val);
        hilum_kernels::conv_transpose3d(
            x,
            self.weight.val(),
            bias,
            self.stride,
            self.padding,
            self.output_padding,
        )
    }

    /// This transposed convolution followed by the 1×1×1 convolution `mix`, as one operation: both are
    /// linear, so their (small) weights are multiplied instead of running `mix` over the larger output.
    pub fn forward_mixed(&self, x: Tensor<5>, mix: &Conv) -> Tensor<5> {
        let [c_in, c_mid, kz, ky, kx] = self.weight.dims();
        let [c_out, ..] = mix.weight.dims();
        let mixing = mix.weight.val().reshape([1, c_out, c_mid]).expand([c_in, c_out, c_mid]);
        let weight = matmul(mixing.clone(), self.weight.val().reshape([c_in, c_mid, kz * ky * kx]));
        let mut bias = mix.bias.as_ref().map(Param::val);
        if let Some(inner) = &self.bias {
            let moved = matmul(mix.weight.val().reshape([c_out, c_mid]), inner.val().reshape([c_mid, 1]));
            let moved = moved.reshape([c_out]);
            bias = Some(bias.map_or(moved.clone(), |bias| bias + moved));
        }
        let weight = weight.reshape([c_in, c_out, kz, ky, kx]);
        hilum_kernels::conv_transpose3d(x, weight, bias, self.stride, self.padding, self.output_padding)
    }
}
