//! Names, colours and protection of labels.

use serde::{Deserialize, Serialize};

/// The label of voxels that belong to nothing.
pub const BACKGROUND: u16 = 0;

/// Longest name of a label, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// End of the name of a label that is a note to people: its voxels wait for a decision, and no network is taught with
/// them. It stands in the name, so that it survives every format that keeps names.
const NOTE: &str = "(note)";

/// Name of the label of voxels on which not all annotators agree.
pub const DIFFERENCES: &str = "Differences (note)";

/// Whether a label of this name is a note: the name ends with "(note)".
pub fn is_note(name: &str) -> bool {
    name.trim_end().to_lowercase().ends_with(NOTE)
}

/// Colours of new labels. The first seven are the set of Okabe and Ito ("Color universal design", 2008), brightest
/// on a grey image first; the others fill the gaps with P. Tol's "bright" and "light" schemes (SRON/EPS/TN/09-002).
const PALETTE: [[u8; 3]; 14] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [204, 121, 167],
    [213, 94, 0],
    [0, 114, 178],
    [170, 170, 0],
    [153, 221, 255],
    [255, 170, 187],
    [68, 187, 153],
    [238, 136, 102],
    [187, 204, 51],
    [119, 170, 221],
];

/// Colour of label `id` where nobody chose one; 0 has that of 1.
pub fn color_of(id: u16) -> [u8; 3] {
    PALETTE[usize::from(id.saturating_sub(1)) % PALETTE.len()]
}

/// Opacity of the fill of a new label.
const DEFAULT_OPACITY: f32 = 0.35;

/// Why a table refuses a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No label has this number.
    #[error("there is no label {id}; choose one from the list of labels")]
    Unknown {
        /// The number asked for.
        id: u16,
    },
    /// A label with this number exists, or 0 was asked for.
    #[error("label {id} cannot be added: the number is in use")]
    InUse {
        /// The number asked for.
        id: u16,
    },
    /// All 65535 numbers are taken.
    #[error("all 65535 label numbers are in use; remove a label first")]
    Full,
    /// The last label cannot go.
    #[error("the only label cannot be removed; add another one first")]
    Last,
    /// A name without a visible character, or too long.
    #[error("a label needs a name of 1 to {MAX_NAME_CHARS} characters, not {name:?}")]
    Name {
        /// The name asked for.
        name: String,
    },
    /// Opacity outside 0..=1.
    #[error("the opacity {opacity} is not between 0 and 1")]
    Opacity {
        /// The opacity asked for, as text.
        opacity: String,
    },
    /// The stored change speaks of a label that looks otherwise.
    #[error("a stored change of label {id} does not fit the table")]
    Stale {
        /// The label.
        id: u16,
    },
}

/// One label as a person knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelEntry {
    /// Value in the label map, at least 1.
    pub id: u16,
    /// Name shown.
    pub name: String,
    /// Red, green, blue (sRGB).
    pub color: [u8; 3],
    /// Opacity of the fill, 0..=1.
    pub opacity: f32,
    /// Whether it is drawn.
    pub visible: bool,
    /// Whether its voxels are protected from every edit.
    pub locked: bool,
}

impl LabelEntry {
    /// A label that is drawn and may be edited, in the colour of its value.
    pub fn new(id: u16, name: impl Into<String>) -> Self {
        let (name, color) = (name.into(), color_of(id));
        Self { id, name, color, opacity: DEFAULT_OPACITY, visible: true, locked: false }
    }
}

/// An undoable change of a table; what it holds is enough to go both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TableChange {
    /// An entry appears at a position of the list.
    Added {
        /// Position in the list.
        position: usize,
        /// The entry.
        entry: LabelEntry,
    },
    /// An entry disappears from a position of the list.
    Removed {
        /// Position in the list.
        position: usize,
        /// The entry.
        entry: LabelEntry,
    },
    /// A new name.
    Renamed {
        /// The label.
        id: u16,
        /// The old name.
        before: String,
        /// The new name.
        after: String,
    },
    /// A new colour.
    Recolored {
        /// The label.
        id: u16,
        /// The old colour.
        before: [u8; 3],
        /// The new colour.
        after: [u8; 3],
    },
}

