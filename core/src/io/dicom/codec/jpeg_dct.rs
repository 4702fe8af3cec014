//! DCT-based JPEG of one component with 8 or 12 bits: baseline, extended and progressive (ITU-T T.81, annexes
//! A, F and G). `jpeg-decoder` refuses 12 bits, which DICOM allows (transfer syntaxes .51, .53, .55).

use std::f32::consts::PI;

use super::jpeg_bits::{Bits, HuffmanTable};
use super::segments::Segment;

/// Zigzag order (figure A.6): position in the block of each coefficient.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Coefficients of a block, dequantised only at the end, in zigzag order.
type Block = [i32; 64];

struct Image {
    columns: usize,
    rows: usize,
    precision: u32,
    progressive: bool,
    quantisation: usize,
    blocks: Vec<Block>,
    blocks_per_row: usize,
}

#[derive(Default)]
struct Tables {
    quantisation: [Option<[i32; 64]>; 4],
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    restart_interval: usize,
}

/// One scan's parameters (B.2.3): band of coefficients and bit positions of successive approximation.
struct Scan<'a> {
    dc: Option<&'a HuffmanTable>,
    ac: Option<&'a HuffmanTable>,
    first: usize,
    last: usize,
    high: u32,
    low: u32,
}

/// Decodes an image to its unsigned samples, row by row.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<i32>, String> {
    let mut tables = Tables::default();
    let mut image: Option<Image> = None;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(Segment { marker, body, rest: after }) = Segment::next(rest)? {
        rest = after;
        match marker {
            0xC0..=0xC2 => image = Some(Image::new(body, marker == 0xC2)?),
            0xC4 => tables.read_huffman(body)?,
            0xDB => tables.read_quantisation(body)?,
            0xDD => {
                let interval = body.first_chunk().ok_or("the JPEG restart interval is damaged")?;
                tables.restart_interval = usize::from(u16::from_be_bytes(*interval));
            }
            0xDA => {
                let image = image.as_mut().ok_or("the JPEG scan stands before its frame")?;
                let data_len = scan_length(rest);
                image.scan(body, &rest[..data_len], &tables)?;
                rest = &rest[data_len..];
            }
            _ => {}
        }
    }
    let image = image.ok_or("the JPEG image has no frame")?;
    image.samples(&tables)
}

/// Bytes of entropy-coded data up to a marker other than a restart.
fn scan_length(bytes: &[u8]) -> usize {
    let is_end = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7 | 0xFF);
    bytes.windows(2).position(is_end).unwrap_or(bytes.len())
}

impl Tables {
    fn read_quantisation(&mut self, body: &[u8]) -> Result<(), String> {
        let mut rest = body;
        while let Some((&head, tail)) = rest.split_first() {
            let wide = head >> 4 == 1;
            let length = if wide { 128 } else { 64 };
            let entries = tail.get(..length).ok_or("a JPEG quantisation table is cut off")?;
            let entry = |i: usize| {
                if wide {
                    i32::from(u16::from_be_bytes([entries[2 * i], entries[2 * i + 1]]))
                } else {
                    i32::from(entries[i])
                }
            };
            self.quantisation[usize::from(head & 3)] = Some(std::array::from_fn(entry));
            rest = &tail[length..];
        }
        Ok(())
    }

    fn read_huffman(&mut self, body: &[u8]) -> Result<(), String> {
        let mut rest = body;
        while let Some((&head, tail)) = rest.split_first() {
            let cut = || "a JPEG Huffman table is cut off".to_owned();
            let counts: [u8; 16] = *tail.first_chunk().ok_or_else(cut)?;
            let total: usize = counts.iter().map(|c| usize::from(*c)).sum();
            let values = tail.get(16..16 + total).ok_or_else(cut)?;
            let table = HuffmanTable::new(counts, values)?;
            let class = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            class[usize::from(head & 3)] = Some(table);
            rest = &tail[16 + total..];
        }
        Ok(())
    }
}

impl Image {
    fn new(body: &[u8], progressive: bool) -> Result<Self, String> {
        let &[precision, y1, y0, x1, x0, 1, _, _, quantisation, ..] = body else {
            return Err("the JPEG frame is not of one component".to_owned());
        };
        let rows = usize::from(u16::from_be_bytes([y1, y0]));
        let columns = usize::from(u16::from_be_bytes([x1, x0]));
        if rows == 0 || columns == 0 || !matches!(precision, 8 | 12) {
            return Err(format!("the JPEG frame claims {columns} × {rows} pixels of {precision} bits"));
        }
        let blocks_per_row = columns.div_ceil(8);
        let blocks = vec![[0; 64]; blocks_per_row * rows.div_ceil(8)];
        let quantisation = usize::from(quantisation & 3);
        Ok(Self {
            columns,
            rows,
            precision: u32::from(precision),
            progressive,
            quantisation,
            blocks,
            blocks_per_row,
        })
    }

