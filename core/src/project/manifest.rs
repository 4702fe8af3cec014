//! `project.json`: what makes a folder a project, and which image it belongs to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::{ImageReference, SCHEMA_VERSION, StoreError, sealed};

/// Name of the file.
pub(super) const MANIFEST: &str = "project.json";
/// Largest manifest that is read.
const LIMIT: u64 = 1 << 20;

/// Contents of `project.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: String,
    /// Version of the whole project.
    pub(super) schema: u32,
    /// The image.
    pub(super) image: ImageReference,
}

/// What there is of a manifest.
pub(super) enum Found {
    /// It is sound.
    Sound(Box<Manifest>),
    /// It is there and damaged.
    Damaged(StoreError),
    /// There is none.
    None,
}

impl Manifest {
    pub(super) fn new(image: ImageReference) -> Self {
        Self { format: "hilum project".to_owned(), schema: SCHEMA_VERSION, image }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreError::Io`], or [`StoreError::Encode`] for a path that is not Unicode.
    pub(super) fn write(&self, files: &dyn Files, folder: &Path) -> Result<(), StoreError> {
        let text = sealed::seal(self)?;
        let path = folder.join(MANIFEST);
        files.replace(&path, text.as_bytes()).map_err(StoreError::io("write", &path))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::NewerSchema`]; damage is an answer.
    pub(super) fn read(files: &dyn Files, folder: &Path) -> Result<Found, StoreError> {
        let path = folder.join(MANIFEST);
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LIMIT) {
            return Ok(Found::Damaged(StoreError::damaged("project.json is far too long", &path)));
        }
        let bytes = match files.read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Found::None),
            other => other.map_err(StoreError::io("read", &path))?,
        };
        match parse(&bytes, &path) {
            Err(error @ StoreError::Damaged { .. }) => Ok(Found::Damaged(error)),
            other => other.map(|manifest| Found::Sound(Box::new(manifest))),
        }
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Manifest, StoreError> {
    let damaged = |what: String| StoreError::damaged(format!("project.json: {what}"), path);
    let json = sealed::parse(bytes).map_err(damaged)?;
    let schema = json["schema"].as_u64().ok_or_else(|| damaged("no schema version".to_owned()))?;
    if schema == 0 {
        return Err(damaged("schema 0 never was".to_owned()));
    }
    if schema > 1 {
        sealed::check(bytes, &json).map_err(damaged)?;
    }
    if schema > u64::from(SCHEMA_VERSION) {
        let found = u32::try_from(schema).unwrap_or(u32::MAX);
        return Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION, path: path.to_owned() });
    }
    serde_json::from_value(json).map_err(|e| damaged(e.to_string()))
}
