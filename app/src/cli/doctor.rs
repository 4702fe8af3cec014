//! `hilum doctor`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use directories::ProjectDirs;
use hilum_models::checkpoint::{FloatFormat, StateDict, StoredTensor};
use hilum_models::device::{self, DeviceChoice, DeviceInfo};
use hilum_models::golden;
use hilum_models::nets::AnyNetwork;
use serde::Serialize;
use serde_json::json;

use super::output::{Console, Progress, Report, table};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Skip the self-test, which compiles kernels on each GPU.
    #[arg(long)]
    quick: bool,
}

impl Doctor {
    /// Looks at devices, models and folders. Ends well even if something is wrong: that is the answer.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let progress = Progress::start("looking for devices");
        let devices: Vec<Checked> = device::list_devices()
            .into_iter()
            .map(|info| Checked { test: (!self.quick).then(|| SelfTest::of(info.choice)), info })
            .collect();
        let chosen = device::open(DeviceChoice::Auto)?.name;
        let models = match console.catalog() {
            Ok(catalog) => ModelsFound { count: catalog.models().len(), problem: None },
            Err(error) => ModelsFound { count: 0, problem: Some(error.to_string()) },
        };
        drop(progress);
        let dirs = ProjectDirs::from("", "", "Hilum");
        console.report(&DoctorReport {
            version: env!("CARGO_PKG_VERSION"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            chosen_device: chosen,
            devices,
            models,
            data_folder: dirs.as_ref().map(|d| d.data_dir().to_owned()),
            cache_folder: dirs.as_ref().map(|d| d.cache_dir().to_owned()),
        })
    }
}

#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    info: DeviceInfo,
    #[serde(rename = "self_test")]
    test: Option<SelfTest>,
}

/// A small network with known weights, compared with the CPU.
#[derive(Serialize)]
struct SelfTest {
    passed: bool,
    /// Largest difference from the CPU as a share of the largest value.
    difference: Option<f64>,
    first_seconds: f64,
    second_seconds: f64,
    problem: Option<String>,
}

/// Largest difference that rounding explains.
const TOLERANCE: f64 = 1e-3;

impl SelfTest {
    fn of(choice: DeviceChoice) -> Self {
        let begun = Instant::now();
        let first = test_output(choice);
        let first_seconds = begun.elapsed().as_secs_f64();
        let second = first.and_then(|_| test_output(choice));
        let second_seconds = begun.elapsed().as_secs_f64() - first_seconds;
        let compared = second.and_then(|found| Ok(difference(&found, &test_output(DeviceChoice::Cpu)?)));
        let (difference, problem) = match compared {
            Ok(difference) => (Some(difference), None),
            Err(problem) => (None, Some(problem)),
        };
        let passed = difference.is_some_and(|d| d <= TOLERANCE);
        Self { passed, difference, first_seconds, second_seconds, problem }
    }
}

/// Runs a small network of the kind that the pipeline uses. A driver may panic; that is an answer too.
fn test_output(choice: DeviceChoice) -> Result<Vec<f32>, String> {
    let work = move || -> anyhow::Result<Vec<f32>> {
        let device = device::open(choice)?.device;
        let config = json!({
            "input_channels": 1, "n_stages": 2, "features_per_stage": [4, 8], "kernel_sizes": 3,
            "strides": [1, 2], "n_conv_per_stage": 1, "num_classes": 1, "n_conv_per_stage_decoder": 1,
        });
        let weights = AnyNetwork::seeded("plain_conv_unet", config.clone(), 7, &device::cpu().device)?
            .weights(FloatFormat::F32)?;
        let values: Vec<f32> = (0..16 * 16 * 16).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut inputs = StateDict::default();
        inputs.insert("in.x", StoredTensor::from_f32(&values, vec![1, 1, 16, 16, 16], FloatFormat::F32));
        let x = golden::input(&inputs, "in.x", &device)?;
        let outputs = golden::run_network("plain_conv_unet", config, &weights, x)?;
        let (_, output) = outputs
            .into_iter()
            .find(|(name, _)| name.starts_with("out."))
            .ok_or_else(|| anyhow::anyhow!("no output"))?;
        output.try_to_vec().map_err(|error| anyhow::anyhow!("{error:?}"))
    };
    match std::panic::catch_unwind(work) {
        Ok(output) => output.map_err(|error| format!("{error:#}")),
        Err(_) => Err("the driver failed".to_owned()),
    }
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let pairs = found.iter().zip(expected);
    let far =
        pairs.map(|(a, b)| if a.is_finite() { (a - b).abs() } else { f32::INFINITY }).fold(0.0, f32::max);
    f64::from(far / largest)
}

#[derive(Serialize)]
struct ModelsFound {
    count: usize,
    problem: Option<String>,
}

#[derive(Serialize)]
struct DoctorReport {
    version: &'static str,
    system: String,
    threads: usize,
    chosen_device: String,
    devices: Vec<Checked>,
    models: ModelsFound,
    data_folder: Option<PathBuf>,
    cache_folder: Option<PathBuf>,
}

impl Report for DoctorReport {
    fn text(&self) -> String {
        let folder =
            |path: &Option<PathBuf>| path.as_ref().map_or_else(|| "none".into(), |p| p.display().to_string());
        let row = |checked: &Checked| {
            let test = match &checked.test {
                None => "not tested".to_owned(),
                Some(test) if test.passed => {
                    format!("works, first {:.2} s, then {:.3} s", test.first_seconds, test.second_seconds)
                }
                Some(test) => format!("FAILED: {}", test.problem.as_deref().unwrap_or("wrong numbers")),
            };
            let choice = match checked.info.choice {
                DeviceChoice::Gpu(Some(n)) => format!("gpu:{n}"),
                DeviceChoice::Gpu(None) => "gpu".into(),
                DeviceChoice::Cpu => "cpu".into(),
                DeviceChoice::Auto => "auto".into(),
            };
            vec![choice, checked.info.name.clone(), checked.info.backend.into(), test]
        };
        let rows: Vec<_> = self.devices.iter().map(row).collect();
        let models = match &self.models.problem {
            Some(problem) => format!("cannot be read: {problem}"),
            None => self.models.count.to_string(),
        };
        let hardware = self.devices.iter().any(|device| device.info.is_hardware_gpu);
        let graphics = if hardware { "found" } else { "no driver found: networks run on the CPU" };
        [
            format!("Hilum {} on {}, {} threads", self.version, self.system, self.threads),
            table(&["device", "name", "backend", "self-test"], &rows),
            format!("GPU     {graphics}"),
            format!("chosen  {}", self.chosen_device),
            format!("models  {models}"),
            format!("data    {}", folder(&self.data_folder)),
            format!("cache   {}", folder(&self.cache_folder)),
        ]
        .join("\n")
    }
}
