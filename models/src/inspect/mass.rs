//! How much of the attention lies on each class of a mask.

use burn::tensor::{Tensor, TensorData};
use hilum_core::geometry::{Grid, WorldPoint};
use serde::Serialize;

use super::field_map::FieldMap;
use super::look::{Look, contained, numbers};
use super::{InspectError, map_grid};
use crate::nets::AttentionLayer;

/// Equal parts of 0 … 1 in a histogram.
pub const HISTOGRAM_BINS: usize = 20;

/// Most pixels of a class whose attention is looked at.
const MAX_QUERIES: usize = 512;

/// What lies on one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassMass {
    /// Value in the mask (0: none); `None`: outside the image.
    pub class: Option<u16>,
    /// Share of the map's sum that lies on it, 0 to 1.
    pub mass: f64,
    /// Share of the map's area that it covers: what attention without any preference would give it.
    pub area: f64,
}

/// How the pixels of a class share out their attention in one hop or head.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MassHistogram {
    /// Number of the hop or head, from 1.
    pub channel: usize,
    /// Of the pixels looked at, those that reach nobody: they count in nothing else.
    pub alone: usize,
    /// Mean share on each class, in the order of the classes.
    pub mean: Vec<f64>,
    /// Standard deviation of the share over pixels.
    pub sd: Vec<f64>,
    /// For each class: pixels by their share on it, in [`HISTOGRAM_BINS`] equal parts of 0 to 1.
    pub counts: Vec<[u32; HISTOGRAM_BINS]>,
}

/// The attention of the pixels of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryClass {
    /// The class that looks: more than half of each of its pixels is of it.
    pub class: Option<u16>,
    /// Pixels of the map that are of it.
    pub pixels: usize,
    /// Of them, so many were looked at, evenly spread.
    pub queries: usize,
    /// The classes that are looked at, with the area that each covers.
    pub classes: Vec<Option<u16>>,
    /// Share of the map's area that each covers.
    pub area: Vec<f64>,
    /// For each hop or head.
    pub channels: Vec<MassHistogram>,
}

impl FieldMap {
    /// The share of the map that lies on each class of a mask on `grid`; empty of a map whose numbers are no amounts,
    /// or that is 0.
    ///
    /// # Errors
    /// [`InspectError::Mask`].
    pub fn mass(&self, labels: &[u16], grid: &Grid) -> Result<Vec<ClassMass>, InspectError> {
        let total: f64 = self.values.iter().map(|v| f64::from(*v)).sum();
        if !self.meaning.is_mass() || total <= 0.0 || self.values.iter().any(|v| *v < 0.0 || !v.is_finite()) {
            return Ok(Vec::new());
        }
        let shares = ClassShares::of(&self.grid, labels, grid)?;
        let mass = |(class, share): (&Option<u16>, &Vec<f32>)| ClassMass {
            class: *class,
            mass: share.iter().zip(&self.values).map(|(s, v)| f64::from(*s) * f64::from(*v)).sum::<f64>()
                / total,
            area: mean(share),
        };
        Ok(shares.classes.iter().zip(&shares.of_pixel).map(mass).collect())
    }
}

impl Look {
    /// How the pixels of every class of a mask share out their attention over the classes, in one layer: rows of the
    /// attention are worked on in tiles, at most 512 a class, evenly spread.
    ///
    /// # Errors
    /// [`InspectError`] for a mask that is not of its grid, or a device that fails.
    pub fn mass_by_class(
        &self,
        layer: &AttentionLayer,
        labels: &[u16],
        grid: &Grid,
    ) -> Result<Vec<QueryClass>, InspectError> {
        let [z, y, x] = layer.spatial_shape;
        // Slices of a volume that are images of their own lie one after another.
        let shares = ClassShares::of(&map_grid(self.grid(), [z * layer.images(), y, x])?, labels, grid)?;
        let pixels = layer.pixels();
        let mut found = Vec::new();
        for (number, class) in shares.classes.iter().enumerate() {
            let own: Vec<usize> =
                (0..pixels * layer.images()).filter(|pixel| shares.of_pixel[number][*pixel] > 0.5).collect();
            let step = own.len().div_ceil(MAX_QUERIES).max(1);
            let queries: Vec<usize> = own.iter().skip(step / 2).step_by(step).copied().collect();
            if queries.is_empty() {
                continue;
            }
            let mut tally: Vec<Tally> = Vec::new();
            for runs in runs(&queries, pixels) {
                let image = runs.start / pixels;
                let first = image * pixels;
                let on = shares.matrix(first..first + pixels);
                let of_rows = contained(|| {
                    let attention = layer.tile(image, runs.start - first..runs.end - first).attention;
                    let [channels, rows, _] = attention.dims();
                    let on = Tensor::<3>::from_data(on, &attention.device());
                    let on = on.expand([channels as i64, -1, -1]);
                    numbers(attention.matmul(on).reshape([1, channels, rows, shares.classes.len(), 1]))
                })?;
                let per_channel = (runs.end - runs.start) * shares.classes.len();
                tally.resize_with(of_rows.len() / per_channel, || Tally::new(shares.classes.len()));
                for (tally, rows) in tally.iter_mut().zip(of_rows.chunks(per_channel)) {
                    rows.chunks(shares.classes.len()).for_each(|row| tally.add(row));
                }
            }
            found.push(QueryClass {
                class: *class,
                pixels: own.len(),
                queries: queries.len(),
                classes: shares.classes.clone(),
                area: shares.of_pixel.iter().map(|share| mean(share)).collect(),
                channels: tally.into_iter().enumerate().map(|(i, tally)| tally.finish(i + 1)).collect(),
            });
        }
        Ok(found)
    }
}

