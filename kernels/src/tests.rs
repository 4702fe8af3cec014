//! Our kernels against burn's own, against formulas written out, and against finite differences.

use burn::tensor::{Device, Distribution, Tensor, TensorData, module};

use super::correlate::{Correlation, WeightStrides};
use super::plan::Window;
use super::simd::Level;
use super::weight_grad::WeightGradient;
use super::*;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec::<f32>().unwrap()
}

/// Reproducible values in -1..1.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn noise_tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(noise(shape.iter().product(), seed), shape), device)
}

#[track_caller]
fn assert_close(ours: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}: number of values");
    let scale = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}: value {i} is {a}, expected {b} (scale {scale})");
    }
}

/// The output and the gradients by all three inputs, of a loss that weighs every output differently.
fn with_gradients(
    shapes: ([usize; 5], [usize; 5], usize),
    device: &Device,
    f: impl Fn(Tensor<5>, Tensor<5>, Tensor<1>) -> Tensor<5>,
) -> [Vec<f32>; 4] {
    let x = noise_tensor(shapes.0, 1, device).require_grad();
    let weight = noise_tensor(shapes.1, 2, device).require_grad();
    let bias = noise_tensor([shapes.2], 3, device).require_grad();
    let y = f(x.clone(), weight.clone(), bias.clone());
    let loss = (y.clone() * noise_tensor(y.dims(), 4, device)).sum();
    let grads = loss.backward();
    [
        values(y),
        values(x.grad(&grads).unwrap()),
        values(weight.grad(&grads).unwrap()),
        values(bias.grad(&grads).unwrap()),
    ]
}

#[track_caller]
fn assert_all_close(ours: &[Vec<f32>; 4], expected: &[Vec<f32>; 4], what: &str) {
    for (name, (ours, expected)) in ["y", "dx", "dw", "db"].iter().zip(ours.iter().zip(expected)) {
        assert_close(ours, expected, 1e-4, &format!("{name} of {what}"));
    }
}

#[track_caller]
fn check_conv(size: [usize; 3], [n, ci, co]: [usize; 3], kernel: [usize; 3], options: ConvOptions3d) {
    let device = Device::flex().autodiff();
    let ([d, h, w], [kd, kh, kw]) = (size, kernel);
    let shapes = ([n, ci, d, h, w], [co, ci / options.groups, kd, kh, kw], co);
    let ConvOptions3d { stride, padding, dilation, groups } = options;
    let ours = with_gradients(shapes, &device, |x, w, b| conv3d(x, w, Some(b), options));
    let theirs = with_gradients(shapes, &device, |x, w, b| {
        module::conv3d(x, w, Some(b), ConvOptions::new(stride, padding, dilation, groups))
    });
    assert_all_close(&ours, &theirs, &format!("{size:?} {ci} to {co} kernel {kernel:?} {options:?}"));
}

fn options(stride: usize, padding: usize, dilation: usize) -> ConvOptions3d {
    ConvOptions3d { stride: [stride; 3], padding: [padding; 3], dilation: [dilation; 3], groups: 1 }
}

#[test]
fn convolution_agrees_with_burn_for_all_channel_counts() {
    for ci in [1, 2, 3, 5, 16, 33] {
        for co in [1, 2, 3, 5, 16, 33] {
            check_conv([5, 7, 9], [1, ci, co], [3; 3], options(1, 1, 1));
        }
    }
}

#[test]
fn convolution_agrees_with_burn_for_all_windows() {
    for channels in [[2, 3, 5], [1, 16, 8]] {
        check_conv([5, 7, 9], channels, [1; 3], options(1, 0, 1));
        check_conv([5, 7, 9], channels, [1; 3], options(2, 0, 1));
        check_conv([5, 7, 9], channels, [3; 3], options(2, 1, 1));
        check_conv([6, 8, 10], channels, [2; 3], options(2, 0, 1));
        check_conv([6, 7, 8], channels, [3; 3], options(3, 1, 1));
        check_conv([5, 7, 9], channels, [3; 3], options(1, 2, 2));
        check_conv([9, 7, 8], channels, [3; 3], options(2, 2, 2));
        check_conv([5, 7, 9], channels, [3; 3], options(1, 0, 1));
        check_conv([5, 7, 9], channels, [3; 3], options(1, 3, 1));
        check_conv([7, 8, 9], channels, [7; 3], options(1, 3, 1));
        let flat = ConvOptions3d { padding: [0, 1, 1], ..ConvOptions3d::default() };
        check_conv([1, 12, 19], channels, [1, 3, 3], flat);
        let uneven = ConvOptions3d { stride: [1, 2, 3], padding: [1, 0, 2], ..ConvOptions3d::default() };
        check_conv([4, 9, 11], channels, [3, 1, 4], uneven);
    }
}

