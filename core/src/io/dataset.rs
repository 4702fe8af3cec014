//! Data sets in the layouts of nnU-Net (version 2) and MONAI, so that training can move there.
//!
//! nnU-Net: `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`, `dataset.json`
//! (<https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md>); cases for validation are named in
//! `splits_final.json`, to be put beside the preprocessed data. MONAI: `images`, `labels` and `dataset.json`, a list of
//! training and validation pairs as `load_decathlon_datalist` reads it.
//!
//! Labels are renumbered from 1 without gaps, as nnU-Net demands. Colour photographs are written as PNG, all else as
//! NIfTI; every file is read back and compared.

#[cfg(test)]
mod tests;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{LabelExport, LabelName, SaveError, export, replace_file};
use crate::label::LabelMap;
use crate::volume::{Modality, Volume};

/// Whose layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetLayout {
    /// nnU-Net version 2.
    NnUnet,
    /// A MONAI data list.
    Monai,
}

impl DatasetLayout {
    /// The folders of images and labels.
    fn folders(self) -> [&'static str; 2] {
        match self {
            Self::NnUnet => ["imagesTr", "labelsTr"],
            Self::Monai => ["images", "labels"],
        }
    }
}

/// What a case is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetUse {
    /// To learn from.
    Training,
    /// To judge with.
    Validation,
}

/// A case that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenCase {
    /// Its name in the files: letters, digits, `-` and `_`.
    pub id: String,
    /// Its use.
    pub purpose: DatasetUse,
}

/// Writes a data set, case after case; one case is in memory at a time.
#[derive(Debug)]
pub struct DatasetWriter {
    folder: PathBuf,
    layout: DatasetLayout,
    labels: Vec<LabelName>,
    /// Modality and whether it has colour; of the first case.
    kind: Option<(Modality, bool)>,
    cases: Vec<WrittenCase>,
}

impl DatasetWriter {
    /// Begins a data set in a folder that is empty or does not exist. `labels` are those of all cases, ascending.
    ///
    /// # Errors
    /// [`SaveError::Unsupported`] for a folder with files, and without a label; [`SaveError::Io`].
    pub fn create(folder: &Path, layout: DatasetLayout, labels: Vec<LabelName>) -> Result<Self, SaveError> {
        let io = |cause| SaveError::Io { cause, path: folder.to_owned() };
        let refuse = |what: &str| Err(SaveError::Unsupported { what: what.into(), path: folder.to_owned() });
        if labels.is_empty() {
            return refuse("no case has a labelled voxel, so there is nothing to learn");
        }
        if folder.exists() && fs::read_dir(folder).map_err(io)?.next().is_some() {
            return refuse("the folder is not empty; name a new one for the data set");
        }
        for name in layout.folders() {
            fs::create_dir_all(folder.join(name)).map_err(io)?;
        }
        Ok(Self { folder: folder.to_owned(), layout, labels, kind: None, cases: Vec::new() })
    }

    /// The number in the data set of a label.
    fn number(&self, label: u16) -> Option<u16> {
        Some(self.labels.iter().position(|name| name.value == label)? as u16 + 1)
    }

    /// Writes image and labels of a case, reads both back and compares them; the name of the case becomes its id.
    ///
    /// # Errors
    /// [`SaveError::Unsupported`] if it is of another kind than the cases before (modality, colour), its labels lie on
    /// another grid or were not named at the start; else as [`export::save_image`] and [`export::save_labels`].
    pub fn add(
        &mut self,
        name: &str,
        purpose: DatasetUse,
        image: &Volume,
        labels: &LabelMap,
    ) -> Result<&WrittenCase, SaveError> {
        let id = self.free_id(name);
        let kind = (image.meta().modality, image.voxels().is_color());
        let refuse = |what: String| {
            Err(SaveError::Unsupported {
                what: format!("the case {name}: {what}"),
                path: self.folder.clone(),
            })
        };
        let first = *self.kind.get_or_insert(kind);
        if first.1 != kind.1 || first.0 != kind.0 {
            let word = |(m, color): (Modality, bool)| format!("{m:?}{}", if color { ", colour" } else { "" });
            return refuse(format!(
                "the image is {} and those before are {}; a data set has one kind",
                word(kind),
                word(first)
            ));
        }
        if kind.1 && !image.grid().is_flat() {
            return refuse("colour volumes have no place in these layouts".into());
        }
        if !labels.grid().matches(image.grid()) {
            return refuse("its labels lie on another grid than its image".into());
        }
        if let Some(label) = labels.used_labels().into_iter().find(|label| self.number(*label).is_none()) {
            return refuse(format!("the label {label} was not announced"));
        }
        let [image_at, labels_at] = self.files(&id);
        export::save_image(&self.folder.join(image_at), image)?;
        let mut number_of = vec![0_u16; 1 << 16];
        for (i, name) in self.labels.iter().enumerate() {
            number_of[usize::from(name.value)] = i as u16 + 1;
        }
        let mut voxels = labels.to_voxels();
        voxels.iter_mut().for_each(|v| *v = number_of[usize::from(*v)]);
        let renumbered = |(i, name): (usize, &LabelName)| LabelName { value: i as u16 + 1, ..name.clone() };
        let names: Vec<LabelName> = self.labels.iter().enumerate().map(renumbered).collect();
        let wanted = LabelExport {
            labels: &voxels,
            grid: image.grid(),
            source: &image.meta().source,
            names: &names,
            covered: &[],
        };
        export::save_labels(&self.folder.join(labels_at), &wanted, None)?;
        self.cases.push(WrittenCase { id, purpose });
        Ok(&self.cases[self.cases.len() - 1])
    }

