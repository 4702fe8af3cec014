//! Where the slices of a group lie, and the grid of the volume they make.
//!
//! Slices are ordered along the normal of their plane, never by file name or number. What is not a regular
//! right-angled stack (gantry tilt, missing or uneven slices) gets a regular grid and is resampled to it.

use std::path::Path;

use nalgebra::{Matrix3, Vector3};

use super::frames::{Frame, Plane};
use super::image_file::ImageFile;
use super::positions::{Positions, Spread};
use super::series::{FrameRef, Group, frame_of};
use crate::geometry::{Affine, Grid};
use crate::io::{OpenError, Warning};
use crate::volume::Modality;

/// Slices may lie this much beside the stack, in pixels, before they are moved.
const SHIFT_TOLERANCE_PX: f64 = 0.1;

/// One slice and the voxel of the grid in which its first pixel lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    pub at: FrameRef,
    /// Continuous `(x, y, z)`.
    pub first_voxel: [f64; 3],
}

/// A volume before its pixels are read.
#[derive(Debug)]
pub(super) struct Stack {
    /// Slices of the time point shown, along z.
    pub slices: Vec<Slice>,
    pub grid: Grid,
    /// Whether slice `i` is not exactly plane `i` of the grid.
    pub resampled: bool,
    pub time_points: usize,
    pub time_point: usize,
    pub has_physical_spacing: bool,
    pub warnings: Vec<Warning>,
}

/// Which of several images at one place is wanted.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    /// The file that was clicked.
    pub clicked: Option<&'a Path>,
    /// From 0.
    pub time_point: usize,
    /// What was opened, for errors.
    pub path: &'a Path,
}

/// Orders the frames of a group and finds their grid.
pub(super) fn arrange(files: &[ImageFile], group: &Group, choice: Choice) -> Result<Stack, OpenError> {
    let first = frame_of(files, group.frames[0]);
    let mut stack = match first.plane {
        Some(plane) => placed(files, group, plane, choice)?,
        None => unplaced(files, group, choice)?,
    };
    if !stack.has_physical_spacing {
        stack.warnings.push(Warning::NoSpacing);
    }
    Ok(stack)
}

/// Slices of one position each, for the series list.
pub(super) fn slice_count(files: &[ImageFile], group: &Group) -> usize {
    let first = frame_of(files, group.frames[0]);
    match first.plane {
        Some(plane) => by_position(files, group, plane, None).0.len(),
        None => group.frames.len(),
    }
}

/// Frames without position: one behind the other as numbered, if they are separate files; otherwise the frames
/// of one file are moments in time.
fn unplaced(files: &[ImageFile], group: &Group, choice: Choice) -> Result<Stack, OpenError> {
    let first = frame_of(files, group.frames[0]);
    let film = files[group.frames[0].file].frames.len() > 1 && first.slice_spacing_mm.is_none();
    let time_points = if film { group.frames.len() } else { 1 };
    let time_point = check_time_point(choice.time_point, time_points, choice.path)?;
    let frames = if film { &group.frames[time_point..=time_point] } else { &group.frames[..] };
    let mut warnings = Vec::new();
    if files[group.frames[0].file].facts.modality != Modality::Photograph {
        warnings.push(Warning::NoOrientation);
    }
    if time_points > 1 {
        warnings.push(Warning::TimePoints { count: time_points, shown: time_point + 1 });
    }
    let [x, y] = first.spacing_mm.unwrap_or([1.0; 2]);
    let spacing = [x, y, declared_step(first)];
    let layout = &files[group.frames[0].file].layout;
    let grid = Grid::from_spacing([layout.columns, layout.rows, frames.len()], spacing);
    let grid = grid.map_err(|e| OpenError::grid(&e, choice.path))?;
    let slices =
        frames.iter().enumerate().map(|(z, at)| Slice { at: *at, first_voxel: [0.0, 0.0, z as f64] });
    Ok(Stack {
        slices: slices.collect(),
        grid,
        resampled: false,
        time_points,
        time_point,
        has_physical_spacing: first.spacing_mm.is_some(),
        warnings,
    })
}

fn check_time_point(wanted: usize, count: usize, path: &Path) -> Result<usize, OpenError> {
    if wanted < count {
        return Ok(wanted);
    }
    let what = format!("time point {} was asked for, but the series has {count}", wanted + 1);
    Err(OpenError::NotFound { what, path: path.to_owned() })
}

