//! `hilum simulate`: clicks by rule, or the whole annotation loop, with the truth as oracle.

mod teaching;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use hilum_core::io::read_small_text;
use hilum_core::measure::{Summary, percentile_of_sorted, summarize};
use hilum_models::device::DeviceChoice;
use hilum_models::infer::{OneClick, SimulatedClick, simulate_clicks};
use hilum_models::train::click::dataset::{Case, Dataset};
use hilum_models::train::recipe::DataSource;
use serde::{Deserialize, Serialize};

use super::bench::peak_memory_mib;
use super::output::{Console, Progress, Report, decimals, table};

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// What to click: a TOML file with `clicks` and the data sources of a recipe, whose validation cases are used; or,
    /// with `kind = "teaching"`, which cases to label in which orders.
    config: PathBuf,
    /// Model to use (see `hilum models list`).
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// For `kind = "teaching"`: folder of the results. Where it holds states of the same simulation, what is missing is run.
    #[arg(long, value_name = "DIR", default_value = "simulation")]
    out: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    clicks: usize,
    data: Vec<DataSource>,
}

impl Config {
    fn read(path: &Path, text: &str) -> anyhow::Result<Self> {
        let mut config: Self = toml::from_str(text)
            .with_context(|| format!("the configuration is not understood: {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.data.iter_mut().for_each(|source| source.resolve(folder));
        anyhow::ensure!(
            (1..=100).contains(&config.clicks),
            "clicks is {}; it must lie in 1..100",
            config.clicks
        );
        Ok(config)
    }
}

impl Simulate {
    /// Segments every case with one, two, three … clicks, each at the centre of the largest error region.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let text = read_small_text(&self.config)
            .with_context(|| format!("cannot read {}", self.config.display()))?;
        if text
            .parse::<toml::Table>()
            .is_ok_and(|t| t.get("kind").is_some_and(|k| k.as_str() == Some("teaching")))
        {
            return teaching::run(&text, &self.config, self.device, &self.out, console);
        }
        let config = Config::read(&self.config, &text)?;
        let progress = Progress::start("loading data");
        let cases = Dataset::load(&config.data)?.validation;
        anyhow::ensure!(!cases.is_empty(), "the configuration names no validation case");
        let mut pipeline = OneClick::from_catalog(console.catalog()?, self.model.as_deref(), self.device)?;
        pipeline.warm_up()?;
        let mut results = Vec::new();
        for case in cases {
            progress.line(&format!("{} …", case.name));
            results.push(simulate(&mut pipeline, case, config.clicks, &progress)?);
        }
        drop(progress);
        let report = SimulateReport::new(&pipeline, config.clicks, results);
        console.report(&report)
    }
}

fn simulate(
    pipeline: &mut OneClick,
    case: Case,
    clicks: usize,
    progress: &Progress,
) -> anyhow::Result<CaseResult> {
    let states = simulate_clicks(pipeline, &case.volume, &case.full_mask(), clicks, progress)?;
    Ok(CaseResult { case: case.name, modality: case.modality.code(), states })
}

#[derive(Serialize)]
struct CaseResult {
    case: String,
    modality: &'static str,
    states: Vec<SimulatedClick>,
}

impl CaseResult {
    /// Dice after `clicks` clicks; a case that needed fewer keeps its last.
    fn dice(&self, clicks: usize) -> f64 {
        self.states.get(clicks - 1).or(self.states.last()).map_or(0.0, |state| state.dice)
    }

