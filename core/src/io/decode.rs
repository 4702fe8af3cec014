//! Stored voxels to values, in the narrowest type that holds them exactly.

use nifti::NiftiType;

use super::Warning;
use crate::volume::Voxels;

/// Integers up to this size are exact in `f32`.
const EXACT_IN_F32: f64 = 16_777_216.0;

/// How stored numbers become values; the standard's rules for `scl_slope` and `scl_inter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scaling {
    /// The stored number is the value.
    Identity,
    /// Slope 1 and a whole intercept: integers stay integers.
    Shift(i64),
    /// value = slope · stored + inter.
    Linear { slope: f64, inter: f64 },
}

impl Scaling {
    /// A slope of zero, or one that is not a number, means that nothing is scaled.
    pub(super) fn of(slope: f64, mut inter: f64, datatype: NiftiType, warnings: &mut Vec<Warning>) -> Self {
        let is_color = matches!(datatype, NiftiType::Rgb24 | NiftiType::Rgba32);
        if slope == 0.0 || !slope.is_finite() || is_color {
            return Self::Identity;
        }
        if !inter.is_finite() {
            warnings.push(Warning::Repaired { what: format!("scl_inter is {inter}; 0 was used") });
            inter = 0.0;
        }
        if slope != 1.0 || inter.fract() != 0.0 || inter.abs() > 1e9 {
            Self::Linear { slope, inter }
        } else if inter == 0.0 {
            Self::Identity
        } else {
            Self::Shift(inter as i64)
        }
    }

    fn float(self, stored: f64) -> f64 {
        match self {
            Self::Identity => stored,
            Self::Shift(shift) => stored + shift as f64,
            Self::Linear { slope, inter } => slope * stored + inter,
        }
    }
}

/// Takes stored bytes in pieces and gives voxels.
pub(super) struct Decoder {
    datatype: NiftiType,
    big_endian: bool,
    scaling: Scaling,
    values: Values,
    rounded: usize,
    has_alpha: bool,
}

enum Values {
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    /// Integers whose range is known only at the end.
    Wide(Vec<i32>),
    F32(Vec<f32>),
    Rgb(Vec<[u8; 3]>),
}

impl Decoder {
    /// A decoder with room for `count` voxels; `None` if the memory is not there.
    pub(super) fn new(datatype: NiftiType, big_endian: bool, scaling: Scaling, count: usize) -> Option<Self> {
        let values = match (datatype, scaling) {
            (NiftiType::Rgb24 | NiftiType::Rgba32, _) => Values::Rgb(room(count)?),
            (NiftiType::Uint8, Scaling::Identity) => Values::U8(room(count)?),
            (NiftiType::Int16, Scaling::Identity) => Values::I16(room(count)?),
            (NiftiType::Uint16, Scaling::Identity) => Values::U16(room(count)?),
            (datatype, Scaling::Identity | Scaling::Shift(_)) if is_integer(datatype) => {
                Values::Wide(room(count)?)
            }
            _ => Values::F32(room(count)?),
        };
        Some(Self { datatype, big_endian, scaling, values, rounded: 0, has_alpha: false })
    }

