//! How far the surfaces of two masks lie apart.

use serde::Serialize;

use super::{MeasureError, check_count, distance, percentile_of_sorted};
use crate::geometry::VoxelBox;

/// Distances between the surfaces of two masks in mm, from every surface voxel of either to the nearest
/// surface voxel of the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SurfaceDistance {
    /// Largest of all distances (Hausdorff).
    pub hd_mm: f64,
    /// 95th percentile of all distances, both directions together.
    pub hd95_mm: f64,
    /// Mean of all distances, both directions together: average symmetric surface distance of Heimann et al.,
    /// IEEE TMI 28 (2009), and `binary.assd` of MedPy 0.5. (MedPy up to 0.4 averaged the means of the two directions.)
    pub assd_mm: f64,
}

/// Compares the surfaces of two masks `[z, y, x]`; `None` if either is empty, because there is then no surface
/// to be near to.
///
/// A surface voxel belongs to the mask and has a face neighbour that does not; beyond the image counts as
/// outside. An axis with one voxel has no faces, so that photographs are compared by their outlines. These are
/// the conventions of MedPy's `binary.hd95` and `binary.assd`.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the masks do not both fill `dims`.
pub fn surface_distance(
    a: &[bool],
    b: &[bool],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
) -> Result<Option<SurfaceDistance>, MeasureError> {
    let count = dims.iter().product();
    check_count(a.len(), count)?;
    check_count(b.len(), count)?;
    let (box_a, box_b) = (VoxelBox::around(a, dims, |v| *v), VoxelBox::around(b, dims, |v| *v));
    if box_a.is_empty() || box_b.is_empty() {
        return Ok(None);
    }
    // Nothing outside the box around both can be nearer than what lies inside.
    let region = box_a.union(&box_b);
    let (surface_a, surface_b) = (surface(a, dims, region), surface(b, dims, region));
    let mut distances = Vec::new();
    for (from, to) in [(&surface_a, &surface_b), (&surface_b, &surface_a)] {
        let nearest = distance::euclidean_mm(to, region.size(), spacing_mm);
        distances.extend(from.iter().zip(nearest).filter(|(on, _)| **on).map(|(_, d)| f64::from(d)));
    }
    distances.sort_unstable_by(f64::total_cmp);
    Ok(percentile_of_sorted(&distances, 0.95).map(|hd95_mm| SurfaceDistance {
        hd_mm: distances.last().copied().unwrap_or(hd95_mm),
        hd95_mm,
        assd_mm: distances.iter().sum::<f64>() / distances.len() as f64,
    }))
}

