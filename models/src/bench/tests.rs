use std::collections::BTreeSet;

use super::*;

/// Names and millions of parameters as published for these sizes.
const PARAMETERS: [(&str, f64); 13] = [
    ("unetr", 92.80),
    ("unetr_div", 92.79),
    ("attention_unet_3d", 6.21),
    ("attention_unet_grid_3d", 2.72),
    ("deeplabv3", 58.63),
    ("hanet", 56.26),
    ("attention_unet_2d", 34.88),
    ("plain_conv_unet", 16.55),
    ("plain_conv_unet_128", 16.55),
    ("monai_attention_unet", 5.91),
    ("daf_stack", 104.51),
    ("espnet3d", 3.57),
    ("sagan_wsi", 25.20),
];

#[test]
fn every_case_is_a_network_of_the_published_size_that_takes_its_input() {
    let device = device::cpu().device;
    let named: BTreeSet<&str> = reference_cases().iter().map(|case| case.name).collect();
    assert_eq!(named.len(), reference_cases().len(), "names are unique");
    assert_eq!(named, PARAMETERS.iter().map(|(name, _)| *name).collect());
    for (name, millions) in PARAMETERS {
        let case = reference_case(name).unwrap();
        let config = serde_json::from_str(case.config).unwrap();
        let network = AnyNetwork::from_name(case.arch, config, &device).unwrap();
        network.check_input(case.shape).unwrap();
        // UNETR's count holds 12 norms that are never used and that Hilum does not learn.
        let found = network.parameter_count() as f64 * 1e-6;
        assert!((found - millions).abs() < 0.025, "{name}: {found} million parameters");
    }
}

/// A small case of a network with attention and with residual blocks.
fn small() -> ReferenceCase {
    ReferenceCase {
        name: "small",
        about: "a small DAF_stack",
        arch: "daf_stack",
        config: r#"{"width": 8, "trunk": {"stem": 8, "layers": [1, 1, 1, 1], "planes": [8, 8, 8, 8]}}"#,
        shape: [1, 1, 1, 32, 32],
    }
}

#[test]
fn a_case_is_measured_and_exported_so_that_its_answer_comes_out_again() {
    let (case, device) = (small(), device::cpu().device);
    let network = network(&case, &device).unwrap();
    let (measured, answer) = measure(&network, case.shape, 2, &device).unwrap();
    assert!(measured.gflop > 0.0 && measured.fastest_seconds > 0.0);
    assert!(measured.fastest_seconds <= measured.median_seconds);
    let rate = measured.gflop / measured.median_seconds;
    assert!((measured.gflop_per_second - rate).abs() <= 1e-9 * rate);
    assert_eq!(measured.device_memory_mib, None, "the CPU has no memory of its own");
    let folder = tempfile::tempdir().unwrap();
    export(&case, &network, answer, folder.path()).unwrap();
    let read =
        |what: &str| StateDict::read(&folder.path().join(format!("small.{what}.safetensors"))).unwrap();
    let (weights, tensors) = (read("weights"), read("tensors"));
    assert_eq!(weights.floats("pam_attention_1_4.attn.3.gamma").unwrap().unwrap().0, [ATTENTION_SHARE]);
    assert_eq!(weights.floats("resnext.layer1.1.0.bn3.weight").unwrap().unwrap().0[0], BRANCH_SHARE);
    let config = serde_json::from_str(case.config).unwrap();
    let again = AnyNetwork::from_name(case.arch, config, &device).unwrap().with_weights(&weights).unwrap();
    let (x, shape) = tensors.floats("in.x").unwrap().unwrap();
    assert_eq!(shape, [1, 1, 32, 32]);
    let x = Tensor::<5>::from_data(TensorData::new(x, case.shape), &device);
    let expected: Vec<f32> = again.forward(x).unwrap().into_data().try_to_vec().unwrap();
    let (found, shape) = tensors.floats("out.y").unwrap().unwrap();
    assert_eq!((found, shape), (expected, vec![1, 5, 32, 32]));
}

#[test]
fn the_middle_of_an_even_number_of_runs_lies_between_two() {
    assert_eq!(median(&[1.0]), 1.0);
    assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
    assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
}
