//! Reading and writing masks for the window.

use std::path::Path;

use hilum_core::io::{self, FileKind, LabelExport, LabelTarget, OpenError, export};
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;

use super::SaveRequest;
use super::io::IoEvent;

/// Reads a mask on the image's grid where their voxels coincide, else on its own: the window says how they differ. A
/// DICOM object must belong to the image.
pub(super) fn read(path: &Path, image: &Volume) -> Result<Box<LabelMap>, String> {
    let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
    let read = || {
        if io::probe(path)? == FileKind::Dicom {
            return io::open_labels_for(path, target);
        }
        let labels = io::open_labels(path)?;
        Ok(labels.on_grid(image.grid()).unwrap_or(labels))
    };
    let labels = read().map_err(|error: OpenError| error.to_string())?;
    LabelMap::from_voxels(labels.grid, labels.labels).map(Box::new).map_err(|error| error.to_string())
}

/// Writes a mask in the format of its name; it is read back before it counts as saved.
pub(super) fn save(request: SaveRequest) -> IoEvent {
    let SaveRequest { session, path, labels, source, names, state } = request;
    let export = LabelExport {
        labels: labels.voxels(),
        grid: labels.grid(),
        source: &source,
        names: &names,
        covered: &[],
    };
    let saved = export::save_labels(&path, &export, None);
    IoEvent::Saved { session, path, state, error: saved.err().map(|error| error.to_string()) }
}
