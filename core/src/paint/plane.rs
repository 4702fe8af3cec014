//! The voxels that a plane cuts.

use nalgebra::{Point3, Vector3};

use crate::geometry::{Grid, VoxelBox, WorldPoint};
use crate::label::RowSpan;

/// A voxel axis is taken as lying in a plane below this cosine.
const IN_PLANE: f64 = 1e-6;

/// A plane through an image, in world space. It may be oblique to the grid.
///
/// The *slice* of a plane is made of the voxels that it cuts. Where the plane is parallel to a face of the grid that is
/// a slice of the file. Elsewhere it is a slab with steps; planes one [`thickness`](Self::thickness_mm) apart have
/// slices that touch and share no voxel but those on their border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutPlane {
    /// A point of the plane.
    pub point: WorldPoint,
    /// Its normal, of length 1.
    pub normal: Vector3<f64>,
}

impl CutPlane {
    /// The plane through a point; `None` if the normal has no direction or the point is not finite.
    pub fn new(point: WorldPoint, normal: Vector3<f64>) -> Option<Self> {
        let normal = normal.try_normalize(1e-12)?;
        let is_finite = point.iter().chain(normal.iter()).all(|c| c.is_finite());
        is_finite.then_some(Self { point, normal })
    }

    /// The voxel axis across a plane that follows a slice of the file, from one end of the image to the other within
    /// half a slice, and the index of the slice nearest to its point, which may lie beside the image.
    pub fn aligned(&self, grid: &Grid) -> Option<(usize, i64)> {
        let per_voxel = grid.affine().linear().transpose() * self.normal;
        let main = per_voxel.iamax();
        let drift = |axis: usize| per_voxel[axis].abs() * grid.dims()[axis] as f64;
        let total: f64 = (0..3).filter(|axis| *axis != main).map(drift).sum();
        let slice = (grid.affine().voxel_from_world(self.point)[main] + 0.5).floor() as i64;
        (total < per_voxel[main].abs() / 2.0).then_some((main, slice))
    }

    /// Thickness of the slice: the extent of a voxel across the plane, in mm.
    pub fn thickness_mm(&self, grid: &Grid) -> f64 {
        (grid.affine().linear().transpose() * self.normal).abs().sum()
    }

    /// The parallel plane so many mm further along the normal.
    #[must_use]
    pub fn moved(&self, mm: f64) -> Self {
        Self { point: self.point + self.normal * mm, ..*self }
    }

    /// How far a world position lies beyond the plane along its normal, in mm.
    pub fn depth_mm(&self, world: WorldPoint) -> f64 {
        (world - self.point).dot(&self.normal)
    }
}

/// The axis that a plane is across, if all others lie in it.
fn parallel_axis(per_voxel: &Vector3<f64>) -> Option<usize> {
    let thickness = per_voxel.abs();
    let main = thickness.imax();
    (0..3).all(|axis| axis == main || thickness[axis] < IN_PLANE * thickness[main]).then_some(main)
}

/// Voxels between two planes: `|offset + per_voxel · v| ≤ half_width`, all in mm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slab {
    per_voxel: Vector3<f64>,
    offset: f64,
    half_width: f64,
    /// Voxels on the upper border belong to the next slab.
    is_half_open: bool,
}

impl Slab {
    /// The voxels that a plane cuts. Where the plane is parallel to a face of the grid, these are those of the slice
    /// that holds the point, whatever the rounding.
    pub(crate) fn new(grid: &Grid, plane: &CutPlane) -> Self {
        let per_voxel = grid.affine().linear().transpose() * plane.normal;
        let mut center = grid.affine().voxel_from_world(plane.point);
        let Some(main) = parallel_axis(&per_voxel) else {
            let offset = -per_voxel.dot(&center.coords);
            return Self { per_voxel, offset, half_width: per_voxel.abs().sum() / 2.0, is_half_open: false };
        };
        center[main] = (center[main] + 0.5).floor();
        let mut only_main = Vector3::zeros();
        only_main[main] = per_voxel[main];
        // Less than half a slice to either side, so that no rounding lets a neighbour in.
        Self {
            per_voxel: only_main,
            offset: -only_main[main] * center[main],
            half_width: only_main[main].abs() * 0.499,
            is_half_open: false,
        }
    }

