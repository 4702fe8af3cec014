//! Draws the 3-D view with a graphics device: surfaces with depth and light, the image as a volume.
//!
//! The picture is drawn into a texture of its own, which egui's pass has no depth for, only when something changed, and
//! laid over the window in every frame.

use std::collections::BTreeMap;
use std::time::Instant;

use bytemuck::{Pod, Zeroable};
use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::PaintCallbackInfo;
use hilum_core::geometry::Affine;
use hilum_core::surface::Blocks;
use nalgebra::Vector3;
use wgpu::{BindingResource, TextureFormat, TextureSampleType};

use super::gpu::SliceRenderer;
use super::quality::{LEVELS, Pace};
use super::scene_pipelines::{Pipelines, Target};
use super::texture::Gpu;
use crate::state::{SceneMode, SurfacePart};
use crate::viewport::SliceView;

const LINEAR: u32 = 1;
const COLOR: u32 = 2;
const MIP: u32 = 4;

/// Everything a picture of the 3-D view depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneFrame {
    /// The image that is open.
    pub session: u64,
    /// Place on the screen and direction.
    pub shown: SliceView,
    /// Physical pixels in a point.
    pub pixels_per_point: f32,
    /// What is drawn.
    pub mode: SceneMode,
    /// Where the voxels lie.
    pub affine: Affine,
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Values shown black and white.
    pub window: (f32, f32),
    /// The image has red, green and blue.
    pub is_color: bool,
    /// Visible labels with red, green, blue and opacity, 0 to 1.
    pub labels: Vec<(u16, [f32; 4])>,
    /// Version of the surfaces.
    pub version: u64,
}

impl SceneFrame {
    /// Size in physical pixels.
    pub(super) fn size(&self) -> [u32; 2] {
        let size = self.shown.rect.size() * self.pixels_per_point;
        [size.x, size.y].map(|n| n.round().clamp(1.0, 8192.0) as u32)
    }

    fn spacing_mm(&self) -> f64 {
        self.affine.spacing_mm().into_iter().fold(f64::INFINITY, f64::min)
    }

    /// Radius in mm of a ball around the middle of the view that holds the whole image.
    fn radius_mm(&self) -> f64 {
        (0..8u32)
            .map(|corner| {
                let voxel = [0, 1, 2].map(|a| if corner >> a & 1 == 1 { self.dims[a] as f64 } else { -1.0 });
                (self.affine.world_from_voxel(voxel.into()) - self.shown.center).norm()
            })
            .fold(1.0, f64::max)
    }

    fn camera(&self) -> Camera {
        let (axes, radius) = (&self.shown.axes, self.radius_mm());
        let half = self.shown.rect.size() / 2.0;
        let rows = [
            axes.right / (f64::from(half.x.max(0.5)) * self.shown.mm_per_point),
            -axes.down / (f64::from(half.y.max(0.5)) * self.shown.mm_per_point),
            axes.into / (2.0 * radius),
        ];
        let moved = |row: usize| {
            let shift = if row == 2 { 0.5 } else { 0.0 };
            shift - rows[row].dot(&self.shown.center.coords)
        };
        let mut columns = [[0.0f32; 4]; 4];
        for (row, values) in rows.iter().enumerate() {
            for column in 0..3 {
                columns[column][row] = values[column] as f32;
            }
            columns[3][row] = moved(row) as f32;
        }
        columns[3][3] = 1.0;
        Camera { clip_from_world: columns, lamp: four(self.lamp()), into: four(axes.into) }
    }

    /// Pixels of the view and voxels of the finest spacing that it is deep.
    pub(super) fn pixels_and_depth(&self) -> (f64, f64) {
        let [width, height] = self.size();
        // Rays through the middle are about as long as the image is deep.
        (f64::from(width) * f64::from(height), self.radius_mm() * 1.2 / self.spacing_mm().max(1e-9))
    }

    /// Towards the lamp: over the viewer's left shoulder.
    pub(super) fn lamp(&self) -> Vector3<f64> {
        let axes = &self.shown.axes;
        (-axes.into - axes.down * 0.35 - axes.right * 0.25).normalize()
    }

    /// Labels in the order in which they are drawn: opaque ones, then the others from the farthest to the nearest, so
    /// that what lies inside another is drawn before it.
    pub(super) fn order<T>(&self, parts: &BTreeMap<(u16, usize), T>) -> Vec<(u16, [f32; 4])> {
        let mut labels = self.labels.clone();
        let block_mm = |block: usize| -> f64 {
            let voxel = Blocks::new(self.dims).first_voxel(block).map(|n| n as f64);
            self.shown.depth_mm(self.affine.world_from_voxel(voxel.into()))
        };
        let nearest = |label: u16| {
            let blocks = parts.range((label, 0)..=(label, usize::MAX)).map(|((_, block), _)| *block);
            blocks.map(block_mm).fold(f64::INFINITY, f64::min)
        };
        labels.sort_by(|(a, color_a), (b, color_b)| {
            let (solid_a, solid_b) = (color_a[3] >= 1.0, color_b[3] >= 1.0);
            solid_b.cmp(&solid_a).then(nearest(*b).total_cmp(&nearest(*a)))
        });
        labels
    }