#[test]
fn convolution_agrees_with_burn_for_groups() {
    for groups in [2, 3, 6] {
        check_conv([5, 6, 7], [2, 6, 12], [3; 3], ConvOptions3d { groups, ..options(1, 1, 1) });
        check_conv([5, 6, 7], [2, 6, 6], [3; 3], ConvOptions3d { groups, ..options(2, 1, 1) });
    }
}

#[test]
fn convolution_agrees_with_burn_across_blocks_of_positions() {
    check_conv([20, 40, 50], [1, 3, 9], [3; 3], options(1, 1, 1));
    check_conv([13, 41, 70], [1, 2, 4], [3; 3], options(2, 1, 1));
}

#[test]
fn convolution_of_a_strided_view() {
    let device = Device::flex();
    let x = noise_tensor([2, 3, 5, 6, 7], 1, &device);
    let weight = noise_tensor([4, 3, 3, 3, 3], 2, &device);
    let view = x.clone().swap_dims(2, 4);
    let copy = Tensor::from_data(view.clone().into_data(), &device);
    let [a, b] = [view, copy].map(|x| values(conv3d(x, weight.clone(), None, options(1, 1, 1))));
    assert_eq!(a, b);
    let part = x.clone().slice([1..2, 0..3, 1..4, 0..6, 0..7]);
    let copy = Tensor::from_data(part.clone().into_data(), &device);
    let [a, b] = [part, copy].map(|x| values(conv3d(x, weight.clone(), None, options(1, 1, 1))));
    assert_eq!(a, b);
}

#[test]
fn transposed_convolution_agrees_with_burn() {
    let device = Device::flex().autodiff();
    let cases = [
        ([2; 3], [2; 3], [0; 3], [0; 3]),
        ([4, 4, 1], [4, 4, 1], [0; 3], [0; 3]),
        ([3; 3], [2; 3], [1; 3], [1; 3]),
        ([3; 3], [2; 3], [1; 3], [0; 3]),
        ([3; 3], [1; 3], [1; 3], [0; 3]),
        ([2; 3], [3; 3], [0; 3], [1, 0, 2]),
        ([4; 3], [2; 3], [1; 3], [0; 3]),
    ];
    for (kernel, stride, padding, extra) in cases {
        for [n, ci, co] in [[1, 1, 1], [2, 5, 3], [1, 16, 9]] {
            let [kd, kh, kw] = kernel;
            let shapes = ([n, ci, 4, 5, 6], [ci, co, kd, kh, kw], co);
            let ours = with_gradients(shapes, &device, |x, w, b| {
                conv_transpose3d(x, w, Some(b), stride, padding, extra)
            });
            let theirs = with_gradients(shapes, &device, |x, w, b| {
                let options = ConvTransposeOptions::new(stride, padding, extra, [1; 3], 1);
                module::conv_transpose3d(x, w, Some(b), options)
            });
            assert_all_close(&ours, &theirs, &format!("{ci} to {co} kernel {kernel:?} stride {stride:?}"));
        }
    }
}

/// Instance normalisation as the formula says, in operations that burn differentiates itself.
fn plain_norm(x: Tensor<5>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64, slope: f64) -> Tensor<5> {
    let [n, c, d, h, w] = x.dims();
    let x = x.reshape([n, c, d * h * w]);
    let centred = x.clone() - x.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    let y = centred / (variance + epsilon).sqrt() * gamma.reshape([1, c, 1]) + beta.reshape([1, c, 1]);
    burn::tensor::activation::leaky_relu(y, slope).reshape([n, c, d, h, w])
}

