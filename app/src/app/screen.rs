//! Keeps the textures of the graphics device in step with the state.

use std::sync::Arc;

use eframe::egui_wgpu::RenderState;
use hilum_core::geometry::VoxelBox;

use crate::render::{Gpu, SceneRenderer, SliceRenderer};
use crate::state::{AppState, Dirty, Session, Severity};
use crate::viewport::label_colors;

/// Labels handed over at once.
const LABELS_PER_WRITE: usize = 16 << 20;

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
        Self { render_state, seen: None, seen_scene: None }
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
        self.of_scene(SceneRenderer::is_coarse).unwrap_or(false)
    }

    /// Milliseconds that the last picture of the 3-D view took.
    pub(super) fn scene_ms(&self) -> Option<f32> {
        self.of_scene(SceneRenderer::last_ms).flatten()
    }

    /// Uploads what changed: the image when another was opened, else only the dirty box.
    pub(super) fn sync(&mut self, state: &mut AppState) {
        let Some(render_state) = &self.render_state else { return };
        let Some(session) = &mut state.session else {
            if self.seen.take().is_some() {
                let resources = &mut render_state.renderer.write().callback_resources;
                resources.get_mut::<SliceRenderer>().into_iter().for_each(SliceRenderer::clear);
                resources.get_mut::<SceneRenderer>().into_iter().for_each(SceneRenderer::clear);
            }
            self.seen_scene = None;
            return;
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
        if !is_new && dirty.labels.is_empty() && !dirty.preview && !dirty.colors && !dirty.image {
            return;
        }
        let mut locked = render_state.renderer.write();
        let Some(renderer) = locked.callback_resources.get_mut::<SliceRenderer>() else { return };
        if is_new || (dirty.image && state.graphics.is_some()) {
            self.seen = Some(session.id);
            state.graphics = None;
            if let Err(error) = renderer.set_volume(session.seen()) {
                state.messages.say(Severity::Warning, error.to_string());
                return;
            }
            state.graphics = Some(name_of(&render_state.adapter));
        }
        if state.graphics.is_some()
            && let Err(error) = update(renderer, session, &dirty)
        {
            // Drawn by the CPU from now on.
            renderer.clear();
            state.graphics = None;
            state.messages.say(Severity::Warning, error.to_string());
        }
    }
}

fn update(
    renderer: &mut SliceRenderer,
    session: &Session,
    dirty: &Dirty,
) -> Result<(), crate::render::TextureError> {
    let labels = session.document.labels();
    let untouched = session.labels_revision == 0 && labels.count(0) == labels.voxels().len();
    if !dirty.labels.is_empty() && !untouched {
        for part in parts(dirty.labels) {
            let mut values = Vec::with_capacity(part.voxel_count());
            for (y, z) in part.rows() {
                let start = labels.grid().index([part.start()[0], y, z]);
                values.extend_from_slice(&labels.voxels()[start..start + part.size()[0]]);
            }
            renderer.write_labels(part, &values);
        }
    }
    if dirty.colors {
        renderer.set_colors(&label_colors(session));
    }
    if dirty.preview {
        match session.document.shown_preview() {
            Some(mask) => renderer.set_preview(mask.region(), bytemuck::cast_slice(mask.inside()))?,
            None => renderer.set_preview(VoxelBox::default(), &[])?,
        }
    }
    Ok(())
}

/// A box in pieces of whole slices that are small enough to copy.
fn parts(region: VoxelBox) -> impl Iterator<Item = VoxelBox> {
    let (start, end) = (region.start(), region.end());
    let step = (LABELS_PER_WRITE / (region.size()[0] * region.size()[1]).max(1)).max(1);
    (start[2]..end[2])
        .step_by(step)
        .map(move |z| VoxelBox::new([start[0], start[1], z], [end[0], end[1], (z + step).min(end[2])]))
}
