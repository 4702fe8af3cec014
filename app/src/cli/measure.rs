//! `hilum measure`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::geometry::Grid;
use hilum_core::io::{self, OpenOptions};
use hilum_core::label::BoxMask;
use hilum_core::measure::{
    Agreement, Axis, Interval, MaskStatistics, MaskVolume, ObjectMeasure, Scale, agreement, mask_volume,
    measure_object,
};
use hilum_core::paint::{Components, Connectivity};
use hilum_core::volume::Volume;
use nalgebra::Point3;
use serde::Serialize;

use super::masks::{Mask, check_same_grid};
use super::output::{Console, Progress, Report, decimals, table, warnings_json};

/// Arguments of `measure`.
#[derive(Debug, Args)]
pub struct Measure {
    /// A NIfTI mask, or an 8-bit image (grey values are labels; 0 and 255 mean one label).
    mask: PathBuf,
    /// The image, for the values inside the mask.
    #[arg(long, value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// Only this label.
    #[arg(long, value_name = "L")]
    label: Option<u16>,
    /// Every connected part of a label on its own, largest first.
    #[arg(long)]
    each_part: bool,
    /// Also compare two labels of the mask: Dice, HD95 and mean surface distance.
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with = "with")]
    compare: Option<Vec<u16>>,
    /// Also compare every label with the same label of another mask on the same grid.
    #[arg(long, value_name = "MASK")]
    with: Option<PathBuf>,
}

impl Measure {
    /// Measures every label of a mask.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let progress = Progress::start("measuring");
        let image = self.image.as_ref().map(|path| io::open(path, &OpenOptions::default(), &progress));
        let image = image.transpose()?.map(|opened| opened.volume);
        let mask = match &image {
            Some(volume) => Mask::open_for(&self.mask, volume)?,
            None => Mask::open(&self.mask)?,
        };
        if let (Some(path), Some(volume)) = (&self.image, &image) {
            let hint = "resample the mask to the image";
            check_same_grid(&self.mask, &mask.grid, path, volume.grid(), hint)?;
        }
        let labels = self.labels(&mask)?;
        let mut objects = Vec::new();
        for label in labels {
            for (part, voxels) in self.parts(&mask, label) {
                objects.push(Object::of(&voxels, label, part, &mask, image.as_ref())?);
            }
        }
        let compared = self.compared(&mask)?;
        drop(progress);
        console.warn_all(&mask.warnings);
        console.report(&MeasureReport {
            mask: self.mask.clone(),
            spacing_mm: mask.grid.spacing_mm(),
            has_physical_spacing: mask.has_physical_spacing,
            labels: objects,
            compared,
            scale: Scale::new(&mask.grid, mask.has_physical_spacing, None),
            unit: image.map_or("", |volume| volume.meta().modality.unit()),
            warnings: warnings_json(&mask.warnings),
        })
    }

    /// Two labels of the mask, or each label and the same one of another mask.
    fn compared(&self, mask: &Mask) -> anyhow::Result<Vec<Compared>> {
        let other = self.with.as_ref().map(|path| Mask::open(path)).transpose()?;
        let other = other.map(|other| other.on_grid(&mask.grid));
        let pairs: Vec<(u16, u16)> = match (&self.compare, &other, &self.with) {
            (Some(pair), ..) => vec![(pair[0], pair[1])],
            (None, Some(other), Some(path)) => {
                check_same_grid(&self.mask, &mask.grid, path, &other.grid, "resample one to the other")?;
                self.labels(mask)?.into_iter().map(|label| (label, label)).collect()
            }
            _ => Vec::new(),
        };
        let second = other.as_ref().unwrap_or(mask);
        let compare = |(a, b): (u16, u16)| -> anyhow::Result<Compared> {
            for (label, of) in [(a, mask), (b, second)] {
                if !of.used_labels().contains(&label) && other.is_none() {
                    bail!("the mask has no label {label}; it has {:?}", of.used_labels());
                }
            }
            let (dims, spacing_mm) = (mask.grid.dims(), mask.grid.spacing_mm());
            let agreement = agreement(&mask.of_label(a), &second.of_label(b), dims, spacing_mm)?;
            Ok(Compared { label: a, other: b, agreement })
        };
        pairs.into_iter().map(compare).collect()
    }

    fn labels(&self, mask: &Mask) -> anyhow::Result<Vec<u16>> {
        let used = mask.used_labels();
        match self.label {
            _ if used.is_empty() => {
                bail!("the mask is empty; there is nothing to measure: {}", self.mask.display())
            }
            Some(label) if !used.contains(&label) => {
                bail!("the mask has no label {label}; it has {used:?}: {}", self.mask.display())
            }
            Some(label) => Ok(vec![label]),
            None => Ok(used),
        }
    }

    /// What is measured as one: the whole label, or each of its parts.
    fn parts<'a>(
        &self,
        mask: &'a Mask,
        label: u16,
    ) -> Box<dyn Iterator<Item = (Option<usize>, Vec<bool>)> + 'a> {
        if !self.each_part {
            return Box::new(std::iter::once((None, mask.of_label(label))));
        }
        let components = components_of(mask, label);
        let mut order: Vec<usize> = (0..components.all().len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(components.all()[*index].voxel_count));
        let spread = move |part: &BoxMask| {
            let mut voxels = vec![false; mask.labels.len()];
            for span in part.spans() {
                voxels[mask.grid.index([span.x_start, span.y, span.z])..][..span.x_end - span.x_start]
                    .fill(true);
            }
            voxels
        };
        let parts = order.into_iter().enumerate();
        Box::new(parts.map(move |(n, index)| (Some(n + 1), spread(&components.mask(index)))))
    }
}

