//! How well two masks agree.

use serde::Serialize;

use super::{Confusion, MeasureError, surface_distance};

/// Overlap and distance of two masks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Twice the common voxels over all voxels of both; 1 for two empty masks.
    pub dice: f64,
    /// 95th percentile of the distances between the surfaces, both directions together, in mm; `None` where a mask is
    /// empty.
    pub hd95_mm: Option<f64>,
    /// Mean of the distances between the surfaces, both directions together, in mm: the `assd_mm` of `hilum evaluate`.
    /// `None` where a mask is empty.
    pub mean_distance_mm: Option<f64>,
}

/// Compares two masks `[z, y, x]`. Distances follow `binary.hd95` and `binary.assd` of MedPy 0.5.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the masks do not both fill `dims`.
pub fn agreement(
    a: &[bool],
    b: &[bool],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
) -> Result<Agreement, MeasureError> {
    let distance = surface_distance(a, b, dims, spacing_mm)?;
    Ok(Agreement {
        dice: Confusion::of(a, b)?.dice(),
        hd95_mm: distance.map(|d| d.hd95_mm),
        mean_distance_mm: distance.map(|d| d.assd_mm),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::nifti::open_labels;
    use crate::testing::shared_data;

    /// Real outlines of sarcomas against themselves two voxels further along x, one along y, without their last slice.
    /// Made with MedPy 0.5.2 (`binary.dc`, `binary.hd95`, `binary.assd`) and SimpleITK 2.5.7
    /// (`LabelOverlapMeasures`, `HausdorffDistance`): `b[2:, 1:, :] = a[:-2, :-1, :]; b[:, :, last] = False` on the
    /// arrays `[x, y, z]` of nibabel, spacing from the header.
    const GOLDEN: [(&str, [f64; 4]); 3] = [
        ("STS_002", [0.920_166_209_884, 2.762_134_515_311, 0.872_442_336_625, 3.269_999_980_927]),
        ("STS_008", [0.894_136_255_790, 2.183_659_068_037, 0.861_760_416_312, 3.932_081_738_809]),
        ("STS_022", [0.957_533_427_232, 3.269_999_980_927, 1.549_895_765_869, 3.412_707_614_248]),
    ];

    #[test]
    fn equal_to_medpy_and_simpleitk_on_real_masks() {
        for (case, [dice, hd95, assd, hd]) in GOLDEN {
            let Some(path) = shared_data(&format!("data/ct_sarcoma/{case}_gtv.nii.gz")) else { return };
            let image = open_labels(&path).unwrap();
            let grid = image.grid;
            let [nx, ny, _] = grid.dims();
            let a: Vec<bool> = image.labels.iter().map(|label| *label > 0).collect();
            let last = a.iter().rposition(|inside| *inside).unwrap() / (nx * ny);
            let moved = |index: usize| {
                let [x, y, z] = grid.voxel(index);
                x >= 2 && y >= 1 && z != last && a[grid.index([x - 2, y - 1, z])]
            };
            let b: Vec<bool> = (0..a.len()).map(moved).collect();
            let found = agreement(&a, &b, grid.dims(), grid.spacing_mm()).unwrap();
            let hausdorff = surface_distance(&a, &b, grid.dims(), grid.spacing_mm()).unwrap().unwrap().hd_mm;
            let figures = [found.dice, found.hd95_mm.unwrap(), found.mean_distance_mm.unwrap(), hausdorff];
            for (figure, expected) in figures.into_iter().zip([dice, hd95, assd, hd]) {
                assert!((figure - expected).abs() < 1e-6, "{case}: {figures:?} but {expected}");
            }
        }
    }

    #[test]
    fn empty_masks_have_no_distance() {
        let found = agreement(&[false; 8], &[false; 8], [2; 3], [1.0; 3]).unwrap();
        assert_eq!(found, Agreement { dice: 1.0, hd95_mm: None, mean_distance_mm: None });
        assert_eq!(agreement(&[true; 8], &[false; 8], [2; 3], [1.0; 3]).unwrap().dice, 0.0);
        assert!(agreement(&[true; 8], &[false; 7], [2; 3], [1.0; 3]).is_err());
    }
}