#[test]
fn instance_norm_agrees_with_its_formula() {
    for device in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
        for (shape, slope) in [([2, 3, 5, 7, 9], 0.01), ([1, 2, 20, 50, 70], 0.2), ([1, 5, 1, 4, 4], 1.0)] {
            let run = |ours: bool| {
                let shapes = (shape, [1; 5], shape[1]);
                with_gradients(shapes, &device, |x, gamma, beta| {
                    let gamma =
                        gamma.reshape([1]).repeat_dim(0, shape[1]) + noise_tensor([shape[1]], 9, &device);
                    let x = x * 3.0 + 5.0;
                    if ours {
                        instance_norm_leaky_relu(x, Some(gamma), Some(beta), 1e-5, slope)
                    } else {
                        plain_norm(x, gamma, beta, 1e-5, slope)
                    }
                })
            };
            assert_all_close(&run(true), &run(false), &format!("instance norm of {shape:?}"));
        }
    }
}

#[test]
fn instance_norm_without_parameters_has_mean_0_and_variance_1() {
    let x = noise_tensor([1, 2, 9, 10, 11], 1, &Device::flex()) * 7.0 - 300.0;
    let y = values(instance_norm(x, None, None, 0.0));
    for row in y.chunks(990) {
        let mean = row.iter().sum::<f32>() / 990.0;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 990.0;
        assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "mean {mean}, variance {variance}");
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let device = Device::flex().autodiff();
    let weight = noise_tensor([4, 2, 3, 3, 3], 2, &device);
    let up = noise_tensor([4, 3, 2, 2, 2], 3, &device);
    let net = |x: Tensor<5>| {
        let y = conv3d(x, weight.clone(), None, options(2, 1, 1));
        let y = conv_transpose3d(
            instance_norm_leaky_relu(y, None, None, 1e-5, 0.1),
            up.clone(),
            None,
            [2; 3],
            [0; 3],
            [0; 3],
        );
        let weights = noise_tensor(y.dims(), 4, &device);
        (y * weights).sum()
    };
    let at = noise_tensor([1, 2, 5, 6, 7], 1, &device);
    let direction = noise_tensor([1, 2, 5, 6, 7], 5, &device);
    let x = at.clone().require_grad();
    let gradient = x.grad(&net(x.clone()).backward()).unwrap();
    let slope = values((gradient * direction.clone().inner()).sum())[0];
    let step = 1e-3;
    let [ahead, behind] = [step, -step].map(|s| values(net(at.clone() + direction.clone() * s))[0]);
    let expected = (ahead - behind) / (2.0 * step);
    assert!((slope - expected).abs() < 2e-2 * expected.abs().max(1.0), "{slope}, expected {expected}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = || {
        let device = Device::flex().autodiff();
        let conv = with_gradients(([2, 3, 24, 30, 40], [9, 3, 3, 3, 3], 9), &device, |x, w, b| {
            let y = conv3d(x, w, Some(b.clone()), options(1, 1, 1));
            instance_norm_leaky_relu(y, Some(b.clone()), Some(b), 1e-5, 0.01)
        });
        conv.map(|v| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>())
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(run);
    for threads in [2, 3, 7] {
        assert!(pool(threads).install(run) == one, "{threads} threads give other bits than one");
    }
}

#[test]
fn every_instruction_set_agrees() {
    for (kernel, stride, outputs) in [(3, 1, 15), (3, 2, 8), (1, 1, 7), (2, 2, 4)] {
        let window =
            Window { kernel: [kernel; 3], stride: [stride; 3], padding: [kernel / 2; 3], dilation: [1; 3] };
        let (inputs, size) = (3, [9, 10, 19]);
        let output = window.output_size(size).unwrap();
        let taps = kernel.pow(3);
        let x = noise(inputs * 9 * 10 * 19, 1);
        let weight = noise(outputs * inputs * taps, 2);
        let run = |level| {
            let forward = Correlation {
                batch: 1,
                groups: 1,
                inputs,
                outputs,
                in_size: size,
                out_size: output,
                in_step: [stride; 3],
                out_step: [1; 3],
                phases: vec![window.gather(output)],
            };
            let strides = WeightStrides { group: 0, output: inputs * taps, input: taps };
            let y = forward.run(level, &x, &weight, strides, None);
            let gradient = WeightGradient {
                batch: 1,
                groups: 1,
                inputs,
                outputs,
                in_size: size,
                in_step: [stride; 3],
                phase: window.gather(output),
            };
            let d_weight = gradient.run(level, &x, &y);
            let affine = [norm::Affine { mean: 0.1, inverse_deviation: 2.0, gamma: 0.5, beta: 0.3 }];
            let (d_norm, _) = norm::backward(level, &y, &y, y.len(), &affine, 0.1);
            [y, d_weight, d_norm]
        };
        let expected = run(Level::Portable);
        for level in Level::available() {
            for (ours, expected) in run(level).iter().zip(&expected) {
                assert_close(ours, expected, 1e-5, &format!("{level:?}"));
            }
        }
    }
}

#[test]
fn an_untracked_input_gets_no_gradient() {
    let device = Device::flex().autodiff();
    let x = noise_tensor([1, 2, 4, 4, 4], 1, &device);
    let weight = noise_tensor([3, 2, 3, 3, 3], 2, &device).require_grad();
    let grads = conv3d(x.clone(), weight.clone(), None, options(1, 1, 1)).sum().backward();
    assert!(x.grad(&grads).is_none() && weight.grad(&grads).is_some());
}

#[test]
#[should_panic(expected = "does not fit a weight")]
fn channels_that_do_not_fit_are_named() {
    let device = Device::flex();
    let weight = noise_tensor([3, 4, 3, 3, 3], 2, &device);
    conv3d(noise_tensor([1, 2, 4, 4, 4], 1, &device), weight, None, ConvOptions3d::default());
}

#[test]
fn half_precision_falls_back_to_burn() {
    let device = Device::flex();
    let x = noise_tensor([1, 2, 4, 4, 4], 1, &device);
    let weight = noise_tensor([3, 2, 3, 3, 3], 2, &device);
    let run = |dtype| {
        let y = conv3d(x.clone().cast(dtype), weight.clone().cast(dtype), None, options(1, 1, 1));
        values(instance_norm(y, None, None, 1e-3))
    };
    assert_close(&run(burn::tensor::FloatDType::F16), &run(burn::tensor::FloatDType::F32), 1e-2, "half");
}

#[test]
fn a_flipped_weight_has_negative_strides() {
    let device = Device::flex();
    let weight = Tensor::<5>::random([2, 1, 3, 3, 3], Distribution::Normal(0.0, 1.0), &device).flip([4]);
    let x = noise_tensor([1, 1, 5, 5, 5], 1, &device);
    let expected =
        module::conv3d(x.clone(), weight.clone(), None, ConvOptions::new([1; 3], [1; 3], [1; 3], 1));
    assert_close(
        &values(conv3d(x, weight, None, options(1, 1, 1))),
        &values(expected),
        1e-4,
        "flipped weight",
    );
}

/// All operations in a row, with gradients, on one device.
fn small_network(device: &Device) -> [Vec<f32>; 4] {
    with_gradients(([1, 2, 6, 7, 8], [3, 2, 3, 3, 3], 3), device, |x, w, b| {
        let up = noise_tensor([3, 2, 2, 2, 2], 5, device);
        let y = conv3d(x, w, Some(b.clone()), options(2, 1, 1));
        let y = instance_norm_leaky_relu(y, Some(b.clone() + 2.0), Some(b), 1e-5, 0.1);
        instance_norm(conv_transpose3d(y, up, None, [2; 3], [0; 3], [0; 3]), None, None, 1e-5)
    })
}

#[test]
fn a_gpu_gives_what_the_cpu_gives() {
    let Ok(gpu) = Device::wgpu_options().init() else {
        eprintln!("skipped: no wgpu adapter found, the GPU path of the kernels is not tested");
        return;
    };
    let (ours, expected) = (small_network(&gpu.autodiff()), small_network(&Device::flex().autodiff()));
    for (ours, expected) in ours.iter().zip(&expected) {
        assert_close(ours, expected, 1e-3, "wgpu");
    }
}
