//! The file of a chain.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::entry::{Action, Entry, hex};
use crate::document::JournalRecord;
use crate::history::{Commit, Delta};
use crate::project::files::Files;
use crate::project::{Owner, StoreError};

/// Name of the file in a project's folder.
pub const CHAIN_FILE: &str = "provenance.jsonl";
/// Longest chain that is read: some million entries.
const LIMIT_BYTES: u64 = 1 << 30;

/// All entries of a project's chain, and how many bytes at its end are no entry (a crash while writing). A project
/// without a chain has no entries.
///
/// # Errors
/// [`StoreError::Io`], or [`StoreError::Damaged`] where a line in the middle is no entry.
pub fn read_chain(folder: &Path) -> Result<(Vec<Entry>, u64), StoreError> {
    let path = folder.join(CHAIN_FILE);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > LIMIT_BYTES => {
            return Err(StoreError::damaged("the record of provenance is far too long", &path));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        _ => {}
    }
    let bytes = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
    let (entries, good) = parse(&bytes);
    // Only the last line may be cut off.
    if bytes[good..].iter().filter(|byte| **byte == b'\n').count() > 1 {
        let what = format!("line {} of the record of provenance is no entry", entries.len() + 1);
        return Err(StoreError::damaged(what, &path));
    }
    Ok((entries, (bytes.len() - good) as u64))
}

/// The entries at the start of the bytes, and how many bytes they take.
fn parse(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let (mut entries, mut good) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        let Ok(entry) = serde_json::from_slice(text) else { break };
        entries.push(entry);
        good += line.len();
    }
    (entries, good)
}

/// The chain of an open project. It never keeps a change from being saved: entries that cannot be written wait in
/// memory and come before later ones.
#[derive(Debug)]
pub(crate) struct Chain {
    path: PathBuf,
    user: String,
    /// Bytes of complete entries on disk; `None` where the file is damaged and is left as it is.
    bytes: Option<u64>,
    last: Option<(u64, String)>,
    waiting: Vec<u8>,
    /// Of the stroke that is being made: its name, voxels and hash so far.
    stroke: Option<(u64, Sha256)>,
    stroke_name: String,
}

impl Chain {
    /// Goes on with the chain in a folder, or begins one.
    pub(crate) fn open(files: &dyn Files, folder: &Path, image_sha256: &str) -> Self {
        let path = folder.join(CHAIN_FILE);
        let mut chain = Self {
            path,
            user: Owner::myself().user,
            bytes: Some(0),
            last: None,
            waiting: Vec::new(),
            stroke: None,
            stroke_name: String::new(),
        };
        match read_chain(folder) {
            Ok((entries, torn)) => {
                chain.last = entries.last().map(|entry| (entry.number, entry.hash.clone()));
                let length = std::fs::metadata(&chain.path).map_or(0, |metadata| metadata.len());
                chain.bytes = Some(length - torn.min(length));
                if entries.is_empty() {
                    let program = concat!("Hilum ", env!("CARGO_PKG_VERSION")).to_owned();
                    let image_sha256 = image_sha256.to_owned();
                    chain.push(Action::Began { image_sha256, program });
                    chain.write(files);
                }
            }
            // Evidence of damage is kept; verifying tells it.
            Err(_) => chain.bytes = None,
        }
        chain
    }

    /// Who works from now on; the account of the computer without a name.
    pub(crate) fn set_user(&mut self, name: &str) {
        self.user = match name.trim() {
            "" => Owner::myself().user,
            name => name.to_owned(),
        };
    }

    /// Adds what happened, in the order in which it did.
    pub(crate) fn append(&mut self, files: &dyn Files, records: &[JournalRecord]) {
        for record in records {
            if let Some(action) = self.action_of(record) {
                self.push(action);
            }
        }
        self.write(files);
    }

    /// Adds something that is no change of the document.
    pub(crate) fn add(&mut self, files: &dyn Files, action: Action) {
        self.push(action);
        self.write(files);
    }

    fn action_of(&mut self, record: &JournalRecord) -> Option<Action> {
        match record {
            JournalRecord::Commit(commit) => Some(step_of(commit)),
            JournalRecord::StrokePart { name, patch } => {
                let (voxels, hash) = self.stroke.get_or_insert_with(|| (0, Sha256::new()));
                *voxels += patch.voxel_count() as u64;
                hash.update(encoded(patch));
                self.stroke_name.clone_from(name);
                None
            }
            JournalRecord::StrokeEnd => {
                let (voxels, hash) = self.stroke.take()?;
                let name = std::mem::take(&mut self.stroke_name);
                Some(Action::Step { name, voxels, change_sha256: hex(&hash.finalize()) })
            }
            JournalRecord::StrokeCancel => {
                self.stroke = None;
                None
            }
            JournalRecord::GoTo(step) => Some(Action::WentTo { step: *step }),
            JournalRecord::Look(_) => None,
            JournalRecord::Exported => Some(Action::Exported),
            JournalRecord::Origin(origin) => Some(Action::From(origin.clone())),
        }
    }