/// A change of how labels look, which one is edited and which are protected. Such changes are saved but are no
/// undo steps: going back in time must neither hide a label nor unlock one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LookChange {
    /// Draw a label or not.
    Visible {
        /// The label.
        id: u16,
        /// Whether it is drawn.
        visible: bool,
    },
    /// Opacity of the fill.
    Opacity {
        /// The label.
        id: u16,
        /// 0..=1.
        opacity: f32,
    },
    /// Protect a label or not.
    Locked {
        /// The label.
        id: u16,
        /// Whether its voxels are protected.
        locked: bool,
    },
    /// The label that tools write.
    Active(u16),
}

/// The labels of a document in the order of the list, and the one being edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelTable {
    entries: Vec<LabelEntry>,
    active: u16,
}

impl Default for LabelTable {
    /// One label called "Lesion".
    fn default() -> Self {
        Self { entries: vec![LabelEntry::new(1, "Lesion".to_owned())], active: 1 }
    }
}

impl LabelTable {
    /// A table of these labels, the first of them active; `None` without labels, or if a number is 0 or used twice.
    pub fn new(entries: Vec<LabelEntry>) -> Option<Self> {
        let active = entries.first()?.id;
        Some(Self { entries, active }).filter(Self::is_consistent)
    }

    /// All entries in the order of the list.
    pub fn entries(&self) -> &[LabelEntry] {
        &self.entries
    }

    /// The label that tools write; always in the table.
    pub fn active(&self) -> u16 {
        self.active
    }

    /// The entry of a label.
    pub fn get(&self, id: u16) -> Option<&LabelEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Whether a label's voxels are protected.
    pub fn is_locked(&self, id: u16) -> bool {
        self.get(id).is_some_and(|entry| entry.locked)
    }

    /// Every protected label.
    pub fn locked(&self) -> Vec<u16> {
        self.entries.iter().filter(|entry| entry.locked).map(|entry| entry.id).collect()
    }

    /// A label not yet in the table with the next free number and colour; nameless ones are called "Label N".
    ///
    /// # Errors
    /// [`TableError::Full`] or [`TableError::Name`].
    pub fn proposed(&self, name: Option<&str>) -> Result<LabelEntry, TableError> {
        let id = (1..=u16::MAX).find(|id| self.get(*id).is_none()).ok_or(TableError::Full)?;
        let name = name.map_or_else(|| Ok(format!("Label {id}")), checked_name)?;
        Ok(LabelEntry::new(id, name))
    }

    /// The change that adds an entry at the end.
    ///
    /// # Errors
    /// [`TableError::InUse`] if its number is taken or 0.
    pub fn adding(&self, entry: LabelEntry) -> Result<TableChange, TableError> {
        if entry.id == BACKGROUND || self.get(entry.id).is_some() {
            return Err(TableError::InUse { id: entry.id });
        }
        Ok(TableChange::Added { position: self.entries.len(), entry })
    }

    /// The changes that add an entry for each of these labels that has none.
    pub fn adding_missing(&self, ids: &[u16]) -> Vec<TableChange> {
        let missing = ids.iter().filter(|id| **id != BACKGROUND && self.get(**id).is_none());
        (self.entries.len()..)
            .zip(missing)
            .map(|(position, id)| TableChange::Added {
                position,
                entry: LabelEntry::new(*id, format!("Label {id}")),
            })
            .collect()
    }

    /// The change that removes a label from the list.
    ///
    /// # Errors
    /// [`TableError::Unknown`], or [`TableError::Last`] for the only one.
    pub fn removing(&self, id: u16) -> Result<TableChange, TableError> {
        let unknown = TableError::Unknown { id };
        let position = self.entries.iter().position(|entry| entry.id == id).ok_or(unknown)?;
        if self.entries.len() == 1 {
            return Err(TableError::Last);
        }
        Ok(TableChange::Removed { position, entry: self.entries[position].clone() })
    }

    /// The change that renames a label.
    ///
    /// # Errors
    /// [`TableError::Unknown`] or [`TableError::Name`].
    pub fn renaming(&self, id: u16, name: &str) -> Result<TableChange, TableError> {
        let entry = self.get(id).ok_or(TableError::Unknown { id })?;
        Ok(TableChange::Renamed { id, before: entry.name.clone(), after: checked_name(name)? })
    }

