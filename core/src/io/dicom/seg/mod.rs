//! DICOM segmentations (PS3.3 A.51 and A.90): BINARY, FRACTIONAL and LABELMAP.
//!
//! Segments become labels with their numbers. Where segments overlap, the one with the higher number is shown and what
//! it covers is kept beside. Fractions are cut at half of the largest. Frames may be few and in any order.

mod codes;
pub(super) mod color;
mod frames;
mod place;
mod save;

use std::path::Path;

use dicom_dictionary_std::tags;

use self::frames::SegFrames;
pub(in crate::io) use self::save::save;
use super::dataset::DataSet;
use super::frames::frames_of;
use super::header::Header;
use super::layout::{Photometric, PixelLayout, SampleFormat};
use super::objects::{LabelTarget, check_target, decoded_text, source_of};
use crate::geometry::Lattice;
use crate::io::labels::{Composition, LATTICE_TOLERANCE, described, segment_name};
use crate::io::{LabelImage, LabelName, Limits, OpenError, Warning};
use crate::label::color_of;

/// What the pixels of a frame say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    /// One bit: inside or not.
    Binary,
    /// Inside from this value on.
    Fraction(u32),
    /// The number of the segment.
    LabelMap,
}

/// Opens a segmentation whose header has been read.
pub(super) fn open(
    header: Header,
    path: &Path,
    target: Option<LabelTarget>,
    limits: &Limits,
) -> Result<LabelImage, OpenError> {
    let invalid = |what: String| OpenError::invalid(what, path);
    let layout = layout_of(&header.elements).map_err(invalid)?;
    let meaning = meaning_of(&header.elements, &layout).map_err(|what| OpenError::unsupported(what, path))?;
    let mut oddities = Vec::new();
    let frames = frames_of(&header, &layout, &mut oddities).map_err(invalid)?;
    let mut warnings: Vec<Warning> = oddities.into_iter().map(|what| Warning::Repaired { what }).collect();
    let series: Vec<String> = header
        .elements
        .items(tags::REFERENCED_SERIES_SEQUENCE)
        .iter()
        .filter_map(|item| item.text(tags::SERIES_INSTANCE_UID))
        .collect();
    let reference = header.elements.text(tags::FRAME_OF_REFERENCE_UID);
    warnings.extend(check_target(reference.as_deref(), &series, target, path)?);
    if let Meaning::Fraction(half) = meaning {
        let what = format!("its segments are fractions; a voxel belongs to a segment from {half} on");
        warnings.push(Warning::Repaired { what });
    }
    let planes = place::planes(&frames, &layout, path, &mut warnings)?;
    let grid = match target {
        Some(target) => *target.grid,
        None => place::own_grid(&planes, &layout, limits, path)?,
    };
    let (names, source) = (names_of(&header.elements), source_of(&header.elements, path));
    let segments = segment_numbers(&header.elements, frames.len(), meaning).map_err(invalid)?;
    let mut pixels = SegFrames::open(header, layout, frames, path)?;
    let mut composition = Composition::new(&grid)
        .ok_or_else(|| OpenError::too_large("there is no memory for the labels", path))?;
    // Frames in the order of their segments, so that higher numbers cover lower ones.
    let mut order: Vec<usize> = (0..planes.len()).collect();
    order.sort_by_key(|i| segments[*i]);
    let mut outside = 0_usize;
    for index in order {
        let values = pixels.frame(index)?;
        let lattice = Lattice::between(&planes[index], &grid, LATTICE_TOLERANCE).ok_or_else(|| {
            let (plane, image) = (described(&planes[index]), described(&grid));
            invalid(format!(
                "frame {} ({plane}) does not lie on the voxels of the image ({image})",
                index + 1
            ))
        })?;
        for (at, value) in values.iter().enumerate().filter(|(_, v)| **v != 0) {
            let label = match meaning {
                Meaning::Binary => segments[index],
                Meaning::Fraction(half) if *value >= half => segments[index],
                Meaning::Fraction(_) => continue,
                Meaning::LabelMap => u16::try_from(*value)
                    .map_err(|_| invalid(format!("a pixel has the segment number {value}, beyond 65535")))?,
            };
            match lattice.index_in(&grid, planes[index].voxel(at)) {
                Some(voxel) => composition.set(voxel, label),
                None => outside += 1,
            }
        }
    }
    if outside > 0 {
        let what = format!("{outside} of its labelled voxels lie outside the image ({})", described(&grid));
        return Err(invalid(what));
    }
    let (labels, covered) = composition.finish(&mut warnings);
    Ok(LabelImage { labels, grid, names, source, warnings, covered })
}

