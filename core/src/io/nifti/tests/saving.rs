//! What is saved lies where it lay, in the header it came from.

use nalgebra::{Matrix3, Rotation3, Vector3};
use nifti::NiftiHeader;
use proptest::prelude::*;

use super::*;
use crate::geometry::{Affine, Grid};
use crate::io::SaveError;
use crate::io::nifti::header::Header;
use crate::io::nifti::{LabelName, open_labels, save_labels, save_volume};
use crate::volume::{ImageMeta, Source, Voxels};

fn oblique() -> Grid {
    let rotation = Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, -3.3));
    Grid::new([5, 7, 3], Affine::new(linear, Vector3::new(-120.0, 33.5, 900.25)).unwrap()).unwrap()
}

fn some_labels(grid: &Grid) -> Vec<u16> {
    (0..grid.voxel_count()).map(|i| (i * 7 % 5) as u16).collect()
}

fn names() -> Vec<LabelName> {
    vec![
        LabelName { value: 1, name: "Läsion, links".into(), color: [255, 0, 16] },
        LabelName { value: 4, name: "Liver".into(), color: [0, 200, 16] },
    ]
}

#[test]
fn an_oblique_mask_comes_back_with_labels_place_and_names() {
    let folder = Folder::new();
    let grid = oblique();
    let labels = some_labels(&grid);
    for name in ["m.nii", "m.nii.gz"] {
        let path = folder.path(name);
        save_labels(&path, &labels, &grid, &Source::Synthetic, &names()).unwrap();
        let back = open_labels(&path).unwrap();
        assert_eq!((back.labels, back.names), (labels.clone(), names()));
        assert!(back.grid.matches(&grid));
        assert_eq!(back.warnings, []);
    }
}

/// Every assignment of voxel axes to patient axes with every choice of directions.
#[test]
fn all_48_orientations_survive_and_both_forms_agree() {
    let folder = Folder::new();
    let path = folder.path("m.nii");
    let mut seen = std::collections::BTreeSet::new();
    for permutation in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8 {
            let mut linear = Matrix3::zeros();
            for axis in 0..3 {
                let sign = if signs >> axis & 1 == 1 { -1.0 } else { 1.0 };
                linear[(permutation[axis], axis)] = sign * [0.5, 1.25, 3.0][axis];
            }
            let grid =
                Grid::new([3, 4, 5], Affine::new(linear, Vector3::new(1.0, -2.0, 3.0)).unwrap()).unwrap();
            save_labels(&path, &some_labels(&grid), &grid, &Source::Synthetic, &[]).unwrap();
            let back = open_labels(&path).unwrap();
            assert_eq!(back.warnings, []);
            assert_eq!(back.grid.orientation(), grid.orientation());
            // The qform alone must say the same.
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[254..256].fill(0);
            let by_qform = open_plain(&folder.write("q.nii", &bytes)).unwrap().volume;
            assert!(by_qform.grid().affine().agrees_with(grid.affine(), grid.dims(), 1e-4));
            seen.insert(grid.orientation().code());
        }
    }
    assert_eq!(seen.len(), 48);
}

#[test]
fn a_sheared_grid_is_saved_without_a_qform() {
    let folder = Folder::new();
    let linear = Matrix3::new(1.0, 0.2, 0.0, 0.0, 1.0, 0.3, 0.0, 0.0, 2.0);
    let grid = Grid::new([3, 4, 5], Affine::new(linear, Vector3::zeros()).unwrap()).unwrap();
    let path = folder.path("m.nii");
    save_labels(&path, &some_labels(&grid), &grid, &Source::Synthetic, &[]).unwrap();
    let header = NiftiHeader::from_file(&path).unwrap();
    assert_eq!((header.qform_code, header.sform_code), (0, 1));
}

