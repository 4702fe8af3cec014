//! What the graph of HANet does to features in one number of hops, put together from tiles.

use burn::tensor::Tensor;

/// What a graph does to features in a number of hops.
pub(super) struct Hop {
    /// What each pixel receives, `[batch, c, pixels]`.
    pub(super) features: Tensor<3>,
    /// In a trace of maps: the share of all pixels' attention that each pixel receives, and the share of all pixels
    /// that each pixel reaches; both `[batch, 1, pixels]`.
    pub(super) maps: Option<[Tensor<3>; 2]>,
}

impl Hop {
    pub(super) fn stack<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let maps = parts.clone().map(|part| part.maps.clone()).collect::<Option<Vec<_>>>();
        Self {
            features: Tensor::cat(parts.map(|part| part.features.clone()).collect(), 0),
            maps: maps.map(|maps| {
                let (received, reached) = maps.into_iter().map(<(_, _)>::from).unzip();
                [Tensor::cat(received, 0), Tensor::cat(reached, 0)]
            }),
        }
    }
}

/// Tiles, or the sum of tiles, of what [`Hop`] holds.
#[derive(Default)]
pub(super) struct HopSums {
    pub(super) rows: Vec<Tensor<3>>,
    pub(super) columns: Option<Tensor<3>>,
    pub(super) received: Option<Tensor<3>>,
    pub(super) reached: Vec<Tensor<3>>,
}

impl HopSums {
    pub(super) fn finish(self, pixels: usize) -> Hop {
        let reached = self.reached;
        Hop {
            features: self.columns.unwrap_or_else(|| Tensor::cat(self.rows, 2)),
            maps: self
                .received
                .map(|received| [received / pixels as f64, Tensor::cat(reached, 1).swap_dims(1, 2)]),
        }
    }
}

/// Adds a tile to a sum.
pub(super) fn add(sum: &mut Option<Tensor<3>>, part: Tensor<3>) {
    *sum = Some(match sum.take() {
        Some(sum) => sum + part,
        None => part,
    });
}
