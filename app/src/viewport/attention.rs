//! Maps of attention over slices: in the map's own pixels, as a line around a share of it, beside the image or another map,
//! or in turn with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use egui::{
    Align2, Color32, ColorImage, Painter, Pos2, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2, vec2,
};
use hilum_models::inspect::FieldMap;

use super::overlay::Text;
use super::{SliceView, VoxelFromPixel, contour};
use crate::colormap::{bar_number, color_of};
use crate::jobs::ShownMap;
use crate::state::{AppState, Inspecting, LookingBack, MapView, Session};
use crate::theme::on_image;

/// Points of the screen along a pixel of the picture.
const POINTS_PER_PIXEL: f32 = 2.0;
/// Points between two pictures beside each other.
const GAP: f32 = 2.0;
/// Seconds that each of two blinking pictures is shown.
pub const BLINK_SECS: f64 = 0.8;
/// Narrowest view that is halved.
const MIN_WIDTH: f32 = 160.0;
/// Shortest side of a tile among many in which a map can be made out.
const MIN_TILE: f32 = 84.0;

/// What lies over a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Nothing,
    Shown,
    Compared,
    /// One of all maps, by its position.
    Map(usize),
}

/// A part of a view with a picture of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pane {
    pub(super) rect: Rect,
    over: Over,
    /// How many more maps belong to the shown ones: there is no room for them.
    left_out: usize,
}

impl Pane {
    fn new(rect: Rect, over: Over) -> Self {
        Self { rect, over, left_out: 0 }
    }

    /// Whether it is one of many: then nothing is written into it but its name.
    pub(super) fn is_tile(&self) -> bool {
        matches!(self.over, Over::Map(_))
    }

    /// What lies over it, in words.
    pub(super) fn name(&self, inspect: &Inspecting) -> String {
        let name = match self.over {
            Over::Nothing => None,
            Over::Shown => inspect.shown().map(|map| inspect.told(map)),
            Over::Compared => inspect.compared().map(|(_, name)| name),
            Over::Map(at) => inspect.maps.get(at).map(Inspecting::short_name),
        };
        name.unwrap_or_else(|| "image".to_owned())
    }
}

/// How a view is divided, and what lies over each part.
pub(super) fn panes(ui: &Ui, state: &AppState, session: &Session, rect: Rect) -> Vec<Pane> {
    let one = |over| vec![Pane::new(rect, over)];
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
            vec![Pane::new(left, other), Pane::new(right, Over::Shown)]
        }
        MapView::All => tiles(inspect, rect),
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

/// The image and all maps that belong to the shown one, in rows: as many as are legible, the shown one among them.
fn tiles(inspect: &Inspecting, rect: Rect) -> Vec<Pane> {
    let together = inspect.together();
    let wanted = together.maps.len() + 1;
    let Some((count, columns)) = fitting(wanted, rect.size()) else {
        return vec![Pane::new(rect, Over::Shown)];
    };
    let mut maps = together.maps;
    let is_shown = |at: &usize| inspect.shown().is_some_and(|map| std::ptr::eq(map, &inspect.maps[*at]));
    if let Some(shown) = maps.iter().skip(count - 1).copied().find(is_shown) {
        maps[count - 2] = shown;
    }
    maps.truncate(count - 1);
    let rows = count.div_ceil(columns);
    let side = vec2(rect.width() / columns as f32, rect.height() / rows as f32);
    let overs = std::iter::once(Over::Nothing).chain(maps.into_iter().map(Over::Map));
    let mut panes: Vec<Pane> = overs
        .enumerate()
        .map(|(number, over)| {
            let corner = vec2((number % columns) as f32 * side.x, (number / columns) as f32 * side.y);
            Pane::new(Rect::from_min_size(rect.min + corner, side).shrink(GAP / 2.0), over)
        })
        .collect();
    if let Some(last) = panes.last_mut() {
        last.left_out = together.left_out + wanted - count;
    }
    panes
}

