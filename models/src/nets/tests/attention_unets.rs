//! The Attention U-Net family: variants without a golden vector are checked against those that have one.

use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::{AnyNetwork, ramp, values};
use crate::checkpoint::{FloatFormat, StateDict, StoredTensor};
use crate::nets::MapMeaning;

fn seeded(arch: &str, config: Value) -> AnyNetwork {
    AnyNetwork::seeded(arch, config, 11, &Device::flex()).unwrap()
}

fn weights(network: &AnyNetwork) -> StateDict {
    network.weights(FloatFormat::F32).unwrap()
}

fn stored(values: &[f32], shape: &[usize]) -> StoredTensor {
    StoredTensor::from_f32(values, shape.to_vec(), FloatFormat::F32)
}

fn assert_close(a: Tensor<5>, b: Tensor<5>, tolerance: f32) {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let scale = a.iter().fold(0.0f32, |scale, v| scale.max(v.abs()));
    let worst = a.iter().zip(&b).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(scale > 0.0 && worst <= tolerance * scale, "differ by {worst}, values up to {scale}");
}

fn volume(gates: &str) -> Value {
    json!({"feature_scale": 16, "n_classes": 3, "in_channels": 1, "gates": gates})
}

fn slices(attention: bool, slice_axis: usize) -> Value {
    json!({"feature_scale": 16, "n_classes": 3, "in_channels": 1, "attention": attention, "slice_axis": slice_axis})
}

/// The weights of `gated` such that all its gates pass everything and all else is as in `plain`.
fn with_open_gates(gated: &AnyNetwork, plain: &AnyNetwork) -> StateDict {
    let (mut open, plain) = (weights(gated), weights(plain));
    let identity = |rows: usize, columns: usize| -> Vec<f32> {
        (0..rows * columns).map(|i| if i / columns == i % columns { 1.0 } else { 0.0 }).collect()
    };
    for (name, shape) in gated.weight_shapes() {
        if let Some(same) = plain.get(&name) {
            open.insert(name, same.clone());
        } else if name.ends_with("psi.bias") {
            open.insert(name, stored(&[40.0], &shape));
        } else if name.ends_with("W.0.weight") || name.ends_with("combine_gates.0.weight") {
            open.insert(name, stored(&identity(shape[0], shape[1]), &shape));
        }
    }
    open
}

#[test]
fn networks_with_open_gates_answer_as_their_baselines() {
    let cases = [
        ("attention_unet_3d", volume("none"), volume("single"), [1, 1, 16, 32, 16]),
        ("attention_unet_3d", volume("none"), volume("multi"), [1, 1, 16, 16, 16]),
        ("attention_unet_grid_3d", slices(false, 0), slices(true, 0), [1, 1, 3, 32, 16]),
    ];
    for (arch, plain, gated, shape) in cases {
        let (plain, gated) = (seeded(arch, plain), seeded(arch, gated));
        let open = with_open_gates(&gated, &plain);
        let gated = gated.with_weights(&open).unwrap();
        let x = ramp(shape, &Device::flex());
        assert_close(plain.forward(x.clone()).unwrap(), gated.forward(x).unwrap(), 1e-3);
    }
}

/// With nothing taken from the second gate, two gates answer as the first alone.
#[test]
fn the_first_of_two_gates_comes_first() {
    let (single, multi) =
        (seeded("attention_unet_3d", volume("single")), seeded("attention_unet_3d", volume("multi")));
    let (mut both, one) = (weights(&multi), weights(&single));
    for (name, shape) in multi.weight_shapes() {
        if name.ends_with("combine_gates.0.weight") {
            let kept = one.get(&name).unwrap().to_f32().unwrap();
            let channels = shape[0];
            let padded: Vec<f32> =
                kept.chunks(channels).flat_map(|row| [row, &vec![0.0; channels]].concat()).collect();
            both.insert(name, stored(&padded, &shape));
        } else if let Some(same) = one.get(&name) {
            both.insert(name, same.clone());
        }
    }
    let multi = multi.with_weights(&both).unwrap();
    let x = ramp([1, 1, 16, 16, 32], &Device::flex());
    let (one, two) =
        (single.forward_with_attention(x.clone()).unwrap(), multi.forward_with_attention(x).unwrap());
    assert_close(one.logits(), two.logits(), 1e-4);
    for (one, two) in one.maps.iter().zip(&two.maps) {
        assert_eq!(two.tensor.dims()[1], 2);
        assert_close(one.tensor.clone(), two.tensor.clone().narrow(1, 0, 1), 1e-4);
    }
}

