//! Lines of sight through an image: what a click in the 3-D view hits.

use egui::Pos2;
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;
use nalgebra::{Point3, Vector3};

use super::look::LabelColors;
use crate::state::SceneMode;
use crate::viewport::SliceView;

/// Steps along a line of sight, relative to the finest spacing.
const STEP: f64 = 0.5;

/// A line of sight in voxel coordinates, `at` mm from where it enters the image.
#[derive(Clone, Copy, Debug)]
struct Sight {
    origin: Point3<f64>,
    per_mm: Vector3<f64>,
    start_mm: f64,
    end_mm: f64,
}

impl Sight {
    /// The line under a screen position; `None` where it misses the image.
    fn under(shown: &SliceView, grid: &Grid, pos: Pos2) -> Option<Self> {
        let origin = grid.affine().voxel_from_world(shown.world_from_screen(pos));
        let per_mm = grid.affine().voxel_vector(shown.axes.into);
        let (mut start_mm, mut end_mm) = (f64::NEG_INFINITY, f64::INFINITY);
        for axis in 0..3 {
            let (low, high) = (-0.5, grid.dims()[axis] as f64 - 0.5);
            if per_mm[axis].abs() < 1e-12 {
                if !(low..high).contains(&origin[axis]) {
                    return None;
                }
                continue;
            }
            let ends = [(low - origin[axis]) / per_mm[axis], (high - origin[axis]) / per_mm[axis]];
            start_mm = start_mm.max(ends[0].min(ends[1]));
            end_mm = end_mm.min(ends[0].max(ends[1]));
        }
        (start_mm < end_mm && start_mm.is_finite()).then_some(Self { origin, per_mm, start_mm, end_mm })
    }

    /// The voxels along it, front first, with their distances in mm.
    fn voxels(self, grid: &Grid, step: f64) -> impl Iterator<Item = (f64, [usize; 3])> {
        let step_mm = grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min) * step;
        let count = ((self.end_mm - self.start_mm) / step_mm).ceil().clamp(0.0, 1e6) as usize;
        let grid = *grid;
        (0..count).filter_map(move |i| {
            let mm = self.start_mm + (i as f64 + 0.5) * step_mm;
            Some((mm, grid.voxel_at(self.origin + self.per_mm * mm)?))
        })
    }
}

/// What can be picked in the 3-D view.
pub struct RayScene<'a> {
    /// The image.
    pub volume: &'a Volume,
    /// Its labels.
    pub labels: &'a LabelMap,
    /// Colours of the labels; those with alpha 0 are hidden.
    pub colors: &'a LabelColors,
    /// What is drawn.
    pub mode: SceneMode,
    /// Values shown black and white.
    pub window: (f32, f32),
}

impl RayScene<'_> {
    fn color(&self, label: u16) -> [u8; 4] {
        match label {
            0 => [0; 4],
            _ => self.colors.get(usize::from(label)).copied().unwrap_or([255; 4]),
        }
    }

    /// How bright a value is in the window, 0 to 1.
    fn share(&self, voxel: [usize; 3]) -> f32 {
        let (low, high) = self.window;
        let value = self.volume.value(voxel).filter(|value| value.is_finite()).unwrap_or(low);
        ((value - low) / (high - low).max(1e-20)).clamp(0.0, 1.0)
    }

    /// The place in the world that a person sees under a screen position: on the first visible surface, at the brightest
    /// voxel, or where fog has become half opaque.
    pub fn pick(&self, shown: &SliceView, pos: Pos2) -> Option<WorldPoint> {
        let grid = self.volume.grid();
        let sight = Sight::under(shown, grid, pos)?;
        let mut along = sight.voxels(grid, STEP / 2.0);
        let found = match self.mode {
            SceneMode::Surfaces => along.find(|(_, voxel)| self.color(self.labels.value(*voxel))[3] > 0),
            SceneMode::Mip => along.fold(None, |best: Option<(f64, [usize; 3])>, (mm, voxel)| match best {
                Some((_, old)) if self.share(old) >= self.share(voxel) => best,
                _ => Some((mm, voxel)),
            }),
            SceneMode::Volume => {
                let mut light = 1.0;
                along.find(|(_, voxel)| {
                    light *= 1.0 - fog(self.share(*voxel), (STEP / 2.0) as f32);
                    light < 0.5
                })
            }
        }?;
        Some(grid.world_of(found.1))
    }
}

/// Opacity of fog over a step, relative to the finest spacing; the same in `volume.wgsl`.
fn fog(share: f32, step: f32) -> f32 {
    1.0 - (-0.6 * share * share * step).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewport::ScreenAxes;
    use egui::{Rect, vec2};
    use hilum_core::geometry::AnatomicalPlane;
    use hilum_core::volume::{ImageMeta, Voxels};

    /// A block of label 3 in the middle of a bright image on a grid of uneven spacing.
    fn case() -> (Volume, LabelMap, SliceView) {
        let grid = Grid::from_spacing([20, 24, 16], [1.0, 1.5, 2.0]).unwrap();
        let inside =
            |[x, y, z]: [usize; 3]| (8..12).contains(&x) && (10..15).contains(&y) && (5..9).contains(&z);
        let labels = (0..grid.voxel_count()).map(|i| if inside(grid.voxel(i)) { 3 } else { 0 }).collect();
        let values = (0..grid.voxel_count()).map(|i| if inside(grid.voxel(i)) { 200 } else { 10 }).collect();
        let volume = Volume::new(grid, Voxels::U8(values), ImageMeta::default()).unwrap();
        let shown = SliceView {
            rect: Rect::from_min_size(Pos2::new(5.0, 7.0), vec2(120.0, 90.0)),
            center: grid.center_world(),
            axes: ScreenAxes::of_plane(AnatomicalPlane::Coronal),
            mm_per_point: 0.5,
        };
        (volume, LabelMap::from_voxels(grid, labels).unwrap(), shown)
    }

    #[test]
    fn what_is_picked_is_the_front_in_every_mode() {
        let (volume, labels, shown) = case();
        let colors = vec![[0; 4], [0; 4], [0; 4], [255, 0, 0, 255]];
        for mode in [SceneMode::Surfaces, SceneMode::Mip, SceneMode::Volume] {
            let scene =
                RayScene { volume: &volume, labels: &labels, colors: &colors, mode, window: (50.0, 200.0) };
            let target = volume.grid().world_of([9, 10, 6]);
            let picked = scene.pick(&shown, shown.screen_from_world(target)).unwrap();
            let voxel = volume.grid().voxel_at_world(picked).unwrap();
            assert_eq!((voxel[0], voxel[2]), (9, 6), "{mode:?}");
            assert!((10..=11).contains(&voxel[1]), "{mode:?} picked {voxel:?}");
        }
    }

    #[test]
    fn hidden_labels_are_not_picked() {
        let (volume, labels, shown) = case();
        let colors = vec![[0; 4], [0; 4], [0; 4], [255, 0, 0, 0]];
        let mode = SceneMode::Surfaces;
        let scene = RayScene { volume: &volume, labels: &labels, colors: &colors, mode, window: (0.0, 1.0) };
        assert_eq!(scene.pick(&shown, shown.rect.center()), None);
    }
}
