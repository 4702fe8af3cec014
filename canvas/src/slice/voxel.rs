//! Kinds of voxels.

/// The values of a volume, as they are kept.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// Signed, 16 bits.
    I16(&'a [i16]),
    /// Unsigned, 16 bits.
    U16(&'a [u16]),
    /// Signed, 32 bits.
    I32(&'a [i32]),
    /// Real numbers, among which some may be no numbers.
    F32(&'a [f32]),
    /// Red, green and blue.
    Rgb8(&'a [[u8; 3]]),
}

impl Values<'_> {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Rgb8(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A voxel of one value or of three.
pub(crate) trait Voxel: Copy + Sync {
    /// How many values.
    const CHANNELS: usize;

    /// One of them.
    fn channel(self, channel: usize, least: f32) -> f32;
}

macro_rules! scalar {
    ($($kind:ty),*) => {
        $(impl Voxel for $kind {
            const CHANNELS: usize = 1;

            fn channel(self, _: usize, _: f32) -> f32 {
                self as f32
            }
        })*
    };
}

scalar!(u8, i16, u16, i32);

impl Voxel for f32 {
    const CHANNELS: usize = 1;

    fn channel(self, _: usize, least: f32) -> f32 {
        if self.is_finite() { self } else { least }
    }
}

impl Voxel for [u8; 3] {
    const CHANNELS: usize = 3;

    fn channel(self, channel: usize, _: f32) -> f32 {
        f32::from(self[channel])
    }
}

/// Runs the same code for every kind of voxel.
macro_rules! for_kind {
    ($values:expr, $data:ident => $code:expr) => {
        match $values {
            Values::U8($data) => $code,
            Values::I16($data) => $code,
            Values::U16($data) => $code,
            Values::I32($data) => $code,
            Values::F32($data) => $code,
            Values::Rgb8($data) => $code,
        }
    };
}
pub(crate) use for_kind;
