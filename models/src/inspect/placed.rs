//! From tensors to numbers with a place in the patient and a name.

use hilum_core::geometry::{Grid, WorldPoint};

use super::InspectError;
use super::field_map::{FieldMap, map_grid};
use super::look::{Look, numbers};
use crate::nets::{AttentionMap, MapMeaning};

impl Look {
    /// Tensors as numbers with a place, one a channel.
    pub(super) fn placed(&self, maps: &[AttentionMap]) -> Result<Vec<FieldMap>, InspectError> {
        let mut placed = Vec::new();
        for map in maps {
            // A planar network leaves a map for each slice, in the batch's place.
            let tensor = match map.meaning {
                // A channel for each feature: only together they say where the paths differ.
                MapMeaning::Divergence | MapMeaning::DivergenceUnscaled => map.tensor.clone().mean_dim(1),
                MapMeaning::ScaleAnswer => self.subject.probability(map.tensor.clone()),
                MapMeaning::AnswerChange => {
                    let with_and_without = map.tensor.clone().chunk(2, 1);
                    let mut answers =
                        with_and_without.into_iter().map(|logits| self.subject.probability(logits));
                    match (answers.next(), answers.next()) {
                        (Some(with), Some(without)) => with - without,
                        _ => continue,
                    }
                }
                _ => map.tensor.clone(),
            };
            let [slices, channels, ..] = tensor.dims();
            let [z, y, x] = map.spatial_shape;
            let values = numbers(tensor.swap_dims(0, 1))?;
            let whole = match map.query {
                Some([slice, ..]) if z == 1 && self.grid().dims()[2] > 1 => self.slice_grid(slice)?,
                _ => *self.grid(),
            };
            let grid = map_grid(&whole, [z * slices, y, x])?;
            for (number, values) in values.chunks(grid.voxel_count()).enumerate() {
                let channel = self.channel_name(map, number, channels);
                placed.push(FieldMap {
                    name: format!("{} {channel}", map.name).trim_end().to_owned(),
                    layer: map.layer.clone(),
                    level: map.level,
                    meaning: map.meaning,
                    channel,
                    grid,
                    values: values.to_vec(),
                    query: self.query_point(map),
                });
            }
        }
        Ok(placed)
    }

    fn slice_grid(&self, slice: usize) -> Result<Grid, InspectError> {
        let [x, y, _] = self.grid().dims();
        let offset = nalgebra::Vector3::new(0.0, 0.0, slice as f64);
        Ok(Grid::new([x, y, 1], self.grid().affine().shifted(offset))?)
    }

    fn query_point(&self, map: &AttentionMap) -> Option<WorldPoint> {
        let [z, y, x] = map.query?;
        let [deep, high, wide] = map.spatial_shape;
        let deep = if deep == 1 { self.grid().dims()[2] } else { deep };
        Some(map_grid(self.grid(), [deep, high, wide]).ok()?.world_of([x, y, z]))
    }

    fn channel_name(&self, map: &AttentionMap, number: usize, channels: usize) -> String {
        let is_graph =
            self.layers.iter().any(|layer| layer.layer == map.layer && layer.hop_reading().is_some());
        let of_hops = matches!(map.meaning, MapMeaning::Reach | MapMeaning::Neighbours)
            || is_graph && matches!(map.meaning, MapMeaning::AttentionGiven | MapMeaning::AttentionReceived);
        let of_answer = matches!(map.meaning, MapMeaning::ScaleAnswer | MapMeaning::AnswerChange);
        match (of_hops, channels) {
            (false, _) if of_answer => match &self.subject.regions {
                None => "object".to_owned(),
                Some(regions) => regions
                    .get(number)
                    .map_or_else(|| format!("class {}", number + 1), |region| region.name.clone()),
            },
            (true, _) => format!("hop {}", number + 1),
            (false, 1) => String::new(),
            (false, _) if map.meaning == MapMeaning::GateCoefficient => format!("gate {}", number + 1),
            (false, _) => format!("head {}", number + 1),
        }
    }
}
