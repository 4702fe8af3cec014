//! Structure sets of radiotherapy (PS3.3 A.19): contours in the planes of an image.
//!
//! The closed contours of a region in one slice are joined by exclusive or, so that an inner contour is a hole and a
//! keyhole contour, which runs out and back along one line, encloses what it should. A voxel is inside if its centre is.

mod fill;
mod save;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dicom_dictionary_std::tags;
use nalgebra::Point3;

use self::fill::Raster;
pub(in crate::io) use self::fill::outlines;
pub(in crate::io) use self::save::save;
use super::dataset::DataSet;
use super::header::Header;
use super::objects::{LabelTarget, check_target, decoded_text, source_of};
use crate::geometry::Grid;
use crate::io::labels::{Composition, segment_name};
use crate::io::{LabelImage, LabelName, OpenError, Warning};
use crate::label::color_of;

/// Contours may leave the plane of their slice by this much, in voxels.
const PLANE_TOLERANCE: f64 = 0.3;

/// No contour is so many voxels away.
const FARTHEST_VOXEL: f64 = 1e9;

/// The series that a structure set was drawn on.
pub(super) fn referenced_series(set: &DataSet) -> Vec<String> {
    let frames = set.items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE).iter();
    frames
        .flat_map(|frame| frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE))
        .flat_map(|study| study.items(tags::RT_REFERENCED_SERIES_SEQUENCE))
        .filter_map(|series| series.text(tags::SERIES_INSTANCE_UID))
        .collect()
}

/// Opens a structure set on the grid of its image.
pub(super) fn open(header: &Header, path: &Path, target: LabelTarget) -> Result<LabelImage, OpenError> {
    let set = &header.elements;
    let reference = set
        .items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE)
        .iter()
        .find_map(|frame| frame.text(tags::FRAME_OF_REFERENCE_UID))
        .or_else(|| set.text(tags::FRAME_OF_REFERENCE_UID));
    let mut warnings = Vec::new();
    warnings.extend(check_target(reference.as_deref(), &referenced_series(set), Some(target), path)?);
    let names = names_of(set);
    let no_memory = || OpenError::too_large("there is no memory for the labels", path);
    let mut composition = Composition::new(target.grid).ok_or_else(no_memory)?;
    let mut notes = Notes::default();
    for roi in set.items(tags::ROI_CONTOUR_SEQUENCE) {
        let number = roi.decimal(tags::REFERENCED_ROI_NUMBER).unwrap_or(-1.0);
        let Some((_, name)) = names.iter().find(|(n, _)| *n == number) else { continue };
        let slices = slices_of(roi, target.grid, &mut notes)
            .map_err(|what| OpenError::invalid(format!("region \"{}\": {what}", name.name), path))?;
        for ((axis, slice), contours) in slices {
            let mut raster = Raster::new(target.grid, axis, slice);
            for contour in &contours {
                raster.toggle(contour).map_err(|what| OpenError::too_large(what, path))?;
            }
            raster.for_each_inside(|index| composition.set(index, name.value));
        }
    }
    notes.warn(&mut warnings);
    let (labels, covered) = composition.finish(&mut warnings);
    let names = names.into_iter().map(|(_, name)| name).collect();
    Ok(LabelImage { labels, grid: *target.grid, names, source: source_of(set, path), warnings, covered })
}

/// What was left out.
#[derive(Default)]
struct Notes {
    other_kinds: BTreeSet<String>,
    outside: usize,
}

impl Notes {
    fn warn(self, warnings: &mut Vec<Warning>) {
        if !self.other_kinds.is_empty() {
            let kinds: Vec<String> = self.other_kinds.into_iter().collect();
            let what = format!("contours of the kind {} enclose nothing and were left out", kinds.join(", "));
            warnings.push(Warning::Repaired { what });
        }
        if self.outside > 0 {
            let what =
                format!("{} contours lie outside the slices of the image and were left out", self.outside);
            warnings.push(Warning::Repaired { what });
        }
    }
}

