//! What is drawn over the image: letters, scale, numbers, crosshair, points, the brush.

use egui::{Align2, Color32, CursorIcon, FontId, Painter, Pos2, Rect, Response, Stroke, Vec2, pos2, vec2};
use hilum_core::geometry::{PatientDirection, WorldPoint};
use hilum_core::measure::Scale;
use hilum_core::volume::Voxels;
use nalgebra::Vector3;

use super::{SliceView, ellipse, outline, rulers, slice_bar, slice_step_mm, turn};
use crate::state::{AppState, Session, Tool, ViewId};
use crate::theme::on_image;

/// Distance of text from the border of a view.
const MARGIN: f32 = 10.0;
/// Length of the crosshair's free centre.
const CROSS_GAP: f32 = 12.0;

/// Draws everything over the image of a view.
pub(super) fn paint(
    painter: &Painter,
    state: &AppState,
    session: &Session,
    (view, is_bare): (ViewId, bool),
    shown: &SliceView,
    response: &Response,
) {
    let mut area = shown.rect.shrink(MARGIN);
    if !session.views.is_flat() {
        area.max.x -= slice_bar::WIDTH;
    }
    let text = Text { painter, area, size: 12.0 * state.settings.font_scale };
    if state.settings.crosshair && !session.views.is_flat() {
        crosshair(painter, session, view, shown);
    }
    points(painter, session, shown);
    rulers::paint(&text, state, session, shown, response);
    if !is_bare {
        words(&text, session, view, shown, response);
    }
    if view == session.views.active && !session.views.is_flat() && session.views.single.is_none() {
        let color = on_image::PLANES[view.index()].gamma_multiply(0.7);
        painter.hline(shown.rect.x_range(), shown.rect.top() + 0.5, Stroke::new(2.0, color));
    }
    if state.tool == Tool::Ellipse {
        ellipse::paint(painter, session, shown, response);
    }
    outline::paint(painter, state, session, view, shown, response);
    cursor(painter, state, shown, response);
}

/// What is written into the corners and onto the edges of a view.
fn words(text: &Text<'_>, session: &Session, view: ViewId, shown: &SliceView, response: &Response) {
    if session.volume().meta().has_physical_spacing || !session.views.is_flat() {
        letters(text, shown);
    }
    scale_bar(text, session, shown);
    heading(text, session, view, shown);
    readout(text, session, shown, response);
}

/// Text on a dark plate, legible on any image and any mask.
pub(super) struct Text<'a> {
    pub(super) painter: &'a Painter,
    /// Where text may stand.
    pub(super) area: Rect,
    pub(super) size: f32,
}

impl Text<'_> {
    pub(super) fn at(&self, pos: Pos2, align: Align2, text: &str, color: Color32) {
        self.sized(pos, align, text, color, self.size);
    }

    pub(super) fn sized(&self, pos: Pos2, align: Align2, text: &str, color: Color32, size: f32) {
        let words = self.painter.layout_no_wrap(text.to_owned(), FontId::proportional(size), color);
        let place = align.anchor_size(pos, words.size());
        self.painter.rect_filled(place.expand2(vec2(3.0, 0.0)), 3.0, on_image::PLATE);
        self.painter.galley(place.min, words, color);
    }
}

pub(super) fn letters(text: &Text<'_>, shown: &SliceView) {
    let rect = text.area;
    let at = [
        (rect.left_center(), Align2::LEFT_CENTER, -shown.axes.right),
        (rect.right_center(), Align2::RIGHT_CENTER, shown.axes.right),
        (rect.center_top(), Align2::CENTER_TOP, -shown.axes.down),
        (rect.center_bottom(), Align2::CENTER_BOTTOM, shown.axes.down),
    ];
    for (pos, align, direction) in at {
        text.sized(pos, align, &direction_letters(direction), on_image::LETTER, text.size * 1.15);
    }
}

/// The directions that a vector follows, the strongest first: "A", or "AR" where it runs between two.
fn direction_letters(direction: Vector3<f64>) -> String {
    let mut axes = [0, 1, 2];
    axes.sort_by(|a, b| direction[*b].abs().total_cmp(&direction[*a].abs()));
    let strong = axes.into_iter().filter(|axis| direction[*axis].abs() > 0.3);
    strong.map(|axis| PatientDirection::from_axis(axis, direction[axis] > 0.0).letter()).collect()
}

/// Narrower views have no room for the window beside the name of the plane.
const NARROW_VIEW: f32 = 250.0;

