//! A header builder for the tests, and the tests by theme.

mod crafted;
mod golden;
mod hostile;
mod saving;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::fields::{self, HeaderBytes, Version};
use super::open;
use crate::io::{OpenError, OpenObserver, OpenOptions, Opened};
use crate::job::Observer;
use crate::volume::Volume;

/// A folder for one test's files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A little-endian header of a single file with an sform of 1 mm in RAS.
fn header(version: Version, dims: &[i64], datatype: i64, bits: i64) -> HeaderBytes {
    let mut header = HeaderBytes::blank(version);
    header.set_int(fields::DIM, 0, dims.len() as i64);
    for (axis, size) in dims.iter().enumerate() {
        header.set_int(fields::DIM, axis + 1, *size);
        header.set_float(fields::PIXDIM, axis + 1, 1.0);
    }
    header.set_int(fields::DATATYPE, 0, datatype);
    header.set_int(fields::BITPIX, 0, bits);
    header.set_int(fields::VOX_OFFSET, 0, version.first_voxel() as i64);
    header.set_int(fields::SFORM_CODE, 0, 1);
    for axis in 0..3 {
        header.set_float(fields::SROW, 5 * axis, 1.0);
    }
    header
}

/// Header, empty extender, voxels.
fn file_bytes(header: &HeaderBytes, voxels: &[u8]) -> Vec<u8> {
    [header.bytes(), &[0; 4], voxels].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn open_plain(path: &Path) -> Result<Opened, OpenError> {
    open(path, &OpenOptions::default(), &())
}

/// All values, `[z, y, x]`.
fn values(volume: &Volume) -> Vec<f32> {
    volume.box_values(volume.grid().full_box())
}

/// Remembers what it was told; cancels after a number of progress reports.
#[derive(Default)]
struct Watcher {
    slices: RefCell<Vec<Volume>>,
    reports: RefCell<Vec<(u64, u64)>>,
    cancel_after: Option<usize>,
}

impl Observer for Watcher {
    fn progress(&self, _: &str, done: u64, total: u64) {
        self.reports.borrow_mut().push((done, total));
    }
    fn is_cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|limit| self.reports.borrow().len() >= limit)
    }
}

impl OpenObserver for Watcher {
    fn first_slice(&self, slice: Volume) {
        self.slices.borrow_mut().push(slice);
    }
}