fn components_of(mask: &Mask, label: u16) -> Components {
    let full = mask.grid.full_box();
    let voxels = BoxMask::from_fn(full, |voxel| mask.labels[mask.grid.index(voxel)] == label);
    Components::of(&voxels, Connectivity::Six)
}

#[derive(Serialize)]
struct MeasureReport {
    mask: PathBuf,
    spacing_mm: [f64; 3],
    has_physical_spacing: bool,
    labels: Vec<Object>,
    /// Labels that were compared, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compared: Vec<Compared>,
    #[serde(skip)]
    unit: &'static str,
    #[serde(skip)]
    scale: Scale,
    warnings: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct Compared {
    label: u16,
    other: u16,
    #[serde(flatten)]
    agreement: Agreement,
}

/// Figures with the interval for an outline half a voxel further in or out.
#[derive(Serialize)]
struct Intervals {
    volume_ml: Interval,
    long_axis_mm: Interval,
    short_axis_mm: Interval,
    surface_mm2: Interval,
    mean: Option<Interval>,
}

#[derive(Serialize)]
struct Object {
    label: u16,
    name: Option<String>,
    /// Number of the connected part, from 1, when each is measured on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<usize>,
    /// Connected parts that are measured as one.
    parts: usize,
    #[serde(flatten)]
    size: MaskVolume,
    long_axis_mm: f64,
    short_axis_mm: f64,
    surface_mm2: f64,
    intervals: Intervals,
    recist: Option<Lines>,
    statistics: Option<MaskStatistics>,
}

/// The two axes with their ends in voxels and in the patient.
#[derive(Serialize)]
struct Lines {
    slice: usize,
    long_axis: Line,
    short_axis: Line,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    axis: Axis,
    from_mm: [f64; 3],
    to_mm: [f64; 3],
}

impl Line {
    fn of(axis: Axis, grid: &Grid) -> Self {
        let world = |voxel: [f64; 3]| grid.affine().world_from_voxel(Point3::from(voxel)).coords.into();
        Self { axis, from_mm: world(axis.from_voxel), to_mm: world(axis.to_voxel) }
    }
}

impl Object {
    fn of(
        voxels: &[bool],
        label: u16,
        part: Option<usize>,
        mask: &Mask,
        image: Option<&Volume>,
    ) -> anyhow::Result<Self> {
        let object = BoxMask::new(mask.grid.full_box(), voxels.to_vec())?;
        let measured = measure_object(&object, &mask.grid, image)?;
        let ObjectMeasure {
            volume_ml,
            long_axis_mm,
            short_axis_mm,
            surface_mm2,
            mean,
            statistics,
            recist: axes,
            ..
        } = measured.context("an object without voxels cannot be measured")?;
        Ok(Self {
            label,
            name: mask.name(label).map(str::to_owned),
            part,
            parts: if part.is_some() { 1 } else { components_of(mask, label).all().len() },
            size: mask_volume(voxels, &mask.grid)?,
            long_axis_mm: long_axis_mm.value,
            short_axis_mm: short_axis_mm.value,
            surface_mm2: surface_mm2.value,
            intervals: Intervals { volume_ml, long_axis_mm, short_axis_mm, surface_mm2, mean },
            recist: axes.map(|a| Lines {
                slice: a.slice,
                long_axis: Line::of(a.long_axis, &mask.grid),
                short_axis: Line::of(a.short_axis, &mask.grid),
            }),
            statistics,
        })
    }

