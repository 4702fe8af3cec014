//! Outlines drawn by corners or by hand.

use egui::{Event, Painter, PointerButton, Response, Stroke, Ui};

use super::{SliceView, ViewContext, input};
use crate::command::EditAction;
use crate::state::{AppState, Draft, Session, Tool, ViewId};
use crate::theme::on_image;

/// Radius of a corner in points.
const KNOB: f32 = 3.5;

/// The outline being drawn, if it lies in the plane that a view shows.
fn shown_draft<'a>(session: &'a Session, view: ViewId, shown: &SliceView) -> Option<&'a Draft> {
    let draft = session.editing.draft.as_ref()?;
    (draft.view == view && shown.depth_mm(draft.vertices[0]).abs() < 1e-3).then_some(draft)
}

/// Turns the mouse into corners and lines.
pub(super) fn handle(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let actions = context.actions;
    if context.state.tool == Tool::Lasso {
        lasso(ui, context, session, view, shown, response);
    } else if response.double_clicked() || response.triple_clicked() {
        // The first click of the two has set the corner.
        actions.send(EditAction::Close);
    } else if response.clicked()
        && let Some(pos) = response.interact_pointer_pos()
    {
        actions.send(EditAction::Corner(view, shown.world_from_screen(pos)));
    }
}

/// A line follows every position the system reported.
fn lasso(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let actions = context.actions;
    let mut drawing = shown_draft(session, view, shown).is_some();
    let events = ui.input(|i| i.events.clone());
    for (number, event) in events.iter().enumerate() {
        match *event {
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: true, .. }
                if input::begins_here(ui, response, pos, &events[number..]) =>
            {
                drawing = true;
                actions.send(EditAction::LassoStart(view, shown.world_from_screen(pos)));
            }
            Event::PointerMoved(pos) if drawing => {
                actions.send(EditAction::LassoTo(shown.world_from_screen(pos)));
            }
            Event::PointerButton { button: PointerButton::Primary, pressed: false, .. }
            | Event::PointerGone
                if drawing =>
            {
                drawing = false;
                actions.send(EditAction::Close);
            }
            _ => {}
        }
    }
    // The release may have happened outside the window.
    if drawing && !ui.input(|i| i.pointer.primary_down()) {
        actions.send(EditAction::Close);
    }
}

/// Draws the outline, with the line that the next corner would make.
pub(super) fn paint(
    painter: &Painter,
    state: &AppState,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) {
    let Some(draft) = shown_draft(session, view, shown) else { return };
    let color = if state.negative { on_image::NEGATIVE } else { on_image::POSITIVE };
    let corners: Vec<_> = draft.vertices.iter().map(|corner| shown.screen_from_world(*corner)).collect();
    let (first, last) = (corners[0], corners[corners.len() - 1]);
    for (width, color) in [(3.5, on_image::SHADOW), (1.6, color)] {
        painter.add(egui::Shape::line(corners.clone(), Stroke::new(width, color)));
    }
    let faint = Stroke::new(1.2, color.gamma_multiply(0.6));
    let next = response.hover_pos().filter(|_| state.tool == Tool::Polygon).unwrap_or(last);
    painter.extend(egui::Shape::dashed_line(&[last, next], faint, 5.0, 4.0));
    painter.extend(egui::Shape::dashed_line(&[next, first], faint, 5.0, 4.0));
    if state.tool == Tool::Polygon {
        for corner in corners {
            painter.circle(corner, KNOB, on_image::SHADOW, Stroke::new(1.4, color));
        }
    }
}
