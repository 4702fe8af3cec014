//! The strip of tools at the left.

use egui::Ui;

use super::Context;
use crate::command::UiCommand as C;
use crate::theme::{Icon, icon_button};

const TOOLS: [(C, Icon); 7] = [
    (C::ToolNavigate, Icon::Pointer),
    (C::ToolPoint, Icon::Point),
    (C::ToolBrush, Icon::Brush),
    (C::ToolEraser, Icon::Eraser),
    (C::ToolEllipse, Icon::Ellipse),
    (C::ToolDistance, Icon::Distance),
    (C::ToolAngle, Icon::Angle),
];
const EDIT: [(C, Icon); 2] = [(C::Undo, Icon::Undo), (C::Redo, Icon::Redo)];
const VIEW: [(C, Icon); 3] =
    [(C::ToggleMask, Icon::Eye), (C::AutoWindow, Icon::Contrast), (C::ResetView, Icon::Fit)];
const FILE: [(C, Icon); 2] = [(C::OpenFile, Icon::Folder), (C::Save, Icon::Save)];

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    ui.vertical_centered(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        for (i, group) in [&TOOLS[..], &EDIT, &VIEW, &FILE].into_iter().enumerate() {
            if i > 0 {
                ui.add_space(2.0);
                ui.separator();
                ui.add_space(2.0);
            }
            for (command, icon) in group {
                button(ui, context, *command, *icon);
            }
        }
    });
}

fn button(ui: &mut Ui, context: Context<'_>, command: C, icon: Icon) {
    let on = context.state.is_on(command);
    let (icon, lit) = match command {
        // A hidden mask is what a person should notice, so the eye is never lit.
        C::ToggleMask => (if on { Icon::Eye } else { Icon::EyeOff }, false),
        _ => (icon, on),
    };
    let enabled = context.state.is_enabled(command);
    let response = icon_button(ui, icon, command.text(), 34.0, lit, enabled);
    if response.on_hover_text(command.tooltip(ui.ctx())).clicked() {
        context.actions.send(command);
    }
}