/// Regions by their number, with label, name and colour. A number that is no label gets the next free one.
fn names_of(set: &DataSet) -> Vec<(f64, LabelName)> {
    let mut used = BTreeSet::new();
    let mut names = Vec::new();
    for item in set.items(tags::STRUCTURE_SET_ROI_SEQUENCE) {
        let Some(number) = item.decimal(tags::ROI_NUMBER) else { continue };
        let is_label = number.fract() == 0.0 && (1.0..=65_535.0).contains(&number);
        let own = is_label.then_some(number as u16).filter(|n| !used.contains(n));
        let Some(value) = own.or_else(|| (1..=u16::MAX).find(|n| !used.contains(n))) else { break };
        used.insert(value);
        let text = decoded_text(item, set, tags::ROI_NAME).unwrap_or_default();
        let color = set
            .items(tags::ROI_CONTOUR_SEQUENCE)
            .iter()
            .find(|roi| roi.decimal(tags::REFERENCED_ROI_NUMBER) == Some(number))
            .and_then(|roi| roi.decimal_array::<3>(tags::ROI_DISPLAY_COLOR))
            .map_or(color_of(value), |rgb| rgb.map(|v| v.clamp(0.0, 255.0) as u8));
        names.push((number, LabelName { value, name: segment_name(&text, value), color }));
    }
    names
}

/// The axis a contour is perpendicular to and its slice, with its points along the other two axes.
type Slices = BTreeMap<(usize, usize), Vec<Vec<[f64; 2]>>>;

fn slices_of(roi: &DataSet, grid: &Grid, notes: &mut Notes) -> Result<Slices, String> {
    let mut slices = Slices::new();
    for contour in roi.items(tags::CONTOUR_SEQUENCE) {
        let kind = contour.text(tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
        if !matches!(kind.as_str(), "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR") {
            notes.other_kinds.insert(kind.chars().take(20).collect());
            continue;
        }
        let Some(numbers) = contour.decimals(tags::CONTOUR_DATA).filter(|n| n.len() % 3 == 0) else {
            return Err("a contour has coordinates that are no numbers, or not three a point".to_owned());
        };
        let points: Vec<Point3<f64>> = numbers
            .chunks_exact(3)
            .map(|p| grid.affine().voxel_from_world(Point3::new(p[0], p[1], p[2])))
            .collect();
        if points.iter().any(|p| !p.iter().all(|v| v.abs() < FARTHEST_VOXEL)) {
            return Err("a contour lies beyond any patient".to_owned());
        }
        if points.len() < 3 {
            notes.other_kinds.insert("fewer than three points".to_owned());
            continue;
        }
        let (axis, slice) = plane_of(&points)?;
        if slice < -0.5 || slice.round() >= grid.dims()[axis] as f64 {
            notes.outside += 1;
            continue;
        }
        let (u, v) = others(axis);
        let flat: Vec<[f64; 2]> = points.iter().map(|p| [p[u], p[v]]).collect();
        let contours = slices.entry((axis, slice.round().max(0.0) as usize)).or_default();
        // The same contour twice would cancel itself.
        if !contours.contains(&flat) {
            contours.push(flat);
        }
    }
    Ok(slices)
}

/// The two axes beside one, in order.
fn others(axis: usize) -> (usize, usize) {
    match axis {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    }
}

/// The voxel axis along which all points are alike, and where on it they lie.
fn plane_of(points: &[Point3<f64>]) -> Result<(usize, f64), String> {
    let ends = |axis: usize| {
        let values = points.iter().map(|p| p[axis]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let spread = |axis: usize| ends(axis).1 - ends(axis).0;
    // Slices before the other planes where a tiny contour lies in several.
    let axis = [2, 1, 0].into_iter().min_by(|a, b| spread(*a).total_cmp(&spread(*b))).unwrap_or(2);
    let (low, high) = ends(axis);
    if high - low <= PLANE_TOLERANCE {
        return Ok((axis, (low + high) / 2.0));
    }
    Err("a contour does not lie in a plane of the image's voxels; it belongs to another series".to_owned())
}
