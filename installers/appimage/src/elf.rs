//! Where an ELF file ends, which is where the file system of an AppImage begins.

use std::io::{Error, ErrorKind, Read};

/// The length of a 64-bit little-endian ELF file whose section headers stand last, as linkers write them (System V ABI,
/// "ELF header": `e_shoff` at byte 40, `e_shentsize` and `e_shnum` at 58 and 60).
pub fn end(file: &mut impl Read) -> Result<u64, Error> {
    let mut header = [0_u8; 64];
    file.read_exact(&mut header)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Err(Error::new(ErrorKind::InvalidData, "no 64-bit little-endian ELF file"));
    }
    let sections = u64::from_le_bytes(header[40..48].try_into().expect("eight bytes"));
    let half = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    sections
        .checked_add(half(58) * half(60))
        .filter(|&end| end >= 64)
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "the section headers lie outside of any file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_where_its_file_does() {
        let path = std::env::current_exe().unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        let end = end(&mut std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(end, length);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(end(&mut &b"#!/bin/sh\n"[..]).is_err());
        assert!(end(&mut &[0_u8; 64][..]).is_err());
        let mut wild = [0xff_u8; 64];
        wild[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert!(end(&mut &wild[..]).is_err());
    }
}
