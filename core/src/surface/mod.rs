//! Surfaces of labels as triangles in world millimetres, block by block, so that after an edit only the blocks
//! that changed are made anew.
//!
//! The surface is a constrained elastic surface net (Gibson, MICCAI 1998): one vertex in every cell of eight
//! neighbouring voxel centres that are not all alike, relaxed towards its neighbours without leaving its cell. So
//! no part of a label, however thin, is lost, and nothing that was apart grows together.
//!
//! Every vertex depends on the voxels within [`REACH`] alone and is computed in the same order in every block:
//! neighbouring blocks meet without a seam, bit for bit.

mod net;
#[cfg(test)]
mod tests;
mod whole;

use crate::geometry::{Affine, VoxelBox};
use crate::label::LabelMap;

pub use net::LabelSurface;
pub use whole::SurfaceShape;

/// Side of a block in voxels.
pub const BLOCK: usize = 32;
/// How many voxels away from a block an edit may lie and still change its surface.
pub const REACH: usize = net::STEPS + 2;

/// Triangles in world millimetres (LPS).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurfaceMesh {
    /// Positions of the vertices in mm.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals of the vertices, away from the label.
    pub normals: Vec<[f32; 3]>,
    /// Vertices of each triangle, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

impl SurfaceMesh {
    /// The share of these triangles in the enclosed volume in mm³ (divergence theorem); the shares of all triangles of a
    /// closed surface add up to its volume.
    pub fn volume_mm3(&self) -> f64 {
        let corner = |i: u32| nalgebra::Vector3::from(self.positions[i as usize]).cast::<f64>();
        self.triangles
            .iter()
            .map(|t| {
                let [a, b, c] = t.map(corner);
                a.dot(&b.cross(&c)) / 6.0
            })
            .sum()
    }
}

/// How a label map is divided into blocks. Blocks reach one cell beyond the last voxel, so that surfaces are closed at
/// the border of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    dims: [usize; 3],
}

impl Blocks {
    /// The blocks of a grid of `dims` voxels along x, y, z.
    pub fn new(dims: [usize; 3]) -> Self {
        Self { dims }
    }

    /// Blocks along x, y, z.
    fn counts(&self) -> [usize; 3] {
        self.dims.map(|n| (n + 1).div_ceil(BLOCK))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.counts().iter().product()
    }

    /// Whether there is none; never so for a grid with voxels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a block begins; the last ones may begin just behind the last voxel.
    pub fn first_voxel(&self, block: usize) -> [usize; 3] {
        let [nx, ny, _] = self.counts();
        [block % nx * BLOCK, block / nx % ny * BLOCK, block / (nx * ny) * BLOCK]
    }

    /// The blocks whose surface may change when the voxels of a box change.
    pub fn touched(&self, changed: VoxelBox) -> Vec<usize> {
        if changed.is_empty() {
            return Vec::new();
        }
        let [nx, ny, nz] = self.counts();
        let range = |axis: usize, count: usize| {
            let first = changed.start()[axis].saturating_sub(REACH) / BLOCK;
            let last = (changed.end()[axis] - 1 + REACH) / BLOCK;
            first..(last + 1).min(count)
        };
        let (xs, ys) = (range(0, nx), range(1, ny));
        let mut found = Vec::new();
        for z in range(2, nz) {
            for y in ys.clone() {
                found.extend(xs.clone().map(|x| (z * ny + y) * nx + x));
            }
        }
        found
    }
}

/// The labels of a block and around it: everything its surface depends on, copied so that another thread can work on it
/// while the labels change.
#[derive(Clone, Debug)]
pub struct BlockLabels {
    /// Which block.
    pub block: usize,
    /// First cell of the block.
    start: [usize; 3],
    /// `SIDE³` labels `[z, y, x]`, the first voxel being `start - REACH`.
    labels: Vec<u16>,
}

/// Voxels along an axis that a block's surface depends on.
const SIDE: usize = BLOCK + 2 * REACH;

impl BlockLabels {
    /// Copies what a block depends on; `None` where no surface can be, because all voxels of the block are alike.
    pub fn cut(labels: &LabelMap, block: usize) -> Option<Self> {
        let dims = labels.grid().dims();
        let start = Blocks::new(dims).first_voxel(block);
        if is_uniform(labels, start) {
            return None;
        }
        let mut copy = vec![0; SIDE * SIDE * SIDE];
        let first = start.map(|s| s as isize - REACH as isize);
        // The part of the window that lies in the image, as offsets into the window.
        let range = |axis: usize| {
            let low = (-first[axis]).max(0) as usize;
            let high = (dims[axis] as isize - first[axis]).clamp(0, SIDE as isize) as usize;
            low..high.max(low)
        };
        let (xs, ys) = (range(0), range(1));
        for z in range(2) {
            for y in ys.clone() {
                let voxel = [xs.start, y, z];
                let voxel = [0, 1, 2].map(|a| (first[a] + voxel[a] as isize) as usize);
                let row = labels.row(voxel[1], voxel[2]);
                let to = (z * SIDE + y) * SIDE + xs.start;
                copy[to..to + xs.len()].copy_from_slice(&row[voxel[0]..voxel[0] + xs.len()]);
            }
        }
        Some(Self { block, start, labels: copy })
    }

    /// How many voxels were copied.
    pub fn voxel_count(&self) -> usize {
        self.labels.len()
    }

    /// The surface of every label in the block, ascending by label.
    pub fn surfaces(&self, affine: &Affine) -> Vec<LabelSurface> {
        net::surfaces(self, affine)
    }
}

/// Whether no edge of the block's own cells joins different labels.
fn is_uniform(labels: &LabelMap, start: [usize; 3]) -> bool {
    let dims = labels.grid().dims();
    let low = start.map(|s| s.saturating_sub(1));
    let high = [0, 1, 2].map(|a| (start[a] + BLOCK).min(dims[a]));
    let at_border = (0..3).any(|a| start[a] == 0 || start[a] + BLOCK > dims[a]);
    let wanted = if at_border { 0 } else { labels.value(low) };
    let is_wanted = |(y, z)| labels.row(y, z)[low[0]..high[0]].iter().all(|label| *label == wanted);
    VoxelBox::new(low, high).rows().all(is_wanted)
}
