//! Parity with the golden vectors, parameter counts and names at reference width, and weights that survive
//! a round trip.

mod attention_rows;
mod attention_unets;
mod axes;
mod residual_nets;
mod sagan;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::testing::shared_data;
use serde_json::{Value, json};

use super::{AnyNetwork, NetError, architectures, object_logit};
use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};
use crate::golden::run_golden;

fn small_lesion_net() -> Value {
    json!({"in_channels": 2, "features": [4, 6, 8], "convs_per_stage": 1, "div": [0]})
}

fn ramp(shape: [usize; 5], device: &Device) -> Tensor<5> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 / 50.0) - 1.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values(x: Tensor<5>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

#[test]
fn reference_weights_come_out_as_they_went_in() {
    let device = Device::flex();
    for name in [
        "agn_unet_ct_single_att_dsv_3d",
        "agn_unet_grid_attention_3d_deconv",
        "agn_unet_grid_attention_3d_upsample",
        "dna_plainconvunet",
        "dna_residualencoderunet",
        "ljh_attu_net",
        "ljh_r2attu_net",
        "ljh_u_net",
        "monai_attention_unet_2d",
        "monai_attention_unet_3d",
        "monai_unetr_noconvblock_batchnorm",
        "own_espnet3d_div",
    ] {
        let Some(path) = shared_data(&format!("golden/{name}.json")) else { return };
        let report = run_golden(&path, &device).unwrap();
        let reference = StateDict::read(&path.with_extension("weights.safetensors")).unwrap();
        let network = AnyNetwork::from_name(&report.arch, report.config, &device).unwrap();
        let ours = network.with_weights(&reference).unwrap().weights(FloatFormat::F32).unwrap();
        let learned = reference.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
        let expected: Vec<_> =
            learned.map(|(name, t)| (name.to_owned(), t.shape().to_vec(), t.bytes())).collect();
        let found: Vec<_> =
            ours.iter().map(|(name, t)| (name.to_owned(), t.shape().to_vec(), t.bytes())).collect();
        assert!(expected == found, "{name}: names, shapes or values changed");
    }
}

#[test]
fn copies_under_the_references_other_names_are_accepted_only_when_equal() {
    let device = Device::flex();
    let config = json!({"n_stages": 2, "features_per_stage": [4, 4], "strides": [1, 2]});
    let network = AnyNetwork::seeded("plain_conv_unet", config, 1, &device).unwrap();
    let mut weights = network.weights(FloatFormat::F32).unwrap();
    let main = weights.get("encoder.stages.0.0.convs.0.conv.weight").unwrap().clone();
    let alias = "decoder.encoder.stages.0.0.convs.0.all_modules.0.weight";
    weights.insert(alias, main.clone());
    let network = network.with_weights(&weights).unwrap();
    let zeros = vec![0.0; main.shape().iter().product()];
    weights.insert(alias, StoredTensor::from_f32(&zeros, main.shape().to_vec(), FloatFormat::F32));
    let error = network.with_weights(&weights).unwrap_err().to_string();
    assert!(error.contains("must be copies") && error.contains(alias), "{error}");
}

/// The perceptron embedding orders a patch (z, y, x, channel), the convolution (channel, z, y, x).
#[test]
fn both_patch_embeddings_agree_when_their_weights_are_reordered() {
    let device = Device::flex();
    let config = |projection: &str| {
        json!({"in_channels": 2, "img_size": [32, 16, 16], "feature_size": 2, "hidden_size": 8, "mlp_dim": 8,
               "num_heads": 2, "proj_type": projection})
    };
    let conv = AnyNetwork::seeded("unetr", config("conv"), 5, &device).unwrap();
    let weights = conv.weights(FloatFormat::F32).unwrap();
    let mut reordered = StateDict::default();
    for (name, tensor) in weights.iter() {
        let name = name.replace("patch_embeddings.", "patch_embeddings.1.");
        if name.ends_with("patch_embeddings.1.weight") {
            let old = tensor.to_f32().unwrap();
            let voxels = 16 * 16 * 16;
            let new: Vec<f32> = (0..old.len())
                .map(|i| {
                    let (token, voxel, channel) = (i / (2 * voxels), i / 2 % voxels, i % 2);
                    old[(token * 2 + channel) * voxels + voxel]
                })
                .collect();
            reordered.insert(name, StoredTensor::from_f32(&new, vec![8, 2 * voxels], FloatFormat::F32));
        } else {
            reordered.insert(name, tensor.clone());
        }
    }
    let perceptron = AnyNetwork::from_name("unetr", config("perceptron"), &device).unwrap();
    let perceptron = perceptron.with_weights(&reordered).unwrap();
    let x = ramp([1, 2, 32, 16, 16], &device);
    let (a, b) = (values(conv.forward(x.clone()).unwrap()), values(perceptron.forward(x).unwrap()));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4), "the embeddings differ");
}

