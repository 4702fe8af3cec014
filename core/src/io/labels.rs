//! Label maps as files hold them, whatever the format, and the door that reads them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dicom::LabelTarget;
use super::{
    FileKind, Limits, OpenError, OpenOptions, Warning, dicom, meta_image, nifti, nrrd, probe, raster,
};
use crate::geometry::{Grid, Lattice};
use crate::label::color_of;
use crate::volume::{Source, Volume, Voxels};

/// Part of a voxel by which two grids may differ and still be the same lattice: files state places in decimals.
pub(super) const LATTICE_TOLERANCE: f64 = 0.02;

/// What a label value means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelName {
    /// The value in the mask.
    pub value: u16,
    /// Its name.
    pub name: String,
    /// Its colour: red, green, blue.
    pub color: [u8; 3],
}

/// A mask as read from a file.
#[derive(Clone, Debug)]
pub struct LabelImage {
    /// Label of each voxel, `[z, y, x]`; 0 is background.
    pub labels: Vec<u16>,
    /// Size and place.
    pub grid: Grid,
    /// Names that the file carries; often none.
    pub names: Vec<LabelName>,
    /// The file, with its header.
    pub source: Source,
    /// Everything unusual about the file.
    pub warnings: Vec<Warning>,
    /// Voxels of labels that another label covers, where the file's segments overlap; ascending by value.
    pub covered: Vec<CoveredLabel>,
}

/// Where a label lies under others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredLabel {
    /// The value of the label.
    pub value: u16,
    /// Indices of its voxels that show another label, ascending.
    pub voxels: Vec<usize>,
}

/// The values of an image as labels, or which voxel is none.
pub(super) fn labels_of(volume: &Volume, path: &Path) -> Result<Vec<u16>, OpenError> {
    let refuse = |index: usize, value: String| {
        let [x, y, z] = volume.grid().voxel(index);
        let what = format!(
            "voxel {x},{y},{z} has the value {value}; a mask holds whole numbers from 0 to 65535 \
             (threshold a probability map first)"
        );
        OpenError::unsupported(what, path)
    };
    match volume.voxels() {
        Voxels::U8(data) => Ok(data.iter().map(|v| u16::from(*v)).collect()),
        Voxels::U16(data) => Ok(data.clone()),
        Voxels::I16(data) => {
            let label = |(i, v): (usize, &i16)| u16::try_from(*v).map_err(|_| refuse(i, v.to_string()));
            data.iter().enumerate().map(label).collect()
        }
        Voxels::I32(data) => {
            let label = |(i, v): (usize, &i32)| u16::try_from(*v).map_err(|_| refuse(i, v.to_string()));
            data.iter().enumerate().map(label).collect()
        }
        Voxels::F32(data) => {
            let label = |(i, v): (usize, &f32)| {
                let is_label = v.fract() == 0.0 && (0.0..=65535.0).contains(v);
                if is_label { Ok(*v as u16) } else { Err(refuse(i, v.to_string())) }
            };
            data.iter().enumerate().map(label).collect()
        }
        Voxels::Rgb8(_) => {
            Err(OpenError::unsupported("the file holds colours; a mask holds one number a voxel", path))
        }
    }
}

impl LabelImage {
    /// The labels with at least one voxel, ascending; covered ones count.
    pub fn used_labels(&self) -> Vec<u16> {
        let mut used = vec![false; 1 << 16];
        self.labels.iter().for_each(|label| used[usize::from(*label)] = true);
        self.covered.iter().for_each(|c| used[usize::from(c.value)] |= !c.voxels.is_empty());
        (1..=u16::MAX).filter(|label| used[usize::from(*label)]).collect()
    }

    /// Every voxel of a label, `[z, y, x]`, also where another label covers it.
    pub fn mask_of(&self, label: u16) -> Vec<bool> {
        let mut mask: Vec<bool> = self.labels.iter().map(|v| *v == label).collect();
        for covered in self.covered.iter().filter(|c| c.value == label) {
            covered.voxels.iter().for_each(|index| mask[*index] = true);
        }
        mask
    }

