//! Where the fields of a header lie in NIfTI-1 and NIfTI-2, for reading the second version and for writing both.
//!
//! Offsets from `nifti1.h` and `nifti2.h` of the NIfTI Data Format Working Group.

/// The two versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 348 bytes, sizes up to 32,767, geometry in `f32`.
    One,
    /// 540 bytes, 64-bit sizes and geometry.
    Two,
}

impl Version {
    /// Bytes of the header proper.
    pub(super) fn header_len(self) -> usize {
        match self {
            Self::One => 348,
            Self::Two => 540,
        }
    }

    /// Where the voxels of a single file without extensions start: the header and four bytes of extender.
    pub(super) fn first_voxel(self) -> u64 {
        self.header_len() as u64 + 4
    }
}

/// The type of a number in a header.
#[derive(Clone, Copy, Debug)]
enum Kind {
    U8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Kind {
    fn len(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

/// A number, or an array of numbers, in both versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    one: (usize, Kind),
    two: (usize, Kind),
}

const fn field(one: (usize, Kind), two: (usize, Kind)) -> Field {
    Field { one, two }
}

pub(super) const SIZEOF_HDR: Field = field((0, Kind::I32), (0, Kind::I32));
pub(super) const DIM: Field = field((40, Kind::I16), (16, Kind::I64));
pub(super) const INTENT_P: Field = field((56, Kind::F32), (80, Kind::F64));
pub(super) const INTENT_CODE: Field = field((68, Kind::I16), (504, Kind::I32));
pub(super) const DATATYPE: Field = field((70, Kind::I16), (12, Kind::I16));
pub(super) const BITPIX: Field = field((72, Kind::I16), (14, Kind::I16));
pub(super) const SLICE_START: Field = field((74, Kind::I16), (224, Kind::I64));
pub(super) const PIXDIM: Field = field((76, Kind::F32), (104, Kind::F64));
pub(super) const VOX_OFFSET: Field = field((108, Kind::F32), (168, Kind::I64));
pub(super) const SCL_SLOPE: Field = field((112, Kind::F32), (176, Kind::F64));
pub(super) const SCL_INTER: Field = field((116, Kind::F32), (184, Kind::F64));
pub(super) const SLICE_END: Field = field((120, Kind::I16), (232, Kind::I64));
pub(super) const SLICE_CODE: Field = field((122, Kind::U8), (496, Kind::I32));
pub(super) const XYZT_UNITS: Field = field((123, Kind::U8), (500, Kind::I32));
pub(super) const CAL_MAX: Field = field((124, Kind::F32), (192, Kind::F64));
pub(super) const CAL_MIN: Field = field((128, Kind::F32), (200, Kind::F64));
pub(super) const SLICE_DURATION: Field = field((132, Kind::F32), (208, Kind::F64));
pub(super) const TOFFSET: Field = field((136, Kind::F32), (216, Kind::F64));
pub(super) const QFORM_CODE: Field = field((252, Kind::I16), (344, Kind::I32));
pub(super) const SFORM_CODE: Field = field((254, Kind::I16), (348, Kind::I32));
pub(super) const QUATERN: Field = field((256, Kind::F32), (352, Kind::F64));
pub(super) const QOFFSET: Field = field((268, Kind::F32), (376, Kind::F64));
pub(super) const SROW: Field = field((280, Kind::F32), (400, Kind::F64));

/// Where a text lies in both versions, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    one: usize,
    two: usize,
    len: usize,
}

pub(super) const DESCRIP: Text = Text { one: 148, two: 240, len: 80 };
pub(super) const INTENT_NAME: Text = Text { one: 328, two: 508, len: 16 };

/// The bytes of a header with the means to read and change single fields, whatever version and byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderBytes {
    bytes: Vec<u8>,
    version: Version,
    big_endian: bool,
}

impl HeaderBytes {
    /// A header of zeros with its size and magic set, for one file that holds header and voxels.
    pub(super) fn blank(version: Version) -> Self {
        let mut header = Self { bytes: vec![0; version.header_len()], version, big_endian: false };
        header.set_int(SIZEOF_HDR, 0, version.header_len() as i64);
        header.set_single_file();
        header
    }

