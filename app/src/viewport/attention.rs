//! A map of attention over a slice, in the map's own pixels.

use egui::{Color32, ColorImage, Painter, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2, vec2};
use hilum_models::inspect::FieldMap;

use super::{SliceView, VoxelFromPixel};
use crate::colormap::{color, share};
use crate::jobs::MapKind;
use crate::state::{Inspecting, LookingBack, MapKey, Session, ViewId};
use crate::theme::on_image;

/// Points of the screen along a pixel of the picture.
const POINTS_PER_PIXEL: f32 = 2.0;

/// What the picture of a map depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    map: VoxelFromPixel,
    size: [usize; 2],
    shown: MapKey,
    revision: u64,
    range: [f32; 2],
    opacity: f32,
}

/// The pictures of the planes, kept until something changes.
pub(super) type Pictures = [Option<(Key, TextureHandle)>; 3];

/// Draws the chosen map over a slice.
pub(super) fn paint(
    ui: &Ui,
    inspect: &Inspecting,
    session: &Session,
    view: ViewId,
    shown: &SliceView,
    pictures: &mut Pictures,
) {
    let Some(map) = inspect.shown().filter(|_| inspect.session == session.id) else { return };
    let what = Painted {
        map: &map.map,
        key: Inspecting::key(map),
        revision: inspect.revision,
        range: inspect.range(map),
        opacity: inspect.opacity,
    };
    paint_map(ui, what, view, shown, pictures);
    if let Some(query) = map.map.query.filter(|_| matches!(map.kind, MapKind::Row | MapKind::Plain)) {
        cross(&ui.painter_at(shown.rect), shown, query);
    }
}

/// Draws where a version looked while it learned over a slice of its case.
pub(super) fn paint_kept(
    ui: &Ui,
    looking: &LookingBack,
    view: ViewId,
    shown: &SliceView,
    pictures: &mut Pictures,
) {
    let Some((_, map)) = looking.shown() else { return };
    let what = Painted {
        map,
        key: MapKey { look: looking.at, kind: MapKind::Pass, name: map.name.clone() },
        revision: looking.revision,
        range: looking.range(),
        opacity: looking.opacity,
    };
    paint_map(ui, what, view, shown, pictures);
}

/// A map and how it is coloured.
struct Painted<'a> {
    map: &'a FieldMap,
    key: MapKey,
    revision: u64,
    range: [f32; 2],
    opacity: f32,
}

fn paint_map(ui: &Ui, what: Painted<'_>, view: ViewId, shown: &SliceView, pictures: &mut Pictures) {
    let map = what.map;
    let rect = shown.rect;
    let size = [rect.width(), rect.height()].map(|side| ((side / POINTS_PER_PIXEL).ceil() as usize).max(1));
    let grid = &map.grid;
    let key = Key {
        map: shown.voxel_from_pixel(grid.affine(), rect.min, 1.0 / POINTS_PER_PIXEL),
        size,
        shown: what.key,
        revision: what.revision,
        range: what.range,
        opacity: what.opacity,
    };
    let slot = &mut pictures[view.index()];
    if slot.as_ref().is_none_or(|(old, _)| *old != key) {
        let alpha = (key.opacity * 255.0).round() as u8;
        let pixel = |i: usize| {
            let (x, y) = ((i % size[0]) as f64 + 0.5, (i / size[0]) as f64 + 0.5);
            let Some(voxel) = grid.voxel_at(key.map.at(x, y)) else {
                return Color32::TRANSPARENT;
            };
            let [r, g, b] = color(share(map.values[grid.index(voxel)], key.range));
            Color32::from_rgba_unmultiplied(r, g, b, alpha)
        };
        let image = ColorImage::new(size, (0..size[0] * size[1]).map(pixel).collect());
        match slot {
            Some((old, texture)) => {
                texture.set(image, TextureOptions::NEAREST);
                *old = key;
            }
            None => {
                let name = format!("attention {}", view.index());
                *slot = Some((key, ui.ctx().load_texture(name, image, TextureOptions::NEAREST)));
            }
        }
    }
    if let Some((key, texture)) = slot {
        let [width, height] = key.size.map(|n| n as f32 * POINTS_PER_PIXEL);
        let area = Rect::from_min_size(rect.min, vec2(width, height));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter_at(rect).image(texture.id(), area, uv, Color32::WHITE);
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
