//! From commands to records.

use std::sync::Arc;

use crate::geometry::{Grid, WorldPoint};
use crate::history::{Commit, Delta};
use crate::label::{BACKGROUND, BoxMask, LabelMap, RowSpan, TableChange};
use crate::paint::{BrushFilter, BrushShape, IntensityRange, MAX_BRUSH_RADIUS_MM, like_seed, sweep};
use crate::patch::{DrawOver, LabelPatch, OverwriteRule};
use crate::prompt::{Click, Prompts};
use crate::ruler::{RulerShape, Rulers};
use crate::volume::Volume;

use super::{Document, EditCommand, EditError, Effects, JournalRecord, NewLabel, StrokeTool};

/// Share of the brush's radius around the cursor from which the adaptive brush learns.
const UNDER_CURSOR: f64 = 0.25;

/// A stroke being made: the choices that held when it began.
#[derive(Clone, Debug)]
pub(super) struct Stroke {
    tool: StrokeTool,
    shape: BrushShape,
    radius_mm: f64,
    label: u16,
    rule: OverwriteRule,
    filter: BrushFilter,
    within: Option<IntensityRange>,
    /// Where the brush has been in its event before this one.
    last: Option<WorldPoint>,
}

impl Stroke {
    /// The voxels under the brush on its way, without those that the stroke has dealt with in the event before: what a
    /// voxel becomes does not depend on how often the brush passes it, unless it learns anew each time.
    fn swept(&mut self, grid: &Grid, from: WorldPoint, to: WorldPoint) -> Vec<RowSpan> {
        let spans = sweep(grid, self.shape, self.radius_mm, from, to);
        let last = self.last.replace(to);
        let diagonal_mm = grid.spacing_mm().iter().map(|s| s * s).sum::<f64>().sqrt();
        let learns = matches!(self.filter, BrushFilter::Adaptive { .. });
        if self.shape != BrushShape::Ball || learns || last != Some(from) || self.radius_mm < diagonal_mm {
            return spans;
        }
        // A little less than what was painted, so that rounding leaves out no voxel.
        let done = sweep(grid, BrushShape::Ball, self.radius_mm * (1.0 - 1e-9), from, from);
        without(&spans, &done)
    }

    /// The voxels under the brush that it takes.
    fn taken(&self, image: &Volume, spans: Vec<RowSpan>, cursor: WorldPoint) -> Vec<RowSpan> {
        let spans = match self.filter {
            BrushFilter::All => spans,
            BrushFilter::Range(range) => range.within(image, spans),
            BrushFilter::Adaptive { spread } => {
                let Some(seed) = image.grid().voxel_at_world(cursor) else { return Vec::new() };
                let reach = image.grid().spacing_mm().map(|s| (self.radius_mm * UNDER_CURSOR / s) as usize);
                like_seed(image, &spans, seed, reach.map(|voxels| voxels.max(1)), spread)
            }
        };
        match self.within {
            Some(range) => range.within(image, spans),
            None => spans,
        }
    }
}

/// Spans without the voxels of others; both in memory order, a row of `done` being one span.
fn without(spans: &[RowSpan], done: &[RowSpan]) -> Vec<RowSpan> {
    let mut rest = Vec::with_capacity(spans.len() * 2);
    let mut at = 0;
    for span in spans {
        let row = (span.z, span.y);
        while done.get(at).is_some_and(|d| (d.z, d.y) < row) {
            at += 1;
        }
        let Some(hole) = done.get(at).filter(|d| (d.z, d.y) == row) else {
            rest.push(*span);
            continue;
        };
        let left = RowSpan { x_end: span.x_end.min(hole.x_start), ..*span };
        let right = RowSpan { x_start: span.x_start.max(hole.x_end), ..*span };
        rest.extend([left, right].into_iter().filter(|part| part.x_start < part.x_end));
    }
    rest
}

