//! What is written through the door lies where it lay, in every format.

use nalgebra::{Matrix3, Rotation3, Vector3};
use proptest::prelude::*;

use super::*;
use crate::geometry::Affine;
use crate::volume::ImageMeta;

const NAMES: [&str; 7] = ["m.nii.gz", "m.nrrd", "m.seg.nrrd", "m.nhdr", "m.mha", "m.mhd", "m.nii"];

fn labels_on(grid: &Grid, most: usize) -> Vec<u16> {
    (0..grid.voxel_count()).map(|i| ((i * 2_654_435_761) >> 7) % most).map(|v| v as u16).collect()
}

fn export<'a>(labels: &'a [u16], grid: &'a Grid, names: &'a [LabelName]) -> LabelExport<'a> {
    LabelExport { labels, grid, source: &Source::Synthetic, names, covered: &[] }
}

fn names() -> Vec<LabelName> {
    vec![
        LabelName { value: 1, name: "Läsion: links".into(), color: [255, 0, 16] },
        LabelName { value: 4, name: "Liver".into(), color: [0, 200, 16] },
    ]
}

/// Every assignment of voxel axes to patient axes with every direction, turned a little, on sizes that differ.
fn every_orientation(tilt: f64) -> Vec<Grid> {
    let mut grids = Vec::new();
    for permutation in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8 {
            let mut linear = Matrix3::zeros();
            for axis in 0..3 {
                let sign = if signs >> axis & 1 == 1 { -1.0 } else { 1.0 };
                linear[(permutation[axis], axis)] = sign * [0.7, 1.25, 3.1][axis];
            }
            let turned = Rotation3::from_euler_angles(tilt, -tilt / 2.0, tilt / 3.0).into_inner() * linear;
            let affine = Affine::new(turned, Vector3::new(-121.7, 33.3, 901.25)).unwrap();
            grids.push(Grid::new([3, 5, 7], affine).unwrap());
        }
    }
    grids
}

#[test]
fn all_48_orientations_survive_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for tilt in [0.0, 0.31] {
        let mut seen = std::collections::BTreeSet::new();
        for grid in every_orientation(tilt) {
            let labels = labels_on(&grid, 5);
            for name in NAMES {
                let path = folder.path().join(name);
                save_labels(&path, &export(&labels, &grid, &names()), None).unwrap();
                // The door has compared; look once more without it.
                let back = open_labels(&path).unwrap();
                assert!(back.grid.matches(&grid), "{name}");
                assert_eq!(back.labels, labels, "{name}");
                assert_eq!(back.warnings, [], "{name}");
                assert_eq!(back.grid.orientation(), grid.orientation(), "{name}");
            }
            seen.insert(grid.orientation().code());
        }
        assert_eq!(seen.len(), 48);
    }
}

