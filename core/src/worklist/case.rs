//! One image of a worklist.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::io::Selection;

/// Number of a case in its worklist, from 1; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(pub u32);

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// How far the work on a case is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// Nobody and nothing has labelled it.
    #[default]
    New,
    /// A network has; no person has touched the answer.
    Proposed,
    /// A person has begun.
    InWork,
    /// A person says that its labels are right.
    Corrected,
    /// A second look confirmed them.
    Reviewed,
}

impl CaseState {
    /// All, in the order of the work.
    pub const ALL: [Self; 5] = [Self::New, Self::Proposed, Self::InWork, Self::Corrected, Self::Reviewed];

    /// Whether a network may be taught, or judged, with its labels.
    pub fn is_done(self) -> bool {
        self >= Self::Corrected
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Proposed => "proposed",
            Self::InWork => "in work",
            Self::Corrected => "corrected",
            Self::Reviewed => "reviewed",
        }
    }
}

/// What a case is used for once it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Networks are taught with it.
    #[default]
    Teaching,
    /// Networks are judged on it, and never see it while they are taught.
    SetAside,
}

/// Where the image of a case lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseImage {
    /// File or folder; relative to the folder of the worklist if it lies below it.
    pub path: PathBuf,
    /// Which image of it.
    #[serde(flatten)]
    pub selection: Selection,
}

impl CaseImage {
    /// A whole file or folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), selection: Selection::default() }
    }

    /// Where it lies for a worklist in `folder`.
    pub fn resolved(&self, folder: &Path) -> PathBuf {
        if self.path.is_absolute() { self.path.clone() } else { folder.join(&self.path) }
    }
}

/// How unsure a network is about a case, and why that brings the case forward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// Larger is less sure; comparable within one model and one measure only.
    pub value: f64,
    /// In words.
    pub reason: String,
    /// The version of the model that was asked.
    pub model: String,
    /// Place in the order of teaching, from 1.
    pub rank: u32,
}

/// What somebody else drew in the image of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Who.
    pub annotator: String,
    /// The mask, relative to the folder of the worklist.
    pub path: PathBuf,
}

/// One image of a worklist with what is known of the work on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its number.
    pub id: CaseId,
    /// Its name for people, unique.
    pub name: String,
    /// Its image.
    pub image: CaseImage,
    /// How far the work is.
    #[serde(default)]
    pub state: CaseState,
    /// What it is used for.
    #[serde(default)]
    pub role: Role,
    /// Who worked on it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotator: Option<String>,
    /// Seconds that a person spent on it with the hand on mouse or keyboard.
    #[serde(default)]
    pub spent_secs: f64,
    /// What people wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Which version of which model proposed its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    /// How unsure the network is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// What others drew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outlines: Vec<Outline>,
    /// When something of this last changed, in seconds since 1970.
    #[serde(default)]
    pub changed_unix_secs: u64,
}

impl Case {
    /// Folder of its project within the folder of the worklist.
    pub fn project_folder(&self, worklist: &Path) -> PathBuf {
        worklist.join("cases").join(self.id.to_string())
    }

    /// Folder of what others drew.
    pub fn outline_folder(&self, worklist: &Path) -> PathBuf {
        self.project_folder(worklist).join("outlines")
    }
}
