//! `hilum simulate` with `kind = "teaching"`: the whole annotation loop with the truth as oracle.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use hilum_core::io::{read_small_text, replace_file};
use hilum_core::measure::Summary;
use hilum_models::device::DeviceChoice;
use hilum_models::teach::{
    Latest, Measured, SimulatedState, Simulation, SimulationReport, Strategy, TeachError,
};
use hilum_models::train::save_curves;
use serde::Serialize;
use serde_json::Value;

use super::super::output::{Console, Progress, Report, table};

/// Runs a simulation, or what is missing of it, and writes `states.csv` as it grows, then `simulation.json` and
/// `curves.png` into `out`.
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
    let table = out.join("states.csv");
    let measured = take_up(&simulation, out, &table)?;
    let progress = Progress::start("loading data");
    let report = simulation.run(device, measured, &progress, &mut |measured, latest| {
        progress.line(&line(latest));
        let csv = measured.to_csv(simulation.pool);
        // Before anything else is measured: a run that is killed loses nothing that it told.
        replace_file(&table, |file| file.write_all(csv.as_bytes()))
            .map_err(|error| TeachError::Unsuitable(error.to_string()))
    })?;
    drop(progress);
    write(&out.join("simulation.json"), serde_json::to_string_pretty(&report)?.as_bytes())?;
    let curve = |strategy: &Strategy| curve(*strategy, &report.measured.states);
    let curves: Vec<Vec<(usize, f64)>> = simulation.strategies.iter().map(curve).collect();
    save_curves(&out.join("curves.png"), &curves).context("cannot draw the curves")?;
    console.report(&TeachingReport(report))
}

/// What a run before, of the same setting, has measured in the folder; and the setting, for a run after this one.
fn take_up(simulation: &Simulation, out: &Path, table: &Path) -> anyhow::Result<Measured> {
    let other = "choose another folder with --out, or delete that one";
    let setting = simulation.setting()?;
    let path = out.join("setting.json");
    if !table.exists() {
        write(&path, serde_json::to_string_pretty(&setting)?.as_bytes())?;
        return Ok(Measured::default());
    }
    let before = read_small_text(&path).with_context(|| {
        format!("{} holds states, but not of which simulation they are; {other}", out.display())
    })?;
    let before: Value = serde_json::from_str(&before)
        .with_context(|| format!("the setting is not understood: {}", path.display()))?;
    if let Some(key) = first_difference(&before, &setting) {
        let value = |setting: &Value| setting.get(&key).map_or("missing".to_owned(), Value::to_string);
        anyhow::bail!(
            "{} holds states of another simulation: {key} is {} there and {} here; {other}",
            out.display(),
            value(&before),
            value(&setting)
        );
    }
    let text = read_small_text(table).with_context(|| format!("cannot read {}", table.display()))?;
    Measured::from_csv(&text).with_context(|| format!("{}; {other}", table.display()))
}

/// The first key with different values in two tables.
fn first_difference(a: &Value, b: &Value) -> Option<String> {
    let keys = [a, b].into_iter().filter_map(Value::as_object).flat_map(|table| table.keys());
    keys.into_iter().find(|key| a.get(key.as_str()) != b.get(key.as_str())).cloned()
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace_file(path, |out| out.write_all(bytes)).map_err(Into::into)
}

fn line(latest: Latest<'_>) -> String {
    match latest {
        Latest::Full(seed, dice) => format!("all labels, seed {seed}: Dice {dice:.4}"),
        Latest::State(state) => format!(
            "{}, seed {}: {} labelled, Dice {:.4}, {} clicks, {} strokes",
            state.strategy.name(),
            state.seed,
            state.labelled,
            state.dice,
            state.clicks,
            state.strokes
        ),
    }
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
                    result.strategy.name().to_owned(),
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
                    strategy.name().to_owned(),
                    gain.round.to_string(),
                    gain.labelled.to_string(),
                    interval(&Some(gain.gain), 4),
                    gain.gain.n.to_string(),
                ]
            })
            .collect();
        let by_round = table(&["order", "round", "labelled", "Dice less chance", "seeds"], &gains);
        let full: Vec<String> =
            report.measured.full.iter().map(|(seed, dice)| format!("{dice:.4} (seed {seed})")).collect();
        let (orders, full) = (table(&header, &rows), full.join(", "));
        format!("{orders}\n{by_round}\nDice with all labels: {full}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulation() -> Simulation {
        let folder = hilum_core::testing::in_package("../resources/recipes");
        let text = std::fs::read_to_string(folder.join("simulate-hippocampus.toml")).unwrap();
        let mut fields: toml::Table = text.parse().unwrap();
        fields.remove("kind");
        let simulation: Simulation = fields.try_into().unwrap();
        simulation.resolved(&folder).unwrap()
    }

    #[test]
    fn a_folder_is_taken_up_by_the_same_simulation_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (out, table) = (folder.path(), folder.path().join("states.csv"));
        let simulation = simulation();
        assert!(take_up(&simulation, out, &table).unwrap().full.is_empty());
        let known = Measured { full: vec![(1, 0.5)], ..Measured::default() };
        std::fs::write(&table, known.to_csv(simulation.pool)).unwrap();
        assert_eq!(take_up(&simulation, out, &table).unwrap().full, known.full);
        let more_seeds = Simulation { seeds: vec![1, 2, 3, 4], ..simulation.clone() };
        assert_eq!(take_up(&more_seeds, out, &table).unwrap().full, known.full);

        let refused =
            |simulation: &Simulation| format!("{:#}", take_up(simulation, out, &table).unwrap_err());
        let text = refused(&Simulation { first_steps: 81, ..simulation.clone() });
        assert!(text.contains("first_steps is 80 there and 81 here") && text.contains("--out"), "{text}");
        std::fs::write(&table, "strategy,seed\n").unwrap();
        let text = refused(&simulation);
        assert!(text.contains("states.csv") && text.contains("line 1"), "{text}");
        std::fs::remove_file(out.join("setting.json")).unwrap();
        assert!(refused(&simulation).contains("not of which simulation"));
    }
}
