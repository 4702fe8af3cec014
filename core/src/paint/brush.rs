//! Round brushes, swept along a straight line between two pointer positions.
//!
//! The set of voxels is exact in world millimetres for any affine: a voxel is painted when its centre is within
//! the radius of the line. Per row of voxels that set is one interval, found from a few quadratic equations.

use nalgebra::{Matrix3, Point3, Vector3};

use super::plane::{CutPlane, EVERYWHERE, Slab, between};
use crate::geometry::{Grid, VoxelBox, WorldPoint};
use crate::label::RowSpan;

/// Largest brush radius in mm.
pub const MAX_BRUSH_RADIUS_MM: f64 = 1000.0;

/// The footprint of a brush.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BrushShape {
    /// A disc in a plane, as thick as the voxels that the plane cuts.
    Disc {
        /// Normal of the plane in world space, any length but zero.
        normal_world: Vector3<f64>,
    },
    /// A ball.
    Ball,
}

/// The voxels painted by a brush of `radius_mm` moving straight from one world position to another, in memory
/// order, cut to the grid. A brush smaller than a voxel still paints the voxels that its centre passes through.
///
/// Positions that are not finite paint nothing; the radius is kept within [`MAX_BRUSH_RADIUS_MM`].
pub fn sweep(
    grid: &Grid,
    shape: BrushShape,
    radius_mm: f64,
    from: WorldPoint,
    to: WorldPoint,
) -> Vec<RowSpan> {
    let radius_mm = radius_mm.clamp(0.0, MAX_BRUSH_RADIUS_MM);
    let finite = from.iter().chain(to.iter()).all(|v| v.is_finite()) && !radius_mm.is_nan();
    if !finite {
        return Vec::new();
    }
    let capsule = Capsule::new(grid, shape, radius_mm, from, to);
    let mut spans = capsule.spans(grid);
    let half_diagonal = grid.spacing_mm().iter().map(|s| s * s).sum::<f64>().sqrt() / 2.0;
    if radius_mm < half_diagonal {
        spans.extend(voxels_on_line(grid, from, from + capsule.line));
        spans = joined(spans);
    }
    spans
}

/// A swept brush. All vectors are relative to the start of the line and, for a disc, flattened into its plane.
struct Capsule {
    /// World displacement of a voxel step along x, y, z, flattened.
    steps: Matrix3<f64>,
    /// Where voxel (0, 0, 0) is, flattened.
    corner: Vector3<f64>,
    /// The line, flattened.
    line: Vector3<f64>,
    radius_mm: f64,
    slab: Option<Slab>,
    bounds: VoxelBox,
}

impl Capsule {
    fn new(grid: &Grid, shape: BrushShape, radius_mm: f64, from: WorldPoint, to: WorldPoint) -> Self {
        let (linear, origin) = (*grid.affine().linear(), grid.affine().origin());
        let normal = match shape {
            BrushShape::Ball => None,
            BrushShape::Disc { normal_world } => normal_world.try_normalize(f64::MIN_POSITIVE),
        };
        let flatten = normal.map_or_else(Matrix3::identity, |n| Matrix3::identity() - n * n.transpose());
        let slab = normal.map(|normal| Slab::new(grid, &CutPlane { point: from, normal }));
        let reach = Vector3::from_fn(|axis, _| {
            let gradient = voxel_gradient(grid, axis);
            let across = normal.map_or(0.0, |n| gradient.dot(&n).abs());
            let depth = slab.as_ref().map_or(0.0, Slab::half_width_mm);
            radius_mm * (flatten * gradient).norm() + across * depth
        });
        let line = flatten * (to - from);
        let bounds = bounds_of(grid, from, from + line, reach);
        Self { steps: flatten * linear, corner: flatten * (origin - from), line, radius_mm, slab, bounds }
    }

    fn spans(&self, grid: &Grid) -> Vec<RowSpan> {
        let mut spans = Vec::new();
        for (y, z) in self.bounds.rows() {
            let start = self.corner + self.steps.column(1) * y as f64 + self.steps.column(2) * z as f64;
            let Some((low, high)) = self.interval(start, y, z) else { continue };
            let (first, last) = (self.bounds.start()[0], self.bounds.end()[0]);
            let clipped = |x: f64| (x.clamp(first as f64, last as f64)) as usize;
            let (mut x_start, mut x_end) = (clipped((low - 0.5).floor()), clipped((high + 1.5).ceil()));
            // The interval is only a guess to rounding: the ends are decided by the definition.
            while x_start < x_end && !self.contains(start, x_start, y, z) {
                x_start += 1;
            }
            while x_end > x_start && !self.contains(start, x_end - 1, y, z) {
                x_end -= 1;
            }
            if x_start < x_end {
                spans.push(RowSpan { z, y, x_start, x_end });
            }
        }
        debug_assert!(spans.iter().all(|s| s.x_end <= grid.dims()[0]));
        spans
    }

