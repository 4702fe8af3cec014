//! Likeness of maps, and agreement of a map with an error.

use hilum_core::geometry::Grid;

use super::field_map::FieldMap;
use super::look::Look;

/// Spearman's rank correlation of two maps, −1 to 1, ties at their mean rank; `None` where one of them is constant or
/// their sizes differ.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() - 1) as f64 / 2.0;
    let product =
        |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    (spread > 0.0).then(|| product(&a, &b) / spread)
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = before as f64 + (ties.len() - 1) as f64 / 2.0;
        ties.iter().for_each(|at| ranks[*at] = mean);
        before += ties.len();
    }
    ranks
}

/// Area under the curve: the probability that a place that is `positive` has a larger value than one that is not, ties
/// half; both are weights from 0 to 1. `None` where either is missing.
fn auc(values: &[f32], positive: &[f32]) -> Option<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut below, mut area, mut all) = (0.0, 0.0, 0.0);
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let yes: f64 = ties.iter().map(|at| f64::from(positive[*at])).sum();
        let no = ties.len() as f64 - yes;
        area += yes * (below + no / 2.0);
        below += no;
        all += yes;
    }
    (all > 0.0 && below > 0.0).then(|| area / (all * below))
}

/// Whether a map is high where the network errs against a mask on `grid`: area under the curve, ½ for no relation.
/// Every difference between the answer of this pass and the mask counts; of a click model the mask's voxels other than
/// 0 are the object. Places outside the image do not count. `None` without any error.
pub fn agreement(map: &FieldMap, look: &Look, labels: &[u16], grid: &Grid) -> Option<f64> {
    if labels.len() != grid.voxel_count() {
        return None;
    }
    let (answer, field) = (look.answer(), look.grid());
    let is_object = look.subject.regions.is_none();
    let errs = map.over_pixels(field, |at| {
        let truth = labels[grid.index(grid.voxel_at_world(at)?)];
        let truth = if is_object { u16::from(truth != 0) } else { truth };
        Some(f32::from(u8::from(answer[field.index(field.voxel_at_world(at)?)] != truth)))
    });
    let seen: Vec<usize> = (0..errs.len()).filter(|pixel| errs[*pixel][1] > 0.0).collect();
    let values: Vec<f32> = seen.iter().map(|pixel| map.values[*pixel]).collect();
    let errs: Vec<f32> = seen.iter().map(|pixel| errs[*pixel][0]).collect();
    auc(&values, &errs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_correlate_whatever_the_scale() {
        let a: Vec<f32> = (0..50).map(|i| i as f32).collect();
        let rising: Vec<f32> = a.iter().map(|v| v.exp2().min(1e30)).collect();
        let falling: Vec<f32> = a.iter().map(|v| -v * v).collect();
        assert!((spearman(&a, &rising).unwrap() - 1.0).abs() < 1e-12);
        assert!((spearman(&a, &falling).unwrap() + 1.0).abs() < 1e-12);
        assert_eq!(spearman(&a, &[3.0; 50]), None);
        // By hand: ranks 0, 1.5, 1.5, 3 against 0, 2, 1, 3.
        let tied = spearman(&[1.0, 2.0, 2.0, 5.0], &[1.0, 3.0, 2.0, 4.0]).unwrap();
        assert!((tied - 4.5 / (4.5f64 * 5.0).sqrt()).abs() < 1e-12, "{tied}");
    }

    #[test]
    fn the_area_is_a_share_of_pairs_in_order() {
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0, 1.0, 1.0]), Some(1.0));
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, 0.0, 1.0]), Some(0.75));
        assert_eq!(auc(&[2.0; 4], &[0.0, 1.0, 0.0, 1.0]), Some(0.5));
        assert_eq!(auc(&[1.0, 2.0], &[0.0, 0.0]), None);
    }
}