    /// Appends whole stored voxels.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let big = self.big_endian;
        match (&mut self.values, self.datatype) {
            (Values::U8(out), _) => out.extend_from_slice(bytes),
            (Values::I16(out), _) => out.extend(words::<i16>(bytes, big)),
            (Values::U16(out), _) => out.extend(words::<u16>(bytes, big)),
            (Values::Rgb(out), NiftiType::Rgb24) => out.extend(bytes.as_chunks::<3>().0),
            (Values::Rgb(out), _) => {
                let pixels = bytes.as_chunks::<4>().0;
                self.has_alpha |= pixels.iter().any(|[_, _, _, alpha]| *alpha != 255);
                out.extend(pixels.iter().map(|[r, g, b, _]| [*r, *g, *b]));
            }
            (_, NiftiType::Uint8) => self.push_words::<u8>(bytes),
            (_, NiftiType::Int8) => self.push_words::<i8>(bytes),
            (_, NiftiType::Int16) => self.push_words::<i16>(bytes),
            (_, NiftiType::Uint16) => self.push_words::<u16>(bytes),
            (_, NiftiType::Int32) => self.push_words::<i32>(bytes),
            (_, NiftiType::Uint32) => self.push_words::<u32>(bytes),
            (_, NiftiType::Int64) => self.push_words::<i64>(bytes),
            (_, NiftiType::Uint64) => self.push_words::<u64>(bytes),
            (Values::F32(out), NiftiType::Float32) if self.scaling == Scaling::Identity => {
                out.extend(words::<f32>(bytes, big));
            }
            (_, NiftiType::Float32) => self.push_words::<f32>(bytes),
            (_, NiftiType::Complex64) => self.push_magnitudes::<f32>(bytes),
            (_, NiftiType::Complex128) => self.push_magnitudes::<f64>(bytes),
            _ => self.push_words::<f64>(bytes),
        }
    }

    fn push_words<W: Word>(&mut self, bytes: &[u8]) {
        let Self { big_endian, scaling, .. } = *self;
        let shift = if let Scaling::Shift(shift) = scaling { shift } else { 0 };
        let mut done = 0;
        if let Values::Wide(out) = &mut self.values {
            for word in words::<W>(bytes, big_endian) {
                let shifted = word.integer().and_then(|v| i32::try_from(v.checked_add(shift)?).ok());
                let Some(value) = shifted else { break };
                out.push(value);
                done += size_of::<W>();
            }
            if done == bytes.len() {
                return;
            }
            // A value beyond 32 bits: from here on the image is one of floats.
            let capacity = out.capacity();
            let mut floats = Vec::with_capacity(capacity);
            floats.extend(out.iter().map(|v| *v as f32));
            self.rounded += out.iter().filter(|v| f64::from(**v).abs() > EXACT_IN_F32).count();
            self.values = Values::F32(floats);
        }
        if let Values::F32(out) = &mut self.values {
            let is_integer = is_integer(self.datatype) && !matches!(scaling, Scaling::Linear { .. });
            let mut rounded = 0;
            out.extend(words::<W>(&bytes[done..], big_endian).map(|word| {
                let value = scaling.float(word.float());
                rounded += usize::from(is_integer && value.abs() > EXACT_IN_F32);
                value as f32
            }));
            self.rounded += rounded;
        }
    }

    fn push_magnitudes<W: Word>(&mut self, bytes: &[u8]) {
        let Values::F32(out) = &mut self.values else { return };
        let scaling = self.scaling;
        let mut parts = words::<W>(bytes, self.big_endian).map(Word::float);
        while let (Some(real), Some(imaginary)) = (parts.next(), parts.next()) {
            let slope = if let Scaling::Linear { slope, .. } = scaling { slope } else { 1.0 };
            out.push(scaling.float(real).hypot(slope * imaginary) as f32);
        }
    }

    /// The voxels, with what a person should know about the conversion.
    pub(super) fn finish(self, warnings: &mut Vec<Warning>) -> Voxels {
        let mut note = |what: String| warnings.push(Warning::Repaired { what });
        if matches!(self.datatype, NiftiType::Complex64 | NiftiType::Complex128) {
            note("the voxels are complex numbers; their magnitude is shown".into());
        }
        if self.has_alpha {
            note("the colours have transparency, which is ignored".into());
        }
        if self.rounded > 0 {
            note(format!("{} values are too large for exact display and were rounded", self.rounded));
        }
        match self.values {
            Values::U8(values) => Voxels::U8(values),
            Values::I16(values) => Voxels::I16(values),
            Values::U16(values) => Voxels::U16(values),
            Values::Wide(values) => narrowed(values),
            Values::F32(values) => Voxels::F32(values),
            Values::Rgb(values) => Voxels::Rgb8(values),
        }
    }
}

fn room<T>(count: usize) -> Option<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).ok()?;
    Some(values)
}

fn is_integer(datatype: NiftiType) -> bool {
    use NiftiType::{Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    matches!(datatype, Int8 | Int16 | Int32 | Int64 | Uint8 | Uint16 | Uint32 | Uint64)
}

fn narrowed(values: Vec<i32>) -> Voxels {
    let (min, max) =
        values.iter().fold((0, 0), |(min, max), v| (v.min(&min).to_owned(), v.max(&max).to_owned()));
    if min >= 0 && max <= i32::from(u8::MAX) {
        Voxels::U8(values.iter().map(|v| *v as u8).collect())
    } else if min >= i32::from(i16::MIN) && max <= i32::from(i16::MAX) {
        Voxels::I16(values.iter().map(|v| *v as i16).collect())
    } else if min >= 0 && max <= i32::from(u16::MAX) {
        Voxels::U16(values.iter().map(|v| *v as u16).collect())
    } else {
        Voxels::I32(values)
    }
}

/// A number as it is stored.
trait Word: Copy {
    fn read(bytes: &[u8], big_endian: bool) -> Self;
    fn float(self) -> f64;
    /// The number as an integer, if it is one that fits.
    fn integer(self) -> Option<i64>;
}

macro_rules! word {
    ($($type:ty: $integer:expr),* $(,)?) => {$(
        impl Word for $type {
            fn read(bytes: &[u8], big_endian: bool) -> Self {
                let mut word = [0; size_of::<$type>()];
                word.copy_from_slice(bytes);
                if big_endian { Self::from_be_bytes(word) } else { Self::from_le_bytes(word) }
            }
            fn float(self) -> f64 {
                self as f64
            }
            fn integer(self) -> Option<i64> {
                let convert: fn($type) -> Option<i64> = $integer;
                convert(self)
            }
        }
    )*};
}

word!(
    u8: |v| Some(v.into()),
    i8: |v| Some(v.into()),
    u16: |v| Some(v.into()),
    i16: |v| Some(v.into()),
    u32: |v| Some(v.into()),
    i32: |v| Some(v.into()),
    i64: Some,
    u64: |v| v.try_into().ok(),
    f32: |_| None,
    f64: |_| None,
);

fn words<W: Word>(bytes: &[u8], big_endian: bool) -> impl Iterator<Item = W> {
    bytes.chunks_exact(size_of::<W>()).map(move |word| W::read(word, big_endian))
}
