use super::*;
use crate::geometry::Affine;
use proptest::prelude::*;

fn grid_of(dims: [usize; 3], spacing: [f64; 3], shear: f64) -> Grid {
    let mut linear = nalgebra::Matrix3::from_diagonal(&Vector3::from(spacing));
    linear[(0, 1)] = shear;
    let turned = nalgebra::Rotation3::from_euler_angles(0.4, 0.2, -0.7).into_inner() * linear;
    Grid::new(dims, Affine::new(turned, Vector3::new(-5.0, 3.0, 1.0)).unwrap()).unwrap()
}

/// Every pair of voxels of every slice, in the patient.
fn brute_force_long_axis(mask: &[bool], grid: &Grid) -> f64 {
    let inside: Vec<[usize; 3]> = (0..mask.len()).filter(|i| mask[*i]).map(|i| grid.voxel(i)).collect();
    let mut longest = 0.0f64;
    for a in &inside {
        for b in inside.iter().filter(|b| b[2] == a[2]) {
            longest = longest.max((grid.world_of(*a) - grid.world_of(*b)).norm());
        }
    }
    longest
}

/// Every line at right angles to the long axis through a voxel of the slice, cut by every line between two.
fn brute_force_short_axis(mask: &[bool], grid: &Grid, found: &Recist) -> f64 {
    let world = |v: [f64; 3]| grid.affine().world_from_voxel(Point3::from(v));
    let (from, to) = (world(found.long_axis.from_voxel), world(found.long_axis.to_voxel));
    if from == to {
        return 0.0;
    }
    let along = (to - from).normalize();
    let normal = grid.affine().direction(0).cross(&grid.affine().direction(1)).normalize();
    let across = normal.cross(&along);
    let points: Vec<(f64, f64)> = (0..mask.len())
        .filter(|i| mask[*i] && grid.voxel(*i)[2] == found.slice)
        .map(|i| grid.world_of(grid.voxel(i)) - from)
        .map(|d| (along.dot(&d), across.dot(&d)))
        .collect();
    let mut widest = 0.0f64;
    for (position, _) in &points {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for a in &points {
            for b in &points {
                let height = if (a.0 - position).abs() < 1e-9 {
                    a.1
                } else if a.0 < *position && *position < b.0 {
                    a.1 + (b.1 - a.1) * (position - a.0) / (b.0 - a.0)
                } else {
                    continue;
                };
                (low, high) = (low.min(height), high.max(height));
            }
        }
        widest = widest.max(high - low);
    }
    widest
}

#[test]
fn an_ellipse_has_the_axes_it_was_drawn_with() {
    // Semi-axes of 20 and 10 mm, turned by 30 degrees, in slice 2 of 4; a smaller disc in slice 1.
    let grid = Grid::from_spacing([120, 110, 4], [0.5, 0.5, 3.0]).unwrap();
    let inside = |voxel: [usize; 3]| {
        let [x, y, _] = [0, 1, 2].map(|a| voxel[a] as f64 * 0.5 - [29.0, 27.0, 0.0][a]);
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let (u, v) = (cos * x + sin * y, cos * y - sin * x);
        match voxel[2] {
            2 => (u / 20.0).powi(2) + (v / 10.0).powi(2) <= 1.0,
            1 => x.hypot(y) <= 15.0,
            _ => false,
        }
    };
    let mask: Vec<bool> = (0..grid.voxel_count()).map(|i| inside(grid.voxel(i))).collect();
    let found = recist(&mask, &grid).unwrap().unwrap();
    assert_eq!(found.slice, 2);
    assert!((found.long_axis.length_mm - 40.0).abs() < 0.7, "{found:?}");
    assert!((found.short_axis.length_mm - 20.0).abs() < 0.7, "{found:?}");
    let side = |a: &Axis| [0, 1].map(|i| (a.to_voxel[i] - a.from_voxel[i]) * 0.5);
    let (long, short) = (side(&found.long_axis), side(&found.short_axis));
    assert!((long[0] * short[0] + long[1] * short[1]).abs() < 1e-6, "not at right angles: {found:?}");
    assert!((short[0].hypot(short[1]) - found.short_axis.length_mm).abs() < 1e-9);
}

#[test]
fn a_single_voxel_a_row_and_an_empty_mask_are_measured() {
    let grid = Grid::from_spacing([5, 4, 3], [2.0, 1.0, 1.0]).unwrap();
    let mut mask = vec![false; 60];
    assert_eq!(recist(&mask, &grid).unwrap(), None);
    mask[grid.index([1, 2, 1])] = true;
    let one = recist(&mask, &grid).unwrap().unwrap();
    assert_eq!((one.slice, one.long_axis.length_mm, one.short_axis.length_mm), (1, 0.0, 0.0));
    mask[grid.index([4, 2, 1])] = true;
    let row = recist(&mask, &grid).unwrap().unwrap();
    assert_eq!((row.long_axis.length_mm, row.short_axis.length_mm), (6.0, 0.0));
    assert_eq!((row.long_axis.from_voxel, row.long_axis.to_voxel), ([1.0, 2.0, 1.0], [4.0, 2.0, 1.0]));
    assert!(recist(&mask[1..], &grid).is_err());
}

#[test]
fn a_diameter_never_crosses_slices() {
    let grid = Grid::from_spacing([5, 4, 9], [1.0; 3]).unwrap();
    let mut mask = vec![false; 180];
    for voxel in [[0, 0, 0], [4, 3, 8], [3, 0, 0]] {
        mask[grid.index(voxel)] = true;
    }
    assert_eq!(recist(&mask, &grid).unwrap().unwrap().long_axis.length_mm, 3.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn equal_to_brute_force_on_a_thousand_masks(
        dims in [1usize..9, 1usize..9, 1usize..4],
        spacing in [0.4..2.0f64, 0.4..2.0f64, 1.0..5.0f64],
        shear in -0.3..0.3f64,
        bits in proptest::collection::vec(0u8..5, 9 * 9 * 4),
    ) {
        let grid = grid_of(dims, spacing, shear);
        let mask: Vec<bool> = bits[..grid.voxel_count()].iter().map(|b| *b == 0).collect();
        let Some(found) = recist(&mask, &grid).unwrap() else {
            prop_assert!(mask.iter().all(|v| !v));
            return Ok(());
        };
        let long = brute_force_long_axis(&mask, &grid);
        prop_assert!((found.long_axis.length_mm - long).abs() < 1e-9);
        let short = brute_force_short_axis(&mask, &grid, &found);
        prop_assert!((found.short_axis.length_mm - short).abs() < 1e-6, "{found:?} but {short}");
        let world = |v: [f64; 3]| grid.affine().world_from_voxel(Point3::from(v));
        for axis in [found.long_axis, found.short_axis] {
            let drawn = (world(axis.from_voxel) - world(axis.to_voxel)).norm();
            prop_assert!((drawn - axis.length_mm).abs() < 1e-6);
        }
    }
}
