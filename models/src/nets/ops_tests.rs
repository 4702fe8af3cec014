//! The 60 operations of the golden vectors: those the networks of this crate use through their own functions,
//! the others through burn's.

use burn::tensor::activation::{gelu, leaky_relu, prelu, softmax};
use burn::tensor::module::{
    adaptive_avg_pool2d, batch_norm, conv_transpose2d, conv2d, layer_norm, linear, max_pool2d,
};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::testing::shared_data;

use super::pool3d::{PoolWindow, adaptive_avg_pool3d, avg_pool3d, max_pool3d};
use super::resize3d::{ResizeMode, resize3d};
use crate::checkpoint::StateDict;
use crate::device::{self, DeviceChoice};
use hilum_kernels::ConvOptions3d;

/// 1e-5 of the largest value, as networks.md section 8 asks.
const TOLERANCE: f32 = 1e-5;

struct Vectors {
    file: StateDict,
    device: Device,
    compared: usize,
}

impl Vectors {
    fn input<const D: usize>(&self, op: &str, argument: &str) -> Option<Tensor<D>> {
        let (values, shape) = self.file.floats(&format!("in.{op}.{argument}")).unwrap()?;
        Some(Tensor::from_data(TensorData::new(values, shape), &self.device))
    }

    fn x<const D: usize>(&self, op: &str) -> Tensor<D> {
        self.input(op, "x").unwrap_or_else(|| panic!("no input for {op}"))
    }

    fn check<const D: usize>(&mut self, op: &str, ours: Tensor<D>) {
        let (reference, shape) = self.file.floats(&format!("out.{op}")).unwrap().unwrap();
        assert_eq!(ours.dims().to_vec(), shape, "{op}: shape");
        let ours: Vec<f32> = ours.into_data().try_to_vec().unwrap();
        let absmax = reference.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let worst = ours.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= TOLERANCE * absmax, "{op}: |Δ| {worst:e} of {absmax:e}");
        self.compared += 1;
    }
}

/// The vectors on the CPU and, where there is one, on a graphics adapter.
fn open() -> Vec<Vectors> {
    let Some(path) = shared_data("golden/ops.safetensors") else { return Vec::new() };
    let file = StateDict::read(&path).unwrap();
    let adapter = device::open(DeviceChoice::Gpu(None)).ok().map(|opened| opened.device);
    let devices = [Device::flex()].into_iter().chain(adapter);
    devices.map(|device| Vectors { file: file.clone(), device, compared: 0 }).collect()
}

/// A 2-D image as a volume of depth 1, resized.
fn resize2d(x: Tensor<4>, [y, w]: [usize; 2], mode: ResizeMode) -> Tensor<4> {
    resize3d(x.unsqueeze_dim::<5>(2), [1, y, w], mode).squeeze_dim::<4>(2)
}

#[test]
fn resizing_agrees_in_every_mode() {
    open().iter_mut().for_each(resizing);
}

fn resizing(v: &mut Vectors) {
    for (corners, mode) in [("ac0", ResizeMode::Trilinear), ("ac1", ResizeMode::TrilinearAlignCorners)] {
        for size in [[10, 14], [9, 4], [5, 7], [1, 1], [33, 20]] {
            let op = format!("bilinear.{corners}.{}x{}", size[0], size[1]);
            v.check(&op, resize2d(v.x(&op), size, mode));
        }
        for size in [[8, 10, 12], [7, 3, 6], [16, 20, 24]] {
            let op = format!("trilinear.{corners}.{}x{}x{}", size[0], size[1], size[2]);
            v.check(&op, resize3d(v.x(&op), size, mode));
        }
    }
    let op = "bilinear.from_1x1.ac1";
    v.check(op, resize2d(v.x(op), [4, 6], ResizeMode::TrilinearAlignCorners));
    let op = "trilinear.scale2.ac0";
    v.check(op, resize3d(v.x(op), [8, 10, 12], ResizeMode::Trilinear));
    let op = "nearest.scale2.2d";
    v.check(op, resize2d(v.x(op), [10, 14], ResizeMode::Nearest));
    v.check("nearest.size.3d", resize3d(v.x("nearest.size.3d"), [7, 3, 6], ResizeMode::Nearest));
    v.check(
        "nearest_exact.size.3d",
        resize3d(v.x("nearest_exact.size.3d"), [7, 3, 6], ResizeMode::NearestExact),
    );
    v.check("area.size.3d", resize3d(v.x("area.size.3d"), [3, 2, 4], ResizeMode::Area));
    assert_eq!(v.compared, 22);
}

#[test]
fn pooling_agrees() {
    open().iter_mut().for_each(pooling);
}

fn pooling(v: &mut Vectors) {
    for size in [[3, 2, 4], [1, 1, 1], [8, 8, 8]] {
        let op = format!("adaptive_avg_pool3d.{}x{}x{}", size[0], size[1], size[2]);
        v.check(&op, adaptive_avg_pool3d(v.x(&op), size));
    }
    v.check("adaptive_avg_pool2d.1", adaptive_avg_pool2d(v.x("adaptive_avg_pool2d.1"), [1, 1]));
    let window = PoolWindow { kernel: [3; 3], stride: [2; 3], padding: [1; 3] };
    v.check("avg_pool3d.k3s2p1", avg_pool3d(v.x("avg_pool3d.k3s2p1"), window));
    v.check("max_pool3d.221", max_pool3d(v.x("max_pool3d.221"), PoolWindow::tiling([2, 2, 1])));
    v.check("max_pool3d.2", max_pool3d(v.x("max_pool3d.2"), PoolWindow::tiling([2; 3])));
    let options = MaxPoolOptions::new([3; 2]).with_stride([2; 2]).with_padding([1; 2]);
    v.check("max_pool2d.k3s2p1", max_pool2d(v.x("max_pool2d.k3s2p1"), options));
    // The same through our own padded maximum.
    let flat = PoolWindow { kernel: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1] };
    let x: Tensor<4> = v.x("max_pool2d.k3s2p1");
    v.check("max_pool2d.k3s2p1", max_pool3d(x.unsqueeze_dim::<5>(2), flat).squeeze_dim::<4>(2));
    let op = "edge.size_mismatch_pad";
    v.check(op, v.x::<5>(op).pad([(2, 1), (0, 0), (1, 1)], PadMode::Constant(0.0)));
    assert_eq!(v.compared, 10);
}

