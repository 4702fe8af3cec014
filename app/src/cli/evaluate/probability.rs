//! Predictions that are probabilities and not labels.

use std::path::Path;

use anyhow::{Context as _, bail};
use hilum_core::geometry::Grid;
use hilum_core::io::{self, FileKind, OpenOptions, Warning};
use hilum_core::volume::Voxels;

use crate::cli::masks::Mask;

/// Distinct values above which a grey image is taken for probabilities: hardly any label map has as many.
const MANY_VALUES: usize = 32;

/// A probability for every voxel, `[z, y, x]`, 0 to 1.
pub struct Probability {
    /// The values.
    pub values: Vec<f32>,
    grid: Grid,
    has_physical_spacing: bool,
    warnings: Vec<Warning>,
}

/// A prediction of either kind.
pub enum Prediction {
    /// A label a voxel.
    Labels(Mask),
    /// A probability a voxel.
    Scores(Probability),
}

impl Prediction {
    /// Opens a prediction. It is taken for probabilities if `forced`, or if the truth has no more than one label and
    /// the file is a NIfTI image with fractions, or a grey picture with more values than a label map has.
    pub fn open(path: &Path, forced: bool, truth: &Mask) -> anyhow::Result<Self> {
        if forced {
            return Probability::open(path).map(Self::Scores);
        }
        let is_binary = truth.used_labels().len() <= 1;
        match Mask::open(path) {
            Ok(mask) if is_binary && is_picture(path) && mask.used_labels().len() > MANY_VALUES => {
                Probability::open(path).map(Self::Scores)
            }
            Ok(mask) => Ok(Self::Labels(mask)),
            // What is wrong with it as a mask is the better message if it is no probability either.
            Err(error) if is_binary => Probability::open(path).map(Self::Scores).map_err(|_| error),
            Err(error) => Err(error),
        }
    }
}

fn is_picture(path: &Path) -> bool {
    matches!(io::probe(path), Ok(FileKind::Raster))
}

impl Probability {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let opened = io::open(path, &OpenOptions::default(), &())?;
        let volume = opened.volume;
        let unit = match volume.voxels() {
            // Of pictures the range of the type is the range of the probability, of volumes that of the values.
            Voxels::U8(_) if is_picture(path) => f32::from(u8::MAX),
            Voxels::U16(_) if is_picture(path) => f32::from(u16::MAX),
            // Some programs write grey as colour.
            Voxels::Rgb8(colors) if colors.iter().all(|[r, g, b]| r == g && g == b) => f32::from(u8::MAX),
            Voxels::Rgb8(_) => {
                bail!("a probability has one value a pixel; save it as a grey picture: {}", path.display())
            }
            _ => 1.0,
        };
        let mut values = Vec::with_capacity(volume.voxels().len());
        volume.voxels().extend_f32(0..volume.voxels().len(), &mut values);
        values.iter_mut().for_each(|v| *v /= unit);
        if let Some(wrong) = values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            bail!("a probability lies within 0 and 1, and there is {wrong}: {}", path.display());
        }
        Ok(Self {
            values,
            grid: *volume.grid(),
            has_physical_spacing: volume.meta().has_physical_spacing,
            warnings: opened.warnings,
        })
    }

    /// Label `label` wherever the probability reaches a threshold.
    pub fn mask(&self, threshold: f32, label: u16) -> Mask {
        let labels = self.values.iter().map(|v| if *v >= threshold { label } else { 0 }).collect();
        Mask::new(labels, self.grid, self.has_physical_spacing, self.warnings.clone())
    }
}

/// Reads a threshold on the command line.
pub fn threshold(text: &str) -> Result<f32, String> {
    let value: Option<f32> = text.parse().ok().filter(|t| *t > 0.0 && *t <= 1.0);
    value
        .with_context(|| format!("\"{text}\" is no threshold above 0 and up to 1"))
        .map_err(|e| e.to_string())
}
