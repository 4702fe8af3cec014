//! Groups the frames of many files into stacks that can be one volume each.

use std::collections::BTreeMap;
use std::path::Path;

use super::frames::{Frame, Plane};
use super::image_file::{ImageFile, SeriesFacts};
use crate::io::SeriesSummary;

/// Cosines of one stack agree within this.
const DIRECTION_TOLERANCE: f64 = 2e-3;
/// Pixel spacings of one stack agree within this share.
const SPACING_TOLERANCE: f64 = 1e-3;

/// A frame of a file, by position in the list of files and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRef {
    pub file: usize,
    pub frame: usize,
}

/// Frames of one series with one size and orientation.
#[derive(Debug)]
pub(super) struct Group {
    /// The Series Instance UID; with `#2`, `#3` … where a series falls into several stacks.
    pub uid: String,
    /// Ordered by instance number.
    pub frames: Vec<FrameRef>,
}

/// All groups of a set of files, the one that is opened by default first: ordinary images before scout views,
/// then the most slices, then the lowest series number.
pub(super) fn groups(files: &[ImageFile]) -> Vec<Group> {
    let mut by_series: BTreeMap<(&str, &str), Vec<Vec<FrameRef>>> = BTreeMap::new();
    for (file, image) in files.iter().enumerate() {
        // A multi-frame object is a stack of its own.
        let own = if image.frames.len() > 1 { image.instance_uid.as_str() } else { "" };
        let stacks = by_series.entry((image.facts.series_uid.as_str(), own)).or_default();
        for frame in 0..image.frames.len() {
            let at = FrameRef { file, frame };
            match stacks.iter_mut().find(|stack| belongs(files, stack[0], at)) {
                Some(stack) => stack.push(at),
                None => stacks.push(vec![at]),
            }
        }
    }
    let mut parts: BTreeMap<&str, Vec<Vec<FrameRef>>> = BTreeMap::new();
    for ((series, _), stacks) in by_series {
        parts.entry(series).or_default().extend(stacks);
    }
    let mut groups = Vec::new();
    for (series, mut stacks) in parts {
        stacks.sort_by_key(|stack| rank(files, stack));
        for (number, mut frames) in stacks.into_iter().enumerate() {
            frames.sort_by(|a, b| frame_of(files, *a).number.total_cmp(&frame_of(files, *b).number));
            let uid = if number == 0 { series.to_owned() } else { format!("{series}#{}", number + 1) };
            groups.push(Group { uid, frames });
        }
    }
    groups.sort_by_key(|group| rank(files, &group.frames));
    groups
}

fn rank(files: &[ImageFile], frames: &[FrameRef]) -> (bool, std::cmp::Reverse<usize>, i64) {
    let facts = &files[frames[0].file].facts;
    (facts.localizer, std::cmp::Reverse(frames.len()), facts.number.unwrap_or(i64::MAX))
}

pub(super) fn frame_of(files: &[ImageFile], at: FrameRef) -> &Frame {
    &files[at.file].frames[at.frame]
}

fn belongs(files: &[ImageFile], first: FrameRef, other: FrameRef) -> bool {
    let (a, b) = (&files[first.file], &files[other.file]);
    let same_size = (a.layout.rows, a.layout.columns) == (b.layout.rows, b.layout.columns);
    let same_kind = a.layout.is_color() == b.layout.is_color() && a.facts.localizer == b.facts.localizer;
    let (x, y) = (frame_of(files, first), frame_of(files, other));
    let same_spacing = match (x.spacing_mm, y.spacing_mm) {
        (Some(x), Some(y)) => (0..2).all(|i| (x[i] - y[i]).abs() <= SPACING_TOLERANCE * x[i]),
        (x, y) => x.is_none() && y.is_none(),
    };
    same_size && same_kind && same_spacing && same_direction(x.plane, y.plane)
}

fn same_direction(a: Option<Plane>, b: Option<Plane>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            (a.along_row - b.along_row).amax() <= DIRECTION_TOLERANCE
                && (a.along_column - b.along_column).amax() <= DIRECTION_TOLERANCE
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The group that holds a file.
pub(super) fn group_of_file<'a>(files: &[ImageFile], groups: &'a [Group], path: &Path) -> Option<&'a Group> {
    groups.iter().find(|group| group.frames.iter().any(|at| files[at.file].path == path))
}

/// A group as the chooser shows it.
pub(super) fn summary(files: &[ImageFile], group: &Group, slices: usize) -> SeriesSummary {
    let first = &files[group.frames[0].file];
    let SeriesFacts { modality, date, number, patient, .. } = first.facts.clone();
    let description = title(&first.facts);
    SeriesSummary {
        uid: group.uid.clone(),
        description,
        modality,
        date,
        dims: [first.layout.columns, first.layout.rows, slices],
        number,
        patient,
        first_file: first.path.clone(),
    }
}

/// Series description, or its number.
pub(super) fn title(facts: &SeriesFacts) -> String {
    match (&facts.description, facts.number) {
        (Some(description), _) => description.clone(),
        (None, Some(number)) => format!("series {number}"),
        (None, None) => format!("{} series", facts.modality.code()),
    }
}
