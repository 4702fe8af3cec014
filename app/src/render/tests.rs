//! Both renderers against each other and against the volume itself.

use egui::{Color32, ColorImage, Pos2, Rect, Vec2};
use hilum_core::geometry::{AnatomicalPlane, VoxelBox};
use hilum_core::label::LabelMap;
use hilum_core::volume::{Volume, Voxels};
use wgpu::TextureFormat;

use super::*;
use crate::testing::{fixed_volume, oblique_volume};
use crate::viewport::{ScreenAxes, SliceView};

const SIZE: [usize; 2] = [192, 131];

fn look(linear: bool) -> SliceLook {
    SliceLook {
        low: -1000.0,
        high: 1003.0,
        linear,
        show_labels: true,
        fill_opacity: 0.4,
        outline_opacity: 1.0,
        background: [0.0, 0.0, 0.25],
    }
}

fn view_of(volume: &Volume, plane: AnatomicalPlane) -> SliceView {
    SliceView {
        rect: Rect::from_min_size(Pos2::ZERO, Vec2::new(SIZE[0] as f32, SIZE[1] as f32)),
        center: volume.grid().center_world() + nalgebra::Vector3::new(0.21, -0.13, 0.17),
        axes: ScreenAxes::of_plane(plane),
        mm_per_point: 0.17,
    }
}

fn cpu_image(volume: &Volume, plane: AnatomicalPlane, look: SliceLook) -> ColorImage {
    let map = view_of(volume, plane).voxel_from_pixel(volume.grid().affine(), Pos2::ZERO, 1.0);
    let labels = LabelMap::new(*volume.grid());
    let scene = CpuScene { volume, labels: &labels, preview: None, colors: &Vec::new(), look };
    draw_on_cpu(&scene, &map, SIZE, [0.0; 2])
}

#[test]
fn a_cpu_slice_of_an_oblique_volume_is_its_values_at_the_world_positions_of_the_pixels() {
    let volume = oblique_volume();
    for plane in AnatomicalPlane::ALL {
        let (view, look) = (view_of(&volume, plane), look(true));
        let image = cpu_image(&volume, plane, look);
        let mut inside = 0;
        for row in 0..SIZE[1] {
            for column in 0..SIZE[0] {
                let world = view.world_from_screen(Pos2::new(column as f32 + 0.5, row as f32 + 0.5));
                let expected = match volume.value_at(volume.grid().affine().voxel_from_world(world)) {
                    Some(value) => {
                        inside += 1;
                        let share = (value - look.low) / (look.high - look.low);
                        Color32::from_gray((share.clamp(0.0, 1.0) * 255.0).round() as u8)
                    }
                    None => Color32::from_rgb(0, 0, 64),
                };
                let found = image.pixels[row * SIZE[0] + column];
                let difference = i32::from(found.r()) - i32::from(expected.r());
                assert!(difference.abs() <= 1, "{plane:?} at {column}, {row}: {found:?}, {expected:?}");
            }
        }
        assert!(inside > 2000, "{plane:?} shows only {inside} pixels of the volume");
    }
}

/// A device of any kind, or `None` with a loud line.
pub(super) fn any_gpu() -> Option<Gpu> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    let Ok(adapter) = adapter else {
        hilum_core::testing::skip("a graphics adapter");
        return None;
    };
    let (device, queue) =
        pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
    Some(Gpu { device, queue })
}

/// Draws a view with the device and reads the pixels back.
fn gpu_image(gpu: &Gpu, renderer: &mut SliceRenderer, uniforms: SliceUniforms) -> Vec<[u8; 4]> {
    let size = wgpu::Extent3d { width: SIZE[0] as u32, height: SIZE[1] as u32, depth_or_array_layers: 1 };
    let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    renderer.set_view(0, uniforms);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations::default(),
        })],
        ..Default::default()
    });
    renderer.draw(0, &mut pass);
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
    read_back(gpu, &target, SIZE)
}

/// The pixels of a texture of four bytes a pixel.
pub(super) fn read_back(gpu: &Gpu, texture: &wgpu::Texture, [width, height]: [usize; 2]) -> Vec<[u8; 4]> {
    let stride = (width * 4).next_multiple_of(256);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: (stride * height) as u64,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(stride as u32), rows_per_image: None };
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
        wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
    );
    gpu.queue.submit([encoder.finish()]);
    buffer.slice(..).map_async(wgpu::MapMode::Read, |result| result.unwrap());
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = buffer.slice(..).get_mapped_range().unwrap();
    let row = |y: usize| bytes[y * stride..y * stride + width * 4].as_chunks::<4>().0.to_vec();
    (0..height).flat_map(row).collect()
}

/// Share of pixels whose colours differ by more than `tolerance`.
fn mismatch(cpu: &ColorImage, gpu: &[[u8; 4]], tolerance: i32) -> f64 {
    let differs = |(a, b): (&Color32, &[u8; 4])| {
        a.to_array().iter().zip(b).any(|(x, y)| (i32::from(*x) - i32::from(*y)).abs() > tolerance)
    };
    cpu.pixels.iter().zip(gpu).filter(|pair| differs(*pair)).count() as f64 / gpu.len() as f64
}

