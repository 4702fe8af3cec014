//! Planes that lie askew: every pixel on its own.

use egui::ColorImage;
use rayon::prelude::*;

use super::marks::{LABEL_REACH, PROPOSAL_REACH, opaque, parts};
use super::voxel::{Values, Voxel, for_kind};
use super::{Plane, Scene, around, byte, nearest};

pub(super) fn draw(scene: &Scene<'_>, plane: &Plane, image: &mut ColorImage, pattern: f64) {
    let width = image.size[0];
    for_kind!(scene.values, data => image.pixels.par_chunks_mut(width).enumerate().for_each(|(row, line)| {
        let y = row as f64 + 0.5;
        for (column, pixel) in line.iter_mut().enumerate() {
            let x = column as f64 + 0.5;
            let at = plane.at(x, y);
            let Some(voxel) = voxel_at(at, scene.dims) else { continue };
            *pixel = opaque(value(scene, data, at, voxel));
            mark(scene, plane, pixel, voxel, [x, y], pattern);
        }
    }));
}

fn voxel_at(at: [f64; 3], dims: [usize; 3]) -> Option<[usize; 3]> {
    Some([nearest(at[0], dims[0])?, nearest(at[1], dims[1])?, nearest(at[2], dims[2])?])
}

fn value<T: Voxel>(scene: &Scene<'_>, data: &[T], at: [f64; 3], voxel: [usize; 3]) -> [u8; 3] {
    let [width, height, _] = scene.dims;
    let (look, least) = (&scene.look, scene.look.least);
    let index = |x: usize, y: usize, z: usize| (z * height + y) * width + x;
    let shade = |value: f32| byte(((value - look.low) * look.inverse_width).clamp(0.0, 1.0));
    let sample = |channel: usize| {
        if !look.linear {
            return data[index(voxel[0], voxel[1], voxel[2])].channel(channel, least);
        }
        let [(x0, x1, s), (y0, y1, t), (z0, z1, u)] = [0, 1, 2].map(|i| around(at[i], scene.dims[i]));
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let row = |y, z| {
            let value = |x| data[index(x, y, z)].channel(channel, least);
            mix(value(x0), value(x1), s)
        };
        let slice = |z| mix(row(y0, z), row(y1, z), t);
        if u == 0.0 { slice(z0) } else { mix(slice(z0), slice(z1), u) }
    };
    match T::CHANNELS {
        1 => [shade(sample(0)); 3],
        _ => [0, 1, 2].map(|channel| shade(sample(channel))),
    }
}

/// Draws label and proposal over a pixel.
fn mark(
    scene: &Scene<'_>,
    plane: &Plane,
    pixel: &mut egui::Color32,
    voxel: [usize; 3],
    [x, y]: [f64; 2],
    pattern: f64,
) {
    let beside = |reach: f64| {
        [(reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach)]
            .map(|(dx, dy)| voxel_at(plane.at(x + dx, y + dy), scene.dims))
    };
    if let Some(labels) = &scene.labels {
        let label = |voxel| labels.map.value(voxel);
        let own = label(voxel);
        if own != 0 {
            let is_edge = beside(LABEL_REACH).into_iter().any(|other| other.map_or(0, label) != own);
            *pixel = opaque(labels.over(parts(*pixel), own, is_edge));
        }
    }
    if let Some(proposal) = scene.proposal.as_ref().filter(|proposal| proposal.has(voxel)) {
        let is_edge = beside(PROPOSAL_REACH).into_iter().any(|other| !other.is_some_and(|v| proposal.has(v)));
        *pixel = opaque(proposal.over(parts(*pixel), is_edge, x + y + pattern));
    }
}
