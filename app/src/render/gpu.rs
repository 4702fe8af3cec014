//! Draws slices with a graphics device.

use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::PaintCallbackInfo;
use hilum_core::geometry::VoxelBox;
use hilum_core::volume::Volume;
use wgpu::{
    BindingResource, BindingType, ShaderStages, TextureFormat, TextureSampleType, TextureViewDimension,
};

use super::look::{LabelColors, SliceUniforms};
use super::texture::{Gpu, TextureError, format_of};

/// Labels a row of the colour texture; together with as many rows it covers every 16-bit label.
const COLORS_PER_ROW: usize = 256;

/// The textures of one image.
struct ImageTextures {
    volume: wgpu::Texture,
    sample_type: TextureSampleType,
    labels: wgpu::Texture,
    preview: wgpu::Texture,
}

/// One view's uniform block and its bindings.
struct ViewSlot {
    uniforms: wgpu::Buffer,
    bindings: wgpu::BindGroup,
}

/// Pipelines, textures and views; kept among egui's callback resources.
pub struct SliceRenderer {
    gpu: Gpu,
    target_is_srgb: bool,
    pipelines: [(TextureSampleType, wgpu::BindGroupLayout, wgpu::RenderPipeline); 3],
    colors: wgpu::Texture,
    image: Option<ImageTextures>,
    slots: Vec<Option<ViewSlot>>,
}

impl SliceRenderer {
    /// Compiles the shader for a target format.
    pub fn new(gpu: Gpu, target: TextureFormat) -> Self {
        let types = [
            (TextureSampleType::Float { filterable: false }, "f32"),
            (TextureSampleType::Sint, "i32"),
            (TextureSampleType::Uint, "u32"),
        ];
        let pipelines = types.map(|(sample_type, scalar)| {
            let layout = bind_group_layout(&gpu.device, sample_type);
            let pipeline = pipeline(&gpu.device, target, &layout, scalar);
            (sample_type, layout, pipeline)
        });
        let colors = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("label colours"),
            size: wgpu::Extent3d {
                width: COLORS_PER_ROW as u32,
                height: COLORS_PER_ROW as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        Self { gpu, target_is_srgb: target.is_srgb(), pipelines, colors, image: None, slots: Vec::new() }
    }

    /// Uploads an image with an empty label map and no proposal; the former image is released first.
    ///
    /// # Errors
    /// [`TextureError`] if it does not fit; then nothing is drawn until another image is set.
    pub fn set_volume(&mut self, volume: &Volume) -> Result<(), TextureError> {
        self.clear();
        let dims = volume.grid().dims();
        let labels = self.gpu.texture_3d("labels", dims, TextureFormat::R16Uint)?;
        let preview = self.gpu.texture_3d("no proposal", [1; 3], TextureFormat::R8Uint)?;
        let texture = self.gpu.volume_texture(volume)?;
        let (_, sample_type) = format_of(volume.voxels());
        self.image = Some(ImageTextures { volume: texture, sample_type, labels, preview });
        Ok(())
    }

    /// The image's texture and how a shader reads it, for the 3-D view.
    pub fn volume(&self) -> Option<(wgpu::TextureView, TextureSampleType)> {
        let image = self.image.as_ref()?;
        Some((image.volume.create_view(&wgpu::TextureViewDescriptor::default()), image.sample_type))
    }

    /// Forgets the image.
    pub fn clear(&mut self) {
        self.image = None;
        self.slots.clear();
    }

    /// Replaces a box of the label map; `labels` holds it `[z, y, x]`.
    pub fn write_labels(&self, region: VoxelBox, labels: &[u16]) {
        if let Some(image) = &self.image {
            self.gpu.write_box(&image.labels, region, bytemuck::cast_slice(labels));
        }
    }

    /// Makes room for a proposal of so many voxels along x, y, z, at first empty; none of 0 voxels removes the last one.
    ///
    /// # Errors
    /// [`TextureError`] if it does not fit.
    pub fn begin_preview(&mut self, size: [usize; 3]) -> Result<(), TextureError> {
        let Some(image) = &mut self.image else { return Ok(()) };
        let dims = if size.contains(&0) { [1; 3] } else { size };
        image.preview = self.gpu.texture_3d("proposal", dims, TextureFormat::R8Uint)?;
        self.slots.clear();
        Ok(())
    }

    /// Fills a box of the proposal, counted from its own first voxel, with bytes `[z, y, x]`, not zero inside.
    pub fn write_preview(&self, part: VoxelBox, inside: &[u8]) {
        if let Some(image) = &self.image {
            self.gpu.write_box(&image.preview, part, inside);
        }
    }

    /// Sets the colours of the labels.
    pub fn set_colors(&self, colors: &LabelColors) {
        let rows = colors.len().div_ceil(COLORS_PER_ROW).clamp(1, COLORS_PER_ROW);
        let mut texels = colors.clone();
        texels.resize(rows * COLORS_PER_ROW, [255; 4]);
        let region = VoxelBox::new([0; 3], [COLORS_PER_ROW, rows, 1]);
        self.gpu.write_box(&self.colors, region, bytemuck::cast_slice(&texels));
    }

    /// Prepares a view; [`Self::draw`] paints it.
    pub fn set_view(&mut self, slot: usize, uniforms: SliceUniforms) {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        if self.slots[slot].is_none() {
            self.slots[slot] = self.new_slot();
        }
        if let Some(view) = &self.slots[slot] {
            let uniforms = uniforms.for_target(self.target_is_srgb);
            self.gpu.queue.write_buffer(&view.uniforms, 0, bytemuck::bytes_of(&uniforms));
        }
    }

    fn new_slot(&self) -> Option<ViewSlot> {
        let image = self.image.as_ref()?;
        let (_, layout, _) = self.pipelines.iter().find(|(kind, ..)| *kind == image.sample_type)?;
        let uniforms = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("slice view"),
            size: size_of::<SliceUniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let views = [&image.volume, &image.labels, &self.colors, &image.preview]
            .map(|texture| texture.create_view(&wgpu::TextureViewDescriptor::default()));
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() }];
        for (view, binding) in views.iter().zip(1..) {
            entries.push(wgpu::BindGroupEntry { binding, resource: BindingResource::TextureView(view) });
        }
        let bindings = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("slice view"),
            layout,
            entries: &entries,
        });
        Some(ViewSlot { uniforms, bindings })
    }

    /// Paints a prepared view over the viewport of the pass.
    pub fn draw(&self, slot: usize, pass: &mut wgpu::RenderPass<'_>) {
        let Some(image) = &self.image else { return };
        let Some(view) = self.slots.get(slot).and_then(Option::as_ref) else { return };
        let Some((_, _, pipeline)) = self.pipelines.iter().find(|(kind, ..)| *kind == image.sample_type)
        else {
            return;
        };
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &view.bindings, &[]);
        pass.draw(0..3, 0..1);
    }
}