    /// The definition: within the radius of the line and, for a disc, between its planes.
    fn contains(&self, row_start: Vector3<f64>, x: usize, y: usize, z: usize) -> bool {
        let point = row_start + self.steps.column(0) * x as f64;
        let along = self.line.norm_squared();
        let t = if along > 0.0 { (point.dot(&self.line) / along).clamp(0.0, 1.0) } else { 0.0 };
        (point - self.line * t).norm_squared() <= self.radius_mm * self.radius_mm
            && self.slab.as_ref().is_none_or(|slab| slab.contains([x, y, z].map(|c| c as i64)))
    }

    /// Where a row enters and leaves the capsule: the hull of its entries into two round ends and the tube
    /// between them, cut by the planes of a disc.
    fn interval(&self, start: Vector3<f64>, y: usize, z: usize) -> Option<(f64, f64)> {
        let step: Vector3<f64> = self.steps.column(0).into();
        let round = [Vector3::zeros(), self.line].map(|center| within(start - center, step, self.radius_mm));
        let hull = hull(hull(round[0], round[1]), self.tube_interval(start, step))?;
        match &self.slab {
            None => Some(hull),
            Some(slab) => common(hull, slab.interval(y, z)?),
        }
    }

    fn tube_interval(&self, start: Vector3<f64>, step: Vector3<f64>) -> Option<(f64, f64)> {
        let along = self.line.norm_squared();
        if along <= f64::EPSILON * self.radius_mm * self.radius_mm {
            return None;
        }
        let (t_start, t_step) = (start.dot(&self.line) / along, step.dot(&self.line) / along);
        let across = within(start - self.line * t_start, step - self.line * t_step, self.radius_mm)?;
        common(across, between(t_start, t_step, 0.0, 1.0)?)
    }
}

/// Where `|start + step · x| <= radius`.
fn within(start: Vector3<f64>, step: Vector3<f64>, radius: f64) -> Option<(f64, f64)> {
    let (a, half_b, c) = (step.norm_squared(), start.dot(&step), start.norm_squared() - radius * radius);
    let slack = 1e-9 * (radius * radius + 1e-12);
    if a < 1e-18 {
        return (c <= slack).then_some(EVERYWHERE);
    }
    let discriminant = half_b * half_b - a * (c - slack);
    if discriminant < 0.0 {
        return None;
    }
    let root = discriminant.sqrt();
    Some(((-half_b - root) / a, (-half_b + root) / a))
}

fn hull(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    }
}

fn common(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    let (low, high) = (a.0.max(b.0), a.1.min(b.1));
    // A row may touch at a single voxel between the two ends: the caller's rounding margin decides.
    (low <= high + 1e-6).then_some((low, high))
}

/// How a voxel coordinate grows with the world position: the row of the inverse map, in voxels per mm.
fn voxel_gradient(grid: &Grid, axis: usize) -> Vector3<f64> {
    Vector3::from_fn(|world, _| {
        let mut unit = Vector3::zeros();
        unit[world] = 1.0;
        grid.affine().voxel_vector(unit)[axis]
    })
}

/// The box of voxels around a line grown by `reach` voxels, cut to the grid.
fn bounds_of(grid: &Grid, from: Point3<f64>, to: Point3<f64>, reach: Vector3<f64>) -> VoxelBox {
    let (a, b) = (grid.affine().voxel_from_world(from), grid.affine().voxel_from_world(to));
    let clipped = |axis: usize, v: f64| v.clamp(0.0, grid.dims()[axis] as f64) as usize;
    VoxelBox::new(
        [0, 1, 2].map(|i| clipped(i, (a[i].min(b[i]) - reach[i]).ceil() - 1.0)),
        [0, 1, 2].map(|i| clipped(i, (a[i].max(b[i]) + reach[i]).floor() + 2.0)),
    )
}

/// The voxels that a line passes through, found by steps of a quarter voxel.
fn voxels_on_line(grid: &Grid, from: WorldPoint, to: WorldPoint) -> Vec<RowSpan> {
    let (a, b) = (grid.affine().voxel_from_world(from), grid.affine().voxel_from_world(to));
    let longest = (b - a).amax();
    // A line can be longer than the grid, yet not by so much that the steps would take noticeable time.
    let count = (longest * 4.0).ceil().clamp(1.0, 1e5) as usize;
    (0..=count)
        .filter_map(|i| grid.voxel_at(a + (b - a) * (i as f64 / count as f64)))
        .map(|[x, y, z]| RowSpan { z, y, x_start: x, x_end: x + 1 })
        .collect()
}

/// The same voxels in memory order, each once.
fn joined(mut spans: Vec<RowSpan>) -> Vec<RowSpan> {
    spans.sort_unstable();
    let mut result: Vec<RowSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match result.last_mut() {
            Some(last) if (last.z, last.y) == (span.z, span.y) && span.x_start <= last.x_end => {
                last.x_end = last.x_end.max(span.x_end);
            }
            _ => result.push(span),
        }
    }
    result
}

#[cfg(test)]
mod tests;
