//! `hilum info`.

use std::path::{Path, PathBuf};

use clap::Args;
use hilum_core::io::raster::{self, Page};
use hilum_core::io::{self, FileKind, OpenOptions, SeriesSummary};
use hilum_core::volume::Volume;
use serde::Serialize;
use serde_json::Value;

use super::args::Choice;
use super::output::{Console, Progress, Report, by, short, table, warnings_json};

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct Info {
    /// An image file, or a folder with DICOM files.
    path: PathBuf,
    #[command(flatten)]
    choice: Choice,
}

impl Info {
    /// Says what is in a file or folder.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let progress = Progress::start("reading");
        let kind = io::probe(&self.path)?;
        let series = io::list_series(&self.path, &OpenOptions::default(), &progress)?;
        let pages = match kind {
            FileKind::Raster => raster::pages(&self.path, &OpenOptions::default().limits)?,
            _ => Vec::new(),
        };
        let is_choice_open = kind == FileKind::Folder && series.len() > 1 && !self.choice.names_series();
        let image = if is_choice_open {
            None
        } else {
            let options = self.choice.options(&self.path, &progress)?;
            let opened = io::open(&self.path, &options, &progress)?;
            Some(ImageFacts::of(&opened.volume, warnings_json(&opened.warnings)))
        };
        drop(progress);
        console.report(&InfoReport { path: self.path.clone(), kind, series, pages, image })
    }
}

/// The series that a person means by a UID or its beginning.
pub fn chosen_series(
    path: &Path,
    asked: Option<&str>,
    progress: &Progress,
) -> anyhow::Result<Option<String>> {
    let Some(asked) = asked else { return Ok(None) };
    Ok(full_uid(Some(asked), &io::list_series(path, &OpenOptions::default(), progress)?))
}

/// Completes the beginning of a UID where it fits one series only.
fn full_uid(asked: Option<&str>, series: &[SeriesSummary]) -> Option<String> {
    let asked = asked?;
    let mut fitting = series.iter().filter(|s| s.uid.starts_with(asked));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Some(only.uid.clone()),
        _ => Some(asked.to_owned()),
    }
}

#[derive(Serialize)]
struct InfoReport {
    path: PathBuf,
    kind: FileKind,
    #[serde(flatten)]
    image: Option<ImageFacts>,
    series: Vec<SeriesSummary>,
    /// Of a TIFF with more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pages: Vec<Page>,
}

#[derive(Serialize)]
struct ImageFacts {
    title: String,
    modality: &'static str,
    voxel_type: &'static str,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    extent_mm: [f64; 3],
    has_physical_spacing: bool,
    orientation: String,
    /// Rows of the map from voxel indices to LPS mm.
    world_from_voxel: [[f64; 4]; 3],
    value_range: Values,
    time_points: usize,
    time_point: usize,
    warnings: Vec<Value>,
}

#[derive(Serialize)]
struct Values {
    unit: &'static str,
    min: f32,
    max: f32,
    p0_5: f32,
    p99_5: f32,
}

impl ImageFacts {
    fn of(volume: &Volume, warnings: Vec<Value>) -> Self {
        let (grid, meta, range) = (volume.grid(), volume.meta(), volume.range());
        Self {
            title: meta.title.clone(),
            modality: meta.modality.code(),
            voxel_type: volume.voxels().type_name(),
            dims: grid.dims(),
            spacing_mm: grid.spacing_mm(),
            extent_mm: grid.extent_mm(),
            has_physical_spacing: meta.has_physical_spacing,
            orientation: grid.orientation().code(),
            world_from_voxel: grid.affine().rows(),
            value_range: Values {
                unit: meta.modality.unit(),
                min: range.min,
                max: range.max,
                p0_5: range.low,
                p99_5: range.high,
            },
            time_points: meta.time_points,
            time_point: meta.time_point,
            warnings,
        }
    }

    fn text(&self) -> String {
        let values = &self.value_range;
        let unit = if self.has_physical_spacing { "mm" } else { "pixels" };
        let times = match self.time_points {
            0 | 1 => String::new(),
            n => format!(", time point {} of {n}", self.time_point),
        };
        let mut text = format!(
            "{}: {} {} voxels of {} {unit}, {}, {}, values {} to {}{}{}{times}",
            self.title,
            self.modality,
            by(self.dims),
            by(self.spacing_mm.map(short)),
            self.orientation,
            self.voxel_type,
            values.min,
            values.max,
            if values.unit.is_empty() { "" } else { " " },
            values.unit,
        );
        for warning in &self.warnings {
            text += &format!("\nwarning: {}", warning["message"].as_str().unwrap_or_default());
        }
        text
    }
}

impl Report for InfoReport {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(image) = &self.image {
            parts.push(image.text());
        }
        if self.series.len() > 1 {
            let row = |s: &SeriesSummary| {
                let date = s.date.clone().unwrap_or_else(|| "–".into());
                vec![s.uid.clone(), s.description.clone(), s.modality.code().into(), date, by(s.dims)]
            };
            let rows: Vec<_> = self.series.iter().map(row).collect();
            parts.push(table(&["series", "description", "modality", "date", "size"], &rows));
            if self.image.is_none() {
                parts.push("choose one with --series UID (its beginning is enough)".into());
            }
        }
        if !self.pages.is_empty() {
            let row = |page: &Page| {
                let role = format!("{:?}", page.role).to_lowercase();
                let um = page.pixel_um.map_or_else(|| "–".into(), |um| format!("{um:.4}"));
                let [width, height] = page.size;
                vec![page.index.to_string(), role, format!("{width} × {height}"), short(page.downsample), um]
            };
            let rows: Vec<_> = self.pages.iter().map(row).collect();
            parts.push(table(&["page", "what", "pixels", "coarser by", "µm a pixel"], &rows));
            parts.push("choose one with --page N, a part of it with --crop x,y,width,height".into());
        }
        parts.join("\n")
    }
}