impl Document {
    pub(super) fn carry_out(&mut self, command: EditCommand) -> Result<Effects, EditError> {
        match command {
            EditCommand::StrokeTo { from, to } => return self.stroke_to(from, to),
            EditCommand::CancelStroke => return self.cancel_stroke(),
            EditCommand::Look(change) => return Ok(self.record(JournalRecord::Look(change))?),
            EditCommand::SetPreview(mask) => return self.set_preview(mask),
            EditCommand::StageChange(change) => return self.stage(change),
            EditCommand::DropChange => return Ok(self.drop_change()),
            EditCommand::SetDrawOver(_) | EditCommand::SetDrawWithin(_) | EditCommand::SetBrushFilter(_) => {
                return self.set_rule(&command);
            }
            _ => {}
        }
        // Whatever else is asked for, the hand has left the stroke, even if the window missed it.
        let ended = self.end_stroke()?;
        let effects = match command {
            EditCommand::AddClick(click) => self.add_click(click),
            EditCommand::RemoveLastClick => {
                self.set_prompts("Remove point", self.prompts().without_last()).ok_or(EditError::NoClick)?
            }
            EditCommand::ClearClicks => {
                self.set_prompts("Clear points", Prompts::default()).ok_or(EditError::NoClick)?
            }
            EditCommand::AcceptPreview => self.accept_preview(),
            EditCommand::RejectPreview => self.reject_preview(),
            EditCommand::BeginStroke { tool, shape, radius_mm } => self.begin_stroke(tool, shape, radius_mm),
            EditCommand::DrawPolygon { name, tool, normal_world, vertices } => {
                self.draw_polygon(name, tool, normal_world, &vertices)
            }
            EditCommand::ApplyChange => self.apply_change(),
            EditCommand::WriteMask { name, mask, label } => self.write_mask(name, &mask, label),
            EditCommand::ReplaceLabels { name, labels, names } => self.replace_labels(name, &labels, &names),
            EditCommand::AddLabel { name } => self.add_label(name.as_deref()),
            EditCommand::ClearLabel(id) => self.clear_label(id),
            EditCommand::RemoveLabel(id) => self.remove_label(id),
            EditCommand::RenameLabel { id, name } => {
                let change = self.table().renaming(id, &name)?;
                self.change_table("Rename label", change)
            }
            EditCommand::SetColor { id, color } => {
                let change = self.table().recoloring(id, color)?;
                self.change_table("Recolor label", change)
            }
            EditCommand::AddRuler(shape) => self.add_ruler(shape),
            EditCommand::RemoveRuler(id) => self.remove_ruler(id),
            EditCommand::ClearRulers => self.set_rulers("Remove all rulers", Rulers::default()),
            EditCommand::Undo => {
                let target = self.history().cursor().checked_sub(1).ok_or(EditError::NothingToUndo)?;
                self.go_to(target)
            }
            EditCommand::Redo if !self.can_redo() => Err(EditError::NothingToRedo),
            EditCommand::Redo => self.go_to(self.history().cursor() + 1),
            EditCommand::GoTo(step) => self.go_to(step),
            EditCommand::Arrive(arrival) => self.arrive(*arrival),
            EditCommand::Foreseen(foreseen) => self.foresee(*foreseen),
            _ => Ok(Effects::default()),
        }?;
        Ok(ended.and(effects))
    }

    pub(super) fn commit(&mut self, commit: Commit) -> Result<Effects, EditError> {
        Ok(self.record(JournalRecord::Commit(commit))?)
    }

    fn go_to(&mut self, step: usize) -> Result<Effects, EditError> {
        if step == self.history().cursor() {
            return Ok(Effects::default());
        }
        let absolute = self.history().absolute(step);
        Ok(self.record(JournalRecord::GoTo(absolute))?)
    }

    fn add_click(&mut self, click: Click) -> Result<Effects, EditError> {
        let full = self.image().grid().full_box();
        if !full.contains(click.voxel) {
            return Err(EditError::ClickOutside { voxel: click.voxel, dims: full.end() });
        }
        let after = self.prompts().with(click);
        self.set_prompts("Add point", after).unwrap_or_else(|| Ok(Effects::default()))
    }

    /// Replaces the clicks as one step; `None` if they stay the same.
    fn set_prompts(&mut self, name: &str, after: Prompts) -> Option<Result<Effects, EditError>> {
        let before = self.prompts().clone();
        (before != after).then(|| self.commit(Commit::of(name, Delta::Prompts { before, after })))
    }

    fn add_ruler(&mut self, shape: RulerShape) -> Result<Effects, EditError> {
        if !shape.is_sound() {
            return Err(EditError::Ruler);
        }
        self.set_rulers(&format!("Add {}", shape.kind()), self.rulers().with(shape))
    }

    fn remove_ruler(&mut self, id: u32) -> Result<Effects, EditError> {
        let (removed, after) = self.rulers().without(id).ok_or(EditError::NoRuler { id })?;
        self.set_rulers(&format!("Remove {}", removed.shape.kind()), after)
    }