#[test]
fn the_axis_across_the_slices_only_names_an_axis() {
    let first = seeded("attention_unet_grid_3d", slices(true, 0));
    let last = seeded("attention_unet_grid_3d", slices(true, 2));
    let mut turned = weights(&last);
    let source = weights(&first);
    for (name, shape) in last.weight_shapes() {
        let tensor = source.get(&name).unwrap();
        let found = tensor.to_f32().unwrap();
        let [outer @ .., x, y, z] = shape.as_slice() else { continue };
        let kernel = x * y * z;
        let reversed: Vec<f32> = (0..outer.iter().product::<usize>() * kernel)
            .map(|i| {
                let (block, at) = (i / kernel, i % kernel);
                let (ix, iy, iz) = (at / (y * z), at / z % y, at % z);
                found[block * kernel + (iz * y + iy) * x + ix]
            })
            .collect();
        turned.insert(name, if shape.len() == 5 { stored(&reversed, &shape) } else { tensor.clone() });
    }
    let last = last.with_weights(&turned).unwrap();
    let x = ramp([1, 1, 5, 16, 32], &Device::flex());
    let expected = first.forward(x.clone()).unwrap();
    assert_close(expected, last.forward(x.swap_dims(2, 4)).unwrap().swap_dims(2, 4), 1e-4);
    assert!(first.check_input([1, 1, 1, 16, 16]).unwrap_err().to_string().contains("[2, 16, 16]"));
}

#[test]
fn aligned_corners_change_every_interpolation() {
    let aligned = |config: Value| {
        let mut config = config;
        config["align_corners"] = json!(true);
        config
    };
    let upsampling = json!({"feature_scale": 32, "n_classes": 1, "in_channels": 1, "is_deconv": false});
    for (arch, config) in [("attention_unet_3d", volume("single")), ("attention_unet_grid_3d", upsampling)] {
        let plain = seeded(arch, config.clone());
        let other = seeded(arch, aligned(config)).with_weights(&weights(&plain)).unwrap();
        let x = ramp([1, 1, 16, 32, 16], &Device::flex());
        assert_ne!(values(plain.forward(x.clone()).unwrap()), values(other.forward(x).unwrap()));
    }
}

