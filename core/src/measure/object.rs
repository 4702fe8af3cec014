//! Everything that is told about one object of a label map, each figure with an interval.

use serde::Serialize;

use super::{
    MaskStatistics, MeasureError, Recist, check_count, mask_statistics, mask_volume, recist, surface_area_mm2,
};
use crate::geometry::{Grid, VoxelBox};
use crate::label::BoxMask;
use crate::volume::{Volume, Voxels};

/// A figure with the interval in which it lies when the outline may lie half a voxel further in or out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The figure of the mask itself.
    pub value: f64,
    /// Smallest of the three outlines' figures.
    pub low: f64,
    /// Largest of them.
    pub high: f64,
}

impl Interval {
    /// An outline moved by half a voxel passes through the middle of the voxels at the border, half of each inside:
    /// its figure lies half-way to that of the mask without them, or with those around.
    fn half_way(value: f64, inner: Option<f64>, outer: Option<f64>) -> Self {
        let half = |other: Option<f64>| other.map_or(value, |other| (value + other) / 2.0);
        let (inner, outer) = (half(inner), half(outer));
        Self { value, low: value.min(inner).min(outer), high: value.max(inner).max(outer) }
    }
}

/// Size and contents of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectMeasure {
    /// Voxels of the object.
    pub voxel_count: usize,
    /// Volume in ml.
    pub volume_ml: Interval,
    /// Long axis after RECIST 1.1 in mm.
    pub long_axis_mm: Interval,
    /// Its perpendicular short axis in the same slice, in mm.
    pub short_axis_mm: Interval,
    /// Area of the surface in mm², see [`surface_area_mm2`].
    pub surface_mm2: Interval,
    /// Mean of the image's values inside, in its unit (HU for CT); `None` without an image.
    pub mean: Option<Interval>,
    /// All statistics of the values inside.
    pub statistics: Option<MaskStatistics>,
    /// Where the axes lie, in voxels of the whole image.
    pub recist: Option<Recist>,
}

/// Figures of one outline.
struct Outline {
    voxel_count: usize,
    volume_ml: f64,
    recist: Option<Recist>,
    surface_mm2: f64,
    statistics: Option<MaskStatistics>,
}

/// Measures a mask within a box of an image's grid; `None` if it is empty. Without `image` its values are left out.
///
/// The intervals come from the outline moved in and out by half a voxel along the voxel axes: the figures of the mask
/// without its border voxels (those with a face neighbour outside) and with the face neighbours around it, half-way to
/// its own; for the axes within the slices alone. Of an object that has nothing but border voxels the mean is taken for sure.
///
/// # Errors
/// [`MeasureError::VoxelCount`] if the mask leaves the grid or the image lies on another one.
pub fn measure_object(
    mask: &BoxMask,
    grid: &Grid,
    image: Option<&Volume>,
) -> Result<Option<ObjectMeasure>, MeasureError> {
    if let Some(image) = image {
        check_count(image.grid().voxel_count(), grid.voxel_count())?;
    }
    let tight = mask.tightened();
    if tight.is_empty() {
        return Ok(None);
    }
    let full = grid.full_box();
    if tight.region().intersection(&full) != tight.region() {
        return Err(MeasureError::VoxelCount {
            found: tight.region().voxel_count(),
            expected: grid.voxel_count(),
        });
    }
    let region = tight.region().grown([1; 3], grid.dims());
    let here = tight.cut(region);
    let part = Part::new(grid, region, image)?;
    let own = part.measure(here.inside())?;
    let all = [0, 1, 2];
    let outline = |grows| part.measure(&moved(here.inside(), region.size(), grid, &all, grows));
    let (inner, outer) = (outline(false)?, outline(true)?);
    // An axis lies in one slice: its ends move within it.
    let axes = |grows| recist(&moved(here.inside(), region.size(), grid, &all[..2], grows), &part.grid);
    let (inner_axes, outer_axes) = (axes(false)?, axes(true)?);
    let length = |pick: fn(&Recist) -> f64| {
        let [own, inner, outer] =
            [own.recist, inner_axes, outer_axes].map(|axes| axes.as_ref().map_or(0.0, pick));
        Interval::half_way(own, Some(inner), Some(outer))
    };
    let interval = |pick: &dyn Fn(&Outline) -> Option<f64>| {
        pick(&own).map(|value| Interval::half_way(value, pick(&inner), pick(&outer)))
    };
    let sure = |pick: &dyn Fn(&Outline) -> f64| {
        Interval::half_way(pick(&own), Some(pick(&inner)), Some(pick(&outer)))
    };
    Ok(Some(ObjectMeasure {
        voxel_count: own.voxel_count,
        volume_ml: sure(&|o| o.volume_ml),
        long_axis_mm: length(|r| r.long_axis.length_mm),
        short_axis_mm: length(|r| r.short_axis.length_mm),
        surface_mm2: sure(&|o| o.surface_mm2),
        mean: interval(&|o| o.statistics.map(|s| s.mean)),
        statistics: own.statistics,
        recist: own.recist.map(|found| found.moved_by(region.start())),
    }))
}

