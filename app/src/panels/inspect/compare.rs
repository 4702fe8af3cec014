//! How a map is laid over the image, on which scale, and what it is compared with.

use egui::{Color32, ComboBox, Rect, RichText, Sense, Slider, Ui, pos2, vec2};
use hilum_models::inspect::FieldMap;

use super::super::Context;
use crate::colormap::{bar_number, color_of};
use crate::command::InspectAction;
use crate::jobs::ShownMap;
use crate::state::{Against, Inspecting, MapScale, MapView};
use crate::theme;
use crate::viewport::BLINK_SECS;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting, shown: &ShownMap) {
    ui.horizontal_wrapped(|ui| {
        for view in MapView::ALL {
            if ui.selectable_label(inspect.view == view, view.name()).clicked() {
                context.actions.send(InspectAction::View(view));
            }
        }
    });
    against(ui, context, inspect);
    match inspect.view {
        MapView::Contour => contour(ui, context, inspect, shown),
        MapView::Blink => blink(ui, context, inspect),
        MapView::All => together(ui, inspect),
        MapView::Overlay | MapView::Beside => {}
    }
    if shown.map.grid.dims()[2] > 1 {
        let mut in_scene = inspect.in_scene;
        let hint = "Draw a surface around the same share of the map as the contour, in the 3-D view";
        if ui.checkbox(&mut in_scene, "In the 3-D view").on_hover_text(hint).changed() {
            context.actions.send(InspectAction::InScene(in_scene));
        }
        if inspect.in_scene && inspect.view != MapView::Contour {
            contour(ui, context, inspect, shown);
        }
    }
    if inspect.view != MapView::Contour {
        let mut opacity = inspect.opacity;
        let slider = Slider::new(&mut opacity, 0.0..=1.0).fixed_decimals(2).text("Opacity of the map");
        if ui.add(slider).changed() {
            context.actions.send(InspectAction::Opacity(opacity));
        }
    }
    ComboBox::from_label("Scale").selected_text(inspect.scale.name()).width(190.0).show_ui(ui, |ui| {
        for scale in MapScale::ALL {
            if ui.selectable_label(inspect.scale == scale, scale.name()).clicked() {
                context.actions.send(InspectAction::Scale(scale));
            }
        }
    });
    bar(ui, inspect, &shown.map, "this map");
    let is_seen = !matches!(inspect.view, MapView::Overlay | MapView::All);
    if let Some((other, _)) = inspect.compared().filter(|_| is_seen) {
        bar(ui, inspect, other, "the compared map");
    }
}

/// What the map is compared with, and maps to keep for that.
fn against(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let name = inspect.compared().map_or_else(|| "the image".to_owned(), |(_, name)| name);
    ComboBox::from_label("Compare with").selected_text(name).width(170.0).truncate().show_ui(ui, |ui| {
        let choice = |ui: &mut Ui, against: Against, name: String| {
            if ui.selectable_label(inspect.against == against, name).clicked() {
                context.actions.send(InspectAction::Against(against));
            }
        };
        choice(ui, Against::Image, "the image".into());
        for kept in &inspect.kept {
            choice(ui, Against::Kept(kept.number), format!("kept: {}", kept.told));
        }
        for map in &inspect.maps {
            choice(ui, Against::Map(Inspecting::key(map)), inspect.told(map));
        }
    });
    ui.horizontal(|ui| {
        let hint = "Keep this map as it is, to compare it with that of another model or version, or with the one after a \
                    correction";
        if ui.button("Keep map").on_hover_text(hint).clicked() {
            context.actions.send(InspectAction::Keep);
        }
        if let Against::Kept(number) = inspect.against
            && ui.button("Forget kept map").clicked()
        {
            context.actions.send(InspectAction::Forget(number));
        }
    });
    if inspect.compared().is_some() && matches!(inspect.view, MapView::Overlay | MapView::All) {
        let text = "Contour, side by side and blink show both maps.";
        ui.label(RichText::new(text).color(theme::of(ui).weak).small());
    }
}

fn contour(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting, shown: &ShownMap) {
    let mut percent = 100.0 * inspect.share;
    let slider = Slider::new(&mut percent, 5.0..=95.0).fixed_decimals(0).suffix(" %").text("Inside the line");
    if ui.add(slider).changed() {
        context.actions.send(InspectAction::Share(percent / 100.0));
    }
    let of = if shown.map.meaning.is_mass() { "of the sum of the map" } else { "of the area of the map" };
    let level = shown.map.level_holding(inspect.share).map_or_else(|| "–".to_owned(), bar_number);
    let text = format!(
        "The line goes around the pixels of {level} and above: the fewest that hold {percent:.0} % {of}."
    );
    ui.label(RichText::new(text).color(theme::of(ui).weak).small());
}

fn blink(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let mut is_held = inspect.held.is_some();
    if ui.checkbox(&mut is_held, "Hold still").changed() {
        context.actions.send(InspectAction::Hold(is_held.then_some(true)));
    }
    if let Some(is_map) = inspect.held {
        if ui.button("Other picture").clicked() {
            context.actions.send(InspectAction::Hold(Some(!is_map)));
        }
    } else {
        let text = format!("The pictures change every {BLINK_SECS} seconds.");
        ui.label(RichText::new(text).color(theme::of(ui).weak).small());
    }
}

/// How many maps the views are tiled with, and what has no room there.
fn together(ui: &mut Ui, inspect: &Inspecting) {
    let together = inspect.together();
    let left_out = match together.left_out {
        0 => String::new(),
        n => format!(" {n} more are left out, to keep these legible: choose one of them in the list."),
    };
    let text = format!(
        "The image and {} maps of this layer or meaning, one crosshair and zoom for all.{left_out}",
        together.maps.len()
    );
    ui.label(RichText::new(text).color(theme::of(ui).weak).small());
}

/// The colours of a map with the values at their ends.
fn bar(ui: &mut Ui, inspect: &Inspecting, map: &FieldMap, whose: &str) {
    let range = inspect.range(map);
    let is_signed = map.meaning.is_signed();
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width().min(260.0), 10.0), Sense::hover());
    let steps = 64u8;
    for step in 0..steps {
        let x = |i: u8| rect.left() + rect.width() * f32::from(i) / f32::from(steps);
        let part = Rect::from_min_max(pos2(x(step), rect.top()), pos2(x(step + 1), rect.bottom()));
        let [r, g, b] = color_of((f32::from(step) + 0.5) / f32::from(steps), [0.0, 1.0], is_signed);
        ui.painter().rect_filled(part, 0.0, Color32::from_rgb(r, g, b));
    }
    let scale = inspect.scale.name();
    let text = format!("{} … {} ({whose}; scale: {scale})", bar_number(range[0]), bar_number(range[1]));
    ui.label(RichText::new(text).small());
}
