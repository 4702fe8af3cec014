//! Masks: whole numbers from 0 to 65,535, with names in an extension block.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::read::Reader;
use crate::io::labels::{LabelImage, LabelName, labels_of};
use crate::io::{Limits, OpenError};

/// Extension code of a plain-text comment (`NIFTI_ECODE_COMMENT`).
const ECODE_COMMENT: i32 = 6;
/// Bytes of extensions that are searched for names.
const MAX_EXTENSION_BYTES: usize = 1 << 20;

/// Opens a NIfTI mask. Floats are accepted where every value is a whole number.
///
/// # Errors
/// [`OpenError`] as for an image, and for colour, several time points, and values that are no labels, of which the
/// first is named.
pub fn open_labels(path: &Path) -> Result<LabelImage, OpenError> {
    open_labels_within(path, &Limits::default())
}

/// [`open_labels`] with other bounds.
pub(in crate::io) fn open_labels_within(path: &Path, limits: &Limits) -> Result<LabelImage, OpenError> {
    let mut reader = Reader::new(path, limits)?;
    let extensions = reader.extension_bytes(MAX_EXTENSION_BYTES)?;
    let names = find_names(&extensions, reader.is_big_endian());
    let opened = reader.read(0, &())?;
    let volume = opened.volume;
    if volume.meta().time_points > 1 {
        let what = format!("a mask has one time point, this file has {}", volume.meta().time_points);
        return Err(OpenError::unsupported(what, path));
    }
    let labels = labels_of(&volume, path)?;
    let source = volume.meta().source.clone();
    Ok(LabelImage {
        labels,
        grid: *volume.grid(),
        names,
        source,
        warnings: opened.warnings,
        covered: Vec::new(),
    })
}

/// The content of our extension.
#[derive(Serialize, Deserialize)]
struct Names {
    hilum_labels: Vec<LabelName>,
}

/// The extender and, if there are names, one comment extension with them as JSON.
pub(super) fn extension_with(names: &[LabelName], big_endian: bool) -> serde_json::Result<Vec<u8>> {
    if names.is_empty() {
        return Ok(vec![0; 4]);
    }
    let text = serde_json::to_vec(&Names { hilum_labels: names.to_vec() })?;
    let size = (text.len() + 8).next_multiple_of(16);
    let number = |v: i32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut bytes = vec![1, 0, 0, 0];
    bytes.extend(number(size as i32));
    bytes.extend(number(ECODE_COMMENT));
    bytes.extend(text);
    bytes.resize(4 + size, 0);
    Ok(bytes)
}

/// Looks through the extensions, extender included, for names. Extensions of others are passed over.
fn find_names(bytes: &[u8], big_endian: bool) -> Vec<LabelName> {
    let number = |at: usize| {
        let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if big_endian { i32::from_be_bytes(word) } else { i32::from_le_bytes(word) })
    };
    let mut at = 4;
    while bytes.first().is_some_and(|flag| *flag != 0) {
        let (Some(size), Some(code)) = (number(at), number(at + 4)) else { break };
        let Some(size) = usize::try_from(size).ok().filter(|s| *s >= 8) else { break };
        let Some(text) = bytes.get(at + 8..at.saturating_add(size)) else { break };
        if code == ECODE_COMMENT {
            let text = text.split(|b| *b == 0).next().unwrap_or_default();
            if let Ok(names) = serde_json::from_slice::<Names>(text) {
                return names.hilum_labels;
            }
        }
        at += size;
    }
    Vec::new()
}
