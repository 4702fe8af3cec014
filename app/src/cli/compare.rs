//! `hilum compare`: training runs side by side.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use hilum_core::measure::{Summary, summarize};
use hilum_models::train::{CaseScore, Progress};
use serde::{Deserialize, Serialize};

use super::output::{Console, Report, table};

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Folders of runs. Runs of one recipe with several seeds are averaged case by case; the first recipe is what the
    /// others are compared with.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
}

/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 5000;
const SEED: u64 = 1;

/// The part of a run's recipe that names it.
#[derive(Deserialize)]
struct RunRecipe {
    name: String,
    arch: String,
    seed: u64,
}

struct Run {
    recipe: RunRecipe,
    progress: Progress,
}

impl Compare {
    /// Prints means with 95 % bootstrap intervals over cases, and paired differences.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let mut groups: Vec<Vec<Run>> = Vec::new();
        for folder in &self.runs {
            let run = read(folder)?;
            match groups.iter_mut().find(|group| group[0].recipe.name == run.recipe.name) {
                Some(group) => group.push(run),
                None => groups.push(vec![run]),
            }
        }
        let mut rows = Vec::new();
        for is_synthetic in [false, true] {
            let reference = Scores::of(&groups[0], is_synthetic)?;
            for group in &groups {
                let scores = Scores::of(group, is_synthetic)?;
                anyhow::ensure!(
                    scores.names == reference.names,
                    "the runs of {} and {} were validated on different cases",
                    group[0].recipe.name,
                    groups[0][0].recipe.name
                );
                rows.extend(Row::new(group, is_synthetic, &scores, &reference));
            }
        }
        anyhow::ensure!(!rows.is_empty(), "the runs hold no validation yet");
        console.report(&CompareReport { rows })
    }
}

fn read(folder: &Path) -> anyhow::Result<Run> {
    let text = |name: &str| {
        std::fs::read_to_string(folder.join(name))
            .with_context(|| format!("this is no folder of a run with a validation: {}", folder.display()))
    };
    let understood = || format!("the run's files are not understood: {}", folder.display());
    let recipe = serde_json::from_str(&text("recipe.json")?).with_context(understood)?;
    let progress = serde_json::from_str(&text("progress.json")?).with_context(understood)?;
    Ok(Run { recipe, progress })
}

/// Scores of each case, averaged over its clicks and over seeds.
struct Scores {
    names: Vec<String>,
    dice: Vec<f64>,
    precision: Vec<f64>,
    recall: Vec<f64>,
}

impl Scores {
    fn of(group: &[Run], is_synthetic: bool) -> anyhow::Result<Self> {
        let mut scores =
            Self { names: Vec::new(), dice: Vec::new(), precision: Vec::new(), recall: Vec::new() };
        let of_kind = |run: &'_ Run| {
            let cases = run.progress.best.cases.clone();
            cases.into_iter().filter(|c| c.is_synthetic == is_synthetic).collect::<Vec<CaseScore>>()
        };
        let all: Vec<CaseScore> = group.iter().flat_map(of_kind).collect();
        let case_of = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        scores.names = all.iter().map(|case| case_of(&case.name)).collect();
        scores.names.sort();
        scores.names.dedup();
        for name in &scores.names {
            let of_case: Vec<&CaseScore> = all.iter().filter(|case| case_of(&case.name) == *name).collect();
            let mean = |value: fn(&CaseScore) -> f64| {
                of_case.iter().map(|case| value(case)).sum::<f64>() / of_case.len() as f64
            };
            scores.dice.push(mean(|case| case.dice));
            scores.precision.push(mean(|case| case.precision));
            scores.recall.push(mean(|case| case.recall));
        }
        Ok(scores)
    }
}

#[derive(Serialize)]
struct Row {
    recipe: String,
    arch: String,
    seeds: Vec<u64>,
    /// Steps of the longest run.
    steps: usize,
    /// Whether the cases are synthetic.
    synthetic: bool,
    dice: Summary,
    precision: Summary,
    recall: Summary,
    /// Dice less that of the first recipe, case by case.
    dice_difference: Summary,
}

impl Row {
    fn new(group: &[Run], synthetic: bool, scores: &Scores, reference: &Scores) -> Option<Self> {
        let summary = |values: &[f64]| summarize(values, RESAMPLES, SEED);
        let difference: Vec<f64> = scores.dice.iter().zip(&reference.dice).map(|(a, b)| a - b).collect();
        Some(Self {
            recipe: group[0].recipe.name.clone(),
            arch: group[0].recipe.arch.clone(),
            seeds: group.iter().map(|run| run.recipe.seed).collect(),
            steps: group.iter().map(|run| run.progress.step).max().unwrap_or(0),
            synthetic,
            dice: summary(&scores.dice)?,
            precision: summary(&scores.precision)?,
            recall: summary(&scores.recall)?,
            dice_difference: summary(&difference)?,
        })
    }
}

#[derive(Serialize)]
struct CompareReport {
    rows: Vec<Row>,
}

impl Report for CompareReport {
    fn text(&self) -> String {
        let interval = |s: &Summary| format!("{:.3} ({:.3} to {:.3})", s.mean, s.ci95_low, s.ci95_high);
        let row = |row: &Row| {
            vec![
                row.recipe.clone(),
                if row.synthetic { "synthetic" } else { "real" }.to_owned(),
                row.dice.n.to_string(),
                row.seeds.len().to_string(),
                row.steps.to_string(),
                interval(&row.dice),
                interval(&row.precision),
                interval(&row.recall),
                interval(&row.dice_difference),
            ]
        };
        let header = [
            "recipe",
            "cases",
            "n",
            "seeds",
            "steps",
            "Dice (95 %)",
            "precision",
            "recall",
            "Dice difference",
        ];
        table(&header, &self.rows.iter().map(row).collect::<Vec<_>>())
    }
}
