//! The narrow bar at the right of a view: where the slice lies in the stack, and a way to drag it.

use egui::accesskit::Action;
use egui::{CursorIcon, Id, Rect, Role, Sense, Ui, Vec2, WidgetInfo, pos2};

use super::{ViewContext, extent_along, slice_step_mm};
use crate::command::ViewAction;
use crate::state::{Session, ViewId};
use crate::theme::on_image;

/// Width of the bar.
pub(super) const WIDTH: f32 = 12.0;
/// Free space above and below.
const INSET: f32 = 34.0;

/// Draws the bar at the right of a view's rectangle and handles the mouse on it.
pub(super) fn show(ui: &mut Ui, context: ViewContext<'_>, session: &Session, view: ViewId, rect: Rect) {
    let volume = session.volume();
    let (slice, count) = session.views.slice_number(volume, view);
    if session.views.is_flat() || count < 2 || rect.height() < 4.0 * INSET {
        return;
    }
    let strip =
        Rect::from_min_max(pos2(rect.right() - WIDTH, rect.top() + INSET), rect.max - Vec2::new(0.0, INSET));
    let id = Id::unique(("slice bar", view.index()));
    let response =
        ui.interact(strip, id, Sense::click_and_drag()).on_hover_cursor(CursorIcon::ResizeVertical);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Slider, true, format!("{} slice", view.name()));
        info.value = Some(slice as f64);
        info
    });
    let forward = session.views.forward(view);
    let (low, high) = extent_along(volume.grid(), forward);
    let here = ((session.views.crosshair.coords.dot(&forward) - low) / (high - low)).clamp(0.0, 1.0);
    let steps = |wanted: f64| (wanted - here) * (high - low) / slice_step_mm(volume.grid(), forward);
    if let Some(pos) = response.interact_pointer_pos() {
        let wanted = f64::from(((pos.y - strip.top()) / strip.height()).clamp(0.0, 1.0));
        let slices = steps(wanted).round();
        if slices != 0.0 {
            context.actions.send(ViewAction::Scroll(view, slices));
        }
    }
    for (action, slices) in [(Action::Increment, 1.0), (Action::Decrement, -1.0)] {
        if ui.input(|i| i.has_accesskit_action_request(response.id, action)) {
            context.actions.send(ViewAction::Scroll(view, slices));
        }
    }
    let lit = response.hovered() || response.dragged();
    let thin = if lit { 4.0 } else { 2.0 };
    let track = Rect::from_center_size(strip.center(), Vec2::new(thin, strip.height()));
    let color = on_image::WEAK.gamma_multiply(if lit { 0.6 } else { 0.3 });
    ui.painter().rect_filled(track, 2.0, color);
    let knob = pos2(strip.center().x, strip.top() + strip.height() * here as f32);
    let size = Vec2::new(if lit { 8.0 } else { 5.0 }, 14.0);
    ui.painter().rect_filled(Rect::from_center_size(knob, size), 2.5, on_image::PLANES[view.index()]);
}