/// The surface voxels of a mask within a box that holds the whole mask.
fn surface(mask: &[bool], dims: [usize; 3], region: VoxelBox) -> Vec<bool> {
    let strides = [1, dims[0], dims[0] * dims[1]];
    let on_surface = |voxel: [usize; 3], index: usize| {
        (0..3).filter(|axis| dims[*axis] > 1).any(|axis| {
            voxel[axis] == 0
                || voxel[axis] + 1 == dims[axis]
                || !mask[index - strides[axis]]
                || !mask[index + strides[axis]]
        })
    };
    let mut found = Vec::with_capacity(region.voxel_count());
    for (y, z) in region.rows() {
        for x in region.start()[0]..region.end()[0] {
            let index = x + y * strides[1] + z * strides[2];
            found.push(mask[index] && on_surface([x, y, z], index));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub const GOLDEN_DIMS: [usize; 3] = [40, 32, 20];
    pub const GOLDEN_SPACING_MM: [f64; 3] = [0.9, 1.1, 2.5];

    fn mask_of(inside: impl Fn(i32, i32, i32) -> bool) -> Vec<bool> {
        (0..40 * 32 * 20).map(|i| inside(i % 40, i / 40 % 32, i / 1280)).collect()
    }

    /// Two overlapping ellipsoids, one with a block far away.
    pub fn golden_ellipsoids() -> (Vec<bool>, Vec<bool>) {
        let a = mask_of(|x, y, z| 4 * (x - 18).pow(2) + 6 * (y - 15).pow(2) + 20 * (z - 9).pow(2) <= 800);
        let b = mask_of(|x, y, z| {
            let block = (2..5).contains(&x) && (2..4).contains(&y) && (1..3).contains(&z);
            block || 5 * (x - 20).pow(2) + 5 * (y - 14).pow(2) + 16 * (z - 10).pow(2) <= 700
        });
        (a, b)
    }

    /// Two parts of ellipsoids that touch the edge of the image.
    pub fn golden_quarter_ellipsoids() -> (Vec<bool>, Vec<bool>) {
        let a = mask_of(|x, y, z| x * x + 2 * y * y + 9 * z * z <= 300);
        let b = mask_of(|x, y, z| (x - 3).pow(2) + 2 * (y - 2).pow(2) + 9 * (z - 1).pow(2) <= 260);
        (a, b)
    }

    fn assert_close(found: SurfaceDistance, hd: f64, hd95: f64, assd: f64) {
        assert!((found.hd_mm - hd).abs() < 1e-5, "{found:?}");
        assert!((found.hd95_mm - hd95).abs() < 1e-5, "{found:?}");
        assert!((found.assd_mm - assd).abs() < 1e-5, "{found:?}");
    }

    /// Constants of MedPy 0.5.2; SimpleITK 2.5.7's Hausdorff filter gives the same 14.5303 for the first pair.
    #[test]
    fn equal_to_medpy() {
        let (a, b) = golden_ellipsoids();
        let found = surface_distance(&a, &b, GOLDEN_DIMS, GOLDEN_SPACING_MM).unwrap().unwrap();
        assert_close(found, 14.530_313_141_842_472, 3.6, 1.665_009_699_696_406_3);
        let (a, b) = golden_quarter_ellipsoids();
        let found = surface_distance(&a, &b, GOLDEN_DIMS, GOLDEN_SPACING_MM).unwrap().unwrap();
        assert_close(found, 3.482_814_953_453_6, 2.875_760_768_909_681, 0.970_916_719_171_473_9);
    }

    /// MedPy on the two-dimensional arrays of slice 9.
    #[test]
    fn a_flat_image_is_compared_by_its_outlines() {
        let (a, b) = golden_ellipsoids();
        let slice = |m: &[bool]| m[9 * 1280..10 * 1280].to_vec();
        let found =
            surface_distance(&slice(&a), &slice(&b), [40, 32, 1], GOLDEN_SPACING_MM).unwrap().unwrap();
        assert_close(found, 4.5, 3.764_306_044_943_742_4, 1.511_817_642_845_792_1);
    }

    #[test]
    fn an_empty_mask_has_no_distance_and_another_size_is_refused() {
        let (a, _) = golden_ellipsoids();
        let empty = vec![false; a.len()];
        assert_eq!(surface_distance(&a, &empty, GOLDEN_DIMS, [1.0; 3]), Ok(None));
        assert_eq!(surface_distance(&empty, &empty, GOLDEN_DIMS, [1.0; 3]), Ok(None));
        assert!(surface_distance(&a, &empty[1..], GOLDEN_DIMS, [1.0; 3]).is_err());
    }

    proptest! {
        #[test]
        fn distances_are_symmetric_and_zero_for_equal_masks(
            bits in proptest::collection::vec(any::<(bool, bool)>(), 60),
            spacing in [0.5..3.0f64, 0.5..3.0f64, 0.5..3.0f64],
        ) {
            let (a, b): (Vec<_>, Vec<_>) = bits.into_iter().unzip();
            let dims = [5, 4, 3];
            let forth = surface_distance(&a, &b, dims, spacing).unwrap();
            prop_assert_eq!(forth, surface_distance(&b, &a, dims, spacing).unwrap());
            if let Some(found) = forth {
                prop_assert!(found.assd_mm <= found.hd_mm && found.hd95_mm <= found.hd_mm);
            }
            if let Some(found) = surface_distance(&a, &a, dims, spacing).unwrap() {
                prop_assert_eq!(found.hd_mm, 0.0);
            }
        }
    }
}