    fn set_rulers(&mut self, name: &str, after: Rulers) -> Result<Effects, EditError> {
        let before = self.rulers().clone();
        if before == after {
            return Ok(Effects::default());
        }
        self.commit(Commit::of(name, Delta::Rulers { before, after }))
    }

    fn accept_preview(&mut self) -> Result<Effects, EditError> {
        let preview = self.preview().cloned().ok_or(EditError::NoPreview)?;
        if preview.is_empty() {
            return Err(EditError::EmptyPreview);
        }
        let patch = self.patch_from(&preview, self.table().active())?;
        let mut deltas = vec![Delta::Labels(patch)];
        if !self.prompts().is_empty() {
            deltas.push(Delta::Prompts { before: self.prompts().clone(), after: Prompts::default() });
        }
        let effects = self.commit(Commit { name: "Segment lesion".to_owned(), deltas })?;
        Ok(effects.and(self.take_preview()))
    }

    fn reject_preview(&mut self) -> Result<Effects, EditError> {
        let dropped = self.take_preview();
        match self.set_prompts("Discard points", Prompts::default()) {
            Some(result) => Ok(result?.and(dropped)),
            None => Ok(dropped),
        }
    }

    /// The patch that gives a mask a label; refused if the label is locked or every change is.
    fn patch_from(&self, mask: &BoxMask, label: u16) -> Result<LabelPatch, EditError> {
        self.check_unlocked(label)?;
        let patch = LabelPatch::from_mask(self.labels(), mask, label, &self.rule())?;
        if !patch.is_empty() {
            return Ok(patch);
        }
        let unprotected = LabelPatch::from_mask(self.labels(), mask, label, &OverwriteRule::default())?;
        if unprotected.is_empty() { Ok(patch) } else { Err(EditError::Protected) }
    }

    fn write_mask(&mut self, name: String, mask: &BoxMask, label: u16) -> Result<Effects, EditError> {
        if label != BACKGROUND && self.table().get(label).is_none() {
            return Err(crate::label::TableError::Unknown { id: label }.into());
        }
        let patch = self.patch_from(mask, label)?;
        self.commit_patch(name, patch)
    }

    pub(super) fn commit_patch(&mut self, name: String, patch: LabelPatch) -> Result<Effects, EditError> {
        if patch.is_empty() {
            return Ok(Effects::default());
        }
        self.commit(Commit::of(name, Delta::Labels(patch)))
    }

    fn replace_labels(
        &mut self,
        name: String,
        labels: &LabelMap,
        names: &[NewLabel],
    ) -> Result<Effects, EditError> {
        let grid = *self.image().grid();
        if !grid.matches(labels.grid()) {
            return Err(EditError::Grid { found: labels.grid().dims(), expected: grid.dims() });
        }
        let rule = OverwriteRule { draw_over: DrawOver::Everywhere, locked: self.table().locked() };
        let patch = LabelPatch::replace_all(self.labels(), labels, &rule)?;
        let mut table = self.table().clone();
        let mut changes = table.adding_missing(&labels.used_labels());
        for change in &changes {
            table.apply(change)?;
        }
        for NewLabel { id, name, color } in names.iter().filter(|label| table.get(label.id).is_some()) {
            let renamed = table.renaming(*id, name)?;
            let is_known =
                self.labels().count(*id) > 0 || (self.table().get(*id).is_some() && renamed.is_idle());
            if is_known {
                continue;
            }
            let recolored = color.map(|color| table.recoloring(*id, color)).transpose()?;
            changes
                .extend([Some(renamed), recolored].into_iter().flatten().filter(|change| !change.is_idle()));
        }
        let mut deltas: Vec<Delta> = changes.into_iter().map(Delta::Table).collect();
        if !patch.is_empty() {
            deltas.push(Delta::Labels(patch));
        }
        if deltas.is_empty() { Ok(Effects::default()) } else { self.commit(Commit { name, deltas }) }
    }

    fn check_unlocked(&self, id: u16) -> Result<(), EditError> {
        match self.table().get(id) {
            Some(entry) if entry.locked => Err(EditError::Locked { id, name: entry.name.clone() }),
            _ => Ok(()),
        }
    }

    fn add_label(&mut self, name: Option<&str>) -> Result<Effects, EditError> {
        let entry = self.table().proposed(name)?;
        let id = entry.id;
        let change = self.table().adding(entry)?;
        let added = self.change_table("Add label", change)?;
        let activated = self.record(JournalRecord::Look(crate::label::LookChange::Active(id)))?;
        Ok(added.and(activated))
    }