fn declared_step(frame: &Frame) -> f64 {
    frame.slice_spacing_mm.or(frame.thickness_mm).unwrap_or(1.0)
}

/// Frames of one place, with their distance along the normal.
struct Place {
    distance_mm: f64,
    frames: Vec<FrameRef>,
}

/// Groups frames by their distance along the normal, in ascending order, and drops copies of the same instance
/// (the clicked file stays). Also counts the copies.
fn by_position(
    files: &[ImageFile],
    group: &Group,
    plane: Plane,
    clicked: Option<&Path>,
) -> (Vec<Place>, usize) {
    let normal = plane.normal();
    let mut frames: Vec<(f64, FrameRef)> = Vec::new();
    for at in &group.frames {
        if let Some(plane) = frame_of(files, *at).plane {
            frames.push((normal.dot(&plane.position_mm), *at));
        }
    }
    frames.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pixel_mm = frame_of(files, group.frames[0]).spacing_mm.map_or(1.0, |s| s[0].min(s[1]));
    let tolerance_mm = (0.02 * pixel_mm).min(0.01);
    let mut places: Vec<Place> = Vec::new();
    for (distance_mm, at) in frames {
        match places.last_mut() {
            Some(place) if distance_mm - place.distance_mm <= tolerance_mm => place.frames.push(at),
            _ => places.push(Place { distance_mm, frames: vec![at] }),
        }
    }
    let mut copies = 0;
    for place in &mut places {
        copies += drop_copies(files, place, clicked);
    }
    (places, copies)
}