    fn scan(&mut self, body: &[u8], data: &[u8], tables: &Tables) -> Result<(), String> {
        let &[1, _, selectors, first, last, approximation] = body else {
            return Err("the JPEG scan is not of one component".to_owned());
        };
        let mut scan = Scan {
            dc: tables.dc[usize::from(selectors >> 4 & 3)].as_ref(),
            ac: tables.ac[usize::from(selectors & 3)].as_ref(),
            first: usize::from(first),
            last: usize::from(last),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
        };
        if !self.progressive {
            (scan.first, scan.last, scan.high, scan.low) = (0, 63, 0, 0);
        }
        if scan.first > scan.last || scan.last > 63 || scan.low > 13 {
            return Err(format!("the JPEG scan has an impossible band {first} to {last}"));
        }
        let interval = if tables.restart_interval == 0 { self.blocks.len() } else { tables.restart_interval };
        let mut intervals = restart_intervals(data);
        for blocks in self.blocks.chunks_mut(interval) {
            let mut bits = Bits::new(intervals.next().unwrap_or_default());
            let (mut prediction, mut end_of_band) = (0, 0);
            for block in blocks {
                if self.progressive {
                    scan.progressive_block(block, &mut bits, &mut prediction, &mut end_of_band)?;
                } else {
                    scan.sequential_block(block, &mut bits, &mut prediction)?;
                }
            }
        }
        Ok(())
    }

    fn samples(&self, tables: &Tables) -> Result<Vec<i32>, String> {
        let steps = tables.quantisation[self.quantisation]
            .as_ref()
            .ok_or("the JPEG quantisation table is missing")?;
        let cosines = cosines();
        let (middle, max) = (1 << (self.precision - 1), (1 << self.precision) - 1);
        let mut samples = vec![0; self.columns * self.rows];
        for (number, block) in self.blocks.iter().enumerate() {
            let (left, top) = (number % self.blocks_per_row * 8, number / self.blocks_per_row * 8);
            let values = inverse_dct(block, steps, &cosines);
            for (y, line) in values.chunks_exact(8).enumerate().take(self.rows - top) {
                let start = (top + y) * self.columns + left;
                for (sample, value) in samples[start..].iter_mut().zip(line).take(self.columns - left) {
                    *sample = (value.round() as i32 + middle).clamp(0, max);
                }
            }
        }
        Ok(samples)
    }
}

/// Data between restart markers.
fn restart_intervals(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let bytes = rest?;
        match bytes.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xD0..=0xD7)) {
            Some(at) => {
                rest = Some(&bytes[at + 2..]);
                Some(&bytes[..at])
            }
            None => rest.take(),
        }
    })
}