/// The grid of a segmentation ends where its labels end, so places are compared, not indices.
#[test]
fn all_48_orientations_survive_in_segmentations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.dcm");
    for tilt in [0.0, 0.31] {
        for grid in every_orientation(tilt) {
            let mut labels = labels_on(&grid, 5);
            // An empty first slice, and labels with a gap.
            labels[..15].fill(0);
            labels.iter_mut().filter(|v| **v == 3).for_each(|v| *v = 300);
            for format in [LabelFormat::DicomSeg, LabelFormat::DicomLabelMap] {
                save_labels(&path, &export(&labels, &grid, &names()), Some(format)).unwrap();
                let target = crate::io::LabelTarget { grid: &grid, source: &Source::Synthetic };
                let back = crate::io::open_labels_for(&path, target).unwrap();
                let number = |v: u16| match v {
                    _ if format == LabelFormat::DicomLabelMap => v,
                    4 => 3,
                    300 => 4,
                    v => v,
                };
                assert_eq!(back.labels, labels.iter().map(|v| number(*v)).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn all_48_orientations_survive_in_structure_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.rtstruct.dcm");
    for tilt in [0.0, 0.31] {
        for grid in every_orientation(tilt) {
            let mut labels = labels_on(&grid, 5);
            labels.iter_mut().filter(|v| **v == 3).for_each(|v| *v = 300);
            let under: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == 4 && i % 3 == 0).collect();
            let covered = [CoveredLabel { value: 1, voxels: under }];
            let names = names();
            let wanted = LabelExport { covered: &covered, ..export(&labels, &grid, &names) };
            save_labels(&path, &wanted, None).unwrap();
            let target = crate::io::LabelTarget { grid: &grid, source: &Source::Synthetic };
            let back = crate::io::open_labels_for(&path, target).unwrap();
            assert_eq!(back.mask_of(300), labels.iter().map(|v| *v == 300).collect::<Vec<_>>());
            assert_eq!(back.names[0], names[0]);
        }
    }
}

#[test]
fn segmentations_keep_overlaps_names_and_colours_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.dcm");
    for dims in [[1, 1, 1], [3, 5, 2], [7, 3, 9], [13, 1, 3], [9, 9, 1]] {
        let grid = Grid::from_spacing(dims, [0.7, 0.9, 2.5]).unwrap();
        let mut labels = labels_on(&grid, 5);
        labels[0] = 4;
        let covered = [CoveredLabel { value: 1, voxels: vec![0] }];
        let names = names();
        let wanted = LabelExport { covered: &covered, ..export(&labels, &grid, &names) };
        save_labels(&path, &wanted, None).unwrap();
        let back = open_labels(&path).unwrap();
        assert_eq!(back.names[0].name, "Läsion: links");
        assert!(back.names[0].color.iter().zip([255, 0, 16]).all(|(a, b)| a.abs_diff(b) <= 1));
        assert!(back.mask_of(1).iter().filter(|v| **v).count() > 0);
        let refused = save_labels(&path, &wanted, Some(LabelFormat::DicomLabelMap)).unwrap_err();
        assert!(refused.to_string().contains("BINARY"), "{refused}");
    }
    let grid = Grid::from_spacing([3, 3, 3], [1.0; 3]).unwrap();
    let refused = save_labels(&path, &export(&[0; 27], &grid, &[]), None).unwrap_err();
    assert!(refused.to_string().contains("no labelled voxel"), "{refused}");
}

#[test]
fn names_and_colours_survive_where_the_format_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_spacing([3, 4, 5], [1.0, 2.0, 3.0]).unwrap();
    let labels = labels_on(&grid, 5);
    for name in ["m.nii.gz", "m.seg.nrrd", "m.nrrd", "m.seg.nhdr"] {
        let path = folder.path().join(name);
        save_labels(&path, &export(&labels, &grid, &names()), None).unwrap();
        let back = open_labels(&path).unwrap();
        for wanted in names() {
            assert!(back.names.contains(&wanted), "{name}: {:?}", back.names);
        }
    }
}

#[test]
fn overlapping_segments_keep_every_voxel_in_layers() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_spacing([3, 4, 5], [1.0, 2.0, 3.0]).unwrap();
    let labels = labels_on(&grid, 5);
    let under: Vec<usize> = (0..60).filter(|i| labels[*i] == 4 && i % 2 == 0).collect();
    assert!(!under.is_empty());
    let covered = [CoveredLabel { value: 2, voxels: under.clone() }];
    let path = folder.path().join("m.seg.nrrd");
    save_labels(&path, &LabelExport { covered: &covered, ..export(&labels, &grid, &names()) }, None).unwrap();
    let back = open_labels(&path).unwrap();
    let expected: Vec<bool> = (0..60).map(|i| labels[i] == 2 || under.contains(&i)).collect();
    assert_eq!(back.mask_of(2), expected);
    assert_eq!(back.mask_of(4), labels.iter().map(|v| *v == 4).collect::<Vec<_>>());
    assert!(matches!(&back.warnings[..], [crate::io::Warning::Overlap { .. }]), "{:?}", back.warnings);
}

