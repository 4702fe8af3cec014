//! The values of an image in the narrowest type that holds them exactly.

use std::io::{self, Write};
use std::ops::Range;

/// Why voxels do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoxelsError {
    /// The number of voxels differs from the grid's.
    #[error("{found} voxels do not fill an image of {dims:?}")]
    Count {
        /// Voxels at hand.
        found: usize,
        /// Voxels along x, y, z that were expected.
        dims: [usize; 3],
    },
}

/// Values of an image, `[z, y, x]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Voxels {
    /// Bytes.
    U8(Vec<u8>),
    /// 16-bit, as most CT.
    I16(Vec<i16>),
    /// 16-bit unsigned.
    U16(Vec<u16>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Everything that is not a small integer.
    F32(Vec<f32>),
    /// Red, green, blue.
    Rgb8(Vec<[u8; 3]>),
}

/// Runs an expression with the typed vector of a [`Voxels`], colour excluded.
#[macro_export]
macro_rules! with_scalar_voxels {
    ($voxels:expr, $data:ident => $scalar:expr, rgb $rgb:ident => $color:expr) => {
        match $voxels {
            $crate::volume::Voxels::U8($data) => $scalar,
            $crate::volume::Voxels::I16($data) => $scalar,
            $crate::volume::Voxels::U16($data) => $scalar,
            $crate::volume::Voxels::I32($data) => $scalar,
            $crate::volume::Voxels::F32($data) => $scalar,
            $crate::volume::Voxels::Rgb8($rgb) => $color,
        }
    };
}

/// Luma of a colour, ITU-R BT.601.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

#[expect(clippy::unnecessary_cast, reason = "one body for every voxel type")]
impl Voxels {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        with_scalar_voxels!(self, data => data.len(), rgb data => data.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes a voxel takes.
    pub fn bytes_per_voxel(&self) -> usize {
        match self {
            Self::U8(_) => 1,
            Self::I16(_) | Self::U16(_) => 2,
            Self::I32(_) | Self::F32(_) => 4,
            Self::Rgb8(_) => 3,
        }
    }

    /// Name of the type as shown to people.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::I16(_) => "int16",
            Self::U16(_) => "uint16",
            Self::I32(_) => "int32",
            Self::F32(_) => "float32",
            Self::Rgb8(_) => "rgb8",
        }
    }

    /// Whether the values are colours.
    pub fn is_color(&self) -> bool {
        matches!(self, Self::Rgb8(_))
    }

    /// Whether any value is another colour than grey: many programs save grey pictures with three equal channels.
    pub fn has_hues(&self) -> bool {
        matches!(self, Self::Rgb8(pixels) if pixels.iter().any(|[r, g, b]| r != g || g != b))
    }

    /// A value as `f32`; colour becomes luma.
    pub fn value(&self, index: usize) -> f32 {
        with_scalar_voxels!(self, data => data[index] as f32, rgb data => luma(data[index]))
    }

    /// Appends a range of values as `f32`; colour becomes luma.
    pub fn extend_f32(&self, range: Range<usize>, out: &mut Vec<f32>) {
        with_scalar_voxels!(
            self,
            data => out.extend(data[range].iter().map(|v| *v as f32)),
            rgb data => out.extend(data[range].iter().map(|v| luma(*v)))
        );
    }

    /// The voxels at these places, in this order.
    ///
    /// # Panics
    /// At a place that is not there.
    pub fn picked(&self, indices: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::U8(data) => Self::U8(indices.map(|i| data[i]).collect()),
            Self::I16(data) => Self::I16(indices.map(|i| data[i]).collect()),
            Self::U16(data) => Self::U16(indices.map(|i| data[i]).collect()),
            Self::I32(data) => Self::I32(indices.map(|i| data[i]).collect()),
            Self::F32(data) => Self::F32(indices.map(|i| data[i]).collect()),
            Self::Rgb8(data) => Self::Rgb8(indices.map(|i| data[i]).collect()),
        }
    }

    /// Smallest and largest finite value, `None` if there is none.
    pub fn finite_min_max(&self) -> Option<(f32, f32)> {
        fn ends(values: impl Iterator<Item = f32>) -> Option<(f32, f32)> {
            values.filter(|v| v.is_finite()).fold(None, |ends, v| {
                let (low, high) = ends.unwrap_or((v, v));
                Some((low.min(v), high.max(v)))
            })
        }
        with_scalar_voxels!(
            self,
            data => ends(data.iter().map(|v| *v as f32)),
            rgb data => ends(data.iter().map(|v| luma(*v)))
        )
    }

    /// Writes the values one after the other, least significant byte first.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn write_little_endian(&self, out: &mut dyn Write) -> io::Result<()> {
        fn words<T: Copy, const N: usize>(
            out: &mut dyn Write,
            values: &[T],
            bytes: impl Fn(T) -> [u8; N],
        ) -> io::Result<()> {
            let mut buffer = Vec::new();
            for part in values.chunks(1 << 16) {
                buffer.clear();
                buffer.extend(part.iter().flat_map(|v| bytes(*v)));
                out.write_all(&buffer)?;
            }
            Ok(())
        }
        match self {
            Self::U8(data) => out.write_all(data),
            Self::I16(data) => words(out, data, i16::to_le_bytes),
            Self::U16(data) => words(out, data, u16::to_le_bytes),
            Self::I32(data) => words(out, data, i32::to_le_bytes),
            Self::F32(data) => words(out, data, f32::to_le_bytes),
            Self::Rgb8(data) => words(out, data, |v| v),
        }
    }

    /// Number of values that are NaN or infinite.
    pub fn non_finite_count(&self) -> usize {
        match self {
            Self::F32(data) => data.iter().filter(|v| !v.is_finite()).count(),
            _ => 0,
        }
    }
}
