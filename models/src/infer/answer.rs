//! From probabilities in a cube to the object on the image's grid.

use hilum_core::geometry::{Grid, VoxelBox, WorldPoint};
use hilum_core::label::BoxMask;

use super::one_click::ClickRequest;
use crate::train::click::{largest_region, region_at};
use crate::transform::cube::project_back;

/// The object and how sure the network is.
pub(super) struct Answer {
    pub(super) mask: BoxMask,
    pub(super) quality: Option<f32>,
}

/// The part of a mask that the points touch; where no point lies in it, the part nearest to the first point;
/// `None` for an empty mask.
pub(super) fn component_at(mask: &[bool], grid: &Grid, points: &[WorldPoint]) -> Option<Vec<bool>> {
    let mut kept = vec![false; mask.len()];
    let mut found = false;
    for voxel in points.iter().filter_map(|p| grid.voxel_at_world(*p)) {
        let start = grid.index(voxel);
        if mask[start] && !kept[start] {
            region_at(mask, start, grid).into_iter().for_each(|i| kept[i] = true);
            found = true;
        }
    }
    if found {
        return Some(kept);
    }
    let first = points.first()?;
    let distance = |i: usize| (grid.world_of(grid.voxel(i)) - first).norm_squared();
    let nearest = mask
        .iter()
        .enumerate()
        .filter(|(_, inside)| **inside)
        .map(|(i, _)| i)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    region_at(mask, nearest, grid).into_iter().for_each(|i| kept[i] = true);
    Some(kept)
}

/// Brings the probabilities to the image's grid, cuts them at one half and keeps what hangs together with the
/// positive clicks. Clicked voxels themselves are as the user said. A correction leaves everything else as it was.
pub(super) fn to_image(
    probability: &[f32],
    cube: &Grid,
    request: &ClickRequest,
    is_correction: bool,
    notes: &mut Vec<String>,
) -> Answer {
    let image = request.volume.grid();
    let (region, values) = project_back(probability, cube, image, 0.0);
    let mut inside: Vec<bool> = values.iter().map(|p| *p >= 0.5).collect();
    if region.is_empty() {
        notes.push("the cube lies beside the image".into());
        return Answer { mask: BoxMask::from_fn(VoxelBox::default(), |_| false), quality: None };
    }
    let grid = image.sub_grid(region).expect("the box is not empty");
    let place = |voxel: [usize; 3]| {
        region.contains(voxel).then(|| grid.index([0, 1, 2].map(|a| voxel[a] - region.start()[a])))
    };
    for click in &request.clicks {
        if let Some(i) = place(click.voxel) {
            inside[i] = click.positive;
        }
    }
    let positive: Vec<WorldPoint> =
        request.clicks.iter().filter(|c| c.positive).map(|c| image.world_of(c.voxel)).collect();
    let kept = component_at(&inside, &grid, &positive).unwrap_or_default();
    let kept = if kept.iter().filter(|v| **v).count() <= positive.len() {
        // Nothing but the clicked voxels: the network's own largest region is a better proposal.
        let mut all = vec![false; inside.len()];
        largest_region(&inside, &grid).into_iter().for_each(|i| all[i] = true);
        notes.push("the network saw nothing at the click itself".into());
        all
    } else {
        kept
    };
    let kept = match (&request.previous, request.clicks.last()) {
        (Some(previous), Some(last)) if is_correction => {
            let before = previous.cut(region);
            changed_at(&grid, before.inside(), kept, place(last.voxel))
        }
        _ => kept,
    };
    let quality = soft_dice(&values, &kept);
    let mask = BoxMask::new(region, kept).expect("one flag a voxel of the box").tightened();
    Answer { mask, quality }
}

/// Of the changes from `before` to `after` only the connected part at the new click: a correction in one place must not
/// undo what was right in another. All of them where the click itself changed nothing.
fn changed_at(grid: &Grid, before: &[bool], after: Vec<bool>, click: Option<usize>) -> Vec<bool> {
    let changed: Vec<bool> = before.iter().zip(&after).map(|(b, a)| b != a).collect();
    let Some(click) = click.filter(|i| changed[*i]) else { return after };
    let mut kept = before.to_vec();
    for i in region_at(&changed, click, grid) {
        kept[i] = after[i];
    }
    kept
}

/// 2Σpm / (Σp + Σm): 1 where the network is sure of every voxel of its own mask.
pub(super) fn soft_dice(probability: &[f32], mask: &[bool]) -> Option<f32> {
    let overlap: f64 = probability.iter().zip(mask).filter(|(_, m)| **m).map(|(p, _)| f64::from(*p)).sum();
    let total: f64 =
        probability.iter().map(|p| f64::from(*p)).sum::<f64>() + mask.iter().filter(|m| **m).count() as f64;
    (total > 0.0).then(|| (2.0 * overlap / total) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_changes_only_what_hangs_together_with_its_click() {
        let grid = Grid::from_spacing([10, 1, 1], [1.0; 3]).unwrap();
        let of = |text: &str| text.bytes().map(|b| b == b'x').collect::<Vec<_>>();
        let (before, after) = (of("..xxxx...."), of("xxxx....xx"));
        assert_eq!(changed_at(&grid, &before, after.clone(), Some(0)), of("xxxxxx...."));
        assert_eq!(changed_at(&grid, &before, after.clone(), Some(5)), of("..xx......"));
        assert_eq!(changed_at(&grid, &before, after.clone(), Some(3)), after);
        assert_eq!(changed_at(&grid, &before, after.clone(), None), after);
    }

    #[test]
    fn the_part_at_the_click_is_kept_else_the_nearest() {
        let grid = Grid::from_spacing([9, 3, 3], [1.0; 3]).unwrap();
        let mask: Vec<bool> = (0..81).map(|i| matches!(grid.voxel(i)[0], 0 | 1 | 6)).collect();
        let at_click = component_at(&mask, &grid, &[grid.world_of([1, 1, 1])]).unwrap();
        assert_eq!(at_click.iter().filter(|v| **v).count(), 18);
        let nearest = component_at(&mask, &grid, &[grid.world_of([5, 1, 1])]).unwrap();
        assert_eq!(nearest.iter().filter(|v| **v).count(), 9);
        assert!(component_at(&[false; 81], &grid, &[grid.world_of([5, 1, 1])]).is_none());
    }
}
