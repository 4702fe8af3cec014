//! SAGAN-WSI and the SAGAN of natural images (networks.md section 5).

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::{AnyNetwork, ramp, values};
use crate::checkpoint::{FloatFormat, StateDict, count_parameters, weight_shapes};
use crate::nets::registry::drawn;
use crate::nets::sagan::SaganConfig;
use crate::nets::sagan_wsi::{SaganWsiDiscriminator, SaganWsiDiscriminatorConfig, discriminator_input};
use crate::nets::{MapMeaning, Trace};

fn small() -> Value {
    json!({"w": 2, "num_classes": 3})
}

#[test]
fn parameter_counts_are_the_references() {
    let device = Device::flex();
    let generator = AnyNetwork::from_name("sagan_wsi", Value::Null, &device).unwrap();
    assert_eq!(generator.parameter_count(), 25_196_454);
    let of_labels = SaganWsiDiscriminatorConfig { argmax_compat: true, ..Default::default() };
    assert_eq!(count_parameters(&of_labels.init(&device)), 18_868_258);
    let rgb = SaganConfig::default().init_discriminator(&device);
    assert_eq!(count_parameters(&rgb), 3_175_299);
}

#[test]
fn weights_and_their_vectors_survive_saving() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("sagan_wsi", small(), 5, &device).unwrap();
    let x = ramp([1, 3, 1, 64, 64], &device);
    let expected = values(network.forward(x.clone()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    network.save_weights(&path, FloatFormat::F32).unwrap();
    let stored = StateDict::read(&path).unwrap();
    assert_eq!(stored.get("trunk.att.f.u").unwrap().shape(), [1]);
    let again = AnyNetwork::from_name("sagan_wsi", small(), &device).unwrap().with_weights(&stored).unwrap();
    assert_eq!(values(again.forward(x).unwrap()), expected);
}

#[test]
fn attention_maps_sum_to_one_for_every_slice() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("sagan_wsi", small(), 5, &device).unwrap();
    let prediction = network.forward_with_attention(ramp([1, 3, 2, 64, 128], &device)).unwrap();
    assert_eq!(prediction.logits().dims(), [1, 3, 2, 64, 128]);
    let layers: Vec<_> = prediction.maps.iter().map(|map| map.layer.as_str()).collect();
    assert_eq!(layers, ["trunk.att", "att_up"]);
    for map in prediction.maps {
        assert_eq!((map.level, map.meaning), (2, MapMeaning::AttentionReceived));
        assert_eq!(map.tensor.dims(), [2, 1, 1, 16, 32]);
        for sum in values(map.tensor.sum_dims(&[1, 2, 3, 4])) {
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        }
    }
}

#[test]
fn every_learned_parameter_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let network = AnyNetwork::seeded("sagan_wsi", small(), 5, &device).unwrap();
    let y = network.forward(ramp([2, 3, 1, 64, 64], &device)).unwrap();
    let gradients = GradientsParams::from_grads(y.powi_scalar(2).mean().backward(), &network);
    let is_learned = |name: &str| !name.contains("running_") && !name.ends_with(".u");
    let learned = network.weight_shapes().iter().filter(|(name, _)| is_learned(name)).count();
    assert_eq!(gradients.len(), learned, "some parameters have no gradient");
}

#[test]
fn the_discriminator_teaches_the_generator_through_probabilities_only() {
    let device = Device::flex().autodiff();
    for argmax_compat in [false, true] {
        let config = SaganWsiDiscriminatorConfig { num_classes: 3, w: 2, size: [64, 64], argmax_compat };
        config.validate().unwrap();
        let discriminator = drawn(config.init(&device), 5, &device);
        let logits = ramp([2, 3, 1, 64, 64], &device).require_grad();
        let shown = discriminator_input(logits.clone(), argmax_compat);
        discriminator.check_input(shown.dims()).unwrap();
        let real = discriminator.forward(shown, &mut Trace::off());
        assert_eq!(real.dims(), [2, 1]);
        let gradients = real.sum().backward();
        assert_eq!(logits.grad(&gradients).is_some(), !argmax_compat);
    }
}

