//! Maps, rows and checks of small networks on grids that lie askew.

use hilum_core::geometry::{Affine, Grid, WorldPoint};
use hilum_core::volume::{ImageMeta, Modality, Volume, Voxels};
use nalgebra::{Matrix3, Point3, Rotation3, Vector3};
use serde_json::json;

use burn::tensor::Device;

use super::*;
use crate::catalog::Catalog;
use crate::infer::Dense;
use crate::nets::{HopReading, MapMeaning};

/// A grid that is turned, anisotropic and of odd sizes.
fn askew(dims: [usize; 3], spacing: [f64; 3]) -> Grid {
    let turn = Rotation3::from_euler_angles(0.31, -0.22, 0.47);
    let linear = turn.matrix() * Matrix3::from_diagonal(&Vector3::from(spacing));
    Grid::new(dims, Affine::new(linear, Vector3::new(-31.0, 12.5, 87.0)).unwrap()).unwrap()
}

/// A light HANet of two hops in front of a chequered image of `slices` slices.
fn look(slices: usize) -> Look {
    let config = json!({"in_channels": 1, "num_classes": 2, "n": 2, "delta": 0.6, "output_stride": 8,
        "channels": 8, "decoder_channels": 8, "low_level_channels": 4,
        "trunk": {"block": "basic", "layers": [1, 1, 1, 1], "stem": 4, "planes": [4, 6, 8, 8]}});
    subject("hanet", config, [40, 56, slices]).look().unwrap()
}

/// A network with drawn weights in front of a chequered image.
pub(super) fn subject(arch: &str, config: serde_json::Value, dims: [usize; 3]) -> Subject {
    let device = Device::flex();
    let grid = askew(dims, [0.7, 1.3, 4.0]);
    let value = |i: usize| {
        let [x, y, z] = grid.voxel(i);
        (x as f32 * 0.23).sin() + (y as f32 * 0.11 + z as f32).cos()
    };
    let region = |name: &str, label| Region { name: name.into(), label, within: None, is_single: false };
    Subject {
        model: "small".into(),
        stage: "labels".into(),
        network: AnyNetwork::seeded(arch, config, 5, &device).unwrap(),
        device,
        grid,
        input: (0..grid.voxel_count()).map(value).collect(),
        image_channels: vec![0],
        regions: Some(vec![region("a", 1), region("b", 2)]),
        judge: None,
    }
}

/// Left half 0, right half 3.
fn halves(grid: &Grid) -> Vec<u16> {
    (0..grid.voxel_count()).map(|i| if grid.voxel(i)[0] * 2 < grid.dims()[0] { 0 } else { 3 }).collect()
}

#[test]
fn a_coarse_map_covers_the_same_field_of_view() {
    let cube = Grid::from_spacing([8, 8, 8], [1.0, 2.0, 3.0]).unwrap();
    let map = map_grid(&cube, [8, 2, 4]).unwrap();
    assert_eq!(map.dims(), [4, 2, 8]);
    assert_eq!(map.extent_mm(), cube.extent_mm());
    let corner = |g: &Grid| g.affine().world_from_voxel(Point3::new(-0.5, -0.5, -0.5));
    assert!((corner(&map) - corner(&cube)).norm() < 1e-12);
}

#[test]
fn the_largest_value_of_a_map_lies_at_its_place_in_the_patient() {
    let field = askew([37, 23, 11], [0.6, 1.1, 3.3]);
    let grid = map_grid(&field, [4, 7, 9]).unwrap();
    let mut values = vec![0.0; grid.voxel_count()];
    let voxel = [6, 2, 1];
    values[grid.index(voxel)] = 1.0;
    let map = FieldMap {
        name: "a".into(),
        layer: "a".into(),
        level: 2,
        meaning: MapMeaning::AttentionReceived,
        channel: String::new(),
        grid,
        values,
        query: None,
    };
    // By hand: share (i + ½) / n of the field, from the outer face of its first voxel.
    let share = [6.5 / 9.0, 2.5 / 7.0, 1.5 / 4.0];
    let in_field = Point3::from([0, 1, 2].map(|a| share[a] * field.dims()[a] as f64 - 0.5));
    let expected = field.affine().world_from_voxel(in_field);
    assert!((map.peak() - expected).norm() < 1e-9);
    let on = map.on(&field);
    let largest = (0..on.len()).max_by(|a, b| on[*a].total_cmp(&on[*b])).unwrap();
    let far =
        field.affine().voxel_from_world(map.peak()) - Point3::from(field.voxel(largest).map(|v| v as f64));
    assert!(far.amax() <= 1.0, "{far}");
}

