//! Segmentations of other programs.

use crate::io::dicom::capture::Capture;
use crate::io::dicom::{LabelTarget, open_labels};
use crate::io::{
    LabelImage, Limits, OpenError, OpenOptions, Warning, open, open_labels as door, open_labels_for,
};
use crate::testing::shared_data;
use crate::volume::Source;

fn seg(relative: &str) -> Option<Result<LabelImage, OpenError>> {
    shared_data(&format!("data/dicom/{relative}")).map(|path| open_labels(&path, None, &Limits::default()))
}

fn count(image: &LabelImage, label: u16) -> usize {
    image.mask_of(label).iter().filter(|inside| **inside).count()
}

/// Rows of 24 pixels, written by dcmqi from the label map beside it.
#[test]
fn a_segmentation_of_dcmqi_is_its_label_map() {
    let Some(folder) = shared_data("data/dicom/dcmqi") else { return };
    for (object, labels) in
        [("24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"), ("liver.dcm", "liver_seg.nrrd")]
    {
        let found = door(&folder.join(object)).unwrap();
        let truth = door(&folder.join(labels)).unwrap();
        let on_truth = found.on_grid(&truth.grid).unwrap_or_else(|what| panic!("{object}: {what}"));
        let used = truth.used_labels();
        assert!(!used.is_empty());
        for (number, label) in used.iter().enumerate() {
            // dcmqi numbers segments from 1 in the order of its list.
            let segment = number as u16 + 1;
            assert_eq!(on_truth.mask_of(segment), truth.mask_of(*label), "{object}: segment {segment}");
        }
        assert_eq!(found.used_labels().len(), used.len(), "{object}");
    }
}

#[test]
fn a_segmentation_lies_on_its_series() {
    let Some(folder) = shared_data("data/dicom/dcmqi") else { return };
    let series = open(&folder.join("ct-3slice"), &OpenOptions::default(), &()).unwrap().volume;
    let target = LabelTarget { grid: series.grid(), source: &series.meta().source };
    let image = open_labels_for(&folder.join("partial_overlaps.dcm"), target).unwrap();
    assert_eq!(image.grid, *series.grid());
    let names: Vec<&str> = image.names.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names[..4], ["GREEN", "ORANGE", "PURPLE", "LIGHT_BLUE"]);
    assert!(matches!(&image.warnings[..], [Warning::Overlap { .. }]), "{:?}", image.warnings);
    let alone = door(&folder.join("partial_overlaps.dcm")).unwrap();
    for label in alone.used_labels() {
        assert_eq!(count(&alone, label), count(&image, label), "label {label}");
    }
    // Another patient's series.
    let other = open(&folder.join("24x38x3/image"), &OpenOptions::default(), &()).unwrap().volume;
    let target = LabelTarget { grid: other.grid(), source: &other.meta().source };
    let text = open_labels_for(&folder.join("partial_overlaps.dcm"), target).unwrap_err().to_string();
    assert!(text.contains("frame of reference"), "{text}");
    let unnamed = LabelTarget { grid: other.grid(), source: &Source::Synthetic };
    let text = open_labels_for(&folder.join("partial_overlaps.dcm"), unnamed).unwrap_err().to_string();
    assert!(text.contains("does not lie on the voxels"), "{text}");
}

#[test]
fn binary_fractional_and_overlapping_segmentations_of_highdicom() {
    let folder = "highdicom/data/test_files";
    let Some(binary) = seg(&format!("{folder}/seg_image_ct_binary.dcm")) else { return };
    let binary = binary.unwrap();
    assert!(count(&binary, 1) > 0);
    let overlap = seg(&format!("{folder}/seg_image_ct_binary_overlap.dcm")).unwrap().unwrap();
    assert!(matches!(&overlap.warnings[..], [Warning::Overlap { .. }]), "{:?}", overlap.warnings);
    assert!(count(&overlap, 1) > 0 && count(&overlap, 2) > 0);
    // The same segment as bits and as fractions of 0 and all.
    let fractions = seg(&format!("{folder}/seg_image_ct_binary_fractional.dcm")).unwrap().unwrap();
    assert_eq!(fractions.mask_of(1), binary.mask_of(1));
    assert!(matches!(&fractions.warnings[..], [Warning::Repaired { .. }]));
    let shares = seg(&format!("{folder}/seg_image_ct_true_fractional.dcm")).unwrap().unwrap();
    assert!(count(&shares, 1) > 0);
    let single = seg(&format!("{folder}/seg_image_ct_binary_single_frame.dcm")).unwrap().unwrap();
    assert_eq!(single.grid.dims()[2], 1);
    let flat = seg(&format!("{folder}/seg_image_cr_binary.dcm")).unwrap().unwrap();
    assert!(count(&flat, 1) > 0);
    for slide in ["sm_dots", "sm_dots_tiled_full", "sm_control_labelmap"] {
        let text = seg(&format!("{folder}/seg_image_{slide}.dcm")).unwrap().unwrap_err().to_string();
        assert!(text.contains("slide"), "{slide}: {text}");
    }
}

