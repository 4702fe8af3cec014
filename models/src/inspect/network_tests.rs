//! What only some networks show: both paths of a junction and what it changes, channels, scales, discriminators.

use burn::tensor::{Device, Tensor, TensorData, activation};
use serde_json::json;

use super::tests::subject;
use super::*;
use crate::checkpoint::{FloatFormat, StateDict, collect};
use crate::nets::registry::drawn;
use crate::nets::sagan_wsi::SaganWsiDiscriminatorConfig;
use crate::nets::{MapMeaning, Trace};

fn values(x: Tensor<5>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn forward_all(subject: &Subject) -> (Vec<Tensor<5>>, Trace) {
    let [x, y, z] = subject.grid.dims();
    let mut trace = Trace::everything();
    let input = Tensor::from_data(TensorData::new(subject.input.clone(), [1, 1, z, y, x]), &subject.device);
    (subject.network.forward_traced(input, &mut trace).unwrap(), trace)
}

#[test]
fn a_junction_shows_its_paths_and_what_it_changes() {
    let config = json!({"in_channels": 1, "out_channels": 2, "features": [4, 6, 8], "convs_per_stage": 1});
    let with = subject("lesion_net", config.clone(), [16, 16, 8]);
    // The same weights without the junction's divergence at the finest level.
    let mut plain = config;
    plain["div"] = json!([1]);
    let weights = with.network.weights(FloatFormat::F32).unwrap();
    let mut fewer = StateDict::default();
    for (name, tensor) in weights.iter().filter(|(name, _)| !name.starts_with("decoder.0.feat")) {
        fewer.insert(name, tensor.clone());
    }
    let mut without = subject("lesion_net", plain, [16, 16, 8]);
    without.network = without.network.with_weights(&fewer).unwrap();
    let (answer, plain) = (forward_all(&with).0, forward_all(&without).0);
    let look = with.look().unwrap();
    let maps = look.maps().unwrap();
    let named = |name: &str| maps.iter().find(|map| map.name == name).unwrap_or_else(|| panic!("no {name}"));
    let expected = values(activation::sigmoid(answer[0].clone()) - activation::sigmoid(plain[0].clone()));
    let half = expected.len() / 2;
    assert!(far(&named("decoder.0.change a").values, &expected[..half]) < 1e-5);
    assert!(far(&named("decoder.0.change b").values, &expected[half..]) < 1e-5);
    assert!(expected.iter().any(|v| v.abs() > 1e-4), "the module changes something");
    assert!(named("decoder.0.features").values.iter().all(|v| *v >= 0.0));
    // The divergence is the softmax of where the paths differ: with one channel they say so themselves.
    for path in ["decoder.0.fine", "decoder.0.coarse", "decoder.1.fine"] {
        let map = named(path);
        assert_eq!(map.meaning, MapMeaning::PathPrediction);
        assert!(map.values.iter().all(|v| (0.0..=1.0).contains(v)), "{path}");
    }
    assert!(named("decoder.0.fine").values != named("decoder.0.coarse").values);
}

#[test]
fn four_scales_make_the_answer_and_channels_share_out_their_attention() {
    let trunk = json!({"block": "basic", "layers": [1, 1, 1, 1], "stem": 4, "planes": [4, 4, 6, 8]});
    let config = json!({"num_classes": 2, "width": 8, "trunk": trunk});
    let subject = subject("daf_stack", config, [32, 40, 3]);
    let (answer, trace) = forward_all(&subject);
    let look = subject.look().unwrap();
    let scales: Vec<_> =
        look.maps().unwrap().into_iter().filter(|map| map.meaning == MapMeaning::ScaleAnswer).collect();
    let names: Vec<&str> = scales.iter().map(|map| map.name.as_str()).collect();
    assert_eq!(names[..2], ["predict4_2.answer a", "predict4_2.answer b"]);
    assert_eq!(scales.len(), 8);
    // The mean of their logits, brought to the input's size, is the answer: at the middle of a pixel of the map two by two
    // samples of the input around it have its mean, as bilinear interpolation is linear.
    let logit = |p: f32| (p / (1.0 - p)).ln();
    let answer = values(answer[0].clone());
    let [nx, ny, nz] = look.grid().dims();
    let map = &scales[0];
    let [mx, my, _] = map.grid.dims();
    for (x, y, z) in [(3, 4, 0), (5, 2, 2)] {
        let at = (z * my + y) * mx + x;
        let expected: f32 = scales.iter().step_by(2).map(|map| logit(map.values[at]) / 4.0).sum();
        let sample = |dx: usize, dy: usize| answer[(z * ny + 4 * y + dy) * nx + 4 * x + dx];
        let found = (sample(1, 1) + sample(2, 1) + sample(1, 2) + sample(2, 2)) / 4.0;
        // Between them the neighbours count a little; both sides must count alike.
        assert!((found - expected).abs() < 0.15 * expected.abs().max(0.3), "{found} {expected}");
    }
    assert_eq!(nz, 3);
    let at = look.grid().world_of([5, 5, 2]);
    let tables = look.channel_maps(Some(at)).unwrap();
    assert_eq!(tables.len(), 8, "four scales in two steps");
    for table in &tables {
        assert_eq!((table.channels, table.values.len()), (8, 64));
        assert!((0..8).all(|row| (table.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-5));
        let whole = trace.tensors[&format!("{}.attention", table.layer)].clone();
        let whole: Vec<f32> = whole.try_to_vec().unwrap();
        assert!(
            far(&table.values, &whole[2 * 64..]) < 1e-5,
            "that of the slice of the point: {}",
            table.layer
        );
    }
}

#[test]
fn a_discriminator_is_looked_into_at_the_networks_answer() {
    let config = json!({"in_channels": 1, "num_classes": 2, "w": 4});
    let subject = subject("sagan_wsi", config, [64, 128, 2]);
    let device = Device::flex();
    let of = SaganWsiDiscriminatorConfig { num_classes: 2, w: 4, size: [128, 64], argmax_compat: false };
    let judge = drawn(of.init(&device), 11, &device);
    let own = collect(&judge, FloatFormat::F32).unwrap();
    // As a run keeps it, beside the moments of its optimiser.
    let mut of_run = StateDict::default();
    for (name, tensor) in own.iter() {
        of_run.insert(format!("discriminator.{name}"), tensor.clone());
        of_run.insert(format!("optimizer.{name}"), tensor.clone());
    }
    let answer = activation::sigmoid(forward_all(&subject).0[0].clone());
    let images = answer.swap_dims(1, 2).reshape([2, 2, 1, 128, 64]);
    let expected: Vec<f32> = judge.forward(images, &mut Trace::off()).into_data().try_to_vec().unwrap();
    for weights in [&own, &of_run] {
        let look = subject.with_discriminator(weights).unwrap().look().unwrap();
        assert_eq!((look.stage(), look.arch()), ("discriminator", "sagan_wsi discriminator"));
        assert!(far(look.drawn_by_a_person(), &expected) < 1e-5, "{expected:?}");
        let maps = look.maps().unwrap();
        assert_eq!((maps.len(), maps[0].layer.as_str()), (1, "trunk.att"));
        assert_eq!(maps[0].grid.dims(), [16, 32, 2]);
        let row = look.rows_at(look.grid().world_of([60, 5, 1]), None).unwrap().remove(0);
        assert!((row.values.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let random = look.random_maps(3).unwrap();
        assert!(random[0].values != maps[0].values);
        assert!(look.occlude(&maps[0], 0.1, 1, 1).unwrap().attended.probability_change > 0.0);
    }
    let own_look = subject.clone().look().unwrap();
    assert!(own_look.drawn_by_a_person().is_empty() && own_look.layers().len() == 2);
    let wrong = subject.with_discriminator(&StateDict::default()).unwrap_err().to_string();
    assert!(wrong.contains("trunk.b1.c1.weight"), "{wrong}");
}