/// What the network is given lies where the image says: a bright spot of an image askew, resampled to the model's own
/// spacing, is the brightest sample at the same place in the patient, and the maps span the same field.
#[test]
fn a_bright_spot_is_seen_where_it_is() {
    let grid = askew([41, 53, 27], [0.9, 0.7, 1.6]);
    let spot = grid.world_of([23, 30, 12]);
    let bright =
        |i: usize| (-(grid.world_of(grid.voxel(i)) - spot).norm_squared() / 18.0).exp() as f32 * 900.0;
    let values = (0..grid.voxel_count()).map(bright).collect();
    let meta = ImageMeta { modality: Modality::Mr, has_physical_spacing: true, ..ImageMeta::default() };
    let volume = Volume::new(grid, Voxels::F32(values), meta).unwrap();
    let model =
        Dense::load(&Catalog::new(None).unwrap(), "hippocampus-attention-unet", &Device::flex()).unwrap();
    let subject = model.subject(&volume, Some(spot), &()).unwrap();
    let brightest = (0..subject.input.len()).max_by(|a, b| subject.input[*a].total_cmp(&subject.input[*b]));
    let place = subject.grid.world_of(subject.grid.voxel(brightest.unwrap()));
    assert!((place - spot).norm() < 1.0, "{} mm", (place - spot).norm());
    let field = subject.grid;
    let look = subject.look().unwrap();
    let maps = look.maps().unwrap();
    assert!(!maps.is_empty());
    for map in &maps {
        let extents = map.grid.extent_mm().into_iter().zip(field.extent_mm());
        assert!(extents.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{}", map.name);
        assert!((map.grid.center_world() - field.center_world()).norm() < 1e-6);
        assert!(map.values.iter().all(|v| (0.0..=1.0).contains(v)), "a gate lies between 0 and 1");
    }
    let far = WorldPoint::from(spot.coords + Vector3::repeat(500.0));
    assert!(model.subject(&volume, Some(far), &()).unwrap_err().to_string().contains("does not look"));
}

#[test]
fn rows_are_those_of_the_pixel_that_is_pointed_at() {
    for slices in [1, 3] {
        let look = look(slices);
        let at = look.grid().world_of([33, 12, slices - 1]);
        let rows = look.rows_at(at, None).unwrap();
        for row in &rows {
            let query = row.query.unwrap();
            assert_eq!(row.grid.voxel_at_world(query), row.grid.voxel_at_world(at), "{slices}: {}", row.name);
            assert_eq!(row.grid.dims(), [5, 7, 1]);
        }
        let given: Vec<_> = rows.iter().filter(|row| row.meaning == MapMeaning::AttentionGiven).collect();
        assert_eq!(given.iter().map(|row| row.channel.as_str()).collect::<Vec<_>>(), ["hop 1", "hop 2"]);
        let labels = halves(look.grid());
        for row in given {
            assert!((row.values.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            let mass = row.mass(&labels, look.grid()).unwrap();
            assert_eq!(mass.iter().map(|m| m.class).collect::<Vec<_>>(), [Some(0), Some(3)]);
            assert!((mass.iter().map(|m| m.mass).sum::<f64>() - 1.0).abs() < 1e-4);
            assert!(mass.iter().all(|m| (m.area - 0.5).abs() < 0.02), "{mass:?}");
        }
        let beside = WorldPoint::from(at.coords + Vector3::repeat(300.0));
        assert!(matches!(look.rows_at(beside, None), Err(InspectError::Outside { .. })));
    }
}

#[test]
fn a_graph_is_read_anew_from_what_the_pass_left_behind() {
    let look = look(1);
    let layer = look.layers()[0].clone();
    let own = layer.hop_reading().unwrap();
    assert_eq!((own.delta, own.hops), (0.6, 2));
    // The same reading gives the same rows.
    let at = look.grid().world_of([20, 20, 0]);
    let same = look.rows_at(at, Some(own)).unwrap();
    let far = |a: &FieldMap, b: &FieldMap| {
        a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(same.iter().zip(&look.rows_at(at, None).unwrap()).all(|(a, b)| far(a, b) < 1e-6));
    // The density is the mean of the map that the pass shows.
    let reach: Vec<_> = look.maps().unwrap().into_iter().filter(|m| m.meaning == MapMeaning::Reach).collect();
    let density = look.density(&layer).unwrap();
    assert_eq!(density.len(), 2);
    for (map, density) in reach.iter().zip(&density) {
        let mean = map.values.iter().map(|v| f64::from(*v)).sum::<f64>() / map.values.len() as f64;
        assert!((mean - density.share).abs() < 1e-5 && density.share > 0.0, "{mean} {density:?}");
    }
    // Without threshold everybody is joined: plain self-attention.
    let plain = layer.read_as(HopReading { delta: 0.0, hops: 1, ..own }).unwrap();
    assert!((look.density(&plain).unwrap()[0].share - 1.0).abs() < 1e-6);
    let rows = look.rows_of(&plain, at).unwrap();
    let of = |meaning| rows.iter().find(|row| row.meaning == meaning).unwrap();
    let logits = &of(MapMeaning::Correlation).values;
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|v| (v - largest).exp()).sum();
    let given = &of(MapMeaning::AttentionGiven).values;
    assert!(given.iter().zip(logits).all(|(a, l)| (a - (l - largest).exp() / sum).abs() < 1e-5));
}

#[test]
fn the_mass_of_a_class_is_the_mean_of_its_rows() {
    let look = look(1);
    let layer = look.layers()[0].clone();
    let labels = halves(look.grid());
    let classes = look.mass_by_class(&layer, &labels, look.grid()).unwrap();
    let right = classes.iter().find(|class| class.class == Some(3)).unwrap();
    let grid = map_grid(look.grid(), layer.spatial_shape).unwrap();
    // Of five columns of pixels the two right ones are of class 3 as a whole, the middle one to one half.
    assert_eq!((right.pixels, right.queries), (14, 14));
    for channel in &right.channels {
        let mut sum = 0.0;
        for pixel in (0..grid.voxel_count()).filter(|i| grid.voxel(*i)[0] >= 3) {
            let rows = look.rows_of(&layer, grid.world_of(grid.voxel(pixel))).unwrap();
            let row = rows.iter().find(|row| row.channel == format!("hop {}", channel.channel)).unwrap();
            let mass = row.mass(&labels, look.grid()).unwrap();
            sum += mass.iter().find(|m| m.class == Some(3)).unwrap().mass;
        }
        assert!((channel.mean[1] - sum / 14.0).abs() < 1e-4, "{} {}", channel.mean[1], sum / 14.0);
        assert_eq!(channel.counts[1].iter().sum::<u32>() as usize + channel.alone, 14);
        assert!((channel.mean.iter().sum::<f64>() - 1.0).abs() < 1e-4);
    }
    assert!(matches!(look.mass_by_class(&layer, &[0; 7], look.grid()), Err(InspectError::Mask { .. })));
}

#[test]
fn checks_tell_a_map_from_chance() {
    let look = look(1);
    let (maps, random) = (look.maps().unwrap(), look.random_maps(9).unwrap());
    assert_eq!(maps.len(), random.len());
    for (map, random) in maps.iter().zip(&random) {
        assert_eq!((&map.name, &map.grid), (&random.name, &random.grid));
        let alike = spearman(&map.values, &random.values);
        assert!(map.values != random.values && alike.is_none_or(|r| r < 0.999), "{} {alike:?}", map.name);
    }
    assert_eq!(look.random_maps(9).unwrap(), random, "a seed decides the weights");
    // A map that is 1 where the answer differs from the mask, else 0, finds every error; its opposite none.
    let labels: Vec<u16> =
        look.answer().iter().enumerate().map(|(i, l)| if i % 40 < 8 { l + 1 } else { *l }).collect();
    let mut map = FieldMap { grid: *look.grid(), values: Vec::new(), ..maps[0].clone() };
    map.values = (0..labels.len()).map(|i| f32::from(u8::from(i % 40 < 8))).collect();
    assert!(agreement(&map, &look, &labels, look.grid()).unwrap() > 0.999);
    map.values.iter_mut().for_each(|v| *v = -*v);
    assert!(agreement(&map, &look, &labels, look.grid()).unwrap() < 0.001);
    assert_eq!(agreement(&map, &look, &look.answer(), look.grid()), None, "no error, no agreement");
    let occlusion = look.occlude(&maps[0], 0.2, 3, 1).unwrap();
    assert_eq!(occlusion.random.len(), 3);
    assert!((occlusion.share - 0.2).abs() < 0.05, "{occlusion:?}");
    assert!(occlusion.attended.probability_change > 0.0 && occlusion.attended.dice <= 1.0);
    let nothing_new = look.occlude(&maps[0], 0.2, 3, 1).unwrap();
    assert_eq!(nothing_new, occlusion);
}

#[test]
fn a_line_around_half_of_a_map_holds_half_of_it() {
    let grid = Grid::from_spacing([4, 2, 1], [1.0; 3]).unwrap();
    let map = |meaning| FieldMap {
        name: "m".into(),
        layer: "m".into(),
        level: 0,
        meaning,
        channel: String::new(),
        grid,
        values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0],
        query: None,
    };
    // 4 + 3 of 10 is the first sum of at least one half; of the pixels four of eight.
    assert_eq!(map(MapMeaning::AttentionGiven).level_holding(0.5), Some(3.0));
    assert_eq!(map(MapMeaning::GateCoefficient).level_holding(0.5), Some(1.0));
    let map = map(MapMeaning::AttentionGiven);
    let at = |x: f64, y: f64| grid.affine().world_from_voxel(Point3::new(x, y, 0.0));
    assert_eq!(map.value_between(at(1.5, 0.0)), Some(1.5));
    assert_eq!(map.value_between(at(0.0, 0.5)), Some(2.0));
    assert_eq!(map.value_between(at(3.4, 0.0)), Some(3.0), "beyond the last middle");
    assert_eq!(map.value_between(at(5.0, 0.0)), None);
}
