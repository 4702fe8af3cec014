//! What channels of features look at: a table without a place in the patient.

use burn::tensor::TensorData;
use hilum_core::geometry::WorldPoint;

use super::InspectError;
use super::look::{Look, contained};

/// What each channel takes from each channel of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMap {
    /// The layer, as named in a checkpoint.
    pub layer: String,
    /// Number of channels.
    pub channels: usize,
    /// Row by row: what a channel gives to each channel; each row sums to 1.
    pub values: Vec<f32>,
}

impl ChannelMap {
    /// What the numbers are and what must not be read into them.
    pub const TEXT: &str = "How each channel of features (row) shares out its attention over all channels (columns); each row \
                            sums to 1. As published, channels that differ most get the weight. The order of channels has no \
                            meaning, a channel has no place in the image, and no name: the table says how mixed features \
                            become, not what was seen.";

    /// What one channel gives to each; empty for one that is not there.
    pub fn row(&self, channel: usize) -> &[f32] {
        let start = channel.saturating_mul(self.channels);
        self.values.get(start..start + self.channels).unwrap_or_default()
    }

    /// Over how many channels a row spreads, 1 to their number: e to the entropy, averaged over the rows.
    pub fn spread(&self) -> f64 {
        let entropy = |row: &[f32]| -> f64 {
            row.iter().filter(|p| **p > 0.0).map(|p| -f64::from(*p) * f64::from(*p).ln()).sum()
        };
        let rows = self.values.chunks(self.channels.max(1));
        let count = rows.len().max(1) as f64;
        rows.map(|row| entropy(row).exp()).sum::<f64>() / count
    }

    /// Share of its own attention that a channel keeps for itself, averaged.
    pub fn own_share(&self) -> f64 {
        let own = (0..self.channels).filter_map(|channel| self.row(channel).get(channel));
        own.map(|v| f64::from(*v)).sum::<f64>() / self.channels.max(1) as f64
    }
}

impl Look {
    /// What channels look at in every layer where they do; of a planar network in the slice of the point, or without a
    /// point within the input in the middle one.
    ///
    /// # Errors
    /// [`InspectError`] if the device fails.
    pub fn channel_maps(&self, at: Option<WorldPoint>) -> Result<Vec<ChannelMap>, InspectError> {
        let grid = self.grid();
        let slices = grid.dims()[2];
        let slice = at.and_then(|at| grid.voxel_at_world(at)).map_or(slices / 2, |voxel| voxel[2]);
        let mut maps = Vec::new();
        for layer in &self.channels {
            let [images, channels, _] = layer.attention.dims();
            let image = if images == slices { slice } else { 0 };
            let values = contained(|| {
                let data: TensorData = layer
                    .attention
                    .clone()
                    .slice_dim(0, image..image + 1)
                    .try_into_data()
                    .map_err(|e| InspectError::Device(e.to_string()))?;
                data.try_to_vec::<f32>().map_err(|e| InspectError::Device(format!("{e:?}")))
            })?;
            maps.push(ChannelMap { layer: layer.layer.clone(), channels, values });
        }
        Ok(maps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_looks_at_one_channel_spreads_over_one() {
        let map = ChannelMap { layer: "sc".into(), channels: 2, values: vec![1.0, 0.0, 0.5, 0.5] };
        assert!((map.spread() - 1.5).abs() < 1e-9);
        assert!((map.own_share() - 0.75).abs() < 1e-9);
        assert_eq!((map.row(1), map.row(2)), (&[0.5, 0.5][..], &[][..]));
    }
}
