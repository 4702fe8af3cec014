//! The 3-D view of the graphics device against lines of sight followed on the CPU.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{ColorImage, Pos2, Rect, vec2};
use hilum_core::label::LabelMap;
use hilum_core::surface::{BlockLabels, Blocks};
use hilum_core::volume::{Volume, Voxels};
use wgpu::TextureFormat;

use super::quality::REST;
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

/// Until the view counts as resting, if it is to be drawn finer then.
fn rest(pace: &Pace) {
    if pace.is_coarse() {
        std::thread::sleep(REST);
    }
}

fn drawn(renderer: &mut SceneRenderer, gpu: &Gpu, volume: &Volume, frame: &SceneFrame) -> Vec<[u8; 4]> {
    let texture = gpu.volume_texture(volume).unwrap();
    let kind = format_of(volume.voxels()).1;
    for _ in 0..12 {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        renderer.prepare(frame, Some((view, kind)));
        rest(renderer.pace());
    }
    let (picture, size) = renderer.picture().expect("it was drawn");
    assert_eq!(size, SIZE, "a small picture is drawn finely");
    read_back(gpu, picture, size.map(|n| n as usize))
}

/// The finest picture without a device.
fn cpu(volume: &Volume, parts: &BTreeMap<(u16, usize), SurfacePart>, frame: &SceneFrame) -> ColorImage {
    let mut painter = ScenePainter::default();
    let mut picture = None;
    for _ in 0..12 {
        picture = painter.draw(frame, volume, parts).or(picture);
        rest(painter.pace());
    }
    let picture = picture.expect("it was drawn");
    assert_eq!(picture.size, SIZE.map(|n| n as usize), "a small picture is drawn finely");
    picture
}

fn differing(a: &ColorImage, b: &[[u8; 4]], differs: impl Fn(u8, u8) -> bool) -> f64 {
    let count = a.pixels.iter().zip(b).filter(|(a, b)| differs(a.r(), b[0])).count();
    count as f64 / b.len() as f64
}

#[test]
fn rays_of_the_device_and_of_the_cpu_see_the_same() {
    let Some(gpu) = any_gpu() else { return };
    let (volume, _, mut frame) = case();
    let mut renderer = SceneRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    for mode in [SceneMode::Mip, SceneMode::Volume] {
        frame.mode = mode;
        let found = drawn(&mut renderer, &gpu, &volume, &frame);
        let expected = cpu(&volume, &BTreeMap::new(), &frame);
        assert!(expected.pixels.iter().filter(|p| p.r() > 60).count() > 2000);
        let share = differing(&expected, &found, |a, b| a.abs_diff(b) > 8);
        assert!(share < 0.01, "{mode:?}: {:.1} % of the pixels differ", share * 100.0);
    }
}

fn parts_of(labels: &LabelMap, frame: &SceneFrame) -> BTreeMap<(u16, usize), SurfacePart> {
    let mut parts = BTreeMap::new();
    for block in 0..Blocks::new(frame.dims).len() {
        let Some(window) = BlockLabels::cut(labels, block) else { continue };
        for surface in window.surfaces(&frame.affine) {
            let part = SurfacePart { mesh: Arc::new(surface.mesh), version: 1 };
            parts.insert((surface.label, block), part);
        }
    }
    parts
}

#[test]
fn surfaces_look_the_same_on_both_cover_their_label_and_translucent_ones_are_fainter() {
    let Some(gpu) = any_gpu() else { return };
    let (volume, labels, mut frame) = case();
    let parts = parts_of(&labels, &frame);
    let mut renderer = SceneRenderer::new(gpu.clone(), TextureFormat::Rgba8Unorm);
    renderer.set_parts(1, 1, &parts);
    let colors = vec![[0; 4], [255, 128, 64, 255]];
    let scene = RayScene {
        volume: &volume,
        labels: &labels,
        colors: &colors,
        mode: frame.mode,
        window: frame.window,
    };
    let sum = |image: &[[u8; 4]]| image.iter().map(|p| u64::from(p[0])).sum::<u64>();
    let mut light = Vec::new();
    for opacity in [1.0, 0.4] {
        frame.labels[0].1[3] = opacity;
        let by_device = drawn(&mut renderer, &gpu, &volume, &frame);
        let by_cpu = cpu(&volume, &parts, &frame);
        let share = differing(&by_cpu, &by_device, |a, b| a.abs_diff(b) > 24);
        assert!(share < 0.01, "opacity {opacity}: {:.1} % of the pixels differ", share * 100.0);
        light.push(sum(&by_device));
        let hits = |x: usize, y: usize| {
            scene.pick(&frame.shown, frame.shown.rect.min + vec2(x as f32 + 0.5, y as f32 + 0.5)).is_some()
        };
        let wide = SIZE[0] as usize;
        let wrong =
            (0..by_cpu.pixels.len()).filter(|i| (by_cpu.pixels[*i].r() > 12) != hits(i % wide, i / wide));
        let share = wrong.count() as f64 / by_cpu.pixels.len() as f64;
        assert!(share < 0.05, "the outlines differ in {:.1} % of the pixels", share * 100.0);
    }
    let ratio = light[1] as f64 / light[0] as f64;
    assert!((ratio - 0.4).abs() < 0.05, "opacity 0.4 shows {ratio:.2} of the light");
    frame.labels.clear();
    assert_eq!(sum(&drawn(&mut renderer, &gpu, &volume, &frame)), 0);
    renderer.clear();
}

#[test]
fn surfaces_that_cost_much_are_plain_while_they_change_and_fine_once_they_rest() {
    let (_, _, mut frame) = case();
    let mut pace = Pace::default();
    assert_eq!(pace.due(&frame), Some(0), "nothing is known yet");
    pace.done(&frame, 0, 12.0);
    assert_eq!(pace.due(&frame), None, "the finest picture will do");
    frame.version += 1;
    assert_eq!(pace.due(&frame), Some(1));
    pace.done(&frame, 1, 3.0);
    assert!(pace.is_coarse());
    std::thread::sleep(REST);
    assert_eq!(pace.due(&frame), Some(0), "it rests");
    pace.done(&frame, 0, 2.0);
    frame.version += 1;
    assert_eq!(pace.due(&frame), Some(0), "fine pictures cost little now");
    pace.done(&frame, 0, 2.0);
    assert!(!pace.is_coarse());
    pace.forget();
    assert_eq!(pace.due(&frame), Some(0), "the picture is gone");
}
