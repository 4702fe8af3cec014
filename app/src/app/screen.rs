//! Keeps the textures of the graphics device in step with the state.

use std::sync::Arc;

use eframe::egui_wgpu::RenderState;
use hilum_core::geometry::VoxelBox;

use crate::render::{Gpu, SceneRenderer, SliceRenderer};
use crate::state::{AppState, Dirty, Session, Severity};
use crate::viewport::label_colors;

/// Labels handed over at once.
const LABELS_PER_WRITE: usize = 2 << 20;

/// Labels handed over in one go, twice a frame, so that no change of them makes a frame late; more follow in the next
/// frames.
const LABELS_PER_FRAME: usize = 2 * LABELS_PER_WRITE;

/// What people call an adapter, and whether it is one: a driver in software does the same, more slowly.
fn name_of(adapter: &wgpu::Adapter) -> String {
    let info = adapter.get_info();
    match info.device_type {
        wgpu::DeviceType::Cpu => format!("{}, in software: no graphics driver found", info.name),
        _ => info.name,
    }
}

/// The graphics device, if there is one, and what it holds.
pub(super) struct Screen {
    render_state: Option<RenderState>,
    /// The session whose textures are there, or that the device refused.
    seen: Option<u64>,
    /// The session and the version of its surfaces that are there.
    seen_scene: Option<(u64, u64)>,
    /// Boxes of labels that have changed and not been handed over yet.
    labels_due: Vec<VoxelBox>,
    /// Boxes of the preview, counted from its own first voxel, that have not been handed over yet.
    preview_due: Vec<VoxelBox>,
}

impl Screen {
    /// Compiles the shaders.
    pub(super) fn new(render_state: Option<RenderState>) -> Self {
        if let Some(render_state) = &render_state {
            // A fault of the driver must not end the program while there is unsaved work.
            render_state.device.on_uncaptured_error(Arc::new(|error: wgpu::Error| {
                tracing::error!("the graphics device reports: {error}");
            }));
            let gpu = Gpu { device: render_state.device.clone(), queue: render_state.queue.clone() };
            let slices = SliceRenderer::new(gpu.clone(), render_state.target_format);
            let scene = SceneRenderer::new(gpu, render_state.target_format);
            let resources = &mut render_state.renderer.write().callback_resources;
            resources.insert(slices);
            resources.insert(scene);
        }
        Self { render_state, seen: None, seen_scene: None, labels_due: Vec::new(), preview_due: Vec::new() }
    }

    /// What people call the device.
    pub(super) fn adapter_name(&self) -> Option<String> {
        self.render_state.as_ref().map(|state| name_of(&state.adapter))
    }

    fn of_scene<T>(&self, read: impl FnOnce(&SceneRenderer) -> T) -> Option<T> {
        let renderer = self.render_state.as_ref()?.renderer.read();
        renderer.callback_resources.get::<SceneRenderer>().map(read)
    }

    /// Whether the 3-D view can be drawn finer once it rests.
    pub(super) fn scene_is_coarse(&self) -> bool {
        self.of_scene(|scene| scene.pace().is_coarse()).unwrap_or(false)
    }

    /// Milliseconds that the last picture of the 3-D view took.
    pub(super) fn scene_ms(&self) -> Option<f32> {
        self.of_scene(|scene| scene.pace().last_ms()).flatten()
    }

