//! Whether a chain is whole, and what it proves.

use serde::Serialize;

use super::entry::{Action, Entry};
use crate::label::LabelMap;

/// Why a chain proves nothing from some entry on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChainFault {
    /// An entry was changed.
    #[error("entry {number} was changed after it was written: its hash does not fit its contents")]
    Changed {
        /// The entry.
        number: u64,
    },
    /// An entry does not follow the one before.
    #[error("entry {number} does not follow the one before: entries were taken out, put in or reordered")]
    Broken {
        /// The entry.
        number: u64,
    },
    /// The chain does not say how it began.
    #[error("the chain does not start with its beginning: its first entries are missing")]
    Headless,
    /// It belongs to another image.
    #[error("the chain was begun for another image")]
    OtherImage,
    /// The labels are not those that were attested, and nothing happened since.
    #[error("the labels are not those of entry {number} (\"{why}\"), and no later entry changes them")]
    OtherLabels {
        /// The entry.
        number: u64,
        /// What it says.
        why: String,
    },
}

/// What a chain says of a project.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Entries looked at.
    pub entries: usize,
    /// Hash of the last one.
    pub last_hash: Option<String>,
    /// What is wrong.
    pub faults: Vec<ChainFault>,
    /// The last entry that attests labels, and the steps made since.
    pub attested: Option<Attested>,
}

/// Labels that an entry attests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attested {
    /// The entry.
    pub number: u64,
    /// Why they were looked at.
    pub why: String,
    /// Entries since that changed labels, or may have.
    pub changes_since: usize,
    /// Whether the labels of the project are those.
    pub is_present: bool,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Follows a chain from its first entry and compares it with the image and the labels of its project.
pub fn verify(entries: &[Entry], image_sha256: &str, labels: &LabelMap) -> Verdict {
    let mut faults = Vec::new();
    let mut previous: Option<&Entry> = None;
    for entry in entries {
        if entry.expected_hash() != entry.hash {
            faults.push(ChainFault::Changed { number: entry.number });
        }
        let (number, hash) = previous.map_or((1, ""), |entry| (entry.number + 1, entry.hash.as_str()));
        if entry.number != number || entry.previous != hash {
            faults.push(ChainFault::Broken { number: entry.number });
        }
        previous = Some(entry);
    }
    match entries.first().map(|entry| &entry.action) {
        Some(Action::Began { image_sha256: of, .. }) if of != image_sha256 => {
            faults.push(ChainFault::OtherImage);
        }
        Some(Action::Began { .. }) | None => {}
        Some(_) => faults.push(ChainFault::Headless),
    }
    let attested = attested(entries, labels);
    if let Some(attested) = attested.as_ref().filter(|a| a.changes_since == 0 && !a.is_present) {
        faults.push(ChainFault::OtherLabels { number: attested.number, why: attested.why.clone() });
    }
    Verdict { entries: entries.len(), last_hash: previous.map(|entry| entry.hash.clone()), faults, attested }
}

fn attested(entries: &[Entry], labels: &LabelMap) -> Option<Attested> {
    let at = entries.iter().rposition(|entry| matches!(entry.action, Action::Attested { .. }))?;
    let Action::Attested { why, labels_sha256 } = &entries[at].action else { return None };
    let changes = |entry: &&Entry| match &entry.action {
        Action::Step { voxels, .. } => *voxels > 0,
        Action::WentTo { .. } => true,
        _ => false,
    };
    Some(Attested {
        number: entries[at].number,
        why: why.clone(),
        changes_since: entries[at + 1..].iter().filter(changes).count(),
        is_present: labels.sha256() == *labels_sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine, Grid};

    fn chain(labels: &LabelMap) -> Vec<Entry> {
        let actions = [
            Action::Began { image_sha256: "i".into(), program: "Hilum".into() },
            Action::Step { name: "Brush".into(), voxels: 3, change_sha256: "c".into() },
            Action::Attested { why: "corrected".into(), labels_sha256: labels.sha256() },
            Action::Exported,
        ];
        let mut entries: Vec<Entry> = Vec::new();
        for action in actions {
            let previous = entries.last().map(|entry| (entry.number, entry.hash.clone()));
            let previous = previous.as_ref().map(|(number, hash)| (*number, hash.as_str()));
            entries.push(Entry::after(previous, 1000, "eva", action));
        }
        entries
    }

    fn labels(value: u16) -> LabelMap {
        let grid = Grid::new([2, 3, 1], Affine::from_spacing([1.0; 3]).unwrap()).unwrap();
        LabelMap::from_voxels(grid, vec![value; 6]).unwrap()
    }

    #[test]
    fn a_whole_chain_is_sound_and_says_what_the_labels_are() {
        let labels = labels(1);
        let verdict = verify(&chain(&labels), "i", &labels);
        assert!(verdict.is_sound(), "{:?}", verdict.faults);
        let attested = verdict.attested.unwrap();
        assert_eq!((attested.number, attested.changes_since, attested.is_present), (3, 0, true));
    }

    #[test]
    fn whatever_is_changed_taken_out_put_in_or_reordered_is_found() {
        let labels = labels(1);
        let good = chain(&labels);
        let mut changed = good.clone();
        changed[1].user = "adam".into();
        assert_eq!(verify(&changed, "i", &labels).faults, [ChainFault::Changed { number: 2 }]);
        changed[1].hash = changed[1].expected_hash();
        assert_eq!(verify(&changed, "i", &labels).faults, [ChainFault::Broken { number: 3 }]);
        for taken_out in 0..3 {
            let mut fewer = good.clone();
            fewer.remove(taken_out);
            assert!(!verify(&fewer, "i", &labels).is_sound(), "{taken_out}");
        }
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert!(!verify(&swapped, "i", &labels).is_sound());
        assert_eq!(verify(&good, "j", &labels).faults, [ChainFault::OtherImage]);
    }

    #[test]
    fn other_labels_than_the_attested_ones_are_found_unless_the_chain_explains_them() {
        let mut entries = chain(&labels(1));
        let other = labels(2);
        let faults = verify(&entries, "i", &other).faults;
        assert_eq!(faults, [ChainFault::OtherLabels { number: 3, why: "corrected".into() }]);
        let last = entries.last().map(|entry| (entry.number, entry.hash.clone())).unwrap();
        let step = Action::Step { name: "Fill".into(), voxels: 6, change_sha256: "d".into() };
        entries.push(Entry::after(Some((last.0, &last.1)), 1001, "eva", step));
        assert!(verify(&entries, "i", &other).is_sound());
    }
}
