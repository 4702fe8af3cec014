//! `hilum segment` with a model that labels every voxel.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use hilum_core::io::nifti::{LabelName, save_labels, save_volume};
use hilum_core::io::raster;
use hilum_core::io::{self, FileKind, spare_original};
use hilum_core::label::color_of;
use hilum_core::volume::{Source, Volume, Voxels};
use hilum_models::device;
use hilum_models::infer::{Dense, DenseAnswer};
use serde::Serialize;
use serde_json::{Value, json};

use super::Segment;
use crate::cli::convert::check_target;
use crate::cli::output::{Console, Progress, Report, by, table, warnings_json};

impl Segment {
    pub(super) fn run_dense(&self, console: &Console) -> anyhow::Result<()> {
        let id = self.model.as_deref().context("a model must be named")?;
        let jobs = self.jobs()?;
        for job in &jobs {
            for target in job.mask.iter().chain(&job.probability) {
                check_dense_target(target)?;
                // Of a folder, another picture may have the name of this one's mask.
                for image in &jobs {
                    spare_original(&image.image, target)?;
                }
            }
        }
        let progress = Progress::start("loading");
        let device = device::open(self.device)?;
        let model = Dense::load(&console.catalog()?, id, &device.device)?;
        let mut images = Vec::new();
        for job in &jobs {
            let labelled = self.label_one(job, &model, &progress);
            match labelled {
                Ok(report) => images.push(report),
                // One picture that is none must not stop a folder of sixty.
                Err(error) if jobs.len() > 1 => images.push(Labelled::refused(&job.image, &error)),
                Err(error) => return Err(error),
            }
        }
        drop(progress);
        for warning in images.iter().flat_map(|image| &image.warnings) {
            console.warn(warning["message"].as_str().unwrap_or_default());
        }
        console.report(&DenseReport { model: id.to_owned(), device: device.name, images })
    }

    /// One image, or every picture of a folder.
    fn jobs(&self) -> anyhow::Result<Vec<Job>> {
        if !self.image.is_dir() || io::probe(&self.image)? == FileKind::Dicom || !has_pictures(&self.image) {
            return Ok(vec![Job {
                image: self.image.clone(),
                mask: self.out.clone(),
                probability: self.probability.clone(),
            }]);
        }
        for folder in self.out.iter().chain(&self.probability) {
            std::fs::create_dir_all(folder).with_context(|| {
                format!("for a folder of pictures the output is a folder: {}", folder.display())
            })?;
        }
        let named = |folder: &Option<PathBuf>, image: &Path| {
            let name = format!("{}.png", image.file_stem().unwrap_or_default().to_string_lossy());
            folder.as_ref().map(|folder| folder.join(name))
        };
        Ok(pictures(&self.image)
            .into_iter()
            .map(|image| Job {
                mask: named(&self.out, &image),
                probability: named(&self.probability, &image),
                image,
            })
            .collect())
    }

    fn label_one(&self, job: &Job, model: &Dense, progress: &Progress) -> anyhow::Result<Labelled> {
        let begun = Instant::now();
        if let Some(mut slide) = self.large_slide(&job.image, model)? {
            return self.label_slide(job, &mut slide, model, progress, begun);
        }
        let options = self.choice.options(&job.image, progress)?;
        let opened = io::open(&job.image, &options, progress)?;
        let doubts = model.task().doubts_about(&opened.volume);
        let answer = model
            .segment(&opened.volume, progress)
            .with_context(|| format!("not labelled: {}", job.image.display()))?;
        if let Some(path) = &job.mask {
            save_mask(path, &opened.volume, &answer)?;
        }
        if let Some(path) = &job.probability {
            self.save_probability(path, &opened.volume, &answer)?;
        }
        let volume_of_voxel = opened.volume.grid().affine().voxel_volume_mm3();
        let pixel_um = match &opened.volume.meta().source {
            Source::Raster { part, .. } => part.as_ref().and_then(|part| part.pixel_um),
            _ => None,
        };
        let regions = answer.regions.iter().enumerate().map(|(index, region)| {
            let voxel_count = answer.probabilities[index].iter().filter(|p| **p >= 0.5).count();
            RegionFound {
                name: region.name.clone(),
                label: region.label,
                voxel_count,
                volume_ml: (!opened.volume.grid().is_flat())
                    .then(|| voxel_count as f64 * volume_of_voxel / 1000.0),
                area_mm2: pixel_um.map(|um| voxel_count as f64 * um * um / 1e6),
            }
        });
        Ok(Labelled {
            image: job.image.clone(),
            mask: job.mask.clone(),
            size: opened.volume.grid().dims(),
            regions: regions.collect(),
            models: answer.models,
            seconds: begun.elapsed().as_secs_f64(),
            warnings: warnings_json(&opened.warnings)
                .into_iter()
                .chain(doubts.iter().map(|doubt| json!({"kind": "note", "message": doubt})))
                .collect(),
            error: None,
        })
    }

