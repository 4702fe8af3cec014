//! `hilum net`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hilum_core::io::read_small_text;
use hilum_models::checkpoint::StateDict;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::golden::{self, Comparison, GoldenReport};
use serde::Serialize;
use serde_json::Value;

use super::convert::check_target;
use super::output::{Console, Progress, Report, table};

/// What to do with a single network.
#[derive(Debug, Subcommand)]
pub enum Net {
    /// Run a network once: reads in.*, writes out.* and mid.*.
    Forward(Forward),
}

impl Net {
    /// Runs the network.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match self {
            Self::Forward(command) => command.run(console),
        }
    }
}

/// Arguments of `net forward`.
#[derive(Debug, Args)]
pub struct Forward {
    /// Name of the network, e.g. plain_conv_unet.
    #[arg(required_unless_present = "golden", requires_all = ["config", "weights", "input"])]
    arch: Option<String>,
    /// Configuration of the network: JSON, or a file that holds it.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Weights under the reference's names.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Input tensor in.x, [batch, channels, z, y, x].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A parity description; weights and inputs lie beside it.
    #[arg(long, value_name = "NAME.json", conflicts_with_all = ["arch", "config", "weights", "input"])]
    golden: Option<PathBuf>,
    /// Where the tensors go.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceChoice,
}

impl Forward {
    fn run(&self, console: &Console) -> anyhow::Result<()> {
        check_target(&self.out)?;
        let progress = Progress::start("running the network");
        let device = device::open(self.device)?;
        let begun = Instant::now();
        let (arch, golden) = match (&self.golden, &self.arch, &self.weights, &self.input) {
            (Some(description), ..) => {
                let report = golden::run_golden(description, &device.device)?;
                report.write_tensors(&self.out)?;
                (report.arch.clone(), Some(Parity { passed: report.passed(), report }))
            }
            (None, Some(arch), Some(weights), Some(input)) => {
                let config = read_config(self.config.as_deref().unwrap_or("{}"))?;
                let weights = StateDict::read(weights)?;
                let x = golden::input(&StateDict::read(input)?, "in.x", &device.device)?;
                golden::write_tensors(&golden::run_network(arch, config, &weights, x)?, &self.out)?;
                (arch.clone(), None)
            }
            _ => anyhow::bail!("give ARCH with --config, --weights and --input, or --golden"),
        };
        let seconds = begun.elapsed().as_secs_f64();
        drop(progress);
        console.report(&NetReport {
            arch,
            out: self.out.clone(),
            device: device.name,
            seconds,
            tensors: shapes_in(&self.out)?,
            golden,
        })
    }
}

fn read_config(text: &str) -> anyhow::Result<Value> {
    let is_file = !text.trim_start().starts_with('{');
    let text = if is_file {
        read_small_text(Path::new(text)).with_context(|| format!("cannot read the configuration {text}"))?
    } else {
        text.to_owned()
    };
    serde_json::from_str(&text).context("the configuration of the network is no JSON")
}

/// Names and shapes of the tensors in a file that was just written.
fn shapes_in(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<usize>>> {
    let tensors = StateDict::read(path)?;
    Ok(tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect())
}

#[derive(Serialize)]
struct NetReport {
    arch: String,
    out: PathBuf,
    device: String,
    seconds: f64,
    /// Shape of every tensor written.
    tensors: BTreeMap<String, Vec<usize>>,
    /// How the tensors compare with the reference's.
    #[serde(skip_serializing_if = "Option::is_none")]
    golden: Option<Parity>,
}

#[derive(Serialize)]
struct Parity {
    passed: bool,
    #[serde(flatten)]
    report: GoldenReport,
}

impl Report for NetReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} on {} in {:.2} s, {} tensors: {}",
            self.arch,
            self.device,
            self.seconds,
            self.tensors.len(),
            self.out.display()
        );
        if let Some(Parity { passed, report }) = &self.golden {
            let row = |c: &Comparison| {
                let verdict = if c.within { "within" } else { "DIFFERS" };
                vec![
                    c.name.clone(),
                    format!("{:.1e}", c.relative()),
                    format!("{:.1e}", c.tolerance),
                    verdict.into(),
                ]
            };
            let rows: Vec<_> = report.comparisons.iter().map(row).collect();
            text += &format!("\n{}", table(&["tensor", "difference", "allowed", ""], &rows));
            if !report.not_computed.is_empty() {
                text += &format!("\nnot computed: {}", report.not_computed.join(", "));
            }
            text += if *passed { "\nequal to the reference" } else { "\nNOT equal to the reference" };
        }
        text
    }
}
