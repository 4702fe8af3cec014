//! Figures of optic disc and cup.

use std::collections::BTreeMap;

use hilum_core::measure::cdr::{DiscLabels, DiscMask, vertical_cdr};
use hilum_core::measure::{Confusion, Summary, summarize};
use serde::Serialize;

use super::report::RESAMPLES;
use crate::cli::masks::Mask;
use crate::cli::output::{decimals, table};

/// How well disc and cup were found.
#[derive(Clone, Debug, Serialize)]
pub struct FundusScores {
    /// Dice of the disc, that is of rim and cup together.
    pub disc_dice: f64,
    /// Dice of the cup; `None` if the truth has none.
    pub cup_dice: Option<f64>,
    /// Vertical cup-to-disc ratio of the prediction: 0 without cup or disc.
    pub vcdr_pred: f64,
    /// That of the truth; `None` if it has no cup.
    pub vcdr_truth: Option<f64>,
    /// Absolute difference of both.
    pub vcdr_error: Option<f64>,
}

type Figure = (&'static str, fn(&FundusScores) -> Option<f64>);

/// Figures in the order in which they are shown.
const FIGURES: [Figure; 5] = [
    ("disc_dice", |s| Some(s.disc_dice)),
    ("cup_dice", |s| s.cup_dice),
    ("vcdr_pred", |s| Some(s.vcdr_pred)),
    ("vcdr_truth", |s| s.vcdr_truth),
    ("vcdr_error", |s| s.vcdr_error),
];

impl FundusScores {
    /// Compares two masks of one picture, 1 rim and 2 cup.
    pub fn of(prediction: &Mask, truth: &Mask) -> anyhow::Result<Self> {
        let [width, height, depth] = truth.grid.dims();
        anyhow::ensure!(depth == 1, "--fundus is for pictures; the truth has {depth} slices");
        let names = DiscLabels::default();
        let disc = |mask: &Mask| -> Vec<bool> {
            mask.labels.iter().map(|v| *v == names.rim || *v == names.cup).collect()
        };
        let cup = |mask: &Mask| mask.of_label(names.cup);
        let ratio = |mask: &Mask| DiscMask::from_labels(&mask.labels, [width, height], names).ok();
        let truth_has_cup = truth.labels.contains(&names.cup);
        let cup_dice = Confusion::of(&cup(prediction), &cup(truth))?.dice();
        let vcdr_pred = ratio(prediction).as_ref().map_or(0.0, vertical_cdr);
        let vcdr_truth = ratio(truth).as_ref().map(vertical_cdr).filter(|_| truth_has_cup);
        Ok(Self {
            disc_dice: Confusion::of(&disc(prediction), &disc(truth))?.dice(),
            cup_dice: truth_has_cup.then_some(cup_dice),
            vcdr_pred,
            vcdr_truth,
            vcdr_error: vcdr_truth.map(|truth| (vcdr_pred - truth).abs()),
        })
    }
}

/// Figures of disc and cup over several cases.
pub type FundusSummary = BTreeMap<&'static str, Option<Summary>>;

/// Mean, standard deviation and interval of every figure.
pub fn summary(scores: &[&FundusScores], seed: u64) -> FundusSummary {
    let over = |figure: fn(&FundusScores) -> Option<f64>| {
        let values: Vec<f64> = scores.iter().filter_map(|s| figure(s)).collect();
        summarize(&values, RESAMPLES, seed)
    };
    FIGURES.iter().map(|(name, figure)| (*name, over(*figure))).collect()
}

/// A table with a row a case and, for several, their summary.
pub fn text(cases: &[(&str, &FundusScores)], summary: Option<&FundusSummary>) -> String {
    let header: Vec<&str> = ["optic disc"].into_iter().chain(FIGURES.iter().map(|(name, _)| *name)).collect();
    let row = |(name, scores): &(&str, &FundusScores)| {
        let cells = FIGURES.iter().map(|(_, figure)| decimals(figure(scores)));
        [(*name).to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = cases.iter().map(row).collect();
    if let Some(summary) = summary {
        let names: Vec<&'static str> = FIGURES.iter().map(|(name, _)| *name).collect();
        rows.extend(super::report::summary_rows(cases.len(), &names, |name| summary[name].as_ref()));
    }
    table(&header, &rows)
}
