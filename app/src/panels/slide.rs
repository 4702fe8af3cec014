//! Choosing among the images of one file: a part of a slide, a time point.

use egui::{
    Align, Button, Color32, ColorImage, DragValue, Grid, Id, Layout, Rect, RichText, Role, ScrollArea, Sense,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use hilum_core::io::Selection;
use hilum_core::io::raster::{Page, PageRole, PixelRegion};

use super::{Context, command_button, section};
use crate::command::{Action, UiCommand as C};
use crate::jobs::Overview;
use crate::state::SlideChoice;
use crate::theme::{self, on_image};

/// Largest sides of the overview on the screen.
const OVERVIEW: [f32; 2] = [400.0, 360.0];

/// The block of the side panel about which image of its file is open; nothing where there is only one.
pub(super) fn section_of_image(ui: &mut Ui, context: Context<'_>) {
    let Some(session) = context.state.session.as_ref() else { return };
    let meta = session.volume().meta();
    let pages = session.photo.as_ref().map_or(&[][..], |photo| &photo.facts.pages);
    if meta.time_points < 2 && pages.is_empty() {
        return;
    }
    section(ui, "Image", |ui| {
        if meta.time_points > 1 {
            ui.label(format!("Time point {} of {}", meta.time_point + 1, meta.time_points));
            ui.horizontal(|ui| {
                command_button(ui, context, C::PreviousTimePoint);
                command_button(ui, context, C::NextTimePoint);
            });
        }
        let open = Selection::of(session.volume());
        if let Some(page) = open.page.and_then(|page| pages.get(page)) {
            let part = match open.region {
                None => "all of it".to_owned(),
                Some(PixelRegion { start: [x, y], size: [width, height] }) => {
                    format!("{width} × {height} from {x}, {y}")
                }
            };
            ui.label(format!("Page {} ({}), {part}", page.index, role(page)));
            command_button(ui, context, C::ChoosePart);
        }
    });
}

/// The dialog.
pub(super) fn show(ui: &mut Ui, context: Context<'_>, choice: &SlideChoice) {
    let tokens = theme::of(ui);
    ui.heading("Choose a part of the slide");
    let name = choice.slide.path.file_name().unwrap_or_default().to_string_lossy();
    ui.label(RichText::new(format!("{name}: drag over the picture, or type numbers")).color(tokens.weak));
    ui.add_space(6.0);
    ui.horizontal_top(|ui| {
        match &choice.slide.overview {
            Some(overview) => picture(ui, context, choice, overview),
            None => {
                ui.label("The slide has no page small enough for an overview.");
            }
        }
        ui.vertical(|ui| {
            pages(ui, context, choice);
            numbers(ui, context, choice);
        });
    });
    ui.add_space(6.0);
    let [width, height] = choice.region().size;
    let um = choice.page().pixel_um.map(|um| [width, height].map(|n| n as f64 * um / 1000.0));
    let size = um.map_or_else(String::new, |[w, h]| format!(", {w:.2} × {h:.2} mm"));
    ui.label(format!("{width} × {height} pixels{size}"));
    if let Some(why) = choice.refusal() {
        ui.label(RichText::new(why).color(tokens.warning));
    }
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let can_open = choice.refusal().is_none();
            let open = ui.add_enabled(can_open, Button::new("Open part"));
            let enter =
                can_open && ui.input(|i| i.key_pressed(egui::Key::Enter)) && !ui.ctx().text_edit_focused();
            if open.clicked() || enter {
                let (path, selection) = (choice.slide.path.clone(), choice.selection.clone());
                context.actions.send(Action::CloseDialog);
                context.actions.send(Action::Open { path, selection });
            }
            if ui.button("Whole page").clicked() {
                context.actions.send(Action::Part(Selection::page(choice.page().index, None)));
            }
            if ui.button("Cancel").clicked() {
                context.actions.send(Action::CloseDialog);
            }
        });
    });
}

fn role(page: &Page) -> &'static str {
    match page.role {
        PageRole::Level if page.index == 0 => "full resolution",
        PageRole::Level => "coarser",
        PageRole::Label => "paper label",
        PageRole::Macro => "photograph of the glass",
        PageRole::Other => "other picture",
    }
}

