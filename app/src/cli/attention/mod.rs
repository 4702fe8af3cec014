//! `hilum attention`: where a network looked, as images with a JSON index.

mod index;
mod masses;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::geometry::WorldPoint;
use hilum_core::io::{self, replace_file};
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;
use hilum_models::catalog::Catalog;
use hilum_models::checkpoint::StateDict;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::infer::{ClickRequest, Dense, OneClick};
use hilum_models::inspect::Subject;
use hilum_models::nets::HopReading;
use hilum_models::nets::hanet::ReadingOption;

use super::args::{Choice, Triple, voxel_of};
use super::masks::{Mask, check_same_grid};
use super::output::{Console, Progress};
use index::Index;
use writer::Writer;

/// Arguments of `attention`.
#[derive(Debug, Args)]
pub struct Attention {
    /// A volume or a picture; with --masses a folder of them.
    image: PathBuf,
    /// Model to look into (see `hilum models list`); with clicks the default for clicks.
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// A voxel inside the object (x,y,z from 0); repeat for more. For models that answer clicks.
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    click: Vec<Triple>,
    /// A voxel outside the object; repeat for more.
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    not: Vec<Triple>,
    /// The voxel whose attention is shown; a model that works in tiles is looked into in the tile around it.
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    at: Option<Triple>,
    /// Points are positions in the patient in LPS mm instead of voxels.
    #[arg(long)]
    world: bool,
    /// A mask on the image's grid: share of the attention on each of its classes, agreement with the error.
    #[arg(long, value_name = "MASK")]
    mask: Option<PathBuf>,
    /// Threshold of the graph for the maps of one pixel and their figures, 0 to 1; the model's own without it.
    #[arg(long, value_name = "D", value_parser = threshold)]
    delta: Option<f64>,
    /// Number of hops of the graph, 1 to 8; the model's own without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    hops: Option<u8>,
    /// How the graph is read where HANet's paper leaves it open, for the same maps and figures; the model's own without it.
    /// Repeat or separate with commas: row_minmax, map_minmax, sigmoid, row_softmax or cosine; raw or normalised; boolean or
    /// counts; masked or literal_zero; exact_walks or self_loops.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = reading_option)]
    reading: Vec<ReadingOption>,
    /// Check: the same maps with randomly drawn weights, and how alike they are.
    #[arg(long)]
    random: bool,
    /// Check: what the answer loses without the place that a map points at, against random places.
    #[arg(long)]
    occlude: bool,
    /// For --occlude: share of the input that is taken away.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = threshold)]
    share: f64,
    /// For --occlude: number of random places.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    draws: u8,
    /// Seed of the checks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the maps on the image's grid (0 where the network did not look) instead of their own.
    #[arg(long)]
    resample: bool,
    /// A figure as well, .png or .svg: the image, the mask, and the maps that belong together beside each other.
    #[arg(long, value_name = "FILE", value_parser = figure_name, conflicts_with = "masses")]
    figure: Option<PathBuf>,
    /// For --figure: name of the map that it is about, as in index.json; without it what the pixel at --at looks at, else
    /// where two paths differ, else the first map.
    #[arg(long, value_name = "MAP", requires = "figure")]
    figure_of: Option<String>,
    /// For --figure: one scale for all maps of a meaning, instead of one for each.
    #[arg(long, requires = "figure")]
    one_scale: bool,
    /// The discriminator that the model was taught against, to be looked into as well: its weights, or the
    /// teacher.safetensors of a training run. Without it the discriminator.safetensors beside a model of yours.
    #[arg(long, value_name = "FILE")]
    discriminator: Option<PathBuf>,
    /// No maps: the share of attention on each class, over all images of a folder that have a mask of their name in the
    /// folder of --mask, with 95 % intervals of the mean.
    #[arg(long, requires = "mask", conflicts_with_all = ["at", "click", "random", "occlude", "resample"])]
    masses: bool,
    /// Folder for the maps and index.json; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    choice: Choice,
}

/// Reads the name of a figure.
fn figure_name(text: &str) -> Result<PathBuf, String> {
    let lower = text.to_lowercase();
    if lower.ends_with(".png") || lower.ends_with(".svg") {
        Ok(PathBuf::from(text))
    } else {
        Err(format!("\"{text}\" must end in .png or .svg"))
    }
}

/// Reads the name of a reading.
fn reading_option(text: &str) -> Result<ReadingOption, String> {
    ReadingOption::named(text).ok_or_else(|| {
        let names = ReadingOption::ALL.map(|option| option.name).join(", ");
        format!("\"{text}\" is none of {names}")
    })
}

/// Reads a number from 0 to 1.
fn threshold(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("\"{text}\" is no number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not from 0 to 1")) }
}

