//! Whether text seems to be written into the pixels of an image.
//!
//! Writing is small marks of one value, the brightest of the image, that stand in a row: of about the same height, on one
//! line, close to each other. That finds what machines print into their pictures; handwriting, text of many greys and text
//! on photographs are not found, so that the absence of a warning proves nothing.

use crate::volume::Volume;

/// Marks in a row that make a line of text.
const MARKS_OF_A_LINE: usize = 6;
const HEIGHT_VOXELS: std::ops::RangeInclusive<usize> = 5..=48;
/// Slices that are looked at, evenly through the volume.
const SLICES: usize = 5;
/// Images with more marks than this are speckled, not written on.
const MAX_MARKS: usize = 4000;

/// A mark: first and last column and row.
#[derive(Clone, Copy, Debug)]
struct Mark {
    x: [usize; 2],
    y: [usize; 2],
}

impl Mark {
    fn height(&self) -> usize {
        self.y[1] - self.y[0] + 1
    }
}

/// The first slice (counted from 0) on which text seems to be written.
pub(super) fn text_in(volume: &Volume) -> Option<usize> {
    let [columns, rows, slices] = volume.grid().dims();
    let count = slices.min(SLICES);
    (0..count).map(|n| if count == 1 { 0 } else { n * (slices - 1) / (count - 1) }).find(|z| {
        let first = z * columns * rows;
        let mut values = Vec::new();
        volume.voxels().extend_f32(first..first + columns * rows, &mut values);
        holds_text(&values, columns)
    })
}

/// Whether a picture of rows of `columns` values holds a line of text.
fn holds_text(values: &[f32], columns: usize) -> bool {
    let brightest = values.iter().copied().fold(f32::MIN, f32::max);
    let marks = marks(values, columns, brightest);
    if marks.len() > MAX_MARKS {
        return false;
    }
    marks.iter().any(|start| line_from(start, &marks) >= MARKS_OF_A_LINE)
}

/// How many marks stand in a row to the right of one.
fn line_from(start: &Mark, marks: &[Mark]) -> usize {
    let (mut count, mut last) = (1, *start);
    loop {
        let height = last.height();
        let follows = |mark: &&Mark| {
            let gap = mark.x[0] as isize - last.x[1] as isize;
            let lower = mark.y[1].abs_diff(start.y[1]);
            gap > 0
                && gap <= 2 * height as isize
                && lower <= 1 + height / 8
                && mark.height().abs_diff(start.height()) <= 1 + start.height() / 4
        };
        match marks.iter().filter(follows).min_by_key(|mark| mark.x[0]) {
            Some(next) => (count, last) = (count + 1, *next),
            None => return count,
        }
    }
}

/// The connected pieces of a value that have the size of letters.
fn marks(values: &[f32], columns: usize, value: f32) -> Vec<Mark> {
    let rows = values.len() / columns.max(1);
    let mut seen = vec![false; values.len()];
    let mut marks = Vec::new();
    for start in 0..values.len() {
        if seen[start] || values[start] != value {
            continue;
        }
        let mut mark = Mark { x: [usize::MAX, 0], y: [usize::MAX, 0] };
        let mut open = vec![start];
        seen[start] = true;
        while let Some(at) = open.pop() {
            let (x, y) = (at % columns, at / columns);
            mark.x = [mark.x[0].min(x), mark.x[1].max(x)];
            mark.y = [mark.y[0].min(y), mark.y[1].max(y)];
            for ny in y.saturating_sub(1)..(y + 2).min(rows) {
                for nx in x.saturating_sub(1)..(x + 2).min(columns) {
                    let next = ny * columns + nx;
                    if !seen[next] && values[next] == value {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        let wide = mark.x[1] - mark.x[0] + 1;
        if HEIGHT_VOXELS.contains(&mark.height()) && wide <= 2 * mark.height() {
            marks.push(mark);
        }
    }
    marks
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Letters of five by seven, enough for a name.
    const LETTERS: [[u8; 7]; 4] = [
        [0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11],
        [0x0E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E],
        [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x1F],
        [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F],
    ];

    /// Writes `count` letters, `scale` voxels a dot, into a picture.
    pub fn write(
        values: &mut [f32],
        columns: usize,
        [left, top]: [usize; 2],
        count: usize,
        scale: usize,
        value: f32,
    ) {
        for n in 0..count {
            for y in 0..7 * scale {
                for x in 0..5 * scale {
                    if LETTERS[n % 4][y / scale] >> (4 - x / scale) & 1 == 1 {
                        values[(top + y) * columns + left + n * 6 * scale + x] = value;
                    }
                }
            }
        }
    }

    fn tissue() -> Vec<f32> {
        // Smooth, with a few bright bodies that are no letters.
        (0..256 * 256)
            .map(|i| {
                let (x, y) = ((i % 256) as f32, (i / 256) as f32);
                let bone = [(60.0, 80.0, 12.0), (180.0, 90.0, 9.0), (120.0, 200.0, 30.0)];
                let bright = bone.iter().any(|(cx, cy, r)| (x - cx).hypot(y - cy) < *r);
                if bright { 3000.0 } else { (x * 0.1).sin() * 100.0 + y }
            })
            .collect()
    }

    #[test]
    fn a_name_in_the_corner_is_found_at_any_usual_size() {
        for scale in 1..=4 {
            let mut values = tissue();
            write(&mut values, 256, [10, 12], 8, scale, 4095.0);
            assert!(holds_text(&values, 256), "{scale}");
        }
    }

    #[test]
    fn tissue_bone_and_noise_are_no_text() {
        assert!(!holds_text(&tissue(), 256));
        let noise: Vec<f32> = (0..256 * 256_u64)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 % 256.0)
            .collect();
        assert!(!holds_text(&noise, 256));
        assert!(!holds_text(&[0.0; 64 * 64], 64));
        let mut short = tissue();
        write(&mut short, 256, [10, 12], 2, 2, 4095.0);
        assert!(!holds_text(&short, 256), "a mark of the side is no name");
    }
}
