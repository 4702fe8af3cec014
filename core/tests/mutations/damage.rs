//! Ways in which files break, or are broken.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Inflated at most so far before it is damaged inside.
const MOST_INFLATED: u64 = 16 << 20;
/// Where most lengths of most formats stand.
const HEADER: usize = 1024;

/// How PNG files begin.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// A place in a file, half the time near its start.
    fn place(&mut self, length: usize) -> usize {
        let bound = if self.below(2) == 0 { length.min(HEADER) } else { length };
        self.below(bound.max(1))
    }
}

/// What was done to a file.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// Some bits are others.
    Flips,
    /// The end is missing.
    CutOff,
    /// Two blocks have changed places.
    Swap,
    /// A number of 2, 4 or 8 bytes is extreme.
    Number,
    /// A run of bytes is overwritten.
    Overwritten,
    /// A block stands there twice.
    Doubled,
    /// Digits of a text are others or more.
    Digits,
}

/// A damaged copy; of gzip half the time with the damage inside, under a right checksum.
pub fn damaged(original: &[u8], random: &mut Random) -> (Vec<u8>, Damage) {
    if original.starts_with(&[0x1f, 0x8b]) && random.below(4) > 0 {
        let mut inside = Vec::new();
        GzDecoder::new(original).take(MOST_INFLATED).read_to_end(&mut inside).ok();
        if !inside.is_empty() {
            let (inside, damage) = broken(inside, random);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&inside).unwrap();
            return (encoder.finish().unwrap(), damage);
        }
    }
    let (mut bytes, damage) = broken(original.to_vec(), random);
    if original.starts_with(PNG) && random.below(4) > 0 {
        set_checksums(&mut bytes);
    }
    (bytes, damage)
}

/// Makes the checksums of a PNG's chunks right, so that what they hold is looked at.
fn set_checksums(png: &mut [u8]) {
    let mut at = PNG.len();
    while let Some(length) = png.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])) {
        let end = at + 8 + length as usize;
        let Some(chunk) = png.get(at + 4..end) else { return };
        let checksum = crc32fast::hash(chunk).to_be_bytes();
        let Some(slot) = png.get_mut(end..end + 4) else { return };
        slot.copy_from_slice(&checksum);
        at = end + 4;
    }
}

fn broken(mut bytes: Vec<u8>, random: &mut Random) -> (Vec<u8>, Damage) {
    if bytes.is_empty() {
        return (bytes, Damage::CutOff);
    }
    let length = bytes.len();
    let damage = match random.below(10) {
        0 | 1 => flip(&mut bytes, random),
        2 => {
            bytes.truncate(random.place(length));
            Damage::CutOff
        }
        3 => swap(&mut bytes, random),
        4..=6 => numbers(&mut bytes, random),
        7 => overwrite(&mut bytes, random),
        8 => {
            let (from, to) = (random.place(length), random.place(length));
            let block = bytes[from..(from + 1 + random.below(512)).min(length)].to_vec();
            bytes.splice(to..to, block);
            Damage::Doubled
        }
        _ => digits(&mut bytes, random),
    };
    (bytes, damage)
}

fn flip(bytes: &mut [u8], random: &mut Random) -> Damage {
    for _ in 0..1 + random.below(16) {
        let at = random.place(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    Damage::Flips
}

fn swap(bytes: &mut [u8], random: &mut Random) -> Damage {
    let size = 1 + random.below(256);
    let (a, b) = (random.place(bytes.len()), random.place(bytes.len()));
    for i in 0..size {
        if a.max(b) + i < bytes.len() {
            bytes.swap(a + i, b + i);
        }
    }
    Damage::Swap
}

fn numbers(bytes: &mut [u8], random: &mut Random) -> Damage {
    for _ in 0..1 + random.below(3) {
        let length = bytes.len() as u64;
        let value = match random.below(10) {
            0 => 0,
            1 => 1,
            2 => u64::from(u16::MAX),
            3 => u64::from(u32::MAX),
            4 => u64::MAX,
            5 => 0x7fff_ffff,
            6 => 0x8000_0000,
            7 => length,
            8 => length + 1,
            _ => random.bits(),
        };
        let size = [2, 4, 8][random.below(3)];
        let little = random.below(2) == 0;
        let at = random.place(bytes.len());
        let (le, be) = (value.to_le_bytes(), value.to_be_bytes());
        let number = if little { &le[..size] } else { &be[8 - size..] };
        for (i, byte) in number.iter().enumerate().take_while(|(i, _)| at + i < length as usize) {
            bytes[at + i] = *byte;
        }
    }
    Damage::Number
}

fn overwrite(bytes: &mut [u8], random: &mut Random) -> Damage {
    let at = random.place(bytes.len());
    let end = (at + 1 + random.below(128)).min(bytes.len());
    let with = random.below(3);
    for byte in &mut bytes[at..end] {
        *byte = [0, 0xff, random.bits() as u8][with];
    }
    Damage::Overwritten
}

fn digits(bytes: &mut Vec<u8>, random: &mut Random) -> Damage {
    let start = random.place(bytes.len());
    let found = bytes[start..].iter().take(HEADER).position(u8::is_ascii_digit);
    if let Some(at) = found.map(|offset| start + offset) {
        let texts: [&[u8]; 8] =
            [b"0", b"-1", b"99999999999", b"1e300", b"nan", b"", b"65536", b"18446744073709551615"];
        let text = texts[random.below(texts.len())];
        bytes.splice(at..=at, text.iter().copied());
    }
    Damage::Digits
}
