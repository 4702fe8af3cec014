//! How the pixels of a file are laid out (PS3.3 C.7.6.3), checked before anything is allocated.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::dataset::DataSet;
use super::header::{Header, Packing};

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleFormat {
    /// `stored` bits below and including `high_bit`, in `allocated` bits.
    Integer {
        allocated: u16,
        stored: u16,
        high_bit: u16,
        signed: bool,
    },
    Float32,
    Float64,
}

/// What samples mean together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    Monochrome {
        inverted: bool,
    },
    Palette(Box<Palette>),
    Rgb,
    /// ITU-R BT.601 at full range; `halved` when two native pixels share their colour difference.
    Ybr {
        halved: bool,
    },
    /// A JPEG 2000 codestream that undoes its own colour transform.
    YbrByCodestream,
}

/// Colours of a palette image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Palette {
    /// Stored value of the first entry.
    pub first: i64,
    pub colors: Vec<[u8; 3]>,
}

/// Size and kind of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PixelLayout {
    pub rows: usize,
    pub columns: usize,
    pub samples: usize,
    /// Native colour: all red, then all green, then all blue.
    pub planar: bool,
    pub format: SampleFormat,
    pub photometric: Photometric,
}

impl PixelLayout {
    /// Reads and checks the layout; the error says what is wrong and with which value.
    pub fn from_header(header: &Header) -> Result<Self, String> {
        let set = &header.elements;
        let need =
            |tag: Tag, name: &str| set.u16(tag).ok_or_else(|| format!("the DICOM file has no {name} {tag}"));
        let rows = usize::from(need(tags::ROWS, "Rows")?);
        let columns = usize::from(need(tags::COLUMNS, "Columns")?);
        if rows == 0 || columns == 0 {
            return Err(format!("the image claims {columns} × {rows} pixels"));
        }
        let format = sample_format(header)?;
        let samples = usize::from(set.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1));
        let photometric = photometric(set, samples, header.syntax.packing)?;
        if samples == 3 && !matches!(format, SampleFormat::Integer { allocated: 8 | 16, .. }) {
            return Err("colour needs 8 or 16 bits a sample".to_owned());
        }
        let planar = samples > 1 && set.u16(tags::PLANAR_CONFIGURATION) == Some(1);
        Ok(Self { rows, columns, samples, planar, format, photometric })
    }

    /// Pixels of a frame.
    pub fn pixel_count(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of a sample as stored.
    pub fn sample_bytes(&self) -> usize {
        match self.format {
            SampleFormat::Integer { allocated, .. } => usize::from(allocated / 8),
            SampleFormat::Float32 => 4,
            SampleFormat::Float64 => 8,
        }
    }

    /// Bytes of a native frame.
    pub fn frame_bytes(&self) -> usize {
        match self.photometric {
            // Two pixels of a row share four samples.
            Photometric::Ybr { halved: true } => {
                self.rows * self.columns.div_ceil(2) * 4 * self.sample_bytes()
            }
            _ => self.pixel_count() * self.samples * self.sample_bytes(),
        }
    }

    /// Whether the decoded image has colours.
    pub fn is_color(&self) -> bool {
        !matches!(self.photometric, Photometric::Monochrome { .. })
    }

    /// Smallest and largest value that the stored bits can hold.
    pub fn stored_range(&self) -> (f64, f64) {
        match self.format {
            SampleFormat::Integer { stored, signed: true, .. } => {
                let half = f64::from(stored - 1).exp2();
                (-half, half - 1.0)
            }
            SampleFormat::Integer { stored, .. } => (0.0, f64::from(stored).exp2() - 1.0),
            SampleFormat::Float32 | SampleFormat::Float64 => (0.0, 0.0),
        }
    }
}

