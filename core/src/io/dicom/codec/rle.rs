//! DICOM run-length encoding (PS3.5 annex G).

use super::{Decoded, Expected};

/// Bytes of the header: a count and fifteen offsets.
const HEADER: usize = 64;

/// Decodes segments, one per byte of a sample, most significant first.
pub(super) fn decode(bytes: &[u8], expected: Expected, sample_bytes: usize) -> Result<Decoded, String> {
    let word = |index: usize| -> Option<usize> {
        let raw = bytes.get(4 * index..4 * index + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(raw)).ok()
    };
    let wanted = expected.samples * sample_bytes;
    let count = word(0).ok_or("the run-length header is missing")?;
    if count != wanted || count > 15 {
        return Err(format!("{count} run-length segments where {wanted} are needed"));
    }
    let mut words = vec![0i32; expected.word_count()];
    for segment in 0..count {
        let start = word(segment + 1).filter(|start| *start >= HEADER);
        let end = if segment + 1 < count { word(segment + 2) } else { Some(bytes.len()) };
        let packed = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
        let packed =
            packed.ok_or_else(|| format!("run-length segment {segment} lies outside of the frame"))?;
        let (sample, byte) = (segment / sample_bytes, segment % sample_bytes);
        let shift = 8 * (sample_bytes - 1 - byte);
        let targets = words.iter_mut().skip(sample).step_by(expected.samples);
        unpack(packed, targets.map(|word| (word, shift)))?;
    }
    Ok(Decoded { words, is_rgb: false, lossy: None })
}

/// Runs of one segment into one byte of every word.
fn unpack<'a>(packed: &[u8], mut targets: impl Iterator<Item = (&'a mut i32, usize)>) -> Result<(), String> {
    let mut put = |byte: u8| match targets.next() {
        Some((word, shift)) => {
            *word |= i32::from(byte) << shift;
            true
        }
        None => false,
    };
    let mut rest = packed;
    while let Some((&control, tail)) = rest.split_first() {
        rest = match control {
            0..=127 => {
                let count = (usize::from(control) + 1).min(tail.len());
                if !tail[..count].iter().all(|byte| put(*byte)) {
                    return Ok(());
                }
                &tail[count..]
            }
            128 => tail,
            129.. => {
                let Some((&byte, tail)) = tail.split_first() else { break };
                if !(0..257 - usize::from(control)).all(|_| put(byte)) {
                    return Ok(());
                }
                tail
            }
        };
    }
    if put(0) { Err("a run-length segment ends before the last pixel".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0] = segments.len() as u8;
        for (index, segment) in segments.iter().enumerate() {
            let start = (bytes.len() as u32).to_le_bytes();
            bytes[4 * index + 4..4 * index + 8].copy_from_slice(&start);
            bytes.extend_from_slice(segment);
        }
        bytes
    }

    #[test]
    fn runs_and_literals_fill_the_bytes_of_each_word() {
        let expected = Expected { columns: 3, rows: 2, samples: 1, stored_rgb: false };
        // High bytes: six times 1. Low bytes: 9, 8, then four times 7; 128 does nothing.
        let bytes = frame(&[&[251, 1], &[1, 9, 8, 128, 253, 7]]);
        let words = decode(&bytes, expected, 2).unwrap().words;
        assert_eq!(words, [0x109, 0x108, 0x107, 0x107, 0x107, 0x107]);
    }

    #[test]
    fn short_and_misplaced_segments_are_refused() {
        let expected = Expected { columns: 3, rows: 2, samples: 1, stored_rgb: false };
        assert!(decode(&frame(&[&[252, 1]]), expected, 1).is_err());
        assert!(decode(&frame(&[&[251, 1]]), expected, 2).is_err());
        let mut bytes = frame(&[&[251, 1]]);
        bytes[4] = 0xFF;
        assert!(decode(&bytes, expected, 1).is_err());
        assert!(decode(&bytes[..10], expected, 1).is_err());
    }
}
