//! One view: the image, what lies over it, and the mouse.

use std::cell::RefCell;
use std::collections::BTreeMap;

use eframe::egui_wgpu;
use egui::{
    Color32, EventFilter, Id, Rect, Response, Role, Sense, TextureHandle, TextureOptions, Ui, WidgetInfo,
    pos2,
};
use hilum_core::fundus::Enhancement;
use hilum_core::geometry::VoxelBox;

use super::{SliceView, VoxelFromPixel, attention, input, overlay, scene, slice_bar};
use crate::command::Actions;
use crate::render::{
    CpuScene, LabelColors, Pace, ScenePainter, SliceCallback, SliceLook, SliceUniforms, draw_on_cpu,
};
use crate::state::{AppState, Photo, Session, ViewId};
use crate::theme::on_image;

/// Everything a view reads, and where it asks for changes.
#[derive(Clone, Copy)]
pub struct ViewContext<'a> {
    /// What is shown.
    pub state: &'a AppState,
    /// Where to ask.
    pub actions: &'a Actions,
    /// Slices drawn by the CPU, where there is no graphics device.
    pub cpu: &'a RefCell<CpuSlices>,
}

pub(super) fn view_id(view: ViewId) -> Id {
    Id::unique(("view", view.index()))
}

/// Whether a widget is a view.
pub fn is_view(id: Id) -> bool {
    ViewId::PLANES.into_iter().chain([ViewId::Scene]).any(|view| view_id(view) == id)
}

/// Draws a view of the open image into a rectangle and handles the mouse in it.
pub fn show(ui: &mut Ui, context: ViewContext<'_>, session: &Session, view: ViewId, rect: Rect) -> Response {
    if view == ViewId::Scene {
        return scene::show(ui, context, session, rect);
    }
    let response = ui.interact(rect, view_id(view), Sense::click_and_drag());
    // Arrow keys scroll here; without this they would move the keyboard to a neighbour.
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, escape: true, tab: false };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let (slice, count) = session.views.slice_number(session.volume(), view);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Canvas, true, format!("{} view", view.name()));
        info.current_text_value = Some(format!("slice {slice} of {count}"));
        info
    });
    let panes = attention::panes(ui, context.state, session, rect);
    let of_pane = |pane: &attention::Pane| session.views.slice_view(session.volume(), view, pane.rect);
    let under_hand = attention::under_hand(ui, &panes);
    input::handle(ui, context, session, view, &of_pane(&panes[under_hand]), &response);
    for (number, pane) in panes.iter().enumerate().filter(|_| ui.is_rect_visible(rect)) {
        let (rect, shown) = (pane.rect, of_pane(pane));
        let painter = ui.painter_at(rect);
        // The image covers all of the view; to fill it first would be seen by nobody.
        let slot = slot_of(view, number);
        paint_image(ui, context, session, slot, &shown);
        if let Some(inspect) = &context.state.inspect {
            let pictures = &mut context.cpu.borrow_mut().attention;
            attention::paint(ui, inspect, session, (slot, pane), &shown, pictures);
        } else if let Some(looking) = context.state.looking_back() {
            let pictures = &mut context.cpu.borrow_mut().attention;
            attention::paint_kept(ui, looking, slot, &shown, pictures);
        }
        overlay::paint(&painter, context.state, session, (view, pane.is_tile()), &shown, &response);
    }
    context.cpu.borrow_mut().keep(view, panes.len());
    if let Some(inspect) = context.state.inspect.as_ref().filter(|_| panes.len() > 1) {
        for (number, pane) in panes.iter().enumerate() {
            let part = ui.interact(pane.rect, view_id(view).with(number), Sense::hover());
            let name = format!("{} view: {}", view.name(), pane.name(inspect));
            part.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        }
    }
    slice_bar::show(ui, context, session, view, rect);
    response
}

/// Which picture of the program a part of a view is.
fn slot_of(view: ViewId, pane: usize) -> usize {
    view.index() + pane * ViewId::PLANES.len()
}

fn look(state: &AppState, session: &Session) -> SliceLook {
    let (low, high) = session.views.window();
    let [r, g, b, _] = on_image::BACKGROUND.to_normalized_gamma_f32();
    SliceLook {
        low,
        high,
        linear: state.settings.linear,
        show_labels: session.show_mask && !session.is_glimpse,
        fill_opacity: state.settings.fill_opacity,
        outline_opacity: state.settings.outline_opacity,
        background: [r, g, b],
    }
}

