use serde_json::json;

use super::*;
use crate::transform::frame::{ImageInput, Normalize, Scale};
use hilum_core::io::raster::PixelRegion;
use hilum_core::volume::{ImageMeta, Voxels};

fn region(name: &str, label: u16, within: Option<&str>) -> Region {
    Region { name: name.into(), label, within: within.map(Into::into), is_single: false }
}

#[test]
fn tiles_cover_every_size_and_overlap() {
    for (size, tile) in [(10, 4), (11, 4), (4, 4), (3, 4), (100, 32), (1, 1)] {
        let starts = starts(size, tile);
        let covered =
            |i: usize| starts.iter().any(|s| (i as isize) >= *s && (i as isize) < s + tile as isize);
        assert!((0..size).all(covered), "{size} {tile}: {starts:?}");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= (tile as isize / 2).max(1)));
    }
}

#[test]
fn a_part_counts_only_within_its_whole_and_stands_above_it() {
    let regions = [region("disc", 1, None), region("cup", 2, Some("disc")), region("vessel", 3, None)];
    let probabilities =
        vec![vec![0.9, 0.9, 0.2, 0.6, 0.1], vec![0.1, 0.6, 0.9, 0.2, 0.1], vec![0.1, 0.2, 0.1, 0.8, 0.1]];
    assert_eq!(labels(&regions, &probabilities), [1, 2, 0, 3, 0]);
}

#[test]
fn tiles_and_mirrorings_of_a_local_network_agree_with_one_pass() {
    // Kernels of one voxel see no surroundings, so neither tiles nor mirrorings may change anything.
    let config = json!({"input_channels": 1, "n_stages": 2, "features_per_stage": [4, 4], "kernel_sizes": 1,
        "strides": [1, 1], "n_conv_per_stage": 1, "num_classes": 2, "n_conv_per_stage_decoder": 1});
    let device = Device::flex();
    let network = AnyNetwork::seeded("plain_conv_unet", config, 3, &device).unwrap();
    let dims = [9, 7, 5];
    let values = (0..315).map(|i| (i as f32 * 0.7).sin()).collect();
    let grid = Grid::from_spacing(dims, [1.0; 3]).unwrap();
    let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
    let mut task = DenseTask {
        purpose: None,
        input: ImageInput {
            color: false,
            normalize: Normalize::Window { low: -1.0, high: 1.0 },
            scale: Scale::Keep,
        },
        regions: vec![region("a", 1, None), region("b", 2, None)],
        tile: [5, 7, 9],
        average_flips: Vec::new(),
        around: None,
    };
    let prepared = Prepared::new(&volume, &task.input);
    let frame = Frame::whole(&volume, &task.input);
    // Instance normalisation looks at the whole tile; take it out by comparing mirrorings of the same tile.
    let once = probabilities(&network, &task, &prepared, &frame, &device, &()).unwrap();
    task.average_flips = vec![0, 1, 2];
    let mirrored = probabilities(&network, &task, &prepared, &frame, &device, &()).unwrap();
    assert_eq!(once.len(), 2 * 315);
    once.iter().zip(&mirrored).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
    task.average_flips.clear();
    task.tile = [3, 4, 4];
    let tiled = probabilities(&network, &task, &prepared, &frame, &device, &()).unwrap();
    assert!(tiled.iter().all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn mirroring_reverses_one_axis_of_every_channel() {
    let values: Vec<f32> = (0..48).map(|i| i as f32).collect();
    let at = |values: &[f32], c: usize, [z, y, x]: [usize; 3]| values[((c * 2 + z) * 3 + y) * 4 + x];
    for axis in 0..3 {
        let mut mirrored = values.clone();
        mirror(&mut mirrored, [2, 3, 4], axis);
        let from = |[z, y, x]: [usize; 3]| match axis {
            0 => [z, y, 3 - x],
            1 => [z, 2 - y, x],
            _ => [1 - z, y, x],
        };
        for c in 0..2 {
            for place in [[0, 0, 0], [1, 2, 3], [0, 1, 2], [1, 0, 1]] {
                assert_eq!(at(&mirrored, c, place), at(&values, c, from(place)), "axis {axis}");
            }
        }
    }
}

/// A picture in memory, read like a file.
struct Whole(Volume);

impl PictureParts for Whole {
    fn size(&self) -> [usize; 2] {
        let [width, height, _] = self.0.grid().dims();
        [width, height]
    }

    fn read(&mut self, part: PixelRegion) -> Result<Volume, String> {
        let [width, _] = self.size();
        let rows = part.start[1]..part.start[1] + part.size[1];
        let voxels = self.0.voxels().picked(rows.start * width..rows.end * width);
        let grid = Grid::from_spacing([width, part.size[1], 1], [1.0; 3]).unwrap();
        Ok(Volume::new(grid, voxels, ImageMeta::default()).unwrap())
    }
}

fn for_pictures(tile: [usize; 3]) -> Dense {
    let config = json!({"img_ch": 3, "output_ch": 2, "widths": [4, 6, 8, 8, 8]});
    let device = Device::flex();
    let task = DenseTask {
        purpose: None,
        input: ImageInput {
            color: true,
            normalize: Normalize::Window { low: 0.0, high: 255.0 },
            scale: Scale::Keep,
        },
        regions: vec![region("whole", 1, None), region("part", 2, Some("whole"))],
        tile,
        average_flips: vec![0],
        around: None,
    };
    let network = AnyNetwork::seeded("unet_2d", config, 5, &device).unwrap();
    Dense { id: "test".into(), network, task, locator: None, device }
}

#[test]
fn strip_by_strip_gives_what_the_whole_picture_gives() {
    for ([width, height], tile) in [([50, 77], [1, 32, 16]), ([20, 37], [1, 32, 32]), ([16, 20], [1, 32, 32])]
    {
        let pixel = |i: usize| [(i * 7 % 251) as u8, (i * i % 239) as u8, (i / 3 % 255) as u8];
        let voxels = Voxels::Rgb8((0..width * height).map(pixel).collect());
        let grid = Grid::from_spacing([width, height, 1], [1.0; 3]).unwrap();
        let volume = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        let dense = for_pictures(tile);
        let whole = dense.segment(&volume, &()).unwrap();
        let strips = dense.segment_parts(&mut Whole(volume), &()).unwrap();
        assert_eq!(whole.labels, strips.labels);
        assert!(whole.labels.contains(&1) && whole.labels.contains(&0), "the test shows nothing");
        let counts = |p: &Vec<f32>| p.iter().filter(|p| **p >= 0.5).count();
        assert_eq!(strips.pixel_counts, whole.probabilities.iter().map(counts).collect::<Vec<_>>());
    }
}

#[test]
fn a_model_that_must_see_everything_refuses_strips() {
    let mut dense = for_pictures([1, 32, 32]);
    dense.task.input.normalize = Normalize::Image;
    let volume = Volume::new(
        Grid::from_spacing([40, 40, 1], [1.0; 3]).unwrap(),
        Voxels::U8(vec![0; 1600]),
        ImageMeta::default(),
    );
    let refused = dense.segment_parts(&mut Whole(volume.unwrap()), &()).unwrap_err().to_string();
    assert!(refused.contains("whole picture") && refused.contains("coarser page"), "{refused}");
}

#[test]
fn only_tiles_of_photographs_reach_beyond_the_picture() {
    let mut task = for_pictures([1, 32, 16]).task;
    assert_eq!(tile_starts(&task, [50, 77, 1]), [starts(50, 16), starts(77, 32), vec![0]]);
    task.input.normalize = Normalize::Field;
    let [x, y, z] = tile_starts(&task, [50, 77, 1]);
    let beyond = SURROUND as isize;
    for (starts, size, tile) in [(x, 50, 16), (y, 77, 32)] {
        assert_eq!((starts[0], starts[starts.len() - 1] + tile), (-beyond, size + beyond));
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= tile / 2));
    }
    assert_eq!(z, [0]);
    task.tile = [1, 96, 64];
    assert_eq!(tile_starts(&task, [50, 77, 1]), [vec![-7], vec![-9], vec![0]], "one tile lies around it all");
}

