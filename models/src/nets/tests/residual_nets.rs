//! DeepLabV3, DeepLabV3+, DANet and HANet: numbers of parameters, tolerated names, sizes, volumes, gradients.

use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::{ramp, values};
use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor, count_parameters};
use crate::nets::danet::DanetHead;
use crate::nets::{AnyNetwork, MapMeaning, NetError};

const NAMES: [&str; 4] = ["danet", "deeplabv3", "deeplabv3_plus", "hanet"];

/// A narrow network with ResNet-18's layers.
fn small(arch: &str) -> Value {
    let trunk = json!({"block": "basic", "layers": [2, 2, 2, 2], "stem": 4, "planes": [4, 8, 16, 32]});
    let mut config = json!({"in_channels": 1, "num_classes": 2, "trunk": trunk});
    if arch != "danet" {
        config["channels"] = json!(8);
    }
    if arch == "hanet" {
        config["decoder_channels"] = json!(8);
    }
    config
}

#[test]
fn parameter_counts_are_the_references() {
    let device = Device::flex();
    let cases = [
        ("deeplabv3", Value::Null, 60_996_202),
        ("deeplabv3_plus", Value::Null, 59_344_309),
        ("deeplabv3_plus", json!({"code": "vainf"}), 58_753_973),
        ("hanet", Value::Null, 56_261_539),
        ("danet", Value::Null, 42_500_160 + 23_954_619),
    ];
    for (arch, config, count) in cases {
        let network = AnyNetwork::from_name(arch, config.clone(), &device).unwrap();
        assert_eq!(network.parameter_count(), count, "{arch} {config}");
    }
    assert_eq!(count_parameters(&DanetHead::new(2048, 19, 3, &device)), 23_954_619);
    let network = AnyNetwork::from_name("hanet", Value::Null, &device).unwrap();
    let learned = |(name, _): &(String, Vec<usize>)| name.starts_with("ha.") && !name.contains("running");
    let sizes =
        network.weight_shapes().into_iter().filter(learned).map(|(_, shape)| shape.iter().product::<usize>());
    assert_eq!(sizes.sum::<usize>(), 1_838_592);
}

#[test]
fn the_same_weights_fit_every_output_stride_and_dilation_rule() {
    let device = Device::flex();
    for arch in NAMES {
        let shapes = |stride: usize, rule: &str| {
            let mut config = small(arch);
            (config["output_stride"], config["dilation"]) = (json!(stride), json!(rule));
            let network = AnyNetwork::seeded(arch, config, 1, &device).unwrap();
            let y = network.forward(ramp([1, 1, 1, 40, 56], &device)).unwrap();
            assert_eq!(y.dims(), [1, 2, 1, 40, 56], "{arch} {stride} {rule}");
            network.weight_shapes()
        };
        let reference = shapes(8, "torchvision");
        for (stride, rule) in [(4, "multi_grid"), (16, "danet"), (32, "torchvision")] {
            assert_eq!(shapes(stride, rule), reference, "{arch} {stride} {rule}");
        }
    }
}

#[test]
fn auxiliary_heads_and_classifiers_of_checkpoints_are_optional_and_nothing_else_is() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("deeplabv3", small("deeplabv3"), 1, &device).unwrap();
    let full = network.weights(FloatFormat::F32).unwrap();
    let part = |keep: &dyn Fn(&str) -> bool| {
        let mut dict = StateDict::default();
        full.iter()
            .filter(|(name, _)| keep(name))
            .for_each(|(name, tensor)| dict.insert(name, tensor.clone()));
        dict
    };
    let mut without_aux = part(&|name| !name.starts_with("aux_classifier."));
    without_aux.insert("backbone.fc.bias", StoredTensor::from_f32(&[0.0; 10], vec![10], FloatFormat::F32));
    network.clone().with_weights(&without_aux).unwrap();
    let mut config = small("deeplabv3");
    config["aux"] = json!(false);
    let headless = AnyNetwork::from_name("deeplabv3", config, &device).unwrap();
    assert_eq!(
        headless.with_weights(&full).unwrap().forward_heads(ramp([1, 1, 1, 16, 16], &device)).unwrap().len(),
        1
    );
    let broken = part(&|name| name != "classifier.4.bias");
    match network.with_weights(&broken).unwrap_err() {
        NetError::Checkpoint(CheckpointError::Mismatch { missing, .. }) => {
            assert_eq!(missing, ["classifier.4.bias"])
        }
        other => panic!("{other}"),
    }
}

