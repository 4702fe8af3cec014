//! The tool in hand, the proposal, and the size of the lesion.

use egui::{ProgressBar, RichText, Slider, Ui};
use hilum_models::infer::ClickResult;

use super::{Context, command_button, fact, operate, primary_button};
use crate::command::{SegmentAction, UiCommand as C};
use crate::state::{BRUSH_RANGE_MM, Session, Tool};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = &context.state.session else { return };
    if session.is_glimpse {
        ui.label("The first slice is shown while the rest is being read.");
        return;
    }
    match context.state.tool {
        Tool::Navigate if session.views.is_flat() => {
            hint(ui, "Drag for window and level, right drag to zoom, middle drag to move the picture.")
        }
        Tool::Navigate => hint(ui, &context.state.settings.mouse.hint()),
        Tool::Ellipse => hint(
            ui,
            "Drag the middle or the ends of an axis. Where disc or cup is missing, drag a box around it.",
        ),
        Tool::Distance => hint(ui, "Click or drag from one point to the other. Escape starts again."),
        Tool::Angle => hint(ui, "Click one end, the vertex, the other end. Escape starts again."),
        Tool::Point => point(ui, context, session),
        Tool::Brush | Tool::Eraser | Tool::Threshold | Tool::Adaptive => {
            brush(ui, context, session);
            operate::show(ui, context, session);
        }
        Tool::Polygon | Tool::Lasso | Tool::Operation(_) => operate::show(ui, context, session),
    }
    proposal(ui, context, session);
    if !session.views.is_flat() {
        measurement(ui, session);
    }
    if let Some(result) = &session.result {
        speed(ui, result);
    }
}

pub(super) fn hint(ui: &mut Ui, text: &str) {
    let tokens = theme::of(ui);
    ui.label(RichText::new(text).color(tokens.weak));
}

fn point(ui: &mut Ui, context: Context<'_>, session: &Session) {
    if !session.can_segment() {
        hint(ui, "One-click segmentation needs a volume; this image has one slice.");
        return;
    }
    ui.horizontal(|ui| {
        let negative = context.state.negative;
        let keys = C::ToggleSign.tooltip(ui.ctx());
        for (sign, text) in [(false, "+ inside"), (true, "− outside")] {
            if ui.selectable_label(negative == sign, text).on_hover_text(&keys).clicked() && negative != sign
            {
                context.actions.send(C::ToggleSign);
            }
        }
    });
    if session.document.prompts().is_empty() {
        hint(ui, "Click the middle of a lesion.");
    } else if session.document.preview().is_some() {
        hint(ui, "Click where it leaks (−) or misses (+), or accept.");
    }
}

fn brush(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    let unit = if session.volume().meta().has_physical_spacing { " mm" } else { " px" };
    let shapes = if session.views.is_flat() { &[][..] } else { &[(false, "Disc"), (true, "Ball")][..] };
    ui.horizontal(|ui| {
        for &(ball, text) in shapes {
            let keys = C::ToggleBall.tooltip(ui.ctx());
            let on = context.state.settings.ball == ball;
            if ui.selectable_label(on, text).on_hover_text(keys).clicked() && !on {
                context.actions.send(C::ToggleBall);
            }
        }
    });
    ui.horizontal(|ui| {
        let caption = ui.label(RichText::new("Radius").color(tokens.weak));
        let mut radius = context.state.settings.brush_radius_mm;
        let slider =
            Slider::new(&mut radius, BRUSH_RANGE_MM.0..=BRUSH_RANGE_MM.1).logarithmic(true).suffix(unit);
        if ui.add(slider).labelled_by(caption.id).changed() {
            context.actions.send(SegmentAction::BrushRadius(radius));
        }
    });
}

fn proposal(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    if let Some(running) = &session.running {
        ui.horizontal(|ui| {
            // No animation: where the CPU draws and thinks, every frame is taken from the network.
            let bar = ProgressBar::new(running.share.unwrap_or(0.0));
            ui.add(bar.desired_width(160.0).fill(tokens.accent));
            if ui.button("Cancel").on_hover_text(C::Cancel.tooltip(ui.ctx())).clicked() {
                context.actions.send(C::Cancel);
            }
        });
        let text =
            format!("{}   {:.1} s", super::sentence(&running.what), running.since.elapsed().as_secs_f64());
        ui.label(RichText::new(text).small().color(tokens.weak));
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(500));
    }
    let planned = session.document.staged().is_some();
    let Some(volume_ml) = session.document.preview_volume_ml().filter(|_| !planned) else { return };
    ui.add_space(4.0);
    fact(ui, "Proposal", &millilitres(volume_ml));
    if let Some(quality) = session.result.as_ref().and_then(|result| result.quality) {
        fact(ui, "Network's own certainty", &format!("{:.0} %", quality * 100.0));
    }
    ui.horizontal(|ui| {
        primary_button(ui, context, C::Accept, "Accept  (Enter)");
        command_button(ui, context, C::Reject);
    });
}

fn measurement(ui: &mut Ui, session: &Session) {
    let tokens = theme::of(ui);
    let active = session.document.table().active();
    let volume_ml = session.document.label_volume_ml(active);
    if volume_ml <= 0.0 {
        return;
    }
    ui.add_space(6.0);
    let name = session.document.table().get(active).map_or("", |entry| entry.name.as_str());
    ui.horizontal(|ui| {
        ui.label(RichText::new(millilitres(volume_ml)).size(22.0).color(tokens.text));
        ui.label(RichText::new(name).color(tokens.weak));
    });
    let Some(measured) = session.measurement.as_ref().filter(|m| m.label == active) else { return };
    let stale = measured.labels_revision != session.labels_revision;
    ui.scope(|ui| {
        if stale {
            ui.set_opacity(0.5);
        }
        if let Some(recist) = &measured.recist {
            fact(ui, "Long axis", &format!("{:.1} mm", recist.long_axis.length_mm));
            fact(ui, "Short axis", &format!("{:.1} mm", recist.short_axis.length_mm));
            fact(ui, "In slice", &format!("{}", recist.slice + 1));
            if measured.parts > 1 {
                let text = format!("The axes span all {} parts of the label", measured.parts);
                let hint = "One lesion is one part. Islands… makes each part a label, or keeps the largest";
                ui.label(RichText::new(text).small().color(tokens.warning)).on_hover_text(hint);
            }
        }
        if let Some((mean, sd)) = measured.mean_sd {
            let unit = session.volume().meta().modality.unit();
            fact(ui, "Mean ± SD", format!("{mean:.1} ± {sd:.1} {unit}").trim_end());
        }
    });
}

/// Where the seconds of the last click went.
fn speed(ui: &mut Ui, result: &ClickResult) {
    let tokens = theme::of(ui);
    let total: f64 = result.seconds.iter().map(|(_, secs)| secs).sum();
    ui.add_space(4.0);
    egui::CollapsingHeader::new(RichText::new(format!("Last click took {total:.2} s")).color(tokens.weak))
        .show(ui, |ui| {
            for (stage, secs) in &result.seconds {
                fact(ui, stage, &format!("{secs:.2} s"));
            }
            fact(ui, "Model", &result.model);
            fact(ui, "Device", &result.device);
        });
    for note in &result.notes {
        ui.label(RichText::new(note).small().color(tokens.warning));
    }
}

/// A volume with as many digits as it deserves.
pub(super) fn millilitres(ml: f64) -> String {
    match ml {
        ml if ml >= 100.0 => format!("{ml:.0} ml"),
        ml if ml >= 1.0 => format!("{ml:.1} ml"),
        ml => format!("{ml:.3} ml"),
    }
}
