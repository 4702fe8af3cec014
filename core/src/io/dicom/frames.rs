//! Place, scaling and time of every frame, from the elements of a classic image or from the functional groups
//! of an enhanced one (PS3.3 C.7.6.16).

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use nalgebra::Vector3;

use super::dataset::DataSet;
use super::header::{Header, Packing};
use super::layout::PixelLayout;

/// Unit vectors of an image plane may deviate this much from unit length and right angles.
const MAX_SKEW: f64 = 0.01;

/// Where an image plane lies (PS3.3 C.7.6.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plane {
    /// Centre of the first pixel, LPS mm.
    pub position_mm: Vector3<f64>,
    /// Unit vector along a row, towards higher columns.
    pub along_row: Vector3<f64>,
    /// Unit vector along a column, towards higher rows.
    pub along_column: Vector3<f64>,
}

impl Plane {
    /// Unit normal, `along_row × along_column`.
    pub fn normal(&self) -> Vector3<f64> {
        self.along_row.cross(&self.along_column).normalize()
    }
}

/// One image plane of a file.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Number in the file, from 0.
    pub index: usize,
    pub plane: Option<Plane>,
    /// Distance of pixel centres along x (between columns) and y (between rows).
    pub spacing_mm: Option<[f64; 2]>,
    /// Distance to the next slice as declared, for want of positions.
    pub slice_spacing_mm: Option<f64>,
    /// Thickness of the slice.
    pub thickness_mm: Option<f64>,
    /// `value = slope · stored + intercept`.
    pub slope: f64,
    pub intercept: f64,
    /// Centre and width in the unit of the values.
    pub window: Option<(f32, f32)>,
    /// What tells images at one position apart, most telling first.
    pub time_key: [f64; 4],
    /// Instance number or frame number: the order where positions are missing.
    pub number: f64,
}

/// The frames of a file. Oddities that were worked around are added to `oddities`.
pub(super) fn frames_of(
    header: &Header,
    layout: &PixelLayout,
    oddities: &mut Vec<String>,
) -> Result<Vec<Frame>, String> {
    let set = &header.elements;
    let declared = set.decimal(tags::NUMBER_OF_FRAMES).unwrap_or(1.0).max(1.0);
    // Every frame takes at least a byte; an index of frames that cannot exist is never built.
    if declared > header.file_len as f64 && !header.syntax.deflated || declared > f64::from(u32::MAX >> 8) {
        return Err(format!("the file claims {declared} frames in {} bytes", header.file_len));
    }
    let count = declared as usize;
    check_native_length(header, layout, count)?;
    let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if !per_frame.is_empty() && per_frame.len() < count {
        oddities.push(format!("only {} of {count} frames are described", per_frame.len()));
    }
    let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let offsets_mm = dose_offsets(set, count);
    let frames = (0..count).map(|index| {
        let groups = Groups { per_frame: per_frame.get(index), shared, root: set };
        let mut frame = groups.frame(index, oddities);
        if let (Some(offsets), Some(plane)) = (&offsets_mm, &mut frame.plane) {
            plane.position_mm += plane.normal() * offsets[index];
        }
        frame
    });
    let mut frames: Vec<Frame> = frames.collect();
    if count > 1 && offsets_mm.is_none() && per_frame.is_empty() {
        // All frames would lie at the one position of the file.
        frames.iter_mut().for_each(|frame| frame.plane = None);
    }
    oddities.dedup();
    Ok(frames)
}

fn check_native_length(header: &Header, layout: &PixelLayout, frames: usize) -> Result<(), String> {
    let (Some(pixels), Packing::Native, false) =
        (header.pixels, header.syntax.packing, header.syntax.deflated)
    else {
        return Ok(());
    };
    let Some(length) = pixels.length else { return Ok(()) };
    let available = length.min(header.file_len.saturating_sub(pixels.offset));
    if available < layout.frame_bytes() as u64 {
        return Err(format!(
            "the file holds {available} bytes of pixels where {frames} × {} × {} pixels need {}; it is cut off, \
             copy it again from its source",
            layout.rows,
            layout.columns,
            layout.frame_bytes() as u64 * frames as u64
        ));
    }
    Ok(())
}

/// Distances of the frames of a dose grid from its first (PS3.3 C.8.8.3.2).
fn dose_offsets(set: &DataSet, count: usize) -> Option<Vec<f64>> {
    (set.text(tags::SOP_CLASS_UID)? == uids::RT_DOSE_STORAGE).then_some(())?;
    let offsets = set.decimals(tags::GRID_FRAME_OFFSET_VECTOR).filter(|o| o.len() >= count)?;
    Some(offsets.iter().map(|offset| offset - offsets[0]).collect())
}

/// Where the attributes of a frame may stand.
struct Groups<'a> {
    per_frame: Option<&'a DataSet>,
    shared: Option<&'a DataSet>,
    root: &'a DataSet,
}

