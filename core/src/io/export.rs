//! The door through which label maps and images are written.
//!
//! The name of the file decides on the format. A file is written beside its target, synced and renamed into place
//! ([`replace_file`](super::replace_file)); then it is read back and compared in patient coordinates, voxel by voxel.
//! Nothing is called saved before.

use std::path::Path;

use super::labels::{LATTICE_TOLERANCE, described};
use super::{
    CoveredLabel, LabelImage, LabelName, LabelTarget, OpenOptions, SaveError, coco, dicom, meta_image, nifti,
    nrrd, open, open_labels, open_labels_for, raster,
};
use crate::geometry::{Grid, Lattice};
use crate::label::color_of;
use crate::volume::{Source, Volume, Voxels};

/// A label map to be written.
#[derive(Clone, Copy, Debug)]
pub struct LabelExport<'a> {
    /// Label of each voxel, `[z, y, x]` on `grid`; 0 is background.
    pub labels: &'a [u16],
    /// Size and place.
    pub grid: &'a Grid,
    /// The image that the labels belong to.
    pub source: &'a Source,
    /// Names and colours; labels without get a default.
    pub names: &'a [LabelName],
    /// Voxels of labels under other labels; only formats with layers or segments keep them.
    pub covered: &'a [CoveredLabel],
}

/// How label maps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelFormat {
    /// `.nii`, `.nii.gz`.
    Nifti,
    /// `.nrrd`, `.seg.nrrd`, `.nhdr`.
    Nrrd,
    /// `.mha`, `.mhd`.
    MetaImage,
    /// `.dcm`: a DICOM segmentation with one bit a voxel and segment, which may overlap.
    DicomSeg,
    /// A DICOM segmentation with the number of the segment in each voxel.
    DicomLabelMap,
    /// `.rtstruct.dcm`: outlines for radiotherapy.
    RtStruct,
    /// Grey `.png` of a flat label map.
    Png,
    /// `.json`: COCO, a polygon or run lengths for each piece of a label in each slice.
    Coco,
}

impl LabelFormat {
    /// The format of a file name, if it says one.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|e| name.len() > e.len() && name.ends_with(e));
        if ends(&[".nii", ".nii.gz"]) {
            Some(Self::Nifti)
        } else if ends(&[".nrrd", ".nhdr"]) {
            Some(Self::Nrrd)
        } else if ends(&[".mha", ".mhd"]) {
            Some(Self::MetaImage)
        } else if ends(&[".rtstruct.dcm", ".rtss.dcm"]) {
            Some(Self::RtStruct)
        } else if ends(&[".dcm"]) {
            Some(Self::DicomSeg)
        } else if ends(&[".png"]) {
            Some(Self::Png)
        } else if ends(&[".json"]) {
            Some(Self::Coco)
        } else {
            None
        }
    }

    /// Whether the file is a DICOM object.
    pub fn is_dicom(self) -> bool {
        matches!(self, Self::DicomSeg | Self::DicomLabelMap | Self::RtStruct)
    }

    /// Whether voxels that belong to several labels stay so.
    pub fn keeps_overlap(self) -> bool {
        matches!(self, Self::Nrrd | Self::DicomSeg | Self::RtStruct)
    }
}

impl LabelExport<'_> {
    /// A name for every label with a voxel and for every label that has a name, ascending by value.
    pub fn all_names(&self) -> Vec<LabelName> {
        let mut used = vec![false; 1 << 16];
        self.labels.iter().for_each(|label| used[usize::from(*label)] = true);
        self.covered.iter().for_each(|c| used[usize::from(c.value)] = true);
        self.names.iter().for_each(|n| used[usize::from(n.value)] = true);
        let name = |value: u16| match self.names.iter().find(|n| n.value == value) {
            Some(name) => name.clone(),
            None => LabelName { value, name: format!("Label {value}"), color: color_of(value) },
        };
        (1..=u16::MAX).filter(|v| used[usize::from(*v)]).map(name).collect()
    }
}

/// One of the label maps that hold overlapping segments apart.
pub(super) struct Layer<'a> {
    /// Labels of this layer that are covered somewhere; the first layer has all others.
    covered: Option<&'a CoveredLabel>,
    others: Vec<u16>,
}

