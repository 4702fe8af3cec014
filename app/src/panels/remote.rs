//! Searching and fetching from servers, and storing on them.

use egui::{Button, ComboBox, Grid, Key, ProgressBar, RichText, ScrollArea, TextEdit, Ui, vec2};
use hilum_dicomweb::{Query, Series, Study};

use super::{Context, command_button, sentence};
use crate::command::{RemoteAction, UiCommand as C};
use crate::state::{Login, Remote};
use crate::theme;

/// Width of what is typed into.
const FIELD: f32 = 300.0;

/// The dialog that searches and fetches.
pub(super) fn open(ui: &mut Ui, context: Context<'_>) {
    let remote = &context.state.remote;
    ui.heading("Open from server");
    ui.add_space(6.0);
    if !server(ui, context) {
        return;
    }
    search(ui, context, &remote.query);
    status(ui, context);
    if let Some(studies) = &remote.studies {
        ui.add_space(6.0);
        results(ui, context, studies);
    }
}

/// The dialog that stores labels.
pub(super) fn store(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    ui.heading("Store labels on server");
    ui.add_space(6.0);
    if !server(ui, context) {
        return;
    }
    ui.label(
        "The labels become a DICOM segmentation (SEG) of this series. It is fetched again and compared.",
    );
    ui.label(RichText::new("It carries the patient's data of the images.").color(tokens.weak));
    ui.add_space(6.0);
    let is_ready = context.state.can_store_labels() && context.state.remote.running.is_none();
    if ui.add_enabled(is_ready, Button::new("Store")).clicked() {
        context.actions.send(RemoteAction::Store);
    }
    status(ui, context);
}

/// Which server; `false` if none was set up.
fn server(ui: &mut Ui, context: Context<'_>) -> bool {
    let remote = &context.state.remote;
    let Some(current) = remote.server() else {
        ui.label("No server has been set up. Hilum speaks to none unless you do so.");
        message(ui, remote);
        command_button(ui, context, C::Servers);
        return false;
    };
    ui.horizontal(|ui| {
        let caption = ui.label("Server");
        let combo = ComboBox::from_id_salt("server").width(260.0).selected_text(&current.name);
        let combo = combo.show_ui(ui, |ui| {
            for server in &remote.servers.servers {
                let is_current = server.name == current.name;
                if ui.selectable_label(is_current, &server.name).on_hover_text(&server.url).clicked() {
                    context.actions.send(RemoteAction::Choose(server.name.clone()));
                }
            }
        });
        combo.response.labelled_by(caption.id).on_hover_text(&current.url);
        command_button(ui, context, C::Servers);
    });
    true
}

fn search(ui: &mut Ui, context: Context<'_>, query: &Query) {
    let mut query = query.clone();
    let (mut is_changed, mut is_entered) = (false, false);
    Grid::new("search").num_columns(4).spacing([12.0, 6.0]).show(ui, |ui| {
        let Query { patient_name, patient_id, accession, from, until, modality, description, .. } =
            &mut query;
        let fields = [
            ("Patient name", patient_name, "Doe, Doe^J*"),
            ("Patient ID", patient_id, ""),
            ("First day", from, "2024-01-31"),
            ("Last day", until, "2024-12-31"),
            ("Modality", modality, "CT, MR, PT"),
            ("Description", description, "part of it"),
            ("Accession", accession, ""),
        ];
        for (number, (name, text, hint)) in fields.into_iter().enumerate() {
            let caption = ui.label(name);
            let field = TextEdit::singleline(text).hint_text(hint).min_size(vec2(FIELD, 0.0));
            let response = ui.add(field).labelled_by(caption.id);
            is_changed |= response.changed();
            is_entered |= response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            if number % 2 == 1 {
                ui.end_row();
            }
        }
        ui.label("");
        let similar = ui.checkbox(&mut query.fuzzy, "Similar names");
        is_changed |= similar.on_hover_text("Names that sound alike count, if the server can tell").changed();
        ui.end_row();
    });
    if is_changed {
        context.actions.send(RemoteAction::Query(Box::new(query)));
    }
    let is_asked = ui.button("Search").on_hover_text("Empty fields do not matter").clicked();
    if is_asked || is_entered {
        context.actions.send(RemoteAction::Search);
    }
}

