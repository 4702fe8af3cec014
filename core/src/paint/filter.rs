//! Brushes that look at the image: by a range of values, or by what lies under the cursor.

use serde::{Deserialize, Serialize};

use super::{Components, Connectivity};
use crate::geometry::VoxelBox;
use crate::label::RowSpan;
use crate::volume::Volume;

/// Largest number of standard deviations that the adaptive brush takes.
pub const MAX_SPREAD: f32 = 20.0;

/// Least standard deviation under the cursor, as a share of the image's central range: in a region without noise
/// the adaptive brush would otherwise take nothing.
const LEAST_DEVIATION: f32 = 0.005;

/// Values of an image, both ends included, in the image's unit (HU, grey level; of colour the luma).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntensityRange {
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
}

impl IntensityRange {
    /// Whether a value lies in it; a value that is not a number does not.
    pub fn contains(&self, value: f32) -> bool {
        value >= self.low && value <= self.high
    }

    /// Whether some value can lie in it.
    pub fn is_valid(&self) -> bool {
        self.low <= self.high
    }

    /// The parts of spans whose voxels have values in the range.
    pub fn within(&self, image: &Volume, spans: impl IntoIterator<Item = RowSpan>) -> Vec<RowSpan> {
        let (mut values, mut found) = (Vec::new(), Vec::new());
        for span in spans {
            let row = image.grid().index([0, span.y, span.z]);
            values.clear();
            image.voxels().extend_f32(row + span.x_start..row + span.x_end, &mut values);
            let mut begun = None;
            for (x, value) in (span.x_start..).zip(&values) {
                match (begun, self.contains(*value)) {
                    (None, true) => begun = Some(x),
                    (Some(x_start), false) => {
                        found.push(RowSpan { x_start, x_end: x, ..span });
                        begun = None;
                    }
                    _ => {}
                }
            }
            found.extend(begun.map(|x_start| RowSpan { x_start, ..span }));
        }
        found
    }
}

/// Which voxels under a brush it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BrushFilter {
    /// All of them.
    #[default]
    All,
    /// Those with a value in a range.
    Range(IntensityRange),
    /// Those that look like the ones under the cursor and hang together with them: the brush stops at edges.
    Adaptive {
        /// Standard deviations around the mean that count as alike, above 0 and at most [`MAX_SPREAD`].
        spread: f32,
    },
}

/// The part of some spans that looks like its `seed` and is connected to it over faces: values within `spread`
/// standard deviations of the mean, both taken from the spans' voxels in a box of `reach` voxels around the seed.
///
/// Nothing if the seed is not among the spans; the seed itself is always taken. The spans must be in memory order.
pub fn like_seed(
    image: &Volume,
    spans: &[RowSpan],
    seed: [usize; 3],
    reach: [usize; 3],
    spread: f32,
) -> Vec<RowSpan> {
    let around = VoxelBox::of_voxel(seed).grown(reach, image.grid().dims());
    let Some((mean, deviation)) = statistics(image, spans, around) else { return Vec::new() };
    let (low, high) = image.central().unwrap_or_default();
    let half_width = spread * deviation.max(LEAST_DEVIATION * (high - low));
    let range = IntensityRange { low: mean - half_width, high: mean + half_width };
    let mut alike = range.within(image, spans.iter().copied());
    with_voxel(&mut alike, spans, seed);
    let bounds = alike.iter().fold(VoxelBox::default(), |bounds, span| {
        bounds.union(&VoxelBox::new([span.x_start, span.y, span.z], [span.x_end, span.y + 1, span.z + 1]))
    });
    let components = Components::of_spans(alike, bounds, Connectivity::Six);
    components.at(seed).map_or_else(Vec::new, |index| components.spans(index).collect())
}

