//! Real files; the expected numbers were printed with nibabel 5 (x and y of the affine negated, RAS to LPS).

use super::*;
use crate::io::{Selection, Warning};
use crate::testing::shared_data;
use crate::volume::Modality;

struct Golden {
    file: &'static str,
    dims: [usize; 3],
    kind: &'static str,
    sum: f64,
    first: [f32; 4],
    affine: [[f64; 4]; 3],
}

const UNIT: [[f64; 4]; 3] = [[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
const SPM: [[f64; 4]; 3] = [[4.0, 0.0, 0.0, -32.0], [0.0, -4.0, 0.0, 40.0], [0.0, 0.0, 8.0, 0.0]];
const AIR: [[f64; 4]; 3] =
    [[0.0, 0.0, -2.385232, 75.762535], [-2.389754, 0.0, 0.0, 110.762535], [0.0, -2.366486, 0.0, 84.42556]];
const AVG: [[f64; 4]; 3] = [[2.0, 0.0, 0.0, -90.0], [0.0, -2.0, 0.0, 126.0], [0.0, 0.0, 2.0, -72.0]];
const FSL: [[f64; 4]; 3] = [[4.0, 0.0, 0.0, 0.0], [0.0, -4.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0]];
/// No form: the standard's signs and no origin, where nibabel centres the image.
const MINIMAL: [[f64; 4]; 3] = [[-3.0, 0.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0]];

fn golden(
    file: &'static str,
    dims: [usize; 3],
    kind: &'static str,
    sum: f64,
    first: [f32; 4],
    affine: [[f64; 4]; 3],
) -> Golden {
    Golden { file, dims, kind, sum, first, affine }
}

fn files() -> Vec<Golden> {
    let anatomical = [[2.0, 0.0, 0.0, -32.0], [0.0, -2.0, 0.0, 40.0], [0.0, 0.0, 2.0, -16.0]];
    let reoriented = [[-4.0, 0.0, 0.0, 35.297897], [0.0, -4.0, 0.0, 47.977585], [0.0, 0.0, 4.0, -27.599409]];
    let standard = [[-1.0, 0.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    let mango = [[1.0, 0.0, 0.0, -80.0], [0.0, 1.0, 0.0, -80.0], [0.0, 0.0, -1.0, 85.0]];
    let brain = [10.0, 11.0, 11.0, 12.0];
    let cube = [0.0, 9.0, 18.0, 3.0];
    let mut files = vec![
        golden(
            "nibabel/anatomical.nii",
            [33, 41, 25],
            "int16",
            284_166_082.0,
            [10712.0, 10463.0, 10600.0, 11951.0],
            anatomical,
        ),
        golden(
            "nibabel/reoriented_anat_moved.nii",
            [21, 26, 22],
            "float32",
            32_739_769.449,
            [0.0; 4],
            reoriented,
        ),
        golden("nibabel/standard.nii.gz", [4, 5, 7], "uint8", 7650.0, [0.0, 255.0, 0.0, 0.0], standard),
        golden("nifti-reader-js/air.hdr.gz", [79, 67, 64], "float32", 11_398_461.247, [0.0; 4], AIR),
        golden("nifti-reader-js/air.img.gz", [79, 67, 64], "float32", 11_398_461.247, [0.0; 4], AIR),
        golden("nifti-reader-js/air2.hdr.gz", [79, 67, 64], "float32", 11_398_461.247, [0.0; 4], AIR),
        golden("nifti-reader-js/avg152T1_LR_nifti.nii", [91, 109, 91], "uint8", 74_825_382.0, brain, AVG),
        golden("nifti-reader-js/avg152T1_LR_nifti.nii.gz", [91, 109, 91], "uint8", 74_825_382.0, brain, AVG),
        golden(
            "nifti-reader-js/avg152T1_LR_nifti2.nii.gz",
            [91, 109, 91],
            "float32",
            74_825_382.0,
            brain,
            AVG,
        ),
        golden("nifti-reader-js/big.nii.gz", [64, 64, 21], "float32", 11_648.372, [0.0; 4], FSL),
        golden("nifti-reader-js/little.nii.gz", [64, 64, 21], "float32", 11_648.372, [0.0; 4], FSL),
        golden("nifti-rs/zstat1.nii.gz", [64, 64, 21], "float32", 11_648.372, [0.0; 4], FSL),
        golden(
            "nifti-reader-js/with_extension.nii.gz",
            [161, 191, 151],
            "uint8",
            1_472_871.0,
            [0.0; 4],
            mango,
        ),
        golden("nifti-rs/f32.nii.gz", [11, 11, 11], "float32", 166.000_000_7, [0.0; 4], UNIT),
        golden("nifti-rs/minimal_extended_hdr.nii", [8, 8, 1], "float32", 0.0, [0.0; 4], UNIT),
    ];
    for name in
        ["minimal.hdr", "minimal.img", "minimal.hdr.gz", "minimal.img.gz", "minimal.nii", "minimal.nii.gz"]
    {
        let file = format!("nifti-rs/{name}").leak();
        files.push(golden(file, [64, 64, 10], "uint8", 1_290_240.0, [0.0; 4], MINIMAL));
    }
    for (name, kind) in [
        ("float32", "float32"),
        ("float64", "float32"),
        ("int16", "int16"),
        ("int32", "uint8"),
        ("int64", "uint8"),
        ("int8", "uint8"),
        ("uint16", "uint16"),
        ("uint32", "uint8"),
        ("uint64", "uint8"),
        ("uint8", "uint8"),
    ] {
        files.push(golden(format!("nifti-rs/27/{name}.nii").leak(), [3; 3], kind, 351.0, cube, UNIT));
    }
    files
}

#[test]
fn real_files_have_the_values_and_places_that_nibabel_reads() {
    let Some(folder) = shared_data("data/nifti_edge") else { return };
    for want in files() {
        let opened = open_plain(&folder.join(want.file)).unwrap_or_else(|e| panic!("{e}"));
        let volume = &opened.volume;
        assert_eq!(volume.grid().dims(), want.dims, "{}", want.file);
        assert_eq!(volume.voxels().type_name(), want.kind, "{}", want.file);
        let values = values(volume);
        assert_eq!(values[..4], want.first, "{}", want.file);
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        assert!((sum - want.sum).abs() <= 1e-6 * want.sum.max(1.0), "{}: sum {sum}", want.file);
        for (got, want_row) in volume.grid().affine().rows().iter().zip(want.affine) {
            for (got, value) in got.iter().zip(want_row) {
                assert!((got - value).abs() < 1e-5, "{}: {got} is not {value}", want.file);
            }
        }
        let has_no_form = want.affine == MINIMAL;
        assert_eq!(opened.warnings.contains(&Warning::NoOrientation), has_no_form, "{}", want.file);
    }
}

#[test]
fn a_time_point_is_read_alone() {
    let Some(folder) = shared_data("data/nifti_edge") else { return };
    let at = |file: &str, time_point| {
        let options = OpenOptions::from(Selection::at_time_point(time_point));
        open(&folder.join(file), &options, &())
    };
    let total = |file, times: usize| -> f64 {
        let all = (0..times).flat_map(|t| values(&at(file, t).unwrap().volume));
        all.map(f64::from).sum()
    };
    assert!((total("nibabel/example4d.nii.gz", 2) - 101_985_356.0).abs() < 0.5);
    assert!((total("nibabel/example_nifti2.nii.gz", 2) - 6_926_802.0).abs() < 0.5);
    // Scaled by 0.0755 and shifted in the file, so these are floats.
    assert!((total("nibabel/functional.nii", 20) - 77_913_290.362_923_62).abs() < 10.0);
    let functional = at("nibabel/functional.nii", 19).unwrap();
    assert_eq!(functional.warnings, [Warning::TimePoints { count: 20, shown: 20 }]);
    assert_eq!(functional.volume.voxels().type_name(), "float32");
    assert_eq!(functional.volume.grid().affine().rows(), SPM);
    let message = at("nibabel/functional.nii", 20).unwrap_err().to_string();
    assert!(message.contains("time point 20") && message.contains("0 to 19"), "{message}");
}

#[test]
fn complex_colour_and_missing_values_are_shown_as_what_they_are() {
    let Some(folder) = shared_data("data/nifti_edge") else { return };
    for name in ["complex32.nii", "complex64.nii"] {
        let opened = open_plain(&folder.join("nifti-rs/complex").join(name)).unwrap();
        let got = values(&opened.volume);
        assert!((got[1] - 18.0f32.sqrt()).abs() < 1e-6, "{name}: {got:?}");
        assert!(opened.warnings.iter().any(|w| w.to_string().contains("magnitude")));
    }
    for name in ["rgb/3D.nii", "rgb/4D.nii", "rgba/4D.nii"] {
        let opened = open_plain(&folder.join("nifti-rs").join(name)).unwrap();
        let crate::volume::Voxels::Rgb8(colors) = opened.volume.voxels() else { panic!("{name} is grey") };
        assert_eq!(colors[..2], [[55, 55, 0], [0; 3]]);
    }
    let spm = open_plain(&folder.join("nibabel/resampled_anat_moved.nii")).unwrap().volume;
    assert!(values(&spm)[0].is_nan());
    assert_eq!(values(&spm)[17 * 21 * 3 / 2], 10_849.904);
}

#[test]
fn files_that_cannot_be_shown_say_why() {
    let Some(folder) = shared_data("data/nifti_edge") else { return };
    for (file, reason) in [
        ("nifti-reader-js/5D_small.nii", "intent 1007"),
        ("nifti-reader-js/5D_zeros.nii.gz", "256 × 256 × 170 × 1 × 3"),
        ("nibabel/row_major.dconn.nii", "holds vectors"),
        ("nifti-reader-js/not-nifti.nii", "does not start with a NIfTI header"),
        ("nibabel/analyze.hdr", "ANALYZE 7.5"),
        ("nibabel/nifti1.hdr", "nifti1"),
        ("nibabel/nifti2.hdr", "nifti2"),
        ("nifti-rs/avg152T1_LR_nifti.hdr.gz", "avg152T1_LR_nifti.img of this header is missing"),
    ] {
        let message = open_plain(&folder.join(file)).unwrap_err().to_string();
        assert!(message.contains(reason), "{file}: {message}");
    }
    let crashers = std::fs::read_dir(folder.join("nifti-rs/fuzz_artifacts")).unwrap();
    for path in crashers.map(|entry| entry.unwrap().path()) {
        let copy = Folder::new();
        for name in ["a.nii", "a.nii.gz", "b.hdr"] {
            let renamed = copy.write(name, &std::fs::read(&path).unwrap());
            assert!(open_plain(&renamed).is_err(), "{}", path.display());
        }
    }
}

#[test]
fn a_clinical_ct_has_its_spacing_place_and_modality() {
    let Some(path) = shared_data("data/ct_sarcoma/STS_022_ct.nii.gz") else { return };
    let opened = crate::io::open(&path, &OpenOptions::default(), &()).unwrap();
    let volume = opened.volume;
    assert_eq!(opened.warnings, []);
    assert_eq!(volume.grid().dims(), [219, 232, 54]);
    assert_eq!(volume.meta().modality, Modality::Ct);
    assert_eq!(volume.meta().title, "STS_022_ct");
    for (got, want) in volume.grid().spacing_mm().iter().zip([0.976_562, 0.976_562, 3.27]) {
        assert!((got - want).abs() < 1e-5);
    }
    assert_eq!(volume.grid().orientation().code(), "LPS");
    assert_eq!((volume.range().min, volume.range().max), (-1000.0, 1510.0));
    let mask = super::super::open_labels(&path.with_file_name("STS_022_gtv.nii.gz")).unwrap();
    assert!(mask.grid.matches(volume.grid()));
    assert!(mask.labels.iter().all(|l| *l < 2) && mask.labels.contains(&1));
}