/// The part of an image around an object.
struct Part {
    grid: Grid,
    image: Option<Volume>,
}

impl Part {
    fn new(grid: &Grid, region: VoxelBox, image: Option<&Volume>) -> Result<Self, MeasureError> {
        let other =
            |_| MeasureError::VoxelCount { found: region.voxel_count(), expected: grid.voxel_count() };
        let part = grid.sub_grid(region).map_err(other)?;
        let image = match image {
            Some(image) => {
                let values = Voxels::F32(image.box_values(region));
                let found = values.len();
                let other = |_| MeasureError::VoxelCount { found, expected: part.voxel_count() };
                Some(Volume::new(part, values, image.meta().clone()).map_err(other)?)
            }
            None => None,
        };
        Ok(Self { grid: part, image })
    }

    fn measure(&self, inside: &[bool]) -> Result<Outline, MeasureError> {
        let size = mask_volume(inside, &self.grid)?;
        let statistics = self.image.as_ref().map(|image| mask_statistics(image, inside)).transpose()?;
        Ok(Outline {
            voxel_count: size.voxel_count,
            volume_ml: size.volume_ml,
            recist: recist(inside, &self.grid)?,
            surface_mm2: surface_area_mm2(inside, self.grid.dims(), self.grid.spacing_mm())?,
            statistics: statistics.flatten(),
        })
    }
}