#[test]
fn sizes_that_are_no_multiple_of_eight_come_back_from_espnet_as_they_went_in() {
    let device = Device::flex();
    let config = json!({"classes": 2, "channels": 1, "widths": [4, 4, 8, 8]});
    let network = AnyNetwork::seeded("espnet3d", config, 1, &device).unwrap();
    let y = network.forward(ramp([1, 1, 30, 37, 29], &device)).unwrap();
    assert_eq!(y.dims(), [1, 2, 30, 37, 29]);
    assert!(values(y).iter().all(|v| v.is_finite()));
}

#[test]
fn parameter_counts_are_the_references() {
    let device = Device::flex();
    let cases = [
        ("unetr", json!({"out_channels": 14}), 92_802_478),
        ("unetr", json!({"out_channels": 14, "proj_type": "perceptron"}), 92_802_478),
        ("unetr_div", Value::Null, 92_787_444),
        ("espnet3d", Value::Null, 3_626_584),
        ("espnet3d", json!({"classes": 2, "channels": 1}), 3_571_912),
        ("espnet3d_div", json!({"classes": 2, "channels": 1}), 3_932_250),
        ("plain_conv_unet", Value::Null, 16_547_592),
        (
            "plain_conv_unet",
            json!({"n_stages": 6, "features_per_stage": [32, 64, 128, 256, 320, 320], "strides": [1, 2, 2, 2, 2, 2]}),
            31_195_594,
        ),
        ("residual_encoder_unet", json!({"input_channels": 8}), 102_355_818),
    ];
    for (arch, config, count) in cases {
        let network = AnyNetwork::from_name(arch, config.clone(), &device).unwrap();
        assert_eq!(network.parameter_count(), count, "{arch} {config}");
    }
}

#[test]
fn unetr_has_the_references_names_and_shapes_at_full_width() {
    let Some(path) = shared_data("golden/monai_unetr.full_width_shapes.json") else { return };
    let shapes: std::collections::BTreeMap<String, Vec<usize>> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let network = AnyNetwork::from_name("unetr", json!({"out_channels": 14}), &Device::flex()).unwrap();
    let ours: std::collections::BTreeMap<String, Vec<usize>> = network.weight_shapes().into_iter().collect();
    assert_eq!(ours, shapes);
}

#[test]
fn weights_survive_saving_in_both_formats() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("lesion_net", small_lesion_net(), 7, &device).unwrap();
    let x = ramp([1, 2, 8, 8, 12], &device);
    let expected = network.forward_heads(x.clone()).unwrap();
    assert_eq!(expected.iter().map(|h| h.dims()).collect::<Vec<_>>(), [[1, 1, 8, 8, 12], [1, 1, 4, 4, 6]]);
    let folder = tempfile::tempdir().unwrap();
    for (format, tolerance) in [(FloatFormat::F32, 0.0), (FloatFormat::F16, 2e-2)] {
        let path = folder.path().join("weights.safetensors");
        network.save_weights(&path, format).unwrap();
        let stored = StateDict::read(&path).unwrap();
        let arch = &stored.metadata()["arch"];
        let config = serde_json::from_str(&stored.metadata()["config"]).unwrap();
        let again = AnyNetwork::from_name(arch, config, &device).unwrap().with_weights(&stored).unwrap();
        let loaded = values(again.forward(x.clone()).unwrap());
        for (a, b) in values(expected[0].clone()).iter().zip(loaded) {
            assert!((a - b).abs() <= tolerance, "{format:?}: {a} and {b}");
        }
    }
}

#[test]
fn missing_unused_and_misshapen_weights_are_named() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("lesion_net", small_lesion_net(), 7, &device).unwrap();
    let wider = json!({"in_channels": 2, "features": [4, 6, 10], "convs_per_stage": 1, "div": false});
    let other = AnyNetwork::from_name("lesion_net", wider, &device).unwrap();
    let error = other.with_weights(&network.weights(FloatFormat::F32).unwrap()).unwrap_err();
    let NetError::Checkpoint(CheckpointError::Mismatch { missing, unused, shapes }) = &error else {
        panic!("{error}")
    };
    assert!(missing.is_empty(), "{missing:?}");
    assert!(unused.contains(&"decoder.0.feat.3.weight".to_owned()), "{unused:?}");
    assert!(shapes.iter().any(|(name, ..)| name == "encoder.2.0.conv.weight"), "{shapes:?}");
    let error = AnyNetwork::from_name("lesion_net", small_lesion_net(), &device).unwrap();
    let error = error.with_weights(&StateDict::default()).unwrap_err().to_string();
    assert!(error.contains("missing") && error.contains("encoder.0.0.conv.weight"), "{error}");
}

