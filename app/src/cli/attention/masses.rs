//! `hilum attention --masses`: how much attention lies on each class, over the images of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use hilum_core::io::{self, replace_file};
use hilum_core::job::Observer as _;
use hilum_core::measure::{Summary, summarize};
use hilum_models::device;
use hilum_models::infer::Dense;
use hilum_models::inspect::{Look, Subject};
use hilum_models::nets::hanet::HaReading;
use hilum_models::nets::{AttentionLayer, HopReading, MapMeaning};
use serde::Serialize;

use super::super::evaluate::folders::{image_of, masks_by_stem};
use super::super::masks::Mask;
use super::super::output::{Console, Progress, Report, table};
use super::Attention;

/// Draws and seed of the intervals.
const RESAMPLES: usize = 2000;
const SEED: u64 = 1;

/// A figure that every image has one of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Figure {
    layer: String,
    /// As given, or plain self-attention.
    read_as: &'static str,
    /// Hop or head, from 1.
    channel: usize,
    /// What of it.
    what: What,
}

/// What a figure is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
enum What {
    /// Mean share of all pixels that a pixel reaches.
    Density,
    /// Mean share that the pixels of a class give to a class (`null`: outside the image).
    Given { by: Option<u16>, to: Option<u16> },
    /// Share of all attention that a class receives.
    Received { class: Option<u16> },
}

/// Values image by image, with the mean share of the area of the class that is looked at.
#[derive(Default)]
struct Values {
    values: Vec<f64>,
    areas: Vec<f64>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    figure: Figure,
    #[serde(flatten)]
    summary: Summary,
    /// Mean share of the area that the class covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    area: Option<f64>,
}

#[derive(Serialize)]
struct Masses {
    model: String,
    arch: String,
    device: String,
    delta: Option<f64>,
    hops: Option<usize>,
    /// How the graph is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<HaReading>,
    images: Vec<String>,
    /// Over the images: those without the class that looks count in none of its figures.
    figures: Vec<Row>,
    seconds: f64,
    #[serde(skip)]
    file: PathBuf,
}

impl Attention {
    /// Looks into one model on all images of a folder.
    pub(super) fn run_masses(&self, console: &Console) -> anyhow::Result<()> {
        let begun = Instant::now();
        let Some(masks) = &self.mask else { bail!("name the folder of the masks with --mask") };
        let Some(model) = &self.model else { bail!("choose a model that labels images with --model") };
        let catalog = console.catalog()?;
        let opened = device::open(self.device)?;
        let dense = Dense::load(&catalog, model, &opened.device)?;
        let masks = masks_by_stem(masks)?;
        let progress = Progress::start("looking");
        let mut found: BTreeMap<Figure, Values> = BTreeMap::new();
        let (mut images, mut used) = (Vec::new(), BTreeSet::new());
        let (mut reading, mut arch) = (None, String::new());
        for (stem, mask) in &masks {
            let Ok(image) = image_of(&self.image, stem, [mask, mask]) else {
                console.warn(&format!("{stem}: no image of this name"));
                continue;
            };
            // Names that begin alike would else count an image twice.
            if !used.insert(image.clone()) {
                console.warn(&format!("{stem}: its image was counted with another mask"));
                continue;
            }
            progress.progress(stem, images.len() as u64, masks.len() as u64);
            let options = self.choice.options(&image, &progress)?;
            let volume = io::open(&image, &options, &progress)?.volume;
            let mask = Self::read_mask_of(mask, &image, &volume)?;
            let look = dense.subject(&volume, None, &progress).map_err(anyhow::Error::from);
            let look = look.and_then(|subject| Ok(Subject::look(subject)?));
            let look = look.with_context(|| image.display().to_string())?;
            for layer in look.layers() {
                let own = layer.hop_reading();
                reading = reading.or(own.map(|own| self.reading(own)));
                let read = own.and_then(|own| layer.read_as(self.reading(own)));
                add(&mut found, &look, &read.unwrap_or_else(|| layer.clone()), "as given", &mask)?;
                let plain = own.map(HopReading::plain);
                if let Some(plain) = plain.and_then(|plain| layer.read_as(plain)) {
                    add(&mut found, &look, &plain, "plain self-attention", &mask)?;
                }
            }
            // What a class receives is counted by the pass, as the network itself reads its graph.
            add_received(&mut found, &look, &mask)?;
            look.arch().clone_into(&mut arch);
            images.push(stem.clone());
        }
        drop(progress);
        if found.is_empty() {
            bail!(
                "nothing was counted: {} images had a mask of their name, and layers in which pixels look at pixels \
                 must be in the network",
                images.len()
            );
        }
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("the folder cannot be made: {}", self.out.display()))?;
        let file = self.out.join("masses.json");
        let masses = Masses {
            model: model.clone(),
            arch,
            device: opened.name,
            delta: reading.map(|reading: HopReading| reading.delta),
            hops: reading.map(|reading| reading.hops),
            reading: reading.map(|reading| reading.reading),
            images,
            figures: found.into_iter().filter_map(row).collect(),
            seconds: begun.elapsed().as_secs_f64(),
            file: file.clone(),
        };
        let text = serde_json::to_string_pretty(&masses)?;
        replace_file(&file, |out| std::io::Write::write_all(out, text.as_bytes()))?;
        console.report(&masses)
    }
}

