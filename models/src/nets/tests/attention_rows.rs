//! A row on demand is the row of the whole matrix, for every network whose pixels look at each other.

use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::testing::skip;
use serde_json::{Value, json};

use super::{AnyNetwork, ramp};
use crate::device::{self, DeviceChoice};
use crate::nets::registry::drawn;
use crate::nets::sagan::SaganConfig;
use crate::nets::sagan_wsi::SaganWsiDiscriminatorConfig;
use crate::nets::{AttentionMap, FieldPoint, MapMeaning, Trace};

/// The name of the matrix that the channel `channel` of a row is from, and the head within it.
type MatrixOf = fn(&AttentionMap, usize) -> (String, Option<usize>);

fn pixels(map: &AttentionMap, _channel: usize) -> (String, Option<usize>) {
    (format!("{}.attention", map.layer), None)
}

fn heads(map: &AttentionMap, channel: usize) -> (String, Option<usize>) {
    (format!("{}.attn.att_mat", map.layer), Some(channel))
}

fn hops(map: &AttentionMap, channel: usize) -> (String, Option<usize>) {
    let name = match map.meaning {
        MapMeaning::AttentionGiven => format!("attention{}", channel + 1),
        MapMeaning::Neighbours => format!("B{}", channel + 1),
        MapMeaning::Correlation => "A_raw".to_owned(),
        MapMeaning::NormalisedCorrelation => "A_norm".to_owned(),
        other => panic!("{other:?} is no row"),
    };
    (name, None)
}

fn cases() -> Vec<(&'static str, Value, [usize; 5], MatrixOf)> {
    let trunk =
        |last: usize| json!({"block": "basic", "layers": [1, 1, 1, 1], "stem": 4, "planes": [4, 4, 6, last]});
    let unetr =
        json!({"img_size": [32, 16, 48], "feature_size": 2, "hidden_size": 8, "mlp_dim": 8, "num_heads": 2});
    let hanet = json!({"trunk": trunk(8), "channels": 6, "decoder_channels": 6, "low_level_channels": 4,
                       "output_stride": 8, "n": 3, "delta": 0.6});
    vec![
        ("hanet", hanet, [2, 3, 3, 40, 56], hops),
        ("danet", json!({"trunk": trunk(32), "num_classes": 3}), [2, 3, 1, 40, 56], pixels),
        ("daf_stack", json!({"num_classes": 3, "width": 8, "trunk": trunk(8)}), [1, 1, 2, 40, 24], pixels),
        ("sagan_wsi", json!({"num_classes": 3, "w": 4}), [1, 3, 1, 64, 128], pixels),
        ("unetr", unetr.clone(), [2, 1, 32, 16, 48], heads),
        ("unetr_div", unetr, [1, 1, 32, 16, 48], heads),
    ]
}

/// The rows of `query` in the matrices of the images `first`, `first + step`, ….
fn expected(
    matrix: &TensorData,
    head: Option<usize>,
    row: usize,
    images: impl Iterator<Item = usize>,
) -> Vec<f32> {
    let shape = matrix.shape().to_vec();
    let (count, pixels) = (shape[1], shape[shape.len() - 1]);
    let values = matrix.clone().try_to_vec::<f32>().unwrap();
    let start = |image: usize| match head {
        Some(head) => ((image * count + head) * pixels + row) * pixels,
        None => (image * pixels + row) * pixels,
    };
    images.flat_map(|image| values[start(image)..start(image) + pixels].to_vec()).collect()
}

fn assert_rows(
    trace: &Trace,
    slices: usize,
    point: FieldPoint,
    matrix_of: MatrixOf,
    tolerance: f32,
) -> usize {
    let maps = trace.rows.at(point);
    for map in &maps {
        let [batch, channels, z, y, x] = map.tensor.dims();
        assert_eq!(map.spatial_shape, [z, y, x]);
        let query = map.query.unwrap();
        let slice = if slices > 1 { query[0] } else { 0 };
        let row = if slices > 1 { query[1] * x + query[2] } else { (query[0] * y + query[1]) * x + query[2] };
        for channel in 0..channels {
            let (name, head) = matrix_of(map, channel);
            let images = (0..batch).map(|sample| sample * slices + slice);
            let expected = expected(&trace.tensors[&name], head, row, images);
            let found = map.tensor.clone().narrow(1, channel, 1).into_data().try_to_vec::<f32>().unwrap();
            assert_eq!(found.len(), expected.len(), "{}", map.name);
            let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() <= tolerance * scale, "{} of {name}: {a} is not {b}", map.name);
            }
        }
    }
    let mut names: Vec<_> = maps.iter().map(|map| &map.name).collect();
    names.dedup();
    assert_eq!(names.len(), maps.len(), "names are unique: {names:?}");
    maps.len()
}

