//! What a one-click network sees: the image, the image relative to the clicked tissue, and the clicks.

use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::volume::Modality;
use serde::{Deserialize, Serialize};

use super::cue::{NEGATIVE_RANGE_MM, POSITIVE_RANGE_MM, distance_cue};

/// One input channel of a network; a model card lists them in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Intensity: CT as asinh((HU − 40)/200), others relative to median and spread of the crop.
    Image,
    /// Intensity relative to the clicked tissue in units of the crop's spread, clipped to ±4.
    Relative,
    /// Likeness to the clicked tissue in units of its own noise, 0..=1.
    Similarity,
    /// Distance to the nearest positive click, 1 at the click, 0 at 64 mm (networks.md D10).
    Positive,
    /// Distance to the nearest negative click, 1 at the click, 0 at 32 mm.
    Negative,
    /// The previous answer for this object, 0..=1; zero at the first click.
    Previous,
}

impl Channel {
    /// The paper's single-click form: image and distance map.
    pub const PAPER: [Self; 2] = [Self::Image, Self::Positive];
    /// Everything, for networks that refine.
    pub const FULL: [Self; 6] =
        [Self::Image, Self::Relative, Self::Similarity, Self::Positive, Self::Negative, Self::Previous];
}

/// A crop on its grid with what was clicked in it.
#[derive(Clone, Copy, Debug)]
pub struct Crop<'a> {
    /// Place of the crop.
    pub grid: &'a Grid,
    /// Intensities `[z, y, x]`.
    pub values: &'a [f32],
    /// How the image was made.
    pub modality: Modality,
    /// Positive clicks, at least one.
    pub positive: &'a [WorldPoint],
    /// Negative clicks.
    pub negative: &'a [WorldPoint],
    /// Previous answer on the same grid.
    pub previous: Option<&'a [f32]>,
}

/// The channels of a crop, one after another, `[channel, z, y, x]`.
pub fn channels(crop: &Crop<'_>, wanted: &[Channel]) -> Vec<f32> {
    let statistics = Statistics::of(crop.values);
    let tissue = ClickedTissue::of(crop, &statistics);
    let mut out = Vec::with_capacity(wanted.len() * crop.values.len());
    for channel in wanted {
        match channel {
            Channel::Image => out.extend(crop.values.iter().map(|v| statistics.image(*v, crop.modality))),
            Channel::Relative => out.extend(crop.values.iter().map(|v| tissue.relative(*v))),
            Channel::Similarity => out.extend(crop.values.iter().map(|v| tissue.similarity(*v))),
            Channel::Positive => out.extend(distance_cue(crop.grid, crop.positive, POSITIVE_RANGE_MM)),
            Channel::Negative => out.extend(distance_cue(crop.grid, crop.negative, NEGATIVE_RANGE_MM)),
            Channel::Previous => match crop.previous {
                Some(previous) => out.extend_from_slice(previous),
                None => out.resize(out.len() + crop.values.len(), 0.0),
            },
        }
    }
    out
}

/// Median and robust spread of a crop.
#[derive(Clone, Copy, Debug)]
struct Statistics {
    median: f32,
    spread: f32,
}

/// Values looked at for the percentiles of a crop.
const STATISTICS_SAMPLES: usize = 8192;
/// Standard deviations between the 10th and the 90th percentile of a normal distribution.
const DECILE_RANGE_SD: f32 = 2.563;

impl Statistics {
    fn of(values: &[f32]) -> Self {
        let step = values.len().div_ceil(STATISTICS_SAMPLES).max(1);
        let mut sample: Vec<f32> = values.iter().step_by(step).copied().collect();
        sample.sort_unstable_by(f32::total_cmp);
        let at = |share: f32| sample[((sample.len() - 1) as f32 * share) as usize];
        Self { median: at(0.5), spread: ((at(0.9) - at(0.1)) / DECILE_RANGE_SD).max(1e-6) }
    }

    fn image(&self, value: f32, modality: Modality) -> f32 {
        match modality {
            Modality::Ct => ((value - 40.0) / 200.0).asinh(),
            _ => ((value - self.median) / self.spread).clamp(-20.0, 20.0).asinh(),
        }
    }
}

