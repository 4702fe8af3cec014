//! The mouse in a view. What drags do is said by `MousePreset`.

use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, Response, Ui, Vec2};

use super::{SliceView, ViewContext, ellipse, outline, rulers, slice_bar, turn};
use crate::command::{EditAction, SegmentAction, UiCommand, ViewAction};
use crate::state::{Drag, MouseHand, Session, Tool, ViewId};

/// Points of a touch pad's movement that count as one slice.
const POINTS_PER_SLICE: f32 = 30.0;
/// Doubling of the zoom per so many points of movement.
const POINTS_PER_OCTAVE: f32 = 120.0;
/// Points of movement over which the window's width doubles or halves, roughly.
const POINTS_PER_WINDOW: f32 = 400.0;

/// Turns what the mouse does in a view into actions.
pub(super) fn handle(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    hover(ui, context, session, view, shown, response);
    if turn::handle(ui, context, session, view, shown, response) {
        return;
    }
    drag(ui, context, session, view, shown, response);
    wheel(ui, context, view, shown, response);
    if response.double_clicked() && context.state.tool == Tool::Navigate && !session.views.is_flat() {
        context.actions.send(ViewAction::Maximise(view));
    } else if response.clicked() {
        click(ui, context, view, shown, response);
    }
    if context.state.tool.is_outline() && session.can_edit() {
        outline::handle(ui, context, session, view, shown, response);
    }
    if context.state.tool == Tool::Ellipse && session.can_edit() {
        ellipse::handle(ui, context, session, shown, response);
    }
    if context.state.tool.ruler_points() > 0 && session.can_edit() {
        rulers::handle(ui, context, session, shown, response);
    }
    if context.state.tool.is_brush() && session.can_edit() {
        stroke(ui, context, session, view, shown, response);
    }
}

fn hover(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let pointer = response.hover_pos().map(|pos| (view, shown.world_from_screen(pos)));
    let known = session.views.hover.filter(|(old, _)| *old == view);
    match (pointer, known) {
        (None, None) => {}
        (None, Some(_)) => context.actions.send(ViewAction::Hover(None)),
        (Some(now), old) if old != Some(now) => {
            context.actions.send(ViewAction::Hover(Some(now)));
            let pressed = ui.input(|i| i.pointer.any_down());
            let follows = context.state.settings.mouse.shift_moves_crosshair();
            if follows && ui.input(|i| i.modifiers.shift) && !pressed {
                context.actions.send(ViewAction::Crosshair(now.1));
            }
        }
        _ => {}
    }
}

/// What dragging with a button would do with the tool in hand.
fn meaning(context: ViewContext<'_>, button: PointerButton, modifiers: Modifiers) -> Option<Drag> {
    context.state.settings.mouse.drag(button, modifiers, MouseHand::from(context.state.tool))
}

fn drag(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let (delta, size) = (response.drag_delta(), shown.rect.size());
    let modifiers = ui.input(|i| i.modifiers);
    let buttons = [PointerButton::Primary, PointerButton::Middle, PointerButton::Secondary];
    let Some(button) = buttons.into_iter().find(|button| response.dragged_by(*button)) else { return };
    let meaning = meaning(context, button, modifiers);
    let actions = context.actions;
    if meaning == Some(Drag::Crosshair)
        && let Some(pos) = response.interact_pointer_pos()
    {
        actions.send(ViewAction::Crosshair(shown.world_from_screen(pos)));
    }
    if delta == Vec2::ZERO {
        return;
    }
    match meaning {
        Some(Drag::Pan) => actions.send(ViewAction::Pan(view, delta, size)),
        Some(Drag::Zoom) => {
            actions.send(ViewAction::Zoom(view, (-delta.y / POINTS_PER_OCTAVE).exp2(), Vec2::ZERO, size));
        }
        Some(Drag::Window) => {
            let views = &session.views;
            // Relative steps suit a brain window of 80 HU and a photograph of 65535 values alike.
            let width = views.width * (delta.x / POINTS_PER_WINDOW).exp2();
            let center = views.center + delta.y * views.width / POINTS_PER_WINDOW;
            actions.send(ViewAction::Window(center, width));
        }
        Some(Drag::Tool | Drag::Erase | Drag::Crosshair) | None => {}
    }
}

fn click(ui: &Ui, context: ViewContext<'_>, view: ViewId, shown: &SliceView, response: &Response) {
    let Some(pos) = response.interact_pointer_pos() else { return };
    let at = shown.world_from_screen(pos);
    match context.state.tool {
        Tool::Navigate => context.actions.send(ViewAction::Crosshair(at)),
        Tool::Point => {
            let opposite = ui.input(|i| i.modifiers.alt || i.modifiers.command);
            let positive = context.state.negative == opposite;
            context.actions.send(SegmentAction::Click { at, positive });
        }
        Tool::Operation(kind) if context.state.options.needs_click(kind) => {
            context.actions.send(EditAction::Seed(view, at));
        }
        Tool::Operation(_) => context.actions.send(ViewAction::Crosshair(at)),
        _ => {}
    }
}