/// Neighbouring pixels of one image as ranges.
fn runs(pixels: &[usize], of_image: usize) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for pixel in pixels {
        match runs.last_mut() {
            Some(run) if run.end == *pixel && run.start / of_image == pixel / of_image => run.end += 1,
            _ => runs.push(*pixel..*pixel + 1),
        }
    }
    runs
}

/// Sums over rows.
struct Tally {
    alone: usize,
    rows: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
    counts: Vec<[u32; HISTOGRAM_BINS]>,
}

impl Tally {
    fn new(classes: usize) -> Self {
        let zeros = || vec![0.0; classes];
        Self {
            alone: 0,
            rows: 0.0,
            sums: zeros(),
            squares: zeros(),
            counts: vec![[0; HISTOGRAM_BINS]; classes],
        }
    }

    fn add(&mut self, row: &[f32]) {
        if row.iter().sum::<f32>() < 0.5 {
            self.alone += 1;
            return;
        }
        self.rows += 1.0;
        for (class, share) in row.iter().enumerate() {
            let share = f64::from(*share);
            self.sums[class] += share;
            self.squares[class] += share * share;
            let bin = (share * HISTOGRAM_BINS as f64) as usize;
            self.counts[class][bin.min(HISTOGRAM_BINS - 1)] += 1;
        }
    }

    fn finish(self, channel: usize) -> MassHistogram {
        let rows = self.rows.max(1.0);
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / rows).collect();
        let sd = |(square, mean): (&f64, &f64)| (square / rows - mean * mean).max(0.0).sqrt();
        let sd = self.squares.iter().zip(&mean).map(sd).collect();
        MassHistogram { channel, alone: self.alone, mean, sd, counts: self.counts }
    }
}

/// The share of each pixel of a map that is of each class.
struct ClassShares {
    /// Ascending; outside the image last, if any pixel reaches there.
    classes: Vec<Option<u16>>,
    /// For each class, of each pixel.
    of_pixel: Vec<Vec<f32>>,
}

impl ClassShares {
    fn of(map: &Grid, labels: &[u16], grid: &Grid) -> Result<Self, InspectError> {
        if labels.len() != grid.voxel_count() {
            return Err(InspectError::Mask { found: labels.len(), expected: grid.voxel_count() });
        }
        let offsets = super::field_map::offsets(map, grid);
        let class_at = |at: WorldPoint| grid.voxel_at_world(at).map(|voxel| labels[grid.index(voxel)]);
        let mut classes: Vec<Option<u16>> = Vec::new();
        let mut of_pixel: Vec<Vec<f32>> = Vec::new();
        let part = 1.0 / offsets.len() as f32;
        for pixel in 0..map.voxel_count() {
            let middle = map.world_of(map.voxel(pixel));
            for offset in &offsets {
                let class = class_at(middle + offset);
                let at = classes.iter().position(|known| *known == class).unwrap_or_else(|| {
                    classes.push(class);
                    of_pixel.push(vec![0.0; map.voxel_count()]);
                    classes.len() - 1
                });
                of_pixel[at][pixel] += part;
            }
        }
        let mut order: Vec<usize> = (0..classes.len()).collect();
        order.sort_by_key(|at| (classes[*at].is_none(), classes[*at]));
        Ok(Self {
            classes: order.iter().map(|at| classes[*at]).collect(),
            of_pixel: order.iter().map(|at| of_pixel[*at].clone()).collect(),
        })
    }

    /// The shares of some pixels, `[1, pixels, classes]`.
    fn matrix(&self, pixels: std::ops::Range<usize>) -> TensorData {
        let shape = [1, pixels.len(), self.classes.len()];
        let values: Vec<f32> = pixels.flat_map(|pixel| self.of_pixel.iter().map(move |s| s[pixel])).collect();
        TensorData::new(values, shape)
    }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64
}
