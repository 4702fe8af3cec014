//! The menu bar.

use egui::{Align, Button, Layout, MenuBar, RichText, Ui};

use super::Context;
use crate::command::{Action, UiCommand as C};
use crate::theme;

const FILE: &[&[C]] = &[
    &[C::OpenFile, C::OpenFolder, C::OpenFromServer, C::OpenSample],
    &[C::OpenProject, C::SaveProject, C::KeptWork],
    &[C::ImportMask, C::Save, C::SaveAs, C::StoreOnServer, C::ExportSurface],
    &[C::ChoosePart, C::PreviousTimePoint, C::NextTimePoint],
    &[C::SavePicture, C::Deidentify],
    &[C::CloseImage, C::Quit],
];
const EDIT: &[&[C]] = &[
    &[C::Undo, C::Redo],
    &[C::AddLabel, C::PreviousLabel, C::NextLabel, C::ClearLabel],
    &[C::Settings, C::Servers],
];
const VIEW: &[&[C]] = &[
    &[C::LayoutTwo, C::LayoutAll, C::LayoutLarge, C::LayoutFour],
    &[C::LayoutAxial, C::LayoutCoronal, C::LayoutSagittal, C::LayoutScene],
    &[C::MaximiseView, C::EnlargeView, C::NextView],
    &[C::SceneSurfaces, C::SceneMip, C::SceneVolume],
    &[C::ToggleCine, C::ToggleBounce, C::TurnPlanes, C::ResetPlanes],
    &[C::Preset1, C::Preset2, C::Preset3, C::Preset4, C::Preset5, C::Preset6, C::AutoWindow],
    &[C::ToggleMask, C::ToggleCrosshair, C::ToggleInterpolation, C::TogglePanels],
    &[C::ResetView, C::CenterOnLabel],
    &[C::ToggleTheme, C::ToggleContrast, C::LargerText, C::SmallerText, C::ToggleReadout],
];
const TOOLS: &[&[C]] = &[
    &[C::ToolNavigate, C::ToolPoint, C::ToolBrush, C::ToolEraser, C::ToolEllipse],
    &[C::ToolThreshold, C::ToolAdaptive, C::ToolPolygon, C::ToolLasso],
    &[C::RemoveCorner],
    &[C::ToggleSign, C::ToggleBall, C::BrushSmaller, C::BrushLarger, C::UseTool],
    &[C::Accept, C::Reject, C::Cancel],
    &[C::LabelImage, C::ShowAttention, C::Models],
];
const MASK: &[&[C]] = &[
    &[C::OpGrow, C::OpFill, C::OpHoles, C::OpBetween],
    &[C::OpIslands, C::OpMedian, C::OpSmoothAll],
    &[C::OpMargin, C::OpHollow, C::OpLogic],
    &[C::CopyToNext, C::CopyToPrevious],
    &[C::NextDrawOver, C::ToggleDrawRange],
    &[C::PreviewAgain],
];
const MEASURE: &[&[C]] = &[
    &[C::ToolDistance, C::ToolAngle, C::ClearRulers],
    &[C::ShowMeasurements, C::JumpToLongAxis, C::CompareWithMask],
    &[C::CopyMeasurements, C::SaveMeasurements],
];
const EYE: &[&[C]] = &[
    &[C::OutlineDisc, C::OutlineVessels, C::MeasureAnyway],
    &[C::SwitchEye, C::MarkReviewed],
    &[C::NextEnhancement, C::ZoomToDisc],
    &[C::PreviousPicture, C::NextPicture],
    &[C::ExportTable, C::SavePage],
];
const WORKLIST: &[&[C]] = &[
    &[C::NewWorklist, C::OpenWorklist, C::CloseWorklist],
    &[C::AddCases, C::AddCaseFolder, C::ImportOutlines],
    &[C::ImportCaseMasks, C::ExportCaseMasks],
    &[C::NextCase, C::MarkCorrected, C::MarkCaseReviewed, C::ReopenCase],
    &[C::ToggleSetAside, C::CompareOutlines],
    &[C::Teach, C::PauseTeaching, C::StopTeaching, C::RankCases],
];
const HELP: &[&[C]] = &[&[C::Palette, C::Shortcuts], &[C::ShowWarnings], &[C::About]];

