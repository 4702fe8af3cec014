//! The 3-D view: surfaces of the labels or the image as a volume, and the mouse in it.

use eframe::egui_wgpu;
use egui::{
    Align2, Color32, EventFilter, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke, TextureOptions,
    Ui, Vec2, WidgetInfo, pos2, vec2,
};
use hilum_core::geometry::WorldPoint;

use super::overlay::{Text, letters};
use super::{SliceView, ViewContext, input, label_colors, view_id};
use crate::command::ViewAction;
use crate::render::{RayScene, SceneCallback, SceneFrame};
use crate::state::{OVERLAY, SceneMode, Session, ViewId};
use crate::theme::on_image;

/// Distance of text from the border of the view.
const MARGIN: f32 = 10.0;
/// Doubling of the zoom per so many points of movement.
const POINTS_PER_OCTAVE: f32 = 120.0;

/// Colour and opacity of the surface of a map of attention.
const MAP_COLOR: [f32; 4] = [0.99, 0.9, 0.15, 0.55];

/// Draws the 3-D view into a rectangle and handles the mouse in it.
pub(super) fn show(ui: &mut Ui, context: ViewContext<'_>, session: &Session, rect: Rect) -> Response {
    let view = ViewId::Scene;
    let response = ui.interact(rect, view_id(view), Sense::click_and_drag());
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, escape: true, tab: false };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let state_text = state_text(context, session);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Canvas, true, "3-D view");
        info.current_text_value = Some(state_text.clone());
        info
    });
    let shown = session.views.slice_view(session.volume(), view, rect);
    mouse(ui, context, session, &shown, &response);
    if ui.is_rect_visible(rect) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 0.0, on_image::BACKGROUND);
        paint(ui, context, session, &shown);
        let text = Text {
            painter: &painter,
            area: rect.shrink(MARGIN),
            size: 12.0 * context.state.settings.font_scale,
        };
        box_lines(&text, session, &shown);
        marker(&text, session, &shown);
        letters(&text, &shown);
        text.sized(text.area.left_top(), Align2::LEFT_TOP, "3-D", on_image::TEXT, text.size * 1.1);
        let below = text.area.left_top() + vec2(0.0, text.size + 4.0);
        text.at(below, Align2::LEFT_TOP, &state_text, on_image::WEAK);
    }
    response
}

/// What the view shows, in words.
fn state_text(context: ViewContext<'_>, session: &Session) -> String {
    let text = match context.state.settings.scene {
        _ if session.is_glimpse => "The rest of the image is being read",
        SceneMode::Mip => "Maximum intensity",
        SceneMode::Volume => "Volume",
        SceneMode::Surfaces if session.scene.has_overlay() => "Labels, and the map of attention in yellow",
        SceneMode::Surfaces => {
            let labels = session.document.labels();
            match &session.scene {
                _ if labels.is_blank() => "No label yet",
                scene if scene.is_behind() => "Surfaces are being made…",
                scene if scene.is_cut => "Surfaces (too rugged, some parts are left out)",
                _ => "Surfaces",
            }
        }
    };
    text.to_owned()
}

fn mouse(ui: &Ui, context: ViewContext<'_>, session: &Session, shown: &SliceView, response: &Response) {
    let (actions, size) = (context.actions, shown.rect.size());
    if response.hovered() && session.views.under_hand != ViewId::Scene {
        actions.send(ViewAction::Hover(Some((ViewId::Scene, session.views.crosshair))));
    }
    let delta = response.drag_delta();
    if delta != Vec2::ZERO {
        let shift = ui.input(|i| i.modifiers.shift);
        if response.dragged_by(PointerButton::Middle)
            || (shift && response.dragged_by(PointerButton::Primary))
        {
            actions.send(ViewAction::Pan(ViewId::Scene, delta, size));
        } else if response.dragged_by(PointerButton::Secondary) {
            let factor = (-delta.y / POINTS_PER_OCTAVE).exp2();
            actions.send(ViewAction::Zoom(ViewId::Scene, factor, Vec2::ZERO, size));
        } else if response.dragged_by(PointerButton::Primary) {
            actions.send(ViewAction::Orbit(delta));
        }
    }
    if response.contains_pointer() {
        for event in ui.input(|i| i.events.clone()) {
            let factor = match event {
                egui::Event::MouseWheel { unit, delta, .. } => {
                    1.12f32.powf(input::notches(ui, response, unit, delta))
                }
                egui::Event::Zoom(factor) => factor,
                _ => continue,
            };
            actions.send(ViewAction::Zoom(ViewId::Scene, factor, Vec2::ZERO, size));
        }
    }
    if response.double_clicked() {
        actions.send(ViewAction::Maximise(ViewId::Scene));
    } else if response.clicked()
        && let Some(pos) = response.interact_pointer_pos()
        && let Some(at) = pick(context, session, shown, pos)
    {
        actions.send(ViewAction::Crosshair(at));
    }
}

