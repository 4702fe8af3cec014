//! The figures of one label.

use hilum_core::geometry::Grid;
use hilum_core::label::BoxMask;
use hilum_core::measure::{mask_statistics, recist};
use hilum_core::paint::{Components, Connectivity};
use hilum_core::volume::Volume;

use super::MeasureRequest;
use crate::state::Measurement;

/// Measures within the label's box, so that a small lesion in a large image takes no time.
pub(super) fn measure(request: &MeasureRequest) -> Option<Measurement> {
    let mask = BoxMask::from_labels(&request.labels, request.label);
    let grid = request.volume.grid();
    let volume_ml = request.labels.volume_ml(request.label);
    let empty = Measurement {
        labels_revision: request.labels_revision,
        label: request.label,
        volume_ml,
        recist: None,
        parts: Components::of(&mask, Connectivity::Six).all().len(),
        mean_sd: None,
    };
    if mask.is_empty() {
        return Some(empty);
    }
    let part: Grid = grid.sub_grid(mask.region()).ok()?;
    let values = hilum_core::volume::Voxels::F32(request.volume.box_values(mask.region()));
    let image = Volume::new(part, values, request.volume.meta().clone()).ok()?;
    let statistics = mask_statistics(&image, mask.inside()).ok().flatten();
    Some(Measurement {
        recist: recist(mask.inside(), &part)
            .ok()
            .flatten()
            .map(|found| found.moved_by(mask.region().start())),
        mean_sd: statistics.map(|s| (s.mean, s.sd)),
        ..empty
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::testing::oblique_volume;
    use hilum_core::geometry::VoxelBox;
    use hilum_core::label::LabelMap;

    #[test]
    fn a_measurement_is_told_in_the_voxels_of_the_whole_image() {
        let volume = Arc::new(oblique_volume());
        let region = VoxelBox::new([3, 2, 4], [9, 4, 5]);
        let grid = *volume.grid();
        let inside = |i| u16::from(region.contains(grid.voxel(i))) * 7;
        let labels = LabelMap::from_voxels(grid, (0..grid.voxel_count()).map(inside).collect()).unwrap();
        let request =
            MeasureRequest { session: 1, labels_revision: 3, volume, labels: Arc::new(labels), label: 7 };
        let measured = measure(&request).unwrap();
        let recist = measured.recist.unwrap();
        assert_eq!((measured.labels_revision, recist.slice), (3, 4));
        for end in [recist.long_axis.from_voxel, recist.long_axis.to_voxel] {
            assert!(region.contains(end.map(|c| c.round() as usize)), "{end:?}");
        }
        assert!((measured.volume_ml - 12.0 * grid.affine().voxel_volume_mm3() / 1000.0).abs() < 1e-9);
        assert!(measure(&MeasureRequest { label: 2, ..request }).unwrap().recist.is_none());
    }
}