    pub(super) fn rays(&self, level: usize, size: [u32; 2]) -> Rays {
        let fine = LEVELS[level];
        let scale = size[0] as f32 / self.shown.rect.width().max(1.0);
        let map = self.shown.voxel_from_pixel(&self.affine, self.shown.rect.min, scale);
        let mut flags = 0;
        for (bit, on) in [(LINEAR, fine.linear), (COLOR, self.is_color), (MIP, self.mode == SceneMode::Mip)] {
            flags |= if on { bit } else { 0 };
        }
        let (low, high) = self.window;
        let spacing = self.spacing_mm() as f32;
        let [x, y, z] = self.dims.map(|n| n as u32);
        Rays {
            origin: four(map.origin.coords),
            right: four(map.right),
            down: four(map.down),
            into: four(self.affine.voxel_vector(self.shown.axes.into)),
            dims: [x, y, z, flags],
            look: [low, 1.0 / (high - low).max(1e-20), spacing * fine.step, spacing],
        }
    }
}

fn four(v: Vector3<f64>) -> [f32; 4] {
    [v.x as f32, v.y as f32, v.z as f32, 0.0]
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Camera {
    clip_from_world: [[f32; 4]; 4],
    lamp: [f32; 4],
    into: [f32; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Rays {
    pub(super) origin: [f32; 4],
    pub(super) right: [f32; 4],
    pub(super) down: [f32; 4],
    pub(super) into: [f32; 4],
    dims: [u32; 4],
    /// Window low, 1 / width, mm of a step, finest spacing in mm.
    pub(super) look: [f32; 4],
}

/// A part of a surface on the device.
struct PartBuffers {
    version: u64,
    vertices: wgpu::Buffer,
    indices: wgpu::Buffer,
    count: u32,
}

/// Pipelines, meshes and the last picture; kept among egui's callback resources.
pub struct SceneRenderer {
    gpu: Gpu,
    pipelines: Pipelines,
    parts: BTreeMap<(u16, usize), PartBuffers>,
    parts_version: Option<(u64, u64)>,
    target: Option<Target>,
    pace: Pace,
}

impl SceneRenderer {
    /// Compiles the shaders for a target format.
    pub fn new(gpu: Gpu, target: TextureFormat) -> Self {
        let pipelines = Pipelines::new(&gpu, target);
        Self {
            gpu,
            pipelines,
            parts: BTreeMap::new(),
            parts_version: None,
            target: None,
            pace: Pace::default(),
        }
    }

    /// How fine pictures are.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Brings the meshes of an image up to date.
    pub fn set_parts(&mut self, session: u64, version: u64, parts: &BTreeMap<(u16, usize), SurfacePart>) {
        if self.parts_version == Some((session, version)) {
            return;
        }
        if self.parts_version.is_none_or(|(old, _)| old != session) {
            self.parts.clear();
        }
        self.parts_version = Some((session, version));
        self.parts.retain(|key, _| parts.contains_key(key));
        for (key, part) in parts {
            if self.parts.get(key).is_none_or(|old| old.version != part.version) {
                let mesh = &part.mesh;
                let vertices: Vec<[[f32; 3]; 2]> =
                    mesh.positions.iter().zip(&mesh.normals).map(|(at, normal)| [*at, *normal]).collect();
                let buffer = |contents: &[u8], usage| {
                    let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
                        label: Some("surface"),
                        size: contents.len() as u64,
                        usage: usage | wgpu::BufferUsages::COPY_DST,
                        mapped_at_creation: false,
                    });
                    self.gpu.queue.write_buffer(&buffer, 0, contents);
                    buffer
                };
                let buffers = PartBuffers {
                    version: part.version,
                    vertices: buffer(bytemuck::cast_slice(&vertices), wgpu::BufferUsages::VERTEX),
                    indices: buffer(bytemuck::cast_slice(&mesh.triangles), wgpu::BufferUsages::INDEX),
                    count: (mesh.triangles.len() * 3) as u32,
                };
                self.parts.insert(*key, buffers);
            }
        }
    }

    /// Forgets everything about the image.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.parts_version = None;
        self.pace.forget();
    }

    /// Draws the picture anew if it has changed, or finer if it has not.
    pub fn prepare(&mut self, frame: &SceneFrame, volume: Option<(wgpu::TextureView, TextureSampleType)>) {
        let Some(level) = self.pace.due(frame) else { return };
        let full = frame.size();
        let size = full.map(|n| ((n as f32 * LEVELS[level].scale) as u32).max(1));
        if self.target.as_ref().is_none_or(|target| target.size != size) {
            self.target = Some(self.pipelines.target(&self.gpu, size));
        }
        let start = Instant::now();
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        match (frame.mode, volume) {
            (SceneMode::Surfaces, _) => self.draw_surfaces(frame, &mut encoder),
            (_, Some((view, kind))) => self.cast_rays(frame, level, &view, kind, &mut encoder),
            (_, None) => return,
        }
        self.gpu.queue.submit([encoder.finish()]);
        // The wait is what the picture costs; nothing else is known on all devices.
        self.gpu.device.poll(wgpu::PollType::wait_indefinitely()).ok();
        self.pace.done(frame, level, start.elapsed().as_secs_f64() * 1e3);
    }

    fn cast_rays(
        &self,
        frame: &SceneFrame,
        level: usize,
        volume: &wgpu::TextureView,
        kind: TextureSampleType,
        encoder: &mut wgpu::CommandEncoder,
    ) {
        let Some(target) = &self.target else { return };
        let Some((layout, pipeline)) = self.pipelines.volume(kind) else { return };
        let rays = self.uniform(bytemuck::bytes_of(&frame.rays(level, target.size)));
        let bindings = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("rays"),
            layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: rays.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: BindingResource::TextureView(volume) },
            ],
        });
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("rays"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &target.picture,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations::default(),
            })],
            ..Default::default()
        });
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.draw(0..3, 0..1);
    }

    fn uniform(&self, contents: &[u8]) -> wgpu::Buffer {
        let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("3-D view"),
            size: contents.len() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.gpu.queue.write_buffer(&buffer, 0, contents);
        buffer
    }

    fn draw_surfaces(&self, frame: &SceneFrame, encoder: &mut wgpu::CommandEncoder) {
        let Some(target) = &self.target else { return };
        let camera = self.uniform(bytemuck::bytes_of(&frame.camera()));
        let bound: Vec<_> = frame
            .order(&self.parts)
            .into_iter()
            .map(|(label, color)| {
                let look = self.uniform(bytemuck::bytes_of(&color));
                let bindings = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("surface"),
                    layout: &self.pipelines.surface_layout,
                    entries: &[
                        wgpu::BindGroupEntry { binding: 0, resource: camera.as_entire_binding() },
                        wgpu::BindGroupEntry { binding: 1, resource: look.as_entire_binding() },
                    ],
                });
                (label, color[3], bindings)
            })
            .collect();
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("surfaces"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &target.samples,
                depth_slice: None,
                resolve_target: Some(&target.picture),
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Discard,
                },
            })],
            depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                view: &target.depth,
                depth_ops: Some(wgpu::Operations {
                    load: wgpu::LoadOp::Clear(1.0),
                    store: wgpu::StoreOp::Discard,
                }),
                stencil_ops: None,
            }),
            ..Default::default()
        });
        for (label, opacity, bindings) in &bound {
            pass.set_bind_group(0, bindings, &[]);
            if *opacity >= 1.0 {
                pass.set_pipeline(&self.pipelines.solid);
                self.draw_label(*label, &mut pass);
            } else if *opacity > 0.0 {
                // First only the depth, so that of a translucent surface the front alone is seen.
                pass.set_pipeline(&self.pipelines.depth_only);
                self.draw_label(*label, &mut pass);
                pass.set_pipeline(&self.pipelines.blended);
                self.draw_label(*label, &mut pass);
            }
        }
    }

    fn draw_label(&self, label: u16, pass: &mut wgpu::RenderPass<'_>) {
        for part in self.parts.range((label, 0)..=(label, usize::MAX)).map(|(_, part)| part) {
            pass.set_vertex_buffer(0, part.vertices.slice(..));
            pass.set_index_buffer(part.indices.slice(..), wgpu::IndexFormat::Uint32);
            pass.draw_indexed(0..part.count, 0, 0..1);
        }
    }

    /// Lays the picture over the viewport of the pass.
    pub fn draw(&self, pass: &mut wgpu::RenderPass<'_>) {
        if let Some(target) = &self.target {
            pass.set_pipeline(&self.pipelines.lay);
            pass.set_bind_group(0, &target.lay, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    /// The picture itself; for tests.
    #[cfg(test)]
    pub(super) fn picture(&self) -> Option<(&wgpu::Texture, [u32; 2])> {
        self.target.as_ref().map(|target| (&target.texture, target.size))
    }
}

/// Paints the 3-D view inside an egui pass.
pub struct SceneCallback {
    /// What it shows.
    pub frame: SceneFrame,
}

impl CallbackTrait for SceneCallback {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let volume = resources.get::<SliceRenderer>().and_then(SliceRenderer::volume);
        if let Some(renderer) = resources.get_mut::<SceneRenderer>() {
            renderer.prepare(&self.frame, volume);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(renderer) = resources.get::<SceneRenderer>() {
            renderer.draw(pass);
        }
    }
}