#[test]
fn the_mask_of_a_nifti_image_keeps_version_byte_order_forms_and_units() {
    let folder = Folder::new();
    for version in [Version::One, Version::Two] {
        let mut own = header(version, &[3, 2, 2, 4], 16, 32);
        own.set_int(fields::QFORM_CODE, 0, 3);
        own.set_int(fields::SFORM_CODE, 0, 4);
        own.set_int(fields::XYZT_UNITS, 0, 1 + 8);
        own.set_float(fields::SCL_SLOPE, 0, 2.5);
        own.set_text(fields::DESCRIP, "scanner");
        let image = open_plain(&folder.write("i.nii", &file_bytes(&own, &[0; 192]))).unwrap().volume;
        let path = folder.path("m.nii.gz");
        let labels = [0, 1, 2, 300, 0, 0, 0, 0, 0, 0, 0, 65_535];
        save_labels(&path, &labels, image.grid(), &image.meta().source, &[]).unwrap();
        let back = open_labels(&path).unwrap();
        assert_eq!(back.labels, labels);
        let Source::Nifti { header, .. } = back.source else { panic!("no header") };
        let saved = Header::parse(&header, &path).unwrap();
        assert_eq!(saved.raw.version(), version);
        assert_eq!((saved.qform_code, saved.sform_code, saved.xyzt_units), (3, 4, 9));
        assert_eq!((saved.dim, saved.datatype, saved.intent_code), ([3, 3, 2, 2, 1, 1, 1, 1], 512, 1002));
        assert_eq!((saved.scl_slope, saved.scl_inter, saved.cal), (1.0, 0.0, [0.0, 65_535.0]));
    }
}

#[test]
fn masks_of_real_images_get_their_headers() {
    let Some(folder) = crate::testing::shared_data("data/nifti_edge") else { return };
    let out = Folder::new();
    for file in [
        "nifti-reader-js/big.nii.gz",
        "nifti-reader-js/air2.hdr.gz",
        "nibabel/functional.nii",
        "nifti-rs/minimal.hdr",
    ] {
        let image = open_plain(&folder.join(file)).unwrap().volume;
        let path = out.path("m.nii");
        save_labels(&path, &some_labels(image.grid()), image.grid(), &image.meta().source, &names()).unwrap();
        let back = open_labels(&path).unwrap();
        assert!(back.grid.matches(image.grid()));
        let (Source::Nifti { header: own, .. }, Source::Nifti { header: saved, .. }) =
            (&image.meta().source, &back.source)
        else {
            panic!("no header")
        };
        let (own, saved) = (HeaderBytes::detect(own).unwrap(), HeaderBytes::detect(saved).unwrap());
        assert_eq!((own.version(), own.is_big_endian()), (saved.version(), saved.is_big_endian()), "{file}");
        for field in [fields::QFORM_CODE, fields::SFORM_CODE, fields::XYZT_UNITS] {
            assert_eq!(own.int(field, 0), saved.int(field, 0), "{file}");
        }
    }
}

#[test]
fn a_grid_that_f32_would_blur_is_saved_as_version_two() {
    let folder = Folder::new();
    let affine = Affine::new(Matrix3::identity() * 2.5e-4, Vector3::new(12_345.678_9, 0.0, 0.0)).unwrap();
    let grid = Grid::new([4, 4, 1], affine).unwrap();
    let path = folder.path("m.nii");
    save_labels(&path, &[1; 16], &grid, &Source::Synthetic, &[]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..4], 540i32.to_le_bytes());
}

#[test]
fn volumes_of_every_type_survive() {
    let folder = Folder::new();
    let grid = oblique();
    let n = grid.voxel_count();
    for voxels in [
        Voxels::U8((0..n).map(|i| i as u8).collect()),
        Voxels::I16((0..n).map(|i| i as i16 * 300 - 9000).collect()),
        Voxels::U16((0..n).map(|i| i as u16 * 600).collect()),
        Voxels::I32((0..n).map(|i| i as i32 * -70_000).collect()),
        Voxels::F32((0..n).map(|i| if i == 3 { f32::NAN } else { i as f32 / 3.0 }).collect()),
        Voxels::Rgb8((0..n).map(|i| [i as u8, 7, 255 - i as u8]).collect()),
    ] {
        let kind = voxels.type_name();
        let volume = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        let path = folder.path(&format!("{kind}.nii.gz"));
        save_volume(&path, &volume).unwrap();
        assert_eq!(open_plain(&path).unwrap().volume.voxels().type_name(), kind);
    }
}

