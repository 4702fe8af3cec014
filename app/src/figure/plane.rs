//! The plane of a patient that all panels of a figure show.

use hilum_core::geometry::{AnatomicalPlane, Grid, WorldPoint};
use hilum_core::volume::{Volume, Voxels};
use hilum_models::inspect::FieldMap;
use image::{Rgb, RgbImage};

use crate::colormap::{color_of, share};
use crate::viewport::{ScreenAxes, extent_along};

/// Width of a panel in units of the page, and pixels in a unit.
const PANEL: f64 = 220.0;
const PIXELS_PER_UNIT: f64 = 2.0;
/// Highest panel over its width; higher ones are narrower.
const MAX_ASPECT: f64 = 1.4;
/// How much of a label's colour lies over the image.
const LABEL_PART: f32 = 0.5;

/// A rectangle of the patient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    axes: ScreenAxes,
    /// Its upper left corner.
    corner: WorldPoint,
    /// mm to the right and down.
    extent: [f64; 2],
    pixels: [u32; 2],
}

/// Labels on a grid, with the colour of each.
pub(crate) struct Drawn<'a> {
    /// `[z, y, x]`.
    pub(crate) labels: &'a [u16],
    pub(crate) grid: &'a Grid,
    /// Red, green, blue of a label.
    pub(crate) color: &'a dyn Fn(u16) -> [u8; 3],
}

impl Drawn<'_> {
    fn at(&self, at: WorldPoint) -> u16 {
        self.grid.voxel_at_world(at).map_or(0, |voxel| self.labels[self.grid.index(voxel)])
    }
}

impl Plane {
    /// The plane through a point that shows what a network saw: of a flat image its own, else the axial one.
    pub(crate) fn through(at: WorldPoint, volume: &Volume, field: &Grid) -> Self {
        let axes = if volume.grid().is_flat() {
            ScreenAxes::of_flat(volume)
        } else {
            ScreenAxes::of_plane(AnatomicalPlane::Axial)
        };
        let (left, right) = extent_along(field, axes.right);
        let (top, bottom) = extent_along(field, axes.down);
        let extent = [right - left, bottom - top];
        // A pixel of a panel is one of the page, so that no line of one pixel is lost.
        let width =
            (PANEL * PIXELS_PER_UNIT).min(PANEL * PIXELS_PER_UNIT * MAX_ASPECT * extent[0] / extent[1]);
        let scale = width / extent[0].max(f64::MIN_POSITIVE);
        let corner = axes.right * left + axes.down * top + axes.into * at.coords.dot(&axes.into);
        Self {
            axes,
            corner: corner.into(),
            extent,
            pixels: extent.map(|mm| (mm * scale).round().clamp(1.0, 2.0 * PANEL * PIXELS_PER_UNIT) as u32),
        }
    }

    /// Width and height of a panel in units of the page.
    pub(super) fn units(&self) -> [f32; 2] {
        self.pixels.map(|side| side as f32 / PIXELS_PER_UNIT as f32)
    }

    /// Where a point lies, as shares of width and height.
    pub(super) fn share_of(&self, at: WorldPoint) -> [f32; 2] {
        let offset = at - self.corner;
        [offset.dot(&self.axes.right) / self.extent[0], offset.dot(&self.axes.down) / self.extent[1]]
            .map(|share| share as f32)
    }

    fn world(&self, x: u32, y: u32) -> WorldPoint {
        let place =
            |i: u32, axis: usize| (f64::from(i) + 0.5) / f64::from(self.pixels[axis]) * self.extent[axis];
        self.corner + self.axes.right * place(x, 0) + self.axes.down * place(y, 1)
    }

    fn paint(&self, color: impl Fn(WorldPoint) -> [u8; 3]) -> RgbImage {
        RgbImage::from_fn(self.pixels[0], self.pixels[1], |x, y| Rgb(color(self.world(x, y))))
    }

    /// The image, with `low` black and `high` white, and labels over it.
    pub(super) fn image(&self, volume: &Volume, [low, high]: [f32; 2], over: Option<&Drawn<'_>>) -> RgbImage {
        self.paint(|at| {
            let under = image_color(volume, at, [low, high]);
            match over.map(|drawn| (drawn, drawn.at(at))).filter(|(_, label)| *label != 0) {
                None => under,
                Some((drawn, label)) => {
                    let over = (drawn.color)(label);
                    let mixed =
                        |i: usize| f32::from(under[i]) * (1.0 - LABEL_PART) + f32::from(over[i]) * LABEL_PART;
                    [0, 1, 2].map(|i| mixed(i).round() as u8)
                }
            }
        })
    }

    /// A map in its own pixels, white where the network did not look, with the outlines of labels in white.
    pub(super) fn map(&self, map: &FieldMap, range: [f32; 2], over: Option<&Drawn<'_>>) -> RgbImage {
        let is_signed = map.meaning.is_signed();
        let mut picture =
            self.paint(|at| map.value_at(at).map_or([255; 3], |value| color_of(value, range, is_signed)));
        let Some(drawn) = over else { return picture };
        let color = if is_signed { [0; 3] } else { [255; 3] };
        for y in 1..self.pixels[1] {
            for x in 1..self.pixels[0] {
                let own = drawn.at(self.world(x, y));
                for (left, above) in [(x - 1, y), (x, y - 1)] {
                    if drawn.at(self.world(left, above)) != own {
                        picture.put_pixel(x, y, Rgb(color));
                        picture.put_pixel(left, above, Rgb(color));
                    }
                }
            }
        }
        picture
    }
}

fn image_color(volume: &Volume, at: WorldPoint, window: [f32; 2]) -> [u8; 3] {
    let Some(voxel) = volume.grid().voxel_at_world(at) else { return [0; 3] };
    let index = volume.grid().index(voxel);
    match volume.voxels() {
        Voxels::Rgb8(pixels) => pixels[index],
        voxels => [(share(voxels.value(index), window).clamp(0.0, 1.0) * 255.0) as u8; 3],
    }
}
