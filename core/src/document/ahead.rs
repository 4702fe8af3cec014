//! Commands that change so many voxels that a frame would be late, carried out beside the document.

use std::sync::Arc;

use super::{Document, EditCommand, EditError, Effects, JournalRecord, State};
use crate::edit::{Given, LARGE_VOXELS};
use crate::history::Commit;
use crate::label::LabelTable;

/// A command with all that it needs of a document, to be carried out on a copy; ends in a [`Foreseen`].
#[derive(Debug)]
pub struct Ahead {
    copy: Document,
    command: EditCommand,
    basis: Basis,
}

/// What a command was carried out on: the same labels, the same place in the history, the same locks.
#[derive(Clone, Debug, PartialEq)]
struct Basis {
    labels: u64,
    history: [u64; 2],
    table: LabelTable,
}

/// The step that a command makes, and the labels after it.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// `None`: the command changes nothing.
    commit: Option<Commit>,
    given: Given,
    basis: Basis,
}

impl Ahead {
    /// Carries the command out on the copy; takes as long as that takes.
    ///
    /// # Errors
    /// As [`Document::apply`] for the command itself.
    pub fn carry_out(mut self) -> Result<Foreseen, EditError> {
        self.copy.apply(self.command)?;
        let commit = self.copy.take_unsaved().into_iter().find_map(|record| match record {
            JournalRecord::Commit(commit) => Some(commit),
            _ => None,
        });
        let given = Given { from: self.basis.labels, labels: Arc::clone(self.copy.labels()) };
        Ok(Foreseen { commit, given, basis: self.basis })
    }
}

impl Document {
    /// Whether a command may change so many voxels that [`Document::apply`] would take longer than a frame. It is then to be
    /// carried out elsewhere ([`Document::ahead`]). Commands that make other than one step out of labels and their table are not.
    pub fn is_large(&self, command: &EditCommand) -> bool {
        let voxels = match command {
            EditCommand::WriteMask { mask, .. } => mask.region().voxel_count(),
            EditCommand::ReplaceLabels { labels, .. } => labels.grid().voxel_count(),
            EditCommand::ClearLabel(id) | EditCommand::RemoveLabel(id) if self.labels().count(*id) > 0 => {
                // To find them all voxels are looked at.
                self.labels().grid().voxel_count()
            }
            _ => 0,
        };
        voxels > LARGE_VOXELS && !self.has_open_stroke()
    }

    /// A large command, to be carried out elsewhere; its outcome comes back with [`EditCommand::Foreseen`].
    pub fn ahead(&self, command: EditCommand) -> Box<Ahead> {
        let state = State::starting_with(self.table().clone(), Arc::clone(self.labels()));
        let mut copy = Self::with(Arc::clone(self.image()), state);
        (copy.draw_over, copy.draw_within) = (self.draw_over, self.draw_within);
        copy.start_journal();
        Box::new(Ahead { copy, command, basis: self.basis() })
    }

    fn basis(&self) -> Basis {
        let (labels, history) = (self.labels().stamp(), self.history().stamp());
        Basis { labels, history, table: self.table().clone() }
    }

    pub(super) fn foresee(&mut self, foreseen: Foreseen) -> Result<Effects, EditError> {
        if foreseen.basis != self.basis() {
            return Err(EditError::StaleChange);
        }
        match foreseen.commit {
            Some(commit) => Ok(self.record_given(JournalRecord::Commit(commit), foreseen.given)?),
            None => Ok(Effects::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::NewLabel;
    use crate::geometry::{Grid, VoxelBox};
    use crate::label::{BoxMask, LabelMap, LookChange};
    use crate::volume::{ImageMeta, Volume, Voxels};

    /// More voxels than are changed between two frames.
    const SIDE: usize = 136;

    fn document() -> Document {
        let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
        let image = Volume::new(grid, Voxels::U8(vec![0; grid.voxel_count()]), ImageMeta::default()).unwrap();
        let mut document = Document::new(Arc::new(image));
        document.start_journal();
        document.apply(EditCommand::AddLabel { name: None }).unwrap();
        document.apply(write(1)).unwrap();
        let small = BoxMask::from_fn(VoxelBox::new([0; 3], [9; 3]), |_| true);
        document.apply(EditCommand::WriteMask { name: "Small".into(), mask: small, label: 2 }).unwrap();
        document
    }

    fn write(label: u16) -> EditCommand {
        let mask = BoxMask::from_fn(VoxelBox::new([0; 3], [SIDE; 3]), |[x, y, z]| (x + y + z) % 2 == 0);
        EditCommand::WriteMask { name: "Chequers".into(), mask, label }
    }

    fn import() -> EditCommand {
        let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
        let labels = (0..grid.voxel_count()).map(|i| [0, 1, 7][i / 5 % 3]).collect();
        let labels = LabelMap::from_voxels(grid, labels).unwrap();
        let names = vec![NewLabel { id: 7, name: "Spleen".into(), color: Some([1, 2, 3]) }];
        EditCommand::ReplaceLabels { name: "Import mask".into(), labels, names }
    }

    #[test]
    fn what_is_done_beside_the_document_is_what_it_would_do_itself() {
        let commands = [
            write(2),
            import(),
            EditCommand::ClearLabel(1),
            EditCommand::RemoveLabel(1),
            EditCommand::ClearLabel(1),
        ];
        let (mut here, mut beside) = (document(), document());
        for command in commands {
            here.apply(command.clone()).unwrap();
            if beside.is_large(&command) {
                let foreseen = beside.ahead(command).carry_out().unwrap();
                beside.apply(EditCommand::Foreseen(Box::new(foreseen))).unwrap();
            } else {
                // After the label is gone there is nothing large to do.
                beside.apply(command).unwrap();
            }
            assert_eq!(here.state, beside.state);
            assert_eq!(here.take_unsaved(), beside.take_unsaved());
        }
        let last = beside.history().cursor();
        for step in (0..last).rev() {
            beside.apply(EditCommand::GoTo(step)).unwrap();
        }
        assert_eq!(beside.labels().count(0), SIDE.pow(3));
    }

    #[test]
    fn an_outcome_for_something_else_is_refused_and_locks_count() {
        let disturbances = [
            EditCommand::SetColor { id: 2, color: [1, 2, 3] },
            EditCommand::Look(LookChange::Locked { id: 2, locked: true }),
            EditCommand::Undo,
        ];
        for disturbance in disturbances {
            let mut document = document();
            let foreseen = document.ahead(EditCommand::ClearLabel(1)).carry_out().unwrap();
            document.apply(disturbance).unwrap();
            let before = document.state.clone();
            let error = document.apply(EditCommand::Foreseen(Box::new(foreseen))).unwrap_err();
            assert_eq!(error, EditError::StaleChange);
            assert_eq!(document.state, before);
        }
        let mut document = document();
        assert!(!document.is_large(&EditCommand::ClearLabel(5)) && !document.is_large(&EditCommand::Undo));
        document.apply(EditCommand::Look(LookChange::Locked { id: 1, locked: true })).unwrap();
        let refused = document.ahead(EditCommand::ClearLabel(1)).carry_out().unwrap_err();
        assert!(matches!(refused, EditError::Locked { id: 1, .. }), "{refused}");
    }
}