/// Colour of every label; the alpha is its own opacity, 0 where it is hidden.
pub fn label_colors(session: &Session) -> LabelColors {
    let table = session.document.table();
    let last = table.entries().iter().map(|entry| entry.id).max().unwrap_or(0);
    let mut colors = vec![[255, 255, 255, 255]; usize::from(last) + 1];
    for entry in table.entries() {
        let [r, g, b] = entry.color;
        // A visible label without fill keeps its outline.
        let fill = (entry.opacity.clamp(0.0, 1.0) * 255.0).round().max(1.0) as u8;
        let alpha = if entry.visible { fill } else { 0 };
        colors[usize::from(entry.id)] = [r, g, b, alpha];
    }
    colors
}

fn paint_image(ui: &Ui, context: ViewContext<'_>, session: &Session, slot: usize, shown: &SliceView) {
    let volume = session.seen();
    let look = look(context.state, session);
    let preview = session.document.shown_preview().map(|mask| mask.region());
    if context.state.graphics.is_some() {
        let map = shown.voxel_from_pixel(volume.grid().affine(), pos2(0.0, 0.0), ui.pixels_per_point());
        let dims = volume.grid().dims();
        let uniforms = SliceUniforms::new(&map, dims, &look, volume.voxels().is_color(), preview);
        let callback = SliceCallback { slot, uniforms };
        ui.painter_at(shown.rect).add(egui_wgpu::Callback::new_paint_callback(shown.rect, callback));
    } else {
        context.cpu.borrow_mut().paint(ui, session, slot, shown, look, preview);
    }
}

/// What a slice drawn by the CPU depends on.
#[derive(Clone, Debug, PartialEq)]
struct CpuKey {
    session: u64,
    map: VoxelFromPixel,
    size: [usize; 2],
    look: SliceLook,
    labels_revision: u64,
    document_revision: u64,
    seen_as: Option<Enhancement>,
}

/// Slices drawn by the CPU, kept until something changes.
#[derive(Default)]
pub struct CpuSlices {
    slices: BTreeMap<usize, (CpuKey, TextureHandle)>,
    /// Maps of attention over the slices.
    attention: attention::Pictures,
    /// The 3-D view and its last picture.
    pub(super) scene: ScenePainter,
    pub(super) scene_picture: Option<TextureHandle>,
}

impl CpuSlices {
    /// How fine the 3-D view is drawn.
    pub fn scene_pace(&self) -> &Pace {
        self.scene.pace()
    }

    /// Forgets the pictures of the parts of a view that it no longer has.
    fn keep(&mut self, view: ViewId, panes: usize) {
        let planes = ViewId::PLANES.len();
        let is_used = |slot: usize| slot % planes != view.index() || slot < slot_of(view, panes);
        self.slices.retain(|slot, _| is_used(*slot));
        self.attention.keep(is_used);
    }

    fn paint(
        &mut self,
        ui: &Ui,
        session: &Session,
        slot: usize,
        shown: &SliceView,
        look: SliceLook,
        preview: Option<VoxelBox>,
    ) {
        // Pixel on pixel, so that nothing is blurred.
        let scale = ui.pixels_per_point();
        let pixel = |points: f32| (points * scale).round();
        let (min, max) = (shown.rect.min, shown.rect.max);
        let (left, top) = (pixel(min.x), pixel(min.y));
        let size = [pixel(max.x) - left, pixel(max.y) - top].map(|n| n.max(1.0) as usize);
        let rect =
            Rect::from_min_size(pos2(left, top) / scale, egui::vec2(size[0] as f32, size[1] as f32) / scale);
        let map = shown.voxel_from_pixel(session.volume().grid().affine(), rect.min, scale);
        let key = CpuKey {
            session: session.id,
            map,
            size,
            look,
            labels_revision: session.labels_revision,
            document_revision: session.document.revision(),
            seen_as: session.photo.as_ref().map(Photo::seen_as),
        };
        if self.slices.get(&slot).is_none_or(|(old, _)| *old != key) {
            let labels = session.document.labels();
            let mask = session.document.shown_preview();
            let scene = CpuScene {
                volume: session.seen(),
                labels,
                preview: preview.zip(mask).map(|(region, mask)| (region, mask.inside())),
                colors: &label_colors(session),
                look,
            };
            let image = draw_on_cpu(&scene, &map, size, [f64::from(left), f64::from(top)]);
            match self.slices.get_mut(&slot) {
                Some((old, texture)) => {
                    texture.set(image, TextureOptions::NEAREST);
                    *old = key;
                }
                None => {
                    let name = format!("slice {slot}");
                    let texture = ui.ctx().load_texture(name, image, TextureOptions::NEAREST);
                    self.slices.insert(slot, (key, texture));
                }
            }
        }
        if let Some((_, texture)) = self.slices.get(&slot) {
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter_at(rect).image(texture.id(), rect, uv, Color32::WHITE);
        }
    }
}