#[test]
fn attention_that_would_not_fit_is_refused_with_the_size_that_does() {
    let device = Device::flex();
    let check = |arch: &str, stride: usize, size: usize| {
        let mut config = small(arch);
        config["output_stride"] = json!(stride);
        let network = AnyNetwork::from_name(arch, config, &device).unwrap();
        network.check_input([1, 1, 1, size, size]).map_err(|e| e.to_string())
    };
    check("hanet", 4, 256).unwrap();
    check("hanet", 16, 2048).unwrap();
    check("danet", 8, 1024).unwrap();
    check("deeplabv3", 8, 4096).unwrap();
    let error = check("hanet", 4, 513).unwrap_err();
    assert!(
        error.contains("16641 pixels") && error.contains("1.0 GiB") && error.contains("[1, 256, 256]"),
        "{error}"
    );
    let error = check("danet", 8, 2048).unwrap_err();
    assert!(error.contains("65536 pixels") && error.contains("16.0 GiB"), "{error}");
    check("danet", 8, 1216).unwrap();
    assert!(error.contains("[1, 1216, 1216]"), "{error}");
}

#[test]
fn the_slices_of_a_volume_are_images_of_their_own() {
    let device = Device::flex();
    let x = ramp([2, 1, 3, 24, 32], &device);
    for arch in NAMES {
        let network = AnyNetwork::seeded(arch, small(arch), 2, &device).unwrap();
        let whole = network.forward(x.clone()).unwrap();
        let slices = (0..3).map(|z| network.forward(x.clone().narrow(2, z, 1)).unwrap()).collect();
        let difference = (whole - Tensor::cat(slices, 2)).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{arch}: {difference}");
    }
}

#[test]
fn networks_show_what_their_pixels_attend_to() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("hanet", small("hanet"), 2, &device).unwrap();
    let maps = network.forward_with_attention(ramp([1, 1, 1, 64, 80], &device)).unwrap().maps;
    let found: Vec<_> = maps.iter().map(|map| (map.name.as_str(), map.tensor.dims(), map.meaning)).collect();
    let dims = [1, 2, 1, 4, 5];
    let expected = [
        ("ha.attention", dims, MapMeaning::AttentionReceived),
        ("ha.reach.attention", dims, MapMeaning::Reach),
    ];
    assert_eq!(found, expected);
    for hop in values(maps[0].tensor.clone()).chunks(20) {
        assert!((hop.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{hop:?}");
    }
    let network = AnyNetwork::seeded("danet", small("danet"), 2, &device).unwrap();
    let maps = network.forward_with_attention(ramp([1, 1, 1, 64, 80], &device)).unwrap().maps;
    assert_eq!(maps[0].tensor.dims(), [1, 1, 1, 8, 10]);
    assert!((values(maps[0].tensor.clone()).iter().sum::<f32>() - 1.0).abs() < 1e-4);
}

#[test]
fn training_reaches_every_weight_of_hanet() {
    let device = Device::flex().autodiff();
    let network = AnyNetwork::seeded("hanet", small("hanet"), 3, &device).unwrap();
    let y = network.forward(ramp([2, 1, 1, 33, 33], &device)).unwrap();
    let gradients = y.square().mean().backward();
    let gradients = burn::optim::GradientsParams::from_grads(gradients, &network);
    let shapes = network.weight_shapes();
    let learned = shapes.iter().filter(|(name, _)| !name.contains("running")).count();
    assert_eq!(gradients.len(), learned);
}