/// Mean and standard deviation of the finite values of the spans within a box.
fn statistics(image: &Volume, spans: &[RowSpan], around: VoxelBox) -> Option<(f32, f32)> {
    let mut values = Vec::new();
    for span in spans {
        let (first, last) = (around.start()[0].max(span.x_start), around.end()[0].min(span.x_end));
        if first < last && around.contains([first, span.y, span.z]) {
            let row = image.grid().index([0, span.y, span.z]);
            image.voxels().extend_f32(row + first..row + last, &mut values);
        }
    }
    values.retain(|value| value.is_finite());
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    Some((mean as f32, variance.sqrt() as f32))
}

/// Adds a voxel to spans in memory order if it is among `all`.
fn with_voxel(spans: &mut Vec<RowSpan>, all: &[RowSpan], [x, y, z]: [usize; 3]) {
    let holds = |span: &RowSpan| (span.z, span.y) == (z, y) && (span.x_start..span.x_end).contains(&x);
    if spans.iter().any(holds) || !all.iter().any(holds) {
        return;
    }
    let at = spans.partition_point(|span| (span.z, span.y, span.x_start) < (z, y, x));
    // Components need spans that do not touch within a row.
    let mut new = RowSpan { z, y, x_start: x, x_end: x + 1 };
    let touches = |a: &RowSpan, b: &RowSpan| (a.z, a.y) == (b.z, b.y) && a.x_end == b.x_start;
    if spans.get(at).is_some_and(|next| touches(&new, next)) {
        new.x_end = spans.remove(at).x_end;
    }
    if at > 0 && touches(&spans[at - 1], &new) {
        spans[at - 1].x_end = new.x_end;
    } else {
        spans.insert(at, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Grid;
    use crate::volume::{ImageMeta, Voxels};

    /// Two bright bars (100 ± 1) in a dark field (0), apart by three voxels.
    fn bars() -> Volume {
        let grid = Grid::from_spacing([15, 9, 1], [1.0; 3]).unwrap();
        let voxels = (0..135).map(|i| {
            let (x, y) = (i % 15, i / 15);
            if (2..6).contains(&x) || (9..13).contains(&x) { 100.0 + ((x + y) % 3) as f32 - 1.0 } else { 0.0 }
        });
        Volume::new(grid, Voxels::F32(voxels.collect()), ImageMeta::default()).unwrap()
    }

    fn rows() -> Vec<RowSpan> {
        (0..9).map(|y| RowSpan { z: 0, y, x_start: 0, x_end: 15 }).collect()
    }

    #[test]
    fn a_range_takes_only_its_values() {
        let found = IntensityRange { low: 50.0, high: 150.0 }.within(&bars(), rows());
        assert_eq!(found.len(), 18);
        assert!(found.iter().all(|span| span.x_end - span.x_start == 4));
        let nan = IntensityRange { low: f32::NAN, high: 1.0 };
        assert!(!nan.is_valid() && nan.within(&bars(), rows()).is_empty());
    }

    #[test]
    fn the_adaptive_brush_stays_in_the_bar_under_the_cursor() {
        let found = like_seed(&bars(), &rows(), [4, 4, 0], [1, 1, 0], 3.0);
        assert_eq!(found.len(), 9);
        assert!(found.iter().all(|span| (span.x_start, span.x_end) == (2, 6)));
        let dark = like_seed(&bars(), &rows(), [7, 4, 0], [0, 0, 0], 3.0);
        assert!(dark.iter().all(|span| (span.x_start, span.x_end) == (6, 9)));
        assert!(like_seed(&bars(), &rows()[..3], [4, 4, 0], [1, 1, 0], 3.0).is_empty(), "seed not painted");
    }

    #[test]
    fn a_seed_unlike_its_neighbours_is_taken_all_the_same() {
        let grid = Grid::from_spacing([5, 1, 1], [1.0; 3]).unwrap();
        let voxels = Voxels::F32(vec![0.0, 0.0, 90.0, 0.0, 0.0]);
        let image = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
        let row = [RowSpan { z: 0, y: 0, x_start: 0, x_end: 5 }];
        assert_eq!(like_seed(&image, &row, [2, 0, 0], [2, 0, 0], 1.0), row, "it joins its neighbours");
    }
}
