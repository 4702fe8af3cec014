//! Maps of attention over slices: in the map's own pixels, as a line around a share of it, beside the image or another map,
//! or in turn with it.

use std::sync::Arc;
use std::time::Duration;

use egui::{
    Align2, Color32, ColorImage, Painter, Pos2, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2, vec2,
};
use hilum_models::inspect::FieldMap;

use super::overlay::Text;
use super::{SliceView, VoxelFromPixel, contour};
use crate::colormap::color_of;
use crate::state::{AppState, Inspecting, LookingBack, MapView, Session, ViewId};
use crate::theme::on_image;

/// Points of the screen along a pixel of the picture.
const POINTS_PER_PIXEL: f32 = 2.0;
/// Points between two pictures beside each other.
const GAP: f32 = 2.0;
/// Seconds that each of two blinking pictures is shown.
pub const BLINK_SECS: f64 = 0.8;
/// Narrowest view that is halved.
const MIN_WIDTH: f32 = 160.0;

/// What lies over a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Nothing,
    Shown,
    Compared,
}

/// A part of a view with a picture of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pane {
    pub(super) rect: Rect,
    over: Over,
}

/// How a view is divided, and what lies over each part.
pub(super) fn panes(ui: &Ui, state: &AppState, session: &Session, rect: Rect) -> Vec<Pane> {
    let one = |over| vec![Pane { rect, over }];
    let inspect = state.inspect.as_ref().filter(|i| i.session == session.id && i.shown().is_some());
    let Some(inspect) = inspect else { return one(Over::Nothing) };
    let other = if inspect.compared().is_some() { Over::Compared } else { Over::Nothing };
    match inspect.view {
        MapView::Overlay | MapView::Contour => one(Over::Shown),
        MapView::Beside if rect.width() < MIN_WIDTH => one(Over::Shown),
        MapView::Beside => {
            let (left, right) = rect.split_left_right_at_fraction(0.5);
            let [mut left, mut right] = [left, right];
            left.max.x -= GAP / 2.0;
            right.min.x += GAP / 2.0;
            vec![Pane { rect: left, over: other }, Pane { rect: right, over: Over::Shown }]
        }
        MapView::Blink => {
            let is_map = inspect.held.unwrap_or_else(|| {
                let time = ui.input(|i| i.time);
                let left = BLINK_SECS - time.rem_euclid(BLINK_SECS);
                ui.ctx().request_repaint_after(Duration::from_secs_f64(left.max(0.01)));
                (time / BLINK_SECS) as u64 % 2 == 1
            });
            one(if is_map { Over::Shown } else { other })
        }
    }
}

/// The pane that the mouse works in: where its button went down, else where it is.
pub(super) fn under_hand(ui: &Ui, panes: &[Pane]) -> usize {
    let at = ui.input(|i| i.pointer.press_origin().or(i.pointer.hover_pos()));
    at.and_then(|at| panes.iter().position(|pane| pane.rect.contains(at))).unwrap_or(0)
}

/// What the picture of a map depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    map: VoxelFromPixel,
    size: [usize; 2],
    /// Where the map lies in memory; kept maps and those of one revision stay where they are.
    address: usize,
    revision: u64,
    range: [f32; 2],
    opacity: f32,
    share: Option<f64>,
}

/// What is drawn of a map.
enum Drawn {
    Colors(TextureHandle),
    Lines(Vec<[Pos2; 2]>),
}

/// The pictures of the panes of the planes, kept until something changes; lines around the compared maps last.
#[derive(Default)]
pub(super) struct Pictures([Option<(Key, Drawn)>; 3 * ViewId::PLANES.len()]);

/// Draws what lies over a pane.
pub(super) fn paint(
    ui: &Ui,
    inspect: &Inspecting,
    session: &Session,
    (slot, pane): (usize, &Pane),
    shown: &SliceView,
    pictures: &mut Pictures,
) {
    let Some(map) = inspect.shown().filter(|_| inspect.session == session.id) else { return };
    let compared = inspect.compared();
    let painter = ui.painter_at(shown.rect);
    let (over, name) = match (pane.over, &compared) {
        (Over::Nothing, _) | (Over::Compared, None) => return,
        (Over::Shown, _) => (&map.map, inspect.told(map)),
        (Over::Compared, Some((other, name))) => (*other, name.clone()),
    };
    let mut names = vec![(name, on_image::TEXT)];
    if inspect.view == MapView::Contour {
        if let Some((other, name)) = compared {
            let slot = slot % ViewId::PLANES.len() + 2 * ViewId::PLANES.len();
            lines(&painter, inspect, other, shown, pictures, (slot, on_image::COMPARED));
            names.push((name, on_image::COMPARED));
        }
        lines(&painter, inspect, over, shown, pictures, (slot, on_image::LETTER));
        names[0].1 = on_image::LETTER;
    } else {
        colors(ui, Colored::of(inspect, over), shown, pictures, slot);
    }
    if inspect.view != MapView::Overlay {
        label(&painter, &names, shown.rect);
    }
    if let Some(query) = over.query {
        cross(&painter, shown, query);
    }
}

