//! The settings of servers.

use std::path::PathBuf;

use egui::{Grid, TextEdit, Ui};
use hilum_dicomweb::Auth;

use super::{Context, remote};
use crate::command::RemoteAction;
use crate::state::ServerDraft;
use crate::theme;

const FIELD: f32 = 360.0;

/// The dialog in which servers are set up.
pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let tokens = theme::of(ui);
    let state = &context.state.remote;
    ui.heading("Servers");
    let what = "Archives that speak DICOMweb. Hilum talks to them when you search, fetch or store, and to nobody else.";
    ui.label(egui::RichText::new(what).color(tokens.weak));
    ui.add_space(6.0);
    ui.horizontal_wrapped(|ui| {
        for server in &state.servers.servers {
            let is_shown = state.draft.as_ref().and_then(|d| d.before.as_ref()) == Some(&server.name);
            if ui.selectable_label(is_shown, &server.name).on_hover_text(&server.url).clicked() {
                draft(context, Some(ServerDraft::of(server)));
                context.actions.send(RemoteAction::Choose(server.name.clone()));
            }
        }
        if ui.button("New server").clicked() {
            draft(context, Some(ServerDraft::new()));
        }
    });
    if let Some(shown) = &state.draft {
        ui.separator();
        form(ui, context, shown);
    }
    remote::status(ui, context);
}

fn draft(context: Context<'_>, draft: Option<ServerDraft>) {
    context.actions.send(RemoteAction::Draft(draft.map(Box::new)));
}

fn form(ui: &mut Ui, context: Context<'_>, shown: &ServerDraft) {
    let mut changed = shown.clone();
    Grid::new("server form").num_columns(2).spacing([14.0, 8.0]).show(ui, |ui| {
        field(ui, "Name", &mut changed.server.name, "");
        field(ui, "Address", &mut changed.server.url, "https://pacs.example/dicom-web");
        login(ui, &mut changed);
        let mut file =
            changed.server.ca_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        if field(ui, "Authorities (PEM)", &mut file, "empty: those of the system") {
            changed.server.ca_file = Some(PathBuf::from(file)).filter(|path| !path.as_os_str().is_empty());
        }
        ui.label("");
        ui.vertical(|ui| {
            let hint = "Patients' data and passwords can then be read by others on the way";
            ui.checkbox(&mut changed.server.allow_http, "Allow plain HTTP").on_hover_text(hint);
            ui.checkbox(&mut changed.shows_services, "Services have addresses of their own");
        });
        ui.end_row();
        if changed.shows_services {
            let server = &mut changed.server;
            for (name, own) in [
                ("Search (QIDO)", &mut server.qido),
                ("Fetch (WADO)", &mut server.wado),
                ("Store (STOW)", &mut server.stow),
            ] {
                let mut text = own.clone().unwrap_or_default();
                if field(ui, name, &mut text, "empty: the address above") {
                    *own = Some(text).filter(|text| !text.is_empty());
                }
            }
        }
    });
    if changed != *shown {
        draft(context, Some(changed));
    }
    ui.horizontal(|ui| {
        if ui.button("Save").clicked() {
            context.actions.send(RemoteAction::SaveServer);
        }
        let is_saved = shown.before.is_some();
        let test = ui.add_enabled(is_saved, egui::Button::new("Test connection"));
        if test.on_hover_text("Ask the server, as it was saved, for one study").clicked() {
            context.actions.send(RemoteAction::Test);
        }
        let remove = ui.add_enabled(is_saved, egui::Button::new("Remove server"));
        if remove.on_hover_text("Forget it and its password").clicked()
            && let Some(name) = &shown.before
        {
            context.actions.send(RemoteAction::RemoveServer(name.clone()));
        }
    });
}

fn login(ui: &mut Ui, draft: &mut ServerDraft) {
    ui.label("Login");
    ui.horizontal(|ui| {
        let user = draft.user().to_owned();
        let choices = [("none", Auth::None), ("user name", Auth::Basic { user }), ("token", Auth::Bearer)];
        for (name, auth) in choices {
            let is_chosen = std::mem::discriminant(&auth) == std::mem::discriminant(&draft.server.auth);
            if ui.radio(is_chosen, name).clicked() {
                draft.server.auth = auth;
            }
        }
    });
    ui.end_row();
    if let Auth::Basic { user } = &mut draft.server.auth {
        field(ui, "User name", user, "");
    }
    if draft.server.auth == Auth::None {
        return;
    }
    let name = if draft.server.auth == Auth::Bearer { "Token" } else { "Password" };
    let caption = ui.label(name);
    let hint =
        if draft.before.is_some() { "empty: the one that is kept" } else { "kept in the system's key ring" };
    let field =
        TextEdit::singleline(&mut *draft.secret.0).password(true).hint_text(hint).desired_width(FIELD);
    ui.add(field).labelled_by(caption.id);
    ui.end_row();
}

fn field(ui: &mut Ui, name: &str, text: &mut String, hint: &str) -> bool {
    let caption = ui.label(name);
    let field = TextEdit::singleline(text).hint_text(hint).desired_width(FIELD);
    let is_changed = ui.add(field).labelled_by(caption.id).changed();
    ui.end_row();
    is_changed
}