/// How many of so many tiles fit into a view, at least two, and how many stand in a row: so that the shorter side of each
/// is as long as can be.
fn fitting(wanted: usize, size: egui::Vec2) -> Option<(usize, usize)> {
    let side =
        |count: usize, columns: usize| (size.x / columns as f32).min(size.y / count.div_ceil(columns) as f32);
    (2..=wanted).rev().find_map(|count| {
        let columns = (1..=count).max_by(|a, b| side(count, *a).total_cmp(&side(count, *b)))?;
        (side(count, columns) >= MIN_TILE).then_some((count, columns))
    })
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

/// The pictures of the panes of the planes, kept until something changes, by slot and whether they are of the compared map.
#[derive(Default)]
pub(super) struct Pictures(BTreeMap<(usize, bool), (Key, Drawn)>);

impl Pictures {
    /// Forgets the pictures of slots that are no longer in use.
    pub(super) fn keep(&mut self, is_used: impl Fn(usize) -> bool) {
        self.0.retain(|(slot, _), _| is_used(*slot));
    }
}

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
    let over = match (pane.over, &compared) {
        (Over::Nothing, _) | (Over::Compared, None) => {
            if inspect.view == MapView::All {
                label(&painter, &[("image".to_owned(), on_image::TEXT)], shown.rect);
                map.map.query.iter().for_each(|query| cross(&painter, shown, *query));
            }
            return;
        }
        (Over::Shown, _) => &map.map,
        (Over::Compared, Some((other, _))) => *other,
        (Over::Map(at), _) => {
            let Some(map) = inspect.maps.get(at) else { return };
            colors(ui, Colored::of(inspect, &map.map), shown, pictures, slot);
            title(&painter, inspect, session, (map, pane));
            map.map.query.iter().for_each(|query| cross(&painter, shown, *query));
            return;
        }
    };
    let mut names = vec![(pane.name(inspect), on_image::TEXT)];
    if inspect.view == MapView::Contour {
        if let Some((other, name)) = compared {
            lines(&painter, inspect, other, shown, pictures, ((slot, true), on_image::COMPARED));
            names.push((name, on_image::COMPARED));
        }
        lines(&painter, inspect, over, shown, pictures, ((slot, false), on_image::LETTER));
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

/// The name of a tile, the ends of its colours, and its value under the mouse, in whichever tile that is; in the shown map's they stand out, in the last what has no room.
fn title(painter: &Painter, inspect: &Inspecting, session: &Session, (map, pane): (&ShownMap, &Pane)) {
    let text = Text { painter, area: pane.rect, size: 11.0 };
    let [low, high] = inspect.range(&map.map);
    let is_shown = inspect.shown().is_some_and(|shown| std::ptr::eq(shown, map));
    let color = if is_shown { on_image::LETTER } else { on_image::TEXT };
    let corner = pane.rect.left_top() + vec2(5.0, 3.0);
    text.at(corner, Align2::LEFT_TOP, &Inspecting::short_name(map), color);
    let under = session.views.hover.and_then(|(_, at)| map.map.value_at(at));
    let under = under.map_or_else(String::new, |value| format!("; here {}", bar_number(value)));
    let numbers = format!("{} … {}{under}", bar_number(low), bar_number(high));
    text.sized(corner + vec2(0.0, 15.0), Align2::LEFT_TOP, &numbers, on_image::WEAK, 9.5);
    if pane.left_out > 0 {
        let more = format!("{} more: no room", pane.left_out);
        text.at(pane.rect.center_bottom() - vec2(0.0, 4.0), Align2::CENTER_BOTTOM, &more, on_image::LETTER);
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
    let kept = pictures.0.get(&(slot, false));
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
        pictures.0.insert((slot, false), (key, Drawn::Colors(texture)));
    }
    if let Some((key, Drawn::Colors(texture))) = pictures.0.get(&(slot, false)) {
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
    (slot, color): ((usize, bool), Color32),
) {
    let key = Key { share: Some(inspect.share), ..Colored::of(inspect, map).key(shown) };
    let kept = pictures.0.get(&slot);
    if !matches!(kept, Some((old, Drawn::Lines(_))) if *old == key) {
        let level = map.level_holding(inspect.share);
        // Around whole pixels: between their middles the share inside would be another one.
        let around = |level: f32| {
            let is_inside = |at: Pos2| map.value_at(shown.world_from_screen(at)).is_some_and(|v| v >= level);
            contour::lines(shown.rect, 0.5, |at| Some(f32::from(u8::from(is_inside(at)))))
        };
        let found = level.map(around).unwrap_or_default();
        pictures.0.insert(slot, (key, Drawn::Lines(found)));
    }
    if let Some((_, Drawn::Lines(found))) = pictures.0.get(&slot) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_as_large_as_can_be_and_never_too_small_to_read() {
        // Six in a wide view stand in two rows of three, in a tall one in three of two.
        assert_eq!(fitting(6, vec2(900.0, 600.0)), Some((6, 3)));
        assert_eq!(fitting(6, vec2(600.0, 900.0)), Some((6, 2)));
        assert_eq!(fitting(16, vec2(800.0, 800.0)), Some((16, 4)));
        // A quarter of a window has room for fewer, a strip for none beside the image.
        let (count, columns) = fitting(16, vec2(300.0, 260.0)).unwrap();
        assert_eq!((count, columns), (9, 3));
        assert_eq!(fitting(6, vec2(80.0, 500.0)), None);
    }
}
