//! Long and short axis of a lesion as radiologists report them.

use nalgebra::{Point3, Vector2, Vector3};
use serde::Serialize;

use super::{MeasureError, check_count};
use crate::geometry::Grid;

/// A straight line across a lesion, between voxel coordinates `(x, y, z)`; the ends of a long axis are voxel
/// centres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Length in mm.
    pub length_mm: f64,
    /// One end in voxel coordinates.
    pub from_voxel: [f64; 3],
    /// The other end in voxel coordinates.
    pub to_voxel: [f64; 3],
}

/// The measurement of a lesion after RECIST 1.1 (Eisenhauer et al., European Journal of Cancer 45, 2009).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recist {
    /// Slice along z that holds both axes.
    pub slice: usize,
    /// The largest distance between two voxel centres of the mask in any one slice.
    pub long_axis: Axis,
    /// The longest line in the same slice at right angles to the long axis, within the convex hull of the
    /// voxel centres.
    pub short_axis: Axis,
}

impl Recist {
    /// What was measured in a part of an image that begins at voxel `start`, in the voxels of the whole.
    #[must_use]
    pub fn moved_by(mut self, start: [usize; 3]) -> Self {
        self.slice += start[2];
        let ends = [&mut self.long_axis, &mut self.short_axis]
            .map(|axis| [&mut axis.from_voxel, &mut axis.to_voxel]);
        for end in ends.into_iter().flatten() {
            *end = [0, 1, 2].map(|a| end[a] + start[a] as f64);
        }
        self
    }
}

/// Measures a mask `[z, y, x]` in its acquisition slices, which are those along the last voxel axis. Separate
/// parts of a mask are measured as one. Of equal diameters the one in the lowest slice is taken. `None` for an
/// empty mask.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the mask does not fill the grid.
pub fn recist(mask: &[bool], grid: &Grid) -> Result<Option<Recist>, MeasureError> {
    check_count(mask.len(), grid.voxel_count())?;
    let [nx, ny, _] = grid.dims();
    let plane = SlicePlane::of(grid);
    let mut best: Option<(f64, usize, [Corner; 2])> = None;
    for (slice, voxels) in mask.chunks_exact(nx * ny).enumerate() {
        let hull = plane.hull(voxels, nx);
        let Some((length, ends)) = farthest_pair(&hull) else { continue };
        if best.is_none_or(|(longest, ..)| length > longest) {
            best = Some((length, slice, ends));
        }
    }
    Ok(best.map(|(length_mm, slice, ends)| {
        let hull = plane.hull(&mask[slice * nx * ny..(slice + 1) * nx * ny], nx);
        let [from, to] = ends.map(|corner| corner.voxel_in(slice));
        Recist {
            slice,
            long_axis: Axis { length_mm, from_voxel: from, to_voxel: to },
            short_axis: plane.widest_chord(&hull, ends, slice),
        }
    }))
}

/// A voxel of a slice with its place in the slice's plane in mm.
#[derive(Clone, Copy, Debug)]
struct Corner {
    voxel: [i64; 2],
    place_mm: Vector2<f64>,
}

impl Corner {
    fn voxel_in(&self, slice: usize) -> [f64; 3] {
        [self.voxel[0] as f64, self.voxel[1] as f64, slice as f64]
    }
}

/// Right-angled coordinates in mm within a slice, whatever the angle between its voxel axes.
struct SlicePlane {
    step_x: Vector2<f64>,
    step_y: Vector2<f64>,
}

impl SlicePlane {
    fn of(grid: &Grid) -> Self {
        let affine = grid.affine();
        let (x, y): (Vector3<f64>, Vector3<f64>) =
            (affine.linear().column(0).into(), affine.linear().column(1).into());
        let along = affine.direction(0);
        let across = (y - along * along.dot(&y)).normalize();
        Self { step_x: Vector2::new(x.norm(), 0.0), step_y: Vector2::new(along.dot(&y), across.dot(&y)) }
    }

    fn corner(&self, x: usize, y: usize) -> Corner {
        let place_mm = self.step_x * x as f64 + self.step_y * y as f64;
        Corner { voxel: [x as i64, y as i64], place_mm }
    }

