//! Stored values spelled out as text, given back as little-endian bytes.

use std::io::{self, BufRead, Read};

use ::nifti::NiftiType;

/// No number is longer than this.
const MAX_TOKEN: usize = 400;

/// Pairs of hexadecimal digits as bytes; anything else between them is white space.
pub(super) struct HexReader<R>(R);

impl<R: BufRead> HexReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self(input)
    }

    fn digit(&mut self) -> io::Result<Option<u8>> {
        loop {
            let mut byte = [0];
            if self.0.read(&mut byte)? == 0 {
                return Ok(None);
            }
            match (byte[0] as char).to_digit(16) {
                Some(digit) => return Ok(Some(digit as u8)),
                None if byte[0].is_ascii_whitespace() => {}
                None => return Err(invalid(format!("{:?} is no hexadecimal digit", byte[0] as char))),
            }
        }
    }
}

impl<R: BufRead> Read for HexReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let (Some(high), Some(low)) = (self.digit()?, self.digit()?) else { break };
            buffer[filled] = high << 4 | low;
            filled += 1;
        }
        Ok(filled)
    }
}

/// Numbers between white space as the bytes of a stored type, little endian.
pub(super) struct NumberReader<R> {
    input: R,
    stored: NiftiType,
    pending: Vec<u8>,
    at: usize,
}

impl<R: BufRead> NumberReader<R> {
    pub(super) fn new(input: R, stored: NiftiType) -> Self {
        Self { input, stored, pending: Vec::new(), at: 0 }
    }

    fn token(&mut self) -> io::Result<Option<String>> {
        let mut token = String::new();
        loop {
            let mut byte = [0];
            let ended = self.input.read(&mut byte)? == 0;
            let is_gap = byte[0].is_ascii_whitespace() || byte[0] == b',';
            if ended || is_gap {
                if !token.is_empty() {
                    return Ok(Some(token));
                }
                if ended {
                    return Ok(None);
                }
            } else if token.len() == MAX_TOKEN {
                return Err(invalid("a number has more than 400 characters".into()));
            } else {
                token.push(byte[0] as char);
            }
        }
    }

    fn refill(&mut self) -> io::Result<bool> {
        self.pending.clear();
        self.at = 0;
        // A colour is three or four numbers.
        let parts = match self.stored {
            NiftiType::Rgb24 => 3,
            NiftiType::Rgba32 => 4,
            _ => 1,
        };
        for _ in 0..parts {
            let Some(token) = self.token()? else { return Ok(false) };
            let bytes = bytes_of(&token, self.stored)
                .ok_or_else(|| invalid(format!("\"{token}\" is no number of the stored type")))?;
            self.pending.extend(bytes);
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for NumberReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.at == self.pending.len() && !self.refill()? {
                break;
            }
            let count = (self.pending.len() - self.at).min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&self.pending[self.at..self.at + count]);
            self.at += count;
            filled += count;
        }
        Ok(filled)
    }
}

fn bytes_of(token: &str, stored: NiftiType) -> Option<Vec<u8>> {
    macro_rules! bytes {
        ($type:ty) => {
            token.parse::<$type>().ok().map(|v| v.to_le_bytes().to_vec())
        };
    }
    match stored {
        NiftiType::Int8 => bytes!(i8),
        NiftiType::Int16 => bytes!(i16),
        NiftiType::Uint16 => bytes!(u16),
        NiftiType::Int32 => bytes!(i32),
        NiftiType::Uint32 => bytes!(u32),
        NiftiType::Int64 => bytes!(i64),
        NiftiType::Uint64 => bytes!(u64),
        NiftiType::Float32 => bytes!(f32),
        NiftiType::Float64 => bytes!(f64),
        _ => bytes!(u8),
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut reader: impl Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn numbers_and_digits_become_bytes() {
        assert_eq!(all(HexReader::new(&b"00 fF\n1 2"[..])).unwrap(), [0, 255, 0x12]);
        assert!(all(HexReader::new(&b"0x12"[..])).is_err());
        assert_eq!(all(NumberReader::new(&b" -2\t258 "[..], NiftiType::Int16)).unwrap(), [254, 255, 2, 1]);
        assert_eq!(all(NumberReader::new(&b"1e1"[..], NiftiType::Float32)).unwrap(), 10f32.to_le_bytes());
        assert!(all(NumberReader::new(&b"70000"[..], NiftiType::Int16)).is_err());
        assert!(all(NumberReader::new(&[b'7'; 999][..], NiftiType::Float32)).is_err());
    }
}
