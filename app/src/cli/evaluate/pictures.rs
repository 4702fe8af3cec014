//! Pictures of the worst cases: the truth and the prediction outlined on the same part of the image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hilum_core::io::{self, OpenOptions, raster};
use hilum_core::label::color_of;
use hilum_core::volume::{Volume, Voxels};

use super::folders::image_of;
use super::report::CaseReport;
use crate::cli::masks::{Mask, check_same_grid};

/// Pixels along the longer side of a panel, about.
const PANEL: f64 = 480.0;
/// Part of the image around the masks, in shares of their size, and at the least in pixels.
const MARGIN: f64 = 0.25;
const LEAST_MARGIN: usize = 8;
/// Pixels between the panels.
const GAP: usize = 6;
/// Where the pictures' images are, and where the pictures go.
#[derive(Debug, clap::Args)]
pub struct Pictures {
    /// Draw the worst cases into this folder: truth on the left, prediction on the right. For folders.
    #[arg(long, value_name = "DIR", requires = "images")]
    pictures: Option<PathBuf>,
    /// The images: a folder with the names of the truths, or a beginning of them.
    #[arg(long, value_name = "DIR", requires = "pictures")]
    images: Option<PathBuf>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 3)]
    worst: usize,
}

impl Pictures {
    /// Draws the cases of lowest mean Dice; returns what was written.
    pub(super) fn draw(&self, cases: &[CaseReport]) -> anyhow::Result<Vec<PathBuf>> {
        let (Some(folder), Some(images)) = (&self.pictures, &self.images) else { return Ok(Vec::new()) };
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut ranked: Vec<(f64, &CaseReport)> =
            cases.iter().filter_map(|case| Some((mean_dice(case)?, case))).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut written = Vec::new();
        for (nth, (_, case)) in ranked.into_iter().take(self.worst).enumerate() {
            let image = image_of(images, &case.name, [&case.truth, &case.pred])?;
            let path = folder.join(format!("worst-{}-{}.png", nth + 1, case.name));
            let drawn = draw_case(case, &image).with_context(|| format!("case {}", case.name))?;
            raster::save(&path, &Voxels::Rgb8(drawn.pixels), drawn.size)?;
            written.push(path);
        }
        Ok(written)
    }
}

fn mean_dice(case: &CaseReport) -> Option<f64> {
    let dice: Vec<f64> = case.labels.iter().filter(|label| label.occurs()).map(|label| label.dice).collect();
    (!dice.is_empty()).then(|| dice.iter().sum::<f64>() / dice.len() as f64)
}

/// A picture in the making.
struct Drawn {
    size: [usize; 2],
    pixels: Vec<[u8; 3]>,
}

fn draw_case(case: &CaseReport, image: &Path) -> anyhow::Result<Drawn> {
    let volume = io::open(image, &OpenOptions::default(), &())?.volume;
    let (truth, prediction) = (Mask::open(&case.truth)?, Mask::open(&case.pred)?);
    for (path, mask) in [(&case.truth, &truth), (&case.pred, &prediction)] {
        check_same_grid(path, &mask.grid, image, volume.grid(), "the masks belong to another image")?;
    }
    let slice = most_different_slice(&truth, &prediction);
    let Some(view) = View::around(&volume, [&truth, &prediction], slice) else {
        bail!("both masks are empty")
    };
    let panels = [&truth, &prediction].map(|mask| view.panel(&volume, mask));
    let [width, height] = view.size;
    let mut pixels = vec![[0; 3]; (2 * width + GAP) * height];
    for (nth, panel) in panels.iter().enumerate() {
        for (row, line) in panel.chunks(width).enumerate() {
            let at = row * (2 * width + GAP) + nth * (width + GAP);
            pixels[at..at + width].copy_from_slice(line);
        }
    }
    Ok(Drawn { size: [2 * width + GAP, height], pixels })
}