    /// Recognises a header by its size field and magic. `None` for anything else, ANALYZE included.
    pub(super) fn detect(start: &[u8]) -> Option<Self> {
        let size: [u8; 4] = start.get(..4)?.try_into().ok()?;
        let (little, big) = (i32::from_le_bytes(size), i32::from_be_bytes(size));
        for (version, magic, single, pair) in [
            (Version::One, 344..348, &b"n+1\0"[..], &b"ni1\0"[..]),
            (Version::Two, 4..12, &b"n+2\0\r\n\x1a\n"[..], &b"ni2\0\r\n\x1a\n"[..]),
        ] {
            let len = version.header_len();
            let right_size = little == len as i32 || big == len as i32;
            let right_magic = start.get(magic).is_some_and(|m| m == single || m == pair);
            if right_size && right_magic {
                let bytes = start.get(..len)?.to_vec();
                return Some(Self { bytes, version, big_endian: big == len as i32 });
            }
        }
        None
    }

    /// The raw bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which version.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Whether numbers, the voxels included, have their most significant byte first.
    pub(super) fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// Whether the voxels follow in the same file (`n+1`, `n+2`) rather than in an `.img` (`ni1`, `ni2`).
    pub(super) fn is_single_file(&self) -> bool {
        self.bytes[self.magic_at() + 1] == b'+'
    }

    /// Marks the header as belonging to one file that holds header and voxels.
    pub(super) fn set_single_file(&mut self) {
        let (at, magic) = match self.version {
            Version::One => (344, &b"n+1\0"[..]),
            Version::Two => (4, &b"n+2\0\r\n\x1a\n"[..]),
        };
        self.bytes[at..at + magic.len()].copy_from_slice(magic);
    }

    fn magic_at(&self) -> usize {
        if self.version == Version::One { 344 } else { 4 }
    }

    fn place(&self, field: Field, index: usize) -> (usize, Kind) {
        let (start, kind) = if self.version == Version::One { field.one } else { field.two };
        (start + index * kind.len(), kind)
    }

    /// `N` bytes at `at`, least significant first.
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut word = [0; N];
        word.copy_from_slice(&self.bytes[at..at + N]);
        if self.big_endian {
            word.reverse();
        }
        word
    }

    fn put<const N: usize>(&mut self, at: usize, mut word: [u8; N]) {
        if self.big_endian {
            word.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&word);
    }

    /// Element `index` of a field, as an integer; a float is cut off.
    pub(super) fn int(&self, field: Field, index: usize) -> i64 {
        let (at, kind) = self.place(field, index);
        match kind {
            Kind::U8 => i64::from(self.bytes[at]),
            Kind::I16 => i64::from(i16::from_le_bytes(self.get(at))),
            Kind::I32 => i64::from(i32::from_le_bytes(self.get(at))),
            Kind::I64 => i64::from_le_bytes(self.get(at)),
            Kind::F32 | Kind::F64 => self.float(field, index) as i64,
        }
    }

    /// Element `index` of a field, as a float.
    pub(super) fn float(&self, field: Field, index: usize) -> f64 {
        let (at, kind) = self.place(field, index);
        match kind {
            Kind::F32 => f64::from(f32::from_le_bytes(self.get(at))),
            Kind::F64 => f64::from_le_bytes(self.get(at)),
            _ => self.int(field, index) as f64,
        }
    }

    /// Sets element `index` of a field; the value must fit the version's type.
    pub(super) fn set_int(&mut self, field: Field, index: usize, value: i64) {
        let (at, kind) = self.place(field, index);
        match kind {
            Kind::U8 => self.bytes[at] = value as u8,
            Kind::I16 => self.put(at, (value as i16).to_le_bytes()),
            Kind::I32 => self.put(at, (value as i32).to_le_bytes()),
            Kind::I64 => self.put(at, value.to_le_bytes()),
            Kind::F32 => self.put(at, (value as f32).to_le_bytes()),
            Kind::F64 => self.put(at, (value as f64).to_le_bytes()),
        }
    }

    /// Sets element `index` of a field, rounded to the version's type.
    pub(super) fn set_float(&mut self, field: Field, index: usize, value: f64) {
        let (at, kind) = self.place(field, index);
        match kind {
            Kind::F32 => self.put(at, (value as f32).to_le_bytes()),
            Kind::F64 => self.put(at, value.to_le_bytes()),
            _ => self.set_int(field, index, value as i64),
        }
    }

    /// A text up to its first zero byte.
    pub(super) fn text(&self, text: Text) -> String {
        let start = if self.version == Version::One { text.one } else { text.two };
        let bytes = self.bytes[start..start + text.len].split(|b| *b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).trim().to_owned()
    }

    /// Sets a text, cut to its length less one and filled with zeros.
    pub(super) fn set_text(&mut self, text: Text, value: &str) {
        let start = if self.version == Version::One { text.one } else { text.two };
        let slot = &mut self.bytes[start..start + text.len];
        slot.fill(0);
        let len = value.len().min(text.len - 1);
        slot[..len].copy_from_slice(&value.as_bytes()[..len]);
    }
}
