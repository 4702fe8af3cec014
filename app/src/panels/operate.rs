//! Options of the tools that change labels.

use egui::{ComboBox, DragValue, ProgressBar, RichText, Slider, Ui};
use hilum_core::edit::{Logic, MAX_SMOOTH_MM, Shell};
use hilum_core::paint::IntensityRange;
use hilum_core::patch::DrawOver;

use super::result::hint;
use super::{Context, command_button, fact, primary_button};
use crate::command::{EditAction, UiCommand as C};
use crate::state::{EditOptions, HoleChoice, IslandChoice, OperationKind, Session, Tool, ViewId};
use crate::theme;

/// Seconds after which planning shows how far it is.
const PATIENCE_SECS: f64 = 0.3;

/// The options of the tool in the hand that are not those of every brush.
pub(super) fn show(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let mut options = context.state.options.clone();
    match context.state.tool {
        Tool::Threshold => {
            hint(ui, "Paints only voxels with values in this range.");
            range(ui, session, "Threshold", &mut options.threshold);
        }
        Tool::Adaptive => {
            hint(ui, "Paints what looks like the place under the cursor, up to its edges.");
            number(ui, "Spread (SD)", |ui| {
                ui.add(Slider::new(&mut options.spread, 0.5..=8.0).fixed_decimals(1))
            });
        }
        Tool::Polygon | Tool::Lasso => outline(ui, context),
        Tool::Operation(kind) => operation(ui, session, kind, &mut options),
        _ => {}
    }
    if options != context.state.options {
        context.actions.send(EditAction::Options(Box::new(options)));
    }
    if let Some(kind) = context.state.tool.operation() {
        plan(ui, context, session, kind);
    }
    ui.add_space(6.0);
    draw_over(ui, context, session);
}

/// A caption with the control that it names.
fn number(ui: &mut Ui, name: &str, control: impl FnOnce(&mut Ui) -> egui::Response) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new(name).color(tokens.weak));
        control(ui).labelled_by(caption.id);
    });
}

fn millimetres(ui: &mut Ui, session: &Session, name: &str, value: &mut f64, most: f64) {
    let unit = if session.volume().meta().has_physical_spacing { " mm" } else { " px" };
    number(ui, name, |ui| {
        ui.add(Slider::new(value, 0.1..=most).logarithmic(true).suffix(unit).max_decimals(1))
    });
}

/// One of a few; each is a radio button of its name.
fn choice<T: Copy + PartialEq>(ui: &mut Ui, all: &[(T, &str)], chosen: &mut T) {
    ui.horizontal_wrapped(|ui| {
        for (value, name) in all {
            ui.radio_value(chosen, *value, *name);
        }
    });
}

fn range(ui: &mut Ui, session: &Session, name: &str, range: &mut Option<IntensityRange>) {
    let (low, high) = session.views.window();
    let shown = range.get_or_insert(IntensityRange { low, high });
    let image = session.volume().range();
    let speed = f64::from((image.high - image.low).abs().max(1e-3)) / 400.0;
    let unit = session.volume().meta().modality.unit();
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        for (end, value) in [("from", &mut shown.low), ("to", &mut shown.high)] {
            let caption = ui.label(RichText::new(format!("{name} {end}")).color(tokens.weak));
            let field = DragValue::new(value).speed(speed).range(image.min..=image.max).max_decimals(2);
            ui.add(field).labelled_by(caption.id);
        }
        ui.label(RichText::new(unit).color(tokens.weak));
    });
}

fn outline(ui: &mut Ui, context: Context<'_>) {
    ui.horizontal(|ui| {
        let keys = C::ToggleSign.tooltip(ui.ctx());
        for (cut, text) in [(false, "Add"), (true, "Cut")] {
            let on = context.state.negative == cut;
            if ui.selectable_label(on, text).on_hover_text(&keys).clicked() && !on {
                context.actions.send(C::ToggleSign);
            }
        }
    });
    match context.state.tool {
        Tool::Lasso => hint(ui, "Draw around the region; letting go closes the outline, Esc drops it."),
        _ => hint(ui, "Click corners. Enter or a double click closes, Backspace takes one back, Esc drops."),
    }
}