    /// The change that recolours a label.
    ///
    /// # Errors
    /// [`TableError::Unknown`].
    pub fn recoloring(&self, id: u16, color: [u8; 3]) -> Result<TableChange, TableError> {
        let entry = self.get(id).ok_or(TableError::Unknown { id })?;
        Ok(TableChange::Recolored { id, before: entry.color, after: color })
    }

    /// Carries out a change. If the active label goes, the first of the list becomes active.
    ///
    /// # Errors
    /// [`TableError::Stale`] if the change was made for another table; nothing has happened then.
    pub fn apply(&mut self, change: &TableChange) -> Result<(), TableError> {
        match change {
            TableChange::Added { position, entry } => self.insert(*position, entry),
            TableChange::Removed { position, entry } => self.take(*position, entry),
            TableChange::Renamed { id, after, .. } => self.edit(*id, |entry| entry.name.clone_from(after)),
            TableChange::Recolored { id, after, .. } => self.edit(*id, |entry| entry.color = *after),
        }
    }

    /// Changes how a label looks, its protection, or the active label.
    ///
    /// # Errors
    /// [`TableError::Unknown`] or [`TableError::Opacity`].
    pub fn look(&mut self, change: LookChange) -> Result<(), TableError> {
        let unknown = |id| move |_| TableError::Unknown { id };
        match change {
            LookChange::Visible { id, visible } => {
                self.edit(id, |e| e.visible = visible).map_err(unknown(id))
            }
            LookChange::Locked { id, locked } => self.edit(id, |e| e.locked = locked).map_err(unknown(id)),
            LookChange::Opacity { id, opacity } => {
                if !(0.0..=1.0).contains(&opacity) {
                    return Err(TableError::Opacity { opacity: opacity.to_string() });
                }
                self.edit(id, |e| e.opacity = opacity).map_err(unknown(id))
            }
            LookChange::Active(id) => {
                self.get(id).ok_or(TableError::Unknown { id })?;
                self.active = id;
                Ok(())
            }
        }
    }

    /// Whether a stored table keeps its promises: numbers are used once and never 0, the active one exists.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut ids: Vec<u16> = self.entries.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        ids.first().is_some_and(|id| *id != BACKGROUND)
            && ids.windows(2).all(|pair| pair[0] < pair[1])
            && self.get(self.active).is_some()
            && self.entries.iter().all(|entry| (0.0..=1.0).contains(&entry.opacity))
    }

    fn insert(&mut self, position: usize, entry: &LabelEntry) -> Result<(), TableError> {
        if entry.id == BACKGROUND || position > self.entries.len() || self.get(entry.id).is_some() {
            return Err(TableError::Stale { id: entry.id });
        }
        self.entries.insert(position, entry.clone());
        Ok(())
    }

    fn take(&mut self, position: usize, entry: &LabelEntry) -> Result<(), TableError> {
        if self.entries.get(position).is_none_or(|e| e.id != entry.id) || self.entries.len() == 1 {
            return Err(TableError::Stale { id: entry.id });
        }
        self.entries.remove(position);
        if self.active == entry.id {
            self.active = self.entries[0].id;
        }
        Ok(())
    }

    fn edit(&mut self, id: u16, change: impl FnOnce(&mut LabelEntry)) -> Result<(), TableError> {
        let entry = self.entries.iter_mut().find(|entry| entry.id == id).ok_or(TableError::Stale { id })?;
        change(entry);
        Ok(())
    }
}

impl TableChange {
    /// Whether nothing changes: the old name or colour is the new one.
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Renamed { before, after, .. } => before == after,
            Self::Recolored { before, after, .. } => before == after,
            Self::Added { .. } | Self::Removed { .. } => false,
        }
    }

    /// The change that undoes this one.
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Added { position, entry } => Self::Removed { position, entry },
            Self::Removed { position, entry } => Self::Added { position, entry },
            Self::Renamed { id, before, after } => Self::Renamed { id, before: after, after: before },
            Self::Recolored { id, before, after } => Self::Recolored { id, before: after, after: before },
        }
    }
}

fn checked_name(name: &str) -> Result<String, TableError> {
    let trimmed = name.trim();
    let fits = !trimmed.is_empty() && trimmed.chars().count() <= MAX_NAME_CHARS;
    let printable = !trimmed.chars().any(char::is_control);
    if fits && printable { Ok(trimmed.to_owned()) } else { Err(TableError::Name { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests;
