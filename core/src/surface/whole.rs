//! The whole surface of a label, to be written to a file.

use std::collections::HashMap;

use nalgebra::{Point3, Vector3};

use super::{BlockLabels, Blocks, SurfaceMesh};
use crate::geometry::VoxelBox;
use crate::label::LabelMap;

/// What a surface follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SurfaceShape {
    /// The surface net: smooth, within half a voxel of the faces of the voxels.
    #[default]
    Smooth,
    /// The faces of the voxels: it encloses exactly the volume of the voxels.
    Voxels,
}

impl SurfaceMesh {
    /// The closed surface of one label in world millimetres (LPS), triangles counter-clockwise seen from outside; empty
    /// where the label has no voxel. Closed means that every edge is run through as often forwards as backwards; where
    /// voxels touch in an edge or a corner alone, triangles of both meet there.
    pub fn of_label(labels: &LabelMap, label: u16, shape: SurfaceShape) -> Self {
        let bounds = labels.bounds(label);
        if label == 0 || bounds.is_empty() {
            return Self::default();
        }
        match shape {
            SurfaceShape::Smooth => net(labels, label, bounds),
            SurfaceShape::Voxels => faces(labels, label, bounds),
        }
    }

    /// Lowest and highest coordinates in mm; `None` without vertices.
    pub fn bounds_mm(&self) -> Option<[[f32; 3]; 2]> {
        let first = *self.positions.first()?;
        Some(self.positions.iter().fold([first; 2], |[low, high], p| {
            [[0, 1, 2].map(|a| low[a].min(p[a])), [0, 1, 2].map(|a| high[a].max(p[a]))]
        }))
    }
}

/// The nets of all blocks, whose common vertices are alike bit for bit, in one.
fn net(labels: &LabelMap, label: u16, bounds: VoxelBox) -> SurfaceMesh {
    let mut whole = Joined::default();
    for block in Blocks::new(labels.grid().dims()).touched(bounds) {
        let Some(cut) = BlockLabels::cut(labels, block) else { continue };
        for part in cut.surfaces(labels.grid().affine()).iter().filter(|part| part.label == label) {
            let mesh = &part.mesh;
            for triangle in &mesh.triangles {
                let corners =
                    triangle.map(|i| whole.vertex(mesh.positions[i as usize], mesh.normals[i as usize]));
                whole.mesh.triangles.push(corners);
            }
        }
    }
    whole.mesh
}

#[derive(Default)]
struct Joined {
    mesh: SurfaceMesh,
    numbers: HashMap<[u32; 3], u32>,
}

impl Joined {
    fn vertex(&mut self, position: [f32; 3], normal: [f32; 3]) -> u32 {
        *self.numbers.entry(position.map(f32::to_bits)).or_insert_with(|| {
            self.mesh.positions.push(position);
            self.mesh.normals.push(normal);
            self.mesh.positions.len() as u32 - 1
        })
    }
}

/// Every face between a voxel of the label and one that is not, as two triangles.
fn faces(labels: &LabelMap, label: u16, bounds: VoxelBox) -> SurfaceMesh {
    let dims = labels.grid().dims();
    let affine = labels.grid().affine();
    let is_mirrored = affine.linear().determinant() < 0.0;
    let mut mesh = SurfaceMesh::default();
    let mut numbers: HashMap<[usize; 3], u32> = HashMap::new();
    for (y, z) in bounds.rows() {
        for x in bounds.start()[0]..bounds.end()[0] {
            let voxel = [x, y, z];
            if labels.value(voxel) != label {
                continue;
            }
            for (axis, up) in (0..6).map(|side| (side / 2, side % 2 == 1)) {
                if beside(voxel, axis, up, dims).is_some_and(|other| labels.value(other) == label) {
                    continue;
                }
                // Corners are numbered from the lower corner of the first voxel on.
                let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
                let mut quad = [[0, 0], [1, 0], [1, 1], [0, 1]].map(|[du, dv]| {
                    let mut corner = voxel;
                    corner[axis] += usize::from(up);
                    corner[u] += du;
                    corner[v] += dv;
                    *numbers.entry(corner).or_insert_with(|| {
                        let at = Point3::from(corner.map(|c| c as f64 - 0.5));
                        mesh.positions.push(affine.world_from_voxel(at).coords.cast::<f32>().into());
                        mesh.positions.len() as u32 - 1
                    })
                });
                if up == is_mirrored {
                    quad.reverse();
                }
                let [a, b, c, d] = quad;
                mesh.triangles.extend([[a, b, c], [a, c, d]]);
            }
        }
    }
    mesh.normals = normals(&mesh);
    mesh
}

fn beside(voxel: [usize; 3], axis: usize, up: bool, dims: [usize; 3]) -> Option<[usize; 3]> {
    let mut other = voxel;
    other[axis] = if up { voxel[axis] + 1 } else { voxel[axis].checked_sub(1)? };
    (other[axis] < dims[axis]).then_some(other)
}

/// Of every vertex the mean of its triangles, weighted by their areas.
fn normals(mesh: &SurfaceMesh) -> Vec<[f32; 3]> {
    let at = |i: u32| Vector3::from(mesh.positions[i as usize]);
    let mut sums = vec![Vector3::zeros(); mesh.positions.len()];
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(at);
        let normal = (b - a).cross(&(c - a));
        triangle.iter().for_each(|i| sums[*i as usize] += normal);
    }
    sums.iter().map(|sum| sum.try_normalize(1e-12).unwrap_or_else(Vector3::z).into()).collect()
}
