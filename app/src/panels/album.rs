//! The pictures of a folder with how far a person is with each.

use std::path::{Path, PathBuf};

use egui::{Button, Id, Rect, RichText, ScrollArea, Ui};

use super::{Context, command_button};
use crate::command::{PhotoAction, UiCommand as C};
use crate::jobs::ReviewState;
use crate::state::AlbumPicture;
use crate::theme;

/// Rows of the list that are seen at once.
const ROWS: f32 = 7.0;

pub(super) fn show(ui: &mut Ui, context: Context<'_>) {
    let Some(album) = &context.state.album else { return };
    let tokens = theme::of(ui);
    let is_reviewed = |picture: &&AlbumPicture| {
        picture.record.as_ref().is_some_and(|record| record.state == ReviewState::Reviewed)
    };
    let reviewed = album.pictures.iter().filter(is_reviewed).count();
    let text = format!("{} of {}, {reviewed} reviewed", album.at + 1, album.pictures.len());
    ui.label(RichText::new(text).color(tokens.weak));
    ui.horizontal_wrapped(|ui| {
        command_button(ui, context, C::PreviousPicture);
        command_button(ui, context, C::NextPicture);
        command_button(ui, context, C::ExportTable);
    });
    let row = ui.spacing().interact_size.y;
    let spacing = ui.spacing().item_spacing.y;
    let list = ScrollArea::vertical().id_salt("pictures").max_height((row + spacing) * ROWS);
    let current = album.pictures.get(album.at).map(|picture| &picture.path);
    let current = current.filter(|path| !is_followed(ui, path));
    list.auto_shrink([false, true]).show_rows(ui, row, album.pictures.len(), |ui, range| {
        if let Some(path) = current {
            let top = ui.max_rect().top() + (album.at as f32 - range.start as f32) * (row + spacing);
            // No further than needed, and not at all where it is seen.
            ui.scroll_to_rect(Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=top + row), None);
            // Asked for until it is there: what was asked for in a pass that is thrown away is lost.
            if range.contains(&album.at) {
                ui.data_mut(|data| data.insert_temp(followed_id(), path.clone()));
            }
        }
        for at in range {
            let picture = &album.pictures[at];
            let button = Button::selectable(at == album.at, picture.name.as_str())
                .truncate()
                .shortcut_text(outcome(picture));
            let response = super::left_aligned(ui, |ui| ui.add(button));
            let response = match &picture.broken {
                Some(why) => response.on_hover_text(why),
                None => response.on_hover_text("Look at this picture"),
            };
            if response.clicked() && at != album.at {
                context.actions.send(PhotoAction::Show(at));
            }
        }
    });
}

fn followed_id() -> Id {
    Id::unique("picture that the list shows")
}

/// Whether the list has moved to a picture since it is looked at; afterwards it stays where a person scrolls it.
fn is_followed(ui: &Ui, path: &Path) -> bool {
    ui.data(|data| data.get_temp::<PathBuf>(followed_id())).is_some_and(|followed| followed == path)
}

/// Ratio and state in a few letters.
fn outcome(picture: &AlbumPicture) -> String {
    if picture.broken.is_some() {
        return "cannot be opened".into();
    }
    let Some(record) = &picture.record else { return String::new() };
    match record.vertical {
        Some([value, ..]) => format!("{value:.2}  {}", record.state.text()),
        None => record.state.text().to_owned(),
    }
}
