//! Surfaces of labels as files: binary STL, OBJ and binary PLY, in millimetres.
//!
//! The files say in which space they are in the words of 3D Slicer, `SPACE=LPS` or `SPACE=RAS`, in the header of STL and
//! in a comment of OBJ and PLY. A file is written beside its target and renamed into place, then read back: triangles,
//! volume enclosed and bounding box must be those of the surface in patient coordinates.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use super::{SaveError, replace_file};
use crate::surface::SurfaceMesh;

pub use read::read_surface;

/// The axes of the coordinates in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SurfaceSpace {
    /// Towards left, posterior, superior: as DICOM and, by default, 3D Slicer.
    #[default]
    Lps,
    /// Towards right, anterior, superior: as NIfTI and FreeSurfer.
    Ras,
}

impl SurfaceSpace {
    /// `LPS` or `RAS`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Lps => "LPS",
            Self::Ras => "RAS",
        }
    }

    /// LPS to this space, and back: a half turn, so that triangles keep their outside.
    fn turned(self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Lps => [x, y, z],
            Self::Ras => [-x, -y, z],
        }
    }
}

/// How surfaces are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurfaceFormat {
    /// `.stl`, binary: triangles alone.
    Stl,
    /// `.obj`: an object with a name for each label, colours at the vertices.
    Obj,
    /// `.ply`, binary little endian: normals and colours at the vertices.
    Ply,
}

impl SurfaceFormat {
    /// The format of a file name, if it says one.
    pub fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "stl" => Some(Self::Stl),
            "obj" => Some(Self::Obj),
            "ply" => Some(Self::Ply),
            _ => None,
        }
    }
}

/// The surface of one label, to be written.
#[derive(Clone, Debug)]
pub struct SurfacePart {
    /// Its label.
    pub label: u16,
    /// Name of the label.
    pub name: String,
    /// Colour: red, green, blue.
    pub color: [u8; 3],
    /// Triangles in world millimetres (LPS).
    pub mesh: SurfaceMesh,
}

impl SurfacePart {
    /// The name on one line.
    fn line_name(&self) -> String {
        self.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// Writes surfaces into one file in the format of its name, reads it back and compares it.
///
/// # Errors
/// [`SaveError::Unsupported`] for another name and without any triangle, [`SaveError::Io`] if the file cannot be written
/// (an existing one is then untouched), [`SaveError::ReadBack`] with what differs.
pub fn save_surfaces(path: &Path, parts: &[SurfacePart], space: SurfaceSpace) -> Result<(), SaveError> {
    let refuse = |what: &str| SaveError::Unsupported { what: what.into(), path: path.to_owned() };
    let format = SurfaceFormat::of_name(path)
        .ok_or_else(|| refuse("a surface is saved as .stl, .obj or .ply; name the file so"))?;
    let triangles: usize = parts.iter().map(|part| part.mesh.triangles.len()).sum();
    if triangles == 0 {
        return Err(refuse("there is no labelled voxel, so there is no surface to save"));
    }
    if u32::try_from(triangles * 3).is_err() {
        return Err(refuse("the surface has more triangles than the format can count; save fewer labels"));
    }
    replace_file(path, |out| match format {
        SurfaceFormat::Stl => write::stl(out, parts, space),
        SurfaceFormat::Obj => write::obj(out, parts, space),
        SurfaceFormat::Ply => write::ply(out, parts, space),
    })?;
    let differs = |what: String| SaveError::ReadBack { what, path: path.to_owned() };
    let back = read_surface(path).map_err(|e| differs(e.to_string()))?;
    compare(&back, parts).map_err(differs)
}

/// Writes each surface into a file of its own, whose name is that of `path` with the label's before the ending
/// (`case.stl` becomes `case_Liver.stl`), and returns the files.
///
/// # Errors
/// As [`save_surfaces`]; files written before stay.
pub fn save_each(path: &Path, parts: &[SurfacePart], space: SurfaceSpace) -> Result<Vec<PathBuf>, SaveError> {
    let mut written: Vec<PathBuf> = Vec::new();
    for part in parts {
        let clean = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = part.name.chars().map(clean).collect();
        let named = |name: &str| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}_{name}.{ending}"))
        };
        let mut file = named(&name);
        if written.contains(&file) {
            file = named(&format!("{name}_{}", part.label));
        }
        save_surfaces(&file, std::slice::from_ref(part), space)?;
        written.push(file);
    }
    Ok(written)
}

/// Compares what a file holds with what was to be written, both in LPS.
fn compare(back: &SurfaceMesh, parts: &[SurfacePart]) -> Result<(), String> {
    let triangles: usize = parts.iter().map(|part| part.mesh.triangles.len()).sum();
    if back.triangles.len() != triangles {
        return Err(format!("{} triangles instead of {triangles}", back.triangles.len()));
    }
    let volume_mm3: f64 = parts.iter().map(|part| part.mesh.volume_mm3()).sum();
    let got_mm3 = back.volume_mm3();
    if (got_mm3 - volume_mm3).abs() > 1e-6 * volume_mm3.abs().max(1.0) {
        return Err(format!("it encloses {got_mm3:.3} mm³ instead of {volume_mm3:.3} mm³"));
    }
    let bounds = parts
        .iter()
        .filter_map(|part| part.mesh.bounds_mm())
        .reduce(|[a, b], [c, d]| [[0, 1, 2].map(|i| a[i].min(c[i])), [0, 1, 2].map(|i| b[i].max(d[i]))]);
    if back.bounds_mm() != bounds {
        return Err(format!("it reaches from {:?} instead of {bounds:?} mm (LPS)", back.bounds_mm()));
    }
    Ok(())
}
