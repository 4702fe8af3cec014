//! Bytes on disk: a file header, then frames of (length, checksum, payload), all integers little endian.
//!
//! The header is `HILUMPRJ`, the schema version and, from schema 2 on, a checksum of both: a flipped bit is told from
//! a format of the future, whose header must stay the same.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{ImageReference, SCHEMA_VERSION, StoreError};
use crate::document::{JournalRecord, Snapshot, SnapshotV1};
use crate::geometry::Grid;
use crate::io::Selection;
use crate::io::raster::PixelRegion;

/// First bytes of every file, followed by the schema version.
const MAGIC: [u8; 8] = *b"HILUMPRJ";
/// Bytes of the header of a file.
pub(super) const HEADER_BYTES: usize = 16;
/// The same in schema 1.
const HEADER_BYTES_V1: usize = 12;
/// Bytes of the header of a frame.
const FRAME_HEADER_BYTES: usize = 12;

/// The header that starts a file.
pub(super) fn file_header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&SCHEMA_VERSION.to_le_bytes());
    let sum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// Version in the header of a file, and what follows the header.
///
/// # Errors
/// [`StoreError::Damaged`] without a header, [`StoreError::NewerSchema`] for a version of the future.
fn schema_of<'a>(file: &'a [u8], path: &Path) -> Result<(u32, &'a [u8]), StoreError> {
    let damaged = || StoreError::damaged("a file does not start as it should", path);
    let (magic, rest) = file.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    if *magic != MAGIC {
        return Err(damaged());
    }
    let version = u32::from_le_bytes(*version);
    if version == 1 {
        return Ok((version, rest));
    }
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    if version == 0 || u32::from_le_bytes(*sum) != crc32fast::hash(&file[..12]) {
        return Err(damaged());
    }
    if version > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema { found: version, known: SCHEMA_VERSION, path: path.to_owned() });
    }
    Ok((version, rest))
}

/// Appends a value as one frame.
///
/// # Errors
/// [`StoreError::Encode`].
pub(super) fn push_frame(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StoreError> {
    let payload = postcard::to_stdvec(value).map_err(|e| StoreError::Encode(e.to_string()))?;
    let length = (payload.len() as u64).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(&length, &payload).to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(())
}

/// The length is summed too, so that a file of zeros holds no valid empty frame.
fn checksum(length: &[u8; 8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

/// The payload at the start of the bytes and how long its frame is; `None` if it is incomplete or damaged.
fn first_frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (checksum(length, payload) == u32::from_le_bytes(*sum))
        .then_some((payload, FRAME_HEADER_BYTES + payload.len()))
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(payload).ok()?;
    rest.is_empty().then_some(value)
}

/// What a snapshot's file holds.
pub(super) struct StoredState {
    /// The image; schema 1 names it in `project.json` alone.
    pub image: Option<ImageReference>,
    /// The state.
    pub snapshot: Snapshot,
    /// Version of the file.
    pub schema: u32,
}

/// The image as a snapshot has named it from schema 2 on, in this order. What came later about it stands in a frame
/// behind the state, which readers of before pass over.
#[derive(Serialize, Deserialize)]
struct StoredImage {
    path: Option<PathBuf>,
    series_uid: Option<String>,
    time_point: usize,
    file_bytes: Option<u64>,
    modified_unix_secs: Option<u64>,
    voxels_sha256: String,
    grid: Grid,
}

/// The page of a picture, and the part of that page.
type StoredPart = (Option<usize>, Option<PixelRegion>);

impl StoredImage {
    fn of(image: &ImageReference) -> (Self, StoredPart) {
        let Selection { series_uid, time_point, page, region } = image.selection.clone();
        let stored = Self {
            path: image.path.clone(),
            series_uid,
            time_point,
            file_bytes: image.file_bytes,
            modified_unix_secs: image.modified_unix_secs,
            voxels_sha256: image.voxels_sha256.clone(),
            grid: image.grid,
        };
        (stored, (page, region))
    }

    fn with(self, (page, region): StoredPart) -> ImageReference {
        ImageReference {
            path: self.path,
            selection: Selection { series_uid: self.series_uid, time_point: self.time_point, page, region },
            file_bytes: self.file_bytes,
            modified_unix_secs: self.modified_unix_secs,
            voxels_sha256: self.voxels_sha256,
            grid: self.grid,
        }
    }
}

/// The bytes of a snapshot's file.
///
/// # Errors
/// [`StoreError::Encode`].
pub(super) fn encode_snapshot(image: &ImageReference, snapshot: &Snapshot) -> Result<Vec<u8>, StoreError> {
    let mut bytes = file_header().to_vec();
    let (image, part) = StoredImage::of(image);
    push_frame(&mut bytes, &image)?;
    push_frame(&mut bytes, snapshot)?;
    push_frame(&mut bytes, &part)?;
    Ok(bytes)
}

/// The snapshot in a file.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::NewerSchema`].
pub(super) fn decode_snapshot(file: &[u8], path: &Path) -> Result<StoredState, StoreError> {
    let (schema, frames) = schema_of(file, path)?;
    let found = match schema {
        1 => first_frame(frames).and_then(|(payload, _)| decode::<SnapshotV1>(payload)).map(|old| {
            let snapshot = Snapshot::from(old);
            StoredState { image: None, snapshot, schema }
        }),
        _ => decode_current(frames),
    };
    found.ok_or_else(|| StoreError::damaged("the saved state fails its checksum", path))
}

fn decode_current(frames: &[u8]) -> Option<StoredState> {
    let (image, length) = first_frame(frames)?;
    let frames = frames.get(length..)?;
    let (snapshot, length) = first_frame(frames)?;
    let part = frames.get(length..).and_then(first_frame).and_then(|(payload, _)| decode(payload));
    let image = decode::<StoredImage>(image)?.with(part.unwrap_or_default());
    Some(StoredState { image: Some(image), snapshot: decode(snapshot)?, schema: SCHEMA_VERSION })
}

/// What a journal's file holds.
pub(super) struct StoredRecords {
    /// The records up to the first that is incomplete or damaged.
    pub records: Vec<JournalRecord>,
    /// Bytes of the file that are good; 0 if its header is not.
    pub good_bytes: usize,
    /// Version of the file.
    pub schema: u32,
}

/// The records of a journal. Records of schema 1 are records of today.
///
/// # Errors
/// [`StoreError::NewerSchema`]. A file cut within its header holds no record.
pub(super) fn decode_records(file: &[u8], path: &Path) -> Result<StoredRecords, StoreError> {
    let mut records = Vec::new();
    let (schema, mut frames) = match schema_of(file, path) {
        Ok(found) => found,
        Err(newer @ StoreError::NewerSchema { .. }) => return Err(newer),
        Err(_) => return Ok(StoredRecords { records, good_bytes: 0, schema: SCHEMA_VERSION }),
    };
    let mut good_bytes = if schema == 1 { HEADER_BYTES_V1 } else { HEADER_BYTES };
    while let Some((payload, length)) = first_frame(frames) {
        let Some(record) = decode(payload) else { break };
        records.push(record);
        good_bytes += length;
        frames = &frames[length..];
    }
    Ok(StoredRecords { records, good_bytes, schema })
}