fn operation(ui: &mut Ui, session: &Session, kind: OperationKind, options: &mut EditOptions) {
    let flat = session.views.is_flat();
    match kind {
        OperationKind::Grow => {
            hint(ui, "Grows through values like the label's, up to edges.");
            millimetres(ui, session, "At most", &mut options.grow_mm, 50.0);
            number(ui, "Edge strength", |ui| {
                ui.add(Slider::new(&mut options.edge, 0.0..=10.0).max_decimals(2))
            });
        }
        OperationKind::Fill => {
            hint(ui, "Click a region: what hangs together with the click and has the same label is filled.");
            if !flat {
                choice(ui, &[(false, "In the slice"), (true, "In 3-D")], &mut options.fill_volume);
            }
            ui.checkbox(&mut options.is_tolerant, "Only values near the click's");
            if options.is_tolerant {
                number(ui, "Tolerance", |ui| {
                    ui.add(DragValue::new(&mut options.tolerance).range(0.0..=f32::MAX).speed(1.0))
                });
            }
        }
        OperationKind::Holes => {
            hint(ui, "Fills what the label encloses.");
            if !flat {
                choice(ui, &HoleChoice::ALL, &mut options.holes);
                if options.holes != HoleChoice::Volume {
                    plane(ui, "Slices", options);
                }
            }
        }
        OperationKind::Between => {
            hint(ui, "Fills empty slices between labelled ones with shapes in between.");
            plane(ui, "Slices", options);
        }
        OperationKind::Islands => islands(ui, options),
        OperationKind::Median => {
            hint(ui, "Every voxel follows the majority of the ball around it.");
            millimetres(ui, session, "Radius", &mut options.median_mm, MAX_SMOOTH_MM / 2.5);
        }
        OperationKind::SmoothAll => {
            hint(ui, "Smooths all labels together: no gap opens, none overlap.");
            millimetres(ui, session, "Standard deviation", &mut options.sigma_mm, MAX_SMOOTH_MM / 2.5);
        }
        OperationKind::Margin => {
            choice(ui, &[(false, "Grow"), (true, "Shrink")], &mut options.shrink);
            millimetres(ui, session, "Distance", &mut options.margin_mm, 50.0);
        }
        OperationKind::Hollow => {
            choice(ui, &Shell::ALL, &mut options.shell);
            millimetres(ui, session, "Thickness", &mut options.hollow_mm, 50.0);
        }
        OperationKind::Logic => logic(ui, session, options),
    }
}

fn plane(ui: &mut Ui, name: &str, options: &mut EditOptions) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new(name).color(tokens.weak));
        for view in ViewId::PLANES {
            ui.radio_value(&mut options.plane, view, view.name());
        }
    });
}

fn islands(ui: &mut Ui, options: &mut EditOptions) {
    choice(ui, &IslandChoice::ALL, &mut options.islands);
    match options.islands {
        IslandChoice::KeepClicked => hint(ui, "Click the part that stays."),
        IslandChoice::RemoveSmall => number(ui, "Smaller than", |ui| {
            let slider = Slider::new(&mut options.island_mm3, 0.1..=100_000.0).logarithmic(true);
            ui.add(slider.suffix(" mm³").max_decimals(1))
        }),
        _ => {}
    }
}

fn logic(ui: &mut Ui, session: &Session, options: &mut EditOptions) {
    choice(ui, &Logic::ALL, &mut options.logic);
    if options.logic == Logic::Invert {
        return;
    }
    let table = session.document.table();
    let Some(chosen) = options.other_label(session) else {
        hint(ui, "This needs a second label; add one to the list of labels.");
        return;
    };
    let name = |id| table.get(id).map_or("", |entry| entry.name.as_str());
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new("With").color(tokens.weak));
        let combo = ComboBox::from_id_salt("other label").selected_text(name(chosen));
        let shown = combo.show_ui(ui, |ui| {
            for entry in table.entries().iter().filter(|entry| entry.id != table.active()) {
                ui.selectable_value(&mut options.other, Some(entry.id), &entry.name);
            }
        });
        shown.response.labelled_by(caption.id);
    });
    let unit = if session.volume().meta().has_physical_spacing { " mm" } else { " px" };
    number(ui, "Grown by", |ui| {
        ui.add(DragValue::new(&mut options.logic_margin_mm).range(0.0..=100.0).speed(0.1).suffix(unit))
    });
}

