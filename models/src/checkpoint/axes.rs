//! Weights of networks for volumes, turned from one order of the axes to the opposite one: published networks often see
//! arrays `[x, y, z]`, Hilum's are `[z, y, x]`.

use super::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// An axis of a weight that runs over the places of a grid, row-major, and within each over something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlattenedGrid {
    /// Which axis of the weight.
    pub axis: usize,
    /// Places along the three axes of the volume.
    pub grid: [usize; 3],
}

/// The weights of the same network for arrays whose axes are in the opposite order: the three axes of every kernel
/// change their order, and those of the grids that `flattened` finds inside an axis of a weight. Values become f32.
///
/// # Errors
/// A weight that is no floating-point tensor, or whose axis is not as long as its grid asks.
pub fn reverse_axes(
    weights: &StateDict,
    flattened: impl Fn(&str) -> Option<FlattenedGrid>,
) -> Result<StateDict, CheckpointError> {
    let mut reversed = StateDict::default();
    for (name, tensor) in weights.iter() {
        let shape = tensor.shape().to_vec();
        let (outer, grid, turned_shape) = match (flattened(name), shape.as_slice()) {
            (Some(place), shape) => {
                (shape.iter().take(place.axis).product::<usize>(), place.grid, shape.to_vec())
            }
            (None, &[to, from, a, b, c]) => (to * from, [a, b, c], vec![to, from, c, b, a]),
            _ => {
                reversed.insert(name, tensor.clone());
                continue;
            }
        };
        let Some((values, _)) = weights.floats(name)? else { continue };
        let block = outer * grid.iter().product::<usize>();
        if block == 0 || values.len() % block != 0 {
            let message = format!("tensor '{name}' of shape {shape:?} does not hold a grid of {grid:?}");
            return Err(CheckpointError::Format { message });
        }
        let turned = turned(&values, grid, values.len() / block);
        reversed.insert(name, StoredTensor::from_f32(&turned, turned_shape, FloatFormat::F32));
    }
    Ok(reversed)
}

/// `[…, a, b, c, inner]` as `[…, c, b, a, inner]`.
fn turned(values: &[f32], [a, b, c]: [usize; 3], inner: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for block in values.chunks_exact(a * b * c * inner) {
        for (k, j, i) in (0..c).flat_map(|k| (0..b).flat_map(move |j| (0..a).map(move |i| (k, j, i)))) {
            let start = ((i * b + j) * c + k) * inner;
            turned.extend_from_slice(&block[start..start + inner]);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: &[usize]) -> StoredTensor {
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
        StoredTensor::from_f32(&values, shape.to_vec(), FloatFormat::F32)
    }

    #[test]
    fn kernels_and_flattened_grids_turn_and_turn_back() {
        let mut weights = StateDict::default();
        weights.insert("kernel", counted(&[2, 3, 1, 2, 4]));
        weights.insert("tokens", counted(&[1, 6, 5]));
        weights.insert("linear", counted(&[6, 6]));
        let grid = |grid| move |name: &str| (name == "tokens").then_some(FlattenedGrid { axis: 1, grid });
        let there = reverse_axes(&weights, grid([1, 2, 3])).unwrap();
        let values = |name: &str| there.get(name).unwrap().to_f32().unwrap();
        assert_eq!(there.get("kernel").unwrap().shape(), [2, 3, 4, 2, 1]);
        assert_eq!(values("kernel")[8..16], [8.0, 12.0, 9.0, 13.0, 10.0, 14.0, 11.0, 15.0]);
        let tokens: Vec<f32> = values("tokens").chunks(5).map(|token| token[0] / 5.0).collect();
        assert_eq!(tokens, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let back = reverse_axes(&there, grid([3, 2, 1])).unwrap();
        for (name, tensor) in weights.iter() {
            let again = back.get(name).unwrap();
            assert_eq!((again.shape(), again.bytes()), (tensor.shape(), tensor.bytes()), "{name}");
        }
        let error = reverse_axes(&weights, grid([2, 2, 2])).unwrap_err().to_string();
        assert!(error.contains("tokens") && error.contains("[2, 2, 2]"), "{error}");
    }
}
