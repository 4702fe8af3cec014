//! The cases and what may happen to them.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::case::{Case, CaseId, CaseImage, CaseState, Doubt, Outline, Role};
use super::select::CaseOrder;
use crate::label::LabelTable;

/// Longest name or comment that is taken.
const TEXT_LIMIT: usize = 10_000;

/// Why a worklist was not changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorklistError {
    /// There is no such case.
    #[error("the worklist has no case {0}")]
    NoCase(CaseId),
    /// There is no case of that name.
    #[error("the worklist has no case \"{name}\"; it has: {known}")]
    NoCaseNamed {
        /// The name asked for.
        name: String,
        /// Some names.
        known: String,
    },
    /// The image is in the worklist already.
    #[error("the image is in the worklist already, as \"{name}\"")]
    KnownImage {
        /// Name of the case.
        name: String,
    },
    /// A name is taken.
    #[error("another case is called \"{0}\"; choose another name")]
    NameTaken(String),
    /// A text is empty or too long.
    #[error("a text of {0} characters cannot be kept; use 1 to 10,000 characters")]
    Text(usize),
    /// A number is none.
    #[error("{0} is no duration")]
    Duration(f64),
}

/// Something that happens to a case.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseChange {
    /// The work goes on or back.
    State(CaseState),
    /// It is used for something else.
    Role(Role),
    /// Another name.
    Name(String),
    /// Another comment.
    Comment(String),
    /// A person worked on it.
    Worked {
        /// Who.
        annotator: String,
        /// For so long.
        secs: f64,
    },
    /// A network labelled it; a case that nobody has touched is proposed from now on.
    Proposed {
        /// The version of the model.
        model: String,
    },
    /// A person changed its labels; a case that is not done is in work from now on, one that was reviewed needs
    /// another look.
    Edited,
    /// How unsure a network is.
    Doubt(Option<Doubt>),
    /// Somebody else's outlines.
    AddOutline(Outline),
    /// Its image lies elsewhere now.
    Image(CaseImage),
}

/// Many images that are labelled alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Worklist {
    /// Name for people.
    pub name: String,
    /// The labels that every case starts with.
    pub labels: LabelTable,
    /// The model that proposes and is taught: an identity of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The order in which cases are shown and come next.
    #[serde(default)]
    pub order: CaseOrder,
    cases: Vec<Case>,
    /// The last number given.
    last_id: u32,
}

impl Worklist {
    /// One without cases.
    pub fn new(name: impl Into<String>, labels: LabelTable, model: Option<String>) -> Self {
        Self { name: name.into(), labels, model, order: CaseOrder::default(), cases: Vec::new(), last_id: 0 }
    }

    /// All cases, in the order in which they were added.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// A case.
    ///
    /// # Errors
    /// [`WorklistError::NoCase`].
    pub fn case(&self, id: CaseId) -> Result<&Case, WorklistError> {
        self.cases.iter().find(|case| case.id == id).ok_or(WorklistError::NoCase(id))
    }

