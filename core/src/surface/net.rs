//! The surface net of one label in one block.

use nalgebra::{Point3, Vector3};

use super::{BLOCK, BlockLabels, REACH, SIDE, SurfaceMesh};
use crate::geometry::Affine;

/// Relaxations; each lets a vertex depend on cells one further away.
pub(super) const STEPS: usize = 4;
/// How far a vertex goes towards the middle of its neighbours each time.
const SHARE: f32 = 0.6;
/// A vertex stays so far from the faces of its cell that a single voxel remains visible.
const ROOM: (f32, f32) = (0.2, 0.8);
/// Cells along an axis that are looked at.
const CELLS: usize = SIDE - 1;
/// Offset of the block's first cell among them.
const FIRST: usize = REACH - 1;
/// No vertex.
const NONE: u32 = u32::MAX;

/// A label's part of the surface in a block.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelSurface {
    /// The label.
    pub label: u16,
    /// Its triangles.
    pub mesh: SurfaceMesh,
}

pub(super) fn surfaces(window: &BlockLabels, affine: &Affine) -> Vec<LabelSurface> {
    let mut present = Vec::new();
    // The block's cells and the voxels before them.
    let own = FIRST..FIRST + BLOCK + 1;
    for z in own.clone() {
        for y in own.clone() {
            let row = (z * SIDE + y) * SIDE;
            let mut last = 0;
            for label in &window.labels[row + own.start..row + own.end] {
                if *label != last && *label != 0 {
                    present.push(*label);
                }
                last = *label;
            }
        }
    }
    present.sort_unstable();
    present.dedup();
    present
        .into_iter()
        .map(|label| LabelSurface { label, mesh: Net::new(window, label).mesh(window, affine) })
        .filter(|surface| !surface.mesh.triangles.is_empty())
        .collect()
}

/// A cell that the surface runs through.
struct Vertex {
    /// Place of the cell among those looked at.
    cell: [usize; 3],
    /// Which of its eight corners belong to the label; bit `x + 2 y + 4 z`.
    corners: u8,
    /// Position in the cell, 0 to 1 along each axis.
    at: [f32; 3],
}

struct Net {
    vertices: Vec<Vertex>,
    /// Number of the vertex of each cell.
    index: Vec<u32>,
}

fn cell_index([x, y, z]: [usize; 3]) -> usize {
    (z * CELLS + y) * CELLS + x
}

/// Corners on the lower and on the upper face across an axis.
const FACES: [[u8; 2]; 3] =
    [[0b0101_0101, 0b1010_1010], [0b0011_0011, 0b1100_1100], [0b0000_1111, 0b1111_0000]];

impl Net {
    fn new(window: &BlockLabels, label: u16) -> Self {
        let mut net = Self { vertices: Vec::new(), index: vec![NONE; CELLS * CELLS * CELLS] };
        let row = |y: usize, z: usize| {
            let start = (z * SIDE + y) * SIDE;
            &window.labels[start..start + SIDE]
        };
        for z in 0..CELLS {
            for y in 0..CELLS {
                let rows = [row(y, z), row(y + 1, z), row(y, z + 1), row(y + 1, z + 1)];
                let column =
                    |x: usize| (0..4).fold(0u8, |bits, i| bits | u8::from(rows[i][x] == label) << (2 * i));
                let mut low = column(0);
                for x in 0..CELLS {
                    let high = column(x + 1);
                    let corners = low | high << 1;
                    if corners != 0 && corners != u8::MAX {
                        net.index[cell_index([x, y, z])] = net.vertices.len() as u32;
                        net.vertices.push(Vertex { cell: [x, y, z], corners, at: [0.5; 3] });
                    }
                    low = high;
                }
            }
        }
        net.relax();
        net
    }

    fn vertex(&self, cell: [usize; 3]) -> Option<&Vertex> {
        self.vertices.get(self.index[cell_index(cell)] as usize)
    }

    /// Where the vertices of the cells beyond this cell's faces lie, seen from this cell.
    fn neighbours(&self, vertex: &Vertex) -> impl Iterator<Item = [f32; 3]> {
        (0..6usize).filter_map(move |face| {
            let (axis, up) = (face / 2, face % 2 == 1);
            let shared = vertex.corners & FACES[axis][usize::from(up)];
            if shared == 0 || shared == FACES[axis][usize::from(up)] {
                return None;
            }
            let mut cell = vertex.cell;
            cell[axis] = if up { cell[axis] + 1 } else { cell[axis].checked_sub(1)? };
            let mut at = if cell[axis] < CELLS { self.vertex(cell)?.at } else { return None };
            at[axis] += if up { 1.0 } else { -1.0 };
            Some(at)
        })
    }

