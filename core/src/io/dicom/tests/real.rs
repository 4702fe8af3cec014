//! Real series, as a user would open them.

use nalgebra::Vector3;

use super::{Watcher, open_path};
use crate::io::dicom::{list_series, open};
use crate::io::{OpenError, OpenOptions, Selection, Warning};
use crate::testing::shared_data;
use crate::volume::{Modality, Source, Voxels};

#[test]
fn a_folder_of_ct_becomes_hounsfield_units_in_patient_space() {
    let Some(folder) = shared_data("data/dicom/ct_liver_series") else { return };
    let watcher = Watcher::default();
    let opened = open(&folder, &OpenOptions::default(), &watcher).unwrap();
    let (volume, grid) = (&opened.volume, opened.volume.grid());
    assert_eq!(grid.dims(), [512, 512, 41]);
    assert_eq!(grid.spacing_mm().map(|s| (s * 1e6).round() / 1e6), [0.796_875, 0.796_875, 5.0]);
    assert_eq!(grid.orientation().code(), "LPS");
    assert_eq!(volume.meta().modality, Modality::Ct);
    assert!(matches!(volume.voxels(), Voxels::I16(_)));
    assert!(volume.range().min >= -3024.0 && volume.range().max > 300.0);
    assert_eq!(opened.warnings, []);
    let Source::Dicom { instance_uids, .. } = &volume.meta().source else { panic!() };
    assert_eq!(instance_uids.len(), 41);
    // The middle slice came before the rest, in its place, with the same values.
    let events = watcher.events.borrow();
    let first_at = events.iter().position(|e| e == "first slice").unwrap();
    assert_eq!(events[first_at..].iter().filter(|e| *e == "reading slices").count(), 40);
    let first = watcher.first.borrow();
    let first = first.as_ref().unwrap();
    assert_eq!(first.grid().world_of([3, 4, 0]), grid.world_of([3, 4, 20]));
    assert_eq!(first.value([300, 200, 0]), volume.value([300, 200, 20]));
}

#[test]
fn a_clicked_file_opens_its_whole_series() {
    let Some(file) = shared_data("data/dicom/ct_liver_series/image/1-07.dcm") else { return };
    let opened = open_path(&file).unwrap();
    assert_eq!(opened.volume.grid().dims(), [512, 512, 41]);
}

#[test]
fn files_without_extension_in_jpeg_2000_are_one_series() {
    let Some(folder) = shared_data("data/dicom/ct_j2k_series") else { return };
    let opened = open_path(&folder).unwrap();
    assert_eq!(opened.volume.grid().dims(), [512, 512, 20]);
    assert_eq!(opened.warnings, []);
    let range = opened.volume.range();
    assert!(range.min >= -1024.0 && range.max > 1000.0, "{range:?}");
}

#[test]
fn oblique_anisotropic_slices_lie_where_dicom_says() {
    let Some(folder) = shared_data("data/dicom/rtstruct/oriented_data") else { return };
    let opened = open_path(&folder).unwrap();
    let grid = opened.volume.grid();
    assert_eq!(grid.dims(), [100, 50, 3]);
    // Spacing between rows stands first in DICOM.
    let row = Vector3::new(0.954_166_6, -0.208_075_7, 0.215_106_1);
    let column = Vector3::new(0.278_588_6, 0.880_128, -0.384_399_7);
    let far = Vector3::new(123.0, -432.0, 30.0) + row * 2.5 * 99.0 + column * 3.5 * 49.0;
    let first = if (grid.world_of([0, 0, 0]).x - 123.0).abs() < 1e-9 { 0 } else { 2 };
    assert!((grid.world_of([99, 49, first]).coords - far).norm() < 1e-3);
    let middle = Vector3::new(122.507_984_85, -430.079_816_7, 34.039_902_9);
    assert!((grid.world_of([0, 0, 1]).coords - middle).norm() < 1e-4);
    assert!(matches!(opened.volume.voxels(), Voxels::F32(_)));
    assert_eq!(opened.warnings, []);
}

#[test]
fn an_enhanced_multi_frame_file_uses_its_functional_groups() {
    let Some(file) = shared_data("data/dicom/dcmqi/24x38x3/multiframe/mf.dcm") else { return };
    let Some(folder) = shared_data("data/dicom/dcmqi/24x38x3/image") else { return };
    let (multi, classic) = (open_path(&file).unwrap().volume, open_path(&folder).unwrap().volume);
    assert_eq!(multi.grid().dims(), [24, 38, 3]);
    assert!(multi.grid().matches(classic.grid()));
    assert_eq!(multi.voxels(), classic.voxels());
    let Source::Dicom { instance_uids, .. } = &multi.meta().source else { panic!() };
    assert_eq!(instance_uids.len(), 1);
}

