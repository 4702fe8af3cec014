//! Cut and mutated files: an image or an error, never a panic, never memory beyond what the file justifies.

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use rand_like::Random;

use super::{Writer, open_path};
use crate::io::OpenError;
use crate::testing::shared_data;

/// A small generator, so that the same bytes are hit in every run (Marsaglia's xorshift).
mod rand_like {
    pub struct Random(pub u64);

    impl Random {
        pub fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as usize % end
        }
    }
}

/// Overwrites, removes or cuts bytes in the first `header` bytes, then opens the copy.
fn mutate(bytes: &[u8], header: usize, rounds: usize, seed: u64) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut random = Random(seed);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut copy = bytes.to_vec();
        for _ in 0..=random.below(3) {
            // Keep the preamble's mark, without which nothing is read.
            let at = 132 + random.below(header.min(copy.len()) - 132);
            match round % 4 {
                0 => copy[at] ^= 1 << random.below(8),
                1 => copy[at] = [0, 0xFF, 0x7F, 0x80][random.below(4)],
                2 => copy.truncate(at.max(140)),
                _ => drop(copy.drain(at..(at + 1 + random.below(8)).min(header.min(copy.len())))),
            }
            if copy.len() < 200 {
                break;
            }
        }
        std::fs::write(&path, &copy).unwrap();
        match open_path(&path) {
            Ok(_) => opened += 1,
            Err(_) => refused += 1,
        }
    }
    (opened, refused)
}

fn small_file(folder: &Path) -> PathBuf {
    Writer::new(16, 16, [1.0, 2.0, 3.0], &[100; 256]).write(&folder.join("image"))
}

#[test]
fn mutated_native_headers_open_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"] {
        let path = Writer::new(16, 16, [1.0, 2.0, 3.0], &[100; 256])
            .syntax(syntax)
            .write(&folder.path().join("image"));
        let bytes = std::fs::read(path).unwrap();
        let (opened, refused) = mutate(&bytes, bytes.len() - 512, 300, 0x1234_5678_9ABC);
        assert!(opened > 20 && refused > 20, "{syntax}: {opened} {refused}");
    }
}

#[test]
fn mutated_compressed_files_open_or_are_refused() {
    let names = [
        "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
        "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51",
        "JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50",
        "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
        "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
        "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
        "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
    ];
    for (seed, name) in names.into_iter().enumerate() {
        let Some(path) = shared_data(&format!("data/dicom/transfer_syntaxes/CTImage.dcm_{name}.dcm")) else {
            return;
        };
        let bytes = std::fs::read(path).unwrap();
        mutate(&bytes, 5000, 40, 0xABCD_EF01 + seed as u64);
    }
}

#[test]
fn mutated_functional_groups_open_or_are_refused() {
    let Some(path) = shared_data("data/dicom/dcmqi/24x38x3/multiframe/mf.dcm") else { return };
    let bytes = std::fs::read(path).unwrap();
    let (opened, refused) = mutate(&bytes, bytes.len() - 5000, 300, 0xFEED_BEEF);
    assert!(opened > 20 && refused > 20, "{opened} {refused}");
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = small_file(folder.path());
    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(7) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(open_path(&path).is_err(), "{length}");
    }
}

#[test]
fn sizes_beyond_the_file_are_refused_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut writer = Writer::new(16, 16, [0.0; 3], &[0; 256]);
    writer.word(tags::ROWS, 65_535).word(tags::COLUMNS, 65_535).write(&path);
    assert!(matches!(open_path(&path), Err(OpenError::Invalid { what, .. }) if what.contains("cut off")));
    let mut writer = Writer::new(16, 16, [0.0; 3], &[0; 256]);
    writer.text(tags::NUMBER_OF_FRAMES, VR::IS, "2000000000").write(&path);
    assert!(matches!(open_path(&path), Err(OpenError::Invalid { what, .. }) if what.contains("frames")));
    // An element of 4 GiB in a file of some hundred bytes.
    let bytes = std::fs::read(small_file(folder.path())).unwrap();
    let mut copy = bytes[..400].to_vec();
    copy.extend_from_slice(b"\x09\0\x10\0OB\0\0\xF0\xFF\xFF\xFF");
    copy.extend_from_slice(&bytes[400..]);
    std::fs::write(&path, &copy).unwrap();
    assert!(open_path(&path).is_err());
}

#[test]
fn endless_nesting_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut bytes = std::fs::read(small_file(folder.path())).unwrap();
    bytes.truncate(132);
    bytes.extend_from_slice(b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
    for _ in 0..100_000 {
        bytes.extend_from_slice(b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    }
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(open_path(&path), Err(OpenError::Invalid { what, .. }) if what.contains("nested")));
}
