use std::collections::BTreeMap;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::testing::shared_data;
use serde_json::{Value, json};

use super::*;
use crate::checkpoint::{FloatFormat, KeyRules, StateDict, count_parameters, weight_shapes};
use crate::nets::registry::drawn;
use crate::nets::{AnyNetwork, NetError};

fn small(trunk: Value) -> Value {
    json!({"num_classes": 3, "width": 8, "trunk": trunk})
}

fn small_resnet34() -> Value {
    small(json!({"block": "basic", "layers": [1, 1, 1, 1], "stem": 4, "planes": [4, 4, 6, 8]}))
}

fn ramp(shape: [usize; 5], device: &Device) -> Tensor<5> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 100.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[test]
fn names_shapes_and_counts_are_the_references_at_full_width() {
    let device = Device::flex();
    let network = AnyNetwork::from_name("daf_stack", Value::Null, &device).unwrap();
    assert_eq!(network.parameter_count(), 104_511_475);
    let network = DafStackConfig::default().init(&device);
    assert_eq!(count_parameters(&network.resnext), 86_736_064);
    assert_eq!(count_parameters(&network.steps[0].semantic), 6_970_496);
    assert_eq!(count_parameters(&network.steps[1].scales[0].pam), 116_179);
    assert_eq!(count_parameters(&network.steps[1].scales[0].cam), 110_979);
    assert_eq!(count_parameters(&network.fuse1), 188_995);
    assert_eq!(count_parameters(&network.unused), 955_412);
    let Some(path) = shared_data("golden/msda_daf_stack.full_width_shapes.json") else { return };
    let mut shapes: BTreeMap<String, Vec<usize>> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    shapes.retain(|name, _| !name.ends_with("num_batches_tracked"));
    let ours: BTreeMap<_, _> = weight_shapes(&network).into_iter().collect();
    assert_eq!(ours, shapes);
}

#[test]
fn other_trunks_work_and_every_slice_of_a_volume_is_an_image() {
    let device = Device::flex();
    let bottleneck = json!({"layers": [1, 1, 1, 1], "stem": 4, "planes": [2, 2, 4, 4]});
    for config in [small_resnet34(), small(bottleneck)] {
        let network = AnyNetwork::seeded("daf_stack", config, 3, &device).unwrap();
        let x = ramp([1, 1, 2, 40, 32], &device);
        let y = network.forward(x.clone()).unwrap();
        assert_eq!(y.dims(), [1, 3, 2, 40, 32]);
        let second = network.forward(x.narrow(2, 1, 1)).unwrap();
        let difference: f32 = (y.narrow(2, 1, 1) - second).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}

#[test]
fn maps_of_every_scale_and_step_are_shown() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("daf_stack", small_resnet34(), 3, &device).unwrap();
    let prediction = network.forward_with_attention(ramp([1, 1, 1, 40, 32], &device)).unwrap();
    let of = |meaning| prediction.maps.iter().filter(move |map| map.meaning == meaning);
    let names = |meaning| of(meaning).map(|map| map.layer.as_str()).collect::<Vec<_>>();
    let guided = ["conv8_1", "conv8_11", "conv8_2", "conv8_12", "conv8_3", "conv8_13", "conv8_4", "conv8_14"];
    assert_eq!(names(MapMeaning::GuidedAttention), guided);
    let position = [4, 3, 2, 1].map(|stage| [1, 2].map(|step| format!("pam_attention_{step}_{stage}")));
    assert_eq!(names(MapMeaning::AttentionReceived), position.concat());
    assert_eq!(prediction.maps.len(), 16);
    for map in &prediction.maps {
        assert_eq!((map.level, map.spatial_shape), (2, [1, 10, 8]));
        let lowest: f32 = map.tensor.clone().min().into_scalar();
        assert!(lowest >= 0.0, "{lowest}");
    }
}

#[test]
fn the_losses_reach_every_parameter_that_is_used() {
    let device = Device::flex().autodiff();
    let config: DafStackConfig = serde_json::from_value(small_resnet34()).unwrap();
    let network = drawn(config.init(&device), 3, &device);
    let outputs = network.forward_all(ramp([2, 1, 1, 32, 32], &device), &mut Trace::off());
    let labels = Tensor::zeros([2, 1, 1, 32, 32], &device);
    let losses = DafLosses::new(&outputs, &labels);
    for loss in [&losses.cross_entropy, &losses.guided, &losses.reconstruction] {
        let value: f32 = loss.clone().into_scalar();
        assert!(value.is_finite() && value > 0.0, "{value}");
    }
    let gradients = GradientsParams::from_grads(losses.total().backward(), &network);
    let names = weight_shapes(&network);
    let learned = names.iter().filter(|(name, _)| !network.is_optional(name) && !name.contains("running_"));
    assert_eq!(gradients.len(), learned.count(), "some parameters have no gradient");
}

