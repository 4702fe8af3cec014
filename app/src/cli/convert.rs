//! `hilum convert`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::io::{self, nifti};
use serde::Serialize;

use super::args::Choice;
use super::output::{Console, Progress, Report, by};

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// An image file, or a folder with DICOM files.
    input: PathBuf,
    /// A file that ends in .nii or .nii.gz.
    output: PathBuf,
    #[command(flatten)]
    choice: Choice,
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
    /// Reads an image and writes it as NIfTI.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        check_nifti_target(&self.output)?;
        let progress = Progress::start("reading");
        let options = self.choice.options(&self.input, &progress)?;
        let opened = io::open(&self.input, &options, &progress)?;
        drop(progress);
        console.warn_all(&opened.warnings);
        nifti::save_volume(&self.output, &opened.volume).context("the image was not converted")?;
        console.report(&ConvertReport {
            input: self.input.clone(),
            output: self.output.clone(),
            dims: opened.volume.grid().dims(),
            spacing_mm: opened.volume.grid().spacing_mm(),
            voxel_type: opened.volume.voxels().type_name(),
            warnings: super::output::warnings_json(&opened.warnings),
        })
    }
}

#[derive(Serialize)]
struct ConvertReport {
    input: PathBuf,
    output: PathBuf,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    voxel_type: &'static str,
    warnings: Vec<serde_json::Value>,
}

impl Report for ConvertReport {
    fn text(&self) -> String {
        format!("wrote {} voxels ({}): {}", by(self.dims), self.voxel_type, self.output.display())
    }
}
