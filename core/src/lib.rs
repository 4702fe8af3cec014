//! The domain of Hilum: where a voxel lies in the patient, what an image holds, what a label map says, how it
//! is edited, undone, measured, read and written.
//!
//! Nothing here knows a window, a GPU or a network, and nothing starts a thread.
//!
//! # Conventions
//! Arrays are `[z, y, x]` in memory (x fastest), coordinates are `(x, y, z)`, and world coordinates are
//! LPS millimetres as in DICOM PS3.3 C.7.6.2.1.1 (x to the patient's left, y posterior, z superior).

pub mod calendar;
pub mod document;
pub mod edit;
pub mod fundus;
pub mod geometry;
pub mod history;
pub mod io;
pub mod job;
pub mod label;
pub mod measure;
pub mod paint;
pub mod patch;
pub mod phantom;
pub mod project;
pub mod prompt;
pub mod provenance;
mod random;
pub mod report;
pub mod ruler;
pub mod surface;
pub mod testing;
pub mod volume;
pub mod worklist;
