//! Instance normalisation and leaky ReLU in one pass over memory each way.
//!
//! Ulyanov et al. 2016, "Instance Normalization: The Missing Ingredient for Fast Stylization". Statistics are
//! taken over runs that fit the cache and joined with the formula of Chan et al. 1979, in a fixed order.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::Output;
use super::simd::{Kernel, Level, Simd, run};

/// Values that one thread treats before looking up.
const RUN: usize = 32 * 1024;
/// Values over which sums are kept in single precision.
const SHORT: usize = 2048;
/// Running sums side by side.
const SUMS: usize = 32;

/// What normalises one channel of one sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine {
    pub mean: f32,
    /// 1 / sqrt(variance + epsilon).
    pub inverse_deviation: f32,
    pub gamma: f32,
    pub beta: f32,
}

/// Count, mean and sum of squared deviations.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn join(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let delta = other.mean - self.mean;
        let mean = self.mean + delta * other.count / count;
        let squares = self.squares + other.squares + delta * delta * self.count * other.count / count;
        Moments { count, mean, squares }
    }
}

struct MomentsOf<'a>(&'a [f32], &'a mut Moments);

impl Kernel for MomentsOf<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let mut all = Moments::default();
        for short in self.0.chunks(SHORT) {
            let count = short.len() as f64;
            let mean = sum(short, |v| v) / count;
            let around = mean as f32;
            let squares = sum(short, |v| (v - around) * (v - around));
            let off = mean - f64::from(around);
            all = all.join(Moments { count, mean, squares: squares - count * off * off });
        }
        *self.1 = all;
    }
}

/// Sum of `of` over a short slice.
#[inline(always)]
fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0f32; SUMS];
    let (blocks, rest) = values.as_chunks::<SUMS>();
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += of(*value);
        }
    }
    sums.iter().map(|&v| f64::from(v)).sum::<f64>() + rest.iter().map(|&v| f64::from(of(v))).sum::<f64>()
}

/// Mean and 1 / sqrt(variance + epsilon) of each row of `voxels` values, as two vectors.
pub(crate) fn statistics(level: Level, x: &[f32], voxels: usize, epsilon: f64) -> (Vec<f32>, Vec<f32>) {
    let of_run = |values: &[f32]| {
        let mut moments = Moments::default();
        run(level, MomentsOf(values, &mut moments));
        moments
    };
    let of_row = |row: &[f32]| {
        let runs: Vec<Moments> = row.par_chunks(RUN).map(of_run).collect();
        let all = runs.into_iter().fold(Moments::default(), Moments::join);
        let variance = all.squares.max(0.0) / all.count;
        (all.mean as f32, (1.0 / (variance + epsilon).sqrt()) as f32)
    };
    x.par_chunks(voxels.max(1)).map(of_row).unzip()
}

struct Apply<'a> {
    x: &'a [f32],
    y: &'a mut [MaybeUninit<f32>],
    affine: Affine,
    slope: f32,
}

impl Kernel for Apply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Affine { mean, inverse_deviation, gamma, beta } = self.affine;
        let scale = inverse_deviation * gamma;
        for (y, x) in self.y.iter_mut().zip(self.x) {
            let v = (x - mean) * scale + beta;
            y.write(if v < 0.0 { v * self.slope } else { v });
        }
    }
}

/// Normalises each row of `voxels` values of `x` by its `affine` and applies the leaky ReLU.
pub(crate) fn apply(level: Level, x: &[f32], voxels: usize, affine: &[Affine], slope: f32) -> Vec<f32> {
    assert!(affine.len() * voxels == x.len());
    let mut y = Output::new(x.len());
    let rows = y.values().par_chunks_mut(voxels.max(1)).zip(x.par_chunks(voxels.max(1))).zip(affine);
    rows.for_each(|((y, x), &affine)| {
        let runs = y.par_chunks_mut(RUN).zip(x.par_chunks(RUN));
        runs.for_each(|(y, x)| run(level, Apply { x, y, affine, slope }));
    });
    // SAFETY: there is an `affine` for every row, and each run of each row was written.
    unsafe { y.written() }
}

