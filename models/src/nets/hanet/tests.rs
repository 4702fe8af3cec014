//! The graph row by row, and the readings of the paper.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::nets::registry::drawn;
use crate::nets::{AttentionMap, FieldPoint};

fn wave(shape: [usize; 5], device: &Device) -> Tensor<5> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 / 25.0 - 2.0).sin() * 2.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn module(hops: usize, delta: f64, reading: HaReading) -> HaModule {
    let device = Device::flex();
    drawn(HaModuleConfig { channels: 4, hops, delta, reading, level: 0 }.init(&device), 4, &device)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    (a - b).abs().max().into_scalar::<f32>()
}

#[test]
fn a_row_on_demand_is_a_row_of_the_whole_matrices() {
    let device = Device::flex();
    let x = wave([2, 4, 1, 5, 6], &device);
    for normalisation in [
        Normalisation::Row,
        Normalisation::Map,
        Normalisation::Sigmoid,
        Normalisation::Softmax,
        Normalisation::Cosine,
    ] {
        let module = module(3, 0.6, HaReading { normalisation, ..HaReading::default() });
        let graph = module.graph(&x);
        let mut trace = Trace::attention();
        module.forward(x.clone(), "ha", &mut trace);
        let maps = trace.rows.at(FieldPoint::of_voxel([0, 1, 1], [1, 5, 6]));
        let [attention, reach, logits, normalised] = maps.as_slice() else { panic!("{maps:?}") };
        let of = |matrix: Tensor<3>| matrix.slice_dim(1, 7..8).reshape([2, 1, 1, 5, 6]);
        assert!(difference(logits.tensor.clone(), of(graph.logits(0..30))) < 1e-5);
        assert!(difference(normalised.tensor.clone(), of(graph.normalised(0..30))) < 1e-5);
        let between = values(normalised.tensor.clone());
        assert!(between.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v)), "{normalisation:?}");
        for hop in 1..=3 {
            let of_hop = |map: &AttentionMap| map.tensor.clone().narrow(1, hop - 1, 1);
            let neighbours = of(graph.neighbours(0..30, hop));
            assert_eq!(values(of_hop(reach)), values(neighbours), "{normalisation:?}");
            let expected = of(graph.attention(0..30, hop));
            assert!(difference(of_hop(attention), expected) < 1e-6, "{normalisation:?}");
        }
    }
}

/// 4500 pixels are two tiles of rows: what the second tile takes is what the rows on demand say.
#[test]
fn tiles_of_rows_fit_together() {
    let device = Device::flex();
    let x = wave([1, 4, 1, 60, 75], &device);
    let module = module(1, 0.8, HaReading::default());
    let graph = module.graph(&x);
    let value = x.clone().reshape([1, 4, 4500]);
    let mut trace = Trace::attention();
    let mut hops = graph.aggregate(&value, 1, &mut trace);
    let hop = hops.remove(0);
    let pixel = 4400;
    let attention = graph.attention(pixel..pixel + 1, 1);
    let expected = value.matmul(attention.clone().swap_dims(1, 2));
    assert!(difference(hop.features.slice_dim(2, pixel..pixel + 1), expected) < 1e-5);
    let [received, reached] = hop.maps.unwrap();
    assert!((received.sum().into_scalar::<f32>() - 1.0).abs() < 1e-3);
    let density = graph.neighbours(pixel..pixel + 1, 1).mean().into_scalar::<f32>();
    let noted = reached.slice_dim(2, pixel..pixel + 1).into_scalar::<f32>();
    assert!((noted - density).abs() < 1e-6 && density > 0.0 && density < 1.0);
    let edges = graph.neighbours(0..4500, 1);
    let walks = edges.clone().slice_dim(1, pixel..pixel + 1).matmul(edges).greater_elem(0.5).float();
    assert_eq!(values(graph.neighbours(pixel..pixel + 1, 2)), values(walks));
}

#[test]
fn images_of_a_batch_do_not_see_each_other() {
    let device = Device::flex();
    let module = module(2, 0.5, HaReading { normalisation: Normalisation::Map, ..HaReading::default() });
    let x = wave([3, 4, 1, 10, 12], &device);
    let whole = module.forward(x.clone(), "ha", &mut Trace::off());
    let parts = (0..3).map(|i| module.forward(x.clone().narrow(0, i, 1), "ha", &mut Trace::off())).collect();
    assert!(difference(whole, Tensor::cat(parts, 0)) < 1e-5);
}

