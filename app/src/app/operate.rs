//! Outlines, operations with a preview, and what edits may change.

use std::time::Instant;

use hilum_core::document::EditCommand;
use hilum_core::edit::{Operation, OperationError};
use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_core::paint::{BrushFilter, IntensityRange};
use hilum_core::patch::DrawOver;

use super::HilumApp;
use crate::command::{EditAction, UiCommand};
use crate::jobs::{EditEvent, EditRequest, EditWork, drop_aside};
use crate::state::{
    Draft, EditOptions, Plan, RunningOperation, Seed, Severity, ShownSlice, Tool, ViewId, slice_at, slice_of,
};
use crate::viewport::extent_along;

/// Positions of a free-hand outline nearer than this share of the finest voxel spacing are left out.
const LASSO_STEP: f64 = 0.25;

impl HilumApp {
    /// Carries out a command about outlines and operations; `false` if it is none.
    pub(super) fn run_drawing(&mut self, command: UiCommand) -> bool {
        use UiCommand as C;
        if let Some(kind) = command.operation() {
            self.take_tool(Tool::Operation(kind));
            return true;
        }
        match command {
            C::ToolThreshold => self.take_tool(Tool::Threshold),
            C::ToolAdaptive => self.take_tool(Tool::Adaptive),
            C::ToolPolygon => self.take_tool(Tool::Polygon),
            C::ToolLasso => self.take_tool(Tool::Lasso),
            C::RemoveCorner => self.remove_corner(),
            C::CopyToNext => self.copy_slice(1.0),
            C::CopyToPrevious => self.copy_slice(-1.0),
            C::NextDrawOver => self.next_draw_over(),
            C::ToggleDrawRange => {
                let is_within = !self.state.options.is_within;
                self.set_options(EditOptions { is_within, ..self.state.options.clone() });
            }
            C::PreviewAgain => {
                if let Some(session) = &mut self.state.session {
                    (session.editing.applied, session.editing.asked) = (None, None);
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn draw(&mut self, action: EditAction) {
        match action {
            EditAction::Options(options) => self.set_options(*options),
            EditAction::DrawOver(rule) => drop(self.edit(EditCommand::SetDrawOver(rule))),
            EditAction::Seed(view, at) => self.seed(view, at),
            EditAction::Corner(view, at) => self.add_corner(view, at),
            EditAction::LassoStart(view, at) => self.start_outline(view, at),
            EditAction::LassoTo(at) => self.lasso_to(at),
            EditAction::Close => self.close_outline(),
        }
    }

    /// What the brush in the hand takes.
    pub(super) fn brush_filter(&self) -> BrushFilter {
        match (self.state.tool, self.state.options.threshold) {
            (Tool::Threshold, Some(range)) => BrushFilter::Range(range),
            (Tool::Adaptive, _) => BrushFilter::Adaptive { spread: self.state.options.spread },
            _ => BrushFilter::All,
        }
    }

    /// Before another tool is taken.
    pub(super) fn leave_operation(&mut self, next: Tool) {
        let window = self.window_range();
        let options = &mut self.state.options;
        if next == Tool::Threshold {
            options.threshold = options.threshold.or(window);
        }
        let Some(session) = &mut self.state.session else { return };
        if next.operation().is_some() {
            options.plane = session.views.active;
        }
        session.editing.stop();
        let editing = &mut session.editing;
        (editing.draft, editing.seed, editing.asked, editing.applied, editing.note) =
            (None, None, None, None, None);
        self.edit(EditCommand::DropChange);
    }

    /// The values between black and white.
    fn window_range(&self) -> Option<IntensityRange> {
        let (low, high) = self.state.session.as_ref()?.views.window();
        Some(IntensityRange { low, high })
    }

    fn set_options(&mut self, mut options: EditOptions) {
        options.within = options.within.or(self.window_range());
        for range in [&mut options.threshold, &mut options.within].into_iter().flatten() {
            // A range dragged past its other end pushes it along.
            range.high = range.high.max(range.low);
        }
        self.state.settings.tools = options.clone();
        self.state.options = options;
        self.follow_range();
    }

    /// The document follows the range of the options.
    fn follow_range(&mut self) {
        let options = &self.state.options;
        let range = options.within.filter(|_| options.is_within);
        let current = self.state.editable().map(|session| session.document.draw_within());
        if current.is_some_and(|current| current != range) {
            self.edit(EditCommand::SetDrawWithin(range));
        }
    }

    /// Everywhere, outside other labels, inside the label below in the list, everywhere.
    fn next_draw_over(&mut self) {
        let Some(session) = self.state.editable() else { return };
        let other = self.state.options.other_label(session);
        let rule = match (session.document.draw_over(), other) {
            (DrawOver::Everywhere, _) => DrawOver::Background,
            (DrawOver::Background, Some(other)) => DrawOver::Label(other),
            _ => DrawOver::Everywhere,
        };
        self.edit(EditCommand::SetDrawOver(rule));
    }

    pub(super) fn accept(&mut self) {
        let Some(session) = self.state.editable() else { return };
        if session.editing.draft.is_some() {
            self.close_outline();
        } else if session.document.staged().is_some() {
            if session.editing.running.is_none() && self.edit(EditCommand::ApplyChange).is_some() {
                self.remember_applied();
            }
        } else {
            self.accept_proposal();
        }
    }

    fn remember_applied(&mut self) {
        let Some(session) = &mut self.state.session else { return };
        session.editing.applied = session.editing.asked.take().map(|(plan, _)| plan);
        session.editing.seed = None;
    }

    pub(super) fn reject(&mut self) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        if session.editing.draft.take().is_some() {
            return;
        }
        if session.can_drop() {
            session.editing.stop();
            session.editing.seed = None;
            self.edit(EditCommand::DropChange);
        } else {
            self.edit(EditCommand::RejectPreview);
        }
    }

    fn seed(&mut self, view: ViewId, at: WorldPoint) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let Some(voxel) = session.volume().grid().voxel_at_world(at) else {
            self.state.messages.say(Severity::Info, "That point lies outside the image");
            return;
        };
        session.editing.seed = Some(Seed { voxel, slice: slice_at(session, view, at) });
        (session.editing.applied, session.editing.asked) = (None, None);
    }

    fn start_outline(&mut self, view: ViewId, at: WorldPoint) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        session.views.active = view;
        let normal_world = session.views.axes(view).into;
        session.editing.draft = Some(Draft { view, normal_world, vertices: vec![at] });
    }

    /// A corner in another plane than the outline's begins a new one.
    fn add_corner(&mut self, view: ViewId, at: WorldPoint) {
        let Some(session) = &mut self.state.session else { return };
        let same_plane = |draft: &&mut Draft| {
            draft.view == view && (at - draft.vertices[0]).dot(&draft.normal_world).abs() < 1e-3
        };
        match session.editing.draft.as_mut().filter(same_plane) {
            Some(draft) if draft.vertices.len() < hilum_core::paint::MAX_VERTICES => draft.vertices.push(at),
            Some(_) => {}
            None => self.start_outline(view, at),
        }
    }

    fn lasso_to(&mut self, at: WorldPoint) {
        let Some(session) = &mut self.state.session else { return };
        let finest = session.volume().grid().spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        let Some(draft) = &mut session.editing.draft else { return };
        let far = draft.vertices.last().is_none_or(|last| (at - last).norm() >= finest * LASSO_STEP);
        if far && draft.vertices.len() < hilum_core::paint::MAX_VERTICES {
            draft.vertices.push(at);
        }
    }

    fn remove_corner(&mut self) {
        let Some(session) = &mut self.state.session else { return };
        let emptied = session.editing.draft.as_mut().is_some_and(|draft| {
            draft.vertices.pop();
            draft.vertices.is_empty()
        });
        if emptied {
            session.editing.draft = None;
        }
    }

    fn close_outline(&mut self) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let Some(draft) = session.editing.draft.take() else { return };
        if !draft.can_close() {
            return;
        }
        let Some(tool) = self.stroke_tool() else { return };
        let shape = if self.state.tool == Tool::Lasso { "Lasso" } else { "Polygon" };
        let name = if self.state.negative { format!("{shape} cut") } else { shape.to_owned() };
        let Draft { normal_world, vertices, .. } = draft;
        self.edit(EditCommand::DrawPolygon { name, tool, normal_world, vertices });
    }

