//! What `bench` says, and the list of what it exported.

use std::path::Path;

use anyhow::Context as _;
use hilum_models::bench::{Measurement, ReferenceCase, reference_case};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Target;
use crate::cli::output::{Report, by, table};

/// The answer of `bench`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BenchReport {
    /// Threads that networks use on the CPU.
    pub(super) threads: usize,
    /// Runs after the first.
    pub(super) repeats: u32,
    /// A row for each model or network on each device.
    pub(super) rows: Vec<Row>,
}

/// One model or network on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Identifier of the model or name of the network.
    name: String,
    /// `model` or `network`.
    kind: String,
    /// Name of the device.
    device: String,
    /// `[batch, channels, z, y, x]`, where it came so far.
    input: Option<[usize; 5]>,
    /// What was measured.
    #[serde(flatten)]
    pub(super) measured: Option<Measurement>,
    /// Why nothing was measured.
    error: Option<String>,
}

impl Row {
    pub(super) fn measured(target: &Target, device: &str, input: [usize; 5], measured: Measurement) -> Self {
        Self { input: Some(input), measured: Some(measured), ..Self::empty(target, device) }
    }

    pub(super) fn failed(target: &Target, device: &str, reason: String) -> Self {
        Self { error: Some(reason), ..Self::empty(target, device) }
    }

    fn empty(target: &Target, device: &str) -> Self {
        let (kind, input) = match target {
            Target::Model(_) => ("model", None),
            Target::Network(case) => ("network", Some(case.shape)),
        };
        Self {
            name: target.name().to_owned(),
            kind: kind.to_owned(),
            device: device.to_owned(),
            input,
            measured: None,
            error: None,
        }
    }

    /// Why nothing was measured, with the name.
    pub(super) fn reason(&self) -> String {
        format!("{} on {}: {}", self.name, self.device, self.error.as_deref().unwrap_or("measured"))
    }

    fn cells(&self) -> Vec<String> {
        let size = self.input.map_or_else(String::new, size);
        let mut cells = vec![self.name.clone(), size];
        let number = |value: f64, decimals: usize| format!("{value:.decimals$}");
        let mib = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |mib| format!("{mib:.0}"));
        match &self.measured {
            Some(m) => cells.extend([
                number(m.first_seconds, 3),
                number(m.median_seconds, 3),
                number(m.fastest_seconds, 3),
                number(m.gflop, 1),
                number(m.gflop_per_second, 1),
                mib(m.peak_memory_mib),
                mib(m.device_memory_mib),
            ]),
            None => cells.push("failed".to_owned()),
        }
        cells
    }
}

/// Of `[batch, channels, z, y, x]`: channels, where there are several, and x, y, z.
fn size([_, channels, z, y, x]: [usize; 5]) -> String {
    let axes = if z == 1 { by([x, y]) } else { by([x, y, z]) };
    if channels == 1 { axes } else { format!("{channels} × {axes}") }
}

/// The answer of `bench --list`.
#[derive(Serialize)]
pub(super) struct CaseList {
    /// All networks of published size.
    pub(super) cases: &'static [ReferenceCase],
}

impl Report for CaseList {
    fn text(&self) -> String {
        let widest = self.cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
        let line = |case: &ReferenceCase| {
            format!("{:<widest$}  {}; input {}", case.name, case.about, size(case.shape))
        };
        self.cases.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

const HEADER: [&str; 9] =
    ["name", "input", "first s", "median s", "fastest s", "GFLOP", "GFLOP/s", "peak MiB", "device MiB"];

impl Report for BenchReport {
    fn text(&self) -> String {
        let mut devices: Vec<&str> = self.rows.iter().map(|row| row.device.as_str()).collect();
        devices.sort_unstable();
        devices.dedup();
        let threads =
            if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        let mut parts = Vec::new();
        for device in devices {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.device == device).collect();
            let cells: Vec<_> = rows.iter().map(|row| row.cells()).collect();
            let mut part = format!("{device}; {threads} on the CPU; median of {}\n", self.repeats);
            part += &table(&HEADER, &cells);
            for row in rows.iter().filter(|row| row.error.is_some()) {
                part += &format!("\n{}", row.reason());
            }
            parts.push(part);
        }
        parts.join("\n\n")
    }
}

/// Writes `cases.json` into `folder`: each network that was measured with its configuration, its files and its figures.
pub(super) fn write_cases(rows: &[Row], folder: &Path) -> anyhow::Result<()> {
    let cases: Vec<Value> =
        rows.iter().filter(|row| row.measured.is_some()).map(case).collect::<anyhow::Result<_>>()?;
    let path = folder.join("cases.json");
    let text = serde_json::to_string_pretty(&json!({ "cases": cases }))?;
    std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn case(row: &Row) -> anyhow::Result<Value> {
    let reference = reference_case(&row.name).context("only networks are exported")?;
    let mut case = serde_json::to_value(row)?;
    let described = serde_json::to_value(reference)?;
    for field in ["about", "arch", "config"] {
        case[field] = described[field].clone();
    }
    case["weights"] = json!(format!("{}.weights.safetensors", row.name));
    case["tensors"] = json!(format!("{}.tensors.safetensors", row.name));
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement() -> Measurement {
        Measurement {
            first_seconds: 2.0,
            median_seconds: 1.0,
            fastest_seconds: 0.5,
            gflop: 3.0,
            gflop_per_second: 3.0,
            peak_memory_mib: Some(10.0),
            device_memory_mib: None,
        }
    }

    #[test]
    fn rows_survive_the_way_between_processes() {
        let target = Target::Network(reference_case("hanet").unwrap());
        let failed = Row::failed(&target, "CPU", "out of memory".to_owned());
        for row in [Row::measured(&target, "CPU", [1, 3, 1, 8, 8], measurement()), failed] {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row, "{text}");
        }
    }

    #[test]
    fn a_failure_is_a_row_and_a_reason() {
        let target = Target::Network(reference_case("unetr").unwrap());
        let rows = vec![
            Row::measured(&target, "CPU", [1, 1, 96, 96, 96], measurement()),
            Row::failed(&target, "GPU", "out of memory".to_owned()),
        ];
        let text = BenchReport { threads: 2, repeats: 3, rows }.text();
        assert!(text.contains("96 × 96 × 96    2.000     1.000"), "{text}");
        assert!(text.contains("unetr on GPU: out of memory"), "{text}");
    }
}