    fn save_probability(&self, path: &Path, volume: &Volume, answer: &DenseAnswer) -> anyhow::Result<()> {
        let known = || answer.regions.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ");
        let index = match &self.region {
            None => 0,
            Some(name) => answer
                .regions
                .iter()
                .position(|region| region.name == *name)
                .with_context(|| format!("the model has no region \"{name}\"; it has {}", known()))?,
        };
        let values = &answer.probabilities[index];
        if is_png(path) {
            let deep: Vec<u16> =
                values.iter().map(|p| (p.clamp(0.0, 1.0) * 65535.0).round() as u16).collect();
            let [width, height, _] = volume.grid().dims();
            return raster::save(path, &Voxels::U16(deep), [width, height])
                .context("the probability was not written");
        }
        let image = Volume::new(*volume.grid(), Voxels::F32(values.clone()), volume.meta().clone())?;
        save_volume(path, &image).context("the probability was not written")
    }
}

pub(super) struct Job {
    pub(super) image: PathBuf,
    pub(super) mask: Option<PathBuf>,
    pub(super) probability: Option<PathBuf>,
}

pub(super) fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn check_dense_target(path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_known = [".nii", ".nii.gz", ".png"].iter().any(|end| name.ends_with(end));
    anyhow::ensure!(is_known, "the output must end in .nii, .nii.gz or .png: {}", path.display());
    check_target(path)
}

fn has_pictures(folder: &Path) -> bool {
    !pictures(folder).is_empty()
}

/// Pictures in a folder, by name.
pub fn pictures(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_picture = |path: &PathBuf| path.is_file() && matches!(io::probe(path), Ok(FileKind::Raster));
    let mut found: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_picture).collect();
    found.sort();
    found
}

fn save_mask(path: &Path, volume: &Volume, answer: &DenseAnswer) -> anyhow::Result<()> {
    let [width, height, slices] = volume.grid().dims();
    if is_png(path) {
        anyhow::ensure!(
            slices == 1,
            "a mask of {slices} slices does not fit a PNG; name a .nii.gz: {}",
            path.display()
        );
        return raster::save_labels(path, &answer.labels, [width, height])
            .context("the mask was not written");
    }
    let name = |region: &hilum_models::catalog::Region| LabelName {
        value: region.label,
        name: region.name.clone(),
        color: color_of(region.label),
    };
    let names: Vec<LabelName> = answer.regions.iter().map(name).collect();
    save_labels(path, &answer.labels, volume.grid(), &volume.meta().source, &names)
        .context("the mask was not written")
}

#[derive(Serialize)]
struct DenseReport {
    model: String,
    device: String,
    images: Vec<Labelled>,
}

#[derive(Serialize)]
pub(super) struct Labelled {
    pub(super) image: PathBuf,
    pub(super) mask: Option<PathBuf>,
    /// Voxels along x, y, z.
    pub(super) size: [usize; 3],
    pub(super) regions: Vec<RegionFound>,
    /// The models that worked, in turn.
    pub(super) models: Vec<String>,
    pub(super) seconds: f64,
    pub(super) warnings: Vec<Value>,
    /// Why it was not labelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Labelled {
    fn refused(image: &Path, error: &anyhow::Error) -> Self {
        Self {
            image: image.to_owned(),
            mask: None,
            size: [0; 3],
            regions: Vec::new(),
            models: Vec::new(),
            seconds: 0.0,
            warnings: Vec::new(),
            error: Some(format!("{error:#}")),
        }
    }
}

#[derive(Serialize)]
pub(super) struct RegionFound {
    pub(super) name: String,
    /// Value in the mask.
    pub(super) label: u16,
    /// Voxels at a probability of one half or more.
    pub(super) voxel_count: usize,
    /// `None` for pictures.
    pub(super) volume_ml: Option<f64>,
    /// Of pictures whose pixels have a known size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) area_mm2: Option<f64>,
}

impl Report for DenseReport {
    fn text(&self) -> String {
        let row = |image: &Labelled| {
            let found = |region: &RegionFound| match (region.volume_ml, region.area_mm2) {
                (Some(ml), _) => format!("{} {ml:.2} ml", region.name),
                (None, Some(mm2)) => format!("{} {mm2:.4} mm²", region.name),
                (None, None) => format!("{} {} px", region.name, region.voxel_count),
            };
            let found = image.regions.iter().map(found).collect::<Vec<_>>().join(", ");
            vec![
                image.image.display().to_string(),
                by(image.size),
                image.error.clone().unwrap_or(found),
                format!("{:.2}", image.seconds),
            ]
        };
        let rows: Vec<_> = self.images.iter().map(row).collect();
        format!("{} on {}\n{}", self.model, self.device, table(&["image", "size", "found", "s"], &rows))
    }
}
