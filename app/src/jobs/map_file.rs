//! A map of attention as a file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use hilum_core::volume::Volume;
use hilum_models::inspect::FieldMap;

use crate::figure::{save_numbers, save_picture};

/// A map to be written.
#[derive(Clone, Debug)]
pub struct MapFile {
    /// `.nii` or `.nii.gz`: its numbers in its own pixels; `.png`: a picture beside the image, of flat images.
    pub path: PathBuf,
    /// The map.
    pub map: Arc<FieldMap>,
    /// The image.
    pub volume: Arc<Volume>,
}

impl MapFile {
    /// Writes it.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let (map, path) = (&self.map, &self.path);
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            return save_numbers(path, &map.name, &map.grid, map.values.clone());
        }
        if !name.ends_with(".png") {
            bail!("the name must end in .nii, .nii.gz or .png: {}", path.display());
        }
        if !self.volume.grid().is_flat() {
            bail!("a picture is made of flat images only; name a .nii.gz: {}", path.display());
        }
        save_picture(path, &self.volume, &map.grid, map)
    }
}
