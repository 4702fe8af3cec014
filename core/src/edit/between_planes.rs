//! Shapes between labelled slices that are oblique to the grid.

use nalgebra::{Point3, Vector3};

use super::shape::{Raster, Shape};
use super::{EditBasis, OperationError, go_on, replaced};
use crate::geometry::Grid;
use crate::job::Observer;
use crate::label::BoxMask;
use crate::paint::CutPlane;

/// Most pixels along a side of the drawings of slices; finer ones are of no use on a screen or in a volume.
const MAX_PIXELS: f64 = 2048.0;

/// Labelled depths without a gap: the centres of their voxels lie from `low` to `high`, in mm along the normal.
#[derive(Clone, Copy)]
struct Block {
    low: f64,
    high: f64,
}

/// The active label with the gaps along a normal filled: where planes across it cut no voxel of the label, shapes
/// between those of the nearest planes that do. What is labelled stays as it is.
pub(super) fn fill(
    basis: &EditBasis,
    normal: Vector3<f64>,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let grid = basis.grid();
    let plane = CutPlane::new(grid.center_world(), normal).ok_or(OperationError::Plane)?;
    let mask = basis.mask_grown(plane.thickness_mm(grid))?;
    let blocks = blocks(grid, &mask, &plane);
    if blocks.len() < 2 {
        return Err(OperationError::NoGap);
    }
    let drawing = Drawing::new(grid, &mask, &plane);
    let mut inside = mask.inside().to_vec();
    for (done, pair) in blocks.windows(2).enumerate() {
        go_on(observer, "interpolating", done, blocks.len() - 1)?;
        let [below, above] = [pair[0], pair[1]];
        // The last plane that the label fills on this side of the gap, and the first one on the other.
        let half = |block: Block| (block.high - block.low).min(plane.thickness_mm(grid)) / 2.0;
        let (from, to) = (below.high - half(below), above.low + half(above));
        let ends = [drawing.shape(&mask, from), drawing.shape(&mask, to)];
        let [Some(first), Some(last)] = ends else { continue };
        let ends = [first, last];
        for (y, z) in mask.region().rows() {
            for x in mask.region().start()[0]..mask.region().end()[0] {
                let world = grid.world_of([x, y, z]);
                let depth = plane.depth_mm(world);
                if depth > below.high && depth < above.low {
                    let share = (depth - from) / (to - from);
                    inside[mask.index_of([x, y, z])] |=
                        drawing.raster.is_between(&ends, share, drawing.pixel_at(world));
                }
            }
        }
    }
    Ok(replaced(&mask, inside))
}

/// Where along the normal there are voxels. A plane cuts the voxels within half a slice's thickness of it, so that only
/// voxels more than a thickness apart leave planes between them that cut none.
fn blocks(grid: &Grid, mask: &BoxMask, plane: &CutPlane) -> Vec<Block> {
    let mut depths: Vec<f64> = mask
        .spans()
        .flat_map(|span| (span.x_start..span.x_end).map(move |x| [x, span.y, span.z]))
        .map(|voxel| plane.depth_mm(grid.world_of(voxel)))
        .collect();
    depths.sort_unstable_by(f64::total_cmp);
    let thickness = plane.thickness_mm(grid) * (1.0 + 1e-9);
    let mut blocks: Vec<Block> = Vec::new();
    for depth in depths {
        match blocks.last_mut() {
            Some(block) if depth - block.high <= thickness => block.high = depth,
            _ => blocks.push(Block { low: depth, high: depth }),
        }
    }
    blocks
}

/// Draws slices in two coordinates of their planes.
struct Drawing<'a> {
    grid: &'a Grid,
    plane: &'a CutPlane,
    right: Vector3<f64>,
    down: Vector3<f64>,
    /// Pixel (0, 0) along right and down, in mm from the plane's point.
    corner_mm: [f64; 2],
    raster: Raster,
}

impl<'a> Drawing<'a> {
    fn new(grid: &'a Grid, mask: &BoxMask, plane: &'a CutPlane) -> Self {
        let across = if plane.normal.x.abs() < 0.6 { Vector3::x() } else { Vector3::y() };
        let right = plane.normal.cross(&across).normalize();
        let down = plane.normal.cross(&right);
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        let (start, end) = (mask.region().start(), mask.region().end());
        for corner in 0..8 {
            let voxel =
                [0, 1, 2].map(|a| if corner >> a & 1 == 1 { end[a] as f64 } else { start[a] as f64 - 1.0 });
            let offset = grid.affine().world_from_voxel(Point3::from(voxel)) - plane.point;
            for (a, axis) in [right, down].iter().enumerate() {
                (low[a], high[a]) = (low[a].min(offset.dot(axis)), high[a].max(offset.dot(axis)));
            }
        }
        let finest = grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        let longest = (high[0] - low[0]).max(high[1] - low[1]);
        let spacing = finest.max(longest / MAX_PIXELS);
        let size = [0, 1].map(|a| ((high[a] - low[a]) / spacing).ceil() as usize + 1);
        Self { grid, plane, right, down, corner_mm: low, raster: Raster { size, spacing_mm: [spacing; 2] } }
    }

    fn pixel_at(&self, world: Point3<f64>) -> [f64; 2] {
        let offset = world - self.plane.point;
        let at = |axis: &Vector3<f64>, a: usize| {
            (offset.dot(axis) - self.corner_mm[a]) / self.raster.spacing_mm[a]
        };
        [at(&self.right, 0), at(&self.down, 1)]
    }

    /// What the plane at a depth shows of the mask; `None` if that is nothing.
    fn shape(&self, mask: &BoxMask, depth_mm: f64) -> Option<Shape> {
        let start = self.plane.point + self.plane.normal * depth_mm;
        let spacing = self.raster.spacing_mm;
        let shown = |[u, v]: [usize; 2]| {
            let right = self.right * (self.corner_mm[0] + u as f64 * spacing[0]);
            let down = self.down * (self.corner_mm[1] + v as f64 * spacing[1]);
            self.grid.voxel_at_world(start + right + down).is_some_and(|voxel| mask.contains(voxel))
        };
        let inside: Vec<bool> = self.raster.pixels().map(shown).collect();
        inside.contains(&true).then(|| self.raster.shape(&inside))
    }
}
