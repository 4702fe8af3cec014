//! The table of measurements: labels, distances and angles, two masks compared.

use egui::{ComboBox, Grid, RichText, ScrollArea, Ui};
use hilum_core::measure::{Interval, Scale, surface_area_error};

use super::{Context, command_button, sheet};
use crate::command::{MeasureAction, UiCommand as C};
use crate::jobs::{Agreed, Compared, LabelRow};
use crate::state::Session;
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.editable() else { return };
    ui.horizontal(|ui| {
        ui.label(RichText::new("Measurements").strong());
        ui.separator();
        for command in [C::CopyMeasurements, C::SaveMeasurements, C::CompareWithMask, C::ClearRulers] {
            command_button(ui, context, command);
        }
        if ui.button("Close table").on_hover_text(C::ShowMeasurements.tooltip(ui.ctx())).clicked() {
            context.actions.send(C::ShowMeasurements);
        }
    });
    let stale = session.table.as_ref().is_none_or(|table| table.labels_revision != session.labels_revision);
    ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        if stale {
            ui.set_opacity(0.6);
        }
        labels(ui, context, session);
        rulers(ui, context, session);
        comparison(ui, context, session);
    });
}

fn titles(ui: &mut Ui, titles: &[&str]) {
    let tokens = theme::of(ui);
    for title in titles {
        ui.label(RichText::new(*title).small().color(tokens.weak));
    }
    ui.end_row();
}

fn labels(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let rows = session.table.as_ref().map_or(&[][..], |table| &table.rows);
    if rows.is_empty() {
        let tokens = theme::of(ui);
        let text = match session.table {
            Some(_) => "No label has voxels yet; figures appear here as soon as one has.",
            None => "Measuring…",
        };
        ui.label(RichText::new(text).color(tokens.weak));
        return;
    }
    let scale = Scale::of(session.volume());
    let unit = session.volume().meta().modality.unit();
    let mean = format!("Mean {unit}");
    let size = format!("{} {}", scale.size_name(), scale.size_unit());
    let [long, short] = ["Long", "Short"].map(|which| format!("{which} axis {}", scale.length_unit()));
    let border = format!("{} {}", scale.border_name(), scale.border_unit());
    Grid::new("label measurements").striped(true).spacing([22.0, 4.0]).show(ui, |ui| {
        titles(
            ui,
            &[
                "Label",
                &size,
                &long,
                &short,
                "Slice",
                &border,
                mean.trim(),
                "SD",
                "Median",
                "5–95 %",
                "Parts",
            ],
        );
        for row in rows {
            label(ui, context, session, row, &scale);
            ui.end_row();
        }
    });
}

fn label(ui: &mut Ui, context: Context<'_>, session: &Session, row: &LabelRow, scale: &Scale) {
    let figures = &row.figures;
    ui.label(sheet::label_name(session, row.label));
    let digits = if scale.size_unit() == "ml" { 3 } else { 0 };
    interval(ui, Some(figures.volume_ml.map(|ml| scale.size(ml))), digits);
    interval(ui, Some(figures.long_axis_mm.map(|world| scale.length(world))), 1);
    interval(ui, Some(figures.short_axis_mm.map(|world| scale.length(world))), 1);
    match figures.recist.filter(|_| !session.views.is_flat()) {
        Some(recist) => {
            let text = format!("{}", recist.slice + 1);
            let name =
                format!("Go to the long axis of {}, slice {text}", sheet::label_name(session, row.label));
            let link = ui.link(text).on_hover_text(&name);
            link.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &name));
            if link.clicked() {
                context.actions.send(MeasureAction::GoToAxis(row.label));
            }
        }
        None => drop(ui.label("–")),
    }
    let error = surface_area_error(session.volume().grid().spacing_mm()) * 100.0;
    let what = scale.border_name().to_lowercase();
    let note = format!("The {what} of a round shape is found within {error:.0} % at this spacing");
    let border = figures.surface_mm2.map(|mm2| scale.border(mm2));
    ui.scope(|ui| interval(ui, Some(border), 0)).response.on_hover_text(note);
    interval(ui, figures.mean, 1);
    let statistics = figures.statistics;
    let text = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    ui.label(text(statistics.map(|s| format!("{:.1}", s.sd))));
    ui.label(text(statistics.map(|s| format!("{:.0}", s.median))));
    ui.label(text(statistics.map(|s| format!("{:.0} to {:.0}", s.p5, s.p95))));
    let parts = RichText::new(row.parts.to_string());
    match row.parts {
        0 | 1 => drop(ui.label(parts)),
        _ => drop(ui.label(parts.color(theme::of(ui).warning)).on_hover_text("The axes span all parts")),
    }
}

