//! Counting over the whole image and inside the field of view.

use std::collections::BTreeMap;

use hilum_core::measure::{Confusion, Summary, roc_auc, summarize};
use serde::Serialize;

use super::report::RESAMPLES;
use crate::cli::output::{decimals, table};

/// One structure against everything else, counted in a region.
#[derive(Clone, Debug, Serialize)]
pub struct BinaryScores {
    /// Share of the structure that was found.
    pub sensitivity: f64,
    /// Share of everything else that was left alone.
    pub specificity: f64,
    /// Share of all pixels that are right.
    pub accuracy: f64,
    /// Harmonic mean of precision and sensitivity.
    pub f1: f64,
    /// Area under the ROC curve; `None` without probabilities, or if the truth is empty or everything.
    pub auc: Option<f64>,
    #[serde(flatten)]
    counts: Confusion,
}

/// The same structure in both regions.
#[derive(Clone, Debug, Serialize)]
pub struct RegionScores {
    /// All pixels.
    pub whole: BinaryScores,
    /// The pixels of the field of view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_fov: Option<BinaryScores>,
}

type Figure = (&'static str, fn(&BinaryScores) -> Option<f64>);

const FIGURES: [Figure; 5] = [
    ("sensitivity", |s| Some(s.sensitivity)),
    ("specificity", |s| Some(s.specificity)),
    ("accuracy", |s| Some(s.accuracy)),
    ("f1", |s| Some(s.f1)),
    ("auc", |s| s.auc),
];

impl BinaryScores {
    fn of(prediction: &[bool], truth: &[bool], scores: Option<&[f32]>) -> anyhow::Result<Self> {
        let auc = scores.map(|scores| roc_auc(scores, truth)).transpose()?.flatten();
        Ok(Self::from_counts(Confusion::of(prediction, truth)?, auc))
    }

    fn from_counts(counts: Confusion, auc: Option<f64>) -> Self {
        Self {
            sensitivity: counts.recall(),
            specificity: counts.specificity(),
            accuracy: counts.accuracy(),
            f1: counts.f1(),
            auc,
            counts,
        }
    }
}

impl RegionScores {
    /// Counts a prediction everywhere and where `field` holds.
    pub fn of(
        prediction: &[bool],
        truth: &[bool],
        scores: Option<&[f32]>,
        field: Option<&[bool]>,
    ) -> anyhow::Result<Self> {
        let inside_fov = field.map(|field| {
            let (prediction, truth) = (kept(prediction, field), kept(truth, field));
            let scores = scores.map(|scores| kept(scores, field));
            BinaryScores::of(&prediction, &truth, scores.as_deref())
        });
        Ok(Self { whole: BinaryScores::of(prediction, truth, scores)?, inside_fov: inside_fov.transpose()? })
    }
}

fn kept<T: Copy>(values: &[T], field: &[bool]) -> Vec<T> {
    values.iter().zip(field).filter(|(_, inside)| **inside).map(|(value, _)| *value).collect()
}

/// A region over several cases: figures averaged over cases, and those of all pixels counted together.
#[derive(Serialize)]
pub struct RegionSummary {
    mean: BTreeMap<&'static str, Option<Summary>>,
    /// Without AUC, since the probabilities of different cases need not be comparable.
    pooled: BinaryScores,
}

/// Both regions over several cases.
#[derive(Serialize)]
pub struct RegionsSummary {
    whole: RegionSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    inside_fov: Option<RegionSummary>,
}

impl RegionSummary {
    fn of(scores: &[&BinaryScores], seed: u64) -> Option<Self> {
        let over = |figure: fn(&BinaryScores) -> Option<f64>| {
            let values: Vec<f64> = scores.iter().filter_map(|s| figure(s)).collect();
            summarize(&values, RESAMPLES, seed)
        };
        let sum = scores.iter().map(|s| s.counts).reduce(|a, b| Confusion {
            true_positive: a.true_positive + b.true_positive,
            false_positive: a.false_positive + b.false_positive,
            false_negative: a.false_negative + b.false_negative,
            true_negative: a.true_negative + b.true_negative,
        })?;
        let mean = FIGURES.iter().map(|(name, figure)| (*name, over(*figure))).collect();
        Some(Self { mean, pooled: BinaryScores::from_counts(sum, None) })
    }
}

/// Sums up cases; `None` without any.
pub fn summary(cases: &[&RegionScores], seed: u64) -> Option<RegionsSummary> {
    let whole: Vec<&BinaryScores> = cases.iter().map(|c| &c.whole).collect();
    let inside: Vec<&BinaryScores> = cases.iter().filter_map(|c| c.inside_fov.as_ref()).collect();
    Some(RegionsSummary {
        whole: RegionSummary::of(&whole, seed)?,
        inside_fov: RegionSummary::of(&inside, seed),
    })
}

/// A table with a row a region of every case and, for several, their summary.
pub fn text(cases: &[(&str, &RegionScores)], summary: Option<&RegionsSummary>) -> String {
    let header: Vec<&str> = ["region"].into_iter().chain(FIGURES.iter().map(|(name, _)| *name)).collect();
    let row = |name: String, scores: &BinaryScores| {
        let cells = FIGURES.iter().map(|(_, figure)| decimals(figure(scores)));
        [name].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let title = |name: &str, region: &str| {
        if name.is_empty() { region.to_owned() } else { format!("{name} · {region}") }
    };
    let mut rows = Vec::new();
    for (name, scores) in cases {
        rows.push(row(title(name, "whole image"), &scores.whole));
        rows.extend(scores.inside_fov.as_ref().map(|inside| row(title(name, "field of view"), inside)));
    }
    let names: Vec<&'static str> = FIGURES.iter().map(|(name, _)| *name).collect();
    for (region, sums) in summary
        .into_iter()
        .flat_map(|s| [("whole image", Some(&s.whole)), ("field of view", s.inside_fov.as_ref())])
    {
        let Some(sums) = sums else { continue };
        let lines = super::report::summary_rows(cases.len(), &names, |name| sums.mean[name].as_ref());
        rows.extend(lines.into_iter().map(|mut line| {
            line[0] = format!("{} · {region}", line[0]);
            line
        }));
        rows.push(row(format!("all pixels together · {region}"), &sums.pooled));
    }
    table(&header, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_field_counts_inside_it() {
        let (prediction, truth) = ([true, false, true, false], [true, true, false, false]);
        let field = [true, true, false, true];
        let scores = [0.9, 0.4, 0.8, 0.1];
        let found = RegionScores::of(&prediction, &truth, Some(&scores), Some(&field)).unwrap();
        assert_eq!((found.whole.sensitivity, found.whole.specificity, found.whole.accuracy), (0.5, 0.5, 0.5));
        assert_eq!(found.whole.auc, Some(0.75));
        let inside = found.inside_fov.unwrap();
        assert_eq!((inside.sensitivity, inside.specificity, inside.auc), (0.5, 1.0, Some(1.0)));
        let pooled = RegionSummary::of(&[&inside, &found.whole], 1).unwrap().pooled;
        assert_eq!(pooled.accuracy, 4.0 / 7.0);
    }
}
