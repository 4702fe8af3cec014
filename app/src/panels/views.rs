//! How the views share the middle of the window.

use egui::{Align2, Area, Color32, FontId, Id, Order, ProgressBar, Rect, RichText, Ui, Vec2, pos2};

use super::Context;
use crate::command::UiCommand;
use crate::state::{Opening, Session, ViewId};
use crate::theme;
use crate::viewport::{self, ViewContext};

/// Points between views.
const GAP: f32 = 2.0;
/// Share of the width that the axial view takes.
const AXIAL_SHARE: f32 = 0.6;

pub(super) fn show(ui: &mut Ui, context: ViewContext<'_>, session: &Session) {
    let area = ui.max_rect();
    ui.painter().rect_filled(area, 0.0, theme::of(ui).line);
    for (view, rect) in layout(area, session) {
        viewport::show(ui, context, session, view, snapped(ui, rect));
    }
    ui.advance_cursor_after_rect(area);
    let panels = Context { state: context.state, actions: context.actions };
    if let Some(opening) = &context.state.opening {
        progress(ui, panels, opening);
    }
}

/// The axial plane large at the left, the others beside it; a wide axial view suits reading.
fn layout(area: Rect, session: &Session) -> Vec<(ViewId, Rect)> {
    if session.views.is_flat() {
        return vec![(ViewId::Flat, area)];
    }
    if let Some(single) = session.views.single {
        return vec![(single, area)];
    }
    let split = area.left() + area.width() * AXIAL_SHARE;
    let middle = area.center().y;
    let right = |top, bottom| Rect::from_min_max(pos2(split + GAP / 2.0, top), pos2(area.right(), bottom));
    let axial = Rect::from_min_max(area.min, pos2(split - GAP / 2.0, area.bottom()));
    let [a, c, s] = ViewId::PLANES;
    vec![
        (a, axial),
        (c, right(area.top(), middle - GAP / 2.0)),
        (s, right(middle + GAP / 2.0, area.bottom())),
    ]
}

/// Views begin and end at physical pixels, so that neighbours neither overlap nor leave a seam.
fn snapped(ui: &Ui, rect: Rect) -> Rect {
    let scale = ui.pixels_per_point();
    let snap = |v: f32| (v * scale).round() / scale;
    Rect::from_min_max(pos2(snap(rect.min.x), snap(rect.min.y)), pos2(snap(rect.max.x), snap(rect.max.y)))
}

/// How far opening is, with a way to stop it.
pub(super) fn progress(ui: &Ui, context: Context<'_>, opening: &Opening) {
    let tokens = theme::of(ui);
    let at = ui.max_rect().center_bottom() - Vec2::new(0.0, 28.0);
    Area::new(Id::unique("opening")).order(Order::Middle).pivot(Align2::CENTER_BOTTOM).fixed_pos(at).show(
        ui.ctx(),
        |ui| {
            egui::Frame::popup(ui.style()).show(ui, |ui| {
                ui.set_width(360.0);
                ui.label(RichText::new(format!("Opening {}", opening.name)).color(tokens.text));
                ui.horizontal(|ui| {
                    let bar = match opening.share {
                        Some(share) => ProgressBar::new(share).show_percentage(),
                        None => ProgressBar::new(0.0),
                    };
                    ui.add(bar.desired_width(270.0).fill(tokens.accent));
                    if ui.button("Cancel").on_hover_text(UiCommand::Cancel.tooltip(ui.ctx())).clicked() {
                        context.actions.send(UiCommand::Cancel);
                    }
                });
                ui.label(RichText::new(&opening.what).small().color(tokens.weak));
            });
        },
    );
}

/// Tells that what is being dragged may be dropped.
pub(super) fn drop_hint(ui: &Ui) {
    if ui.input(|i| i.raw.hovered_files.is_empty()) {
        return;
    }
    let tokens = theme::of(ui);
    let painter = ui.ctx().layer_painter(egui::LayerId::new(Order::Foreground, Id::unique("drop")));
    let rect = ui.ctx().content_rect();
    painter.rect_filled(rect, 0.0, Color32::from_black_alpha(170));
    let frame = rect.shrink(24.0);
    painter.rect_stroke(frame, 10.0, egui::Stroke::new(2.0, tokens.accent), egui::StrokeKind::Inside);
    painter.text(
        rect.center(),
        Align2::CENTER_CENTER,
        "Drop to open",
        FontId::proportional(24.0),
        Color32::WHITE,
    );
}
