//! The versions of a model: a folder with weights, card and record of each, and one small file that says which is in use.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hilum_core::io::{Selection, nifti, read_small_text, replace_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::case::LoadedCase;
use super::compare::{Comparison, Verdict};
use super::finetune::Taught;
use super::looking::copy_maps;
use super::record::{CaseRecord, VersionRecord, VersionState};
use super::{CaseImage, CaseLabels, CaseUse, TeachError};
use crate::catalog::{Card, Catalog, Model, Task, sha256_hex};
use crate::nets::NetError;

/// Form of the records that this program writes.
const SCHEMA: u32 = 1;

/// Who let a version be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The verdict alone: better, or not worse.
    Rule,
    /// A person, where the verdict asks.
    Person(String),
}

/// What came of asking to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is in use now.
    Yes,
    /// A person must decide; nothing has changed.
    Asks,
    /// It is worse; nothing has changed.
    Refused,
}

/// One version.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// Its folder.
    pub folder: PathBuf,
    /// Everything about it beside its weights.
    pub record: VersionRecord,
}

/// The versions of a model in a folder: `0001/{weights.safetensors, card.json, record.json, labels/, attention/}` and so on, and
/// `current-MODEL.json`. Several models may share the folder. All is written beside and renamed, so that a reader never sees half of it.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
    base: String,
}

/// Which weights are in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Current {
    schema: u32,
    /// In use.
    id: String,
    /// In use before.
    previous: Option<String>,
    changed_unix_secs: u64,
}

