//! One CT slice in every transfer syntax, and the codecs on their own.

use std::path::Path;

use super::open_path;
use crate::io::{Opened, Warning};
use crate::testing::shared_data;

/// Opens a file alone, as if its siblings were not there.
fn open_alone(path: &Path) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("image");
    std::fs::copy(path, &copy).unwrap();
    open_path(&copy).unwrap()
}

fn values(opened: &Opened) -> Vec<f32> {
    opened.volume.box_values(opened.volume.grid().full_box())
}

fn is_lossy(opened: &Opened) -> bool {
    opened.warnings.iter().any(|w| matches!(w, Warning::LossyCompression { .. }))
}

#[test]
fn lossless_syntaxes_decode_to_identical_pixels() {
    let Some(folder) = shared_data("data/dicom/transfer_syntaxes") else { return };
    let reference = open_alone(&folder.join("CTImage.dcm"));
    assert_eq!(reference.volume.grid().dims(), [512, 512, 1]);
    let names = [
        "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1",
        "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
        "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
        "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
        "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
        "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
        "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
        "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
        "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
    ];
    for name in names {
        let opened = open_alone(&folder.join(format!("CTImage.dcm_{name}.dcm")));
        assert_eq!(opened.volume.voxels(), reference.volume.voxels(), "{name}");
        assert!(opened.volume.grid().matches(reference.volume.grid()), "{name}");
        assert_eq!(opened.warnings, [], "{name}");
    }
}

#[test]
fn lossy_syntaxes_stay_close_and_say_so() {
    let Some(folder) = shared_data("data/dicom/transfer_syntaxes") else { return };
    let reference = values(&open_alone(&folder.join("CTImage.dcm")));
    // Mean absolute errors in HU as other decoders have them (libjpeg, CharLS, OpenJPEG), with room for the
    // rounding of a DCT. One grey level is 2 HU at 12 bits and 32 HU at 8 bits; the progressive files were made
    // of the same pixels as the sequential one.
    let names = [
        ("JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50", 19.575, 0.4),
        ("JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51", 3.8346, 0.05),
        ("JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53", 3.8346, 0.05),
        ("JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55", 3.8346, 0.05),
        ("JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81", 0.694_065, 1e-5),
        ("JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91", 0.571_36, 1e-3),
    ];
    for (name, expected, slack) in names {
        let opened = open_alone(&folder.join(format!("CTImage.dcm_{name}.dcm")));
        let error = mean_error(&values(&opened), &reference);
        assert!((error - expected).abs() < slack, "{name}: {error} HU");
        assert!(is_lossy(&opened), "{name}");
    }
}

fn mean_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len() as f64
}

#[test]
fn a_clicked_copy_among_many_is_the_one_that_opens() {
    let Some(folder) = shared_data("data/dicom/transfer_syntaxes") else { return };
    let lossy = folder.join("CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm");
    let opened = open_path(&lossy).unwrap();
    assert_eq!(values(&opened), values(&open_alone(&lossy)));
    assert!(
        opened
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::DuplicateSlices { .. } | Warning::TimePoints { .. }))
    );
}

#[test]
fn frames_in_many_fragments_without_table_are_told_apart() {
    let Some(file) =
        shared_data("data/dicom/transfer_syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm")
    else {
        return;
    };
    let Some(original) = shared_data("data/dicom/enhanced_ct/eCT_Supplemental.dcm") else { return };
    let (fragmented, original) = (open_alone(&file), open_alone(&original));
    assert!(fragmented.volume.grid().matches(original.volume.grid()));
    // The same map, stored 1024 higher.
    let shifted: Vec<f32> = values(&fragmented).iter().map(|v| v - 1024.0).collect();
    let error = mean_error(&shifted, &values(&original));
    assert!(error < 3.0, "{error}");
    assert!(is_lossy(&fragmented));
}

#[test]
fn jpeg_2000_of_other_encoders_opens() {
    for name in ["CT1_J2KR", "CT2_J2KR"] {
        let Some(file) = shared_data(&format!("data/dicom/transfer_syntaxes/{name}")) else { return };
        let range = open_alone(&file).volume.range();
        assert!(range.min < -900.0 && range.max > 800.0, "{name}: {range:?}");
    }
}
