//! What a network that labels images sees: the image's channels, normalised, on a frame of its own resolution, and
//! the way back to the image's voxels.

mod prepared;

use hilum_core::geometry::{Affine, Grid, GridError};
use hilum_core::volume::Volume;
use nalgebra::{Matrix3, Vector3};
use serde::{Deserialize, Serialize};

pub use prepared::{Planes, Prepared, to_image};

/// Pixels brighter than this share of the brightest belong to the field of a photograph.
const FIELD_SHARE: f32 = 0.1;

/// How an image becomes an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// Three channels (red, green, blue) instead of one. A grey image is repeated.
    pub color: bool,
    /// How values are brought to a common range.
    pub normalize: Normalize,
    /// Resolution.
    pub scale: Scale,
}

/// How values are brought to a common range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalize {
    /// Mean 0 and standard deviation 1 in each channel.
    Image,
    /// The same, counted over the bright field of a photograph: its dark surround says nothing.
    Field,
    /// `low` becomes −1, `high` 1; values beyond are clipped.
    Window {
        /// What becomes −1.
        low: f32,
        /// What becomes 1.
        high: f32,
    },
}

/// The resolution at which a network works.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scale {
    /// The image's own.
    Keep,
    /// The bright field of a photograph (the whole picture if it has no dark surround) gets this width.
    Field {
        /// Width in pixels.
        pixels: usize,
    },
    /// Voxels of this size, along axes nearest to the patient's x, y, z.
    Spacing {
        /// Along x, y, z.
        mm: [f64; 3],
    },
}

impl ImageInput {
    /// Channels of the input.
    pub fn channels(&self) -> usize {
        if self.color { 3 } else { 1 }
    }

    /// Says which value is out of range.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Normalize::Window { low, high } = self.normalize
            && (low >= high || !low.is_finite() || !high.is_finite())
        {
            return Err(format!("the window runs from {low} to {high}; it must rise"));
        }
        match self.scale {
            Scale::Keep => Ok(()),
            Scale::Field { pixels } if (16..=8192).contains(&pixels) => Ok(()),
            Scale::Field { pixels } => Err(format!("a field of {pixels} pixels; it must have 16 to 8192")),
            Scale::Spacing { mm } if mm.iter().all(|mm| (0.01..=100.0).contains(mm)) => Ok(()),
            Scale::Spacing { mm } => Err(format!("a spacing of {mm:?} mm; it must be 0.01 to 100")),
        }
    }
}

/// Where the samples of an input lie: sample (x, y, z) is at `start + step · (x, y, z)` in voxels of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Samples along x, y, z.
    pub dims: [usize; 3],
    /// The first sample.
    pub start: Vector3<f64>,
    /// Steps along the frame's axes, one a column.
    pub step: Matrix3<f64>,
}

impl Frame {
    /// The whole image at the resolution asked for.
    pub fn whole(volume: &Volume, input: &ImageInput) -> Self {
        let dims = volume.grid().dims();
        match input.scale {
            Scale::Keep => Self { dims, start: Vector3::zeros(), step: Matrix3::identity() },
            Scale::Field { pixels } => {
                let factor = field_width(volume) as f64 / pixels as f64;
                Self::covering(dims, Matrix3::from_diagonal(&Vector3::new(factor, factor, 1.0)))
            }
            Scale::Spacing { mm } => {
                let (orientation, spacing) = (volume.grid().orientation(), volume.grid().spacing_mm());
                let mut step = Matrix3::zeros();
                for axis in 0..3 {
                    let voxel_axis = orientation.voxel_axis(axis);
                    let sign = if orientation.positive[voxel_axis] { 1.0 } else { -1.0 };
                    step[(voxel_axis, axis)] = sign * mm[axis] / spacing[voxel_axis];
                }
                Self::covering(dims, step)
            }
        }
    }

    /// A frame with these steps over an image of these dims, their centres together. Each column of `step` lies along
    /// one axis of the image.
    fn covering(dims: [usize; 3], step: Matrix3<f64>) -> Self {
        let size = Vector3::from_fn(|i, _| dims[i] as f64);
        let along = [0, 1, 2].map(|axis| {
            let column = step.column(axis);
            let image_axis = column.iamax();
            ((size[image_axis] / column[image_axis].abs()).round() as usize).max(1)
        });
        let middle = size.map(|n| (n - 1.0) / 2.0);
        Self::around(middle, step, along)
    }

    /// A frame whose middle lies at `center`.
    pub fn around(center: Vector3<f64>, step: Matrix3<f64>, dims: [usize; 3]) -> Self {
        let half = Vector3::from_fn(|i, _| (dims[i] as f64 - 1.0) / 2.0);
        Self { dims, start: center - step * half, step }
    }

    /// The square of `side` voxels around `center` in the plane, with `pixels` samples (y, x) along it.
    pub fn square(center: Vector3<f64>, side: f64, [y, x]: [usize; 2]) -> Self {
        let step = Vector3::new(side / x as f64, side / y as f64, 1.0);
        Self::around(center, Matrix3::from_diagonal(&step), [x, y, 1])
    }

    /// The part of `dims` samples from `offset` on, which may lie outside.
    pub fn part(&self, offset: [isize; 3], dims: [usize; 3]) -> Self {
        let offset = Vector3::from_fn(|i, _| offset[i] as f64);
        Self { dims, start: self.start + self.step * offset, step: self.step }
    }

    /// Where its samples lie in the patient, for an image on `image`.
    ///
    /// # Errors
    /// A frame without samples, or whose steps do not span space.
    pub fn grid(&self, image: &Grid) -> Result<Grid, GridError> {
        let origin = image.affine().world_from_voxel(self.start.into());
        Grid::new(self.dims, Affine::new(image.affine().linear() * self.step, origin.coords)?)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it has no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The least luma of the bright field of a photograph.
fn field_threshold(volume: &Volume) -> f32 {
    FIELD_SHARE * volume.voxels().finite_min_max().map_or(0.0, |(_, high)| high)
}

/// Width of the bright field: columns of which a tenth is bright.
fn field_width(volume: &Volume) -> usize {
    let [nx, ny, _] = volume.grid().dims();
    let threshold = field_threshold(volume);
    let is_bright =
        |x: &usize| (0..ny).filter(|y| volume.voxels().value(y * nx + x) >= threshold).count() * 10 >= ny;
    let first = (0..nx).find(is_bright);
    let last = (0..nx).rev().find(is_bright);
    first.zip(last).map_or(nx, |(first, last)| last - first + 1)
}

#[cfg(test)]
mod tests;
