//! `hilum evaluate`.

pub(super) mod folders;
mod fundus;
mod pictures;
mod probability;
mod regions;
mod report;
mod scores;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::job::Observer as _;

use super::args;
use super::masks::{Mask, check_same_grid};
use super::output::{Console, Progress, warnings_json};
use folders::{field_of, pair_by_stem};
use fundus::FundusScores;
use pictures::Pictures;
use probability::Prediction;
use regions::RegionScores;
use report::{CaseReport, FolderReport};
use scores::LabelScores;

/// Arguments of `evaluate`.
///
/// A ratio whose denominator is zero is 1 if prediction and truth are both empty, else 0. Distances are those of
/// surface voxels (mask voxels with a face neighbour outside), both directions pooled; they are not defined if
/// either mask is empty. Folders pair files of the same name up to the ending; their summary counts the cases in
/// which a label occurs in the prediction or the truth, and for distances those in which it occurs in both.
///
/// A prediction is taken for probabilities if the truth has one label and the file is a NIfTI image with fractions, or
/// a grey picture with more than 32 values (of 255 or 65535).
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The mask to judge, or a folder of masks.
    #[arg(long, value_name = "P")]
    pred: PathBuf,
    /// The true mask, or a folder of masks.
    #[arg(long, value_name = "T")]
    truth: PathBuf,
    /// Only this label.
    #[arg(long, value_name = "L")]
    label: Option<u16>,
    /// The value in the prediction that stands for --label, if it is another.
    #[arg(long, value_name = "L", requires = "label")]
    pred_label: Option<u16>,
    /// Compare optic disc and cup (1 rim, 2 cup): Dice of the disc (both labels) and of the cup, and the error of the
    /// vertical cup-to-disc ratio.
    #[arg(long)]
    fundus: bool,
    /// Field of view: a mask, or a folder of masks with the names of the truths. Counts sensitivity, specificity,
    /// accuracy and F1 over the whole image and inside it.
    #[arg(long, value_name = "MASK")]
    fov: Option<PathBuf>,
    /// The prediction is a probability in any case; gives the area under the ROC curve too.
    #[arg(long)]
    probability: bool,
    /// Probability from which on a voxel is predicted.
    #[arg(long, value_name = "P", default_value = "0.5", value_parser = probability::threshold)]
    threshold: f32,
    /// Distance of voxels in mm, instead of what the files say about their geometry.
    #[arg(long, value_name = "X,Y,Z", value_parser = args::spacing_mm)]
    spacing: Option<[f64; 3]>,
    #[command(flatten)]
    pictures: Pictures,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Evaluate {
    /// Compares two masks or two folders of masks.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match (self.pred.is_dir(), self.truth.is_dir()) {
            (true, true) => self.run_folders(console),
            (false, false) => {
                if let Some(folder) = self.fov.as_ref().filter(|path| path.is_dir()) {
                    bail!("--fov is a folder and the masks are files; give a file: {}", folder.display());
                }
                let progress = Progress::start("comparing");
                let case = self.case("", &self.pred, &self.truth, self.fov.as_deref())?;
                drop(progress);
                case.warnings_text().iter().for_each(|text| console.warn(text));
                console.report(&case)
            }
            (true, false) => bail!("--pred is a folder and --truth a file; give two of a kind"),
            (false, true) => bail!("--truth is a folder and --pred a file; give two of a kind"),
        }
    }

    fn run_folders(&self, console: &Console) -> anyhow::Result<()> {
        let pairs = pair_by_stem(&self.pred, &self.truth)?;
        let total = pairs.matched.len() as u64;
        let progress = Progress::start("comparing");
        let mut cases = Vec::new();
        for (done, (name, pred, truth)) in pairs.matched.iter().enumerate() {
            progress.progress(name, done as u64, total);
            let fov = self.fov.as_deref().map(|fov| field_of(fov, name)).transpose()?;
            let case = self.case(name, pred, truth, fov.as_deref());
            cases.push(case.with_context(|| format!("case {name}"))?);
        }
        drop(progress);
        for path in self.pictures.draw(&cases)? {
            console.warn(&format!("drawn: {}", path.display()));
        }
        for (side, names) in [("prediction", &pairs.only_truth), ("truth", &pairs.only_pred)] {
            if !names.is_empty() {
                console.warn(&format!("no {side} for {}; left out", names.join(", ")));
            }
        }
        for (case, text) in
            cases.iter().flat_map(|c| c.warnings_text().into_iter().map(move |w| (&c.name, w)))
        {
            console.warn(&format!("{case}: {text}"));
        }
        let (only_pred, only_truth) = (pairs.only_pred, pairs.only_truth);
        console.report(&FolderReport::new(
            [&self.pred, &self.truth],
            cases,
            [only_pred, only_truth],
            self.seed,
        ))
    }

    fn case(&self, name: &str, pred: &Path, truth: &Path, fov: Option<&Path>) -> anyhow::Result<CaseReport> {
        let mut reference = Mask::open(truth)?;
        let (mut prediction, chances) = match Prediction::open(pred, self.probability, &reference)? {
            Prediction::Labels(mask) => (mask, None),
            Prediction::Scores(scores) => {
                let used = reference.used_labels().first().copied();
                let label = self.pred_label.or(self.label).or(used).unwrap_or(1);
                (scores.mask(self.threshold, label), Some(scores.values))
            }
        };
        if let Some(spacing) = self.spacing {
            let (p, t) = (prediction.grid.dims(), reference.grid.dims());
            if p != t {
                bail!("the prediction has {p:?} voxels and the truth {t:?}; resample one to the other");
            }
            prediction = prediction.with_spacing(spacing)?;
            reference = reference.with_spacing(spacing)?;
        } else {
            prediction = prediction.on_grid(&reference.grid);
            let hint = "resample the prediction, or give --spacing if only the headers are wrong";
            check_same_grid(pred, &prediction.grid, truth, &reference.grid, hint)?;
        }
        let labels = self.labels(&prediction, &reference);
        let scores = labels
            .iter()
            .map(|(label, pred_label)| LabelScores::of(&prediction, *pred_label, &reference, *label))
            .collect::<anyhow::Result<_>>()?;
        let field = fov.map(|path| self.field(path, truth, &reference)).transpose()?;
        let regions = (field.is_some() || chances.is_some()).then(|| {
            // Several labels count as one structure.
            let of = |mask: &Mask, label: u16| match labels.len() {
                1 => mask.of_label(label),
                _ => mask.labels.iter().map(|v| *v > 0).collect(),
            };
            let (label, pred_label) = labels[0];
            let (predicted, true_mask) = (of(&prediction, pred_label), of(&reference, label));
            RegionScores::of(&predicted, &true_mask, chances.as_deref(), field.as_deref())
        });
        let fundus = self.fundus.then(|| FundusScores::of(&prediction, &reference));
        let mut warnings = warnings_json(&prediction.warnings);
        warnings.extend(warnings_json(&reference.warnings));
        // Both files usually say the same.
        warnings.dedup();
        Ok(CaseReport {
            name: name.to_owned(),
            pred: pred.to_owned(),
            truth: truth.to_owned(),
            spacing_mm: reference.grid.spacing_mm(),
            has_physical_spacing: reference.has_physical_spacing,
            threshold: chances.is_some().then_some(self.threshold),
            labels: scores,
            fundus: fundus.transpose()?,
            regions: regions.transpose()?,
            warnings,
        })
    }

    /// Where the field of view is, on the grid of the truth.
    fn field(&self, path: &Path, truth: &Path, reference: &Mask) -> anyhow::Result<Vec<bool>> {
        let mut mask = Mask::open(path)?;
        if let Some(spacing) = self.spacing.filter(|_| mask.grid.dims() == reference.grid.dims()) {
            mask = mask.with_spacing(spacing)?;
        }
        check_same_grid(
            path,
            &mask.grid,
            truth,
            &reference.grid,
            "the field of view belongs to another image",
        )?;
        if mask.labels.iter().all(|label| *label == 0) {
            bail!("the field of view is empty: {}", path.display());
        }
        Ok(mask.labels.iter().map(|label| *label > 0).collect())
    }

    /// Labels of the truth, each with the label of the prediction that stands for it.
    fn labels(&self, prediction: &Mask, truth: &Mask) -> Vec<(u16, u16)> {
        if let Some(label) = self.label {
            return vec![(label, self.pred_label.unwrap_or(label))];
        }
        let mut labels = truth.used_labels();
        labels.extend(prediction.used_labels());
        labels.sort_unstable();
        labels.dedup();
        if labels.is_empty() {
            // Two empty masks agree, and that is worth saying.
            labels.push(1);
        }
        labels.into_iter().map(|label| (label, label)).collect()
    }
}