    fn clicks_that_hurt(&self) -> usize {
        self.states.windows(2).filter(|pair| pair[1].dice < pair[0].dice - 0.005).count()
    }
}

#[derive(Serialize)]
struct SimulateReport {
    model: String,
    device: String,
    clicks: usize,
    cases: Vec<CaseResult>,
    /// Modality, clicks, Dice over its cases.
    dice: Vec<(String, usize, Summary)>,
    /// Stage, median and 95th percentile of its seconds over all clicks.
    seconds: Vec<(String, f64, f64)>,
    /// Share of later clicks after which Dice fell by more than 0.005.
    share_of_clicks_that_hurt: f64,
    peak_memory_mib: Option<f64>,
}

impl SimulateReport {
    fn new(pipeline: &OneClick, clicks: usize, cases: Vec<CaseResult>) -> Self {
        let later: usize = cases.iter().map(|c| c.states.len().saturating_sub(1)).sum();
        let hurt: usize = cases.iter().map(CaseResult::clicks_that_hurt).sum();
        Self {
            model: pipeline.model_id().to_owned(),
            device: pipeline.device_name().to_owned(),
            clicks,
            dice: dice_table(&cases, clicks),
            seconds: stage_seconds(&cases),
            share_of_clicks_that_hurt: hurt as f64 / later.max(1) as f64,
            peak_memory_mib: peak_memory_mib(),
            cases,
        }
    }
}

/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 5000;
const SEED: u64 = 1;

fn dice_table(cases: &[CaseResult], clicks: usize) -> Vec<(String, usize, Summary)> {
    let mut modalities: Vec<&str> = cases.iter().map(|c| c.modality).collect();
    modalities.sort_unstable();
    modalities.dedup();
    let mut rows = Vec::new();
    for modality in modalities {
        for count in [1, 2, 3, 5].into_iter().filter(|count| *count <= clicks) {
            let of: Vec<f64> =
                cases.iter().filter(|c| c.modality == modality).map(|c| c.dice(count)).collect();
            if let Some(summary) = summarize(&of, RESAMPLES, SEED) {
                rows.push((modality.to_owned(), count, summary));
            }
        }
    }
    rows
}

fn stage_seconds(cases: &[CaseResult]) -> Vec<(String, f64, f64)> {
    let states = || cases.iter().flat_map(|c| &c.states);
    let Some(first) = states().next() else { return Vec::new() };
    let mut stages: Vec<String> = first.seconds.iter().map(|(stage, _)| stage.clone()).collect();
    stages.push("total".into());
    // A correction may do without the first stage: then it counts in the total only.
    let of = |state: &SimulatedClick, stage: &str| -> Option<f64> {
        match stage {
            "total" => Some(state.seconds.iter().fold(0.0, |sum, (_, seconds)| sum + seconds)),
            _ => state.seconds.iter().find(|(name, _)| name == stage).map(|(_, seconds)| *seconds),
        }
    };
    stages
        .into_iter()
        .map(|stage| {
            let mut seconds: Vec<f64> = states().filter_map(|state| of(state, &stage)).collect();
            seconds.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| percentile_of_sorted(&seconds, share).unwrap_or(f64::NAN);
            (stage, at(0.5), at(0.95))
        })
        .collect()
}

impl Report for SimulateReport {
    fn text(&self) -> String {
        let header: Vec<String> = (1..=self.clicks).map(|n| format!("click {n}")).collect();
        let mut columns = vec!["case"];
        columns.extend(header.iter().map(String::as_str));
        let row = |case: &CaseResult| {
            let mut cells = vec![format!("{} {}", case.case, case.modality)];
            cells.extend((0..self.clicks).map(|i| decimals(case.states.get(i).map(|state| state.dice))));
            cells
        };
        let mut text = table(&columns, &self.cases.iter().map(row).collect::<Vec<_>>());
        for (modality, clicks, summary) in &self.dice {
            text += &format!(
                "\n{modality} after {clicks}: Dice {:.3} ({:.3} to {:.3})",
                summary.mean, summary.ci95_low, summary.ci95_high
            );
        }
        for (stage, median, high) in &self.seconds {
            text += &format!("\n{stage}: median {median:.3} s, 95th percentile {high:.3} s");
        }
        text +=
            &format!("\nlater clicks that made it worse: {:.0} %", 100.0 * self.share_of_clicks_that_hurt);
        let memory =
            self.peak_memory_mib.map_or_else(String::new, |mib| format!(", peak memory {mib:.0} MiB"));
        text + &format!("\n{} on {}{memory}", self.model, self.device)
    }
}