    /// The case of a name, or of a number written out.
    ///
    /// # Errors
    /// [`WorklistError::NoCaseNamed`].
    pub fn find(&self, name: &str) -> Result<&Case, WorklistError> {
        let by_name = self.cases.iter().find(|case| case.name == name);
        let by_number = || {
            let id = CaseId(name.parse().ok()?);
            self.cases.iter().find(|case| case.id == id)
        };
        by_name.or_else(by_number).ok_or_else(|| {
            let mut known: Vec<&str> = self.cases.iter().take(20).map(|case| case.name.as_str()).collect();
            if self.cases.len() > known.len() {
                known.push("…");
            }
            WorklistError::NoCaseNamed { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Adds an image, named after its file; a path below `folder`, that of the worklist, is kept relative to it.
    ///
    /// # Errors
    /// [`WorklistError::KnownImage`].
    pub fn add(
        &mut self,
        folder: &Path,
        image: CaseImage,
        now_unix_secs: u64,
    ) -> Result<CaseId, WorklistError> {
        let image = CaseImage { path: relative(folder, &image.path), ..image };
        if let Some(case) = self.cases.iter().find(|case| case.image == image) {
            return Err(WorklistError::KnownImage { name: case.name.clone() });
        }
        self.last_id += 1;
        let id = CaseId(self.last_id);
        let name = self.free_name(&name_of(&image.path));
        self.cases.push(Case {
            id,
            name,
            image,
            state: CaseState::New,
            role: Role::Teaching,
            annotator: None,
            spent_secs: 0.0,
            comment: String::new(),
            proposed_by: None,
            doubt: None,
            outlines: Vec::new(),
            changed_unix_secs: now_unix_secs,
        });
        Ok(id)
    }

    /// Takes a case off the list; its project stays on disk.
    ///
    /// # Errors
    /// [`WorklistError::NoCase`].
    pub fn remove(&mut self, id: CaseId) -> Result<Case, WorklistError> {
        let at = self.cases.iter().position(|case| case.id == id).ok_or(WorklistError::NoCase(id))?;
        Ok(self.cases.remove(at))
    }

    /// Changes a case; gives back whether anything is different now.
    ///
    /// # Errors
    /// [`WorklistError`]; nothing has changed then.
    pub fn apply(
        &mut self,
        id: CaseId,
        change: CaseChange,
        now_unix_secs: u64,
    ) -> Result<bool, WorklistError> {
        if let CaseChange::Name(name) = &change {
            check_text(name, 1)?;
            if self.cases.iter().any(|case| case.id != id && case.name == *name) {
                return Err(WorklistError::NameTaken(name.clone()));
            }
        }
        let case = self.cases.iter_mut().find(|case| case.id == id).ok_or(WorklistError::NoCase(id))?;
        let before = case.clone();
        change_case(case, change)?;
        let is_different = *case != before;
        if is_different {
            case.changed_unix_secs = now_unix_secs;
        }
        Ok(is_different)
    }

    /// Cases that networks are taught with now.
    pub fn teaching(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.state.is_done() && case.role == Role::Teaching)
    }

    /// Cases that networks are judged on now.
    pub fn judging(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.state.is_done() && case.role == Role::SetAside)
    }

    fn free_name(&self, wanted: &str) -> String {
        let is_free = |name: &str| self.cases.iter().all(|case| case.name != name);
        if is_free(wanted) {
            return wanted.to_owned();
        }
        (2_u64..).map(|n| format!("{wanted} ({n})")).find(|name| is_free(name)).unwrap_or_default()
    }
}

fn change_case(case: &mut Case, change: CaseChange) -> Result<(), WorklistError> {
    match change {
        CaseChange::State(state) => case.state = state,
        CaseChange::Role(role) => case.role = role,
        CaseChange::Name(name) => case.name = name,
        CaseChange::Comment(comment) => {
            check_text(&comment, 0)?;
            case.comment = comment;
        }
        CaseChange::Worked { annotator, secs } => {
            if !(secs.is_finite() && secs >= 0.0) {
                return Err(WorklistError::Duration(secs));
            }
            case.spent_secs += secs;
            case.annotator = Some(annotator).filter(|name| !name.is_empty());
        }
        CaseChange::Proposed { model } => {
            case.proposed_by = Some(model);
            case.state = case.state.max(CaseState::Proposed);
        }
        CaseChange::Edited => {
            case.state = match case.state {
                CaseState::Reviewed | CaseState::Corrected => CaseState::Corrected,
                _ => CaseState::InWork,
            };
        }
        CaseChange::Doubt(doubt) => case.doubt = doubt,
        CaseChange::AddOutline(outline) => {
            case.outlines.retain(|known| known.annotator != outline.annotator);
            case.outlines.push(outline);
        }
        CaseChange::Image(image) => case.image = image,
    }
    Ok(())
}

fn check_text(text: &str, least: usize) -> Result<(), WorklistError> {
    let length = text.chars().count();
    if (least..=TEXT_LIMIT).contains(&length) { Ok(()) } else { Err(WorklistError::Text(length)) }
}

/// A path below the folder without it, with no step upwards.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (folder, path) = (absolute(folder), absolute(path));
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    match path.strip_prefix(&folder) {
        Ok(below) if is_plain(below) && below.components().next().is_some() => below.to_owned(),
        _ => path,
    }
}

/// Name of a file without what says how it is stored.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let lower = name.to_lowercase();
    let known = [
        ".nii.gz", ".nii", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm", ".png", ".jpg", ".jpeg",
        ".tif", ".tiff", ".bmp",
    ];
    let suffix = known.iter().find(|suffix| lower.ends_with(*suffix)).map_or(0, |suffix| suffix.len());
    let stem: String = name.chars().take(name.chars().count() - suffix).collect();
    if stem.is_empty() { name.into_owned() } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> (Worklist, CaseId) {
        let mut list = Worklist::new("knees", LabelTable::default(), None);
        let id = list.add(Path::new("/data/list"), CaseImage::at("/data/a/KNEE_1.nii.gz"), 5).unwrap();
        (list, id)
    }