fn drop_copies(files: &[ImageFile], place: &mut Place, clicked: Option<&Path>) -> usize {
    let is_clicked = |at: &FrameRef| clicked.is_some_and(|path| files[at.file].path == path);
    // Stable: among equals the clicked file comes first.
    place.frames.sort_by(|a, b| {
        let (x, y) = (frame_of(files, *a), frame_of(files, *b));
        let keys = x.time_key.iter().zip(&y.time_key).map(|(x, y)| x.total_cmp(y));
        keys.chain([x.number.total_cmp(&y.number)]).fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let before = place.frames.len();
    let mut kept: Vec<FrameRef> = Vec::new();
    for at in &place.frames {
        let uid = &files[at.file].instance_uid;
        let twin = kept
            .iter()
            .position(|k| !uid.is_empty() && files[k.file].instance_uid == *uid && k.frame == at.frame);
        match twin {
            Some(twin) if is_clicked(at) => kept[twin] = *at,
            Some(_) => {}
            None => kept.push(*at),
        }
    }
    place.frames = kept;
    before - place.frames.len()
}

fn placed(files: &[ImageFile], group: &Group, plane: Plane, choice: Choice) -> Result<Stack, OpenError> {
    let (places, mut duplicates) = by_position(files, group, plane, choice.clicked);
    let mut warnings = Vec::new();
    let per_place = places[0].frames.len();
    let is_series_in_time = per_place > 1 && places.iter().all(|place| place.frames.len() == per_place);
    let clicked_in = |place: &Place| {
        let clicked = choice.clicked?;
        place.frames.iter().position(|at| files[at.file].path == clicked)
    };
    let (mut time_points, mut time_point) = (1, 0);
    if is_series_in_time {
        let clicked = places.iter().find_map(clicked_in).filter(|_| choice.time_point == 0);
        time_points = per_place;
        time_point = check_time_point(clicked.unwrap_or(choice.time_point), per_place, choice.path)?;
        warnings.push(Warning::TimePoints { count: time_points, shown: time_point + 1 });
    } else {
        check_time_point(choice.time_point, 1, choice.path)?;
        duplicates += places.iter().map(|place| place.frames.len() - 1).sum::<usize>();
    }
    if duplicates > 0 {
        warnings.push(Warning::DuplicateSlices { count: duplicates });
    }
    let shown = |place: &Place| {
        place.frames[if is_series_in_time { time_point } else { clicked_in(place).unwrap_or(0) }]
    };
    let frames: Vec<FrameRef> = places.iter().map(shown).collect();
    let distances: Vec<f64> = places.iter().map(|place| place.distance_mm).collect();
    let grid = place_grid(files, &frames, &distances, &mut warnings)
        .map_err(|what| OpenError::invalid(what, choice.path))?;
    let has_physical_spacing = frame_of(files, frames[0]).spacing_mm.is_some();
    let PlacedGrid { grid, slices, resampled } = grid;
    Ok(Stack { slices, grid, resampled, time_points, time_point, has_physical_spacing, warnings })
}

struct PlacedGrid {
    grid: Grid,
    slices: Vec<Slice>,
    resampled: bool,
}

fn place_grid(
    files: &[ImageFile],
    frames: &[FrameRef],
    distances_mm: &[f64],
    warnings: &mut Vec<Warning>,
) -> Result<PlacedGrid, String> {
    let first = frame_of(files, frames[0]);
    let Some(plane) = first.plane else { return Err("the first slice has no position".to_owned()) };
    let [dx, dy] = first.spacing_mm.unwrap_or([1.0; 2]);
    let positions = Positions::of(distances_mm, declared_step_of_stack(first))?;
    warnings.extend(positions.warning());
    let step = positions.step_mm;
    let offsets = sideways(files, frames, plane, [dx, dy]);
    let (low, growth) = bounds_of(&offsets);
    let layout = &files[frames[0].file].layout;
    let mut dims = [layout.columns, layout.rows, positions.count];
    let tilted = growth[0].max(growth[1]) > SHIFT_TOLERANCE_PX;
    let mut origin = plane.position_mm;
    if tilted {
        for axis in 0..2 {
            if growth[axis] > 2.0 * dims[axis] as f64 {
                let shift = growth[axis] * [dx, dy][axis];
                return Err(format!(
                    "the slices are shifted sideways by {shift:.1} mm; this is no stack of slices"
                ));
            }
            dims[axis] += (growth[axis] - SHIFT_TOLERANCE_PX).ceil().max(0.0) as usize;
        }
        origin += plane.along_row * (low[0] * dx) + plane.along_column * (low[1] * dy);
        let (last, rise) =
            (offsets[offsets.len() - 1], distances_mm[distances_mm.len() - 1] - distances_mm[0]);
        let run = f64::hypot(last[0] * dx, last[1] * dy);
        warnings.push(Warning::GantryTilt { angle_deg: run.atan2(rise).to_degrees() });
    }
    let columns = [plane.along_row * dx, plane.along_column * dy, plane.normal() * step];
    let affine = Affine::new(Matrix3::from_columns(&columns), origin).map_err(|e| e.to_string())?;
    let grid = Grid::new(dims, affine).map_err(|e| e.to_string())?;
    let slices = frames.iter().zip(&offsets).zip(&positions.voxel_z).map(|((at, offset), z)| {
        let shift = if tilted { [offset[0] - low[0], offset[1] - low[1]] } else { [0.0; 2] };
        Slice { at: *at, first_voxel: [shift[0], shift[1], *z] }
    });
    let slices = slices.collect();
    Ok(PlacedGrid { grid, slices, resampled: tilted || !matches!(positions.spread, Spread::Regular) })
}

/// For a single slice its thickness; between slices positions decide.
fn declared_step_of_stack(frame: &Frame) -> f64 {
    frame.thickness_mm.or(frame.slice_spacing_mm).unwrap_or(1.0)
}

/// How far each slice lies beside the normal through the first pixel of the first, in pixels along x and y.
fn sideways(files: &[ImageFile], frames: &[FrameRef], first: Plane, spacing_mm: [f64; 2]) -> Vec<[f64; 2]> {
    let offset = |at: &FrameRef| {
        let moved =
            frame_of(files, *at).plane.map_or(Vector3::zeros(), |p| p.position_mm - first.position_mm);
        [moved.dot(&first.along_row) / spacing_mm[0], moved.dot(&first.along_column) / spacing_mm[1]]
    };
    frames.iter().map(offset).collect()
}

/// Smallest offsets, and the distance from the smallest to the largest.
fn bounds_of(offsets: &[[f64; 2]]) -> ([f64; 2], [f64; 2]) {
    let fold = |axis: usize, start: f64, pick: fn(f64, f64) -> f64| {
        offsets.iter().map(|o| o[axis]).fold(start, pick)
    };
    let low = [0, 1].map(|axis| fold(axis, f64::INFINITY, f64::min));
    let high = [0, 1].map(|axis| fold(axis, f64::NEG_INFINITY, f64::max));
    (low, [high[0] - low[0], high[1] - low[1]])
}
