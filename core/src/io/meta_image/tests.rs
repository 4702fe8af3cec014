//! Headers as other programs write them, and files that lie or break off.

use std::path::PathBuf;

use super::*;
use crate::io::{FileKind, Selection, open_labels, probe};
use crate::volume::Voxels;

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
        open(&self.write("a.mhd", &[header.as_bytes(), data].concat()), &OpenOptions::default(), &())
    }
}

fn head(rest: &str) -> String {
    format!(
        "ObjectType = Image\nNDims = 3\nDimSize = 2 1 2\nElementSpacing = 2 3 1\nOffset = 5 6 7\n\
         TransformMatrix = 1 0 0 0 0 1 0 -1 0\nElementType = MET_SHORT\n{rest}\n"
    )
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn values(volume: &Volume) -> Vec<f32> {
    volume.box_values(volume.grid().full_box())
}

#[test]
fn every_way_of_storing_gives_the_same_values() {
    let folder = Folder::new();
    let little = [1i16, -2, 300, 4].map(i16::to_le_bytes).concat();
    let big = [1i16, -2, 300, 4].map(i16::to_be_bytes).concat();
    folder.write("d.raw", &[b"xx".to_vec(), little.clone()].concat());
    folder.write("d.zraw", &zlib(&little));
    folder.write("s1.raw", &little[..4]);
    folder.write("s2.raw", &little[4..]);
    let list = "ElementDataFile = LIST\ns1.raw\ns2.raw";
    for (rest, data) in [
        ("ElementDataFile = LOCAL", little.clone()),
        ("BinaryDataByteOrderMSB = True\nElementDataFile = LOCAL", big),
        ("CompressedData = True\nElementDataFile = LOCAL", zlib(&little)),
        ("BinaryData = False\nElementDataFile = LOCAL", b"1 -2 300 4".to_vec()),
        ("HeaderSize = -1\nElementDataFile = d.raw", vec![]),
        ("HeaderSize = 2\nElementDataFile = d.raw", vec![]),
        ("CompressedData = True\nElementDataFile = d.zraw", vec![]),
        (list, vec![]),
        ("ElementDataFile = s%d.raw 1 2 1", vec![]),
    ] {
        let opened = folder.open(&head(rest), &data).unwrap();
        assert_eq!(values(&opened.volume), [1.0, -2.0, 300.0, 4.0], "{rest}");
        assert_eq!(opened.warnings, [], "{rest}");
        assert_eq!(opened.volume.grid().world_of([1, 0, 1]), [7.0, 5.0, 7.0].into(), "{rest}");
    }
}

#[test]
fn channels_and_times() {
    let folder = Folder::new();
    let rgb = head("ElementNumberOfChannels = 3\nElementDataFile = LOCAL").replace("MET_SHORT", "MET_UCHAR");
    let volume = folder.open(&rgb, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]).unwrap().volume;
    assert_eq!(*volume.voxels(), Voxels::Rgb8(vec![[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]]));
    let four = "NDims = 4\nDimSize = 2 1 1 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
    let path = folder.write("t.mha", &[four.as_bytes(), &[1, 2, 3, 4]].concat());
    let opened = open(&path, &OpenOptions::from(Selection::at_time_point(1)), &()).unwrap();
    assert_eq!(values(&opened.volume), [3.0, 4.0]);
    let seen = [Warning::NoSpacing, Warning::NoOrientation, Warning::TimePoints { count: 2, shown: 2 }];
    assert_eq!(opened.warnings, seen);
}

#[test]
fn headers_that_lie_are_refused_before_memory_is_taken() {
    let folder = Folder::new();
    let good = head("ElementDataFile = LOCAL");
    for (from, to, reason) in [
        ("DimSize = 2 1 2", "DimSize = 200000 200000 200000", "more than the limit"),
        ("DimSize = 2 1 2", "DimSize = 99999999999 99999999999 99999999999", "image"),
        ("DimSize = 2 1 2", "DimSize = 400 400 400", "cut off"),
        ("DimSize = 2 1 2", "DimSize = -2 1 2", "whole numbers above 0"),
        ("DimSize = 2 1 2", "DimSize = 2 2", "whole numbers above 0"),
        ("NDims = 3", "NDims = 77", "NDims"),
        ("ElementSpacing = 2", "ElementSpacing = nan", "not a number"),
        ("ElementSpacing = 2", "ElementSpacing = 0", "singular"),
        ("TransformMatrix = 1 0 0 0 0 1", "TransformMatrix = 1 0 0 1 0 0", "singular"),
        ("TransformMatrix = 1 0 0", "TransformMatrix = 1 0", "9 numbers"),
        ("Offset = 5 6 7", "Offset = 5 6 x", "3 numbers"),
        ("MET_SHORT", "MET_OTHER", "not supported"),
        ("MET_SHORT", "MET_SHORT\nElementNumberOfChannels = 999999999", "ElementNumberOfChannels"),
        ("MET_SHORT", "MET_SHORT\nHeaderSize = -9", "HeaderSize"),
        ("MET_SHORT", "MET_SHORT\nHeaderSize = 9999999", "cut off"),
        ("= LOCAL", "= /etc/passwd", "relative"),
        ("= LOCAL", "= gone.raw", "missing"),
        ("= LOCAL", "= .", "ordinary file"),
        ("= LOCAL", "= s%d.raw 1 99999999999 1", "numbered"),
        ("= LOCAL", "= LIST", "missing"),
        ("ElementDataFile = LOCAL", "", "not \"key = value\""),
    ] {
        let text = folder.open(&good.replace(from, to), &[0; 8]).expect_err(to).to_string();
        assert!(text.contains(reason), "{to}: {text}");
    }
}

#[test]
fn cut_off_or_mutated_anywhere_nothing_panics() {
    let folder = Folder::new();
    let mut file = head("CompressedData = True\nElementDataFile = LOCAL").into_bytes();
    file.extend(zlib(&[1, 0, 2, 0, 3, 0, 4, 0]));
    let path = folder.write("m.mha", &file);
    assert!(open_labels(&path).is_ok());
    for len in 0..file.len() - 10 {
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
        opened += usize::from(open_labels(&path).is_ok());
    }
    assert!(opened > 10, "{opened}");
}

#[test]
fn real_files_open() {
    let Some(folder) = crate::testing::shared_data("data/nrrd_mha/elastix") else { return };
    let open_one = |name: &str| open(&folder.join(name), &OpenOptions::default(), &()).unwrap();
    let ct = open_one("3DCT_lung_baseline_small.mha");
    assert_eq!(probe(&folder.join("3DCT_lung_baseline_small.mha")).unwrap(), FileKind::MetaImage);
    assert_eq!((ct.volume.grid().dims(), ct.warnings.len()), ([57, 78, 64], 0));
    assert_eq!(ct.volume.grid().world_of([0, 0, 0]), [-152.461, -148.986, -1432.0].into());
    assert_eq!(ct.volume.meta().modality, crate::volume::Modality::Ct);
    let square = open_one("2D_2x2_square_object_at_(1,3).mhd").volume;
    assert_eq!(square.grid().dims(), [5, 6, 1]);
    assert_eq!(square.value([1, 3, 0]), square.value([2, 4, 0]));
    assert_ne!(square.value([1, 3, 0]), square.value([0, 3, 0]));
    let mask = open_labels(&folder.join("3DCT_lung_followup_segmentation.mha")).unwrap();
    assert!(!mask.used_labels().is_empty());
}
