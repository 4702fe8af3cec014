//! Editing labels.

use hilum_core::document::{EditCommand, StrokeTool};
use hilum_core::geometry::{VoxelBox, WorldPoint};
use hilum_core::label::LookChange;
use hilum_core::paint::BrushShape;
use hilum_core::prompt::Click;
use nalgebra::Point3;

use super::HilumApp;
use crate::command::{EditAction, MeasureAction, SegmentAction, UiCommand};
use crate::jobs::photo::{CUP, RIM};
use crate::state::{BRUSH_RANGE_MM, Severity, Tool, ViewId};

/// One press of a brush key.
const BRUSH_STEP: f32 = 1.2;

impl HilumApp {
    /// Commands that edit or choose how to edit.
    pub(super) fn run_edit(&mut self, command: UiCommand) {
        use UiCommand as C;
        match command {
            C::Undo => self.walk_by(false),
            C::Redo => self.walk_by(true),
            C::Accept => self.accept(),
            C::Reject => self.reject(),
            C::AddLabel => drop(self.edit(EditCommand::AddLabel { name: None })),
            C::ClearLabel => self.clear_label(),
            C::PreviousLabel => self.step_label(false),
            C::NextLabel => self.step_label(true),
            C::ToolNavigate => self.take_tool(Tool::Navigate),
            C::ToolPoint => self.take_tool(Tool::Point),
            C::ToolBrush => self.take_tool(Tool::Brush),
            C::ToolEraser => self.take_tool(Tool::Eraser),
            C::ToolEllipse => self.take_tool(Tool::Ellipse),
            C::UseTool => self.use_tool(),
            C::ToolDistance => self.take_tool(Tool::Distance),
            C::ToolAngle => self.take_tool(Tool::Angle),
            _ if self.run_drawing(command) => {}
            C::ToggleSign => self.state.negative = !self.state.negative,
            C::ToggleBall => self.state.settings.ball = !self.state.settings.ball,
            C::BrushSmaller => self.scale_brush(1.0 / BRUSH_STEP),
            C::BrushLarger => self.scale_brush(BRUSH_STEP),
            _ => {}
        }
    }

    pub(super) fn take_tool(&mut self, tool: Tool) {
        self.leave_operation(tool);
        if let Some(photo) = self.state.session.as_mut().and_then(|session| session.photo.as_mut()) {
            photo.drag = None;
            photo.reading = None;
        }
        if self.state.session.as_ref().is_some_and(|session| session.document.is_stroking()) {
            self.edit(EditCommand::EndStroke);
        }
        if let Some(session) = &mut self.state.session {
            session.ruler_draft.clear();
        }
        self.state.tool = tool;
        self.state.negative = false;
    }

    fn scale_brush(&mut self, factor: f32) {
        let radius = self.state.settings.brush_radius_mm * factor;
        self.state.settings.brush_radius_mm = radius.clamp(BRUSH_RANGE_MM.0, BRUSH_RANGE_MM.1);
    }

    fn clear_label(&mut self) {
        let Some(session) = self.state.editable() else { return };
        let active = session.document.table().active();
        self.edit_aside(EditCommand::ClearLabel(active), Vec::new());
    }

    fn step_label(&mut self, forward: bool) {
        let Some(session) = self.state.editable() else { return };
        let entries = session.document.table().entries();
        let active = session.document.table().active();
        let at = entries.iter().position(|entry| entry.id == active).unwrap_or(0);
        let next = if forward { at + 1 } else { at + entries.len() - 1 } % entries.len();
        let id = entries[next].id;
        self.edit(EditCommand::Look(LookChange::Active(id)));
    }

    pub(super) fn segment(&mut self, action: SegmentAction) {
        match action {
            SegmentAction::Click { at, positive } => self.click(at, positive),
            SegmentAction::StrokeStart(view, at) => self.start_stroke(view, at),
            SegmentAction::StrokeMove(at) => self.move_stroke(at),
            SegmentAction::StrokeEnd => {
                if let Some(session) = &mut self.state.session {
                    session.stroke_at = None;
                }
                self.edit(EditCommand::EndStroke);
            }
            SegmentAction::HoldEraser(down) => self.hold_eraser(down),
            SegmentAction::BrushRadius(radius_mm) => {
                self.state.settings.brush_radius_mm = radius_mm.clamp(BRUSH_RANGE_MM.0, BRUSH_RANGE_MM.1);
            }
            SegmentAction::GoTo(step) => self.walk_to(step),
            SegmentAction::Look(change) => drop(self.edit(EditCommand::Look(change))),
            SegmentAction::Rename(id, name) => drop(self.edit(EditCommand::RenameLabel { id, name })),
            SegmentAction::Recolor(id, color) => drop(self.edit(EditCommand::SetColor { id, color })),
            SegmentAction::Remove(id) => self.remove_label(id),
        }
    }