    /// Uploads what changed: the image when another was opened, else only the dirty box. Says whether there is more than
    /// fits into this frame.
    pub(super) fn sync(&mut self, state: &mut AppState) -> bool {
        let Some(render_state) = &self.render_state else { return false };
        let Some(session) = &mut state.session else {
            if self.seen.take().is_some() {
                let resources = &mut render_state.renderer.write().callback_resources;
                resources.get_mut::<SliceRenderer>().into_iter().for_each(SliceRenderer::clear);
                resources.get_mut::<SceneRenderer>().into_iter().for_each(SceneRenderer::clear);
            }
            self.seen_scene = None;
            (self.labels_due, self.preview_due) = (Vec::new(), Vec::new());
            return false;
        };
        let scene = (session.id, session.scene.version);
        if self.seen_scene != Some(scene) {
            self.seen_scene = Some(scene);
            let resources = &mut render_state.renderer.write().callback_resources;
            if let Some(renderer) = resources.get_mut::<SceneRenderer>() {
                renderer.set_parts(session.id, session.scene.version, &session.scene.drawn_parts());
            }
        }
        let dirty = std::mem::take(&mut session.dirty);
        let is_new = self.seen != Some(session.id);
        let is_clean = dirty.labels.is_empty() && !dirty.preview && !dirty.colors && !dirty.image;
        if !is_new && is_clean && self.labels_due.is_empty() && self.preview_due.is_empty() {
            return false;
        }
        let mut locked = render_state.renderer.write();
        let Some(renderer) = locked.callback_resources.get_mut::<SliceRenderer>() else { return false };
        if is_new || (dirty.image && state.graphics.is_some()) {
            self.seen = Some(session.id);
            (self.labels_due, self.preview_due) = (Vec::new(), Vec::new());
            state.graphics = None;
            if let Err(error) = renderer.set_volume(session.seen()) {
                state.messages.say(Severity::Warning, error.to_string());
                return false;
            }
            state.graphics = Some(name_of(&render_state.adapter));
        }
        if state.graphics.is_none() {
            return false;
        }
        let mut due = Due { labels: &mut self.labels_due, preview: &mut self.preview_due };
        let room = if is_new { usize::MAX } else { LABELS_PER_FRAME };
        match due.note(renderer, session, &dirty) {
            Ok(()) => due.hand_over(renderer, session, room),
            Err(error) => {
                // Drawn by the CPU from now on.
                renderer.clear();
                state.graphics = None;
                state.messages.say(Severity::Warning, error.to_string());
                false
            }
        }
    }
}

/// What waits to be handed over.
struct Due<'a> {
    labels: &'a mut Vec<VoxelBox>,
    preview: &'a mut Vec<VoxelBox>,
}

impl Due<'_> {
    /// Takes in what changed. The next to go stands last: the slices nearest to the crosshair.
    fn note(
        &mut self,
        renderer: &mut SliceRenderer,
        session: &Session,
        dirty: &Dirty,
    ) -> Result<(), crate::render::TextureError> {
        let labels = session.document.labels();
        let slice = labels.grid().affine().voxel_from_world(session.views.crosshair).z;
        let far = |part: &VoxelBox, offset: usize| {
            let middle = offset + (part.start()[2] + part.end()[2]) / 2;
            std::cmp::Reverse((middle as f64 - slice).abs() as usize)
        };
        let untouched = session.labels_revision == 0 && labels.is_blank();
        if !dirty.labels.is_empty() && !untouched {
            self.labels.retain(|part| part.intersection(&dirty.labels) != *part);
            let mut new: Vec<_> = parts(dirty.labels).collect();
            new.sort_by_key(|part| far(part, 0));
            self.labels.extend(new);
        }
        if dirty.colors {
            renderer.set_colors(&label_colors(session));
        }
        if dirty.preview {
            let region = session.document.shown_preview().map(|mask| mask.region()).unwrap_or_default();
            renderer.begin_preview(region.size())?;
            *self.preview = match region.is_empty() {
                true => Vec::new(),
                false => parts(VoxelBox::new([0; 3], region.size())).collect(),
            };
            self.preview.sort_by_key(|part| far(part, region.start()[2]));
        }
        Ok(())
    }

    /// Hands over as much as there is room for; whether there is more.
    fn hand_over(&mut self, renderer: &SliceRenderer, session: &Session, mut room: usize) -> bool {
        let labels = session.document.labels();
        let mut values = Vec::new();
        while let Some(part) = self.labels.pop_if(|_| room > 0) {
            values.clear();
            for (y, z) in part.rows() {
                values.extend_from_slice(&labels.row(y, z)[part.start()[0]..part.end()[0]]);
            }
            renderer.write_labels(part, &values);
            room = room.saturating_sub(part.voxel_count());
        }
        let Some(mask) = session.document.shown_preview() else {
            self.preview.clear();
            return !self.labels.is_empty();
        };
        let area = mask.region().size()[0] * mask.region().size()[1];
        while let Some(part) = self.preview.pop_if(|_| room > 0) {
            let bytes = &mask.inside()[part.start()[2] * area..part.end()[2] * area];
            renderer.write_preview(part, bytemuck::cast_slice(bytes));
            room = room.saturating_sub(part.voxel_count());
        }
        !self.labels.is_empty() || !self.preview.is_empty()
    }
}

/// A box in pieces of whole slices that are small enough to copy.
fn parts(region: VoxelBox) -> impl Iterator<Item = VoxelBox> {
    let (start, end) = (region.start(), region.end());
    let step = (LABELS_PER_WRITE / (region.size()[0] * region.size()[1]).max(1)).max(1);
    (start[2]..end[2])
        .step_by(step)
        .map(move |z| VoxelBox::new([start[0], start[1], z], [end[0], end[1], (z + step).min(end[2])]))
}
