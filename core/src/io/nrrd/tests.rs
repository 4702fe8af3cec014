//! Headers as other programs write them, and files that lie or break off.

use std::path::PathBuf;

use super::*;
use crate::geometry::Grid;
use crate::io::{FileKind, Selection, open_labels as door, probe};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, header: &str, data: &[u8]) -> Result<Opened, OpenError> {
        open(&self.write("a.nrrd", &[header.as_bytes(), data].concat()), &OpenOptions::default(), &())
    }
}

const PLACE: &str =
    "space: left-posterior-superior\nspace directions: (2,0,0) (0,0,3) (0,-1,0)\nspace origin: (5,6,7)\n";

fn head(rest: &str) -> String {
    format!("NRRD0004\n# comment\ntype: short\ndimension: 3\nsizes: 2 1 2\n{PLACE}{rest}\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn values(volume: &Volume) -> Vec<f32> {
    volume.box_values(volume.grid().full_box())
}

#[test]
fn every_encoding_and_byte_order_gives_the_same_values() {
    let folder = Folder::new();
    let little = [1i16, -2, 300, 4].map(i16::to_le_bytes).concat();
    let big = [1i16, -2, 300, 4].map(i16::to_be_bytes).concat();
    folder.write("d.raw", &[b"line\nxx".to_vec(), little.clone()].concat());
    folder.write("one.raw", &little[..4]);
    folder.write("two.raw", &little[4..]);
    for (rest, data) in [
        ("encoding: raw\nendian: little\n", little.clone()),
        ("encoding: raw\r\nendian: big\r\n", big.clone()),
        ("encoding: gzip\nendian: big\n", gzip(&big)),
        ("encoding: ascii\n", b"1 -2\n300 4".to_vec()),
        ("encoding: hex\nendian: little\n", b"0100feff 2c01 0400".to_vec()),
        ("encoding: raw\nendian: little\nbyte skip: -1\n", [b"junk".to_vec(), little.clone()].concat()),
        ("encoding: raw\nendian: little\ndata file: d.raw\nline skip: 1\nbyte skip: 2\n", vec![]),
        ("encoding: raw\nendian: little\ndatafile: LIST\none.raw\ntwo.raw\n", vec![]),
    ] {
        let opened = folder.open(&head(rest), &data).unwrap();
        assert_eq!(values(&opened.volume), [1.0, -2.0, 300.0, 4.0], "{rest}");
        assert_eq!(opened.warnings, [], "{rest}");
        let grid = opened.volume.grid();
        assert_eq!(grid.world_of([1, 0, 1]), [7.0, 5.0, 7.0].into(), "{rest}");
    }
    let numbered = folder.open(&head("encoding: raw\nendian: little\ndata file: s%02d.raw 1 2 1\n"), &[]);
    assert!(numbered.unwrap_err().to_string().contains("s01.raw"));
}

#[test]
fn spaces_become_lps() {
    let folder = Folder::new();
    for (space, signs) in [
        ("left-posterior-superior", [1.0, 1.0, 1.0]),
        ("RAS", [-1.0, -1.0, 1.0]),
        ("left-anterior-superior", [1.0, -1.0, 1.0]),
    ] {
        let header = head("encoding: ascii\n").replace("left-posterior-superior", space);
        let volume = folder.open(&header, b"1 2 3 4").unwrap().volume;
        let at = volume.grid().world_of([1, 0, 1]);
        assert_eq!([at.x, at.y, at.z], [7.0 * signs[0], 5.0 * signs[1], 7.0 * signs[2]], "{space}");
    }
    let bare = "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 2 2\nencoding: ascii\n\n";
    let opened = folder.open(bare, b"1 2 3 4").unwrap();
    assert_eq!(opened.warnings, [Warning::NoOrientation, Warning::NoSpacing]);
    assert!(!opened.volume.meta().has_physical_spacing);
}

#[test]
fn a_fourth_axis_is_time_in_front_or_behind() {
    let folder = Folder::new();
    for (sizes, directions, data) in [
        ("2 2 1 1", "none (1,0,0) (0,1,0) (0,0,1)", "1 10 2 20"),
        ("2 1 1 2", "(1,0,0) (0,1,0) (0,0,1) none", "1 2 10 20"),
    ] {
        let header = format!(
            "NRRD0005\ntype: float\ndimension: 4\nspace: LPS\nsizes: {sizes}\nspace directions: {directions}\n\
             encoding: ascii\n\n"
        );
        let path = folder.write("t.nrrd", &[header.as_bytes(), data.as_bytes()].concat());
        let options = OpenOptions::from(Selection::at_time_point(1));
        let opened = open(&path, &options, &()).unwrap();
        assert_eq!(values(&opened.volume), [10.0, 20.0]);
        assert_eq!(opened.warnings, [Warning::TimePoints { count: 2, shown: 2 }]);
        let beyond = OpenOptions::from(Selection::at_time_point(2));
        assert!(matches!(open(&path, &beyond, &()), Err(OpenError::NotFound { .. })));
    }
}

#[test]
fn colours_are_colours() {
    let folder = Folder::new();
    let header = "NRRD0005\ntype: uchar\ndimension: 4\nspace: LPS\nsizes: 3 1 2 1\nkinds: RGB-color domain domain domain\n\
                  space directions: none (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\n\n";
    let volume = folder.open(header, &[1, 2, 3, 4, 5, 6]).unwrap().volume;
    assert_eq!(*volume.voxels(), Voxels::Rgb8(vec![[1, 2, 3], [4, 5, 6]]));
}

/// Layers with the same values, names, colours, and a missing colour.
#[test]
fn layers_of_a_segmentation_become_labels_of_their_own() {
    let folder = Folder::new();
    let header = "NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 3 1 1\n\
        space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: list domain domain domain\nencoding: raw\n\
        space origin: (0,0,0)\nSegment0_ID:=a\nSegment0_Name:=Liver\nSegment0_Color:=1 0.5 0\nSegment0_LabelValue:=1\n\
        Segment0_Layer:=0\nSegment1_ID:=b\nSegment1_Name:=Tumour\nSegment1_LabelValue:=1\nSegment1_Layer:=1\n\n";
    let path = folder.write("a.seg.nrrd", &[header.as_bytes(), &[1, 0, 1, 1, 0, 1]].concat());
    let image = door(&path).unwrap();
    assert_eq!(image.labels, [1, 2, 2]);
    assert_eq!((image.mask_of(1), image.mask_of(2)), (vec![true, true, false], vec![false, true, true]));
    assert_eq!(image.names[0].name, "Liver");
    assert_eq!(image.names[0].color, [255, 128, 0]);
    assert_eq!((image.names[1].value, image.names[1].name.as_str()), (2, "Tumour"));
    assert_eq!(image.warnings, [Warning::Overlap { voxels: 1, labels: vec![1] }]);
}

#[test]
fn headers_that_lie_are_refused_before_memory_is_taken() {
    let folder = Folder::new();
    let good = head("encoding: raw\nendian: little\n");
    let data = [0; 8];
    for (from, to, reason) in [
        ("sizes: 2 1 2", "sizes: 200000 200000 200000", "more than the limit"),
        ("sizes: 2 1 2", "sizes: 99999999999 99999999999 99999999999", "image"),
        ("sizes: 2 1 2", "sizes: 400 400 400", "it is cut off"),
        ("sizes: 2 1 2", "sizes: 2 -1 2", "whole numbers above 0"),
        ("sizes: 2 1 2", "sizes: 2 0 2", "whole numbers above 0"),
        ("sizes: 2 1 2", "sizes: 2 1", "3 whole numbers"),
        ("dimension: 3", "dimension: 99", "dimension"),
        ("dimension: 3", "dimension: 2", "sizes"),
        ("(2,0,0)", "(nan,0,0)", "not a number"),
        ("(2,0,0)", "(0,0,3)", "singular"),
        ("(2,0,0)", "(inf,0,0)", "not a number"),
        ("(2,0,0)", "(2,0,0", "vectors"),
        ("(5,6,7)", "(5,x,7)", "origin"),
        ("encoding: raw", "encoding: bzip2", "gzip"),
        ("encoding: raw", "encoding: raw\nbyte skip: -7", "bytes to skip"),
        ("encoding: raw", "encoding: raw\nbyte skip: 99999999", "cut off"),
        ("encoding: raw", "encoding: raw\nline skip: 99999999999", "lines to skip"),
        ("encoding: raw", "encoding: raw\ndata file: /etc/passwd", "relative"),
        ("encoding: raw", "encoding: raw\ndata file: not_there.raw", "missing"),
        ("encoding: raw", "encoding: raw\ndata file: .", "ordinary file"),
        ("encoding: raw", "encoding: raw\ndata file: s%03d.raw 1 99999999999 1", "numbered"),
        ("encoding: raw", "encoding: raw\ndata file: s%0999d.raw 1 2 1", "pattern"),
        ("type: short", "type: block", "not supported"),
        ("type: short", "type short", "neither a field"),
        ("NRRD0004", "NRRD0009", "NRRD0001 to NRRD0005"),
    ] {
        let text = folder.open(&good.replace(from, to), &data).expect_err(to).to_string();
        assert!(text.contains(reason), "{to}: {text}");
    }
    assert!(folder.open(&good, &data).is_ok());
}

#[test]
fn cut_off_or_mutated_anywhere_nothing_panics() {
    let folder = Folder::new();
    let mut file =
        head("encoding: gzip\nendian: little\nSegment0_Name:=a\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n")
            .into_bytes();
    file.extend(gzip(&[1, 0, 2, 0, 3, 0, 4, 0]));
    let path = folder.write("m.nrrd", &file);
    assert!(door(&path).is_ok());
    for len in 0..file.len() - 14 {
        std::fs::write(&path, &file[..len]).unwrap();
        assert!(open(&path, &OpenOptions::default(), &()).is_err(), "{len} bytes");
    }
    let mut seed = 7_u64;
    let mut opened = 0;
    for _ in 0..3000 {
        let mut broken = file.clone();
        for _ in 0..3 {
            // Constants of Knuth's MMIX.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % broken.len();
            broken[at] = (seed >> 24) as u8;
        }
        std::fs::write(&path, &broken).unwrap();
        opened += usize::from(door(&path).is_ok());
    }
    assert!(opened > 10, "{opened}");
}

#[test]
fn real_files_open() {
    let Some(folder) = crate::testing::shared_data("data/nrrd_mha") else { return };
    let open_one = |name: &str| open(&folder.join(name), &OpenOptions::default(), &()).unwrap();
    for name in ["TestInput", "crop_ct_2slices", "ct-64", "ct-patch", "ConvertDicom_Test_simple_dicom"] {
        let path = folder.join(format!("cip/{name}.nrrd"));
        assert_eq!(probe(&path).unwrap(), FileKind::Nrrd);
        let opened = open_one(&format!("cip/{name}.nrrd"));
        assert_eq!(opened.warnings, [], "{name}");
    }
    assert_eq!(open_one("cip/simple_ct.nrrd").warnings, [Warning::NoOrientation, Warning::NoSpacing]);
    let lungs = door(&folder.join("cip/wholeLung-64.nrrd")).unwrap();
    assert!(!lungs.used_labels().is_empty());
    let name = "slicerrt/Testing/Data/EclipseProstate_Bladder_Union_PTV.seg.nrrd";
    let bladder = door(&folder.join(name)).unwrap();
    assert_eq!(bladder.names[0].name, "Bladder_Union_PTV");
    assert_eq!(bladder.grid.dims(), [60, 89, 38]);
    let count = bladder.labels.iter().filter(|v| **v == 1).count();
    assert_eq!(bladder.used_labels(), [1]);
    assert!(count > 1000, "{count}");
    // The bladder drawn over the target has what both have without what one lacks.
    let dose = open_one("slicerrt/Testing/Data/EclipseProstate_Dose.nrrd").volume;
    assert!(Grid::matches(dose.grid(), dose.grid()) && dose.voxels().type_name() == "float32");
}
