//! What is remembered from one start to the next, in the file in which `eframe` keeps it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use eframe::Storage;

/// Texts by their names.
pub(super) struct FileStorage {
    /// `None` if the system names no folder: then nothing is remembered.
    path: Option<PathBuf>,
    values: BTreeMap<String, String>,
    is_changed: bool,
}

impl FileStorage {
    pub(super) fn open() -> Self {
        Self::at(eframe::storage_dir("hilum").map(|folder| folder.join("app.ron")))
    }

    fn at(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let values = text.map(|text| {
            ron::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!("the settings cannot be read and begin anew: {error}");
                BTreeMap::new()
            })
        });
        Self { path, values: values.unwrap_or_default(), is_changed: false }
    }

    fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = ron::ser::to_string_pretty(&self.values, ron::ser::PrettyConfig::default())?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        hilum_core::io::replace_file(path, |file| std::io::Write::write_all(file, text.as_bytes()))?;
        Ok(())
    }
}

impl Storage for FileStorage {
    fn get_string(&self, key: &str) -> Option<String> {
        self.values.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        if self.values.get(key) != Some(&value) {
            self.values.insert(key.to_owned(), value);
            self.is_changed = true;
        }
    }

    fn remove_string(&mut self, key: &str) {
        self.is_changed |= self.values.remove(key).is_some();
    }

    fn flush(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        if let Err(error) = self.write() {
            tracing::warn!("the settings cannot be kept: {error}");
            self.is_changed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_at_the_next_start_and_damage_costs_only_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/app.ron");
        let mut storage = FileStorage::at(Some(path.clone()));
        storage.set_string("settings", "(dark: \"yes\\n\")".into());
        storage.set_string("old", "1".into());
        storage.remove_string("old");
        storage.flush();
        let again = FileStorage::at(Some(path.clone()));
        assert_eq!(again.get_string("settings").as_deref(), Some("(dark: \"yes\\n\")"));
        assert_eq!(again.get_string("old"), None);
        std::fs::write(&path, "{ \"settings\": ").unwrap();
        assert_eq!(FileStorage::at(Some(path)).get_string("settings"), None);
    }
}
