//! Where the frames of a segmentation lie, and the grid they make without an image.

use std::path::Path;

use nalgebra::{Matrix3, Vector3};

use super::super::frames::Frame;
use super::super::layout::PixelLayout;
use crate::geometry::{Affine, Grid};
use crate::io::{Limits, OpenError, Warning};

/// Slices may lie this much beside their place, as a share of their distance.
const STEP_TOLERANCE: f64 = 0.02;

/// A grid of one slice for each frame.
pub(super) fn planes(
    frames: &[Frame],
    layout: &PixelLayout,
    path: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Grid>, OpenError> {
    if frames.len() > 1 && frames.iter().any(|frame| frame.plane.is_none()) {
        let what = "its frames do not say where they lie in the patient (segmentations of slides are not supported yet)";
        return Err(OpenError::unsupported(what, path));
    }
    let step = step_mm(frames);
    let plane = |frame: &Frame| {
        let [x, y] = frame.spacing_mm.unwrap_or([1.0; 2]);
        let (linear, origin) = match frame.plane {
            Some(p) => (
                Matrix3::from_columns(&[p.along_row * x, p.along_column * y, p.normal() * step]),
                p.position_mm,
            ),
            None => (Matrix3::from_diagonal(&Vector3::new(x, y, step)), Vector3::zeros()),
        };
        let affine = Affine::new(linear, origin).map_err(|e| OpenError::invalid(e.to_string(), path))?;
        Grid::new([layout.columns, layout.rows, 1], affine).map_err(|e| OpenError::grid(&e, path))
    };
    if frames.iter().any(|frame| frame.spacing_mm.is_none()) {
        warnings.push(Warning::NoSpacing);
    }
    if frames.iter().any(|frame| frame.plane.is_none()) {
        warnings.push(Warning::NoOrientation);
    }
    frames.iter().map(plane).collect()
}

/// Distances of the frames along the normal of the first, ascending, without repetition.
fn distances(frames: &[Frame]) -> Vec<f64> {
    let Some(normal) = frames.first().and_then(|f| f.plane).map(|p| p.normal()) else { return Vec::new() };
    let mut found: Vec<f64> =
        frames.iter().filter_map(|f| f.plane).map(|p| normal.dot(&p.position_mm)).collect();
    found.sort_by(f64::total_cmp);
    found.dedup_by(|a, b| (*a - *b).abs() < 1e-3);
    found
}

/// Distance of neighbouring slices: as declared where every gap is a multiple of it, else the smallest gap.
fn step_mm(frames: &[Frame]) -> f64 {
    let distances = distances(frames);
    let gaps: Vec<f64> = distances.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let declared = frames.first().and_then(|f| f.slice_spacing_mm).filter(|step| fits(&gaps, *step));
    let thickness = frames.first().and_then(|f| f.thickness_mm).unwrap_or(1.0);
    declared.unwrap_or_else(|| gaps.iter().copied().reduce(f64::min).unwrap_or(thickness))
}

fn fits(gaps: &[f64], step: f64) -> bool {
    gaps.iter().all(|gap| {
        let steps = gap / step;
        steps.round() >= 1.0 && (steps - steps.round()).abs() <= STEP_TOLERANCE
    })
}

/// The smallest grid that holds every frame.
pub(super) fn own_grid(
    planes: &[Grid],
    layout: &PixelLayout,
    limits: &Limits,
    path: &Path,
) -> Result<Grid, OpenError> {
    let first = planes.first().ok_or_else(|| OpenError::invalid("the segmentation has no frame", path))?;
    let normal = first.affine().direction(2);
    let step = first.spacing_mm()[2];
    let along = |grid: &Grid| normal.dot(&grid.affine().origin().coords);
    let mut sorted: Vec<&Grid> = planes.iter().collect();
    sorted.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    let slices = ((along(high) - along(low)) / step).round() + 1.0;
    let bytes = slices * layout.pixel_count() as f64 * 2.0;
    if bytes.is_nan() || bytes > limits.max_voxel_bytes as f64 {
        let what = format!(
            "its frames span {slices} slices, more than the limit of {} bytes",
            limits.max_voxel_bytes
        );
        return Err(OpenError::too_large(what, path));
    }
    let dims = [layout.columns, layout.rows, slices as usize];
    Grid::new(dims, *low.affine()).map_err(|e| OpenError::grid(&e, path))
}
