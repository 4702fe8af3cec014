//! Pictures of slices that are kept as long as nothing in them changes.
//!
//! A window draws all of itself whenever the mouse moves. To sample a slice is by far the most of that work on a device
//! in software, and a noticeable part on a small one, while of four views at most one has changed.

use wgpu::{
    BindingResource, BindingType, ShaderStages, TextureFormat, TextureSampleType, TextureViewDimension,
};

use super::gpu::{flat_pipeline, uniform_entry};
use super::look::SliceUniforms;

/// A rectangle of the framebuffer in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRect {
    /// Its first column and row.
    pub corner: [i32; 2],
    /// Its size, at least 1.
    pub size: [u32; 2],
}

impl PixelRect {
    /// The pixels that egui takes for a rectangle in points.
    pub fn of(rect: egui::Rect, pixels_per_point: f32) -> Self {
        let px = |points: f32| (points * pixels_per_point).round();
        let (left, top) = (px(rect.min.x), px(rect.min.y));
        let size = [px(rect.max.x) - left, px(rect.max.y) - top].map(|n| n.clamp(1.0, 8192.0) as u32);
        Self { corner: [left as i32, top as i32], size }
    }
}

/// What a picture shows: the view, and the version of the textures that it is sampled from.
pub(super) type Shown = (SliceUniforms, [u32; 2], u64);

/// A picture of one view.
pub(super) struct Picture {
    pub(super) shown: Option<Shown>,
    pub(super) view: wgpu::TextureView,
    size: [u32; 2],
    place: wgpu::Buffer,
    bindings: wgpu::BindGroup,
}

/// Makes and lays pictures.
pub(super) struct Pictures {
    format: TextureFormat,
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::RenderPipeline,
}

impl Pictures {
    /// Compiles the shader for a target format, which the pictures have as well.
    pub(super) fn new(device: &wgpu::Device, format: TextureFormat) -> Self {
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("picture of a slice"),
            entries: &[
                uniform_entry(0),
                wgpu::BindGroupLayoutEntry {
                    binding: 1,
                    visibility: ShaderStages::FRAGMENT,
                    ty: BindingType::Texture {
                        sample_type: TextureSampleType::Float { filterable: false },
                        view_dimension: TextureViewDimension::D2,
                        multisampled: false,
                    },
                    count: None,
                },
            ],
        });
        let pipeline = flat_pipeline(device, format, &layout, include_str!("paste.wgsl"), "paste");
        Self { format, layout, pipeline }
    }

    /// A picture of a size; the old one, if it has that size.
    pub(super) fn fitting(&self, gpu: &super::Gpu, old: Option<Picture>, size: [u32; 2]) -> Picture {
        if let Some(old) = old.filter(|old| old.size == size) {
            return old;
        }
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture of a slice"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let place = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("place of a picture"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture of a slice"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: place.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: BindingResource::TextureView(&view) },
            ],
        });
        Picture { shown: None, view, size, place, bindings }
    }

    /// Lays a picture over the viewport of the pass.
    pub(super) fn lay(&self, picture: &Picture, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &picture.bindings, &[]);
        pass.draw(0..3, 0..1);
    }
}

impl Picture {
    /// Where it lies from now on.
    pub(super) fn place(&self, gpu: &super::Gpu, [left, top]: [i32; 2]) {
        gpu.queue.write_buffer(&self.place, 0, bytemuck::bytes_of(&[left, top, 0, 0]));
    }
}
