//! The 3-D view of the graphics device against lines of sight followed on the CPU.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{ColorImage, Pos2, Rect, vec2};
use hilum_core::label::LabelMap;
use hilum_core::surface::{BlockLabels, Blocks};
use hilum_core::volume::{Volume, Voxels};
use wgpu::TextureFormat;

use super::tests::{any_gpu, read_back};
use super::texture::format_of;
use super::*;
use crate::state::{SceneMode, SurfacePart};
use crate::testing::{fixed_volume, oblique_volume};
use crate::viewport::{ScreenAxes, SliceView};

const SIZE: [u32; 2] = [160, 120];

/// A smooth image on an oblique grid with a block of label 1 inside.
fn case() -> (Volume, LabelMap, SceneFrame) {
    let grid = *oblique_volume().grid();
    let voxels = || (0..grid.voxel_count()).map(|i| grid.voxel(i));
    let value = |[x, y, z]: [usize; 3]| (10 * x + 7 * y + 5 * z) as i16;
    let volume = fixed_volume(&grid, Voxels::I16(voxels().map(value).collect()));
    let inside = |[x, y, z]: [usize; 3]| (3..10).contains(&x) && (2..7).contains(&y) && (1..6).contains(&z);
    let labels = LabelMap::from_voxels(grid, voxels().map(|v| u16::from(inside(v))).collect()).unwrap();
    let right = nalgebra::Vector3::new(0.8, 0.5, 0.2).normalize();
    let into = right.cross(&nalgebra::Vector3::new(0.1, 0.3, -0.9)).normalize();
    let frame = SceneFrame {
        session: 1,
        shown: SliceView {
            rect: Rect::from_min_size(Pos2::new(11.0, 30.0), vec2(SIZE[0] as f32, SIZE[1] as f32)),
            center: grid.center_world(),
            axes: ScreenAxes { right, down: into.cross(&right), into },
            mm_per_point: 0.2,
        },
        pixels_per_point: 1.0,
        mode: SceneMode::Surfaces,
        affine: *grid.affine(),
        dims: grid.dims(),
        window: (0.0, 210.0),
        is_color: false,
        labels: vec![(1, [1.0, 0.5, 0.25, 1.0])],
        version: 1,
    };
    (volume, labels, frame)
}

fn drawn(renderer: &mut SceneRenderer, gpu: &Gpu, volume: &Volume, frame: &SceneFrame) -> Vec<[u8; 4]> {
    let texture = gpu.volume_texture(volume).unwrap();
    let kind = format_of(volume.voxels()).1;
    for _ in 0..12 {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        renderer.prepare(frame, Some((view, kind)));
    }
    let (picture, size) = renderer.picture().expect("it was drawn");
    assert_eq!(size, SIZE, "a small picture is drawn finely");
    read_back(gpu, picture, size.map(|n| n as usize))
}

fn cpu(volume: &Volume, labels: &LabelMap, frame: &SceneFrame) -> ColorImage {
    let colors = vec![[0; 4], [255, 128, 64, 255]];
    let scene = RayScene { volume, labels, colors: &colors, mode: frame.mode, window: frame.window };
    scene.draw(&frame.shown, SIZE.map(|n| n as usize))
}

fn differing(a: &ColorImage, b: &[[u8; 4]], differs: impl Fn(u8, u8) -> bool) -> f64 {
    let count = a.pixels.iter().zip(b).filter(|(a, b)| differs(a.r(), b[0])).count();
    count as f64 / b.len() as f64
}

#[test]
fn rays_of_the_device_and_of_the_cpu_see_the_same() {
    let Some(gpu) = any_gpu() else { return };
    let (volume, labels, mut frame) = case();
    let mut renderer = SceneRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    frame.mode = SceneMode::Mip;
    let found = drawn(&mut renderer, &gpu, &volume, &frame);
    let expected = cpu(&volume, &labels, &frame);
    assert!(expected.pixels.iter().filter(|p| p.r() > 100).count() > 2000);
    let share = differing(&expected, &found, |a, b| a.abs_diff(b) > 16);
    assert!(share < 0.03, "{:.1} % of the pixels differ", share * 100.0);
    frame.mode = SceneMode::Volume;
    let found = drawn(&mut renderer, &gpu, &volume, &frame);
    let expected = cpu(&volume, &labels, &frame);
    // The device shades, the CPU does not: both are clear at the same places.
    let share = differing(&expected, &found, |a, b| (a > 24) != (b > 8));
    assert!(share < 0.06, "{:.1} % of the pixels differ", share * 100.0);
}

#[test]
fn surfaces_cover_what_lines_of_sight_hit_and_translucent_ones_are_fainter() {
    let Some(gpu) = any_gpu() else { return };
    let (volume, labels, mut frame) = case();
    let mut parts = BTreeMap::new();
    for block in 0..Blocks::new(frame.dims).len() {
        let Some(window) = BlockLabels::cut(&labels, block) else { continue };
        for surface in window.surfaces(&frame.affine) {
            let part = SurfacePart { mesh: Arc::new(surface.mesh), version: 1 };
            parts.insert((surface.label, block), part);
        }
    }
    let mut renderer = SceneRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    renderer.set_parts(1, 1, &parts);
    let solid = drawn(&mut renderer, &gpu, &volume, &frame);
    let expected = cpu(&volume, &labels, &frame);
    assert!(expected.pixels.iter().filter(|p| p.r() > 0).count() > 1000);
    let share = differing(&expected, &solid, |a, b| (a > 0) != (b > 20));
    assert!(share < 0.05, "the outlines differ in {:.1} % of the pixels", share * 100.0);
    let sum = |image: &[[u8; 4]]| image.iter().map(|p| u64::from(p[0])).sum::<u64>();
    frame.labels[0].1[3] = 0.4;
    let faint = drawn(&mut renderer, &gpu, &volume, &frame);
    let ratio = sum(&faint) as f64 / sum(&solid) as f64;
    assert!((ratio - 0.4).abs() < 0.05, "opacity 0.4 shows {ratio:.2} of the light");
    frame.labels.clear();
    assert_eq!(sum(&drawn(&mut renderer, &gpu, &volume, &frame)), 0);
    renderer.clear();
}