impl Versions {
    /// The versions of the model `base` (a version of it means the same) in a folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>, base: &str) -> Self {
        let base = base.split('@').next().unwrap_or(base).to_owned();
        Self { folder: folder.into(), base }
    }

    /// The model that all versions come from.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// All versions, in the order of their numbers. What is not understood is left out.
    pub fn list(&self) -> Vec<Version> {
        let mut numbers = self.numbers();
        numbers.sort_unstable();
        let is_own =
            |version: &Version| version.record.id.rsplit_once('@').is_some_and(|(base, _)| base == self.base);
        numbers.into_iter().filter_map(|number| self.find(number).ok()).filter(is_own).collect()
    }

    fn numbers(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    }

    /// The version of a number.
    ///
    /// # Errors
    /// [`TeachError`] if it is not there or its record is not understood.
    pub fn find(&self, number: u32) -> Result<Version, TeachError> {
        Version::open(&self.folder.join(format!("{number:04}")))
    }

    /// The models of a catalog and, beside them, all these versions under their own identities: what loads a model by
    /// its identity loads a version.
    ///
    /// # Errors
    /// [`TeachError`] for a card that is not understood.
    pub fn catalog(&self, catalog: &Catalog) -> Result<Catalog, TeachError> {
        let mut all = catalog.clone();
        for version in self.list() {
            all.add(Model::read(&version.folder)?);
        }
        Ok(all)
    }

    /// Identity of the weights in use: of a version, or of the model that all come from.
    pub fn current(&self) -> String {
        self.read_current().map_or_else(|| self.base.clone(), |current| current.id)
    }

    /// What was in use before, for going back with one click.
    pub fn previous(&self) -> Option<String> {
        self.read_current().and_then(|current| current.previous)
    }

    fn read_current(&self) -> Option<Current> {
        serde_json::from_str(&read_small_text(&self.folder.join(format!("current-{}.json", self.base))).ok()?)
            .ok()
    }

    /// Keeps what a fine-tuning brought, as a candidate with the next number. `parent` is the model that it was made of.
    ///
    /// # Errors
    /// [`TeachError::Folder`] if it cannot be written; then nothing is left of it.
    pub fn add(&self, parent: &Model, taught: &Taught) -> Result<Version, TeachError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |cause| TeachError::Folder { cause, path }
        };
        std::fs::create_dir_all(&self.folder).map_err(fault(&self.folder))?;
        let number = self.numbers().into_iter().max().unwrap_or(0) + 1;
        let id = format!("{}@{number:04}", self.base);
        let draft =
            tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder).map_err(fault(&self.folder))?;
        let bytes = taught.weights.to_bytes(&[]).map_err(NetError::from)?;
        let weights_sha256 = sha256_hex(&bytes);
        write(&draft.path().join("weights.safetensors"), &bytes)?;
        let cases = taught
            .cases
            .iter()
            .enumerate()
            .map(|(nth, case)| keep_case(draft.path(), nth, case))
            .collect::<Result<_, _>>()?;
        write_json(&draft.path().join("card.json"), &card_of(parent, taught, &id, &weights_sha256))?;
        let record = VersionRecord {
            schema: SCHEMA,
            id,
            state: VersionState::Candidate,
            decision: None,
            parent: taught.parent.clone(),
            weights_sha256,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_unix_secs: now(),
            device: taught.device.clone(),
            is_cpu: taught.is_cpu,
            recipe: taught.recipe.clone(),
            steps_done: taught.steps_done,
            seconds: taught.seconds,
            replay: taught.replay,
            replay_share: taught.replay_share,
            cases,
            curve: taught.curve.clone(),
            comparison: None,
        };
        write_json(&draft.path().join("record.json"), &record)?;
        if let Some(maps) = &taught.attention {
            copy_maps(maps.path(), draft.path())?;
        }
        let folder = self.folder.join(format!("{number:04}"));
        std::fs::rename(draft.path(), &folder).map_err(fault(&folder))?;
        // It has moved: there is nothing to tidy away.
        drop(draft.keep());
        open_to_readers(&folder);
        Ok(Version { number, folder, record })
    }

    /// Lets a version take the place of the weights in use, if the comparison allows it, or if it asks and a person says
    /// so. Comparison and decision are kept in the version's record.
    ///
    /// # Errors
    /// [`TeachError`] if the version is not there, the comparison is of other weights, or a file cannot be written.
    pub fn publish(
        &self,
        number: u32,
        comparison: &Comparison,
        decision: Decision,
    ) -> Result<Published, TeachError> {
        let mut version = self.find(number)?;
        if comparison.new != version.record.id || comparison.current != self.current() {
            return Err(TeachError::Unsuitable(format!(
                "the comparison is of {} with {}, not of {} with {}; compare again",
                comparison.new,
                comparison.current,
                version.record.id,
                self.current()
            )));
        }
        version.record.comparison = Some(comparison.clone());
        let is_decided = comparison.verdict.allows()
            || (comparison.verdict.asks() && matches!(decision, Decision::Person(_)));
        if !is_decided {
            version.save()?;
            let is_worse = comparison.verdict == Verdict::Worse;
            return Ok(if is_worse { Published::Refused } else { Published::Asks });
        }
        version.record.state = VersionState::Published;
        version.record.decision = Some(decision);
        version.save()?;
        self.switch(&version.record.id)?;
        Ok(Published::Yes)
    }

    /// Keeps a comparison in the record of the version that it is of, to be decided on.
    ///
    /// # Errors
    /// [`TeachError`] if it is of another version, or the record cannot be written.
    pub fn keep_comparison(&self, number: u32, comparison: &Comparison) -> Result<(), TeachError> {
        let mut version = self.find(number)?;
        if comparison.new != version.record.id {
            let (new, id) = (&comparison.new, &version.record.id);
            return Err(TeachError::Unsuitable(format!("the comparison is of {new}, not of {id}")));
        }
        version.record.comparison = Some(comparison.clone());
        version.save()
    }

    /// Says that a version is not to be used.
    ///
    /// # Errors
    /// [`TeachError`] if it is not there, is in use, or cannot be written.
    pub fn reject(&self, number: u32, decision: Decision) -> Result<(), TeachError> {
        let mut version = self.find(number)?;
        if self.current() == version.record.id {
            return Err(TeachError::Unsuitable("the version is in use; go back to another first".into()));
        }
        version.record.state = VersionState::Rejected;
        version.record.decision = Some(decision);
        version.save()
    }

    /// Goes back to weights that were in use before: a version's identity, or that of the model that all come from.
    /// One small file is written.
    ///
    /// # Errors
    /// [`TeachError`] for weights that were never published, or if the file cannot be written.
    pub fn roll_back(&self, id: &str) -> Result<(), TeachError> {
        let was_published =
            |version: &Version| version.record.id == id && version.record.state == VersionState::Published;
        if id != self.base && !self.list().iter().any(was_published) {
            return Err(TeachError::Unsuitable(format!("{id} was never published; compare and publish it")));
        }
        self.switch(id)
    }

    fn switch(&self, id: &str) -> Result<(), TeachError> {
        let current = Current {
            schema: SCHEMA,
            id: id.to_owned(),
            previous: Some(self.current()),
            changed_unix_secs: now(),
        };
        std::fs::create_dir_all(&self.folder)
            .map_err(|cause| TeachError::Folder { cause, path: self.folder.clone() })?;
        write_json(&self.folder.join(format!("current-{}.json", self.base)), &current)
    }
}

