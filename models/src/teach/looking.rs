//! Where a network looks while it learns: maps of some cases set aside, kept at some steps.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::TeachError;
use crate::train::trainer::Trainer;
use crate::train::{attention, kept_maps};

/// Shares of the steps after which maps are kept: early ones closer together, as the Attention U-Net's figure shows
/// epochs 3, 6, 10, 60 and 150 (Oktay et al. 2018).
const SHARES: [f64; 7] = [0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Keeps maps in a temporary folder until they are taken over; none of networks without attention.
pub(super) struct Looking {
    folder: Option<Arc<TempDir>>,
    steps: BTreeSet<usize>,
    cases: usize,
}

impl Looking {
    /// Maps of so many cases of a run of `steps` steps.
    pub(super) fn new(cases: usize, steps: usize) -> Self {
        let at = SHARES.iter().map(|share| (share * steps as f64).ceil() as usize).collect();
        let folder = if cases > 0 { tempfile::tempdir().ok() } else { None };
        Self { folder: folder.map(Arc::new), steps: at, cases }
    }

    /// Keeps the maps after `step` steps, if it is one of those.
    pub(super) fn after(&mut self, step: usize, trainer: &Trainer<'_>) -> Result<(), TeachError> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.steps.contains(&step)) else { return Ok(()) };
        let shown = trainer.shown(self.cases);
        if !shown.is_empty() {
            attention::keep(folder.path(), step, &trainer.network()?, &shown, trainer.device())?;
        }
        if kept_maps(folder.path())?.is_empty() {
            // It has nothing to show.
            self.folder = None;
        }
        Ok(())
    }

    /// The folder with the maps, if there are any.
    pub(super) fn into_folder(self) -> Option<Arc<TempDir>> {
        self.folder
    }
}

/// Copies the maps that a run has kept.
///
/// # Errors
/// [`TeachError::Folder`].
pub(super) fn copy_maps(from: &Path, to: &Path) -> Result<(), TeachError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |cause| TeachError::Folder { cause, path }
    };
    let mut folders = vec![std::path::PathBuf::from("attention")];
    while let Some(folder) = folders.pop() {
        std::fs::create_dir_all(to.join(&folder)).map_err(fault(to))?;
        let entries = std::fs::read_dir(from.join(&folder)).map_err(fault(from))?;
        for entry in entries.filter_map(Result::ok) {
            let at = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(at);
            } else {
                std::fs::copy(entry.path(), to.join(&at)).map_err(fault(to))?;
            }
        }
    }
    Ok(())
}
