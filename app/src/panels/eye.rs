//! The eye: how far a person is, which eye, the figures, whether to trust them, and how the picture is seen.

mod rim;

use egui::{ProgressBar, RichText, Ui};
use hilum_core::fundus::{Enhancement, Laterality};
use hilum_core::measure::cdr::{DiscReading, Quality, Ratios, Trust};

use super::{Context, command_button, fact, primary_button};
use crate::command::{PhotoAction, UiCommand as C};
use crate::jobs::{PhotoReading, ReviewState};
use crate::state::{Photo, Session};
use crate::theme;

/// What the ratio is, for the read-out.
const VERTICAL: &str = "Vertical cup-to-disc ratio: image rows from the first to the last of the cup, over those of the \
    disc (rim and cup together). In brackets: both outlines moved by 2 % of the disc's height";

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.editable() else { return };
    let Some(photo) = &session.photo else { return };
    if !photo.is_eye() {
        plain(ui, context, session, photo);
        return;
    }
    review(ui, context, session, photo);
    eye(ui, context, photo);
    labelling(ui, context, session);
    if let Some(reading) = photo.figures() {
        match &reading.disc {
            Ok(both) => figures(ui, &both.1),
            Err(_) if session.labelling.is_empty() => nothing_yet(ui, context),
            Err(_) => {}
        }
        vessels(ui, context, reading);
    }
    look(ui, context, session, photo);
}

/// A picture of something else.
fn plain(ui: &mut Ui, context: Context<'_>, session: &Session, photo: &Photo) {
    let tokens = theme::of(ui);
    labelling(ui, context, session);
    command_button(ui, context, C::LabelImage);
    // Nobody takes a slide for a photograph of an eye.
    if !photo.facts.pages.is_empty() {
        return;
    }
    if session.volume().voxels().is_color() {
        // Nothing is wrong with a picture of something else.
        let text = format!("Not taken for a photograph of the fundus: {}", photo.facts.doubts());
        ui.label(RichText::new(text).small().color(tokens.weak));
    }
    command_button(ui, context, C::MeasureAnyway);
}

fn review(ui: &mut Ui, context: Context<'_>, session: &Session, photo: &Photo) {
    let tokens = theme::of(ui);
    let state = photo.state(&session.document);
    let color = match state {
        ReviewState::Open => tokens.weak,
        ReviewState::Proposed => tokens.warning,
        ReviewState::Corrected => tokens.accent,
        ReviewState::Reviewed => tokens.good,
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new(super::sentence(state.text())).strong().color(color))
            .on_hover_text("Open, proposed by a network, corrected by hand, or reviewed");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if state != ReviewState::Reviewed {
                primary_button(ui, context, C::MarkReviewed, "Mark reviewed");
            }
        });
    });
}

fn eye(ui: &mut Ui, context: Context<'_>, photo: &Photo) {
    let tokens = theme::of(ui);
    let guess = photo.figures().and_then(|reading| reading.eye);
    ui.horizontal(|ui| {
        for (eye, text) in [(Laterality::Right, "OD right eye"), (Laterality::Left, "OS left eye")] {
            let is_it = guess.is_some_and(|guess| guess.laterality == eye);
            let hint = "Say which eye it is; nasal and temporal depend on it";
            if ui.selectable_label(is_it, text).on_hover_text(hint).clicked() {
                context.actions.send(PhotoAction::Eye(eye));
            }
        }
    });
    let text = match &guess {
        Some(guess) => {
            format!("{}, {:.0} % sure", crate::cli::cdr::eye_text(guess), guess.confidence * 100.0)
        }
        None => "Nothing tells which eye it is".to_owned(),
    };
    let color = if guess.is_none_or(|guess| guess.is_disputed) { tokens.warning } else { tokens.weak };
    ui.label(RichText::new(super::sentence(&text)).small().color(color));
}

/// Questions to networks that are under way.
fn labelling(ui: &mut Ui, context: Context<'_>, session: &Session) {
    let tokens = theme::of(ui);
    for running in &session.labelling {
        ui.horizontal(|ui| {
            let bar = ProgressBar::new(running.share.unwrap_or(0.0));
            ui.add(bar.desired_width(160.0).fill(tokens.accent));
            if ui.button("Cancel").on_hover_text(C::Cancel.tooltip(ui.ctx())).clicked() {
                context.actions.send(C::Cancel);
            }
        });
        let secs = running.since.elapsed().as_secs_f64();
        let text = format!("{}: {}   {secs:.1} s", running.model, running.what);
        ui.label(RichText::new(text).small().color(tokens.weak));
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(500));
    }
}

