//! Which eye a photograph shows.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FieldOfView;
use crate::io::dicom;

/// Right or left eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Laterality {
    /// Oculus dexter: the disc lies on the right of the macula in the picture.
    #[serde(rename = "OD")]
    Right,
    /// Oculus sinister: the disc lies on the left of the macula in the picture.
    #[serde(rename = "OS")]
    Left,
}

impl Laterality {
    /// `OD` or `OS`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Right => "OD",
            Self::Left => "OS",
        }
    }

    /// As people say it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Right => "right eye",
            Self::Left => "left eye",
        }
    }

    /// The other eye.
    pub fn other(self) -> Self {
        match self {
            Self::Right => Self::Left,
            Self::Left => Self::Right,
        }
    }
}

/// Where a guess comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateralitySource {
    /// A person said so.
    Person,
    /// Image Laterality (0020,0062) or Laterality (0020,0060) of a DICOM file.
    Dicom,
    /// The name of the file.
    FileName,
    /// Where the disc lies in the field of view.
    DiscPosition,
}

/// Which eye it probably is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LateralityGuess {
    /// The eye.
    pub laterality: Laterality,
    /// How sure, 0.5 (a coin) to 1.
    pub confidence: f64,
    /// What says so.
    pub source: LateralitySource,
    /// Whether another source says the opposite; the confidence is lower then.
    pub is_disputed: bool,
}

impl LateralityGuess {
    fn new(laterality: Laterality, confidence: f64, source: LateralitySource) -> Self {
        Self { laterality, confidence, source, is_disputed: false }
    }

    /// What a person said.
    pub fn by_person(laterality: Laterality) -> Self {
        Self::new(laterality, 1.0, LateralitySource::Person)
    }
}

/// The eye in a file name: the words `OD` and `OS`, `right` and `left`, or a letter `R` or `L` after a number or at
/// either end, whatever the case. `None` if there is no such word, or words for both eyes.
pub fn laterality_from_name(path: &Path) -> Option<LateralityGuess> {
    let (_, eye, confidence) = eye_word(&runs_of(path.file_stem()?.to_str()?))?;
    Some(LateralityGuess::new(eye, confidence, LateralitySource::FileName))
}

/// A file name without its ending and without the word for an eye: the same for both eyes of a patient, if nothing
/// else tells them apart.
pub fn patient_from_name(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut runs = runs_of(&name);
    if let Some((at, ..)) = eye_word(&runs) {
        runs.remove(at);
        // The separator before it goes too, or the one after it at the beginning.
        let separator = at.saturating_sub(1);
        if runs.get(separator).is_some_and(|run| kind(run) == Kind::Other) {
            runs.remove(separator);
        }
    }
    let patient = runs.concat();
    if patient.trim().is_empty() { name.into_owned() } else { patient }
}

/// Place, meaning and certainty of the word for an eye among the runs of a name.
fn eye_word(runs: &[&str]) -> Option<(usize, Laterality, f64)> {
    let words: Vec<usize> = (0..runs.len()).filter(|i| kind(runs[*i]) != Kind::Other).collect();
    let mut best: Option<(usize, Laterality, f64)> = None;
    for (i, at) in words.iter().enumerate() {
        let follows_number = i > 0 && kind(runs[words[i - 1]]) == Kind::Digits;
        let is_last = i + 1 == words.len();
        let (eye, confidence) = match runs[*at].to_lowercase().as_str() {
            "od" => (Laterality::Right, 0.97),
            "os" => (Laterality::Left, 0.97),
            "right" => (Laterality::Right, 0.95),
            "left" => (Laterality::Left, 0.95),
            "r" if follows_number || is_last => (Laterality::Right, 0.9),
            "l" if follows_number || is_last => (Laterality::Left, 0.9),
            "r" if i == 0 => (Laterality::Right, 0.75),
            "l" if i == 0 => (Laterality::Left, 0.75),
            _ => continue,
        };
        match best {
            Some((_, other, _)) if other != eye => return None,
            Some((.., surer)) if surer >= confidence => {}
            _ => best = Some((*at, eye, confidence)),
        }
    }
    best
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Other,
}

/// What a run of characters consists of, by its first.
fn kind(run: &str) -> Kind {
    match run.chars().next() {
        Some(c) if c.is_ascii_digit() => Kind::Digits,
        Some(c) if c.is_alphabetic() => Kind::Letters,
        _ => Kind::Other,
    }
}

/// Runs of letters, of digits and of everything else, in order.
fn runs_of(name: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, c) in name.char_indices().skip(1) {
        if kind(&name[start..]) != kind(&name[at..at + c.len_utf8()]) {
            runs.push(&name[start..at]);
            start = at;
        }
    }
    if start < name.len() {
        runs.push(&name[start..]);
    }
    runs
}

/// The eye by where the disc lies: nasal of the macula, which most photographs have near their middle. `None` where
/// the disc itself is near the middle, since the macula may then lie on either side.
pub fn laterality_from_disc(disc_center: [f64; 2], field: &FieldOfView) -> Option<LateralityGuess> {
    const UNCLEAR: f64 = 0.25;
    let offset = (disc_center[0] - field.circle.center[0]) / field.circle.radius_px;
    if offset.is_nan() || offset.abs() < UNCLEAR {
        return None;
    }
    let eye = if offset > 0.0 { Laterality::Right } else { Laterality::Left };
    let confidence = 0.6 + 0.35 * ((offset.abs() - UNCLEAR) / 0.3).min(1.0);
    Some(LateralityGuess::new(eye, confidence, LateralitySource::DiscPosition))
}

/// The eye by everything at hand: the DICOM header before the file name before the place of the disc. A clear
/// contradiction of the disc is noted and halves the certainty.
pub fn laterality_of(
    path: Option<&Path>,
    disc_center: Option<[f64; 2]>,
    field: &FieldOfView,
) -> Option<LateralityGuess> {
    let header = path.and_then(laterality_from_dicom);
    let named = header.or_else(|| path.and_then(laterality_from_name));
    laterality_with_disc(named, disc_center, field)
}

/// The eye by what is known without looking, and by the place of the disc. A clear contradiction of the disc is
/// noted and halves the certainty; what a person said stays as it is.
pub fn laterality_with_disc(
    named: Option<LateralityGuess>,
    disc_center: Option<[f64; 2]>,
    field: &FieldOfView,
) -> Option<LateralityGuess> {
    let seen = disc_center.and_then(|center| laterality_from_disc(center, field));
    match (named, seen) {
        (Some(said), _) if said.source == LateralitySource::Person => named,
        (Some(named), Some(seen)) if named.laterality != seen.laterality => Some(LateralityGuess {
            confidence: 0.5 + (named.confidence - 0.5) / 2.0,
            is_disputed: true,
            ..named
        }),
        (named, seen) => named.or(seen),
    }
}

fn laterality_from_dicom(path: &Path) -> Option<LateralityGuess> {
    let eye = match dicom::laterality_code(path)? {
        'R' => Laterality::Right,
        'L' => Laterality::Left,
        _ => return None,
    };
    Some(LateralityGuess::new(eye, 0.99, LateralitySource::Dicom))
}