/// Level and noise of the tissue under the positive clicks.
#[derive(Clone, Copy, Debug)]
struct ClickedTissue {
    level: f32,
    noise: f32,
    spread: f32,
}

/// Share of the crop's spread below which the noise of the clicked tissue is not believed.
const LEAST_NOISE: f32 = 0.05;

impl ClickedTissue {
    fn of(crop: &Crop<'_>, statistics: &Statistics) -> Self {
        let mut level = 0.0;
        let mut noise = 0.0;
        let mut count = 0.0;
        for click in crop.positive {
            let near = neighbourhood(crop, *click, 1);
            let around = neighbourhood(crop, *click, 2);
            let (Some(near), Some(around)) = (median(near), deviation(around)) else { continue };
            level += near;
            noise += around;
            count += 1.0;
        }
        if count == 0.0 {
            return Self { level: statistics.median, noise: statistics.spread, spread: statistics.spread };
        }
        let noise = (noise / count).max(LEAST_NOISE * statistics.spread);
        Self { level: level / count, noise, spread: statistics.spread }
    }

    fn relative(&self, value: f32) -> f32 {
        ((value - self.level) / self.spread).clamp(-4.0, 4.0)
    }

    fn similarity(&self, value: f32) -> f32 {
        let deviations = (value - self.level) / (2.0 * self.noise);
        (-0.5 * deviations * deviations).exp()
    }
}

/// The values within `radius` voxels of a click, clipped to the crop.
fn neighbourhood(crop: &Crop<'_>, click: WorldPoint, radius: usize) -> Vec<f32> {
    let Some(voxel) = crop.grid.voxel_at_world(click) else { return Vec::new() };
    let dims = crop.grid.dims();
    let region = hilum_core::geometry::VoxelBox::of_voxel(voxel).grown([radius; 3], dims);
    let mut values = Vec::with_capacity(region.voxel_count());
    for (y, z) in region.rows() {
        let start = crop.grid.index([region.start()[0], y, z]);
        values.extend_from_slice(&crop.values[start..start + region.size()[0]]);
    }
    values
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Median absolute deviation from the median, scaled to a standard deviation.
fn deviation(values: Vec<f32>) -> Option<f32> {
    let middle = median(values.clone())?;
    median(values.into_iter().map(|v| (v - middle).abs()).collect()).map(|mad| 1.4826 * mad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::cube::cube_grid;

    fn crop_values(grid: &Grid) -> Vec<f32> {
        (0..grid.voxel_count()).map(|i| if grid.voxel(i)[0] < 4 { 50.0 } else { -900.0 }).collect()
    }

    #[test]
    fn the_clicked_tissue_is_zero_and_alike() {
        let grid = cube_grid(WorldPoint::origin(), 16.0, 8).unwrap();
        let values = crop_values(&grid);
        let click = [grid.world_of([1, 4, 4])];
        let crop = Crop {
            grid: &grid,
            values: &values,
            modality: Modality::Ct,
            positive: &click,
            negative: &[],
            previous: None,
        };
        let out = channels(&crop, &Channel::FULL);
        let n = grid.voxel_count();
        assert_eq!(out.len(), 6 * n);
        let (inside, outside) = (grid.index([0, 3, 3]), grid.index([7, 3, 3]));
        assert_eq!(out[n + inside], 0.0);
        assert!(out[n + outside] < -1.0);
        assert_eq!(out[2 * n + inside], 1.0);
        assert!(out[2 * n + outside] < 1e-6);
        assert!(out[3 * n + grid.index([1, 4, 4])] == 1.0);
        assert!(out[4 * n..].iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_constant_crop_gives_finite_channels() {
        let grid = cube_grid(WorldPoint::origin(), 8.0, 4).unwrap();
        let crop = Crop {
            grid: &grid,
            values: &vec![7.0; 64],
            modality: Modality::Other,
            positive: &[WorldPoint::origin()],
            negative: &[WorldPoint::new(1.0, 0.0, 0.0)],
            previous: Some(&vec![0.5; 64]),
        };
        assert!(channels(&crop, &Channel::FULL).iter().all(|v| v.is_finite()));
    }
}