/// A stroke follows every position the system reported, not only the last one of a frame.
fn stroke(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let actions = context.actions;
    let mut painting = session.document.is_stroking() && session.views.active == view;
    let events = ui.input(|i| i.events.clone());
    let stroke_of = |button, modifiers| match meaning(context, button, modifiers) {
        Some(Drag::Tool) => Some(false),
        Some(Drag::Erase) => Some(true),
        _ => None,
    };
    for (number, event) in events.iter().enumerate() {
        match *event {
            Event::PointerButton { pos, button, pressed: true, modifiers }
                if !painting
                    && stroke_of(button, modifiers).is_some()
                    && begins_here(ui, response, pos, &events[number..]) =>
            {
                painting = true;
                if stroke_of(button, modifiers) == Some(true) {
                    actions.send(SegmentAction::HoldEraser(true));
                }
                actions.send(SegmentAction::StrokeStart(view, shown.world_from_screen(pos)));
            }
            Event::PointerMoved(pos) if painting => {
                actions.send(SegmentAction::StrokeMove(shown.world_from_screen(pos)));
            }
            Event::PointerButton { pressed: false, .. } | Event::PointerGone if painting => {
                painting = false;
                actions.send(SegmentAction::StrokeEnd);
                actions.send(SegmentAction::HoldEraser(false));
            }
            _ => {}
        }
    }
    // The release may have happened outside the window.
    if painting && !ui.input(|i| i.pointer.any_down()) {
        actions.send(SegmentAction::StrokeEnd);
        actions.send(SegmentAction::HoldEraser(false));
    }
}

/// Whether a press is one of this view. A click that began and ended since the last frame is one as well, and so is a
/// whole stroke, of which egui tells neither a click nor a drag.
pub(super) fn begins_here(ui: &Ui, response: &Response, pos: Pos2, events: &[Event]) -> bool {
    if response.is_pointer_button_down_on() || response.clicked() {
        return true;
    }
    let is_over = events.iter().any(|event| matches!(event, Event::PointerButton { pressed: false, .. }));
    let mut area = response.rect;
    area.max.x -= slice_bar::WIDTH;
    let is_on_top = || ui.ctx().layer_id_at(pos) == Some(response.layer_id);
    is_over && response.enabled() && area.contains(pos) && is_on_top()
}

fn wheel(ui: &Ui, context: ViewContext<'_>, view: ViewId, shown: &SliceView, response: &Response) {
    if !response.contains_pointer() {
        return;
    }
    let offset = response.hover_pos().map_or(Vec2::ZERO, |pos: Pos2| pos - shown.rect.center());
    for event in ui.input(|i| i.events.clone()) {
        match event {
            Event::MouseWheel { unit, delta, modifiers, .. } => {
                let notches = notches(ui, response, unit, delta);
                turn(context, view, modifiers, notches, (offset, shown.rect.size()));
            }
            Event::Zoom(factor) => {
                context.actions.send(ViewAction::Zoom(view, factor, offset, shown.rect.size()))
            }
            _ => {}
        }
    }
}

/// Whole turns of the wheel; what a touch pad or a fine wheel leaves over is kept for its next movement.
pub(super) fn notches(ui: &Ui, response: &Response, unit: MouseWheelUnit, delta: Vec2) -> f32 {
    // With shift held some systems turn the wheel sideways.
    let along = if delta.y.abs() >= delta.x.abs() { delta.y } else { delta.x };
    match unit {
        MouseWheelUnit::Page => along * 10.0,
        // Touch pads and fine wheels report parts of a line.
        MouseWheelUnit::Line | MouseWheelUnit::Point => {
            let part = if unit == MouseWheelUnit::Line { along } else { along / POINTS_PER_SLICE };
            let id = response.id.with("wheel");
            let sum = ui.data(|d| d.get_temp::<f32>(id)).unwrap_or(0.0) + part;
            // Ten tenths make one.
            let whole = (sum + 1e-3 * sum.signum()).trunc();
            ui.data_mut(|d| d.insert_temp(id, sum - whole));
            whole
        }
    }
}

fn turn(
    context: ViewContext<'_>,
    view: ViewId,
    modifiers: Modifiers,
    notches: f32,
    (offset, size): (Vec2, Vec2),
) {
    if notches == 0.0 {
        return;
    }
    let actions = context.actions;
    if modifiers.command || modifiers.ctrl {
        actions.send(ViewAction::Zoom(view, 1.15f32.powf(notches), offset, size));
    } else if modifiers.shift {
        let command = if notches > 0.0 { UiCommand::BrushLarger } else { UiCommand::BrushSmaller };
        actions.send(command);
    } else {
        actions.send(ViewAction::Scroll(view, f64::from(-notches)));
    }
}