/// Sums over one row: of the gradient before the leaky ReLU, and of its product with the normalised value.
#[derive(Clone, Copy, Default)]
pub(crate) struct GradientSums {
    pub plain: f64,
    pub weighted: f64,
}

struct SumsOf<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    affine: Affine,
    slope: f32,
    sums: &'a mut GradientSums,
}

/// The normalised value, and the gradient behind the leaky ReLU.
#[inline(always)]
fn behind(grad: f32, x: f32, affine: Affine, slope: f32) -> (f32, f32) {
    let Affine { mean, inverse_deviation, gamma, beta } = affine;
    // The very product of `Apply`, so that both see the same sign.
    let negative = (x - mean) * (inverse_deviation * gamma) + beta < 0.0;
    ((x - mean) * inverse_deviation, if negative { grad * slope } else { grad })
}

impl Kernel for SumsOf<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let mut all = GradientSums::default();
        for (grad, x) in self.grad.chunks(SHORT).zip(self.x.chunks(SHORT)) {
            let (mut plain, mut weighted) = ([0.0f32; SUMS], [0.0f32; SUMS]);
            for (grad, x) in grad.chunks(SUMS).zip(x.chunks(SUMS)) {
                for (i, (grad, x)) in grad.iter().zip(x).enumerate() {
                    let (normal, g) = behind(*grad, *x, self.affine, self.slope);
                    plain[i] += g;
                    weighted[i] += g * normal;
                }
            }
            all.plain += plain.iter().map(|&v| f64::from(v)).sum::<f64>();
            all.weighted += weighted.iter().map(|&v| f64::from(v)).sum::<f64>();
        }
        *self.sums = all;
    }
}

struct Back<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    affine: Affine,
    slope: f32,
    /// Means of the two sums.
    plain: f32,
    weighted: f32,
}

impl Kernel for Back<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let scale = self.affine.gamma * self.affine.inverse_deviation;
        for (out, (grad, x)) in self.out.iter_mut().zip(self.grad.iter().zip(self.x)) {
            let (normal, g) = behind(*grad, *x, self.affine, self.slope);
            out.write(scale * (g - self.plain - normal * self.weighted));
        }
    }
}

/// Gradient by `x` of rows of `voxels` values, and each row's sums, from which follow those by gamma and beta.
pub(crate) fn backward(
    level: Level,
    grad: &[f32],
    x: &[f32],
    voxels: usize,
    affine: &[Affine],
    slope: f32,
) -> (Vec<f32>, Vec<GradientSums>) {
    assert!(affine.len() * voxels == x.len() && grad.len() == x.len());
    let mut out = Output::new(x.len());
    let rows = out
        .values()
        .par_chunks_mut(voxels.max(1))
        .zip(grad.par_chunks(voxels.max(1)).zip(x.par_chunks(voxels.max(1))))
        .zip(affine);
    let sums = rows.map(|((out, (grad, x)), &affine)| {
        let of_run = |(grad, x)| {
            let mut sums = GradientSums::default();
            run(level, SumsOf { grad, x, affine, slope, sums: &mut sums });
            sums
        };
        let runs: Vec<GradientSums> = grad.par_chunks(RUN).zip(x.par_chunks(RUN)).map(of_run).collect();
        let add = |a: GradientSums, b: GradientSums| GradientSums {
            plain: a.plain + b.plain,
            weighted: a.weighted + b.weighted,
        };
        let sums = runs.into_iter().fold(GradientSums::default(), add);
        let (plain, weighted) =
            ((sums.plain / x.len() as f64) as f32, (sums.weighted / x.len() as f64) as f32);
        let runs = out.par_chunks_mut(RUN).zip(grad.par_chunks(RUN).zip(x.par_chunks(RUN)));
        runs.for_each(|(out, (grad, x))| run(level, Back { grad, x, out, affine, slope, plain, weighted }));
        sums
    });
    let sums = sums.collect();
    // SAFETY: there is an `affine` for every row, and each run of each row was written.
    (unsafe { out.written() }, sums)
}