/// The names of the maps, above the lower edge.
fn label(painter: &Painter, names: &[(String, Color32)], rect: Rect) {
    let text = Text { painter, area: rect, size: 11.0 };
    for (number, (name, color)) in names.iter().enumerate() {
        let at = rect.center_bottom() - vec2(0.0, 30.0 + 14.0 * number as f32);
        text.at(at, Align2::CENTER_BOTTOM, name, *color);
    }
}

/// Draws where a version looked while it learned over a slice of its case.
pub(super) fn paint_kept(
    ui: &Ui,
    looking: &LookingBack,
    slot: usize,
    shown: &SliceView,
    pictures: &mut Pictures,
) {
    let Some((_, map)) = looking.shown() else { return };
    let colored =
        Colored { map, revision: looking.revision, range: looking.range(), opacity: looking.opacity };
    colors(ui, colored, shown, pictures, slot);
}

/// A map and how it is coloured.
#[derive(Clone, Copy)]
struct Colored<'a> {
    map: &'a FieldMap,
    revision: u64,
    range: [f32; 2],
    opacity: f32,
}

impl<'a> Colored<'a> {
    fn of(inspect: &Inspecting, map: &'a Arc<FieldMap>) -> Self {
        Self { map, revision: inspect.revision, range: inspect.range(map), opacity: inspect.opacity }
    }

    fn key(&self, shown: &SliceView) -> Key {
        let rect = shown.rect;
        Key {
            map: shown.voxel_from_pixel(self.map.grid.affine(), rect.min, 1.0 / POINTS_PER_PIXEL),
            size: [rect.width(), rect.height()]
                .map(|side| ((side / POINTS_PER_PIXEL).ceil() as usize).max(1)),
            address: std::ptr::from_ref(self.map) as usize,
            revision: self.revision,
            range: self.range,
            opacity: self.opacity,
            share: None,
        }
    }
}

fn colors(ui: &Ui, colored: Colored<'_>, shown: &SliceView, pictures: &mut Pictures, slot: usize) {
    let (map, key) = (colored.map, colored.key(shown));
    let kept = &mut pictures.0[slot];
    if !matches!(kept, Some((old, Drawn::Colors(_))) if *old == key) {
        let alpha = (key.opacity * 255.0).round() as u8;
        let is_signed = map.meaning.is_signed();
        let pixel = |i: usize| {
            let (x, y) = ((i % key.size[0]) as f64 + 0.5, (i / key.size[0]) as f64 + 0.5);
            let Some(voxel) = map.grid.voxel_at(key.map.at(x, y)) else {
                return Color32::TRANSPARENT;
            };
            let [r, g, b] = color_of(map.values[map.grid.index(voxel)], key.range, is_signed);
            Color32::from_rgba_unmultiplied(r, g, b, alpha)
        };
        let image = ColorImage::new(key.size, (0..key.size[0] * key.size[1]).map(pixel).collect());
        let texture = ui.ctx().load_texture(format!("attention {slot}"), image, TextureOptions::NEAREST);
        *kept = Some((key, Drawn::Colors(texture)));
    }
    if let Some((key, Drawn::Colors(texture))) = kept {
        let [width, height] = key.size.map(|n| n as f32 * POINTS_PER_PIXEL);
        let area = Rect::from_min_size(shown.rect.min, vec2(width, height));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter_at(shown.rect).image(texture.id(), area, uv, Color32::WHITE);
    }
}

fn lines(
    painter: &Painter,
    inspect: &Inspecting,
    map: &Arc<FieldMap>,
    shown: &SliceView,
    pictures: &mut Pictures,
    (slot, color): (usize, Color32),
) {
    let key = Key { share: Some(inspect.share), ..Colored::of(inspect, map).key(shown) };
    let kept = &mut pictures.0[slot];
    if !matches!(kept, Some((old, Drawn::Lines(_))) if *old == key) {
        let level = map.level_holding(inspect.share);
        // Around whole pixels: between their middles the share inside would be another one.
        let around = |level: f32| {
            let is_inside = |at: Pos2| map.value_at(shown.world_from_screen(at)).is_some_and(|v| v >= level);
            contour::lines(shown.rect, 0.5, |at| Some(f32::from(u8::from(is_inside(at)))))
        };
        let found = level.map(around).unwrap_or_default();
        *kept = Some((key, Drawn::Lines(found)));
    }
    if let Some((_, Drawn::Lines(found))) = kept {
        for (width, color) in [(3.5, on_image::SHADOW), (1.6, color)] {
            found.iter().for_each(|ends| {
                painter.line_segment(*ends, Stroke::new(width, color));
            });
        }
    }
}

/// The pixel that looks.
fn cross(painter: &Painter, shown: &SliceView, at: hilum_core::geometry::WorldPoint) {
    let middle = shown.screen_from_world(at);
    for (width, color) in [(4.0, on_image::SHADOW), (1.8, on_image::TEXT)] {
        let stroke = Stroke::new(width, color);
        painter.line_segment([middle - vec2(7.0, 0.0), middle + vec2(7.0, 0.0)], stroke);
        painter.line_segment([middle - vec2(0.0, 7.0), middle + vec2(0.0, 7.0)], stroke);
    }
}