    /// Copies the mask of the active view's slice to the slice beside it, and goes there: to the next slice of the
    /// file, or where the view is oblique to it to the next plane that cuts other voxels.
    fn copy_slice(&mut self, slices: f64) {
        let Some(session) = self.state.editable() else { return };
        let view = session.views.active;
        let (grid, volume) = (session.volume().grid(), session.volume());
        let mut views = session.views.clone();
        let operation = match slice_of(session, view) {
            ShownSlice::OfFile { axis, slice: from } => {
                views.scroll(volume, view, slices);
                let to = views.slice_number(volume, view).0 - 1;
                (to != from).then_some(Operation::CopySlice { axis, from, to })
            }
            ShownSlice::Turned(plane) => {
                let way = views.forward(view) * (slices * plane.thickness_mm(grid));
                views.crosshair += way;
                let (low, high) = extent_along(grid, plane.normal);
                let is_inside = (low..high).contains(&views.crosshair.coords.dot(&plane.normal));
                let slices = way.dot(&plane.normal) / plane.thickness_mm(grid);
                is_inside.then_some(Operation::CopyPlane { plane, slices })
            }
        };
        let crosshair = views.crosshair;
        let Some(operation) = operation else {
            self.state.messages.say(Severity::Info, "There is no further slice");
            return;
        };
        let planned = operation.plan(&session.document.edit_basis(), &());
        match planned {
            Ok(change) => {
                if self.edit(EditCommand::StageChange(Box::new(change))).is_some() {
                    self.edit(EditCommand::ApplyChange);
                }
            }
            Err(OperationError::Nothing) => {}
            Err(error) => {
                self.state.messages.say(Severity::Warning, error.to_string());
                return;
            }
        }
        if let Some(session) = &mut self.state.session {
            session.views.crosshair = crosshair;
        }
    }