#[test]
fn images_are_no_labels_and_damage_never_panics() {
    let Some(folder) = shared_data("data/dicom") else { return };
    let image = open_labels(&folder.join("dcmqi/ct-3slice/01.dcm"), None, &Limits::default());
    assert!(matches!(image, Err(OpenError::Unsupported { .. })));
    let bytes =
        std::fs::read(folder.join("highdicom/data/test_files/seg_image_ct_binary_overlap.dcm")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("m.dcm");
    for len in (0..bytes.len() - 1).step_by(37) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        open_labels(&path, None, &Limits::default()).ok();
    }
    let mut seed = 7_u64;
    let mut opened = 0;
    for _ in 0..1500 {
        let mut broken = bytes.clone();
        for _ in 0..3 {
            // Constants of Knuth's MMIX.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % broken.len();
            broken[at] = (seed >> 24) as u8;
        }
        std::fs::write(&path, &broken).unwrap();
        opened += usize::from(open_labels(&path, None, &Limits::default()).is_ok());
    }
    assert!(opened > 100, "{opened}");
}

/// What is written belongs to patient, study, series and slices of the image, and a checker of the standard agrees.
#[test]
fn a_segmentation_written_for_a_series_refers_to_it() {
    use crate::io::{LabelExport, LabelFormat, export};
    let Some(folder) = shared_data("data/dicom/dcmqi/ct-3slice") else { return };
    let series = open(&folder, &OpenOptions::default(), &()).unwrap().volume;
    let Source::Dicom { series_uid, study_uid, instance_uids, .. } = &series.meta().source else { panic!() };
    let labels: Vec<u16> = (0..series.grid().voxel_count()).map(|i| (i / 7 % 50 == 3) as u16 * 2).collect();
    let out = tempfile::tempdir().unwrap();
    for format in [LabelFormat::DicomSeg, LabelFormat::DicomLabelMap] {
        let path = out.path().join("seg.dcm");
        let source = &series.meta().source;
        let wanted = LabelExport { labels: &labels, grid: series.grid(), source, names: &[], covered: &[] };
        export::save_labels(&path, &wanted, Some(format)).unwrap();
        let object = dicom_object::open_file(&path).unwrap();
        let text = |name: &str| object.element_by_name(name).unwrap().to_str().unwrap().into_owned();
        assert_eq!(text("PatientID"), "99000");
        assert_eq!(text("StudyInstanceUID"), *study_uid);
        assert_ne!(text("SeriesInstanceUID"), *series_uid);
        let referenced = object.element_by_name("ReferencedSeriesSequence").unwrap().items().unwrap();
        let uid = referenced[0].element_by_name("SeriesInstanceUID").unwrap().to_str().unwrap();
        assert_eq!(uid, *series_uid);
        let frames = object.element_by_name("PerFrameFunctionalGroupsSequence").unwrap().items().unwrap();
        assert_eq!(frames.len(), 3);
        for (frame, wanted) in frames.iter().zip(instance_uids) {
            let derivation = &frame.element_by_name("DerivationImageSequence").unwrap().items().unwrap()[0];
            let image = &derivation.element_by_name("SourceImageSequence").unwrap().items().unwrap()[0];
            let uid = image.element_by_name("ReferencedSOPInstanceUID").unwrap().to_str().unwrap();
            assert_eq!(uid, *wanted);
        }
        let target = LabelTarget { grid: series.grid(), source };
        let back = open_labels_for(&path, target).unwrap();
        assert!(back.labels.iter().zip(&labels).all(|(a, b)| (*a > 0) == (*b > 0)));
        assert_eq!(back.warnings, []);
        // Label maps are younger than the checker.
        if format == LabelFormat::DicomSeg {
            check_with_dciodvfy(&path);
        }
    }
}

