//! With which window an image opens.

use hilum_core::volume::{Modality, Volume};

/// Centre and width with which an image opens: what the file recommends, else soft tissue for CT, else the
/// central 99 % of the values; bytes and colours are shown as they are.
pub fn first_window(volume: &Volume) -> (f32, f32) {
    if volume.meta().modality == Modality::Photograph || volume.voxels().is_color() {
        let top = if volume.range().max > 255.0 { volume.range().max } else { 255.0 };
        return (top / 2.0, top);
    }
    if let Some((center, width)) = volume.meta().window.filter(|(c, w)| c.is_finite() && *w > 0.0) {
        return (center, width);
    }
    if volume.meta().modality == Modality::Ct {
        return (40.0, 400.0);
    }
    auto_window(volume)
}

/// Centre and width from the percentiles of the values.
pub fn auto_window(volume: &Volume) -> (f32, f32) {
    let range = volume.range();
    let (low, high) = if range.high > range.low { (range.low, range.high) } else { (range.min, range.max) };
    ((low + high) / 2.0, (high - low).max(1e-6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::geometry::Grid;
    use hilum_core::volume::{ImageMeta, Voxels};

    #[test]
    fn windows_suit_the_modality() {
        let grid = Grid::from_spacing([10, 10, 10], [1.0; 3]).unwrap();
        let voxels = || Voxels::I16((0..1000).collect());
        let of = |modality, window| {
            let meta = ImageMeta { modality, window, ..ImageMeta::default() };
            first_window(&Volume::new(grid, voxels(), meta).unwrap())
        };
        assert_eq!(of(Modality::Ct, None), (40.0, 400.0));
        assert_eq!(of(Modality::Ct, Some((50.0, 350.0))), (50.0, 350.0));
        let (center, width) = of(Modality::Mr, None);
        assert!((center - 499.5).abs() < 2.0 && (width - 989.0).abs() < 4.0);
    }
}
