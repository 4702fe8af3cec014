//! Series with known geometry, written by `dicom-object`.

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use nalgebra::{Point3, Rotation3, Vector3};

use super::{Watcher, Writer, open_path};
use crate::io::dicom::{list_series, looks_like, open};
use crate::io::{Limits, OpenError, OpenOptions, Selection, Warning};
use crate::volume::{Modality, Volume, Voxels};

const COLUMNS: u16 = 7;
const ROWS: u16 = 5;

/// Writes a slice whose every pixel is the value of a linear field at its place, in tenths.
fn field_slice(
    folder: &Path,
    name: &str,
    axes: [Vector3<f64>; 2],
    spacing: [f64; 2],
    position: Vector3<f64>,
) {
    let mut values = Vec::new();
    for y in 0..ROWS {
        for x in 0..COLUMNS {
            let at = position + axes[0] * (spacing[0] * f64::from(x)) + axes[1] * (spacing[1] * f64::from(y));
            values.push((field(at) * 10.0).round() as i16);
        }
    }
    let [row, column] = axes;
    Writer::new(COLUMNS, ROWS, position.into(), &values)
        .decimals(tags::IMAGE_ORIENTATION_PATIENT, &[row.x, row.y, row.z, column.x, column.y, column.z])
        .decimals(tags::PIXEL_SPACING, &[spacing[1], spacing[0]])
        .decimals(tags::RESCALE_SLOPE, &[0.1])
        .write(&folder.join(name));
}

fn field(at: Vector3<f64>) -> f64 {
    3.0 * at.x - 2.0 * at.y + 5.0 * at.z
}

/// Largest error of the field over voxels that no slice's edge touches.
fn field_error(volume: &Volume, margin: usize) -> f64 {
    let [nx, ny, nz] = volume.grid().dims();
    let mut worst = 0.0f64;
    for z in 0..nz {
        for y in margin..ny - margin {
            for x in margin..nx - margin {
                let truth = field(volume.grid().world_of([x, y, z]).coords);
                worst = worst.max((f64::from(volume.value([x, y, z]).unwrap()) - truth).abs());
            }
        }
    }
    worst
}

fn oblique() -> [Vector3<f64>; 3] {
    let rotation = Rotation3::from_euler_angles(0.4, -0.3, 0.2);
    [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| rotation * axis)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn shuffled_names_and_oblique_axes_become_an_ordered_stack() {
    let folder = folder();
    let [row, column, normal] = oblique();
    let origin = Vector3::new(-40.0, 12.5, 300.0);
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    std::fs::write(folder.path().join("readme.txt"), "no image").unwrap();
    for (z, name) in ["q", "a/c", "a/b/a", "z.dcm", "m", "b"].into_iter().enumerate() {
        field_slice(folder.path(), name, [row, column], [0.7, 1.3], origin + normal * (2.5 * z as f64));
    }
    let opened = open_path(folder.path()).unwrap();
    let grid = opened.volume.grid();
    assert_eq!(opened.warnings, []);
    assert_eq!(grid.dims(), [7, 5, 6]);
    for (spacing, expected) in grid.spacing_mm().into_iter().zip([0.7, 1.3, 2.5]) {
        assert!((spacing - expected).abs() < 1e-9);
    }
    assert!((grid.world_of([0, 0, 0]) - Point3::from(origin)).norm() < 1e-9);
    assert!(field_error(&opened.volume, 0) < 0.051);
}

#[test]
fn a_stack_against_its_normal_is_turned_round() {
    let folder = folder();
    // Coronal: rows to the left, columns to the feet; the normal points to the back.
    let axes = [Vector3::x(), -Vector3::z()];
    for z in 0..4 {
        let position = Vector3::new(0.0, -3.0 * f64::from(z), 50.0);
        field_slice(folder.path(), &format!("{z}"), axes, [1.0, 1.0], position);
    }
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.volume.grid().orientation().code(), "LIP");
    assert!(opened.volume.grid().affine().linear().determinant() > 0.0);
    assert!(field_error(&opened.volume, 0) < 0.051);
}