impl Scan<'_> {
    fn dc_table(&self) -> Result<&HuffmanTable, String> {
        self.dc.ok_or_else(|| "the JPEG scan uses a DC table that is missing".to_owned())
    }

    fn ac_table(&self) -> Result<&HuffmanTable, String> {
        self.ac.ok_or_else(|| "the JPEG scan uses an AC table that is missing".to_owned())
    }

    fn dc_difference(&self, bits: &mut Bits) -> Result<i32, String> {
        let size = u32::from(self.dc_table()?.decode(bits)?);
        if size > 16 {
            return Err("a JPEG difference is too large".to_owned());
        }
        bits.magnitude(size)
    }

    /// F.2.2.
    fn sequential_block(
        &self,
        block: &mut Block,
        bits: &mut Bits,
        prediction: &mut i32,
    ) -> Result<(), String> {
        *prediction = prediction.wrapping_add(self.dc_difference(bits)?);
        block[0] = *prediction;
        let table = self.ac_table()?;
        let mut k = 1;
        while k < 64 {
            let symbol = table.decode(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += run;
                    let value = bits.magnitude(size)?;
                    *block.get_mut(k).ok_or("a JPEG block has more than 64 coefficients")? = value;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// G.1.2 and G.2.
    fn progressive_block(
        &self,
        block: &mut Block,
        bits: &mut Bits,
        prediction: &mut i32,
        end_of_band: &mut u32,
    ) -> Result<(), String> {
        match (self.first, self.high) {
            (0, 0) => {
                *prediction = prediction.wrapping_add(self.dc_difference(bits)?);
                block[0] = prediction.wrapping_shl(self.low);
                Ok(())
            }
            (0, _) => {
                block[0] |= bits.bit()?.cast_signed() << self.low;
                Ok(())
            }
            (_, 0) => self.first_pass(block, bits, end_of_band),
            _ => self.refinement(block, bits, end_of_band),
        }
    }

    /// First bits of a band (G.1.2.2).
    fn first_pass(&self, block: &mut Block, bits: &mut Bits, end_of_band: &mut u32) -> Result<(), String> {
        if *end_of_band > 0 {
            *end_of_band -= 1;
            return Ok(());
        }
        let table = self.ac_table()?;
        let mut k = self.first;
        while k <= self.last {
            let symbol = table.decode(bits)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => {
                    *end_of_band = (1 << run) - 1 + bits.bits(run)?.cast_unsigned();
                    break;
                }
                _ => {
                    k += run as usize;
                    let value = bits.magnitude(size)? << self.low;
                    *block.get_mut(k).ok_or("a JPEG block has more than 64 coefficients")? = value;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of a band (G.1.2.3): coefficients that are not zero get a correction bit each, and new ones
    /// of magnitude one appear.
    fn refinement(&self, block: &mut Block, bits: &mut Bits, end_of_band: &mut u32) -> Result<(), String> {
        let unit = 1 << self.low;
        let mut k = self.first;
        if *end_of_band == 0 {
            let table = self.ac_table()?;
            while k <= self.last {
                let symbol = table.decode(bits)?;
                let (run, size) = (u32::from(symbol >> 4), symbol & 15);
                let mut new = 0;
                if size == 0 && run < 15 {
                    *end_of_band = (1 << run) + bits.bits(run)?.cast_unsigned();
                    break;
                } else if size != 0 {
                    new = if bits.bit()? == 1 { unit } else { -unit };
                }
                k = self.refine(block, bits, k, Some(run))?;
                if new != 0 && k <= self.last {
                    block[k] = new;
                }
                k += 1;
            }
        }
        if *end_of_band > 0 {
            self.refine(block, bits, k, None)?;
            *end_of_band -= 1;
        }
        Ok(())
    }

    /// Corrects coefficients from `k` until `zeros` zeros have been passed; gives the place of the next zero.
    fn refine(
        &self,
        block: &mut Block,
        bits: &mut Bits,
        mut k: usize,
        zeros: Option<u32>,
    ) -> Result<usize, String> {
        let unit = 1 << self.low;
        let mut left = zeros;
        while k <= self.last {
            let value = &mut block[k];
            if *value != 0 {
                if bits.bit()? == 1 && *value & unit == 0 {
                    *value += if *value > 0 { unit } else { -unit };
                }
            } else if let Some(count) = &mut left {
                if *count == 0 {
                    break;
                }
                *count -= 1;
            }
            k += 1;
        }
        Ok(k)
    }
}

/// `c(u) / 2 · cos((2x + 1) u π / 16)` as `[x][u]` (A.3.3).
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { 0.5f32.sqrt() } else { 1.0 };
            0.5 * scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos()
        })
    })
}

fn inverse_dct(block: &Block, steps: &[i32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut frequencies = [0.0f32; 64];
    for (k, position) in ZIGZAG.iter().enumerate() {
        frequencies[*position] = block[k] as f32 * steps[k] as f32;
    }
    let mut rows = [0.0f32; 64];
    for v in 0..8 {
        for x in 0..8 {
            rows[v * 8 + x] = (0..8).map(|u| cosines[x][u] * frequencies[v * 8 + u]).sum();
        }
    }
    std::array::from_fn(|at| {
        let (y, x) = (at / 8, at % 8);
        (0..8).map(|v| cosines[y][v] * rows[v * 8 + x]).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both decoders see the same 8-bit image; `jpeg-decoder` rounds in integers.
    fn check(bytes: &[u8]) {
        let ours = decode(bytes).unwrap();
        let theirs = jpeg_decoder::Decoder::new(bytes).decode().unwrap();
        assert_eq!(ours.len(), theirs.len());
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - i32::from(*b)).abs()).max();
        assert!(worst <= Some(2), "{worst:?}");
        assert!(theirs.iter().any(|v| *v > 200) && theirs.iter().any(|v| *v < 50));
    }

    #[test]
    fn sequential_and_progressive_scans_agree_with_another_decoder() {
        check(include_bytes!("fixtures/progressive.jpg"));
        check(include_bytes!("fixtures/restart.jpg"));
        check(include_bytes!("fixtures/progressive_restart.jpg"));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = include_bytes!("fixtures/progressive_restart.jpg");
        for at in 0..whole.len() {
            let _ = decode(&whole[..at]);
            for flip in [1, 0x80, 0xFF] {
                let mut bytes = whole.to_vec();
                bytes[at] ^= flip;
                if crate::io::dicom::codec::jpeg::tests::size(&bytes).is_some_and(|pixels| pixels < 1 << 20) {
                    let _ = decode(&bytes);
                }
            }
        }
        assert!(decode(&whole[..40]).is_err());
    }
}