impl<'a> Groups<'a> {
    /// The item of a functional group, else the elements of a classic image.
    fn group(&self, sequence: Tag) -> &'a DataSet {
        let of = |set: Option<&'a DataSet>| set.and_then(|set| set.items(sequence).first());
        of(self.per_frame).or_else(|| of(self.shared)).unwrap_or(self.root)
    }

    fn frame(&self, index: usize, oddities: &mut Vec<String>) -> Frame {
        let measures = self.group(tags::PIXEL_MEASURES_SEQUENCE);
        let scaling = self.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let (slope, intercept) = rescale(scaling, self.root, oddities);
        let length = |tag| measures.decimal(tag).map(f64::abs).filter(|mm| *mm > 0.0);
        Frame {
            index,
            plane: self.plane(oddities),
            spacing_mm: spacing(measures, self.root, oddities),
            slice_spacing_mm: length(tags::SPACING_BETWEEN_SLICES),
            thickness_mm: length(tags::SLICE_THICKNESS),
            slope,
            intercept,
            window: window(self.group(tags::FRAME_VOILUT_SEQUENCE)),
            time_key: self.time_key(),
            number: self.root.decimal(tags::INSTANCE_NUMBER).unwrap_or(0.0) + index as f64,
        }
    }

    fn plane(&self, oddities: &mut Vec<String>) -> Option<Plane> {
        let position =
            self.group(tags::PLANE_POSITION_SEQUENCE).decimal_array::<3>(tags::IMAGE_POSITION_PATIENT)?;
        let orientation = self.group(tags::PLANE_ORIENTATION_SEQUENCE);
        let cosines = orientation.decimal_array::<6>(tags::IMAGE_ORIENTATION_PATIENT)?;
        let [row, column] = [0, 3].map(|i| Vector3::new(cosines[i], cosines[i + 1], cosines[i + 2]));
        let skew = (row.norm() - 1.0).abs().max((column.norm() - 1.0).abs()).max(row.dot(&column).abs());
        if skew > MAX_SKEW {
            oddities.push(format!(
                "the orientation {cosines:?} is not made of two perpendicular unit vectors; ignored"
            ));
            return None;
        }
        Some(Plane {
            position_mm: Vector3::from(position),
            along_row: row.normalize(),
            along_column: column.normalize(),
        })
    }

    fn time_key(&self) -> [f64; 4] {
        let content = self.group(tags::FRAME_CONTENT_SEQUENCE);
        let temporal = match content.u32(tags::TEMPORAL_POSITION_INDEX) {
            Some(index) => f64::from(index),
            None => self.root.decimal(tags::TEMPORAL_POSITION_IDENTIFIER).unwrap_or(0.0),
        };
        let number = |tag| self.root.decimal(tag).unwrap_or(0.0);
        [temporal, number(tags::TRIGGER_TIME), number(tags::ACQUISITION_NUMBER), number(tags::ECHO_NUMBERS)]
    }
}

fn rescale(scaling: &DataSet, root: &DataSet, oddities: &mut Vec<String>) -> (f64, f64) {
    if let Some(scale) = root.decimal(tags::DOSE_GRID_SCALING) {
        return (scale, 0.0);
    }
    if !root.items(tags::MODALITY_LUT_SEQUENCE).is_empty() {
        oddities.push(
            "the file maps its values by a table (modality LUT); the stored values are shown".to_owned(),
        );
    }
    let intercept = scaling.decimal(tags::RESCALE_INTERCEPT).unwrap_or(0.0);
    match scaling.decimal(tags::RESCALE_SLOPE) {
        Some(0.0) => {
            oddities.push("a rescale slope of 0 was read as 1".to_owned());
            (1.0, intercept)
        }
        slope => (slope.unwrap_or(1.0), intercept),
    }
}

/// `[between columns, between rows]`; DICOM names the distance between rows first.
fn spacing(measures: &DataSet, root: &DataSet, oddities: &mut Vec<String>) -> Option<[f64; 2]> {
    let read = |set: &DataSet, tag| {
        let [rows, columns] = set.decimal_array::<2>(tag)?;
        (rows > 0.0 && columns > 0.0).then_some([columns, rows])
    };
    if let Some(spacing) = read(measures, tags::PIXEL_SPACING) {
        return Some(spacing);
    }
    if measures.text(tags::PIXEL_SPACING).is_some() {
        let found = measures.text(tags::PIXEL_SPACING).unwrap_or_default();
        oddities.push(format!("the pixel spacing \"{found}\" is not usable"));
    }
    let spacing = read(root, tags::IMAGER_PIXEL_SPACING)?;
    oddities.push(
        "the pixel spacing is that at the detector, so that lengths in the patient are too long".to_owned(),
    );
    Some(spacing)
}

fn window(voi: &DataSet) -> Option<(f32, f32)> {
    let (center, width) = (voi.decimal(tags::WINDOW_CENTER)?, voi.decimal(tags::WINDOW_WIDTH)?);
    (width > 0.0).then_some((center as f32, width as f32))
}
