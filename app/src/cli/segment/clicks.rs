//! `hilum segment` with clicks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use hilum_core::io::nifti::{LabelName, save_labels};
use hilum_core::io::{self, Warning, spare_original};
use hilum_core::measure::{Recist, mask_volume, recist};
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;
use hilum_models::infer::{ClickRequest, ClickResult, OneClick};
use serde::Serialize;
use serde_json::{Value, json};

use super::Segment;
use crate::cli::args::voxel_of;
use crate::cli::convert::check_nifti_target;
use crate::cli::intermediates;
use crate::cli::output::{Console, Progress, Report, warnings_json};

impl Segment {
    /// Opens the image, runs the pipeline and writes the mask.
    pub(super) fn run_clicks(&self, console: &Console) -> anyhow::Result<()> {
        if let Some(path) = &self.out {
            check_nifti_target(path)?;
            spare_original(&self.image, path)?;
        }
        let mut clock = Clock::start();
        let progress = Progress::start("reading");
        let options = self.choice.options(&self.image, &progress)?;
        let opened = io::open(&self.image, &options, &progress)?;
        let volume = Arc::new(opened.volume);
        let clicks = self.clicks(&volume)?;
        clock.lap("read");
        let mut pipeline = OneClick::from_catalog(console.catalog()?, self.model.as_deref(), self.device)?;
        clock.lap("load");
        let request = ClickRequest { volume: Arc::clone(&volume), clicks, previous: None };
        let (result, between) = pipeline.segment_with(&request, &progress, self.debug_dir.is_some())?;
        clock.seconds.extend(result.seconds.iter().cloned());
        clock.skip();
        if let Some(folder) = &self.debug_dir {
            intermediates::write(folder, &between).context("the images in between were not written")?;
        }
        if let Some(path) = &self.out {
            self.save(path, &volume, &result)?;
            clock.lap("save");
        }
        drop(progress);
        console.warn_all(&opened.warnings);
        result.notes.iter().for_each(|note| console.warn(note));
        console.report(&self.report(&volume, &result, &opened.warnings, clock)?)
    }

    fn clicks(&self, volume: &Volume) -> anyhow::Result<Vec<Click>> {
        let both = [(&self.click, true), (&self.not, false)];
        let all = both.iter().flat_map(|(points, positive)| points.iter().map(move |p| (*p, *positive)));
        all.map(|(point, positive)| {
            Ok(Click { voxel: voxel_of(point, self.world, volume.grid())?, positive })
        })
        .collect()
    }

    fn save(&self, path: &Path, volume: &Volume, result: &ClickResult) -> anyhow::Result<()> {
        let grid = volume.grid();
        let mut labels = vec![0u16; grid.voxel_count()];
        for span in result.mask.spans() {
            let start = grid.index([span.x_start, span.y, span.z]);
            labels[start..start + span.x_end - span.x_start].fill(self.label);
        }
        let name = LabelName { value: self.label, name: "Lesion".into(), color: [230, 159, 0] };
        save_labels(path, &labels, grid, &volume.meta().source, &[name]).context("the mask was not written")
    }

    fn report(
        &self,
        volume: &Volume,
        result: &ClickResult,
        warnings: &[Warning],
        clock: Clock,
    ) -> anyhow::Result<SegmentReport> {
        let mask = &result.mask;
        // Measuring the box is measuring the whole: nothing lies outside.
        let measured = match volume.grid().sub_grid(mask.region()) {
            Ok(grid) => Some((mask_volume(mask.inside(), &grid)?, recist(mask.inside(), &grid)?)),
            Err(_) => None,
        };
        let (size, axes): (_, Option<Recist>) =
            measured.map_or((None, None), |(size, axes)| (Some(size), axes));
        let mut all_warnings = warnings_json(warnings);
        all_warnings.extend(result.notes.iter().map(|note| json!({"kind": "note", "message": note})));
        Ok(SegmentReport {
            image: self.image.clone(),
            mask: self.out.clone(),
            voxel_count: size.map_or(0, |s| s.voxel_count),
            volume_ml: size.map_or(0.0, |s| s.volume_ml),
            centroid_mm: size.and_then(|s| s.centroid_mm),
            long_axis_mm: axes.map_or(0.0, |a| a.long_axis.length_mm),
            short_axis_mm: axes.map_or(0.0, |a| a.short_axis.length_mm),
            slice: axes.map(|a| a.slice + mask.region().start()[2]),
            seconds_total: clock.begun.elapsed().as_secs_f64(),
            seconds: clock.seconds.into_iter().collect(),
            device: result.device.clone(),
            model: result.model.clone(),
            quality: result.quality,
            warnings: all_warnings,
        })
    }
}

/// Seconds by stage.
struct Clock {
    begun: Instant,
    last: Instant,
    seconds: Vec<(String, f64)>,
}

impl Clock {
    fn start() -> Self {
        Self { begun: Instant::now(), last: Instant::now(), seconds: Vec::new() }
    }

    fn lap(&mut self, stage: &str) {
        self.seconds.push((stage.to_owned(), self.last.elapsed().as_secs_f64()));
        self.skip();
    }

    fn skip(&mut self) {
        self.last = Instant::now();
    }
}

#[derive(Serialize)]
struct SegmentReport {
    image: PathBuf,
    mask: Option<PathBuf>,
    voxel_count: usize,
    volume_ml: f64,
    centroid_mm: Option<[f64; 3]>,
    long_axis_mm: f64,
    short_axis_mm: f64,
    /// The slice of both axes.
    slice: Option<usize>,
    seconds: BTreeMap<String, f64>,
    seconds_total: f64,
    device: String,
    model: String,
    quality: Option<f32>,
    warnings: Vec<Value>,
}

impl Report for SegmentReport {
    fn text(&self) -> String {
        let quality = self.quality.map_or_else(String::new, |q| format!(", quality {q:.2}"));
        let mask = self.mask.as_ref().map_or_else(String::new, |path| format!(": {}", path.display()));
        format!(
            "{:.2} ml, {:.1} × {:.1} mm{}{quality}; {:.1} s with {} on {}{mask}",
            self.volume_ml,
            self.long_axis_mm,
            self.short_axis_mm,
            self.slice.map_or_else(String::new, |slice| format!(" in slice {}", slice + 1)),
            self.seconds_total,
            self.model,
            self.device,
        )
    }
}
