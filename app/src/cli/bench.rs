//! `hilum bench`.

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use hilum_models::catalog::Model;
use hilum_models::checkpoint::{FloatFormat, StateDict, StoredTensor};
use hilum_models::device::{self, DeviceChoice, OpenDevice};
use hilum_models::golden;
use serde::Serialize;

use super::output::{Console, Progress, Report, by, table};

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Model to measure (see `hilum models list`); all of them without a name.
    name: Option<String>,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Runs after the first.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
}

impl Bench {
    /// Runs models on a cube of their own size.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let catalog = console.catalog()?;
        let chosen: Vec<&Model> = match &self.name {
            Some(id) => vec![catalog.find(id)?],
            None => catalog.models().iter().collect(),
        };
        anyhow::ensure!(!chosen.is_empty(), "no model is installed; there is nothing to measure");
        let device = device::open(self.device)?;
        let progress = Progress::start("measuring");
        let models =
            chosen.iter().map(|model| self.measure(model, &device)).collect::<anyhow::Result<_>>()?;
        drop(progress);
        console.report(&BenchReport { device: device.name, models, peak_memory_mib: peak_memory_mib() })
    }

    fn measure(&self, model: &Model, device: &OpenDevice) -> anyhow::Result<Timing> {
        let card = &model.card;
        let network = model.load(&device.device)?;
        let shape = match card.click() {
            Some(task) => [1, task.channels.len(), task.size, task.size, task.size],
            None => network.example_shape().context("the network takes no input of a usual size")?,
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32 * 0.01).sin()).collect();
        let mut inputs = StateDict::default();
        let [_, _, z, y, x] = shape;
        let shape = shape.to_vec();
        inputs.insert("in.x", StoredTensor::from_f32(&values, shape, FloatFormat::F32));
        let mut seconds = Vec::new();
        for _ in 0..=self.repeats {
            let x = golden::input(&inputs, "in.x", &device.device)?;
            let begun = Instant::now();
            // Fetching the answer waits for the device.
            let answer = network.forward(x)?.into_data();
            drop(answer);
            seconds.push(begun.elapsed().as_secs_f64());
        }
        let first_seconds = seconds.remove(0);
        seconds.sort_unstable_by(f64::total_cmp);
        Ok(Timing {
            model: card.id.clone(),
            size: [x, y, z],
            first_seconds,
            median_seconds: seconds[seconds.len() / 2],
            fastest_seconds: seconds[0],
        })
    }
}

/// The most memory the process has held, where the system tells (Linux).
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

#[derive(Serialize)]
struct Timing {
    model: String,
    /// Voxels along x, y, z.
    size: [usize; 3],
    /// The first run, which may compile kernels.
    first_seconds: f64,
    median_seconds: f64,
    fastest_seconds: f64,
}

#[derive(Serialize)]
struct BenchReport {
    device: String,
    models: Vec<Timing>,
    /// Of the whole process so far.
    peak_memory_mib: Option<f64>,
}

impl Report for BenchReport {
    fn text(&self) -> String {
        let row = |t: &Timing| {
            vec![
                t.model.clone(),
                by(t.size),
                format!("{:.3}", t.first_seconds),
                format!("{:.3}", t.median_seconds),
                format!("{:.3}", t.fastest_seconds),
            ]
        };
        let rows: Vec<_> = self.models.iter().map(row).collect();
        let memory =
            self.peak_memory_mib.map_or_else(String::new, |mib| format!(", peak memory {mib:.0} MiB"));
        format!(
            "{}{memory}\n{}",
            self.device,
            table(&["model", "input", "first s", "median s", "fastest s"], &rows)
        )
    }
}