    /// The `number`-th of the slabs into which the planes parallel to one, a thickness apart, part the voxels: every
    /// voxel is in exactly one of them.
    pub(crate) fn tile(grid: &Grid, plane: &CutPlane, number: i64) -> Self {
        let per_voxel = grid.affine().linear().transpose() * plane.normal;
        let width = per_voxel.abs().sum();
        let center = grid.affine().voxel_from_world(plane.point);
        let offset = -per_voxel.dot(&center.coords) - number as f64 * width;
        Self { per_voxel, offset, half_width: width / 2.0, is_half_open: true }
    }

    /// The numbers of the tiles that a box of voxels needs.
    pub(crate) fn tiles(grid: &Grid, plane: &CutPlane, region: VoxelBox) -> std::ops::RangeInclusive<i64> {
        let first = Self::tile(grid, plane, 0);
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for corner in 0..8 {
            let voxel = [0, 1, 2]
                .map(|a| if corner >> a & 1 == 1 { region.end()[a].max(1) - 1 } else { region.start()[a] });
            let number = (first.distance(voxel.map(|c| c as f64)) / (2.0 * first.half_width)).round() as i64;
            (low, high) = (low.min(number - 1), high.max(number + 1));
        }
        low..=high
    }

    /// Half its thickness in mm.
    pub(super) fn half_width_mm(&self) -> f64 {
        self.half_width
    }

    fn distance(&self, [x, y, z]: [f64; 3]) -> f64 {
        self.offset + self.per_voxel.dot(&Vector3::new(x, y, z))
    }

    /// Whether a voxel, which may lie beside the image, is in it.
    pub(crate) fn contains(&self, voxel: [i64; 3]) -> bool {
        let distance = self.distance(voxel.map(|c| c as f64));
        distance >= -self.half_width
            && (distance < self.half_width || (!self.is_half_open && distance <= self.half_width))
    }

    /// Where the line of a row of voxels is in it.
    pub(crate) fn interval(&self, y: usize, z: usize) -> Option<(f64, f64)> {
        let start = self.distance([0.0, y as f64, z as f64]);
        between(start, self.per_voxel.x, -self.half_width, self.half_width)
    }

    /// The voxels of a box that are in it, in memory order.
    pub(crate) fn spans(self, region: VoxelBox) -> impl Iterator<Item = RowSpan> {
        let (first, last) = (region.start()[0], region.end()[0]);
        region.rows().filter_map(move |(y, z)| {
            let (low, high) = self.interval(y, z)?;
            let clipped = |x: f64| x.clamp(first as f64, last as f64) as usize;
            let (mut x_start, mut x_end) = (clipped((low - 0.5).floor()), clipped((high + 1.5).ceil()));
            let holds = |x: usize| self.contains([x as i64, y as i64, z as i64]);
            // The interval is only a guess to rounding: the ends are decided by the definition.
            while x_start < x_end && !holds(x_start) {
                x_start += 1;
            }
            while x_end > x_start && !holds(x_end - 1) {
                x_end -= 1;
            }
            (x_start < x_end).then_some(RowSpan { z, y, x_start, x_end })
        })
    }
}

/// All x.
pub(super) const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Where `low <= start + step · x <= high`.
pub(super) fn between(start: f64, step: f64, low: f64, high: f64) -> Option<(f64, f64)> {
    if step.abs() < 1e-12 * (1.0 + start.abs()) {
        let slack = 1e-9 * (high - low);
        return (start >= low - slack && start <= high + slack).then_some(EVERYWHERE);
    }
    let ends = [(low - start) / step, (high - start) / step];
    Some((ends[0].min(ends[1]), ends[0].max(ends[1])))
}