/// No disc is outlined.
fn nothing_yet(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    if context.state.model_for("disc_cup").is_some() {
        ui.label(RichText::new("No disc is outlined.").color(tokens.weak));
        command_button(ui, context, C::OutlineDisc);
    } else if context.state.models_known {
        let text = "No model for optic disc and cup is installed. Outline them with the ellipse (O) or the brush (B), \
                    or add a model on the command line: hilum models import";
        ui.label(RichText::new(text).color(tokens.warning));
    }
}

fn figures(ui: &mut Ui, figures: &DiscReading) {
    let tokens = theme::of(ui);
    ui.add_space(4.0);
    if let Some(Ratios { vertical, horizontal, area }) = &figures.ratios {
        let usable = figures.quality.trust != Trust::No;
        ui.horizontal(|ui| {
            let color = if usable { tokens.text } else { tokens.weak };
            ui.label(RichText::new(format!("{:.2}", vertical.value)).size(28.0).color(color))
                .on_hover_text(VERTICAL);
            ui.vertical(|ui| {
                ui.label(RichText::new("Vertical CDR").color(tokens.text)).on_hover_text(VERTICAL);
                let interval = format!("{:.2} to {:.2}", vertical.low, vertical.high);
                ui.label(RichText::new(interval).small().color(tokens.weak)).on_hover_text(VERTICAL);
            });
        });
        fact(ui, "Horizontal CDR", &crate::cli::cdr::interval(*horizontal));
        fact(ui, "Area CDR", &crate::cli::cdr::interval(*area));
    }
    trust(ui, &figures.quality);
    if let Some(rim) = &figures.rim {
        rim::show(ui, rim);
    }
}

fn trust(ui: &mut Ui, quality: &Quality) {
    let tokens = theme::of(ui);
    let (text, color) = match quality.trust {
        Trust::Good => ("Quality: good", tokens.good),
        Trust::Check => ("Check the outlines before you use the figures", tokens.warning),
        Trust::No => ("Do not trust these figures", tokens.error),
    };
    ui.label(RichText::new(text).strong().color(color));
    for reason in &quality.reasons {
        let text = super::sentence(&reason.to_string());
        ui.label(RichText::new(text).small().color(tokens.weak));
    }
}

fn vessels(ui: &mut Ui, context: Context<'_>, reading: &PhotoReading) {
    let tokens = theme::of(ui);
    if let Some(share) = reading.vessel_share {
        fact(ui, "Vessels", &format!("{:.1} % of the field outside the disc", share * 100.0));
    } else if context.state.model_for("vessels").is_some() {
        command_button(ui, context, C::OutlineVessels);
    } else if context.state.models_known {
        ui.label(RichText::new("No model for vessels is installed.").small().color(tokens.weak));
    }
}

/// Ways to see the picture.
fn look(ui: &mut Ui, context: Context<'_>, session: &Session, photo: &Photo) {
    ui.add_space(4.0);
    if Photo::can_enhance(session.volume()) {
        let ways = [
            (Enhancement::None, "Colour", "The photograph as it is"),
            (Enhancement::Green, "Green", "The green channel, in which vessels stand out"),
            (Enhancement::GreenClahe, "Green +", "The green channel with local contrast (CLAHE)"),
            (Enhancement::Clahe, "Colour +", "Colour with local contrast (CLAHE)"),
        ];
        ui.horizontal_wrapped(|ui| {
            for (how, text, hint) in ways {
                let keys = C::NextEnhancement.shortcut_text(ui.ctx()).unwrap_or_default();
                let hint = format!("{hint} ({keys}: next)");
                if ui.selectable_label(photo.enhancement() == how, text).on_hover_text(hint).clicked() {
                    context.actions.send(PhotoAction::Enhance(how));
                }
            }
        });
    }
    ui.horizontal_wrapped(|ui| {
        command_button(ui, context, C::ZoomToDisc);
        command_button(ui, context, C::ResetView);
        command_button(ui, context, C::SavePage);
    });
}
