use super::*;
use crate::geometry::Grid;
use proptest::prelude::*;

fn map_of(dims: [usize; 3], voxels: Vec<u16>) -> LabelMap {
    LabelMap::from_voxels(Grid::from_spacing(dims, [1.0; 3]).unwrap(), voxels).unwrap()
}

fn open() -> OverwriteRule {
    OverwriteRule::default()
}

fn labels(count: usize) -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(prop_oneof![4 => Just(0u16), 4 => 1..4u16, 1 => any::<u16>()], count)
}

#[test]
fn a_mask_writes_its_label_and_nothing_else() {
    let mut map = map_of([4, 2, 1], vec![0, 1, 2, 0, 0, 0, 0, 3]);
    let mask = BoxMask::from_fn(VoxelBox::new([1, 0, 0], [4, 2, 1]), |[x, y, _]| x < 3 || y == 1);
    let patch = LabelPatch::from_mask(&map, &mask, 2, &open()).unwrap();
    patch.apply(&mut map).unwrap();
    assert_eq!(map.to_voxels(), [0, 2, 2, 0, 0, 2, 2, 2]);
    assert_eq!((patch.voxel_count(), patch.bounds()), (4, VoxelBox::new([1, 0, 0], [4, 2, 1])));
    assert_eq!((map.count(2), map.count(1), map.count(0)), (5, 0, 3));
}

#[test]
fn locked_labels_neither_shrink_nor_grow() {
    let map = map_of([4, 1, 1], vec![0, 1, 2, 0]);
    let mask = BoxMask::from_fn(map.grid().full_box(), |_| true);
    let rule = |draw_over| OverwriteRule { draw_over, locked: vec![1] };
    let written = |draw_over, new| {
        let mut map = map.clone();
        LabelPatch::from_mask(&map, &mask, new, &rule(draw_over)).unwrap().apply(&mut map).unwrap();
        map.to_voxels()
    };
    assert_eq!(written(DrawOver::Everywhere, 5), [5, 1, 5, 5]);
    assert_eq!(written(DrawOver::Background, 5), [5, 1, 2, 5]);
    assert_eq!(written(DrawOver::Label(2), 5), [0, 1, 5, 0]);
    assert_eq!(written(DrawOver::Label(1), 5), [0, 1, 2, 0]);
    assert_eq!(written(DrawOver::Everywhere, 1), [0, 1, 2, 0]);
}

#[test]
fn masks_beyond_the_map_are_refused() {
    let map = map_of([4, 1, 1], vec![0; 4]);
    let mask = BoxMask::from_fn(VoxelBox::new([3, 0, 0], [5, 1, 1]), |_| true);
    let error = LabelPatch::from_mask(&map, &mask, 1, &open()).unwrap_err();
    assert_eq!(error, PatchError::Outside { start: [3, 0, 0], end: [5, 1, 1], dims: [4, 1, 1] });
}

#[test]
fn a_patch_for_another_state_changes_nothing() {
    let mut map = map_of([4, 1, 1], vec![0, 0, 0, 9]);
    let patch = LabelPatch::replace_box(&map, map.grid().full_box(), &[1, 1, 1, 1], &open()).unwrap();
    let mut other = map_of([4, 1, 1], vec![0, 0, 0, 8]);
    let error = patch.apply(&mut other).unwrap_err();
    assert_eq!(error, PatchError::Stale { voxel: [3, 0, 0], expected: 9, found: 8 });
    assert_eq!(other.to_voxels(), [0, 0, 0, 8]);
    patch.apply(&mut map).unwrap();
    assert!(matches!(patch.apply(&mut map_of([2, 2, 1], vec![0; 4])), Err(PatchError::Grid { .. })));
}

#[test]
fn touching_patches_merge_and_overlapping_ones_do_not() {
    let map = map_of([6, 1, 1], vec![0; 6]);
    let span = |x_start, x_end| [RowSpan { z: 0, y: 0, x_start, x_end }];
    let patch = |x_start, x_end| LabelPatch::from_spans(&map, span(x_start, x_end), 1, &open()).unwrap();
    assert_eq!(patch(3, 5).merged(&patch(1, 3)), Some(patch(1, 5)));
    assert_eq!(patch(1, 3).merged(&patch(3, 5)), Some(patch(1, 5)));
    assert_eq!(patch(3, 5).merged(&patch(1, 4)), None);
    assert_eq!(patch(3, 5).merged(&patch(3, 4)), None);
}

proptest! {
    #[test]
    fn any_replacement_can_be_undone(old in labels(3 * 5 * 4), new in labels(3 * 5 * 4)) {
        let before = map_of([3, 5, 4], old);
        let mut map = before.clone();
        let patch = LabelPatch::replace_box(&map, map.grid().full_box(), &new, &open()).unwrap();
        patch.apply(&mut map).unwrap();
        prop_assert_eq!(&map, &map_of([3, 5, 4], new));
        let mut inverted = map.clone();
        patch.inverse().apply(&mut inverted).unwrap();
        patch.revert(&mut map).unwrap();
        prop_assert_eq!(&map, &before);
        prop_assert_eq!(&inverted, &before);
    }

    #[test]
    fn patches_survive_storage(old in labels(60), new in labels(60)) {
        let map = map_of([3, 5, 4], old);
        let patch = LabelPatch::replace_box(&map, map.grid().full_box(), &new, &open()).unwrap();
        let bytes = postcard::to_stdvec(&patch).unwrap();
        prop_assert_eq!(postcard::from_bytes::<LabelPatch>(&bytes).unwrap(), patch);
    }

    #[test]
    fn damaged_patches_are_refused_or_stay_in_their_map(packed: Vec<u8>) {
        if let Ok(patch) = LabelPatch::try_from(Stored { dims: [3, 5, 4], packed }) {
            let full = VoxelBox::new([0; 3], [3, 5, 4]);
            prop_assert_eq!(patch.bounds().intersection(&full), patch.bounds());
            let _ = patch.apply(&mut map_of([3, 5, 4], vec![0; 60]));
        }
    }
}

#[test]
fn a_ball_of_radius_64_takes_little_memory() {
    let map = map_of([200, 200, 200], vec![0; 8_000_000]);
    let mask = BoxMask::from_fn(map.grid().full_box(), |voxel| {
        voxel.iter().map(|v| (*v as f64 - 100.0).powi(2)).sum::<f64>() <= 64.0 * 64.0
    });
    let patch = LabelPatch::from_mask(&map, &mask, 1, &open()).unwrap();
    // 1000 of them fit 256 MiB four times over.
    assert!(patch.bytes() < 64 << 10, "{} bytes", patch.bytes());
}