#[test]
fn labels_are_the_numbers_of_the_most_likely_classes() {
    let device = Device::flex();
    // Classes of two pixels: 0.1, 0.3, 0.2 and 5, -1, 9.
    let logits = Tensor::<1>::from_floats([0.1, 5.0, 0.3, -1.0, 0.2, 9.0], &device).reshape([1, 3, 1, 1, 2]);
    assert_eq!(values(discriminator_input(logits.clone(), true)), [1.0, 2.0]);
    let probabilities = values(discriminator_input(logits, false).sum_dim(1));
    assert!(probabilities.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{probabilities:?}");
}

#[test]
fn bad_configurations_and_sizes_are_refused_with_a_reason() {
    let device = Device::flex();
    let error = |config: Value| AnyNetwork::from_name("sagan_wsi", config, &device).unwrap_err().to_string();
    assert!(error(json!({"w": 0})).contains("w is 0"));
    assert!(error(json!({"width": 8})).contains("width"));
    let network = AnyNetwork::from_name("sagan_wsi", small(), &device).unwrap();
    let error = network.check_input([1, 3, 1, 96, 64]).unwrap_err().to_string();
    assert!(error.contains("multiples of [1, 64, 64]"), "{error}");
    let error = network.check_input([1, 3, 1, 1024, 1024]).unwrap_err().to_string();
    assert!(error.contains("GiB"), "{error}");
    let size = SaganWsiDiscriminatorConfig { size: [100, 64], ..Default::default() }.validate().unwrap_err();
    assert!(size.contains("multiples"), "{size}");
    let discriminator = SaganWsiDiscriminatorConfig { w: 2, ..Default::default() }.init(&device);
    assert_eq!(names(&discriminator, "dense"), ["dense.weight", "dense.bias"]);
    let error = discriminator.check_input([1, 4, 1, 64, 64]).unwrap_err();
    assert!(error.contains("256"), "{error}");
    assert!(SaganConfig { image_size: 128, ..Default::default() }.validate().is_err());
}

fn names(discriminator: &SaganWsiDiscriminator, layer: &str) -> Vec<String> {
    let all = weight_shapes(discriminator).into_iter().map(|(name, _)| name);
    all.filter(|name| name.starts_with(layer)).collect()
}

#[test]
fn the_generator_of_natural_images_has_the_references_names_and_size() {
    let device = Device::flex();
    let config = SaganConfig { conv_dim: 8, z_dim: 5, ..Default::default() };
    config.validate().unwrap();
    let generator = drawn(config.init_generator(&device), 5, &device);
    let shapes = weight_shapes(&generator);
    let expected: [(&str, &[usize]); 6] = [
        ("l1.0.module.weight", &[5, 64, 4, 4]),
        ("l1.1.running_mean", &[64]),
        ("l4.0.module.bias", &[8]),
        ("attn1.query_conv.weight", &[2, 16, 1, 1]),
        ("attn2.gamma", &[1]),
        ("last.0.weight", &[8, 3, 4, 4]),
    ];
    for (name, shape) in expected {
        assert!(shapes.contains(&(name.to_owned(), shape.to_vec())), "{name}: {shapes:?}");
    }
    let mut trace = Trace::everything();
    let image = generator.forward(Tensor::ones([2, 5], &device), &mut trace);
    assert_eq!(image.dims(), [2, 3, 1, 64, 64]);
    assert!(values(image).iter().all(|value| value.abs() <= 1.0));
    assert_eq!(trace.tensors["attn1.attention"].shape().to_vec(), [2, 256, 256]);
    assert_eq!(trace.tensors["attn2.attention"].shape().to_vec(), [2, 1024, 1024]);
}
