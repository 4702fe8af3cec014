//! What a person should know about an image that could be opened all the same.

use serde::{Deserialize, Serialize};

/// Something unusual about an image; shown, never swallowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// The file has neither sform nor qform (NIfTI), or no position (DICOM).
    #[error("the file does not say where the image lies in the patient; left and right are a guess")]
    NoOrientation,
    /// A photograph or file without pixel spacing.
    #[error("the file has no pixel spacing; lengths are in pixels")]
    NoSpacing,
    /// sform and qform of a NIfTI file contradict each other.
    #[error("sform and qform differ by up to {distance_mm:.2} mm; the sform is used")]
    FormsDiffer {
        /// Largest distance of a corner between both.
        distance_mm: f64,
    },
    /// A header value was replaced by a plausible one.
    #[error("{what}")]
    Repaired {
        /// Which value was wrong and what replaced it.
        what: String,
    },
    /// Slices are missing in a series.
    #[error(
        "{count} slices are missing (largest gap {gap_mm:.2} mm at z = {position_mm:.1} mm); they are interpolated"
    )]
    MissingSlices {
        /// How many slices would fill the gaps.
        count: usize,
        /// The largest distance between neighbours.
        gap_mm: f64,
        /// Position of the largest gap along the slice normal.
        position_mm: f64,
    },
    /// Slices are not evenly spaced.
    #[error(
        "slice spacing varies from {min_mm:.3} to {max_mm:.3} mm; the volume is resampled to {used_mm:.3} mm"
    )]
    UnevenSlices {
        /// Smallest distance.
        min_mm: f64,
        /// Largest distance.
        max_mm: f64,
        /// Spacing of the volume.
        used_mm: f64,
    },
    /// Several slices at one position.
    #[error("{count} slices lie at a position that another slice holds; the first of each is used")]
    DuplicateSlices {
        /// How many were left out.
        count: usize,
    },
    /// The gantry was tilted; the volume was resampled to right angles.
    #[error("the gantry was tilted by {angle_deg:.1}°; the volume is resampled to right angles")]
    GantryTilt {
        /// Angle between slice normal and slice direction.
        angle_deg: f64,
    },
    /// Pixels were compressed with loss.
    #[error("the pixels were compressed with loss ({how}); fine detail may be artificial")]
    LossyCompression {
        /// Transfer syntax or ratio.
        how: String,
    },
    /// The image has values that are not numbers.
    #[error("{count} voxels are not numbers; they are shown as the smallest value")]
    NonFinite {
        /// How many.
        count: usize,
    },
    /// The file has more than one time point.
    #[error("the file has {count} time points; number {shown} is shown")]
    TimePoints {
        /// How many.
        count: usize,
        /// Which, from 1.
        shown: usize,
    },
    /// A file of the folder could not be used.
    #[error("{count} files were left out ({why})")]
    FilesSkipped {
        /// How many.
        count: usize,
        /// The reason of the first.
        why: String,
    },
    /// Segments of a file share voxels.
    #[error("segments overlap: in {voxels} voxels a later segment covers an earlier one ({labels:?})")]
    Overlap {
        /// How many voxels are covered.
        voxels: usize,
        /// The labels that are covered somewhere.
        labels: Vec<u16>,
    },
    /// Voxels beyond the end of the file.
    #[error("the file ends before its last slice; {missing_slices} slices are empty")]
    Truncated {
        /// Slices without data.
        missing_slices: usize,
    },
}