#[test]
fn missing_slices_are_counted_and_interpolated() {
    let folder = folder();
    for z in [0, 1, 2, 5, 6, 8] {
        let position = Vector3::new(0.0, 0.0, 2.0 * f64::from(z));
        field_slice(folder.path(), &format!("{z}"), [Vector3::x(), Vector3::y()], [1.0; 2], position);
    }
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.volume.grid().dims(), [7, 5, 9]);
    assert_eq!(opened.warnings, [Warning::MissingSlices { count: 3, gap_mm: 6.0, position_mm: 7.0 }]);
    assert!(field_error(&opened.volume, 0) < 0.1);
}

#[test]
fn uneven_slices_are_resampled() {
    let folder = folder();
    for (name, z) in [0.0, 1.0, 2.3, 3.0, 4.5, 6.0].into_iter().enumerate() {
        let position = Vector3::new(0.0, 0.0, z);
        field_slice(folder.path(), &format!("{name}"), [Vector3::x(), Vector3::y()], [1.0; 2], position);
    }
    let opened = open_path(folder.path()).unwrap();
    let [Warning::UnevenSlices { min_mm, max_mm, used_mm }] = opened.warnings[..] else { panic!() };
    assert!((min_mm - 0.7).abs() < 1e-9 && (max_mm - 1.5).abs() < 1e-9 && (used_mm - 6.0 / 9.0).abs() < 1e-9);
    assert_eq!(opened.volume.grid().dims(), [7, 5, 10]);
    assert!(field_error(&opened.volume, 0) < 0.1);
}

#[test]
fn positions_rounded_by_the_scanner_are_regular() {
    let folder = folder();
    for z in 0..9 {
        let position = Vector3::new(0.0, 0.0, (f64::from(z) * 7.5).round() / 10.0);
        field_slice(folder.path(), &format!("{z}"), [Vector3::x(), Vector3::y()], [1.0; 2], position);
    }
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.warnings, []);
    assert!((opened.volume.grid().spacing_mm()[2] - 0.75).abs() < 1e-9);
}

#[test]
fn a_tilted_gantry_is_straightened() {
    let folder = folder();
    let tilt = 15.0f64.to_radians();
    let normal = Vector3::z();
    for z in 0..6 {
        let step = Vector3::new(0.0, tilt.tan(), 1.0) * (2.0 * f64::from(z));
        field_slice(folder.path(), &format!("{z}"), [Vector3::x(), Vector3::y()], [1.0; 2], step);
    }
    let opened = open_path(folder.path()).unwrap();
    let [Warning::GantryTilt { angle_deg }] = opened.warnings[..] else { panic!("{:?}", opened.warnings) };
    assert!((angle_deg - 15.0).abs() < 1e-6);
    let grid = opened.volume.grid();
    assert_eq!(grid.dims(), [7, 5 + 3, 6]);
    assert!((grid.affine().direction(2) - normal).norm() < 1e-12);
    // Inside of each slice the field is that of the patient; outside is the darkest value.
    let darkest = opened.volume.range().min;
    for z in 0..6 {
        let shift = 2.0 * z as f64 * tilt.tan();
        for y in 0..8 {
            let value = opened.volume.value([3, y, z]).unwrap();
            let (inside, outside) = ((shift..=shift + 4.0), y as f64 - shift);
            if inside.contains(&(y as f64)) {
                let truth = field(grid.world_of([3, y, z]).coords);
                assert!((f64::from(value) - truth).abs() < 0.11, "{y} {z}");
            } else if !(-0.5..=4.5).contains(&outside) {
                assert_eq!(value, darkest);
            }
        }
    }
}

