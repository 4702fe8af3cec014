//! Whether a JPEG file is there to its end.
//!
//! Decoders fill what a cut-off file lacks with grey and say nothing. A grey fifth of a photograph must not be measured.

use std::io::{self, BufRead, Read as _};

/// Whether the stream has a scan and, after it, its end-of-image marker (ITU-T T.81, B.1.1.2 and B.2.1).
///
/// Segments are skipped by their lengths, so that the end of a thumbnail in the header is not taken for that of the
/// picture; what follows the picture's own end is not looked at.
pub(super) fn is_whole(stream: &mut impl BufRead) -> io::Result<bool> {
    let mut has_scan = false;
    loop {
        // Up to the next marker lies entropy-coded data, or rubbish between segments, which decoders pass over.
        stream.skip_until(0xff)?;
        match marker_code(stream)? {
            None => return Ok(false),
            // A stuffed byte, and markers without a segment.
            Some(0x00 | 0x01 | 0xd0..=0xd8) => {}
            Some(0xd9) => return Ok(has_scan),
            Some(code) => {
                has_scan |= code == 0xda;
                if !skip_segment(stream)? {
                    return Ok(false);
                }
            }
        }
    }
}

/// The byte after any number of `0xff`; `None` at the end of the stream.
fn marker_code(stream: &mut impl BufRead) -> io::Result<Option<u8>> {
    for byte in stream.bytes() {
        let byte = byte?;
        if byte != 0xff {
            return Ok(Some(byte));
        }
    }
    Ok(None)
}

/// Passes over a segment; `false` where the stream ends before it.
fn skip_segment(stream: &mut impl BufRead) -> io::Result<bool> {
    let mut length = Vec::new();
    stream.by_ref().take(2).read_to_end(&mut length)?;
    let Ok(length) = <[u8; 2]>::try_from(length) else { return Ok(false) };
    let rest = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
    Ok(io::copy(&mut stream.take(rest), &mut io::sink())? == rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, a header segment that holds a whole thumbnail, a scan with a stuffed byte and a restart, the end.
    fn stream() -> Vec<u8> {
        let thumbnail = [0xff, 0xd8, 0xff, 0xda, 0, 2, 7, 0xff, 0xd9];
        let scan = [0xff, 0xff, 0xda, 0, 3, 9, 1, 2, 0xff, 0x00, 3, 0xff, 0xd0, 4];
        [&[0xff, 0xd8, 0xff, 0xe1, 0, 11][..], &thumbnail, &scan, &[0xff, 0xd9]].concat()
    }

    #[test]
    fn only_the_end_of_the_picture_itself_counts() {
        let whole = stream();
        assert!(is_whole(&mut &whole[..]).unwrap());
        for length in 0..whole.len() {
            assert!(!is_whole(&mut &whole[..length]).unwrap(), "{length} of {} bytes", whole.len());
        }
        let followed = [&whole[..], b"appended by a camera", &[0xff]].concat();
        assert!(is_whole(&mut &followed[..]).unwrap());
        let without_scan = [0xff, 0xd8, 0xff, 0xd9];
        assert!(!is_whole(&mut &without_scan[..]).unwrap());
    }
}
