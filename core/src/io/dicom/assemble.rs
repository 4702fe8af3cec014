//! Reads the pixels of a stack and makes a volume of them.

use std::path::{Path, PathBuf};

use super::buffer::{SliceValues, VoxelBuffer};
use super::frames::Frame;
use super::image_file::ImageFile;
use super::layout::{Photometric, PixelLayout, SampleFormat};
use super::pixels::{FramePixels, PixelReader};
use super::series::{frame_of, title};
use super::stack::{Slice, Stack};
use crate::geometry::Grid;
use crate::io::{Limits, OpenError, OpenObserver, Opened, Warning};
use crate::job::Cancelled;
use crate::volume::{ImageMeta, Modality, Source, Volume};

/// Oddities of headers that are shown; more of them are of the same kind.
const MAX_ODDITIES: usize = 4;

/// What became of the slices.
struct Read {
    buffer: VoxelBuffer,
    /// Slices beyond the end of a multi-frame file.
    missing: Vec<usize>,
    /// Slices that cannot be decoded, and why the first cannot.
    damaged: Vec<usize>,
    damage: Option<OpenError>,
    lossy: Option<String>,
}

/// Reads every slice of a stack, the middle one first, and assembles them.
pub(super) fn assemble(
    files: &[ImageFile],
    stack: Stack,
    opened_path: &Path,
    limits: &Limits,
    observer: &dyn OpenObserver,
) -> Result<Opened, OpenError> {
    let middle = stack.slices[stack.slices.len() / 2];
    let image = &files[middle.at.file];
    check_size(&stack, image, limits, opened_path)?;
    let meta = meta_of(files, &stack, opened_path);
    let mut read = read_slices(files, &stack, &meta, observer)?;
    let mut warnings = stack.warnings;
    warnings.extend(read_warnings(&read, image));
    for slice in &stack.slices {
        let oddities = files[slice.at.file].oddities.iter();
        warnings.extend(oddities.map(|what| Warning::Repaired { what: what.clone() }));
    }
    if is_inverted(&image.layout, image.facts.modality) {
        warnings.push(Warning::Repaired { what: "dark and bright were exchanged (MONOCHROME1)".to_owned() });
    }
    let warnings = without_repetition(warnings);
    let empty = [read.missing, read.damaged].concat();
    read.buffer.blank(&empty);
    let size = [image.layout.columns, image.layout.rows];
    let voxels = if stack.resampled {
        read.buffer.into_grid(size, &stack.slices, stack.grid.dims())
    } else {
        read.buffer.into_voxels()
    };
    let volume =
        Volume::new(stack.grid, voxels, meta).map_err(|e| OpenError::invalid(e.to_string(), opened_path))?;
    Ok(Opened { volume, warnings })
}

fn check_size(stack: &Stack, image: &ImageFile, limits: &Limits, path: &Path) -> Result<(), OpenError> {
    let voxel_bytes: u64 = match image.layout.format {
        _ if image.layout.is_color() => 3,
        SampleFormat::Integer { allocated: 8, .. } => 1,
        SampleFormat::Integer { allocated: 16, .. } => 2,
        _ => 4,
    };
    let source = image.layout.pixel_count() as u64 * stack.slices.len() as u64;
    let voxels = (stack.grid.voxel_count() as u64).max(source);
    if voxels.saturating_mul(voxel_bytes) > limits.max_voxel_bytes {
        let [x, y, z] = stack.grid.dims();
        let what =
            format!("{x} × {y} × {z} voxels take more than the {} bytes allowed", limits.max_voxel_bytes);
        return Err(OpenError::too_large(what, path));
    }
    Ok(())
}

fn meta_of(files: &[ImageFile], stack: &Stack, opened_path: &Path) -> ImageMeta {
    let middle = stack.slices[stack.slices.len() / 2];
    let image = &files[middle.at.file];
    let facts = &image.facts;
    let mut instance_uids: Vec<String> =
        stack.slices.iter().map(|slice| files[slice.at.file].instance_uid.clone()).collect();
    instance_uids.dedup();
    let mut window = frame_of(files, middle.at).window;
    if is_inverted(&image.layout, facts.modality) {
        let frame = frame_of(files, middle.at);
        let (low, high) = image.layout.stored_range();
        let mirror = (frame.slope * (low + high) + 2.0 * frame.intercept) as f32;
        window = window.map(|(center, width)| (mirror - center, width));
    }
    ImageMeta {
        modality: facts.modality,
        title: title(facts),
        source: Source::Dicom {
            path: PathBuf::from(opened_path),
            series_uid: facts.series_uid.clone(),
            study_uid: facts.study_uid.clone(),
            frame_of_reference_uid: facts.frame_of_reference_uid.clone(),
            instance_uids,
        },
        window,
        time_points: stack.time_points,
        time_point: stack.time_point,
        has_physical_spacing: stack.has_physical_spacing,
    }
}

/// Whether low values are the bright ones. CT and PET numbers have a meaning of their own and stay.
fn is_inverted(layout: &PixelLayout, modality: Modality) -> bool {
    layout.photometric == Photometric::Monochrome { inverted: true }
        && !matches!(modality, Modality::Ct | Modality::Pet)
}

fn read_warnings(read: &Read, image: &ImageFile) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(how) = image.lossy.clone().or_else(|| read.lossy.clone()) {
        warnings.push(Warning::LossyCompression { how });
    }
    if !read.missing.is_empty() {
        warnings.push(Warning::Truncated { missing_slices: read.missing.len() });
    }
    if let Some(damage) = &read.damage {
        let what = format!("{} slices cannot be decoded and are empty ({damage})", read.damaged.len());
        warnings.push(Warning::Repaired { what });
    }
    warnings
}