/// A mask without its voxels at the border along some axes, or with those around it. An axis along which the whole image has one voxel has no
/// border; beyond the box counts as outside, which it is but at the edge of the image.
fn moved(inside: &[bool], size: [usize; 3], grid: &Grid, axes: &[usize], grows: bool) -> Vec<bool> {
    let strides = [1, size[0], size[0] * size[1]];
    let axes: Vec<usize> = axes.iter().copied().filter(|axis| grid.dims()[*axis] > 1).collect();
    let differs = |index: usize| {
        axes.iter().any(|axis| {
            let at = index / strides[*axis] % size[*axis];
            let lower = at > 0 && inside[index - strides[*axis]];
            let upper = at + 1 < size[*axis] && inside[index + strides[*axis]];
            if grows { lower || upper } else { !(lower && upper) }
        })
    };
    let stays = |(index, inside): (usize, &bool)| {
        if grows { *inside || differs(index) } else { *inside && !differs(index) }
    };
    inside.iter().enumerate().map(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::ImageMeta;

    fn ball(radius: f64) -> (Grid, BoxMask) {
        let grid = Grid::from_spacing([40, 40, 24], [0.8, 0.8, 2.0]).unwrap();
        let place = |v: [usize; 3]| grid.world_of(v) - nalgebra::Point3::new(15.7, 16.1, 24.3);
        (grid, BoxMask::from_fn(grid.full_box(), |v| place(v).norm() <= radius))
    }

    #[test]
    fn intervals_hold_the_truth_and_are_a_voxel_wide() {
        for radius in [6.0, 9.0, 11.0] {
            let (grid, mask) = ball(radius);
            let found = measure_object(&mask, &grid, None).unwrap().unwrap();
            let volume = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) / 1000.0;
            let truths = [(found.volume_ml, volume), (found.surface_mm2, 3000.0 * volume / radius)];
            for (interval, truth) in truths {
                assert!(interval.low < truth && truth < interval.high, "{radius}: {interval:?} {truth}");
            }
            // Voxel centres lie within the ball: the axis is short by up to a voxel.
            let long = found.long_axis_mm;
            assert!(
                long.low < long.value && long.value <= 2.0 * radius && 2.0 * radius < long.high + 0.8,
                "{long:?}"
            );
            assert!((long.high - long.low - 1.6).abs() < 0.5, "{long:?}");
            assert!(found.short_axis_mm.value <= found.long_axis_mm.value);
            assert!(found.mean.is_none());
        }
    }

    #[test]
    fn the_axes_of_a_single_slice_are_sure_to_a_voxel() {
        let grid = Grid::from_spacing([40, 40, 9], [1.0, 1.0, 5.0]).unwrap();
        let mask = BoxMask::from_fn(VoxelBox::new([5, 10, 4], [26, 19, 5]), |_| true);
        let found = measure_object(&mask, &grid, None).unwrap().unwrap();
        let long = found.long_axis_mm;
        assert!((long.value - 20f64.hypot(8.0)).abs() < 1e-9);
        // Half a voxel along x and along y at either end.
        let voxel = 2f64.sqrt();
        assert!(long.value - long.low < voxel && long.high - long.value < voxel, "{long:?}");
    }

    #[test]
    fn a_voxel_at_the_corner_of_the_image_is_measured_where_it_lies() {
        let grid = Grid::from_spacing([4, 4, 3], [1.0, 1.0, 2.0]).unwrap();
        let values = (0..48).map(|v| v as f32).collect();
        let image = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
        let mask = BoxMask::from_fn(VoxelBox::new([3, 3, 2], [4, 4, 3]), |_| true);
        let found = measure_object(&mask, &grid, Some(&image)).unwrap().unwrap();
        assert_eq!((found.voxel_count, found.recist.map(|r| r.slice)), (1, Some(2)));
        // Half of it at least, three half neighbours more at most.
        let volume = found.volume_ml;
        assert!((volume.low - 0.001).abs() < 1e-12 && (volume.high - 0.005).abs() < 1e-12, "{volume:?}");
        assert_eq!(found.statistics.map(|s| s.max), Some(47.0));
        let mean = found.mean.unwrap();
        assert!(mean.value == 47.0 && mean.low < 47.0 && mean.high == 47.0, "{mean:?}");
        let nothing = BoxMask::from_fn(VoxelBox::new([0; 3], [2, 2, 1]), |_| false);
        assert_eq!(measure_object(&nothing, &grid, None).unwrap(), None);
        let outside = BoxMask::from_fn(VoxelBox::new([3, 3, 2], [5, 4, 3]), |_| true);
        assert!(measure_object(&outside, &grid, None).is_err());
    }

    #[test]
    fn a_flat_picture_has_no_border_above_and_below() {
        let grid = Grid::from_spacing([30, 30, 1], [1.0; 3]).unwrap();
        let mask = BoxMask::from_fn(VoxelBox::new([5, 5, 0], [15, 15, 1]), |_| true);
        let volume = measure_object(&mask, &grid, None).unwrap().unwrap().volume_ml;
        assert!((volume.value - 0.1).abs() < 1e-12);
        assert!((volume.low - 0.082).abs() < 1e-12 && (volume.high - 0.12).abs() < 1e-12, "{volume:?}");
    }
}