    /// The same labels on another grid of the same lattice: turned, cropped or padded, never interpolated.
    ///
    /// # Errors
    /// What differs, if the voxels of the two grids do not coincide or a labelled voxel lies outside `grid`.
    pub fn on_grid(&self, grid: &Grid) -> Result<Self, String> {
        let lattice = Lattice::between(&self.grid, grid, LATTICE_TOLERANCE).ok_or_else(|| {
            format!(
                "its voxels ({}) do not coincide with those of the image ({}); it belongs to another image, or \
                 must be resampled first",
                described(&self.grid),
                described(grid)
            )
        })?;
        let mut labels = vec![0; grid.voxel_count()];
        let mut outside = 0_usize;
        for (index, label) in self.labels.iter().enumerate().filter(|(_, label)| **label != 0) {
            match lattice.index_in(grid, self.grid.voxel(index)) {
                Some(at) => labels[at] = *label,
                None => outside += 1,
            }
        }
        if outside > 0 {
            return Err(format!(
                "{outside} of its labelled voxels lie outside the image ({})",
                described(grid)
            ));
        }
        let moved = |covered: &CoveredLabel| {
            let at = covered.voxels.iter().filter_map(|i| lattice.index_in(grid, self.grid.voxel(*i)));
            let mut voxels: Vec<usize> = at.collect();
            voxels.sort_unstable();
            CoveredLabel { value: covered.value, voxels }
        };
        let covered = self.covered.iter().map(moved).collect();
        Ok(Self { labels, grid: *grid, covered, ..self.clone_facts() })
    }

    /// Names, source and warnings without the voxels.
    fn clone_facts(&self) -> Self {
        Self {
            labels: Vec::new(),
            grid: self.grid,
            names: self.names.clone(),
            source: self.source.clone(),
            warnings: self.warnings.clone(),
            covered: Vec::new(),
        }
    }
}

/// A grid in a few words, for messages.
pub(super) fn described(grid: &Grid) -> String {
    let [x, y, z] = grid.dims();
    let [a, b, c] = grid.spacing_mm();
    let origin = grid.affine().origin();
    format!(
        "{x} × {y} × {z} voxels of {a:.4} × {b:.4} × {c:.4} mm, {}, from {:.3}, {:.3}, {:.3} mm",
        grid.orientation().code(),
        origin.x,
        origin.y,
        origin.z
    )
}

/// Puts segments that may overlap into one label map: a later segment covers an earlier one, and what it covers is
/// kept beside.
#[derive(Debug)]
pub(super) struct Composition {
    labels: Vec<u16>,
    covered: std::collections::BTreeMap<u16, Vec<usize>>,
}

impl Composition {
    /// Background on this grid; `None` without memory.
    pub(super) fn new(grid: &Grid) -> Option<Self> {
        let mut labels = Vec::new();
        labels.try_reserve_exact(grid.voxel_count()).ok()?;
        labels.resize(grid.voxel_count(), 0);
        Some(Self { labels, covered: std::collections::BTreeMap::new() })
    }

    /// Sets a voxel.
    pub(super) fn set(&mut self, index: usize, label: u16) {
        let before = std::mem::replace(&mut self.labels[index], label);
        if before != 0 && before != label {
            self.covered.entry(before).or_default().push(index);
        }
    }

    /// The labels, what is covered, and a warning where segments overlap.
    pub(super) fn finish(self, warnings: &mut Vec<Warning>) -> (Vec<u16>, Vec<CoveredLabel>) {
        let finished = |(value, mut voxels): (u16, Vec<usize>)| {
            voxels.sort_unstable();
            voxels.dedup();
            CoveredLabel { value, voxels }
        };
        let covered: Vec<CoveredLabel> = self.covered.into_iter().map(finished).collect();
        if !covered.is_empty() {
            let labels = covered.iter().map(|c| c.value).collect();
            let voxels = covered.iter().map(|c| c.voxels.len()).sum();
            warnings.push(Warning::Overlap { voxels, labels });
        }
        (self.labels, covered)
    }
}

/// A name for a segment of a file: trimmed, never empty.
pub(super) fn segment_name(text: &str, value: u16) -> String {
    let name: String = text.chars().filter(|c| !c.is_control()).take(crate::label::MAX_NAME_CHARS).collect();
    let name = name.trim();
    if name.is_empty() { format!("Label {value}") } else { name.to_owned() }
}