impl Attention {
    /// Opens the image, runs the network once and writes what it shows.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        for (number, option) in self.reading.iter().enumerate() {
            if let Some(other) = self.reading[..number].iter().find(|other| other.row == option.row) {
                bail!("--reading {} and {} exclude each other: name one of them", other.name, option.name);
            }
        }
        if self.masses {
            return self.run_masses(console);
        }
        let begun = Instant::now();
        let progress = Progress::start("reading");
        let options = self.choice.options(&self.image, &progress)?;
        let opened = io::open(&self.image, &options, &progress)?;
        let volume = Arc::new(opened.volume);
        let mask =
            self.mask.as_deref().map(|path| Self::read_mask_of(path, &self.image, &volume)).transpose()?;
        let at = match self.at {
            Some(at) => Some(volume.grid().world_of(voxel_of(at, self.world, volume.grid())?)),
            None => None,
        };
        let (subjects, device) = self.subjects(console, &volume, at, &progress)?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("the folder cannot be made: {}", self.out.display()))?;
        let mut writer = Writer::new(self, &volume, mask.as_ref(), at, &progress);
        let mut looks = Vec::new();
        for subject in subjects {
            looks.push(writer.look(subject)?);
        }
        if let Some(path) = &self.figure {
            writer.figure(path)?;
        }
        let index = Index {
            image: self.image.clone(),
            device,
            at_mm: at.map(|at| [at.x, at.y, at.z]),
            mask: self.mask.clone(),
            figure: self.figure.clone(),
            looks,
            seconds: begun.elapsed().as_secs_f64(),
            out: self.out.clone(),
        };
        let text = serde_json::to_string_pretty(&index)?;
        replace_file(&self.out.join("index.json"), |out| std::io::Write::write_all(out, text.as_bytes()))?;
        drop(progress);
        console.warn_all(&opened.warnings);
        console.report(&index)
    }

    fn read_mask_of(path: &Path, image: &Path, volume: &Volume) -> anyhow::Result<Mask> {
        let mask = Mask::open_for(path, volume)?;
        let hint = "the mask must have the voxels of the image";
        check_same_grid(path, &mask.grid, image, volume.grid(), hint)?;
        Ok(mask)
    }

    /// The networks with what they are given, and the name of the device.
    fn subjects(
        &self,
        console: &Console,
        volume: &Arc<Volume>,
        at: Option<WorldPoint>,
        progress: &Progress,
    ) -> anyhow::Result<(Vec<Subject>, String)> {
        let catalog = console.catalog()?;
        let is_dense = |id: &String| catalog.find(id).is_ok_and(|model| model.card.dense().is_some());
        if let Some(id) = self.model.as_ref().filter(|id| is_dense(id)) {
            let has_clicks = !self.click.is_empty() || !self.not.is_empty();
            anyhow::ensure!(
                !has_clicks,
                "this model labels the whole image and takes no clicks; --at marks a pixel"
            );
            let device = device::open(self.device)?;
            let dense = Dense::load(&catalog, id, &device.device)?;
            let subject = dense.subject(volume, at, progress)?;
            return Ok((self.with_discriminator(subject, &catalog, id)?, device.name));
        }
        if self.click.is_empty() {
            let models = catalog.models().iter().filter(|model| model.card.dense().is_some());
            let ids: Vec<&str> = models.map(|model| model.card.id.as_str()).collect();
            bail!(
                "say where the object is with --click x,y,z, or choose a model that labels the whole image with \
                 --model: {}",
                if ids.is_empty() { "none is installed".to_owned() } else { ids.join(", ") }
            );
        }
        let mut clicks = Vec::new();
        for (points, positive) in [(&self.click, true), (&self.not, false)] {
            for point in points {
                clicks.push(Click { voxel: voxel_of(*point, self.world, volume.grid())?, positive });
            }
        }
        let mut pipeline = OneClick::from_catalog(catalog, self.model.as_deref(), self.device)?;
        let request = ClickRequest { volume: Arc::clone(volume), clicks, previous: None };
        let (result, subjects) = pipeline.subjects(&request, progress)?;
        result.notes.iter().for_each(|note| console.warn(note));
        Ok((subjects, pipeline.device_name().to_owned()))
    }

    /// A network, and behind it its discriminator, if one was named or lies beside it.
    fn with_discriminator(
        &self,
        subject: Subject,
        catalog: &Catalog,
        id: &str,
    ) -> anyhow::Result<Vec<Subject>> {
        let (name, weights) = match &self.discriminator {
            Some(file) => (file.display().to_string(), Some(StateDict::read(file))),
            None => (format!("of {id}"), catalog.find(id)?.discriminator()),
        };
        let Some(weights) = weights else { return Ok(vec![subject]) };
        let judged = || Ok::<_, anyhow::Error>(subject.with_discriminator(&weights?)?);
        let judged = judged().with_context(|| format!("the discriminator {name}"))?;
        Ok(vec![subject, judged])
    }

    /// How graphs are read instead of as in their network.
    fn reading(&self, own: HopReading) -> HopReading {
        HopReading {
            delta: self.delta.unwrap_or(own.delta),
            hops: self.hops.map_or(own.hops, usize::from),
            reading: self.reading.iter().fold(own.reading, |reading, option| option.applied(reading)),
        }
    }
}