#[test]
fn copies_of_slices_are_left_out() {
    let folder = folder();
    for z in 0..4 {
        let position = Vector3::new(0.0, 0.0, 2.0 * f64::from(z));
        field_slice(folder.path(), &format!("{z}"), [Vector3::x(), Vector3::y()], [1.0; 2], position);
        if z < 2 {
            field_slice(
                folder.path(),
                &format!("copy of {z}"),
                [Vector3::x(), Vector3::y()],
                [1.0; 2],
                position,
            );
        }
    }
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.volume.grid().dims(), [7, 5, 4]);
    assert_eq!(opened.warnings, [Warning::DuplicateSlices { count: 2 }]);
}

#[test]
fn several_images_at_every_place_are_time_points() {
    let folder = folder();
    for time in 0..3i16 {
        for z in 0..2i16 {
            Writer::new(2, 2, [0.0, 0.0, f64::from(z)], &[100 * time + z; 4])
                .text(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.{time}.{z}"))
                .text(tags::TEMPORAL_POSITION_IDENTIFIER, VR::IS, &time.to_string())
                .write(&folder.path().join(format!("{}-{z}", 9 - time)));
        }
    }
    let options = OpenOptions::from(Selection::at_time_point(2));
    let opened = open(folder.path(), &options, &()).unwrap();
    assert_eq!(opened.warnings, [Warning::TimePoints { count: 3, shown: 3 }]);
    assert_eq!(*opened.volume.voxels(), Voxels::I16(vec![200, 200, 200, 200, 201, 201, 201, 201]));
    assert_eq!((opened.volume.meta().time_points, opened.volume.meta().time_point), (3, 2));
    let options = OpenOptions::from(Selection::at_time_point(3));
    assert!(matches!(open(folder.path(), &options, &()), Err(OpenError::NotFound { .. })));
}

#[test]
fn scout_views_and_other_orientations_are_series_of_their_own() {
    let folder = folder();
    for z in 0..3 {
        let position = Vector3::new(0.0, 0.0, f64::from(z));
        field_slice(folder.path(), &format!("axial {z}"), [Vector3::x(), Vector3::y()], [1.0; 2], position);
    }
    for z in 0..5 {
        let position = [0.0, f64::from(z), 0.0];
        Writer::new(9, 9, position, &[0; 81])
            .text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER")
            .decimals(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 0.0, -1.0])
            .write(&folder.path().join(format!("scout {z}")));
    }
    let series = list_series(folder.path(), &OpenOptions::default(), &()).unwrap();
    assert_eq!(series.iter().map(|s| s.dims).collect::<Vec<_>>(), [[7, 5, 3], [9, 9, 5]]);
    assert_eq!(series[1].uid, "1.2.3.2#2");
    assert_eq!(open_path(folder.path()).unwrap().volume.grid().dims(), [7, 5, 3]);
    let options = OpenOptions::from(Selection::series(series[1].uid.clone()));
    assert_eq!(open(folder.path(), &options, &()).unwrap().volume.grid().dims(), [9, 9, 5]);
}

#[test]
fn stored_bits_are_cut_out_and_signed() {
    let folder = folder();
    let path = folder.path().join("image");
    // 12 bits below bit 11 with an overlay above them.
    let mut writer = Writer::new(2, 2, [0.0; 3], &[0; 4]);
    writer.words(&[0xF001, 0x7FFF, 0x0800, 0x0000]).word(tags::BITS_STORED, 12).word(tags::HIGH_BIT, 11);
    writer.write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::I16(vec![1, -1, -2048, 0]));
    writer.word(tags::PIXEL_REPRESENTATION, 0).write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::I16(vec![1, 4095, 2048, 0]));
    // The same bits at the top of the word.
    writer.words(&[0x001F, 0xFFF0, 0x8000, 0x0000]).word(tags::HIGH_BIT, 15).write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::I16(vec![1, 4095, 2048, 0]));
}