impl Layer<'_> {
    /// The value of this layer at a voxel.
    pub(super) fn value(&self, labels: &[u16], index: usize) -> u16 {
        let label = labels[index];
        match self.covered {
            None if self.others.binary_search(&label).is_ok() => 0,
            None => label,
            Some(c) if label == c.value || c.voxels.binary_search(&index).is_ok() => c.value,
            Some(_) => 0,
        }
    }

    /// Whether a label lies in this layer.
    pub(super) fn holds(&self, value: u16) -> bool {
        match self.covered {
            None => self.others.binary_search(&value).is_err(),
            Some(c) => c.value == value,
        }
    }
}

/// One layer for all that is nowhere covered, one for each label that is.
pub(super) fn layers_of<'a>(export: &LabelExport<'a>) -> Vec<Layer<'a>> {
    let mut others: Vec<u16> = export.covered.iter().map(|c| c.value).collect();
    others.sort_unstable();
    let mut layers = vec![Layer { covered: None, others }];
    layers.extend(export.covered.iter().map(|c| Layer { covered: Some(c), others: Vec::new() }));
    layers
}

/// Writes a label map in the given format, else in the one that its name says, reads it back and compares it in patient
/// coordinates. A DICOM BINARY segmentation numbers its segments from 1 in the order of the labels.
///
/// # Errors
/// [`SaveError::Unsupported`] for a name or a label map that no format takes, [`SaveError::Io`] if the file cannot be
/// written (an existing one is then untouched), [`SaveError::ReadBack`] with the first difference.
pub fn save_labels(path: &Path, export: &LabelExport, format: Option<LabelFormat>) -> Result<(), SaveError> {
    let refuse = |what: String| SaveError::Unsupported { what, path: path.to_owned() };
    if export.labels.len() != export.grid.voxel_count() {
        let what =
            format!("{} labels do not fill a grid of {:?} voxels", export.labels.len(), export.grid.dims());
        return Err(refuse(what));
    }
    let format = format.or_else(|| LabelFormat::of_name(path)).ok_or_else(|| {
        refuse(
            "a label map is saved as .nii, .nii.gz, .nrrd, .seg.nrrd, .nhdr, .mha, .mhd, .dcm, .rtstruct.dcm, .json (COCO) or .png".into(),
        )
    })?;
    match format {
        // Written in the image's own header, and compared there.
        LabelFormat::Nifti => {
            return nifti::save_labels(path, export.labels, export.grid, export.source, export.names);
        }
        LabelFormat::Png => {
            let [width, height, slices] = export.grid.dims();
            if slices != 1 {
                return Err(refuse(format!("a picture holds one slice, this label map has {slices}")));
            }
            return raster::save_labels(path, export.labels, [width, height]);
        }
        LabelFormat::Coco => return coco::save(path, export),
        LabelFormat::Nrrd => nrrd::save_labels(path, export)?,
        LabelFormat::MetaImage => meta_image::save_labels(path, export)?,
        LabelFormat::DicomSeg => {
            let numbers = dicom::seg::save(path, export, false)?;
            return check_renumbered(path, export, &numbers);
        }
        LabelFormat::RtStruct => {
            dicom::rtstruct::save(path, export)?;
            let target = LabelTarget { grid: export.grid, source: export.source };
            let back = open_labels_for(path, target).map_err(|e| differs(path, e.to_string()))?;
            return check_labels(path, &back, export, true);
        }
        LabelFormat::DicomLabelMap => dicom::seg::save(path, export, true).map(drop)?,
    }
    let back = open_labels(path).map_err(|e| differs(path, e.to_string()))?;
    check_labels(path, &back, export, format.keeps_overlap())
}

/// Writes an image in the format that its name says, reads it back and compares it in patient coordinates.
///
/// # Errors
/// As [`save_labels`].
pub fn save_image(path: &Path, volume: &Volume) -> Result<(), SaveError> {
    match LabelFormat::of_name(path) {
        Some(LabelFormat::Nifti) => return nifti::save_volume(path, volume),
        Some(LabelFormat::Nrrd) => nrrd::save_volume(path, volume)?,
        Some(LabelFormat::MetaImage) => meta_image::save_volume(path, volume)?,
        Some(LabelFormat::Png) if volume.grid().is_flat() => {
            let [width, height, _] = volume.grid().dims();
            return raster::save(path, volume.voxels(), [width, height]);
        }
        _ => {
            let what =
                "an image is saved as .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd, a flat one as .png too"
                    .into();
            return Err(SaveError::Unsupported { what, path: path.to_owned() });
        }
    }
    let back = open(path, &OpenOptions::default(), &()).map_err(|e| differs(path, e.to_string()))?.volume;
    check_image(path, &back, volume)
}