const MENUS: [(&str, &[&[C]]); 8] = [
    ("Edit", EDIT),
    ("View", VIEW),
    ("Tools", TOOLS),
    ("Mask", MASK),
    ("Measure", MEASURE),
    ("Eye", EYE),
    ("Worklist", WORKLIST),
    ("Help", HELP),
];

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    MenuBar::new().ui(ui, |ui| {
        ui.menu_button("File", |ui| {
            groups(ui, context, &FILE[..1]);
            recent(ui, context);
            ui.separator();
            groups(ui, context, &FILE[1..]);
        });
        for (name, commands) in MENUS {
            ui.menu_button(name, |ui| groups(ui, context, commands));
        }
        title(ui, context);
    });
}

fn groups(ui: &mut Ui, context: Context<'_>, groups: &[&[C]]) {
    ui.set_min_width(230.0);
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            ui.separator();
        }
        for command in *group {
            item(ui, context, *command);
        }
    }
}

fn item(ui: &mut Ui, context: Context<'_>, command: C) {
    let mut button = Button::new(text(context, command)).selected(context.state.is_on(command));
    if let Some(keys) = command.shortcut_text(ui.ctx()) {
        button = button.shortcut_text(keys);
    }
    let enabled = context.state.is_enabled(command);
    let response = ui.add_enabled(enabled, button).on_hover_text(command.description().tooltip);
    if response.clicked() {
        context.actions.send(command);
        ui.close();
    }
}

/// Undo and redo say what they take back.
fn text(context: Context<'_>, command: C) -> String {
    let document = context.state.editable().map(|session| &session.document);
    let step = match command {
        C::Undo => document.and_then(|document| document.undo_name()),
        C::Redo => document.and_then(|document| document.redo_name()),
        _ => None,
    };
    match step {
        Some(step) => format!("{} “{step}”", command.text()),
        None => command.text().to_owned(),
    }
}

fn recent(ui: &mut Ui, context: Context<'_>) {
    let recent = &context.state.settings.recent;
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        ui.menu_button("Open recent", |ui| {
            for path in recent {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                if ui.button(name.as_ref()).on_hover_text(path.display().to_string()).clicked() {
                    context.actions.send(Action::open(path.clone()));
                    ui.close();
                }
            }
        });
    });
}

/// Name and size of the image at the right of the bar.
fn title(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = &context.state.session else { return };
    let tokens = theme::of(ui);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let volume = session.volume();
        let (dims, spacing) = (volume.grid().dims(), volume.grid().spacing_mm());
        let size = match volume.grid().is_flat() {
            true => format!("{} × {}", dims[0], dims[1]),
            false => format!("{} × {} × {}", dims[0], dims[1], dims[2]),
        };
        let millimetres = format!("{:.2} × {:.2} × {:.2} mm", spacing[0], spacing[1], spacing[2]);
        let physical = volume.meta().has_physical_spacing && !volume.grid().is_flat();
        let facts = if physical { format!("{size}   {millimetres}") } else { size };
        ui.label(RichText::new(facts).color(tokens.weak).small());
        ui.label(RichText::new(volume.meta().modality.code()).color(tokens.accent).small().strong());
        if !session.warnings.is_empty() {
            let count = session.warnings.len();
            let text = if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
            let button = Button::new(RichText::new(text).color(tokens.warning).small());
            if ui.add(button).on_hover_text(C::ShowWarnings.description().tooltip).clicked() {
                context.actions.send(C::ShowWarnings);
            }
        }
        let unsaved = if session.has_unsaved_work() { " •" } else { "" };
        let title = format!("{}{unsaved}", volume.meta().title);
        ui.add(egui::Label::new(RichText::new(title).color(tokens.text)).truncate());
    });
}
