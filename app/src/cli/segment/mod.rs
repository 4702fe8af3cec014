//! `hilum segment`: what is clicked in a volume, or every voxel of an image.

mod clicks;
mod dense;
mod slide;

use std::path::PathBuf;

use clap::Args;
use hilum_models::device::DeviceChoice;

use super::args::{Choice, Triple};
use super::output::Console;

/// Arguments of `segment`.
#[derive(Debug, Args)]
pub struct Segment {
    /// A volume or a picture; for models that need no click also a folder of pictures.
    image: PathBuf,
    /// A voxel inside the object (x,y,z from 0); repeat for more. Models that label the whole image take none.
    #[arg(long, value_name = "X,Y,Z", required_unless_present = "model", allow_hyphen_values = true)]
    click: Vec<Triple>,
    /// A voxel outside the object; repeat for more.
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    not: Vec<Triple>,
    /// Clicks are positions in the patient in LPS mm instead of voxels.
    #[arg(long)]
    world: bool,
    /// Model to use (see `hilum models list`).
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Write the mask on the image's grid, .nii or .nii.gz; of a picture also .png; of a folder a folder.
    #[arg(long, value_name = "MASK")]
    out: Option<PathBuf>,
    /// Value of the clicked object in the mask.
    #[arg(long, value_name = "L", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    label: u16,
    /// Write the probability of this region (.nii, .nii.gz, or .png with 65535 for certainty; of a folder a folder).
    #[arg(long, value_name = "FILE")]
    probability: Option<PathBuf>,
    /// For --probability: the region; the model's first without it.
    #[arg(long, value_name = "NAME", requires = "probability")]
    region: Option<String>,
    #[command(flatten)]
    choice: Choice,
    /// Write every image between the click and the mask into this folder.
    #[arg(long, value_name = "DIR")]
    debug_dir: Option<PathBuf>,
}

impl Segment {
    /// Opens the image, runs the model and writes the mask.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let catalog = console.catalog()?;
        let labels_images = |id: &String| catalog.find(id).is_ok_and(|model| model.card.dense().is_some());
        if self.model.as_ref().is_some_and(labels_images) {
            let has_clicks = !self.click.is_empty() || !self.not.is_empty();
            anyhow::ensure!(!has_clicks, "this model labels the whole image and takes no clicks");
            anyhow::ensure!(self.debug_dir.is_none(), "--debug-dir is for models that answer clicks");
            return self.run_dense(console);
        }
        if self.click.is_empty() {
            if let Some(id) = &self.model {
                catalog.find(id)?;
            }
            let models = catalog.models().iter().filter(|model| model.card.dense().is_some());
            let ids: Vec<&str> = models.map(|model| model.card.id.as_str()).collect();
            anyhow::bail!(
                "say where the object is with --click x,y,z, or choose a model that labels the whole image with --model: {}",
                if ids.is_empty() { "none is installed".to_owned() } else { ids.join(", ") }
            );
        }
        anyhow::ensure!(self.probability.is_none(), "--probability is for models that label the whole image");
        self.run_clicks(console)
    }
}