/// What the operation would change, and the buttons that decide.
fn plan(ui: &mut Ui, context: Context<'_>, session: &Session, kind: OperationKind) {
    let tokens = theme::of(ui);
    let editing = &session.editing;
    ui.add_space(4.0);
    if let Some(running) = &editing.running {
        let secs = running.since.elapsed().as_secs_f64();
        if secs > PATIENCE_SECS {
            ui.horizontal(|ui| {
                let bar = ProgressBar::new(running.share.unwrap_or(0.0));
                ui.add(bar.desired_width(160.0).fill(tokens.accent));
                if ui.button("Cancel").on_hover_text(C::Cancel.tooltip(ui.ctx())).clicked() {
                    context.actions.send(C::Cancel);
                }
            });
            let text = format!("{}   {secs:.1} s", super::sentence(&running.what));
            ui.label(RichText::new(text).small().color(tokens.weak));
        }
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
    }
    if let Some(change) = session.document.staged() {
        let voxel_ml = session.volume().grid().affine().voxel_volume_mm3() / 1000.0;
        let size = |count: usize| match session.views.is_flat() {
            true => format!("{count} px"),
            false => super::result::millilitres(count as f64 * voxel_ml),
        };
        fact(ui, "Would gain", &size(change.gained()));
        fact(ui, "Would lose", &size(change.lost()));
        if !change.table_changes().is_empty() {
            fact(ui, "New labels", &change.table_changes().len().to_string());
        }
    } else if let Some(note) = &editing.note {
        hint(ui, &super::sentence(note));
    } else if editing.running.is_none()
        && editing.applied.is_some()
        && !context.state.options.needs_click(kind)
    {
        hint(ui, "Applied. Change an option or preview again for another round.");
    }
    ui.horizontal(|ui| {
        if session.document.staged().is_some() || editing.running.is_some() {
            primary_button(ui, context, C::Accept, "Apply  (Enter)");
            let drop = ui.add_enabled(context.state.is_enabled(C::Reject), egui::Button::new("Drop  (Esc)"));
            if drop.on_hover_text("Drop the preview").clicked() {
                context.actions.send(C::Reject);
            }
        } else {
            command_button(ui, context, C::PreviewAgain);
        }
    });
}

/// What edits may change.
fn draw_over(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    let (document, table) = (&session.document, session.document.table());
    let rule = document.draw_over();
    let name = |rule: DrawOver| match rule {
        DrawOver::Everywhere => "Everywhere".to_owned(),
        DrawOver::Background => "Outside other labels".to_owned(),
        DrawOver::Label(id) => format!("Inside {}", table.get(id).map_or("", |entry| entry.name.as_str())),
    };
    let inside = table.entries().iter().map(|entry| DrawOver::Label(entry.id));
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new("Draw over").color(tokens.weak));
        let combo = ComboBox::from_id_salt("draw over").selected_text(name(rule)).show_ui(ui, |ui| {
            for other in [DrawOver::Everywhere, DrawOver::Background].into_iter().chain(inside) {
                if ui.selectable_label(rule == other, name(other)).clicked() {
                    context.actions.send(EditAction::DrawOver(other));
                }
            }
        });
        combo.response.labelled_by(caption.id).on_hover_text(C::NextDrawOver.tooltip(ui.ctx()));
    });
    let mut on = context.state.options.is_within;
    let check = ui.checkbox(&mut on, "Only values in a range");
    if check.on_hover_text(C::ToggleDrawRange.tooltip(ui.ctx())).changed() {
        context.actions.send(C::ToggleDrawRange);
    }
    if on {
        let mut options = context.state.options.clone();
        range(ui, session, "Values", &mut options.within);
        if options != context.state.options {
            context.actions.send(EditAction::Options(Box::new(options)));
        }
    }
}