#[test]
fn rows_sum_to_one_or_have_no_edge_at_all() {
    let device = Device::flex();
    let x = wave([1, 4, 1, 6, 7], &device);
    let sums = |reading: HaReading, delta: f64| {
        let graph = module(1, delta, reading).graph(&x);
        let edges = values(graph.neighbours(0..42, 1).sum_dim(2));
        let sums = values(graph.attention(0..42, 1).sum_dim(2));
        (edges, sums)
    };
    let (edges, weights) = sums(HaReading::default(), 1.0);
    assert!(edges.iter().all(|&edges| edges >= 1.0), "every row keeps its maximum");
    assert!(weights.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    let map = HaReading { normalisation: Normalisation::Map, ..HaReading::default() };
    let (edges, weights) = sums(map, 1.0);
    assert_eq!(edges.iter().sum::<f32>(), 1.0, "only the greatest of the map is left");
    assert_eq!(edges, weights.iter().map(|sum| sum.round()).collect::<Vec<_>>());
}

#[test]
fn a_flat_image_attends_evenly() {
    let device = Device::flex();
    let x = Tensor::ones([1, 4, 1, 3, 5], &device);
    let graph = module(2, 0.7, HaReading::default()).graph(&x);
    assert_eq!(values(graph.neighbours(4..5, 2)), vec![1.0; 15]);
    assert!(values(graph.attention(4..5, 2)).iter().all(|weight| (weight - 1.0 / 15.0).abs() < 1e-6));
}

/// A graph of six pixels in which each is joined with the next one only: A* = −(i + 1 − j)².
fn chain(self_loops: bool) -> HaGraph {
    let device = Device::flex();
    let rows = |of: [fn(f32) -> f32; 3]| {
        let values: Vec<f32> = of.iter().flat_map(|row| (0..6u8).map(|i| row(f32::from(i)))).collect();
        Tensor::from_data(TensorData::new(values, [1, 3, 6]), &device)
    };
    let query = rows([|i| 2.0 * (i + 1.0), |_| -1.0, |i| -(i + 1.0).powi(2)]);
    let key = rows([|j| j, |j| j * j, |_| 1.0]);
    let reading = HaReading {
        self_loops,
        scaled: false,
        normalisation: Normalisation::Sigmoid,
        ..HaReading::default()
    };
    HaGraph::new(query, key, 0.4, reading)
}

#[test]
fn hops_are_exact_walks_and_with_self_loops_all_shorter_ones() {
    for hops in 1..=3 {
        let reach = |self_loops| values(chain(self_loops).neighbours(0..6, hops));
        let expected = |joined: fn(usize, usize, usize) -> bool| -> Vec<f32> {
            (0..36).map(|at| f32::from(u8::from(joined(at / 6, at % 6, hops)))).collect()
        };
        assert_eq!(reach(false), expected(|i, j, hops| j == i + hops));
        assert_eq!(reach(true), expected(|i, j, hops| i <= j && j <= i + hops));
    }
    let weights = values(chain(false).attention(0..6, 2).sum_dim(2));
    assert_eq!(weights, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0], "the last two have nobody two hops away");
}

/// Edges and attention over two hops of a graph, and the gradient of its edges for the queries.
fn gradient(reading: HaReading) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let device = Device::flex().autodiff();
    let columns = |seed: usize| {
        let values: Vec<f32> = (0..24).map(|i| ((i * seed % 17) as f32 / 5.0 - 1.6).sin()).collect();
        Tensor::<3>::from_data(TensorData::new(values, [1, 3, 8]), &device)
    };
    let query = columns(7).require_grad();
    let graph = HaGraph::new(query.clone(), columns(11), 0.6, reading);
    let (edges, attention) = (graph.neighbours(0..8, 2), graph.attention(0..8, 2));
    let loss = graph.neighbours(0..8, 1).powi_scalar(2).sum() + graph.neighbours(0..8, 2).sum();
    // The last term has no gradient and is there where the edges do not depend on the queries.
    let gradients = (loss + query.clone().sum() * 0.0).backward();
    (values(edges), values(attention), values(query.grad(&gradients).unwrap()))
}

#[test]
fn the_threshold_lets_gradients_straight_through_where_configured() {
    for erased in [Erased::Masked, Erased::LiteralZero] {
        for paths in [Paths::Exist, Paths::Count] {
            let constant = HaReading { erased, paths, ..HaReading::default() };
            let through = HaReading { threshold_gradient: ThresholdGradient::StraightThrough, ..constant };
            let (edges, attention, stopped) = gradient(constant);
            let (same_edges, same_attention, flowing) = gradient(through);
            assert_eq!(edges, same_edges);
            let far = attention.iter().zip(&same_attention).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-6, "{through:?}: the answer changed by {far}");
            assert!(stopped.iter().all(|g| *g == 0.0), "{constant:?}: {stopped:?}");
            assert!(flowing.iter().any(|g| g.abs() > 1e-3), "{through:?}: {flowing:?}");
        }
    }
}

/// Two pixels, of which the first sees only itself: with Â = σ(A*), raising the erased correlation by dA would move
/// Ã₀₁ = e^A₀₁·B₀₁ / Σ by e^A₀₁ / e^A₀₀ · σ′(A₀₁) dA.
#[test]
fn the_gradient_of_an_erased_edge_is_that_of_the_similarity_compared_with_delta() {
    let device = Device::flex().autodiff();
    let (kept, erased) = (2.0f32, -1.0f32);
    let query = Tensor::<3>::from_data(TensorData::new(vec![1.0f32, 1.0], [1, 1, 2]), &device);
    let key = Tensor::<3>::from_data(TensorData::new(vec![kept, erased], [1, 1, 2]), &device).require_grad();
    let reading = HaReading {
        scaled: false,
        normalisation: Normalisation::Sigmoid,
        threshold_gradient: ThresholdGradient::StraightThrough,
        ..HaReading::default()
    };
    let attention = HaGraph::new(query, key.clone(), 0.5, reading).attention(0..1, 1);
    assert_eq!(values(attention.clone()), [1.0, 0.0]);
    let gradients = attention.slice_dim(2, 1..2).sum().backward();
    let found = values(key.grad(&gradients).unwrap());
    let sigmoid = 1.0 / (1.0 + (-erased).exp());
    let expected = (erased - kept).exp() * sigmoid * (1.0 - sigmoid);
    assert!((found[1] - expected).abs() < 1e-6, "{found:?}, expected {expected}");
    assert_eq!(found[0], 0.0);
}

#[test]
fn values_out_of_range_are_refused_by_field() {
    for (field, config) in [
        ("delta", HanetConfig { delta: 1.5, ..HanetConfig::default() }),
        ("n", HanetConfig { n: 0, ..HanetConfig::default() }),
        ("output_stride", HanetConfig { output_stride: 5, ..HanetConfig::default() }),
        ("channels", HanetConfig { channels: 0, ..HanetConfig::default() }),
    ] {
        assert!(config.validate().unwrap_err().starts_with(field), "{field}");
    }
}