fn row((figure, values): (Figure, Values)) -> Option<Row> {
    let count = values.areas.len() as f64;
    let area = (count > 0.0).then(|| values.areas.iter().sum::<f64>() / count);
    Some(Row { figure, summary: summarize(&values.values, RESAMPLES, SEED)?, area })
}

fn add(
    found: &mut BTreeMap<Figure, Values>,
    look: &Look,
    layer: &AttentionLayer,
    read_as: &'static str,
    mask: &Mask,
) -> anyhow::Result<()> {
    let figure = |channel: usize, what| Figure { layer: layer.layer.clone(), read_as, channel, what };
    for density in look.density(layer)? {
        found.entry(figure(density.hop, What::Density)).or_default().values.push(density.share);
    }
    for class in look.mass_by_class(layer, &mask.labels, &mask.grid)? {
        // Pixels that look at nobody have no shares.
        for channel in class.channels.iter().filter(|channel| channel.alone < class.queries) {
            for ((to, mean), area) in class.classes.iter().zip(&channel.mean).zip(&class.area) {
                let what = What::Given { by: class.class, to: *to };
                let values = found.entry(figure(channel.channel, what)).or_default();
                values.values.push(*mean);
                values.areas.push(*area);
            }
        }
    }
    Ok(())
}

fn add_received(found: &mut BTreeMap<Figure, Values>, look: &Look, mask: &Mask) -> anyhow::Result<()> {
    let mut channels: BTreeMap<String, usize> = BTreeMap::new();
    for map in look.maps()?.into_iter().filter(|map| map.meaning == MapMeaning::AttentionReceived) {
        let channel = channels.entry(map.layer.clone()).or_default();
        *channel += 1;
        for mass in map.mass(&mask.labels, &mask.grid)? {
            let what = What::Received { class: mass.class };
            let figure = Figure { layer: map.layer.clone(), read_as: "the network", channel: *channel, what };
            let values = found.entry(figure).or_default();
            values.values.push(mass.mass);
            values.areas.push(mass.area);
        }
    }
    Ok(())
}

fn class(class: Option<u16>) -> String {
    class.map_or_else(|| "outside".to_owned(), |class| class.to_string())
}

impl Report for Masses {
    fn text(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let cells = |row: &Row| {
            let what = match &row.figure.what {
                What::Density => "density of the graph".to_owned(),
                What::Given { by, to } => format!("pixels of {} give to {}", class(*by), class(*to)),
                What::Received { class: of } => format!("{} receives of all attention", class(*of)),
            };
            let Summary { mean, ci95_low, ci95_high, n, .. } = row.summary;
            vec![
                row.figure.layer.clone(),
                row.figure.read_as.to_owned(),
                row.figure.channel.to_string(),
                what,
                format!("{} [{}, {}]", percent(mean), percent(ci95_low), percent(ci95_high)),
                row.area.map_or_else(String::new, percent),
                n.to_string(),
            ]
        };
        let header = ["layer", "read as", "hop or head", "figure", "mean [95 %]", "area", "images"];
        let rows: Vec<Vec<String>> = self.figures.iter().map(cells).collect();
        format!(
            "{}\n{} images in {:.0} s on {}; all figures stand in {}",
            table(&header, &rows),
            self.images.len(),
            self.seconds,
            self.device,
            self.file.display()
        )
    }
}