    fn ending(&self) -> &'static str {
        if self.kind.is_some_and(|(_, color)| color) { ".png" } else { ".nii.gz" }
    }

    /// Where image and labels of a case lie, relative to the folder.
    fn files(&self, id: &str) -> [String; 2] {
        let ([images, labels], ending) = (self.layout.folders(), self.ending());
        let channel = if self.layout == DatasetLayout::NnUnet { "_0000" } else { "" };
        [format!("{images}/{id}{channel}{ending}"), format!("{labels}/{id}{ending}")]
    }

    /// An id that no case has yet.
    fn free_id(&self, name: &str) -> String {
        let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        let stem = stem.strip_suffix(".nii").unwrap_or(stem);
        let plain: String = stem.chars().map(clean).collect();
        let plain = if plain.is_empty() { "case".to_owned() } else { plain };
        let is_free = |id: &String| self.cases.iter().all(|case| !case.id.eq_ignore_ascii_case(id));
        let numbered = (2..).map(|n| format!("{plain}-{n}"));
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or(plain)
    }

    /// Writes the lists; the data set is complete.
    ///
    /// # Errors
    /// [`SaveError::Unsupported`] without a case to learn from, [`SaveError::Io`], [`SaveError::ReadBack`] if a list
    /// reads back differently or names a file that is not there.
    pub fn finish(self) -> Result<Vec<WrittenCase>, SaveError> {
        if self.ids(DatasetUse::Training).is_empty() {
            let what = "no case is left to learn from: all are set aside".into();
            return Err(SaveError::Unsupported { what, path: self.folder });
        }
        let list = match self.layout {
            DatasetLayout::NnUnet => self.nn_unet(),
            DatasetLayout::Monai => self.monai(),
        };
        self.write("dataset.json", &list)?;
        let validation = self.ids(DatasetUse::Validation);
        if self.layout == DatasetLayout::NnUnet && !validation.is_empty() {
            let fold = json!([{ "train": self.ids(DatasetUse::Training), "val": validation }]);
            self.write("splits_final.json", &fold)?;
        }
        for file in self.cases.iter().flat_map(|case| self.files(&case.id)) {
            let path = self.folder.join(file);
            if !path.is_file() {
                return Err(SaveError::ReadBack { what: "the file has gone".into(), path });
            }
        }
        Ok(self.cases)
    }

    fn ids(&self, purpose: DatasetUse) -> Vec<&str> {
        self.cases.iter().filter(|case| case.purpose == purpose).map(|case| case.id.as_str()).collect()
    }

    fn write(&self, name: &str, content: &Value) -> Result<(), SaveError> {
        let path = self.folder.join(name);
        let text = serde_json::to_string_pretty(content)
            .map_err(|e| SaveError::Io { cause: e.into(), path: path.clone() })?;
        replace_file(&path, |out| writeln!(out, "{text}"))?;
        let back = fs::read(&path).map_err(|e| e.to_string());
        let back = back.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(|e| e.to_string()));
        match back {
            Ok(back) if back == *content => Ok(()),
            Ok(_) => Err(SaveError::ReadBack { what: "another list".into(), path }),
            Err(what) => Err(SaveError::ReadBack { what, path }),
        }
    }

    /// The channels by number. nnU-Net scales by the name `CT` as computed tomography, by all others each image alone.
    fn channels(&self) -> Value {
        match self.kind {
            Some((_, true)) => json!({"0": "R", "1": "G", "2": "B"}),
            Some((Modality::Ct, _)) => json!({"0": "CT"}),
            Some((Modality::Mr, _)) => json!({"0": "MRI"}),
            Some((Modality::Pet, _)) => json!({"0": "PET"}),
            _ => json!({"0": "image"}),
        }
    }

    /// Names of the labels in order, each once.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec!["background".into()];
        for label in &self.labels {
            let is_taken = names.contains(&label.name);
            names.push(if is_taken { format!("{} {}", label.name, label.value) } else { label.name.clone() });
        }
        names
    }

    fn nn_unet(&self) -> Value {
        let labels: Map<String, Value> =
            self.names().into_iter().enumerate().map(|(number, name)| (name, json!(number))).collect();
        json!({
            "channel_names": self.channels(),
            "labels": labels,
            "numTraining": self.cases.len(),
            "file_ending": self.ending(),
        })
    }

    fn monai(&self) -> Value {
        let labels: Map<String, Value> = self
            .names()
            .into_iter()
            .enumerate()
            .map(|(number, name)| (number.to_string(), json!(name)))
            .collect();
        let list = |purpose| -> Vec<Value> {
            let pair = |id: &str| {
                let [image, label] = self.files(id);
                json!({ "image": image, "label": label })
            };
            self.ids(purpose).into_iter().map(pair).collect()
        };
        json!({
            "modality": self.channels(),
            "labels": labels,
            "numTraining": self.ids(DatasetUse::Training).len(),
            "training": list(DatasetUse::Training),
            "validation": list(DatasetUse::Validation),
        })
    }
}
