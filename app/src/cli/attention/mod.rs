//! `hilum attention`: where a network looked, as images with a JSON index.

mod index;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::geometry::WorldPoint;
use hilum_core::io::{self, replace_file};
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::infer::{ClickRequest, Dense, OneClick};
use hilum_models::inspect::{FieldMap, Look, Subject, agreement, spearman};
use hilum_models::nets::{HopReading, MapMeaning};

use super::args::{Choice, Triple, voxel_of};
use super::masks::{Mask, check_same_grid};
use super::output::{Console, Progress};
use crate::figure::{save_numbers, save_picture};
use index::{Index, LayerEntry, LookEntry, MapEntry, OcclusionEntry, RandomEntry};

/// Most maps that are checked by occlusion: each needs a pass a draw.
const MAX_OCCLUDED: usize = 8;

/// Arguments of `attention`.
#[derive(Debug, Args)]
pub struct Attention {
    /// A volume or a picture.
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
    /// Folder for the maps and index.json; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    choice: Choice,
}

/// Reads a number from 0 to 1.
fn threshold(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("\"{text}\" is no number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not from 0 to 1")) }
}

impl Attention {
    /// Opens the image, runs the network once and writes what it shows.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let begun = Instant::now();
        let progress = Progress::start("reading");
        let options = self.choice.options(&self.image, &progress)?;
        let opened = io::open(&self.image, &options, &progress)?;
        let volume = Arc::new(opened.volume);
        let mask = self.mask.as_deref().map(|path| self.read_mask(path, &volume)).transpose()?;
        let at = match self.at {
            Some(at) => Some(volume.grid().world_of(voxel_of(at, self.world, volume.grid())?)),
            None => None,
        };
        let (subjects, device) = self.subjects(console, &volume, at, &progress)?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("the folder cannot be made: {}", self.out.display()))?;
        let writer = Writer { command: self, volume: &volume, mask: mask.as_ref(), at, progress: &progress };
        let looks =
            subjects.into_iter().map(|subject| writer.look(subject)).collect::<anyhow::Result<_>>()?;
        let index = Index {
            image: self.image.clone(),
            device,
            at_mm: at.map(|at| [at.x, at.y, at.z]),
            mask: self.mask.clone(),
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

    fn read_mask(&self, path: &Path, volume: &Volume) -> anyhow::Result<Mask> {
        let mask = Mask::open_for(path, volume)?;
        let hint = "the mask must have the voxels of the image";
        check_same_grid(path, &mask.grid, &self.image, volume.grid(), hint)?;
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
            return Ok((vec![dense.subject(volume, at, progress)?], device.name));
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

    /// How graphs are read instead of as in their network.
    fn reading(&self, own: HopReading) -> HopReading {
        HopReading {
            delta: self.delta.unwrap_or(own.delta),
            hops: self.hops.map_or(own.hops, usize::from),
            ..own
        }
    }
}

/// Writes what is found.
struct Writer<'a> {
    command: &'a Attention,
    volume: &'a Volume,
    mask: Option<&'a Mask>,
    at: Option<WorldPoint>,
    progress: &'a Progress,
}

