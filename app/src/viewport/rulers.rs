//! Distances, angles and the axes of the active label, drawn on the planes in which they lie.

use egui::{Align2, Color32, PointerButton, Pos2, Response, Stroke, Ui, vec2};
use hilum_core::geometry::WorldPoint;
use hilum_core::measure::{Axis, Scale};
use hilum_core::ruler::RulerShape;
use nalgebra::Point3;

use super::overlay::Text;
use super::{SliceView, ViewContext, slice_step_mm};
use crate::command::MeasureAction;
use crate::state::{AppState, Session, Tool};
use crate::theme::on_image;

/// Colour of what a person drew.
const DRAWN: Color32 = Color32::from_rgb(255, 222, 110);
/// Colour of the axes of a label.
const AXES: Color32 = Color32::from_rgb(120, 214, 255);
/// Slices beyond which a ruler is not drawn, and up to which it is drawn in full.
const FAR_SLICES: f64 = 2.5;
const NEAR_SLICES: f64 = 0.51;
/// Length of the marks at the ends, in points.
const TICK: f32 = 5.0;

/// Clicks place points; a drag of the distance tool places both.
pub(super) fn handle(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    shown: &SliceView,
    response: &Response,
) {
    let place = |pos: Pos2| context.actions.send(MeasureAction::Place(shown.world_from_screen(pos)));
    let primary = PointerButton::Primary;
    if response.clicked() {
        response.interact_pointer_pos().into_iter().for_each(place);
    } else if context.state.tool == Tool::Distance && response.drag_started_by(primary) {
        if session.ruler_draft.is_empty() {
            ui.input(|i| i.pointer.press_origin()).into_iter().for_each(place);
        }
    } else if context.state.tool == Tool::Distance && response.drag_stopped_by(primary) {
        response.interact_pointer_pos().into_iter().for_each(place);
    }
}

/// Draws what lies in or near the plane of a view.
pub(super) fn paint(
    text: &Text<'_>,
    state: &AppState,
    session: &Session,
    shown: &SliceView,
    response: &Response,
) {
    let step_mm = slice_step_mm(session.volume().grid(), shown.axes.into);
    let pen = Pen { text, shown, step_mm };
    if session.show_mask {
        axes(&pen, session);
    }
    let scale = Scale::of(session.volume());
    for ruler in session.document.rulers().list() {
        pen.shape(&ruler.shape, &scale);
    }
    draft(&pen, state, session, response, &scale);
}

/// Long and short axis of the active label in their slice.
fn axes(pen: &Pen<'_, '_>, session: &Session) {
    let Some(recist) = session.active_recist() else { return };
    let affine = session.volume().grid().affine();
    let scale = Scale::of(session.volume());
    let world = |voxel: [f64; 3]| affine.world_from_voxel(Point3::from(voxel));
    for (axis, width) in [(recist.long_axis, 1.8), (recist.short_axis, 1.2)] {
        let Axis { length_mm, from_voxel, to_voxel } = axis;
        let ends = [world(from_voxel), world(to_voxel)];
        if length_mm > 0.0
            && let Some(fade) = pen.fade(&ends)
        {
            let [a, b] = ends.map(|end| pen.shown.screen_from_world(end));
            pen.line(a, b, AXES.gamma_multiply(fade), width);
            pen.caption(
                a,
                b,
                &format!("{:.1} {}", scale.length(length_mm), scale.length_unit()),
                AXES.gamma_multiply(fade),
            );
        }
    }
}

/// What is being drawn, up to the mouse.
fn draft(pen: &Pen<'_, '_>, state: &AppState, session: &Session, response: &Response, scale: &Scale) {
    if session.ruler_draft.is_empty() {
        return;
    }
    let mut points = session.ruler_draft.clone();
    if let Some(pos) = response.hover_pos() {
        points.push(pen.shown.world_from_screen(pos));
    }
    let raw: Vec<[f64; 3]> = points.iter().map(|point| point.coords.into()).collect();
    match (state.tool, &raw[..]) {
        (Tool::Distance, &[a, b]) => pen.shape(&RulerShape::Distance([a, b]), scale),
        (Tool::Angle, &[a, vertex, b]) => pen.shape(&RulerShape::Angle([a, vertex, b]), scale),
        (Tool::Angle, &[a, b]) => {
            let [a, b] = [a, b].map(|end| pen.shown.screen_from_world(Point3::from(end)));
            pen.line(a, b, DRAWN, 1.6);
        }
        _ => {
            let at = pen.shown.screen_from_world(points[0]);
            pen.text.painter.circle_filled(at, 3.0, DRAWN);
        }
    }
}

struct Pen<'a, 'p> {
    text: &'a Text<'p>,
    shown: &'a SliceView,
    step_mm: f64,
}

impl Pen<'_, '_> {
    /// How strongly something is drawn: in full where all of it lies in the slice, weakly where it is near, not at all
    /// elsewhere.
    fn fade(&self, points: &[WorldPoint]) -> Option<f32> {
        let far = points.iter().map(|point| self.shown.depth_mm(*point).abs()).fold(0.0, f64::max);
        let slices = far / self.step_mm.max(1e-9);
        if slices > FAR_SLICES {
            return None;
        }
        Some(if slices <= NEAR_SLICES { 1.0 } else { 0.4 })
    }

    fn shape(&self, shape: &RulerShape, scale: &Scale) {
        let points = shape.points();
        let Some(fade) = self.fade(&points) else { return };
        let color = DRAWN.gamma_multiply(fade);
        let at: Vec<Pos2> = points.iter().map(|point| self.shown.screen_from_world(*point)).collect();
        match shape {
            RulerShape::Distance(_) => {
                self.line(at[0], at[1], color, 1.8);
                let length = format!("{:.1} {}", scale.length(shape.value()), scale.length_unit());
                self.caption(at[0], at[1], &length, color);
            }
            RulerShape::Angle(_) => {
                self.line(at[1], at[0], color, 1.8);
                self.line(at[1], at[2], color, 1.8);
                let away = (at[1] - at[0].lerp(at[2], 0.5)).normalized() * 16.0;
                self.text.at(at[1] + away, Align2::CENTER_CENTER, &format!("{:.1}°", shape.value()), color);
            }
        }
    }

    /// A line with marks at its ends and a dark halo.
    fn line(&self, a: Pos2, b: Pos2, color: Color32, width: f32) {
        let across = (b - a).normalized().rot90() * TICK;
        for (width, color) in [(width + 2.2, on_image::SHADOW), (width, color)] {
            let stroke = Stroke::new(width, color);
            self.text.painter.line_segment([a, b], stroke);
            for end in [a, b] {
                self.text.painter.line_segment([end - across, end + across], stroke);
            }
        }
    }

    /// Text beside the end of a line that lies further right.
    fn caption(&self, a: Pos2, b: Pos2, text: &str, color: Color32) {
        let end = if a.x > b.x { a } else { b };
        self.text.at(end + vec2(8.0, 0.0), Align2::LEFT_CENTER, text, color);
    }
}