fn planar() -> [(&'static str, Value); 4] {
    let widths = json!([4, 6, 8, 10, 12]);
    [
        ("unet_2d", json!({"widths": widths, "output_ch": 2})),
        ("attention_unet_2d", json!({"widths": widths, "finest_gate_width": 2})),
        ("r2attu_net", json!({"widths": widths, "finest_gate_width": 2, "t": 3})),
        (
            "monai_attention_unet",
            json!({"spatial_dims": 2, "in_channels": 3, "channels": [4, 6, 8], "strides": [2, [4, 2]]}),
        ),
    ]
}

#[test]
fn planar_networks_see_each_slice_alone() {
    for (arch, config) in planar() {
        let network = seeded(arch, config);
        let x = ramp([2, 3, 3, 32, 16], &Device::flex());
        let y = network.forward(x.clone()).unwrap();
        for slice in 0..3 {
            let alone = network.forward(x.clone().narrow(2, slice, 1)).unwrap();
            assert_close(y.clone().narrow(2, slice, 1), alone, 1e-5);
        }
    }
}

#[test]
fn every_gate_shows_a_map_between_zero_and_one_of_its_skips_size() {
    let gated = planar().into_iter().skip(1).map(|(arch, config)| (arch, config, [1, 3, 1, 32, 16]));
    let volumes = [
        ("attention_unet_3d", volume("single"), [1, 1, 16, 32, 16]),
        ("attention_unet_grid_3d", slices(true, 0), [1, 1, 4, 32, 16]),
    ];
    for (arch, config, shape) in gated.chain(volumes) {
        let prediction = seeded(arch, config).forward_with_attention(ramp(shape, &Device::flex())).unwrap();
        assert!(prediction.maps.len() >= 2, "{arch}");
        for map in prediction.maps {
            assert_eq!(map.meaning, MapMeaning::GateCoefficient);
            assert!(
                values(map.tensor).iter().all(|alpha| (0.0..=1.0).contains(alpha)),
                "{arch} {}",
                map.layer
            );
            let across = if shape[2] <= 4 { shape[2] } else { shape[2] >> map.level };
            let expected = [across, shape[3] >> map.level, shape[4] >> map.level];
            assert_eq!(map.spatial_shape, expected, "{arch} {}", map.layer);
        }
    }
}

#[test]
fn every_learned_parameter_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let planar = planar().map(|(arch, config)| (arch, config, [2, 3, 1, 16, 32]));
    let volumes = [
        ("attention_unet_3d", volume("multi"), [1, 1, 16, 16, 32]),
        ("attention_unet_3d", volume("none"), [1, 1, 16, 16, 32]),
        ("attention_unet_grid_3d", slices(true, 0), [1, 1, 4, 16, 32]),
        (
            "monai_attention_unet",
            json!({"channels": [2, 3, 4], "strides": [2, 2], "dropout": 0.1}),
            [1, 1, 8, 8, 8],
        ),
    ];
    for (arch, config, shape) in planar.into_iter().chain(volumes) {
        let network = AnyNetwork::seeded(arch, config, 1, &device).unwrap();
        let loss = network.forward(ramp(shape, &device)).unwrap().powi_scalar(2).mean();
        let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &network);
        let trained = network.weight_shapes().iter().filter(|(name, _)| !name.contains("running_")).count();
        assert_eq!(gradients.len(), trained, "{arch}: some parameters have no gradient");
    }
}

#[test]
fn bad_configurations_and_inputs_are_refused_with_a_reason() {
    let refused = |arch: &str, config: Value, word: &str| {
        let error = AnyNetwork::from_name(arch, config, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused("attention_unet_3d", json!({"feature_scale": 65}), "feature_scale is 65");
    refused("attention_unet_3d", json!({"attention_dsample": [2, 0, 2]}), "attention_dsample is 0");
    refused("attention_unet_3d", json!({"gates": "triple"}), "triple");
    refused("attention_unet_grid_3d", json!({"slice_axis": 3}), "slice_axis is 3");
    refused("attention_unet_2d", json!({"widths": [64, 128]}), "length");
    refused("r2attu_net", json!({"t": 0}), "t is 0");
    refused("monai_attention_unet", json!({"spatial_dims": 1}), "spatial_dims is 1");
    refused("monai_attention_unet", json!({"channels": [1, 2], "strides": [2]}), "channels has 1");
    refused("monai_attention_unet", json!({"strides": [2, 2]}), "strides has 2 entries");
    refused("monai_attention_unet", json!({"kernel_size": [3, 3]}), "kernel_size has 2 numbers");
    refused("monai_attention_unet", json!({"kernel_size": 4}), "must be odd");
    refused("monai_attention_unet", json!({"dropout": 1.0}), "dropout is 1");
    for (arch, shape, word) in [
        ("attention_unet_3d", [1, 3, 16, 24, 16], "multiples of [16, 16, 16]"),
        ("attention_unet_2d", [1, 3, 1, 24, 16], "multiples of [1, 16, 16]"),
        ("monai_attention_unet", [1, 2, 16, 16, 16], "1 channels"),
    ] {
        let network = AnyNetwork::from_name(arch, Value::Null, &Device::flex()).unwrap();
        let error = network.check_input(shape).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