/// The longest round length that takes at most a third of the view.
fn scale_bar(text: &Text<'_>, session: &Session, shown: &SliceView) {
    let scale = Scale::of(session.volume());
    let per_point = scale.length(shown.mm_per_point);
    let limit = f64::from(shown.rect.width()) / 3.5 * per_point;
    let decade = 10f64.powf(limit.log10().floor());
    let length = [5.0, 2.0, 1.0].map(|f| f * decade).into_iter().find(|l| *l <= limit).unwrap_or(decade);
    let points = (length / per_point) as f32;
    if !points.is_finite() || points < 4.0 {
        return;
    }
    let right = text.area.right_bottom() - vec2(0.0, 3.0);
    let left = right - vec2(points, 0.0);
    for (width, color) in [(4.0, on_image::SHADOW), (1.6, on_image::TEXT)] {
        let stroke = Stroke::new(width, color);
        text.painter.line_segment([left, right], stroke);
        for end in [left, right] {
            text.painter.line_segment([end - vec2(0.0, 4.0), end + vec2(0.0, 1.0)], stroke);
        }
    }
    let label = match scale.length_unit() {
        "mm" if length >= 100.0 => format!("{} cm", length / 10.0),
        "µm" if length >= 1000.0 => format!("{} mm", length / 1000.0),
        unit => format!("{length} {unit}"),
    };
    text.at(left.lerp(right, 0.5) - vec2(0.0, 6.0), Align2::CENTER_BOTTOM, &label, on_image::TEXT);
}

fn heading(text: &Text<'_>, session: &Session, view: ViewId, shown: &SliceView) {
    let volume = session.volume();
    let top = text.area.left_top();
    let line = Vec2::new(0.0, text.size + 4.0);
    let is_narrow = text.area.width() < NARROW_VIEW && !session.views.is_flat();
    if session.views.is_flat() {
        text.at(top, Align2::LEFT_TOP, &volume.meta().title, on_image::TEXT);
    } else {
        let color = on_image::PLANES[view.index()];
        text.sized(top, Align2::LEFT_TOP, view.name(), color, text.size * 1.1);
        let (slice, count) = session.views.slice_number(volume, view);
        let position = session.views.crosshair.coords.dot(&positive_normal(shown));
        let label = format!("{slice} / {count}   {position:.1} mm");
        text.at(top + line, Align2::LEFT_TOP, &label, on_image::WEAK);
        if let Some(label) = turned_text(session, view) {
            text.at(
                top + line * if is_narrow { 3.0 } else { 2.0 },
                Align2::LEFT_TOP,
                &label,
                on_image::LETTER,
            );
        }
    }
    let window = format!("W {}  L {}", number(session.views.width), number(session.views.center));
    // In a narrow view below the name and the slice, not over them.
    let (at, align) = match is_narrow {
        true => (top + line * 2.0, Align2::LEFT_TOP),
        false => (text.area.right_top(), Align2::RIGHT_TOP),
    };
    text.at(at, align, &window, on_image::WEAK);
}

/// What to know about editing in a turned plane.
pub const TURNED_NOTE: &str = "In a turned plane every tool works on the voxels that the plane cuts";

/// How a plane is turned, in words; `None` where it is not.
fn turned_text(session: &Session, view: ViewId) -> Option<String> {
    let turn = session.views.turn(view);
    let degrees = turn.degrees().map(|angle| format!("{angle:.0}°")).join(" ");
    (!turn.is_none()).then(|| format!("turned {degrees}"))
}

/// The world axis along which positions of the view are told: they grow to the left, to the back, to the head.
fn positive_normal(shown: &SliceView) -> Vector3<f64> {
    let into = shown.axes.into;
    if into[into.iamax()] < 0.0 { -into } else { into }
}

