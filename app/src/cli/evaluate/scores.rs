//! The figures of one label in one case.

use hilum_core::measure::{Confusion, surface_distance};
use serde::Serialize;

use crate::cli::masks::Mask;

/// How well a label was found.
#[derive(Clone, Debug, Serialize)]
pub struct LabelScores {
    pub label: u16,
    pub name: Option<String>,
    pub dice: f64,
    pub iou: f64,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub accuracy: f64,
    pub specificity: f64,
    /// `None` if prediction or truth is empty, like the other distances.
    pub hd95_mm: Option<f64>,
    pub assd_mm: Option<f64>,
    pub hd_mm: Option<f64>,
    pub pred_volume_ml: f64,
    pub truth_volume_ml: f64,
    #[serde(flatten)]
    pub counts: Confusion,
}

/// A figure by name.
pub type Figure = (&'static str, fn(&LabelScores) -> Option<f64>);

/// The figures that are summarised over cases, in the order in which they are shown.
pub const FIGURES: [Figure; 9] = [
    ("dice", |s| Some(s.dice)),
    ("iou", |s| Some(s.iou)),
    ("precision", |s| Some(s.precision)),
    ("recall", |s| Some(s.recall)),
    ("f1", |s| Some(s.f1)),
    ("accuracy", |s| Some(s.accuracy)),
    ("specificity", |s| Some(s.specificity)),
    ("hd95_mm", |s| s.hd95_mm),
    ("assd_mm", |s| s.assd_mm),
];

impl LabelScores {
    /// Compares `pred_label` of a prediction with `label` of a truth on the same grid.
    pub fn of(prediction: &Mask, pred_label: u16, truth: &Mask, label: u16) -> anyhow::Result<Self> {
        let (p, t) = (prediction.of_label(pred_label), truth.of_label(label));
        let counts = Confusion::of(&p, &t)?;
        let grid = &truth.grid;
        let distance = surface_distance(&p, &t, grid.dims(), grid.spacing_mm())?;
        let ml = grid.affine().voxel_volume_mm3() / 1000.0;
        Ok(Self {
            label,
            name: truth.name(label).or_else(|| prediction.name(pred_label)).map(str::to_owned),
            dice: counts.dice(),
            iou: counts.iou(),
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            accuracy: counts.accuracy(),
            specificity: counts.specificity(),
            hd95_mm: distance.map(|d| d.hd95_mm),
            assd_mm: distance.map(|d| d.assd_mm),
            hd_mm: distance.map(|d| d.hd_mm),
            pred_volume_ml: (counts.true_positive + counts.false_positive) as f64 * ml,
            truth_volume_ml: (counts.true_positive + counts.false_negative) as f64 * ml,
            counts,
        })
    }

    /// Whether the label occurs in the prediction or the truth.
    pub fn occurs(&self) -> bool {
        self.counts.true_positive + self.counts.false_positive + self.counts.false_negative > 0
    }

    /// The label with its name, if it has one.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| self.label.to_string(), |name| format!("{} {name}", self.label))
    }
}