#[test]
fn images_of_every_type_survive_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let grid = every_orientation(0.31)[17];
    let n = grid.voxel_count();
    for voxels in [
        Voxels::U8((0..n).map(|i| i as u8).collect()),
        Voxels::I16((0..n).map(|i| i as i16 * 300 - 9000).collect()),
        Voxels::U16((0..n).map(|i| i as u16 * 600).collect()),
        Voxels::I32((0..n).map(|i| i as i32 * -70_001).collect()),
        Voxels::F32((0..n).map(|i| if i == 3 { f32::NAN } else { i as f32 / 3.0 }).collect()),
        Voxels::Rgb8((0..n).map(|i| [i as u8, 7, 255 - i as u8]).collect()),
    ] {
        let kind = voxels.type_name();
        let volume = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        for name in NAMES {
            let path = folder.path().join(name);
            save_image(&path, &volume).unwrap();
            let back = open(&path, &OpenOptions::default(), &()).unwrap().volume;
            assert_eq!(back.voxels().type_name(), kind, "{name}");
        }
    }
}

#[test]
fn a_difference_is_named_with_its_place() {
    let grid = Grid::from_spacing([3, 4, 5], [1.0, 2.0, 3.0]).unwrap();
    let labels = labels_on(&grid, 5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.nrrd");
    save_labels(&path, &export(&labels, &grid, &[]), None).unwrap();
    let mut back = open_labels(&path).unwrap();
    let at = grid.index([2, 1, 4]);
    back.labels[at] += 1;
    let text = check_labels(&path, &back, &export(&labels, &grid, &[]), true).unwrap_err().to_string();
    assert!(text.contains("2.000, 2.000, 12.000 mm") && text.contains("instead of"), "{text}");
    let beside = Grid::new(grid.dims(), grid.affine().shifted(Vector3::new(0.5, 0.0, 0.0))).unwrap();
    back.grid = beside;
    assert!(check_labels(&path, &back, &export(&labels, &grid, &[]), true).is_err());
}

#[test]
fn what_cannot_be_saved_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_spacing([3, 4, 5], [1.0; 3]).unwrap();
    let labels = labels_on(&grid, 5);
    for name in ["m", "m.txt", ".nrrd", "m.png"] {
        let result = save_labels(&folder.path().join(name), &export(&labels, &grid, &[]), None);
        assert!(matches!(result, Err(SaveError::Unsupported { .. })), "{name}");
    }
    let result = save_labels(&folder.path().join("m.mha"), &export(&labels[1..], &grid, &[]), None);
    assert!(matches!(result, Err(SaveError::Unsupported { .. })));
    let result = save_labels(&folder.path().join("no/m.mha"), &export(&labels, &grid, &[]), None);
    assert!(matches!(result, Err(SaveError::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_grid_round_trips(
        dims in [1usize..6, 1..6, 1..6],
        angles in [-3.0..3.0f64, -1.5..1.5, -3.0..3.0],
        spacing in [0.1..5.0f64, 0.1..5.0, 0.1..5.0],
        shear in -0.2..0.2f64,
        origin in [-900.0..900.0f64, -900.0..900.0, -900.0..900.0],
        mirrored in any::<bool>(),
        most in prop_oneof![Just(5usize), Just(60_000)],
        name in 0..NAMES.len(),
    ) {
        let rotation = Rotation3::from_euler_angles(angles[0], angles[1], angles[2]).into_inner();
        let flip = if mirrored { -1.0 } else { 1.0 };
        let mut scale = Matrix3::from_diagonal(&Vector3::new(spacing[0], spacing[1] * flip, spacing[2]));
        scale[(0, 2)] = shear;
        let grid = Grid::new(dims, Affine::new(rotation * scale, Vector3::from(origin)).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAMES[name]);
        let labels = labels_on(&grid, most);
        prop_assert!(save_labels(&path, &export(&labels, &grid, &[]), None).is_ok());
        let back = open_labels(&path).unwrap();
        prop_assert!(back.grid.matches(&grid));
        prop_assert_eq!(&back.labels, &labels);
    }
}