fn pages(ui: &mut Ui, context: Context<'_>, choice: &SlideChoice) {
    let tokens = theme::of(ui);
    ScrollArea::vertical().max_height(200.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("pages").num_columns(3).striped(true).spacing([14.0, 4.0]).show(ui, |ui| {
            for title in ["Page", "Pixels", "µm a pixel"] {
                ui.label(RichText::new(title).small().color(tokens.weak));
            }
            ui.end_row();
            for page in &choice.slide.pages {
                let text = format!("{} {}", page.index, role(page));
                let hint = match page.role {
                    PageRole::Label => "It may name the patient",
                    _ => "Choose this page",
                };
                let is_chosen = choice.page().index == page.index;
                if ui.selectable_label(is_chosen, text).on_hover_text(hint).clicked() {
                    context.actions.send(Action::Part(choice.at_page(page.index)));
                }
                ui.label(format!("{} × {}", page.size[0], page.size[1]));
                ui.label(page.pixel_um.map_or_else(|| "–".to_owned(), |um| format!("{um:.3}")));
                ui.end_row();
            }
        });
    });
}

/// The part in pixels of its page.
fn numbers(ui: &mut Ui, context: Context<'_>, choice: &SlideChoice) {
    let page = choice.page().size;
    let mut region = choice.region();
    ui.add_space(8.0);
    Grid::new("part").num_columns(4).spacing([8.0, 4.0]).show(ui, |ui| {
        let axes = [("Left", "Width", 0), ("Top", "Height", 1)];
        for (start, size, axis) in axes {
            let number = |ui: &mut Ui, name: &str, value: &mut usize, least: usize| {
                let caption = ui.label(name);
                ui.add(DragValue::new(value).range(least..=page[axis])).labelled_by(caption.id);
            };
            number(ui, start, &mut region.start[axis], 0);
            number(ui, size, &mut region.size[axis], 1);
            ui.end_row();
        }
    });
    if region != choice.region() {
        context.actions.send(Action::Part(choice.part(region)));
    }
}

fn picture(ui: &mut Ui, context: Context<'_>, choice: &SlideChoice, overview: &Overview) {
    let [width, height] = overview.size.map(|side| side as f32);
    let scale = (OVERVIEW[0] / width).min(OVERVIEW[1] / height);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height) * scale, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Overview of the slide"));
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture(ui, choice, overview).id(), rect, uv, Color32::WHITE);
    if !choice.is_on_overview() {
        return;
    }
    let page = choice.page().size;
    let region = choice.region();
    let at = |pixel: [usize; 2]| {
        let share = [0, 1].map(|a| pixel[a] as f32 / page[a].max(1) as f32);
        rect.lerp_inside(vec2(share[0], share[1]))
    };
    let end = [0, 1].map(|a| region.start[a] + region.size[a]);
    let part = Rect::from_min_max(at(region.start), at(end));
    for (width, color) in [(4.0, on_image::SHADOW), (2.0, on_image::LETTER)] {
        ui.painter().rect_stroke(part, 0.0, Stroke::new(width, color), StrokeKind::Middle);
    }
    let share = |at: egui::Pos2| [(at.x - rect.left()) / rect.width(), (at.y - rect.top()) / rect.height()];
    let share = |at: egui::Pos2| share(at).map(f64::from);
    let Some(to) = response.interact_pointer_pos().map(share) else { return };
    if response.dragged() {
        let from = ui.input(|i| i.pointer.press_origin()).map_or(to, share);
        if from != to {
            context.actions.send(Action::Part(choice.between(from, to)));
        }
    } else if response.clicked() {
        context.actions.send(Action::Part(choice.between(to, to)));
    }
}

fn texture(ui: &Ui, choice: &SlideChoice, overview: &Overview) -> TextureHandle {
    let id = Id::unique("overview of the slide");
    let kept = ui.data(|data| data.get_temp::<(std::path::PathBuf, TextureHandle)>(id));
    if let Some((_, texture)) = kept.filter(|(path, _)| *path == choice.slide.path) {
        return texture;
    }
    let pixels = overview.pixels.iter().map(|[r, g, b]| Color32::from_rgb(*r, *g, *b)).collect();
    let image = ColorImage::new(overview.size, pixels);
    let texture = ui.ctx().load_texture("overview of the slide", image, TextureOptions::LINEAR);
    ui.data_mut(|data| data.insert_temp(id, (choice.slide.path.clone(), texture.clone())));
    texture
}
