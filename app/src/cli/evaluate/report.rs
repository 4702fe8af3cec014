//! How the figures are shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hilum_core::measure::{Summary, summarize};
use serde::Serialize;
use serde_json::Value;

use super::fundus::{self, FundusScores, FundusSummary};
use super::regions::{self, RegionScores, RegionsSummary};
use super::scores::{FIGURES, LabelScores};
use crate::cli::output::{Report, decimals, table};

/// Draws of the bootstrap.
pub const RESAMPLES: usize = 10_000;

/// One prediction against one truth.
#[derive(Serialize)]
pub struct CaseReport {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub pred: PathBuf,
    pub truth: PathBuf,
    pub spacing_mm: [f64; 3],
    pub has_physical_spacing: bool,
    /// Probability from which on a voxel was predicted, if the prediction has probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    pub labels: Vec<LabelScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fundus: Option<FundusScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<RegionScores>,
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
    pred: PathBuf,
    truth: PathBuf,
    cases: Vec<CaseReport>,
    summary: Vec<LabelSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fundus: Option<FundusSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regions: Option<RegionsSummary>,
    only_pred: Vec<String>,
    only_truth: Vec<String>,
}

impl FolderReport {
    /// Sums up the cases of the folders of predictions and truths; `alone` names what has no partner.
    pub fn new(
        [pred, truth]: [&Path; 2],
        cases: Vec<CaseReport>,
        alone: [Vec<String>; 2],
        seed: u64,
    ) -> Self {
        let fundus: Vec<&FundusScores> = cases.iter().filter_map(|c| c.fundus.as_ref()).collect();
        let regions: Vec<&RegionScores> = cases.iter().filter_map(|c| c.regions.as_ref()).collect();
        let [only_pred, only_truth] = alone;
        Self {
            pred: pred.to_owned(),
            truth: truth.to_owned(),
            summary: summaries(&cases, seed),
            fundus: (!fundus.is_empty()).then(|| fundus::summary(&fundus, seed)),
            regions: regions::summary(&regions, seed),
            only_pred,
            only_truth,
            cases,
        }
    }
}

/// Rows with mean, standard deviation and both ends of the interval of some figures.
pub fn summary_rows<'a>(
    cases: usize,
    names: &[&'static str],
    of: impl Fn(&'static str) -> Option<&'a Summary>,
) -> Vec<Vec<String>> {
    type Pick = fn(&Summary) -> Option<f64>;
    let lines: [(String, Pick); 4] = [
        (format!("mean of {cases}"), |s| Some(s.mean)),
        ("sd".to_owned(), |s| s.sd),
        ("95 % from".to_owned(), |s| Some(s.ci95_low)),
        ("95 % to".to_owned(), |s| Some(s.ci95_high)),
    ];
    let row = |(what, pick): (String, Pick)| {
        let cells = names.iter().map(|name| decimals(of(name).and_then(pick)));
        [what].into_iter().chain(cells).collect()
    };
    lines.into_iter().map(row).collect()
}

/// Mean, standard deviation and bootstrap interval of every figure of every label.
fn summaries(cases: &[CaseReport], seed: u64) -> Vec<LabelSummary> {
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
        let mut parts = vec![table(&header("label"), &self.labels.iter().map(row).collect::<Vec<_>>())];
        parts.extend(self.fundus.as_ref().map(|scores| fundus::text(&[("", scores)], None)));
        parts.extend(self.regions.as_ref().map(|scores| regions::text(&[("", scores)], None)));
        parts.join("\n\n")
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
            let names: Vec<&'static str> = FIGURES.iter().map(|(name, _)| *name).collect();
            let lines = summary_rows(summary.cases, &names, |name| summary.figures[name].as_ref());
            rows.extend(lines.into_iter().map(|mut line| {
                line[0] = format!("{} · {label}", line[0]);
                line
            }));
        }
        let mut parts = vec![table(&header("case · label"), &rows)];
        fn named<T>(case: &CaseReport, part: Option<T>) -> Option<(&str, T)> {
            part.map(|part| (case.name.as_str(), part))
        }
        let fundus: Vec<_> = self.cases.iter().filter_map(|c| named(c, c.fundus.as_ref())).collect();
        let regions: Vec<_> = self.cases.iter().filter_map(|c| named(c, c.regions.as_ref())).collect();
        parts.extend(self.fundus.as_ref().map(|sums| fundus::text(&fundus, Some(sums))));
        parts.extend(self.regions.as_ref().map(|sums| regions::text(&regions, Some(sums))));
        parts.join("\n\n")
    }
}
