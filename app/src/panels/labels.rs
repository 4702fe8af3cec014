//! The list of labels and the one being edited.

use egui::{Frame, Margin, RichText, Slider, TextEdit, Ui, Vec2};
use hilum_core::label::{LabelEntry, LookChange, MAX_NAME_CHARS};
use hilum_core::measure::Scale;

use super::{Context, command_button};
use crate::command::{SegmentAction, UiCommand as C};
use crate::state::Session;
use crate::theme::{self, Icon, icon_button};

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.editable() else { return };
    let table = session.document.table();
    for entry in table.entries() {
        row(ui, context, session, entry, entry.id == table.active());
    }
    if let Some(entry) = table.get(table.active()) {
        ui.add_space(4.0);
        active(ui, context, entry);
    }
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        command_button(ui, context, C::AddLabel);
        command_button(ui, context, C::ClearLabel);
    });
}

fn row(ui: &mut Ui, context: Context<'_>, session: &Session, entry: &LabelEntry, is_active: bool) {
    let tokens = theme::of(ui);
    let fill = if is_active { tokens.bar } else { tokens.panel };
    let look = |change| context.actions.send(SegmentAction::Look(change));
    Frame::new().fill(fill).corner_radius(5.0).inner_margin(Margin::symmetric(6, 2)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let mut color = entry.color;
            ui.spacing_mut().interact_size = Vec2::new(20.0, 18.0);
            let name = format!("Colour of {}", entry.name);
            let picker = ui.color_edit_button_srgb(&mut color).accessible_name(name);
            if picker.changed() && color != entry.color {
                context.actions.send(SegmentAction::Recolor(entry.id, color));
            }
            let text = RichText::new(&entry.name).color(if is_active { tokens.text } else { tokens.weak });
            let button = egui::Button::new(text).frame(false).truncate();
            let width = (ui.available_width() - 150.0).max(40.0);
            let label =
                ui.allocate_ui(Vec2::new(width, 22.0), |ui| super::left_aligned(ui, |ui| ui.add(button)));
            let label = label.inner;
            if label.on_hover_text(format!("{}: edit this label", entry.name)).clicked() {
                look(LookChange::Active(entry.id));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                row_buttons(ui, context, session, entry);
            });
        });
    });
}

fn row_buttons(ui: &mut Ui, context: Context<'_>, session: &Session, entry: &LabelEntry) {
    let tokens = theme::of(ui);
    let only = session.document.table().entries().len() == 1;
    let (id, name) = (entry.id, &entry.name);
    let remove =
        icon_button(ui, Icon::Remove, &format!("Remove {name}"), 22.0, false, !only && !entry.locked);
    if remove.on_hover_text("Remove the label and its voxels").clicked() {
        context.actions.send(SegmentAction::Remove(id));
    }
    let (icon, verb) = if entry.locked { (Icon::Lock, "Unlock") } else { (Icon::LockOpen, "Lock") };
    let lock = icon_button(ui, icon, &format!("{verb} {name}"), 22.0, false, true);
    if lock.on_hover_text("Protect the voxels of the label from every edit").clicked() {
        context.actions.send(SegmentAction::Look(LookChange::Locked { id, locked: !entry.locked }));
    }
    let (icon, verb) = if entry.visible { (Icon::Eye, "Hide") } else { (Icon::EyeOff, "Show") };
    let eye = icon_button(ui, icon, &format!("{verb} {name}"), 22.0, false, true);
    if eye.on_hover_text("Show or hide the label").clicked() {
        context.actions.send(SegmentAction::Look(LookChange::Visible { id, visible: !entry.visible }));
    }
    if let Some(size) = size_text(session, id) {
        ui.label(RichText::new(size).small().color(tokens.weak));
    }
}

/// How large a label is: ml of a volume, mm² of a flat picture whose scale is known, else pixels.
fn size_text(session: &Session, id: u16) -> Option<String> {
    let count = session.document.labels().count(id);
    let volume = session.volume();
    if count == 0 {
        return None;
    }
    Some(if !session.views.is_flat() {
        super::result::millilitres(session.document.label_volume_ml(id))
    } else {
        let scale = Scale::of(volume);
        let area = scale.size(session.document.label_volume_ml(id));
        match scale.size_unit() {
            "px²" => format!("{count} px"),
            "µm²" if area >= 1e5 => format!("{:.3} mm²", area / 1e6),
            unit if area >= 10.0 => format!("{area:.0} {unit}"),
            unit => format!("{area:.3} {unit}"),
        }
    })
}

/// Name and opacity of the label being edited.
fn active(ui: &mut Ui, context: Context<'_>, entry: &LabelEntry) {
    let tokens = theme::of(ui);
    egui::Grid::new("active label").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        let caption = ui.label(RichText::new("Name").color(tokens.weak));
        let mut name = entry.name.clone();
        let field = TextEdit::singleline(&mut name).desired_width(150.0).char_limit(MAX_NAME_CHARS);
        if ui.add(field).labelled_by(caption.id).changed() && !name.trim().is_empty() {
            context.actions.send(SegmentAction::Rename(entry.id, name));
        }
        ui.end_row();
        let caption = ui.label(RichText::new("Opacity").color(tokens.weak));
        let mut opacity = entry.opacity;
        let slider = Slider::new(&mut opacity, 0.0..=1.0).fixed_decimals(2);
        if ui.add(slider).labelled_by(caption.id).changed() {
            context.actions.send(SegmentAction::Look(LookChange::Opacity { id: entry.id, opacity }));
        }
        ui.end_row();
    });
}