#[test]
fn convolutions_agree() {
    open().iter_mut().for_each(convolutions);
}

fn convolutions(v: &mut Vectors) {
    let spec = |stride, padding, dilation| ConvOptions3d {
        stride: [stride; 3],
        padding,
        dilation: [dilation; 3],
        groups: 1,
    };
    for (op, options) in [
        ("conv3d.p1", spec(1, [1; 3], 1)),
        ("conv3d.331p110", spec(1, [1, 1, 0], 1)),
        ("conv3d.k2s2", spec(2, [0; 3], 1)),
        ("conv3d.s2p1", spec(2, [1; 3], 1)),
        ("conv3d.dil2s2", spec(2, [2; 3], 2)),
    ] {
        let weight = v.input(op, "weight").unwrap();
        v.check(op, hilum_kernels::conv3d(v.x(op), weight, v.input(op, "bias"), options));
    }
    for (op, stride, padding, extra) in [
        ("conv_transpose3d.441", [2, 2, 1], [1, 1, 0], [0; 3]),
        ("conv_transpose3d.k2s2", [2; 3], [0; 3], [0; 3]),
        ("conv_transpose3d.k122s122", [1, 2, 2], [0; 3], [0; 3]),
        ("conv_transpose3d.k3s2p1op1", [2; 3], [1; 3], [1; 3]),
    ] {
        let weight = v.input(op, "weight").unwrap();
        v.check(
            op,
            hilum_kernels::conv_transpose3d(v.x(op), weight, v.input(op, "bias"), stride, padding, extra),
        );
    }
    for (op, stride, padding, dilation, groups) in [
        ("conv2d.s2p3k7", 2, 3, 1, 1),
        ("conv2d.dil2", 1, 2, 2, 1),
        ("conv2d.dil18_small_map", 1, 18, 18, 1),
        ("conv2d.groups4", 1, 1, 1, 4),
    ] {
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
        let weight = v.input::<4>(op, "weight").unwrap();
        v.check(op, conv2d(v.x(op), weight, v.input(op, "bias"), options));
    }
    let op = "conv_transpose2d.k4s2p1";
    let options = ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1);
    v.check(op, conv_transpose2d(v.x(op), v.input(op, "weight").unwrap(), v.input(op, "bias"), options));
    let op = "conv_transpose2d.keras_same_k3s2";
    let options = ConvTransposeOptions::new([2; 2], [0; 2], [0; 2], [1; 2], 1);
    let full = conv_transpose2d(v.x(op), v.input(op, "weight").unwrap(), v.input(op, "bias"), options);
    v.check(op, full.slice([0..2, 0..2, 0..10, 0..14]));
    assert_eq!(v.compared, 15);
}

#[test]
fn normalisations_and_activations_agree() {
    open().iter_mut().for_each(normalisations_and_activations);
}

fn normalisations_and_activations(v: &mut Vectors) {
    for op in ["instance_norm3d.affine", "instance_norm3d.plain"] {
        v.check(op, hilum_kernels::instance_norm(v.x(op), v.input(op, "weight"), v.input(op, "bias"), 1e-5));
    }
    for (op, eps) in [("batch_norm.eps1e-5", 1e-5), ("batch_norm.eps1e-3", 1e-3)] {
        let [weight, bias, mean, var] =
            ["weight", "bias", "mean", "var"].map(|a| v.input::<1>(op, a).unwrap());
        v.check(op, batch_norm(v.x::<4>(op), weight, bias, mean, var, eps));
    }
    let op = "layer_norm.last";
    v.check(op, layer_norm(v.x::<3>(op), v.input(op, "weight").unwrap(), v.input(op, "bias"), 1e-5));
    v.check("gelu.erf", gelu(v.x::<2>("gelu.erf")));
    v.check("leaky_relu.0.01", leaky_relu(v.x::<2>("leaky_relu.0.01"), 0.01));
    v.check("leaky_relu.0.2", leaky_relu(v.x::<2>("leaky_relu.0.2"), 0.2));
    v.check("prelu.single", prelu(v.x::<4>("prelu.single"), v.input("prelu.single", "weight").unwrap()));
    v.check("softmax.dim1", softmax(v.x::<4>("softmax.dim1"), 1));
    v.check("softmax.large", softmax(v.x::<2>("softmax.large"), 1));
    let weight = v.input::<2>("linear", "weight").unwrap().transpose();
    v.check("linear", linear(v.x::<3>("linear"), weight, v.input("linear", "bias")));
    let [k, values] = ["k", "v"].map(|a| v.input::<4>("sdpa", a).unwrap());
    let scores = v.x::<4>("sdpa").matmul(k.transpose()).mul_scalar(0.5);
    v.check("sdpa", softmax(scores, 3).matmul(values));
    let x: Tensor<4> = v.x("pixel_order.flatten_hw");
    v.check("pixel_order.flatten_hw", x.permute([0, 2, 3, 1]).reshape([2, 35, 3]));
    assert_eq!(v.compared, 14);
}
