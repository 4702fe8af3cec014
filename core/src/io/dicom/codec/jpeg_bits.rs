//! Entropy-coded bits of JPEG: stuffing, Huffman codes and signed magnitudes (ITU-T T.81, F.2.2).

/// Bits of one restart interval; zeros follow its end.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    held: u32,
    count: u32,
    /// Zero bits handed out after the end.
    overrun: u32,
}

/// Zero bits after the end that a decoder may look at without using them.
const OVERRUN: u32 = 64;

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, held: 0, count: 0, overrun: 0 }
    }

    /// The next bit.
    pub fn bit(&mut self) -> Result<u32, String> {
        if self.count == 0 {
            self.fill()?;
        }
        self.count -= 1;
        Ok(self.held >> self.count & 1)
    }

    /// The next `count` bits (16 at most), the first one most significant.
    pub fn bits(&mut self, count: u32) -> Result<i32, String> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?.cast_signed();
        }
        Ok(value)
    }

    /// A signed magnitude of `size` bits (EXTEND, F.12).
    pub fn magnitude(&mut self, size: u32) -> Result<i32, String> {
        if size == 0 {
            return Ok(0);
        }
        let value = self.bits(size)?;
        Ok(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    fn fill(&mut self) -> Result<(), String> {
        self.held = match self.bytes.get(self.next) {
            Some(&byte) => {
                // A zero is stuffed after every FF.
                self.next += if byte == 0xFF { 2 } else { 1 };
                u32::from(byte)
            }
            None => {
                self.overrun += 8;
                if self.overrun > OVERRUN {
                    return Err("the JPEG data end before the last block".to_owned());
                }
                0
            }
        };
        self.count = 8;
        Ok(())
    }
}

/// A Huffman table (annex C), decoded length by length.
#[derive(Clone)]
pub(super) struct HuffmanTable {
    /// First code of each length, one past its last code, and the index of its first value.
    lengths: [(u32, u32, usize); 16],
    values: Vec<u8>,
}

impl HuffmanTable {
    /// From the numbers of codes of 1 to 16 bits and the values in order of code.
    pub fn new(counts: [u8; 16], values: &[u8]) -> Result<Self, String> {
        let mut lengths = [(0, 0, 0); 16];
        let (mut code, mut index) = (0u32, 0usize);
        for (bits, count) in counts.iter().enumerate() {
            let count = u32::from(*count);
            if code + count > 1 << (bits + 1) {
                return Err("a JPEG Huffman table has too many codes".to_owned());
            }
            lengths[bits] = (code, code + count, index);
            index += count as usize;
            code = (code + count) << 1;
        }
        if index != values.len() {
            return Err(format!("a JPEG Huffman table has {} of {index} values", values.len()));
        }
        Ok(Self { lengths, values: values.to_vec() })
    }

    /// The next value.
    pub fn decode(&self, bits: &mut Bits) -> Result<u8, String> {
        let mut code = 0;
        for (first, end, index) in self.lengths {
            code = code << 1 | bits.bit()?;
            if (first..end).contains(&code) {
                return Ok(self.values[index + (code - first) as usize]);
            }
        }
        Err("the JPEG data have a code that is in no table".to_owned())
    }
}
