//! `hilum bench` as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::{Value, json};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hilum")).args(["--json", "bench"]).args(arguments).output().unwrap()
}

fn answer(arguments: &[&str]) -> Value {
    let output = bench(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must be refused with nothing on stdout and these words on stderr.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = bench(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
    for word in words {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
}

#[test]
fn a_network_is_measured_and_handed_to_other_implementations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let report = answer(&["sagan_wsi", "--networks", "--device", "cpu", "--repeats", "1", "--export", path]);
    assert_eq!(report["repeats"], 1);
    assert!(report["threads"].as_u64().unwrap() >= 1);
    let [row] = &report["rows"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&row["name"], &row["input"]), (&json!("sagan_wsi"), &json!([1, 3, 1, 256, 256])));
    assert_eq!((&row["kind"], &row["error"]), (&json!("network"), &Value::Null));
    // Published for this network and size: 23 GFLOP.
    let number = |field: &str| row[field].as_f64().unwrap();
    assert!((number("gflop") / 23.0 - 1.0).abs() < 0.05, "{row}");
    assert!((number("gflop_per_second") * number("median_seconds") / number("gflop") - 1.0).abs() < 1e-6);
    let cases: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("cases.json")).unwrap()).unwrap();
    let case = &cases["cases"][0];
    assert_eq!((&case["arch"], &case["config"]), (&json!("sagan_wsi"), &json!({})));
    for file in ["weights", "tensors"] {
        assert!(folder.path().join(case[file].as_str().unwrap()).metadata().unwrap().len() > 100_000);
    }
}

#[test]
fn a_model_is_measured_without_asking_for_networks() {
    let report = answer(&["lesion-coarse", "--device", "cpu", "--repeats", "1"]);
    let row = &report["rows"][0];
    assert_eq!((&row["name"], &row["kind"]), (&json!("lesion-coarse"), &json!("model")));
    assert!(row["gflop"].as_f64().unwrap() > 0.1 && row["median_seconds"].as_f64().unwrap() > 0.0, "{row}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_can() {
    refused(&["no-such-thing"], &["no-such-thing", "hanet", "lesion-coarse"]);
    refused(&["lesion-coarse", "--networks"], &["no network 'lesion-coarse'", "unetr"]);
    refused(&["lesion-coarse", "--export", "x"], &["--networks"]);
    refused(&["--networks", "--device", "all", "--export", "x"], &["one device"]);
    refused(&["hanet", "--device", "gpu:999"], &["999", "--device cpu"]);
    assert_eq!(bench(&["--device", "every"]).status.code(), Some(2));
    let names: Vec<Value> =
        answer(&["--list"])["cases"].as_array().unwrap().iter().map(|case| case["name"].clone()).collect();
    assert!(names.contains(&json!("plain_conv_unet_128")) && names.len() == 13, "{names:?}");
}
