//! What one pixel looks at, on demand. An attention over N pixels is an N×N matrix; of it only the row of the pixel that
//! somebody points at is computed, from the queries and keys that the forward pass leaves behind. The network runs
//! once, and every further row costs one product of a vector with a matrix.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::hanet::HaReading;
use super::trace::{AttentionMap, MapMeaning};

/// A place in the field of view, which an input and all its maps share: shares of its edges along z, y, x, each from 0
/// (outer face of the first voxel) to 1 (outer face of the last).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldPoint([f64; 3]);

impl FieldPoint {
    /// The point at these shares of the edges `[z, y, x]`; outside 0 to 1 the nearest point inside.
    pub fn new(zyx: [f64; 3]) -> Self {
        Self(zyx.map(|share| if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }))
    }

    /// The centre of a voxel `[z, y, x]` of an image of `shape` `[z, y, x]`.
    pub fn of_voxel(voxel: [usize; 3], shape: [usize; 3]) -> Self {
        Self::new([0, 1, 2].map(|axis| (voxel[axis] as f64 + 0.5) / shape[axis].max(1) as f64))
    }

    /// The pixel `[z, y, x]` of a map of `shape` `[z, y, x]` that it lies in.
    pub fn pixel(self, shape: [usize; 3]) -> [usize; 3] {
        [0, 1, 2]
            .map(|axis| ((self.0[axis] * shape[axis] as f64) as usize).min(shape[axis].saturating_sub(1)))
    }
}

/// One way to see what a pixel looks at.
#[derive(Debug)]
pub(crate) struct RowMap {
    /// Tells the maps of a layer apart; empty for its only or main one.
    pub(crate) part: &'static str,
    /// What its numbers mean.
    pub(crate) meaning: MapMeaning,
    /// `[1, heads or hops, z, y, x]`.
    pub(crate) tensor: Tensor<5>,
}

/// How an attention along the hops of a graph is read: with δ = 0 and one hop it is plain self-attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HopReading {
    /// The threshold above which pixels are joined, 0 to 1.
    pub delta: f64,
    /// Number of hops, at least 1.
    pub hops: usize,
    /// The reading of the paper.
    pub reading: HaReading,
}

impl HopReading {
    /// Plain self-attention of the same queries and keys: δ = 0 and one hop in the recommended reading, whatever this one
    /// is, for a softmax of normalised or erased correlations would be another attention.
    #[must_use]
    pub fn plain(self) -> Self {
        let reading = HaReading { scaled: self.reading.scaled, ..HaReading::default() };
        Self { delta: 0.0, hops: 1, reading }
    }

    /// Threshold, hops and reading in words.
    pub fn told(self) -> String {
        format!("δ = {:.2}, n = {}, reading: {}", self.delta, self.hops, self.reading.told())
    }
}

/// Some rows of an attention matrix.
#[derive(Debug, Clone)]
pub struct RowTile {
    /// `[heads or hops, rows, pixels]`; each row sums to 1, or is 0 where its pixel reaches nobody.
    pub attention: Tensor<3>,
    /// Of a graph: whom its pixels reach, not 0 where they do, `[hops, rows, pixels]`.
    pub reach: Option<Tensor<3>>,
}

/// A layer whose pixels look at each other.
pub(crate) trait LooksAround: Debug + Send + Sync {
    /// `[z, y, x]` of its images.
    fn spatial_shape(&self) -> [usize; 3];

    /// What the pixel of row-major index `pixel` of the image `image` looks at.
    fn row(&self, image: usize, pixel: usize) -> Vec<RowMap>;

    /// The attention of the pixels of these row-major indices of the image `image`.
    fn tile(&self, image: usize, pixels: Range<usize>) -> RowTile;

    /// How it is read, if along the hops of a graph.
    fn hop_reading(&self) -> Option<HopReading> {
        None
    }

    /// The same queries and keys read otherwise, if along the hops of a graph.
    fn read_as(&self, _reading: HopReading) -> Option<Arc<dyn LooksAround>> {
        None
    }
}

/// A layer that can be asked what a pixel looks at. It keeps queries and keys, never a matrix.
#[derive(Debug, Clone)]
pub struct AttentionLayer {
    /// The layer, as named in a checkpoint.
    pub layer: String,
    /// 0 = finest resolution of the network.
    pub level: usize,
    /// `[z, y, x]` of its maps; they span the input's field of view (of planar images: of one slice).
    pub spatial_shape: [usize; 3],
    images: usize,
    /// Slices of a volume that became images of their own.
    slices: usize,
    source: Arc<dyn LooksAround>,
}

