//! What an image holds inside a mask.

use serde::Serialize;

use super::{MeasureError, check_count, percentile_of_sorted};
use crate::volume::Volume;

/// Values of an image inside a mask, in the image's unit (HU for CT). Of colour images the luma is taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskStatistics {
    /// Voxels with a finite value.
    pub n: usize,
    /// Voxels left out because their value is NaN or infinite.
    pub non_finite: usize,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); 0 for one voxel.
    pub sd: f64,
    /// Smallest value.
    pub min: f64,
    /// 5th percentile, linear between neighbours like all others.
    pub p5: f64,
    /// 25th percentile.
    pub p25: f64,
    /// Median.
    pub median: f64,
    /// 75th percentile.
    pub p75: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Largest value.
    pub max: f64,
}

/// Statistics of the values of `image` inside a mask `[z, y, x]` on the image's grid; `None` if no voxel of
/// the mask has a finite value.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the mask does not fill the image's grid.
pub fn mask_statistics(image: &Volume, mask: &[bool]) -> Result<Option<MaskStatistics>, MeasureError> {
    check_count(mask.len(), image.grid().voxel_count())?;
    let inside = mask.iter().enumerate().filter(|(_, inside)| **inside);
    let (mut values, mut non_finite) = (Vec::new(), 0);
    for value in inside.map(|(index, _)| f64::from(image.voxels().value(index))) {
        if value.is_finite() {
            values.push(value);
        } else {
            non_finite += 1;
        }
    }
    Ok(of_values(values, non_finite))
}

fn of_values(mut values: Vec<f64>, non_finite: usize) -> Option<MaskStatistics> {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    let (min, max) = (*values.first()?, *values.last()?);
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let at = |share| percentile_of_sorted(&values, share).unwrap_or(mean);
    Some(MaskStatistics {
        n,
        non_finite,
        mean,
        sd: (squares / (n - 1).max(1) as f64).sqrt(),
        min,
        p5: at(0.05),
        p25: at(0.25),
        median: at(0.5),
        p75: at(0.75),
        p95: at(0.95),
        max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Grid;
    use crate::volume::{ImageMeta, Voxels};

    fn image(values: Vec<f32>) -> Volume {
        let grid = Grid::from_spacing([values.len(), 1, 1], [1.0; 3]).unwrap();
        Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap()
    }

    #[test]
    fn only_finite_values_inside_count() {
        let image = image(vec![4.0, 1.0, f32::NAN, 3.0, 1000.0, 2.0]);
        let mask = [true, true, true, true, false, true];
        let s = mask_statistics(&image, &mask).unwrap().unwrap();
        assert_eq!((s.n, s.non_finite, s.mean, s.min, s.max), (4, 1, 2.5, 1.0, 4.0));
        assert_eq!((s.p25, s.median, s.p75), (1.75, 2.5, 3.25));
        assert!((s.sd - 1.290_994_448_735_805_6).abs() < 1e-12);
    }

    #[test]
    fn a_mask_without_values_has_no_statistics() {
        let image = image(vec![f32::NAN, 1.0]);
        assert_eq!(mask_statistics(&image, &[false, false]), Ok(None));
        assert_eq!(mask_statistics(&image, &[true, false]), Ok(None));
        assert!(mask_statistics(&image, &[true]).is_err());
        let one = mask_statistics(&image, &[false, true]).unwrap().unwrap();
        assert_eq!((one.mean, one.sd, one.median), (1.0, 0.0, 1.0));
    }
}
