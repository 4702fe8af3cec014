//! Both ways of drawing agree on planes that follow the voxel axes, and show what lies there.

use hilum_core::geometry::Grid;
use hilum_core::label::LabelMap;
use proptest::prelude::*;

use super::*;

const DIMS: [usize; 3] = [13, 9, 7];
const SIZE: [usize; 2] = [61, 47];

struct Case {
    scalars: Vec<i16>,
    reals: Vec<f32>,
    colors: Vec<[u8; 3]>,
    labels: LabelMap,
    inside: Vec<bool>,
}

const TINTS: [[u8; 4]; 3] = [[255; 4], [250, 20, 40, 255], [10, 200, 30, 128]];

impl Case {
    fn new() -> Self {
        let count: usize = DIMS.iter().product();
        let noise = |i: usize, salt: usize| ((i + salt).wrapping_mul(2_654_435_761) >> 7) % 251;
        Self {
            scalars: (0..count).map(|i| noise(i, 1) as i16 - 100).collect(),
            reals: (0..count).map(|i| if i % 17 == 0 { f32::NAN } else { noise(i, 2) as f32 }).collect(),
            colors: (0..count).map(|i| [3, 4, 5].map(|salt| noise(i, salt) as u8)).collect(),
            labels: LabelMap::from_voxels(
                Grid::from_spacing(DIMS, [1.0; 3]).unwrap(),
                (0..count).map(|i| [0, 0, 1, 2, 9][noise(i / 3, 6) % 5]).collect(),
            )
            .unwrap(),
            inside: (0..6 * 5 * 4).map(|i| noise(i / 2, 7) % 3 > 0).collect(),
        }
    }

    fn scene(&self, kind: u8, linear: bool) -> Scene<'_> {
        let values = match kind % 3 {
            0 => Values::I16(&self.scalars),
            1 => Values::F32(&self.reals),
            _ => Values::Rgb8(&self.colors),
        };
        let background = Color32::from_rgb(9, 8, 7);
        let labels = Labels { map: &self.labels, colors: &TINTS, fill_opacity: 0.4, outline_opacity: 0.9 };
        let proposal =
            Proposal { start: [3, 2, 1], size: [6, 5, 4], inside: &self.inside, color: [255, 219, 64] };
        Scene {
            dims: DIMS,
            values,
            look: Look { low: -20.0, inverse_width: 1.0 / 180.0, linear, background, least: 0.0 },
            labels: Some(labels),
            proposal: Some(proposal),
        }
    }
}

/// A plane with columns along one axis and rows along another, either way round and of any zoom.
fn any_plane() -> impl Strategy<Value = Plane> {
    let step = || (0.05f64..0.9, any::<bool>()).prop_map(|(step, back)| if back { -step } else { step });
    (0usize..6, step(), step(), [-0.7f64..1.3, -0.7f64..1.3, -0.1f64..1.1]).prop_map(
        |(order, across, down, at)| {
            let axes = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let (mut origin, mut right, mut lower) = ([0.0; 3], [0.0; 3], [0.0; 3]);
            (right[axes[0]], lower[axes[1]]) = (across, down);
            for i in 0..3 {
                origin[axes[i]] = at[i] * DIMS[axes[i]] as f64;
            }
            Plane { origin, right, down: lower }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn straight_planes_look_the_same_drawn_either_way(plane in any_plane(), kind: u8, linear: bool) {
        let case = Case::new();
        let scene = case.scene(kind, linear);
        prop_assert!(aligned::Lattice::of(&plane, DIMS, SIZE).is_some());
        let fast = scene.draw(&plane, SIZE, 5.0);
        let mut slow = ColorImage::filled(SIZE, scene.look.background);
        oblique::draw(&scene, &plane, &mut slow, 5.0);
        for (i, (a, b)) in fast.pixels.iter().zip(&slow.pixels).enumerate() {
            let (a, b) = (a.to_array(), b.to_array());
            let near = a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1);
            prop_assert!(near, "pixel {i}: {a:?} and {b:?}");
        }
    }
}

#[test]
fn a_voxel_is_seen_where_it_lies() {
    let case = Case::new();
    let mut scene = case.scene(0, false);
    (scene.labels, scene.proposal) = (None, None);
    // Ten pixels a voxel, the slice z = 3, x to the left.
    let plane = Plane { origin: [12.5, -0.5, 3.2], right: [-0.1, 0.0, 0.0], down: [0.0, 0.1, 0.0] };
    let image = scene.draw(&plane, [140, 95], 0.0);
    for (x, y) in [(0, 0), (12, 8), (5, 4)] {
        let value = f32::from(case.scalars[(3 * DIMS[1] + y) * DIMS[0] + x]);
        let wanted = (((value + 20.0) / 180.0).clamp(0.0, 1.0) * 255.0).round() as u8;
        let (column, row) = ((12 - x) * 10 + 5, y * 10 + 5);
        assert_eq!(image.pixels[row * 140 + column], Color32::from_gray(wanted), "voxel {x}, {y}");
    }
    assert_eq!(image.pixels[135], scene.look.background);
    assert_eq!(image.pixels[92 * 140], scene.look.background);
}

#[test]
fn a_plane_beside_the_volume_shows_nothing_and_a_tilted_one_is_not_taken_for_straight() {
    let case = Case::new();
    let scene = case.scene(0, true);
    let beside = Plane { origin: [0.0, 0.0, 6.6], right: [0.1, 0.0, 0.0], down: [0.0, 0.1, 0.0] };
    assert!(scene.draw(&beside, SIZE, 0.0).pixels.iter().all(|p| *p == scene.look.background));
    let tilted = Plane { right: [0.1, 0.0, 0.001], ..beside };
    assert!(aligned::Lattice::of(&tilted, DIMS, SIZE).is_none());
}