/// The place that is seen under a screen position.
fn pick(context: ViewContext<'_>, session: &Session, shown: &SliceView, pos: Pos2) -> Option<WorldPoint> {
    ray_scene(context, session, &scene_colors(session)).pick(shown, pos)
}

/// Colours of surfaces: hidden labels, and those without opacity here, have alpha 0.
fn scene_colors(session: &Session) -> Vec<[u8; 4]> {
    let mut colors = label_colors(session);
    for (label, color) in colors.iter_mut().enumerate() {
        let opacity = session.scene.opacity(label as u16);
        color[3] = if color[3] > 0 { (opacity * 255.0).round() as u8 } else { 0 };
    }
    colors
}

fn ray_scene<'a>(context: ViewContext<'_>, session: &'a Session, colors: &'a Vec<[u8; 4]>) -> RayScene<'a> {
    RayScene {
        volume: session.volume(),
        labels: session.document.labels(),
        colors,
        mode: context.state.settings.scene,
        window: session.views.window(),
    }
}

/// What the device or the CPU draws.
pub fn frame(
    context: ViewContext<'_>,
    session: &Session,
    shown: &SliceView,
    pixels_per_point: f32,
) -> SceneFrame {
    let volume = session.volume();
    let table = session.document.table();
    let mut labels: Vec<(u16, [f32; 4])> = table
        .entries()
        .iter()
        .filter(|entry| entry.visible && session.show_mask)
        .map(|entry| {
            let [r, g, b] = entry.color.map(|c| f32::from(c) / 255.0);
            (entry.id, [r, g, b, session.scene.opacity(entry.id)])
        })
        .collect();
    if session.scene.has_overlay() {
        labels.push((OVERLAY, MAP_COLOR));
    }
    SceneFrame {
        session: session.id,
        // The plane of the crosshair does not matter here.
        shown: SliceView { center: session.views.scene_center(), ..*shown },
        pixels_per_point,
        mode: context.state.settings.scene,
        affine: *volume.grid().affine(),
        dims: volume.grid().dims(),
        window: session.views.window(),
        is_color: volume.voxels().is_color(),
        labels,
        version: session.scene.version,
    }
}

fn paint(ui: &Ui, context: ViewContext<'_>, session: &Session, shown: &SliceView) {
    if session.is_glimpse {
        return;
    }
    let frame = frame(context, session, shown, ui.pixels_per_point());
    if context.state.graphics.is_some() {
        let callback = SceneCallback { frame };
        ui.painter_at(shown.rect).add(egui_wgpu::Callback::new_paint_callback(shown.rect, callback));
        return;
    }
    let cpu = &mut *context.cpu.borrow_mut();
    if cpu.scene.pace().due(&frame).is_some()
        && let Some(image) = cpu.scene.draw(&frame, session.volume(), &session.scene.drawn_parts())
    {
        match &mut cpu.scene_picture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => {
                let texture = ui.ctx().load_texture("3-D view", image, TextureOptions::LINEAR);
                cpu.scene_picture = Some(texture);
            }
        }
    }
    if let Some(texture) = &cpu.scene_picture {
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter_at(shown.rect).image(texture.id(), shown.rect, uv, Color32::WHITE);
    }
}

/// Edges of the image.
fn box_lines(text: &Text<'_>, session: &Session, shown: &SliceView) {
    let grid = session.volume().grid();
    let corner = |bits: u32| {
        let voxel = [0, 1, 2].map(|a| if bits >> a & 1 == 1 { grid.dims()[a] as f64 - 0.5 } else { -0.5 });
        shown.screen_from_world(grid.affine().world_from_voxel(voxel.into()))
    };
    let stroke = Stroke::new(1.0, on_image::WEAK.gamma_multiply(0.35));
    for from in 0..8u32 {
        for axis in (0..3).filter(|axis| from >> axis & 1 == 0) {
            text.painter.line_segment([corner(from), corner(from | 1 << axis)], stroke);
        }
    }
}

/// Where the crosshair is.
fn marker(text: &Text<'_>, session: &Session, shown: &SliceView) {
    let at = shown.screen_from_world(session.views.crosshair);
    for (index, view) in ViewId::PLANES.into_iter().enumerate() {
        let normal = session.views.axes(view).into * 14.0 * shown.mm_per_point;
        let reach = shown.screen_from_world(session.views.crosshair + normal) - at;
        let stroke = Stroke::new(1.4, on_image::PLANES[index]);
        text.painter.line_segment([at - reach, at + reach], stroke);
    }
}
