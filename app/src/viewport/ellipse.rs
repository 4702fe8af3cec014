//! Ellipses of disc and cup with handles to drag.

use egui::{Color32, CursorIcon, Painter, PointerButton, Pos2, Response, Stroke, Ui};
use hilum_core::geometry::WorldPoint;
use hilum_core::measure::cdr::Ellipse;
use nalgebra::Point3;

use super::{SliceView, ViewContext};
use crate::command::PhotoAction;
use crate::jobs::photo::{CUP, RIM};
use crate::state::{DiscPart, Handle, Session};
use crate::theme::on_image;

/// Distance in points within which a handle is grabbed.
const REACH: f32 = 12.0;
/// Radius of a handle in points.
const KNOB: f32 = 5.0;
/// Points of an outline.
const OUTLINE: usize = 96;

/// Place in pixels of the picture.
fn pixel(session: &Session, world: WorldPoint) -> [f64; 2] {
    let voxel = session.volume().grid().affine().voxel_from_world(world);
    [voxel.x, voxel.y]
}

fn screen(session: &Session, shown: &SliceView, [x, y]: [f64; 2]) -> Pos2 {
    shown.screen_from_world(session.volume().grid().affine().world_from_voxel(Point3::new(x, y, 0.0)))
}

/// The ellipses of disc and cup, as far as they are there.
fn ellipses(session: &Session) -> Vec<(DiscPart, Ellipse)> {
    let Some(photo) = &session.photo else { return Vec::new() };
    let figures = photo.figures().and_then(|reading| reading.figures());
    let dragged =
        |part: DiscPart| photo.drag.as_ref().filter(|drag| drag.part == part).and_then(|d| d.ellipse);
    let disc = dragged(DiscPart::Disc).or_else(|| figures.map(|figures| figures.disc.ellipse));
    let cup =
        dragged(DiscPart::Cup).or_else(|| figures.and_then(|figures| figures.cup).map(|cup| cup.ellipse));
    [(DiscPart::Disc, disc), (DiscPart::Cup, cup)]
        .into_iter()
        .filter_map(|(part, ellipse)| Some((part, ellipse?)))
        .collect()
}

/// Middle and ends of the axes.
fn handles(ellipse: &Ellipse) -> [(Handle, [f64; 2]); 5] {
    let (sin, cos) = ellipse.angle_rad.sin_cos();
    let [x, y] = ellipse.center;
    let [long, short] = ellipse.semi_axes_px;
    [
        (Handle::Center { offset: [0.0, 0.0] }, [x, y]),
        (Handle::Long(true), [x + long * cos, y + long * sin]),
        (Handle::Long(false), [x - long * cos, y - long * sin]),
        (Handle::Short(true), [x - short * sin, y + short * cos]),
        (Handle::Short(false), [x + short * sin, y - short * cos]),
    ]
}

/// What a press grabs: the nearest handle, or a new ellipse where a part is missing.
fn grabbed(session: &Session, shown: &SliceView, at: Pos2) -> Option<(DiscPart, Handle)> {
    let found = ellipses(session);
    let pointer = pixel(session, shown.world_from_screen(at));
    let mut nearest: Option<(f32, DiscPart, Handle)> = None;
    for (part, ellipse) in &found {
        for (handle, place) in handles(ellipse) {
            let distance = screen(session, shown, place).distance(at);
            if distance <= REACH && nearest.is_none_or(|(least, ..)| distance < least) {
                let handle = match handle {
                    Handle::Center { .. } => {
                        Handle::Center { offset: [pointer[0] - place[0], pointer[1] - place[1]] }
                    }
                    other => other,
                };
                nearest = Some((distance, *part, handle));
            }
        }
    }
    if let Some((_, part, handle)) = nearest {
        return Some((part, handle));
    }
    let missing =
        [DiscPart::Disc, DiscPart::Cup].into_iter().find(|part| !found.iter().any(|(p, _)| p == part))?;
    Some((missing, Handle::Corner(pointer)))
}

/// Turns dragging into actions.
pub(super) fn handle(
    ui: &Ui,
    context: ViewContext<'_>,
    session: &Session,
    shown: &SliceView,
    response: &Response,
) {
    let primary = PointerButton::Primary;
    if response.drag_started_by(primary)
        && let Some(origin) = ui.input(|i| i.pointer.press_origin())
        && let Some((part, handle)) = grabbed(session, shown, origin)
    {
        context.actions.send(PhotoAction::Grab(part, handle));
    }
    let is_dragging = session.photo.as_ref().is_some_and(|photo| photo.drag.is_some());
    if (is_dragging || response.drag_started_by(primary))
        && response.dragged_by(primary)
        && let Some(at) = response.interact_pointer_pos()
    {
        context.actions.send(PhotoAction::Drag(pixel(session, shown.world_from_screen(at))));
    }
    // The release may have happened outside the window.
    if is_dragging && !ui.input(|i| i.pointer.primary_down()) {
        context.actions.send(PhotoAction::Drop);
    }
}

/// Draws the ellipses with their handles.
pub(super) fn paint(painter: &Painter, session: &Session, shown: &SliceView, response: &Response) {
    let table = session.document.table();
    for (part, ellipse) in ellipses(session) {
        let label = if part == DiscPart::Disc { RIM } else { CUP };
        let [r, g, b] = table.get(label).map_or([255, 255, 255], |entry| entry.color);
        let color = Color32::from_rgb(r, g, b);
        let outline = ellipse.points(OUTLINE).into_iter().map(|at| screen(session, shown, at)).collect();
        painter.add(egui::Shape::closed_line(outline, Stroke::new(1.5, color)));
        for (_, place) in handles(&ellipse) {
            let at = screen(session, shown, place);
            painter.circle(at, KNOB, on_image::SHADOW, Stroke::new(1.8, color));
        }
    }
    if let Some(at) = response.hover_pos() {
        let icon = match grabbed(session, shown, at) {
            Some((_, Handle::Corner(_))) => CursorIcon::Crosshair,
            Some(_) => CursorIcon::Grab,
            None => CursorIcon::Default,
        };
        painter.ctx().set_cursor_icon(icon);
    }
}
