//! The strip of tools at the left.

use egui::{ScrollArea, Ui, Vec2};

use super::Context;
use crate::command::UiCommand as C;
use crate::state::OperationKind;
use crate::theme::{EditIcon, Icon, icon_button};

const TOOLS: [(C, Icon); 11] = [
    (C::ToolNavigate, Icon::Pointer),
    (C::ToolPoint, Icon::Point),
    (C::ToolBrush, Icon::Brush),
    (C::ToolEraser, Icon::Eraser),
    (C::ToolThreshold, Icon::Edit(EditIcon::Threshold)),
    (C::ToolAdaptive, Icon::Edit(EditIcon::Adaptive)),
    (C::ToolPolygon, Icon::Edit(EditIcon::Polygon)),
    (C::ToolLasso, Icon::Edit(EditIcon::Lasso)),
    (C::ToolEllipse, Icon::Ellipse),
    (C::ToolDistance, Icon::Distance),
    (C::ToolAngle, Icon::Angle),
];
const OPERATIONS: [(C, Icon); 10] = [
    (C::OpGrow, operation(OperationKind::Grow)),
    (C::OpFill, operation(OperationKind::Fill)),
    (C::OpHoles, operation(OperationKind::Holes)),
    (C::OpBetween, operation(OperationKind::Between)),
    (C::OpIslands, operation(OperationKind::Islands)),
    (C::OpMedian, operation(OperationKind::Median)),
    (C::OpSmoothAll, operation(OperationKind::SmoothAll)),
    (C::OpMargin, operation(OperationKind::Margin)),
    (C::OpHollow, operation(OperationKind::Hollow)),
    (C::OpLogic, operation(OperationKind::Logic)),
];
const EDIT: [(C, Icon); 2] = [(C::Undo, Icon::Undo), (C::Redo, Icon::Redo)];
const VIEW: [(C, Icon); 3] =
    [(C::ToggleMask, Icon::Eye), (C::AutoWindow, Icon::Contrast), (C::ResetView, Icon::Fit)];
const FILE: [(C, Icon); 2] = [(C::OpenFile, Icon::Folder), (C::Save, Icon::Save)];

const fn operation(kind: OperationKind) -> Icon {
    Icon::Edit(EditIcon::Operation(kind))
}

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(3.0);
        for (i, group) in [&TOOLS[..], &OPERATIONS, &EDIT, &VIEW, &FILE].into_iter().enumerate() {
            if i > 0 {
                ui.separator();
            }
            for pair in group.chunks(2) {
                ui.horizontal(|ui| {
                    for (command, icon) in pair {
                        button(ui, context, *command, *icon);
                    }
                });
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