/// Against the derivatives written out: (softmax − one-hot) / pixels, and twice the difference over their number.
#[test]
fn the_gradients_of_the_losses_are_those_of_their_formulae() {
    let device = Device::flex();
    let config: DafStackConfig = serde_json::from_value(small_resnet34()).unwrap();
    let network = drawn(config.init(&device), 3, &device);
    let outputs = network.forward_all(ramp([2, 1, 1, 16, 24], &device), &mut Trace::off());
    let classes: Vec<i64> = (0..2 * 16 * 24).map(|i| i * 7 % 3).collect();
    let with_gradients = device.clone().autodiff();
    let labels = Tensor::from_data(TensorData::new(classes.clone(), [2, 1, 1, 16, 24]), &with_gradients);
    let leaves = outputs.leaves(&with_gradients);
    let gradients = DafLosses::new(&leaves, &labels).total().backward();
    let close = |what: &str, found: Vec<f32>, expected: Vec<f32>| {
        let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(scale > 0.0, "{what} has no gradient");
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-4 * scale, "{what}: {a} is not {b}");
        }
    };
    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }
    let pixels = classes.len();
    for (step, other) in [(0, 1), (1, 0)] {
        for (index, scale) in leaves.steps[step].iter().enumerate() {
            let plain = &outputs.steps[step][index];
            let p = values(burn::tensor::activation::softmax(plain.logits.clone(), 1));
            let expected = (0..p.len()).map(|i| {
                let (sample, class, pixel) = (i / (3 * 384), i / 384 % 3, i % 384);
                let is_true = classes[sample * 384 + pixel] == class as i64;
                (p[i] - f32::from(u8::from(is_true))) / pixels as f32
            });
            close("logits", values(scale.logits.grad(&gradients).unwrap()), expected.collect());
            let codes = values(plain.code.clone() - outputs.steps[other][index].code.clone());
            let count = codes.len() as f32;
            let expected = codes.iter().map(|d| 0.25 * 2.0 * d / count).collect();
            close("code", values(scale.code.grad(&gradients).unwrap()), expected);
            let difference = values(plain.input.clone() - plain.reconstruction.clone());
            let count = difference.len() as f32;
            let expected: Vec<f32> = difference.iter().map(|d| 0.1 * 2.0 * d / count).collect();
            close("input", values(scale.input.grad(&gradients).unwrap()), expected.clone());
            let negative = expected.iter().map(|d| -d).collect();
            close("reconstruction", values(scale.reconstruction.grad(&gradients).unwrap()), negative);
        }
    }
}

#[test]
fn layers_that_are_never_run_may_be_missing_but_no_others() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("daf_stack", small_resnet34(), 3, &device).unwrap();
    let all = network.weights(FloatFormat::F32).unwrap();
    let without = |names: &[&str]| {
        let mut weights = StateDict::default();
        for (name, tensor) in all.iter().filter(|(name, _)| !names.iter().any(|n| name.starts_with(n))) {
            weights.insert(name, tensor.clone());
        }
        weights
    };
    let used = without(&["conv6_", "conv7_", "attention", "refine"]);
    assert!(used.iter().count() < all.iter().count());
    let network = network.with_weights(&used).unwrap();
    let error = network.with_weights(&without(&["conv_sem_1_1"])).unwrap_err().to_string();
    assert!(error.contains("conv_sem_1_1.weight"), "{error}");
}

#[test]
fn bad_configurations_and_sizes_are_refused_with_a_reason() {
    let device = Device::flex();
    let error = |config: Value| AnyNetwork::from_name("daf_stack", config, &device).unwrap_err().to_string();
    assert!(error(json!({"width": 4})).contains("at least 8"));
    assert!(error(json!({"trunk": {"groups": 0}})).contains("trunk.groups"));
    assert!(error(json!({"classes": 4})).contains("classes"));
    let network = AnyNetwork::from_name("daf_stack", small_resnet34(), &device).unwrap();
    let error = network.check_input([1, 1, 1, 36, 32]).unwrap_err().to_string();
    assert!(error.contains("multiples of [1, 8, 8]"), "{error}");
    let error = network.check_input([1, 1, 1, 1024, 1024]).unwrap_err();
    assert!(matches!(error, NetError::Input { .. }) && error.to_string().contains("GiB"), "{error}");
}

#[test]
fn three_convolutions_end_in_a_softmax_or_a_learned_slope() {
    let device = Device::flex();
    let names = |conv: &MultiConv| weight_shapes(conv).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let softmax = drawn(MultiConv::new(4, 3, true, &device), 3, &device);
    let last = "fuse_attn.8.weight".to_owned();
    assert!(
        !names(&softmax).contains(&last) && names(&softmax).contains(&"fuse_attn.7.running_var".to_owned())
    );
    let sums: Vec<f32> =
        softmax.forward(ramp([1, 4, 1, 5, 6], &device)).sum_dim(1).into_data().try_to_vec().unwrap();
    assert!(sums.len() == 30 && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
    let sloped = drawn(MultiConv::new(4, 3, false, &device), 3, &device);
    assert!(names(&sloped).contains(&last));
    assert_eq!(sloped.forward(ramp([1, 4, 1, 5, 6], &device)).dims(), [1, 3, 1, 5, 6]);
}