#[test]
fn what_cannot_be_saved_is_refused() {
    let folder = Folder::new();
    let grid = oblique();
    let labels = some_labels(&grid);
    for name in ["m.img", "m.nrrd", "m", "m.gz"] {
        let result = save_labels(&folder.path(name), &labels, &grid, &Source::Synthetic, &[]);
        assert!(matches!(result, Err(SaveError::Unsupported { .. })), "{name}");
    }
    let short = save_labels(&folder.path("m.nii"), &labels[1..], &grid, &Source::Synthetic, &[]);
    assert!(short.unwrap_err().to_string().contains("104 labels"));
    let missing = save_labels(&folder.path("no/m.nii"), &labels, &grid, &Source::Synthetic, &[]);
    assert!(matches!(missing, Err(SaveError::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
}

#[test]
fn masks_of_floats_are_read_if_whole_and_refused_with_the_first_bad_value() {
    let folder = Folder::new();
    let mask = |values: [f32; 4]| {
        let stored: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = folder.write("m.nii", &file_bytes(&header(Version::One, &[2, 2, 1], 16, 32), &stored));
        open_labels(&path)
    };
    assert_eq!(mask([0.0, 1.0, 65_535.0, 2.0]).unwrap().labels, [0, 1, 65_535, 2]);
    for (values, reason) in [
        ([0.0, 1.0, 0.5, 0.25], "voxel 0,1,0 has the value 0.5"),
        ([0.0, -1.0, 0.5, 0.25], "voxel 1,0,0 has the value -1"),
        ([0.0, 1.0, 1.0, f32::NAN], "voxel 1,1,0 has the value NaN"),
        ([65_536.0, 1.0, 1.0, 1.0], "voxel 0,0,0 has the value 65536"),
    ] {
        let message = mask(values).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
    let color = folder.write("c.nii", &file_bytes(&header(Version::One, &[1, 1, 1], 128, 24), &[1, 2, 3]));
    assert!(open_labels(&color).unwrap_err().to_string().contains("colours"));
    let time = folder.write("t.nii", &file_bytes(&header(Version::One, &[1, 1, 1, 2], 2, 8), &[1, 2]));
    assert!(open_labels(&time).unwrap_err().to_string().contains("this file has 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any rotation, spacing, origin and size; written by us, its header read by the `nifti` crate too.
    #[test]
    fn any_grid_round_trips(
        dims in [1usize..6, 1..6, 1..6],
        angles in [-3.0..3.0f64, -1.5..1.5, -3.0..3.0],
        spacing in [0.1..5.0f64, 0.1..5.0, 0.1..5.0],
        origin in [-900.0..900.0f64, -900.0..900.0, -900.0..900.0],
        mirrored in any::<bool>(),
        packed in any::<bool>(),
    ) {
        let rotation = Rotation3::from_euler_angles(angles[0], angles[1], angles[2]).into_inner();
        let flip = if mirrored { -1.0 } else { 1.0 };
        let scale = Matrix3::from_diagonal(&Vector3::new(spacing[0], spacing[1] * flip, spacing[2]));
        let grid = Grid::new(dims, Affine::new(rotation * scale, Vector3::from(origin)).unwrap()).unwrap();
        let folder = Folder::new();
        let path = folder.path(if packed { "m.nii.gz" } else { "m.nii" });
        let labels = some_labels(&grid);
        prop_assert!(save_labels(&path, &labels, &grid, &Source::Synthetic, &[]).is_ok());
        let back = open_labels(&path).unwrap();
        prop_assert!(back.grid.matches(&grid));
        prop_assert_eq!(&back.labels, &labels);
        prop_assert!(back.warnings.is_empty());
        let theirs = NiftiHeader::from_file(&path).unwrap();
        prop_assert_eq!(theirs.dim().unwrap().to_vec(), dims.map(|d| d as u16).to_vec());
        prop_assert!((f64::from(theirs.srow_x[3]) + origin[0]).abs() < 1e-3);
        prop_assert_eq!(f64::from(theirs.pixdim[0]), if mirrored { -1.0 } else { 1.0 });
    }
}