/// The field of this photograph is cut by the upper border of the picture.
#[test]
fn the_border_of_a_picture_is_no_vessel() {
    let path = "data/fundus_disc_cup_drishti/images/drishtiGS_002.jpg";
    let Some(path) = hilum_core::testing::shared_data(path) else { return };
    let volume = hilum_core::io::open(&path, &hilum_core::io::OpenOptions::default(), &()).unwrap().volume;
    let catalog = Catalog::new(None).unwrap();
    let mut dense = Dense::load(&catalog, "vessels-attention-unet", &Device::flex()).unwrap();
    dense.task.average_flips.clear();
    let prepared = Prepared::new(&volume, &dense.task.input);
    let top = Frame::whole(&volume, &dense.task.input).part([170, 0, 0], [200, 140, 1]);
    let likely = |answer: &[f32], width: usize| answer[..6 * width].iter().filter(|p| **p >= 0.5).count();
    let flush = tile_answer(
        &dense.network,
        &dense.task,
        &prepared.sample(&top.part([36, 0, 0], [128, 128, 1])),
        &dense.device,
    );
    assert!(likely(&flush.unwrap(), 128) > 100, "a tile that ends with the picture shows what this is about");
    let found = probabilities(&dense.network, &dense.task, &prepared, &top, &dense.device, &()).unwrap();
    assert_eq!(likely(&found, 200), 0);
    assert!(found.iter().any(|p| *p >= 0.5), "vessels further down stay");
}