    fn clear_label(&mut self, id: u16) -> Result<Effects, EditError> {
        self.check_unlocked(id)?;
        let mask = BoxMask::from_labels(self.labels(), id);
        self.write_mask("Clear label".to_owned(), &mask, BACKGROUND)
    }

    fn remove_label(&mut self, id: u16) -> Result<Effects, EditError> {
        let change = self.table().removing(id)?;
        self.check_unlocked(id)?;
        let voxels = BoxMask::from_labels(self.labels(), id);
        let patch = LabelPatch::from_mask(self.labels(), &voxels, BACKGROUND, &OverwriteRule::default())?;
        let mut deltas = vec![Delta::Table(change)];
        if !patch.is_empty() {
            deltas.insert(0, Delta::Labels(patch));
        }
        self.commit(Commit { name: "Remove label".to_owned(), deltas })
    }

    fn change_table(&mut self, name: &str, change: TableChange) -> Result<Effects, EditError> {
        if change.is_idle() {
            return Ok(Effects::default());
        }
        self.commit(Commit::of(name, Delta::Table(change)))
    }

    fn begin_stroke(
        &mut self,
        tool: StrokeTool,
        shape: BrushShape,
        radius_mm: f64,
    ) -> Result<Effects, EditError> {
        if !(radius_mm > 0.0 && radius_mm <= MAX_BRUSH_RADIUS_MM) {
            return Err(EditError::Radius { radius_mm, max_mm: MAX_BRUSH_RADIUS_MM });
        }
        if let BrushShape::Disc { normal_world } = shape
            && !(normal_world.norm() > 1e-12 && normal_world.norm().is_finite())
        {
            return Err(EditError::Plane);
        }
        let (label, rule) = self.rule_of(tool)?;
        let filter = match tool {
            StrokeTool::Eraser | StrokeTool::EraseAll => BrushFilter::All,
            StrokeTool::Brush | StrokeTool::Relabel { .. } => self.filter,
        };
        let within = self.draw_within;
        self.stroke = Some(Stroke { tool, shape, radius_mm, label, rule, filter, within, last: None });
        Ok(Effects::default())
    }

    /// What a tool writes, and where it may.
    pub(super) fn rule_of(&self, tool: StrokeTool) -> Result<(u16, OverwriteRule), EditError> {
        let (active, mut rule) = (self.table().active(), self.rule());
        let label = match tool {
            StrokeTool::Brush => active,
            StrokeTool::Relabel { to, .. } => to,
            StrokeTool::Eraser | StrokeTool::EraseAll => BACKGROUND,
        };
        match tool {
            StrokeTool::Brush => self.check_unlocked(active)?,
            StrokeTool::Eraser => {
                self.check_unlocked(active)?;
                rule.draw_over = DrawOver::Label(active);
            }
            StrokeTool::Relabel { from, to } => {
                self.check_unlocked(from)?;
                self.check_unlocked(to)?;
                if to != BACKGROUND && self.table().get(to).is_none() {
                    return Err(crate::label::TableError::Unknown { id: to }.into());
                }
                rule.draw_over = DrawOver::Label(from);
            }
            StrokeTool::EraseAll => {}
        }
        Ok((label, rule))
    }

    fn stroke_to(&mut self, from: WorldPoint, to: WorldPoint) -> Result<Effects, EditError> {
        let image = Arc::clone(self.image());
        let stroke = self.stroke.as_mut().ok_or(EditError::NoStroke)?;
        let spans = stroke.swept(image.grid(), from, to);
        let stroke = &*stroke;
        let spans = stroke.taken(&image, spans, to);
        let patch = LabelPatch::from_spans(self.state.labels(), spans, stroke.label, &stroke.rule)?;
        if patch.is_empty() {
            return Ok(Effects::default());
        }
        let name = stroke.tool.step_name().to_owned();
        Ok(self.record(JournalRecord::StrokePart { name, patch })?)
    }

    fn end_stroke(&mut self) -> Result<Effects, EditError> {
        self.stroke = None;
        if !self.state.has_open_stroke() {
            return Ok(Effects::default());
        }
        Ok(self.record(JournalRecord::StrokeEnd)?)
    }

    fn cancel_stroke(&mut self) -> Result<Effects, EditError> {
        self.stroke = None;
        if !self.state.has_open_stroke() {
            return Ok(Effects::default());
        }
        Ok(self.record(JournalRecord::StrokeCancel)?)
    }
}