#[test]
fn both_renderers_draw_the_same_slice_of_every_voxel_type() {
    let Some(gpu) = any_gpu() else { return };
    let mut renderer = SliceRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    let count = oblique_volume().grid().voxel_count();
    let value = |i: usize| (i * 7919) % 2003;
    let variants = [
        Voxels::U8((0..count).map(|i| value(i) as u8).collect()),
        Voxels::I16((0..count).map(|i| value(i) as i16 - 1000).collect()),
        Voxels::U16((0..count).map(|i| value(i) as u16).collect()),
        Voxels::I32((0..count).map(|i| value(i) as i32 - 1000).collect()),
        Voxels::F32(
            (0..count).map(|i| if i % 97 == 0 { f32::NAN } else { value(i) as f32 - 999.5 }).collect(),
        ),
        Voxels::Rgb8((0..count).map(|i| [value(i) as u8, value(3 * i) as u8, value(7 * i) as u8]).collect()),
    ];
    for voxels in variants {
        let name = voxels.type_name();
        let volume = fixed_volume(oblique_volume().grid(), voxels);
        renderer.set_volume(&volume).unwrap();
        for (plane, linear) in AnatomicalPlane::ALL.into_iter().zip([true, false, true]) {
            let look = look(linear);
            let map = view_of(&volume, plane).voxel_from_pixel(volume.grid().affine(), Pos2::ZERO, 1.0);
            let uniforms =
                SliceUniforms::new(&map, volume.grid().dims(), &look, volume.voxels().is_color(), None);
            let drawn = gpu_image(&gpu, &mut renderer, uniforms);
            let share = mismatch(&cpu_image(&volume, plane, look), &drawn, 2);
            assert!(share < 0.004, "{name} {plane:?} linear {linear}: {:.2} % differ", share * 100.0);
        }
    }
}

#[test]
fn both_renderers_draw_the_same_labels_and_proposal() {
    let Some(gpu) = any_gpu() else { return };
    let mut renderer = SliceRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    let volume = oblique_volume();
    let (grid, dims) = (volume.grid(), volume.grid().dims());
    let region = VoxelBox::new([3, 1, 2], [9, 8, 6]);
    let label_at = |[x, y, z]: [usize; 3]| {
        if region.contains([x, y, z]) { [0, 2, 300][(x / 2 + y / 3 + z) % 3] } else { 0 }
    };
    let proposal = VoxelBox::new([0, 2, 0], [6, 9, 4]);
    let preview_at = |[x, y, z]: [usize; 3]| proposal.contains([x, y, z]) && (x + y) % 5 < 4;
    let voxels = |region: VoxelBox| {
        region.rows().flat_map(move |(y, z)| (region.start()[0]..region.end()[0]).map(move |x| [x, y, z]))
    };
    let mut colors = vec![[255; 4]; 301];
    colors[2] = [200, 40, 40, 255];
    colors[300] = [30, 220, 90, 128];
    renderer.set_volume(&volume).unwrap();
    renderer.set_colors(&colors);
    renderer.write_labels(region, &voxels(region).map(label_at).collect::<Vec<_>>());
    let inside: Vec<bool> = voxels(proposal).map(preview_at).collect();
    let labels: Vec<u16> = voxels(VoxelBox::new([0; 3], dims)).map(label_at).collect();
    let labels = LabelMap::from_voxels(*volume.grid(), labels).unwrap();
    renderer.begin_preview(proposal.size()).unwrap();
    renderer.write_preview(VoxelBox::new([0; 3], proposal.size()), bytemuck::cast_slice(&inside));
    for plane in AnatomicalPlane::ALL {
        let look = look(true);
        let map = view_of(&volume, plane).voxel_from_pixel(grid.affine(), Pos2::ZERO, 1.0);
        let drawn =
            gpu_image(&gpu, &mut renderer, SliceUniforms::new(&map, dims, &look, false, Some(proposal)));
        let scene = CpuScene {
            volume: &volume,
            labels: &labels,
            preview: Some((proposal, &inside)),
            colors: &colors,
            look,
        };
        let expected = draw_on_cpu(&scene, &map, SIZE, [0.0; 2]);
        let plain = cpu_image(&volume, plane, look);
        assert_ne!(expected.pixels, plain.pixels, "{plane:?} shows no label");
        let share = mismatch(&expected, &drawn, 2);
        assert!(share < 0.01, "{plane:?}: {:.2} % of the pixels differ", share * 100.0);
    }
}

#[test]
fn an_image_beyond_the_limits_of_the_device_is_refused_with_its_size() {
    let Some(gpu) = any_gpu() else { return };
    let limit = gpu.device.limits().max_texture_dimension_3d;
    let error = gpu.texture_3d("long", [limit as usize + 1, 1, 1], TextureFormat::R8Uint).unwrap_err();
    assert!(matches!(error, TextureError::TooLarge { limit: found, .. } if found == limit));
}
