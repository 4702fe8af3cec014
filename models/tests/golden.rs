//! Parity with the reference implementations: every golden vector with a name, outputs, intermediate maps, losses and
//! their gradients, on the CPU and, where there is one, on a graphics adapter. A new vector in the folder needs no code
//! here. (The vectors `ops` and `clicks` are of single functions; their tests lie beside these.)
//!
//! `HILUM_GOLDEN=hanet cargo test --workspace --test golden` runs those whose name holds the word.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hilum_core::testing::{shared_data, skip};
use hilum_models::device::{self, DeviceChoice};
use hilum_models::golden::run_golden;

/// Descriptions of vectors, in name order.
fn vectors(folder: &Path) -> Vec<PathBuf> {
    let wanted = std::env::var("HILUM_GOLDEN").unwrap_or_default();
    let is_description = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let description: serde_json::Value = serde_json::from_str(&text).unwrap();
        description.get("name").is_some_and(serde_json::Value::is_string)
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .filter(is_description)
        .collect();
    found.sort();
    found
}

/// Prints network, largest difference and tolerance of every vector; the names that failed.
fn failures(device: &Device) -> Vec<String> {
    let Some(folder) = shared_data("golden") else { return Vec::new() };
    let mut failed = Vec::new();
    for path in vectors(&folder) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut report = match run_golden(&path, device) {
            Ok(report) => report,
            Err(error) => {
                println!("{name}: FAILED: {error}");
                failed.push(name);
                continue;
            }
        };
        // Gradients that the vector has no reference of are compared with those on the CPU.
        if report.tensors.keys().any(|name| name.starts_with("grad.")) {
            let on_the_cpu = run_golden(&path, &device::cpu().device).unwrap();
            report.comparisons.extend(report.gradients_against(&on_the_cpu));
        }
        let worst = report.comparisons.iter().max_by(|a, b| a.relative().total_cmp(&b.relative()));
        let worst = worst.map_or("nothing compared".into(), |c| {
            format!("max|Δ| {:.1e} of absmax in {} (allowed {:.1e})", c.relative(), c.name, c.tolerance)
        });
        let passed = report.passed() && report.not_computed.is_empty() && !report.comparisons.is_empty();
        println!("{name}: {}: {worst}", if passed { "ok" } else { "FAILED" });
        if !report.not_computed.is_empty() {
            println!("    not computed: {:?}", report.not_computed);
        }
        if !passed {
            for c in report.comparisons.iter().filter(|c| !c.within) {
                println!("    {}: {:.1e}, shape {:?}", c.name, c.relative(), c.shape);
            }
            failed.push(name);
        }
    }
    failed
}

#[test]
fn every_golden_vector_agrees_on_the_cpu() {
    let failed = failures(&device::cpu().device);
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn every_golden_vector_agrees_on_a_graphics_adapter() {
    // A vector at a time may be chosen by HILUM_GOLDEN: on a software adapter all of them take minutes.
    match device::open(DeviceChoice::Gpu(None)) {
        Ok(opened) => {
            println!("on {}", opened.name);
            let failed = failures(&opened.device);
            assert!(failed.is_empty(), "{failed:?}");
        }
        Err(_) => skip("a graphics adapter that wgpu can use"),
    }
}
