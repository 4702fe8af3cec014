//! Which image a project belongs to.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::geometry::Grid;
use crate::io::Selection;
use crate::volume::{Volume, Voxels};

/// How an image differs from the one that a project was made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageMismatch {
    /// Other voxels or another place.
    #[error("the image has {found:?} voxels at other places than the project's {expected:?}")]
    Grid {
        /// Voxels of the image.
        found: [usize; 3],
        /// Voxels of the project's image.
        expected: [usize; 3],
    },
    /// Other values.
    #[error("the values of the image have changed since the project was made")]
    Values,
}

/// Enough to find an image again and to know it when it is found, wherever it moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageReference {
    /// File or folder; none for a synthetic image.
    pub path: Option<PathBuf>,
    /// Which image of it.
    #[serde(flatten)]
    pub selection: Selection,
    /// Size of the file in bytes, if it is one file.
    pub file_bytes: Option<u64>,
    /// When the file or folder was last changed, in seconds since 1970.
    pub modified_unix_secs: Option<u64>,
    /// SHA-256 of type and values of the decoded voxels, little endian, as 64 hexadecimal digits. Decoded, so
    /// that a recompressed or moved file is still the same image.
    pub voxels_sha256: String,
    /// Size and place.
    pub grid: Grid,
}

impl ImageReference {
    /// Describes an image. Reads all voxels: some hundred ms for a large CT.
    pub fn of(image: &Volume) -> Self {
        let source = &image.meta().source;
        let metadata = source.path().and_then(|path| std::fs::metadata(path).ok());
        let modified = metadata.as_ref().and_then(|m| m.modified().ok());
        Self {
            path: source.path().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            selection: Selection::of(image),
            file_bytes: metadata.filter(std::fs::Metadata::is_file).map(|m| m.len()),
            modified_unix_secs: modified
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map(|duration| duration.as_secs()),
            voxels_sha256: sha256_of(image.voxels()),
            grid: *image.grid(),
        }
    }

    /// Whether an image is the one described. Reads all voxels.
    ///
    /// # Errors
    /// [`ImageMismatch`] saying in what it differs.
    pub fn verify(&self, image: &Volume) -> Result<(), ImageMismatch> {
        if !self.grid.matches(image.grid()) {
            return Err(ImageMismatch::Grid { found: image.grid().dims(), expected: self.grid.dims() });
        }
        if sha256_of(image.voxels()) == self.voxels_sha256 { Ok(()) } else { Err(ImageMismatch::Values) }
    }

    /// Where the image may lie, the likeliest first: where it lay, or beside the project's folder, or in it. Empty for
    /// a synthetic image.
    pub fn candidates(&self, folder: &Path) -> Vec<PathBuf> {
        let Some(path) = &self.path else { return Vec::new() };
        let mut found = vec![path.clone()];
        if let Some(name) = path.file_name() {
            found.extend(folder.parent().map(|parent| parent.join(name)));
            found.push(folder.join(name));
        }
        found.dedup();
        found
    }

    /// A name for a folder of automatically saved work on this image: the same whenever the image is opened.
    pub fn folder_name(&self) -> String {
        let stem = self.path.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
        let readable: String = stem
            .unwrap_or_default()
            .chars()
            .take(40)
            .map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
            .collect();
        let digits: String = self.voxels_sha256.chars().take(16).collect();
        format!("{readable}-{digits}-t{}", self.selection.time_point)
    }
}

fn sha256_of(voxels: &Voxels) -> String {
    let mut hasher = Sha256::new();
    hasher.update(voxels.type_name());
    crate::with_scalar_voxels!(
        voxels,
        data => hasher.update(bytemuck::cast_slice::<_, u8>(data)),
        rgb data => hasher.update(bytemuck::cast_slice::<_, u8>(data))
    );
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