fn sample_format(header: &Header) -> Result<SampleFormat, String> {
    let set = &header.elements;
    match header.pixels.map(|p| p.tag) {
        Some(tags::FLOAT_PIXEL_DATA) => return Ok(SampleFormat::Float32),
        Some(tags::DOUBLE_FLOAT_PIXEL_DATA) => return Ok(SampleFormat::Float64),
        _ => {}
    }
    let allocated = set.u16(tags::BITS_ALLOCATED).ok_or("the DICOM file has no BitsAllocated (0028,0100)")?;
    if !matches!(allocated, 8 | 16 | 32) {
        return Err(format!("BitsAllocated is {allocated}; 8, 16 and 32 are supported"));
    }
    let stored = set.u16(tags::BITS_STORED).unwrap_or(allocated);
    let high_bit = set.u16(tags::HIGH_BIT).unwrap_or(stored.wrapping_sub(1));
    if stored == 0 || stored > allocated || high_bit >= allocated || high_bit + 1 < stored {
        return Err(format!("{stored} bits below bit {high_bit} do not fit BitsAllocated {allocated}"));
    }
    let signed = set.u16(tags::PIXEL_REPRESENTATION) == Some(1);
    Ok(SampleFormat::Integer { allocated, stored, high_bit, signed })
}

fn photometric(set: &DataSet, samples: usize, packing: Packing) -> Result<Photometric, String> {
    let name = set.text(tags::PHOTOMETRIC_INTERPRETATION);
    let name = name.as_deref().unwrap_or(if samples == 3 { "RGB" } else { "MONOCHROME2" });
    let kind = match (name, samples) {
        ("MONOCHROME1", 1) => Photometric::Monochrome { inverted: true },
        ("MONOCHROME2", 1) => Photometric::Monochrome { inverted: false },
        ("PALETTE COLOR", 1) => Photometric::Palette(Box::new(Palette::from_elements(set)?)),
        ("RGB", 3) => Photometric::Rgb,
        ("YBR_FULL", 3) => Photometric::Ybr { halved: false },
        ("YBR_FULL_422", 3) => Photometric::Ybr { halved: packing == Packing::Native },
        ("YBR_RCT" | "YBR_ICT", 3) => Photometric::YbrByCodestream,
        _ => return Err(format!("the colour model {name} with {samples} samples a pixel is not supported")),
    };
    Ok(kind)
}

impl Palette {
    fn from_elements(set: &DataSet) -> Result<Self, String> {
        let red = channel(
            set,
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        )?;
        let green = channel(
            set,
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        )?;
        let blue = channel(
            set,
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        )?;
        let count = red.len().min(green.len()).min(blue.len());
        let colors = (0..count).map(|i| [red[i], green[i], blue[i]]).collect();
        let first = set.u16s(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR).and_then(|d| d.get(1).copied());
        let signed = set.u16(tags::PIXEL_REPRESENTATION) == Some(1);
        let first = first.unwrap_or(0);
        Ok(Self { first: if signed { i64::from(first.cast_signed()) } else { i64::from(first) }, colors })
    }

    /// The colour of a stored value; values beyond either end take the colour of that end (PS3.3 C.7.6.3.1.5).
    pub fn color(&self, value: i64) -> [u8; 3] {
        let last = self.colors.len().saturating_sub(1);
        let index = usize::try_from(value.saturating_sub(self.first)).unwrap_or(0).min(last);
        self.colors.get(index).copied().unwrap_or_default()
    }
}

/// One channel as bytes; 16-bit entries keep their high byte.
fn channel(set: &DataSet, descriptor: Tag, data: Tag) -> Result<Vec<u8>, String> {
    let missing = || format!("the palette {data} is missing or segmented, which is not supported");
    let descriptor = set.u16s(descriptor).filter(|d| d.len() >= 3).ok_or_else(missing)?;
    let count = if descriptor[0] == 0 { 1 << 16 } else { usize::from(descriptor[0]) };
    let raw = set.raw(data).ok_or_else(missing)?;
    let entries: Vec<u8> = if descriptor[2] <= 8 && raw.len() < 2 * count {
        raw.to_vec()
    } else {
        let words = set.u16s(data).ok_or_else(missing)?;
        // Some writers announce 16 bits and fill only 8.
        let shift = if descriptor[2] > 8 && words.iter().any(|w| *w > 255) { 8 } else { 0 };
        words.into_iter().map(|word| (word >> shift) as u8).collect()
    };
    if entries.len() < count {
        return Err(format!("the palette {data} has {} of {count} entries", entries.len()));
    }
    Ok(entries)
}
