//! Everything around the images. Panels read the state and ask for actions; they change nothing.

mod album;
mod case_masks;
mod deidentify;
mod dialogs;
mod eye;
mod history;
mod inspect;
mod kept;
mod kept_maps;
mod keys;
mod labels;
mod measurements;
mod menu;
mod models;
mod operate;
mod palette;
mod planes;
mod remote;
mod result;
mod servers;
mod settings;
pub(crate) mod sheet;
mod slide;
mod start;
mod status;
mod teach;
mod toasts;
mod toolbar;
mod views;
mod worklist;

use egui::{Frame, Margin, Panel, RichText, ScrollArea, Ui};

use crate::command::{Actions, UiCommand};
use crate::state::{AppState, Tool};
use crate::theme;
use crate::viewport::ViewContext;

/// Line shown on the start page, in the status bar and in the about box.
pub const DISCLAIMER: &str = "For research use; not for diagnosis";

/// What a panel reads, and where it asks.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What is shown.
    pub state: &'a AppState,
    /// Where to ask.
    pub actions: &'a Actions,
}

/// The whole window; returns where the images are.
pub fn show(ui: &mut Ui, context: ViewContext<'_>) -> egui::Rect {
    let panels = Context { state: context.state, actions: context.actions };
    let tokens = theme::of(ui);
    let bar = Frame::new().fill(tokens.bar).inner_margin(Margin::symmetric(8, 4));
    Panel::top("menu").frame(bar).show(ui, |ui| menu::show(ui, panels));
    Panel::bottom("status").frame(bar).show(ui, |ui| status::show(ui, panels));
    let shows_sides = !context.state.hides_panels;
    if let Some(worklist) = context.state.worklist.as_ref().filter(|_| shows_sides) {
        let list = Frame::new().fill(tokens.panel).inner_margin(Margin::ZERO);
        Panel::left("worklist")
            .frame(list)
            .default_size(280.0)
            .size_range(220.0..=440.0)
            .resizable(true)
            .show(ui, |ui| worklist::show(ui, panels, worklist));
    }
    if context.state.session.is_some() {
        let strip = Frame::new().fill(tokens.panel).inner_margin(Margin::symmetric(6, 8));
        Panel::left("tools")
            .frame(strip)
            .resizable(false)
            .exact_size(84.0)
            .show(ui, |ui| toolbar::show(ui, panels));
        if context.state.show_measurements && context.state.editable().is_some() {
            let table = Frame::new().fill(tokens.panel).inner_margin(Margin::symmetric(12, 8));
            Panel::bottom("measurements")
                .frame(table)
                .default_size(190.0)
                .size_range(90.0..=480.0)
                .resizable(true)
                .show(ui, |ui| measurements::show(ui, panels));
        }
        if shows_sides {
            let side = Frame::new().fill(tokens.panel).inner_margin(Margin::ZERO);
            Panel::right("side")
                .frame(side)
                .default_size(296.0)
                .size_range(240.0..=460.0)
                .show(ui, |ui| side_panel(ui, panels));
        }
    }
    // What is seen of it between the views.
    let center = Frame::new().fill(if context.state.session.is_some() { tokens.line } else { tokens.panel });
    let middle = egui::CentralPanel::default().frame(center).show(ui, |ui| match &context.state.session {
        Some(session) => views::show(ui, context, session),
        None => start::show(ui, panels),
    });
    toasts::show(ui, panels);
    views::drop_hint(ui);
    dialogs::show(ui, panels);
    middle.response.rect
}

fn side_panel(ui: &mut Ui, context: Context<'_>) {
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        if let Some(inspect) = &context.state.inspect {
            section(ui, "Attention", |ui| inspect::show(ui, context, inspect));
        }
        slide::section_of_image(ui, context);
        let photo = context.state.session.as_ref().and_then(|session| session.photo.as_ref());
        if let Some(photo) = photo {
            let title = if photo.is_eye() { "Eye" } else { "Picture" };
            section(ui, title, |ui| eye::show(ui, context));
        }
        if context.state.album.is_some() {
            section(ui, "Pictures", |ui| album::show(ui, context));
        }
        let is_drawing = matches!(context.state.tool, Tool::Operation(_)) || context.state.tool.is_outline();
        let title = if photo.is_some() || is_drawing { "Tool" } else { "Lesion" };
        section(ui, title, |ui| result::show(ui, context));
        section(ui, "Labels", |ui| labels::show(ui, context));
        section(ui, "Display", |ui| settings::display(ui, context));
        planes::sections(ui, context);
        section(ui, "History", |ui| history::show(ui, context));
    });
}

/// A titled block of the side panel.
fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    let tokens = theme::of(ui);
    Frame::new().inner_margin(Margin { left: 14, right: 12, top: 10, bottom: 4 }).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let id = egui::Id::unique(("section", title));
        let mut is_folded = ui.data(|data| data.get_temp::<bool>(id)).unwrap_or(false);
        let text = format!("{}{}", title.to_uppercase(), if is_folded { " …" } else { "" });
        let text = RichText::new(text).small().color(tokens.weak).extra_letter_spacing(0.6);
        let header = ui.add(egui::Label::new(text).selectable(false).sense(egui::Sense::click()));
        let hint = if is_folded { "Unfold" } else { "Fold, to make room for what is below" };
        let header = header.on_hover_text(hint).on_hover_cursor(egui::CursorIcon::PointingHand);
        header.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Fold {title}")));
        if header.clicked() {
            is_folded = !is_folded;
            ui.data_mut(|data| data.insert_temp(id, is_folded));
        }
        if is_folded {
            return;
        }
        ui.add_space(2.0);
        contents(ui);
        ui.add_space(4.0);
    });
    let rect = ui.max_rect();
    ui.painter().hline(rect.x_range(), ui.cursor().top(), egui::Stroke::new(1.0, tokens.line));
}

/// A button for a command with its name, tool-tip and state.
fn command_button(ui: &mut Ui, context: Context<'_>, command: UiCommand) -> egui::Response {
    let button = egui::Button::new(command.text());
    let enabled = context.state.is_enabled(command);
    let response = ui.add_enabled(enabled, button).on_hover_text(command.tooltip(ui.ctx()));
    if response.clicked() {
        context.actions.send(command);
    }
    response
}

/// The same in the colour that says "go on here".
fn primary_button(ui: &mut Ui, context: Context<'_>, command: UiCommand, text: &str) -> egui::Response {
    let tokens = theme::of(ui);
    let button = egui::Button::new(RichText::new(text).color(tokens.on_accent)).fill(tokens.accent);
    let enabled = context.state.is_enabled(command);
    let response = ui.add_enabled(enabled, button).on_hover_text(command.tooltip(ui.ctx()));
    if response.clicked() {
        context.actions.send(command);
    }
    response
}

/// A text with its first letter in upper case.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A widget as wide as there is room, with its text at the left.
fn left_aligned<T>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> T) -> T {
    ui.with_layout(egui::Layout::top_down_justified(egui::Align::Min), contents).inner
}

/// A row of two columns: what, and how much.
fn fact(ui: &mut Ui, what: &str, value: &str) {
    let tokens = theme::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new(what).color(tokens.weak));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(value).color(tokens.text));
        });
    });
}