    fn push(&mut self, action: Action) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let previous = self.last.as_ref().map(|(number, hash)| (*number, hash.as_str()));
        let entry = Entry::after(previous, now, &self.user, action);
        // An entry is numbers and texts: it always becomes JSON.
        self.waiting.extend(serde_json::to_vec(&entry).unwrap_or_default());
        self.waiting.push(b'\n');
        self.last = Some((entry.number, entry.hash));
    }

    /// Writes what waits; on failure it goes on waiting.
    fn write(&mut self, files: &dyn Files) {
        let Some(bytes) = self.bytes.filter(|_| !self.waiting.is_empty()) else { return };
        let written = if bytes == 0 {
            files.replace(&self.path, &self.waiting)
        } else {
            files.write_at(&self.path, bytes, &self.waiting)
        };
        if written.is_ok() {
            self.bytes = Some(bytes + self.waiting.len() as u64);
            self.waiting.clear();
        }
    }
}

fn step_of(commit: &Commit) -> Action {
    let voxels = commit.deltas.iter().map(|delta| match delta {
        Delta::Labels(patch) => patch.voxel_count() as u64,
        _ => 0,
    });
    let change_sha256 = hex(&Sha256::digest(encoded(&commit.deltas)));
    Action::Step { name: commit.name.clone(), voxels: voxels.sum(), change_sha256 }
}

/// As the journal holds it.
fn encoded(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Origin, UsedModel, verify};
    use super::*;
    use crate::document::tests::document;
    use crate::document::{Document, EditCommand, StrokeTool};
    use crate::paint::BrushShape;
    use crate::project::{ImageReference, Store};
    use crate::prompt::Click;

    fn store(folder: &Path, document: &mut Document) -> Store {
        document.start_journal();
        Store::create(folder, ImageReference::of(document.image()), &document.snapshot()).unwrap()
    }

    fn paint(document: &mut Document) {
        let at = document.image().grid().affine().world_from_voxel(nalgebra::Point3::new(1.0, 1.0, 1.0));
        let shape = BrushShape::Ball;
        document.apply(EditCommand::BeginStroke { tool: StrokeTool::Brush, shape, radius_mm: 1.5 }).unwrap();
        document.apply(EditCommand::StrokeTo { from: at, to: at }).unwrap();
        document.apply(EditCommand::EndStroke).unwrap();
    }

    fn names(entries: &[Entry]) -> Vec<String> {
        entries
            .iter()
            .map(|entry| match &entry.action {
                Action::Began { .. } => "began".into(),
                Action::Step { name, .. } => name.clone(),
                Action::From(origin) => format!("from {}", origin.models[0].id),
                Action::WentTo { step } => format!("to {step}"),
                Action::Exported => "exported".into(),
                Action::Attested { why, .. } => why.clone(),
            })
            .collect()
    }

    #[test]
    fn a_day_of_work_is_one_sound_chain() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document();
        let mut project = store(folder.path(), &mut document);
        paint(&mut document);
        document.credit(Origin {
            models: vec![UsedModel { id: "lesion@0002".into(), weights_sha256: "w".into() }],
            device: "CPU".into(),
            clicks: vec![Click { voxel: [1, 1, 1], positive: true }],
            mask_sha256: None,
        });
        document.apply(EditCommand::Undo).unwrap();
        document.apply(EditCommand::Redo).unwrap();
        document.mark_saved();
        project.append(&document.take_unsaved()).unwrap();
        drop(project);
        let (mut project, _) = Store::open(folder.path()).unwrap();
        project.attest("corrected", document.labels());
        let (entries, torn) = read_chain(folder.path()).unwrap();
        assert_eq!(torn, 0);
        let expected = ["began", "Brush", "from lesion@0002", "to 0", "to 1", "exported", "corrected"];
        assert_eq!(names(&entries), expected);
        assert!(matches!(entries[1].action, Action::Step { voxels, .. } if voxels > 0));
        let verdict = verify(&entries, &project.image().voxels_sha256, document.labels());
        assert!(verdict.is_sound() && verdict.attested.is_some_and(|a| a.is_present), "{:?}", verdict.faults);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_written_over_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document();
        drop(store(folder.path(), &mut document));
        let path = folder.path().join(CHAIN_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"number\":2,\"unix");
        std::fs::write(&path, &bytes).unwrap();
        let (mut project, _) = Store::open(folder.path()).unwrap();
        paint(&mut document);
        project.append(&document.take_unsaved()).unwrap();
        let (entries, torn) = read_chain(folder.path()).unwrap();
        assert_eq!((names(&entries), torn), (vec!["began".to_owned(), "Brush".to_owned()], 0));
        let verdict = verify(&entries, &project.image().voxels_sha256, document.labels());
        assert!(verdict.is_sound());
    }

    #[test]
    fn a_damaged_chain_is_left_as_it_is_and_keeps_no_work_from_being_saved() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = document();
        drop(store(folder.path(), &mut document));
        let path = folder.path().join(CHAIN_FILE);
        let damaged = b"no json\nno json\n{}\n";
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(read_chain(folder.path()), Err(StoreError::Damaged { .. })));
        let (mut project, _) = Store::open(folder.path()).unwrap();
        paint(&mut document);
        project.append(&document.take_unsaved()).unwrap();
        drop(project);
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
        let (_, saved) = Store::open(folder.path()).unwrap();
        let (restored, _) = saved.into_document(document.image().clone()).unwrap();
        assert_eq!(restored.labels().to_voxels(), document.labels().to_voxels());
    }
}