fn check(device: &Device, (arch, config, shape, matrix_of): (&str, Value, [usize; 5], MatrixOf)) {
    let network = AnyNetwork::seeded(arch, config, 5, device).unwrap();
    let mut trace = Trace::everything();
    network.forward_traced(ramp(shape, device), &mut trace).unwrap();
    let slices = if network.is_planar() { shape[2] } else { 1 };
    let size = [shape[2], shape[3], shape[4]];
    for voxel in [[0, 0, 0], [size[0] - 1, size[1] * 2 / 3, size[2] / 4]] {
        let found = assert_rows(&trace, slices, FieldPoint::of_voxel(voxel, size), matrix_of, 1e-4);
        assert!(found > 0, "{arch} has no rows");
    }
}

#[test]
fn every_networks_rows_are_those_of_its_matrices() {
    cases().into_iter().for_each(|case| check(&Device::flex(), case));
    match device::open(DeviceChoice::Gpu(None)) {
        // One is enough: its kernels are compiled for minutes on a software adapter.
        Ok(adapter) => check(&adapter.device, cases().remove(1)),
        Err(_) => skip("a graphics adapter that wgpu can use"),
    }
}

#[test]
fn networks_without_such_layers_have_no_rows() {
    let (config, device) = (json!({"features": [2, 4], "in_channels": 1}), Device::flex());
    let network = AnyNetwork::seeded("lesion_net", config, 1, &device).unwrap();
    let prediction = network.forward_with_attention(ramp([1, 1, 8, 8, 8], &device)).unwrap();
    assert!(prediction.rows.layers().is_empty() && !prediction.maps.is_empty());
}

#[test]
fn the_networks_of_the_gans_have_rows_too() {
    let device = Device::flex();
    let config = SaganConfig { conv_dim: 8, z_dim: 5, ..SaganConfig::default() };
    let point = FieldPoint::new([0.5, 0.3, 0.8]);
    let mut trace = Trace::everything();
    drawn(config.init_discriminator(&device), 3, &device)
        .forward(ramp([2, 3, 1, 64, 64], &device), &mut trace);
    assert_eq!(assert_rows(&trace, 1, point, pixels, 1e-5), 2);
    let mut trace = Trace::everything();
    let z = Tensor::<2>::from_data(TensorData::new(vec![0.3f32, -1.0, 0.7, 0.1, 2.0], [1, 5]), &device);
    drawn(config.init_generator(&device), 3, &device).forward(z, &mut trace);
    assert_eq!(assert_rows(&trace, 1, point, pixels, 1e-5), 2);
    let config = SaganWsiDiscriminatorConfig { num_classes: 3, w: 4, size: [64, 128], ..Default::default() };
    let mut trace = Trace::everything();
    drawn(config.init(&device), 3, &device).forward(ramp([1, 3, 1, 64, 128], &device), &mut trace);
    assert_eq!(assert_rows(&trace, 1, point, pixels, 1e-5), 1);
}

/// The row is made of what the forward pass left behind: the network does not run again, and nothing grows with N².
#[test]
fn a_layer_can_be_asked_alone_and_after_the_network_is_gone() {
    let device = Device::flex();
    let (arch, config, shape, _) = cases().remove(1);
    let network = AnyNetwork::seeded(arch, config, 5, &device).unwrap();
    let rows = network.forward_with_attention(ramp(shape, &device)).unwrap().rows;
    drop(network);
    let [layer] = rows.layers() else { panic!("{rows:?}") };
    assert_eq!((layer.layer.as_str(), layer.level, layer.spatial_shape), ("head.sa", 3, [1, 5, 7]));
    for y in [0.1, 0.9] {
        let map = layer.at(FieldPoint::new([0.5, y, 0.5])).remove(0);
        let sums = map.tensor.sum_dims(&[1, 2, 3, 4]).into_data().try_to_vec::<f32>().unwrap();
        assert!(sums.len() == 2 && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
    }
}
