//! What differs between two frames.

use std::collections::HashMap;
use std::hash::Hasher;

use egui::epaint::{ClippedPrimitive, Mesh, Primitive};
use rustc_hash::FxHasher;

use crate::region::{Region, Regions};
use crate::texture::Textures;

/// A shape as far as it matters for what is seen: the same numbers look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    hash: u64,
    /// Where it may be seen.
    pub(crate) region: Region,
}

impl Seen {
    pub(crate) fn of(
        job: &ClippedPrimitive,
        textures: &Textures,
        pixels_per_point: f32,
        all: Region,
    ) -> Self {
        // Callbacks need a graphics device.
        let Primitive::Mesh(mesh) = &job.primitive else {
            return Self { hash: 0, region: Region::default() };
        };
        let clip = Region::clip(job.clip_rect, pixels_per_point).intersection(&all);
        let region = match mesh.is_empty() {
            true => Region::default(),
            false => Region::touched(mesh.calc_bounds(), pixels_per_point).intersection(&clip),
        };
        let version = textures.get(mesh.texture_id).map_or(0, |texture| texture.version);
        Self { hash: hash(mesh, clip, version), region }
    }
}

fn hash(mesh: &Mesh, clip: Region, version: u64) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytemuck::cast_slice(&mesh.vertices));
    hasher.write(bytemuck::cast_slice(&mesh.indices));
    hasher.write(bytemuck::cast_slice(&[clip.min, clip.max]));
    hasher.write_u64(version);
    match mesh.texture_id {
        egui::TextureId::Managed(id) => hasher.write_u64(id),
        egui::TextureId::User(id) => hasher.write_u64(!id),
    }
    hasher.finish()
}

/// The regions in which two frames may differ.
pub(crate) fn between(old: &[Seen], new: &[Seen]) -> Regions {
    let ahead = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[ahead..], &new[ahead..]);
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - behind], &new[..new.len() - behind]);
    let mut regions = Regions::default();
    let (kept_old, kept_new) = (only(old, new, &mut regions), only(new, old, &mut regions));
    if kept_old != kept_new {
        // What both have lies in another order: what was below may be above now.
        kept_old.iter().for_each(|seen| regions.add(seen.region));
    }
    regions
}

/// What of some shapes is also among others, in its order; the rest is damage.
fn only(some: &[Seen], others: &[Seen], regions: &mut Regions) -> Vec<Seen> {
    let mut left: HashMap<u64, usize> = HashMap::new();
    others.iter().for_each(|seen| *left.entry(seen.hash).or_default() += 1);
    let mut kept = Vec::new();
    for seen in some {
        match left.get_mut(&seen.hash).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                kept.push(*seen);
            }
            None => regions.add(seen.region),
        }
    }
    kept
}