    /// Convex hull of a slice's voxel centres in order around it, from the ends of its rows (Andrew 1979). The
    /// turns are computed in whole voxels and are therefore exact.
    fn hull(&self, voxels: &[bool], nx: usize) -> Vec<Corner> {
        let mut ends = Vec::new();
        for (y, row) in voxels.chunks_exact(nx).enumerate() {
            let Some(first) = row.iter().position(|v| *v) else { continue };
            let last = row.iter().rposition(|v| *v).unwrap_or(first);
            ends.push(self.corner(first, y));
            if last > first {
                ends.push(self.corner(last, y));
            }
        }
        if ends.len() < 3 {
            return ends;
        }
        let mut hull = half_hull(ends.iter());
        let other_side = half_hull(ends.iter().rev());
        hull.pop();
        hull.extend(&other_side[..other_side.len() - 1]);
        hull
    }

    /// The longest line within the hull at right angles to the long axis. The width of a convex shape changes
    /// linearly between its corners, so that one of the widest lines passes through a corner.
    fn widest_chord(&self, hull: &[Corner], [from, to]: [Corner; 2], slice: usize) -> Axis {
        let line = to.place_mm - from.place_mm;
        let start = from.voxel_in(slice);
        let Some(along) = line.try_normalize(0.0) else {
            return Axis { length_mm: 0.0, from_voxel: start, to_voxel: start };
        };
        let across = Vector2::new(-along.y, along.x);
        let places: Vec<Vector2<f64>> = hull
            .iter()
            .map(|c| c.place_mm - from.place_mm)
            .map(|d| Vector2::new(along.dot(&d), across.dot(&d)))
            .collect();
        let (mut widest, mut at) = ((0.0, 0.0), 0.0);
        for position in places.iter().map(|p| p.x) {
            let span = span_at(&places, position);
            if span.1 - span.0 > widest.1 - widest.0 {
                (widest, at) = (span, position);
            }
        }
        let voxel_at = |height: f64| self.voxel_at(from.place_mm + along * at + across * height, slice);
        Axis { length_mm: widest.1 - widest.0, from_voxel: voxel_at(widest.0), to_voxel: voxel_at(widest.1) }
    }

    fn voxel_at(&self, place_mm: Vector2<f64>, slice: usize) -> [f64; 3] {
        let y = place_mm.y / self.step_y.y;
        let x = (place_mm.x - y * self.step_y.x) / self.step_x.x;
        let voxel = Point3::new(x, y, slice as f64);
        voxel.coords.into()
    }
}

/// One side of the hull of points sorted by row.
fn half_hull<'a>(points: impl Iterator<Item = &'a Corner>) -> Vec<Corner> {
    let mut side: Vec<Corner> = Vec::new();
    for point in points {
        while let [.., a, b] = side[..]
            && turn(a.voxel, b.voxel, point.voxel) <= 0
        {
            side.pop();
        }
        side.push(*point);
    }
    side
}

/// Positive where the way a → b → c turns left, in voxels.
fn turn(a: [i64; 2], b: [i64; 2], c: [i64; 2]) -> i64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

fn farthest_pair(hull: &[Corner]) -> Option<(f64, [Corner; 2])> {
    let first = *hull.first()?;
    let mut best = (0.0, [first; 2]);
    for (i, a) in hull.iter().enumerate() {
        for b in &hull[i + 1..] {
            let squared = (a.place_mm - b.place_mm).norm_squared();
            if squared > best.0 {
                best = (squared, [*a, *b]);
            }
        }
    }
    Some((best.0.sqrt(), best.1))
}

/// Lowest and highest point of a convex outline at a position along x; the position lies within it.
fn span_at(outline: &[Vector2<f64>], position: f64) -> (f64, f64) {
    let mut span = (f64::INFINITY, f64::NEG_INFINITY);
    let mut widen = |height: f64| span = (span.0.min(height), span.1.max(height));
    for (i, a) in outline.iter().enumerate() {
        let b = outline[(i + 1) % outline.len()];
        if a.x == position {
            widen(a.y);
        }
        if (a.x < position && position < b.x) || (b.x < position && position < a.x) {
            widen(a.y + (b.y - a.y) * (position - a.x) / (b.x - a.x));
        }
    }
    span
}

#[cfg(test)]
mod tests;