/// A colour of three parts from 0 to 1, or the default one of the label.
pub(super) fn segment_color(parts: Option<[f64; 3]>, value: u16) -> [u8; 3] {
    match parts {
        Some(parts) if parts.iter().all(|p| (0.0..=1.0).contains(p)) => {
            parts.map(|p| (p * 255.0).round() as u8)
        }
        _ => color_of(value),
    }
}

/// Opens a label map of any format that Hilum reads, on the file's own grid: NIfTI, NRRD with segments, MetaImage,
/// or a grey picture (one that holds only 0 and 255 is binary and gets label 1).
///
/// # Errors
/// [`OpenError`] as for an image, and for colour, several time points, and values that are no labels.
pub fn open_labels(path: &Path) -> Result<LabelImage, OpenError> {
    open_labels_within(path, &Limits::default())
}

/// [`open_labels`] with other bounds on what a file may ask for.
///
/// # Errors
/// As [`open_labels`]; [`OpenError::TooLarge`] beyond the bounds.
pub fn open_labels_within(path: &Path, limits: &Limits) -> Result<LabelImage, OpenError> {
    let options = OpenOptions { limits: *limits, ..OpenOptions::default() };
    match probe(path)? {
        FileKind::Nifti => nifti::labels::open_labels_within(path, limits),
        FileKind::Nrrd => nrrd::open_labels(path, limits),
        FileKind::MetaImage => plain(meta_image::open(path, &options, &())?, path),
        FileKind::Raster => picture(path, &options),
        FileKind::Dicom => dicom::open_labels(path, None, limits),
        FileKind::Folder => Err(OpenError::unsupported(
            "a folder holds no label map; name the SEG or RTSTRUCT file in it",
            path,
        )),
    }
}

/// Opens a label map of any format for an image: the labels come back on the image's grid, turned, cropped or padded as
/// needed and never interpolated.
///
/// # Errors
/// As [`open_labels`]; also if the file belongs to another frame of reference, its voxels do not coincide with the
/// image's, or a labelled voxel lies outside the image.
pub fn open_labels_for(path: &Path, target: LabelTarget) -> Result<LabelImage, OpenError> {
    if probe(path)? == FileKind::Dicom {
        return dicom::open_labels(path, Some(target), &Limits::default());
    }
    let image = open_labels(path)?;
    if image.grid.matches(target.grid) {
        return Ok(image);
    }
    image.on_grid(target.grid).map_err(|what| OpenError::invalid(what, path))
}

/// An image whose values are labels.
fn plain(opened: super::Opened, path: &Path) -> Result<LabelImage, OpenError> {
    let volume = opened.volume;
    if volume.meta().time_points > 1 {
        let what = format!("a mask has one time point, this file has {}", volume.meta().time_points);
        return Err(OpenError::unsupported(what, path));
    }
    let labels = labels_of(&volume, path)?;
    let source = volume.meta().source.clone();
    let warnings = opened.warnings;
    Ok(LabelImage { labels, grid: *volume.grid(), names: Vec::new(), source, warnings, covered: Vec::new() })
}

fn picture(path: &Path, options: &OpenOptions) -> Result<LabelImage, OpenError> {
    let opened = raster::open(path, options, &())?;
    let grey = match opened.volume.voxels() {
        Voxels::Rgb8(colors) if colors.iter().all(|[r, g, b]| r == g && g == b) => {
            Some(Voxels::U8(colors.iter().map(|[grey, ..]| *grey).collect()))
        }
        _ => None,
    };
    let volume = match grey {
        Some(voxels) => Volume::new(*opened.volume.grid(), voxels, opened.volume.meta().clone())
            .map_err(|e| OpenError::invalid(e.to_string(), path))?,
        None => opened.volume,
    };
    let mut image = plain(super::Opened { volume, warnings: opened.warnings }, path)?;
    if image.labels.iter().all(|v| matches!(v, 0 | 255)) {
        image.labels.iter_mut().for_each(|v| *v = u16::from(*v == 255));
    }
    Ok(image)
}
