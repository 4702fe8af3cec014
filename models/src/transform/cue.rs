//! Clicks as images: distance in millimetres to the nearest click (networks.md D10).

use hilum_core::geometry::{Grid, WorldPoint};
use rayon::prelude::*;

/// Distance at which a positive cue has faded to zero.
pub const POSITIVE_RANGE_MM: f64 = 64.0;
/// Distance at which a negative cue has faded to zero: a negative click speaks of its neighbourhood only.
pub const NEGATIVE_RANGE_MM: f64 = 32.0;

/// `1 − min(d, range)/range` for every voxel of `grid`, `[z, y, x]`, where d is the Euclidean distance in mm to
/// the nearest of `clicks`; all zero without clicks.
pub fn distance_cue(grid: &Grid, clicks: &[WorldPoint], range_mm: f64) -> Vec<f32> {
    let [nx, ny, _] = grid.dims();
    let mut cue = vec![0.0f32; grid.voxel_count()];
    if clicks.is_empty() {
        return cue;
    }
    let step = grid.affine().linear().column(0).into_owned();
    cue.par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
        let start = grid.world_of([0, row % ny, row / ny]);
        for (x, value) in line.iter_mut().enumerate() {
            let at = start + step * x as f64;
            let nearest = clicks.iter().map(|c| (at - c).norm_squared()).fold(f64::INFINITY, f64::min).sqrt();
            *value = (1.0 - nearest.min(range_mm) / range_mm) as f32;
        }
    });
    cue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cue_equals_the_golden_distance_map() {
        let Some(path) = hilum_core::testing::shared_data("golden/clicks.safetensors") else { return };
        let bytes = std::fs::read(path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let wanted = tensors.tensor("out.own.click_r64").unwrap();
        let [nz, ny, nx] = wanted.shape()[..] else { panic!("three axes") };
        let wanted: &[f32] = &bytemuck::pod_collect_to_vec::<u8, f32>(wanted.data());
        let spacing: Vec<f32> =
            bytemuck::pod_collect_to_vec(tensors.tensor("in.own.spacing").unwrap().data());
        let click: Vec<i64> = bytemuck::pod_collect_to_vec(tensors.tensor("in.own.click").unwrap().data());
        // The file is ordered z, y, x.
        let spacing_mm = [2, 1, 0].map(|a| f64::from(spacing[a]));
        let grid = Grid::from_spacing([nx, ny, nz], spacing_mm).unwrap();
        let at = grid.world_of([2, 1, 0].map(|a| usize::try_from(click[a]).unwrap()));
        let cue = distance_cue(&grid, &[at], POSITIVE_RANGE_MM);
        for (got, want) in cue.iter().zip(wanted) {
            assert!((got - want).abs() < 1e-6, "{got} is not {want}");
        }
    }

    #[test]
    fn without_clicks_the_cue_is_zero() {
        let grid = Grid::from_spacing([3, 3, 3], [1.0; 3]).unwrap();
        assert!(distance_cue(&grid, &[], 64.0).iter().all(|v| *v == 0.0));
    }
}