/// The slice in which most voxels differ; where none does, that with most of the truth.
fn most_different_slice(truth: &Mask, prediction: &Mask) -> usize {
    let [nx, ny, nz] = truth.grid.dims();
    let slice = nx * ny;
    let of = |count: &dyn Fn(usize) -> bool| -> usize {
        (0..nz)
            .max_by_key(|z| {
                (z * slice..(z + 1) * slice).filter(|i| count(*i)).count() * nz + usize::from(*z == nz / 2)
            })
            .unwrap_or(0)
    };
    let differs = |i: usize| truth.labels[i] != prediction.labels[i];
    if (0..truth.labels.len()).any(differs) { of(&differs) } else { of(&|i| truth.labels[i] > 0) }
}

/// The part of a slice that is shown, enlarged.
struct View {
    slice: usize,
    /// First column and row.
    start: [usize; 2],
    /// Pixels of the picture along one voxel.
    zoom: [f64; 2],
    /// Of the picture.
    size: [usize; 2],
}

impl View {
    /// Around all that the masks show in a slice.
    fn around(volume: &Volume, masks: [&Mask; 2], slice: usize) -> Option<Self> {
        let [nx, ny, _] = volume.grid().dims();
        let dims = [nx, ny];
        let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
        for (i, _) in (0..nx * ny)
            .map(|i| (i, slice * nx * ny + i))
            .filter(|(_, voxel)| masks.iter().any(|mask| mask.labels[*voxel] > 0))
        {
            for (axis, at) in [i % nx, i / nx].into_iter().enumerate() {
                low[axis] = low[axis].min(at);
                high[axis] = high[axis].max(at + 1);
            }
        }
        if low[0] == usize::MAX {
            return None;
        }
        let widest = (high[0] - low[0]).max(high[1] - low[1]) as f64;
        let margin = ((widest * MARGIN) as usize).max(LEAST_MARGIN);
        let start = low.map(|l| l.saturating_sub(margin));
        let end = [0, 1].map(|axis| (high[axis] + margin).min(dims[axis]));
        let spacing = volume.grid().spacing_mm();
        let extent = [0, 1].map(|axis| (end[axis] - start[axis]) as f64 * spacing[axis]);
        let per_mm = PANEL / extent[0].max(extent[1]);
        let size = extent.map(|e| ((e * per_mm).round() as usize).max(1));
        Some(Self { slice, start, zoom: [0, 1].map(|axis| spacing[axis] * per_mm), size })
    }

    /// The voxel under a pixel of the picture.
    fn voxel(&self, pixel: [usize; 2], dims: [usize; 3]) -> usize {
        let at = [0, 1].map(|axis| {
            let offset = ((pixel[axis] as f64 + 0.5) / self.zoom[axis]) as usize;
            (self.start[axis] + offset).min(dims[axis] - 1)
        });
        (self.slice * dims[1] + at[1]) * dims[0] + at[0]
    }

    /// The image with the outlines of a mask.
    fn panel(&self, volume: &Volume, mask: &Mask) -> Vec<[u8; 3]> {
        let dims = volume.grid().dims();
        let [width, height] = self.size;
        let label = |x: usize, y: usize| mask.labels[self.voxel([x, y], dims)];
        let is_edge = |x: usize, y: usize| {
            let here = label(x, y);
            let near = [
                (x.saturating_sub(1), y),
                ((x + 1).min(width - 1), y),
                (x, y.saturating_sub(1)),
                (x, (y + 1).min(height - 1)),
            ];
            here > 0 && near.iter().any(|(x, y)| label(*x, *y) != here)
        };
        let pixel = |i: usize| {
            let (x, y) = (i % width, i / width);
            if is_edge(x, y) { color_of(label(x, y)) } else { shown(volume, self.voxel([x, y], dims)) }
        };
        (0..width * height).map(pixel).collect()
    }
}

/// A voxel as it looks on the screen.
fn shown(volume: &Volume, voxel: usize) -> [u8; 3] {
    if let Voxels::Rgb8(pixels) = volume.voxels() {
        return pixels[voxel];
    }
    let range = volume.range();
    let share = (volume.voxels().value(voxel) - range.low) / (range.high - range.low).max(f32::MIN_POSITIVE);
    [(share.clamp(0.0, 1.0) * 255.0) as u8; 3]
}
