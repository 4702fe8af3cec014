//! How large a mask is and where its middle lies.

use nalgebra::{Point3, Vector3};
use serde::Serialize;

use super::{MeasureError, check_count};
use crate::geometry::Grid;

/// Size and place of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskVolume {
    /// Voxels in the mask.
    pub voxel_count: usize,
    /// Their volume in millilitres.
    pub volume_ml: f64,
    /// Mean position in continuous voxel coordinates `(x, y, z)`; `None` for an empty mask.
    pub centroid_voxel: Option<[f64; 3]>,
    /// Mean position in LPS mm; `None` for an empty mask.
    pub centroid_mm: Option<[f64; 3]>,
}

/// Counts the voxels of a mask `[z, y, x]`.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the mask does not fill the grid.
pub fn mask_volume(mask: &[bool], grid: &Grid) -> Result<MaskVolume, MeasureError> {
    check_count(mask.len(), grid.voxel_count())?;
    let [nx, ny, _] = grid.dims();
    let mut count = 0usize;
    let mut sum = [0u64; 3];
    for (row, line) in mask.chunks_exact(nx).enumerate() {
        let (mut in_row, mut sum_x) = (0u64, 0u64);
        for (x, _) in line.iter().enumerate().filter(|(_, inside)| **inside) {
            in_row += 1;
            sum_x += x as u64;
        }
        count += in_row as usize;
        sum[0] += sum_x;
        sum[1] += in_row * (row % ny) as u64;
        sum[2] += in_row * (row / ny) as u64;
    }
    let centroid = (count > 0).then(|| Vector3::from(sum.map(|s| s as f64 / count as f64)));
    Ok(MaskVolume {
        voxel_count: count,
        volume_ml: count as f64 * grid.affine().voxel_volume_mm3() / 1000.0,
        centroid_voxel: centroid.map(Into::into),
        centroid_mm: centroid.map(|c| grid.affine().world_from_voxel(Point3::from(c)).coords.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine;
    use nalgebra::Rotation3;

    #[test]
    fn an_oblique_box_has_the_volume_of_its_voxels_and_its_middle_in_the_patient() {
        let turned = Rotation3::from_euler_angles(0.3, -0.2, 0.5).into_inner()
            * nalgebra::Matrix3::from_diagonal(&Vector3::new(0.5, 2.0, 5.0));
        let grid = Grid::new([5, 4, 3], Affine::new(turned, Vector3::new(7.0, 8.0, 9.0)).unwrap()).unwrap();
        let mask: Vec<bool> = (0..60).map(|i| (1..4).contains(&(i % 5)) && i / 20 > 0).collect();
        let volume = mask_volume(&mask, &grid).unwrap();
        assert_eq!(volume.voxel_count, 3 * 4 * 2);
        assert!((volume.volume_ml - 24.0 * 5.0 / 1000.0).abs() < 1e-12);
        assert_eq!(volume.centroid_voxel, Some([2.0, 1.5, 1.5]));
        let expected = grid.affine().world_from_voxel(Point3::new(2.0, 1.5, 1.5));
        assert_eq!(volume.centroid_mm, Some(expected.coords.into()));
    }

    #[test]
    fn an_empty_mask_has_no_middle_and_a_mask_of_another_size_is_refused() {
        let grid = Grid::from_spacing([2, 2, 2], [1.0; 3]).unwrap();
        let empty = mask_volume(&[false; 8], &grid).unwrap();
        assert_eq!((empty.voxel_count, empty.volume_ml, empty.centroid_mm), (0, 0.0, None));
        let refused = mask_volume(&[true; 7], &grid);
        assert_eq!(refused, Err(MeasureError::VoxelCount { found: 7, expected: 8 }));
    }
}
