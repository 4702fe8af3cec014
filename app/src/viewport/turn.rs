//! Handles on the lines of the crosshair that turn planes.

use std::f32::consts::{PI, TAU};

use egui::{CursorIcon, Id, Painter, PointerButton, Pos2, Rect, Response, Stroke, Ui, Vec2};
use nalgebra::Vector3;

use super::{SliceView, ViewContext};
use crate::command::ViewAction;
use crate::state::{Session, ViewId};
use crate::theme::on_image;

/// Distance in points within which a handle is grabbed.
const REACH: f32 = 12.0;
/// Radius of a handle in points.
const KNOB: f32 = 6.0;
/// Where handles lie, as a share of half the shorter side of the view.
const SHARE: f32 = 0.72;

/// Direction on the screen, of unit length, of the line in which another plane cuts a view; `None` where they are parallel.
pub(super) fn cut(session: &Session, other: ViewId, shown: &SliceView) -> Option<Vec2> {
    let line = session.views.axes(other).into.cross(&shown.axes.into);
    let along = |axis: &Vector3<f64>| line.dot(axis) as f32;
    let direction = Vec2::new(along(&shown.axes.right), along(&shown.axes.down));
    (direction.length() > 1e-3).then(|| direction.normalized())
}

/// Where the handles of another plane lie in a view.
fn handles(session: &Session, other: ViewId, shown: &SliceView) -> Option<[Pos2; 2]> {
    let center = shown.screen_from_world(session.views.crosshair);
    let reach = cut(session, other, shown)? * shown.rect.size().min_elem() / 2.0 * SHARE;
    Some([center + reach, center - reach])
}

fn others(view: ViewId) -> impl Iterator<Item = ViewId> {
    ViewId::PLANES.into_iter().filter(move |other| *other != view)
}

/// Turns planes whose handles are dragged; `true` while one is.
pub(super) fn handle(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    response: &Response,
) -> bool {
    if !session.views.turning || session.views.is_flat() || !context.state.settings.crosshair {
        return false;
    }
    let id: Id = response.id.with("turning");
    let near = |pos: Pos2| {
        others(view).find(|other| {
            handles(session, *other, shown).is_some_and(|at| at.iter().any(|at| at.distance(pos) <= REACH))
        })
    };
    if response.hover_pos().and_then(near).is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::Grab);
    }
    if !ui.input(|i| i.pointer.primary_down()) {
        ui.data_mut(|data| data.remove::<usize>(id));
        return false;
    }
    if response.drag_started_by(PointerButton::Primary) || response.is_pointer_button_down_on() {
        let started =
            ui.input(|i| i.pointer.press_origin()).filter(|_| ui.input(|i| i.pointer.any_pressed()));
        if let Some(grabbed) = started.and_then(near) {
            ui.data_mut(|data| data.insert_temp(id, grabbed.index()));
        }
    }
    let Some(index) = ui.data(|data| data.get_temp::<usize>(id)) else { return false };
    let (Some(pos), Some(other)) = (response.interact_pointer_pos(), ViewId::PLANES.get(index)) else {
        return true;
    };
    let center = shown.screen_from_world(session.views.crosshair);
    if let Some(line) = cut(session, *other, shown)
        && pos.distance(center) > REACH
    {
        // A line has no front: the nearer end follows.
        let angle = (pos - center).angle() - line.angle();
        let angle = (angle + PI / 2.0).rem_euclid(PI) - PI / 2.0;
        if angle.abs() > 1e-4 && angle.abs() < TAU {
            // Right to down is a positive turn about the axis into the screen.
            context.actions.send(ViewAction::TurnPlane(*other, shown.axes.into, f64::from(angle)));
        }
    }
    true
}

/// Draws the handles.
pub(super) fn paint(painter: &Painter, session: &Session, view: ViewId, shown: &SliceView) {
    if !session.views.turning {
        return;
    }
    for other in others(view) {
        let color = on_image::PLANES[other.index()];
        for at in handles(session, other, shown).into_iter().flatten() {
            painter.circle(at, KNOB, on_image::SHADOW, Stroke::new(2.0, color));
        }
    }
}

/// Draws a line through a point in a direction, with a gap around the point.
pub(super) fn line(painter: &Painter, rect: Rect, center: Pos2, direction: Vec2, gap: f32, stroke: Stroke) {
    let far = rect.size().length() + center.distance(rect.center());
    for side in [1.0, -1.0] {
        painter.line_segment([center + direction * gap * side, center + direction * far * side], stroke);
    }
}
