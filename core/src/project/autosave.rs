//! Work that is saved without being asked to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ImageReference, Store, StoreError, StoreWarning};
use crate::document::Document;
use crate::volume::Volume;

/// The document of an image with whatever was done to it before, and the project below `root` that keeps it.
/// Earlier work that cannot be opened is set aside, never overwritten. Reads all voxels of the image.
///
/// # Errors
/// [`StoreError::Locked`] if another window has the image open, [`StoreError::Io`] if `root` cannot be written,
/// [`StoreError::NewerSchema`] if a newer program was used before.
pub fn autosave(root: &Path, image: Arc<Volume>) -> Result<(Store, Document, Vec<StoreWarning>), StoreError> {
    let reference = ImageReference::of(&image);
    let folder = root.join(reference.folder_name());
    let broken = match Store::open(&folder) {
        Err(StoreError::NotAProject { .. }) => return create(&folder, reference, image, Vec::new()),
        Ok((store, saved)) => match saved.into_document(image.clone()) {
            Ok((document, warnings)) => return Ok((store, document, warnings)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    if !matches!(broken, StoreError::Damaged { .. } | StoreError::State(_) | StoreError::Image(_)) {
        return Err(broken);
    }
    let path = free_name(&folder);
    std::fs::rename(&folder, &path).map_err(StoreError::io("set aside", &folder))?;
    create(&folder, reference, image, vec![StoreWarning::SetAside { cause: broken.to_string(), path }])
}

fn create(
    folder: &Path,
    reference: ImageReference,
    image: Arc<Volume>,
    mut warnings: Vec<StoreWarning>,
) -> Result<(Store, Document, Vec<StoreWarning>), StoreError> {
    let mut document = Document::new(image);
    document.start_journal();
    let store = Store::create(folder, reference, &document.snapshot())?;
    if !store.is_locked() {
        warnings.push(StoreWarning::NoLock);
    }
    Ok((store, document, warnings))
}

/// The folder's name with the first free number.
fn free_name(folder: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(format!("-damaged-{number}"));
        let path = folder.with_file_name(name);
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::EditCommand;
    use crate::document::tests::document;
    use crate::prompt::Click;

    #[test]
    fn work_on_an_image_is_found_again_wherever_it_was_opened_from() {
        let root = tempfile::tempdir().unwrap();
        let image = document().image().clone();
        let (mut store, mut first, warnings) = autosave(root.path(), image.clone()).unwrap();
        assert!(warnings.is_empty() && !first.can_undo());
        first.apply(EditCommand::AddClick(Click { voxel: [1, 2, 3], positive: true })).unwrap();
        store.append(&first.take_unsaved()).unwrap();
        assert!(matches!(autosave(root.path(), image.clone()), Err(StoreError::Locked { .. })));
        drop(store);
        let (_store, second, _) = autosave(root.path(), image).unwrap();
        assert_eq!(second.prompts(), first.prompts());
        assert!(second.can_undo() && !second.is_modified_since_save());
    }

    #[test]
    fn damaged_work_is_set_aside_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let image = document().image().clone();
        let (store, ..) = autosave(root.path(), image.clone()).unwrap();
        let folder = store.folder().to_owned();
        drop(store);
        std::fs::write(folder.join("snapshot-0.bin"), b"rubbish").unwrap();
        let (store, _, warnings) = autosave(root.path(), image).unwrap();
        assert_eq!(store.folder(), folder);
        let [StoreWarning::SetAside { path, .. }] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(std::fs::read(path.join("snapshot-0.bin")).unwrap(), b"rubbish");
    }
}
