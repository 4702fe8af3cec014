//! The list of work that was kept without a project.

use egui::{Grid, RichText, ScrollArea, Ui};
use hilum_core::calendar::Moment;
use hilum_core::io::Selection;
use hilum_core::project::{KeptContents, KeptWork};

use super::Context;
use crate::command::KeptAction;
use crate::state::{KeptList, Session};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, list: &KeptList) {
    let tokens = theme::of(ui);
    ui.heading("Kept work");
    let text = "What was made of images and is in no project. It waits here until the image is opened again.";
    ui.label(RichText::new(text).color(tokens.weak));
    ui.add_space(6.0);
    if let Some(work) = list.asked.as_deref().and_then(|name| list.get(name)) {
        ask(ui, context, work);
        return;
    }
    if let Some(problem) = &list.problem {
        ui.label(RichText::new(super::sentence(problem)).color(tokens.warning));
    } else if list.found.is_empty() && list.is_complete {
        ui.label("There is none.");
    }
    ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("kept work").num_columns(6).striped(true).show(ui, |ui| {
            for title in ["Image", "Changed", "Work", "Size", "", ""] {
                ui.label(RichText::new(title).small().color(tokens.weak));
            }
            ui.end_row();
            list.found.iter().for_each(|work| row(ui, context, work));
        });
    });
    if !list.is_complete {
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label("Looking…");
        });
    }
}

fn row(ui: &mut Ui, context: Context<'_>, work: &KeptWork) {
    let tokens = theme::of(ui);
    let path = work.image.as_ref().and_then(|image| image.path.as_ref());
    let name = ui.label(work.image_name());
    if let Some(path) = path {
        name.on_hover_text(path.display().to_string());
    }
    ui.label(Moment::from_unix_secs(work.changed_unix_secs).to_string());
    match &work.contents {
        Ok(contents) => drop(ui.label(made(*contents))),
        Err(why) => {
            ui.label(RichText::new("cannot be read").color(tokens.warning)).on_hover_text(why);
        }
    }
    ui.label(size(work.bytes));
    if context.state.session.as_ref().is_some_and(|session| is_open(session, work)) {
        ui.label(RichText::new("open now").color(tokens.weak));
        ui.label("");
    } else {
        let open = egui::Button::new("Open");
        let open = ui.add_enabled(work.contents.is_ok(), open).on_hover_text(work.image_name());
        if open.clicked() {
            context.actions.send(KeptAction::Open(work.name()));
        }
        if ui.button("Delete…").on_hover_text(work.image_name()).clicked() {
            context.actions.send(KeptAction::AskDelete(work.name()));
        }
    }
    ui.end_row();
}

fn ask(ui: &mut Ui, context: Context<'_>, work: &KeptWork) {
    let tokens = theme::of(ui);
    let made = work.contents.as_ref().map_or_else(|_| "what cannot be read".to_owned(), |c| made(*c));
    ui.label(RichText::new(format!("Delete the kept work on {}?", work.image_name())).strong());
    ui.label(format!("{made} with the whole history go for good. The image itself is not touched."));
    if let Some(path) = work.image.as_ref().and_then(|image| image.path.as_ref()) {
        ui.label(RichText::new(path.display().to_string()).small().color(tokens.weak));
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        if ui.button("Keep").clicked() {
            context.actions.send(KeptAction::Keep);
        }
        if ui.button(RichText::new("Delete for good").color(tokens.warning)).clicked() {
            context.actions.send(KeptAction::Delete);
        }
    });
}

/// Steps and labels in words.
fn made(contents: KeptContents) -> String {
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    format!("{}, {}", count(contents.labels, "label"), count(contents.steps, "step"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        bytes => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Whether the open image goes on with this work.
fn is_open(session: &Session, work: &KeptWork) -> bool {
    let Some(image) = &work.image else { return false };
    let opened = session
        .volume()
        .meta()
        .source
        .path()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    session.project.is_none() && image.path == opened && image.selection == Selection::of(session.volume())
}
