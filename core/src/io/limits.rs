//! How much a file may ask for before anything is allocated.

/// Upper bounds that a reader checks before it allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of decoded voxels of one image.
    pub max_voxel_bytes: u64,
    /// Files looked at below a folder.
    pub max_files: usize,
    /// Depth of folders below the one opened.
    pub max_depth: usize,
    /// Bytes of DICOM elements other than pixels, per file.
    pub max_header_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_voxel_bytes: 16 << 30, max_files: 200_000, max_depth: 32, max_header_bytes: 64 << 20 }
    }
}
