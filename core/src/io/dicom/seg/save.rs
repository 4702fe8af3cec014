//! Writing segmentations: BINARY, where segments may overlap, or LABELMAP.

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::super::author::{Item, Original, new_uid, now};
use super::codes::codes_of;
use super::color::cielab_from_rgb;
use crate::geometry::Grid;
use crate::io::export::LabelExport;
use crate::io::{LabelName, SaveError};

/// Cosine up to which two axes count as perpendicular.
const MAX_COSINE: f64 = 1e-4;

/// What is written for one segment or one slice.
struct Frame {
    /// Index of the segment, or 0 for a label map.
    segment: usize,
    z: usize,
}

/// Writes a segmentation. BINARY numbers its segments from 1 in the order of the labels, as the standard asks; the
/// numbers are returned as `(label, segment)`. Does not read back.
///
/// # Errors
/// [`SaveError::Unsupported`] for a label map without a labelled voxel, sheared axes, overlapping labels in a LABELMAP,
/// and original images that are gone; [`SaveError::Io`] if the file cannot be written.
pub(in crate::io) fn save(
    path: &Path,
    export: &LabelExport,
    as_label_map: bool,
) -> Result<Vec<(u16, u16)>, SaveError> {
    let refuse = |what: &str| SaveError::Unsupported { what: what.to_owned(), path: path.to_owned() };
    check(export, as_label_map).map_err(refuse)?;
    let used = used_labels(export);
    let names: Vec<LabelName> =
        export.all_names().into_iter().filter(|n| used[usize::from(n.value)]).collect();
    let frames = frames_of(export, &names, as_label_map);
    if frames.is_empty() || names.is_empty() {
        return Err(refuse("there is no labelled voxel; a segmentation needs one"));
    }
    let original = Original::of(export.source, path)?;
    let class = if as_label_map { uids::LABEL_MAP_SEGMENTATION_STORAGE } else { uids::SEGMENTATION_STORAGE };
    let uid = new_uid("segmentation");
    let number = |i: usize| if as_label_map { names[i].value } else { i as u16 + 1 };
    let mut segments: Vec<Item> =
        names.iter().enumerate().map(|(i, name)| segment(name, number(i))).collect();
    if as_label_map {
        segments.insert(0, background());
    }
    let organization = new_uid("dimensions");
    let wide = as_label_map && names.iter().any(|n| n.value > 255);
    let bits = if !as_label_map {
        1
    } else if wide {
        16
    } else {
        8
    };
    let object =
        with_image(original.object(class, &uid, "SEG", "Segmentation"), export.grid, frames.len(), bits)
            .text(tags::SEGMENTATION_TYPE, VR::CS, if as_label_map { "LABELMAP" } else { "BINARY" })
            .items(tags::SEGMENT_SEQUENCE, segments)
            .items(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![dimension(&organization)])
            .items(tags::DIMENSION_INDEX_SEQUENCE, dimensions(&organization, as_label_map))
            .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared_groups(export.grid)])
            .items(
                tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
                frames
                    .iter()
                    .map(|frame| frame_groups(frame, export.grid, &original, as_label_map))
                    .collect(),
            );
    let object = if as_label_map {
        object.shorts(tags::PIXEL_PADDING_VALUE, &[0])
    } else {
        object.text(tags::SEGMENTS_OVERLAP, VR::CS, if export.covered.is_empty() { "NO" } else { "YES" })
    };
    let object = match &original.series_uid {
        Some(series) => object.items(
            tags::REFERENCED_SERIES_SEQUENCE,
            vec![
                Item::new()
                    .text(tags::SERIES_INSTANCE_UID, VR::UI, series)
                    .items(tags::REFERENCED_INSTANCE_SEQUENCE, original.instances()),
            ],
        ),
        None => object,
    };
    let pixels = pixels(export, &names, &frames, bits);
    let vr = if bits == 16 { VR::OW } else { VR::OB };
    object.bytes(tags::PIXEL_DATA, vr, pixels).write(path, class, &uid)?;
    Ok(names.iter().enumerate().map(|(i, name)| (name.value, number(i))).collect())
}

