//! The model browser: what there is, what it says of itself, and which one answers clicks.

use egui::{CollapsingHeader, Grid, RichText, ScrollArea, Ui};
use hilum_models::catalog::{ClickTask, Task};
use hilum_models::train::recipe::Stage;

use super::Context;
use crate::command::Action;
use crate::jobs::ModelInfo;
use crate::state::EngineState;
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    ui.heading("Models");
    ui.label(RichText::new(in_use(context)).color(tokens.weak));
    ui.add_space(6.0);
    ScrollArea::vertical().max_height(460.0).auto_shrink([false, true]).show(ui, |ui| {
        if ui.radio(context.state.settings.model.is_none(), "The program's own choice").clicked() {
            context.actions.send(Action::Model(None));
        }
        ui.separator();
        let mut models: Vec<&ModelInfo> = context.state.models.iter().collect();
        // A person's own models first.
        models.sort_by_key(|model| model.is_embedded);
        for model in models {
            ui.push_id(&model.card.id, |ui| entry(ui, context, model));
            ui.separator();
        }
        if context.state.models.is_empty() {
            ui.label("Looking for models…");
        }
    });
    let more = "More are added on the command line: hilum models import FILE --arch NAME --name ID";
    ui.label(RichText::new(more).small().color(tokens.weak));
}

fn in_use(context: Context<'_>) -> String {
    match &context.state.engine {
        EngineState::Ready { model, device, .. } => format!("In use: {model} on {device}"),
        EngineState::Loading => "Loading…".into(),
        EngineState::Failed(why) => format!("Not available: {why}"),
        EngineState::Idle => "Loaded with the first image".into(),
    }
}

fn entry(ui: &mut Ui, context: Context<'_>, model: &ModelInfo) {
    let tokens = theme::of(ui);
    let card = &model.card;
    let answers_clicks = card.click().is_some_and(|task| matches!(task.stage, Stage::Fine { .. }));
    ui.horizontal(|ui| {
        if answers_clicks {
            let chosen = context.state.settings.model.as_ref() == Some(&card.id);
            let hint = "Let this model answer clicks";
            if ui.radio(chosen, RichText::new(&card.id).strong()).on_hover_text(hint).clicked() {
                context.actions.send(Action::Model(Some(card.id.clone())));
            }
        } else {
            ui.label(RichText::new(&card.id).strong());
        }
        ui.label(RichText::new(role(model)).small().color(tokens.weak));
    });
    ui.label(&card.title);
    CollapsingHeader::new(format!("Card of {}", card.id)).show(ui, |ui| details(ui, model));
}

/// Place in the pipeline and origin.
fn role(model: &ModelInfo) -> String {
    let role = match &model.card.task {
        Task::Click(ClickTask { stage: Stage::Coarse { .. }, .. }) => "one click, first stage",
        Task::Click(ClickTask { stage: Stage::Fine { .. }, .. }) => "one click, second stage",
        Task::Dense(task) => match task.purpose.as_deref() {
            Some("disc_cup") => "outlines optic disc and cup",
            Some("disc") => "finds the optic disc",
            Some("vessels") => "outlines retinal vessels",
            _ => "labels images",
        },
        Task::Unassigned => "no task assigned",
    };
    format!("{role} · {}", if model.is_embedded { "inside the program" } else { "yours" })
}

fn details(ui: &mut Ui, model: &ModelInfo) {
    let card = &model.card;
    let lines = |items: &[String]| items.join("\n");
    let rows = [
        ("Network", card.arch.clone()),
        ("Licence", card.licence.clone()),
        ("Data", lines(&card.data)),
        ("Set aside", card.split.clone()),
        ("Training", card.training.clone()),
        ("Figures", lines(&card.figures)),
        ("Limits", lines(&card.limits)),
    ];
    Grid::new("card").num_columns(2).spacing([16.0, 6.0]).show(ui, |ui| {
        for (name, text) in rows {
            ui.label(RichText::new(name).strong());
            ui.add(egui::Label::new(text).wrap());
            ui.end_row();
        }
    });
}