#[test]
fn the_same_seed_draws_the_same_weights() {
    let device = Device::flex();
    let x = ramp([1, 2, 8, 8, 8], &device);
    let run = |seed| {
        let network = AnyNetwork::seeded("lesion_net", small_lesion_net(), seed, &device).unwrap();
        values(network.forward(x.clone()).unwrap())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn every_learned_parameter_of_every_network_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let unetr =
        json!({"img_size": [32, 16, 16], "feature_size": 2, "hidden_size": 8, "mlp_dim": 8, "num_heads": 2});
    let cases = [
        ("lesion_net", small_lesion_net(), [1, 2, 8, 8, 8]),
        ("lesion_net", json!({"in_channels": 2, "features": [4, 6, 8], "div": false}), [1, 2, 8, 8, 8]),
        ("unetr_div", unetr, [1, 1, 32, 16, 16]),
        ("espnet3d_div", json!({"classes": 1, "channels": 1, "widths": [4, 4, 8, 8]}), [1, 1, 16, 24, 16]),
    ];
    for (arch, config, shape) in cases {
        let network = AnyNetwork::seeded(arch, config, 1, &device).unwrap();
        let heads = network.forward_heads(ramp(shape, &device)).unwrap();
        let loss = heads.into_iter().map(|head| head.powi_scalar(2).mean()).reduce(|a, b| a + b).unwrap();
        let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &network);
        let trained = network.weight_shapes().iter().filter(|(name, _)| !name.contains("running_")).count();
        let unused =
            network.weight_shapes().iter().filter(|(name, _)| name.contains("norm_cross_attn")).count();
        assert_eq!(gradients.len(), trained - unused, "{arch}: some parameters have no gradient");
    }
}

#[test]
fn attention_maps_have_mean_one_and_name_their_place() {
    let device = Device::flex();
    let network = AnyNetwork::seeded("lesion_net", small_lesion_net(), 2, &device).unwrap();
    let prediction = network.forward_with_attention(ramp([1, 2, 8, 8, 8], &device)).unwrap();
    let [map] = prediction.maps.as_slice() else { panic!("one junction has the module") };
    assert_eq!((map.layer.as_str(), map.level, map.spatial_shape), ("decoder.0", 0, [8, 8, 8]));
    let mean: f32 = map.tensor.clone().mean().into_scalar();
    assert!((mean - 1.0).abs() < 1e-4, "mean {mean}");
}

#[test]
fn wrong_names_configurations_and_inputs_are_refused_with_a_reason() {
    let device = Device::flex();
    let error =
        |arch: &str, config: Value| AnyNetwork::from_name(arch, config, &device).unwrap_err().to_string();
    assert!(error("unet9000", Value::Null).contains("lesion_net"));
    assert!(error("lesion_net", json!({"feature": [4]})).contains("feature"));
    assert!(error("unetr_div", json!({"hidden": 4})).contains("hidden"));
    assert!(error("unetr", json!({"hidden_size": 770})).contains("num_heads"));
    assert!(error("lesion_net", json!({"features": [16000, 16000]})).contains("parameters"));
    assert!(error("plain_conv_unet", json!({"strides": [1, 2]})).contains("strides has 2 entries"));
    let network = AnyNetwork::from_name("lesion_net", small_lesion_net(), &device).unwrap();
    let error = network.forward(ramp([1, 2, 8, 8, 10], &device)).unwrap_err().to_string();
    assert!(error.contains("multiples of [4, 4, 4]"), "{error}");
    let error = network.forward(ramp([1, 3, 8, 8, 8], &device)).unwrap_err().to_string();
    assert!(error.contains("2 channels"), "{error}");
}

#[test]
fn every_listed_architecture_is_made_from_its_default_configuration() {
    for info in architectures() {
        let network = AnyNetwork::from_name(info.arch, info.default_config.clone(), &Device::flex()).unwrap();
        assert_eq!(network.config(), &info.default_config);
        assert!(network.num_params() > 0);
    }
}

#[test]
fn the_object_of_several_classes_has_the_softmax_of_the_last() {
    let device = Device::flex();
    let values = vec![0.3f32, -2.0, 50.0, 1.5, 0.0, -50.0, -0.7, 4.0, 49.0];
    let logits = Tensor::<5>::from_data(TensorData::new(values, [1, 3, 1, 1, 3]), &device);
    let expected = burn::tensor::activation::softmax(logits.clone(), 1).narrow(1, 2, 1);
    let found = burn::tensor::activation::sigmoid(object_logit(logits.clone()));
    let difference: f32 = (found - expected).abs().max().into_scalar();
    assert!(difference < 1e-6, "{difference}");
    let one = logits.narrow(1, 0, 1);
    assert_eq!(object_logit(one.clone()).into_data(), one.into_data());
}
