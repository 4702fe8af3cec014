//! `hilum simulate` with `kind = "teaching"`: the whole annotation loop with the truth as oracle.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use hilum_core::io::replace_file;
use hilum_core::measure::Summary;
use hilum_models::device::DeviceChoice;
use hilum_models::teach::{SimulatedState, Simulation, SimulationReport, Strategy};
use hilum_models::train::save_curves;
use serde::Serialize;

use super::super::output::{Console, Progress, Report, table};

/// Runs a simulation and writes `simulation.json`, `states.csv` and `curves.png` into `out`.
pub fn run(
    text: &str,
    path: &Path,
    device: DeviceChoice,
    out: &Path,
    console: &Console,
) -> anyhow::Result<()> {
    let mut fields: toml::Table = text.parse()?;
    fields.remove("kind");
    let simulation: Simulation = fields
        .try_into()
        .with_context(|| format!("the configuration is not understood: {}", path.display()))?;
    let simulation = simulation.resolved(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let progress = Progress::start("loading data");
    let report = simulation.run(device, &progress, &mut |state| progress.line(&line(state)))?;
    drop(progress);
    write(&out.join("simulation.json"), serde_json::to_string_pretty(&report)?.as_bytes())?;
    write(&out.join("states.csv"), csv(&report.states).as_bytes())?;
    let curves: Vec<Vec<(usize, f64)>> =
        simulation.strategies.iter().map(|strategy| curve(*strategy, &report.states)).collect();
    save_curves(&out.join("curves.png"), &curves).context("cannot draw the curves")?;
    console.report(&TeachingReport(report))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace_file(path, |out| out.write_all(bytes)).map_err(Into::into)
}

fn line(state: &SimulatedState) -> String {
    format!(
        "{:?}, seed {}: {} labelled, Dice {:.4}, {} strokes",
        state.strategy, state.seed, state.labelled, state.dice, state.strokes
    )
}

fn csv(states: &[SimulatedState]) -> String {
    let mut text = "strategy,seed,labelled,share,dice,clicks,strokes\n".to_owned();
    for s in states {
        let strategy = format!("{:?}", s.strategy).to_lowercase();
        writeln!(
            text,
            "{strategy},{},{},{:.4},{:.5},{},{}",
            s.seed, s.labelled, s.share, s.dice, s.clicks, s.strokes
        )
        .ok();
    }
    text
}

/// Mean Dice over seeds at each number of labelled cases.
fn curve(strategy: Strategy, states: &[SimulatedState]) -> Vec<(usize, f64)> {
    let of = || states.iter().filter(|state| state.strategy == strategy);
    let mut numbers: Vec<usize> = of().map(|state| state.labelled).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mean = |labelled: usize| {
        let dices: Vec<f64> = of().filter(|s| s.labelled == labelled).map(|s| s.dice).collect();
        dices.iter().sum::<f64>() / dices.len() as f64
    };
    numbers.into_iter().map(|labelled| (labelled, mean(labelled))).collect()
}

#[derive(Serialize)]
#[serde(transparent)]
struct TeachingReport(SimulationReport);

impl Report for TeachingReport {
    fn text(&self) -> String {
        let report = &self.0;
        let interval = |s: &Option<Summary>, digits: usize| {
            s.as_ref().map_or_else(
                || "–".to_owned(),
                |s| format!("{:.digits$} ({:.digits$} to {:.digits$})", s.mean, s.ci95_low, s.ci95_high),
            )
        };
        let header = ["order", "share of labels to 95 %", "never", "Dice less chance"];
        let rows: Vec<Vec<String>> = report
            .strategies
            .iter()
            .map(|result| {
                vec![
                    format!("{:?}", result.strategy).to_lowercase(),
                    interval(&result.share_to_95, 2),
                    result.never.to_string(),
                    interval(&result.gain, 4),
                ]
            })
            .collect();
        let gains: Vec<Vec<String>> = report
            .strategies
            .iter()
            .flat_map(|result| result.gains.iter().map(move |gain| (result.strategy, gain)))
            .map(|(strategy, gain)| {
                vec![
                    format!("{strategy:?}").to_lowercase(),
                    gain.round.to_string(),
                    gain.labelled.to_string(),
                    interval(&Some(gain.gain), 4),
                    gain.gain.n.to_string(),
                ]
            })
            .collect();
        let by_round = table(&["order", "round", "labelled", "Dice less chance", "seeds"], &gains);
        let full: Vec<String> =
            report.full.iter().map(|(seed, dice)| format!("{dice:.4} (seed {seed})")).collect();
        let (orders, full) = (table(&header, &rows), full.join(", "));
        format!("{orders}\n{by_round}\nDice with all labels: {full}")
    }
}
