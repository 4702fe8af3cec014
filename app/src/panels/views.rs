//! How the views share the middle of the window.

use egui::{Align2, Area, Color32, FontId, Id, Order, ProgressBar, Rangef, Rect, RichText, Ui, Vec2, pos2};

use super::Context;
use crate::command::UiCommand;
use crate::state::{Layout, Opening, Session, ViewId};
use crate::theme;
use crate::viewport::{self, ViewContext};

/// Points between views.
const GAP: f32 = 2.0;
/// Share of the width that the large view takes beside two.
const AXIAL_SHARE: f32 = 0.6;
/// The same beside three small views.
const SMALL_SHARE: f32 = 0.68;

pub(super) fn show(ui: &mut Ui, context: ViewContext<'_>, session: &Session) {
    let area = ui.max_rect();
    let shown = session.views.shown(context.state.settings.layout);
    for (view, rect) in arrange(area, &shown, context.state.settings.layout) {
        viewport::show(ui, context, session, view, snapped(ui, rect));
    }
    ui.advance_cursor_after_rect(area);
    let panels = Context { state: context.state, actions: context.actions };
    if let Some(opening) = &context.state.opening {
        progress(ui, panels, opening);
    }
}

/// The large view at the left, the others below each other beside it; four views in two rows.
fn arrange(area: Rect, views: &[ViewId], layout: Layout) -> Vec<(ViewId, Rect)> {
    let part = |x: Rangef, y: Rangef| Rect::from_x_y_ranges(x, y);
    let (whole_x, whole_y) = (area.x_range(), area.y_range());
    match (views, layout) {
        ([only], _) => vec![(*only, area)],
        ([a, b, c, d], Layout::Four) => {
            let ([left, right], [top, bottom]) = (halves(whole_x, 0.5), halves(whole_y, 0.5));
            vec![
                (*a, part(left, top)),
                (*b, part(right, top)),
                (*c, part(left, bottom)),
                (*d, part(right, bottom)),
            ]
        }
        (views, _) => {
            let share = [0.5, 0.5, AXIAL_SHARE, SMALL_SHARE][views.len().min(4) - 1];
            let [left, right] = halves(whole_x, share);
            let others = views.len() - 1;
            let height = (whole_y.span() - GAP * (others - 1) as f32) / others as f32;
            let row = |i: usize| {
                let top = whole_y.min + i as f32 * (height + GAP);
                Rangef::new(top, top + height)
            };
            let small = views[1..].iter().enumerate().map(|(i, view)| (*view, part(right, row(i))));
            std::iter::once((views[0], part(left, whole_y))).chain(small).collect()
        }
    }
}

/// Two parts with a gap between them.
fn halves(range: Rangef, share: f32) -> [Rangef; 2] {
    let split = range.min + range.span() * share;
    [Rangef::new(range.min, split - GAP / 2.0), Rangef::new(split + GAP / 2.0, range.max)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_fill_the_area_without_overlapping() {
        let area = Rect::from_min_max(pos2(10.0, 20.0), pos2(1010.0, 720.0));
        for layout in [Layout::Two, Layout::Three, Layout::Large, Layout::Four] {
            let parts = arrange(area, &layout.views(ViewId::PLANES[1]), layout);
            let covered: f32 = parts.iter().map(|(_, rect)| rect.area()).sum();
            assert!(covered > 0.99 * area.area(), "{layout:?} covers {covered}");
            for (i, (_, rect)) in parts.iter().enumerate() {
                assert!(area.contains_rect(*rect));
                for (_, other) in &parts[i + 1..] {
                    assert!(!rect.intersects(*other), "{layout:?}");
                }
            }
        }
        assert_eq!(arrange(area, &[ViewId::Scene], Layout::Four), [(ViewId::Scene, area)]);
    }
}