fn number(value: f32) -> String {
    if value.abs() >= 100.0 || value == value.round() { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// Voxel, millimetres and value under the mouse.
fn readout(text: &Text<'_>, session: &Session, shown: &SliceView, response: &Response) {
    // Of several pictures of a view that under the mouse tells.
    let under = response.hover_pos().filter(|pos| shown.rect.contains(*pos));
    let Some(world) = under.map(|pos| shown.world_from_screen(pos)) else { return };
    let Some(lines) = readout_lines(session, world) else { return };
    let mut at = text.area.left_bottom();
    for (number, line) in lines.iter().enumerate().rev() {
        let color = if number == 0 { on_image::TEXT } else { on_image::WEAK };
        text.at(at, Align2::LEFT_BOTTOM, line, color);
        at.y -= text.size + 4.0;
    }
}

/// Value, voxel and world position in words; `None` outside the image.
pub fn readout_lines(session: &Session, world: WorldPoint) -> Option<Vec<String>> {
    let volume = session.volume();
    let voxel = volume.grid().voxel_at_world(world)?;
    let value = match volume.voxels() {
        Voxels::Rgb8(data) => {
            let [r, g, b] = data[volume.grid().index(voxel)];
            format!("R {r}  G {g}  B {b}")
        }
        _ => format!("{} {}", number(volume.value(voxel)?), volume.meta().modality.unit())
            .trim_end()
            .to_owned(),
    };
    let label = session.document.labels().value(voxel);
    let named = session.document.table().get(label).map(|entry| format!("   {}", entry.name));
    let [x, y, z] = voxel;
    let mut lines = vec![format!("{value}{}", named.unwrap_or_default())];
    lines.push(if session.views.is_flat() {
        format!("pixel {x}, {y}")
    } else {
        format!("voxel {x}, {y}, {z}")
    });
    if volume.meta().has_physical_spacing {
        lines.push(format!("L {:.1}  P {:.1}  S {:.1} mm", world.x, world.y, world.z));
    }
    Some(lines)
}

/// Lines where the other planes cut this one, with a gap around the crossing.
fn crosshair(painter: &Painter, session: &Session, view: ViewId, shown: &SliceView) {
    let center = shown.screen_from_world(session.views.crosshair);
    for other in ViewId::PLANES {
        if other == view {
            continue;
        }
        let color = on_image::PLANES[other.index()].gamma_multiply(0.55);
        if let Some(direction) = turn::cut(session, other, shown) {
            turn::line(painter, shown.rect, center, direction, CROSS_GAP, Stroke::new(1.0, color));
        }
    }
    turn::paint(painter, session, view, shown);
}

/// Clicks on this slice are solid, those up to three slices away fade.
fn points(painter: &Painter, session: &Session, shown: &SliceView) {
    let grid = session.volume().grid();
    let step = slice_step_mm(grid, shown.axes.into);
    for click in session.document.prompts().clicks() {
        let world = grid.world_of(click.voxel);
        let slices = (shown.depth_mm(world) / step).abs();
        if slices > 3.5 {
            continue;
        }
        let fade = if slices <= 0.51 { 1.0 } else { 0.35 };
        let color = if click.positive { on_image::POSITIVE } else { on_image::NEGATIVE }.gamma_multiply(fade);
        let at = shown.screen_from_world(world);
        painter.circle(at, 6.5, on_image::SHADOW.gamma_multiply(fade), Stroke::new(1.6, color));
        painter.line_segment([at - vec2(3.0, 0.0), at + vec2(3.0, 0.0)], Stroke::new(1.6, color));
        if click.positive {
            painter.line_segment([at - vec2(0.0, 3.0), at + vec2(0.0, 3.0)], Stroke::new(1.6, color));
        }
    }
}

fn cursor(painter: &Painter, state: &AppState, shown: &SliceView, response: &Response) {
    let Some(pos) = response.hover_pos() else { return };
    let ctx = painter.ctx();
    match state.tool {
        Tool::Navigate => ctx.set_cursor_icon(CursorIcon::Default),
        Tool::Operation(kind) if !state.options.needs_click(kind) => ctx.set_cursor_icon(CursorIcon::Default),
        Tool::Operation(_) | Tool::Polygon | Tool::Lasso => ctx.set_cursor_icon(CursorIcon::Crosshair),
        Tool::Ellipse => {}
        Tool::Distance | Tool::Angle => ctx.set_cursor_icon(CursorIcon::Crosshair),
        Tool::Point => {
            ctx.set_cursor_icon(CursorIcon::Crosshair);
            let swapped = ctx.input(|i| i.modifiers.alt || i.modifiers.command);
            let positive = state.negative == swapped;
            let color = if positive { on_image::POSITIVE } else { on_image::NEGATIVE };
            let at = pos2(pos.x + 12.0, pos.y - 12.0);
            painter.line_segment([at - vec2(4.0, 0.0), at + vec2(4.0, 0.0)], Stroke::new(2.0, color));
            if positive {
                painter.line_segment([at - vec2(0.0, 4.0), at + vec2(0.0, 4.0)], Stroke::new(2.0, color));
            }
        }
        Tool::Brush | Tool::Eraser | Tool::Threshold | Tool::Adaptive => {
            ctx.set_cursor_icon(CursorIcon::None);
            let radius = (f64::from(state.settings.brush_radius_mm) / shown.mm_per_point) as f32;
            let color = if state.tool == Tool::Eraser { on_image::NEGATIVE } else { on_image::POSITIVE };
            painter.circle_stroke(pos, radius, Stroke::new(3.0, on_image::SHADOW));
            painter.circle_stroke(pos, radius, Stroke::new(1.4, color));
            painter.circle_filled(pos, 1.5, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_name_the_strongest_direction_first() {
        assert_eq!(direction_letters(Vector3::new(1.0, 0.1, 0.0)), "L");
        assert_eq!(direction_letters(Vector3::new(-0.6, -0.8, 0.0)), "AR");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(-1024.0), "-1024");
        assert_eq!(number(0.12345), "0.123");
        assert_eq!(number(812.3), "812");
    }
}