impl Version {
    /// The version in a folder.
    ///
    /// # Errors
    /// [`TeachError`] if there is none, or its record is not understood.
    pub fn open(folder: &Path) -> Result<Self, TeachError> {
        let path = folder.join("record.json");
        let text =
            read_small_text(&path).map_err(|cause| TeachError::Folder { cause, path: path.clone() })?;
        let record: VersionRecord =
            serde_json::from_str(&text).map_err(|cause| TeachError::Record { cause, path: path.clone() })?;
        if record.schema != SCHEMA {
            return Err(TeachError::Unsuitable(format!(
                "the version's record has the form {}; this program knows {SCHEMA}: {}",
                record.schema,
                path.display()
            )));
        }
        let number = record.id.rsplit_once('@').and_then(|(_, number)| number.parse().ok());
        let number = number
            .ok_or_else(|| TeachError::Unsuitable(format!("\"{}\" is no version's identity", record.id)))?;
        Ok(Self { number, folder: folder.to_owned(), record })
    }

    fn save(&self) -> Result<(), TeachError> {
        write_json(&self.folder.join("record.json"), &self.record)
    }
}

/// What a version's card says: its parent's, with what is other.
fn card_of(parent: &Model, taught: &Taught, id: &str, weights_sha256: &str) -> Card {
    let count = |purpose| taught.cases.iter().filter(|case| case.case.purpose == purpose).count();
    let mut card = parent.card.clone();
    let (corrected, earlier) = (count(CaseUse::Corrected), count(CaseUse::Earlier));
    card.data.push(format!("{corrected} corrected and {earlier} earlier cases of {id}"));
    card.split = format!("{}; {} cases set aside for {id}", card.split, count(CaseUse::SetAside));
    card.training = format!(
        "{}, then {} steps of {} samples from {} in {:.0} s on {}",
        card.training,
        taught.steps_done,
        taught.recipe.batch,
        taught.parent.id,
        taught.seconds,
        taught.device
    );
    // They were measured with other weights.
    card.figures.clear();
    if let Some(last) = taught.curve.last().filter(|point| point.set_aside.score().is_finite()) {
        card.figures.push(format!(
            "Dice {:.3} over the cases set aside (a selection of at most twelve)",
            last.set_aside.score()
        ));
    }
    if let Task::Click(task) = &mut card.task {
        task.is_default = false;
    }
    id.clone_into(&mut card.id);
    weights_sha256.clone_into(&mut card.weights_sha256);
    card
}

/// What is written down of a case. Labels that a person may change further are kept beside.
fn keep_case(folder: &Path, nth: usize, case: &LoadedCase) -> Result<CaseRecord, TeachError> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (image, selection) = match &case.case.image {
        CaseImage::File(image) => (Some(absolute(&image.path)), image.selection.clone()),
        CaseImage::Memory(volume) => (volume.meta().source.path().map(absolute), Selection::of(volume)),
    };
    let labels = match (&case.case.labels, &case.labels) {
        (CaseLabels::File(path), _) => Some(absolute(path)),
        (CaseLabels::Memory(_) | CaseLabels::Project { .. }, Some(labels)) => {
            let name = PathBuf::from("labels").join(format!("{nth:04}.nii.gz"));
            let path = folder.join(&name);
            let at = folder.join("labels");
            std::fs::create_dir_all(&at).map_err(|cause| TeachError::Folder { cause, path: at })?;
            let labels = labels.decode(case.grid.voxel_count()).expect("they were packed from this grid");
            nifti::save_labels(&path, &labels, &case.grid, &case.source, &[])
                .map_err(|e| TeachError::Folder { cause: std::io::Error::other(e), path })?;
            Some(name)
        }
        _ => None,
    };
    Ok(CaseRecord {
        id: case.case.id.clone(),
        purpose: case.case.purpose,
        image,
        selection,
        labels,
        image_sha256: case.image_sha256.clone(),
        labels_sha256: case.labels_sha256.clone(),
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TeachError> {
    replace_file(path, |out| out.write_all(bytes))
        .map_err(|e| TeachError::Folder { cause: std::io::Error::other(e), path: path.to_owned() })
}

/// Numbers that are none (a mean over no case) are written as `null`, which the records read back as none.
fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TeachError> {
    let value: Value = serde_json::to_value(value).expect("plain data with string keys");
    write(path, format!("{value:#}\n").as_bytes())
}

/// Temporary folders are private; a version should have the permissions of any other new folder.
fn open_to_readers(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).ok();
    }
    #[cfg(not(unix))]
    let _ = folder;
}
