//! Reading images and reading and writing label maps.
//!
//! [`open`] takes any path a person may drop on the window: a NIfTI file, a DICOM file or folder, a photograph.
//! Geometry comes back in LPS millimetres, and whatever is unusual comes back as [`Warning`]s.

pub mod dicom;
mod error;
mod limits;
pub mod nifti;
mod open;
pub mod raster;
mod warning;
mod write;

pub use error::{OpenError, SaveError};
pub use limits::Limits;
pub use open::{FileKind, OpenObserver, OpenOptions, Opened, SeriesSummary, list_series, open, probe};
pub use warning::Warning;
pub use write::replace_file;