    fn row(&self, with_values: bool, scale: &Scale) -> Vec<String> {
        let name =
            self.name.as_ref().map_or_else(|| self.label.to_string(), |n| format!("{} {n}", self.label));
        let mut row = vec![
            self.part.map_or_else(|| name.clone(), |part| format!("{name} part {part}")),
            self.size.voxel_count.to_string(),
            with_interval(self.intervals.volume_ml.map(|ml| scale.size(ml)), 3),
            with_interval(self.intervals.long_axis_mm.map(|world| scale.length(world)), 1),
            with_interval(self.intervals.short_axis_mm.map(|world| scale.length(world)), 1),
            with_interval(self.intervals.surface_mm2.map(|mm2| scale.border(mm2)), 0),
            self.recist.as_ref().map_or_else(|| "–".into(), |lines| (lines.slice + 1).to_string()),
            self.parts.to_string(),
        ];
        if with_values {
            let value = |pick: fn(&MaskStatistics) -> f64| {
                self.statistics.as_ref().map_or_else(|| "–".into(), |s| format!("{:.1}", pick(s)))
            };
            row.extend([
                self.intervals.mean.map_or_else(|| "–".into(), |mean| with_interval(mean, 1)),
                value(|s| s.sd),
                value(|s| s.min),
                value(|s| s.median),
                value(|s| s.max),
            ]);
        }
        row
    }
}

/// "12.3 (11.9–12.8)".
fn with_interval(Interval { value, low, high }: Interval, digits: usize) -> String {
    format!("{value:.digits$} ({low:.digits$}–{high:.digits$})")
}

impl Report for MeasureReport {
    fn text(&self) -> String {
        let with_values = self.labels.iter().any(|object| object.statistics.is_some());
        let (scale, unit) = (&self.scale, self.scale.length_unit());
        let size = format!("{} {}", scale.size_name().to_lowercase(), scale.size_unit());
        let [long, short] = ["long", "short"].map(|which| format!("{which} {unit}"));
        let border = format!("{} {}", scale.border_name().to_lowercase(), scale.border_unit());
        let mut header = vec!["label", "voxels", &size, &long, &short, &border, "slice", "parts"];
        let mean = format!("mean {}", self.unit);
        if with_values {
            header.extend([mean.trim(), "sd", "min", "median", "max"]);
        }
        let rows: Vec<_> = self.labels.iter().map(|object| object.row(with_values, scale)).collect();
        let mut text = table(&header, &rows);
        if !self.compared.is_empty() {
            let rows: Vec<Vec<String>> = self
                .compared
                .iter()
                .map(|compared| {
                    let Agreement { dice, hd95_mm, mean_distance_mm } = compared.agreement;
                    let [hd95, mean] =
                        [hd95_mm, mean_distance_mm].map(|d| d.map(|world| scale.length(world)));
                    let name = format!("{} and {}", compared.label, compared.other);
                    vec![name, format!("{dice:.4}"), decimals(hd95), decimals(mean)]
                })
                .collect();
            let [hd95, mean] = ["hd95", "mean distance"].map(|name| format!("{name} {unit}"));
            text = format!("{text}\n\n{}", table(&["compared", "dice", &hd95, &mean], &rows));
        }
        text
    }
}
