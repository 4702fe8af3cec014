//! `hilum sample`.

mod pictures;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hilum_core::io::nifti::{self, LabelName};
use hilum_core::label::color_of;
use hilum_core::phantom::{CtPhantomOptions, PhantomLesion, ct_phantom};
use serde::Serialize;

use super::args;
use super::convert::check_nifti_target;
use super::output::{Console, Report, by, table};

/// What `sample` makes.
#[derive(Debug, Subcommand)]
pub enum Sample {
    /// A CT of a trunk with six lesions.
    Ct(SampleCt),
    /// Photographs of the fundus with disc, cup, vessels and field of view.
    Fundus(pictures::SampleFundus),
    /// Sections of the kidney in several classes.
    Histology(pictures::SampleHistology),
}

impl Sample {
    /// Makes the image.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match self {
            Self::Ct(command) => command.run(console),
            Self::Fundus(command) => command.run(console),
            Self::Histology(command) => command.run(console),
        }
    }
}

/// Arguments of `sample ct`.
#[derive(Debug, Args)]
pub struct SampleCt {
    /// The image, .nii or .nii.gz.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The true mask, one label a lesion.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Decides everything that is left to chance.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Voxels, the patient in the middle.
    #[arg(long, value_name = "X,Y,Z", value_parser = args::dims)]
    dims: Option<[usize; 3]>,
    /// Distance of voxels in mm.
    #[arg(long, value_name = "X,Y,Z", value_parser = args::spacing_mm)]
    spacing: Option<[f64; 3]>,
    /// Standard deviation of the noise in HU.
    #[arg(long, value_name = "HU", default_value_t = 12.0)]
    noise: f32,
}

impl SampleCt {
    fn run(&self, console: &Console) -> anyhow::Result<()> {
        let targets = [Some(&self.out), self.truth.as_ref()];
        targets.into_iter().flatten().try_for_each(|path| check_nifti_target(path))?;
        anyhow::ensure!(
            self.noise.is_finite() && (0.0..=500.0).contains(&self.noise),
            "the noise is {} HU; it must lie between 0 and 500",
            self.noise
        );
        let default = CtPhantomOptions::default();
        let phantom = ct_phantom(&CtPhantomOptions {
            seed: self.seed,
            dims: self.dims.unwrap_or(default.dims),
            spacing_mm: self.spacing.unwrap_or(default.spacing_mm),
            noise_hu: self.noise,
        })?;
        nifti::save_volume(&self.out, &phantom.volume)?;
        if let Some(path) = &self.truth {
            let labels: Vec<u16> = phantom.truth.iter().map(|label| u16::from(*label)).collect();
            let name = |lesion: &PhantomLesion| LabelName {
                value: u16::from(lesion.label),
                name: lesion.name.to_owned(),
                color: color_of(u16::from(lesion.label)),
            };
            let names: Vec<_> = phantom.lesions.iter().map(name).collect();
            nifti::save_labels(path, &labels, phantom.volume.grid(), &phantom.volume.meta().source, &names)?;
        }
        console.report(&SampleReport {
            image: self.out.clone(),
            truth: self.truth.clone(),
            seed: self.seed,
            dims: phantom.volume.grid().dims(),
            spacing_mm: phantom.volume.grid().spacing_mm(),
            lesions: phantom.lesions,
        })
    }
}

#[derive(Serialize)]
struct SampleReport {
    image: PathBuf,
    truth: Option<PathBuf>,
    seed: u64,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    lesions: Vec<PhantomLesion>,
}

impl Report for SampleReport {
    fn text(&self) -> String {
        let row = |lesion: &PhantomLesion| {
            let click = lesion.click_voxel.map(|v| v.to_string()).join(",");
            vec![
                lesion.name.to_owned(),
                lesion.label.to_string(),
                click,
                format!("{:+.0} HU", lesion.contrast_hu),
            ]
        };
        let rows: Vec<_> = self.lesions.iter().map(row).collect();
        format!(
            "wrote a synthetic CT of {} voxels: {}\n{}",
            by(self.dims),
            self.image.display(),
            table(&["lesion", "label", "click", "contrast"], &rows)
        )
    }
}
