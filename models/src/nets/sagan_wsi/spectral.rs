//! Convolutions whose weight has spectral norm 1 (Miyato et al., 2018).

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use crate::nets::blocks::ConvSpec;
use crate::nets::trace::Trace;
use hilum_kernels::ConvOptions3d;
use hilum_kernels::work::matmul;

/// Keeps the length of a vector from zero.
const LENGTH_FLOOR: f64 = 1e-12;

/// What is convolved with the normalised weight.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A convolution within slices that keeps the size; padding along y and x.
    Same(usize),
    /// A transposed convolution of kernel 3 that doubles y and x.
    Doubling,
}

/// A convolution with the weight W/σ(W): σ is the largest singular value of W as a matrix whose rows are its first
/// axis, by one power iteration from the vector `u`, which training keeps up to date.
#[derive(Module, Debug)]
pub struct SpectralConv {
    /// W, not normalised: `[out, in, 1, y, x]`, or `[in, out, 1, y, x]` of a transposed convolution.
    pub weight: Param<Tensor<5>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
    /// Estimate of the first left singular vector, one value a row.
    pub u: RunningState<Tensor<1>>,
    #[module(skip)]
    kind: Kind,
    #[module(skip)]
    name: String,
}

impl SpectralConv {
    /// A convolution of odd `kernel` within slices that keeps the size (zero padding). `name` is its path in the
    /// network.
    pub fn new(name: String, from: usize, to: usize, kernel: usize, device: &Device) -> Self {
        let conv = ConvSpec::planar(from, to, kernel).init(device);
        Self::from_parts(name, conv.weight, conv.bias, Kind::Same(kernel / 2), device)
    }

    /// A transposed convolution of kernel 3 that doubles y and x as Keras does it (`same`): the full result less its
    /// last row and column.
    pub fn doubling(name: String, from: usize, to: usize, device: &Device) -> Self {
        let spec = ConvSpec::planar(from, to, 3).stride([1, 2, 2]).padding([0; 3]);
        let conv = spec.init_transposed([0; 3], device);
        Self::from_parts(name, conv.weight, conv.bias, Kind::Doubling, device)
    }

    fn from_parts(
        name: String,
        weight: Param<Tensor<5>>,
        bias: Option<Param<Tensor<1>>>,
        kind: Kind,
        device: &Device,
    ) -> Self {
        let rows = weight.lazy_shape()[0];
        let bias = bias.expect("the descriptions above ask for a bias");
        Self { weight, bias, u: RunningState::new(start_vector(rows, device)), kind, name }
    }

    /// `[batch, in, z, y, x]` to `[batch, out, z, y, x]` of the same or the doubled size.
    pub fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let learns = x.device().is_autodiff() && self.weight.is_require_grad();
        let weight = self.weight.val() / self.spectral_norm(learns).reshape([1, 1, 1, 1, 1]);
        if trace.wants_tensors() {
            trace.tensor(&format!("folded.{}.weight", self.name), &weight);
        }
        let bias = Some(self.bias.val());
        match self.kind {
            Kind::Same(margin) => {
                let options = ConvOptions3d { padding: [0, margin, margin], ..ConvOptions3d::default() };
                hilum_kernels::conv3d(x, weight, bias, options)
            }
            Kind::Doubling => {
                let [batch, _, z, height, width] = x.dims();
                let full = hilum_kernels::conv_transpose3d(x, weight, bias, [1, 2, 2], [0; 3], [0; 3]);
                let channels = full.dims()[1];
                full.slice([0..batch, 0..channels, 0..z, 0..2 * height, 0..2 * width])
            }
        }
    }

    /// σ = uᵀWv after one power iteration; its gradient is that of uᵀWv with u and v held.
    fn spectral_norm(&self, learns: bool) -> Tensor<1> {
        let [rows, inputs, z, height, width] = self.weight.dims();
        let matrix = self.weight.val().reshape([rows, inputs * z * height * width]);
        let held = matrix.clone().detach();
        let u = if learns { self.u.value_sync() } else { self.u.value() };
        let v = unit(matmul(held.clone().transpose(), u.to_device(&held.device()).reshape([rows, 1])));
        let u = unit(matmul(held, v.clone()));
        if learns {
            self.u.update(u.clone().reshape([rows]).detach());
        }
        (matmul(matrix, v) * u).sum()
    }
}

fn unit(vector: Tensor<2>) -> Tensor<2> {
    let length = vector.clone().square().sum().sqrt().clamp_min(LENGTH_FLOOR);
    vector / length.reshape([1, 1])
}

/// A fixed vector of length 1 without a pattern that a weight could be orthogonal to.
fn start_vector(rows: usize, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = (1..=rows).map(|i| (i as f32 * 12.9898).sin()).collect();
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    let values: Vec<f32> = values.into_iter().map(|v| v / length).collect();
    Tensor::from_floats(values.as_slice(), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::registry::drawn;

    #[test]
    fn training_finds_the_largest_singular_value_and_passes_gradients() {
        let device = Device::flex().autodiff();
        let mut conv = drawn(SpectralConv::new("c".into(), 2, 2, 1, &device), 1, &device);
        // The singular values of [[3, 0], [4, 5]] are √45 and √5.
        let weight = Tensor::<1>::from_floats([3.0, 0.0, 4.0, 5.0], &device).reshape([2, 2, 1, 1, 1]);
        conv.weight = Param::from_tensor(weight);
        let x = Tensor::<1>::from_floats([1.0, 0.0], &device).reshape([1, 2, 1, 1, 1]);
        let mut y = Tensor::zeros([1, 2, 1, 1, 1], &device);
        for _ in 0..20 {
            y = conv.forward(x.clone(), &mut Trace::off());
        }
        let values: Vec<f32> = y.clone().into_data().try_to_vec().unwrap();
        let sigma = 45.0f32.sqrt();
        assert!((values[0] - 3.0 / sigma).abs() < 1e-5, "{values:?}");
        assert!((values[1] - 4.0 / sigma).abs() < 1e-5, "{values:?}");
        let gradients = y.powi_scalar(2).sum().backward();
        let gradient = conv.weight.val().grad(&gradients).unwrap();
        // W/σ(W) does not change with the scale of W, so the gradient is orthogonal to W.
        let along: f32 = (gradient.clone() * conv.weight.val().without_autodiff()).sum().into_scalar();
        let length: f32 = gradient.square().sum().sqrt().into_scalar();
        assert!(along.abs() < 1e-4 && length > 1e-3, "{along}, {length}");
    }

    #[test]
    fn doubling_keeps_the_first_rows_and_columns_of_the_full_result() {
        let device = Device::flex();
        let mut conv = drawn(SpectralConv::doubling("c".into(), 1, 1, &device), 1, &device);
        let taps = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        conv.weight = Param::from_tensor(Tensor::<1>::from_floats(taps, &device).reshape([1, 1, 1, 3, 3]));
        let y = conv.forward(Tensor::ones([1, 1, 1, 1, 1], &device), &mut Trace::off());
        assert_eq!(y.dims(), [1, 1, 1, 2, 2]);
        let values: Vec<f32> = y.into_data().try_to_vec().unwrap();
        for (value, tap) in values.iter().zip([1.0, 2.0, 4.0, 5.0f32]) {
            assert!((value - tap / 285.0f32.sqrt()).abs() < 1e-6, "{values:?}");
        }
    }
}
