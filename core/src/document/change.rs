//! Rules of drawing, outlines, and changes that are looked at before they are made.

use std::sync::Arc;

use nalgebra::{Point3, Vector3};

use super::{Document, EditCommand, EditError, Effects, JournalRecord, StrokeTool};
use crate::edit::{Change, EditBasis, EditRule};
use crate::geometry::VoxelBox;
use crate::history::{Commit, Delta};
use crate::label::BoxMask;
use crate::paint::{BrushFilter, MAX_SPREAD, MAX_VERTICES, polygon};
use crate::patch::{LabelPatch, OverwriteRule, Run};

impl Document {
    /// What operations look at: a snapshot, cheap to make and free of the document.
    pub fn edit_basis(&self) -> EditBasis {
        EditBasis {
            image: Arc::clone(self.image()),
            labels: Arc::clone(self.labels()),
            table: self.table().clone(),
            rule: EditRule { overwrite: self.rule(), within: self.draw_within },
        }
    }

    /// The change that is looked at, if there is one.
    pub fn staged(&self) -> Option<&Change> {
        self.staged.as_deref()
    }

    /// The voxels that a proposal or a staged change is about.
    pub fn shown_preview(&self) -> Option<&Arc<BoxMask>> {
        self.staged.as_ref().map(|change| change.changed()).or(self.preview())
    }

    pub(super) fn set_rule(&mut self, command: &EditCommand) -> Result<Effects, EditError> {
        match command {
            EditCommand::SetDrawOver(rule) => {
                self.draw_over = *rule;
                return Ok(self.drop_change());
            }
            EditCommand::SetDrawWithin(range) => {
                if range.is_some_and(|range| !range.is_valid()) {
                    return Err(EditError::Filter);
                }
                self.draw_within = *range;
                return Ok(self.drop_change());
            }
            EditCommand::SetBrushFilter(filter) => {
                let is_valid = match filter {
                    BrushFilter::All => true,
                    BrushFilter::Range(range) => range.is_valid(),
                    BrushFilter::Adaptive { spread } => *spread > 0.0 && *spread <= MAX_SPREAD,
                };
                if !is_valid {
                    return Err(EditError::Filter);
                }
                self.filter = *filter;
            }
            _ => {}
        }
        Ok(Effects::default())
    }

    pub(super) fn draw_polygon(
        &mut self,
        name: String,
        tool: StrokeTool,
        normal_world: Vector3<f64>,
        vertices: &[Point3<f64>],
    ) -> Result<Effects, EditError> {
        if !(normal_world.norm() > 1e-12 && normal_world.norm().is_finite()) {
            return Err(EditError::Plane);
        }
        let (label, rule) = self.rule_of(tool)?;
        let spans = polygon(self.image().grid(), normal_world, vertices);
        if spans.is_empty() || vertices.len() > MAX_VERTICES {
            return Err(EditError::Outline { corners: vertices.len() });
        }
        let any = |spans, rule: &OverwriteRule| LabelPatch::from_spans(self.labels(), spans, label, rule);
        let allowed = match self.draw_within {
            Some(range) => range.within(self.image(), spans.iter().copied()),
            None => spans.clone(),
        };
        let patch = any(allowed, &rule)?;
        let is_cut = matches!(tool, StrokeTool::Eraser | StrokeTool::EraseAll);
        // Cutting where the label is not is no fault; painting where everything is protected is worth a word.
        if patch.is_empty() && !is_cut && !any(spans, &OverwriteRule::default())?.is_empty() {
            return Err(EditError::Protected);
        }
        self.commit_patch(name, patch)
    }

    pub(super) fn stage(&mut self, change: Box<Change>) -> Result<Effects, EditError> {
        self.check_fits(&change)?;
        let dropped = self.drop_change();
        let shown = self.preview().map_or_else(VoxelBox::default, |mask| mask.region());
        let effects = Effects::of_preview(change.changed().region().union(&shown));
        self.staged = Some(change);
        Ok(effects.and(dropped))
    }

    pub(super) fn drop_change(&mut self) -> Effects {
        let Some(change) = self.staged.take() else { return Effects::default() };
        let effects = Effects::of_preview(change.changed().region());
        self.spent.take_change(change);
        effects
    }

    pub(super) fn apply_change(&mut self) -> Result<Effects, EditError> {
        let change = self.staged.take().ok_or(EditError::NoChange)?;
        let dropped = Effects::of_preview(change.changed().region());
        if let Err(error) = self.check_fits(&change) {
            self.staged = Some(change);
            return Err(error);
        }
        let tables = change.table_changes().iter().cloned().map(Delta::Table);
        let deltas = tables.chain([Delta::Labels(change.patch().clone())]).collect();
        let commit = Commit { name: change.name().to_owned(), deltas };
        let present = self.labels().stamp();
        let outcome = change.outcome().filter(|given| given.from == present).cloned();
        let effects = match outcome {
            Some(given) => self.record_given(JournalRecord::Commit(commit), given)?,
            None => self.commit(commit)?,
        };
        self.spent.take_change(change);
        Ok(effects.and(dropped))
    }

    /// Refuses a change planned for other labels, or one that a lock set since then forbids.
    fn check_fits(&self, change: &Change) -> Result<(), EditError> {
        let labels = self.labels();
        if change.patch().dims() != labels.grid().dims() {
            return Err(EditError::StaleChange);
        }
        let holds_old =
            |run: Run| labels.in_row(run.start..run.start + run.len).iter().all(|label| *label == run.old);
        // Labels of the same stamp need no look at every voxel.
        if change.planned_for() != labels.stamp() && !change.patch().runs().all(holds_old) {
            return Err(EditError::StaleChange);
        }
        let locked = self.table().locked();
        if change.concerned().iter().any(|label| locked.contains(label)) {
            return Err(EditError::Protected);
        }
        Ok(())
    }
}
