//! Voxels of growing range: starts narrow and widens when a slice needs it, so that the result is the
//! narrowest type that holds every value exactly.

use super::resample::{Mix, to_grid};
use super::stack::Slice;
use crate::volume::Voxels;

/// Real values of one slice.
#[derive(Debug, PartialEq)]
pub(super) enum SliceValues {
    Integer(Vec<i32>),
    Real(Vec<f32>),
    Color(Vec<[u8; 3]>),
}

/// Room for all slices of a stack.
pub(super) struct VoxelBuffer {
    voxels: Voxels,
    slice_len: usize,
    /// Range of the integers so far.
    range: (i32, i32),
    /// Whether pixels of 8 bits may stay bytes.
    bytes_allowed: bool,
}

impl VoxelBuffer {
    /// Empty slices; `bytes_allowed` for images of 8 bits.
    pub fn new(slices: usize, slice_len: usize, bytes_allowed: bool, first: &SliceValues) -> Self {
        let len = slices * slice_len;
        let voxels = match first {
            SliceValues::Color(_) => Voxels::Rgb8(vec![[0; 3]; len]),
            SliceValues::Real(_) => Voxels::F32(vec![0.0; len]),
            SliceValues::Integer(_) if bytes_allowed => Voxels::U8(vec![0; len]),
            SliceValues::Integer(_) => Voxels::I16(vec![0; len]),
        };
        Self { voxels, slice_len, range: (0, 0), bytes_allowed }
    }

    /// Puts a slice into place. Colour and grey do not mix; a slice of the other kind stays empty.
    #[expect(clippy::cast_possible_truncation, reason = "the type has been widened to hold every value")]
    pub fn put(&mut self, slice: usize, values: &SliceValues) {
        self.widen_for(values);
        let place = slice * self.slice_len..(slice + 1) * self.slice_len;
        match (&mut self.voxels, values) {
            (Voxels::U8(data), SliceValues::Integer(v)) => copy(&mut data[place], v, |v| v as u8),
            (Voxels::I16(data), SliceValues::Integer(v)) => copy(&mut data[place], v, |v| v as i16),
            (Voxels::U16(data), SliceValues::Integer(v)) => copy(&mut data[place], v, |v| v as u16),
            (Voxels::I32(data), SliceValues::Integer(v)) => copy(&mut data[place], v, |v| v),
            (Voxels::F32(data), SliceValues::Integer(v)) => copy(&mut data[place], v, |v| v as f32),
            (Voxels::F32(data), SliceValues::Real(v)) => copy(&mut data[place], v, |v| v),
            (Voxels::Rgb8(data), SliceValues::Color(v)) => copy(&mut data[place], v, |v| v),
            _ => {}
        }
    }

    fn widen_for(&mut self, values: &SliceValues) {
        match values {
            SliceValues::Color(_) => {}
            SliceValues::Real(_) => self.convert(Kind::F32),
            SliceValues::Integer(values) => {
                for value in values {
                    self.range = (self.range.0.min(*value), self.range.1.max(*value));
                }
                let (low, high) = self.range;
                let kind = if self.bytes_allowed && low >= 0 && high <= 0xFF {
                    Kind::U8
                } else if low >= i32::from(i16::MIN) && high <= i32::from(i16::MAX) {
                    Kind::I16
                } else if low >= 0 && high <= 0xFFFF {
                    Kind::U16
                } else {
                    Kind::I32
                };
                self.convert(kind);
            }
        }
    }

    /// Converts to a wider kind; never to a narrower one.
    #[expect(clippy::cast_possible_truncation, reason = "the range has been looked at")]
    fn convert(&mut self, kind: Kind) {
        let integers: Vec<i32> = match (&self.voxels, kind) {
            (Voxels::U8(_), Kind::U8)
            | (Voxels::I16(_), Kind::U8 | Kind::I16)
            | (Voxels::U16(_), Kind::U8 | Kind::I16 | Kind::U16)
            | (Voxels::I32(_), Kind::U8 | Kind::I16 | Kind::U16 | Kind::I32)
            | (Voxels::F32(_) | Voxels::Rgb8(_), _) => return,
            (Voxels::U8(data), _) => data.iter().map(|v| i32::from(*v)).collect(),
            (Voxels::I16(data), _) => data.iter().map(|v| i32::from(*v)).collect(),
            (Voxels::U16(data), _) => data.iter().map(|v| i32::from(*v)).collect(),
            (Voxels::I32(data), _) => data.clone(),
        };
        self.voxels = match kind {
            Kind::U8 => Voxels::U8(integers.into_iter().map(|v| v as u8).collect()),
            Kind::I16 => Voxels::I16(integers.into_iter().map(|v| v as i16).collect()),
            Kind::U16 => Voxels::U16(integers.into_iter().map(|v| v as u16).collect()),
            Kind::I32 => Voxels::I32(integers),
            Kind::F32 => Voxels::F32(integers.into_iter().map(|v| v as f32).collect()),
        };
    }

    /// Fills slices that could not be read with the darkest value of the others.
    pub fn blank(&mut self, empty: &[usize]) {
        if empty.is_empty() {
            return;
        }
        let len = self.slice_len;
        match &mut self.voxels {
            Voxels::U8(data) => blank(data, len, empty),
            Voxels::I16(data) => blank(data, len, empty),
            Voxels::U16(data) => blank(data, len, empty),
            Voxels::I32(data) => blank(data, len, empty),
            Voxels::F32(data) => blank(data, len, empty),
            Voxels::Rgb8(data) => blank(data, len, empty),
        }
    }

    /// The slices as they are.
    pub fn into_voxels(self) -> Voxels {
        self.voxels
    }

    /// The slices, resampled to a grid of `dims`; `size` is that of a slice.
    pub fn into_grid(self, size: [usize; 2], slices: &[Slice], dims: [usize; 3]) -> Voxels {
        match self.voxels {
            Voxels::U8(data) => Voxels::U8(to_grid(&data, size, slices, dims)),
            Voxels::I16(data) => Voxels::I16(to_grid(&data, size, slices, dims)),
            Voxels::U16(data) => Voxels::U16(to_grid(&data, size, slices, dims)),
            Voxels::I32(data) => Voxels::I32(to_grid(&data, size, slices, dims)),
            Voxels::F32(data) => Voxels::F32(to_grid(&data, size, slices, dims)),
            Voxels::Rgb8(data) => Voxels::Rgb8(to_grid(&data, size, slices, dims)),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    U8,
    I16,
    U16,
    I32,
    F32,
}

fn copy<A: Copy, B>(target: &mut [B], values: &[A], convert: impl Fn(A) -> B) {
    target.iter_mut().zip(values).for_each(|(target, value)| *target = convert(*value));
}

fn blank<T: Mix>(data: &mut [T], len: usize, empty: &[usize]) {
    let slices = data.chunks_exact(len).enumerate().filter(|(index, _)| !empty.contains(index));
    let darkest =
        slices.flat_map(|(_, slice)| slice.iter().copied()).reduce(|a, b| if b.darker(a) { b } else { a });
    if let Some(darkest) = darkest {
        empty.iter().for_each(|index| data[index * len..(index + 1) * len].fill(darkest));
    }
}