fn without_repetition(warnings: Vec<Warning>) -> Vec<Warning> {
    let mut kept: Vec<Warning> = Vec::new();
    let mut repaired = 0;
    for warning in warnings {
        let is_repair = matches!(warning, Warning::Repaired { .. });
        if !kept.contains(&warning) && (!is_repair || repaired < MAX_ODDITIES) {
            repaired += usize::from(is_repair);
            kept.push(warning);
        }
    }
    kept
}

fn read_slices(
    files: &[ImageFile],
    stack: &Stack,
    meta: &ImageMeta,
    observer: &dyn OpenObserver,
) -> Result<Read, OpenError> {
    let count = stack.slices.len();
    let mut order: Vec<usize> = (0..count).collect();
    order[..=count / 2].rotate_right(1);
    let mut read: Option<Read> = None;
    let (mut missing, mut damaged, mut damage) = (Vec::new(), Vec::new(), None);
    let mut reader: Option<(usize, PixelReader)> = None;
    for (done, index) in order.into_iter().enumerate() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        observer.progress("reading slices", done as u64, count as u64);
        let slice = stack.slices[index];
        match read_slice(files, slice, &mut reader) {
            Ok(None) => missing.push(index),
            Ok(Some((values, lossy))) => {
                let image = &files[slice.at.file];
                let into = read.get_or_insert_with(|| {
                    first_slice(files, stack, slice, &values, meta, observer);
                    let bytes = image.layout.sample_bytes() == 1;
                    let buffer = VoxelBuffer::new(count, image.layout.pixel_count(), bytes, &values);
                    Read { buffer, missing: Vec::new(), damaged: Vec::new(), damage: None, lossy }
                });
                into.buffer.put(index, &values);
            }
            Err(OpenError::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) => {
                damaged.push(index);
                damage.get_or_insert(error);
            }
        }
    }
    match (read, damage) {
        (Some(read), damage) => Ok(Read { missing, damaged, damage, ..read }),
        (None, Some(error)) => Err(error),
        (None, None) => {
            let path = &files[stack.slices[0].at.file].path;
            Err(OpenError::invalid(
                "the file ends before its first slice; copy it again from its source",
                path,
            ))
        }
    }
}

type SliceAndLoss = (SliceValues, Option<String>);

/// A slice, or `None` if its file ends before it. Keeps the file open for the next slice.
fn read_slice<'a>(
    files: &'a [ImageFile],
    slice: Slice,
    reader: &mut Option<(usize, PixelReader<'a>)>,
) -> Result<Option<SliceAndLoss>, OpenError> {
    let image = &files[slice.at.file];
    let open = match reader.take() {
        Some((file, open)) if file == slice.at.file => open,
        _ => PixelReader::open(image)?,
    };
    let (_, open) = reader.insert((slice.at.file, open));
    let frame = frame_of(files, slice.at);
    if frame.index >= open.available_frames() {
        return Ok(None);
    }
    let decoded = open.frame(frame.index)?;
    Ok(Some((values_of(decoded.pixels, frame, image), decoded.lossy)))
}

/// Shows a slice in its place. A slice that cannot be a volume of its own is not shown early.
fn first_slice(
    files: &[ImageFile],
    stack: &Stack,
    slice: Slice,
    values: &SliceValues,
    meta: &ImageMeta,
    observer: &dyn OpenObserver,
) {
    let layout = &files[slice.at.file].layout;
    let mut buffer = VoxelBuffer::new(1, layout.pixel_count(), layout.sample_bytes() == 1, values);
    buffer.put(0, values);
    let affine = stack.grid.affine().shifted(slice.first_voxel.into());
    let volume = Grid::new([layout.columns, layout.rows, 1], affine)
        .ok()
        .and_then(|grid| Volume::new(grid, buffer.into_voxels(), meta.clone()).ok());
    if let Some(volume) = volume {
        observer.first_slice(volume);
    }
}

/// Stored values as real ones: `slope · stored + intercept`, integers where that is exact.
fn values_of(pixels: FramePixels, frame: &Frame, image: &ImageFile) -> SliceValues {
    let (slope, intercept) = (frame.slope, frame.intercept);
    match pixels {
        FramePixels::Color(colors) => SliceValues::Color(colors),
        FramePixels::Real(values) => {
            SliceValues::Real(values.into_iter().map(|v| (slope * v + intercept) as f32).collect())
        }
        FramePixels::Integer(mut values) => {
            let (low, high) = image.layout.stored_range();
            if is_inverted(&image.layout, image.facts.modality) {
                let sum = (low + high) as i64;
                values.iter_mut().for_each(|v| *v = (sum - i64::from(*v)) as i32);
            }
            let ends = [slope * low + intercept, slope * high + intercept];
            let exact = slope.fract() == 0.0
                && intercept.fract() == 0.0
                && ends.iter().all(|end| *end >= f64::from(i32::MIN) && *end <= f64::from(i32::MAX));
            if exact {
                let (slope, intercept) = (slope as i64, intercept as i64);
                let value = |v: i32| (slope * i64::from(v) + intercept) as i32;
                SliceValues::Integer(values.into_iter().map(value).collect())
            } else {
                SliceValues::Real(
                    values.into_iter().map(|v| (slope * f64::from(v) + intercept) as f32).collect(),
                )
            }
        }
    }
}