    fn click(&mut self, at: WorldPoint, positive: bool) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_segment()) else {
            return;
        };
        let Some(voxel) = session.volume().grid().voxel_at_world(at) else {
            self.state.messages.say(Severity::Info, "That point lies outside the image");
            return;
        };
        let volume = std::sync::Arc::clone(session.volume());
        session.views.set_crosshair(&volume, at);
        self.edit(EditCommand::AddClick(Click { voxel, positive }));
    }

    fn start_stroke(&mut self, view: ViewId, at: WorldPoint) {
        let Some(tool) = self.stroke_tool() else { return };
        self.edit(EditCommand::SetBrushFilter(self.brush_filter()));
        let radius_mm = f64::from(self.state.settings.brush_radius_mm);
        let ball = self.state.settings.ball;
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        session.views.active = view;
        let normal_world = session.views.axes(view).into;
        let shape = if ball && !session.views.is_flat() {
            BrushShape::Ball
        } else {
            BrushShape::Disc { normal_world }
        };
        if self.edit(EditCommand::BeginStroke { tool, shape, radius_mm }).is_some() {
            self.move_stroke(at);
        }
    }

    /// What brushes and outlines do. In an eye the cup stays inside its disc: it grows over the rim only, and what is
    /// erased of it becomes rim.
    pub(super) fn stroke_tool(&mut self) -> Option<StrokeTool> {
        let document = &self.state.editable()?.document;
        let active = document.table().active();
        let in_eye = self.state.eye().is_some();
        let has_disc = document.labels().count(RIM) + document.labels().count(CUP) > 0;
        if in_eye && active == CUP && !has_disc {
            let text = "Paint the disc first (label Disc rim); the cup lies inside it";
            self.state.messages.say(Severity::Info, text);
            return None;
        }
        let tool = self.state.tool;
        if !tool.is_brush() && !tool.is_outline() {
            return None;
        }
        let erases = tool == Tool::Eraser || (tool.is_outline() && self.state.negative);
        Some(match (erases, active) {
            (false, CUP) if in_eye => StrokeTool::Relabel { from: RIM, to: CUP },
            (true, CUP) if in_eye => StrokeTool::Relabel { from: CUP, to: RIM },
            // Where there is no disc there is no cup.
            (true, RIM) if in_eye => StrokeTool::EraseAll,
            (false, _) => StrokeTool::Brush,
            (true, _) => StrokeTool::Eraser,
        })
    }

    /// A button of the mouse that erases while it is held.
    fn hold_eraser(&mut self, down: bool) {
        if down {
            self.state.held.get_or_insert(self.state.tool);
            self.state.tool = Tool::Eraser;
        } else if let Some(tool) = self.state.held.take() {
            self.state.tool = tool;
        }
    }

    /// Does at the crosshair what the mouse would do there.
    pub(super) fn use_tool(&mut self) {
        let Some(views) = self.state.editable().map(|session| &session.views) else { return };
        let (view, at) = (views.active, views.crosshair);
        match self.state.tool {
            Tool::Point => self.click(at, !self.state.negative),
            tool if tool.is_brush() => {
                self.start_stroke(view, at);
                self.segment(SegmentAction::StrokeEnd);
            }
            Tool::Polygon => self.actions.send(EditAction::Corner(view, at)),
            Tool::Operation(kind) if self.state.options.needs_click(kind) => {
                self.actions.send(EditAction::Seed(view, at));
            }
            tool if tool.ruler_points() > 0 => self.actions.send(MeasureAction::Place(at)),
            _ => {
                let text = "Choose a tool first: point, brushes, polygon and rulers work at the crosshair";
                self.state.messages.say(Severity::Info, text);
            }
        }
    }

    fn move_stroke(&mut self, at: WorldPoint) {
        let Some(session) = self.state.session.as_mut().filter(|s| s.document.is_stroking()) else { return };
        let from = session.stroke_at.replace(at).unwrap_or(at);
        self.edit(EditCommand::StrokeTo { from, to: at });
    }

    /// The crosshair to the middle of the active label.
    pub(super) fn center_on_label(&mut self) {
        let Some(session) = &mut self.state.session else { return };
        let bounds: VoxelBox = session.document.labels().bounds(session.document.table().active());
        if bounds.is_empty() {
            return;
        }
        let middle = [0, 1, 2].map(|a| (bounds.start()[a] + bounds.end()[a] - 1) as f64 / 2.0);
        let volume = std::sync::Arc::clone(session.volume());
        let world = volume.grid().affine().world_from_voxel(Point3::from(middle));
        session.views.set_crosshair(&volume, world);
    }
}