/// Size and bits; palettes of label maps do not matter for their numbers.
fn layout_of(set: &DataSet) -> Result<PixelLayout, String> {
    let need = |tag, name: &str| set.u16(tag).ok_or_else(|| format!("the segmentation has no {name} {tag}"));
    let (rows, columns) =
        (usize::from(need(tags::ROWS, "Rows")?), usize::from(need(tags::COLUMNS, "Columns")?));
    let allocated = need(tags::BITS_ALLOCATED, "BitsAllocated")?;
    let stored = set.u16(tags::BITS_STORED).unwrap_or(allocated);
    let samples = set.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    if rows == 0 || columns == 0 || samples != 1 || !matches!(allocated, 1 | 8 | 16) || stored != allocated {
        return Err(format!(
            "a segmentation has one sample of 1, 8 or 16 bits a pixel; this one has {columns} × {rows} pixels of \
             {samples} samples with {stored} of {allocated} bits"
        ));
    }
    let format = SampleFormat::Integer { allocated, stored, high_bit: stored - 1, signed: false };
    let photometric = Photometric::Monochrome { inverted: false };
    Ok(PixelLayout { rows, columns, samples: 1, planar: false, format, photometric })
}

fn meaning_of(set: &DataSet, layout: &PixelLayout) -> Result<Meaning, String> {
    let kind = set.text(tags::SEGMENTATION_TYPE).unwrap_or_default();
    if !set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).is_empty()
        && set.text(tags::DIMENSION_ORGANIZATION_TYPE).as_deref() == Some("TILED_FULL")
    {
        return Err("a segmentation of a whole slide is not supported yet".to_owned());
    }
    match kind.as_str() {
        "BINARY" if layout.sample_bytes() == 0 => Ok(Meaning::Binary),
        "FRACTIONAL" if layout.sample_bytes() == 1 => {
            let most = set.u16(tags::MAXIMUM_FRACTIONAL_VALUE).unwrap_or(255);
            Ok(Meaning::Fraction(u32::from(most).div_ceil(2).max(1)))
        }
        "LABELMAP" if layout.sample_bytes() > 0 => Ok(Meaning::LabelMap),
        _ => Err(format!("the segmentation type \"{kind}\" does not go with its bits a pixel")),
    }
}

/// The segment of each frame; 0 for label maps.
fn segment_numbers(set: &DataSet, frames: usize, meaning: Meaning) -> Result<Vec<u16>, String> {
    if meaning == Meaning::LabelMap {
        return Ok(vec![0; frames]);
    }
    let number = |item: Option<&DataSet>| {
        item?.items(tags::SEGMENT_IDENTIFICATION_SEQUENCE).first()?.u16(tags::REFERENCED_SEGMENT_NUMBER)
    };
    let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let shared = number(set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first());
    let of_frame = |frame: usize| match number(per_frame.get(frame)).or(shared) {
        Some(0) => Err(format!("frame {} belongs to segment 0; segments count from 1", frame + 1)),
        Some(number) => Ok(number),
        None => Err(format!("frame {} does not say which segment it belongs to", frame + 1)),
    };
    (0..frames).map(of_frame).collect()
}

fn names_of(set: &DataSet) -> Vec<LabelName> {
    let name = |item: &DataSet| {
        let value = item.u16(tags::SEGMENT_NUMBER).filter(|n| *n > 0)?;
        let text = decoded_text(item, set, tags::SEGMENT_LABEL);
        let lab = item.u16s(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE).and_then(|lab| lab.try_into().ok());
        let color = lab.map_or(color_of(value), color::rgb_from_cielab);
        Some(LabelName { value, name: segment_name(&text.unwrap_or_default(), value), color })
    };
    let mut names: Vec<LabelName> = set.items(tags::SEGMENT_SEQUENCE).iter().filter_map(name).collect();
    names.sort_by_key(|name| name.value);
    names.dedup_by_key(|name| name.value);
    names
}