/// What is being done, with a way to stop it; the login that is missing; how it ended.
pub(super) fn status(ui: &mut Ui, context: Context<'_>) {
    let remote = &context.state.remote;
    if let Some(running) = &remote.running {
        ui.horizontal(|ui| {
            ui.spinner();
            let caption = ui.label(sentence(&running.what));
            if let Some(share) = running.share {
                ui.add(ProgressBar::new(share).desired_width(220.0).show_percentage())
                    .labelled_by(caption.id);
            }
            if ui.button("Stop").clicked() {
                context.actions.send(RemoteAction::Stop);
            }
        });
    }
    if let Some(login) = &remote.login {
        log_in(ui, context, login);
    }
    message(ui, remote);
}

fn message(ui: &mut Ui, remote: &Remote) {
    let tokens = theme::of(ui);
    if let Some(error) = &remote.error {
        ui.label(RichText::new(sentence(error)).color(tokens.warning));
    }
    if let Some(done) = &remote.done {
        ui.label(RichText::new(done).color(tokens.accent));
    }
}

fn log_in(ui: &mut Ui, context: Context<'_>, login: &Login) {
    let tokens = theme::of(ui);
    let (mut typed, mut keep) = (login.typed.clone(), login.keep);
    ui.label(RichText::new(sentence(&login.why)).color(tokens.warning));
    ui.horizontal(|ui| {
        let caption = ui.label("Password or token");
        let field = TextEdit::singleline(&mut *typed.0).password(true).desired_width(220.0);
        let response = ui.add(field).labelled_by(caption.id);
        let is_kept = ui.checkbox(&mut keep, "Keep it").on_hover_text("In the key ring of the system");
        if response.changed() || is_kept.changed() {
            context.actions.send(RemoteAction::Typing(typed.clone(), keep));
        }
        let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if ui.button("Log in").clicked() || is_entered {
            context.actions.send(RemoteAction::LogIn);
        }
    });
}

fn results(ui: &mut Ui, context: Context<'_>, studies: &[Study]) {
    let tokens = theme::of(ui);
    let remote = &context.state.remote;
    let text = match studies.len() {
        0 => "No study was found".to_owned(),
        1 => "1 study".to_owned(),
        count if count == remote.query.limit => format!("The first {count} studies; search for less"),
        count => format!("{count} studies"),
    };
    ui.label(RichText::new(text).color(tokens.weak));
    let list = ScrollArea::both().id_salt("studies").max_height(220.0).auto_shrink([false, true]);
    list.show(ui, |ui| {
        Grid::new("studies").num_columns(6).striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
            titles(ui, &["Patient", "ID", "Date", "Modalities", "Series", "Description"]);
            for study in studies {
                let is_shown = remote.study.as_ref() == Some(&study.uid);
                let name = if study.patient_name.is_empty() { "(no name)" } else { &study.patient_name };
                let response =
                    ui.selectable_label(is_shown, name).on_hover_text("Show the series of this study");
                if response.clicked() {
                    context.actions.send(RemoteAction::ShowStudy(study.uid.clone()));
                }
                ui.label(&study.patient_id);
                ui.label(&study.date);
                ui.label(study.modalities.join(" "));
                ui.label(study.series.map_or_else(String::new, |count| count.to_string()));
                ui.label(&study.description);
                ui.end_row();
            }
        });
    });
    if remote.study.is_some() && !remote.series.is_empty() {
        ui.add_space(6.0);
        series(ui, context, &remote.series);
    }
}

fn series(ui: &mut Ui, context: Context<'_>, series: &[Series]) {
    let list = ScrollArea::both().id_salt("series of the study").max_height(180.0);
    list.auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("series of the study").num_columns(4).striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
            titles(ui, &["Series", "Modality", "Images", ""]);
            for (place, one) in series.iter().enumerate() {
                let number = one.number.unwrap_or(place as i64 + 1);
                let name = match one.description.as_str() {
                    "" => format!("Series {number}"),
                    description => description.to_owned(),
                };
                ui.label(name);
                ui.label(&one.modality);
                ui.label(one.instances.map_or_else(String::new, |count| count.to_string()));
                let fetch = ui.button("Fetch");
                if fetch.on_hover_text("Fetch this series and open it").clicked() {
                    let (study, series) = (one.study_uid.clone(), one.uid.clone());
                    context.actions.send(RemoteAction::Fetch { study, series });
                }
                ui.end_row();
            }
        });
    });
}

fn titles(ui: &mut Ui, titles: &[&str]) {
    let tokens = theme::of(ui);
    for title in titles {
        ui.label(RichText::new(*title).small().color(tokens.weak));
    }
    ui.end_row();
}