#[test]
fn a_perfusion_map_of_two_frames_opens() {
    let Some(file) = shared_data("data/dicom/enhanced_ct/eCT_Supplemental.dcm") else { return };
    let opened = open_path(&file).unwrap();
    assert_eq!(opened.volume.grid().dims()[..2], [512, 512]);
    assert!(opened.volume.range().max > opened.volume.range().min);
}

#[test]
fn three_descending_slices_become_a_right_handed_stack() {
    let Some(folder) = shared_data("data/dicom/dcmqi/ct-3slice") else { return };
    let volume = open_path(&folder).unwrap().volume;
    assert_eq!(volume.grid().dims(), [512, 512, 3]);
    assert!((volume.grid().world_of([0, 0, 0]).z + 128.690_002).abs() < 1e-9);
    assert!((volume.grid().spacing_mm()[2] - 1.0).abs() < 1e-6);
}

#[test]
fn masks_and_reports_are_no_images() {
    let Some(folder) = shared_data("data/dicom/dcmqi/24x38x3") else { return };
    let error = open_path(&folder.join("seg/label.seg")).unwrap_err().to_string();
    assert!(error.contains("SEG") && error.contains("no image"), "{error}");
    let error = open_path(&folder.join("seg")).unwrap_err();
    assert!(matches!(&error, OpenError::NotFound { what, .. } if what.contains("SEG")), "{error}");
    let series = list_series(&folder, &OpenOptions::default(), &()).unwrap();
    // The classic series and the multi-frame file; the mask and the pictures are passed over.
    assert_eq!(series.iter().map(|s| s.dims).collect::<Vec<_>>(), [[24, 38, 3]; 2]);
    let Some(report) = shared_data("data/dicom/transfer_syntaxes/no-pixel-data.dcm") else { return };
    assert!(open_path(&report).unwrap_err().to_string().contains("SR"));
    let Some(slide) = shared_data("data/dicom/highdicom/data/test_files/sm_image.dcm") else { return };
    assert!(matches!(open_path(&slide), Err(OpenError::Unsupported { .. })));
}

#[test]
fn a_series_is_chosen_by_its_uid() {
    let Some(folder) = shared_data("data/dicom/rtstruct") else { return };
    let series = list_series(&folder, &OpenOptions::default(), &()).unwrap();
    assert!(series.len() >= 2, "{series:?}");
    for summary in series {
        let options = OpenOptions::from(Selection::series(&summary.uid));
        let opened = open(&folder, &options, &()).unwrap();
        assert_eq!(opened.volume.grid().dims(), summary.dims);
    }
    let options = OpenOptions::from(Selection::series("9.9"));
    assert!(matches!(open(&folder, &options, &()), Err(OpenError::NotFound { .. })));
}

#[test]
fn single_images_without_place_are_flat_and_say_so() {
    let Some(file) = shared_data("data/dicom/highdicom/data/test_files/dx_image.dcm") else { return };
    let opened = open_path(&file).unwrap();
    assert_eq!(opened.volume.grid().dims(), [211, 169, 1]);
    let [x, y, _] = opened.volume.grid().spacing_mm();
    assert!((x - 1.2012).abs() < 1e-6 && (y - 1.2).abs() < 1e-9);
    assert!(opened.warnings.contains(&Warning::NoOrientation));
    assert!(matches!(opened.volume.voxels(), Voxels::U8(_)));
    // MONOCHROME1: bright where X-rays were absorbed after the exchange, so the air at the rim is dark.
    assert!(
        opened
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::Repaired { what } if what.contains("MONOCHROME1")))
    );
}

#[test]
fn colour_images_become_rgb() {
    let Some(ybr) = shared_data("data/dicom/transfer_syntaxes/US-YBR_FULL_422-EVRLE.dcm") else { return };
    let opened = open_path(&ybr).unwrap();
    assert_eq!(opened.volume.grid().dims(), [800, 555, 1]);
    assert_mean_color(opened.volume.voxels(), [15.527, 15.664, 15.757]);
    let Some(palette) = shared_data("data/dicom/transfer_syntaxes/no-pixel-spacing.dcm") else { return };
    let opened = open_path(&palette).unwrap();
    assert!(opened.warnings.contains(&Warning::NoSpacing));
    assert!(!opened.volume.meta().has_physical_spacing);
    assert_mean_color(opened.volume.voxels(), [4.489, 5.720, 7.277]);
}

/// Mean of each channel as pydicom has it, within the rounding of a conversion.
fn assert_mean_color(voxels: &Voxels, expected: [f64; 3]) {
    let Voxels::Rgb8(colors) = voxels else { panic!("no colour") };
    for channel in 0..3 {
        let sum: f64 = colors.iter().map(|color| f64::from(color[channel])).sum();
        let mean = sum / colors.len() as f64;
        assert!((mean - expected[channel]).abs() < 0.1, "channel {channel}: {mean}");
    }
}
