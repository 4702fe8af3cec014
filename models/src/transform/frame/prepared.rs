//! An image whose channels can be sampled on any frame.

use std::sync::Arc;

use hilum_core::volume::{Volume, Voxels};
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

use super::{Frame, ImageInput, Normalize, field_threshold};

/// Most samples averaged along an axis where a frame is coarser than its image.
const MAX_FOOTPRINT: usize = 6;

/// Channels of an image side by side: `values[voxel * channels + channel]`, voxels `[z, y, x]`.
#[derive(Clone, Debug)]
pub enum Planes {
    /// Bytes, as photographs and masks have.
    Bytes(Vec<u8>),
    /// Everything else.
    Floats(Vec<f32>),
}

/// An image whose channels can be sampled.
#[derive(Clone, Debug)]
pub struct Prepared {
    dims: [usize; 3],
    channels: usize,
    /// Shared: a case may be learned from and measured.
    planes: Arc<Planes>,
    /// Factor and summand that normalise each channel.
    affine: Vec<[f32; 2]>,
    /// Normalised values are clipped to these.
    clip: [f32; 2],
}

impl Prepared {
    /// The channels that an input asks for.
    pub fn new(volume: &Volume, input: &ImageInput) -> Self {
        let channels = input.channels();
        let planes = match (volume.voxels(), channels) {
            (Voxels::Rgb8(pixels), 3) => Planes::Bytes(pixels.as_flattened().to_vec()),
            (Voxels::U8(values), 1) => Planes::Bytes(values.clone()),
            (Voxels::U8(values), _) => Planes::Bytes(values.iter().flat_map(|v| [*v; 3]).collect()),
            (voxels, _) => {
                let mut values = Vec::with_capacity(voxels.len());
                voxels.extend_f32(0..voxels.len(), &mut values);
                values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
                Planes::Floats(if channels == 1 {
                    values
                } else {
                    values.iter().flat_map(|v| [*v; 3]).collect()
                })
            }
        };
        let mut prepared = Self {
            dims: volume.grid().dims(),
            channels,
            planes: Arc::new(planes),
            affine: vec![[1.0, 0.0]; channels],
            clip: [f32::NEG_INFINITY, f32::INFINITY],
        };
        match input.normalize {
            Normalize::Window { low, high } => {
                let factor = 2.0 / (high - low);
                prepared.affine = vec![[factor, -1.0 - low * factor]; channels];
                prepared.clip = [-1.0, 1.0];
            }
            Normalize::Image => prepared.standardize(|_| true),
            Normalize::Field => {
                let threshold = field_threshold(volume);
                prepared.standardize(|voxel| volume.voxels().value(voxel) >= threshold);
            }
        }
        prepared
    }

    /// Masks of regions as channels of 0 and 1.
    pub fn of_masks(dims: [usize; 3], regions: usize, interleaved: Vec<u8>) -> Self {
        Self::of_regions(dims, regions, Planes::Bytes(interleaved))
    }

    /// Probabilities of regions as channels of 0 to 1.
    pub fn of_probabilities(dims: [usize; 3], regions: usize, interleaved: Vec<f32>) -> Self {
        Self::of_regions(dims, regions, Planes::Floats(interleaved))
    }