/// Structure sets of other programs, right and wrong ones.
#[test]
fn structure_sets_lie_on_the_series_beside_them() {
    let Some(folder) = shared_data("data/dicom/rtstruct") else { return };
    let image = door(&folder.join("mock_data/rt.dcm"));
    match image {
        Ok(image) => assert!(image.used_labels().len() <= image.names.len()),
        Err(error) => panic!("{error}"),
    }
    for broken in ["mock_data/non_existent_reference_rt.dcm", "empty/dummy_rt.dcm"] {
        let text = door(&folder.join(broken)).unwrap_err().to_string();
        assert!(text.contains("name the image"), "{broken}: {text}");
    }
}

#[test]
fn a_structure_set_written_for_a_series_refers_to_it_and_finds_it() {
    use crate::io::{LabelExport, export};
    let Some(folder) = shared_data("data/dicom/dcmqi/ct-3slice") else { return };
    let series = open(&folder, &OpenOptions::default(), &()).unwrap().volume;
    let grid = series.grid();
    // A shell round the middle, so that slices have holes.
    let inside = |i: usize| {
        let [x, y, _] = grid.voxel(i);
        let radius = (x as f64 - 250.0).hypot(y as f64 - 260.0);
        u16::from((20.0..60.0).contains(&radius)) * 7
    };
    let labels: Vec<u16> = (0..grid.voxel_count()).map(inside).collect();
    let out = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        std::fs::copy(entry.path(), out.path().join(entry.file_name())).unwrap();
    }
    let path = out.path().join("a.rtstruct.dcm");
    let source = &series.meta().source;
    let wanted = LabelExport { labels: &labels, grid, source, names: &[], covered: &[] };
    export::save_labels(&path, &wanted, None).unwrap();
    let back = door(&path).unwrap();
    assert_eq!(back.labels, labels);
    assert_eq!(back.warnings, []);
    check_with_dciodvfy(&path);
    let bytes = std::fs::read(&path).unwrap();
    let broken = out.path().join("broken.dcm");
    for len in (0..bytes.len()).step_by(997) {
        std::fs::write(&broken, &bytes[..len]).unwrap();
        open_labels_for(&broken, LabelTarget { grid, source }).ok();
    }
}

