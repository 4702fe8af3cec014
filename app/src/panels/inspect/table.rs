//! What channels of features look at, as a table in colours.

use egui::{
    Color32, ColorImage, ComboBox, Id, Rect, RichText, Role, Sense, TextureHandle, TextureOptions, Ui,
    WidgetInfo, pos2, vec2,
};
use hilum_models::inspect::ChannelMap;

use super::super::{Context, fact};
use crate::colormap::{bar_number, color, share};
use crate::command::InspectAction;
use crate::state::Inspecting;
use crate::theme;

/// Longest side of the table.
const SIDE: f32 = 230.0;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let at = inspect.channels_shown.min(inspect.channels.len().saturating_sub(1));
    let Some((look, map)) = inspect.channels.get(at) else { return };
    ui.separator();
    let name = |(look, map): &(usize, ChannelMap)| {
        let stage = inspect.looks.get(*look).map_or("", |look| look.stage.as_str());
        format!("{stage}: {} ({} channels)", map.layer, map.channels)
    };
    ComboBox::from_label("Between channels")
        .selected_text(name(&(*look, map.clone())))
        .width(160.0)
        .truncate()
        .show_ui(ui, |ui| {
            for (number, other) in inspect.channels.iter().enumerate() {
                if ui.selectable_label(number == at, name(other)).clicked() {
                    context.actions.send(InspectAction::Channels(number));
                }
            }
        });
    let range = map
        .values
        .iter()
        .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| [low.min(*value), high.max(*value)]);
    let under = table(ui, inspect, at, map, range);
    let value = under.and_then(|(row, column)| Some((row, column, *map.row(row).get(column)?)));
    let text = value.map_or_else(
        || "point at the table".to_owned(),
        |(row, column, value)| format!("{} to {}: {}", row + 1, column + 1, bar_number(value)),
    );
    fact(ui, "Channel (row) gives channel", &text);
    fact(ui, "Colours from … to", &format!("{} … {}", bar_number(range[0]), bar_number(range[1])));
    fact(ui, "A row spreads over channels, mean", &format!("{:.1} of {}", map.spread(), map.channels));
    fact(ui, "A channel keeps for itself, mean", &format!("{:.1} %", 100.0 * map.own_share()));
    ui.label(RichText::new(ChannelMap::TEXT).color(theme::of(ui).weak).small());
}

/// Draws the table; the row and column under the mouse.
fn table(
    ui: &mut Ui,
    inspect: &Inspecting,
    at: usize,
    map: &ChannelMap,
    range: [f32; 2],
) -> Option<(usize, usize)> {
    let side = ui.available_width().min(SIDE);
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, "Table of the attention between channels"));
    let id = Id::unique("attention between channels");
    let key = (inspect.revision, at);
    let kept = ui.data(|data| data.get_temp::<((u64, usize), TextureHandle)>(id));
    let texture = match kept.filter(|(old, _)| *old == key) {
        Some((_, texture)) => texture,
        None => {
            let pixel = |value: &f32| {
                let [r, g, b] = color(share(*value, range));
                Color32::from_rgb(r, g, b)
            };
            let n = map.channels;
            let image = ColorImage::new([n, n], map.values.iter().map(pixel).collect());
            let options = if n as f32 > side { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
            let texture = ui.ctx().load_texture("attention between channels", image, options);
            ui.data_mut(|data| data.insert_temp(id, (key, texture.clone())));
            texture
        }
    };
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, uv, Color32::WHITE);
    let hover = response.hover_pos()?;
    let cell = |part: f32| ((part / side * map.channels as f32) as usize).min(map.channels - 1);
    Some((cell(hover.y - rect.top()), cell(hover.x - rect.left())))
}