    fn of_regions(dims: [usize; 3], regions: usize, planes: Planes) -> Self {
        let affine = vec![[1.0, 0.0]; regions];
        Self { dims, channels: regions, planes: Arc::new(planes), affine, clip: [0.0, 1.0] }
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> u64 {
        (match &*self.planes {
            Planes::Bytes(values) => values.len(),
            Planes::Floats(values) => size_of_val(values.as_slice()),
        }) as u64
    }

    /// A value as it is in the file.
    pub fn raw(&self, voxel: usize, channel: usize) -> f32 {
        let index = voxel * self.channels + channel;
        match &*self.planes {
            Planes::Bytes(values) => f32::from(values[index]),
            Planes::Floats(values) => values[index],
        }
    }

    fn standardize(&mut self, counts: impl Fn(usize) -> bool) {
        let voxels = self.dims.iter().product();
        for channel in 0..self.channels {
            let (mut n, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
            for voxel in (0..voxels).filter(|voxel| counts(*voxel)) {
                let value = f64::from(self.raw(voxel, channel));
                n += 1.0;
                let delta = value - mean;
                mean += delta / n;
                squares += delta * (value - mean);
            }
            let sd = if n > 1.0 { (squares / n).sqrt().max(1e-6) } else { 1.0 };
            self.affine[channel] = [(1.0 / sd) as f32, (-mean / sd) as f32];
        }
    }

    /// The normalised channels on a frame, `[channel, z, y, x]`: linear between voxels, averaged over what a coarser
    /// sample covers; beyond the image its edge goes on.
    pub fn sample(&self, frame: &Frame) -> Vec<f32> {
        self.sample_bent(frame, |at| at)
    }

    /// The same of an image that is deformed: each point of the frame shows what lies at `bend` of it, both in voxels of
    /// the image.
    pub fn sample_bent(&self, frame: &Frame, bend: impl Fn(Vector3<f64>) -> Vector3<f64> + Sync) -> Vec<f32> {
        match &*self.planes {
            Planes::Bytes(values) => self.sample_from(values, frame, bend),
            Planes::Floats(values) => self.sample_from(values, frame, bend),
        }
    }

    fn sample_from<T: Copy + Sync + Into<f32>>(
        &self,
        values: &[T],
        frame: &Frame,
        bend: impl Fn(Vector3<f64>) -> Vector3<f64> + Sync,
    ) -> Vec<f32> {
        let [nx, ny, nz] = frame.dims;
        let footprint = Footprint::of(frame);
        let rows: Vec<Vec<f32>> = (0..ny * nz)
            .into_par_iter()
            .map(|row| {
                let (y, z) = (row % ny, row / ny);
                let mut line = vec![0.0; nx * self.channels];
                for x in 0..nx {
                    let at = bend(frame.start + frame.step * Vector3::new(x as f64, y as f64, z as f64));
                    let pixel = &mut line[x * self.channels..(x + 1) * self.channels];
                    footprint.offsets.iter().for_each(|offset| self.add(values, at + offset, pixel));
                    for (value, [factor, summand]) in pixel.iter_mut().zip(&self.affine) {
                        let mean = *value * footprint.weight;
                        *value = (mean * factor + summand).clamp(self.clip[0], self.clip[1]);
                    }
                }
                line
            })
            .collect();
        let mut out = Vec::with_capacity(frame.len() * self.channels);
        for channel in 0..self.channels {
            for row in &rows {
                out.extend(row.iter().skip(channel).step_by(self.channels));
            }
        }
        out
    }

    /// Adds the value between voxels at a point.
    fn add<T: Copy + Into<f32>>(&self, values: &[T], at: Vector3<f64>, sum: &mut [f32]) {
        let mut low = [0; 3];
        let mut next = [0; 3];
        let mut share = [0.0; 3];
        for axis in 0..3 {
            let last = self.dims[axis] - 1;
            let clamped = at[axis].clamp(0.0, last as f64);
            low[axis] = clamped as usize;
            next[axis] = usize::from(low[axis] < last);
            share[axis] = (clamped - low[axis] as f64) as f32;
        }
        let strides = [1, self.dims[0], self.dims[0] * self.dims[1]];
        let base = low[0] + low[1] * strides[1] + low[2] * strides[2];
        for corner in 0..8 {
            let is_high = [corner & 1, corner >> 1 & 1, corner >> 2];
            let mut weight = 1.0;
            let mut voxel = base;
            for axis in 0..3 {
                weight *= if is_high[axis] == 1 { share[axis] } else { 1.0 - share[axis] };
                voxel += is_high[axis] * next[axis] * strides[axis];
            }
            if weight > 0.0 {
                let from = voxel * self.channels;
                for (sum, value) in sum.iter_mut().zip(&values[from..]) {
                    *sum += weight * (*value).into();
                }
            }
        }
    }
}

/// The points averaged into one sample.
struct Footprint {
    offsets: Vec<Vector3<f64>>,
    weight: f32,
}

impl Footprint {
    fn of(frame: &Frame) -> Self {
        let counts = [0, 1, 2].map(|axis| {
            let reach = frame.step.column(axis).norm();
            if frame.dims[axis] > 1 { (reach.round() as usize).clamp(1, MAX_FOOTPRINT) } else { 1 }
        });
        let place = |i: usize, n: usize| (i as f64 + 0.5) / n as f64 - 0.5;
        let mut offsets = Vec::new();
        for z in 0..counts[2] {
            for y in 0..counts[1] {
                for x in 0..counts[0] {
                    let within = Vector3::new(place(x, counts[0]), place(y, counts[1]), place(z, counts[2]));
                    offsets.push(frame.step * within);
                }
            }
        }
        let weight = 1.0 / offsets.len() as f32;
        Self { offsets, weight }
    }
}

/// Values on a frame, brought back to an image of `dims`, `[z, y, x]`; `outside` beyond the frame.
pub fn to_image(values: &[f32], frame: &Frame, dims: [usize; 3], outside: f32) -> Vec<f32> {
    let inverse = frame.step.try_inverse().unwrap_or_else(Matrix3::identity);
    let source = Prepared {
        dims: frame.dims,
        channels: 1,
        planes: Arc::new(Planes::Floats(values.to_vec())),
        affine: vec![[1.0, 0.0]],
        clip: [f32::NEG_INFINITY, f32::INFINITY],
    };
    let Planes::Floats(values) = &*source.planes else { return Vec::new() };
    let is_inside =
        |p: &Vector3<f64>| (0..3).all(|axis| p[axis] >= -0.5 && p[axis] <= frame.dims[axis] as f64 - 0.5);
    let [nx, ny, nz] = dims;
    let mut out = vec![outside; nx * ny * nz];
    out.par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
        let (y, z) = (row % ny, row / ny);
        for (x, value) in line.iter_mut().enumerate() {
            let at = inverse * (Vector3::new(x as f64, y as f64, z as f64) - frame.start);
            if is_inside(&at) {
                let mut sum = [0.0];
                source.add(values, at, &mut sum);
                *value = sum[0];
            }
        }
    });
    out
}
