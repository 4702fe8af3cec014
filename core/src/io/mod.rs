//! Reading images and reading and writing label maps.
//!
//! [`open`] takes any path a person may drop on the window: a NIfTI, NRRD or MetaImage file, a
//! DICOM file or folder, a photograph.
//! Geometry comes back in LPS millimetres, and whatever is unusual comes back as [`Warning`]s.

mod coco;
pub mod dataset;
mod decode;
pub mod dicom;
mod error;
pub mod export;
mod labels;
mod limits;
pub mod meta_image;
pub mod nifti;
pub mod nrrd;
mod open;
mod original;
mod payload;
pub mod raster;
mod selection;
mod small;
mod stream;
pub mod surface;
mod warning;
mod write;

pub use dicom::LabelTarget;
pub use error::{OpenError, SaveError};
pub use export::{LabelExport, LabelFormat};
pub use labels::{CoveredLabel, LabelImage, LabelName, open_labels, open_labels_for, open_labels_within};
pub use limits::Limits;
pub use open::{
    FileKind, OnScreen, OpenObserver, OpenOptions, Opened, SeriesSummary, list_series, open, probe,
};
pub use original::spare_original;
pub use selection::Selection;
pub use small::read_small_text;
pub use warning::Warning;
pub use write::replace_file;