    /// Plans the operation in the hand whenever something that it depends on has changed.
    pub(super) fn plan_when_due(&mut self) {
        self.follow_range();
        let request = self.last_number + 1;
        let Some(kind) = self.state.tool.operation() else { return };
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        if session.document.is_stroking() || session.editing.walk.is_some() {
            return;
        }
        let Some(operation) = self.state.options.operation(kind, session) else {
            // A click or a label is missing: what was planned before is no longer meant.
            if session.can_drop() || session.editing.asked.is_some() {
                session.editing.stop();
                session.editing.asked = None;
                self.edit(EditCommand::DropChange);
            }
            return;
        };
        let basis = session.document.edit_basis();
        let plan = Plan { operation, rule: basis.rule.clone(), label: basis.active() };
        let key = (plan, session.labels_revision);
        let editing = &mut session.editing;
        if editing.asked.as_ref() == Some(&key) || editing.applied.as_ref() == Some(&key.0) {
            return;
        }
        editing.stop();
        editing.note = None;
        let cancel = CancelToken::default();
        editing.running = Some(RunningOperation {
            request,
            since: Instant::now(),
            what: "Waiting".into(),
            share: None,
            cancel: cancel.clone(),
        });
        // A full queue is asked again in the next frame.
        match self.planner.ask(EditRequest { request, work: EditWork::Plan { operation, basis }, cancel }) {
            Ok(()) => {
                editing.asked = Some(key);
                editing.applied = None;
            }
            Err(_) => editing.running = None,
        }
        self.last_number = request;
    }

    pub(super) fn take_in_plan(&mut self, event: EditEvent) {
        let Some(session) = &mut self.state.session else { return drop_aside(event) };
        let running = &mut session.editing.running;
        match event {
            EditEvent::Progress { request, what, share } => {
                if let Some(running) = running.as_mut().filter(|running| running.request == request) {
                    (running.what, running.share) = (what, share);
                }
            }
            EditEvent::Planned { request, result } => {
                if running.take_if(|running| running.request == request).is_none() {
                    return drop_aside(result);
                }
                match result {
                    Ok(change) => drop(self.edit(EditCommand::StageChange(change))),
                    Err(why) => {
                        session.editing.note = why;
                        self.edit(EditCommand::DropChange);
                    }
                }
            }
            EditEvent::Arrived { request, result } => self.arrive(request, result),
            EditEvent::Foreseen { request } => self.aside_is_done(request),
        }
    }
}