#[test]
fn values_take_the_narrowest_exact_type() {
    let folder = folder();
    let path = folder.path().join("image");
    let voxels = |writer: &Writer| {
        writer.write(&path);
        let opened = open_path(&path).unwrap();
        opened.volume.box_values(opened.volume.grid().full_box());
        opened.volume.voxels().clone()
    };
    let mut writer = Writer::new(2, 1, [0.0; 3], &[0; 2]);
    writer
        .word(tags::PIXEL_REPRESENTATION, 0)
        .words(&[0, 2024])
        .decimals(tags::RESCALE_INTERCEPT, &[-1024.0]);
    writer.decimals(tags::RESCALE_SLOPE, &[1.0]);
    assert_eq!(voxels(&writer), Voxels::I16(vec![-1024, 1000]));
    writer.words(&[0, 65_535]);
    assert_eq!(voxels(&writer), Voxels::I32(vec![-1024, 64_511]));
    writer.decimals(tags::RESCALE_INTERCEPT, &[0.0]);
    assert_eq!(voxels(&writer), Voxels::U16(vec![0, 65_535]));
    writer.decimals(tags::RESCALE_SLOPE, &[0.5]);
    assert_eq!(voxels(&writer), Voxels::F32(vec![0.0, 32_767.5]));
    writer.bytes(&[3, 200]).decimals(tags::RESCALE_SLOPE, &[1.0]);
    assert_eq!(voxels(&writer), Voxels::U8(vec![3, 200]));
}

#[test]
fn monochrome1_is_exchanged_except_where_values_mean_something() {
    let folder = folder();
    let path = folder.path().join("image");
    let mut writer = Writer::new(2, 1, [0.0; 3], &[0; 2]);
    writer.bytes(&[0, 250]).text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    writer.decimals(tags::WINDOW_CENTER, &[50.0]).decimals(tags::WINDOW_WIDTH, &[20.0]);
    writer.text(tags::MODALITY, VR::CS, "MG").write(&path);
    let opened = open_path(&path).unwrap();
    assert_eq!(*opened.volume.voxels(), Voxels::U8(vec![255, 5]));
    assert_eq!(opened.volume.meta().window, Some((205.0, 20.0)));
    writer.text(tags::MODALITY, VR::CS, "CT").write(&path);
    let opened = open_path(&path).unwrap();
    assert_eq!(*opened.volume.voxels(), Voxels::U8(vec![0, 250]));
    assert_eq!(opened.volume.meta().modality, Modality::Ct);
}

#[test]
fn native_colour_of_both_layouts_is_read() {
    let folder = folder();
    let path = folder.path().join("image");
    let mut writer = Writer::new(2, 1, [0.0; 3], &[0; 2]);
    writer.word(tags::SAMPLES_PER_PIXEL, 3).text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    writer.bytes(&[1, 2, 3, 4, 5, 6]).word(tags::PLANAR_CONFIGURATION, 0).write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::Rgb8(vec![[1, 2, 3], [4, 5, 6]]));
    writer.word(tags::PLANAR_CONFIGURATION, 1).write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::Rgb8(vec![[1, 3, 5], [2, 4, 6]]));
    writer.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL");
    writer.bytes(&[76, 85, 255, 128, 128, 128]).word(tags::PLANAR_CONFIGURATION, 0).write(&path);
    assert_eq!(*open_path(&path).unwrap().volume.voxels(), Voxels::Rgb8(vec![[254, 0, 0], [128, 128, 128]]));
}

#[test]
fn frames_beyond_the_end_are_empty_and_announced() {
    let folder = folder();
    let path = folder.path().join("image");
    let values: Vec<i16> = (0..12).map(|i| i + 5).collect();
    let mut writer = Writer::new(2, 2, [0.0; 3], &values);
    writer
        .text(tags::NUMBER_OF_FRAMES, VR::IS, "3")
        .text(tags::SPACING_BETWEEN_SLICES, VR::DS, "2")
        .write(&path);
    assert_eq!(open_path(&path).unwrap().volume.grid().dims(), [2, 2, 3]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 6]).unwrap();
    let opened = open_path(&path).unwrap();
    assert!(opened.warnings.contains(&Warning::Truncated { missing_slices: 1 }), "{:?}", opened.warnings);
    assert_eq!(*opened.volume.voxels(), Voxels::I16(vec![5, 6, 7, 8, 9, 10, 11, 12, 5, 5, 5, 5]));
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    assert!(matches!(open_path(&path), Err(OpenError::Invalid { what, .. }) if what.contains("cut off")));
}

