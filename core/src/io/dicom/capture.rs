//! A picture of a view as a DICOM Secondary Capture object (PS3.3 A.8.1), in the study of the image that it shows.

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::author::{Original, new_uid};
use crate::io::{OpenOptions, SaveError};
use crate::volume::{Source, Voxels};

/// A picture of `[width, height]` pixels, rows from the top.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    /// Width and height.
    pub size: [u16; 2],
    /// Red, green and blue of each pixel.
    pub pixels: &'a [[u8; 3]],
    /// The image that is shown: patient and study are taken over from its files.
    pub source: &'a Source,
    /// What the picture shows, for the list of series.
    pub description: &'a str,
}

impl Capture<'_> {
    /// Writes the object, reads it back and compares the pixels.
    ///
    /// # Errors
    /// [`SaveError`] if the size does not fit the pixels, the original images are gone, the file cannot be written, or reads
    /// back differently.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        let [width, height] = self.size;
        let refuse = |what: &str| SaveError::Unsupported { what: what.to_owned(), path: path.to_owned() };
        if self.pixels.is_empty() || usize::from(width) * usize::from(height) != self.pixels.len() {
            return Err(refuse("the picture has no pixels, or not as many as its size says"));
        }
        let class = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
        let uid = new_uid("capture");
        let mut bytes = self.pixels.as_flattened().to_vec();
        // A value has an even number of bytes.
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let object = Original::of(self.source, path)?
            .object(class, &uid, "OT", self.description)
            .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
            .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY")
            // The views draw text, and what they show may hold some.
            .text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES")
            .text(tags::LATERALITY, VR::CS, "")
            .text(tags::PATIENT_ORIENTATION, VR::CS, "")
            .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
            .shorts(tags::SAMPLES_PER_PIXEL, &[3])
            .shorts(tags::PLANAR_CONFIGURATION, &[0])
            .shorts(tags::ROWS, &[height])
            .shorts(tags::COLUMNS, &[width])
            .shorts(tags::BITS_ALLOCATED, &[8])
            .shorts(tags::BITS_STORED, &[8])
            .shorts(tags::HIGH_BIT, &[7])
            .shorts(tags::PIXEL_REPRESENTATION, &[0])
            .bytes(tags::PIXEL_DATA, VR::OB, bytes);
        object.write(path, class, &uid)?;
        let back = super::open(path, &OpenOptions::default(), &());
        match back.map(|opened| opened.volume.voxels() == &Voxels::Rgb8(self.pixels.to_vec())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse("the file was read back and its pixels differ")),
            Err(error) => Err(refuse(&format!("the file was written but cannot be read back ({error})"))),
        }
    }
}