fn differs(path: &Path, what: String) -> SaveError {
    SaveError::ReadBack { what, path: path.to_owned() }
}

/// Reads labels back whose numbers were changed on writing, given as `(label, number in the file)`.
fn check_renumbered(path: &Path, export: &LabelExport, numbers: &[(u16, u16)]) -> Result<(), SaveError> {
    let mut number_of = vec![0; 1 << 16];
    numbers.iter().for_each(|(label, number)| number_of[usize::from(*label)] = *number);
    let labels: Vec<u16> = export.labels.iter().map(|label| number_of[usize::from(*label)]).collect();
    let renumbered = |c: &CoveredLabel| CoveredLabel { value: number_of[usize::from(c.value)], ..c.clone() };
    let covered: Vec<CoveredLabel> = export.covered.iter().map(renumbered).collect();
    let back = open_labels(path).map_err(|e| differs(path, e.to_string()))?;
    check_labels(path, &back, &LabelExport { labels: &labels, covered: &covered, ..*export }, true)
}

/// Compares labels at the same places; voxels outside the other grid count as background.
pub(super) fn check_labels(
    path: &Path,
    back: &LabelImage,
    export: &LabelExport,
    overlap: bool,
) -> Result<(), SaveError> {
    let there = lattice(path, export.grid, &back.grid)?;
    let home = lattice(path, &back.grid, export.grid)?;
    for (index, want) in export.labels.iter().enumerate() {
        let voxel = export.grid.voxel(index);
        let got = there.index_in(&back.grid, voxel).map_or(0, |i| back.labels[i]);
        if got != *want && !is_covered(export, index, got) {
            return Err(label_differs(path, export.grid, voxel, *want, got));
        }
    }
    for (index, got) in back.labels.iter().enumerate().filter(|(_, got)| **got != 0) {
        let voxel = back.grid.voxel(index);
        if home.index_in(export.grid, voxel).is_none() {
            return Err(label_differs(path, &back.grid, voxel, 0, *got));
        }
    }
    if overlap {
        for covered in export.covered {
            let want = covered.voxels.len() + export.labels.iter().filter(|v| **v == covered.value).count();
            let got = back.mask_of(covered.value).iter().filter(|inside| **inside).count();
            if want != got {
                let what = format!("label {} has {got} voxels instead of {want}", covered.value);
                return Err(differs(path, what));
            }
        }
    }
    Ok(())
}

/// Whether a label lies under another at a voxel; the order in which a reader stacks segments is its own.
fn is_covered(export: &LabelExport, index: usize, label: u16) -> bool {
    export.covered.iter().any(|c| c.value == label && c.voxels.binary_search(&index).is_ok())
}

fn label_differs(path: &Path, grid: &Grid, voxel: [usize; 3], want: u16, got: u16) -> SaveError {
    let at = grid.world_of(voxel);
    differs(
        path,
        format!("at {:.3}, {:.3}, {:.3} mm (LPS) the label is {got} instead of {want}", at.x, at.y, at.z),
    )
}

fn lattice(path: &Path, from: &Grid, to: &Grid) -> Result<Lattice, SaveError> {
    Lattice::between(from, to, LATTICE_TOLERANCE)
        .ok_or_else(|| differs(path, format!("{} against {}", described(to), described(from))))
}

fn check_image(path: &Path, back: &Volume, volume: &Volume) -> Result<(), SaveError> {
    if !back.grid().matches(volume.grid()) {
        let what = format!("{} instead of {}", described(back.grid()), described(volume.grid()));
        return Err(differs(path, what));
    }
    let (want, got) = (volume.voxels(), back.voxels());
    let same = |i: usize| match (want, got) {
        (Voxels::Rgb8(want), Voxels::Rgb8(got)) => want[i] == got[i],
        (Voxels::Rgb8(_), _) | (_, Voxels::Rgb8(_)) => false,
        (Voxels::I32(want), Voxels::I32(got)) => want[i] == got[i],
        _ => want.value(i) == got.value(i) || want.value(i).is_nan() && got.value(i).is_nan(),
    };
    match (0..want.len()).find(|i| !same(*i)) {
        None => Ok(()),
        Some(i) => {
            let at = volume.grid().world_of(volume.grid().voxel(i));
            let (got, want) = (got.value(i), want.value(i));
            let what = format!(
                "at {:.3}, {:.3}, {:.3} mm (LPS) the value is {got} instead of {want}",
                at.x, at.y, at.z
            );
            Err(differs(path, what))
        }
    }
}

#[cfg(test)]
mod tests;
