//! Files that lie, break off, or were never images.

use super::*;
use crate::io::{Limits, Selection};
use rand_like::Lcg;

/// A small generator, so that the mutations are the same on every machine.
mod rand_like {
    pub struct Lcg(pub u64);

    impl Lcg {
        pub fn next(&mut self, below: usize) -> usize {
            // Constants of Knuth's MMIX.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % below
        }
    }
}

#[test]
fn a_cut_off_file_names_expected_and_found_bytes() {
    let folder = Folder::new();
    let bytes = file_bytes(&header(Version::One, &[8, 8, 8], 4, 16), &[7; 1024]);
    let message = open_plain(&folder.write("a.nii", &bytes[..1000])).unwrap_err().to_string();
    assert!(message.contains("1376 bytes") && message.contains("has 1000"), "{message}");
    let message = open_plain(&folder.write("b.nii.gz", &gzip(&bytes[..1000]))).unwrap_err().to_string();
    assert!(message.contains("1024 bytes of voxels expected, 648 found"), "{message}");
    // The compressed stream itself breaks off: as many voxels as could be inflated are counted.
    let noise: Vec<u8> = (0..1024u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let packed = gzip(&file_bytes(&header(Version::One, &[8, 8, 8], 4, 16), &noise));
    let message = open_plain(&folder.write("c.nii.gz", &packed[..packed.len() / 2])).unwrap_err().to_string();
    assert!(message.contains("1024 bytes of voxels expected"), "{message}");
    let message = open_plain(&folder.write("d.nii", &bytes[..100])).unwrap_err().to_string();
    assert!(message.contains("348 bytes expected, 100 found"), "{message}");
}

#[test]
fn sizes_beyond_the_file_or_the_limits_are_refused_before_anything_is_allocated() {
    let folder = Folder::new();
    for dims in [[32_000, 32_000, 32_000], [i64::MAX / 4, 2, 2], [1 << 21, 1 << 21, 1 << 21]] {
        let version = if dims[0] > 32_767 { Version::Two } else { Version::One };
        let bytes = file_bytes(&header(version, &dims, 64, 64), &[0; 64]);
        for (name, bytes) in [("a.nii", bytes.clone()), ("a.nii.gz", gzip(&bytes))] {
            assert!(open_plain(&folder.write(name, &bytes)).is_err());
        }
    }
    // Within the limit, but a gzip file of a few hundred bytes cannot hold it.
    let bytes = gzip(&file_bytes(&header(Version::One, &[1000, 1000, 1000], 2, 8), &[0; 64]));
    let message = open_plain(&folder.write("b.nii.gz", &bytes)).unwrap_err().to_string();
    assert!(message.contains("can inflate to at most"), "{message}");
    let path = folder.write("c.nii", &file_bytes(&header(Version::One, &[10, 10, 10], 2, 8), &[0; 1000]));
    let limits = Limits { max_voxel_bytes: 3999, ..Limits::default() };
    let options = OpenOptions { limits, ..OpenOptions::default() };
    let message = open(&path, &options, &()).unwrap_err().to_string();
    assert!(message.contains("4000 bytes") && message.contains("limit of 3999"), "{message}");
}

#[test]
fn mutated_headers_open_or_are_refused_but_never_panic() {
    let folder = Folder::new();
    let mut random = Lcg(7);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..800 {
        let version = if round % 2 == 0 { Version::One } else { Version::Two };
        let base = header(version, &[5, 4, 3, 2], [2, 4, 16, 64, 1024, 128, 32][round % 7], 8);
        let mut bytes = file_bytes(&base, &vec![1; 5 * 4 * 3 * 2 * 8]);
        for _ in 0..1 + random.next(4) {
            let at = random.next(version.header_len() + 4);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random.next(256) as u8][random.next(6)];
        }
        if random.next(3) == 0 {
            bytes.truncate(random.next(bytes.len()) + 1);
        }
        let packed = round % 5 == 0;
        let path = folder.write("m.nii", &if packed { gzip(&bytes) } else { bytes });
        let time_point = random.next(3);
        match open(&path, &OpenOptions::from(Selection::at_time_point(time_point)), &()) {
            Ok(_) => opened += 1,
            Err(error) => {
                assert!(error.to_string().ends_with("m.nii"), "{error}");
                refused += 1;
            }
        }
        super::super::open_labels(&path).ok();
    }
    assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
}

#[test]
fn content_makes_a_file_nifti_and_a_name_makes_a_broken_one() {
    use crate::io::{FileKind, probe};
    let folder = Folder::new();
    let bytes = file_bytes(&header(Version::Two, &[2, 2, 2], 2, 8), &[0; 8]);
    for (name, content) in [
        ("plain", bytes.clone()),
        ("packed.dat", gzip(&bytes)),
        ("text.nii", b"hello".to_vec()),
        ("TEXT.NII.GZ", gzip(b"hello")),
    ] {
        assert_eq!(probe(&folder.write(name, &content)).unwrap(), FileKind::Nifti, "{name}");
    }
    // An .img without its .hdr may be anything; DICOM files are called so too.
    assert!(probe(&folder.write("I0001.img", &[7; 64])).is_err());
    folder.write("I0001.hdr", b"x");
    assert_eq!(probe(&folder.path("I0001.img")).unwrap(), FileKind::Nifti);
    let message = open_plain(&folder.path("TEXT.NII.GZ")).unwrap_err().to_string();
    assert!(message.contains("348 bytes expected, 5 found"), "{message}");
}
