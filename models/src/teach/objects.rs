//! The objects that a person outlined: each connected part of a label is one that can be clicked.

use hilum_core::geometry::{Grid, VoxelBox};
use hilum_core::label::BoxMask;
use hilum_core::paint::{Components, Connectivity};

/// Fewest voxels of an object that is taught or judged; smaller ones are slips of the brush.
const MIN_VOXELS: usize = 10;
/// Most objects of a case, the largest ones: a case with a hundred nodules must not outweigh all others.
const MOST: usize = 12;

/// The objects in labels `[z, y, x]`, largest first.
pub(super) fn objects_of(labels: &[u16], grid: &Grid) -> Vec<BoxMask> {
    let mut used: Vec<u16> = labels.iter().copied().filter(|label| *label != 0).collect();
    used.sort_unstable();
    used.dedup();
    let mut objects: Vec<(usize, BoxMask)> = Vec::new();
    for label in used {
        let bounds = VoxelBox::around(labels, grid.dims(), |value| *value == label);
        let mask = BoxMask::from_fn(bounds, |voxel| labels[grid.index(voxel)] == label);
        let parts = Components::of(&mask, Connectivity::TwentySix);
        let large = parts.all().iter().enumerate().filter(|(_, part)| part.voxel_count >= MIN_VOXELS);
        objects.extend(large.map(|(index, part)| (part.voxel_count, parts.mask(index))));
    }
    objects.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    objects.into_iter().take(MOST).map(|(_, object)| object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connected_part_of_every_label_is_an_object() {
        let grid = Grid::from_spacing([30, 5, 1], [1.0; 3]).unwrap();
        // Two bars of label 1, one of label 2 that touches the second, and a slip of the brush.
        let label = |voxel: [usize; 3]| match voxel[0] {
            0..4 => 1,
            10..13 => 1,
            13..20 => 2,
            25 if voxel[1] == 0 => 1,
            _ => 0,
        };
        let labels: Vec<u16> = (0..150).map(|i| label(grid.voxel(i))).collect();
        let counts: Vec<usize> = objects_of(&labels, &grid).iter().map(BoxMask::count).collect();
        assert_eq!(counts, [35, 20, 15]);
        assert!(objects_of(&[0; 150], &grid).is_empty());
    }
}
