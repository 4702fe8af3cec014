//! What a file says about its image.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::io::raster::PixelRegion;

/// How the image was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Modality {
    /// Computed tomography, values in Hounsfield units.
    Ct,
    /// Magnetic resonance, arbitrary units.
    Mr,
    /// Positron emission tomography.
    Pet,
    /// A colour or grey photograph: fundus, histology, endoscopy.
    Photograph,
    /// Anything else, or not said.
    #[default]
    Other,
}

impl Modality {
    /// The short name shown to people, after DICOM CID 29.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Mr => "MR",
            Self::Pet => "PT",
            Self::Photograph => "XC",
            Self::Other => "OT",
        }
    }

    /// The unit of a value, where one is defined.
    pub fn unit(self) -> &'static str {
        if self == Self::Ct { "HU" } else { "" }
    }
}

/// Which file an image came from, with what is needed to write a mask beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// Made by the program.
    #[default]
    Synthetic,
    /// A NIfTI file; `header` is its raw header, in the byte order of the file.
    Nifti {
        /// The file (`.hdr` of a pair).
        path: PathBuf,
        /// The 348 (NIfTI-1) or 540 (NIfTI-2) bytes of the header.
        header: Vec<u8>,
    },
    /// A DICOM series.
    Dicom {
        /// The folder or file that was opened.
        path: PathBuf,
        /// Series Instance UID (0020,000E).
        series_uid: String,
        /// Study Instance UID (0020,000D).
        study_uid: String,
        /// Frame of Reference UID (0020,0052).
        frame_of_reference_uid: String,
        /// SOP Instance UIDs (0008,0018) in slice order; one for a multi-frame object.
        instance_uids: Vec<String>,
    },
    /// PNG, JPEG, TIFF or BMP.
    Raster {
        /// The file.
        path: PathBuf,
        /// Which part of it, if not the only page as a whole.
        #[serde(default)]
        part: Option<PicturePart>,
    },
    /// NRRD or MetaImage.
    File {
        /// The file, or the header of a detached pair.
        path: PathBuf,
    },
}

/// Which part of a file with several pages or resolutions an image is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PicturePart {
    /// The page, from 0.
    pub page: usize,
    /// The part of that page; `None`: all of it.
    #[serde(default)]
    pub region: Option<PixelRegion>,
    /// Pixels of the finest resolution along one of the page's.
    pub downsample: f64,
    /// Micrometres a pixel of the page, if the file says so.
    pub pixel_um: Option<f64>,
}

impl Default for PicturePart {
    fn default() -> Self {
        Self { page: 0, region: None, downsample: 1.0, pixel_um: None }
    }
}

impl Source {
    /// Of a slide: µm along one unit of its world, which is a pixel of the finest resolution.
    pub fn world_um(&self) -> Option<f64> {
        match self {
            Self::Raster { part: Some(part), .. } => part.pixel_um.map(|um| um / part.downsample),
            _ => None,
        }
    }

    /// The file or folder, if there is one.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Synthetic => None,
            Self::Nifti { path, .. }
            | Self::Dicom { path, .. }
            | Self::Raster { path, .. }
            | Self::File { path } => Some(path),
        }
    }
}

/// Facts about an image beside its voxels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageMeta {
    /// How the image was made.
    pub modality: Modality,
    /// A short title without patient identity: file name or series description.
    pub title: String,
    /// Where it came from.
    pub source: Source,
    /// Window centre and width that the file recommends, in the unit of the values.
    pub window: Option<(f32, f32)>,
    /// How many time points the file holds, and which one this is.
    pub time_points: usize,
    /// Index of the time point shown.
    pub time_point: usize,
    /// Whether the file's geometry is in millimetres of patient space; `false` for photographs without scale.
    pub has_physical_spacing: bool,
}
