//! `hilum export-surface`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hilum_core::io::surface::{SurfaceFormat, SurfacePart, SurfaceSpace, save_each, save_surfaces};
use hilum_core::io::{self, LabelExport, LabelImage};
use hilum_core::label::LabelMap;
use hilum_core::surface::{SurfaceMesh, SurfaceShape};
use serde::Serialize;

use super::convert::check_target;
use super::output::{Console, Report, warnings_json};

/// Arguments of `export-surface`.
#[derive(Debug, Args)]
pub struct ExportSurface {
    /// A label map of any format.
    mask: PathBuf,
    /// The file to write: .stl (binary), .obj or .ply (with colours), in millimetres.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only these labels.
    #[arg(long, value_name = "N")]
    label: Vec<u16>,
    /// Axes of the coordinates; the file says which.
    #[arg(long, value_enum, default_value_t = Space::Lps)]
    space: Space,
    /// What the surface follows.
    #[arg(long, value_enum, default_value_t = Shape::Smooth)]
    shape: Shape,
    /// A file for each label, with its name before the ending, instead of one for all.
    #[arg(long)]
    each: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Space {
    /// Left, posterior, superior: as DICOM and 3D Slicer.
    Lps,
    /// Right, anterior, superior: as NIfTI.
    Ras,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// A smooth surface within half a voxel of the voxels' faces.
    Smooth,
    /// The faces of the voxels, which enclose exactly their volume.
    Voxels,
}

impl ExportSurface {
    /// Reads a label map and writes the surfaces of its labels; every file is read back and compared.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        if SurfaceFormat::of_name(&self.out).is_none() {
            bail!("the output must end in .stl, .obj or .ply: {}", self.out.display());
        }
        check_target(&self.out)?;
        let image = io::open_labels(&self.mask)?;
        console.warn_all(&image.warnings);
        let used = image.used_labels();
        if let Some(missing) = self.label.iter().find(|label| !used.contains(label)) {
            let used: Vec<String> = used.iter().map(ToString::to_string).collect();
            bail!(
                "there is no voxel with label {missing} (there are: {}): {}",
                used.join(", "),
                self.mask.display()
            );
        }
        let shape = match self.shape {
            Shape::Smooth => SurfaceShape::Smooth,
            Shape::Voxels => SurfaceShape::Voxels,
        };
        let wanted = |label: &u16| self.label.is_empty() || self.label.contains(label);
        let parts = parts_of(&image, &used.iter().copied().filter(wanted).collect::<Vec<_>>(), shape)?;
        let space = match self.space {
            Space::Lps => SurfaceSpace::Lps,
            Space::Ras => SurfaceSpace::Ras,
        };
        let files = if self.each {
            save_each(&self.out, &parts, space)
        } else {
            save_surfaces(&self.out, &parts, space).map(|()| vec![self.out.clone()])
        };
        console.report(&SurfaceReport {
            files: files.context("the surface was not exported")?,
            space: space.code(),
            surfaces: parts.iter().map(|part| Written::of(part, &image)).collect(),
            warnings: warnings_json(&image.warnings),
        })
    }
}

/// The surfaces of some labels; voxels that another label covers count.
fn parts_of(image: &LabelImage, labels: &[u16], shape: SurfaceShape) -> anyhow::Result<Vec<SurfacePart>> {
    let export = LabelExport {
        labels: &image.labels,
        grid: &image.grid,
        source: &image.source,
        names: &image.names,
        covered: &image.covered,
    };
    let names = export.all_names();
    let part = |label: &u16| -> anyhow::Result<SurfacePart> {
        let mask = image.mask_of(*label).iter().map(|inside| u16::from(*inside)).collect();
        let mesh = SurfaceMesh::of_label(&LabelMap::from_voxels(image.grid, mask)?, 1, shape);
        let name = names.iter().find(|name| name.value == *label).context("every label has a name")?;
        Ok(SurfacePart { label: *label, name: name.name.clone(), color: name.color, mesh })
    };
    labels.iter().map(part).collect()
}

#[derive(Serialize)]
struct Written {
    label: u16,
    name: String,
    vertices: usize,
    triangles: usize,
    /// Enclosed by the surface.
    volume_ml: f64,
    /// Of the voxels.
    voxel_volume_ml: f64,
}

impl Written {
    fn of(part: &SurfacePart, image: &LabelImage) -> Self {
        let voxels = image.mask_of(part.label).iter().filter(|inside| **inside).count();
        Self {
            label: part.label,
            name: part.name.clone(),
            vertices: part.mesh.positions.len(),
            triangles: part.mesh.triangles.len(),
            volume_ml: part.mesh.volume_mm3() / 1000.0,
            voxel_volume_ml: voxels as f64 * image.grid.affine().voxel_volume_mm3() / 1000.0,
        }
    }
}

#[derive(Serialize)]
struct SurfaceReport {
    files: Vec<PathBuf>,
    space: &'static str,
    surfaces: Vec<Written>,
    warnings: Vec<serde_json::Value>,
}

impl Report for SurfaceReport {
    fn text(&self) -> String {
        let mut text = String::new();
        for s in &self.surfaces {
            text += &format!(
                "{:>6}  {:<24} {:>9} triangles, {:.3} ml (voxels {:.3} ml)\n",
                s.label, s.name, s.triangles, s.volume_ml, s.voxel_volume_ml
            );
        }
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        text + &format!("wrote millimetres in {}, read back and compared: {}", self.space, files.join(", "))
    }
}