    #[test]
    fn an_image_is_named_after_its_file_and_added_once() {
        let (mut list, id) = list();
        let folder = Path::new("/data/list");
        assert_eq!(list.case(id).unwrap().name, "KNEE_1");
        let again = list.add(folder, CaseImage::at("/data/a/KNEE_1.nii.gz"), 6);
        assert_eq!(again, Err(WorklistError::KnownImage { name: "KNEE_1".into() }));
        let other = list.add(folder, CaseImage::at("/data/b/KNEE_1.nii"), 6).unwrap();
        assert_eq!(list.case(other).unwrap().name, "KNEE_1 (2)");
        let below = list.add(folder, CaseImage::at("/data/list/images/c.mha"), 6).unwrap();
        assert_eq!(list.case(below).unwrap().image.path, Path::new("images/c.mha"));
        let resolved = list.case(below).unwrap().image.resolved(Path::new("/moved"));
        assert_eq!(resolved, Path::new("/moved/images/c.mha"));
    }

    #[test]
    fn numbers_are_not_given_twice() {
        let (mut list, id) = list();
        list.remove(id).unwrap();
        let next = list.add(Path::new("/"), CaseImage::at("/x.nii"), 0).unwrap();
        assert_ne!(next, id);
        assert_eq!(list.apply(id, CaseChange::Edited, 0), Err(WorklistError::NoCase(id)));
        assert!(list.find("9").unwrap_err().to_string().contains("it has: x"));
        assert_eq!(list.find("2").unwrap().id, next);
    }

    #[test]
    fn the_state_follows_the_work() {
        let (mut list, id) = list();
        let state = |list: &Worklist| list.case(id).unwrap().state;
        let change = |list: &mut Worklist, change| list.apply(id, change, 9).unwrap();
        assert!(change(&mut list, CaseChange::Proposed { model: "m@0001".into() }));
        assert_eq!(state(&list), CaseState::Proposed);
        change(&mut list, CaseChange::Edited);
        assert_eq!(state(&list), CaseState::InWork);
        change(&mut list, CaseChange::Proposed { model: "m@0002".into() });
        assert_eq!(state(&list), CaseState::InWork, "a proposal takes no work back");
        change(&mut list, CaseChange::State(CaseState::Reviewed));
        assert_eq!(list.teaching().count(), 1);
        change(&mut list, CaseChange::Edited);
        assert_eq!(state(&list), CaseState::Corrected, "an edit after the review needs another look");
        change(&mut list, CaseChange::Role(Role::SetAside));
        assert_eq!((list.teaching().count(), list.judging().count()), (0, 1));
        assert!(!change(&mut list, CaseChange::Role(Role::SetAside)));
        assert_eq!(list.case(id).unwrap().changed_unix_secs, 9);
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let (mut list, id) = list();
        let before = list.clone();
        let worked = |secs| CaseChange::Worked { annotator: "eva".into(), secs };
        for nonsense in [worked(f64::NAN), worked(-1.0), CaseChange::Name(String::new())] {
            assert!(list.apply(id, nonsense, 9).is_err());
        }
        assert!(list.apply(id, CaseChange::Comment("x".repeat(10_001)), 9).is_err());
        assert_eq!(list, before);
        let other = list.add(Path::new("/"), CaseImage::at("/b.nii"), 0).unwrap();
        let taken = list.apply(other, CaseChange::Name("KNEE_1".into()), 9);
        assert_eq!(taken, Err(WorklistError::NameTaken("KNEE_1".into())));
    }

    #[test]
    fn names_beyond_ascii_keep_their_characters() {
        assert_eq!(name_of(Path::new("/a/Knie-müller.NII.GZ")), "Knie-müller");
        assert_eq!(name_of(Path::new("/a/.nii")), ".nii");
    }
}