    fn relax(&mut self) {
        for _ in 0..STEPS {
            let moved: Vec<[f32; 3]> = self
                .vertices
                .iter()
                .map(|vertex| {
                    let (mut sum, mut count) = ([0.0f32; 3], 0.0f32);
                    for at in self.neighbours(vertex) {
                        sum = [0, 1, 2].map(|a| sum[a] + at[a]);
                        count += 1.0;
                    }
                    if count == 0.0 {
                        return vertex.at;
                    }
                    [0, 1, 2].map(|a| {
                        let here = vertex.at[a];
                        (here + SHARE * (sum[a] / count - here)).clamp(ROOM.0, ROOM.1)
                    })
                })
                .collect();
            for (vertex, at) in self.vertices.iter_mut().zip(moved) {
                vertex.at = at;
            }
        }
    }

    fn mesh(&self, window: &BlockLabels, affine: &Affine) -> SurfaceMesh {
        // A cell begins at the voxel before it: cell 0 of the image lies half outside.
        let first = window.start.map(|s| s as f64 - REACH as f64);
        let world: Vec<Point3<f64>> = self
            .vertices
            .iter()
            .map(|v| {
                let voxel = Point3::from([0, 1, 2].map(|a| first[a] + v.cell[a] as f64 + f64::from(v.at[a])));
                affine.world_from_voxel(voxel)
            })
            .collect();
        let is_mirrored = affine.linear().determinant() < 0.0;
        let mut build = Build { normals: vec![Vector3::zeros(); world.len()], triangles: Vec::new() };
        for axis in 0..3 {
            self.quads(axis, is_mirrored, &world, &mut build);
        }
        build.finish(&world)
    }

    /// The quads around all edges along an axis that leave or enter the label, of the block and one further for the
    /// normals.
    fn quads(&self, axis: usize, is_mirrored: bool, world: &[Point3<f64>], build: &mut Build) {
        let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
        let own = FIRST..FIRST + BLOCK;
        // An edge ends in the upper corner of its cell across `axis` and in the upper corner across the other two of the
        // cell before: the four cells around it are this one and those one further along `u` and `v`.
        for vertex in &self.vertices {
            let near = own.start - 1..own.end + 1;
            if vertex.cell.iter().any(|c| !near.contains(c)) {
                continue;
            }
            let low = (1 << u) | (1 << v);
            let high = low | 1 << axis;
            let (from, to) = (vertex.corners >> low & 1 == 1, vertex.corners >> high & 1 == 1);
            if from == to {
                continue;
            }
            let beside = |du: usize, dv: usize| {
                let mut cell = vertex.cell;
                cell[u] += du;
                cell[v] += dv;
                self.index[cell_index(cell)]
            };
            let mut quad = [beside(0, 0), beside(1, 0), beside(1, 1), beside(0, 1)];
            if to != is_mirrored {
                quad.reverse();
            }
            let is_own = vertex.cell.iter().all(|c| own.contains(c));
            build.add(quad, world, is_own);
        }
    }
}

struct Build {
    normals: Vec<Vector3<f64>>,
    triangles: Vec<[u32; 3]>,
}

impl Build {
    fn add(&mut self, [a, b, c, d]: [u32; 4], world: &[Point3<f64>], is_own: bool) {
        let at = |i: u32| world[i as usize];
        // The shorter diagonal folds less.
        let split = if (at(a) - at(c)).norm_squared() <= (at(b) - at(d)).norm_squared() {
            [[a, b, c], [a, c, d]]
        } else {
            [[a, b, d], [b, c, d]]
        };
        for triangle in split {
            let [p, q, r] = triangle.map(at);
            let normal = (q - p).cross(&(r - p));
            for corner in triangle {
                self.normals[corner as usize] += normal;
            }
            if is_own {
                self.triangles.push(triangle);
            }
        }
    }

    /// Keeps the vertices that triangles use.
    fn finish(self, world: &[Point3<f64>]) -> SurfaceMesh {
        let mut mesh = SurfaceMesh::default();
        let mut kept = vec![NONE; world.len()];
        for triangle in self.triangles {
            mesh.triangles.push(triangle.map(|corner| {
                let slot = &mut kept[corner as usize];
                if *slot == NONE {
                    *slot = mesh.positions.len() as u32;
                    mesh.positions.push(world[corner as usize].coords.cast::<f32>().into());
                    let normal = self.normals[corner as usize].try_normalize(1e-12);
                    mesh.normals.push(normal.unwrap_or_else(Vector3::z).cast::<f32>().into());
                }
                *slot
            }));
        }
        mesh
    }
}
