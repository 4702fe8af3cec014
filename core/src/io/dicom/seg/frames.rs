//! The pixels of a segmentation, frame by frame.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;

use super::super::frames::Frame;
use super::super::header::{Header, Packing, inflated};
use super::super::image_file::{ImageFile, SeriesFacts};
use super::super::layout::PixelLayout;
use super::super::pixels::{FramePixels, PixelReader};
use crate::io::OpenError;

/// An open segmentation.
pub(super) enum SegFrames {
    /// One bit a pixel, frames one after the other without a gap (PS3.5 8.1.1).
    Bits { bytes: Vec<u8>, pixels: usize, path: PathBuf },
    /// Whole bytes, packed in any way that images are.
    Image(Box<ImageFile>),
}

impl SegFrames {
    pub(super) fn open(
        header: Header,
        layout: PixelLayout,
        frames: Vec<Frame>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let Some(pixels) = header.pixels else {
            return Err(OpenError::invalid("the segmentation has no pixels; it is cut off", path));
        };
        if layout.sample_bytes() > 0 {
            return Ok(Self::Image(Box::new(ImageFile {
                path: path.to_owned(),
                syntax: header.syntax,
                pixels,
                data_set_offset: header.data_set_offset,
                file_len: header.file_len,
                facts: SeriesFacts::of(&header.elements),
                instance_uid: header.elements.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
                layout,
                frames,
                lossy: None,
                oddities: Vec::new(),
            })));
        }
        let Some(length) = pixels.length.filter(|_| header.syntax.packing == Packing::Native) else {
            return Err(OpenError::unsupported("compressed segmentations with one bit a pixel", path));
        };
        let needed = (layout.pixel_count() as u64).saturating_mul(frames.len() as u64).div_ceil(8);
        let available =
            if header.syntax.deflated { length } else { length.min(header.file_len - pixels.offset) };
        if available < needed {
            let count = frames.len();
            let what = format!(
                "{count} frames need {needed} bytes of pixels, the file has {available}; it is cut off"
            );
            return Err(OpenError::invalid(what, path));
        }
        let fail = |e| OpenError::io(e, path);
        let mut bytes = Vec::new();
        if header.syntax.deflated {
            let mut source = inflated(path, header.data_set_offset).map_err(fail)?;
            io::copy(&mut source.by_ref().take(pixels.offset), &mut io::sink()).map_err(fail)?;
            source.take(needed).read_to_end(&mut bytes).map_err(fail)?;
        } else {
            let mut file = File::open(path).map_err(fail)?;
            file.seek(SeekFrom::Start(pixels.offset)).map_err(fail)?;
            file.take(needed).read_to_end(&mut bytes).map_err(fail)?;
        }
        if (bytes.len() as u64) < needed {
            return Err(OpenError::invalid("the pixels of the segmentation are cut off", path));
        }
        if header.syntax.big_endian_pixels && pixels.words {
            bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
        Ok(Self::Bits { bytes, pixels: layout.pixel_count(), path: path.to_owned() })
    }

    /// The stored values of a frame, `[y, x]`.
    pub(super) fn frame(&mut self, index: usize) -> Result<Vec<u32>, OpenError> {
        match self {
            Self::Bits { bytes, pixels, path } => {
                let start = index * *pixels;
                let bit = |at: usize| bytes.get(at / 8).map(|byte| u32::from(byte >> (at % 8) & 1));
                let values: Option<Vec<u32>> = (start..start + *pixels).map(bit).collect();
                values.ok_or_else(|| OpenError::invalid(format!("frame {} is cut off", index + 1), path))
            }
            Self::Image(image) => match PixelReader::open(image)?.frame(index)?.pixels {
                FramePixels::Integer(values) => Ok(values.into_iter().map(i32::cast_unsigned).collect()),
                _ => Err(OpenError::unsupported("the pixels are no whole numbers", &image.path)),
            },
        }
    }
}
