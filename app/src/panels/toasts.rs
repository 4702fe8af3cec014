//! Short messages at the lower right.

use egui::{Align2, Area, Frame, Id, Order, RichText, Stroke, Ui, Vec2};

use super::{Context, sentence};
use crate::command::Action;
use crate::state::Severity;
use crate::theme::{self, Icon, icon_button};

/// Width of a message; it fits beside the images.
const WIDTH: f32 = 252.0;

pub(super) fn show(ui: &Ui, context: Context<'_>) {
    if context.state.messages.list().is_empty() {
        return;
    }
    let tokens = theme::of(ui);
    let area = Area::new(Id::unique("messages")).order(Order::Foreground);
    area.anchor(Align2::RIGHT_BOTTOM, Vec2::new(-14.0, -42.0)).show(ui.ctx(), |ui| {
        for message in context.state.messages.list() {
            let color = match message.severity {
                Severity::Info => tokens.good,
                Severity::Warning => tokens.warning,
                Severity::Error => tokens.error,
            };
            Frame::popup(ui.style()).stroke(Stroke::new(1.0, color)).show(ui, |ui| {
                ui.set_width(WIDTH);
                ui.horizontal_top(|ui| {
                    ui.scope(|ui| {
                        ui.set_width(WIDTH - 32.0);
                        ui.add(
                            egui::Label::new(RichText::new(sentence(&message.text)).color(tokens.text))
                                .wrap(),
                        );
                    });
                    let close = icon_button(ui, Icon::Reject, "Dismiss message", 22.0, false, true);
                    if close.on_hover_text("Dismiss").clicked() {
                        context.actions.send(Action::Dismiss(message.id));
                    }
                });
            });
        }
    });
}
