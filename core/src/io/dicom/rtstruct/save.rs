//! Writing structure sets: one region a label, outlined along the edges of its pixels.

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use nalgebra::Point3;

use super::super::author::{Item, Original, new_uid, now};
use super::fill::outlines;
use crate::io::export::LabelExport;
use crate::io::{LabelName, SaveError};

/// Detached Study Management, retired, but still what references to a study name.
const STUDY_CLASS: &str = "1.2.840.10008.3.1.2.3.1";

/// Writes a structure set whose regions have the numbers of their labels. Holes are contours of their own. Does not read
/// back.
///
/// # Errors
/// [`SaveError::Unsupported`] for a label map without a labelled voxel and for original images that are gone,
/// [`SaveError::Io`] if the file cannot be written.
pub(in crate::io) fn save(path: &Path, export: &LabelExport) -> Result<(), SaveError> {
    let refuse = |what: &str| SaveError::Unsupported { what: what.to_owned(), path: path.to_owned() };
    let original = Original::of(export.source, path)?;
    let regions: Vec<(LabelName, Vec<Item>)> = export
        .all_names()
        .into_iter()
        .map(|name| {
            let contours = contours_of(export, name.value, &original);
            (name, contours)
        })
        .filter(|(_, contours)| !contours.is_empty())
        .collect();
    if regions.is_empty() {
        return Err(refuse("there is no labelled voxel; a structure set needs one"));
    }
    let (date, time) = now();
    let uid = new_uid("structure set");
    let class = uids::RT_STRUCTURE_SET_STORAGE;
    let number = |name: &LabelName| name.value.to_string();
    let frame = &original.frame_of_reference_uid;
    let rois = regions.iter().map(|(name, _)| {
        Item::new()
            .text(tags::ROI_NUMBER, VR::IS, &number(name))
            .text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, frame)
            .words(tags::ROI_NAME, VR::LO, &name.name)
            .text(tags::ROI_GENERATION_ALGORITHM, VR::CS, "SEMIAUTOMATIC")
    });
    let observations = regions.iter().map(|(name, _)| {
        Item::new()
            .text(tags::OBSERVATION_NUMBER, VR::IS, &number(name))
            .text(tags::REFERENCED_ROI_NUMBER, VR::IS, &number(name))
            .text(tags::RTROI_INTERPRETED_TYPE, VR::CS, "")
            .text(tags::ROI_INTERPRETER, VR::PN, "")
    });
    let (rois, observations) = (rois.collect(), observations.collect());
    let contours = regions.into_iter().map(|(name, contours)| {
        let [r, g, b] = name.color;
        Item::new()
            .text(tags::REFERENCED_ROI_NUMBER, VR::IS, &number(&name))
            .text(tags::ROI_DISPLAY_COLOR, VR::IS, &format!("{r}\\{g}\\{b}"))
            .items(tags::CONTOUR_SEQUENCE, contours)
    });
    original
        .object(class, &uid, "RTSTRUCT", "Structure set")
        .text(tags::OPERATORS_NAME, VR::PN, "")
        .text(tags::STRUCTURE_SET_LABEL, VR::SH, "Hilum")
        .text(tags::STRUCTURE_SET_DATE, VR::DA, &date)
        .text(tags::STRUCTURE_SET_TIME, VR::TM, &time)
        .text(tags::APPROVAL_STATUS, VR::CS, "UNAPPROVED")
        .items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, vec![reference(&original)])
        .items(tags::STRUCTURE_SET_ROI_SEQUENCE, rois)
        .items(tags::ROI_CONTOUR_SEQUENCE, contours.collect())
        .items(tags::RTROI_OBSERVATIONS_SEQUENCE, observations)
        .write_implicit(path, class, &uid)
}

/// The frame of reference with study, series and images.
fn reference(original: &Original) -> Item {
    let item = Item::new().text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &original.frame_of_reference_uid);
    let Some(series) = &original.series_uid else { return item };
    let series = Item::new()
        .text(tags::SERIES_INSTANCE_UID, VR::UI, series)
        .items(tags::CONTOUR_IMAGE_SEQUENCE, original.instances());
    let study = Item::new()
        .text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, STUDY_CLASS)
        .text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &original.study_uid)
        .items(tags::RT_REFERENCED_SERIES_SEQUENCE, vec![series]);
    item.items(tags::RT_REFERENCED_STUDY_SEQUENCE, vec![study])
}

/// The contours of a label, slice by slice.
fn contours_of(export: &LabelExport, label: u16, original: &Original) -> Vec<Item> {
    let [columns, rows, slices] = export.grid.dims();
    let size = columns * rows;
    let mut items = Vec::new();
    for z in 0..slices {
        let mut mask: Vec<bool> =
            export.labels[z * size..(z + 1) * size].iter().map(|v| *v == label).collect();
        for covered in export.covered.iter().filter(|c| c.value == label) {
            covered.voxels.iter().filter(|i| **i / size == z).for_each(|i| mask[i % size] = true);
        }
        if !mask.contains(&true) {
            continue;
        }
        for outline in outlines(&mask, columns) {
            let world =
                |p: &[f64; 2]| export.grid.affine().world_from_voxel(Point3::new(p[0], p[1], z as f64));
            let numbers: Vec<String> = outline
                .iter()
                .flat_map(|p| world(p).iter().copied().map(millimetres).collect::<Vec<_>>())
                .collect();
            let mut item = Item::new();
            if original.instance_uids.len() == slices {
                item = item.items(
                    tags::CONTOUR_IMAGE_SEQUENCE,
                    vec![original.reference(&original.instance_uids[z])],
                );
            }
            items.push(
                item.text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR")
                    .text(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, &outline.len().to_string())
                    .text(tags::CONTOUR_DATA, VR::DS, &numbers.join("\\")),
            );
        }
    }
    items
}

/// A coordinate to a hundredth of a micrometre, within 16 characters.
fn millimetres(value: f64) -> String {
    let text = format!("{value:.5}");
    if text.len() <= 16 { text } else { super::super::author::decimal(value) }
}
