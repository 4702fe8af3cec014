//! How the figures are shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hilum_core::measure::{Summary, summarize};
use serde::Serialize;
use serde_json::Value;

use super::scores::{FIGURES, LabelScores};
use crate::cli::output::{Report, decimals, table};

/// Draws of the bootstrap.
const RESAMPLES: usize = 10_000;

/// One prediction against one truth.
#[derive(Serialize)]
pub struct CaseReport {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub pred: PathBuf,
    pub truth: PathBuf,
    pub spacing_mm: [f64; 3],
    pub has_physical_spacing: bool,
    pub labels: Vec<LabelScores>,
    pub warnings: Vec<Value>,
}

/// Figures of a label over the cases in which it occurs.
#[derive(Serialize)]
pub struct LabelSummary {
    label: u16,
    name: Option<String>,
    cases: usize,
    #[serde(flatten)]
    figures: BTreeMap<&'static str, Option<Summary>>,
}

/// Two folders.
#[derive(Serialize)]
pub struct FolderReport {
    pub pred: PathBuf,
    pub truth: PathBuf,
    pub cases: Vec<CaseReport>,
    pub summary: Vec<LabelSummary>,
    pub only_pred: Vec<String>,
    pub only_truth: Vec<String>,
}

/// Mean, standard deviation and bootstrap interval of every figure of every label.
pub fn summaries(cases: &[CaseReport], seed: u64) -> Vec<LabelSummary> {
    let mut by_label: BTreeMap<u16, Vec<&LabelScores>> = BTreeMap::new();
    for scores in cases.iter().flat_map(|case| &case.labels).filter(|scores| scores.occurs()) {
        by_label.entry(scores.label).or_default().push(scores);
    }
    let summary = |(label, scores): (u16, Vec<&LabelScores>)| {
        let over_cases = |figure: fn(&LabelScores) -> Option<f64>| {
            let values: Vec<f64> = scores.iter().filter_map(|s| figure(s)).collect();
            summarize(&values, RESAMPLES, seed)
        };
        LabelSummary {
            label,
            name: scores.iter().find_map(|s| s.name.clone()),
            cases: scores.len(),
            figures: FIGURES.iter().map(|(name, figure)| (*name, over_cases(*figure))).collect(),
        }
    };
    by_label.into_iter().map(summary).collect()
}

impl CaseReport {
    /// The warnings as people read them.
    pub fn warnings_text(&self) -> Vec<String> {
        self.warnings.iter().filter_map(|w| w["message"].as_str()).map(str::to_owned).collect()
    }
}

fn header(first: &'static str) -> Vec<&'static str> {
    [first].into_iter().chain(FIGURES.iter().map(|(name, _)| *name)).collect()
}

fn figures_of(scores: &LabelScores) -> impl Iterator<Item = String> {
    FIGURES.iter().map(move |(_, figure)| decimals(figure(scores)))
}

impl Report for CaseReport {
    fn text(&self) -> String {
        let row = |scores: &LabelScores| [scores.title()].into_iter().chain(figures_of(scores)).collect();
        table(&header("label"), &self.labels.iter().map(row).collect::<Vec<_>>())
    }
}

impl Report for FolderReport {
    fn text(&self) -> String {
        let mut rows = Vec::new();
        for case in &self.cases {
            for scores in &case.labels {
                let name = format!("{} · {}", case.name, scores.title());
                rows.push([name].into_iter().chain(figures_of(scores)).collect());
            }
        }
        for summary in &self.summary {
            let label = summary
                .name
                .as_ref()
                .map_or_else(|| summary.label.to_string(), |n| format!("{} {n}", summary.label));
            let mut line = |what: &str, pick: fn(&Summary) -> Option<f64>| {
                let cells =
                    FIGURES.iter().map(|(name, _)| decimals(summary.figures[name].as_ref().and_then(pick)));
                rows.push([format!("{what} · {label}")].into_iter().chain(cells).collect());
            };
            line(&format!("mean of {}", summary.cases), |s| Some(s.mean));
            line("sd", |s| s.sd);
            line("95 % from", |s| Some(s.ci95_low));
            line("95 % to", |s| Some(s.ci95_high));
        }
        table(&header("case · label"), &rows)
    }
}