fn check(export: &LabelExport, as_label_map: bool) -> Result<(), &'static str> {
    if as_label_map && !export.covered.is_empty() {
        return Err("labels overlap, which a LABELMAP cannot hold; save a BINARY segmentation");
    }
    let [x, y, z] = [0, 1, 2].map(|axis| export.grid.affine().direction(axis));
    let cosine = x.dot(&y).abs().max(x.dot(&z).abs()).max(y.dot(&z).abs());
    if cosine > MAX_COSINE {
        return Err(
            "the voxel axes do not stand at right angles, which DICOM cannot hold; resample the image first",
        );
    }
    let [columns, rows, _] = export.grid.dims();
    if columns > usize::from(u16::MAX) || rows > usize::from(u16::MAX) {
        return Err("a DICOM image has at most 65535 rows and columns");
    }
    Ok(())
}

fn used_labels(export: &LabelExport) -> Vec<bool> {
    let mut used = vec![false; 1 << 16];
    export.labels.iter().for_each(|label| used[usize::from(*label)] = true);
    export.covered.iter().for_each(|c| used[usize::from(c.value)] |= !c.voxels.is_empty());
    used
}

/// A frame for every slice that a segment reaches; empty ones are left out.
fn frames_of(export: &LabelExport, names: &[LabelName], as_label_map: bool) -> Vec<Frame> {
    let [columns, rows, slices] = export.grid.dims();
    let mut reaches = vec![false; names.len() * slices];
    let mut segment_of = vec![usize::MAX; 1 << 16];
    names.iter().enumerate().for_each(|(i, name)| segment_of[usize::from(name.value)] = i);
    let mut mark = |label: u16, index: usize| {
        let segment = segment_of[usize::from(label)];
        if segment != usize::MAX {
            reaches[segment * slices + index / (columns * rows)] = true;
        }
    };
    export.labels.iter().enumerate().filter(|(_, v)| **v != 0).for_each(|(i, label)| mark(*label, i));
    export.covered.iter().for_each(|c| c.voxels.iter().for_each(|i| mark(c.value, *i)));
    if as_label_map {
        let any = |z: usize| (0..names.len()).any(|segment| reaches[segment * slices + z]);
        return (0..slices).filter(|z| any(*z)).map(|z| Frame { segment: 0, z }).collect();
    }
    let at = |i: usize| Frame { segment: i / slices, z: i % slices };
    (0..reaches.len()).filter(|i| reaches[*i]).map(at).collect()
}

/// Image pixel, segmentation image and multi-frame modules.
fn with_image(object: Item, grid: &Grid, frames: usize, bits: u16) -> Item {
    let (date, time) = now();
    let [columns, rows, _] = grid.dims();
    object
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::CONTENT_DATE, VR::DA, &date)
        .text(tags::CONTENT_TIME, VR::TM, &time)
        .text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, "Image segmentation")
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "")
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string())
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .shorts(tags::SAMPLES_PER_PIXEL, &[1])
        .shorts(tags::ROWS, &[rows as u16])
        .shorts(tags::COLUMNS, &[columns as u16])
        .shorts(tags::BITS_ALLOCATED, &[bits])
        .shorts(tags::BITS_STORED, &[bits])
        .shorts(tags::HIGH_BIT, &[bits - 1])
        .shorts(tags::PIXEL_REPRESENTATION, &[0])
}

fn segment(name: &LabelName, number: u16) -> Item {
    let (category, property) = codes_of(&name.name);
    Item::new()
        .shorts(tags::SEGMENT_NUMBER, &[number])
        .words(tags::SEGMENT_LABEL, VR::LO, &name.name)
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, "Hilum")
        .shorts(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &cielab_from_rgb(name.color))
        .words(tags::TRACKING_ID, VR::UT, &name.name)
        .text(tags::TRACKING_UID, VR::UI, &new_uid("tracking"))
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, category)
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, property)
}

/// Label maps describe their background too (PS3.3 C.8.20.2, as highdicom writes it).
fn background() -> Item {
    let code = ["125040", "DCM", "Background"];
    Item::new()
        .shorts(tags::SEGMENT_NUMBER, &[0])
        .words(tags::SEGMENT_LABEL, VR::LO, "Background")
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, "Hilum")
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, code)
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, code)
}

fn dimension(organization: &str) -> Item {
    Item::new().text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization)
}

