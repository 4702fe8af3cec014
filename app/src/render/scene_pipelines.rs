//! Pipelines and targets of the 3-D view.

use wgpu::{
    BindingResource, BindingType, BlendState, ColorWrites, CompareFunction, ShaderStages, TextureFormat,
    TextureSampleType, TextureUsages, TextureViewDimension,
};

use super::texture::Gpu;

/// Format of the picture.
const PICTURE: TextureFormat = TextureFormat::Rgba8Unorm;
/// Format of its depth.
const DEPTH: TextureFormat = TextureFormat::Depth32Float;
/// Samples of a pixel of surfaces.
const SAMPLES: u32 = 4;

/// Textures of a picture of a size.
pub(super) struct Target {
    pub size: [u32; 2],
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read it back"))]
    pub texture: wgpu::Texture,
    pub picture: wgpu::TextureView,
    pub samples: wgpu::TextureView,
    pub depth: wgpu::TextureView,
    pub lay: wgpu::BindGroup,
}

/// Everything that is compiled once.
pub(super) struct Pipelines {
    pub surface_layout: wgpu::BindGroupLayout,
    pub solid: wgpu::RenderPipeline,
    pub depth_only: wgpu::RenderPipeline,
    pub blended: wgpu::RenderPipeline,
    pub lay: wgpu::RenderPipeline,
    lay_layout: wgpu::BindGroupLayout,
    lay_uniform: wgpu::Buffer,
    sampler: wgpu::Sampler,
    volumes: [(TextureSampleType, wgpu::BindGroupLayout, wgpu::RenderPipeline); 3],
}

impl Pipelines {
    pub fn new(gpu: &Gpu, target: TextureFormat) -> Self {
        let device = &gpu.device;
        let surface_layout =
            layout(device, &[uniform(0, ShaderStages::VERTEX_FRAGMENT), uniform(1, ShaderStages::FRAGMENT)]);
        let module = shader(device, include_str!("surface.wgsl"));
        let surface = |look| surface_pipeline(device, &surface_layout, &module, look);
        let lay_layout = layout(device, &lay_entries());
        let lay_module = shader(device, include_str!("lay.wgsl"));
        let lay = flat_pipeline(device, &lay_layout, &lay_module, "show", target);
        let lay_uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("lay"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let flags = [u32::from(target.is_srgb()), 0, 0, 0];
        gpu.queue.write_buffer(&lay_uniform, 0, bytemuck::bytes_of(&flags));
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let volumes = [
            (TextureSampleType::Float { filterable: false }, "f32"),
            (TextureSampleType::Sint, "i32"),
            (TextureSampleType::Uint, "u32"),
        ]
        .map(|(kind, scalar)| {
            let layout = layout(
                device,
                &[uniform(0, ShaderStages::FRAGMENT), texture(1, kind, TextureViewDimension::D3)],
            );
            let module = shader(device, &include_str!("volume.wgsl").replace("VOLUME_SCALAR", scalar));
            let pipeline = flat_pipeline(device, &layout, &module, "march", PICTURE);
            (kind, layout, pipeline)
        });
        Self {
            solid: surface(SurfaceLook { blend: None, writes: ColorWrites::ALL, depth: Depth::Write }),
            depth_only: surface(SurfaceLook {
                blend: None,
                writes: ColorWrites::empty(),
                depth: Depth::Write,
            }),
            blended: surface(SurfaceLook {
                blend: Some(BlendState::ALPHA_BLENDING),
                writes: ColorWrites::ALL,
                depth: Depth::Same,
            }),
            surface_layout,
            lay,
            lay_layout,
            lay_uniform,
            sampler,
            volumes,
        }
    }

    /// What casts rays through a volume of a kind.
    pub fn volume(&self, kind: TextureSampleType) -> Option<(&wgpu::BindGroupLayout, &wgpu::RenderPipeline)> {
        let found = self.volumes.iter().find(|(own, ..)| *own == kind);
        found.map(|(_, layout, pipeline)| (layout, pipeline))
    }

    /// Textures of a size in pixels.
    pub fn target(&self, gpu: &Gpu, size: [u32; 2]) -> Target {
        let texture = |format, sample_count, usage| {
            gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("3-D view"),
                size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: TextureUsages::RENDER_ATTACHMENT | usage,
                view_formats: &[],
            })
        };
        let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
        let picture_texture = texture(PICTURE, 1, TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_SRC);
        let picture = view(&picture_texture);
        let lay = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("lay"),
            layout: &self.lay_layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: self.lay_uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: BindingResource::TextureView(&picture) },
                wgpu::BindGroupEntry { binding: 2, resource: BindingResource::Sampler(&self.sampler) },
            ],
        });
        Target {
            size,
            samples: view(&texture(PICTURE, SAMPLES, TextureUsages::empty())),
            depth: view(&texture(DEPTH, SAMPLES, TextureUsages::empty())),
            texture: picture_texture,
            picture,
            lay,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    /// Nearer than what is there, which it replaces.
    Write,
    /// As far as what is there.
    Same,
}

struct SurfaceLook {
    blend: Option<BlendState>,
    writes: ColorWrites,
    depth: Depth,
}

fn shader(device: &wgpu::Device, source: &str) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("3-D view"),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    })
}

fn layout(device: &wgpu::Device, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("3-D view"), entries })
}

fn uniform(binding: u32, visibility: ShaderStages) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty: BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

fn texture(
    binding: u32,
    sample_type: TextureSampleType,
    view_dimension: TextureViewDimension,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::FRAGMENT,
        ty: BindingType::Texture { sample_type, view_dimension, multisampled: false },
        count: None,
    }
}

fn lay_entries() -> [wgpu::BindGroupLayoutEntry; 3] {
    let sampler = wgpu::BindGroupLayoutEntry {
        binding: 2,
        visibility: ShaderStages::FRAGMENT,
        ty: BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
        count: None,
    };
    let picture = texture(1, TextureSampleType::Float { filterable: true }, TextureViewDimension::D2);
    [uniform(0, ShaderStages::FRAGMENT), picture, sampler]
}

fn pipeline_layout(device: &wgpu::Device, layout: &wgpu::BindGroupLayout) -> wgpu::PipelineLayout {
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("3-D view"),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    })
}

/// A pipeline that covers its target.
fn flat_pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    module: &wgpu::ShaderModule,
    entry: &str,
    target: TextureFormat,
) -> wgpu::RenderPipeline {
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("3-D view"),
        layout: Some(&pipeline_layout(device, layout)),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("cover"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(target.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

fn surface_pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    module: &wgpu::ShaderModule,
    look: SurfaceLook,
) -> wgpu::RenderPipeline {
    let is_writing = look.depth == Depth::Write;
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("surfaces"),
        layout: Some(&pipeline_layout(device, layout)),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("place"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[Some(wgpu::VertexBufferLayout {
                array_stride: 24,
                step_mode: wgpu::VertexStepMode::Vertex,
                attributes: &wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32x3],
            })],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: Some(wgpu::DepthStencilState {
            format: DEPTH,
            depth_write_enabled: Some(is_writing),
            depth_compare: Some(if is_writing { CompareFunction::Less } else { CompareFunction::Equal }),
            stencil: wgpu::StencilState::default(),
            bias: wgpu::DepthBiasState::default(),
        }),
        multisample: wgpu::MultisampleState { count: SAMPLES, ..Default::default() },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some("light"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(wgpu::ColorTargetState {
                format: PICTURE,
                blend: look.blend,
                write_mask: look.writes,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}