/// "12.3 (11.9 – 12.8)".
fn interval(ui: &mut Ui, interval: Option<Interval>, digits: usize) {
    let tokens = theme::of(ui);
    let Some(Interval { value, low, high }) = interval else {
        ui.label("–");
        return;
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.label(format!("{value:.digits$}"));
        ui.label(RichText::new(format!("({low:.digits$} – {high:.digits$})")).small().color(tokens.weak))
            .on_hover_text("With the outline half a voxel further in, and half a voxel further out");
    });
}

fn rulers(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let list = session.document.rulers().list();
    if list.is_empty() {
        return;
    }
    let tokens = theme::of(ui);
    let scale = Scale::of(session.volume());
    ui.add_space(6.0);
    Grid::new("rulers").striped(true).spacing([22.0, 4.0]).show(ui, |ui| {
        titles(ui, &["Drawn", "Value", "", ""]);
        for ruler in list {
            let (value, unit) = sheet::ruler_value(&ruler.shape, session.volume().grid(), &scale);
            ui.label(ruler.name());
            ui.horizontal(|ui| {
                ui.label(format!("{:.1} {unit}", value.value));
                let range = format!("({:.1} – {:.1})", value.low, value.high);
                ui.label(RichText::new(range).small().color(tokens.weak))
                    .on_hover_text("Every point may lie half a voxel beside where it was placed");
            });
            if named_button(ui, "Show", &format!("Show {}", ruler.name())) {
                context.actions.send(MeasureAction::GoTo(ruler.id));
            }
            if named_button(ui, "Delete", &format!("Delete {}", ruler.name())) {
                context.actions.send(MeasureAction::Remove(ruler.id));
            }
            ui.end_row();
        }
    });
}

/// A small button whose name says more than its text.
fn named_button(ui: &mut Ui, text: &str, name: &str) -> bool {
    let button = ui.small_button(text).on_hover_text(name);
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    button.clicked()
}

fn comparison(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let used = session.document.labels().used_labels();
    if used.is_empty() || (used.len() < 2 && session.reference.is_none()) {
        return;
    }
    let tokens = theme::of(ui);
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new("Compare").color(tokens.weak));
        let first = session.compared.map_or(used[0], |compared| compared.label);
        let mut choice = session.compared;
        let name = sheet::label_name(session, first);
        let combo = ComboBox::from_id_salt("compared label").selected_text(name).show_ui(ui, |ui| {
            for id in &used {
                if ui.selectable_label(first == *id, sheet::label_name(session, *id)).clicked() {
                    choice = others(session, &used, *id).first().copied();
                }
            }
        });
        combo.response.labelled_by(caption.id);
        let caption = ui.label(RichText::new("with").color(tokens.weak));
        let name = session.compared.map_or_else(|| "choose…".to_owned(), |c| other_name(session, c));
        let combo = ComboBox::from_id_salt("compared other").selected_text(name).show_ui(ui, |ui| {
            for other in others(session, &used, first) {
                if ui.selectable_label(choice == Some(other), other_name(session, other)).clicked() {
                    choice = Some(other);
                }
            }
        });
        combo.response.labelled_by(caption.id);
        if choice != session.compared {
            context.actions.send(MeasureAction::Compare(choice));
        }
        let agreed = session.table.as_ref().and_then(|table| table.agreed);
        if let Some(Agreed { agreement, .. }) =
            agreed.filter(|agreed| Some(agreed.compared) == session.compared)
        {
            let scale = Scale::of(session.volume());
            let told = |world: f64| format!("{:.2} {}", scale.length(world), scale.length_unit());
            let length = |world: Option<f64>| world.map_or_else(|| "–".to_owned(), told);
            ui.separator();
            ui.label(format!(
                "Dice {:.3}   HD95 {}   mean surface distance {}",
                agreement.dice,
                length(agreement.hd95_mm),
                length(agreement.mean_distance_mm)
            ));
        }
    });
}

/// What a label can be compared with.
fn others(session: &Session, used: &[u16], first: u16) -> Vec<Compared> {
    let here = used.iter().filter(|id| **id != first);
    let mut found: Vec<Compared> =
        here.map(|id| Compared { label: first, other: *id, in_reference: false }).collect();
    if let Some((_, labels)) = &session.reference {
        let there = labels.used_labels().into_iter();
        found.extend(there.map(|other| Compared { label: first, other, in_reference: true }));
    }
    found
}

fn other_name(session: &Session, compared: Compared) -> String {
    match (&session.reference, compared.in_reference) {
        (Some((file, _)), true) => format!("label {} of {file}", compared.other),
        _ => sheet::label_name(session, compared.other),
    }
}