impl AttentionLayer {
    /// Number of images whose pixels see each other: of a volume's slices, where each is an image of its own.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.spatial_shape.iter().product()
    }

    /// The attention of some pixels of an image, by row-major index: so many rows of the matrix at once.
    pub fn tile(&self, image: usize, pixels: Range<usize>) -> RowTile {
        self.source.tile(image, pixels)
    }

    /// How it is read, if along the hops of a graph.
    pub fn hop_reading(&self) -> Option<HopReading> {
        self.source.hop_reading()
    }

    /// The same layer read otherwise, from the queries and keys that it keeps: what the layer itself shows, not what
    /// the rest of the network would make of it. `None` where it is no graph.
    pub fn read_as(&self, reading: HopReading) -> Option<Self> {
        Some(Self { source: self.source.read_as(reading)?, ..self.clone() })
    }

    /// What the pixel at `point` looks at: maps `[batch, heads or hops, z, y, x]`, named `layer.row`, `layer.row.…`.
    pub fn at(&self, point: FieldPoint) -> Vec<AttentionMap> {
        let [z, y, x] = self.spatial_shape;
        let (first, query, within) = if self.slices > 1 {
            let query = point.pixel([self.slices, y, x]);
            (query[0], query, [0, query[1], query[2]])
        } else {
            let query = point.pixel([z, y, x]);
            (0, query, query)
        };
        let pixel = (within[0] * y + within[1]) * x + within[2];
        let images = (first..self.images).step_by(self.slices);
        let mut samples = images.map(|image| self.source.row(image, pixel));
        let mut maps: Vec<(RowMap, Vec<Tensor<5>>)> = Vec::new();
        for map in samples.next().into_iter().flatten() {
            let tensor = map.tensor.clone();
            maps.push((map, vec![tensor]));
        }
        for sample in samples {
            for ((_, all), map) in maps.iter_mut().zip(sample) {
                all.push(map.tensor);
            }
        }
        let named = |(map, all): (RowMap, Vec<Tensor<5>>)| AttentionMap {
            name: [&self.layer, "row", map.part].join(".").trim_end_matches('.').to_owned(),
            layer: self.layer.clone(),
            level: self.level,
            spatial_shape: self.spatial_shape,
            tensor: Tensor::cat(all, 0),
            meaning: map.meaning,
            query: Some(query),
        };
        maps.into_iter().map(named).collect()
    }
}

/// All layers of a forward pass that can be asked what a pixel looks at, in the order of computation.
#[derive(Debug, Clone, Default)]
pub struct AttentionRows {
    layers: Vec<AttentionLayer>,
}

impl AttentionRows {
    /// The layers. Empty where no layer of the network lets every pixel look at all pixels.
    pub fn layers(&self) -> &[AttentionLayer] {
        &self.layers
    }

    /// What the pixel at `point` looks at in every layer; for one layer see [`AttentionLayer::at`].
    pub fn at(&self, point: FieldPoint) -> Vec<AttentionMap> {
        self.layers.iter().flat_map(|layer| layer.at(point)).collect()
    }

    pub(super) fn add(
        &mut self,
        layer: &str,
        level: usize,
        images: usize,
        source: impl LooksAround + 'static,
    ) {
        self.layers.push(AttentionLayer {
            layer: layer.to_owned(),
            level,
            spatial_shape: source.spatial_shape(),
            images,
            slices: 1,
            source: Arc::new(source),
        });
    }

    /// Says that the layers from number `first` on saw the slices of volumes as images of their own.
    pub(super) fn of_slices(&mut self, first: usize, slices: usize) {
        self.layers[first..].iter_mut().for_each(|layer| layer.slices = slices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_self_attention_is_so_in_every_reading() {
        use super::super::hanet::{Logits, Normalisation};
        let reading = HaReading {
            normalisation: Normalisation::Sigmoid,
            logits: Logits::Normalised,
            ..HaReading::default()
        };
        let own = HopReading { delta: 0.5, hops: 3, reading };
        let plain = HopReading { delta: 0.0, hops: 1, reading: HaReading::default() };
        assert_eq!(own.plain(), plain);
        assert_eq!(
            own.told(),
            "δ = 0.50, n = 3, reading: sigmoid, normalised Â, boolean, −∞ mask, exact walks"
        );
    }

    #[test]
    fn a_voxel_lies_in_the_pixel_that_covers_its_centre() {
        let point = FieldPoint::of_voxel([3, 17, 99], [4, 20, 100]);
        assert_eq!(point.pixel([4, 20, 100]), [3, 17, 99]);
        assert_eq!(point.pixel([1, 5, 10]), [0, 4, 9]);
        assert_eq!(FieldPoint::new([-1.0, 2.0, f64::NAN]).pixel([3, 3, 3]), [0, 2, 0]);
    }
}