#[test]
fn limits_and_cancelling_are_honoured() {
    let folder = folder();
    for z in 0..4 {
        Writer::new(8, 8, [0.0, 0.0, f64::from(z)], &[0; 64]).write(&folder.path().join(format!("{z}")));
    }
    let refused =
        |limits: Limits| open(folder.path(), &OpenOptions { limits, ..OpenOptions::default() }, &());
    let limits = Limits { max_voxel_bytes: 511, ..Limits::default() };
    assert!(matches!(refused(limits), Err(OpenError::TooLarge { .. })));
    let limits = Limits { max_files: 3, ..Limits::default() };
    assert!(matches!(refused(limits), Err(OpenError::TooLarge { .. })));
    let limits = Limits { max_header_bytes: 300, ..Limits::default() };
    assert!(matches!(refused(limits), Err(OpenError::NotFound { .. })));
    for count in [1, 3, 5, 7] {
        let watcher = Watcher { cancel_after: Some(count), ..Watcher::default() };
        let result = open(folder.path(), &OpenOptions::default(), &watcher);
        assert!(matches!(result, Err(OpenError::Cancelled(_))), "{count}");
    }
}

#[test]
fn slices_without_place_or_scale_are_stacked_by_number_and_announced() {
    let folder = folder();
    for (name, number) in [("a", 2i16), ("b", 3), ("c", 1)] {
        let mut writer = Writer::new(2, 1, [0.0, 0.0, f64::from(number)], &[number; 2]);
        writer.remove(tags::IMAGE_POSITION_PATIENT).remove(tags::PIXEL_SPACING);
        writer.text(tags::INSTANCE_NUMBER, VR::IS, &number.to_string()).write(&folder.path().join(name));
    }
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.warnings, [Warning::NoOrientation, Warning::NoSpacing]);
    assert_eq!(*opened.volume.voxels(), Voxels::I16(vec![1, 1, 2, 2, 3, 3]));
    assert!(!opened.volume.meta().has_physical_spacing);
    assert_eq!(opened.volume.grid().spacing_mm(), [1.0, 1.0, 2.0]);
}

#[test]
fn an_unreadable_file_of_a_folder_is_announced() {
    let folder = folder();
    for z in 0..4 {
        Writer::new(8, 8, [0.0, 0.0, f64::from(z)], &[0; 64]).write(&folder.path().join(format!("{z}")));
    }
    let broken = folder.path().join("2");
    let bytes = std::fs::read(&broken).unwrap();
    std::fs::write(&broken, &bytes[..bytes.len() - 10]).unwrap();
    let opened = open_path(folder.path()).unwrap();
    assert_eq!(opened.volume.grid().dims(), [8, 8, 4]);
    assert!(matches!(opened.warnings[0], Warning::MissingSlices { count: 1, .. }));
    assert!(
        matches!(&opened.warnings[1], Warning::FilesSkipped { count: 1, why } if why.contains("cut off"))
    );
}

#[test]
fn other_formats_do_not_look_like_dicom() {
    for start in [
        &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
        b"\xFF\xD8\xFF\xE0\0\x10JFIF",
        b"II*\0\x08\0\0\0",
        b"BM6\0\0\0",
    ] {
        assert!(!looks_like(start));
    }
    assert!(!looks_like(&[0; 400]) && !looks_like(b"") && !looks_like(b"\x5c\x01\0\0"));
    // Without preamble: implicit and explicit elements of group 8.
    assert!(looks_like(b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100"));
    assert!(looks_like(b"\x08\0\x05\0CS\x0a\0ISO_IR 100"));
}