/// The place on a plane that is nearest to a voxel's centre.
pub(crate) fn foot(grid: &Grid, plane: &CutPlane, voxel: [usize; 3]) -> Point3<f64> {
    let world = grid.world_of(voxel);
    world - plane.normal * plane.depth_mm(world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine;
    use nalgebra::Matrix3;
    use proptest::prelude::*;

    fn oblique() -> Grid {
        let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
        let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, -3.3));
        Grid::new([23, 19, 11], Affine::new(linear, Vector3::new(-12.0, 33.5, 90.25)).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn tiles_part_the_voxels_and_a_slab_is_what_the_plane_cuts(
            normal in prop::array::uniform3(-1.0..1.0f64),
            share in prop::array::uniform3(0.0..1.0f64),
        ) {
            let grid = oblique();
            let voxel = [0, 1, 2].map(|a| share[a] * grid.dims()[a] as f64 - 0.5);
            let point = grid.affine().world_from_voxel(Point3::from(voxel));
            let Some(plane) = CutPlane::new(point, Vector3::from(normal)) else { return Ok(()) };
            let mut seen = vec![0; grid.voxel_count()];
            for number in Slab::tiles(&grid, &plane, grid.full_box()) {
                for span in Slab::tile(&grid, &plane, number).spans(grid.full_box()) {
                    for x in span.x_start..span.x_end {
                        seen[grid.index([x, span.y, span.z])] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1), "each voxel in one tile");
            // Cut: the plane lies between the nearest and the farthest corner of the voxel.
            let slab: Vec<RowSpan> = Slab::new(&grid, &plane).spans(grid.full_box()).collect();
            for index in 0..grid.voxel_count() {
                let voxel = grid.voxel(index);
                let depths = (0..8).map(|corner| {
                    let at = [0, 1, 2].map(|a| voxel[a] as f64 + if corner >> a & 1 == 1 { 0.5 } else { -0.5 });
                    plane.depth_mm(grid.affine().world_from_voxel(Point3::from(at)))
                });
                let (low, high) = depths.fold((f64::MAX, f64::MIN), |(l, h), d| (l.min(d), h.max(d)));
                let holds = |s: &RowSpan| (s.y, s.z) == (voxel[1], voxel[2]) && (s.x_start..s.x_end).contains(&voxel[0]);
                if low.min(-high).abs() > 1e-9 && low.abs() > 1e-9 {
                    prop_assert_eq!(slab.iter().any(holds), low < 0.0 && high > 0.0, "{:?}", voxel);
                }
            }
        }
    }

    #[test]
    fn planes_along_the_grid_have_the_slices_of_the_file() {
        let grid = oblique();
        for axis in 0..3 {
            let plane =
                CutPlane::new(grid.world_of([3, 4, 5]), grid.affine().direction(axis) * -2.0).unwrap();
            assert_eq!(plane.aligned(&grid), Some((axis, [3, 4, 5][axis])));
            assert!((plane.thickness_mm(&grid) - grid.spacing_mm()[axis]).abs() < 1e-9);
            let voxels: usize =
                Slab::new(&grid, &plane).spans(grid.full_box()).map(|s| s.x_end - s.x_start).sum();
            assert_eq!(voxels, grid.voxel_count() / grid.dims()[axis]);
        }
        assert!(CutPlane::new(grid.world_of([3, 4, 5]), Vector3::zeros()).is_none());
        let turned = CutPlane::new(grid.world_of([3, 4, 5]), Vector3::new(1.0, 2.0, 3.0)).unwrap();
        assert_eq!(turned.aligned(&grid), None);
        assert!((turned.depth_mm(turned.moved(2.5).point) - 2.5).abs() < 1e-9);
    }
}
