//! Bytes on disk: a file header, then frames of (length, checksum, payload), all integers little endian.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{SCHEMA_VERSION, StoreError};
use crate::document::{JournalRecord, Snapshot};

/// First bytes of every file, followed by the schema version.
const MAGIC: [u8; 8] = *b"HILUMPRJ";
/// Bytes of the header of a file.
pub(super) const HEADER_BYTES: usize = 12;
/// Bytes of the header of a frame.
const FRAME_HEADER_BYTES: usize = 12;

/// The header that starts a file.
pub(super) fn file_header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..].copy_from_slice(&SCHEMA_VERSION.to_le_bytes());
    header
}

/// Version in the header of a file.
///
/// # Errors
/// [`StoreError::Damaged`] without a header, [`StoreError::NewerSchema`] for a version of the future.
pub(super) fn schema_of(file: &[u8], path: &Path) -> Result<u32, StoreError> {
    let damaged = || StoreError::damaged("a file does not start as it should", path);
    let (magic, rest) = file.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (version, _) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    if *magic != MAGIC {
        return Err(damaged());
    }
    match u32::from_le_bytes(*version) {
        0 => Err(damaged()),
        known @ 1..=SCHEMA_VERSION => Ok(known),
        found => Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION, path: path.to_owned() }),
    }
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

/// The snapshot that fills a file.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::NewerSchema`].
pub(super) fn decode_snapshot(file: &[u8], path: &Path) -> Result<Snapshot, StoreError> {
    let schema = schema_of(file, path)?;
    // Older schemas are converted here; so far there is none.
    debug_assert_eq!(schema, SCHEMA_VERSION);
    let frame = first_frame(&file[HEADER_BYTES..]);
    let payload = frame.map(|(payload, _)| payload);
    payload.and_then(decode).ok_or_else(|| StoreError::damaged("the saved state fails its checksum", path))
}

/// The records of a journal up to the first that is incomplete or damaged, and how many bytes of the file are
/// good.
///
/// # Errors
/// [`StoreError::NewerSchema`]. A file cut within its header holds no record.
pub(super) fn decode_records(file: &[u8], path: &Path) -> Result<(Vec<JournalRecord>, usize), StoreError> {
    let mut records = Vec::new();
    let mut good = match schema_of(file, path) {
        Ok(_) => HEADER_BYTES,
        Err(newer @ StoreError::NewerSchema { .. }) => return Err(newer),
        Err(_) => return Ok((records, 0)),
    };
    while let Some((payload, length)) = first_frame(&file[good..]) {
        let Some(record) = decode(payload) else { break };
        records.push(record);
        good += length;
    }
    Ok((records, good))
}
