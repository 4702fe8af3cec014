//! JSON objects whose last field is a checksum of everything before it, so that damage is told from content.

use serde::Serialize;

use super::StoreError;

/// What the last field starts with.
const CHECKSUM: &str = "  \"checksum\"";

/// An object as text for people, with its checksum.
///
/// # Errors
/// [`StoreError::Encode`] for what JSON cannot hold, such as a path that is not Unicode.
pub(crate) fn seal(object: &impl Serialize) -> Result<String, StoreError> {
    let mut text = serde_json::to_string_pretty(object).map_err(|e| StoreError::Encode(e.to_string()))?;
    // One more field goes in front of the last brace.
    text.truncate(text.strip_suffix("\n}").map_or(text.len(), str::len));
    text.push_str(",\n");
    let sum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{CHECKSUM}: \"{sum:08x}\"\n}}\n"));
    Ok(text)
}

/// The object in a file, its checksum not compared; the error says what is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<serde_json::Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// Compares the checksum of a file with the object in it; the error says what is wrong.
pub(crate) fn check(bytes: &[u8], object: &serde_json::Value) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let at = text.rfind(CHECKSUM).ok_or("no checksum")?;
    let sum = format!("{:08x}", crc32fast::hash(&bytes[..at]));
    if object["checksum"].as_str() == Some(&sum) { Ok(()) } else { Err("its checksum is wrong".to_owned()) }
}
