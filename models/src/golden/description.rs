//! What a golden vector says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::GoldenError;

/// Difference, as a share of the largest value, that is always allowed.
pub(super) const LEAST_TOLERANCE: f64 = 2e-4;

/// The fields of a description that matter here.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    /// Class of the reference; a vector of functions has none, and goes by its name.
    class: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    pub(super) constructor: Map<String, Value>,
    #[serde(default)]
    pub(super) call: Map<String, Value>,
    #[serde(default)]
    pub(super) width_literals: BTreeMap<String, usize>,
    float32_vs_float64: Option<BTreeMap<String, Rounding>>,
}

/// The reference's own rounding.
#[derive(Debug, Deserialize)]
struct Rounding {
    rel_to_absmax: f64,
}

impl Description {
    pub(super) fn read(path: &Path) -> Result<Self, GoldenError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| GoldenError::Io { source, path: path.to_owned() })?;
        serde_json::from_str(&text)
            .map_err(|e| GoldenError::Description { message: e.to_string(), path: path.to_owned() })
    }

    /// The reference's own rounding times 20, at least 2e-4.
    pub(super) fn tolerance(&self) -> f64 {
        let worst =
            self.float32_vs_float64.iter().flatten().map(|(_, r)| r.rel_to_absmax).fold(0.0, f64::max);
        (20.0 * worst).max(LEAST_TOLERANCE)
    }

    /// Class of the reference with its modules, or the vector's name.
    pub(super) fn class(&self) -> &str {
        self.class.as_deref().unwrap_or(&self.name)
    }

    pub(super) fn short_class(&self) -> &str {
        self.class().rsplit('.').next().unwrap_or_default()
    }
}