/// Paints one view of the [`SliceRenderer`] inside an egui pass.
pub struct SliceCallback {
    /// Which view; views drawn in one frame have different slots.
    pub slot: usize,
    /// What it shows, in physical pixels of the window.
    pub uniforms: SliceUniforms,
}

impl CallbackTrait for SliceCallback {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(renderer) = resources.get_mut::<SliceRenderer>() {
            renderer.set_view(self.slot, self.uniforms);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(renderer) = resources.get::<SliceRenderer>() {
            renderer.draw(self.slot, pass);
        }
    }
}

fn bind_group_layout(device: &wgpu::Device, volume: TextureSampleType) -> wgpu::BindGroupLayout {
    let texture = |binding, sample_type, view_dimension| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::FRAGMENT,
        ty: BindingType::Texture { sample_type, view_dimension, multisampled: false },
        count: None,
    };
    let (uint, float) = (TextureSampleType::Uint, TextureSampleType::Float { filterable: false });
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("slice view"),
        entries: &[
            wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: ShaderStages::FRAGMENT,
                ty: BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            },
            texture(1, volume, TextureViewDimension::D3),
            texture(2, uint, TextureViewDimension::D3),
            texture(3, float, TextureViewDimension::D2),
            texture(4, uint, TextureViewDimension::D3),
        ],
    })
}

fn pipeline(
    device: &wgpu::Device,
    target: TextureFormat,
    layout: &wgpu::BindGroupLayout,
    scalar: &str,
) -> wgpu::RenderPipeline {
    let source = include_str!("slice.wgsl").replace("VOLUME_SCALAR", scalar);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("slice"),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("slice"),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("slice"),
        layout: Some(&pipeline_layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("cover"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("shade"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(target.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
