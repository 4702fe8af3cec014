//! Speed of our kernels and of burn's on the CPU: `cargo bench -p hilum-kernels --bench kernels [ours|burn]`.
//!
//! Prints the best of several runs in milliseconds and GFLOP/s (two per multiplication and addition; a backward
//! pass by input and weight counts twice the forward one). Other programs on the same cores spoil the figures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Distribution, Tensor, activation, module};
use hilum_kernels::{self as kernels, ConvOptions3d};

const REPEATS: usize = 5;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

/// Best wall times of a forward pass and of a forward and backward pass.
fn best_of(
    x: &Tensor<5>,
    weight: &Tensor<5>,
    f: &dyn Fn(Tensor<5>, Tensor<5>) -> Tensor<5>,
) -> [Duration; 2] {
    let mut best = [Duration::MAX; 2];
    let (plain_x, plain_weight) = (x.clone().inner(), weight.clone().inner());
    for _ in 0..REPEATS {
        let start = Instant::now();
        black_box(f(plain_x.clone(), plain_weight.clone()));
        best[0] = best[0].min(start.elapsed());
        let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
        let start = Instant::now();
        let y = f(x, weight);
        black_box(y.backward());
        best[1] = best[1].min(start.elapsed());
    }
    best
}

fn report(name: &str, who: &str, flops: f64, best: [Duration; 2]) {
    let rate = |d: Duration, flops: f64| flops / d.as_secs_f64() / 1e9;
    let [forward, both] = best;
    println!(
        "{name:28} {who:5} forward {:7.1} ms {:6.1} GFLOP/s   and backward {:7.1} ms {:6.1} GFLOP/s",
        forward.as_secs_f64() * 1e3,
        rate(forward, flops),
        both.as_secs_f64() * 1e3,
        rate(both, 3.0 * flops)
    );
}

/// One convolution of a cube, with each implementation that is asked for.
fn convolution(which: &str, [ci, co, size]: [usize; 3], kernel: usize, stride: usize) {
    let device = Device::flex().autodiff();
    let x = random([1, ci, size, size, size], &device);
    let weight = random([co, ci, kernel, kernel, kernel], &device);
    let padding = kernel / 2 * usize::from(kernel % 2 == 1);
    let options = ConvOptions3d { stride: [stride; 3], padding: [padding; 3], ..ConvOptions3d::default() };
    let out = (size + 2 * padding - kernel) / stride + 1;
    let flops = 2.0 * (ci * co * kernel.pow(3) * out.pow(3)) as f64;
    let name = format!("conv {kernel}^3/{stride} {ci}->{co} at {size}^3");
    if which != "burn" {
        report(&name, "ours", flops, best_of(&x, &weight, &|x, w| kernels::conv3d(x, w, None, options)));
    }
    if which != "ours" {
        let options = ConvOptions::new([stride; 3], [padding; 3], [1; 3], 1);
        report(
            &name,
            "burn",
            flops,
            best_of(&x, &weight, &|x, w| module::conv3d(x, w, None, options.clone())),
        );
    }
}

/// One transposed convolution that doubles a cube.
fn doubling(which: &str, [ci, co, size]: [usize; 3]) {
    let device = Device::flex().autodiff();
    let (x, weight) = (random([1, ci, size, size, size], &device), random([ci, co, 2, 2, 2], &device));
    let flops = 2.0 * (ci * co * 8 * size.pow(3)) as f64;
    let name = format!("transposed 2^3 {ci}->{co} from {size}^3");
    let (two, zero) = ([2; 3], [0; 3]);
    if which != "burn" {
        let f = |x, w| kernels::conv_transpose3d(x, w, None, two, zero, zero);
        report(&name, "ours", flops, best_of(&x, &weight, &f));
    }
    if which != "ours" {
        let f = |x, w| {
            module::conv_transpose3d(x, w, None, ConvTransposeOptions::new(two, zero, zero, [1; 3], 1))
        };
        report(&name, "burn", flops, best_of(&x, &weight, &f));
    }
}

/// Instance norm and leaky ReLU; counted as 10 operations a voxel.
fn normalisation(which: &str, channels: usize, size: usize) {
    let device = Device::flex().autodiff();
    let x = random([1, channels, size, size, size], &device);
    let gamma = random([channels, 1, 1, 1, 1], &device);
    let flops = 10.0 * (channels * size.pow(3)) as f64;
    let name = format!("norm + leaky ReLU {channels} x {size}^3");
    if which != "burn" {
        let f = |x, gamma: Tensor<5>| {
            kernels::instance_norm_leaky_relu(x, Some(gamma.reshape([channels])), None, 1e-5, 0.01)
        };
        report(&name, "ours", flops, best_of(&x, &gamma, &f));
    }
    if which != "ours" {
        let f = |x: Tensor<5>, gamma: Tensor<5>| {
            let x = x.reshape([1, channels, size.pow(3)]);
            let centred = x.clone() - x.mean_dim(2);
            let variance = (centred.clone() * centred.clone()).mean_dim(2);
            let y = centred / (variance + 1e-5).sqrt() * gamma.reshape([1, channels, 1]);
            activation::leaky_relu(y, 0.01).reshape([1, channels, size, size, size])
        };
        report(&name, "burn", flops, best_of(&x, &gamma, &f));
    }
}

fn main() {
    let which = std::env::args().skip(1).find(|a| a == "ours" || a == "burn").unwrap_or_default();
    for shape in
        [[1, 16, 96], [16, 16, 96], [16, 16, 64], [32, 32, 48], [64, 64, 24], [128, 128, 12], [320, 320, 6]]
    {
        convolution(&which, shape, 3, 1);
    }
    convolution(&which, [16, 32, 96], 3, 2);
    convolution(&which, [16, 32, 96], 2, 2);
    convolution(&which, [16, 3, 96], 1, 1);
    convolution(&which, [64, 32, 48], 1, 1);
    doubling(&which, [32, 16, 48]);
    normalisation(&which, 16, 96);
}