impl Writer<'_> {
    fn look(&self, subject: Subject) -> anyhow::Result<LookEntry> {
        let look = subject.look()?;
        let maps = look.maps()?;
        let random = if self.command.random { look.random_maps(self.command.seed)? } else { Vec::new() };
        let mut entries = Vec::new();
        for (number, map) in maps.iter().enumerate() {
            let mut entry = self.map(&look, "", number, map)?;
            if let Some(random) = random.get(number) {
                let (file, _) = self.write(&look, "random_", number, random)?;
                entry.random = Some(RandomEntry {
                    file,
                    range: random.range(),
                    spearman: spearman(&map.values, &random.values),
                });
            }
            entries.push(entry);
        }
        let mut layers = Vec::new();
        for layer in look.layers() {
            let own = layer.hop_reading();
            let read = own.and_then(|own| layer.read_as(self.command.reading(own)));
            let read = read.unwrap_or_else(|| layer.clone());
            if let Some(at) = self.at.filter(|at| look.grid().voxel_at_world(*at).is_some()) {
                for map in look.rows_of(&read, at)? {
                    entries.push(self.map(&look, "row_", entries.len(), &map)?);
                }
            }
            layers.push(self.layer(&look, &layer.layer, "as given", &read)?);
            // Without threshold and with one hop the same queries and keys make plain self-attention.
            let plain =
                own.map(|own| HopReading { delta: 0.0, hops: 1, ..own }).and_then(|r| layer.read_as(r));
            if let Some(plain) = plain {
                if let Some(at) = self.at.filter(|at| look.grid().voxel_at_world(*at).is_some()) {
                    let rows = look.rows_of(&plain, at)?;
                    for map in rows.iter().filter(|map| map.meaning == MapMeaning::AttentionGiven) {
                        entries.push(self.map(&look, "plain_row_", entries.len(), map)?);
                    }
                }
                layers.push(self.layer(&look, &layer.layer, "plain self-attention", &plain)?);
            }
        }
        let occlusion = if self.command.occlude { self.occlusion(&look, &maps)? } else { Vec::new() };
        Ok(LookEntry::new(&look, entries, layers, occlusion))
    }

    fn map(&self, look: &Look, kind: &str, number: usize, map: &FieldMap) -> anyhow::Result<MapEntry> {
        let (file, figure) = self.write(look, kind, number, map)?;
        let mut entry = MapEntry::new(map, file, figure);
        if kind == "plain_row_" {
            entry.name += " (plain self-attention)";
        }
        if let Some(mask) = self.mask {
            entry.mass = map.mass(&mask.labels, &mask.grid)?;
            if map.query.is_none() {
                entry.error_auc = agreement(map, look, &mask.labels, &mask.grid);
            }
        }
        Ok(entry)
    }

    fn layer(
        &self,
        look: &Look,
        name: &str,
        read_as: &str,
        layer: &hilum_models::nets::AttentionLayer,
    ) -> anyhow::Result<LayerEntry> {
        let mass_by_class = match self.mask {
            Some(mask) => look.mass_by_class(layer, &mask.labels, &mask.grid)?,
            None => Vec::new(),
        };
        Ok(LayerEntry {
            layer: name.to_owned(),
            read_as: read_as.to_owned(),
            delta: layer.hop_reading().map(|reading| reading.delta),
            hops: layer.hop_reading().map(|reading| reading.hops),
            density: look.density(layer)?,
            mass_by_class,
        })
    }

    /// One check for each map of a pass, over the mean of its hops or heads, the finest levels first.
    fn occlusion(&self, look: &Look, maps: &[FieldMap]) -> anyhow::Result<Vec<OcclusionEntry>> {
        let mut means: Vec<(FieldMap, f32)> = Vec::new();
        for map in maps.iter().filter(|map| map.meaning != MapMeaning::Reach) {
            let same =
                |(mean, _): &&mut (FieldMap, f32)| mean.layer == map.layer && mean.meaning == map.meaning;
            match means.iter_mut().find(same) {
                Some((mean, count)) => {
                    mean.values.iter_mut().zip(&map.values).for_each(|(sum, value)| *sum += value);
                    *count += 1.0;
                }
                None => means.push((map.clone(), 1.0)),
            }
        }
        means.sort_by_key(|(map, _)| map.level);
        let mut entries = Vec::new();
        for (mean, _) in means.iter().take(MAX_OCCLUDED) {
            hilum_core::job::Observer::progress(
                self.progress,
                "occluding",
                entries.len() as u64,
                means.len().min(MAX_OCCLUDED) as u64,
            );
            let Attention { share, draws, seed, .. } = *self.command;
            let found = look.occlude(mean, share, usize::from(draws), seed)?;
            entries.push(OcclusionEntry { layer: mean.layer.clone(), meaning: mean.meaning, found });
        }
        Ok(entries)
    }

    /// Writes a map as numbers, and of a flat image as a picture too; the names of the files.
    fn write(
        &self,
        look: &Look,
        kind: &str,
        number: usize,
        map: &FieldMap,
    ) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
        let safe: String = map.name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let name = format!("{}_{number:02}_{kind}{safe}", look.stage());
        let file = PathBuf::from(format!("{name}.nii.gz"));
        if self.command.resample {
            save_numbers(
                &self.command.out.join(&file),
                &name,
                self.volume.grid(),
                map.on(self.volume.grid()),
            )?;
        } else {
            save_numbers(&self.command.out.join(&file), &name, &map.grid, map.values.clone())?;
        }
        if !self.volume.grid().is_flat() {
            return Ok((file, None));
        }
        let picture = PathBuf::from(format!("{name}.png"));
        save_picture(&self.command.out.join(&picture), self.volume, look.grid(), map)?;
        Ok((file, Some(picture)))
    }
}
