//! Reading and writing masks for the window.

use std::path::Path;

use hilum_core::io::surface::{SurfacePart, SurfaceSpace, save_surfaces};
use hilum_core::io::{self, FileKind, LabelExport, LabelImage, LabelTarget, OpenError, export};
use hilum_core::label::LabelMap;
use hilum_core::surface::{SurfaceMesh, SurfaceShape};
use hilum_core::volume::Volume;

use super::SaveRequest;
use super::io::IoEvent;

/// A mask with what its file tells of its labels.
#[derive(Debug)]
pub struct ImportedMask {
    /// Its labels.
    pub labels: LabelMap,
    /// What labels are called.
    pub names: Vec<io::LabelName>,
    /// What a person must know.
    pub notes: Vec<String>,
}

/// Reads a mask with names, colours and what is unusual about it.
pub(super) fn import(path: &Path, image: &Volume) -> Result<Box<ImportedMask>, String> {
    let LabelImage { labels, grid, names, warnings, covered, .. } = read_file(path, image)?;
    let mut notes: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    for label in covered {
        let name = names.iter().find(|name| name.value == label.value).map_or("a label", |name| &name.name);
        notes.push(format!(
            "{} voxels of {name} lie under other labels and are not shown: here a voxel has one label",
            label.voxels.len()
        ));
    }
    let labels = LabelMap::from_voxels(grid, labels).map_err(|error| error.to_string())?;
    Ok(Box::new(ImportedMask { labels, names, notes }))
}

/// Reads a mask on the image's grid where their voxels coincide, else on its own: the window says how they differ. A
/// DICOM object must belong to the image.
pub(super) fn read(path: &Path, image: &Volume) -> Result<Box<LabelMap>, String> {
    let labels = read_file(path, image)?;
    LabelMap::from_voxels(labels.grid, labels.labels).map(Box::new).map_err(|error| error.to_string())
}

fn read_file(path: &Path, image: &Volume) -> Result<LabelImage, String> {
    let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
    let read = || {
        if io::probe(path)? == FileKind::Dicom {
            return io::open_labels_for(path, target);
        }
        let labels = io::open_labels(path)?;
        Ok(labels.on_grid(image.grid()).unwrap_or(labels))
    };
    read().map_err(|error: OpenError| error.to_string())
}

/// Writes a mask in the format of its name; it is read back before it counts as saved.
pub(super) fn save(request: SaveRequest) -> IoEvent {
    let SaveRequest { session, path, labels, source, names, state } = request;
    let export = LabelExport {
        labels: &labels.to_voxels(),
        grid: labels.grid(),
        source: &source,
        names: &names,
        covered: &[],
    };
    let saved = export::save_labels(&path, &export, None);
    IoEvent::Saved { session, path, state, error: saved.err().map(|error| error.to_string()) }
}

/// Writes the surfaces that the 3-D view shows, in LPS as 3D Slicer does; the file is read back before it counts as
/// written.
pub(super) fn export_surface(request: &SaveRequest) -> IoEvent {
    let SaveRequest { path, labels, source, names, .. } = request;
    let export =
        LabelExport { labels: &labels.to_voxels(), grid: labels.grid(), source, names, covered: &[] };
    let part = |name: io::LabelName| SurfacePart {
        label: name.value,
        mesh: SurfaceMesh::of_label(labels, name.value, SurfaceShape::Smooth),
        name: name.name,
        color: name.color,
    };
    let parts: Vec<SurfacePart> = export.all_names().into_iter().map(part).collect();
    let parts: Vec<SurfacePart> = parts.into_iter().filter(|p| !p.mesh.triangles.is_empty()).collect();
    let written = save_surfaces(path, &parts, SurfaceSpace::Lps);
    IoEvent::Written { path: path.clone(), error: written.err().map(|error| error.to_string()) }
}