fn dimensions(organization: &str, as_label_map: bool) -> Vec<Item> {
    let position = dimension(organization)
        .pointer(tags::DIMENSION_INDEX_POINTER, tags::IMAGE_POSITION_PATIENT)
        .pointer(tags::FUNCTIONAL_GROUP_POINTER, tags::PLANE_POSITION_SEQUENCE)
        .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "ImagePositionPatient");
    if as_label_map {
        return vec![position];
    }
    let segment = dimension(organization)
        .pointer(tags::DIMENSION_INDEX_POINTER, tags::REFERENCED_SEGMENT_NUMBER)
        .pointer(tags::FUNCTIONAL_GROUP_POINTER, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
        .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "ReferencedSegmentNumber");
    vec![segment, position]
}

fn shared_groups(grid: &Grid) -> Item {
    let [x, y, z] = grid.spacing_mm();
    let (row, column) = (grid.affine().direction(0), grid.affine().direction(1));
    let measures = Item::new()
        .decimals(tags::PIXEL_SPACING, &[y, x])
        .decimals(tags::SLICE_THICKNESS, &[z])
        .decimals(tags::SPACING_BETWEEN_SLICES, &[z]);
    let cosines = [row.x, row.y, row.z, column.x, column.y, column.z];
    Item::new().items(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]).items(
        tags::PLANE_ORIENTATION_SEQUENCE,
        vec![Item::new().decimals(tags::IMAGE_ORIENTATION_PATIENT, &cosines)],
    )
}

fn frame_groups(frame: &Frame, grid: &Grid, original: &Original, as_label_map: bool) -> Item {
    let z = frame.z as u32 + 1;
    let number = frame.segment as u32 + 1;
    let index = if as_label_map { vec![z] } else { vec![number, z] };
    let at = grid.world_of([0, 0, frame.z]);
    let item = Item::new()
        .items(tags::FRAME_CONTENT_SEQUENCE, vec![Item::new().longs(tags::DIMENSION_INDEX_VALUES, &index)])
        .items(
            tags::PLANE_POSITION_SEQUENCE,
            vec![Item::new().decimals(tags::IMAGE_POSITION_PATIENT, &[at.x, at.y, at.z])],
        );
    let item = match source_image(frame.z, grid, original) {
        Some(source) => item.items(
            tags::DERIVATION_IMAGE_SEQUENCE,
            vec![
                Item::new()
                    .items(tags::SOURCE_IMAGE_SEQUENCE, vec![source])
                    .code(tags::DERIVATION_CODE_SEQUENCE, ["113076", "DCM", "Segmentation"]),
            ],
        ),
        None => item,
    };
    if as_label_map {
        return item;
    }
    let segment = Item::new().shorts(tags::REFERENCED_SEGMENT_NUMBER, &[number as u16]);
    item.items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![segment])
}

/// The original slice at a frame, if slices and instances correspond one to one.
fn source_image(z: usize, grid: &Grid, original: &Original) -> Option<Item> {
    let uids = &original.instance_uids;
    let slices = grid.dims()[2];
    let reference = if uids.len() == slices {
        original.reference(&uids[z])
    } else if uids.len() == 1 && !original.class.is_empty() {
        // Which frame of a multi-frame object it was is not known for certain; the object is.
        original.reference(&uids[0])
    } else {
        return None;
    };
    Some(reference.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES").code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        ["121322", "DCM", "Source image for image processing operation"],
    ))
}

/// The frames one after the other; bits without a gap between rows or frames, the first in the lowest place.
fn pixels(export: &LabelExport, names: &[LabelName], frames: &[Frame], bits: u16) -> Vec<u8> {
    let size = export.grid.dims()[0] * export.grid.dims()[1];
    let slice = |z: usize| &export.labels[z * size..(z + 1) * size];
    let mut bytes = Vec::new();
    if bits > 1 {
        for frame in frames {
            let wide = slice(frame.z).iter().flat_map(|v| v.to_le_bytes()).enumerate();
            bytes.extend(wide.filter(|(i, _)| bits == 16 || i % 2 == 0).map(|(_, byte)| byte));
        }
    } else {
        bytes = vec![0_u8; (frames.len() * size).div_ceil(8)];
        for (number, frame) in frames.iter().enumerate() {
            let label = names[frame.segment].value;
            let mut set = |index: usize| {
                let bit = number * size + index;
                bytes[bit / 8] |= 1 << (bit % 8);
            };
            slice(frame.z).iter().enumerate().filter(|(_, v)| **v == label).for_each(|(i, _)| set(i));
            for covered in export.covered.iter().filter(|c| c.value == label) {
                let inside = covered.voxels.iter().filter(|i| **i / size == frame.z);
                inside.for_each(|i| set(i % size));
            }
        }
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}
