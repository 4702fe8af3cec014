//! `hilum convert`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hilum_core::io::{
    self, FileKind, LabelExport, LabelFormat, LabelImage, LabelTarget, Opened, export, spare_original,
};
use hilum_core::volume::Source;
use serde::Serialize;

use super::args::Choice;
use super::output::{Console, Progress, Report, by, warnings_json};

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// An image file, a folder with DICOM files, or a label map.
    input: PathBuf,
    /// A file that ends in .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd; label maps also .seg.nrrd, .dcm (SEG),
    /// .rtstruct.dcm, .json (COCO) and .png.
    output: PathBuf,
    /// The input is a label map: whole numbers, with names where the formats have them. Assumed for SEG, RTSTRUCT,
    /// .seg.nrrd and with --image or --format.
    #[arg(long)]
    labels: bool,
    /// The image that the labels belong to: they are written on its grid, DICOM objects refer to it.
    #[arg(long, value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// Format of labels, where the name of the output does not say it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    choice: Choice,
}

/// Formats of label maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Nifti,
    Nrrd,
    Metaimage,
    /// DICOM segmentation, one bit a voxel and segment.
    DicomSeg,
    /// DICOM segmentation, the segment's number in each voxel.
    DicomLabelmap,
    /// DICOM structure set.
    Rtstruct,
    Png,
    /// COCO JSON: a polygon or run lengths for each piece of a label in each slice.
    Coco,
}

impl Format {
    fn label_format(self) -> LabelFormat {
        match self {
            Self::Nifti => LabelFormat::Nifti,
            Self::Nrrd => LabelFormat::Nrrd,
            Self::Metaimage => LabelFormat::MetaImage,
            Self::DicomSeg => LabelFormat::DicomSeg,
            Self::DicomLabelmap => LabelFormat::DicomLabelMap,
            Self::Rtstruct => LabelFormat::RtStruct,
            Self::Png => LabelFormat::Png,
            Self::Coco => LabelFormat::Coco,
        }
    }
}

/// Refuses a NIfTI target that cannot be written, before any work is done for it.
pub fn check_nifti_target(path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !(name.ends_with(".nii") || name.ends_with(".nii.gz")) {
        bail!("the output must end in .nii or .nii.gz: {}", path.display());
    }
    check_target(path)
}

/// Refuses a target that is a folder, or whose folder is not there.
pub fn check_target(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("the output is a folder; name a file in it: {}", path.display());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            bail!("the folder of the output does not exist; make it first: {}", folder.display())
        }
        _ => Ok(()),
    }
}

impl Convert {
    /// Reads an image or a label map and writes it in another format; the file is read back and compared.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let format = self.format.map(Format::label_format).or_else(|| LabelFormat::of_name(&self.output));
        let Some(format) = format else {
            bail!(
                "the output must end in .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd, for labels also in .seg.nrrd, .dcm, \
                 .rtstruct.dcm, .json (COCO) or .png: {}",
                self.output.display()
            );
        };
        check_target(&self.output)?;
        for source in [Some(&self.input), self.image.as_ref()].into_iter().flatten() {
            spare_original(source, &self.output)?;
        }
        if self.is_label_map()? {
            return self.convert_labels(format, console);
        }
        if format.is_dicom() || format == LabelFormat::Coco {
            bail!(
                "DICOM and COCO are written for label maps only (add --labels if the input is one): {}",
                self.output.display()
            );
        }
        let progress = Progress::start("reading");
        let options = self.choice.options(&self.input, &progress)?;
        let opened = io::open(&self.input, &options, &progress)?;
        drop(progress);
        if format == LabelFormat::Png && !opened.volume.grid().is_flat() {
            bail!("a picture holds one slice; write .nii.gz, .nrrd or .mha: {}", self.output.display());
        }
        console.warn_all(&opened.warnings);
        export::save_image(&self.output, &opened.volume).context("the image was not converted")?;
        console.report(&ConvertReport {
            input: self.input.clone(),
            output: self.output.clone(),
            dims: opened.volume.grid().dims(),
            spacing_mm: opened.volume.grid().spacing_mm(),
            voxel_type: opened.volume.voxels().type_name(),
            labels: Vec::new(),
            warnings: warnings_json(&opened.warnings),
        })
    }

    fn is_label_map(&self) -> anyhow::Result<bool> {
        let name = self.input.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let said = self.labels || self.image.is_some() || self.format.is_some();
        Ok(said
            || name.ends_with(".seg.nrrd")
            || io::probe(&self.input)? == FileKind::Dicom && io::dicom::holds_labels(&self.input))
    }

    fn convert_labels(&self, format: LabelFormat, console: &Console) -> anyhow::Result<()> {
        let progress = Progress::start("reading");
        let image = self.image.as_ref().map(|path| -> anyhow::Result<Opened> {
            Ok(io::open(path, &self.choice.options(path, &progress)?, &progress)?)
        });
        let image = image.transpose()?.map(|opened| opened.volume);
        let labels = match &image {
            Some(volume) => {
                let target = LabelTarget { grid: volume.grid(), source: &volume.meta().source };
                io::open_labels_for(&self.input, target)?
            }
            None => io::open_labels(&self.input)?,
        };
        drop(progress);
        let source = match (&image, &labels.source) {
            (Some(volume), _) => &volume.meta().source,
            (None, Source::Dicom { .. }) if format.is_dicom() => {
                bail!("a DICOM object refers to its series; name it with --image: {}", self.input.display())
            }
            (None, source) => source,
        };
        console.warn_all(&labels.warnings);
        if !labels.covered.is_empty() && !format.keeps_overlap() {
            console.warn(
                "the format holds one label a voxel; where labels overlap, the covering one was written",
            );
        }
        let wanted = LabelExport {
            labels: &labels.labels,
            grid: &labels.grid,
            source,
            names: &labels.names,
            covered: &labels.covered,
        };
        export::save_labels(&self.output, &wanted, Some(format)).context("the labels were not converted")?;
        console.report(&ConvertReport {
            input: self.input.clone(),
            output: self.output.clone(),
            dims: labels.grid.dims(),
            spacing_mm: labels.grid.spacing_mm(),
            voxel_type: "label",
            labels: Segment::all_of(&labels),
            warnings: warnings_json(&labels.warnings),
        })
    }
}

#[derive(Serialize)]
struct Segment {
    value: u16,
    name: String,
    voxels: usize,
    volume_ml: f64,
}

impl Segment {
    fn all_of(image: &LabelImage) -> Vec<Self> {
        let one = |value: u16| {
            let name = image.names.iter().find(|n| n.value == value).map(|n| n.name.clone());
            let voxels = image.mask_of(value).iter().filter(|inside| **inside).count();
            let volume_ml = voxels as f64 * image.grid.affine().voxel_volume_mm3() / 1000.0;
            Self { value, name: name.unwrap_or_default(), voxels, volume_ml }
        };
        image.used_labels().into_iter().map(one).collect()
    }
}

#[derive(Serialize)]
struct ConvertReport {
    input: PathBuf,
    output: PathBuf,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    voxel_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Segment>,
    warnings: Vec<serde_json::Value>,
}

impl Report for ConvertReport {
    fn text(&self) -> String {
        let mut text = format!(
            "wrote {} voxels ({}), read back and compared: {}",
            by(self.dims),
            self.voxel_type,
            self.output.display()
        );
        for label in &self.labels {
            text += &format!("\n{:>6}  {:<24} {:>10.3} ml", label.value, label.name, label.volume_ml);
        }
        text
    }
}