/// A structure set whose one region has these contours.
fn structure_set(path: &std::path::Path, contours: &[&str]) {
    use dicom_core::value::{DataSetSequence, PrimitiveValue};
    use dicom_core::{DataElement, VR};
    use dicom_dictionary_std::{tags, uids};
    use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
    let item = |elements: &[(dicom_core::Tag, VR, &str)]| {
        InMemDicomObject::from_element_iter(
            elements.iter().map(|(tag, vr, text)| DataElement::new(*tag, *vr, PrimitiveValue::from(*text))),
        )
    };
    let mut region = item(&[(tags::REFERENCED_ROI_NUMBER, VR::IS, "5")]);
    let contour = |data: &&str| {
        item(&[(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"), (tags::CONTOUR_DATA, VR::DS, data)])
    };
    let items: Vec<InMemDicomObject> = contours.iter().map(contour).collect();
    region.put(DataElement::new(tags::CONTOUR_SEQUENCE, VR::SQ, DataSetSequence::from(items)));
    let mut object = item(&[
        (tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::MODALITY, VR::CS, "RTSTRUCT"),
    ]);
    let roi = item(&[(tags::ROI_NUMBER, VR::IS, "5"), (tags::ROI_NAME, VR::LO, "Cube")]);
    object.put(DataElement::new(tags::STRUCTURE_SET_ROI_SEQUENCE, VR::SQ, DataSetSequence::from(vec![roi])));
    object.put(DataElement::new(tags::ROI_CONTOUR_SEQUENCE, VR::SQ, DataSetSequence::from(vec![region])));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::RT_STRUCTURE_SET_STORAGE)
        .media_storage_sop_instance_uid("1.2.3");
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

#[test]
fn slices_are_spared_and_labels_beside_them_may_be_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let [slice, labels] = ["slice", "labels.dcm"].map(|name| folder.path().join(name));
    super::Writer::new(2, 2, [0.0; 3], &[0; 4]).write(&slice);
    let next = super::Writer::new(2, 2, [0.0, 0.0, 2.0], &[0; 4]).write(&folder.path().join("next"));
    structure_set(&labels, &["1\\1\\0"]);
    let refused = crate::io::spare_original(folder.path(), &slice).unwrap_err().to_string();
    assert!(refused.contains("lies among those of the image"), "{refused}");
    crate::io::spare_original(&next, &slice).unwrap_err();
    for image in [folder.path(), &next] {
        crate::io::spare_original(image, &labels).unwrap();
    }
}

#[test]
fn contours_that_lie_are_refused_and_others_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.dcm");
    let grid = crate::geometry::Grid::from_spacing([9, 9, 4], [1.0, 1.0, 2.0]).unwrap();
    let target = LabelTarget { grid: &grid, source: &Source::Synthetic };
    let square = "1.5\\1.5\\2\\4.5\\1.5\\2\\4.5\\4.5\\2\\1.5\\4.5\\2";
    // Twice the same contour is one contour.
    structure_set(&path, &[square, square]);
    let image = open_labels_for(&path, target).unwrap();
    assert_eq!(count(&image, 5), 9);
    assert_eq!(image.labels[grid.index([2, 2, 1])], 5);
    structure_set(&path, &[square, &square.replace("\\2", "\\99").replace("99.5", "2.5")]);
    let image = open_labels_for(&path, target).unwrap();
    assert_eq!((count(&image, 5), image.warnings.len()), (9, 1));
    for (broken, reason) in [
        ("1\\2\\x\\1\\2\\3", "no numbers"),
        ("1\\2\\3\\4", "three a point"),
        ("1e300\\1\\2\\-1e300\\4\\2\\1\\4\\2", "beyond any patient"),
        ("1\\1\\0\\4\\1\\3\\4\\4\\6\\1\\6\\1", "plane of the image"),
    ] {
        structure_set(&path, &[broken]);
        let text = open_labels_for(&path, target).unwrap_err().to_string();
        assert!(text.contains(reason) && text.contains("Cube"), "{text}");
    }
}

/// A picture of a view goes into the study of the image that it shows.
#[test]
fn a_picture_belongs_to_the_study_of_its_image() {
    let Some(folder) = shared_data("data/dicom/ct_liver_series/image") else { return };
    let series = open(&folder, &OpenOptions::default(), &()).unwrap().volume;
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("picture.dcm");
    // An odd number of bytes.
    let pixels: Vec<[u8; 3]> = (0..37 * 21).map(|i| [i as u8, (i / 37) as u8, 200]).collect();
    let source = &series.meta().source;
    let capture = Capture { size: [37, 21], pixels: &pixels, source, description: "Axial view" };
    capture.save(&path).unwrap();
    check_with_dciodvfy(&path);
    let object = dicom_object::open_file(&path).unwrap();
    let text = |name: &str| object.element_by_name(name).unwrap().to_str().unwrap().trim().to_owned();
    let Source::Dicom { study_uid, .. } = source else { panic!("a series") };
    assert_eq!(text("StudyInstanceUID").trim_end_matches('\0'), study_uid);
    assert_eq!(text("SeriesDescription"), "Axial view");
    let wrong = Capture { size: [36, 21], ..capture };
    assert!(wrong.save(&path).unwrap_err().to_string().contains("not as many"));
}

/// Runs the checker of dicom3tools, if it is installed, and expects no error.
fn check_with_dciodvfy(path: &std::path::Path) {
    let Ok(run) = std::process::Command::new("dciodvfy").arg(path).output() else {
        crate::testing::skip("dciodvfy (Debian package dicom3tools)");
        return;
    };
    let said = String::from_utf8_lossy(&run.stderr).into_owned() + &String::from_utf8_lossy(&run.stdout);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("Error")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
