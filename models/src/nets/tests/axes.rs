//! Networks for volumes turned from one order of the axes to the other.

use burn::tensor::Device;
use serde_json::{Value, json};

use super::{AnyNetwork, NetError, architectures, ramp, values};
use crate::checkpoint::FloatFormat;

fn cases() -> Vec<(&'static str, Value, [usize; 5])> {
    let volume = |gates: &str| {
        json!({"feature_scale": 16, "n_classes": 3, "in_channels": 1, "gates": gates,
               "attention_dsample": [2, 1, 2]})
    };
    let slices = |axis: usize, is_deconv: bool| {
        json!({"feature_scale": 16, "n_classes": 3, "in_channels": 2, "slice_axis": axis, "is_deconv": is_deconv,
               "attention_dsample": [1, 2, 2]})
    };
    let espnet = |resolution: Value| json!({"classes": 2, "channels": 1, "widths": [4, 4, 8, 8], "inp_res": resolution});
    let stages = json!({"n_stages": 3, "features_per_stage": [4, 5, 6], "kernel_sizes": [[1, 3, 3], [3, 3, 1], 3],
                        "strides": [1, [1, 2, 2], [2, 1, 2]]});
    let mut blocks = stages.clone();
    blocks["n_blocks_per_stage"] = json!(2);
    let unetr = |projection: &str| {
        json!({"img_size": [32, 16, 48], "feature_size": 2, "hidden_size": 8, "mlp_dim": 8, "num_heads": 2,
               "in_channels": 2, "proj_type": projection})
    };
    let monai = json!({"channels": [4, 5, 6], "strides": [[1, 2, 2], [2, 1, 3]], "kernel_size": [1, 3, 5],
                       "up_kernel_size": [3, 1, 5]});
    let lesion = json!({"in_channels": 2, "features": [4, 6, 8], "kernels": [[1, 3, 3], [3, 3, 3], [3, 1, 3]],
                        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 1]]});
    vec![
        ("attention_unet_3d", volume("single"), [1, 1, 16, 32, 48]),
        ("attention_unet_3d", volume("multi"), [1, 1, 16, 48, 32]),
        ("attention_unet_grid_3d", slices(0, true), [1, 2, 3, 32, 16]),
        ("attention_unet_grid_3d", slices(2, false), [1, 2, 16, 32, 5]),
        ("espnet3d", espnet(Value::Null), [1, 1, 17, 24, 30]),
        ("espnet3d", espnet(json!([16, 32, 24])), [1, 1, 17, 24, 30]),
        ("espnet3d_div", espnet(Value::Null), [1, 1, 16, 24, 32]),
        ("lesion_net", lesion, [1, 2, 6, 8, 10]),
        ("monai_attention_unet", monai, [1, 1, 6, 10, 12]),
        ("plain_conv_unet", stages, [1, 1, 6, 10, 12]),
        ("residual_encoder_unet", blocks, [1, 1, 6, 10, 12]),
        ("unetr", unetr("conv"), [1, 2, 32, 16, 48]),
        ("unetr", unetr("perceptron"), [1, 2, 32, 16, 48]),
        ("unetr_div", unetr("perceptron"), [1, 2, 32, 16, 48]),
    ]
}

#[test]
fn a_turned_network_gives_the_transposed_answer_of_the_transposed_input() {
    let device = Device::flex();
    for (arch, config, shape) in cases() {
        let network = AnyNetwork::seeded(arch, config.clone(), 9, &device).unwrap();
        let turned = network.with_reversed_axes(&device).unwrap();
        let x = ramp(shape, &device);
        let expected = network.forward(x.clone()).unwrap();
        let found = turned.forward(x.swap_dims(2, 4)).unwrap().swap_dims(2, 4);
        let (expected, found) = (values(expected), values(found));
        let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let far = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(scale > 0.0 && far <= 2e-4 * scale, "{arch} {config}: differs by {far} of {scale}");
        let back = turned.with_reversed_axes(&device).unwrap();
        assert_eq!(back.config(), network.config());
        let bytes = |network: &AnyNetwork| network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
        assert!(bytes(&back) == bytes(&network), "{arch}: turning back changes the weights");
    }
}

#[test]
fn every_network_for_volumes_can_be_turned_and_no_planar_one() {
    let device = Device::flex();
    for info in architectures() {
        let network = AnyNetwork::from_name(info.arch, Value::Null, &device).unwrap();
        let checked = AnyNetwork::check_reversible(info.arch, Value::Null);
        if network.is_planar() {
            assert!(matches!(checked, Err(NetError::Axes { .. })), "{}", info.arch);
        } else {
            checked.unwrap();
            assert!(cases().iter().any(|(arch, ..)| *arch == info.arch), "{} is not tried", info.arch);
        }
    }
    let error = AnyNetwork::check_reversible("monai_attention_unet", json!({"spatial_dims": 2})).unwrap_err();
    assert!(error.to_string().contains("planar images"), "{error}");
}
