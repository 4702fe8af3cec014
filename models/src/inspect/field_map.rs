//! One channel of an attention map as numbers with a place.

use hilum_core::geometry::{Affine, Grid, GridError, WorldPoint};
use nalgebra::{Matrix3, Vector3};

use crate::nets::MapMeaning;
use crate::transform::cube::resample_values;

/// Most points at which one axis of a pixel of a map is looked up in an image.
const MAX_SAMPLES: usize = 8;

/// One channel (hop, head) of an attention map, in the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMap {
    /// Unique among the maps of a look, e.g. `ha.attention hop 1`.
    pub name: String,
    /// The layer that made it, as named in a checkpoint.
    pub layer: String,
    /// 0 = finest resolution of the network.
    pub level: usize,
    /// What its numbers mean.
    pub meaning: MapMeaning,
    /// Which of several, such as `hop 2` or `head 3`; empty for the only one.
    pub channel: String,
    /// Where its pixels lie; it covers what the network saw.
    pub grid: Grid,
    /// `[z, y, x]`.
    pub values: Vec<f32>,
    /// The pixel that looks, of the maps of one pixel.
    pub query: Option<WorldPoint>,
}

impl FieldMap {
    /// Smallest and largest finite value; 0 and 0 of none.
    pub fn range(&self) -> [f32; 2] {
        let finite = || self.values.iter().copied().filter(|v| v.is_finite());
        let (low, high) =
            (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
        if low <= high { [low, high] } else { [0.0, 0.0] }
    }

    /// The middle of the pixel of the largest value.
    pub fn peak(&self) -> WorldPoint {
        let largest = (0..self.values.len()).max_by(|a, b| self.values[*a].total_cmp(&self.values[*b]));
        self.grid.world_of(self.grid.voxel(largest.unwrap_or(0)))
    }

    /// Value of the pixel that a point lies in; `None` outside.
    pub fn value_at(&self, at: WorldPoint) -> Option<f32> {
        Some(self.values[self.grid.index(self.grid.voxel_at_world(at)?)])
    }

    /// The value between the pixels around a point, the nearest one's beyond the middles of the outermost; `None` outside.
    pub fn value_between(&self, at: WorldPoint) -> Option<f32> {
        let place = self.grid.affine().voxel_from_world(at);
        self.grid.voxel_at(place)?;
        let dims = self.grid.dims();
        let corner = [0, 1, 2].map(|a| {
            let low = place[a].clamp(0.0, (dims[a] - 1) as f64);
            (low as usize, (low as usize + 1).min(dims[a] - 1), low.fract() as f32)
        });
        let mut value = 0.0;
        for bits in 0..8usize {
            let pick = |a: usize| {
                let (low, high, part) = corner[a];
                if bits >> a & 1 == 1 { (high, part) } else { (low, 1.0 - part) }
            };
            let [(x, u), (y, v), (z, w)] = [0, 1, 2].map(pick);
            if u * v * w > 0.0 {
                value += u * v * w * self.values[self.grid.index([x, y, z])];
            }
        }
        Some(value)
    }

    /// The value at and above which pixels hold at least `share` (0 to 1) of the map: of its sum, where its numbers are
    /// amounts of which a share can lie somewhere, else of its pixels. `None` of nothing.
    pub fn level_holding(&self, share: f64) -> Option<f32> {
        let mut values: Vec<f32> = self.values.iter().copied().filter(|v| v.is_finite()).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let is_mass = self.meaning.is_mass() && values.last().is_some_and(|least| *least >= 0.0);
        let weight = |value: f32| if is_mass { f64::from(value) } else { 1.0 };
        let total: f64 = values.iter().map(|v| weight(*v)).sum();
        let mut held = 0.0;
        values.into_iter().find(|value| {
            held += weight(*value);
            held >= share * total
        })
    }

    /// Values between the pixels at the voxels of another grid, `[z, y, x]`; 0 where the network did not look.
    pub fn on(&self, grid: &Grid) -> Vec<f32> {
        resample_values(&self.values, &self.grid, grid, 0.0)
    }

    /// The mean of `see` over each pixel, looked up at points as dense as the voxels of `image`, and the share of the
    /// pixel at which it is defined.
    pub(super) fn over_pixels(&self, image: &Grid, see: impl Fn(WorldPoint) -> Option<f32>) -> Vec<[f32; 2]> {
        let offsets = offsets(&self.grid, image);
        let mean = |pixel: usize| {
            let middle = self.grid.world_of(self.grid.voxel(pixel));
            let (mut sum, mut count) = (0.0, 0.0f32);
            for value in offsets.iter().filter_map(|offset| see(middle + offset)) {
                sum += value;
                count += 1.0;
            }
            [sum / count.max(1.0), count / offsets.len() as f32]
        };
        (0..self.values.len()).map(mean).collect()
    }
}

/// Points within a pixel of `grid`, from its middle, in mm: as dense as the voxels of `image`, within a bound.
pub(super) fn offsets(grid: &Grid, image: &Grid) -> Vec<Vector3<f64>> {
    let counts = [0, 1, 2].map(|axis| {
        let step = image.affine().voxel_vector(grid.affine().linear().column(axis).into_owned()).amax();
        if image.is_flat() && grid.dims()[axis] == 1 {
            1
        } else {
            (step.ceil() as usize).clamp(1, MAX_SAMPLES)
        }
    });
    let place = |i: usize, n: usize| (i as f64 + 0.5) / n as f64 - 0.5;
    let mut offsets = Vec::with_capacity(counts.iter().product());
    for z in 0..counts[2] {
        for y in 0..counts[1] {
            for x in 0..counts[0] {
                let within = Vector3::new(place(x, counts[0]), place(y, counts[1]), place(z, counts[2]));
                offsets.push(grid.affine().world_vector(within));
            }
        }
    }
    offsets
}

/// The grid of a map of `shape` `[z, y, x]` over the same field of view as `field`.
///
/// # Errors
/// A map without pixels.
pub fn map_grid(field: &Grid, shape: [usize; 3]) -> Result<Grid, GridError> {
    let dims = [shape[2], shape[1], shape[0]];
    let scale = Vector3::from_fn(|a, _| field.dims()[a] as f64 / dims[a].max(1) as f64);
    let first = scale.map(|s| (s - 1.0) / 2.0);
    let affine = field.affine();
    let origin = affine.world_from_voxel(first.into());
    Grid::new(dims, Affine::new(affine.linear() * Matrix3::from_diagonal(&scale), origin.coords)?)
}
